//! What points the real clients at the server.

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use model::{Access, AccountId, IdentityCommand, Key, NewToken};

use super::answer::{Answer, Reply, internal};
use super::context::Operator;
use super::input::Fields;
use crate::credentials::{find_token, new_access_key, open_access_key, token_hash, user_token};

/// What both real clients need. The access key's secret is opened again, as the operator could do
/// with the data directory at hand.
pub(super) async fn env(
    Shared(operator): Shared<Operator>,
    Fields(body): Fields<api::EnvironmentRequest>,
) -> Answer<api::Environment> {
    let state = &operator.state;
    let email = body.user.as_deref().unwrap_or(api::FIRST_USER);
    let user = operator.user(email)?;
    // Whoever does not exist is refused before anything is made.
    let named = body.account.as_deref();
    let account = match state.emulator {
        true => None,
        false => Some(operator.account(named.unwrap_or(api::FIRST_ACCOUNT))?),
    };
    let token = user_token(&state.secret, user);
    let world = state.world();
    let found = find_token(&world, &token);
    if found.is_none_or(|found| !world.lets_in_token(found, state.clock.now())) {
        let (hash, description) = (token_hash(&token), "causeway env".to_owned());
        let new = NewToken { user, hash, description, lives: None };
        operator.run(IdentityCommand::CreateToken(new)).await?;
    }
    let region = state.region();
    let (_, certificates) = state.rendezvous.authorities(&state.secret, state.clock.wall());
    let certificates = certificates.and_then(|file| std::path::absolute(file).ok());
    let Some(account) = account else {
        let account = body.account.unwrap_or_else(|| AccountId::EMULATED.to_string());
        return Ok(Reply(api::Environment {
            access_key_id: account.clone(),
            secret_access_key: "test".to_owned(),
            account,
            region,
            token,
            user: email.to_owned(),
            certificates,
        }));
    };
    let world = state.world();
    let usable = world
        .access_keys_of(Key::Account(account))
        .filter(|key| key.access == Access::Full && world.signing_key(key.id).is_some())
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
    Ok(Reply(api::Environment {
        access_key_id: id.to_string(),
        secret_access_key: plain,
        account: account.to_string(),
        region,
        token,
        user: email.to_owned(),
        certificates,
    }))
}

/// What clients need before they have credentials.
pub(super) async fn about(Shared(operator): Shared<Operator>) -> Answer<api::About> {
    Ok(Reply(api::About { region: operator.state.region() }))
}

/// The certificates that the clients of `heroku run` are to trust.
pub(super) async fn authorities(Shared(operator): Shared<Operator>) -> Response {
    let state = &operator.state;
    let (pem, _) = state.rendezvous.authorities(&state.secret, state.clock.wall());
    ([(http::header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response()
}
