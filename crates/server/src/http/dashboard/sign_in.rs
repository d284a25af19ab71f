//! Signing in and out.
//!
//! A wrong proof and an unknown name cannot be told apart. Attempts are limited as at the APIs, and the
//! audit has those that failed.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use dashboard::{Challenge, PURPOSE, Problem, SERVICE, SignIn, Trouble, Way};
use model::{AccessKeyId, Caller, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::answer::{page, problem, see_other, with_cookie};
use super::cookies::Cookie;
use super::form::Form;
use super::second_factor;
use super::session::{AccountProof, NEED, Session, UserProof};
use super::shared::FORM_LIFE;
use super::visit::{Visit, fresh_id};
use crate::http::aws::emulated_account;
use crate::http::passwords::PasswordError;
use crate::http::second_factor::{NotProved, prove as prove_factor};
use crate::http::sign_in_limits::Attempt;
use crate::http::state::Bearer;

/// The context of the encryption of nonces.
const SEALED_FOR: &[u8] = b"dashboard nonce";
/// The context of the encryption of what a password was right for.
const STEP_SEALED_FOR: &[u8] = b"dashboard second step";
/// The most characters of a claimed access key that the audit keeps.
const LONGEST_KEY: usize = 32;
/// The most bytes of what was typed that a page shows again.
const LONGEST_NAME: usize = 254;

/// What the page of an access key signs. It is the visitor's alone, and is taken once.
#[derive(Debug, Serialize, Deserialize)]
struct Nonce {
    id: String,
    visitor: String,
    made: Timestamp,
    /// The day that the key is derived for.
    date: String,
}

/// What a password was right for: the form that asks for a code has it, sealed. It is the visitor's alone.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    visitor: String,
    made: Timestamp,
    proof: UserProof,
}

/// Why somebody is not signed in yet, and what the page that asks for a code has.
struct Stopped {
    trouble: Trouble,
    step: String,
}

impl From<Trouble> for Stopped {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, step: String::new() }
    }
}

/// What proved who somebody is.
enum Proof {
    User(UserProof),
    Account(AccountProof),
}

/// The page where one signs in.
pub(super) fn show(visit: &Visit, query: &Form) -> Response {
    let way = query.get("with").and_then(Way::find).unwrap_or_default();
    let back = query.get("back").unwrap_or_default().to_owned();
    let trouble = (visit.is_over && query.get("over").is_some()).then_some(Trouble::Over);
    form_page(visit, way, trouble, "", "", &back)
}

/// Leads there from a page that wants a session.
pub(super) fn lead(visit: &Visit) -> Response {
    let over = if visit.is_over { "&over=1" } else { "" };
    let path = dashboard::way_back(&visit.path);
    see_other(&format!("{}?back={path}{over}", dashboard::SIGN_IN_PATH))
}

/// The answer to a form of a session that has ended, here or in another tab: nothing was done.
pub(super) fn over(visit: &Visit) -> Response {
    form_page(visit, Way::default(), Some(Trouble::Over), "", "", &visit.path)
}

