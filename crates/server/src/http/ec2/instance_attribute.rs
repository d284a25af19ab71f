//! Attributes of instances, one at a time: read, modified and reset.

use aws::params::Params;
use aws::xml::Xml;
use model::{
    CpuCredits, Ec2Command, Instance, InstanceChange, InstanceId, MetadataChange, MetadataOptions,
    Reply, ShutdownBehavior, World,
};

use super::describe::{Stored, View, not_found};
use super::eni::write_groups;
use super::input::{id, id_list, missing_one_of, wrong_value};
use super::request::{Ec2Error, Request};
use super::volume::write_devices;

/// Writes one attribute.
type Write = fn(&Instance, &View<'_>, &mut Xml);

/// The attributes, by name.
const ATTRIBUTES: [(&str, Write); 16] = [
    ("instanceType", |i, _, x| value("instanceType", Some(&i.instance_type), x)),
    ("kernel", |_, _, x| value("kernel", None::<&str>, x)),
    ("ramdisk", |_, _, x| value("ramdisk", None::<&str>, x)),
    ("userData", |i, _, x| value("userData", i.user_data.as_deref(), x)),
    ("disableApiTermination", |i, _, x| {
        value("disableApiTermination", Some(i.options.termination_disabled), x);
    }),
    ("instanceInitiatedShutdownBehavior", |i, _, x| {
        value("instanceInitiatedShutdownBehavior", Some(i.options.shutdown.name()), x);
    }),
    ("rootDeviceName", |i, _, x| value("rootDeviceName", Some(i.root_device()), x)),
    ("blockDeviceMapping", |i, _, x| write_devices(i, x)),
    ("productCodes", |_, _, x| x.items("productCodes", [(); 0], |_, ()| {})),
    ("sourceDestCheck", |i, view, x| {
        let eni = view.world.eni(i.eni);
        value("sourceDestCheck", Some(eni.is_none_or(|eni| eni.source_dest_check)), x);
    }),
    ("groupSet", |i, view, x| {
        let groups = view.world.eni(i.eni).map_or(&[][..], |eni| &eni.groups);
        write_groups(groups, view.world, x);
    }),
    ("ebsOptimized", |i, _, x| value("ebsOptimized", Some(i.options.ebs_optimized), x)),
    ("sriovNetSupport", |_, _, x| value("sriovNetSupport", None::<&str>, x)),
    ("enaSupport", |_, _, x| value("enaSupport", Some(true), x)),
    ("enclaveOptions", |_, _, x| x.nest("enclaveOptions", |x| x.el("enabled", false))),
    ("disableApiStop", |i, _, x| value("disableApiStop", Some(i.options.stop_disabled), x)),
];

fn value(name: &str, value: Option<impl std::fmt::Display>, x: &mut Xml) {
    x.nest(name, |x| x.opt("value", value));
}

/// An instance that a request names and the caller sees.
fn found<'w>(view: &View<'w>, request: &Request<'_>) -> Result<&'w Instance, Ec2Error> {
    let id: InstanceId = id(request.params, "InstanceId")?;
    Instance::get(view, id).ok_or_else(|| not_found::<Instance>(id))
}

/// `DescribeInstanceAttribute`.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let instance = found(&view, request)?;
    let name = request.params.required("Attribute")?;
    let attribute = ATTRIBUTES.iter().find(|(known, _)| *known == name);
    let (_, write) = attribute.ok_or_else(|| {
        request.params.invalid("Attribute", name, "There is no such attribute of an instance.")
    })?;
    Ok(request.respond(|x| {
        x.el("instanceId", instance.id);
        write(instance, &view, x);
    }))
}

/// The attributes that can be modified, by the name of their structure.
const MODIFIABLE: [&str; 14] = [
    "InstanceType",
    "UserData",
    "EbsOptimized",
    "DisableApiTermination",
    "DisableApiStop",
    "InstanceInitiatedShutdownBehavior",
    "SourceDestCheck",
    "GroupId",
    "BlockDeviceMapping",
    "EnaSupport",
    "SriovNetSupport",
    "Kernel",
    "Ramdisk",
    "Attribute",
];

/// `ModifyInstanceAttribute`: one attribute, in its own structure or by name and value.
pub(super) fn modify(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let instance = id(params, "InstanceId")?;
    let given: Vec<&str> = MODIFIABLE.into_iter().filter(|name| params.contains(name)).collect();
    let change = match *given.as_slice() {
        ["Attribute"] => {
            let name = params.required("Attribute")?;
            let mut first = name.chars();
            let upper: String = first.next().into_iter().flat_map(char::to_uppercase).collect();
            change(params, &format!("{upper}{}", first.as_str()), "Value")?
        }
        [name] => change(params, name, &format!("{name}.Value"))?,
        [name, "Attribute"] => {
            let _ = params.get("Attribute");
            change(params, name, &format!("{name}.Value"))?
        }
        [] => return Err(missing_one_of("attribute")),
        [first, second, ..] => {
            return Err(Ec2Error::new(
                "InvalidParameterCombination",
                format_args!("Fields for multiple attribute types specified: {first}, {second}"),
            ));
        }
    };
    Ok(Ec2Command::ModifyInstanceAttribute { instance, change })
}

