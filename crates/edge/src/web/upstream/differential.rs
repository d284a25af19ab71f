//! The reader of responses against hyper's client: the same bytes, cut into the same pieces, have the
//! same meaning for both, but where the router refuses on purpose what hyper accepts.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Version};
use http_body::Body;
use http_body_util::Empty;
use hyper::client::conn::http1::{Builder, Connection};
use hyper::ext::ReasonPhrase;
use hyper::rt::{Read, ReadBufCursor, Write};
use proptest::prelude::*;

use super::payload::{Payload, Step};
use super::response::ResponseReader;
use crate::web::head::number;

/// The most bytes of a head, for both.
const HEAD_BYTES: usize = 64 * 1024;

/// What a dyno sends.
#[derive(Debug, Clone)]
struct Sent {
    /// The method of the request.
    method: Method,
    /// Not empty, any of them.
    pieces: Vec<Bytes>,
    /// Whether the dyno closes the connection after the last piece.
    closes: bool,
}

/// What a client understands.
#[derive(Debug, Clone, PartialEq)]
enum Understood {
    /// There is no whole head.
    NoHead,
    /// It is not HTTP.
    NotHttp,
    Response(Box<Response>),
}

#[derive(Debug, Clone)]
struct Response {
    /// The router does not keep it.
    version: Version,
    status: u16,
    reason: Option<Vec<u8>>,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
    end: End,
}

