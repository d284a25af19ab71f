//! The walk of a packet and of its answer.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

use super::lookup::{self, Way};
use super::remedy::{self, Remedy, Wanted};
use super::{Endpoint, ExplanationCode as Code, Flow, Hop, Leg, Ruling, Verdict};
use crate::intent::{InterfaceIntent, PeeringEnd, RouteTarget, RuleIntent, VpcIntent};
use crate::plan::{members_seen, plan_vpc, rule_peer};
use crate::resource::{Direction, GroupPeer, GroupRule, RouteTo, Vpc};
use crate::{
    Cidr, EniId, IpProtocol, Packet, PcxId, PortRange, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, Timestamp, VpcId, World,
};

pub fn run(world: &World, flow: &Flow, now: Timestamp) -> Verdict {
    let mut walk = Walk { world, flow, now, leg: Leg::Forward, at: None, hops: Vec::new() };
    let allowed = walk.there_and_back().is_ok();
    Verdict { allowed, hops: walk.hops }
}

/// The packet was dropped; the last hop says why.
struct Dropped;

/// A VPC and what its router was told.
struct Site {
    vpc: Arc<Vpc>,
    intent: VpcIntent,
}

/// An interface that a packet is at.
struct At {
    site: Rc<Site>,
    eni: EniId,
}

/// Where a packet that left an interface is going.
enum Next {
    Interface(EniId),
    Peering(PcxId),
}

/// Why a packet is dropped.
struct Stop {
    code: Option<Code>,
    because: String,
    remedy: Option<Remedy>,
}

fn stop(code: Code, because: impl Into<String>) -> Stop {
    Stop { code: Some(code), because: because.into(), remedy: None }
}

struct Walk<'a> {
    world: &'a World,
    flow: &'a Flow,
    now: Timestamp,
    leg: Leg,
    /// The VPC that the packet is in; none on a peering.
    at: Option<VpcId>,
    hops: Vec<Hop>,
}

