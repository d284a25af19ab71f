//! Tokens and access keys: those of one's own, and for the operator the keys of all accounts. A secret
//! is made here and shown in the answer to the form that asked for it, and never again.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{KeyTold, KeysPage, Made, Named, Problem, Refusal};
use model::{Access, Caller, IdentityCommand, NewToken};

use super::answer::{page, problem, see_other};
use super::form::Form;
use super::session::{AccountProof, UserProof};
use super::visit::Visit;
use super::why_not::why_not;
use crate::clock::SystemIds;
use crate::credentials::{fresh_token, new_access_key, token_hash};
use crate::ledger::OnlyIf;

/// The page of tokens and keys.
pub(super) fn show(visit: &Visit, query: &Form) -> Response {
    let told = query.first().and_then(|(name, _)| KeyTold::read(name));
    let token = query.get("revoke").and_then(|id| id.parse().ok()).map(Named::Token);
    let key = || query.get("delete").and_then(|id| id.parse().ok()).map(Named::Key);
    render(
        visit,
        StatusCode::OK,
        KeysPage { told, asked: token.or_else(key), ..KeysPage::default() },
    )
}

fn render(visit: &Visit, status: StatusCode, shown: KeysPage<'_>) -> Response {
    let session = visit.session.as_ref();
    let own_token = session.and_then(|session| match session.user {
        Some(UserProof::Token { id, .. }) => Some(id),
        Some(UserProof::Operator | UserProof::Password { .. } | UserProof::Emulated { .. })
        | None => None,
    });
    let own_key = session.and_then(|session| match session.account {
        Some(AccountProof::Key { id, .. }) => Some(id),
        Some(AccountProof::Emulated { .. }) | None => None,
    });
    page(status, dashboard::keys(&visit.context(), &KeysPage { own_token, own_key, ..shown }))
}

/// Carries out what a form asks for.
pub(super) async fn change(visit: Visit, form: &Form) -> Response {
    // An access key speaks for an account, which is nobody on this side: the rules refuse it.
    let Some(caller) = visit.viewer.platform_caller() else {
        visit.note_refused("POST /dashboard", "", "forbidden", "An access key makes no other.");
        return problem(&visit.context(), &Problem::NotFound);
    };
    let unreadable = |visit: &Visit| problem(&visit.context(), &Problem::BadRequest);
    match form.get("answer") {
        Some("make-token") => make_token(visit, caller, form).await,
        Some("make-key") => make_key(visit, caller, form).await,
        Some("revoke") => match form.get("token").and_then(|id| id.parse().ok()) {
            Some(id) => {
                end(visit, caller, IdentityCommand::DeleteToken { id }, KeyTold::Revoked).await
            }
            None => unreadable(&visit),
        },
        Some("delete-key") => match form.get("key").and_then(|id| id.parse().ok()) {
            Some(id) => {
                end(visit, caller, IdentityCommand::DeleteAccessKey { id }, KeyTold::Deleted).await
            }
            None => unreadable(&visit),
        },
        _ => unreadable(&visit),
    }
}

async fn end(visit: Visit, caller: Caller, command: IdentityCommand, told: KeyTold) -> Response {
    let state = Arc::clone(&visit.dashboard.state);
    match state.submit(caller, command, &visit.origin).await {
        Ok(_) => see_other(&format!("{}?{}", dashboard::KEYS_PATH, told.query())),
        Err(error) => {
            let (status, refusal) = why_not(error);
            refused(&visit.renewed(), status, &refusal, "")
        }
    }
}

fn refused(visit: &Visit, status: StatusCode, refusal: &Refusal, typed: &str) -> Response {
    render(visit, status, KeysPage { refused: Some(refusal), typed, ..KeysPage::default() })
}

async fn make_token(visit: Visit, caller: Caller, form: &Form) -> Response {
    let (Caller::User(user), Some(shown), Some(lives)) =
        (caller, form.get("shown"), form.get("days").and_then(dashboard::lives))
    else {
        return problem(&visit.context(), &Problem::BadRequest);
    };
    let description = form.get("description").unwrap_or_default().trim();
    let secret = fresh_token(&mut SystemIds);
    let (hash, described) = (token_hash(&secret), description.to_owned());
    let command = IdentityCommand::CreateToken(NewToken {
        lives,
        ..NewToken::unlimited(user, hash, described)
    });
    let shown = shown.to_owned();
    let as_shown = OnlyIf::new(move |world| dashboard::tokens_shown(world, user) == shown);
    let state = Arc::clone(&visit.dashboard.state);
    match state.submit_if(caller, command, &visit.origin, Some(as_shown)).await {
        Ok(_) => {
            let made = Some(Made::Token(&secret));
            render(&visit.renewed(), StatusCode::OK, KeysPage { made, ..KeysPage::default() })
        }
        Err(error) => {
            let (status, refusal) = why_not(error);
            refused(&visit.renewed(), status, &refusal, description)
        }
    }
}

async fn make_key(visit: Visit, caller: Caller, form: &Form) -> Response {
    let account = form.get("account").and_then(|id| id.parse().ok());
    let (Some(account), Some(shown)) = (account, form.get("shown")) else {
        return problem(&visit.context(), &Problem::BadRequest);
    };
    let access = if form.get("read-only").is_some() { Access::ReadOnly } else { Access::Full };
    let state = Arc::clone(&visit.dashboard.state);
    let (id, secret, command) = match new_access_key(&state.secret, account, access) {
        Ok(made) => made,
        Err(error) => {
            return problem(&visit.context(), &Problem::Failed(error.to_string()));
        }
    };
    let shown = shown.to_owned();
    let as_shown = OnlyIf::new(move |world| dashboard::keys_shown(world) == shown);
    match state.submit_if(caller, command, &visit.origin, Some(as_shown)).await {
        Ok(_) => {
            let made = Some(Made::Key { id, secret: &secret });
            render(&visit.renewed(), StatusCode::OK, KeysPage { made, ..KeysPage::default() })
        }
        Err(error) => {
            let (status, refusal) = why_not(error);
            refused(&visit.renewed(), status, &refusal, "")
        }
    }
}
