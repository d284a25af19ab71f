//! Parsing of requests that start and end instances.

use aws::params::Params;
use model::{
    Ec2Command, Image, InstanceId, InstanceOptions, MetadataOptions, PrivateNames, RootVolume,
    RunInstances, RunInterface, World, Zone,
};

use super::eni_address::{addresses, ipv6, refuse_prefixes};
use super::input::{self, address_opt, id_list, id_opt, missing_one_of, wrong_value};
use super::instance_attribute::{cpu_credits, metadata, recovery, shutdown};
use super::request::{Ec2Error, Request};

/// The largest count that is parsed. The model decides how many instances are allowed.
const MAX_COUNT: i64 = u16::MAX as i64;
/// The largest size, rate and number of addresses that is parsed.
const MAX_NUMBER: i64 = 1_000_000;

/// `RunInstances`.
pub(super) fn run(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    refuse_absent(params)?;
    let count = |name: &str| -> Result<u16, Ec2Error> {
        let count = params.integer(name, 1..=MAX_COUNT)?;
        let count = count.ok_or_else(|| params.missing(name))?;
        Ok(u16::try_from(count).expect("its bounds are below"))
    };
    let (min_count, max_count) = (count("MinCount")?, count("MaxCount")?);
    let interfaces = interfaces(params)?;
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let image = params.required("ImageId")?.to_owned();
    Ok(Ec2Command::RunInstances(RunInstances {
        subnet: id_opt(params, "SubnetId")?,
        zone: zone(params)?,
        instance_type: text("InstanceType"),
        min_count,
        max_count,
        groups: id_list(params, "SecurityGroupId")?,
        group_names: params.list("SecurityGroup").map(str::to_owned).collect(),
        address: address_opt(params, "PrivateIpAddress")?,
        ipv6: ipv6(params, "Ipv6Address", "EnablePrimaryIpv6")?,
        public: public(params)?,
        key_name: text("KeyName"),
        user_data: text("UserData"),
        client_token: input::client_token(params)?,
        instance_tags: tags(params, "instance")?,
        interface_tags: tags(params, "network-interface")?,
        interfaces,
        options: Box::new(options(params, &image)?),
        image,
    }))
}

fn tags(params: &Params, kind: &str) -> Result<model::Tags, Ec2Error> {
    input::tag_specifications(params, kind, &["instance", "network-interface", "volume"])
}

/// Refuses what names something that there is none of, in the words that EC2 has for one that is not
/// there.
fn refuse_absent(params: &Params) -> Result<(), Ec2Error> {
    for name in ["IamInstanceProfile.Name", "IamInstanceProfile.Arn"] {
        if let Some(profile) = params.get(name) {
            let profile: String = profile.chars().take(128).collect();
            let name = name.replacen("Iam", "iam", 1);
            return Err(wrong_value(format_args!(
                "Value ({profile}) for parameter {name} is invalid. Invalid IAM Instance Profile \
                 name: there are no roles here."
            )));
        }
    }
    if let Some(group) = params.get("Placement.GroupName").filter(|name| !name.is_empty()) {
        let group: String = group.chars().take(128).collect();
        return Err(Ec2Error::new(
            "InvalidPlacementGroup.Unknown",
            format_args!("The Placement Group '{group}' is unknown."),
        ));
    }
    if let Some(name) = params.get("LaunchTemplate.LaunchTemplateName") {
        let name: String = name.chars().take(128).collect();
        return Err(Ec2Error::new(
            "InvalidLaunchTemplateName.NotFoundException",
            format_args!(
                "The specified launch template, with template name {name}, does not exist."
            ),
        ));
    }
    if let Some(id) = params.get("LaunchTemplate.LaunchTemplateId") {
        let id: String = id.chars().take(64).collect();
        return Err(Ec2Error::new(
            "InvalidLaunchTemplateId.NotFound",
            format_args!("The specified launch template, with template ID {id}, does not exist."),
        ));
    }
    Ok(())
}

