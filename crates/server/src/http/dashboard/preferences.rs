//! The language, the theme, and whether a key leads to the search: a browser keeps them.

use axum::response::Response;
use dashboard::{Language, Theme};

use super::answer::{see_other, with_cookie};
use super::cookies::Cookie;
use super::form::Form;
use super::visit::Visit;

/// Keeps what was chosen, and goes back to the page.
pub(super) fn choose(visit: &Visit, form: &Form) -> Response {
    let back = form.get("back").unwrap_or_default();
    // The pages that no sign-in leads back to have the same form.
    let back = match back {
        dashboard::SIGN_IN_PATH | dashboard::SECOND_FACTOR_PATH => back,
        other => dashboard::way_back(other),
    };
    let mut answer = see_other(back);
    if let Some(language) = form.get("language").and_then(Language::find) {
        answer = with_cookie(answer, Cookie::Language.set(language.code(), visit.secure));
    }
    answer = match form.get("shortcut") {
        Some("off") => with_cookie(answer, Cookie::Shortcut.set("off", visit.secure)),
        Some("on") => with_cookie(answer, Cookie::Shortcut.clear(visit.secure)),
        _ => answer,
    };
    match form.get("theme") {
        Some("system") => with_cookie(answer, Cookie::Theme.clear(visit.secure)),
        Some(name) => match Theme::find(name) {
            Some(theme) => with_cookie(answer, Cookie::Theme.set(theme.name(), visit.secure)),
            None => answer,
        },
        None => answer,
    }
}
