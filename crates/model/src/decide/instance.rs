//! Rules of how instances are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::interface::{Source, Wanted, too_many_interfaces};
use super::interface_address::too_many_addresses;
use super::lookup::missing;
use super::subnet::full;
use super::{Decision, Outcome, refuse};
use crate::command::{AddressesSpec, Reply, RunInstances, RunInterface};
use crate::resource::*;
use crate::{
    Code, InstanceId, Key, Kind, PrefixedId, Quota, Refused, ReservationId, Scope, SecurityGroupId,
    SubnetId, WorkloadId, Zone,
};

/// The most instances that one request may ask for.
const MAX_COUNT: u16 = 100;
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
        let image = self.image(&run.image)?;
        check_run(run)?;
        check_volume(&image, &run.options.volume)?;
        self.check_key_name(scope, run.key_name.as_deref())?;
        let wanted = self.interfaces_for(scope, run)?;
        let public = is_public(&wanted, run.public)?;
        let count = self.count_for(scope, &wanted, run)?;
        let reservation = ReservationId::fresh(self.ids);
        let mut made = Vec::with_capacity(usize::from(count));
        for launch_index in 0..count {
            let id = InstanceId::fresh(self.ids);
            let workload = WorkloadId::Instance(id);
            let mut primary = None;
            for interface in &wanted {
                let eni = self.put_interface(workload, interface, &run.interface_tags)?;
                primary.get_or_insert(eni);
            }
            let Some(eni) = primary else { return missing("NetworkInterface") };
            let instance = Instance {
                id,
                reservation,
                launch_index,
                account: scope.account,
                vpc: eni.vpc,
                subnet: eni.subnet,
                eni: eni.id,
                host: None,
                address: eni.primary(),
                image: image.clone(),
                instance_type: type_of(run).to_owned(),
                key_name: run.key_name.clone(),
                user_data: run.user_data.clone(),
                state: InstanceState::Pending,
                exit: None,
                launched: self.now,
                since: self.now,
                client_token: run.client_token.as_ref().map(|token| token.of(scope)),
                tags: run.instance_tags.clone(),
                options: InstanceOptions { public, ..InstanceOptions::clone(&run.options) },
                boot: Boot::Settled,
                starts: 0,
            };
            self.settle_public(&instance)?;
            self.put(instance);
            made.push(Key::Instance(id));
        }
        Ok(Reply::Resources(made))
    }

    /// The id of the image that a request names by its id or its name.
    fn image(&self, text: &str) -> Result<String, Refused> {
        if let Some(known) = Image::find(text) {
            return Ok(known.id.clone());
        }
        let emulates = self.world.settings().is_some_and(|settings| settings.emulator);
        if emulates && Image::is_id(text) {
            return Ok(text.to_owned());
        }
        if !Image::is_id(text) {
            return refuse(
                Code::ImageMalformed,
                format_args!("Invalid id: \"{text}\" (expecting \"ami-...\")"),
            );
        }
        refuse(Code::ImageNotFound, format_args!("The image id '[{text}]' does not exist"))
    }

    /// The interfaces that each instance of a request gets, in the order of their device indexes.
    fn interfaces_for(&self, scope: Scope, run: &RunInstances) -> Result<Vec<Wanted>, Refused> {
        let one = [RunInterface {
            subnet: run.subnet,
            groups: run.groups.clone(),
            addresses: AddressesSpec {
                primary: run.address,
                ipv6: run.ipv6.clone(),
                ..AddressesSpec::default()
            },
            ..RunInterface::default()
        }];
        let named = if run.interfaces.is_empty() { &one[..] } else { &run.interfaces };
        let mut wanted: Vec<Wanted> = Vec::with_capacity(named.len());
        for spec in named {
            let source = match spec.existing {
                Some(id) => Source::Existing(self.free_interface(scope, id)?),
                None => {
                    let subnet = self.subnet_for(scope, spec.subnet.or(run.subnet), run.zone)?;
                    let names = if run.interfaces.is_empty() { &run.group_names[..] } else { &[] };
                    let groups = self.groups_for(scope, &subnet, &spec.groups, names)?;
                    Source::New(Box::new(self.new_interface(subnet, groups, spec)?))
                }
            };
            wanted.push(Wanted {
                device_index: spec.device_index,
                delete_on_termination: spec
                    .delete_on_termination
                    .unwrap_or(matches!(source, Source::New(_))),
                source,
            });
        }
        wanted.sort_by_key(|interface| interface.device_index);
        self.check_interfaces(run, &wanted)?;
        Ok(wanted)
    }

    /// Whether interfaces go together as those of one instance.
    fn check_interfaces(&self, run: &RunInstances, wanted: &[Wanted]) -> Result<(), Refused> {
        if wanted.first().is_none_or(|first| first.device_index != 0) {
            return refuse(
                Code::InvalidParameterValue,
                "When specifying network interfaces, you must include a device at index 0.",
            );
        }
        let twice = wanted.windows(2).find(|pair| pair[0].device_index == pair[1].device_index);
        if let Some([first, _]) = twice {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Each network interface requires a unique device index; {} is given twice.",
                    first.device_index
                ),
            );
        }
        let (most, addresses) = InstanceType::limits(type_of(run));
        let addresses = u64::from(addresses);
        if wanted.iter().any(|it| it.total() > addresses || it.ipv6_total() > addresses) {
            return Err(too_many_addresses());
        }
        if wanted.len() > usize::from(most) {
            return Err(too_many_interfaces(wanted.len(), type_of(run)));
        }
        let zones = wanted.iter().map(|interface| self.zone_of(interface.subnet()));
        let vpcs = wanted.iter().map(Wanted::vpc);
        let (zones, vpcs): (BTreeSet<_>, BTreeSet<_>) = (zones.collect(), vpcs.collect());
        if zones.len() > 1 || vpcs.len() > 1 {
            return refuse(
                Code::InvalidParameterCombination,
                "The network interfaces of an instance must be in one VPC and one availability zone.",
            );
        }
        let single = wanted.iter().any(Wanted::is_for_one_instance);
        if single && run.max_count != 1 {
            return refuse(
                Code::InvalidParameterCombination,
                "A network interface or a private IP address can be given only for a single instance",
            );
        }
        Ok(())
    }

    fn zone_of(&self, subnet: SubnetId) -> Option<Zone> {
        self.world.subnet(subnet).map(|subnet| subnet.zone)
    }

    /// The subnet that is named, or a default one: in the zone that is named, or in the first one.
    fn subnet_for(
        &self,
        scope: Scope,
        named: Option<SubnetId>,
        zone: Option<Zone>,
    ) -> Result<Arc<Subnet>, Refused> {
        let Some(id) = named else { return self.default_subnet(scope, zone) };
        let subnet = self.in_editable(scope, self.own_subnet(scope, id)?)?;
        match zone.filter(|zone| *zone != subnet.zone) {
            None => Ok(subnet),
            Some(zone) => refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "Value ({zone}) for parameter availabilityZone is invalid. The subnet '{id}' is \
                     in the availability zone {}.",
                    subnet.zone
                ),
            ),
        }
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

    /// The subnet of the default VPC in a zone, or its first one.
    fn default_subnet(&self, scope: Scope, zone: Option<Zone>) -> Result<Arc<Subnet>, Refused> {
        let mut vpcs = self.world.vpcs_of(Key::Account(scope.account));
        let default = vpcs.find(|vpc| vpc.is_default && scope.holds(vpc) && vpc.role.is_none());
        let subnets: Vec<&Arc<Subnet>> = default
            .into_iter()
            .flat_map(|vpc| self.world.subnets_in(Key::Vpc(vpc.id)))
            .filter(|subnet| subnet.default_for_zone)
            .collect();
        let fits = |subnet: &&Arc<Subnet>| zone.is_none_or(|zone| subnet.zone == zone);
        let first = subnets.iter().copied().filter(fits).min_by_key(|s| (s.zone, s.id));
        first.cloned().ok_or_else(|| match zone {
            Some(zone) if !subnets.is_empty() => Refused::new(
                Code::MissingInput,
                format_args!("No default subnet for availability zone: '{zone}'."),
            ),
            _ => Refused::new(
                Code::MissingParameter,
                format_args!(
                    "The request must contain the parameter subnetId: no subnets found for the \
                     default VPC of account {} in {}",
                    scope.account, scope.region
                ),
            ),
        })
    }

    /// The groups of a new interface: those that are named, or the VPC's default group.
    pub(super) fn groups_for(
        &self,
        scope: Scope,
        subnet: &Subnet,
        ids: &[SecurityGroupId],
        names: &[String],
    ) -> Result<Vec<SecurityGroupId>, Refused> {
        let mut groups = BTreeSet::new();
        for id in ids {
            if self.own_group(scope, *id)?.vpc != subnet.vpc {
                return Err(super::route::different(format_args!(
                    "Security group {id} and subnet {}",
                    subnet.id
                )));
            }
            groups.insert(*id);
        }
        for name in names {
            groups.insert(self.group_named(subnet.vpc, name)?);
        }
        if groups.is_empty() {
            groups.extend(self.world.vpc(subnet.vpc).map(|vpc| vpc.default_group));
        }
        let most = self.world.quota(scope.account, Quota::InterfaceGroups);
        if let Some(most) = most.filter(|most| groups.len() > *most) {
            return refuse(
                Code::GroupsPerInterfaceLimit,
                format_args!(
                    "You have exceeded the maximum number of security groups allowed per network \
                     interface: {most}"
                ),
            );
        }
        Ok(groups.into_iter().collect())
    }

    /// The number of instances to start: as many as their subnets have addresses for, if these are
    /// enough.
    fn count_for(
        &self,
        scope: Scope,
        wanted: &[Wanted],
        run: &RunInstances,
    ) -> Result<u16, Refused> {
        let mut needs: BTreeMap<SubnetId, (&Subnet, u64)> = BTreeMap::new();
        for interface in wanted {
            if let Source::New(new) = &interface.source {
                let need = needs.entry(new.subnet.id).or_insert((&*new.subnet, 0));
                need.1 += new.addresses.total();
            }
        }
        let mut count = run.max_count.min(self.instance_room(scope, run)?);
        for (subnet, each) in needs.into_values() {
            let room = self.world.free_addresses(subnet) / each.max(1);
            count = count.min(u16::try_from(room).unwrap_or(u16::MAX));
            if count < run.min_count {
                return Err(full(subnet));
            }
        }
        Ok(count)
    }

    /// How many instances the account may have beside those that it has in the region.
    fn instance_room(&self, scope: Scope, run: &RunInstances) -> Result<u16, Refused> {
        let Some(most) = self.world.quota(scope.account, Quota::Instances) else {
            return Ok(u16::MAX);
        };
        let here = |instance: &&Arc<Instance>| {
            let vpc = self.world.vpc(instance.vpc);
            vpc.is_some_and(|vpc| vpc.region == scope.region)
                && instance.state != InstanceState::Terminated
        };
        let own = self.world.instances_of(Key::Account(scope.account)).filter(here).count();
        let room = most.saturating_sub(own);
        if room < usize::from(run.min_count) {
            return refuse(
                Code::InstanceLimitExceeded,
                format_args!(
                    "You have requested more instances ({}) than your current instance limit of \
                     {most} allows for the specified instance type. Terminate what is not needed, \
                     or ask whoever runs this installation to raise {} for the account.",
                    run.min_count,
                    Quota::Instances,
                ),
            );
        }
        Ok(u16::try_from(room).unwrap_or(u16::MAX))
    }
}

