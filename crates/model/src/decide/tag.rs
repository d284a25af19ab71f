//! Rules of tags.

use super::lookup::missing;
use super::{Decision, Outcome, refuse};
use crate::command::{Reply, TaggedResource};
use crate::resource::*;
use crate::{Code, Key, Part, PcxId, Record, Refused, Scope, SecurityGroupRuleId};

const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 127;
const MAX_VALUE: usize = 256;
const RESERVED: &str = "aws:";

/// How a resource's tags change.
type Edit<'a> = &'a dyn Fn(&mut Tags) -> Result<(), Refused>;

impl Decision<'_> {
    pub(super) fn create_tags(
        &mut self,
        scope: Scope,
        resources: &[TaggedResource],
        tags: &Tags,
    ) -> Outcome {
        if tags.is_empty() {
            return missing("tagSet");
        }
        check_tags(tags)?;
        self.retag(scope, resources, &|old| {
            old.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
            check_count(old)
        })
    }

    pub(super) fn delete_tags(
        &mut self,
        scope: Scope,
        resources: &[TaggedResource],
        tags: &[(String, Option<String>)],
    ) -> Outcome {
        if let Some((key, _)) = tags.iter().find(|(key, _)| key.starts_with(RESERVED)) {
            return Err(reserved(key));
        }
        self.retag(scope, resources, &|old| {
            let goes = |key: &str, value: &str| {
                tags.is_empty()
                    || tags.iter().any(|(k, v)| k == key && v.as_deref().is_none_or(|v| v == value))
            };
            old.retain(|key, value| !goes(key, value));
            Ok(())
        })
    }

    fn retag(&mut self, scope: Scope, resources: &[TaggedResource], edit: Edit<'_>) -> Outcome {
        if resources.is_empty() {
            return missing("resourceIdSet");
        }
        for resource in resources {
            let new = match *resource {
                TaggedResource::Resource(Key::Peering(id)) => {
                    self.retag_peering(scope, id, edit)?
                }
                TaggedResource::Resource(key) => self.retag_resource(scope, key, edit)?,
                TaggedResource::GroupRule(id) => self.retag_rule(scope, id, edit)?,
            };
            if let Some(new) = new {
                self.put(new);
            }
        }
        Ok(Reply::Done)
    }

    /// The resource as it becomes, if that is another than it was.
    fn retag_resource(
        &self,
        scope: Scope,
        key: Key,
        edit: Edit<'_>,
    ) -> Result<Option<Record>, Refused> {
        macro_rules! edited {
            ($found:expr) => {{
                let found = $found;
                let mut resource = (*found).clone();
                edit(&mut resource.tags)?;
                Ok((resource != *found).then(|| resource.into()))
            }};
        }
        match key {
            Key::Vpc(id) => edited!(self.editable_vpc(scope, id)?),
            Key::Subnet(id) => edited!(self.in_editable(scope, self.own_subnet(scope, id)?)?),
            Key::RouteTable(id) => {
                edited!(self.in_editable(scope, self.own_route_table(scope, id)?)?)
            }
            Key::SecurityGroup(id) => edited!(self.in_editable(scope, self.own_group(scope, id)?)?),
            Key::NetworkAcl(id) => edited!(self.in_editable(scope, self.own_acl(scope, id)?)?),
            Key::Eni(id) => edited!(self.in_editable(scope, self.own_eni(scope, id)?)?),
            Key::Instance(id) => edited!(self.own_instance(scope, id)?),
            Key::InternetGateway(id) => edited!(self.own_gateway(scope, id)?),
            Key::DhcpOptions(id) => {
                let mine =
                    |set: &DhcpOptions| set.account == scope.account && set.region == scope.region;
                let found = self.world.dhcp_options(id).filter(|set| mine(set)).cloned();
                edited!(found.ok_or_else(|| unknown(key))?)
            }
            Key::Peering(_)
            | Key::Settings(_)
            | Key::Account(_)
            | Key::AccessKey(_)
            | Key::User(_)
            | Key::Token(_)
            | Key::Team(_)
            | Key::Space(_)
            | Key::App(_)
            | Key::Slug(_)
            | Key::Release(_)
            | Key::Dyno(_)
            | Key::Addon(_) => Err(unknown(key)),
        }
    }

    /// A peering's tags belong to one side; where both are the caller's, they are the same.
    fn retag_peering(
        &self,
        scope: Scope,
        id: PcxId,
        edit: Edit<'_>,
    ) -> Result<Option<Record>, Refused> {
        let old = self.seen_peering(scope, id)?;
        let mut pcx = Peering::clone(&old);
        for side in [&mut pcx.requester, &mut pcx.accepter] {
            if side.account == scope.account && side.region == scope.region {
                edit(&mut side.tags)?;
            }
        }
        Ok((pcx != *old).then(|| pcx.into()))
    }

    fn retag_rule(
        &self,
        scope: Scope,
        id: SecurityGroupRuleId,
        edit: Edit<'_>,
    ) -> Result<Option<Record>, Refused> {
        let absent = || super::group::no_such_rule(id);
        let Some(Key::SecurityGroup(group)) = self.world.whole(Part::GroupRule(id)) else {
            return Err(absent());
        };
        let found = self.own_group(scope, group).map_err(|_| absent())?;
        let old = self.in_editable(scope, found)?;
        let mut group = SecurityGroup::clone(&old);
        edit(&mut group.rules.get_mut(&id).ok_or_else(absent)?.tags)?;
        Ok((group != *old).then(|| group.into()))
    }
}

/// Whether tags can be put on anything.
pub(super) fn check_tags(tags: &Tags) -> Result<(), Refused> {
    check_count(tags)?;
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > MAX_KEY {
            return refuse(
                Code::TagKeyMalformed,
                format_args!("Tag keys have 1 to {MAX_KEY} characters; '{key}' does not"),
            );
        }
        if key.starts_with(RESERVED) {
            return Err(reserved(key));
        }
        if value.chars().count() > MAX_VALUE {
            return refuse(
                Code::InvalidParameterValue,
                format_args!("Tag value exceeds the maximum length of {MAX_VALUE} characters"),
            );
        }
    }
    Ok(())
}

fn check_count(tags: &Tags) -> Result<(), Refused> {
    if tags.len() > MAX_TAGS {
        return refuse(
            Code::TagLimitExceeded,
            "The maximum number of Tags for a resource has been reached.",
        );
    }
    Ok(())
}

fn reserved(key: &str) -> Refused {
    Refused::new(
        Code::InvalidParameterValue,
        format_args!("Tag keys starting with '{RESERVED}' are reserved for internal use: '{key}'"),
    )
}

fn unknown(key: Key) -> Refused {
    Refused::new(Code::InvalidId, format_args!("The ID '{key}' is not valid"))
}
