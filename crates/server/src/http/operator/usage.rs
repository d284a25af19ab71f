//! What processes use, for `causeway top`.

use std::sync::OnceLock;
use std::time::Instant;

use axum::extract::State as Shared;
use fabric::runtime::Usage;
use model::{AppId, SpaceId, WorkloadId, World};

use super::answer::{Answer, Reply, internal};
use super::context::Operator;
use super::names;

pub(super) async fn usage(Shared(operator): Shared<Operator>) -> Answer<api::Usage> {
    let state = &operator.state;
    let (world, time) = (state.world(), state.clock.now());
    let instance = state.runs.then(|| state.settings().instance.clone());
    // A few files for each process, which the kernel answers at once; there may be many.
    let read = tokio::task::spawn_blocking(move || {
        let found = listed(&world);
        let micros = micros();
        let fill = |(id, row)| match instance.as_deref() {
            Some(instance) => filled(row, fabric::runtime::usage(instance, id)),
            None => row,
        };
        (micros, found.into_iter().map(fill).collect())
    });
    let (read_at_micros, rows) = read.await.map_err(internal)?;
    Ok(Reply(api::Usage { time, read_at_micros, rows }))
}

/// A clock that nobody moves, from the first question on.
fn micros() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let first = FIRST.get_or_init(Instant::now);
    u64::try_from(first.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn filled(row: api::UsageRow, usage: Usage) -> api::UsageRow {
    let traffic = usage.traffic;
    api::UsageRow {
        cpu_micros: usage.cpu_micros,
        memory: usage.memory,
        processes: usage.processes,
        received_bytes: traffic.map(|it| it.received_bytes),
        received_packets: traffic.map(|it| it.received_packets),
        sent_bytes: traffic.map(|it| it.sent_bytes),
        sent_packets: traffic.map(|it| it.sent_packets),
        ..row
    }
}

/// All that runs or is to run: dynos and data services by space, app and name, then instances.
fn listed(world: &World) -> Vec<(WorkloadId, api::UsageRow)> {
    let place = |space: SpaceId, app: AppId| {
        let space = world.space(space);
        let team = space.map(|space| names::of_team(world, space.team)).unwrap_or_default();
        let app = world.app(app).map(|app| app.name.clone()).unwrap_or_default();
        (space.map(|space| space.name.clone()).unwrap_or_default(), team, app)
    };
    let row = |id: WorkloadId, kind: &str, name, owner, space, state: &str| {
        let (kind, state) = (kind.to_owned(), state.to_owned());
        let row =
            api::UsageRow { id: id.to_string(), kind, name, owner, space, state, ..<_>::default() };
        (id, row)
    };
    let dynos = world.dynos().filter(|dyno| dyno.is_live()).map(|dyno| {
        let (space, team, app) = place(dyno.space, dyno.app);
        let name = format!("{app}/{}", dyno.name);
        row(WorkloadId::Dyno(dyno.id), "dyno", name, team, space, dyno.state.name())
    });
    let services = world.addons().map(|addon| {
        let (space, team, _) = place(addon.space, addon.app);
        let state = addon.state.of_process();
        row(WorkloadId::Service(addon.id), "service", addon.name.clone(), team, space, state)
    });
    let instances = world.instances().filter(|it| !it.state.ends()).map(|instance| {
        let name = instance.tags.get("Name").cloned().unwrap_or_else(|| instance.id.to_string());
        let owner = names::of_account(world, instance.account);
        let state = instance.state.name();
        row(WorkloadId::Instance(instance.id), "instance", name, owner, String::new(), state)
    });
    let mut rows: Vec<_> = dynos.chain(services).chain(instances).collect();
    rows.sort_by_cached_key(|(_, row)| {
        (row.space.is_empty(), row.space.clone(), row.owner.clone(), row.name.clone())
    });
    rows
}
