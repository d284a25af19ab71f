//! Rules of VPCs and their blocks (`ec2.md` §1.3, §1.4).

use super::{Decision, Outcome, refuse};
use crate::command::{NewVpc, Reply, VpcAttribute};
use crate::resource::*;
use crate::{
    AccountId, AclId, Cidr, Code, Key, Kind, Part, PrefixedId, Refused, RouteTableAssociationId,
    RouteTableId, Scope, SecurityGroupId, SecurityGroupRuleId, SmallMap, Traffic,
    VpcCidrAssociationId, VpcId,
};

/// EC2 keeps this for its own services.
const SERVICES: Cidr = Cidr::new(198, 19, 0, 0, 16);

impl Decision<'_> {
    pub(super) fn create_vpc(&mut self, scope: Scope, new: &NewVpc) -> Outcome {
        check_block(new.cidr)?;
        super::tag::check_tags(&new.tags)?;
        let made = self.make_vpc(scope, new.cidr, None, false, new.tags.clone());
        let mut vpc = Vpc { tenancy: new.tenancy, ..made.clone() };
        if new.ipv6 {
            vpc.ipv6.push(self.new_ipv6_block(vpc.id)?);
        }
        if vpc != made {
            self.put(vpc.clone());
        }
        Ok(Key::Vpc(vpc.id).into())
    }

    /// Makes a VPC with what every VPC has: a main route table, a network ACL that allows
    /// everything, and a group whose members reach each other.
    pub(super) fn make_vpc(
        &mut self,
        scope: Scope,
        cidr: Cidr,
        role: Option<VpcRole>,
        is_default: bool,
        tags: Tags,
    ) -> Vpc {
        let id = VpcId::fresh(self.ids);
        let vpc = Vpc {
            id,
            account: scope.account,
            region: scope.region,
            cidrs: vec![VpcCidr { id: VpcCidrAssociationId::fresh(self.ids), cidr }],
            ipv6: Vec::new(),
            dns_support: true,
            dns_hostnames: is_default,
            usage_metrics: false,
            is_default,
            dhcp_options: Some(self.default_dhcp_options(scope)),
            main_route_table: RouteTableId::fresh(self.ids),
            main_association: RouteTableAssociationId::fresh(self.ids),
            default_acl: AclId::fresh(self.ids),
            default_group: SecurityGroupId::fresh(self.ids),
            tenancy: Tenancy::default(),
            role,
            tags,
            created: self.now,
        };
        self.put(vpc.clone());
        self.put(RouteTable {
            id: vpc.main_route_table,
            vpc: id,
            routes: SmallMap::new(),
            client_token: None,
            tags: Tags::new(),
            created: self.now,
        });
        self.put(default_acl(&vpc));
        let group = self.default_group(&vpc);
        self.put(group);
        vpc
    }

    fn default_group(&mut self, vpc: &Vpc) -> SecurityGroup {
        let itself =
            GroupPeer::Group { group: vpc.default_group, account: vpc.account, vpc: vpc.id };
        let members = super::group::rule(Direction::Ingress, itself);
        let rules = [members, super::group::egress_to_anywhere()]
            .map(|rule| (SecurityGroupRuleId::fresh(self.ids), rule));
        SecurityGroup {
            id: vpc.default_group,
            vpc: vpc.id,
            name: SecurityGroup::DEFAULT.into(),
            description: "default VPC security group".to_owned(),
            rules: SmallMap::from(rules),
            tags: Tags::new(),
            created: self.now,
        }
    }

    pub(super) fn delete_vpc(&mut self, scope: Scope, id: VpcId) -> Outcome {
        let vpc = self.editable_vpc(scope, id)?;
        if self.vpc_in_use(&vpc) {
            return refuse(
                Code::DependencyViolation,
                format_args!("The vpc '{id}' has dependencies and cannot be deleted."),
            );
        }
        self.delete_peerings_of(id, scope.account)?;
        self.remove_vpc(id);
        Ok(Reply::Done)
    }

    fn vpc_in_use(&self, vpc: &Vpc) -> bool {
        let key = Key::Vpc(vpc.id);
        let world = &self.world;
        let asked_by_others = |pcx: &Peering| {
            pcx.status(self.now) == PeeringStatus::PendingAcceptance
                && pcx.accepter.vpc == vpc.id
                && pcx.requester.account != vpc.account
        };
        world.naming(key, Kind::Subnet).next().is_some()
            || world.naming(key, Kind::Eni).next().is_some()
            || world.naming(key, Kind::InternetGateway).next().is_some()
            || world.naming(key, Kind::EgressGateway).next().is_some()
            || world.groups_in(key).any(|group| group.id != vpc.default_group)
            || world.route_tables_in(key).any(|table| table.id != vpc.main_route_table)
            || world.acls_in(key).any(|acl| acl.id != vpc.default_acl)
            || world.peerings_of(key).any(|pcx| asked_by_others(pcx))
    }

    /// Removes a VPC and everything in it; its peerings are another matter.
    pub(super) fn remove_vpc(&mut self, id: VpcId) {
        const INSIDE: [Kind; 8] = [
            Kind::Eni,
            Kind::SubnetReservation,
            Kind::Subnet,
            Kind::RouteTable,
            Kind::SecurityGroup,
            Kind::NetworkAcl,
            Kind::InternetGateway,
            Kind::EgressGateway,
        ];
        for kind in INSIDE {
            let inside: Vec<Key> = self.world.naming(Key::Vpc(id), kind).collect();
            for key in inside {
                self.delete(key);
            }
        }
        self.delete(Key::Vpc(id));
    }

    pub(super) fn modify_vpc_attribute(
        &mut self,
        scope: Scope,
        id: VpcId,
        attribute: VpcAttribute,
    ) -> Outcome {
        let old = self.editable_vpc(scope, id)?;
        let mut vpc = Vpc::clone(&old);
        match attribute {
            VpcAttribute::DnsHostnames(true) if !vpc.dns_support => {
                return refuse(
                    Code::InvalidParameterCombination,
                    format_args!(
                        "DNS hostnames need DNS support, which is disabled in the vpc '{id}'; \
                         enable it first."
                    ),
                );
            }
            VpcAttribute::DnsSupport(on) => vpc.dns_support = on,
            VpcAttribute::DnsHostnames(on) => vpc.dns_hostnames = on,
            VpcAttribute::UsageMetrics(on) => vpc.usage_metrics = on,
        }
        if vpc != *old {
            self.put(vpc);
        }
        Ok(Reply::Done)
    }

    pub(super) fn modify_vpc_tenancy(&mut self, scope: Scope, id: VpcId) -> Outcome {
        let old = self.editable_vpc(scope, id)?;
        let vpc = Vpc { tenancy: Tenancy::Default, ..Vpc::clone(&old) };
        if vpc != *old {
            self.put(vpc);
        }
        Ok(Reply::Done)
    }

    pub(super) fn associate_cidr(&mut self, scope: Scope, id: VpcId, cidr: Cidr) -> Outcome {
        let mut vpc = Vpc::clone(&*self.editable_vpc(scope, id)?);
        check_block(cidr)?;
        check_block_count(id, vpc.cidrs.len())?;
        check_addition(&vpc, cidr)?;
        self.check_against_routes(id, cidr)?;
        self.check_against_peerings(id, cidr)?;
        vpc.cidrs.push(VpcCidr { id: VpcCidrAssociationId::fresh(self.ids), cidr });
        self.put(vpc.clone());
        self.refresh_peerings_of(&vpc)?;
        Ok(Key::Vpc(id).into())
    }

    /// A `local` route must not take over what a route in any table says.
    fn check_against_routes(&self, id: VpcId, cidr: Cidr) -> Result<(), Refused> {
        for table in self.world.route_tables_in(Key::Vpc(id)) {
            if let Some((taken, _)) = table.cidr_routes().find(|(to, _)| cidr.covers(*to)) {
                return refuse(
                    Code::VpcCidrConflict,
                    format_args!(
                        "The CIDR '{cidr}' is the same as or larger than the destination \
                         '{taken}' of a route in '{}'",
                        table.id
                    ),
                );
            }
        }
        Ok(())
    }

    fn check_against_peerings(&self, id: VpcId, cidr: Cidr) -> Result<(), Refused> {
        self.check_no_request(id)?;
        for pcx in self.world.peerings_of(Key::Vpc(id)) {
            let Some(other) = pcx.other_side(id).filter(|_| pcx.carries()) else { continue };
            if let Some(theirs) = other.cidrs.iter().find(|theirs| theirs.overlaps(cidr)) {
                return refuse(
                    Code::VpcCidrConflict,
                    format_args!(
                        "The CIDR '{cidr}' overlaps with the CIDR '{theirs}' of the vpc '{}', \
                         which '{}' peers with",
                        other.vpc, pcx.id
                    ),
                );
            }
            self.check_against_space(other.vpc, cidr)?;
        }
        Ok(())
    }

    /// Who waits for the answer to a request may add nothing meanwhile.
    pub(super) fn check_no_request(&self, id: VpcId) -> Result<(), Refused> {
        let waits = |pcx: &&std::sync::Arc<Peering>| {
            let pending = pcx.status(self.now) == PeeringStatus::PendingAcceptance;
            pending && pcx.requester.vpc == id
        };
        match self.world.peerings_of(Key::Vpc(id)).find(waits) {
            None => Ok(()),
            Some(pcx) => refuse(
                Code::VpcCidrConflict,
                format_args!(
                    "The vpc '{id}' asks for the peering '{}': no CIDR can be added until the \
                     request is accepted or deleted",
                    pcx.id
                ),
            ),
        }
    }

    /// A space that a VPC is peered with has more than its VPC's block: none of it could be told
    /// apart from the addition (R3).
    fn check_against_space(&self, peer: VpcId, cidr: Cidr) -> Result<(), Refused> {
        let space = self.world.vpc(peer).and_then(|vpc| self.world.space_of_vpc(vpc));
        let Some(space) = space.filter(|space| space.vpc == peer) else { return Ok(()) };
        let taken = [
            (space.data_cidr, "the block of its data services"),
            (Space::RESERVED, "which is reserved"),
        ];
        match taken.into_iter().find(|(block, _)| block.overlaps(cidr)) {
            None => Ok(()),
            Some((block, what)) => refuse(
                Code::VpcCidrConflict,
                format_args!(
                    "The CIDR '{cidr}' overlaps with '{block}' of the Private Space behind \
                     '{peer}', {what}"
                ),
            ),
        }
    }

    /// Brings what peerings know of a VPC's blocks up to date; a request that does not fit any
    /// more fails.
    pub(super) fn refresh_peerings_of(&mut self, vpc: &Vpc) -> Result<(), Refused> {
        for mut pcx in self.peerings_to_change(vpc.id) {
            if pcx.status(self.now).ended() {
                continue;
            }
            let blocks: Vec<Cidr> = vpc.blocks().collect();
            let overlaps = pcx.other_side(vpc.id).is_some_and(|other| {
                other.cidrs.iter().any(|theirs| blocks.iter().any(|ours| ours.overlaps(*theirs)))
                    || (other.ipv6.iter())
                        .any(|theirs| vpc.ipv6_blocks().any(|ours| ours.overlaps(*theirs)))
            });
            let side = match pcx.requester.vpc == vpc.id {
                true => &mut pcx.requester,
                false => &mut pcx.accepter,
            };
            side.cidrs = blocks;
            side.ipv6 = vpc.ipv6_blocks().collect();
            self.put(pcx.clone());
            if overlaps && pcx.next(PeeringEvent::Overlap, self.now).is_ok() {
                self.step(&pcx, PeeringEvent::Overlap, None)?;
            }
        }
        Ok(())
    }

    fn peerings_to_change(&self, vpc: VpcId) -> Vec<Peering> {
        self.world.peerings_of(Key::Vpc(vpc)).map(|pcx| Peering::clone(pcx)).collect()
    }

    /// Deletes every peering of a VPC that can still be deleted.
    pub(super) fn delete_peerings_of(&mut self, vpc: VpcId, by: AccountId) -> Result<(), Refused> {
        for pcx in self.peerings_to_change(vpc) {
            if pcx.next(PeeringEvent::Delete, self.now).is_ok() {
                self.step(&pcx, PeeringEvent::Delete, Some(by))?;
            }
        }
        Ok(())
    }

    pub(super) fn disassociate_cidr(
        &mut self,
        scope: Scope,
        association: VpcCidrAssociationId,
    ) -> Outcome {
        let absent = || {
            Refused::new(
                Code::VpcCidrAssociationNotFound,
                format_args!("The vpc CIDR block association ID '{association}' does not exist"),
            )
        };
        let Some(Key::Vpc(id)) = self.world.whole(Part::VpcCidr(association)) else {
            return Err(absent());
        };
        self.own_vpc(scope, id).map_err(|_| absent())?;
        let mut vpc = Vpc::clone(&*self.editable_vpc(scope, id)?);
        if let Some(at) = vpc.ipv6.iter().position(|block| block.id == association) {
            return self.disassociate_ipv6(vpc, at);
        }
        let at = vpc.cidrs.iter().position(|c| c.id == association).ok_or_else(absent)?;
        if at == 0 {
            return refuse(
                Code::OperationNotPermitted,
                format_args!(
                    "The vpc CIDR block with association ID {association} may not be \
                     disassociated. It is the primary IPv4 CIDR block of the VPC"
                ),
            );
        }
        let cidr = vpc.cidrs.remove(at).cidr;
        if self.world.subnets_in(Key::Vpc(id)).any(|subnet| cidr.covers(subnet.cidr)) {
            return Err(subnet_within(id, cidr));
        }
        self.put(vpc.clone());
        self.refresh_peerings_of(&vpc)?;
        Ok(Key::Vpc(id).into())
    }
}

