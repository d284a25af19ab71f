//! Snapshots of an emulator: everything that is there, to be brought back later or elsewhere.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{SystemCommand, World};

use super::answer::{Answer, Problem, Reply, internal, invalid};
use super::context::Operator;
use super::input::Whole;
use crate::http::state::State;
use crate::snapshot::Snapshot;

/// The largest snapshot that is taken. A VPC without anything in it is about 3 kB.
pub(super) const MOST_BYTES: usize = 256 << 20;

/// The kind of what is written.
const KIND: &str = "application/vnd.causeway.snapshot";

pub(super) async fn save(Shared(operator): Shared<Operator>) -> Result<Response, Problem> {
    let state = Arc::clone(&operator.state);
    emulator_only(&state)?;
    let text = tokio::task::spawn_blocking(move || {
        // First of all: what was used is in the world that is looked at after it.
        let used = state.default_vpcs_made.lock().expect("no holder panics").clone();
        let mut used: Vec<_> = used.into_iter().collect();
        used.sort_unstable();
        let world = state.world();
        if let Some(lacking) = lacking(&state, &world) {
            return Err(conflict(lacking));
        }
        let records = world.records().cloned().collect();
        let snapshot = Snapshot { saved: state.clock.now(), records, used };
        snapshot.write().map_err(internal)
    });
    let text = text.await.map_err(internal)??;
    let headers = [(header::CONTENT_TYPE, KIND), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}

pub(super) async fn load(
    Shared(operator): Shared<Operator>,
    whole: Whole,
) -> Answer<api::SnapshotLoaded> {
    emulator_only(&operator.state)?;
    let read = tokio::task::spawn_blocking(move || Snapshot::read(&whole.body)).await;
    let read = read.map_err(internal)?;
    let Snapshot { saved, records, used } = read.map_err(|error| {
        invalid(format!("The snapshot cannot be loaded: {}.", os::error_chain(&error)))
    })?;
    let count = records.len();
    operator.run(SystemCommand::LoadSnapshot { records, saved }).await?;
    *operator.state.default_vpcs_made.lock().expect("no holder panics") =
        used.into_iter().collect();
    operator.planner.sweep().await;
    Ok(Reply(api::SnapshotLoaded { saved, records: count }))
}

/// What the records stand for and a snapshot does not hold, in words.
fn lacking(state: &State, world: &World) -> Option<String> {
    let deployed = world.slugs().find(|slug| slug.size.is_some()).map(|slug| {
        let app = world.app(slug.app).map(|app| app.name.clone()).unwrap_or_default();
        format!("the code of the app {app}")
    });
    let written = || {
        let service = world.addons().find(|addon| state.backups.has_data(addon.id))?;
        Some(format!("the data of {}", service.name))
    };
    deployed.or_else(written)
}

fn conflict(lacking: String) -> Problem {
    let message = format!(
        "A snapshot does not hold {lacking}. `causeway backup` writes all of it, for an \
         installation that `causeway restore` makes; or take the snapshot before that is there."
    );
    Problem(StatusCode::CONFLICT, "conflict", message)
}

fn emulator_only(state: &State) -> Result<(), Problem> {
    if state.emulator {
        return Ok(());
    }
    let message = "Only a server that was started with --emulator has snapshots; `causeway backup` \
                   writes what any server holds.";
    Err(Problem(StatusCode::CONFLICT, "conflict", message.to_owned()))
}
