//! An authenticated request, with the world that it is answered from.

use std::sync::Arc;

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use model::{
    Addon, App, Caller, Dyno, Key, Need, Role, Space, Team, Timestamp, TokenBound, User, World,
};
use serde_json::Value;

use super::body::Body;
use super::failure::Failure;
use super::page::Item;
use crate::credentials::OwnToken;
use crate::http::state::State;

/// An authenticated request.
pub(super) struct Call {
    pub(super) state: Arc<State>,
    /// The world of the last commit.
    pub(super) world: Arc<World>,
    pub(super) caller: Caller,
    /// The token of the request, if it is a user's.
    pub(super) token: Option<OwnToken>,
    pub(super) now: Timestamp,
    /// The parameters in the path.
    pub(super) params: Vec<(String, String)>,
    pub(super) uri: Uri,
    pub(super) body: Body,
    /// The address by which the client reached the server, such as `http://127.0.0.1:4880`.
    pub(super) base: String,
}

impl Call {
    /// The address of the server that takes apps' code: this one's as the client knows it, or where another
    /// one says that it is.
    pub(super) fn base_of_code(&self) -> String {
        let elsewhere = self.state.takes_code(&self.world);
        elsewhere.and_then(|it| it.address).unwrap_or_else(|| self.base.clone())
    }

    /// The same of the server that has what processes write.
    pub(super) fn base_of_files(&self) -> String {
        let elsewhere = self.state.elsewhere(&self.world);
        elsewhere.and_then(|it| it.address).unwrap_or_else(|| self.base.clone())
    }
}

/// The answer to a successful request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Content,
    /// A secret that is shown once, in a header.
    pub(super) secret: Option<String>,
}

/// The content of an answer.
#[derive(Debug)]
pub(super) enum Content {
    One(Value),
    /// A list, which a client may ask for in parts.
    List(Vec<Item>),
}

/// The result of a request.
pub(super) type Outcome = Result<Answer, Failure>;

/// 200 with one value.
pub(super) fn ok(value: Value) -> Outcome {
    Ok(Answer { status: StatusCode::OK, content: Content::One(value), secret: None })
}

/// 201 with one value.
pub(super) fn created(value: Value) -> Outcome {
    Ok(Answer { status: StatusCode::CREATED, content: Content::One(value), secret: None })
}

/// 202 with one value, because clients decode the body of a 202 too.
pub(super) fn accepted(value: Value) -> Outcome {
    Ok(Answer { status: StatusCode::ACCEPTED, content: Content::One(value), secret: None })
}

/// 200 with a list of values that have ids.
pub(super) fn list(values: impl IntoIterator<Item = Value>) -> Outcome {
    items(values.into_iter().map(Item::by_id).collect())
}

/// 200 with a list.
pub(super) fn items(items: Vec<Item>) -> Outcome {
    Ok(Answer { status: StatusCode::OK, content: Content::List(items), secret: None })
}

/// Sorts by creation. Random ids decide between things that were created at the same time.
pub(super) fn as_made<T, K: Ord>(
    things: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    let mut things: Vec<T> = things.into_iter().collect();
    things.sort_by_key(key);
    things
}

impl Call {
    /// A parameter in the path.
    pub(super) fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// The parameters of the query string, in their order.
    pub(super) fn query(&self) -> Result<Vec<(String, String)>, Failure> {
        match Query::try_from_uri(&self.uri) {
            Ok(Query(pairs)) => Ok(pairs),
            Err(error) => Err(Failure::bad_request(error.body_text())),
        }
    }

    /// The user who sent the request; `None` for the operator.
    pub(super) fn user(&self) -> Option<&Arc<User>> {
        match self.caller {
            Caller::User(id) => self.world.user(id),
            Caller::Operator | Caller::System | Caller::Account { .. } => None,
        }
    }

    /// Whether the token of the request may be used for something; a request without one may.
    pub(super) fn allows(&self, need: Need) -> bool {
        self.token.as_ref().is_none_or(|own| own.record.allows(need))
    }

    /// What the token of the request is bound to.
    fn bound(&self) -> Option<TokenBound> {
        self.token.as_ref()?.record.bound
    }

    /// The caller's role in a team; `None` if the team must not be visible to them.
    pub(super) fn role(&self, team: &Team) -> Option<Role> {
        self.caller.role_in(team)
    }

    /// The teams that the caller belongs to, in the order of their creation. A bound token sees none.
    pub(super) fn teams(&self) -> Vec<&Arc<Team>> {
        if self.bound().is_some() {
            return Vec::new();
        }
        self.all_teams()
    }

    fn all_teams(&self) -> Vec<&Arc<Team>> {
        let teams: Vec<_> = match self.caller {
            Caller::User(id) => {
                let open = |team: &&Arc<Team>| team.disabled.is_none();
                self.world.teams_of(Key::User(id)).filter(open).collect()
            }
            Caller::Operator | Caller::System => self.world.teams().collect(),
            Caller::Account { .. } => Vec::new(),
        };
        as_made(teams, |team| (team.created, team.id))
    }

