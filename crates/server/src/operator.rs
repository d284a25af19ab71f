//! Endpoints of who runs the installation, under `/_causeway/`. The token follows from the data
//! directory's key, so whoever reads that directory may use them.

mod backup;
mod input;
mod why;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use model::{
    Access, AccessKeyId, AccountId, Caller, Command, IdSource, IdentityCommand, Key, NewToken,
    PasswordHash, PlatformCommand, Role, SystemCommand, TeamId, UserId, WorkloadId,
};
use serde::Deserialize;
use serde_json::{Value, json};

use self::input::{Asked, Fields, Segment};
use crate::clock::{SystemIds, fresh_password, fresh_secret};
use crate::ledger::{Committed, LedgerError};
use crate::password::PasswordError;
use crate::reconcile::Waker;
use crate::setup::new_access_key;
use crate::state::{Origin, State, fresh_token, open_access_key, token_hash, user_token};

/// What these endpoints share.
#[derive(Clone)]
pub struct Operator {
    /// What every request shares.
    pub state: Arc<State>,
    /// The way to the reconcile loop.
    pub waker: Waker,
}

/// A refusal in the form of the Platform API.
struct Problem(StatusCode, &'static str, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "id": self.1, "message": self.2 }))).into_response()
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(refused) => {
                let kind = refused.code.platform();
                let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::BAD_REQUEST);
                Self(status, kind.id(), refused.message)
            }
            LedgerError::Store(_) | LedgerError::Stopped => {
                Self(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", error.to_string())
            }
        }
    }
}

tokio::task_local! {
    /// The address of who asks, for the audit.
    static PEER: Option<IpAddr>;
}

type Answer = Result<Json<Value>, Problem>;

/// The routes.
pub fn router(operator: Operator) -> Router {
    let admit = axum::middleware::from_fn_with_state(operator.clone(), admit);
    Router::new()
        .route("/_causeway/status", get(status))
        .route("/_causeway/accounts", get(accounts).post(create_account))
        .route("/_causeway/keys", get(keys).post(create_key))
        .route("/_causeway/keys/{id}/rotate", post(rotate_key))
        .route("/_causeway/users", get(users).post(create_user))
        .route("/_causeway/users/{email}/password", put(set_password))
        .route("/_causeway/tokens", post(create_token))
        .route("/_causeway/teams", get(teams).post(create_team))
        .route("/_causeway/teams/{team}/members", put(set_member))
        .route("/_causeway/env", post(env))
        .route("/_causeway/spaces/{space}/limits", put(set_limits))
        .route("/_causeway/workloads/{*target}", get(workload))
        .route("/_causeway/logs/{*target}", get(logs))
        .route("/_causeway/backup", post(backup::backup))
        .route("/_causeway/clock", post(clock))
        .route("/_causeway/reset", post(reset))
        .route("/_causeway/sweep", post(sweep))
        .method_not_allowed_fallback(no_method)
        .layer(admit)
        // It looks by itself at who asks: not only the operator may.
        .merge(Router::new().route("/_causeway/why", get(why::why)))
        .with_state(operator)
}

/// Lets only the operator through; in emulator mode, which listens on loopback alone, anybody.
async fn admit(
    Shared(operator): Shared<Operator>,
    headers: HeaderMap,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let token = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let now = operator.state.clock.now();
    let bearer = token.and_then(|token| operator.state.authenticate(token.trim(), now));
    let is_operator = bearer.is_some_and(|bearer| bearer.caller == Caller::Operator);
    if is_operator || operator.state.emulator {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        return PEER.scope(peer, next.run(request)).await;
    }
    Problem(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "This is for the operator alone. On the server's host, give --data DIR (or CAUSEWAY_DATA) \
         so that the operator's token can be read from there."
            .to_owned(),
    )
    .into_response()
}

impl Operator {
    async fn run(&self, command: impl Into<Command>) -> Result<Committed, Problem> {
        let address = PEER.try_with(|peer| *peer).ok().flatten();
        let origin = Origin { address, request_id: fresh_secret(&mut SystemIds) };
        Ok(self.state.submit(Caller::Operator, command, &origin).await?)
    }

