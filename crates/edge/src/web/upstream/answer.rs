//! The head of a dyno's response, and where its body ends (RFC 9112 §6.3).

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use hyper::ext::ReasonPhrase;

use super::not_http::{FIELDS, NotHttp};
use super::payload::Payload;
use crate::web::head::number;

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The dyno's own words for the status, if they are not the usual ones.
    pub reason: Option<ReasonPhrase>,
    /// The fields, as the dyno sent them.
    pub headers: HeaderMap,
}

/// What the bytes begin with.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A head that is not whole yet.
    Partial,
    /// An interim response of so many bytes (RFC 9110 §15.2), which only says that another one follows.
    Interim(usize),
    /// The head of a response, the number of its bytes, what follows it, and whether the dyno will take
    /// another request afterwards.
    Head { bytes: usize, answer: Answer, payload: Payload, keeps: bool },
}

/// Reads the head of the response to a request with this method, and puts its fields into an empty map.
pub(super) fn parse(
    block: &Bytes,
    method: &Method,
    mut headers: HeaderMap,
) -> Result<Parsed, NotHttp> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, block, &mut fields)
        .map_err(|_| NotHttp)?;
    let httparse::Status::Complete(bytes) = parsed else { return Ok(Parsed::Partial) };
    let status = StatusCode::from_u16(response.code.unwrap_or_default()).map_err(|_| NotHttp)?;
    let upgraded = status == StatusCode::SWITCHING_PROTOCOLS;
    if status.is_informational() && !upgraded {
        return Ok(Parsed::Interim(bytes));
    }
    let old = response.version == Some(0);
    let mut end = End { keeps: !old, ..End::default() };
    for field in &*response.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotHttp)?;
        let value = HeaderValue::from_maybe_shared(block.slice_ref(field.value));
        if end.note(&name, field.value)? {
            headers.append(name, value.map_err(|_| NotHttp)?);
        }
    }
    if end.chunked && (old || end.length.is_some()) {
        return Err(NotHttp);
    }
    let bodiless = upgraded
        || *method == Method::HEAD
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    let payload = match (bodiless, end.chunked, end.length) {
        (true, _, _) => Payload::Length(0),
        (false, true, _) => Payload::chunked(),
        (false, false, Some(length)) => Payload::Length(length),
        (false, false, None) => Payload::ToClose,
    };
    let keeps = end.keeps && !upgraded && !matches!(payload, Payload::ToClose);
    let said = response.reason.unwrap_or_default();
    let reason = (status.canonical_reason() != Some(said))
        .then(|| ReasonPhrase::try_from(said.as_bytes()).ok())
        .flatten();
    Ok(Parsed::Head { bytes, answer: Answer { status, reason, headers }, payload, keeps })
}

/// What the fields say about the end of the body and of the connection.
#[derive(Default)]
struct End {
    length: Option<u64>,
    chunked: bool,
    keeps: bool,
}

impl End {
    /// Notes a field; false if it only repeats another one.
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<bool, NotHttp> {
        if *name == header::CONTENT_LENGTH {
            let length = number(value).ok_or(NotHttp)?;
            let before = self.length.replace(length);
            if before.is_some_and(|before| before != length) {
                return Err(NotHttp);
            }
            return Ok(before.is_none());
        }
        if *name == header::TRANSFER_ENCODING {
            // The router would remove the names of further codings, which the client then could not undo.
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(NotHttp);
            }
            self.chunked = true;
        } else if *name == header::CONNECTION {
            for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if token.eq_ignore_ascii_case(b"close") {
                    self.keeps = false;
                } else if token.eq_ignore_ascii_case(b"keep-alive") {
                    self.keeps = true;
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(method: Method, text: &'static str) -> Result<Parsed, NotHttp> {
        parse(&Bytes::from_static(text.as_bytes()), &method, HeaderMap::new())
    }

    fn end(method: Method, text: &'static str) -> (Payload, bool) {
        match parsed(method, text).unwrap() {
            Parsed::Head { payload, keeps, bytes, .. } => {
                assert_eq!(bytes, text.len());
                (payload, keeps)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_end_of_a_body_is_where_the_rfc_says() {
        let cases: [(Method, &str, Payload, bool); 12] = [
            (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Payload::Length(5), true),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
                Payload::Length(5),
                true,
            ),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n",
                Payload::chunked(),
                true,
            ),
            (Method::GET, "HTTP/1.1 200 OK\r\n\r\n", Payload::ToClose, false),
            (
                Method::HEAD,
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
                Payload::Length(0),
                true,
            ),
            (
                Method::HEAD,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                Payload::Length(0),
                true,
            ),
            (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", Payload::Length(0), true),
            (
                Method::GET,
                "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
                Payload::Length(0),
                true,
            ),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close\r\n\r\n",
                Payload::Length(5),
                false,
            ),
            (
                Method::GET,
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n",
                Payload::Length(5),
                false,
            ),
            (
                Method::GET,
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n",
                Payload::Length(5),
                true,
            ),
            (
                Method::GET,
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
                Payload::Length(0),
                false,
            ),
        ];
        for (method, text, payload, keeps) in cases {
            assert_eq!(end(method, text), (payload, keeps), "{text}");
        }
    }

    #[test]
    fn an_end_that_is_not_certain_is_refused() {
        for fields in [
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: +5\r\n",
            "content-length: 5, 5\r\n",
            "content-length: \r\n",
            "content-length: 99999999999999999999\r\n",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: identity\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "x: a\r\n b\r\n",
            "x : a\r\n",
        ] {
            let block = Bytes::from(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
            let parsed = parse(&block, &Method::GET, HeaderMap::new());
            assert!(matches!(parsed, Err(NotHttp)), "{fields}");
        }
        let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(parsed(Method::GET, old).is_err());
        assert!(parsed(Method::GET, "HTTP/2 200 OK\r\n\r\n").is_err());
        assert!(parsed(Method::GET, "HTTP/1.1 099 OK\r\n\r\n").is_err());
    }

    #[test]
    fn what_only_says_that_a_response_will_come_is_told_apart() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        assert!(matches!(parsed(Method::POST, text), Ok(Parsed::Interim(25))));
        let part = "HTTP/1.1 200 OK\r\nx: y\r\n";
        assert!(matches!(parsed(Method::GET, part), Ok(Parsed::Partial)));
    }

    #[test]
    fn own_words_for_a_status_are_kept() {
        let reason = |text| match parsed(Method::GET, text).unwrap() {
            Parsed::Head { answer, .. } => answer.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason("HTTP/1.1 200 OK\r\n\r\n"), None);
        assert_eq!(reason("HTTP/1.1 200 Fine\r\n\r\n").unwrap().as_bytes(), b"Fine");
        assert_eq!(reason("HTTP/1.1 200\r\n\r\n").unwrap().as_bytes(), b"");
    }

    proptest! {
        #[test]
        fn nothing_that_a_dyno_says_makes_it_panic(bytes: Vec<u8>, fields in "[ -~\r\n]{0,80}") {
            let _ = parse(&bytes.into(), &Method::GET, HeaderMap::new());
            let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
            let _ = parse(&text.into(), &Method::GET, HeaderMap::new());
        }
    }
}