impl Walk<'_> {
    fn there_and_back(&mut self) -> Result<(), Dropped> {
        let Flow { from, to, .. } = *self.flow;
        let start = self.start(from)?;
        if from.vpc == to.vpc && start.interface().addresses.contains(&to.address) {
            self.pass(start.eni, format!("{} is its own address", to.address));
            return Ok(());
        }
        let packet = self.flow.packet();
        let end = self.travel(&start, &packet)?;
        self.leg = Leg::Answer;
        self.travel(&end, &packet.reply()).map(drop)
    }

    /// The interface that the flow begins at.
    fn start(&mut self, from: Endpoint) -> Result<At, Dropped> {
        self.at = Some(from.vpc);
        let site = self.site(from.vpc)?;
        match lookup::holder(&site.intent, from.address) {
            Some(eni) => Ok(At { site, eni }),
            None => {
                let stop = self.nobody_has(Code::EniAddressRestriction, from.vpc, from.address);
                self.block(from.vpc, stop)
            }
        }
    }

    fn site(&mut self, id: VpcId) -> Result<Rc<Site>, Dropped> {
        match self.world.vpc(id) {
            Some(vpc) => {
                let intent = plan_vpc(self.world, vpc);
                Ok(Rc::new(Site { vpc: Arc::clone(vpc), intent }))
            }
            None => self.block(id, stop(Code::BadState, format!("{id} does not exist"))),
        }
    }

    /// From an interface to the one that the packet is for.
    fn travel(&mut self, at: &At, packet: &Packet) -> Result<At, Dropped> {
        let (site, interface) = (&at.site, at.interface());
        self.at = Some(site.vpc.id);
        let Some(subnet) = site.intent.subnets.get(&interface.subnet) else {
            let because = format!("its subnet {} does not exist", interface.subnet);
            return self.block(at.eni, stop(Code::BadState, because));
        };
        if interface.source_dest_check && !interface.addresses.contains(&packet.source) {
            let because = format!("{} is not an address of {}", packet.source, at.eni);
            let remedy = remedy::uncheck(self.world, &site.vpc, at.eni);
            let code = Some(Code::EniSourceDestCheckRestriction);
            return self.block(at.eni, Stop { code, because, remedy });
        }
        self.groups(at, Direction::Egress, packet)?;
        let way = lookup::way(&site.intent, subnet.route_table, packet.destination);
        if !stays_inside(&site.intent, interface.subnet, way, packet.destination) {
            self.acl(site, interface.subnet, Direction::Egress, packet)?;
        }
        match self.route(site, (interface.subnet, subnet.route_table), way, packet)? {
            Next::Interface(eni) => {
                let to = At { site: Rc::clone(site), eni };
                self.deliver(to, Some(interface.subnet), packet)
            }
            Next::Peering(pcx) => self.peer(site, pcx, packet),
        }
    }

    /// What the route table says.
    fn route(
        &mut self,
        site: &Site,
        (subnet, table): (SubnetId, RouteTableId),
        way: Way,
        packet: &Packet,
    ) -> Result<Next, Dropped> {
        let place = format!("{table} of {subnet}");
        let to = packet.destination;
        let result = match way {
            Way::Local(_) | Way::Nobody if self.goal().vpc != site.vpc.id => {
                Err(self.overlap(site, to))
            }
            Way::Local(eni) => {
                let because = format!("{to} is inside {}: the local route", site.vpc.id);
                Ok((Next::Interface(eni), because))
            }
            Way::Nobody => Err(self.nobody_has(Code::NoPossibleDestination, site.vpc.id, to)),
            Way::Route(cidr, RouteTarget::Peering(pcx)) => {
                Ok((Next::Peering(pcx), format!("{cidr} leads to {pcx}")))
            }
            Way::Route(cidr, RouteTarget::Interface(eni)) => self
                .middlebox(site, eni, to)
                .map(|eni| (Next::Interface(eni), format!("{cidr} leads to {eni}"))),
            Way::Route(cidr, RouteTarget::Blackhole) => Err(self.blackhole(site, table, cidr)),
            Way::None => Err(self.no_route(site, table, to)),
        };
        match result {
            Ok((next, because)) => {
                self.pass(place, because);
                Ok(next)
            }
            Err(stop) => self.block(place, self.no_way_back(stop)),
        }
    }

    fn overlap(&self, site: &Site, to: Ipv4Addr) -> Stop {
        let (own, goal) = (site.vpc.id, self.goal().vpc);
        let because = format!(
            "{to} lies in a block of {own} itself, so the local route comes first and never leads \
             to {goal}; VPCs with the same addresses cannot talk"
        );
        stop(Code::HigherPriorityRoute, because)
    }

    /// Whether an interface takes what a route sends to it.
    fn middlebox(&self, site: &Site, eni: EniId, to: Ipv4Addr) -> Result<EniId, Stop> {
        let checks = site.intent.interfaces.get(&eni).is_none_or(|interface| {
            interface.source_dest_check && !interface.addresses.contains(&to)
        });
        if !checks {
            return Ok(eni);
        }
        let because =
            format!("the route leads to {eni}, which takes only what is for its own addresses");
        let remedy = remedy::uncheck(self.world, &site.vpc, eni);
        Err(Stop { code: Some(Code::EniSourceDestCheckRestriction), because, remedy })
    }

    fn blackhole(&self, site: &Site, table: RouteTableId, cidr: Cidr) -> Stop {
        let to = self.world.route_table(table).and_then(|table| table.routes.get(&cidr));
        let (code, what) = match to {
            Some(RouteTo::Peering(pcx)) => match self.world.peering(*pcx) {
                Some(peering) if peering.side(site.vpc.id).is_some() => {
                    (Code::BadStateRoute, format!("{pcx} is {}", peering.status(self.now).code()))
                }
                Some(_) => (Code::BadStateRoute, format!("{pcx} joins other VPCs")),
                None => (Code::BadStateRoute, format!("{pcx} does not exist")),
            },
            Some(RouteTo::Interface(eni)) => {
                (Code::BadStateRoute, format!("{eni} is gone, or nothing uses it"))
            }
            // A default route to the internet is no route to another VPC.
            Some(RouteTo::Gateway(igw)) if self.goal().vpc != site.vpc.id => {
                (Code::NoRouteToDestination, format!("it leads to {igw} only"))
            }
            Some(RouteTo::Gateway(igw)) => {
                (Code::BadStateRoute, format!("nothing carries packets to {igw}"))
            }
            None => (Code::BadStateRoute, "it leads nowhere".to_owned()),
        };
        let remedy =
            remedy::make_way(self.world, &site.vpc, table, Some(cidr), self.goal(), self.now);
        Stop { code: Some(code), because: format!("{cidr} is a blackhole: {what}"), remedy }
    }

    fn no_route(&self, site: &Site, table: RouteTableId, to: Ipv4Addr) -> Stop {
        let goal = self.goal();
        let secondary = self
            .world
            .vpc(goal.vpc)
            .is_some_and(|far| far.role.is_none() && secondary(far, to).is_some());
        if site.vpc.role.is_some() && secondary {
            let because = format!(
                "no route leads to {to}: a space reaches only the primary block of {}",
                goal.vpc
            );
            let remedy = remedy::move_to_primary(self.world, goal.vpc);
            return Stop { code: Some(Code::NoRouteToDestination), because, remedy };
        }
        let remedy = remedy::make_way(self.world, &site.vpc, table, None, goal, self.now)
            .or_else(|| remedy::no_way(self.world, &site.vpc, goal));
        let because = format!("no route leads to {to}");
        Stop { code: Some(Code::NoRouteToDestination), because, remedy }
    }

    /// Over a peering.
    fn peer(&mut self, from: &Site, pcx: PcxId, packet: &Packet) -> Result<At, Dropped> {
        self.at = None;
        let peering = self.world.peering(pcx);
        let Some(side) = peering.and_then(|peering| peering.other_side(from.vpc.id)) else {
            return self.block(pcx, stop(Code::BadState, "it is gone"));
        };
        let site = self.site(side.vpc)?;
        let Some(end) = site.intent.peerings.get(&pcx) else {
            return self.block(pcx, stop(Code::BadState, "it is not carried"));
        };
        if let Err(stop) = admits(&site, end, from, packet) {
            return self.block(pcx, self.no_way_back(stop));
        }
        self.pass(pcx, format!("it is carried, and {} takes the packet", site.vpc.id));
        self.at = Some(site.vpc.id);
        let goal = self.goal().vpc;
        match lookup::holder(&site.intent, packet.destination) {
            Some(_) if goal != site.vpc.id => {
                let because = format!(
                    "{} is an address of {} here, not of {goal}",
                    packet.destination, site.vpc.id
                );
                let remedy = remedy::no_way(self.world, &from.vpc, self.goal());
                let code = Some(Code::NoPossibleDestination);
                self.at = None;
                self.block(pcx, self.no_way_back(Stop { code, because, remedy }))
            }
            Some(eni) => self.deliver(At { site, eni }, None, packet),
            None => {
                let (vpc, to) = (site.vpc.id, packet.destination);
                let stop = self.nobody_has(Code::NoPossibleDestination, vpc, to);
                self.block(vpc, stop)
            }
        }
    }

    /// Into the interface, if the packet is for it.
    fn deliver(&mut self, at: At, from: Option<SubnetId>, packet: &Packet) -> Result<At, Dropped> {
        let subnet = at.interface().subnet;
        if !at.site.intent.subnets.contains_key(&subnet) {
            let because = format!("its subnet {subnet} does not exist");
            return self.block(at.eni, stop(Code::BadState, because));
        }
        if from != Some(subnet) {
            self.acl(&at.site, subnet, Direction::Ingress, packet)?;
        }
        self.groups(&at, Direction::Ingress, packet)?;
        let (goal, eni) = (self.goal(), at.eni);
        let inside = goal.vpc == at.site.vpc.id;
        let because = match lookup::holder(&at.site.intent, goal.address) {
            Some(holder) if inside && holder == eni => format!("it has {}", goal.address),
            // An address that only a middlebox knows is the middlebox's affair.
            None if inside => format!("a route gives it what is for {}", goal.address),
            Some(_) | None => {
                let because = format!(
                    "a route gives it the packet, and it must pass it on to {} of {}; whether it \
                     does is up to what runs there",
                    goal.address, goal.vpc
                );
                return self.block(eni, Stop { code: None, because, remedy: None });
            }
        };
        self.pass(eni, because);
        Ok(at)
    }

    /// The security groups of an interface. Answers pass by them: they remember the packet.
    fn groups(&mut self, at: &At, way: Direction, packet: &Packet) -> Result<(), Dropped> {
        if self.leg == Leg::Answer {
            return Ok(());
        }
        let (vpc, interface) = (&at.site.vpc, at.interface());
        let names: Vec<String> = interface.groups.iter().map(ToString::to_string).collect();
        let place = format!("{} of {}", names.join(", "), at.eni);
        if let Some((group, rule)) = lookup::group_rule(&at.site.intent, interface, way, packet) {
            let named = self.rules(group, way).find(|(_, r)| {
                (RuleIntent { traffic: r.traffic, peer: rule_peer(r.peer) }) == rule
            });
            if let Some((id, rule)) = named {
                self.pass(place, format!("{id} of {group} allows {}", rule_words(rule)));
                return Ok(());
            }
        }
        let all = || {
            let groups = interface.groups.iter();
            groups.flat_map(|group| self.rules(*group, way).map(move |rule| (*group, rule)))
        };
        let stale = all().find_map(|(_, (id, rule))| match rule.peer {
            GroupPeer::Group { group, .. } if rule.traffic.matches(packet) => {
                members_seen(self.world, vpc, group).is_none().then_some((id, group))
            }
            GroupPeer::Group { .. } | GroupPeer::Cidr(_) => None,
        });
        let direction = direction_words(way);
        let (code, because) = match stale {
            Some((id, group)) => (
                Code::UnknownPeeredSgs,
                format!("{id} names {group}, whose members cannot be seen from {}", vpc.id),
            ),
            None if all().next().is_none() => {
                (Code::SgHasNoRules, format!("there is no {direction} rule"))
            }
            None => (
                Code::EniSgRulesMismatch,
                format!("no {direction} rule allows {}", packet_words(way, packet)),
            ),
        };
        let remedy = interface.groups.first().and_then(|group| {
            remedy::allow_in_group(self.world, vpc, *group, &self.wanted(way, packet))
        });
        self.block(place, Stop { code: Some(code), because, remedy })
    }

    fn rules(
        &self,
        group: SecurityGroupId,
        way: Direction,
    ) -> impl Iterator<Item = (SecurityGroupRuleId, &GroupRule)> {
        let rules = self.world.group(group).into_iter().flat_map(|group| &group.rules);
        rules.filter(move |(_, rule)| rule.direction == way).map(|(id, rule)| (*id, rule))
    }

    /// The network ACL of a subnet, for what crosses its boundary.
    fn acl(
        &mut self,
        site: &Site,
        subnet: SubnetId,
        way: Direction,
        packet: &Packet,
    ) -> Result<(), Dropped> {
        let guard = site.intent.subnets.get(&subnet).and_then(|subnet| subnet.acl);
        let Some((id, intent)) = guard.and_then(|id| Some((id, site.intent.acls.get(&id)?))) else {
            let used = self.world.subnet(subnet).map(|subnet| format!("{} of ", subnet.acl));
            let place = format!("{}{subnet}", used.unwrap_or_default());
            self.pass(place, "everything may pass".to_owned());
            return Ok(());
        };
        let place = format!("{id} of {subnet}");
        let acl = self.world.acl(id);
        let direction = direction_words(way);
        let found = lookup::acl_entry(intent, way, packet);
        let number = found.and_then(|(at, _)| acl?.entries(way).keys().nth(at).copied());
        let named = match (number, found) {
            (Some(number), Some((_, entry))) => {
                let verb = if entry.allow { "allows" } else { "denies" };
                let side = side_words(way);
                format!("{direction} entry {number} {verb} {} {side} {}", entry.traffic, entry.cidr)
            }
            _ => format!("no {direction} entry is for {}", packet_words(way, packet)),
        };
        if found.is_some_and(|(_, entry)| entry.allow) {
            self.pass(place, named);
            return Ok(());
        }
        let because = match self.leg {
            Leg::Forward => named,
            Leg::Answer => format!("the answer is stopped, and ACLs remember nothing: {named}"),
        };
        let remedy = acl.and_then(|acl| {
            let wanted = self.wanted(way, packet);
            remedy::allow_in_acl(self.world, &site.vpc, acl, number, &wanted)
        });
        self.block(place, Stop { code: Some(Code::SubnetAclRestriction), because, remedy })
    }

    /// What the rules would have to let pass.
    fn wanted<'p>(&self, direction: Direction, packet: &'p Packet) -> Wanted<'p> {
        const EPHEMERAL: PortRange = PortRange { from: 1024, to: u16::MAX };
        let port = packet.destination_port;
        let ports = match self.leg {
            Leg::Answer if EPHEMERAL.contains(port) => EPHEMERAL,
            Leg::Answer | Leg::Forward => PortRange { from: port, to: port },
        };
        let other = match (self.leg, direction) {
            (Leg::Forward, Direction::Egress) | (Leg::Answer, Direction::Ingress) => self.flow.to,
            (Leg::Forward, Direction::Ingress) | (Leg::Answer, Direction::Egress) => self.flow.from,
        };
        Wanted { packet, direction, other, ports }
    }

    /// Where the packet under way must arrive.
    fn goal(&self) -> Endpoint {
        match self.leg {
            Leg::Forward => self.flow.to,
            Leg::Answer => self.flow.from,
        }
    }

    fn no_way_back(&self, stop: Stop) -> Stop {
        match self.leg {
            Leg::Forward => stop,
            Leg::Answer => {
                let because = format!("the answer finds no way back: {}", stop.because);
                Stop { because, ..stop }
            }
        }
    }

    fn nobody_has(&self, code: Code, vpc: VpcId, address: Ipv4Addr) -> Stop {
        let because = match self.world.eni_at(vpc, address) {
            Some(eni) => format!("{} has {address}, but nothing uses it", eni.id),
            None => format!("no interface of {vpc} has {address}"),
        };
        Stop { code: Some(code), because, remedy: remedy::use_an_address(self.world, vpc) }
    }

    fn pass(&mut self, place: impl ToString, because: String) {
        self.hops.push(Hop {
            leg: self.leg,
            where_: place.to_string(),
            decision: Ruling::Passed,
            code: None,
            because,
            remedy: None,
            vpc: self.at,
            remedy_in: None,
        });
    }

    fn block<T>(&mut self, place: impl ToString, stop: Stop) -> Result<T, Dropped> {
        let (remedy, remedy_in) = stop.remedy.map(|r| (r.words, r.within)).unzip();
        self.hops.push(Hop {
            leg: self.leg,
            where_: place.to_string(),
            decision: Ruling::Blocked,
            code: stop.code,
            because: stop.because,
            remedy,
            vpc: self.at,
            remedy_in,
        });
        Err(Dropped)
    }
}

