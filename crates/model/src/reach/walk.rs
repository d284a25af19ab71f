//! The walk of a packet and of its answer.

mod guards;
mod outside;

use std::net::Ipv4Addr;
use std::rc::Rc;

use super::lookup::{self, Way};
use super::phrase::{Phrase, say};
use super::ports::Ports;
use super::remedy::{self, Advice};
use super::sites::{Site, Sites};
use super::{
    Component, Endpoint, ExplanationCode as Code, Flow, Hop, Leg, Ruling, SourcePorts, Verdict,
    words,
};
use crate::intent::{ExitId, ExitIntent, InterfaceIntent, PeeringEnd, RouteTarget, Via, VpcIntent};
use crate::plan::routes_of;
use crate::resource::{Direction, RouteTo, Vpc};
use crate::{Cidr, EniId, Packet, PcxId, RouteTableId, SubnetId, Timestamp, VpcId, World};

/// Walks a flow up to what stops it.
pub(super) fn run(sites: &Sites<'_>, flow: &Flow, now: Timestamp) -> Walked {
    let ports = Ports::of(flow.source_ports);
    let mut walk = Walk {
        sites,
        world: sites.world,
        flow,
        now,
        leg: Leg::Forward,
        at: None,
        exit: None,
        ports,
        passed_on: Vec::new(),
        steps: Vec::new(),
    };
    let arrives = walk.there_and_back().is_ok();
    let passing = if arrives { walk.ports } else { Ports::default() };
    Walked { flow: *flow, passing, steps: walk.steps }
}

/// A walk that is over.
#[derive(Debug, Clone)]
pub(super) struct Walked {
    flow: Flow,
    /// The source ports from which the flow passes.
    passing: Ports,
    /// What the packet met, in order.
    pub steps: Vec<Step>,
}

/// A hop, and what may help where it stops the flow.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The hop, without a remedy.
    pub hop: Hop,
    /// What may become its remedy.
    pub advice: Advice,
}

impl Walked {
    /// The first step that stops the flow or a part of it.
    pub(super) fn obstacle(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.hop.decision != Ruling::Passed)
    }

    /// The verdict, without remedies.
    pub(super) fn verdict(self) -> Verdict {
        let asked = self.flow.source_ports;
        let allowed = self.passing == Ports::of(asked);
        let passing = self.passing.ranges().to_vec();
        let ports = self.flow.protocol.has_ports();
        Verdict {
            allowed: allowed && !self.passing.is_empty(),
            source_ports: ports.then_some(SourcePorts { asked, passing }),
            hops: self.steps.into_iter().map(|step| step.hop).collect(),
        }
    }
}

/// The packet was dropped; the last hop says why.
struct Dropped;

/// An interface that a packet is at.
struct At {
    site: Rc<Site>,
    eni: EniId,
}

/// Where a packet begins or ends.
enum Place {
    /// At an interface.
    At(At),
    /// Outside, where an exit of a VPC leads to.
    Outside(Rc<Site>, ExitId),
}

/// The next hop of a packet that left an interface.
enum Next {
    Interface(EniId),
    Peering(PcxId),
    Exit(ExitId),
}

/// The sender that hands a packet to an interface.
#[derive(Clone, Copy)]
enum From<'a> {
    Interface(&'a At),
    Peering(PcxId),
    Exit(ExitId),
}

/// Why a packet is dropped.
struct Stop {
    code: Option<Code>,
    because: Phrase,
    advice: Advice,
}

fn stop(code: Code, because: Phrase) -> Stop {
    Stop { code: Some(code), because, advice: Advice::default() }
}

struct Walk<'a> {
    sites: &'a Sites<'a>,
    world: &'a World,
    flow: &'a Flow,
    now: Timestamp,
    leg: Leg,
    /// The VPC that the packet is in; none on a peering.
    at: Option<VpcId>,
    /// The exit by which the first packet came or left.
    exit: Option<ExitId>,
    /// The source ports of what is still on its way. They are what answers are sent to.
    ports: Ports,
    /// The middleboxes that have passed the packet or its answer on.
    passed_on: Vec<(Leg, EniId)>,
    steps: Vec<Step>,
}

