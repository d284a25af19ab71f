//! Parsing of requests that start and end instances.

use aws::params::Params;
use model::{Ec2Command, InstanceId, RunInstances, SecurityGroupId, SubnetId, World};

use super::input::{self, address_opt, id_list, id_opt, missing_one_of, not_offered, wrong_value};
use super::request::{Ec2Error, Request};

/// The largest count that is parsed. The model decides how many instances are allowed.
const MAX_COUNT: i64 = u16::MAX as i64;
/// Parameters of hardware, hypervisor and billing, which have no effect on a process. Clients send
/// their default values.
const OF_NO_EFFECT: [&str; 21] = [
    "Monitoring.Enabled",
    "EbsOptimized",
    "DisableApiTermination",
    "DisableApiStop",
    "InstanceInitiatedShutdownBehavior",
    "Placement.Tenancy",
    "Placement.AvailabilityZone",
    "Placement.AvailabilityZoneId",
    "CreditSpecification.CpuCredits",
    "CpuOptions.CoreCount",
    "CpuOptions.ThreadsPerCore",
    "MetadataOptions.HttpTokens",
    "MetadataOptions.HttpPutResponseHopLimit",
    "MetadataOptions.HttpEndpoint",
    "MetadataOptions.HttpProtocolIpv6",
    "MetadataOptions.InstanceMetadataTags",
    "EnclaveOptions.Enabled",
    "HibernationOptions.Configured",
    "MaintenanceOptions.AutoRecovery",
    "CapacityReservationSpecification.CapacityReservationPreference",
    "AdditionalInfo",
];
const IPV6: [&str; 3] = ["Ipv6AddressCount", "Ipv6Address", "EnablePrimaryIpv6"];

/// The subnet, groups and address of an instance.
struct Placement {
    subnet: Option<SubnetId>,
    groups: Vec<SecurityGroupId>,
    address: Option<std::net::Ipv4Addr>,
    public: Option<bool>,
}

/// `RunInstances`.
pub(super) fn run(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    for name in OF_NO_EFFECT {
        let _ = params.get(name);
    }
    not_offered(params, &IPV6, "only IPv4 is offered.")?;
    let count = |name: &str| -> Result<u16, Ec2Error> {
        let count = params.integer(name, 1..=MAX_COUNT)?;
        let count = count.ok_or_else(|| params.missing(name))?;
        Ok(u16::try_from(count).expect("its bounds are below"))
    };
    let (min_count, max_count) = (count("MinCount")?, count("MaxCount")?);
    let place = placement(params)?;
    // Clients tag the disks of an instance. Instances of Causeway have none, so these tags are
    // dropped.
    tags(params, "volume")?;
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Ec2Command::RunInstances(RunInstances {
        subnet: place.subnet,
        image: params.required("ImageId")?.to_owned(),
        instance_type: text("InstanceType"),
        min_count,
        max_count,
        groups: place.groups,
        group_names: params.list("SecurityGroup").map(str::to_owned).collect(),
        address: place.address,
        public: place.public,
        key_name: text("KeyName"),
        user_data: text("UserData"),
        client_token: input::client_token(params)?,
        instance_tags: tags(params, "instance")?,
        interface_tags: tags(params, "network-interface")?,
    }))
}

fn tags(params: &Params, kind: &str) -> Result<model::Tags, Ec2Error> {
    input::tag_specifications(params, kind, &["instance", "network-interface", "volume"])
}

/// The subnet, groups and address, which are in the request itself or in its one interface.
fn placement(params: &Params) -> Result<Placement, Ec2Error> {
    let interfaces: Vec<&Params> = params.structs("NetworkInterface").collect();
    match *interfaces.as_slice() {
        [] => read_placement(params),
        [interface] => {
            let apart = ["SubnetId", "SecurityGroupId", "SecurityGroup", "PrivateIpAddress"];
            if let Some(name) = apart.into_iter().find(|name| params.contains(name)) {
                return Err(Ec2Error::new(
                    "InvalidParameterCombination",
                    format_args!(
                        "Network interfaces and an instance-level {name} may not be specified on \
                         the same request"
                    ),
                ));
            }
            read_interface(interface)
        }
        [..] => Err(wrong_value("An instance has one interface here; the request names several.")),
    }
}

fn read_interface(interface: &Params) -> Result<Placement, Ec2Error> {
    const OTHERS: [&str; 4] = [
        "NetworkInterfaceId",
        "Ipv6AddressCount",
        "Ipv6Addresses",
        "SecondaryPrivateIpAddressCount",
    ];
    not_offered(
        interface,
        &OTHERS,
        "an instance comes with a new interface that has one IPv4 address.",
    )?;
    // The interface always goes with its instance.
    interface.bool("DeleteOnTermination")?;
    for name in ["Description", "InterfaceType", "NetworkCardIndex"] {
        let _ = interface.get(name);
    }
    interface.integer("DeviceIndex", 0..=0)?;
    let mut place = read_placement(interface)?;
    place.public = interface.bool("AssociatePublicIpAddress")?;
    for given in interface.structs("PrivateIpAddresses") {
        given.bool("Primary")?;
        let address = address_opt(given, "PrivateIpAddress")?;
        if place
            .address
            .replace(address.ok_or_else(|| missing_one_of("privateIpAddress"))?)
            .is_some()
        {
            return Err(wrong_value("An interface has one IPv4 address here."));
        }
    }
    Ok(place)
}

fn read_placement(params: &Params) -> Result<Placement, Ec2Error> {
    Ok(Placement {
        subnet: id_opt(params, "SubnetId")?,
        groups: id_list(params, "SecurityGroupId")?,
        address: address_opt(params, "PrivateIpAddress")?,
        public: None,
    })
}

/// `TerminateInstances`.
pub(super) fn terminate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    for name in ["Force", "SkipOsShutdown"] {
        request.params.bool(name)?;
    }
    let mut instances: Vec<InstanceId> = id_list(request.params, "InstanceId")?;
    if instances.is_empty() {
        return Err(missing_one_of("InstanceId"));
    }
    instances.sort_unstable();
    instances.dedup();
    Ok(Ec2Command::TerminateInstances { instances })
}
