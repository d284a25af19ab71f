//! Hosts: what is where, and which are to be emptied.

use std::sync::Arc;

use axum::extract::State as Shared;
use model::{Host, HostCommand, HostId, InstanceState, Key, WorkloadId, World};

use super::answer::{Answer, Problem, Reply, missing};
use super::context::{Operator, oldest_first};
use super::input::{Fields, Segment};

pub(super) async fn hosts(Shared(operator): Shared<Operator>) -> Answer<api::Hosts> {
    let world = operator.state.world();
    let hosts = oldest_first(world.hosts(), |host| (host.created, host.id));
    let hosts = hosts.map(|host| shown(&operator, &world, host)).collect();
    let waiting = world.unplaced().filter_map(|id| waiting(&world, id)).collect();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Reply(api::Hosts { version, hosts, waiting }))
}

pub(super) async fn host(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
) -> Answer<api::HostDetails> {
    let world = operator.state.world();
    let host = find(&world, &name)?;
    let workloads = world.workloads_on(host.id).into_iter();
    let workloads = workloads.filter_map(|id| hosted(&world, id)).collect();
    let known = operator.state.health.of_host(host.id);
    let hub = operator.state.hosts.as_ref().map(|hosts| hosts.hub());
    let view = hub.and_then(|hub| hub.hosts().into_iter().find(|view| view.id == host.id));
    Ok(Reply(api::HostDetails {
        host: shown(&operator, &world, &host),
        revision: known.revision,
        kept_revision: view.and_then(|view| view.held.networks).map(|held| held.revision),
        failing: known.failing.into_values().flatten().collect(),
        workloads,
    }))
}

pub(super) async fn drain(operator: Shared<Operator>, name: Segment) -> Answer<api::Host> {
    change(operator, name, |host| HostCommand::Drain { host }).await
}

pub(super) async fn undrain(operator: Shared<Operator>, name: Segment) -> Answer<api::Host> {
    change(operator, name, |host| HostCommand::Undrain { host }).await
}

async fn change(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
    command: impl FnOnce(HostId) -> HostCommand,
) -> Answer<api::Host> {
    let host = find(&operator.state.world(), &name)?;
    let done = operator.run(command(host.id)).await?;
    let host = done.after.host(host.id).ok_or_else(|| unknown(&name))?;
    Ok(Reply(shown(&operator, &done.after, host)))
}

pub(super) async fn remove(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
    Fields(body): Fields<api::RemoveHost>,
) -> Answer<api::HostRemoved> {
    let host = find(&operator.state.world(), &name)?;
    operator.run(HostCommand::Remove { host: host.id, force: body.force }).await?;
    Ok(Reply(api::HostRemoved { id: host.id.to_string(), name: host.name.clone() }))
}

/// A host by its name or its id.
fn find(world: &World, name: &str) -> Result<Arc<Host>, Problem> {
    let by_id = name.parse().ok().and_then(|id| world.host(id));
    by_id.or_else(|| world.host_named(name)).cloned().ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Problem {
    missing(format!("There is no host '{name}'; `causeway hosts` lists them."))
}

fn shown(operator: &Operator, world: &World, host: &Host) -> api::Host {
    let key = Key::Host(host.id);
    let ended = |state| state == InstanceState::Terminated;
    api::Host {
        id: host.id.to_string(),
        name: host.name.clone(),
        state: host.state().name().to_owned(),
        address: host.address.to_string(),
        zone: host.zone.clone(),
        labels: host.labels.clone(),
        memory: host.capacity.memory,
        committed: world.committed(host.id),
        cpus: host.capacity.cpus,
        dynos: world.dynos_in(key).filter(|dyno| !dyno.state.ended()).count(),
        services: world.addons_of(key).count(),
        instances: world.instances_of(key).filter(|instance| !ended(instance.state)).count(),
        first: host.first,
        version: host.version.clone(),
        connected_since: host
            .connected_since(operator.state.clock.now())
            .map(|at| at.to_seconds_string()),
        last_heard: host.last_heard.to_seconds_string(),
        lost_since: host.lost.map(|at| at.to_seconds_string()),
        created_at: host.created.to_seconds_string(),
    }
}

/// What a process is to clients: its kind, its name and its state.
fn known(world: &World, id: WorkloadId) -> Option<(&'static str, String, &'static str)> {
    match id {
        WorkloadId::Dyno(id) => {
            let dyno = world.dyno(id)?;
            let app = world.app(dyno.app)?;
            Some(("dyno", format!("{}/{}", app.name, dyno.name), dyno.state.name()))
        }
        WorkloadId::Service(id) => {
            let addon = world.addon(id)?;
            Some(("service", addon.name.clone(), addon.state.of_process()))
        }
        WorkloadId::Instance(id) => {
            let instance = world.instance(id)?;
            Some(("instance", id.to_string(), instance.state.name()))
        }
        WorkloadId::Router(_) => None,
    }
}

fn hosted(world: &World, id: WorkloadId) -> Option<api::HostedWorkload> {
    let memory = world.memory_of(id)?;
    let (kind, name, state) = known(world, id)?;
    Some(api::HostedWorkload {
        kind: kind.to_owned(),
        id: id.to_string(),
        name,
        state: state.to_owned(),
        memory,
        pinned: !matches!(id, WorkloadId::Dyno(_)),
        fenced: world.is_fenced(id),
    })
}

fn waiting(world: &World, id: WorkloadId) -> Option<api::WaitingWorkload> {
    let reason = world.why_unplaced(id)?.to_string();
    let (kind, name, _) = known(world, id)?;
    Some(api::WaitingWorkload { kind: kind.to_owned(), id: id.to_string(), name, reason })
}
