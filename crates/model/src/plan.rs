//! What the fabric must look like, derived from the world.
//!
//! Each part follows from its own resources alone, so a change plans anew only what it touches.

mod delta;
mod edge;
mod exits;
mod host;
mod routes;
mod shell;
mod vpc;
mod workload;

#[cfg(test)]
pub(crate) mod lab;
#[cfg(test)]
mod tests;

pub use delta::{edge_delta, plan_delta};
pub use edge::plan_edge;
pub use host::{edge_delta_by_host, host_of_interface, plan_delta_by_host, plan_edge_on, plan_on};
pub(crate) use routes::routes_of;
pub use shell::dyno_command;
pub use vpc::{is_stale, plan_vpc};
pub(crate) use vpc::{joins, members_seen, rule_intents};

use crate::intent::{
    Intent, IntentDelta, NetworksDelta, NetworksIntent, WorkloadsDelta, WorkloadsIntent,
};
use crate::resource::App;
use crate::{HostId, Timestamp, World, names};

/// The name by which a dyno is found inside its space: `1.web.shop.app.localspace`.
pub fn dyno_host(app: &App, process_type: &str, number: u16) -> String {
    names::dyno(number, &names::process(app, process_type))
}

/// Says what the fabric must look like.
///
/// Nothing of it depends on the time yet: a request that lapses was never carried.
pub fn plan(world: &World, _now: Timestamp) -> Intent {
    let hosted = world.has_hosts();
    // What waits for a host is nowhere.
    let placed = |host: Option<HostId>| !hosted || host.is_some();
    let dynos = world.dynos().filter(|dyno| placed(dyno.host));
    let addons = world.addons().filter(|addon| placed(addon.host));
    let instances = world.instances().filter(|instance| placed(instance.host));
    let workloads = dynos
        .filter_map(|dyno| workload::plan_dyno(world, dyno))
        .chain(addons.filter_map(|addon| workload::plan_service(world, addon)))
        .chain(instances.filter_map(|instance| workload::plan_instance(world, instance)));
    let networks = NetworksIntent {
        vpcs: world.vpcs().map(|vpc| (vpc.id, plan_vpc(world, vpc))).collect(),
        peerings: world
            .peerings()
            .filter_map(|peering| Some((peering.id, vpc::plan_peering(world, peering)?)))
            .collect(),
        uplink: exits::plan_uplink(world),
    };
    Intent { networks, workloads: WorkloadsIntent(workloads.collect()) }
}

/// Names what no plan has any more and the world nevertheless waits to hear of: that it is gone.
/// Whoever is told of it again says so again.
pub fn plan_awaited_ends(world: &World) -> IntentDelta {
    let deleting = world.peerings().filter(|peering| {
        peering.state == crate::PeeringState::Deleting
            && vpc::plan_peering(world, peering).is_none()
    });
    let ended = world.awaited_ends().filter(|id| workload::plan_workload(world, *id).is_none());
    let peerings = deleting.map(|peering| (peering.id, None)).collect();
    IntentDelta {
        networks: NetworksDelta { peerings, ..NetworksDelta::default() },
        workloads: WorkloadsDelta(ended.map(|id| (id, None)).collect()),
    }
}