impl Walk<'_> {
    fn there_and_back(&mut self) -> Result<(), Dropped> {
        let Flow { from, to, .. } = *self.flow;
        let start = self.start(from)?;
        if let Place::At(start) = &start
            && from.vpc == to.vpc
            && is_own(start, to.address)
        {
            let because = say!(OwnAddress, address = to.address);
            self.pass(Component::interface(start.eni), because);
            return Ok(());
        }
        let packet = self.flow.packet();
        let end = self.send(&start, &packet)?;
        self.leg = Leg::Answer;
        self.send(&end, &packet.reply()).map(drop)
    }

    /// Takes the packet from where it is to where it is for.
    fn send(&mut self, from: &Place, packet: &Packet) -> Result<Place, Dropped> {
        match from {
            Place::At(at) => self.travel(at, packet),
            Place::Outside(site, exit) => self.enter(site, *exit, packet),
        }
    }

    /// Where the flow begins.
    fn start(&mut self, from: Endpoint) -> Result<Place, Dropped> {
        self.at = Some(from.vpc);
        let site = self.site(from.vpc)?;
        match lookup::holder(&site.intent, from.address) {
            Some(eni) => Ok(Place::At(At { site, eni })),
            None if self.comes_from_outside(&site) => self.start_outside(site),
            None => {
                let stop = self.nobody_has(Code::EniAddressRestriction, from.vpc, from.address);
                self.block(Component::vpc(from.vpc), stop)
            }
        }
    }

    fn site(&mut self, id: VpcId) -> Result<Rc<Site>, Dropped> {
        match self.sites.get(id) {
            Some(site) => Ok(site),
            None => {
                let gone = stop(Code::BadState, say!(NoVpc, vpc = id));
                self.block(Component::vpc(id), gone)
            }
        }
    }

    /// Takes the packet from an interface to the one that it is for, or outside.
    fn travel(&mut self, at: &At, packet: &Packet) -> Result<Place, Dropped> {
        let (site, interface) = (&at.site, at.interface());
        self.at = Some(site.vpc.id);
        let Some(subnet) = site.intent.subnets.get(&interface.subnet) else {
            return self.no_subnet(at);
        };
        if interface.source_dest_check && !interface.addresses.contains(&packet.source) {
            let because = say!(NotItsAddress, address = packet.source, eni = at.eni);
            let stop = stop(Code::EniSourceDestCheckRestriction, because);
            return self.block(Component::interface(at.eni), stop);
        }
        let way = lookup::way(&site.intent, subnet.route_table, packet.destination);
        self.groups(at, Direction::Egress, packet, way.via())?;
        if !stays_inside(&site.intent, interface.subnet, way, packet.destination) {
            self.acl(site, interface.subnet, Direction::Egress, packet)?;
        }
        match self.route(at, subnet.route_table, way, packet)? {
            Next::Interface(eni) => {
                let to = At { site: Rc::clone(site), eni };
                self.deliver(to, From::Interface(at), packet)
            }
            Next::Peering(pcx) => self.peer(at, pcx, packet),
            Next::Exit(exit) => self.leave(at, exit, packet),
        }
    }

    fn no_subnet<T>(&mut self, at: &At) -> Result<T, Dropped> {
        let because = say!(NoSubnet, subnet = at.interface().subnet);
        self.block(Component::interface(at.eni), stop(Code::BadState, because))
    }

    /// Looks the packet's destination up in the route table.
    fn route(
        &mut self,
        from: &At,
        table: RouteTableId,
        way: Way,
        packet: &Packet,
    ) -> Result<Next, Dropped> {
        let site = &from.site;
        let mut component = Component::table(table, from.interface().subnet);
        if let Way::Route(cidr, _) = way {
            component.destination_cidr_block = Some(cidr);
        }
        let to = packet.destination;
        let result = match way {
            Way::Local(_) | Way::Nobody if self.goal().vpc != site.vpc.id => {
                Err(self.overlap(site, to))
            }
            Way::Local(eni) => {
                let because = say!(LocalRoute, address = to, vpc = site.vpc.id);
                Ok((Next::Interface(eni), because))
            }
            Way::Nobody => Err(self.nobody_has(Code::NoPossibleDestination, site.vpc.id, to)),
            Way::Route(cidr, RouteTarget::Peering(pcx)) => {
                Ok((Next::Peering(pcx), say!(LeadsTo, block = cidr, target = pcx)))
            }
            Way::Route(cidr, RouteTarget::Interface(eni)) => self
                .middlebox(from, eni, to)
                .map(|eni| (Next::Interface(eni), say!(LeadsTo, block = cidr, target = eni))),
            Way::Route(cidr, RouteTarget::Exit(exit)) if self.goal().vpc != site.vpc.id => {
                let because = say!(OnlyToGateway, igw = exit);
                let because = say!(Blackhole, block = cidr, why = because);
                Err(self.detour(from, Code::NoRouteToDestination, because))
            }
            Way::Route(cidr, RouteTarget::Exit(exit)) => {
                Ok((Next::Exit(exit), say!(LeadsTo, block = cidr, target = exit)))
            }
            Way::Route(cidr, RouteTarget::Blackhole) => Err(self.blackhole(from, table, cidr)),
            Way::None => Err(self.no_route(from, to)),
        };
        match result {
            Ok((next, because)) => {
                self.pass(component, because);
                Ok(next)
            }
            Err(stop) => self.block(component, self.no_way_back(stop)),
        }
    }

    /// What would make a way to where the packet must arrive; also says what there is to say of
    /// the peerings with that VPC.
    fn detour(&self, from: &At, code: Code, because: Phrase) -> Stop {
        let (site, goal) = (&from.site, self.goal());
        let unjoined = words::unjoined(self.world, site.vpc.id, goal.vpc, &because, self.now);
        let within = (&*site.vpc, &site.intent);
        let advice = remedy::make_way(self.world, within, from.interface(), goal, self.now);
        let because = match unjoined {
            Some(unjoined) => say!(AndAlso, one = because, other = unjoined),
            None => because,
        };
        Stop { code: Some(code), because, advice }
    }

    fn overlap(&self, site: &Site, to: Ipv4Addr) -> Stop {
        let (own, goal) = (site.vpc.id, self.goal().vpc);
        stop(Code::HigherPriorityRoute, say!(Overlap, address = to, vpc = own, goal = goal))
    }

    /// Whether an interface takes what a route sends to it.
    fn middlebox(&self, from: &At, eni: EniId, to: Ipv4Addr) -> Result<EniId, Stop> {
        let checks = from.site.intent.interfaces.get(&eni).is_none_or(|interface| {
            interface.source_dest_check && !interface.addresses.contains(&to)
        });
        if !checks {
            return Ok(eni);
        }
        let because = say!(TakesOnlyItsOwn, eni = eni);
        Err(self.detour(from, Code::EniSourceDestCheckRestriction, because))
    }

    fn blackhole(&self, from: &At, table: RouteTableId, cidr: Cidr) -> Stop {
        let site = &from.site;
        let found = self.world.route_table(table);
        let to = found.and_then(|t| routes_of(self.world, t).get(&cidr).map(|(_, to)| *to));
        let (code, what) = match to {
            Some(RouteTo::Peering(pcx)) => match self.world.peering(pcx) {
                Some(peering) if peering.side(site.vpc.id).is_some() => {
                    let status = peering.status(self.now).code();
                    (Code::BadStateRoute, say!(PeeringIs, pcx = pcx, status = status))
                }
                Some(_) => (Code::BadStateRoute, say!(JoinsOthers, pcx = pcx)),
                None => (Code::BadStateRoute, say!(NoPeering, pcx = pcx)),
            },
            Some(RouteTo::Interface(eni)) => (Code::BadStateRoute, say!(InterfaceGone, eni = eni)),
            // A default route to the internet is no route to another VPC.
            Some(RouteTo::Gateway(igw)) if self.goal().vpc != site.vpc.id => {
                (Code::NoRouteToDestination, say!(OnlyToGateway, igw = igw))
            }
            Some(RouteTo::Gateway(igw)) => return self.no_exit(from, cidr, igw),
            Some(RouteTo::Nat(nat)) => return self.no_nat(from, cidr, nat),
            // An egress-only internet gateway is no target of a route to IPv4 addresses.
            Some(RouteTo::EgressGateway(_)) | None => (Code::BadStateRoute, say!(LeadsNowhere)),
        };
        self.detour(from, code, say!(Blackhole, block = cidr, why = what))
    }

    fn no_route(&self, from: &At, to: Ipv4Addr) -> Stop {
        let (site, goal) = (&from.site, self.goal());
        let secondary = self
            .world
            .vpc(goal.vpc)
            .is_some_and(|far| far.role.is_none() && secondary(far, to).is_some());
        if site.vpc.role.is_some() && secondary {
            let because = say!(OnlyPrimary, address = to, vpc = goal.vpc);
            let advice = remedy::move_to_primary(self.world, goal.vpc);
            return Stop { code: Some(Code::NoRouteToDestination), because, advice };
        }
        self.detour(from, Code::NoRouteToDestination, say!(NoRoute, address = to))
    }

    /// Sends the packet over a peering.
    fn peer(&mut self, near: &At, pcx: PcxId, packet: &Packet) -> Result<Place, Dropped> {
        self.at = None;
        let from = &near.site;
        let peering = self.world.peering(pcx);
        let Some(side) = peering.and_then(|peering| peering.other_side(from.vpc.id)) else {
            return self.block(Component::peering(pcx), stop(Code::BadState, say!(PeeringGone)));
        };
        let site = self.site(side.vpc)?;
        let Some(end) = site.intent.peerings.get(&pcx) else {
            return self.block(Component::peering(pcx), stop(Code::BadState, say!(NotCarried)));
        };
        let (goal, to) = (self.goal().vpc, packet.destination);
        let admitted = admits(&site, end, from, packet).map_err(|stop| {
            // To the wrong VPC: what helps is another way, not another address.
            if goal == site.vpc.id { stop } else { self.astray(near, stop) }
        });
        let admitted = admitted.and_then(|()| {
            if goal == site.vpc.id {
                return Ok(());
            }
            let because = say!(AddressHere, address = to, here = site.vpc.id, goal = goal);
            Err(self.detour(near, Code::NoPossibleDestination, because))
        });
        if let Err(stop) = admitted {
            return self.block(Component::peering(pcx), self.no_way_back(stop));
        }
        self.pass(Component::peering(pcx), say!(Carried, vpc = site.vpc.id));
        self.toward(site.vpc.id);
        self.at = Some(site.vpc.id);
        match lookup::holder(&site.intent, to) {
            Some(eni) => self.deliver(At { site, eni }, From::Peering(pcx), packet),
            None => {
                let stop = self.nobody_has(Code::NoPossibleDestination, site.vpc.id, to);
                self.block(Component::vpc(site.vpc.id), stop)
            }
        }
    }

    /// The stop for a packet whose route leads over a peering to another VPC than its destination's.
    fn astray(&self, near: &At, stop: Stop) -> Stop {
        let code = stop.code.unwrap_or(Code::NoPossibleDestination);
        self.detour(near, code, stop.because)
    }

    /// Delivers the packet to the interface, if it is addressed to it or may be passed on by it.
    fn deliver(&mut self, at: At, from: From<'_>, packet: &Packet) -> Result<Place, Dropped> {
        let subnet = at.interface().subnet;
        if !at.site.intent.subnets.contains_key(&subnet) {
            return self.no_subnet(&at);
        }
        let (sender, via, beside) = match from {
            From::Interface(sender) => {
                (Some(sender), Via::Interface(sender.eni), Some(sender.interface().subnet))
            }
            From::Peering(pcx) => (None, Via::Peering(pcx), None),
            From::Exit(exit) => (None, Via::Exit(exit), shared_subnet(&at.site.intent, exit)),
        };
        if beside != Some(subnet) {
            self.acl(&at.site, subnet, Direction::Ingress, packet)?;
        }
        self.groups(&at, Direction::Ingress, packet, Some(via))?;
        let (goal, eni) = (self.goal(), at.eni);
        let inside = goal.vpc == at.site.vpc.id;
        let because = match lookup::holder(&at.site.intent, goal.address) {
            Some(holder) if inside && holder == eni => say!(HasAddress, address = goal.address),
            // An address that only a middlebox knows is the middlebox's affair.
            None if inside && self.exit.is_none() && may_keep(&at, packet) => {
                say!(GetsByRoute, address = goal.address)
            }
            Some(_) | None if passes_on(&at, packet) => return self.pass_on(at, packet),
            Some(_) | None => {
                let because = say!(MustPassOn, address = goal.address, vpc = goal.vpc);
                let way = sender
                    .map(|from| self.detour(from, Code::NoPossibleDestination, because.clone()));
                let advice = way.map(|stop| stop.advice).unwrap_or_default();
                let stop = Stop { code: None, because, advice };
                return self.block(Component::interface(eni), stop);
            }
        };
        self.pass(Component::interface(eni), because);
        Ok(Place::At(at))
    }

    /// Has a middlebox pass the packet on, which leaves by the first interface of its instance.
    fn pass_on(&mut self, at: At, packet: &Packet) -> Result<Place, Dropped> {
        let (address, component) = (packet.destination, Component::interface(at.eni));
        let host = host(at.eni, at.interface());
        let because = if self.passed_on.contains(&(self.leg, host)) {
            Some(say!(Circle, eni = at.eni))
        } else if is_own(&at, packet.source) {
            Some(say!(OwnSource, address = packet.source))
        } else {
            None
        };
        if let Some(because) = because {
            let stop = self.no_way_back(self.detour(&at, Code::NoPossibleDestination, because));
            return self.block(component, stop);
        }
        self.passed_on.push((self.leg, host));
        self.pass(component, say!(PassesOn, address = address));
        self.travel(&At { site: at.site, eni: host }, packet)
    }

    /// The end at which the packet must arrive.
    fn goal(&self) -> Endpoint {
        match self.leg {
            Leg::Forward => self.flow.to,
            Leg::Answer => self.flow.from,
        }
    }

    fn no_way_back(&self, stop: Stop) -> Stop {
        match self.leg {
            Leg::Forward => stop,
            Leg::Answer => Stop { because: say!(NoWayBack, why = stop.because), ..stop },
        }
    }

    fn nobody_has(&self, code: Code, vpc: VpcId, address: Ipv4Addr) -> Stop {
        let because = match self.world.eni_at(vpc, address) {
            Some(eni) => say!(Unused, eni = eni.id, address = address),
            None => say!(NobodyHas, vpc = vpc, address = address),
        };
        Stop { code: Some(code), because, advice: remedy::use_an_address(self.world, vpc) }
    }

    fn pass(&mut self, component: Component, because: Phrase) {
        let stop = Stop { code: None, because, advice: Advice::default() };
        self.push(component, Ruling::Passed, stop);
    }

    fn block<T>(&mut self, component: Component, stop: Stop) -> Result<T, Dropped> {
        self.push(component, Ruling::Blocked, stop);
        Err(Dropped)
    }

    fn push(&mut self, component: Component, decision: Ruling, stop: Stop) {
        let hop = Hop {
            leg: self.leg,
            presumed: false,
            where_: component.phrase(),
            component: Component { vpc_id: self.at.or(component.vpc_id), ..component },
            decision,
            code: stop.code,
            because: stop.because,
            remedy: None,
            commands: Vec::new(),
            acts: Vec::new(),
            vpc: self.at,
            toward: None,
            remedy_in: None,
        };
        self.steps.push(Step { hop, advice: stop.advice });
    }

    /// Notes where the packet on a peering, which is the last step, goes to.
    fn toward(&mut self, vpc: VpcId) {
        if let Some(step) = self.steps.last_mut() {
            step.hop.toward = Some(vpc);
        }
    }
}

