//! NAT gateways.

use aws::xml::Xml;
use model::{
    Connectivity, CreateNatGateway, Ec2Command, Key, NatGateway, NatGatewayId, NatGatewayState,
    Reply, Tags, Timestamp, World,
};

use super::describe::{Described, Filter, Stored, View, one, write_tags};
use super::input::{self, address_opt, id, id_opt, not_offered, wrong_value};
use super::request::{Ec2Error, Request};

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
    x.items("natGatewayAddressSet", [nat], |x, nat| write_address(nat, state, view, x));
    write_tags(x, Some(&nat.tags));
}

/// Writes the one address of a NAT gateway.
fn write_address(nat: &NatGateway, state: NatGatewayState, view: &View<'_>, x: &mut Xml) {
    let elastic = nat.allocation.and_then(|id| view.world.elastic_ip(id));
    let association = elastic.and_then(|elastic| elastic.association);
    let own = association.filter(|a| nat.interface.is_some_and(|it| it.eni == a.eni));
    let failed = state == NatGatewayState::Failed;
    x.opt("allocationId", nat.allocation);
    x.opt("networkInterfaceId", nat.interface.map(|interface| interface.eni));
    x.opt("privateIp", nat.interface.map(|interface| interface.private));
    x.opt("publicIp", elastic.map(|elastic| elastic.address));
    x.opt("associationId", own.map(|association| association.id));
    x.el("isPrimary", true);
    x.el("status", if failed { "failed" } else { "succeeded" });
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

/// `CreateNatGateway`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    not_offered(
        params,
        &["AvailabilityZoneAddress", "VpcId"],
        "a NAT gateway is in one subnet, and serves its zone.",
    )?;
    not_offered(
        params,
        &["SecondaryAllocationId", "SecondaryPrivateIpAddress", "SecondaryPrivateIpAddressCount"],
        "a NAT gateway has one address here.",
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