/// Whether instances are given public addresses: as the request says, or else as their subnet does. EC2
/// gives one to an instance with a single new interface only.
fn is_public(wanted: &[Wanted], asked: Option<bool>) -> Result<bool, Refused> {
    if let [Wanted { device_index: 0, source: Source::New(new), .. }] = wanted {
        return Ok(asked.unwrap_or(new.subnet.map_public_ip));
    }
    if asked == Some(true) {
        return refuse(
            Code::InvalidParameterCombination,
            "The associatePublicIPAddress parameter can only be specified for a single new network \
             interface with the device index 0.",
        );
    }
    Ok(false)
}

/// Whether a root volume has room for its image.
fn check_volume(image: &str, volume: &RootVolume) -> Result<(), Refused> {
    let Some(image) = Image::find(image) else { return Ok(()) };
    match volume.size.filter(|size| *size < image.volume_size) {
        None => Ok(()),
        Some(size) => refuse(
            Code::BlockDeviceMapping,
            format_args!(
                "Volume of size {size}GB is smaller than snapshot '{}', expect size >= {}GB",
                image.snapshot(),
                image.volume_size
            ),
        ),
    }
}

fn type_of(run: &RunInstances) -> &str {
    run.instance_type.as_deref().unwrap_or(DEFAULT_TYPE)
}

/// Whether a request makes sense by itself.
fn check_run(run: &RunInstances) -> Result<(), Refused> {
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
    check_type(type_of(run))?;
    check_user_data(run.user_data.as_deref().unwrap_or_default())?;
    super::tag::check_tags(&run.instance_tags)?;
    super::tag::check_tags(&run.interface_tags)?;
    super::tag::check_tags(&run.options.volume.tags)
}

/// Whether an instance type is well-formed. One that is not known is taken, too: an instance shares
/// the machine whatever its type says.
pub(super) fn check_type(text: &str) -> Result<(), Refused> {
    match is_type(text) {
        true => Ok(()),
        false => refuse(
            Code::InvalidParameterValue,
            format_args!("Invalid value '{text}' for InstanceType."),
        ),
    }
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
pub(super) fn check_user_data(text: &str) -> Result<(), Refused> {
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
