//! Refuses changes that somebody else's page asks for.

use axum::http::HeaderMap;
use axum::response::Response;
use dashboard::Problem;

use super::answer::problem;
use super::form::Form;
use super::visit::Visit;

/// The answer to a request that changes something and is not of a form of this session, or of this
/// visitor; `None` if it is.
pub(super) fn refuse_foreign(visit: &Visit, headers: &HeaderMap, form: &Form) -> Option<Response> {
    if is_from_own_page(headers) && visit.is_own_form(form.get("form")) {
        return None;
    }
    let message = "The form is not one of this dashboard's, or is of another session.";
    visit.note_refused("POST /dashboard", "", "forbidden", message);
    Some(problem(&visit.context(), &Problem::CrossSite))
}

/// Whether a request that changes something comes from a page of this dashboard. A browser says so
/// itself in `Sec-Fetch-Site`; one that does not sends the page's origin.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (text("origin"), text("host")) else { return false };
    let page = origin.split_once("://").map(|(_, page)| page);
    !host.is_empty() && page.is_some_and(|page| page.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(fields: &[(&'static str, &str)]) -> bool {
        let headers = fields.iter().map(|(name, value)| {
            (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
        });
        is_from_own_page(&headers.collect())
    }

    #[test]
    fn a_browser_says_whose_page_asks() {
        let host = ("host", "cw.example:4880");
        for (fields, own) in [
            (vec![host, ("sec-fetch-site", "same-origin")], true),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "none")], false),
            (
                vec![host, ("sec-fetch-site", "cross-site"), ("origin", "http://cw.example:4880")],
                false,
            ),
            (vec![host, ("origin", "http://cw.example:4880")], true),
            (vec![host, ("origin", "https://CW.example:4880")], true),
            (vec![host, ("origin", "http://cw.example")], false),
            (vec![host, ("origin", "http://evil.example")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host], false),
            (vec![("origin", "http://")], false),
            (vec![("host", ""), ("origin", "http://")], false),
        ] {
            assert_eq!(taken(&fields), own, "{fields:?}");
        }
    }
}
