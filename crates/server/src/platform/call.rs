//! One request, after it was authenticated: who asks, for what, and of which world.

use std::sync::Arc;

use axum::http::StatusCode;
use model::{Addon, App, Caller, Dyno, Key, Role, Space, Team, Timestamp, User, World};
use serde_json::Value;

use super::body::Body;
use super::failure::Failure;
use super::page::Item;
use crate::state::{OwnToken, State, role_in};

/// One request.
pub(super) struct Call {
    pub(super) state: Arc<State>,
    /// The world that it is answered from.
    pub(super) world: Arc<World>,
    pub(super) caller: Caller,
    /// The token that it was made with, where that is one of a user.
    pub(super) token: Option<OwnToken>,
    pub(super) now: Timestamp,
    /// The variable parts of the path.
    pub(super) params: Vec<(String, String)>,
    pub(super) body: Body,
    /// Where the client found this server: `http://127.0.0.1:4880`.
    pub(super) base: String,
}

/// What a request that worked is answered with.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Content,
}

/// What is in an answer.
#[derive(Debug)]
pub(super) enum Content {
    One(Value),
    /// What a client may ask for in parts.
    List(Vec<Item>),
}

/// What came of a request.
pub(super) type Outcome = Result<Answer, Failure>;

/// 200 with one thing.
pub(super) fn ok(value: Value) -> Outcome {
    Ok(Answer { status: StatusCode::OK, content: Content::One(value) })
}

/// 201 with one thing.
pub(super) fn created(value: Value) -> Outcome {
    Ok(Answer { status: StatusCode::CREATED, content: Content::One(value) })
}

/// 202 with one thing, as clients decode what comes with a 202 too.
pub(super) fn accepted(value: Value) -> Outcome {
    Ok(Answer { status: StatusCode::ACCEPTED, content: Content::One(value) })
}

/// 200 with a list of things that show their ids.
pub(super) fn list(values: impl IntoIterator<Item = Value>) -> Outcome {
    items(values.into_iter().map(Item::by_id).collect())
}

/// 200 with a list.
pub(super) fn items(items: Vec<Item>) -> Outcome {
    Ok(Answer { status: StatusCode::OK, content: Content::List(items) })
}

impl Call {
    /// A variable part of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// The user who asks; none for the operator.
    pub(super) fn user(&self) -> Option<&Arc<User>> {
        match self.caller {
            Caller::User(id) => self.world.user(id),
            Caller::Operator | Caller::System | Caller::Account { .. } => None,
        }
    }

    /// What the caller is in a team; nothing if they are to know nothing of it.
    pub(super) fn role(&self, team: &Team) -> Option<Role> {
        role_in(team, self.caller)
    }

    /// The teams that the caller knows of.
    pub(super) fn teams(&self) -> Vec<&Arc<Team>> {
        match self.caller {
            Caller::User(id) => self.world.teams_of(Key::User(id)).collect(),
            Caller::Operator | Caller::System => self.world.teams().collect(),
            Caller::Account { .. } => Vec::new(),
        }
    }

    /// The spaces of those teams.
    pub(super) fn spaces(&self) -> Vec<&Arc<Space>> {
        self.teams().iter().flat_map(|team| self.world.spaces_of(Key::Team(team.id))).collect()
    }

    /// The apps of those teams.
    pub(super) fn apps(&self) -> Vec<&Arc<App>> {
        self.teams().iter().flat_map(|team| self.world.apps_in(Key::Team(team.id))).collect()
    }

    /// A team by id or name, if the caller belongs to it.
    pub(super) fn team(&self, identity: &str) -> Result<Arc<Team>, Failure> {
        let found = match identity.parse() {
            Ok(id) => self.world.team(id),
            Err(_) => self.world.team_named(identity),
        };
        found
            .filter(|team| self.role(team).is_some())
            .cloned()
            .ok_or_else(|| Failure::not_found("team", "team").naming(identity, "teams"))
    }

    /// A space by id or name, if the caller belongs to its team.
    pub(super) fn space(&self, identity: &str) -> Result<Arc<Space>, Failure> {
        let found = match identity.parse() {
            Ok(id) => self.world.space(id),
            Err(_) => self.world.space_named(identity),
        };
        found
            .filter(|space| self.knows(space.team))
            .cloned()
            .ok_or_else(|| Failure::not_found("space", "space").naming(identity, "spaces"))
    }

    /// An app by id or name, if the caller belongs to its team.
    pub(super) fn app(&self, identity: &str) -> Result<Arc<App>, Failure> {
        let found = match identity.parse() {
            Ok(id) => self.world.app(id),
            Err(_) => self.world.app_named(identity),
        };
        found
            .filter(|app| self.knows(app.team))
            .cloned()
            .ok_or_else(|| Failure::not_found("app", "app").naming(identity, "apps"))
    }

    /// An add-on by id or name, if the caller belongs to its app's team.
    pub(super) fn addon(&self, identity: &str) -> Result<Arc<Addon>, Failure> {
        let found = match identity.parse() {
            Ok(id) => self.world.addon(id),
            Err(_) => self.world.addon_named(identity),
        };
        let team = |addon: &Addon| self.world.app(addon.app).map(|app| app.team);
        found
            .filter(|addon| team(addon).is_some_and(|team| self.knows(team)))
            .cloned()
            .ok_or_else(|| Failure::not_found("add_on", "add-on").naming(identity, "addons"))
    }

    /// The dyno that the path names, of an app, by id or name; one that ended too, as long as it
    /// is kept.
    pub(super) fn dyno(&self, app: &App) -> Result<Arc<Dyno>, Failure> {
        let identity = self.param("dyno");
        let found = match identity.parse() {
            Ok(id) => self.world.dyno(id),
            Err(_) => self.world.dyno_named(app.id, identity),
        };
        found.filter(|dyno| dyno.app == app.id).cloned().ok_or_else(|| {
            let list = format!("ps --app {}", app.name);
            Failure::not_found("dyno", "process").naming(identity, &list)
        })
    }

    /// The member of a team that the path names, by address, by id, or by `~` for the caller.
    pub(super) fn member(&self, team: &Team) -> Result<Arc<User>, Failure> {
        let named = self.param("member");
        let found = match named {
            "~" => self.user(),
            identity => match identity.parse() {
                Ok(id) => self.world.user(id),
                Err(_) => self.world.user_named(identity),
            },
        };
        found
            .filter(|user| team.members.contains_key(&user.id))
            .cloned()
            .ok_or_else(|| no_member(team, named))
    }

    fn knows(&self, team: model::TeamId) -> bool {
        self.world.team(team).is_some_and(|team| self.role(team).is_some())
    }
}

/// What is said of somebody who does not belong to a team.
pub(super) fn no_member(team: &Team, named: &str) -> Failure {
    let list = format!("members --team {}", team.name);
    Failure::not_found("member", "team member").naming(named, &list)
}
