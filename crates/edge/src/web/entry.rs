//! What the log says of one request, in Heroku's form. It is written when the last hand lets go
//! of it, so every request has its line however it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;

use super::code::Code;
use super::dyno::{Dyno, Lease};
use super::head::Written;
use super::table::App;
use crate::clock;
use crate::digits::Digits;

/// What is logged of a path, and of the addresses that a request came by.
const PATH_BYTES: usize = 2048;
const CLIENT_BYTES: usize = 512;

/// A request on its way into the log.
#[derive(Debug)]
pub struct Entry {
    /// Whose it is.
    pub app: Arc<App>,
    /// The request's method.
    pub method: Method,
    /// Its head, as a dyno gets it.
    pub request: Written,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Which dyno had it.
    pub lease: Option<Lease>,
    /// How long the connection to it took.
    pub connect: Option<Duration>,
    /// When it went to the dyno.
    pub sent: Option<Instant>,
    /// What was answered.
    pub status: u16,
    /// What went wrong.
    pub code: Option<Code>,
    /// What else there is to say of it.
    pub note: Option<&'static str>,
    /// How much of the response's body went out.
    pub bytes: u64,
    /// Whether it came to its end, good or bad. If not, the client went away.
    pub ended: bool,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.ended {
            self.code = Some(Code::H27);
            if self.status == 0 {
                self.status = Code::H27.logged();
            }
        }
        self.app.log.add(|out| self.write(out));
    }
}

impl Entry {
    /// A request that came to an app.
    pub fn new(app: Arc<App>, secure: bool, method: Method, request: Written) -> Self {
        Self {
            app,
            method,
            request,
            secure,
            lease: None,
            connect: None,
            sent: None,
            status: 0,
            code: None,
            note: None,
            bytes: 0,
            ended: false,
        }
    }

    /// The dyno that has it, or had it last.
    pub fn dyno(&self) -> Option<&Dyno> {
        self.lease.as_ref().map(|lease| &**lease.dyno())
    }

    /// Says that no dyno has it any more.
    pub fn release(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.end();
        }
    }

    fn write(&self, out: &mut String) {
        clock::write_rfc3339(out, clock::since_epoch());
        out.push_str(" router: at=");
        match (self.code, self.note) {
            (None, None) => out.push_str("info"),
            (None, Some(note)) => {
                for text in ["warning desc=\"", note, "\""] {
                    out.push_str(text);
                }
            }
            (Some(code), _) => {
                let (level, name, what) = (code.level(), code.name(), code.description());
                for text in [level, " code=", name, " desc=\"", what, "\""] {
                    out.push_str(text);
                }
            }
        }
        out.push_str(" method=");
        out.push_str(self.method.as_str());
        out.push_str(" path=\"");
        push_quoted(out, self.request.target(), PATH_BYTES);
        out.push_str("\" host=");
        out.push_str(self.request.host());
        out.push_str(" request_id=");
        out.push_str(self.request.id());
        out.push_str(" fwd=\"");
        push_quoted(out, self.request.client(), CLIENT_BYTES);
        out.push_str("\" dyno=");
        out.push_str(self.dyno().map_or("", |dyno| &dyno.name));
        out.push_str(" connect=");
        push_millis(out, self.connect);
        out.push_str(" service=");
        push_millis(out, self.sent.map(|sent| sent.elapsed()));
        out.push_str(" status=");
        out.push_str(Digits::of(self.status.into(), 1).as_str());
        out.push_str(" bytes=");
        out.push_str(Digits::of(self.bytes, 1).as_str());
        out.push_str(if self.secure { " protocol=https" } else { " protocol=http" });
    }
}

fn push_millis(out: &mut String, time: Option<Duration>) {
    if let Some(time) = time {
        out.push_str(Digits::of(time.as_millis() as u64, 1).as_str());
        out.push_str("ms");
    }
}

/// A client must not be able to write fields, or lines, of its own, nor so much that the log holds
/// little else.
fn push_quoted(out: &mut String, text: &str, most: usize) {
    let end = text.floor_char_boundary(most);
    let (text, more) = (&text[..end], if end < text.len() { "…" } else { "" });
    push_escaped(out, text);
    out.push_str(more);
}

fn push_escaped(out: &mut String, text: &str) {
    if !text.bytes().any(|byte| byte == b'"' || byte == b'\\' || byte.is_ascii_control()) {
        out.push_str(text);
        return;
    }
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            char if char.is_ascii_control() => out.push('?'),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::head;
    use crate::web::log::Logs;
    use arc_swap::ArcSwap;
    use http::HeaderValue;
    use tokio::sync::Notify;

    #[test]
    fn long_texts_are_cut() {
        let mut out = String::new();
        push_quoted(&mut out, &"é".repeat(10), 5);
        push_quoted(&mut out, "\"short\"", 7);
        assert_eq!(out, "éé…\\\"short\\\"");
    }

    #[test]
    fn a_line_has_herokus_fields() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::start(dir.path()).unwrap();
        let app = Arc::new(App {
            log: logs.of(model::AppId(uuid::Uuid::from_u128(9))),
            view: ArcSwap::default(),
            changed: Notify::new(),
        });
        let (parts, ()) = http::Request::get("/a?b")
            .header("host", "demo.apps.localhost:4881")
            .header("x-request-id", "an-id-of-the-clients")
            .header("x-forwarded-for", "192.0.2.1")
            .body(())
            .unwrap()
            .into_parts();
        let marks = head::Marks {
            client: HeaderValue::from_static("\"x\""),
            proto: HeaderValue::from_static("http"),
            port: HeaderValue::from_static("80"),
        };
        let host = head::check(&parts).unwrap();
        let written = head::to_dyno(&parts, host, &marks, None, head::Framing::Bodiless);
        let mut entry = Entry::new(app, false, parts.method, written);
        (entry.status, entry.code, entry.bytes, entry.ended) = (503, Some(Code::H14), 12, true);
        let mut line = String::new();
        entry.write(&mut line);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with("+00:00"));
        assert_eq!(
            rest,
            "router: at=error code=H14 desc=\"No web processes running\" method=GET path=\"/a?b\" \
             host=demo.apps.localhost request_id=an-id-of-the-clients fwd=\"192.0.2.1, \\\"x\\\"\" dyno= connect= \
             service= status=503 bytes=12 protocol=http"
        );
    }
}
