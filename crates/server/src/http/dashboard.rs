//! The dashboard, under `/dashboard`: pages for people, in a browser.
//!
//! `causeway-dashboard` makes the pages. Here is what they need of a server: sessions, forms that become
//! the commands of the APIs, and events that tell of changes.

mod answer;
mod app_log;
mod app_place;
mod apps;
mod area;
mod aside;
mod audit;
mod change;
mod cookies;
mod events;
mod form;
mod guard;
mod keys;
mod log_in;
mod operating;
mod place;
mod preferences;
mod second_factor;
mod session;
mod shared;
mod sign_in;
mod visit;
mod vpc;
mod why;
mod why_not;

#[cfg(test)]
mod tests;

use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use dashboard::{Asset, EVENTS_PATH, PREFERENCES_PATH, Problem, SIGN_IN_PATH, SIGN_OUT_PATH, Told};

use self::form::Form;
use self::place::Place;
pub(crate) use self::shared::Dashboard;
use self::visit::Visit;

/// The routes.
pub(crate) fn router(dashboard: Dashboard) -> Router {
    Router::new()
        .route("/dashboard", any(serve))
        .route("/dashboard/", any(serve))
        .route("/dashboard/{*page}", any(serve))
        .with_state(dashboard)
}

async fn serve(Shared(dashboard): Shared<Dashboard>, request: Request) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    let visit = Visit::of(&dashboard, &parts);
    let request_id = visit.origin.request_id.clone();
    let asset = Asset::find(path).filter(|_| reads);
    let counted = match (&asset, reads) {
        (Some(_), _) => &dashboard.counted.asset,
        (None, true) if path == EVENTS_PATH => &dashboard.counted.events,
        (None, true) => &dashboard.counted.page,
        (None, false) if parts.method == Method::POST => &dashboard.counted.form,
        (None, false) => &dashboard.counted.other,
    };
    let mut answer = match asset {
        Some(asset) => answer::asset(asset),
        None => match dashboard.rates.take(visit.party(), visit.now) {
            Err(_) => answer::problem(&visit.context(), &Problem::TooFast),
            Ok(_) if reads => get(visit, &parts, Form::of_query(parts.uri.query())).await,
            Ok(_) if parts.method == Method::POST => match Form::read(&parts.headers, body).await {
                Some(form) => post(visit, &parts, &form).await,
                None => answer::problem(&visit.context(), &Problem::BadRequest),
            },
            Ok(_) => {
                let allow = (header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
                (StatusCode::METHOD_NOT_ALLOWED, [allow]).into_response()
            }
        },
    };
    if answer.status().is_server_error() {
        let status = answer.status();
        tracing::warn!(request_id, %status, "a request of the dashboard failed");
    }
    answer::complete(answer.headers_mut(), &request_id);
    counted.answered(began, answer.status());
    answer
}

async fn get(visit: Visit, parts: &Parts, query: Form) -> Response {
    let path = parts.uri.path();
    match path {
        SIGN_IN_PATH => return sign_in::show(&visit, &query),
        EVENTS_PATH => return events::open(visit, &query).await,
        _ => {}
    }
    if let Some(log) = app_log::place(path) {
        return app_log::open(visit, log, &query, &parts.headers);
    }
    if visit.session.is_none() {
        return sign_in::lead(&visit);
    }
    if second_factor::is_here(path) {
        return second_factor::show(&visit, &query);
    }
    if visit.must_enrol() {
        return second_factor::lead(&visit);
    }
    if log_in::is_here(path) {
        return log_in::show(&visit);
    }
    let asked = parts.uri.query().unwrap_or_default();
    match Place::of(path, asked) {
        Some(Place::Area(area)) => area::show(&visit, &area, &query).await,
        Some(Place::InVpc { vpc, page }) => vpc::show(visit, vpc, page, query).await,
        Some(place) => {
            if let Place::Why { question, .. } = &place
                && let Some(did) = vpc::did(&visit, &query)
            {
                return why::show_did(visit, question.clone(), did).await;
            }
            let (told, takes_time) = (Told::read(asked), place.takes_time());
            let dashboard = visit.dashboard.clone();
            let make = move || show(&visit, &place, told);
            if takes_time { dashboard.page_aside(make).await } else { make() }
        }
        None => answer::problem(&visit.context(), &Problem::NotFound),
    }
}

/// A page that a live one is compared with.
fn show(visit: &Visit, place: &Place, told: Option<Told>) -> Response {
    let of = visit.context();
    match place.render(&of, &visit.dashboard, told) {
        Some(html) => answer::page(place.status(&of), html.map(|html| events::with_hash(&html))),
        None => answer::problem(&of, &Problem::NotFound),
    }
}

async fn post(visit: Visit, parts: &Parts, form: &Form) -> Response {
    let (headers, path) = (&parts.headers, parts.uri.path());
    let place = Place::of(path, parts.uri.query().unwrap_or_default());
    // Whose session has ended is told so, rather than that the form is not theirs.
    let wants_session = place.is_some()
        || path == SIGN_OUT_PATH
        || log_in::is_here(path)
        || second_factor::is_here(path);
    if visit.session.is_none() && wants_session {
        return sign_in::over(&visit);
    }
    if let Some(refused) = guard::refuse_foreign(&visit, headers, form) {
        return refused;
    }
    match (path, place) {
        (SIGN_IN_PATH, _) => sign_in::sign_in(visit, form).await,
        (SIGN_OUT_PATH, _) => sign_in::sign_out(&visit),
        (PREFERENCES_PATH, _) => preferences::choose(&visit, form),
        _ if second_factor::is_here(path) => second_factor::change(visit, form).await,
        _ if visit.must_enrol() => second_factor::keep_out(&visit),
        _ if log_in::is_here(path) => log_in::decide(&visit, form),
        (_, Some(place)) => change::change(visit, place, form).await,
        (_, None) => answer::problem(&visit.context(), &Problem::NotFound),
    }
}
