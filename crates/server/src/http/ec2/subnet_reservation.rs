//! Reservations of addresses in subnets.

use aws::xml::Xml;
use model::{
    Ec2Command, Key, Reply, ReservationKind, Subnet, SubnetId, SubnetReservation,
    SubnetReservationId, Tags, Timestamp, World,
};

use super::describe::{Described, Filter, Query, Stored, View, not_found, one, write_tags};
use super::input::{self, id, ip_cidr};
use super::request::{Ec2Error, Request};

impl Described for SubnetReservation {
    type Id = SubnetReservationId;
    const SET: &'static str = "subnetIpv4CidrReservationSet";
    const PARAM: &'static str = "SubnetCidrReservationId";
    const MALFORMED: &'static str = <SubnetReservationId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) =
        ("InvalidSubnetCidrReservationID.NotFound", "subnet CIDR reservation ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("reservationType", |_, reservation| one(reservation.kind.name())),
        ("reservation-type", |_, reservation| one(reservation.kind.name())),
        ("subnet-id", |_, reservation| one(reservation.subnet)),
    ];

    fn id(&self) -> SubnetReservationId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        x.el("subnetCidrReservationId", self.id);
        x.el("subnetId", self.subnet);
        x.el("cidr", self.cidr);
        x.el("reservationType", self.kind.name());
        x.el("ownerId", view.scope.account);
        x.opt("description", self.description.as_deref());
        write_tags(x, Some(&self.tags));
    }
}

impl Stored for SubnetReservation {
    fn get<'w>(view: &View<'w>, id: SubnetReservationId) -> Option<&'w Self> {
        view.world.subnet_reservation(id).map(|it| &**it).filter(|it| view.vpc(it.vpc).is_some())
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let inside = |id| view.world.subnet_reservations_in(Key::Vpc(id)).map(|it| &**it);
        view.vpcs().flat_map(|vpc| inside(vpc.id)).collect()
    }
}

/// `GetSubnetCidrReservations`.
pub(super) fn get(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let query = Query::parse::<SubnetReservation>(request)?;
    let subnet: SubnetId = id(request.params, "SubnetId")?;
    if Subnet::get(&view, subnet).is_none() {
        return Err(not_found::<Subnet>(subnet));
    }
    let inside = world.subnet_reservations_in(Key::Subnet(subnet)).map(|it| &**it);
    let (found, next) = query.among(&view, inside.collect())?;
    let (ipv4, ipv6): (Vec<_>, Vec<_>) = found.into_iter().partition(|it| it.cidr.v4().is_some());
    Ok(request.respond(|x| {
        x.items(SubnetReservation::SET, ipv4, |x, it| it.write(&view, x));
        x.items("subnetIpv6CidrReservationSet", ipv6, |x, it| it.write(&view, x));
        x.opt("nextToken", next);
    }))
}

/// `CreateSubnetCidrReservation`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let name = params.required("ReservationType")?;
    let kind = ReservationKind::find(name)
        .ok_or_else(|| params.invalid("ReservationType", name, "Expecting prefix or explicit."))?;
    Ok(Ec2Command::CreateSubnetCidrReservation {
        subnet: id(params, "SubnetId")?,
        cidr: ip_cidr(params, "Cidr")?,
        kind,
        description: params.get("Description").map(str::to_owned),
        tags: input::tag_specifications(params, "subnet-cidr-reservation", &[])?,
    })
}

/// The answer to `CreateSubnetCidrReservation`.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    let made = match reply.main() {
        Some(Key::SubnetReservation(id)) => after.subnet_reservation(id),
        _ => None,
    };
    answer("subnetCidrReservation", after, made.map(|it| &**it), request)
}

/// `DeleteSubnetCidrReservation`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    Ok(Ec2Command::DeleteSubnetCidrReservation {
        reservation: id(request.params, "SubnetCidrReservationId")?,
    })
}

/// The answer to `DeleteSubnetCidrReservation`.
pub(super) fn deleted(before: &World, _: &World, _: &Reply, request: &Request<'_>) -> String {
    let id = request.params.get("SubnetCidrReservationId").and_then(|text| text.parse().ok());
    let gone = id.and_then(|id| before.subnet_reservation(id));
    answer("deletedSubnetCidrReservation", before, gone.map(|it| &**it), request)
}

fn answer(
    element: &str,
    world: &World,
    reservation: Option<&SubnetReservation>,
    request: &Request<'_>,
) -> String {
    let view = View::new(world, request);
    request.respond(|x| {
        if let Some(reservation) = reservation {
            x.nest(element, |x| reservation.write(&view, x));
        }
    })
}
