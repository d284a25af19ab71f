use super::*;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Version, request};

fn parts(build: impl FnOnce(request::Builder) -> request::Builder) -> request::Parts {
    build(Request::builder()).body(()).unwrap().into_parts().0
}

fn forwarded() -> ForwardedHeaders {
    ForwardedHeaders {
        client: HeaderValue::from_static("192.0.2.7"),
        proto: HeaderValue::from_static("http"),
        port: HeaderValue::from_static("80"),
    }
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let bad = [
        (parts(|r| r.uri("/")), Malformed::Host),
        (parts(|r| r.uri("/").header("host", "a").header("host", "a")), Malformed::Host),
        (parts(|r| r.uri("/").header("host", "a b")), Malformed::Host),
        (parts(|r| r.uri("/").header("host", "a/b")), Malformed::Host),
        (parts(|r| r.uri("/").header("host", "u@a")), Malformed::Host),
        (parts(|r| r.uri("/").header("host", "")), Malformed::Host),
        (parts(|r| r.uri("http://a/").header("host", "b")), Malformed::Host),
        (parts(|r| r.method("CONNECT").uri("a:1")), Malformed::Method),
        (
            parts(|r| r.header("host", "a").header("transfer-encoding", "gzip, chunked")),
            Malformed::Length,
        ),
        (
            parts(|r| {
                r.header("host", "a")
                    .header("transfer-encoding", "chunked")
                    .header("content-length", "4")
            }),
            Malformed::Length,
        ),
        (
            parts(|r| {
                r.header("host", "a")
                    .header("transfer-encoding", "chunked")
                    .header("transfer-encoding", "chunked")
            }),
            Malformed::Length,
        ),
        (parts(|r| r.header("host", "a").header("content-length", "+4")), Malformed::Length),
        (parts(|r| r.header("host", "a").header("expect", "tea")), Malformed::Expectation),
    ];
    for (parts, why) in bad {
        assert_eq!(check(&parts), Err(why), "{parts:?}");
    }
    for (said, name) in [
        ("A.example:4881", "A.example"),
        ("a", "a"),
        ("a:", "a"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
    ] {
        let good = parts(|r| r.uri("/x").header("host", said));
        assert_eq!(check(&good).unwrap().name(), name);
    }
}

/// What a dyno gets: the first line, and the fields.
fn read(written: &RequestHead) -> (String, HeaderMap) {
    let text = str::from_utf8(written.block()).unwrap();
    let (first, rest) = text.strip_suffix("\r\n\r\n").unwrap().split_once("\r\n").unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in rest.split("\r\n").map(|line| line.split_once(": ").unwrap()) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, value.parse().unwrap());
    }
    (first.to_owned(), headers)
}

fn written(parts: &request::Parts, framing: Framing) -> RequestHead {
    to_dyno(parts, check(parts).unwrap(), &forwarded(), upgrade(parts).as_ref(), framing)
}

#[test]
fn a_dyno_gets_no_fields_of_the_connection_and_true_ones_of_the_router() {
    let parts = parts(|r| {
        r.uri("http://a.example/p?q")
            .header("connection", "close, x-secret, x-forwarded-for, host")
            .header("x-secret", "1")
            .header("keep-alive", "5")
            .header("te", "trailers, gzip")
            .header("upgrade", "h2c")
            .header("x_forwarded_for", "6.6.6.6")
            .header("content_length", "3")
            .header("a_b", "stays")
            .header("x-forwarded-for", "198.51.100.1")
            .header("x-forwarded-for", "198.51.100.2")
            .header("x-forwarded-proto", "https")
            .header("x-request-id", "short")
            .header("accept", "a")
            .header("accept", "b")
    });
    assert_eq!(upgrade(&parts), None);
    let written = written(&parts, Framing::Chunked);
    let (first, headers) = read(&written);
    let get = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    assert_eq!(first, "GET /p?q HTTP/1.1");
    assert_eq!(get("host"), Some("a.example"));
    assert_eq!(get("x-forwarded-for"), Some("198.51.100.1, 198.51.100.2, 192.0.2.7"));
    assert_eq!(get("x-forwarded-proto"), Some("http"));
    assert_eq!(get("x-forwarded-port"), Some("80"));
    assert_eq!(get("via"), Some("1.1 causeway-router"));
    assert_eq!(get("x-request-id").map(str::len), Some(36));
    assert_eq!(get("x-request-id"), Some(written.id()));
    assert_eq!(get("te"), Some("trailers"));
    assert_eq!(get("connection"), Some("te"));
    assert_eq!(get("transfer-encoding"), Some("chunked"));
    assert_eq!(get("a_b"), Some("stays"));
    let accepted: Vec<_> = headers.get_all("accept").iter().collect();
    assert_eq!(accepted, ["a", "b"]);
    for gone in ["x-secret", "keep-alive", "upgrade", "x_forwarded_for", "content_length"] {
        assert_eq!(get(gone), None, "{gone}");
    }
    assert!(headers.keys().all(|name| {
        let all = headers.get_all(name).iter().count();
        name == "accept" || all == 1
    }));
}

