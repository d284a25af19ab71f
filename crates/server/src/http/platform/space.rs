//! Private Spaces (`heroku.md` §1.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{App, Dyno, Key, PlatformCommand, Space, Team, World};
use serde_json::{Value, json};

use super::body::Body;
use super::call::{Call, Outcome, as_made, created, list, ok};
use super::failure::Failure;
use super::formation::id_of;
use super::identity::{cedar, find_region, region_ref, team_ref, time};
use crate::ledger::Committed;

pub(super) fn list_spaces(call: &Call, (): &()) -> Outcome {
    list(call.spaces().into_iter().map(|space| view(&call.world, space)))
}

pub(super) fn list_team_spaces(call: &Call, team: &Arc<Team>) -> Outcome {
    let spaces =
        as_made(call.world.spaces_of(Key::Team(team.id)), |space| (space.created, space.id));
    list(spaces.into_iter().map(|space| view(&call.world, space)))
}

pub(super) fn info(call: &Call, space: &Arc<Space>) -> Outcome {
    ok(view(&call.world, space))
}

pub(super) fn create(call: &Call, (): &()) -> Result<PlatformCommand, Failure> {
    let body = &call.body;
    let name = body.required_text("name")?.to_owned();
    let Some(team) = body.identity("team")? else {
        return Err(Failure::invalid("`team` must be given."));
    };
    refuse_unsupported(body)?;
    let region = match body.identity("region")? {
        None => None,
        Some(region) => Some(find_region(region).ok_or_else(|| {
            Failure::invalid(format!(
                "Invalid value for `region`: `{region}` is not a region that spaces can be in; \
                 see `regions`."
            ))
        })?),
    };
    Ok(PlatformCommand::CreateSpace {
        name,
        team: call.team(team)?.id,
        region,
        cidr: body.parsed("cidr")?,
        data_cidr: body.parsed("data_cidr")?,
    })
}

/// Refuses options that are not supported, rather than ignoring them.
fn refuse_unsupported(body: &Body) -> Result<(), Failure> {
    if body.flag("shield")? == Some(true) {
        return Err(Failure::invalid("Shield spaces are not supported here: leave `shield` out."));
    }
    if body.identity("generation")?.is_some_and(|generation| generation != "cedar") {
        return Err(Failure::invalid(
            "Only the generation `cedar` is supported here: it is the one that has peering.",
        ));
    }
    if body.text("log_drain_url")?.is_some_and(|url| !url.is_empty()) {
        return Err(Failure::invalid(
            "Leave `log_drain_url` out, and set the log drain once the space is there: `heroku \
             spaces:drains:set URL --space NAME`.",
        ));
    }
    Ok(())
}

pub(super) fn created_space(_: &Call, (): &(), committed: &Committed) -> Outcome {
    match committed.reply.main() {
        Some(Key::Space(id)) => match committed.after.space(id) {
            Some(space) => created(view(&committed.after, space)),
            None => Err(Failure::internal()),
        },
        _ => Err(Failure::internal()),
    }
}

pub(super) fn rename(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    let name = call.body.required_text("name")?.to_owned();
    Ok(PlatformCommand::RenameSpace { space: space.id, name })
}

pub(super) fn renamed(_: &Call, space: &Arc<Space>, committed: &Committed) -> Outcome {
    let space = committed.after.space(space.id).ok_or_else(Failure::internal)?;
    ok(view(&committed.after, space))
}

pub(super) fn delete(_: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    Ok(PlatformCommand::DeleteSpace { space: space.id })
}

pub(super) fn deleted(_: &Call, space: &Arc<Space>, committed: &Committed) -> Outcome {
    let mut last = view(&committed.before, committed.before.space(space.id).unwrap_or(space));
    last["state"] = "deleting".into();
    ok(last)
}

/// The addresses by which a space's dynos go out; none where nothing leads outside.
pub(super) fn nat(call: &Call, space: &Arc<Space>) -> Outcome {
    let address = call.world.way_out(space);
    ok(json!({
        "created_at": time(space.created),
        "updated_at": time(space.updated),
        "sources": address.iter().collect::<Vec<_>>(),
        "state": if address.is_some() { "enabled" } else { "disabled" },
    }))
}

pub(super) fn topology(call: &Call, space: &Arc<Space>) -> Outcome {
    let world = &call.world;
    let apps: Vec<&Arc<App>> = world.apps_in(Key::Space(space.id)).collect();
    let version = apps
        .iter()
        .map(|app| app.updated)
        .chain(world.dynos_in(Key::Space(space.id)).map(|dyno| dyno.updated))
        .fold(space.updated, Ord::max);
    let apps: Vec<Value> = apps.into_iter().map(|app| app_topology(call, app)).collect();
    ok(json!({ "version": version.seconds(), "apps": apps }))
}

fn app_topology(call: &Call, app: &App) -> Value {
    let mut formation: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for dyno in call.world.shown_dynos(app.id) {
        let dynos = formation.entry(dyno.process_type.as_str()).or_default();
        dynos.push(dyno_topology(&call.world, app, dyno));
    }
    let formation: Vec<Value> = formation
        .into_iter()
        .map(|(process, dynos)| {
            json!({ "id": id_of(app, process), "process_type": process, "dynos": dynos })
        })
        .collect();
    let own = call.state.web.domains.host(app);
    let domains: Vec<&str> =
        [own.as_str()].into_iter().chain(app.domains.keys().map(String::as_str)).collect();
    // The schema says `formation`, but the CLI reads `formations`.
    json!({ "id": app.id, "domains": domains, "formation": formation, "formations": formation })
}

fn dyno_topology(world: &World, app: &App, dyno: &Dyno) -> Value {
    let number = dyno.number.or_else(|| dyno.name.rsplit('.').next()?.parse().ok()).unwrap_or(1);
    json!({
        "id": dyno.id,
        "number": number,
        "private_ip": world.eni(dyno.eni).map(|eni| eni.primary()),
        "hostname": model::dyno_host(app, &dyno.process_type, number),
    })
}

/// Shows a space.
pub(super) fn view(world: &World, space: &Space) -> Value {
    let team = world.team(space.team);
    json!({
        "id": space.id,
        "name": space.name,
        "organization": { "name": team.map(|team| &team.name) },
        "team": team.map(|team| team_ref(team)),
        "region": region_ref(space.region),
        "generation": cedar(),
        "shield": false,
        "state": space.state.name(),
        "cidr": space.cidr,
        "data_cidr": space.data_cidr,
        "created_at": time(space.created),
        "updated_at": time(space.updated),
    })
}
