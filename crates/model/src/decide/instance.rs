//! Rules of instances.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::lookup::missing;
use super::subnet::full;
use super::{Decision, Outcome, refuse};
use crate::command::{Reply, RunInstances};
use crate::resource::*;
use crate::{
    Code, InstanceId, Key, Kind, PrefixedId, Refused, ReservationId, Scope, SecurityGroupId,
    WorkloadId,
};

/// The most instances that one request may ask for.
const MAX_COUNT: u16 = 100;
/// EC2's quota of groups per interface.
const MAX_GROUPS: usize = 5;
/// The most bytes of user data, decoded.
const MAX_USER_DATA: usize = 16 * 1024;
const DEFAULT_TYPE: &str = "t3.micro";

impl Decision<'_> {
    pub(super) fn run_instances(&mut self, scope: Scope, run: &RunInstances) -> Outcome {
        if let Some(Key::Instance(first)) =
            self.repeated(scope, Kind::Instance, run.client_token.as_ref())?
        {
            return Ok(self.reservation_of(first));
        }
        let image = check_run(run)?;
        let subnet = match run.subnet {
            Some(id) => self.in_editable(scope, self.own_subnet(scope, id)?)?,
            None => self.default_subnet(scope)?,
        };
        let groups = self.groups_for(scope, &subnet, run)?;
        let count = self.count_for(&subnet, run)?;
        let reservation = ReservationId::fresh(self.ids);
        let mut made = Vec::with_capacity(usize::from(count));
        for launch_index in 0..count {
            let id = InstanceId::fresh(self.ids);
            let eni = self.make_eni(
                &subnet,
                WorkloadId::Instance(id),
                groups.clone(),
                run.address,
                "",
                run.interface_tags.clone(),
            )?;
            if run.public.unwrap_or(subnet.map_public_ip) {
                let public = PublicAddress::Assigned(self.free_public()?);
                self.put(Eni { public, ..eni.clone() });
            }
            self.put(Instance {
                id,
                reservation,
                launch_index,
                account: scope.account,
                vpc: subnet.vpc,
                subnet: subnet.id,
                eni: eni.id,
                address: eni.primary(),
                image: image.id.to_owned(),
                instance_type: type_of(run).to_owned(),
                key_name: run.key_name.clone(),
                user_data: run.user_data.clone(),
                state: InstanceState::Pending,
                exit: None,
                launched: self.now,
                since: self.now,
                client_token: run.client_token.as_ref().map(|token| token.of(scope)),
                tags: run.instance_tags.clone(),
            });
            made.push(Key::Instance(id));
        }
        Ok(Reply::Resources(made))
    }

    /// The instances that a request made which is now repeated.
    fn reservation_of(&self, first: InstanceId) -> Reply {
        let mut made: Vec<_> = match self.world.instance(first) {
            None => Vec::new(),
            Some(first) => self
                .world
                .instances_of(Key::Account(first.account))
                .filter(|other| other.reservation == first.reservation)
                .map(|other| (other.launch_index, Key::Instance(other.id)))
                .collect(),
        };
        made.sort_unstable();
        Reply::Resources(made.into_iter().map(|(_, key)| key).collect())
    }

    /// The first subnet of the default VPC.
    fn default_subnet(&self, scope: Scope) -> Result<Arc<Subnet>, Refused> {
        let mut vpcs = self.world.vpcs_of(Key::Account(scope.account));
        let default = vpcs.find(|vpc| vpc.is_default && scope.holds(vpc) && vpc.role.is_none());
        let subnet = default.and_then(|vpc| {
            let subnets = self.world.subnets_in(Key::Vpc(vpc.id));
            subnets.filter(|s| s.default_for_zone).min_by_key(|s| (s.zone, s.id))
        });
        subnet.cloned().ok_or_else(|| {
            Refused::new(
                Code::MissingParameter,
                format_args!(
                    "The request must contain the parameter subnetId: no subnets found for the \
                     default VPC of account {} in {}",
                    scope.account, scope.region
                ),
            )
        })
    }

    fn groups_for(
        &self,
        scope: Scope,
        subnet: &Subnet,
        run: &RunInstances,
    ) -> Result<Vec<SecurityGroupId>, Refused> {
        let mut groups = BTreeSet::new();
        for id in &run.groups {
            if self.own_group(scope, *id)?.vpc != subnet.vpc {
                return Err(super::route::different(format_args!(
                    "Security group {id} and subnet {}",
                    subnet.id
                )));
            }
            groups.insert(*id);
        }
        for name in &run.group_names {
            groups.insert(self.group_named(subnet.vpc, name)?);
        }
        if groups.is_empty() {
            groups.extend(self.world.vpc(subnet.vpc).map(|vpc| vpc.default_group));
        }
        if groups.len() > MAX_GROUPS {
            return refuse(
                Code::GroupsPerInterfaceLimit,
                format_args!(
                    "You have exceeded the maximum number of security groups allowed per network \
                     interface: {MAX_GROUPS}"
                ),
            );
        }
        Ok(groups.into_iter().collect())
    }

    /// The number of instances to start: as many as the subnet has addresses for, if these are
    /// enough.
    fn count_for(&self, subnet: &Subnet, run: &RunInstances) -> Result<u16, Refused> {
        if run.address.is_some() {
            return Ok(1);
        }
        let free = u16::try_from(self.free_addresses(subnet)).unwrap_or(u16::MAX);
        match run.max_count.min(free) {
            count if count >= run.min_count => Ok(count),
            _ => Err(full(subnet)),
        }
    }

    pub(super) fn terminate_instances(&mut self, scope: Scope, ids: &[InstanceId]) -> Outcome {
        if ids.is_empty() {
            return missing("InstanceId");
        }
        for id in ids {
            let instance = self.own_instance(scope, *id)?;
            if instance.state.wants_to_run() {
                self.put(Instance {
                    state: InstanceState::ShuttingDown,
                    since: self.now,
                    ..Instance::clone(&instance)
                });
            }
        }
        Ok(Reply::Resources(ids.iter().copied().map(Key::Instance).collect()))
    }
}