fn change(params: &Params, name: &str, value: &str) -> Result<InstanceChange, Ec2Error> {
    let text =
        || params.get(value).or_else(|| params.get(name)).ok_or_else(|| params.missing(value));
    let flag = || -> Result<bool, Ec2Error> {
        text()?;
        let given = if params.get(value).is_some() { value } else { name };
        Ok(params.bool(given)?.unwrap_or_default())
    };
    Ok(match name {
        "InstanceType" => InstanceChange::Type(text()?.to_owned()),
        "UserData" => InstanceChange::UserData(Some(text()?.to_owned()).filter(|t| !t.is_empty())),
        "EbsOptimized" => InstanceChange::EbsOptimized(flag()?),
        "DisableApiTermination" => InstanceChange::TerminationDisabled(flag()?),
        "DisableApiStop" => InstanceChange::StopDisabled(flag()?),
        "InstanceInitiatedShutdownBehavior" => InstanceChange::Shutdown(shutdown(text()?)?),
        "SourceDestCheck" => InstanceChange::SourceDestCheck(flag()?),
        "GroupId" => InstanceChange::Groups(id_list(params, "GroupId")?),
        "BlockDeviceMapping" => device(params)?,
        "EnaSupport" | "SriovNetSupport" | "Kernel" | "Ramdisk" => {
            return Err(Ec2Error::new(
                "UnsupportedOperation",
                format_args!("{name} cannot be modified: an instance is a process of the host."),
            ));
        }
        other => {
            let why = "There is no such attribute of an instance that can be modified.";
            return Err(params.invalid("Attribute", other, why).into());
        }
    })
}

/// What becomes of an instance that shuts down by itself.
pub(super) fn shutdown(text: &str) -> Result<ShutdownBehavior, Ec2Error> {
    match text {
        "stop" => Ok(ShutdownBehavior::Stop),
        "terminate" => Ok(ShutdownBehavior::Terminate),
        _ => {
            let text: String = text.chars().take(64).collect();
            Err(wrong_value(format_args!(
                "Value ({text}) for parameter instanceInitiatedShutdownBehavior is invalid. \
                 Expecting stop or terminate."
            )))
        }
    }
}

fn device(params: &Params) -> Result<InstanceChange, Ec2Error> {
    let mut devices = params.structs("BlockDeviceMapping");
    let (Some(device), None) = (devices.next(), devices.next()) else {
        return Err(wrong_value("One device can be modified at a time."));
    };
    let name = device.required("DeviceName")?.to_owned();
    let goes = device.bool("Ebs.DeleteOnTermination")?;
    let goes = goes.ok_or_else(|| device.missing("Ebs.DeleteOnTermination"))?;
    Ok(InstanceChange::VolumeStays(name, !goes))
}

/// `ResetInstanceAttribute`. Only what an instance has of its own can be reset.
pub(super) fn reset(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let instance = id(request.params, "InstanceId")?;
    match request.params.required("Attribute")? {
        "sourceDestCheck" => Ok(Ec2Command::ModifyInstanceAttribute {
            instance,
            change: InstanceChange::SourceDestCheck(true),
        }),
        other => {
            let why = "Only sourceDestCheck can be reset: an instance has no kernel of its own.";
            Err(request.params.invalid("Attribute", other, why).into())
        }
    }
}

/// `ModifyInstanceCreditSpecification`.
pub(super) fn modify_credits(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let mut credits = Vec::new();
    for given in params.structs("InstanceCreditSpecification") {
        let instance: InstanceId = id(given, "InstanceId")?;
        credits.push((instance, cpu_credits(given.required("CpuCredits")?)?));
    }
    match credits.is_empty() {
        true => Err(missing_one_of("InstanceCreditSpecification")),
        false => Ok(Ec2Command::ModifyInstanceCreditSpecification { credits }),
    }
}

/// How an instance is to use credits.
pub(super) fn cpu_credits(text: &str) -> Result<CpuCredits, Ec2Error> {
    match text {
        "standard" => Ok(CpuCredits::Standard),
        "unlimited" => Ok(CpuCredits::Unlimited),
        _ => {
            let text: String = text.chars().take(64).collect();
            Err(wrong_value(format_args!(
                "Value ({text}) for parameter CpuCredits is invalid. Expecting standard or unlimited."
            )))
        }
    }
}

/// The answer to `ModifyInstanceCreditSpecification`.
pub(super) fn credits_modified(
    _: &World,
    _: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    let changed = match reply {
        Reply::Resources(keys) => keys.as_slice(),
        Reply::Done | Reply::Rules { .. } | Reply::Partly { .. } | Reply::Credentials(_) => &[],
    };
    request.respond(|x| {
        x.items("successfulInstanceCreditSpecificationSet", changed, |x, key| {
            x.el("instanceId", key);
        });
        x.items("unsuccessfulInstanceCreditSpecificationSet", [(); 0], |_, ()| {});
    })
}

