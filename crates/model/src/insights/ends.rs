//! The ends of a path, as they are at the time.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::reach::{Endpoint, ExplanationCode, Leg, Verdict};
use crate::resource::*;
use crate::{IgwId, Key, PcxId, Scope, VpcId, WorkloadId, World};

/// Where a path begins and ends.
pub(super) struct Ends {
    /// The VPC in which packets begin, or which they enter from outside.
    pub from: VpcId,
    /// The addresses that they come from; any from outside if there is none.
    pub source: Option<Ipv4Addr>,
    /// The interface that they begin at.
    pub sender: Option<Arc<Eni>>,
    /// The VPC in which they arrive; the one that they leave if they go outside.
    pub to: VpcId,
    /// The address that they go to; any outside if there is none.
    pub destination: Option<Ipv4Addr>,
    /// The interface that they arrive at.
    pub receiver: Option<Arc<Eni>>,
    /// What they must arrive at.
    pub end: End,
    scope: Scope,
}

/// What packets must arrive at.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// Whatever has the address.
    Address,
    /// An internet gateway.
    Gateway(IgwId),
    /// A peering.
    Peering(PcxId),
}

/// The ends of a path; what is in the way where they cannot be; or why nobody can tell.
pub(super) fn resolve(
    world: &World,
    scope: Scope,
    packets: &PathPackets,
) -> Result<Result<Ends, PathExplanation>, String> {
    if let PathEnd::Gateway(id) = packets.source {
        return from_outside(world, scope, packets, id);
    }
    let (sender, source) = match inside(world, scope, packets.source, packets.sources())? {
        Ok(found) => found,
        Err(explanation) => return Ok(Err(explanation)),
    };
    let from = Endpoint { vpc: sender.vpc, address: source };
    let ends = Ends {
        from: sender.vpc,
        source: Some(source),
        sender: Some(Arc::clone(&sender)),
        to: sender.vpc,
        destination: packets.destinations().next(),
        receiver: None,
        end: End::Address,
        scope,
    };
    let Some(destination) = packets.destination else {
        let Some(address) = ends.destination else {
            return Err("The path has no destination.".to_owned());
        };
        let to = Endpoint::resolve(world, &address.to_string(), Some(from))?;
        return Ok(Ok(Ends {
            to: to.vpc,
            receiver: world.eni_at(to.vpc, address).cloned(),
            ..ends
        }));
    };
    match destination {
        PathEnd::Gateway(id) => {
            let gateway = own_gateway(world, scope, id)?;
            if gateway.vpc != Some(sender.vpc) {
                return Ok(Err(explanation(world, Key::InternetGateway(id), scope, NOWHERE)));
            }
            Ok(Ok(Ends { end: End::Gateway(id), ..ends }))
        }
        PathEnd::Peering(id) => {
            let peering = world.peering(id).filter(|pcx| {
                [&pcx.requester, &pcx.accepter].iter().any(|side| side.account == scope.account)
            });
            let peering = peering.ok_or_else(|| gone(id))?;
            let Some(far) = peering.other_side(sender.vpc) else {
                return Ok(Err(explanation(world, Key::Peering(id), scope, NOWHERE)));
            };
            // Any address behind the peering is as good as another.
            let any = far.cidrs.first().and_then(|block| block.nth(4));
            let destination = ends.destination.or(any);
            Ok(Ok(Ends { to: far.vpc, destination, end: End::Peering(id), ..ends }))
        }
        PathEnd::Instance(_) | PathEnd::Eni(_) => {
            let found = inside(world, scope, destination, packets.destinations())?;
            Ok(found.map(|(eni, address)| Ends {
                to: eni.vpc,
                destination: Some(address),
                receiver: Some(eni),
                ..ends
            }))
        }
    }
}

/// Where packets go that nothing leads to.
const NOWHERE: ExplanationCode = ExplanationCode::NoPossibleDestination;

fn from_outside(
    world: &World,
    scope: Scope,
    packets: &PathPackets,
    id: IgwId,
) -> Result<Result<Ends, PathExplanation>, String> {
    let gateway = own_gateway(world, scope, id)?;
    let destination = packets.destination.ok_or("The path has no destination.")?;
    let (receiver, address) = match inside(world, scope, destination, packets.destinations())? {
        Ok(found) => found,
        Err(explanation) => return Ok(Err(explanation)),
    };
    if gateway.vpc != Some(receiver.vpc) {
        return Ok(Err(explanation(world, Key::InternetGateway(id), scope, NOWHERE)));
    }
    Ok(Ok(Ends {
        from: receiver.vpc,
        source: packets.sources().next(),
        sender: None,
        to: receiver.vpc,
        destination: Some(address),
        receiver: Some(receiver),
        end: End::Address,
        scope,
    }))
}

