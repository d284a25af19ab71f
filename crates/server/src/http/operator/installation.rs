//! The installation as a whole: its status, limits and clock, and what a start has set aside.

use std::collections::BTreeMap;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use model::{AccountId, App, IdentityCommand, PlatformCommand, SystemCommand, World};

use super::answer::{Answer, Problem, Reply, internal, missing};
use super::context::{Operator, oldest_first};
use super::input::{Asked, Fields, Segment};
use super::names;
use crate::cleanup::lost::Lost;
use crate::identity::Identity;

/// How many of what there may be many of are named.
const SOME: usize = 10;

/// The oldest VPCs that are not a space's own.
fn some_vpcs(world: &World) -> Vec<String> {
    let own = world.vpcs().filter(|vpc| world.space_of_vpc(vpc).is_none());
    let oldest = oldest_first(own, |vpc| (vpc.created, vpc.id)).take(SOME);
    let named = oldest.map(|vpc| match names::of_vpc(world, vpc) {
        name if name.is_empty() => format!("{} of {}", vpc.id, names::of_owner(world, vpc)),
        name => format!("{name} of {}", names::of_owner(world, vpc)),
    });
    named.collect()
}

/// The oldest apps.
fn some_apps(world: &World) -> Vec<String> {
    let oldest = oldest_first(world.apps(), |app| (app.created, app.id)).take(SOME);
    let space = |app: &App| world.space(app.space).map(|space| space.name.clone());
    let named = oldest.map(|app| match space(app) {
        Some(space) => format!("{} in {space}", app.name),
        None => app.name.clone(),
    });
    named.collect()
}

pub(super) async fn status(Shared(operator): Shared<Operator>) -> Answer<api::Status> {
    let world = operator.state.world();
    let now = operator.state.clock.now();
    let settings = operator.state.settings();
    let spaces =
        oldest_first(world.spaces(), |s| (s.created, s.id)).map(|space| api::SpaceSummary {
            name: space.name.clone(),
            state: space.state.name().to_owned(),
            region: space.region,
            cidr: space.cidr,
        });
    let fabric = operator.state.fabric();
    let places = fabric.problems.keys().chain(fabric.failing.keys());
    let texts = places.chain(&fabric.last_repairs).map(String::as_str);
    let names = names::in_texts(&world, texts);
    Ok(Reply(api::Status {
        time: now,
        instance: settings.instance.clone(),
        region: settings.region,
        platform_account: settings.platform_account,
        emulator: settings.emulator,
        accounts: world.accounts().count(),
        spaces: spaces.collect(),
        vpcs: world.vpcs().count(),
        some_vpcs: some_vpcs(&world),
        apps: world.apps().count(),
        some_apps: some_apps(&world),
        peerings: counted(world.peerings().map(|p| p.status(now).code())),
        instances: counted(world.instances().map(|i| i.state.name())),
        dynos: counted(world.dynos().filter(|d| d.is_live()).map(|d| d.state.name())),
        fabric,
        tls: operator.state.identity.get().and_then(Identity::shown),
        certificate: operator.state.certificates.as_ref().map(|it| it.status()),
        lost: set_aside(&operator.lost),
        names,
        server: operator.state.members.as_ref().map(|members| {
            let revision = operator.state.ledger.revision();
            api::ServerRole {
                leads: members.epoch().is_some(),
                leader: members.leader(),
                epoch: members.epoch(),
                drives_fabric: settings.fabric.as_ref().is_some_and(|it| it.id == members.id()),
                fabric: settings.fabric.as_ref().map(|driver| driver.name.clone()),
                revision,
                behind: members.behind(revision),
            }
        }),
    }))
}

/// The servers that share the installation; none where there is one, which has its database to itself.
pub(super) async fn servers(Shared(operator): Shared<Operator>) -> Answer<Vec<api::ServerEntry>> {
    let settings = operator.state.settings();
    let driver = settings.fabric.as_ref().map(|driver| driver.id.as_str());
    let members = operator.state.members.as_ref();
    Ok(Reply(members.map(|members| members.list(driver)).unwrap_or_default()))
}

pub(super) async fn lost(Shared(operator): Shared<Operator>) -> Answer<Vec<api::SetAside>> {
    Ok(Reply(set_aside(&operator.lost)))
}

pub(super) fn set_aside(lost: &Lost) -> Vec<api::SetAside> {
    let entries = lost.list().into_iter();
    entries
        .map(|entry| api::SetAside { id: entry.id, path: entry.path, since: entry.since })
        .collect()
}

pub(super) async fn delete_lost(
    Shared(operator): Shared<Operator>,
    Segment(id): Segment,
) -> Answer<api::Deleted> {
    let (lost, named) = (operator.lost.clone(), id.clone());
    let deleted = tokio::task::spawn_blocking(move || lost.delete(&named)).await;
    match deleted.map_err(internal)?.map_err(internal)? {
        true => {
            tracing::info!(id, "deleted what was set aside, by the operator's order");
            Ok(Reply(api::Deleted { id }))
        }
        false => Err(missing(format!("Nothing is set aside as '{id}'; `causeway lost` lists it."))),
    }
}

/// How many there are of each state: what ended is kept for a while, and runs no more.
pub(super) fn counted(states: impl Iterator<Item = &'static str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for state in states {
        *counts.entry(state.to_owned()).or_default() += 1;
    }
    counts
}

pub(super) async fn set_limits(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
    Fields(body): Fields<api::SetPeeringLimit>,
) -> Answer<api::PeeringLimit> {
    let space = operator.state.world().space_named(&name).map(|s| s.id).ok_or_else(|| {
        missing(format!("There is no space '{name}'; `causeway spaces` lists them."))
    })?;
    operator.run(PlatformCommand::SetPeeringLimit { space, limit: body.peerings }).await?;
    Ok(Reply(api::PeeringLimit { space: name, peerings: body.peerings }))
}

pub(super) async fn clock(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::AdvanceClock>,
) -> Answer<api::ClockAdvanced> {
    if !operator.state.clock.may_move() {
        let message = "The clock is the machine's own; start the server with --test-clock.";
        return Err(Problem(StatusCode::CONFLICT, "conflict", message.to_owned()));
    }
    operator.run(IdentityCommand::AdvanceClock { seconds: body.advance_seconds }).await?;
    operator.planner.sweep().await;
    Ok(Reply(api::ClockAdvanced { now: operator.state.clock.now() }))
}

pub(super) async fn reset(
    Shared(operator): Shared<Operator>,
    Asked(query): Asked<api::ResetQuery>,
) -> Answer<api::Empty> {
    if !operator.state.emulator {
        let message = "Only a server that was started with --emulator can be emptied.".to_owned();
        return Err(Problem(StatusCode::CONFLICT, "conflict", message));
    }
    let account = match query.account {
        None => None,
        // In an emulator every id is that of an account.
        Some(name) => Some(name.parse().or_else(|_| operator.account(&name))?),
    };
    operator.run(account.map_or(SystemCommand::Reset, reset_of)).await?;
    let made = &operator.state.default_vpcs_made;
    made.lock()
        .expect("no holder panics")
        .retain(|scope| account.is_some_and(|account| scope.account != account));
    operator.planner.sweep().await;
    Ok(Reply(api::Empty {}))
}

fn reset_of(account: AccountId) -> SystemCommand {
    SystemCommand::ResetAccount { account }
}

pub(super) async fn sweep(Shared(operator): Shared<Operator>) -> Answer<api::Fabric> {
    let fabric = operator.planner.sweep().await.ok_or_else(|| internal("the loop has ended"))?;
    Ok(Reply(fabric))
}
