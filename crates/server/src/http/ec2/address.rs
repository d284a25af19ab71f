//! Elastic IP addresses.

use std::net::Ipv4Addr;

use aws::params::Params;
use aws::xml::Xml;
use model::names::public_name;
use model::{
    AddressAssociationName, AddressTarget, Alias, AllocationId, Ec2Command, ElasticIp,
    ElasticIpName, Eni, InstanceId, Key, Reply, Tags, Timestamp, WorkloadId, World,
};

use super::describe::{
    Described, Filter, Query, Stored, View, ids, listed, many, not_found, one, select, write_tags,
};
use super::input::{self, address_opt, id_opt, missing_one_of, not_offered, wrong_value};
use super::request::{Ec2Error, Request};

impl Described for ElasticIp {
    type Id = AllocationId;
    const SET: &'static str = "addressesSet";
    const PARAM: &'static str = "AllocationId";
    const MALFORMED: &'static str = <AllocationId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidAllocationID.NotFound", "allocation ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("allocation-id", |_, elastic| one(elastic.id)),
        ("association-id", |_, elastic| many(elastic.association.map(|a| a.id))),
        ("domain", |_, _| one("vpc")),
        ("instance-id", |view, elastic| many(instance(view, elastic))),
        ("network-border-group", |_, elastic| one(elastic.region)),
        ("network-interface-id", |_, elastic| many(elastic.association.map(|a| a.eni))),
        ("network-interface-owner-id", |_, elastic| {
            many(elastic.association.map(|_| elastic.account))
        }),
        ("private-ip-address", |_, elastic| many(elastic.association.map(|a| a.private))),
        ("public-ip", |_, elastic| one(elastic.address)),
    ];

    fn id(&self) -> AllocationId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        x.opt("instanceId", instance(view, self));
        x.el("publicIp", self.address);
        x.el("allocationId", self.id);
        if let Some(association) = self.association {
            x.el("associationId", association.id);
        }
        x.el("domain", "vpc");
        if let Some(association) = self.association {
            x.el("networkInterfaceId", association.eni);
            x.el("networkInterfaceOwnerId", self.account);
            x.el("privateIpAddress", association.private);
        }
        write_tags(x, Some(&self.tags));
        x.el("publicIpv4Pool", "amazon");
        x.el("networkBorderGroup", self.region);
    }
}

impl Stored for ElasticIp {
    fn get<'w>(view: &View<'w>, id: AllocationId) -> Option<&'w Self> {
        view.world
            .elastic_ip(id)
            .map(|elastic| &**elastic)
            .filter(|elastic| view.owns(elastic.account, elastic.region))
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let all = view.world.elastic_ips_of(Key::Account(view.scope.account));
        all.map(|elastic| &**elastic)
            .filter(|elastic| view.owns(elastic.account, elastic.region))
            .collect()
    }
}

/// The instance that an address leads to.
fn instance(view: &View<'_>, elastic: &ElasticIp) -> Option<InstanceId> {
    let eni: &Eni = view.world.eni(elastic.association?.eni)?;
    match eni.attachment.as_ref()?.workload {
        WorkloadId::Instance(id) => Some(id),
        WorkloadId::Dyno(_) | WorkloadId::Service(_) | WorkloadId::Router(_) => None,
    }
}

fn unknown(address: Ipv4Addr) -> Ec2Error {
    Ec2Error::new("InvalidAddress.NotFound", format_args!("Address '{address}' not found."))
}

/// `DescribeAddresses`: those that are named by their allocations or by themselves, or all.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let named = ids::<ElasticIp>(request.params)?;
    let query = Query::parse::<ElasticIp>(request)?;
    let mut found: Vec<&ElasticIp> = Vec::new();
    for id in &named {
        found.push(ElasticIp::get(&view, *id).ok_or_else(|| not_found::<ElasticIp>(id))?);
    }
    let mut all = named.is_empty();
    for text in request.params.list("PublicIp") {
        let address = read_address(request.params, "PublicIp", text)?;
        let elastic = match world.find(&Alias::PublicAddress(address)) {
            Some(Key::ElasticIp(id)) => ElasticIp::get(&view, id),
            _ => None,
        };
        all = false;
        found.push(elastic.ok_or_else(|| unknown(address))?);
    }
    if all {
        found = ElasticIp::all(&view);
    }
    found.sort_unstable_by_key(|elastic| elastic.id);
    found.dedup_by_key(|elastic| elastic.id);
    let (items, next) = query.among(&view, found)?;
    Ok(listed(&view, request, &items, next.as_deref()))
}

/// `DescribeAddressesAttribute`. No address has a name of its owner's for reverse look-ups.
pub(super) fn describe_attribute(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    match request.params.get("Attribute") {
        None | Some("" | "domain-name") => {}
        Some(other) => {
            let other: String = other.chars().take(64).collect();
            return Err(wrong_value(format_args!(
                "Invalid value '{other}' for attribute. Expecting domain-name."
            )));
        }
    }
    let view = View::new(world, request);
    let (items, next) = select::<ElasticIp>(&view, request)?;
    Ok(request.respond(|x| {
        x.items("addressSet", &items, |x, elastic| {
            x.el("publicIp", elastic.address);
            x.el("allocationId", elastic.id);
            x.el("ptrRecord", format_args!("{}.", public_name(elastic.address, elastic.region)));
        });
        x.opt("nextToken", next);
    }))
}