/// The zone that instances are to be in.
fn zone(params: &Params) -> Result<Option<Zone>, Ec2Error> {
    let find = |name: &str| match params.get(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => Zone::find(text)
            .map(Some)
            .ok_or_else(|| params.invalid(name, text, "There is no such availability zone.")),
    };
    Ok(find("Placement.AvailabilityZone")?.or(find("Placement.AvailabilityZoneId")?))
}

/// What the owner may change of the instances later.
fn options(params: &Params, image: &str) -> Result<InstanceOptions, Ec2Error> {
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty());
    let image = Image::find(image);
    let asked = params.structure("MetadataOptions").map(metadata).transpose()?;
    let by_image = image.is_some_and(|image| image.requires_tokens);
    let usual = MetadataOptions {
        tokens_required: by_image,
        hop_limit: if by_image { 2 } else { 1 },
        ..MetadataOptions::default()
    };
    let behavior = text("InstanceInitiatedShutdownBehavior").map(shutdown).transpose()?;
    let by_id = match text("PrivateDnsNameOptions.HostnameType") {
        None | Some("ip-name") => false,
        Some("resource-name") => true,
        Some(other) => {
            let why = "Expecting ip-name or resource-name.";
            return Err(params.invalid("PrivateDnsNameOptions.HostnameType", other, why).into());
        }
    };
    let flag = |name: &str| params.bool(name).map(Option::unwrap_or_default);
    Ok(InstanceOptions {
        termination_disabled: flag("DisableApiTermination")?,
        stop_disabled: flag("DisableApiStop")?,
        shutdown: behavior.unwrap_or_default(),
        monitoring: flag("Monitoring.Enabled")?,
        ebs_optimized: flag("EbsOptimized")?,
        credits: text("CreditSpecification.CpuCredits").map(cpu_credits).transpose()?,
        metadata: asked.map(|asked| asked.of(usual)),
        recovery_disabled: recovery(params, "MaintenanceOptions.AutoRecovery")?.unwrap_or_default(),
        names: PrivateNames {
            by_id,
            a_record: flag("PrivateDnsNameOptions.EnableResourceNameDnsARecord")?,
            aaaa_record: flag("PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord")?,
        },
        volume: volume(params, image.map_or("/dev/xvda", |image| image.root_device))?,
        // The rule says it, which knows the subnet.
        public: false,
    })
}

/// The root volume, which is the one device that an instance has.
fn volume(params: &Params, root: &str) -> Result<RootVolume, Ec2Error> {
    let mut volume = RootVolume { tags: tags(params, "volume")?, ..RootVolume::default() };
    for device in params.structs("BlockDeviceMapping") {
        let name = device.required("DeviceName")?;
        // Nothing is what every other name is mapped to.
        let nothing = device.get("NoDevice").is_some() || device.get("VirtualName").is_some();
        if name != root {
            if nothing {
                continue;
            }
            return Err(Ec2Error::new(
                "UnsupportedOperation",
                format_args!(
                    "There is no volume for {}: an instance has its root volume ({root}) alone.",
                    name.chars().take(64).collect::<String>()
                ),
            ));
        }
        let number = |name: &str| -> Result<Option<u32>, Ec2Error> {
            let number = device.integer(name, 1..=MAX_NUMBER)?;
            Ok(number.and_then(|number| u32::try_from(number).ok()))
        };
        volume.size = number("Ebs.VolumeSize")?;
        volume.iops = number("Ebs.Iops")?;
        volume.throughput = number("Ebs.Throughput")?;
        volume.encrypted = device.bool("Ebs.Encrypted")?.unwrap_or_default();
        volume.stays = device.bool("Ebs.DeleteOnTermination")? == Some(false);
        if let Some(kind) = device.get("Ebs.VolumeType").filter(|kind| !kind.is_empty()) {
            if !["standard", "gp2", "gp3", "io1", "io2", "st1", "sc1"].contains(&kind) {
                return Err(device
                    .invalid("Ebs.VolumeType", kind, "It is no type of volume.")
                    .into());
            }
            volume.kind = Some(kind.to_owned());
        }
    }
    Ok(volume)
}

