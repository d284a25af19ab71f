//! Allowing a command to log in, by whoever is signed in.

use axum::http::StatusCode;
use axum::response::Response;
use dashboard::{LogIn, LogInState, Problem, Viewer};

use super::answer::{page, problem};
use super::form::Form;
use super::visit::Visit;
use crate::http::login_requests::{Answer, LoginRequest};

/// The id of a request in the path of its page.
fn id_of(path: &str) -> Option<&str> {
    path.strip_prefix(dashboard::LOG_IN_PATH)?.strip_prefix('/').filter(|id| !id.contains('/'))
}

/// Whether a path is that of such a page.
pub(super) fn is_here(path: &str) -> bool {
    id_of(path).is_some()
}

/// Asks whether a command may log in.
pub(super) fn show(visit: &Visit) -> Response {
    let Some(request) = find(visit) else { return gone(visit) };
    ask(visit, StatusCode::OK, &request, false)
}

fn find(visit: &Visit) -> Option<LoginRequest> {
    visit.dashboard.state.browser_logins.find(id_of(&visit.path)?, visit.now)
}

fn gone(visit: &Visit) -> Response {
    tell(visit, StatusCode::NOT_FOUND, LogInState::Gone)
}

fn tell(visit: &Visit, status: StatusCode, state: LogInState<'_>) -> Response {
    page(status, dashboard::log_in(&visit.context(), &LogIn { state }))
}

fn ask(visit: &Visit, status: StatusCode, request: &LoginRequest, typed_wrong: bool) -> Response {
    let from = address(request);
    let is_near = request.is_from(visit.origin.address);
    let state = LogInState::Asks {
        description: &request.description,
        from: &from,
        made: request.made,
        must_type: !is_near,
        typed_wrong,
    };
    tell(visit, status, state)
}

fn address(request: &LoginRequest) -> String {
    request.from.map_or_else(|| "?".to_owned(), |address| address.to_string())
}

/// Answers a request. Only a user may: a token is one of somebody.
pub(super) fn decide(visit: &Visit, form: &Form) -> Response {
    let Viewer { user: Some(user), .. } = visit.viewer else {
        return tell(visit, StatusCode::FORBIDDEN, LogInState::NoUser);
    };
    let (Some(request), Some(id)) = (find(visit), id_of(&visit.path)) else { return gone(visit) };
    let logins = &visit.dashboard.state.browser_logins;
    match form.get("answer") {
        Some("deny") => {
            logins.answer(id, Answer::Denied, visit.now);
            tell(visit, StatusCode::OK, LogInState::Denied)
        }
        Some("allow") => {
            let typed = form.get("confirm").unwrap_or_default().trim();
            if !request.is_from(visit.origin.address) && typed != address(&request) {
                return ask(visit, StatusCode::UNPROCESSABLE_ENTITY, &request, true);
            }
            let world = visit.dashboard.state.world();
            let Some(as_of) = world.user(user).map(|user| user.updated) else { return gone(visit) };
            match logins.answer(id, Answer::Allowed { user, as_of }, visit.now) {
                true => tell(visit, StatusCode::OK, LogInState::Allowed),
                false => gone(visit),
            }
        }
        _ => problem(&visit.context(), &Problem::BadRequest),
    }
}
