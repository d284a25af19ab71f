//! Rules of tags.

use super::lookup::{missing, no_such_rule};
use super::{Decision, Outcome, refuse};
use crate::command::{ElasticIpName, Reply, TaggedResource};
use crate::resource::*;
use crate::{Code, Key, Part, PcxId, Record, Refused, Scope, SecurityGroupRuleId, VolumeId};

const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 127;
const MAX_VALUE: usize = 256;
const RESERVED: &str = "aws:";

/// A change of a resource's tags.
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
            if let Some(new) = self.retagged(scope, *resource, edit)? {
                self.put(new);
            }
        }
        Ok(Reply::Done)
    }

    /// The resource as it becomes, if that is another than it was.
    fn retagged(
        &self,
        scope: Scope,
        resource: TaggedResource,
        edit: Edit<'_>,
    ) -> Result<Option<Record>, Refused> {
        use TaggedResource as T;
        macro_rules! edited {
            ($found:expr) => {{
                let found = $found;
                let mut resource = (*found).clone();
                edit(&mut resource.tags)?;
                Ok((resource != *found).then(|| resource.into()))
            }};
        }
        match resource {
            T::DhcpOptions(id) => {
                let mine =
                    |set: &DhcpOptions| set.account == scope.account && set.region == scope.region;
                let found = self.world.dhcp_options(id).filter(|set| mine(set)).cloned();
                edited!(found.ok_or_else(|| {
                    Refused::new(Code::InvalidId, format_args!("The ID '{id}' is not valid"))
                })?)
            }
            T::EgressGateway(id) => {
                edited!(self.in_editable(scope, self.own_egress_gateway(scope, id)?)?)
            }
            T::ElasticIp(id) => {
                edited!(self.own_elastic_ip(scope, ElasticIpName::Allocation(id))?)
            }
            T::Eni(id) => edited!(self.in_editable(scope, self.own_eni(scope, id)?)?),
            T::FlowLog(id) => edited!(self.own_flow_log(scope, id)?),
            T::GroupRule(id) => self.retagged_rule(scope, id, edit),
            T::Instance(id) => edited!(self.own_instance(scope, id)?),
            T::InternetGateway(id) => edited!(self.own_gateway(scope, id)?),
            T::KeyPair(id) => edited!(self.own_key_pair(scope, id)?),
            T::NatGateway(id) => edited!(self.own_nat_gateway(scope, id)?),
            T::NetworkAcl(id) => edited!(self.in_editable(scope, self.own_acl(scope, id)?)?),
            T::NetworkInsightsAnalysis(id) => edited!(self.own_analysis(scope, id)?),
            T::NetworkInsightsPath(id) => edited!(self.own_insights_path(scope, id)?),
            T::PrefixList(id) => edited!(self.own_prefix_list(scope, id)?),
            T::Peering(id) => self.retagged_peering(scope, id, edit),
            T::RouteTable(id) => {
                edited!(self.in_editable(scope, self.own_route_table(scope, id)?)?)
            }
            T::SecurityGroup(id) => edited!(self.in_editable(scope, self.own_group(scope, id)?)?),
            T::SubnetReservation(id) => {
                edited!(self.in_editable(scope, self.own_reservation(scope, id)?)?)
            }
            T::Subnet(id) => edited!(self.in_editable(scope, self.own_subnet(scope, id)?)?),
            T::Volume(id) => self.retagged_volume(scope, id, edit),
            T::Vpc(id) => edited!(self.editable_vpc(scope, id)?),
        }
    }

    /// A peering's tags belong to one side; where both are the caller's, they are the same.
    fn retagged_peering(
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

    /// A root volume is a part of its instance, and gone with it.
    fn retagged_volume(
        &self,
        scope: Scope,
        id: VolumeId,
        edit: Edit<'_>,
    ) -> Result<Option<Record>, Refused> {
        let found = self.own_instance(scope, id.instance()).ok();
        let old = found.filter(|instance| instance.has_volume()).ok_or_else(|| {
            Refused::new(Code::VolumeNotFound, format_args!("The volume '{id}' does not exist."))
        })?;
        let mut instance = Instance::clone(&old);
        edit(&mut instance.options.volume.tags)?;
        Ok((instance != *old).then(|| instance.into()))
    }

    fn retagged_rule(
        &self,
        scope: Scope,
        id: SecurityGroupRuleId,
        edit: Edit<'_>,
    ) -> Result<Option<Record>, Refused> {
        let absent = || no_such_rule(id);
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
