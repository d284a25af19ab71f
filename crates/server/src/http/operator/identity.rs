//! Accounts, access keys, users, tokens and teams.

use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use model::{
    Access, AccessKeyId, IdentityCommand, Key, NewToken, Role, Token, TokenScopes, UserId,
};

use super::answer::{Answer, Problem, Reply, internal, missing};
use super::context::{Operator, oldest_first};
use super::input::{Asked, Fields, Segment};
use super::names;
use crate::clock::{SystemIds, fresh_password};
use crate::credentials::{fresh_token, new_access_key, replacing_access_key, token_hash};

pub(super) async fn accounts(Shared(operator): Shared<Operator>) -> Answer<Vec<api::Account>> {
    let world = operator.state.world();
    let platform = operator.state.settings().platform_account;
    let accounts = oldest_first(world.accounts(), |a| (a.created, a.id)).map(|account| {
        let (id, name, created) = (account.id, account.name.clone(), account.created);
        let disabled = account.disabled;
        api::Account { id, name, platform: id == platform, created, disabled }
    });
    Ok(Reply(accounts.collect()))
}

pub(super) async fn create_account(
    Shared(operator): Shared<Operator>,
    Fields(api::CreateAccount { name }): Fields<api::CreateAccount>,
) -> Answer<api::AccountCreated> {
    let made = operator.run(IdentityCommand::CreateAccount { name: name.clone() }).await?;
    match made.reply.main() {
        Some(Key::Account(id)) => Ok(Reply(api::AccountCreated { id, name })),
        _ => Err(internal("the account was made, but the reply does not name it")),
    }
}

pub(super) async fn keys(Shared(operator): Shared<Operator>) -> Answer<Vec<api::AccessKey>> {
    let world = operator.state.world();
    let keys = oldest_first(world.access_keys(), |k| (k.created, k.id)).map(|key| api::AccessKey {
        access_key_id: key.id,
        account: key.account,
        access: key.access,
        created: key.created,
        disabled: key.disabled,
    });
    Ok(Reply(keys.collect()))
}

pub(super) async fn create_key(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::CreateAccessKey>,
) -> Answer<api::NewAccessKey> {
    let account = operator.account(&body.account)?;
    let access = if body.read_only { Access::ReadOnly } else { Access::Full };
    let (access_key_id, secret_access_key, command) =
        new_access_key(&operator.state.secret, account, access).map_err(internal)?;
    operator.run(command).await?;
    Ok(Reply(api::NewAccessKey { access_key_id, secret_access_key, account }))
}

pub(super) async fn rotate_key(
    Shared(operator): Shared<Operator>,
    Segment(id): Segment,
) -> Answer<api::NewAccessKey> {
    let gone = || missing(format!("There is no access key '{id}'; `causeway keys` lists them."));
    let old: AccessKeyId = id.parse().map_err(|_| gone())?;
    let found = operator.state.world().access_key(old).cloned().ok_or_else(gone)?;
    let (access_key_id, secret_access_key, command) =
        replacing_access_key(&operator.state.secret, &found).map_err(internal)?;
    operator.run(command).await?;
    let account = found.account;
    Ok(Reply(api::NewAccessKey { access_key_id, secret_access_key, account }))
}

pub(super) async fn users(Shared(operator): Shared<Operator>) -> Answer<Vec<api::User>> {
    let world = operator.state.world();
    let users = oldest_first(world.users(), |u| (u.created, u.id)).map(|user| api::User {
        id: user.id,
        email: user.email.clone(),
        created: user.created,
        disabled: user.disabled,
    });
    Ok(Reply(users.collect()))
}

pub(super) async fn create_user(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::CreateUser>,
) -> Answer<api::UserCreated> {
    // Before anything is made, as it may be refused.
    let hash = match body.password {
        Some(password) => Some(operator.hash(password).await?),
        None => None,
    };
    let made = operator.run(IdentityCommand::CreateUser { email: body.email }).await?;
    let user = match made.reply.main() {
        Some(Key::User(id)) => made.after.user(id),
        _ => None,
    };
    let user = user.ok_or_else(|| internal("the user was made, but the reply does not name it"))?;
    if let Some(hash) = hash {
        let set = IdentityCommand::SetPassword { user: user.id, hash, end_tokens: false };
        operator.run(set).await?;
    }
    Ok(Reply(api::UserCreated { id: user.id, email: user.email.clone() }))
}

