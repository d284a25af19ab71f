//! Ends of a flow as people write them.

use std::net::Ipv4Addr;

use super::lookup::{self, Way};
use super::{Endpoint, Flow};
use crate::intent::RouteTarget;
use crate::plan::{joins, plan_vpc};
use crate::{EniId, InstanceId, IpProtocol, Key, PortRange, VpcId, WorkloadId, World};

/// What an end may be, for whoever wrote something else.
const FORMS: &str = "an end is APP/DYNO, i-…, eni-…, vpc-…/ADDRESS or an address";

impl Endpoint {
    /// Reads `APP/DYNO`, `i-…`, `eni-…` or `vpc-…/10.0.0.5`; and a bare address, if it is the end
    /// of a flow `from` somewhere: an address of the same VPC, or of one that is peered with it.
    ///
    /// # Errors
    ///
    /// Says in words what there is not.
    pub fn resolve(world: &World, text: &str, from: Option<Self>) -> Result<Self, String> {
        let shown: String = text.chars().take(64).collect();
        if let Ok(address) = text.parse() {
            return match from {
                Some(from) => Ok(from.seen_at(world, address)),
                None => Err(format!(
                    "{shown} can be in any VPC; write vpc-…/{shown}, or name what has it"
                )),
            };
        }
        if let Some((left, right)) = text.split_once('/') {
            return match (left.parse::<VpcId>(), right.parse::<Ipv4Addr>()) {
                (Ok(vpc), Ok(address)) if world.vpc(vpc).is_some() => Ok(Self { vpc, address }),
                (Ok(vpc), Ok(_)) => Err(format!("there is no {vpc}")),
                (Ok(_), Err(_)) => Err(format!("'{shown}' has no IPv4 address behind the VPC")),
                (Err(_), _) => Self::of_dyno(world, left, right),
            };
        }
        if let Ok(id) = text.parse::<InstanceId>() {
            world.instance(id).ok_or_else(|| format!("there is no instance {id}"))?;
            return Self::of_workload(world, WorkloadId::Instance(id))
                .ok_or_else(|| format!("{id} has no interface any more"));
        }
        if let Ok(id) = text.parse::<EniId>() {
            return Self::of_eni(world, id).ok_or_else(|| format!("there is no interface {id}"));
        }
        Err(format!("'{shown}' is no end of a flow: {FORMS}"))
    }

    fn of_dyno(world: &World, app: &str, dyno: &str) -> Result<Self, String> {
        let short = |text: &str| text.chars().take(64).collect::<String>();
        let found =
            world.app_named(app).ok_or_else(|| format!("there is no app '{}'", short(app)))?;
        let dyno = world
            .dyno_named(found.id, dyno)
            .ok_or_else(|| format!("{} has no dyno '{}'", found.name, short(dyno)))?;
        Self::of_workload(world, WorkloadId::Dyno(dyno.id))
            .ok_or_else(|| format!("{}/{} has no interface any more", found.name, dyno.name))
    }

    fn of_workload(world: &World, id: WorkloadId) -> Option<Self> {
        Self::of_eni(world, world.eni_of(id)?.id)
    }

    fn of_eni(world: &World, id: EniId) -> Option<Self> {
        let eni = world.eni(id)?;
        Some(Self { vpc: eni.vpc, address: *eni.addresses.first()? })
    }

    /// Whose an address is, seen from a VPC: its own, or that of a VPC that is joined with it. An address of
    /// nobody stays with the VPC itself.
    pub fn beside(world: &World, vpc: VpcId, address: Ipv4Addr) -> Self {
        let own = Self { vpc, address };
        if world.vpc(vpc).is_none_or(|vpc| vpc.contains(address)) {
            return own;
        }
        let peers = world.peerings_of(Key::Vpc(vpc)).filter(|peering| joins(world, peering));
        let mut peers = peers.filter_map(|peering| world.vpc(peering.other_side(vpc)?.vpc));
        let peer = peers.find(|peer| peer.contains(address));
        peer.map_or(own, |peer| Self { vpc: peer.id, address })
    }