impl At {
    fn interface(&self) -> &InterfaceIntent {
        let found = self.site.intent.interfaces.get(&self.eni);
        found.expect("a packet is only at interfaces that were found in the intent")
    }
}

/// Whether an interface's instance passes a packet on that the interface gets: it does so where an
/// interface of its own does not check whose packets it sends and gets, but for what it is for itself.
fn passes_on(at: &At, packet: &Packet) -> bool {
    let mut own = of_instance(at);
    own.any(|interface| !interface.source_dest_check) && !is_own(at, packet.destination)
}

/// Whether an instance may be the one that a packet is for, whose address no interface has: it drops what
/// it has sent itself, and passes on what its own table leads outside.
fn may_keep(at: &At, packet: &Packet) -> bool {
    let intent = &at.site.intent;
    let table = intent.interfaces.get(&host(at.eni, at.interface()));
    let table = table.and_then(|it| intent.subnets.get(&it.subnet)).map(|it| it.route_table);
    let leads_out = table.is_some_and(|table| {
        let way = lookup::way(intent, table, packet.destination);
        matches!(way, Way::Route(_, RouteTarget::Exit(_)))
    });
    !is_own(at, packet.source) && !(leads_out && passes_on(at, packet))
}

/// Whether an address is of any interface of the instance: what is sent there from inside never leaves it.
fn is_own(at: &At, address: Ipv4Addr) -> bool {
    of_instance(at).any(|interface| interface.addresses.contains(&address))
}

