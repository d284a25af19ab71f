//! The emulator believes everybody, so it must be sure that everybody is on this machine, and no
//! page that a browser here shows: such a page could send it requests (across origins), or have
//! its own name mean this machine and read the answers (DNS rebinding).

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

/// Lets only requests through that were sent to this machine by its own name, and by no page of
/// another.
pub(crate) fn guard(router: Router) -> Router {
    router.layer(from_fn(check))
}

async fn check(request: Request, next: Next) -> Response {
    match refused(request.headers(), request.uri()) {
        None => next.run(request).await,
        Some(why) => {
            let body = serde_json::json!({ "id": "forbidden", "message": why });
            (StatusCode::FORBIDDEN, axum::Json(body)).into_response()
        }
    }
}

fn refused(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST).or_else(|| uri.authority().map(|a| a.as_str()));
    if !host.is_some_and(is_near) {
        return Some(
            "An emulator answers to localhost, 127.0.0.1 and [::1] only; the Host header names \
             another."
                .to_owned(),
        );
    }
    let origin = text(header::ORIGIN)?;
    let near = origin.split_once("://").is_some_and(|(_, authority)| is_near(authority));
    (!near).then(|| "An emulator takes no requests from the pages of other sites.".to_owned())
}

/// Whether an authority is this machine, by a name that nobody else can give out.
fn is_near(authority: &str) -> bool {
    let name = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if port.is_empty() || is_port(port) => address,
            Some(_) | None => return false,
        },
        None => match authority.find(':') {
            Some(at) if is_port(&authority[at..]) => &authority[..at],
            Some(_) => return false,
            None => authority,
        },
    };
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

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_this_machine_is_answered() {
        let uri = Uri::from_static("/");
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
            assert_eq!(refused(&headers(host, None), &uri), None, "{host}");
            assert_eq!(refused(&headers(host, Some("http://localhost:3000")), &uri), None);
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
            assert!(refused(&headers(host, None), &uri).is_some(), "{host}");
        }
        for origin in ["https://evil.example", "null", "http://localhost.evil.example", "file://"] {
            let got = refused(&headers("localhost:4880", Some(origin)), &uri);
            assert!(got.is_some(), "{origin}");
        }
        assert!(refused(&HeaderMap::new(), &uri).is_some(), "no host at all");
        let absolute = Uri::from_static("http://127.0.0.1:4880/healthz");
        assert_eq!(refused(&HeaderMap::new(), &absolute), None);
    }
}
