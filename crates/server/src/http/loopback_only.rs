//! Restricts the emulator to programs of this machine.
//!
//! The emulator accepts any credentials, so it must not take requests from web pages that a browser
//! on this machine shows. Such a page could send requests by a form, an image or a link, or read
//! answers by having its own name resolve to this machine (DNS rebinding). A browser names the page
//! behind a request in `Sec-Fetch-Site`, and in `Origin` for everything but plain `GET`s. Other
//! programs send neither and are not affected. Pages of this machine are refused like others,
//! because the pages of apps have such names too.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

/// The header in which a browser tells how the page behind a request relates to its target.
const FETCH_SITE: &str = "sec-fetch-site";

/// Refuses requests that were not addressed to this machine by its own name, and requests of web
/// pages.
pub(crate) fn guard(router: Router, allowed: Vec<String>) -> Router {
    let allowed: Arc<[String]> = allowed.into();
    router.layer(from_fn(move |request, next| check(Arc::clone(&allowed), request, next)))
}

async fn check(allowed: Arc<[String]>, request: Request, next: Next) -> Response {
    match refused(&allowed, request.headers(), request.uri()) {
        None => next.run(request).await,
        Some(why) if request.uri().path() == "/" => {
            crate::http::aws::forbidden(request.headers(), &why)
        }
        Some(why) => {
            let body = serde_json::json!({ "id": "forbidden", "message": why });
            (StatusCode::FORBIDDEN, axum::Json(body)).into_response()
        }
    }
}

fn refused(allowed: &[String], headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST.as_str()).or_else(|| uri.authority().map(|a| a.as_str()));
    let is_known = |host: &&str| is_loopback(host) || is_among(allowed, host);
    let Some(host) = host.filter(is_known) else {
        return Some(
            "An emulator answers to localhost, 127.0.0.1, [::1] and the names of --allow-host only; \
             the Host header names another."
                .to_owned(),
        );
    };
    // A browser sends `none` for an address that the user typed or opened.
    let by_page = text(FETCH_SITE).is_some_and(|site| !["none", "same-origin"].contains(&site));
    let by_origin = text(header::ORIGIN.as_str()).is_some_and(|origin| {
        !origin.split_once("://").is_some_and(|(_, page)| page.eq_ignore_ascii_case(host))
    });
    let by_page = by_page || by_origin;
    by_page.then(|| "An emulator takes no requests from the pages of other sites.".to_owned())
}

fn is_among(allowed: &[String], authority: &str) -> bool {
    let name = name_in(authority).map(str::to_ascii_lowercase);
    name.is_some_and(|name| allowed.contains(&name))
}

/// The name or address in an authority, without its port.
fn name_in(authority: &str) -> Option<&str> {
    match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if port.is_empty() || is_port(port) => Some(address),
            Some(_) | None => None,
        },
        None => match authority.find(':') {
            Some(at) if is_port(&authority[at..]) => Some(&authority[..at]),
            Some(_) => None,
            None => Some(authority),
        },
    }
}

/// Whether an authority names the client's own machine, in a way that nobody else can claim.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let Some(name) = name_in(authority) else { return false };
    let lower = name.to_ascii_lowercase();
    lower == "localhost"
        || lower.ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn answered(fields: &[(&'static str, &str)]) -> bool {
        refused(&[], &headers(fields), &Uri::from_static("/")).is_none()
    }

    #[test]
    fn names_that_are_allowed_are_answered() {
        let allowed = ["causeway".to_owned(), "10.0.0.5".to_owned(), "fd00::5".to_owned()];
        let answered = |host: &str| {
            let fields = headers(&[("host", host)]);
            refused(&allowed, &fields, &Uri::from_static("/")).is_none()
        };
        for host in ["causeway", "Causeway:4880", "10.0.0.5:4880", "[fd00::5]:1", "localhost:4880"]
        {
            assert!(answered(host), "{host}");
        }
        for host in
            ["causeway.evil.example", "xcauseway", "10.0.0.6", "causeway:x", "causeway@evil"]
        {
            assert!(!answered(host), "{host}");
        }
    }

    #[test]
    fn only_this_machine_is_answered() {
        for host in [
            "localhost",
            "localhost:4880",
            "LOCALHOST:1",
            "127.0.0.1:4880",
            "127.9.9.9",
            "[::1]:4880",
            "[::1]",
            "shop.apps.localhost:4880",
        ] {
            assert!(answered(&[("host", host)]), "{host}");
            let own = format!("http://{host}");
            assert!(answered(&[("host", host), ("origin", &own)]), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:4880",
            "localhost.evil.example",
            "localhost:4880.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "[::1].evil.example",
            "xlocalhost",
        ] {
            assert!(!answered(&[("host", host)]), "{host}");
            assert!(!answered(&[("host", host), ("sec-fetch-site", "same-origin")]), "{host}");
        }
        assert!(!answered(&[]), "no host at all");
        let absolute = Uri::from_static("http://127.0.0.1:4880/healthz");
        assert_eq!(refused(&[], &HeaderMap::new(), &absolute), None);
    }

    #[test]
    fn pages_of_other_servers_are_refused() {
        let host = ("host", "localhost:4880");
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://localhost.evil.example",
            "file://",
            // Another server of this machine, such as an app.
            "http://localhost:3000",
            "http://shop.apps.localhost:4880",
        ] {
            assert!(!answered(&[host, ("origin", origin)]), "{origin}");
        }
        // The `GET` of an image, a form or a link has no `Origin`.
        for (site, taken) in
            [("cross-site", false), ("same-site", false), ("same-origin", true), ("none", true)]
        {
            assert_eq!(answered(&[host, ("sec-fetch-site", site)]), taken, "{site}");
        }
        assert!(!answered(&[host, ("sec-fetch-site", "a new word")]));
    }
}