/// The interface of an end inside a VPC, and the address that it sends from or is sent to.
fn inside(
    world: &World,
    scope: Scope,
    end: PathEnd,
    mut wanted: impl Iterator<Item = Ipv4Addr>,
) -> Result<Result<(Arc<Eni>, Ipv4Addr), PathExplanation>, String> {
    let eni = match end {
        PathEnd::Instance(id) => {
            let own = world.instance(id).filter(|it| it.account == scope.account);
            own.ok_or_else(|| gone(id))?;
            world.eni_of(WorkloadId::Instance(id))
        }
        PathEnd::Eni(id) => world.eni(id),
        PathEnd::Gateway(_) | PathEnd::Peering(_) => None,
    };
    let own = |eni: &&Arc<Eni>| world.vpc(eni.vpc).is_some_and(|vpc| scope.holds(vpc));
    let eni = eni.filter(own).ok_or_else(|| gone(end.key()))?;
    let address = match wanted.next() {
        Some(address) if !eni.addresses.contains(&address) => {
            let code = ExplanationCode::EniAddressRestriction;
            return Ok(Err(explanation(world, Key::Eni(eni.id), scope, code)));
        }
        Some(address) => address,
        None => *eni.addresses.first().ok_or_else(|| gone(end.key()))?,
    };
    Ok(Ok((Arc::clone(eni), address)))
}

fn own_gateway(world: &World, scope: Scope, id: IgwId) -> Result<&Arc<InternetGateway>, String> {
    let own = |it: &&Arc<InternetGateway>| (it.account, it.region) == (scope.account, scope.region);
    world.gateway(id).filter(own).ok_or_else(|| gone(id))
}

fn gone(id: impl std::fmt::Display) -> String {
    format!("'{id}' does not exist any more, or has no network interface.")
}

fn explanation(world: &World, key: Key, scope: Scope, code: ExplanationCode) -> PathExplanation {
    let vpc = match key {
        Key::Eni(id) => world.eni(id).map(|eni| NetworkComponent::new(Key::Vpc(eni.vpc), scope)),
        _ => None,
    };
    PathExplanation {
        code: Some(code.name().to_owned()),
        step: PathStep {
            component: NetworkComponent::new(key, scope),
            vpc,
            subnet: None,
            interface: None,
            groups: Vec::new(),
            direction: None,
            rule: None,
            packet: None,
        },
        packet: None,
    }
}

impl Ends {
    /// Whether a packet that arrives came to what it must arrive at.
    pub(super) fn is_end_of(&self, verdict: &Verdict) -> bool {
        match self.end {
            End::Address | End::Peering(_) => true,
            // A NAT gateway leads on to the internet gateway of its VPC, which is this one.
            End::Gateway(id) => verdict.hops.iter().any(|hop| {
                let component = &hop.component;
                hop.leg == Leg::Forward
                    && (component.internet_gateway_id == Some(id)
                        || component.nat_gateway_id.is_some())
            }),
        }
    }

    /// What a packet does not come to, though nothing stops it.
    pub(super) fn missed(&self, world: &World, code: ExplanationCode) -> Option<PathExplanation> {
        let key = match self.end {
            End::Address => return None,
            End::Gateway(id) => Key::InternetGateway(id),
            End::Peering(id) => Key::Peering(id),
        };
        Some(explanation(world, key, self.scope, code))
    }
}

impl PathPackets {
    /// The addresses that the packets come from, if it is said.
    pub(super) fn sources(&self) -> impl Iterator<Item = Ipv4Addr> {
        let filters = [self.at_source, self.at_destination];
        let filtered = filters.into_iter().flatten().filter_map(|at| at.source);
        self.source_ip.into_iter().chain(filtered)
    }

    /// The addresses that the packets go to, if it is said.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = Ipv4Addr> {
        let filters = [self.at_destination, self.at_source];
        let filtered = filters.into_iter().flatten().filter_map(|at| at.destination);
        self.destination_ip.into_iter().chain(filtered)
    }
}