    /// Whose an address is, seen from this end: its own VPC's; that of the VPC to which its route
    /// table leads; that of one which is peered, or will be. An address of nobody stays with the
    /// own VPC, as a middlebox may know it.
    fn seen_at(self, world: &World, address: Ipv4Addr) -> Self {
        let own = Self { vpc: self.vpc, address };
        let Some(vpc) = world.vpc(self.vpc).filter(|vpc| !vpc.contains(address)) else {
            return own;
        };
        if let Some(vpc) = self.routed_to(world, address) {
            return Self { vpc, address };
        }
        let peers = |live: bool| {
            world
                .peerings_of(Key::Vpc(vpc.id))
                .filter(move |p| if live { joins(world, p) } else { !p.status(p.since).ended() })
                .filter_map(|peering| world.vpc(peering.other_side(vpc.id)?.vpc))
                .find(|peer| peer.contains(address))
        };
        peers(true).or_else(|| peers(false)).map_or(own, |peer| Self { vpc: peer.id, address })
    }

    fn routed_to(self, world: &World, address: Ipv4Addr) -> Option<VpcId> {
        let vpc = world.vpc(self.vpc)?;
        let intent = plan_vpc(world, vpc);
        let eni = intent.interfaces.get(&lookup::holder(&intent, self.address)?)?;
        let table = intent.subnets.get(&eni.subnet)?.route_table;
        let Way::Route(_, RouteTarget::Peering(pcx)) = lookup::way(&intent, table, address) else {
            return None;
        };
        let peer = world.vpc(world.peering(pcx)?.other_side(vpc.id)?.vpc)?;
        peer.contains(address).then_some(peer.id)
    }
}

impl Flow {
    /// Reads a flow: its ends as [`Endpoint::resolve`] does, a bare address as seen from the other
    /// end; `tcp`, `udp`, `icmp` or a protocol's number; and a port where the protocol has one,
    /// with the source ports that are asked about, all ephemeral ones unless they are given.
    ///
    /// # Errors
    ///
    /// Says in words what is wrong.
    pub fn resolve(
        world: &World,
        from: &str,
        to: &str,
        protocol: &str,
        port: Option<u16>,
        source_ports: Option<&str>,
    ) -> Result<Self, String> {
        // Who is outside is known by an address alone, seen from the end that is inside.
        let (from, to) = match from.parse() {
            Ok(address) if to.parse::<Ipv4Addr>().is_err() => {
                let to = Endpoint::resolve(world, to, None)?;
                (to.seen_at(world, address), to)
            }
            _ => {
                let from = Endpoint::resolve(world, from, None)?;
                (from, Endpoint::resolve(world, to, Some(from))?)
            }
        };
        let protocol = match protocol {
            "tcp" => IpProtocol::TCP,
            "udp" => IpProtocol::UDP,
            "icmp" => IpProtocol::ICMP,
            other => other.parse().map(IpProtocol).map_err(|_| {
                let shown: String = other.chars().take(64).collect();
                format!("'{shown}' is no protocol: tcp, udp, icmp or a number")
            })?,
        };
        let mut flow = match port {
            None if protocol.has_ports() => return Err(format!("say which {protocol} port")),
            Some(_) if !protocol.has_ports() => {
                return Err(format!("protocol {protocol} has no ports"));
            }
            port => Self::new(from, to, protocol, port.unwrap_or(0)),
        };
        match source_ports {
            Some(_) if !protocol.has_ports() => Err(format!("protocol {protocol} has no ports")),
            Some(text) => {
                flow.source_ports = read_ports(text)?;
                Ok(flow)
            }
            None => Ok(flow),
        }
    }
}

/// Reads a port, or two of them as `32768-60999`.
fn read_ports(text: &str) -> Result<PortRange, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) if from <= to => Ok(PortRange { from, to }),
        _ => {
            let shown: String = text.chars().take(64).collect();
            Err(format!("'{shown}' is no range of source ports such as 32768-60999"))
        }
    }
}
