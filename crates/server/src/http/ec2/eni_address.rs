//! The addresses of network interfaces in requests, and how they are given and taken away.

use std::net::Ipv6Addr;

use aws::params::Params;
use model::{AddressesSpec, Ec2Command, Eni, Ipv6Spec, Reply, World};

use super::eni::made;
use super::input::{address_list, address_opt, id, missing_one_of, not_offered};
use super::request::{Ec2Error, Request};

/// Refuses prefixes, of either family.
pub(super) fn refuse_prefixes(params: &Params) -> Result<(), Ec2Error> {
    const PREFIXES: [&str; 4] = ["Ipv4Prefix", "Ipv4PrefixCount", "Ipv6Prefix", "Ipv6PrefixCount"];
    not_offered(params, &PREFIXES, "an interface has addresses, and no prefixes.")
}

/// The addresses of an interface, in all forms in which requests name them. Whether it has a primary IPv6
/// address is what the parameter `primary_ipv6` says.
pub(super) fn addresses(params: &Params, primary_ipv6: &str) -> Result<AddressesSpec, Ec2Error> {
    let mut primary = address_opt(params, "PrivateIpAddress")?;
    let mut secondary = Vec::new();
    for given in params.structs("PrivateIpAddresses") {
        let address = address_opt(given, "PrivateIpAddress")?
            .ok_or_else(|| missing_one_of("privateIpAddress"))?;
        match given.bool("Primary")? {
            Some(true) if primary.is_some_and(|other| other != address) => {
                return Err(Ec2Error::new(
                    "InvalidParameterCombination",
                    "An interface has one primary address; the request names several.",
                ));
            }
            Some(true) => primary = Some(address),
            Some(false) | None => secondary.push(address),
        }
    }
    secondary.retain(|address| Some(*address) != primary);
    let count = params.integer("SecondaryPrivateIpAddressCount", 0..=i64::from(u8::MAX))?;
    if count.is_some_and(|count| count > 0) && !secondary.is_empty() {
        return Err(Ec2Error::new(
            "InvalidParameterCombination",
            "Secondary addresses are named or counted, and not both.",
        ));
    }
    let count = count.and_then(|count| u16::try_from(count).ok()).unwrap_or_default();
    let ipv6 = ipv6(params, "Ipv6Addresses", primary_ipv6)?;
    Ok(AddressesSpec { primary, secondary, count, ipv6 })
}

/// The IPv6 addresses of an interface: `named` is the list of those that are named, and `primary` what makes
/// the first one the primary one.
pub(super) fn ipv6(params: &Params, named: &str, primary: &str) -> Result<Ipv6Spec, Ec2Error> {
    let mut addresses = Vec::new();
    for given in params.structs(named) {
        // Which one is the primary one follows from their order.
        given.bool("IsPrimaryIpv6")?;
        let text = given.required("Ipv6Address")?;
        let address = text.parse();
        addresses.push(
            address.map_err(|_| given.invalid("Ipv6Address", text, "Invalid IPv6 address."))?,
        );
    }
    let count = params.integer("Ipv6AddressCount", 0..=i64::from(u8::MAX))?;
    Ok(Ipv6Spec {
        addresses,
        count: count.and_then(|count| u16::try_from(count).ok()),
        primary: params.bool(primary)?.unwrap_or_default(),
    })
}

/// `AssignPrivateIpAddresses`.
pub(super) fn assign(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    refuse_prefixes(params)?;
    let count = params.integer("SecondaryPrivateIpAddressCount", 0..=i64::from(u8::MAX))?;
    Ok(Ec2Command::AssignPrivateIpAddresses {
        interface: id(params, "NetworkInterfaceId")?,
        addresses: address_list(params, "PrivateIpAddress")?,
        count: count.and_then(|count| u16::try_from(count).ok()).unwrap_or_default(),
        take: params.bool("AllowReassignment")?.unwrap_or_default(),
    })
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
    refuse_prefixes(params)?;
    Ok(Ec2Command::UnassignPrivateIpAddresses {
        interface: id(params, "NetworkInterfaceId")?,
        addresses: address_list(params, "PrivateIpAddress")?,
    })
}

/// `AssignIpv6Addresses`.
pub(super) fn assign_ipv6(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    refuse_prefixes(params)?;
    let count = params.integer("Ipv6AddressCount", 0..=i64::from(u8::MAX))?;
    Ok(Ec2Command::AssignIpv6Addresses {
        interface: id(params, "NetworkInterfaceId")?,
        addresses: listed_ipv6(params)?,
        count: count.and_then(|count| u16::try_from(count).ok()).unwrap_or_default(),
    })
}

fn listed_ipv6(params: &Params) -> Result<Vec<Ipv6Addr>, Ec2Error> {
    let read = |text: &str| {
        let why = "Invalid IPv6 address.";
        text.parse().map_err(|_| params.invalid("Ipv6Addresses", text, why).into())
    };
    params.list("Ipv6Addresses").map(read).collect()
}

/// The answer to `AssignIpv6Addresses`.
pub(super) fn ipv6_assigned(
    before: &World,
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    let (old, new) = (made(before, reply), made(after, reply));
    answer_ipv6(
        request,
        new,
        difference(new, old),
        ("assignedIpv6Addresses", "assignedIpv6PrefixSet"),
    )
}

/// `UnassignIpv6Addresses`.
pub(super) fn unassign_ipv6(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    refuse_prefixes(params)?;
    Ok(Ec2Command::UnassignIpv6Addresses {
        interface: id(params, "NetworkInterfaceId")?,
        addresses: listed_ipv6(params)?,
    })
}

/// The answer to `UnassignIpv6Addresses`.
pub(super) fn ipv6_unassigned(
    before: &World,
    after: &World,
    reply: &Reply,
    request: &Request<'_>,
) -> String {
    let (old, new) = (made(before, reply), made(after, reply));
    let names = ("unassignedIpv6Addresses", "unassignedIpv6PrefixSet");
    answer_ipv6(request, new, difference(old, new), names)
}

/// The IPv6 addresses of an interface that it has at one time and not at another.
fn difference(has: Option<&Eni>, has_not: Option<&Eni>) -> Vec<Ipv6Addr> {
    let without = has_not.map_or(&[][..], |eni| &eni.ipv6_addresses);
    let all = has.into_iter().flat_map(|eni| &eni.ipv6_addresses);
    all.filter(|address| !without.contains(address)).copied().collect()
}

fn answer_ipv6(
    request: &Request<'_>,
    eni: Option<&Eni>,
    addresses: Vec<Ipv6Addr>,
    (set, prefixes): (&'static str, &'static str),
) -> String {
    request.respond(|x| {
        x.opt("networkInterfaceId", eni.map(|eni| eni.id));
        x.items(set, addresses, |x, address| x.text(address));
        x.items(prefixes, [(); 0], |_, ()| {});
    })
}