    /// What is stored of a password.
    async fn hash(&self, password: String) -> Result<PasswordHash, Problem> {
        let salt = SystemIds.next_bits().to_be_bytes();
        self.state.passwords.hash(password, salt).await.map_err(|error| match error {
            PasswordError::Length => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem(status, "invalid_params", error.to_string())
            }
            PasswordError::Busy => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Problem(status, "service_unavailable", error.to_string())
            }
        })
    }

    fn account(&self, name: &str) -> Result<AccountId, Problem> {
        let world = self.state.world();
        let by_id = name.parse().ok().filter(|id| world.account(*id).is_some());
        by_id.or_else(|| world.account_named(name).map(|a| a.id)).ok_or_else(|| {
            missing(format!("There is no account '{name}'; `causeway accounts` lists them."))
        })
    }

    fn user(&self, email: &str) -> Result<UserId, Problem> {
        self.state.world().user_named(email).map(|u| u.id).ok_or_else(|| {
            missing(format!("There is no user '{email}'; `causeway users` lists them."))
        })
    }

    fn team(&self, name: &str) -> Result<TeamId, Problem> {
        let world = self.state.world();
        let by_id = name.parse().ok().filter(|id| world.team(*id).is_some());
        by_id.or_else(|| world.team_named(name).map(|t| t.id)).ok_or_else(|| {
            missing(format!("There is no team '{name}'; `causeway teams` lists them."))
        })
    }

    fn target(&self, text: &str) -> Result<WorkloadId, Problem> {
        let world = self.state.world();
        let found = match text.split_once('/') {
            Some((app, dyno)) => world
                .app_named(app)
                .and_then(|app| world.dyno_named(app.id, dyno))
                .map(|dyno| WorkloadId::Dyno(dyno.id)),
            None => world
                .addon_named(text)
                .map(|addon| WorkloadId::Service(addon.id))
                .or_else(|| text.parse().ok().filter(|id| world.eni_of(*id).is_some())),
        };
        found.ok_or_else(|| {
            missing(format!(
                "'{text}' is no dyno (as shop/run.1234), no instance (as i-0123…) and no data \
                 service (by its name); `causeway ps --app APP`, `aws ec2 describe-instances` and \
                 `causeway addons --app APP` list them."
            ))
        })
    }
}

fn missing(message: String) -> Problem {
    Problem(StatusCode::NOT_FOUND, "not_found", message)
}

fn internal(message: impl std::fmt::Display) -> Problem {
    Problem(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", message.to_string())
}

async fn no_method() -> Problem {
    let message =
        "This endpoint does not take that method. The `Allow` header names those it takes.";
    Problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message.to_owned())
}

async fn status(Shared(operator): Shared<Operator>) -> Answer {
    let world = operator.state.world();
    let now = operator.state.clock.now();
    let settings = operator.state.settings();
    let spaces: Vec<Value> = world
        .spaces()
        .map(|s| json!({ "name": s.name, "state": s.state.name(), "region": s.region, "cidr": s.cidr.to_string() }))
        .collect();
    let peerings = counted(world.peerings().map(|p| p.status(now).code()));
    Ok(Json(json!({
        "time": now, "instance": settings.instance, "region": settings.region,
        "platform_account": settings.platform_account, "emulator": settings.emulator,
        "accounts": world.accounts().count(), "spaces": spaces,
        "vpcs": world.vpcs().count(), "peerings": peerings,
        "instances": counted(world.instances().map(|i| i.state.name())),
        "dynos": counted(world.dynos().filter(|d| d.is_live()).map(|d| d.state.name())),
        "fabric": operator.state.health.get(),
    })))
}

/// How many there are of each state: what ended is kept for a while, and runs no more.
fn counted(
    states: impl Iterator<Item = &'static str>,
) -> std::collections::BTreeMap<&'static str, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    counts
}

