//! The line of one request in the routers' log, in Heroku's form. It is written when the record is
//! dropped, so every request has its line however it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;

use super::code::Code;
use super::dyno::{Dyno, Lease};
use super::figures::WEB;
use super::head::RequestHead;
use super::table::App;
use crate::clock;

/// The most bytes of a path that are logged.
const PATH_BYTES: usize = 2048;
/// The most bytes that are logged of the addresses by which a request came.
const CLIENT_BYTES: usize = 512;

/// What will be logged of a request.
#[derive(Debug)]
pub(crate) struct RequestRecord {
    pub app: Arc<App>,
    pub method: Method,
    /// The head of the request, as a dyno gets it.
    pub request: RequestHead,
    /// Whether the request came over TLS.
    pub secure: bool,
    /// The dyno that the request went to last.
    pub lease: Option<Lease>,
    /// How long it took to connect to the dyno.
    pub connect: Option<Duration>,
    /// When the request was sent to the dyno.
    pub sent: Option<Instant>,
    /// The status of the response.
    pub status: u16,
    /// The code of what went wrong.
    pub code: Option<Code>,
    /// Why the router turned the request away, if it did.
    pub note: Option<&'static str>,
    /// The number of bytes of the response's body that went out.
    pub bytes: u64,
    /// Whether the response came to its end or failed. If neither, the client went away.
    pub ended: bool,
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        if !self.ended {
            self.code = Some(Code::H27);
            if self.status == 0 {
                self.status = Code::H27.logged();
            }
        }
        let service = self.sent.map(|sent| sent.elapsed());
        WEB.answered(self.status);
        if let Some(code) = self.code {
            WEB.failed(code);
        }
        if let Some(service) = service {
            WEB.served(self.connect.unwrap_or_default() + service);
        }
        self.app.log.add(|out| self.write(out, service));
    }
}

impl RequestRecord {
    /// The record of a request that has just come.
    pub(crate) fn new(app: Arc<App>, secure: bool, method: Method, request: RequestHead) -> Self {
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

    /// The dyno that the request went to last.
    pub(crate) fn dyno(&self) -> Option<&Arc<Dyno>> {
        self.lease.as_ref().map(Lease::dyno)
    }

    /// Ends the request to its dyno.
    pub(crate) fn release(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.end();
        }
    }

    fn write(&self, out: &mut String, service: Option<Duration>) {
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
        push_millis(out, service);
        out.push_str(" status=");
        out.push_str(itoa::Buffer::new().format(self.status));
        out.push_str(" bytes=");
        out.push_str(itoa::Buffer::new().format(self.bytes));
        out.push_str(if self.secure { " protocol=https" } else { " protocol=http" });
    }
}

fn push_millis(out: &mut String, time: Option<Duration>) {
    if let Some(time) = time {
        out.push_str(itoa::Buffer::new().format(time.as_millis() as u64));
        out.push_str("ms");
    }
}

/// Writes a text that a client chose, up to `most` bytes of it. The client must not be able to write
/// fields or lines of its own, nor so much that the log holds little else.
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
        let forwarded = head::ForwardedHeaders {
            client: HeaderValue::from_static("\"x\""),
            proto: HeaderValue::from_static("http"),
            port: HeaderValue::from_static("80"),
        };
        let host = head::check(&parts).unwrap();
        let written = head::to_dyno(&parts, host, &forwarded, None, head::Framing::Bodiless);
        let mut record = RequestRecord::new(app, false, parts.method, written);
        (record.status, record.code, record.bytes, record.ended) = (503, Some(Code::H14), 12, true);
        let mut line = String::new();
        record.write(&mut line, None);
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
