//! Parsing of requests that make and change network interfaces, and what is answered.

use aws::params::Params;
use aws::xml::Xml;
use model::{
    Ec2Command, Eni, EniAttachmentId, EniId, InterfaceChange, Key, NewInterface, Reply, World,
};

use super::describe::{Stored, View, not_found};
use super::eni::{write_attachment_to, write_groups, write_interface};
use super::input::{self, id, id_list, id_opt, missing_one_of, not_offered};
use super::request::{Ec2Error, Request};
use super::run::addresses;

const IPV6: [&str; 5] =
    ["Ipv6Addresses", "Ipv6AddressCount", "Ipv6Prefix", "Ipv6PrefixCount", "EnablePrimaryIpv6"];
const PREFIXES: [&str; 2] = ["Ipv4Prefix", "Ipv4PrefixCount"];

/// `CreateNetworkInterface`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(params, &IPV6, "only IPv4 is offered.")?;
    not_offered(params, &PREFIXES, "an interface has addresses, and no prefixes.")?;
    if let Some(kind) = params.get("InterfaceType").filter(|kind| !["", "interface"].contains(kind))
    {
        let why = "Only ordinary interfaces are offered: interface.";
        return Err(params.invalid("InterfaceType", kind, why).into());
    }
    Ok(Ec2Command::CreateNetworkInterface(NewInterface {
        subnet: id(params, "SubnetId")?,
        groups: id_list(params, "SecurityGroupId")?,
        description: params.get("Description").unwrap_or_default().to_owned(),
        addresses: addresses(params)?,
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

fn made<'w>(world: &'w World, reply: &Reply) -> Option<&'w Eni> {
    match reply.main()? {
        Key::Eni(id) => world.eni(id).map(|eni| &**eni),
        _ => None,
    }
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
    let given: Vec<&str> = ["Description", "SourceDestCheck", "SecurityGroupId", "Attachment"]
        .into_iter()
        .filter(|name| params.contains(name))
        .collect();
    let change = match *given.as_slice() {
        ["Description"] => {
            let text = params.get("Description.Value").or_else(|| params.get("Description"));
            InterfaceChange::Description(text.unwrap_or_default().to_owned())
        }
        ["SourceDestCheck"] => InterfaceChange::SourceDestCheck(flag(params, "SourceDestCheck")?),
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
                "description, sourceDestCheck, securityGroupId or attachment",
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

/// `AssignPrivateIpAddresses`.
pub(super) fn assign(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(params, &PREFIXES, "an interface has addresses, and no prefixes.")?;
    let count = params.integer("SecondaryPrivateIpAddressCount", 0..=i64::from(u8::MAX))?;
    Ok(Ec2Command::AssignPrivateIpAddresses {
        interface: id(params, "NetworkInterfaceId")?,
        addresses: listed(params)?,
        count: count.and_then(|count| u16::try_from(count).ok()).unwrap_or_default(),
        take: params.bool("AllowReassignment")?.unwrap_or_default(),
    })
}

fn listed(params: &Params) -> Result<Vec<std::net::Ipv4Addr>, Ec2Error> {
    let read = |text: &str| {
        let why = "Invalid IPv4 address.";
        text.parse().map_err(|_| params.invalid("PrivateIpAddress", text, why).into())
    };
    params.list("PrivateIpAddress").map(read).collect()
}

/// The answer to `AssignPrivateIpAddresses`.
pub(super) fn assigned(
    before: &World,
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    let eni = made(after, reply);
    let old = made(before, reply).map_or(&[][..], |eni| &eni.addresses);
    let new = eni.into_iter().flat_map(|eni| &eni.addresses).filter(|own| !old.contains(own));
    request.respond(|x| {
        x.opt("networkInterfaceId", eni.map(|eni| eni.id));
        x.items("assignedPrivateIpAddressesSet", new, |x, address| {
            x.el("privateIpAddress", address);
        });
        x.items("assignedIpv4PrefixSet", [(); 0], |_, ()| {});
        x.el("return", true);
    })
}

/// `UnassignPrivateIpAddresses`.
pub(super) fn unassign(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(params, &PREFIXES, "an interface has addresses, and no prefixes.")?;
    Ok(Ec2Command::UnassignPrivateIpAddresses {
        interface: id(params, "NetworkInterfaceId")?,
        addresses: listed(params)?,
    })
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
