//! Fuzz target: whatever JSON a client sends to whatever path, it is answered, or refused in the
//! form of this API with nothing changed.

use std::sync::{Arc, Mutex, PoisonError};

use super::fixture::{ALICE, Fixture, request};

/// One request: a line with method and path, and a body.
pub(crate) fn asked(input: &[u8]) -> Option<(&str, &str, &str)> {
    let (line, body) = str::from_utf8(input).ok()?.split_once('\n')?;
    let (method, path) = line.split_once(' ')?;
    let method = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|it| *it == method)?;
    // What is no address never comes from an HTTP server.
    let whole = path.starts_with('/') && path.parse::<http::Uri>().is_ok();
    whole.then_some((method, path, body))
}

/// Keeps an installation as long as no input changes it, so that each input meets the same one.
pub(crate) struct SharedFixture {
    make: fn() -> Fixture,
    runtime: tokio::runtime::Runtime,
    fixture: Mutex<Option<Fixture>>,
}

impl SharedFixture {
    pub(crate) fn new(make: fn() -> Fixture) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        Self { make, runtime, fixture: Mutex::new(None) }
    }

    /// Sends a request, and looks at the answer: a refusal is in the form of the API, and changes
    /// nothing.
    pub(crate) fn ask(&self, token: fn(&Fixture) -> String, method: &str, path: &str, body: &str) {
        let mut kept = self.fixture.lock().unwrap_or_else(PoisonError::into_inner);
        let fixture = kept.take().unwrap_or_else(|| self.runtime.block_on(async { (self.make)() }));
        let request = request(method, path)
            .header("authorization", format!("Bearer {}", token(&fixture)))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap();
        let about = format!("{method} {path} {body}");
        let before = fixture.state.world();
        let got = self.runtime.block_on(fixture.send(request));
        let unchanged = Arc::ptr_eq(&before, &fixture.state.world());
        let status = got.status.as_u16();
        assert!(status < 500, "{about}: {got:?}");
        if status >= 400 {
            let (_, id) = got.error();
            assert!(!id.is_empty(), "{about}: {got:?}");
            assert!(unchanged, "{about}: it was refused, and changed something: {got:?}");
        } else if got.header("content-type").starts_with("application/json") {
            let _ = got.json();
        }
        if unchanged {
            *kept = Some(fixture);
        }
    }
}

#[test]
fn fuzz_platform() {
    let kept = SharedFixture::new(Fixture::new);
    ::fuzz::target("platform", move |input| {
        let Some((method, path, body)) = asked(input) else { return };
        kept.ask(|_| ALICE.to_owned(), method, path, body);
    });
}