fn form_page(
    visit: &Visit,
    way: Way,
    trouble: Option<Trouble>,
    name: &str,
    step: &str,
    back: &str,
) -> Response {
    let challenge = match way {
        Way::AccessKey => challenge(visit),
        Way::Token | Way::Password => Challenge::default(),
    };
    let back = dashboard::way_back(back);
    let name = name.get(..name.len().min(LONGEST_NAME)).unwrap_or_default();
    let sign_in = SignIn { way, trouble, name, step, challenge: &challenge, back };
    let status = match trouble {
        None => StatusCode::OK,
        Some(
            Trouble::Wrong
            | Trouble::Stale
            | Trouble::Over
            | Trouble::Code
            | Trouble::WrongCode
            | Trouble::Narrow,
        ) => StatusCode::UNAUTHORIZED,
        Some(Trouble::TooMany(_)) => StatusCode::TOO_MANY_REQUESTS,
        Some(Trouble::Busy) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut answer = page(status, dashboard::sign_in(&visit.context(), &sign_in));
    if let Some(Trouble::TooMany(seconds)) = trouble {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if visit.session.is_none() && !visit.is_known_visitor {
        answer = with_cookie(answer, Cookie::Visitor.set(&visit.visitor, visit.secure));
    }
    answer
}

fn challenge(visit: &Visit) -> Challenge {
    let state = &visit.dashboard.state;
    // 2026-11-30T…: the day of the derived key need not be the browser's.
    let date: String = visit.now.to_seconds_string().chars().filter(char::is_ascii_digit).collect();
    let nonce = Nonce {
        id: fresh_id(),
        visitor: visit.form_token.clone(),
        made: visit.now,
        date: date.get(..8).unwrap_or_default().to_owned(),
    };
    let text = serde_json::to_vec(&nonce).unwrap_or_default();
    let sealed = state.secret.seal(&text, SEALED_FOR).unwrap_or_default();
    Challenge { nonce: BASE64.encode(sealed), date: nonce.date, region: state.region().to_string() }
}

/// Signs somebody in.
pub(super) async fn sign_in(visit: Visit, form: &Form) -> Response {
    let Some(way) = form.get("with").and_then(Way::find) else {
        return problem(&visit.context(), &Problem::BadRequest);
    };
    let back = form.get("back").unwrap_or_default();
    let name = match way {
        Way::Token => "",
        Way::Password => form.get("email").unwrap_or_default(),
        Way::AccessKey => form.get("key").unwrap_or_default(),
    };
    match prove(&visit, way, name, form).await {
        Ok(proof) => enter(&visit, proof, back),
        Err(Stopped { trouble, step }) => form_page(&visit, way, Some(trouble), name, &step, back),
    }
}

/// Checks what somebody proves to be with. The attempt is counted before anything is compared.
async fn prove(visit: &Visit, way: Way, name: &str, form: &Form) -> Result<Proof, Stopped> {
    let limits = &visit.dashboard.state.sign_in_limits;
    let counted = match way {
        // Together with those at the API.
        Way::Password => name.to_owned(),
        // A token has no name: all of them together are counted for the network.
        Way::Token | Way::AccessKey => format!("{}/{name}", way.name()),
    };
    let attempt = limits
        .begin(&counted, visit.origin.address, visit.now)
        .map_err(|wait| Trouble::TooMany(seconds(wait)))?;
    let proof = match (way, form.get("step")) {
        (Way::Token, _) => by_token(visit, form.get("token").unwrap_or_default().trim()),
        (Way::Password, Some(step)) => {
            by_code(visit, step, form.get("code").unwrap_or_default()).await
        }
        (Way::Password, None) => {
            by_password(visit, name, form.get("password").unwrap_or_default()).await
        }
        (Way::AccessKey, _) => by_key(visit, name.trim(), form).map_err(Stopped::from),
    };
    let proof = match proof {
        Ok(Some(proof)) => Ok(proof),
        Ok(None) => Err(Trouble::Wrong.into()),
        Err(stopped) => Err(stopped),
    };
    match &proof {
        // Who has the password learns nothing by asking for the page with the code again.
        Ok(_) | Err(Stopped { trouble: Trouble::Code, .. }) => succeeded(visit, attempt),
        Err(Stopped { trouble, .. }) => match trouble {
            Trouble::Wrong | Trouble::WrongCode | Trouble::Narrow => note(visit, way, name),
            Trouble::Code
            | Trouble::TooMany(_)
            | Trouble::Busy
            | Trouble::Stale
            | Trouble::Over => {}
        },
    }
    proof
}

fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

fn succeeded(visit: &Visit, attempt: Attempt) {
    visit.dashboard.state.sign_in_limits.succeeded(attempt);
}

fn by_token(visit: &Visit, token: &str) -> Result<Option<Proof>, Stopped> {
    let state = &visit.dashboard.state;
    let bearer = match state.authenticate(token, visit.now) {
        Some(bearer) => Some(bearer),
        None if state.locked_out(token).is_some() => None,
        None => state.anybody(),
    };
    match bearer {
        Some(bearer) if !bearer.allows(NEED) => Err(Trouble::Narrow.into()),
        bearer => Ok(bearer.and_then(|bearer| proof_by(visit, bearer))),
    }
}

fn proof_by(visit: &Visit, bearer: Bearer) -> Option<Proof> {
    let Bearer { caller, token } = bearer;
    let proof = match (caller, token) {
        (Caller::Operator, _) => UserProof::Operator,
        (Caller::User(_), Some(own)) => {
            let hash = visit.world.token(own.id)?.hash.clone();
            UserProof::Token { id: own.id, hash }
        }
        (Caller::User(user), None) => UserProof::Emulated { user },
        (Caller::System | Caller::Account { .. }, _) => return None,
    };
    Some(Proof::User(proof))
}

async fn by_password(visit: &Visit, email: &str, password: &str) -> Result<Option<Proof>, Stopped> {
    let state = &visit.dashboard.state;
    let user = visit.world.user_named(email);
    if let Some(Bearer { caller: Caller::User(first), .. }) = state.anybody() {
        if user.is_some_and(|user| user.disabled.is_some()) {
            return Ok(None);
        }
        let user = user.map_or(first, |user| user.id);
        return Ok(Some(Proof::User(UserProof::Emulated { user })));
    }
    let stored = user.and_then(|user| user.password.clone());
    let right = state.passwords.matches(password.to_owned(), stored, visit.party()).await;
    let right = right.map_err(|error| match error {
        PasswordError::Busy | PasswordError::Length => Trouble::Busy,
    })?;
    let let_in = user.filter(|user| right && user.disabled.is_none());
    let Some(user) = let_in else { return Ok(None) };
    let proof = UserProof::password_of(user);
    match proof.filter(|_| user.second_factor.is_some()) {
        Some(proof) => Err(Stopped { trouble: Trouble::Code, step: seal_step(visit, proof) }),
        None => Ok(UserProof::password_of(user).map(Proof::User)),
    }
}

fn seal_step(visit: &Visit, proof: UserProof) -> String {
    let step = Step { visitor: visit.form_token.clone(), made: visit.now, proof };
    let text = serde_json::to_vec(&step).unwrap_or_default();
    let sealed = visit.dashboard.state.secret.seal(&text, STEP_SEALED_FOR).unwrap_or_default();
    BASE64.encode(sealed)
}

/// Checks a code of a user whose password was right a while ago, and is the same still.
async fn by_code(visit: &Visit, sealed: &str, code: &str) -> Result<Option<Proof>, Stopped> {
    let state = &visit.dashboard.state;
    let opened = || {
        let bytes = BASE64.decode(sealed).ok()?;
        let text = state.secret.open(&bytes, STEP_SEALED_FOR).ok()?;
        let step: Step = serde_json::from_slice(&text).ok()?;
        let live = step.made <= visit.now && visit.now < step.made + FORM_LIFE;
        let proof = Some(step.proof).filter(|_| live && step.visitor == visit.form_token)?;
        let user = proof.holds(&visit.world, visit.now).flatten()?;
        Some((proof, visit.world.user(user)?))
    };
    let (proof, user) = opened().ok_or(Trouble::Stale)?;
    match prove_factor(state, user, code, &visit.origin, visit.now).await {
        // What the proof is of has changed only in what was used up.
        Ok(()) => Ok(Some(Proof::User(proof))),
        Err(NotProved::Wrong) => {
            Err(Stopped { trouble: Trouble::WrongCode, step: sealed.to_owned() })
        }
        Err(NotProved::TooMany(wait)) => Err(Trouble::TooMany(seconds(wait)).into()),
        Err(NotProved::Failed(_)) => Err(Trouble::Busy.into()),
    }
}

/// Checks the HMAC that the page made with an access key's secret.
fn by_key(visit: &Visit, claimed: &str, form: &Form) -> Result<Option<Proof>, Trouble> {
    let state = &visit.dashboard.state;
    if state.emulator {
        let account = emulated_account(claimed);
        return Ok(Some(Proof::Account(AccountProof::Emulated { account })));
    }
    let sealed = form.get("nonce").unwrap_or_default();
    let nonce = open_nonce(visit, sealed).ok_or(Trouble::Stale)?;
    let scope = format!("{}/{}/{SERVICE}", nonce.date, state.region());
    let key: Option<AccessKeyId> = claimed.parse().ok();
    let proof = key.and_then(|id| {
        let known = visit.world.signing_key(id)?;
        let key = state.signing_key(known, &scope)?;
        let right = hex::encode(key.sign(&format!("{PURPOSE}{sealed}")));
        let given = form.get("signature").unwrap_or_default();
        let same = bool::from(right.as_bytes().ct_eq(given.as_bytes()));
        same.then(|| AccountProof::of(known))
    });
    let Some(proof) = proof else { return Ok(None) };
    // Taken once, and only by whoever could sign it: nobody else can use it up.
    if !visit.dashboard.ended.end(&nonce.id, nonce.made + FORM_LIFE, visit.now) {
        return Err(Trouble::Stale);
    }
    Ok(Some(Proof::Account(proof)))
}

/// A nonce that this visitor was given a while ago.
fn open_nonce(visit: &Visit, sealed: &str) -> Option<Nonce> {
    let bytes = BASE64.decode(sealed).ok()?;
    let text = visit.dashboard.state.secret.open(&bytes, SEALED_FOR).ok()?;
    let nonce: Nonce = serde_json::from_slice(&text).ok()?;
    let live = nonce.made <= visit.now && visit.now < nonce.made + FORM_LIFE;
    (live && nonce.visitor == visit.form_token && !visit.dashboard.ended.has(&nonce.id))
        .then_some(nonce)
}

/// Begins a session, in place of the one that there may be: what that one speaks for, the new one does. Who
/// lacks what a team of theirs demands is led to where they get it.
fn enter(visit: &Visit, proof: Proof, back: &str) -> Response {
    let before = visit.session.as_ref();
    let (mut user, mut account) =
        before.map_or((None, None), |before| (before.user.clone(), before.account.clone()));
    match proof {
        Proof::User(proof) => user = Some(proof),
        Proof::Account(proof) => account = Some(proof),
    }
    // Adding the other side makes nothing last longer.
    let made = before.map_or(visit.now, |before| before.made);
    let session = Session { id: fresh_id(), made, user, account };
    let Some(sealed) = session.seal(&visit.dashboard.state.secret) else {
        return problem(&visit.context(), &Problem::Failed(String::new()));
    };
    if let Some(before) = before {
        visit.dashboard.ended.end(&before.id, before.end(), visit.now);
    }
    let answer = match session.enrols(&visit.world, visit.now) {
        Some(_) => see_other(&second_factor::path_to(back)),
        None => see_other(dashboard::way_back(back)),
    };
    let answer = with_cookie(answer, Cookie::Session.set(&sealed, visit.secure));
    with_cookie(answer, Cookie::Visitor.clear(visit.secure))
}

/// Ends the session.
pub(super) fn sign_out(visit: &Visit) -> Response {
    if let Some(session) = &visit.session {
        visit.dashboard.ended.end(&session.id, session.end(), visit.now);
    }
    let answer = see_other(dashboard::SIGN_IN_PATH);
    with_cookie(answer, Cookie::Session.clear(visit.secure))
}

/// Has the audit know of an attempt that failed. Only the audit learns whom it was for.
fn note(visit: &Visit, way: Way, name: &str) {
    let resource = match way {
        Way::Token => String::new(),
        Way::Password => {
            visit.world.user_named(name).map(|user| user.id.to_string()).unwrap_or_default()
        }
        Way::AccessKey => {
            name.chars().filter(char::is_ascii_alphanumeric).take(LONGEST_KEY).collect()
        }
    };
    let message = format!("A sign-in to the dashboard by {} failed.", way.name());
    visit.note_refused("Dashboard.SignIn", &resource, "unauthorized", &message);
}