/// All interfaces of the instance that has this one.
fn of_instance(at: &At) -> impl Iterator<Item = &InterfaceIntent> {
    let own = host(at.eni, at.interface());
    let all = at.site.intent.interfaces.iter();
    all.filter(move |(eni, it)| host(**eni, it) == own).map(|(_, it)| it)
}

/// The first interface of the instance that has an interface.
fn host(eni: EniId, interface: &InterfaceIntent) -> EniId {
    interface.slot.map_or(eni, |slot| slot.host)
}

/// Whether a packet goes to an interface or a NAT gateway of its own subnet, where no ACL applies.
fn stays_inside(vpc: &VpcIntent, subnet: SubnetId, way: Way, to: Ipv4Addr) -> bool {
    match way {
        Way::Local(eni) | Way::Route(_, RouteTarget::Interface(eni)) => {
            vpc.interfaces.get(&eni).is_some_and(|interface| interface.subnet == subnet)
        }
        Way::Nobody => vpc.subnets.get(&subnet).is_some_and(|s| s.cidr.contains(to)),
        Way::Route(_, RouteTarget::Exit(exit)) => shared_subnet(vpc, exit) == Some(subnet),
        Way::Route(_, RouteTarget::Peering(_) | RouteTarget::Blackhole) | Way::None => false,
    }
}