/// A refusal for a block that a subnet needs.
pub(super) fn subnet_within(id: VpcId, cidr: impl std::fmt::Display) -> Refused {
    Refused::new(
        Code::CidrInUse,
        format_args!("The vpc {id} currently has a subnet within CIDR block {cidr}"),
    )
}

fn default_acl(vpc: &Vpc) -> NetworkAcl {
    let all = AclEntry { allow: true, traffic: Traffic::All, cidr: Cidr::ANY.into() };
    let entries = SmallMap::from([(NetworkAcl::DEFAULT_ENTRY, all)]);
    NetworkAcl {
        id: vpc.default_acl,
        vpc: vpc.id,
        is_default: true,
        ingress: entries.clone(),
        egress: entries,
        client_token: None,
        tags: Tags::new(),
        created: vpc.created,
    }
}

/// Whether a VPC can have another block of a family.
pub(super) fn check_block_count(id: VpcId, blocks: usize) -> Result<(), Refused> {
    if blocks < Vpc::MAX_BLOCKS {
        return Ok(());
    }
    refuse(
        Code::VpcCidrLimit,
        format_args!(
            "This network {id} has met its maximum number of allowed CIDRs: {}",
            Vpc::MAX_BLOCKS
        ),
    )
}

/// Whether a block can be a VPC's at all.
pub(super) fn check_block(cidr: Cidr) -> Result<(), Refused> {
    if !Vpc::BLOCK_SIZES.contains(&cidr.prefix_len()) {
        return refuse(Code::VpcRange, format_args!("The CIDR '{cidr}' is invalid."));
    }
    match Vpc::UNUSABLE.into_iter().find(|unusable| unusable.overlaps(cidr)) {
        Some(unusable) => refuse(
            Code::InvalidParameterValue,
            format_args!("The CIDR '{cidr}' is reserved: it lies in {unusable}"),
        ),
        None => Ok(()),
    }
}