async fn accounts(Shared(operator): Shared<Operator>) -> Answer {
    let world = operator.state.world();
    let platform = operator.state.settings().platform_account;
    Ok(Json(Value::Array(
        world
            .accounts()
            .map(|a| json!({ "id": a.id, "name": a.name, "platform": a.id == platform, "created": a.created }))
            .collect(),
    )))
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn create_account(Shared(operator): Shared<Operator>, Fields(body): Fields<Named>) -> Answer {
    let made = operator.run(IdentityCommand::CreateAccount { name: body.name.clone() }).await?;
    match made.reply.main() {
        Some(Key::Account(id)) => Ok(Json(json!({ "id": id, "name": body.name }))),
        _ => Err(internal("the account was made, but the reply does not name it")),
    }
}

async fn keys(Shared(operator): Shared<Operator>) -> Answer {
    let world = operator.state.world();
    Ok(Json(Value::Array(
        world
            .access_keys()
            .map(|k| json!({ "access_key_id": k.id, "account": k.account, "access": k.access, "created": k.created }))
            .collect(),
    )))
}

#[derive(Deserialize)]
struct NewKey {
    account: String,
    #[serde(default)]
    read_only: bool,
}

async fn create_key(Shared(operator): Shared<Operator>, Fields(body): Fields<NewKey>) -> Answer {
    let account = operator.account(&body.account)?;
    let access = if body.read_only { Access::ReadOnly } else { Access::Full };
    let (id, plain, command) =
        new_access_key(&operator.state.secret, account, access).map_err(internal)?;
    operator.run(command).await?;
    Ok(Json(json!({ "access_key_id": id, "secret_access_key": plain, "account": account })))
}

async fn rotate_key(Shared(operator): Shared<Operator>, Segment(id): Segment) -> Answer {
    let gone = || missing(format!("There is no access key '{id}'; `causeway keys` lists them."));
    let old: AccessKeyId = id.parse().map_err(|_| gone())?;
    let found = operator.state.world().access_key(old).cloned().ok_or_else(gone)?;
    let (new, plain, command) =
        new_access_key(&operator.state.secret, found.account, found.access).map_err(internal)?;
    operator.run(command).await?;
    operator.run(IdentityCommand::DeleteAccessKey { id: old }).await?;
    Ok(Json(json!({ "access_key_id": new, "secret_access_key": plain, "account": found.account })))
}

async fn users(Shared(operator): Shared<Operator>) -> Answer {
    let world = operator.state.world();
    Ok(Json(Value::Array(
        world
            .users()
            .map(|u| json!({ "id": u.id, "email": u.email, "created": u.created }))
            .collect(),
    )))
}

#[derive(Deserialize)]
struct NewUser {
    email: String,
    /// Without one, the user can do no more than use tokens.
    password: Option<String>,
}

async fn create_user(Shared(operator): Shared<Operator>, Fields(body): Fields<NewUser>) -> Answer {
    // Before anything is made, as it may be refused.
    let hash = match body.password {
        Some(password) => Some(operator.hash(password).await?),
        None => None,
    };
    let made = operator.run(IdentityCommand::CreateUser { email: body.email }).await?;
    match made.reply.main() {
        Some(Key::User(id)) => {
            if let Some(hash) = hash {
                let set = IdentityCommand::SetPassword { user: id, hash, end_tokens: false };
                operator.run(set).await?;
            }
            let email = made.after.user(id).map(|u| u.email.clone());
            Ok(Json(json!({ "id": id, "email": email })))
        }
        _ => Err(internal("the user was made, but the reply does not name it")),
    }
}

#[derive(Deserialize)]
struct NewPassword {
    password: Option<String>,
    /// Whether one is made up instead, which the answer shows.
    #[serde(default)]
    generate: bool,
    /// Whether all of the user's tokens end with this.
    #[serde(default)]
    end_tokens: bool,
}

async fn set_password(
    Shared(operator): Shared<Operator>,
    Segment(email): Segment,
    Fields(body): Fields<NewPassword>,
) -> Answer {
    let user = operator.user(&email)?;
    let made_up = body.generate.then(|| fresh_password(&mut SystemIds));
    let Some(password) = made_up.clone().or(body.password) else {
        let message = "Give a `password`, or say `generate`.".to_owned();
        return Err(Problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message));
    };
    let hash = operator.hash(password).await?;
    let end_tokens = body.end_tokens;
    operator.run(IdentityCommand::SetPassword { user, hash, end_tokens }).await?;
    Ok(Json(json!({ "user": email, "password": made_up, "ended_tokens": end_tokens })))
}