/// How an instance is to ask the metadata service, as `RunInstances` and
/// `ModifyInstanceMetadataOptions` say it.
pub(super) fn metadata(params: &Params) -> Result<MetadataChange, Ec2Error> {
    let choice = |name: &str, on: &str, off: &str| match params.get(name) {
        None | Some("") => Ok(None),
        Some(text) if text == on => Ok(Some(true)),
        Some(text) if text == off => Ok(Some(false)),
        Some(text) => Err(params.invalid(name, text, &format!("Expecting {on} or {off}."))),
    };
    let hops = params.integer("HttpPutResponseHopLimit", 1..=64)?;
    Ok(MetadataChange {
        enabled: choice("HttpEndpoint", "enabled", "disabled")?,
        tokens_required: choice("HttpTokens", "required", "optional")?,
        hop_limit: hops.and_then(|hops| u8::try_from(hops).ok()),
        ipv6: choice("HttpProtocolIpv6", "enabled", "disabled")?,
        tags: choice("InstanceMetadataTags", "enabled", "disabled")?,
    })
}

/// `ModifyInstanceMetadataOptions`.
pub(super) fn modify_metadata(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let instance = id(request.params, "InstanceId")?;
    let change = InstanceChange::Metadata(metadata(request.params)?);
    Ok(Ec2Command::ModifyInstanceAttribute { instance, change })
}

/// The answer to `ModifyInstanceMetadataOptions`.
pub(super) fn metadata_modified(
    _: &World,
    after: &World,
    _: &Reply,
    request: &Request<'_>,
) -> String {
    let instance = named(after, request);
    request.respond(|x| {
        x.opt("instanceId", instance.map(|instance| instance.id));
        if let Some(instance) = instance {
            let options = instance.metadata();
            x.nest("instanceMetadataOptions", |x| write_metadata(options, "pending", x));
        }
    })
}

fn named<'w>(world: &'w World, request: &Request<'_>) -> Option<&'w Instance> {
    let id: InstanceId = request.params.get("InstanceId")?.parse().ok()?;
    world.instance(id).map(|instance| &**instance)
}

/// Writes how an instance asks the metadata service.
pub(super) fn write_metadata(options: MetadataOptions, state: &str, x: &mut Xml) {
    let switch = |on: bool| if on { "enabled" } else { "disabled" };
    x.el("state", state);
    x.el("httpTokens", if options.tokens_required { "required" } else { "optional" });
    x.el("httpPutResponseHopLimit", options.hop_limit);
    x.el("httpEndpoint", switch(options.enabled));
    x.el("httpProtocolIpv6", switch(options.ipv6));
    x.el("instanceMetadataTags", switch(options.tags));
}

/// `ModifyInstanceMaintenanceOptions`.
pub(super) fn modify_maintenance(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let instance = id(params, "InstanceId")?;
    let disabled = recovery(params, "AutoRecovery")?.unwrap_or_default();
    let change = InstanceChange::RecoveryDisabled(disabled);
    Ok(Ec2Command::ModifyInstanceAttribute { instance, change })
}

/// Whether an instance is not to be recovered.
pub(super) fn recovery(params: &Params, name: &str) -> Result<Option<bool>, Ec2Error> {
    match params.get(name) {
        None | Some("") => Ok(None),
        Some("default") => Ok(Some(false)),
        Some("disabled") => Ok(Some(true)),
        Some(text) => Err(params.invalid(name, text, "Expecting default or disabled.").into()),
    }
}

/// The answer to `ModifyInstanceMaintenanceOptions`.
pub(super) fn maintenance_modified(
    _: &World,
    after: &World,
    _: &Reply,
    request: &Request<'_>,
) -> String {
    let instance = named(after, request);
    request.respond(|x| {
        x.opt("instanceId", instance.map(|instance| instance.id));
        let disabled = instance.is_some_and(|instance| instance.options.recovery_disabled);
        x.el("autoRecovery", if disabled { "disabled" } else { "default" });
        x.el("rebootMigration", "default");
    })
}

/// `ModifyPrivateDnsNameOptions`.
pub(super) fn modify_names(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let instance = id(params, "InstanceId")?;
    let by_id = match params.get("PrivateDnsHostnameType") {
        None | Some("") => None,
        Some("ip-name") => Some(false),
        Some("resource-name") => Some(true),
        Some(text) => {
            let why = "Expecting ip-name or resource-name.";
            return Err(params.invalid("PrivateDnsHostnameType", text, why).into());
        }
    };
    let change = InstanceChange::Names {
        by_id,
        a_record: params.bool("EnableResourceNameDnsARecord")?,
        aaaa_record: params.bool("EnableResourceNameDnsAAAARecord")?,
    };
    Ok(Ec2Command::ModifyInstanceAttribute { instance, change })
}
