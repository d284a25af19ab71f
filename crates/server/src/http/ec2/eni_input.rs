//! Parsing of requests that make and change network interfaces, and what is answered.

use aws::params::Params;
use aws::xml::Xml;
use model::{Ec2Command, Eni, EniAttachmentId, EniId, InterfaceChange, NewInterface, Reply, World};

use super::describe::{Stored, View, not_found};
use super::eni::{made, write_attachment_to, write_groups, write_interface};
use super::eni_address::{addresses, refuse_prefixes};
use super::input::{self, id, id_list, id_opt, missing_one_of};
use super::request::{Ec2Error, Request};

/// `CreateNetworkInterface`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    refuse_prefixes(params)?;
    if let Some(kind) = params.get("InterfaceType").filter(|kind| !["", "interface"].contains(kind))
    {
        let why = "Only ordinary interfaces are offered: interface.";
        return Err(params.invalid("InterfaceType", kind, why).into());
    }
    Ok(Ec2Command::CreateNetworkInterface(NewInterface {
        subnet: id(params, "SubnetId")?,
        groups: id_list(params, "SecurityGroupId")?,
        description: params.get("Description").unwrap_or_default().to_owned(),
        addresses: addresses(params, "EnablePrimaryIpv6")?,
        client_token: input::client_token(params)?,
        tags: input::tag_specifications(params, "network-interface", &[])?,
    }))
}

/// The answer to `CreateNetworkInterface`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(eni) = made(after, reply) {
            // EC2 says so of each that it makes.
            x.nest("networkInterface", |x| write_interface(eni, "pending", &view, x));
            x.opt("clientToken", eni.client_token.as_ref().map(|token| token.token.as_str()));
        }
    })
}

/// `DeleteNetworkInterface`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteNetworkInterface { interface: id(request.params, "NetworkInterfaceId")? })
}

/// `AttachNetworkInterface`.
pub(super) fn attach(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    params.integer("NetworkCardIndex", 0..=0)?;
    let index = params.integer("DeviceIndex", 0..=i64::from(u8::MAX))?;
    let index = index.ok_or_else(|| params.missing("DeviceIndex"))?;
    Ok(Ec2Command::AttachNetworkInterface {
        interface: id(params, "NetworkInterfaceId")?,
        instance: id(params, "InstanceId")?,
        device_index: u8::try_from(index).unwrap_or(u8::MAX),
    })
}

/// The answer to `AttachNetworkInterface`.
pub(super) fn attached(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let attachment = made(after, reply).and_then(|eni| eni.attachment.as_ref());
    request.respond(|x| {
        x.opt("attachmentId", attachment.map(|attachment| attachment.id));
        x.el("networkCardIndex", 0);
    })
}

/// `DetachNetworkInterface`. It takes effect at once, so there is nothing to force.
pub(super) fn detach(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    request.params.bool("Force")?;
    let attachment: EniAttachmentId = id(request.params, "AttachmentId")?;
    Ok(Ec2Command::DetachNetworkInterface { attachment })
}

/// `ModifyNetworkInterfaceAttribute`: one attribute at a time.
pub(super) fn modify(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let interface = id(params, "NetworkInterfaceId")?;
    let names =
        ["Description", "SourceDestCheck", "SecurityGroupId", "Attachment", "EnablePrimaryIpv6"];
    let given: Vec<&str> = names.into_iter().filter(|name| params.contains(name)).collect();
    let change = match *given.as_slice() {
        ["Description"] => {
            let text = params.get("Description.Value").or_else(|| params.get("Description"));
            InterfaceChange::Description(text.unwrap_or_default().to_owned())
        }
        ["SourceDestCheck"] => InterfaceChange::SourceDestCheck(flag(params, "SourceDestCheck")?),
        ["EnablePrimaryIpv6"] => {
            let on = params.bool("EnablePrimaryIpv6")?;
            InterfaceChange::PrimaryIpv6(on.ok_or_else(|| params.missing("EnablePrimaryIpv6"))?)
        }
        ["SecurityGroupId"] => InterfaceChange::Groups(id_list(params, "SecurityGroupId")?),
        ["Attachment"] => {
            let name = "Attachment.DeleteOnTermination";
            InterfaceChange::DeleteOnTermination {
                attachment: id(params, "Attachment.AttachmentId")?,
                on: params.bool(name)?.ok_or_else(|| params.missing(name))?,
            }
        }
        [] => {
            return Err(missing_one_of(
                "description, sourceDestCheck, securityGroupId, attachment or enablePrimaryIpv6",
            ));
        }
        [..] => {
            return Err(Ec2Error::new(
                "InvalidParameterCombination",
                "Only one attribute can be modified at a time",
            ));
        }
    };
    Ok(Ec2Command::ModifyNetworkInterfaceAttribute { interface, change })
}

fn flag(params: &Params, name: &str) -> Result<bool, Ec2Error> {
    let value = format!("{name}.Value");
    let given = params.bool(&value)?.or(params.bool(name)?);
    Ok(given.ok_or_else(|| params.missing(&value))?)
}

/// `ResetNetworkInterfaceAttribute`. Only the check of sources and destinations has a default.
pub(super) fn reset(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let interface = id(params, "NetworkInterfaceId")?;
    let change = InterfaceChange::SourceDestCheck(true);
    Ok(Ec2Command::ModifyNetworkInterfaceAttribute { interface, change })
}

/// `DescribeNetworkInterfaceAttribute`.
pub(super) fn attribute(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let view = View::new(world, request);
    let wanted: EniId = id(params, "NetworkInterfaceId")?;
    let eni = Eni::get(&view, wanted).ok_or_else(|| not_found::<Eni>(wanted))?;
    // Clients that name none are told of all.
    let name = params.get("Attribute").filter(|name| !name.is_empty());
    let known =
        ["description", "groupSet", "sourceDestCheck", "attachment", "associatePublicIpAddress"];
    if let Some(name) = name.filter(|name| !known.contains(name)) {
        return Err(params.invalid("Attribute", name, "There is no such attribute.").into());
    }
    let wants = |attribute: &str| name.is_none_or(|name| name == attribute);
    let write = |x: &mut Xml| {
        x.el("networkInterfaceId", eni.id);
        if wants("description") {
            x.nest("description", |x| x.el("value", &eni.description));
        }
        if wants("sourceDestCheck") {
            x.nest("sourceDestCheck", |x| x.el("value", eni.source_dest_check));
        }
        if wants("groupSet") {
            write_groups(&eni.groups, world, x);
        }
        if let Some(attachment) = eni.attachment.as_ref().filter(|_| wants("attachment")) {
            x.nest("attachment", |x| write_attachment_to(attachment, &view, x));
        }
        if name == Some("associatePublicIpAddress") {
            x.el("associatePublicIpAddress", false);
        }
    };
    Ok(request.respond(write))
}

/// `CreateNetworkInterfacePermission`: nobody else may use an interface.
pub(super) fn permit(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let view = View::new(world, request);
    let wanted: Option<EniId> = id_opt(params, "NetworkInterfaceId")?;
    if let Some(wanted) = wanted {
        Eni::get(&view, wanted).ok_or_else(|| not_found::<Eni>(wanted))?;
    }
    Err(Ec2Error::new(
        "UnsupportedOperation",
        "Interfaces cannot be shared with other accounts; peering connects their VPCs instead.",
    ))
}
