//! Rules of network ACLs (`ec2.md` §1.7).

use std::sync::Arc;

use super::lookup::absent;
use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::resource::*;
use crate::{
    AclAssociationId, AclId, Code, Key, Kind, Part, PrefixedId, Refused, Scope, SmallMap, VpcId,
};

/// EC2's quota of ACLs per VPC.
const MAX_ACLS: usize = 200;
/// EC2's quota of entries per ACL, direction and family, with the denial at the end of each.
const MAX_ENTRIES: usize = 20;

impl Decision<'_> {
    pub(super) fn create_acl(
        &mut self,
        scope: Scope,
        vpc: VpcId,
        client_token: Option<&ClientToken>,
        tags: &Tags,
    ) -> Outcome {
        let key = Key::Vpc(self.editable_vpc(scope, vpc)?.id);
        if let Some(made) = self.repeated(scope, Kind::NetworkAcl, client_token)? {
            return Ok(made.into());
        }
        super::tag::check_tags(tags)?;
        if self.world.naming(key, Kind::NetworkAcl).count() >= MAX_ACLS {
            return refuse(
                Code::AclLimit,
                format_args!("The maximum number of network ACLs has been reached: {MAX_ACLS}"),
            );
        }
        let id = AclId::fresh(self.ids);
        self.put(NetworkAcl {
            id,
            vpc,
            is_default: false,
            ingress: SmallMap::new(),
            egress: SmallMap::new(),
            client_token: client_token.map(|token| token.of(scope)),
            tags: tags.clone(),
            created: self.now,
        });
        Ok(Key::NetworkAcl(id).into())
    }

    pub(super) fn delete_acl(&mut self, scope: Scope, id: AclId) -> Outcome {
        if self.editable_acl(scope, id)?.is_default {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("cannot delete default network ACL {id}"),
            );
        }
        if self.world.naming(Key::NetworkAcl(id), Kind::Subnet).next().is_some() {
            return refuse(
                Code::DependencyViolation,
                format_args!("The networkAcl '{id}' has dependencies and cannot be deleted."),
            );
        }
        self.delete(Key::NetworkAcl(id));
        Ok(Reply::Done)
    }

    fn editable_acl(&self, scope: Scope, id: AclId) -> Result<Arc<NetworkAcl>, Refused> {
        self.in_editable(scope, self.own_acl(scope, id)?)
    }

    pub(super) fn create_acl_entry(
        &mut self,
        scope: Scope,
        id: AclId,
        direction: Direction,
        number: u16,
        entry: AclEntry,
    ) -> Outcome {
        let mut acl = NetworkAcl::clone(&*self.editable_acl(scope, id)?);
        check_entry(number, &entry)?;
        let entries = acl.entries_mut(direction);
        if entries.contains_key(&number) {
            return refuse(
                Code::AclEntryExists,
                format_args!("The network acl entry identified by {number} already exists."),
            );
        }
        entries.insert(number, entry);
        check_room(entries, &entry)?;
        self.put(acl);
        Ok(Reply::Done)
    }

    pub(super) fn replace_acl_entry(
        &mut self,
        scope: Scope,
        id: AclId,
        direction: Direction,
        number: u16,
        entry: AclEntry,
    ) -> Outcome {
        let mut acl = NetworkAcl::clone(&*self.editable_acl(scope, id)?);
        check_entry(number, &entry)?;
        let entries = acl.entries_mut(direction);
        let Some(old) = entries.get(&number).copied() else { return Err(no_such_entry(number)) };
        entries.insert(number, entry);
        // One that stays in its family takes no more room, be there too many from before or not.
        if AddressFamily::of(old.cidr) != AddressFamily::of(entry.cidr) {
            check_room(entries, &entry)?;
        }
        if old != entry {
            self.put(acl);
        }
        Ok(Reply::Done)
    }

    pub(super) fn delete_acl_entry(
        &mut self,
        scope: Scope,
        id: AclId,
        direction: Direction,
        number: u16,
    ) -> Outcome {
        let mut acl = NetworkAcl::clone(&*self.editable_acl(scope, id)?);
        if acl.entries_mut(direction).remove(&number).is_none() {
            return Err(no_such_entry(number));
        }
        self.put(acl);
        Ok(Reply::Done)
    }

    pub(super) fn replace_acl_association(
        &mut self,
        scope: Scope,
        association: AclAssociationId,
        acl: AclId,
    ) -> Outcome {
        let gone = || absent(Code::AssociationNotFound, "association ID", association);
        let Some(Key::Subnet(id)) = self.world.whole(Part::AclAssociation(association)) else {
            return Err(gone());
        };
        let subnet = self.own_subnet(scope, id).map_err(|_| gone())?;
        let acl = self.editable_acl(scope, acl)?;
        if acl.vpc != subnet.vpc {
            return Err(super::route::different(format_args!(
                "network ACL {} and subnet {id}",
                acl.id
            )));
        }
        let acl_association = AclAssociationId::fresh(self.ids);
        self.put(Subnet { acl: acl.id, acl_association, ..Subnet::clone(&subnet) });
        Ok(Key::Subnet(id).into())
    }
}

fn check_entry(number: u16, entry: &AclEntry) -> Result<(), Refused> {
    if !(1..=NetworkAcl::LAST_ENTRY).contains(&number) {
        return refuse(
            Code::InvalidParameterValue,
            format_args!(
                "Value ({number}) for parameter ruleNumber is invalid. Numbers are 1 to {}.",
                NetworkAcl::LAST_ENTRY
            ),
        );
    }
    super::permission::check_traffic(entry.traffic)
        .map_err(|refused| Refused { code: Code::InvalidParameterValue, ..refused })
}

/// Whether there is room for the entries of an entry's family, of which it is one already, and for the
/// denial at their end.
fn check_room(entries: &SmallMap<u16, AclEntry>, entry: &AclEntry) -> Result<(), Refused> {
    let family = AddressFamily::of(entry.cidr);
    let same = entries.values().filter(|other| AddressFamily::of(other.cidr) == family);
    if same.count() >= MAX_ENTRIES {
        return refuse(
            Code::AclEntryLimit,
            "The maximum number of network acl entries has been reached.",
        );
    }
    Ok(())
}

fn no_such_entry(number: u16) -> Refused {
    Refused::new(
        Code::AclEntryNotFound,
        format_args!("The network acl entry identified by {number} does not exist."),
    )
}
