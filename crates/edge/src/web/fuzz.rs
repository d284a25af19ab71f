//! Fuzz targets: whatever head a client sends, a dyno gets one request with one meaning.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Version, request};

use super::head::{ForwardedHeaders, Framing, check, length, to_dyno, upgrade};

/// What only the router may say to an app.
const ONLY_OURS: [&str; 7] = [
    "content-length",
    "transfer-encoding",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
    "x-request-start",
];

/// A request's head as hyper would hand it over, if it would.
fn read(input: &[u8]) -> Option<request::Parts> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(_) = head.parse(input).ok()? else { return None };
    let version = if head.version? == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut request = Request::builder()
        .method(Method::from_bytes(head.method?.as_bytes()).ok()?)
        .uri(head.path?)
        .version(version);
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        request = request.header(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn all<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

#[test]
fn fuzz_request_head() {
    let forwarded = ForwardedHeaders {
        client: HeaderValue::from_static("192.0.2.7"),
        proto: HeaderValue::from_static("http"),
        port: HeaderValue::from_static("80"),
    };
    ::fuzz::target("request_head", move |input| {
        let Some(parts) = read(input) else { return };
        let Ok(host) = check(&parts) else { return };
        let name = host.name().to_owned();
        let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
        let framing = match length(&parts) {
            _ if chunked => Framing::Chunked,
            Some(_) => Framing::Sized,
            None => Framing::Bodiless,
        };
        let asked = upgrade(&parts);
        let written = to_dyno(&parts, host, &forwarded, asked.as_ref(), framing);
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut head = httparse::Request::new(&mut fields);
        let parsed = head.parse(written.block()).unwrap();
        assert_eq!(parsed, httparse::Status::Complete(written.block().len()), "one head, whole");
        assert_eq!(head.method, Some(parts.method.as_str()));
        let sent = read(written.block()).unwrap().headers;
        // One host, and one end of the body.
        let [host] = all(&sent, &header::HOST)[..] else { panic!("{sent:?}") };
        assert!(host.starts_with(name.as_bytes()));
        let lengths = all(&sent, &header::CONTENT_LENGTH).len();
        let codings = all(&sent, &header::TRANSFER_ENCODING);
        assert!(lengths + codings.len() <= 1, "{sent:?}");
        assert!(codings.iter().all(|coding| *coding == b"chunked"));
        assert_eq!(codings.len(), usize::from(chunked));
        // What the router says, and nobody else.
        for (name, value) in [("x-forwarded-proto", &b"http"[..]), ("x-forwarded-port", b"80")] {
            assert_eq!(all(&sent, &HeaderName::from_static(name)), [value]);
        }
        let client = all(&sent, &HeaderName::from_static("x-forwarded-for"));
        assert!(matches!(client[..], [value] if value.ends_with(b"192.0.2.7")), "{client:?}");
        for name in ["x-request-id", "x-request-start", "via"] {
            assert_eq!(all(&sent, &HeaderName::from_static(name)).len(), 1, "{name}");
        }
        // Many apps take a name with an underscore for the same name with a hyphen.
        for name in sent.keys().filter(|name| name.as_str().contains('_')) {
            assert!(!ONLY_OURS.contains(&name.as_str().replace('_', "-").as_str()), "{name}");
        }
        // An app is asked to become something else only if the client asked for it.
        assert_eq!(sent.get(header::UPGRADE), asked.as_ref());
    });
}
