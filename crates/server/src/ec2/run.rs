//! What is asked of instances.

use aws::params::Params;
use model::{Ec2Command, InstanceId, RunInstances, SecurityGroupId, SubnetId, World};

use super::input::{self, address_opt, id_list, id_opt, missing_one_of, not_offered, wrong_value};
use super::{Ec2Error, Request};

/// Most instances of one request that can be counted; how many there may be is decided later.
const MAX_COUNT: i64 = u16::MAX as i64;
/// What a process has none of: hardware, hypervisor and billing. Clients send their defaults.
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

/// Where an instance is put.
struct Place {
    subnet: Option<SubnetId>,
    groups: Vec<SecurityGroupId>,
    address: Option<std::net::Ipv4Addr>,
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
    let place = place(params)?;
    // Clients tag the disks that come with an instance; there are none to carry the tags.
    tags(params, "volume")?;
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut command = RunInstances {
        subnet: place.subnet,
        image: params.required("ImageId")?.to_owned(),
        instance_type: text("InstanceType"),
        min_count,
        max_count,
        groups: place.groups,
        group_names: params.list("SecurityGroup").map(str::to_owned).collect(),
        address: place.address,
        key_name: text("KeyName"),
        user_data: text("UserData"),
        client_token: None,
        instance_tags: tags(params, "instance")?,
        interface_tags: tags(params, "network-interface")?,
    };
    command.client_token = input::client_token(params, &command)?;
    Ok(Ec2Command::RunInstances(command))
}

fn tags(params: &Params, kind: &str) -> Result<model::Tags, Ec2Error> {
    input::tag_specifications(params, kind, &["instance", "network-interface", "volume"])
}

/// Subnet, groups and address stand in the request itself or in its one interface.
fn place(params: &Params) -> Result<Place, Ec2Error> {
    let interfaces: Vec<&Params> = params.structs("NetworkInterface").collect();
    match *interfaces.as_slice() {
        [] => read_place(params),
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

fn read_interface(interface: &Params) -> Result<Place, Ec2Error> {
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
    // It is made for the instance and goes with it; public addresses there are none.
    for name in ["DeleteOnTermination", "AssociatePublicIpAddress"] {
        interface.bool(name)?;
    }
    for name in ["Description", "InterfaceType", "NetworkCardIndex"] {
        let _ = interface.get(name);
    }
    interface.integer("DeviceIndex", 0..=0)?;
    let mut place = read_place(interface)?;
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

fn read_place(params: &Params) -> Result<Place, Ec2Error> {
    Ok(Place {
        subnet: id_opt(params, "SubnetId")?,
        groups: id_list(params, "SecurityGroupId")?,
        address: address_opt(params, "PrivateIpAddress")?,
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