impl At {
    fn interface(&self) -> &InterfaceIntent {
        let found = self.site.intent.interfaces.get(&self.eni);
        found.expect("a packet is only at interfaces that were found in the intent")
    }
}

/// Whether a packet goes to an interface of its own subnet, where no ACL applies.
fn stays_inside(vpc: &VpcIntent, subnet: SubnetId, way: Way, to: Ipv4Addr) -> bool {
    match way {
        Way::Local(eni) | Way::Route(_, RouteTarget::Interface(eni)) => {
            vpc.interfaces.get(&eni).is_some_and(|interface| interface.subnet == subnet)
        }
        Way::Nobody => vpc.subnets.get(&subnet).is_some_and(|s| s.cidr.contains(to)),
        Way::Route(_, RouteTarget::Peering(_) | RouteTarget::Blackhole) | Way::None => false,
    }
}

/// Whether a VPC takes a packet that came by a peering.
fn admits(site: &Site, end: &PeeringEnd, from: &Site, packet: &Packet) -> Result<(), Stop> {
    let Packet { source, destination, .. } = *packet;
    let (vpc, far) = (&site.vpc, &from.vpc);
    let inside = |blocks: &[Cidr], address| blocks.iter().any(|block| block.contains(address));
    let blocked = |because| Err(stop(Code::PcxRequiresAddressInVpcCidr, because));
    if inside(&site.intent.cidrs, source) {
        return blocked(format!("{source} is an address of {} itself", vpc.id));
    }
    if !inside(&end.admits_to, destination) {
        return blocked(match secondary(vpc, destination) {
            Some(block) => format!(
                "{destination} lies in the secondary block {block} of {}; from a space only the \
                 primary block {} can be reached",
                vpc.id,
                vpc.primary()
            ),
            None => format!(
                "{destination} is no address of {}, and peerings do not lead on to what is behind",
                vpc.id
            ),
        });
    }
    match &end.admits_from {
        Some(blocks) if !inside(blocks, source) => blocked(match secondary(far, source) {
            Some(block) => format!(
                "{source} lies in the secondary block {block} of {}; a space talks only with the \
                 primary block {}",
                far.id,
                far.primary()
            ),
            None => {
                let list: Vec<String> = blocks.iter().map(Cidr::to_string).collect();
                let list = if list.is_empty() { "nobody".to_owned() } else { list.join(", ") };
                format!("{} takes packets from {list} only, not from {source}", vpc.id)
            }
        }),
        Some(_) | None => Ok(()),
    }
}

/// The block other than the primary that an address lies in.
fn secondary(vpc: &Vpc, address: Ipv4Addr) -> Option<Cidr> {
    vpc.blocks().skip(1).find(|block| block.contains(address))
}

fn direction_words(way: Direction) -> &'static str {
    match way {
        Direction::Ingress => "inbound",
        Direction::Egress => "outbound",
    }
}

fn side_words(way: Direction) -> &'static str {
    match way {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    }
}

fn rule_words(rule: &GroupRule) -> String {
    let side = side_words(rule.direction);
    match rule.peer {
        GroupPeer::Cidr(cidr) => format!("{} {side} {cidr}", rule.traffic),
        GroupPeer::Group { group, .. } => format!("{} {side} members of {group}", rule.traffic),
    }
}

fn packet_words(way: Direction, packet: &Packet) -> String {
    let what = match packet.protocol {
        IpProtocol::TCP | IpProtocol::UDP => {
            format!("{} {}", packet.protocol, packet.destination_port)
        }
        IpProtocol::ICMP => format!("icmp type {}", packet.icmp_type),
        IpProtocol(number) => format!("protocol {number}"),
    };
    format!("{what} {} {}", side_words(way), lookup::other_side(way, packet))
}
