//! Webhooks: where events are sent to.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::request::Parts;
use model::{
    Caller, Destination, IdentityCommand, Key, Need, NewWebhook, Reachable, Rights, Scope, TeamId,
    Webhook, WebhookId, WebhookOwner, World,
};
use store::DeliveryRow;

use super::answer::{Answer, Problem, Reply, internal, invalid, missing};
use super::context::{Operator, oldest_first};
use super::input::{Segment, Whole};
use super::names;
use super::viewer::{reading, rights_of};
use crate::clock::{SystemIds, fresh_secret};

/// What a token must be for that makes or ends a webhook: one goes on telling when the token has ended.
const CHANGES: Need = Need::Everything;
/// How many deliveries are shown.
const SHOWN: u32 = 200;

pub(super) async fn webhooks(
    Shared(operator): Shared<Operator>,
    parts: Parts,
) -> Answer<Vec<api::Webhook>> {
    let rights = rights_of(&operator.state, &parts, &[], Need::Read)?;
    let world = operator.state.world();
    let all = oldest_first(world.webhooks(), |hook| (hook.created, hook.id));
    let own = all.filter(|hook| sees(&world, rights, hook.owner));
    Ok(Reply(own.map(|hook| shown(&world, hook)).collect()))
}

pub(super) async fn create(
    Shared(operator): Shared<Operator>,
    whole: Result<Whole, Problem>,
) -> Answer<api::WebhookCreated> {
    let state = &operator.state;
    let whole = whole?;
    let rights = rights_of(state, &whole.parts, &whole.body, CHANGES)?;
    let body: api::CreateWebhook = whole.fields()?;
    let owner = owner(&operator, rights, &body)?;
    check(&state.reachable, &body.url)?;
    let secret = body.secret.unwrap_or_else(|| fresh_secret(&mut SystemIds));
    let new = NewWebhook {
        owner,
        url: body.url,
        include: body.include,
        secret: secret.clone(),
        authorization: body.authorization,
    };
    let caller = caller(rights, owner)?;
    let command = IdentityCommand::CreateWebhook(new);
    let made = operator.run_as(caller, command).await?;
    let hook = match made.reply.main() {
        Some(Key::Webhook(id)) => made.after.webhook(id),
        _ => None,
    };
    let hook = hook.ok_or_else(|| internal("the webhook was made, and nothing names it"))?;
    Ok(Reply(api::WebhookCreated { webhook: shown(&made.after, hook), secret }))
}

pub(super) async fn delete(
    Shared(operator): Shared<Operator>,
    Segment(id): Segment,
    parts: Parts,
) -> Answer<api::Webhook> {
    let state = &operator.state;
    let rights = rights_of(state, &parts, &[], CHANGES)?;
    let world = state.world();
    let hook = find(&world, rights, &id)?;
    let command = IdentityCommand::DeleteWebhook { id: hook.id };
    operator.run_as(caller(rights, hook.owner)?, command).await?;
    Ok(Reply(shown(&world, &hook)))
}

pub(super) async fn deliveries(
    Shared(operator): Shared<Operator>,
    Segment(id): Segment,
    parts: Parts,
) -> Answer<Vec<api::WebhookDelivery>> {
    let state = &operator.state;
    let rights = rights_of(state, &parts, &[], Need::Read)?;
    let hook = find(&state.world(), rights, &id)?.id.to_string();
    let _share = reading(state, rights)?;
    let store = state.store.lock().expect("no holder panics").handle().map_err(internal)?;
    let read = tokio::task::spawn_blocking(move || store.deliveries(&hook, SHOWN)).await;
    let rows: Vec<DeliveryRow> = read.map_err(internal)?.map_err(internal)?;
    // What a later version noted and this one cannot read is passed over.
    let read = rows.iter().filter_map(|row| serde_json::from_str(&row.body).ok());
    Ok(Reply(read.collect()))
}