impl PartialEq for Response {
    fn eq(&self, other: &Self) -> bool {
        let parts = |it: &Self| {
            let (trailers, reason) = (it.trailers.clone(), it.reason.clone());
            (it.status, reason, it.headers.clone(), it.body.clone(), trailers, it.end)
        };
        parts(self) == parts(other)
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As it should, and the connection can be used again if this is true.
    Whole(bool),
    /// It breaks off, or goes on with what is not a body.
    Cut,
    /// More has to come.
    Waits,
}

/// What the router understands.
fn of_router(sent: &Sent) -> Understood {
    let mut reader = ResponseReader::new(HEAD_BYTES);
    reader.expect(&sent.method, HeaderMap::new());
    let mut pieces = sent.pieces.iter();
    let mut read = |reader: &mut ResponseReader| {
        let piece = pieces.next()?;
        reader.unread = [&reader.unread[..], piece].concat().into();
        Some(())
    };
    let answer = loop {
        match reader.answer() {
            Err(_) => return Understood::NotHttp,
            Ok(Some(answer)) => break answer,
            Ok(None) => match read(&mut reader) {
                Some(()) => {}
                None => return Understood::NoHead,
            },
        }
    };
    let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
    let end = loop {
        match reader.body() {
            Ok(Step::Data(data)) => body.extend_from_slice(&data),
            Ok(Step::Trailers(fields)) => trailers = fields,
            // What follows the response may come in a later piece.
            Ok(Step::Over) => break End::Whole(pieces.len() == 0 && reader.ends_at_rest()),
            Ok(Step::Read) => match read(&mut reader) {
                Some(()) => {}
                None if !sent.closes => break End::Waits,
                None if reader.payload() == Payload::ToClose => break End::Whole(false),
                None => break End::Cut,
            },
            Err(_) => break End::Cut,
        }
    };
    Understood::Response(Box::new(Response {
        version: Version::HTTP_11,
        status: answer.status.as_u16(),
        reason: answer.reason.map(|reason| reason.as_bytes().to_vec()),
        headers: answer.headers,
        body,
        trailers,
        end: if sent.closes && end == End::Whole(true) { End::Whole(false) } else { end },
    }))
}

/// A connection over which the dyno's pieces come once it has the request.
struct Wire {
    pieces: VecDeque<Bytes>,
    closes: bool,
    asked: bool,
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked {
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else {
            return if self.closes { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let fits = piece.split_to(piece.len().min(buffer.remaining()));
        buffer.put_slice(&fits);
        if !piece.is_empty() {
            self.pieces.push_front(piece);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked = true;
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Lets a connection do all that it can do.
fn drive(connection: &mut Connection<Wire, Empty<Bytes>>, ended: &mut bool) {
    // It stops now and then so that others have their turn.
    for _ in 0..64 {
        if !*ended {
            let mut cx = Context::from_waker(Waker::noop());
            *ended = connection.poll_without_shutdown(&mut cx).is_ready();
        }
    }
}

/// What hyper's client understands.
fn of_hyper(sent: &Sent) -> Understood {
    let mut cx = Context::from_waker(Waker::noop());
    let wire = Wire { pieces: sent.pieces.clone().into(), closes: sent.closes, asked: false };
    let handshake = pin!(Builder::new().max_header_size(HEAD_BYTES).handshake(wire));
    let Poll::Ready(Ok((mut sender, connection))) = handshake.poll(&mut cx) else {
        panic!("a handshake waits for nothing")
    };
    let mut connection = Box::new(connection);
    let mut ended = false;
    let request = Request::builder().method(&sent.method).uri("/").header("host", "a");
    let mut asked = pin!(sender.try_send_request(request.body(Empty::new()).unwrap()));
    drive(&mut connection, &mut ended);
    let response = match asked.as_mut().poll(&mut cx) {
        Poll::Ready(Ok(response)) => response,
        Poll::Ready(Err(error)) if error.error().is_parse() => return Understood::NotHttp,
        Poll::Ready(Err(_)) | Poll::Pending => return Understood::NoHead,
    };
    let (parts, mut incoming) = response.into_parts();
    let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
    let end = loop {
        let mut polled = Pin::new(&mut incoming).poll_frame(&mut cx);
        if polled.is_pending() {
            drive(&mut connection, &mut ended);
            polled = Pin::new(&mut incoming).poll_frame(&mut cx);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().unwrap(),
            },
            Poll::Ready(Some(Err(_))) => break End::Cut,
            Poll::Ready(None) => {
                drive(&mut connection, &mut ended);
                break End::Whole(!ended && sender.is_ready());
            }
            Poll::Pending => break End::Waits,
        }
    };
    Understood::Response(Box::new(Response {
        version: parts.version,
        status: parts.status.as_u16(),
        reason: parts.extensions.get::<ReasonPhrase>().map(|reason| reason.as_bytes().to_vec()),
        headers: parts.headers,
        body,
        trailers,
        end,
    }))
}

/// Whether the head of a response that hyper accepts says in two ways, or in an unusual one, where its
/// body ends: the router refuses such a head.
fn is_uncertain(response: &Response) -> bool {
    let all = |name| -> Vec<&[u8]> {
        response.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    };
    let (codings, lengths) = (all(header::TRANSFER_ENCODING), all(header::CONTENT_LENGTH));
    match &codings[..] {
        [] => lengths.iter().any(|it| number(it).is_none() || number(it) != number(lengths[0])),
        [only] if only.eq_ignore_ascii_case(b"chunked") => {
            response.version != Version::HTTP_11 || !lengths.is_empty()
        }
        _ => true,
    }
}

/// What the router and hyper understand, if that is not the same but for what the router refuses.
fn difference(sent: &Sent) -> Option<(Understood, Understood)> {
    let (router, mut hyper) = (of_router(sent), of_hyper(sent));
    let agree = match (&router, &mut hyper) {
        // hyper looks for the end of a head before it reads it.
        (Understood::NotHttp, Understood::NoHead) => true,
        (Understood::NotHttp, Understood::Response(hyper)) => is_uncertain(hyper),
        (Understood::Response(router), Understood::Response(hyper)) => {
            // The router says a length once that was said several times.
            if let Some(length) = hyper.headers.get(header::CONTENT_LENGTH).cloned() {
                hyper.headers.insert(header::CONTENT_LENGTH, length);
            }
            // hyper looks for the end of trailers, too.
            if (router.end, hyper.end) == (End::Cut, End::Waits) {
                hyper.end = End::Cut;
            }
            router == hyper || is_refused_line(sent, router, hyper)
        }
        (router, hyper) => *router == *hyper,
    };
    (!agree).then_some((router, hyper))
}

/// Whether the router broke a body off at a line of a chunk or of trailers that ends with LF alone, which
/// hyper accepts. Up to there they understand the same.
fn is_refused_line(sent: &Sent, router: &Response, hyper: &Response) -> bool {
    let bytes = sent.pieces.concat();
    let bare = bytes.windows(2).any(|pair| pair[0] != b'\r' && pair[1] == b'\n');
    let same_head = (router.status, &router.reason, &router.headers)
        == (hyper.status, &hyper.reason, &hyper.headers);
    router.end == End::Cut && bare && same_head && hyper.body.starts_with(&router.body)
}

fn text(options: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(options)
}

/// A field, or what is almost one.
fn field() -> impl Strategy<Value = String> {
    let name = text(&[
        "content-length",
        "Content-Length",
        "transfer-encoding",
        "connection",
        "x-a",
        "set-cookie",
        "x a",
        "",
    ]);
    let value = text(&[
        "0",
        "3",
        "5",
        "05",
        "+5",
        "5, 5",
        "5,6",
        " 5 ",
        "",
        "99999999999999999999",
        "chunked",
        "Chunked",
        "gzip, chunked",
        "chunked, gzip",
        "identity",
        "close",
        "Keep-Alive",
        "x, close",
        "upgrade",
        "a",
        "\u{e9}",
    ]);
    let common = prop_oneof![
        Just("content-length: 5".to_owned()),
        Just("transfer-encoding: chunked".to_owned()),
    ];
    let colon = text(&[": ", ":", " : ", ":\t"]);
    prop_oneof![
        4 => common,
        3 => (name, colon, value).prop_map(|(name, colon, value)| format!("{name}{colon}{value}")),
    ]
}

fn head() -> impl Strategy<Value = String> {
    let version = prop_oneof![
        12 => Just("HTTP/1.1"),
        4 => Just("HTTP/1.0"),
        1 => text(&["HTTP/2", "http/1.1"]),
    ];
    let usual = text(&[" 200 OK", " 200 Fine", " 200", " 404 Not Found"]);
    let unusual = text(&[
        " 200 ",
        " 204 No Content",
        " 304 Not Modified",
        " 100 Continue",
        " 103 Early Hints",
        " 101 Switching Protocols",
        " 099 x",
        " 999 x",
        " 20 x",
    ]);
    let status = prop_oneof![2 => usual, 1 => unusual];
    let end = || text(&["\r\n", "\r\n", "\r\n", "\n"]);
    (version, status, prop::collection::vec((field(), end()), 0..4), end()).prop_map(
        |(version, status, fields, end)| {
            let fields: String =
                fields.into_iter().map(|(field, end)| format!("{field}{end}")).collect();
            format!("{version}{status}\r\n{fields}{end}")
        },
    )
}

/// A chunk, or what is almost one.
fn chunk() -> impl Strategy<Value = String> {
    let size =
        text(&["3", "03", "0003", "3;x", "3;x=\"y;\"", "3 ", "3 ;x", "3;x\ny", "A", "x", "", "-3"]);
    let end = || text(&["\r\n", "\r\n", "\r\n", "\n", ""]);
    prop_oneof![
        3 => Just("3\r\nabc\r\n".to_owned()),
        2 => (size, end(), end()).prop_map(|(size, one, other)| format!("{size}{one}abc{other}")),
    ]
}

fn body() -> impl Strategy<Value = String> {
    let last = text(&[
        "0\r\n\r\n",
        "0\r\n\r\n",
        "0\r\nx-sum: 1\r\n\r\n",
        "0\r\nx-sum: 1\n\n",
        "00\r\n\r\n",
        "0;x\r\n\r\n",
        "0\r\nno field\r\n\r\n",
        "0\n\n",
        "",
    ]);
    let chunked = (prop::collection::vec(chunk(), 0..4), last)
        .prop_map(|(chunks, last)| chunks.concat() + last);
    let after = text(&["", "", "", "HTTP/1.1 200 OK\r\n\r\n", "\r\n", "x"]);
    let body = prop_oneof![2 => chunked, 1 => text(&["", "abc", "hello"]).prop_map(str::to_owned)];
    (body, after).prop_map(|(body, after)| body + after)
}

/// A response that is as it should be.
fn usual() -> impl Strategy<Value = String> {
    let interim = text(&["", "", "HTTP/1.1 100 Continue\r\n\r\n"]);
    let fields = text(&["", "x-a: b\r\n", "Connection: close\r\n", "connection: keep-alive\r\n"]);
    let chunks = prop::collection::vec(text(&["3\r\nabc\r\n", "a;x=y\r\n0123456789\r\n"]), 0..4);
    let last = text(&["0\r\n\r\n", "0\r\nx-sum: 1\r\n\r\n"]);
    let body = prop_oneof![
        text(&["content-length: 0\r\n\r\n", "content-length: 5\r\n\r\nhello", "\r\nto the end"])
            .prop_map(str::to_owned),
        (chunks, last).prop_map(|(chunks, last)| {
            format!("transfer-encoding: chunked\r\n\r\n{}{last}", chunks.concat())
        }),
    ];
    (interim, text(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]), fields, body).prop_map(
        |(interim, version, fields, body)| format!("{interim}{version} 200 OK\r\n{fields}{body}"),
    )
}

/// A response that is unusual in several ways.
fn odd() -> impl Strategy<Value = String> {
    (prop::collection::vec(head(), 1..3), body()).prop_map(|(heads, body)| heads.concat() + &body)
}

/// Bytes of a response, a few of which may be changed.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..3);
    let edits = prop_oneof![2 => Just(Vec::new()), 1 => edits];
    (prop_oneof![usual(), odd()], edits).prop_map(|(response, edits)| {
        let mut bytes = response.into_bytes();
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len().max(1));
            match edit {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => _ = bytes.remove(at),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => {}
            }
        }
        bytes
    })
}

/// Cuts bytes into pieces of these lengths, and what is left.
fn cut(bytes: &[u8], lengths: impl IntoIterator<Item = usize>) -> Vec<Bytes> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    for length in lengths {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = after;
    }
    pieces.push(Bytes::copy_from_slice(rest));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_a_dyno_sends_means_the_same_to_hyper(
        bytes in bytes(),
        lengths in prop::collection::vec(1_usize..40, 0..12),
        head in any::<bool>(),
        closes in any::<bool>(),
    ) {
        let method = if head { Method::HEAD } else { Method::GET };
        let sent = Sent { method, pieces: cut(&bytes, lengths), closes };
        prop_assert_eq!(difference(&sent), None, "(router, hyper) of {:?}", sent);
    }
}

/// The same for inputs that reach new code: a byte that says what was asked and whether the dyno closes
/// the connection, one that says where the bytes are cut, and the bytes.
#[test]
fn fuzz_response() {
    ::fuzz::target("response", |input| {
        let [flags, length, bytes @ ..] = input else { return };
        let method = if flags & 1 == 0 { Method::GET } else { Method::HEAD };
        let lengths = std::iter::repeat_n(usize::from(*length).max(1), 64);
        let sent = Sent { method, pieces: cut(bytes, lengths), closes: flags & 2 != 0 };
        assert_eq!(difference(&sent), None, "(router, hyper) of {sent:?}");
    });
}