fn read_address(params: &Params, name: &str, text: &str) -> Result<Ipv4Addr, Ec2Error> {
    text.parse().map_err(|_| params.invalid(name, text, "Invalid IPv4 address.").into())
}

/// `AllocateAddress`.
pub(super) fn allocate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(
        params,
        &["CustomerOwnedIpv4Pool", "IpamPoolId"],
        "addresses come from the installation's own pool.",
    )?;
    match params.get("Domain") {
        None | Some("" | "vpc") => {}
        Some(_) => return Err(wrong_value("Addresses are for VPCs: the domain is 'vpc'.")),
    }
    match params.get("PublicIpv4Pool") {
        None | Some("" | "amazon") => {}
        Some(pool) => {
            let pool: String = pool.chars().take(64).collect();
            return Err(Ec2Error::new(
                "InvalidPublicIpv4PoolID.NotFound",
                format_args!("The pool ID '{pool}' does not exist"),
            ));
        }
    }
    border_group(request)?;
    Ok(Ec2Command::AllocateAddress {
        address: address_opt(params, "Address")?,
        tags: input::tag_specifications(params, "elastic-ip", &[])?,
    })
}

/// The group of zones that an address is known in is the region.
fn border_group(request: &Request<'_>) -> Result<(), Ec2Error> {
    match request.params.get("NetworkBorderGroup").filter(|group| !group.is_empty()) {
        Some(group) if group != request.scope.region.name() => {
            let group: String = group.chars().take(64).collect();
            Err(wrong_value(format_args!("The network border group '{group}' does not exist")))
        }
        Some(_) | None => Ok(()),
    }
}

/// The answer to `AllocateAddress`.
pub(super) fn allocated(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| {
        if let Some(elastic) = about(after, reply) {
            x.el("publicIp", elastic.address);
            x.el("domain", "vpc");
            x.el("allocationId", elastic.id);
            x.el("publicIpv4Pool", "amazon");
            x.el("networkBorderGroup", elastic.region);
        }
    })
}

fn about<'w>(world: &'w World, reply: &Reply) -> Option<&'w ElasticIp> {
    match reply.main()? {
        Key::ElasticIp(id) => world.elastic_ip(id).map(|elastic| &**elastic),
        _ => None,
    }
}

/// An elastic IP address by its allocation or by itself.
fn name(params: &Params) -> Result<ElasticIpName, Ec2Error> {
    match (id_opt(params, "AllocationId")?, address_opt(params, "PublicIp")?) {
        (Some(id), None) => Ok(ElasticIpName::Allocation(id)),
        (None, Some(address)) => Ok(ElasticIpName::Address(address)),
        (Some(_), Some(_)) => Err(both("AllocationId", "PublicIp")),
        (None, None) => Err(missing_one_of("AllocationId or PublicIp")),
    }
}

fn both(one: &str, other: &str) -> Ec2Error {
    Ec2Error::new(
        "InvalidParameterCombination",
        format_args!("You may specify {one} or {other}, but not both in the same call"),
    )
}

/// `AssociateAddress`.
pub(super) fn associate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let target = match (id_opt(params, "InstanceId")?, id_opt(params, "NetworkInterfaceId")?) {
        (Some(instance), None) => AddressTarget::Instance(instance),
        (None, Some(eni)) => AddressTarget::Eni(eni),
        (Some(_), Some(_)) => return Err(both("InstanceId", "NetworkInterfaceId")),
        (None, None) => return Err(missing_one_of("InstanceId or NetworkInterfaceId")),
    };
    Ok(Ec2Command::AssociateAddress {
        which: name(params)?,
        target,
        private: address_opt(params, "PrivateIpAddress")?,
        // What has another one, or is another's, is moved unless the client says no.
        reassociate: params.bool("AllowReassociation")?.unwrap_or(true),
    })
}

/// The answer to `AssociateAddress`.
pub(super) fn associated(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| {
        x.el("return", true);
        let association = about(after, reply).and_then(|elastic| elastic.association);
        x.opt("associationId", association.map(|association| association.id));
    })
}

/// `DisassociateAddress`.
pub(super) fn disassociate(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let which = match (id_opt(params, "AssociationId")?, address_opt(params, "PublicIp")?) {
        (Some(id), None) => AddressAssociationName::Association(id),
        (None, Some(address)) => AddressAssociationName::Address(address),
        (Some(_), Some(_)) => return Err(both("AssociationId", "PublicIp")),
        (None, None) => return Err(missing_one_of("AssociationId or PublicIp")),
    };
    Ok(Ec2Command::DisassociateAddress { which })
}

/// `ReleaseAddress`.
pub(super) fn release(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    border_group(request)?;
    Ok(Ec2Command::ReleaseAddress { which: name(request.params)? })
}