fn type_of(run: &RunInstances) -> &str {
    run.instance_type.as_deref().unwrap_or(DEFAULT_TYPE)
}

/// Whether a request makes sense by itself, and what its instances are made from.
fn check_run(run: &RunInstances) -> Result<&'static Image, Refused> {
    let Some(image) = Image::find(&run.image) else {
        return refuse(
            Code::ImageNotFound,
            format_args!("The image id '[{}]' does not exist", run.image),
        );
    };
    if run.min_count < 1 || run.max_count > MAX_COUNT || run.min_count > run.max_count {
        return refuse(
            Code::InvalidParameterValue,
            format_args!(
                "minCount ({}) and maxCount ({}) are 1 to {MAX_COUNT}, and the first is not more \
                 than the second",
                run.min_count, run.max_count
            ),
        );
    }
    if run.address.is_some() && run.max_count != 1 {
        return refuse(
            Code::InvalidParameterCombination,
            "A private IP address can be given only for a single instance",
        );
    }
    if !is_type(type_of(run)) {
        return refuse(
            Code::InvalidParameterValue,
            format_args!("Invalid value '{}' for InstanceType.", type_of(run)),
        );
    }
    if run.key_name.as_deref().is_some_and(|name| name.is_empty() || name.len() > 255) {
        return refuse(Code::InvalidParameterValue, "Key names have 1 to 255 characters");
    }
    check_user_data(run.user_data.as_deref().unwrap_or_default())?;
    super::tag::check_tags(&run.instance_tags)?;
    super::tag::check_tags(&run.interface_tags)?;
    Ok(image)
}

fn is_type(text: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 32
        && text.split_once('.').is_some_and(|(family, size)| word(family) && word(size))
}

/// Base64 in which only what is left of the last bits does not matter.
const STRICT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whether text is base64 of at most as much as user data may be.
fn check_user_data(text: &str) -> Result<(), Refused> {
    let Ok(decoded) = STRICT.decode(text) else {
        return refuse(Code::UserDataMalformed, "Invalid BASE64 encoding of user data");
    };
    if decoded.len() > MAX_USER_DATA {
        return refuse(
            Code::UserDataMalformed,
            format_args!("User data is limited to {MAX_USER_DATA} bytes"),
        );
    }
    Ok(())
}
