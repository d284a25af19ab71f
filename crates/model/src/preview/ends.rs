//! The ends of which a preview speaks.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::command::Ec2Command;
use crate::peer::dyno_interface;
use crate::reach::Endpoint;
use crate::resource::{DynoState, Eni, InstanceState, Space, Vpc};
use crate::{
    Cidr, IdSource, InstanceId, Key, RouteTableId, SecurityGroupId, Timestamp, VpcId, WorkloadId,
    World,
};

/// The most ends of the VPC, and the most on the other side of its peerings.
const MOST_ENDS: usize = 16;

/// An end of a flow, by the name that whoever asks may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What a viewer is told that the end is.
    pub name: EndName,
    /// The TCP port that it serves, if it is a dyno.
    pub(super) port: Option<u16>,
}

/// The name of an end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndName {
    /// A dyno, by its app's name and its own.
    Dyno(String),
    /// The dynos of a block of a space whose dynos are its owner's business.
    Dynos(Cidr),
    /// An instance, by its id.
    Instance(InstanceId),
    /// A host of a VPC whose hosts are its owner's business.
    Vpc(VpcId),
}

/// The ends of which a preview speaks.
pub(super) struct Ends {
    /// Those of the VPC that the change concerns.
    pub concerned: Vec<End>,
    /// All of the VPC.
    pub near: Vec<End>,
    /// Those on the other side of the VPC's peerings.
    pub far: Vec<End>,
    /// Whether some were left out.
    pub is_cut: bool,
}

/// Finds the ends of a VPC and of those that it is peered with. Where a space has no dyno yet, or none that
/// may be told of, one is imagined in the world.
pub(super) fn find(
    world: &mut World,
    vpc: &Vpc,
    commands: &[Ec2Command],
    may_look: &dyn Fn(VpcId) -> bool,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Ends {
    let mut far = Vec::new();
    let peers: Vec<Arc<Vpc>> = world
        .peerings_of(Key::Vpc(vpc.id))
        .filter(|peering| peering.carries())
        .filter_map(|peering| world.vpc(peering.other_side(vpc.id)?.vpc).cloned())
        .collect();
    for peer in peers {
        // So many are enough to see that some are left out.
        if far.len() > MOST_ENDS {
            break;
        }
        let seen = may_look(peer.id);
        match world.space_of_vpc(&peer).cloned() {
            Some(space) => far.extend(dynos(world, &space, seen, ids, now)),
            None if seen => far.extend(instances(world, &peer).into_iter().map(|(end, _)| end)),
            None => far.extend(a_host(world, &peer)),
        }
    }
    let near = instances(world, vpc);
    let changed = Changed::by(commands);
    let of_change = |eni: &Eni| changed.concerns(world, vpc, eni);
    let mut concerned: Vec<End> =
        near.iter().filter(|(_, eni)| of_change(eni)).map(|(end, _)| end.clone()).collect();
    let mut near: Vec<End> = near.into_iter().map(|(end, _)| end).collect();
    let is_cut = [&concerned, &near, &far].iter().any(|ends| ends.len() > MOST_ENDS);
    for ends in [&mut concerned, &mut near, &mut far] {
        ends.truncate(MOST_ENDS);
    }
    Ends { concerned, near, far, is_cut }
}

fn at(eni: &Eni) -> Endpoint {
    Endpoint { vpc: eni.vpc, address: eni.primary() }
}

/// The instances of a VPC that run or are about to, by id, with their interfaces.
fn instances(world: &World, vpc: &Vpc) -> Vec<(End, Arc<Eni>)> {
    let mut found: Vec<(End, Arc<Eni>)> = world
        .enis_in(Key::Vpc(vpc.id))
        .filter_map(|eni| {
            let WorkloadId::Instance(id) = eni.attachment.as_ref()?.workload else { return None };
            match world.instance(id)?.state {
                InstanceState::Pending | InstanceState::Running => {}
                InstanceState::Stopping
                | InstanceState::Stopped
                | InstanceState::ShuttingDown
                | InstanceState::Terminated => return None,
            }
            let name = EndName::Instance(id);
            Some((End { endpoint: at(eni), name, port: None }, Arc::clone(eni)))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    found
}

/// One host of a VPC, without its name.
fn a_host(world: &World, vpc: &Vpc) -> Option<End> {
    let (end, _) = instances(world, vpc).into_iter().next()?;
    Some(End { name: EndName::Vpc(vpc.id), ..end })
}

/// The dynos of a space that are up, by name; or one of each block, if none may be told of or is up.
fn dynos(
    world: &mut World,
    space: &Space,
    seen: bool,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Vec<End> {
    let mut named: Vec<End> = world
        .dynos_in(Key::Space(space.id))
        .filter(|dyno| seen && dyno.state == DynoState::Up && !dyno.superseded)
        .filter_map(|dyno| {
            let (app, eni) = (world.app(dyno.app)?, world.eni(dyno.eni)?);
            let name = EndName::Dyno(format!("{}/{}", app.name, dyno.name));
            Some(End { endpoint: at(eni), name, port: Some(dyno.port()) })
        })
        .collect();
    if !named.is_empty() {
        named.sort_by(|one, other| one.name.cmp(&other.name));
        return named;
    }
    let mut some = Vec::new();
    for subnet in space.dyno_subnets {
        let block = world.subnet(subnet).map(|subnet| subnet.cidr);
        let eni = dyno_interface(world, space, subnet, ids, now);
        if let (Some(block), Some(eni)) = (block, eni) {
            some.push(End { endpoint: at(&eni), name: EndName::Dynos(block), port: None });
        }
    }
    some
}

/// What commands change.
#[derive(Default)]
struct Changed {
    tables: BTreeSet<RouteTableId>,
    groups: BTreeSet<SecurityGroupId>,
    /// Whether something else is changed, too, which may concern every end.
    more: bool,
}

impl Changed {
    fn by(commands: &[Ec2Command]) -> Self {
        use Ec2Command as C;
        let mut changed = Self::default();
        for command in commands {
            match command {
                C::CreateRoute { route_table, .. }
                | C::ReplaceRoute { route_table, .. }
                | C::RestoreLocalRoute { route_table, .. }
                | C::DeleteRoute { route_table, .. } => {
                    changed.tables.insert(*route_table);
                }
                C::AuthorizeSecurityGroup { group, .. } | C::RevokeSecurityGroup { group, .. } => {
                    changed.groups.insert(*group);
                }
                _ => changed.more = true,
            }
        }
        changed
    }

    fn concerns(&self, world: &World, vpc: &Vpc, eni: &Eni) -> bool {
        let own = world.subnet(eni.subnet).and_then(|subnet| subnet.route_table);
        let table = own.map_or(vpc.main_route_table, |own| own.route_table);
        self.more
            || self.tables.contains(&table)
            || eni.groups.iter().any(|group| self.groups.contains(group))
    }
}
