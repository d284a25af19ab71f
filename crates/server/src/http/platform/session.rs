//! Tokens, which this API calls OAuth authorizations (`heroku.md` §1.5).

use std::sync::Arc;
use std::time::Duration;

use model::{
    Caller, IdentityCommand, Key, Need, NewToken, Timestamp, Token, TokenBound, TokenScopes, UserId,
};
use serde_json::{Value, json};

use super::call::{Call, Outcome, as_made, created, list, ok};
use super::failure::Failure;
use super::identity::time;
use crate::credentials::{find_token, user_token};
use crate::ledger::Committed;

/// The CLI's mark for an omitted part. It compares the parts around it with its own token to find
/// that in a list.
const REDACTED: &str = "**********";

pub(super) fn list_own(call: &Call, (): &()) -> Outcome {
    let Caller::User(user) = call.caller else { return list([]) };
    let tokens = call.world.tokens_of(Key::User(user));
    let tokens = as_made(tokens, |token| (token.created, token.id)).into_iter();
    list(tokens.filter(|token| token.is_live(call.now)).map(|token| view(call, token, None)))
}

pub(super) fn info(call: &Call, token: &Arc<Token>) -> Outcome {
    ok(view(call, token, None))
}

/// Creates a token for a caller who signed in by a password or by another token.
pub(super) fn create(call: &Call, (): &(), hash: String) -> Result<IdentityCommand, Failure> {
    let user = user(call)?;
    let description = call.body.text("description")?.unwrap_or_default().to_owned();
    let (lives, scopes, bound) = (lives(call)?, scopes(call)?, bound(call)?);
    Ok(IdentityCommand::CreateToken(NewToken { user, hash, description, lives, scopes, bound }))
}

/// The requested scopes: without any, the token may do all that its user may.
fn scopes(call: &Call) -> Result<TokenScopes, Failure> {
    let Some(named) = call.body.list("scope")?.filter(|named| !named.is_empty()) else {
        return Ok(TokenScopes::default());
    };
    let scope = |name: &Value| name.as_str()?.parse().ok();
    named.iter().map(scope).collect::<Option<TokenScopes>>().ok_or_else(|| {
        let known: Vec<String> =
            Need::Nothing.accepted().iter().map(|scope| format!("`{scope}`")).collect();
        let known = known.join(", ");
        Failure::invalid(format!("Invalid value for `scope`: a scope is one of {known}."))
    })
}

/// What the token is to be bound to, which Heroku's tokens cannot be.
fn bound(call: &Call) -> Result<Option<TokenBound>, Failure> {
    match (call.body.identity("app")?, call.body.identity("space")?) {
        (None, None) => Ok(None),
        (Some(app), None) => Ok(Some(TokenBound::App(call.app(app)?.id))),
        (None, Some(space)) => Ok(Some(TokenBound::Space(call.space(space)?.id))),
        (Some(_), Some(_)) => Err(Failure::invalid(
            "A token is bound to an app or to a space: give one of `app` and `space`.",
        )),
    }
}

fn user(call: &Call) -> Result<UserId, Failure> {
    match call.caller {
        Caller::User(user) => Ok(user),
        Caller::Operator | Caller::System | Caller::Account { .. } => Err(Failure::forbidden(
            "The operator is not a user and has only its one token; `causeway tokens:create --user \
             EMAIL` makes one for a user.",
        )),
    }
}

/// The requested lifetime. The CLI sends a text or a number.
fn lives(call: &Call) -> Result<Option<Duration>, Failure> {
    let seconds = match call.body.text("expires_in") {
        Ok(Some(text)) => text.parse().ok(),
        Ok(None) => return Ok(None),
        Err(_) => call.body.integer("expires_in")?.and_then(|n| u64::try_from(n).ok()),
    };
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| {
        Failure::invalid("Invalid value for `expires_in`: it must be a number of seconds.")
    })
}

pub(super) fn issued(call: &Call, (): &(), committed: &Committed, secret: &str) -> Outcome {
    let Some(Key::Token(id)) = committed.reply.main() else { return Err(Failure::internal()) };
    let token = committed.after.token(id).ok_or_else(Failure::internal)?;
    created(view(call, token, Some(secret)))
}

pub(super) fn describe(call: &Call, token: &Arc<Token>) -> Result<IdentityCommand, Failure> {
    let description = call.body.required_text("description")?.to_owned();
    Ok(IdentityCommand::DescribeToken { id: token.id, description })
}