#[test]
fn what_the_log_says_is_what_the_dyno_gets() {
    let parts = parts(|r| {
        r.uri("/p?q=:x")
            .header("host", "a:80")
            .header("x-forwarded-for", "198.51.100.1")
            .header("x-request-id", "01234567-89ab-cdef-0123")
            .header("x-latin", HeaderValue::from_bytes(b"b=\xe9:").unwrap())
    });
    let written = written(&parts, Framing::Sized);
    assert_eq!(written.target(), "/p?q=:x");
    assert_eq!(written.host(), "a");
    assert_eq!(written.id(), "01234567-89ab-cdef-0123");
    assert_eq!(written.client(), "198.51.100.1, 192.0.2.7");
    assert!(written.block().windows(15).any(|it| it == b"x-latin: b=\xe9:\r\n"));
    let turned_away = turned_away(&parts, check(&parts).unwrap(), &forwarded());
    assert_eq!(turned_away.client(), "192.0.2.7");
    assert_eq!((turned_away.target(), turned_away.host()), ("/p?q=:x", "a"));
    assert_ne!(turned_away.id(), "01234567-89ab-cdef-0123");
}

#[test]
fn a_body_has_one_end() {
    let length = |method, length: Option<&str>, framing| {
        let mut parts = parts(|r| r.method(method).uri("/").header("host", "a"));
        if let Some(length) = length {
            parts.headers.insert("content-length", length.parse().unwrap());
        }
        let (_, headers) = read(&written(&parts, framing));
        let get = |name| headers.get(name).map(|it| it.to_str().unwrap().to_owned());
        (get("content-length"), get("transfer-encoding"))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(length("POST", Some("5"), Framing::Sized), (some("5"), None));
    assert_eq!(length("POST", None, Framing::Chunked), (None, some("chunked")));
    assert_eq!(length("POST", None, Framing::Bodiless), (some("0"), None));
    assert_eq!(length("POST", Some("0"), Framing::Bodiless), (some("0"), None));
    assert_eq!(length("GET", None, Framing::Bodiless), (None, None));
}

#[test]
fn a_good_request_id_is_kept() {
    for (id, kept) in [
        ("01234567-89ab-cdef-0123", true),
        ("0123456789012345678", false),
        ("0123456789012345678 x", false),
        (&"a".repeat(200) as &str, true),
        (&"a".repeat(201) as &str, false),
    ] {
        let parts = parts(|r| r.uri("/").header("host", "a").header("x-request-id", id));
        assert_eq!(written(&parts, Framing::Bodiless).id() == id, kept, "{id}");
    }
}

#[test]
fn cookies_of_http_2_become_one_field() {
    let parts = parts(|r| {
        r.version(Version::HTTP_2)
            .uri("https://a.example/")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
    });
    let (_, headers) = read(&written(&parts, Framing::Bodiless));
    assert_eq!(headers.get("cookie").unwrap(), "a=1; b=2");
    assert_eq!(headers.get_all("cookie").iter().count(), 1);
    assert_eq!(headers.get("via").unwrap(), "2.0 causeway-router");
    assert_eq!(headers.get("host").unwrap(), "a.example");
}

#[test]
fn only_a_plain_upgrade_goes_through() {
    let ask = |what: &str| {
        parts(|r| {
            r.uri("/")
                .header("host", "a")
                .header("connection", "keep-alive, Upgrade")
                .header("upgrade", what)
        })
    };
    assert!(upgrade(&ask("websocket")).is_some());
    assert!(upgrade(&ask("H2C")).is_none());
    let mut with_body = ask("websocket");
    with_body.headers.insert("content-length", HeaderValue::from_static("1"));
    assert!(upgrade(&with_body).is_none());
}