#[derive(Deserialize)]
struct TokenFields {
    user: String,
    #[serde(default)]
    description: String,
    /// Seconds.
    expires_in: Option<u64>,
}

async fn create_token(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<TokenFields>,
) -> Answer {
    let user = operator.user(&body.user)?;
    let token = fresh_token(&mut SystemIds);
    let hash = token_hash(&token);
    let lives = body.expires_in.map(Duration::from_secs);
    let new = NewToken { user, hash, description: body.description, lives };
    operator.run(IdentityCommand::CreateToken(new)).await?;
    Ok(Json(json!({ "token": token, "user": body.user })))
}

async fn teams(Shared(operator): Shared<Operator>) -> Answer {
    let world = operator.state.world();
    let members = |team: &model::Team| -> Vec<Value> {
        team.members
            .iter()
            .filter_map(|(id, role)| Some((world.user(*id)?, role)))
            .map(|(user, role)| json!({ "email": user.email, "role": role.name() }))
            .collect()
    };
    Ok(Json(Value::Array(
        world
            .teams()
            .map(|t| json!({ "id": t.id, "name": t.name, "members": members(t) }))
            .collect(),
    )))
}

#[derive(Deserialize)]
struct NewTeam {
    name: String,
    admin: String,
}

async fn create_team(Shared(operator): Shared<Operator>, Fields(body): Fields<NewTeam>) -> Answer {
    let admin = operator.user(&body.admin)?;
    let command = IdentityCommand::CreateTeam { name: body.name.clone(), admin };
    let made = operator.run(command).await?;
    match made.reply.main() {
        Some(Key::Team(id)) => Ok(Json(json!({ "id": id, "name": body.name }))),
        _ => Err(internal("the team was made, but the reply does not name it")),
    }
}

#[derive(Deserialize)]
struct Member {
    user: String,
    role: Option<Role>,
}

async fn set_member(
    Shared(operator): Shared<Operator>,
    Segment(team): Segment,
    Fields(body): Fields<Member>,
) -> Answer {
    let team = operator.team(&team)?;
    let user = operator.user(&body.user)?;
    operator.run(IdentityCommand::SetMember { team, user, role: body.role }).await?;
    Ok(Json(json!({ "user": body.user, "role": body.role })))
}

#[derive(Deserialize)]
struct Env {
    account: Option<String>,
    user: Option<String>,
}

/// What both real clients need. The access key's secret is opened again, as the operator could do
/// with the data directory at hand.
async fn env(Shared(operator): Shared<Operator>, Fields(body): Fields<Env>) -> Answer {
    let state = &operator.state;
    let email = body.user.as_deref().unwrap_or(crate::setup::FIRST_USER);
    let user = operator.user(email)?;
    let token = user_token(&state.secret, user);
    let hash = token_hash(&token);
    let description = "causeway env".to_owned();
    let new = NewToken { user, hash, description, lives: None };
    operator.run(IdentityCommand::CreateToken(new)).await?;
    let region = state.region();
    if state.emulator {
        let account = body.account.as_deref().unwrap_or("123456789012");
        return Ok(Json(json!({
            "access_key_id": account, "secret_access_key": "test", "account": account,
            "region": region, "token": token, "user": email,
        })));
    }
    let account =
        operator.account(body.account.as_deref().unwrap_or(crate::setup::FIRST_ACCOUNT))?;
    let world = state.world();
    let usable = world
        .access_keys_of(Key::Account(account))
        .filter(|key| key.access == Access::Full)
        .find_map(|key| {
            Some((key.id, open_access_key(&state.secret, key.id, &key.sealed_secret)?))
        });
    let (id, plain) = match usable {
        Some(found) => found,
        None => {
            let (id, plain, command) =
                new_access_key(&state.secret, account, Access::Full).map_err(internal)?;
            operator.run(command).await?;
            (id, plain)
        }
    };
    Ok(Json(json!({
        "access_key_id": id, "secret_access_key": plain, "account": account,
        "region": region, "token": token, "user": email,
    })))
}