/// Whose webhook it is to be: of the team or the account that is named, or else of who asks.
fn owner(
    operator: &Operator,
    rights: Rights,
    body: &api::CreateWebhook,
) -> Result<WebhookOwner, Problem> {
    let world = operator.state.world();
    let named = match (&body.team, &body.account) {
        (Some(_), Some(_)) => {
            return Err(invalid("Name a team or an account, not both.".to_owned()));
        }
        (Some(team), None) => Some(WebhookOwner::Team(operator.team(team)?)),
        (None, Some(account)) => Some(WebhookOwner::Account(operator.account(account)?)),
        (None, None) => None,
    };
    let owner = match (named, rights) {
        (Some(owner), _) => owner,
        (None, Rights { operator: true, .. }) => WebhookOwner::Operator,
        (None, Rights { account: Some((account, _)), user: None, .. }) => {
            WebhookOwner::Account(account)
        }
        (None, _) => {
            let message = "Name the team that is to be told, as --team TEAM. Whoever runs this installation names its \
                           data directory instead, as --data DIR.";
            return Err(invalid(message.to_owned()));
        }
    };
    if sees(&world, rights, owner) {
        return Ok(owner);
    }
    // What is another's is not there.
    let name = body.team.as_ref().or(body.account.as_ref()).map_or("", String::as_str);
    Err(missing(format!("There is no team or account '{name}' that is yours.")))
}

/// As whom a command is given: rules look at this again.
fn caller(rights: Rights, owner: WebhookOwner) -> Result<Caller, Problem> {
    let account = |(account, read_only)| Caller::Account {
        scope: Scope { account, region: model::Region::DEFAULT },
        read_only,
    };
    let found = match owner {
        _ if rights.operator => Some(Caller::Operator),
        WebhookOwner::Account(_) => rights.account.map(account),
        WebhookOwner::Operator | WebhookOwner::Team(_) | WebhookOwner::App(_) => {
            rights.user.map(Caller::User)
        }
    };
    found.ok_or_else(|| internal("nobody who asks may change it"))
}

fn sees(world: &World, rights: Rights, owner: WebhookOwner) -> bool {
    let own = match owner {
        WebhookOwner::Operator => false,
        WebhookOwner::Account(id) => rights.account.is_some_and(|(account, _)| account == id),
        WebhookOwner::Team(id) => is_in(world, rights, Some(id)),
        WebhookOwner::App(id) => is_in(world, rights, world.app(id).map(|app| app.team)),
    };
    rights.operator || own
}

fn is_in(world: &World, rights: Rights, team: Option<TeamId>) -> bool {
    let team = team.and_then(|id| world.team(id));
    let role = |user| team.is_some_and(|team| Caller::User(user).role_in(team).is_some());
    rights.user.is_some_and(role)
}

fn find(world: &World, rights: Rights, id: &str) -> Result<Arc<Webhook>, Problem> {
    let hook = id.parse::<WebhookId>().ok().and_then(|id| world.webhook(id));
    let hook = hook.filter(|hook| sees(world, rights, hook.owner)).cloned();
    hook.ok_or_else(|| {
        let id: String = id.chars().take(64).collect();
        missing(format!("There is no webhook '{id}'; `causeway webhooks` lists them."))
    })
}

fn shown(world: &World, hook: &Webhook) -> api::Webhook {
    let (team, account, owner) = match hook.owner {
        WebhookOwner::Operator => (None, None, "operator".to_owned()),
        WebhookOwner::Account(id) => (None, Some(id), names::of_account(world, id)),
        WebhookOwner::Team(id) => (Some(id), None, names::of_team(world, id)),
        WebhookOwner::App(id) => {
            let name = world.app(id).map(|app| format!("app {}", app.name));
            (world.app(id).map(|app| app.team), None, name.unwrap_or_default())
        }
    };
    api::Webhook {
        id: hook.id,
        url: hook.url.clone(),
        include: hook.include.clone(),
        team,
        account,
        owner,
        created: hook.created,
    }
}

/// Refuses at once what nothing would ever be sent to.
fn check(reachable: &Reachable, url: &str) -> Result<(), Problem> {
    let to: Destination = url.parse().map_err(|error| invalid(format!("The address: {error}.")))?;
    if !reachable.rules_out(&to) {
        return Ok(());
    }
    let message = if !to.scheme.is_private() {
        "The address must begin with https://, as everybody on the way could read what is sent; the \
         operator may allow others by `webhook-allow`."
    } else {
        "That address may not be reached from here; the operator may allow it by `webhook-allow`."
    };
    Err(invalid(message.to_owned()))
}
