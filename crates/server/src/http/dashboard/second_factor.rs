//! A user's second factor: enabling it, its recovery codes, and disabling it.
//!
//! Who lacks what a team of theirs demands has a session that opens this page and no other.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use dashboard::{
    FactorForm, FactorPage, FactorState, FactorTrouble, Problem, SECOND_FACTOR_PATH, way_back,
};
use model::{Caller, IdentityCommand, User, UserId};

use super::answer::{page, problem, see_other, with_cookie};
use super::cookies::Cookie;
use super::form::Form;
use super::visit::{Visit, fresh_id};
use super::why_not::why_not;
use crate::http::second_factor::{
    Checked, NotProved, Offer, check, offer_in_session, offered_before, recovery_codes,
    recovery_hashes, take_up, was_right,
};
use crate::ledger::LedgerError;

/// Whether a path is that of the page.
pub(super) fn is_here(path: &str) -> bool {
    path == SECOND_FACTOR_PATH
}

/// The address of the page, which leads back to another one.
pub(super) fn path_to(back: &str) -> String {
    let back: String = form_urlencoded::byte_serialize(way_back(back).as_bytes()).collect();
    format!("{SECOND_FACTOR_PATH}?back={back}")
}

/// Leads there from a page that is not open to who has yet to enable a second factor.
pub(super) fn lead(visit: &Visit) -> Response {
    see_other(&path_to(&visit.path))
}

/// The answer to a form of such a page: nothing was done.
pub(super) fn keep_out(visit: &Visit) -> Response {
    let message = "A team of the user's demands a second factor.";
    visit.note_refused("POST /dashboard", "", "forbidden", message);
    render(visit, StatusCode::FORBIDDEN, Shown { back: &visit.path, ..Shown::default() })
}

/// The page.
pub(super) fn show(visit: &Visit, query: &Form) -> Response {
    let back = query.get("back").unwrap_or_default();
    let was_disabled = query.get("disabled").is_some();
    render(visit, StatusCode::OK, Shown { back, was_disabled, ..Shown::default() })
}

/// What a page shows beside the world.
#[derive(Default)]
struct Shown<'a> {
    back: &'a str,
    trouble: Option<FactorTrouble<'a>>,
    was_disabled: bool,
    /// What was offered before, and is still.
    enrolment: &'a str,
    /// Recovery codes that were just made.
    codes: Option<&'a [String]>,
}

/// Whose page it is; `None` for the operator, and for an account.
fn whose(visit: &Visit) -> Option<&User> {
    let user = visit.viewer.user.or(visit.enrols)?;
    visit.world.user(user).map(AsRef::as_ref)
}