pub(super) fn described(call: &Call, token: &Arc<Token>, committed: &Committed) -> Outcome {
    ok(view(call, committed.after.token(token.id).unwrap_or(token), None))
}

pub(super) fn rotate(
    _: &Call,
    token: &Arc<Token>,
    hash: String,
) -> Result<IdentityCommand, Failure> {
    Ok(IdentityCommand::ReplaceToken { id: token.id, hash })
}

pub(super) fn rotated(
    call: &Call,
    token: &Arc<Token>,
    committed: &Committed,
    secret: &str,
) -> Outcome {
    ok(view(call, committed.after.token(token.id).unwrap_or(token), Some(secret)))
}

pub(super) fn revoke(_: &Call, token: &Arc<Token>) -> Result<IdentityCommand, Failure> {
    Ok(IdentityCommand::DeleteToken { id: token.id })
}

pub(super) fn revoked(call: &Call, token: &Arc<Token>, _: &Committed) -> Outcome {
    ok(view(call, token, None))
}

/// There are no sessions beside tokens. The CLI accepts this answer when it logs out.
pub(super) fn no_session(_: &Call, (): &()) -> Outcome {
    Err(Failure::not_found("session", "session"))
}

pub(super) fn no_sessions(_: &Call, (): &()) -> Outcome {
    list([])
}

/// Finds the caller's token that the path names. `~` is the token of `causeway env`, which stays
/// when the CLI logs out, because the CLI has made one for itself.
pub(super) fn find(call: &Call) -> Result<Arc<Token>, Failure> {
    let named = call.param("authorization");
    let absent =
        || Failure::not_found("authorization", "authorization").naming(named, "authorizations");
    let Caller::User(user) = call.caller else { return Err(absent()) };
    let found = match named {
        "~" => find_token(&call.world, &user_token(&call.state.secret, user)),
        identity => identity.parse().ok().and_then(|id| call.world.token(id)),
    };
    found.filter(|token| token.user == user && token.is_live(call.now)).cloned().ok_or_else(absent)
}

/// Shows a token. The secret is shown once. Later it is shown only to a caller who sends it,
/// without its middle.
fn view(call: &Call, token: &Token, secret: Option<&str>) -> Value {
    let shown = match (secret, &call.token) {
        (Some(secret), _) => Some(secret.to_owned()),
        (None, Some(own)) if own.id == token.id => redact(&own.secret),
        (None, _) => None,
    };
    let (app, space) = match token.bound {
        Some(TokenBound::App(id)) => (call.world.app(id), None),
        Some(TokenBound::Space(id)) => (None, call.world.space(id)),
        None => (None, None),
    };
    let email = call.world.user(token.user).map(|user| &user.email);
    json!({
        "id": token.id,
        "description": token.description,
        "scope": token.scopes.iter().collect::<Vec<_>>(),
        "app": app.map(|app| json!({ "id": app.id, "name": app.name })),
        "space": space.map(|space| json!({ "id": space.id, "name": space.name })),
        "access_token": {
            "id": token.id,
            "token": shown,
            "expires_in": token.expires.map(|expires| remaining(expires, call.now)),
        },
        "client": Value::Null,
        "grant": Value::Null,
        "refresh_token": Value::Null,
        "session": Value::Null,
        "user": { "id": token.user, "email": email, "full_name": Value::Null },
        "created_at": time(token.created),
        "updated_at": time(token.updated.unwrap_or(token.created)),
    })
}

fn remaining(expires: Timestamp, now: Timestamp) -> u64 {
    expires.since(now).as_secs()
}

/// Omits the middle of a token, if enough of it stays secret.
fn redact(token: &str) -> Option<String> {
    const SHOWN: usize = 9;
    const LEAST: usize = 40;
    let (start, end) = (token.get(..SHOWN)?, token.get(token.len().checked_sub(4)?..)?);
    (token.len() >= LEAST).then(|| format!("{start}{REDACTED}{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_token_are_shown_and_no_more() {
        let token = format!("HRKU-{}", "0123456789abcdef".repeat(4));
        assert_eq!(redact(&token).unwrap(), "HRKU-0123**********cdef");
        assert_eq!(redact("alices-token"), None);
        assert_eq!(redact(""), None);
        assert_eq!(redact(&"é".repeat(40)), None);
    }
}