    /// The spaces of those teams, in the order of their creation.
    pub(super) fn spaces(&self) -> Vec<&Arc<Space>> {
        let teams = self.all_teams();
        let spaces = teams.iter().flat_map(|team| self.world.spaces_of(Key::Team(team.id)));
        let spaces = spaces.filter(|space| self.sees_space(space));
        as_made(spaces, |space| (space.created, space.id))
    }

    /// The apps of those teams, in the order of their creation.
    pub(super) fn apps(&self) -> Vec<&Arc<App>> {
        let teams = self.all_teams();
        let apps = teams.iter().flat_map(|team| self.world.apps_in(Key::Team(team.id)));
        let apps = apps.filter(|app| self.sees_app(app));
        as_made(apps, |app| (app.created, app.id))
    }

    /// Finds a team by id or name, if the caller belongs to it.
    pub(super) fn team(&self, identity: &str) -> Result<Arc<Team>, Failure> {
        let found = match identity.parse() {
            Ok(id) => self.world.team(id),
            Err(_) => self.world.team_named(identity),
        };
        let sees = |team: &Team| self.bound().is_none() && self.role(team).is_some();
        self.check_team(found.map(|team| team.id))?;
        found.filter(|team| sees(team)).cloned().ok_or_else(|| {
            let failure = Failure::not_found("team", "team").naming(identity, "teams");
            failure.keeping(found.map(|found| Key::Team(found.id)))
        })
    }

    /// Finds a space by id or name, if the caller belongs to its team.
    pub(super) fn space(&self, identity: &str) -> Result<Arc<Space>, Failure> {
        let found = match identity.parse() {
            Ok(id) => self.world.space(id),
            Err(_) => self.world.space_named(identity),
        };
        self.check_team(found.map(|space| space.team))?;
        found.filter(|space| self.sees_space(space)).cloned().ok_or_else(|| {
            let failure = Failure::not_found("space", "space").naming(identity, "spaces");
            failure.keeping(found.map(|found| Key::Space(found.id)))
        })
    }

    /// Finds an app by id or name, if the caller belongs to its team.
    pub(super) fn app(&self, identity: &str) -> Result<Arc<App>, Failure> {
        let found = match identity.parse() {
            Ok(id) => self.world.app(id),
            Err(_) => self.world.app_named(identity),
        };
        self.check_team(found.map(|app| app.team))?;
        found.filter(|app| self.sees_app(app)).cloned().ok_or_else(|| {
            let failure = Failure::not_found("app", "app").naming(identity, "apps");
            failure.keeping(found.map(|found| Key::App(found.id)))
        })
    }

    /// Finds an add-on by id or name, if the caller belongs to its app's team.
    pub(super) fn addon(&self, identity: &str) -> Result<Arc<Addon>, Failure> {
        let found = match identity.parse() {
            Ok(id) => self.world.addon(id),
            Err(_) => self.world.addon_named(identity),
        };
        let owner = |addon: &Addon| self.world.app(addon.app);
        self.check_team(found.and_then(|addon| owner(addon)).map(|app| app.team))?;
        found
            .filter(|addon| owner(addon).is_some_and(|app| self.sees_app(app)))
            .cloned()
            .ok_or_else(|| {
                let failure = Failure::not_found("add_on", "add-on").naming(identity, "addons");
                failure.keeping(found.map(|found| Key::Addon(found.id)))
            })
    }

    /// Finds the dyno of an app that the path names, by id or name. Dynos that have ended are found
    /// as long as they are kept.
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

    /// Finds the member of a team that the path names: by e-mail address, by id, or by `~` for the
    /// caller.
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

    /// Whether a space is there for the caller and the caller's token.
    pub(super) fn sees_space(&self, space: &Space) -> bool {
        self.bound().is_none_or(|bound| bound.has_space(space.id)) && self.knows(space.team)
    }

    /// Whether an app is there for the caller and the caller's token.
    pub(super) fn sees_app(&self, app: &App) -> bool {
        self.bound().is_none_or(|bound| bound.has_app(app)) && self.knows(app.team)
    }

    /// Tells a member of a disabled team so. For anybody else it is not there, as before.
    fn check_team(&self, team: Option<model::TeamId>) -> Result<(), Failure> {
        let Some(team) = team.and_then(|id| self.world.team(id)) else { return Ok(()) };
        match self.caller {
            Caller::User(user) if team.disabled.is_some() && team.members.contains_key(&user) => {
                Err(Failure::suspended("team").keeping(Some(Key::Team(team.id))))
            }
            _ => Ok(()),
        }
    }

    fn knows(&self, team: model::TeamId) -> bool {
        self.world.team(team).is_some_and(|team| self.role(team).is_some())
    }
}

/// The 404 for somebody who does not belong to a team.
pub(super) fn no_member(team: &Team, named: &str) -> Failure {
    let list = format!("members --team {}", team.name);
    Failure::not_found("member", "team member").naming(named, &list)
}