/// The subnet that a NAT gateway is in.
fn shared_subnet(vpc: &VpcIntent, exit: ExitId) -> Option<SubnetId> {
    match vpc.exits.get(&exit)? {
        ExitIntent::Shared(shared) => Some(shared.subnet),
        ExitIntent::OneToOne(_) => None,
    }
}

/// Whether a VPC takes a packet that came by a peering.
fn admits(site: &Site, end: &PeeringEnd, from: &Site, packet: &Packet) -> Result<(), Stop> {
    let Packet { source, destination, .. } = *packet;
    let (vpc, far) = (&site.vpc, &from.vpc);
    let inside = |blocks: &[Cidr], address| blocks.iter().any(|block| block.contains(address));
    let blocked = |because| Err(stop(Code::PcxRequiresAddressInVpcCidr, because));
    if inside(&site.intent.cidrs, source) {
        return blocked(say!(SourceInside, address = source, vpc = vpc.id));
    }
    if !inside(&end.behind, source)
        && let Some((other, _)) =
            site.intent.peerings.iter().find(|(_, other)| inside(&other.behind, source))
    {
        return blocked(say!(SourceBehind, address = source, pcx = *other));
    }
    if !inside(&end.admits_to, destination) {
        return blocked(match secondary(vpc, destination) {
            Some(block) => say!(
                ToSecondary,
                address = destination,
                block = block,
                vpc = vpc.id,
                primary = vpc.primary(),
            ),
            None => say!(NotBehind, address = destination, vpc = vpc.id),
        });
    }
    match &end.admits_from {
        Some(blocks) if !inside(blocks, source) => blocked(match secondary(far, source) {
            Some(block) => say!(
                FromSecondary,
                address = source,
                block = block,
                vpc = far.id,
                primary = far.primary(),
            ),
            None if blocks.is_empty() => {
                say!(TakesFromNobody, vpc = vpc.id, address = source)
            }
            None => {
                let list: Vec<String> = blocks.iter().map(Cidr::to_string).collect();
                say!(TakesFrom, vpc = vpc.id, blocks = list.join(", "), address = source)
            }
        }),
        Some(_) | None => Ok(()),
    }
}

/// The block other than the primary that an address lies in.
fn secondary(vpc: &Vpc, address: Ipv4Addr) -> Option<Cidr> {
    vpc.blocks().skip(1).find(|block| block.contains(address))
}