fn render(visit: &Visit, status: StatusCode, shown: Shown<'_>) -> Response {
    let of = visit.context();
    let Some(user) = whose(visit) else { return problem(&of, &Problem::NotFound) };
    let offered;
    let state = match (shown.codes, &user.second_factor) {
        (Some(codes), _) => FactorState::Codes(codes),
        (None, Some(_)) => FactorState::Enabled,
        (None, None) => {
            offered = match offer(visit, user, shown.enrolment) {
                Ok(offer) => offer,
                Err(error) => return problem(&of, &Problem::Failed(error.to_string())),
            };
            let Offer { secret, url, enrolment } = &offered;
            FactorState::Offered { secret, url, enrolment }
        }
    };
    let back = way_back(shown.back);
    let (trouble, was_disabled) = (shown.trouble, shown.was_disabled);
    let mut answer = page(
        status,
        dashboard::second_factor(&of, &FactorPage { user, state, trouble, was_disabled, back }),
    );
    if let Some(FactorTrouble::TooMany(seconds)) = trouble {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn offer(visit: &Visit, user: &User, before: &str) -> store::Result<Offer> {
    let (state, now) = (&visit.dashboard.state, visit.now);
    if let Some(offer) = offered_before(state, user, before, now) {
        return Ok(offer);
    }
    let session = visit.session.as_ref().map_or("", |session| &session.id);
    offer_in_session(state, user, session, now)
}

/// Carries out what a form of the page asks for.
pub(super) async fn change(visit: Visit, form: &Form) -> Response {
    let back = form.get("back").unwrap_or_default();
    let code = form.get("code").unwrap_or_default();
    let Some(user) = whose(&visit).map(|user| user.id) else {
        visit.note_refused("POST /dashboard", "", "forbidden", "Only users have second factors.");
        return problem(&visit.context(), &Problem::NotFound);
    };
    match form.get("answer").and_then(FactorForm::find) {
        Some(FactorForm::Enable) => {
            let enrolment = form.get("enrolment").unwrap_or_default();
            enable(visit, user, enrolment, code, back).await
        }
        Some(FactorForm::Renew) => renew(visit, user, code, back).await,
        Some(FactorForm::Disable) => disable(visit, user, code, back).await,
        None => problem(&visit.context(), &Problem::BadRequest),
    }
}

async fn enable(visit: Visit, user: UserId, enrolment: &str, code: &str, back: &str) -> Response {
    let state = &visit.dashboard.state;
    let Some((sealed_secret, step)) = take_up(state, user, enrolment, code, visit.now) else {
        let trouble = Some(FactorTrouble::WrongCode(FactorForm::Enable));
        let shown = Shown { back, trouble, enrolment, ..Shown::default() };
        return render(&visit, StatusCode::UNPROCESSABLE_ENTITY, shown);
    };
    let codes = recovery_codes(&state.secret, &fresh_id());
    let recovery = recovery_hashes(&codes);
    let command = IdentityCommand::EnableSecondFactor { user, sealed_secret, step, recovery };
    match state.submit(Caller::User(user), command, &visit.origin).await {
        Ok(_) => in_new_session(visit, user, |visit| {
            let shown = Shown { back, codes: Some(&codes), ..Shown::default() };
            render(visit, StatusCode::OK, shown)
        }),
        Err(error) => refused(visit, error, back),
    }
}

async fn renew(visit: Visit, user: UserId, code: &str, back: &str) -> Response {
    let checked = match checked(&visit, FactorForm::Renew, code, back) {
        Ok(checked) => checked,
        Err(answer) => return *answer,
    };
    let state = &visit.dashboard.state;
    let codes = recovery_codes(&state.secret, &fresh_id());
    let (recovery, proof) = (recovery_hashes(&codes), checked.proof.clone());
    let command = IdentityCommand::ReplaceRecoveryCodes { user, recovery, proof };
    match state.submit(Caller::User(user), command, &visit.origin).await {
        Ok(_) => {
            was_right(state, &checked);
            let shown = Shown { back, codes: Some(&codes), ..Shown::default() };
            render(&visit.renewed(), StatusCode::OK, shown)
        }
        Err(error) => refused(visit, error, back),
    }
}

async fn disable(visit: Visit, user: UserId, code: &str, back: &str) -> Response {
    let checked = match checked(&visit, FactorForm::Disable, code, back) {
        Ok(checked) => checked,
        Err(answer) => return *answer,
    };
    let state = &visit.dashboard.state;
    let proof = Some(checked.proof.clone());
    let command = IdentityCommand::DisableSecondFactor { user, proof };
    match state.submit(Caller::User(user), command, &visit.origin).await {
        Ok(_) => {
            was_right(state, &checked);
            in_new_session(visit, user, |_| see_other(&format!("{SECOND_FACTOR_PATH}?disabled")))
        }
        Err(error) => refused(visit, error, back),
    }
}

/// Checks the code of a form, which the ledger sees used up.
fn checked(
    visit: &Visit,
    form: FactorForm,
    code: &str,
    back: &str,
) -> Result<Checked, Box<Response>> {
    let render = |status, trouble| {
        Box::new(render(visit, status, Shown { back, trouble, ..Shown::default() }))
    };
    let Some(user) = whose(visit).filter(|user| user.second_factor.is_some()) else {
        // It was disabled meanwhile.
        return Err(render(StatusCode::CONFLICT, None));
    };
    check(&visit.dashboard.state, user, code, visit.now).map_err(|why| match why {
        NotProved::TooMany(wait) => {
            let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            let trouble = Some(FactorTrouble::TooMany(seconds));
            render(StatusCode::TOO_MANY_REQUESTS, trouble)
        }
        NotProved::Wrong | NotProved::Failed(_) => {
            let message = "A code of a second factor was wrong.";
            let user = user.id.to_string();
            visit.note_refused("Dashboard.SecondFactor", &user, "unauthorized", message);
            render(StatusCode::UNPROCESSABLE_ENTITY, Some(FactorTrouble::WrongCode(form)))
        }
    })
}

fn refused(visit: Visit, error: LedgerError, back: &str) -> Response {
    let (status, refusal) = why_not(error);
    let trouble = Some(FactorTrouble::Refused(&refusal));
    render(&visit.renewed(), status, Shown { back, trouble, ..Shown::default() })
}

/// Answers in a session that takes the place of the one that there was: what proved the user before a change
/// of the second factor proves nothing after it, so every other session by password has ended.
fn in_new_session(visit: Visit, user: UserId, answer: impl FnOnce(&Visit) -> Response) -> Response {
    let state = &visit.dashboard.state;
    let world = state.world();
    let (Some(before), Some(user)) = (&visit.session, world.user(user)) else {
        return problem(&visit.context(), &Problem::NotFound);
    };
    let session = before.with_factor_of(user, fresh_id());
    let Some(sealed) = session.seal(&state.secret) else {
        return problem(&visit.context(), &Problem::Failed(String::new()));
    };
    visit.dashboard.ended.end(&before.id, before.end(), visit.now);
    let secure = visit.secure;
    let visit = visit.in_session(session);
    with_cookie(answer(&visit), Cookie::Session.set(&sealed, secure))
}
