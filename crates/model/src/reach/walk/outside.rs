//! What is outside: how a packet leaves a VPC, and how one comes in.

use std::rc::Rc;

use super::{At, Dropped, From, Place, Site, Stop, Walk, stop};
use crate::intent::{ExitId, ExitIntent, SharedExit};
use crate::reach::lookup;
use crate::reach::phrase::say;
use crate::reach::ports::Ports;
use crate::reach::remedy;
use crate::reach::{Component, ExplanationCode as Code, Leg};
use crate::resource::{Connectivity, Direction, Outbound};
use crate::{Cidr, IgwId, NatGatewayId, Packet, SubnetId};

impl Walk<'_> {
    /// Whether the flow begins at an address that somebody outside may have.
    pub(super) fn comes_from_outside(&self, site: &Site) -> bool {
        let address = self.flow.from.address;
        self.flow.to.vpc == site.vpc.id
            && !site.vpc.contains(address)
            && !Outbound::NEVER.iter().any(|block| block.contains(address))
    }

    /// The way by which a packet from outside gets to the VPC.
    pub(super) fn start_outside(&mut self, site: Rc<Site>) -> Result<Place, Dropped> {
        let (vpc, to) = (site.vpc.id, self.flow.to.address);
        let gateway = self.world.gateway_of(vpc).filter(|_| site.vpc.role.is_none());
        let Some(igw) = gateway.map(|gateway| gateway.id) else {
            let advice = remedy::attach_gateway(&site.vpc);
            let because = say!(NoGateway, vpc = vpc);
            let stop = Stop { code: Some(Code::NoPossibleDestination), because, advice };
            return self.block(Component::vpc(vpc), stop);
        };
        let exit = ExitId::Gateway(igw);
        let public = match site.intent.exits.get(&exit) {
            Some(ExitIntent::OneToOne(publics)) => publics.get(&to),
            Some(ExitIntent::Shared(_)) => None,
            None => {
                let stop = self.nothing_outside(&site);
                return self.block(Component::exit(exit), stop);
            }
        };
        let Some(public) = public else {
            let stop = self.no_public(&site, to);
            return self.block(Component::exit(exit), stop);
        };
        self.pass(Component::exit(exit), say!(ComesInBy, public = *public, address = to));
        self.exit = Some(exit);
        Ok(Place::Outside(site, exit))
    }

    fn nothing_outside(&self, site: &Site) -> Stop {
        let advice = remedy::ask_for_outbound(site.vpc.id);
        Stop { code: Some(Code::BadState), because: say!(NothingOutside), advice }
    }

    fn no_public(&self, site: &Site, address: std::net::Ipv4Addr) -> Stop {
        let eni = lookup::holder(&site.intent, address);
        let advice = eni.map(|eni| remedy::give_public(self.world, &site.vpc, eni, address));
        Stop {
            code: Some(Code::NoPossibleDestination),
            because: say!(NoPublicAddress, address = address),
            advice: advice.unwrap_or_default(),
        }
    }

    /// Sends the packet outside.
    pub(super) fn leave(
        &mut self,
        at: &At,
        exit: ExitId,
        packet: &Packet,
    ) -> Result<Place, Dropped> {
        let (site, component) = (&at.site, Component::exit(exit));
        let (from, to) = (packet.source, packet.destination);
        if self.passed_on.iter().any(|(leg, _)| *leg == self.leg) {
            let because = say!(NotTranslated, eni = at.eni, exit = exit);
            return self.block(component, stop(Code::BadState, because));
        }
        if self.leg == Leg::Answer {
            if self.exit != Some(exit) {
                let because = say!(LeavesElsewhere, exit = exit);
                return self.block(component, stop(Code::BadStateRoute, because));
            }
        } else if let Some(block) = site.intent.denied.iter().find(|block| block.contains(to)) {
            let because = say!(Denied, address = to, block = *block);
            let advice = remedy::ask_to_allow(site.vpc.id);
            let stop = Stop { code: Some(Code::NoPossibleDestination), because, advice };
            return self.block(component, stop);
        }
        let Some(intent) = site.intent.exits.get(&exit) else {
            let stop = self.nothing_outside(site);
            return self.block(component, stop);
        };
        let public = match intent {
            ExitIntent::OneToOne(publics) => match publics.get(&from) {
                Some(public) => *public,
                None => {
                    let stop = self.no_public(site, from);
                    return self.block(component, stop);
                }
            },
            ExitIntent::Shared(shared) => {
                self.through(at, exit, shared, packet)?;
                shared.address
            }
        };
        self.pass(component, say!(GoesOutBy, address = from, public = public));
        self.exit = Some(exit);
        Ok(Place::Outside(Rc::clone(site), exit))
    }

    /// Takes the packet through the subnet of a NAT gateway, to the internet gateway behind it.
    fn through(
        &mut self,
        at: &At,
        exit: ExitId,
        shared: &SharedExit,
        packet: &Packet,
    ) -> Result<(), Dropped> {
        let (site, subnet) = (&at.site, shared.subnet);
        if !shared.leads_to.iter().any(|block| block.contains(packet.destination)) {
            let to = packet.destination;
            let because = say!(NatLeadsNowhere, nat = exit, subnet = subnet, address = to);
            let advice = remedy::lead_out(self.world, (&site.vpc, &site.intent), subnet);
            let stop = Stop { code: Some(Code::NoRouteToDestination), because, advice };
            return self.block(Component::exit(exit), stop);
        }
        if at.interface().subnet != subnet {
            self.acl(site, subnet, Direction::Ingress, packet)?;
        }
        self.acl(site, subnet, Direction::Egress, packet)
    }

    /// Takes a packet from outside to the interface that it is for.
    pub(super) fn enter(
        &mut self,
        site: &Rc<Site>,
        exit: ExitId,
        packet: &Packet,
    ) -> Result<Place, Dropped> {
        self.at = Some(site.vpc.id);
        let source = packet.source;
        let own = site.intent.cidrs.iter().chain(&site.intent.denied);
        let peers = site.intent.peerings.values().flat_map(|end| &end.behind);
        if own.chain(peers).any(|block| block.contains(source)) {
            let because = say!(NobodyOutside, address = source);
            let stop = self.no_way_back(stop(Code::NoPossibleDestination, because));
            return self.block(Component::exit(exit), stop);
        }
        let Some(eni) = lookup::holder(&site.intent, packet.destination) else {
            let (vpc, to) = (site.vpc.id, packet.destination);
            let stop = self.nobody_has(Code::NoPossibleDestination, vpc, to);
            return self.block(Component::vpc(vpc), stop);
        };
        let at = At { site: Rc::clone(site), eni };
        if let Some(ExitIntent::Shared(shared)) = site.intent.exits.get(&exit) {
            self.answer_outside(site, shared.subnet, packet)?;
            if at.interface().subnet != shared.subnet {
                self.acl(site, shared.subnet, Direction::Egress, packet)?;
            }
        }
        self.deliver(at, From::Exit(exit), packet)
    }

    /// Asks the ACL of a NAT gateway's subnet about an answer, which is for a port of the NAT gateway's
    /// there: the sender's own, if that is one that the NAT gateway takes, else any of these.
    fn answer_outside(
        &mut self,
        site: &Rc<Site>,
        subnet: SubnetId,
        packet: &Packet,
    ) -> Result<(), Dropped> {
        let (kept, chosen) = self.ports.split(SharedExit::PORTS);
        if chosen.is_empty() || !packet.protocol.has_ports() {
            return self.acl(site, subnet, Direction::Ingress, packet);
        }
        let any = Ports::of(SharedExit::PORTS);
        self.ports = any.clone();
        self.acl(site, subnet, Direction::Ingress, packet)?;
        let mut passing = Ports::default();
        // Those for which it chooses pass for certain only where every choice does.
        if self.ports == any {
            passing.add(&chosen);
        }
        for range in std::mem::take(&mut self.ports).ranges() {
            passing.add(&kept.split(*range).0);
        }
        self.ports = passing;
        Ok(())
    }

    /// Why a route to an internet gateway leads nowhere.
    pub(super) fn no_exit(&self, from: &At, cidr: Cidr, igw: IgwId) -> Stop {
        let site = &from.site;
        let attached = self.world.gateway(igw).is_some_and(|it| it.vpc == Some(site.vpc.id));
        let (why, advice) = if attached {
            (say!(NothingCarries, igw = igw), remedy::ask_for_outbound(site.vpc.id))
        } else {
            let why = say!(NotAttached, igw = igw, vpc = site.vpc.id);
            (why, remedy::attach_gateway(&site.vpc))
        };
        let because = say!(Blackhole, block = cidr, why = why);
        Stop { code: Some(Code::BadStateRoute), because, advice }
    }

    /// Why a route to a NAT gateway leads nowhere.
    pub(super) fn no_nat(&self, from: &At, cidr: Cidr, nat: NatGatewayId) -> Stop {
        let site = &from.site;
        let outside = self.goal().vpc == site.vpc.id;
        let (code, why) = match self.world.nat_gateway(nat) {
            _ if !outside => (Code::NoRouteToDestination, say!(OnlyToGateway, igw = nat)),
            Some(it) if !it.works() => {
                let status = it.state(self.now).name();
                (Code::BadStateRoute, say!(NatIs, nat = nat, status = status))
            }
            Some(it) if it.connectivity == Connectivity::Private => {
                (Code::BadStateRoute, say!(NatIsPrivate, nat = nat))
            }
            Some(_) if self.world.outbound().is_none() => {
                let because = say!(Blackhole, block = cidr, why = say!(NothingOutside));
                let advice = remedy::ask_for_outbound(site.vpc.id);
                return Stop { code: Some(Code::BadStateRoute), because, advice };
            }
            Some(it) => {
                let subnet = it.subnet;
                let why = say!(
                    NatLeadsNowhere,
                    nat = nat,
                    subnet = subnet,
                    address = self.goal().address
                );
                let advice = remedy::lead_out(self.world, (&site.vpc, &site.intent), subnet);
                let because = say!(Blackhole, block = cidr, why = why);
                return Stop { code: Some(Code::BadStateRoute), because, advice };
            }
            None => (Code::BadStateRoute, say!(NatIs, nat = nat, status = "deleted")),
        };
        self.detour(from, code, say!(Blackhole, block = cidr, why = why))
    }
}