/// Whether a block goes with those that a VPC has already.
fn check_addition(vpc: &Vpc, cidr: Cidr) -> Result<(), Refused> {
    if let Some(own) = vpc.blocks().find(|own| own.overlaps(cidr)) {
        return refuse(
            Code::VpcCidrConflict,
            format_args!(
                "The CIDR '{cidr}' overlaps with the CIDR '{own}' of the vpc '{}'",
                vpc.id
            ),
        );
    }
    if is_restricted(vpc, cidr) {
        return refuse(
            Code::VpcRange,
            format_args!(
                "The CIDR '{cidr}' is restricted. Use a CIDR from the same private address range \
                 as the current VPC CIDR, or use a publicly-routable CIDR."
            ),
        );
    }
    Ok(())
}

/// EC2's table of what can be added to which family of blocks.
fn is_restricted(vpc: &Vpc, added: Cidr) -> bool {
    const TEN_ZERO: Cidr = Cidr::new(10, 0, 0, 0, 16);
    const TEN_ZERO_AND_ONE: Cidr = Cidr::new(10, 0, 0, 0, 15);
    const DEFAULT_VPCS: Cidr = Cidr::new(172, 31, 0, 0, 16);
    if SERVICES.covers(vpc.primary()) {
        return added.rfc1918().is_some();
    }
    let foreign = match added.rfc1918() {
        Some(family) => vpc.primary().rfc1918() != Some(family),
        None => SERVICES.covers(added),
    };
    let beside_ten = || vpc.blocks().any(|block| TEN_ZERO_AND_ONE.covers(block));
    foreign || DEFAULT_VPCS.covers(added) || (TEN_ZERO.covers(added) && beside_ten())
}
