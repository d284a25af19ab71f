//! What is to be reached in a VPC, and from where.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::step::{PeerAsk, Reached};
use crate::mac::MacAddr;
use crate::resource::{Attachment, Dyno, DynoState, Eni, Space};
use crate::{
    Change, DynoId, EniAttachmentId, EniId, IdSource, Key, PrefixedId, SecurityGroupId, SubnetId,
    Timestamp, WorkloadId, World,
};

/// An interface in the VPC that dynos are to reach.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The interface.
    pub eni: Arc<Eni>,
    /// Its name, as `why` takes it.
    pub name: String,
    /// The groups to which rules may be added, the best first.
    pub groups: Vec<SecurityGroupId>,
}

/// Those that are named, or every instance of the VPC; of equals only one, as what lets packets through
/// to one does so for the others. Interfaces outside the primary block are left out: nothing makes a way to
/// them (R20).
///
/// # Errors
///
/// Names what is not in the VPC.
pub(super) fn targets(world: &World, ask: &PeerAsk<'_>) -> Result<Vec<Target>, String> {
    let Some(vpc) = world.vpc(ask.vpc) else { return Ok(Vec::new()) };
    let mut found: Vec<Target> = Vec::new();
    if ask.to.is_empty() {
        found.extend(world.enis_in(Key::Vpc(vpc.id)).filter_map(|eni| used(world, eni, None)));
    }
    for named in ask.to {
        let outside = |what: String| format!("there is no {what} in {}", vpc.id);
        match named {
            Reached::Instance(id) => {
                let instance = world.instance(*id).filter(|own| own.vpc == vpc.id);
                let eni = instance.and_then(|instance| world.eni(instance.eni));
                let target = eni.and_then(|eni| used(world, eni, None));
                found.push(target.ok_or_else(|| outside(format!("instance {id} that runs")))?);
            }
            Reached::Interface(id) => {
                let eni = world.eni(*id).filter(|eni| eni.vpc == vpc.id);
                let target = eni.and_then(|eni| used(world, eni, None));
                found.push(target.ok_or_else(|| outside(format!("interface {id} in use")))?);
            }
            Reached::Group(id) => {
                if world.group(*id).is_none_or(|group| group.vpc != vpc.id) {
                    return Err(outside(format!("security group {id}")));
                }
                let members = world.enis_in(Key::SecurityGroup(*id));
                found.extend(members.filter_map(|eni| used(world, eni, Some(*id))));
            }
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|target| {
        let sorted: BTreeSet<_> = target.eni.groups.iter().copied().collect();
        vpc.primary().contains(target.eni.primary())
            && seen.insert((target.eni.subnet, sorted, target.groups.clone()))
    });
    Ok(found)
}

/// An interface that an instance uses which has not ended.
fn used(world: &World, eni: &Arc<Eni>, group: Option<SecurityGroupId>) -> Option<Target> {
    let WorkloadId::Instance(id) = eni.attachment.as_ref()?.workload else { return None };
    let state = world.instance(id)?.state;
    if state.ends() {
        return None;
    }
    let groups = group.map_or_else(|| eni.groups.clone(), |group| vec![group]);
    Some(Target { eni: Arc::clone(eni), name: id.to_string(), groups })
}

/// The dynos of a space that are up, one for each app and process type.
pub(super) fn dynos(world: &World, space: &Space, kind: Option<&str>) -> Vec<(String, Arc<Dyno>)> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<(String, Arc<Dyno>)> = world
        .dynos_in(Key::Space(space.id))
        .filter(|dyno| dyno.state == DynoState::Up && !dyno.superseded)
        .filter(|dyno| kind.is_none_or(|kind| kind == dyno.process_type))
        .filter_map(|dyno| {
            let name = format!("{}/{}", world.app(dyno.app)?.name, dyno.name);
            Some((name, Arc::clone(dyno)))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found.retain(|(_, dyno)| seen.insert((dyno.app, dyno.process_type.clone())));
    found
}

/// An interface in a dyno subnet: a dyno's, or one that is imagined, as the next dyno will have it.
pub(crate) fn dyno_interface(
    world: &mut World,
    space: &Space,
    subnet: SubnetId,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Option<Arc<Eni>> {
    let there = world.enis_in(Key::Subnet(subnet)).find(|eni| {
        let workload = eni.attachment.as_ref().map(|attachment| attachment.workload);
        matches!(workload, Some(WorkloadId::Dyno(_)))
    });
    if let Some(eni) = there {
        return Some(Arc::clone(eni));
    }
    let block = world.subnet(subnet)?.cidr;
    let address = block.nth(block.size() - 2)?;
    let id = EniId::fresh(ids);
    let eni = Eni {
        id,
        vpc: space.vpc,
        subnet,
        mac: MacAddr([0; 6]),
        addresses: vec![address],
        ipv6_addresses: Vec::new(),
        primary_ipv6: false,
        groups: vec![space.dyno_group],
        source_dest_check: true,
        description: String::new(),
        attachment: Some(Attachment {
            id: EniAttachmentId::fresh(ids),
            workload: WorkloadId::Dyno(DynoId::fresh(ids)),
            device_index: 0,
            delete_on_termination: true,
            attached: now,
        }),
        requester_managed: true,
        public: crate::PublicAddress::None,
        nat_gateway: None,
        created: now,
        tags: Default::default(),
        client_token: None,
    };
    world.apply(&Change::Put(eni.into()));
    world.eni(id).cloned()
}