pub(super) async fn set_password(
    Shared(operator): Shared<Operator>,
    Segment(email): Segment,
    Fields(body): Fields<api::SetPassword>,
) -> Answer<api::PasswordSet> {
    let user = operator.user(&email)?;
    let made_up = body.generate.then(|| fresh_password(&mut SystemIds));
    let Some(password) = made_up.clone().or(body.password) else {
        let message = "Give a `password`, or say `generate`.".to_owned();
        return Err(Problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_params", message));
    };
    let hash = operator.hash(password).await?;
    let end_tokens = body.end_tokens;
    operator.run(IdentityCommand::SetPassword { user, hash, end_tokens }).await?;
    Ok(Reply(api::PasswordSet { user: email, password: made_up, ended_tokens: end_tokens }))
}

/// For somebody who has lost the phone and the recovery codes.
pub(super) async fn disable_second_factor(
    Shared(operator): Shared<Operator>,
    Segment(email): Segment,
) -> Answer<api::SecondFactorDisabled> {
    let user = operator.user(&email)?;
    let world = operator.state.world();
    let was_enabled = world.user(user).is_some_and(|user| user.second_factor.is_some());
    operator.run(IdentityCommand::DisableSecondFactor { user, proof: None }).await?;
    Ok(Reply(api::SecondFactorDisabled { user: email, was_enabled }))
}

pub(super) async fn tokens(
    Shared(operator): Shared<Operator>,
    Asked(asked): Asked<api::TokenQuery>,
) -> Answer<Vec<api::Token>> {
    let user = asked.user.map(|email| operator.user(&email)).transpose()?;
    let (world, now) = (operator.state.world(), operator.state.clock.now());
    let wanted = |token: &Token| {
        user.is_none_or(|user| token.user == user) && token.expires.is_none_or(|end| now < end)
    };
    let tokens = oldest_first(world.tokens().filter(|token| wanted(token)), |t| (t.created, t.id));
    let tokens = tokens.map(|token| api::Token {
        id: token.id,
        user: world.email_of(token.user).unwrap_or_default().to_owned(),
        description: token.description.clone(),
        scopes: token.scopes.iter().map(|scope| scope.to_string()).collect(),
        bound: token.bound.map(|bound| names::of_bound(&world, bound)),
        created: token.created,
        expires: token.expires,
        disabled: token.disabled,
    });
    Ok(Reply(tokens.collect()))
}

pub(super) async fn create_token(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::CreateToken>,
) -> Answer<api::TokenCreated> {
    let user = operator.user(&body.user)?;
    let token = fresh_token(&mut SystemIds);
    let hash = token_hash(&token);
    let lives = body.expires_in.map(Duration::from_secs);
    let scopes = if body.scopes.is_empty() {
        TokenScopes::default()
    } else {
        body.scopes.into_iter().collect()
    };
    let bound = operator.bound(body.app.as_deref(), body.space.as_deref())?;
    let new = NewToken { user, hash, description: body.description, lives, scopes, bound };
    operator.run(IdentityCommand::CreateToken(new)).await?;
    Ok(Reply(api::TokenCreated { token, user: body.user }))
}

pub(super) async fn teams(Shared(operator): Shared<Operator>) -> Answer<Vec<api::Team>> {
    let world = operator.state.world();
    let member = |(id, role): (&UserId, &Role)| {
        let email = world.user(*id)?.email.clone();
        Some(api::TeamMember { email, role: *role })
    };
    let teams = oldest_first(world.teams(), |t| (t.created, t.id)).map(|team| api::Team {
        id: team.id,
        name: team.name.clone(),
        members: team.members.iter().filter_map(member).collect(),
        disabled: team.disabled,
    });
    Ok(Reply(teams.collect()))
}

pub(super) async fn create_team(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::CreateTeam>,
) -> Answer<api::TeamCreated> {
    let admin = operator.user(&body.admin)?;
    let command = IdentityCommand::CreateTeam { name: body.name.clone(), admin };
    let made = operator.run(command).await?;
    match made.reply.main() {
        Some(Key::Team(id)) => Ok(Reply(api::TeamCreated { id, name: body.name })),
        _ => Err(internal("the team was made, but the reply does not name it")),
    }
}

pub(super) async fn set_member(
    Shared(operator): Shared<Operator>,
    Segment(team): Segment,
    Fields(body): Fields<api::SetMember>,
) -> Answer<api::MemberSet> {
    let team = operator.team(&team)?;
    let user = operator.user(&body.user)?;
    operator.run(IdentityCommand::SetMember { team, user, role: body.role }).await?;
    Ok(Reply(api::MemberSet { user: body.user, role: body.role }))
}