/// The interfaces that a request names one by one.
fn interfaces(params: &Params) -> Result<Vec<RunInterface>, Ec2Error> {
    let given: Vec<&Params> = params.structs("NetworkInterface").collect();
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let apart = [
        "SubnetId",
        "SecurityGroupId",
        "SecurityGroup",
        "PrivateIpAddress",
        "Ipv6Address",
        "Ipv6AddressCount",
    ];
    if let Some(name) = apart.into_iter().find(|name| params.contains(name)) {
        return Err(Ec2Error::new(
            "InvalidParameterCombination",
            format_args!(
                "Network interfaces and an instance-level {name} may not be specified on the same \
                 request"
            ),
        ));
    }
    given.into_iter().map(interface).collect()
}

/// Whether instances are given public addresses, which the request says of their first interface.
fn public(params: &Params) -> Result<Option<bool>, Ec2Error> {
    let mut public = None;
    for interface in params.structs("NetworkInterface") {
        let asked = interface.bool("AssociatePublicIpAddress")?;
        if public.is_none() {
            public = asked;
        } else if asked.is_some() {
            return Err(Ec2Error::new(
                "InvalidParameterCombination",
                "The associatePublicIPAddress parameter can be specified for one network interface.",
            ));
        }
    }
    Ok(public)
}

fn interface(interface: &Params) -> Result<RunInterface, Ec2Error> {
    refuse_prefixes(interface)?;
    let existing = id_opt(interface, "NetworkInterfaceId")?;
    if existing.is_some() {
        let own = [
            "SubnetId",
            "SecurityGroupId",
            "Description",
            "PrivateIpAddress",
            "PrivateIpAddresses",
            "SecondaryPrivateIpAddressCount",
            "Ipv6Addresses",
            "Ipv6AddressCount",
        ];
        if let Some(name) = own.into_iter().find(|name| interface.contains(name)) {
            return Err(Ec2Error::new(
                "InvalidParameterCombination",
                format_args!(
                    "{} cannot be used with a network interface that is there.",
                    interface.full_name(name)
                ),
            ));
        }
    }
    let index = interface.integer("DeviceIndex", 0..=i64::from(u8::MAX))?;
    Ok(RunInterface {
        device_index: index.and_then(|index| u8::try_from(index).ok()).unwrap_or_default(),
        existing,
        subnet: id_opt(interface, "SubnetId")?,
        groups: id_list(interface, "SecurityGroupId")?,
        description: interface.get("Description").unwrap_or_default().to_owned(),
        addresses: addresses(interface, "PrimaryIpv6")?,
        delete_on_termination: interface.bool("DeleteOnTermination")?,
    })
}

/// The instances that a request names, in order and each once.
fn instances(params: &Params) -> Result<Vec<InstanceId>, Ec2Error> {
    let mut instances: Vec<InstanceId> = id_list(params, "InstanceId")?;
    if instances.is_empty() {
        return Err(missing_one_of("InstanceId"));
    }
    instances.sort_unstable();
    instances.dedup();
    Ok(instances)
}

/// `StartInstances`.
pub(super) fn start(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::StartInstances { instances: instances(request.params)? })
}

/// `StopInstances`.
pub(super) fn stop(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    for name in ["Force", "SkipOsShutdown"] {
        params.bool(name)?;
    }
    let instances = instances(params)?;
    if params.bool("Hibernate")? == Some(true) {
        return Err(Ec2Error::new(
            "UnsupportedHibernationConfiguration",
            "Instances here cannot hibernate; stop them.",
        ));
    }
    Ok(Ec2Command::StopInstances { instances })
}

/// `RebootInstances`.
pub(super) fn reboot(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::RebootInstances { instances: instances(request.params)? })
}

/// `TerminateInstances`.
pub(super) fn terminate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    for name in ["Force", "SkipOsShutdown"] {
        request.params.bool(name)?;
    }
    Ok(Ec2Command::TerminateInstances { instances: instances(request.params)? })
}

/// `MonitorInstances`.
pub(super) fn monitor(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::MonitorInstances { instances: instances(request.params)?, on: true })
}

/// `UnmonitorInstances`.
pub(super) fn unmonitor(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::MonitorInstances { instances: instances(request.params)?, on: false })
}
