//! NAT gateways.

use std::net::Ipv4Addr;

use aws::params::Params;
use aws::xml::Xml;
use model::{
    AllocationId, Connectivity, CreateNatGateway, Ec2Command, Key, NatAddressesSpec, NatGateway,
    NatGatewayId, NatGatewayState, Reply, Tags, Timestamp, World,
};

use super::describe::{Described, Filter, Stored, View, one, write_tags};
use super::input::{
    self, address_list, address_opt, id, id_list, id_opt, not_offered, wrong_value,
};
use super::request::{Ec2Error, Request};

/// The largest number of addresses that EC2 lets a request ask for.
const MAX_COUNT: i64 = 31;

impl Described for NatGateway {
    type Id = NatGatewayId;
    const SET: &'static str = "natGatewaySet";
    const PARAM: &'static str = "NatGatewayId";
    const MALFORMED: &'static str = <NatGatewayId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("NatGatewayNotFound", "Nat Gateway");
    const FILTERS: &'static [Filter<Self>] = &[
        ("nat-gateway-id", |_, nat| one(nat.id)),
        ("state", |view, nat| one(nat.state(view.now).name())),
        ("subnet-id", |_, nat| one(nat.subnet)),
        ("vpc-id", |_, nat| one(nat.vpc)),
    ];

    fn id(&self) -> NatGatewayId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        write_nat_gateway(self, self.state(view.now), view, x);
    }
}

/// Writes a NAT gateway as one in a state.
fn write_nat_gateway(nat: &NatGateway, state: NatGatewayState, view: &View<'_>, x: &mut Xml) {
    x.el("natGatewayId", nat.id);
    x.el("subnetId", nat.subnet);
    x.el("vpcId", nat.vpc);
    x.el("state", state.name());
    x.el("connectivityType", nat.connectivity.name());
    x.el("availabilityMode", "zonal");
    x.el("createTime", nat.created);
    if let Some(ended) = nat.ended.filter(|_| nat.failure.is_none()) {
        x.el("deleteTime", ended);
    }
    if let Some(failure) = nat.failure.filter(|_| state == NatGatewayState::Failed) {
        x.el("failureCode", failure.code());
        x.el(
            "failureMessage",
            format_args!("Network {} has no Internet gateway attached", nat.vpc),
        );
    }
    let status = if state == NatGatewayState::Failed { "failed" } else { "succeeded" };
    write_addresses(nat, view, |_| true, status, x);
    write_tags(x, Some(&nat.tags));
}

/// An address of a NAT gateway. One that failed has no private address.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Address {
    private: Option<Ipv4Addr>,
    allocation: Option<AllocationId>,
}

/// The addresses of a NAT gateway, the primary one first.
pub(super) fn addresses(nat: &NatGateway) -> Vec<Address> {
    let private = nat.interface.map(|interface| interface.private);
    let primary = Address { private, allocation: nat.allocation };
    let secondary = nat
        .secondary
        .iter()
        .map(|address| Address { private: Some(address.private), allocation: address.allocation });
    [primary].into_iter().chain(secondary).collect()
}

/// Writes the addresses of a NAT gateway that are `wanted`, with one status.
pub(super) fn write_addresses(
    nat: &NatGateway,
    view: &View<'_>,
    wanted: impl Fn(&Address) -> bool,
    status: &str,
    x: &mut Xml,
) {
    let all = addresses(nat).into_iter().enumerate().filter(|(_, address)| wanted(address));
    x.items("natGatewayAddressSet", all, |x, (n, address)| {
        let elastic = address.allocation.and_then(|id| view.world.elastic_ip(id));
        let association = elastic.and_then(|elastic| elastic.association);
        let own = association.filter(|a| nat.interface.is_some_and(|it| it.eni == a.eni));
        x.opt("allocationId", address.allocation);
        x.opt("networkInterfaceId", nat.interface.map(|interface| interface.eni));
        x.opt("privateIp", address.private);
        x.opt("publicIp", elastic.map(|elastic| elastic.address));
        x.opt("associationId", own.map(|association| association.id));
        x.el("isPrimary", n == 0);
        x.el("status", status);
    });
}

impl Stored for NatGateway {
    fn get<'w>(view: &View<'w>, id: NatGatewayId) -> Option<&'w Self> {
        view.world
            .nat_gateway(id)
            .map(|nat| &**nat)
            .filter(|nat| view.owns(nat.account, nat.region))
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let all = view.world.nat_gateways_of(Key::Account(view.scope.account));
        all.map(|nat| &**nat).filter(|nat| view.owns(nat.account, nat.region)).collect()
    }
}

/// How many free addresses a request asks for.
pub(super) fn count(params: &Params, name: &str) -> Result<u16, Ec2Error> {
    let count = params.integer(name, 1..=MAX_COUNT)?;
    Ok(count.and_then(|count| u16::try_from(count).ok()).unwrap_or_default())
}

/// `CreateNatGateway`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(
        params,
        &["AvailabilityZoneAddress", "VpcId"],
        "a NAT gateway is in one subnet, and serves its zone.",
    )?;
    match params.get("AvailabilityMode") {
        None | Some("" | "zonal") => {}
        Some(_) => return Err(wrong_value("The availability mode of a NAT gateway is 'zonal'.")),
    }
    let connectivity = match params.get("ConnectivityType") {
        None | Some("" | "public") => Connectivity::Public,
        Some("private") => Connectivity::Private,
        Some(other) => {
            let other: String = other.chars().take(64).collect();
            return Err(wrong_value(format_args!(
                "Invalid value '{other}' for ConnectivityType. Expecting public or private."
            )));
        }
    };
    Ok(Ec2Command::CreateNatGateway(CreateNatGateway {
        subnet: id(params, "SubnetId")?,
        connectivity,
        allocation: id_opt(params, "AllocationId")?,
        private: address_opt(params, "PrivateIpAddress")?,
        secondary: NatAddressesSpec {
            allocations: id_list(params, "SecondaryAllocationId")?,
            addresses: address_list(params, "SecondaryPrivateIpAddress")?,
            count: count(params, "SecondaryPrivateIpAddressCount")?,
        },
        client_token: input::client_token(params)?,
        tags: input::tag_specifications(params, "natgateway", &[])?,
    }))
}

/// The answer to `CreateNatGateway`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let view = View::new(after, request);
    request.respond(|x| {
        if let Some(Key::NatGateway(id)) = reply.main()
            && let Some(nat) = after.nat_gateway(id)
        {
            x.opt("clientToken", nat.client_token.as_ref().map(|token| token.token.as_str()));
            // EC2 says so of each that it makes; what became of it is for those who ask.
            let state = NatGatewayState::Pending;
            x.nest("natGateway", |x| write_nat_gateway(nat, state, &view, x));
        }
    })
}

/// `DeleteNatGateway`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteNatGateway { nat_gateway: id(request.params, "NatGatewayId")? })
}

/// The answer to `DeleteNatGateway`.
pub(super) fn deleted(_: &World, _: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| x.opt("natGatewayId", reply.main()))
}
