//! Members of teams, and what they may do (`heroku.md` §1.4, §4).

use std::sync::Arc;

use model::{App, IdentityCommand, Role, Team, User, UserId, World};
use serde_json::{Value, json};

use super::call::{Call, Outcome, created, items, list, no_member, ok};
use super::failure::Failure;
use super::identity::{derived_id, time};
use super::page::Item;
use crate::ledger::Committed;

/// The permissions for an app. Every member of its team has all of them.
const PERMISSIONS: [(&str, &str); 4] = [
    ("deploy", "Can deploy the app and change its config vars."),
    ("manage", "Can manage the app's domains, add-ons and members."),
    ("operate", "Can scale and restart the app's dynos."),
    ("view", "Can see the app."),
];

pub(super) fn list_members(call: &Call, team: &Arc<Team>) -> Outcome {
    list(members_of(&call.world, team).map(|(user, role)| view(team, user, role)))
}

fn members_of<'a>(
    world: &'a World,
    team: &'a Team,
) -> impl Iterator<Item = (&'a Arc<User>, Role)> + 'a {
    team.members.iter().filter_map(|(id, role)| Some((world.user(*id)?, *role)))
}

pub(super) fn permissions(_: &Call, (): &()) -> Outcome {
    let item = |(name, description)| Item {
        key: str::to_owned(name),
        body: json!({ "name": name, "description": description }),
    };
    items(PERMISSIONS.into_iter().map(item).collect())
}

/// `PUT`: adds a user or changes a member's role.
pub(super) fn set(call: &Call, team: &Arc<Team>) -> Result<IdentityCommand, Failure> {
    let user = in_body(call)?;
    Ok(IdentityCommand::SetMember { team: team.id, user, role: Some(role(call)?) })
}

/// `POST`: adds a user who is not a member yet.
pub(super) fn add(call: &Call, team: &Arc<Team>) -> Result<IdentityCommand, Failure> {
    let user = in_body(call)?;
    if team.members.contains_key(&user) {
        return Err(Failure::invalid(
            "That user belongs to the team already; change the role with `members:set`.",
        ));
    }
    Ok(IdentityCommand::SetMember { team: team.id, user, role: Some(role(call)?) })
}

/// `PATCH`: changes the role of a member.
pub(super) fn change(call: &Call, team: &Arc<Team>) -> Result<IdentityCommand, Failure> {
    let user = in_body(call)?;
    if !team.members.contains_key(&user) {
        return Err(no_member(team, call.body.required_text("email")?));
    }
    Ok(IdentityCommand::SetMember { team: team.id, user, role: Some(role(call)?) })
}

pub(super) fn shown(call: &Call, team: &Arc<Team>, committed: &Committed) -> Outcome {
    let user = in_body(call)?;
    let (before, after) = (committed.before.team(team.id), committed.after.team(team.id));
    let was_in = before.is_some_and(|before| before.members.contains_key(&user));
    let team = after.ok_or_else(Failure::internal)?;
    let role = team.members.get(&user).ok_or_else(Failure::internal)?;
    let view = view(team, committed.after.user(user).ok_or_else(Failure::internal)?, *role);
    if was_in { ok(view) } else { created(view) }
}

pub(super) fn remove(call: &Call, team: &Arc<Team>) -> Result<IdentityCommand, Failure> {
    let user = call.member(team)?.id;
    Ok(IdentityCommand::SetMember { team: team.id, user, role: None })
}

pub(super) fn removed(call: &Call, team: &Arc<Team>, committed: &Committed) -> Outcome {
    let user = call.member(team)?;
    let before = committed.before.team(team.id).unwrap_or(team);
    let role = before.members.get(&user.id).copied().unwrap_or(Role::Member);
    ok(view(before, &user, role))
}

/// There are no invitations, because no mail is sent. The operator creates users.
pub(super) fn invitations(_: &Call, _: &Arc<Team>) -> Outcome {
    list([])
}

pub(super) fn invite(_: &Call, _: &Arc<Team>) -> Outcome {
    Err(Failure::absent(
        "invitation",
        "There are no invitations here, as no mail is sent: add a user with `members:add \
         EMAIL --role ROLE --team TEAM`; the operator makes users with `causeway users:create \
         EMAIL`.",
    ))
}

/// Lists the collaborators of an app, which are the members of its team.
pub(super) fn collaborators(call: &Call, app: &Arc<App>) -> Outcome {
    let Some(team) = call.world.team(app.team) else { return list([]) };
    let permissions: Vec<Value> = PERMISSIONS
        .iter()
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect();
    list(members_of(&call.world, team).map(|(user, role)| {
        let id = derived_id("collaborator", &format!("{}/{}", app.id, user.id));
        json!({
            "id": id,
            "app": { "id": app.id, "name": app.name },
            "role": role.name(),
            "permissions": permissions,
            "user": { "id": user.id, "email": user.email, "federated": false },
            "created_at": time(app.created),
            "updated_at": time(team.updated),
        })
    }))
}

/// Refuses to add collaborators to a single app.
pub(super) fn no_collaborators(_: &Call, _: &Arc<App>) -> Outcome {
    Err(Failure::invalid(
        "Apps have no collaborators of their own here: everybody in an app's team gets at it. Use \
         `members:add EMAIL --role member --team TEAM`.",
    ))
}

fn in_body(call: &Call) -> Result<UserId, Failure> {
    let email = call.body.required_text("email")?;
    call.world.user_named(email).map(|user| user.id).ok_or_else(|| {
        Failure::absent(
            "user",
            format!(
                "There is no user {email} here. No mail is sent, so nobody can be invited: whoever \
                 runs this installation makes the user with `causeway users:create {email}` first.",
            ),
        )
    })
}

fn role(call: &Call) -> Result<Role, Failure> {
    match call.body.required_text("role")? {
        "admin" => Ok(Role::Admin),
        "member" => Ok(Role::Member),
        other => Err(Failure::invalid(format!(
            "Invalid value for `role`: `{other}` is not a role here; it must be `admin`, who \
             changes spaces and members, or `member`, who sees them and works with apps."
        ))),
    }
}

fn view(team: &Team, user: &User, role: Role) -> Value {
    json!({
        "id": derived_id("membership", &format!("{}/{}", team.id, user.id)),
        "email": user.email,
        "role": role.name(),
        "federated": false,
        "two_factor_authentication": user.second_factor.is_some(),
        "user": { "id": user.id, "email": user.email, "name": Value::Null },
        "created_at": time(team.created),
        "updated_at": time(team.updated),
    })
}
