//! Permissions of a team's members in a space, and the transfer of a space (`heroku.md` §1.3).

use std::sync::Arc;

use model::{PlatformCommand, Space, Team, User, World};
use serde_json::{Value, json};

use super::call::{Call, Outcome, created, list, ok};
use super::failure::Failure;
use super::identity::{derived_id, time};
use super::space;
use crate::ledger::Committed;

/// The only permission.
const CREATE_APPS: &str = "create_apps";

pub(super) fn list_members(call: &Call, space: &Arc<Space>) -> Outcome {
    let team = team_of(&call.world, space)?;
    let users = team.members.keys().filter_map(|id| call.world.user(*id));
    list(users.map(|user| view(&call.world, space, user)))
}

pub(super) fn member(call: &Call, space: &Arc<Space>) -> Outcome {
    let user = call.member(team_of(&call.world, space)?)?;
    ok(view(&call.world, space, &user))
}

pub(super) fn set(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    let user = call.member(team_of(&call.world, space)?)?.id;
    let permissions = call.body.list("permissions")?.ok_or_else(|| {
        Failure::invalid("`permissions` must be given; an empty list removes all.")
    })?;
    let mut create_apps = false;
    for permission in permissions {
        // Terraform sends an object, other clients a text.
        let name = permission["name"].as_str().or_else(|| permission.as_str());
        if name != Some(CREATE_APPS) {
            return Err(Failure::invalid(format!(
                "Invalid value for `permissions`: `{}` is not a permission; the only one in a \
                 space is `{CREATE_APPS}`.",
                name.unwrap_or("that")
            )));
        }
        create_apps = true;
    }
    Ok(PlatformCommand::SetSpaceAccess { space: space.id, user, create_apps })
}

pub(super) fn shown(call: &Call, space: &Arc<Space>, committed: &Committed) -> Outcome {
    let user = call.member(team_of(&call.world, space)?)?;
    let space = committed.after.space(space.id).ok_or_else(Failure::internal)?;
    ok(view(&committed.after, space, &user))
}

pub(super) fn transfer(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    let Some(team) = call.body.identity("new_owner")? else {
        return Err(Failure::invalid("`new_owner` must be given: the team that takes the space."));
    };
    Ok(PlatformCommand::TransferSpace { space: space.id, team: call.team(team)?.id })
}

pub(super) fn transferred(_: &Call, space: &Arc<Space>, committed: &Committed) -> Outcome {
    let space = committed.after.space(space.id).ok_or_else(Failure::internal)?;
    created(space::view(&committed.after, space))
}

fn team_of<'a>(world: &'a World, space: &Space) -> Result<&'a Arc<Team>, Failure> {
    world.team(space.team).ok_or_else(|| Failure::not_found("team", "team"))
}

fn view(world: &World, space: &Space, user: &User) -> Value {
    let permissions = match world.may_create_apps(space, user.id) {
        true => json!([{ "name": CREATE_APPS, "description": "Can create apps." }]),
        false => json!([]),
    };
    json!({
        "id": derived_id("space-access", &format!("{}/{}", space.id, user.id)),
        "space": { "id": space.id, "name": space.name },
        "user": { "id": user.id, "email": user.email },
        "permissions": permissions,
        "created_at": time(space.created),
        "updated_at": time(space.updated),
    })
}