#[derive(Deserialize)]
struct Limits {
    peerings: u16,
}

async fn set_limits(
    Shared(operator): Shared<Operator>,
    Segment(name): Segment,
    Fields(body): Fields<Limits>,
) -> Answer {
    let space = operator.state.world().space_named(&name).map(|s| s.id).ok_or_else(|| {
        missing(format!("There is no space '{name}'; `causeway spaces` lists them."))
    })?;
    operator.run(PlatformCommand::SetPeeringLimit { space, limit: body.peerings }).await?;
    Ok(Json(json!({ "space": name, "peerings": body.peerings })))
}

async fn workload(
    Shared(operator): Shared<Operator>,
    Segment(target): Segment,
    Asked(query): Asked<Vec<(String, String)>>,
) -> Answer {
    let id = operator.target(&target)?;
    let tty = query.iter().any(|(name, value)| name == "tty" && value == "true");
    let arguments: Vec<String> =
        query.into_iter().filter(|(name, _)| name == "arg").map(|(_, value)| value).collect();
    let argv = operator.state.console.exec(id, &arguments, tty).ok_or_else(|| {
        let message = match operator.state.health.get().driver {
            "none" => format!(
                "Nothing runs in {target}: the server was started with --fabric none, which runs \
                 no dyno and no instance."
            ),
            _ => format!("Nothing runs in {target} now."),
        };
        Problem(StatusCode::CONFLICT, "conflict", message)
    })?;
    Ok(Json(json!({ "workload": id.to_string(), "argv": argv })))
}

#[derive(Deserialize)]
struct Tail {
    bytes: Option<usize>,
}

async fn logs(
    Shared(operator): Shared<Operator>,
    Segment(target): Segment,
    Asked(query): Asked<Tail>,
) -> Result<Response, Problem> {
    let id = operator.target(&target)?;
    let bytes = query.bytes.unwrap_or(64 << 10).min(16 << 20);
    let tail = operator.state.console.tail(id, bytes).map_err(internal)?;
    Ok(([(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")], tail).into_response())
}

#[derive(Deserialize)]
struct Advance {
    advance_seconds: u64,
}

async fn clock(Shared(operator): Shared<Operator>, Fields(body): Fields<Advance>) -> Answer {
    if !operator.state.clock.advance(Duration::from_secs(body.advance_seconds)) {
        let message = "The clock is the machine's own; start the server with --test-clock.";
        return Err(Problem(StatusCode::CONFLICT, "conflict", message.to_owned()));
    }
    operator.waker.sweep().await;
    Ok(Json(json!({ "now": operator.state.clock.now() })))
}

async fn reset(Shared(operator): Shared<Operator>) -> Answer {
    if !operator.state.emulator {
        let message = "Only a server that was started with --emulator can be emptied.".to_owned();
        return Err(Problem(StatusCode::CONFLICT, "conflict", message));
    }
    operator.run(SystemCommand::Reset).await?;
    operator.state.heard.lock().expect("no holder panics").clear();
    operator.waker.sweep().await;
    Ok(Json(json!({})))
}

async fn sweep(Shared(operator): Shared<Operator>) -> Answer {
    let fabric = operator.waker.sweep().await.ok_or_else(|| internal("the loop has ended"))?;
    Ok(Json(serde_json::to_value(fabric).map_err(internal)?))
}
