use super::*;
use proptest::prelude::*;

const ACCESS_KEY: &str = "AKIACAUSEWAYTEST0001";
const SECRET: &str = "cause/way+secret=for-tests-only-0123456789";
const TOKEN: &str = "token/of+a=session";
/// 2026-01-31T12:34:56Z
const NOW: i64 = 1_769_862_896_000;
const MINUTE: i64 = 60_000;

/// A request that owns its parts, so that tests can change them.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    fn new(method: &str, path: &str, query: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Self {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers,
            body: body.into(),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&SignedRequest<'_>) -> T) -> T {
        let headers: Vec<_> =
            self.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        f(&SignedRequest {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body_sha256: sha256(self.body.as_bytes()),
        })
    }

    fn sign(mut self, token: Option<&str>) -> Self {
        let credentials = Credentials {
            access_key: ACCESS_KEY.into(),
            secret: SECRET.into(),
            session_token: token.map(str::to_owned),
        };
        let added = self.with(|r| sign(r, &credentials, "eu-west-1", "ec2", NOW)).unwrap();
        self.headers.extend(added.into_iter().map(|(n, v)| (n.to_owned(), v)));
        self
    }

    fn verify(&self, now: i64) -> Result<(), SigError> {
        self.with(|request| verify(request, now, |claim| Ok(key_of(claim))).map(drop))
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)).unwrap().1
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }
}

fn key_of(claim: &Authorization<'_>) -> SigningKey {
    assert_eq!(claim.access_key(), ACCESS_KEY);
    SigningKey::derive(SECRET, claim.date(), claim.region(), claim.service())
}

fn post() -> Sent {
    Sent::new(
        "POST",
        "/",
        "",
        &[
            ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("Host", "127.0.0.1:4880"),
            ("User-Agent", "x"),
        ],
        "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-0123456789abcdef0",
    )
}

fn presigned() -> Sent {
    let query = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIACAUSEWAYTEST0001%2F20260131%2Fus-east-1%2Fsts%2Faws4_request\
        &X-Amz-Date=20260131T123456Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
        &X-Amz-Security-Token=token%2Fof%2Ba%3Dsession&X-Amz-Signature=\
        5d0b02d37047ee0e0a17268bcd1517bdc2c49b19b5ed9ad9b6d616dfc76d582b";
    Sent::new("GET", "/", query, &[("host", "127.0.0.1:4880")], "")
}

#[test]
fn derives_the_documented_key() {
    let key = SigningKey::derive(
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "20150830",
        "us-east-1",
        "iam",
    );
    assert_eq!(
        ascii(&hexadecimal(key.expose())),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
    assert_eq!(format!("{key:?}"), "SigningKey(..)");
}

#[test]
fn makes_the_documented_signature() {
    let headers: [(&str, &[u8]); 2] = [
        ("Content-Type", b"application/x-www-form-urlencoded; charset=utf-8"),
        ("Host", b"iam.amazonaws.com"),
    ];
    let request = SignedRequest {
        method: "GET",
        path: "/",
        query: "Action=ListUsers&Version=2010-05-08",
        headers: &headers,
        body_sha256: sha256(b""),
    };
    let credentials = Credentials {
        access_key: "AKIDEXAMPLE".into(),
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    assert!(!format!("{credentials:?}").contains("wJalr"));
    let added = sign(&request, &credentials, "us-east-1", "iam", 1_440_938_160_000).unwrap();
    assert_eq!(added[0], ("x-amz-date", "20150830T123600Z".to_owned()));
    assert_eq!(
        added[1].1,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn agrees_with_botocore_on_a_form() {
    let mut sent = post().sign(None);
    assert_eq!(
        *sent.header("authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIACAUSEWAYTEST0001/20260131/eu-west-1/ec2/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=5bc5408042dbda742662260d0f86d814496e184f906988e7376c8bf20d59e406"
    );
    assert_eq!(sent.verify(NOW), Ok(()));
}

#[test]
fn agrees_with_botocore_on_paths_queries_folding_and_sessions() {
    let sent = Sent::new(
        "GET",
        "/a%20b//./c/../d/",
        "Zed=1&Filter.1.Value.1=a%20b%2Bc%2F%C3%A9&Action=DescribeTags&Empty=",
        &[
            ("Host", "ec2.example.test"),
            ("X-Folded", "  a   b\t c "),
            ("X-Amz-Date", "20260131T123456Z"),
            ("X-Amz-Security-Token", TOKEN),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 \
                 Credential=AKIACAUSEWAYTEST0001/20260131/us-east-1/ec2/aws4_request, \
                 SignedHeaders=host;x-amz-date;x-amz-security-token;x-folded, \
                 Signature=3ddaf8c0ad9214e8975db0d4af3dd9fbee8b2caaa276f752a89629b5db933ba2",
            ),
        ],
        "",
    );
    assert_eq!(sent.verify(NOW), Ok(()));
    let mut same = sent.clone();
    *same.header("x-folded") = "a b c".into();
    // The parameters read a plus as a space too.
    same.query = same.query.replace("a%20b", "a+b");
    assert_eq!(same.verify(NOW), Ok(()));
    sent.with(|request| {
        let claim = Authorization::parse(request, NOW).unwrap();
        assert_eq!(claim.session_token(), Some(TOKEN));
        assert_eq!((claim.region(), claim.service()), ("us-east-1", "ec2"));
        assert!(!format!("{claim:?}").contains("3ddaf8"));
    });
    let mut hidden = sent.clone();
    *hidden.header("authorization") =
        hidden.header("authorization").replace("x-amz-security-token;", "");
    assert_eq!(hidden.verify(NOW).unwrap_err().code(), "IncompleteSignature");
}

#[test]
fn agrees_with_botocore_on_a_presigned_query() {
    let sent = presigned();
    assert_eq!(sent.verify(NOW), Ok(()));
    assert_eq!(sent.verify(NOW + 15 * MINUTE), Ok(()));
    assert_eq!(sent.verify(NOW + 15 * MINUTE + 1), Err(SigError::Expired));
    assert_eq!(sent.verify(NOW - 15 * MINUTE - 1), Err(SigError::Expired));
    sent.with(|request| {
        let claim = Authorization::parse(request, NOW).unwrap();
        assert_eq!(claim.session_token(), Some(TOKEN));
        assert_eq!(claim.service(), "sts");
    });
}

#[test]
fn agrees_with_botocore_on_the_date_header() {
    let mut sent = Sent::new(
        "POST",
        "/",
        "",
        &[
            ("Host", "127.0.0.1:4880"),
            ("Date", "Sat, 31 Jan 2026 12:34:56 -0000"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 \
                 Credential=AKIACAUSEWAYTEST0001/20260131/eu-west-1/ec2/aws4_request, \
                 SignedHeaders=date;host, \
                 Signature=e2d92c5c772a454a0ee7549ad7f6c11bfdc2fd4811bb628ad62091ebb058b025",
            ),
        ],
        "Action=DescribeVpcs",
    );
    assert_eq!(sent.verify(NOW), Ok(()));
    *sent.header("date") = "Sat, 31 Jan 2026 12:34:57 GMT".into();
    assert_eq!(sent.verify(NOW), Err(SigError::Mismatch));
}

#[test]
fn every_presigned_part_is_covered() {
    for (from, to, expected) in [
        ("GetCallerIdentity", "GetSessionToken", "SignatureDoesNotMatch"),
        ("us-east-1", "us-east-2", "SignatureDoesNotMatch"),
        ("X-Amz-Expires=900", "X-Amz-Expires=901", "SignatureDoesNotMatch"),
        ("X-Amz-Expires=900", "X-Amz-Expires=604801", "IncompleteSignature"),
        ("X-Amz-Expires=900", "X-Amz-Expires=0", "IncompleteSignature"),
        ("&X-Amz-Expires=900", "", "IncompleteSignature"),
        ("X-Amz-Expires=900", "X-Amz-Expires=900&X-Amz-Expires=900", "IncompleteSignature"),
        ("=host", "=date", "IncompleteSignature"),
        ("HMAC-SHA256", "HMAC-SHA1", "IncompleteSignature"),
        ("%2Ba%3D", "%2Bb%3D", "SignatureDoesNotMatch"),
        ("X-Amz-Date=20260131", "X-Amz-Date=20260130", "RequestExpired"),
        ("2F20260131", "2F20260130", "SignatureDoesNotMatch"),
        ("582b", "582c", "SignatureDoesNotMatch"),
        ("582b", "582b0", "SignatureDoesNotMatch"),
        ("X-Amz-Signature", "X-Amz-Nothing", "IncompleteSignature"),
        ("&Version", "&DryRun=true&Version", "SignatureDoesNotMatch"),
        ("&Version", "&X%2DAmz-Signature=0&Version", "IncompleteSignature"),
    ] {
        let mut sent = presigned();
        sent.query = sent.query.replacen(from, to, 1);
        assert_ne!(sent.query, presigned().query);
        assert_eq!(sent.verify(NOW).unwrap_err().code(), expected, "{from} -> {to}");
    }
    let mut twice = post().sign(None);
    twice.query = presigned().query;
    assert_eq!(twice.verify(NOW).unwrap_err().code(), "IncompleteSignature");
}

#[test]
fn every_signed_part_is_covered() {
    let good = post().sign(Some(TOKEN));
    assert_eq!(good.verify(NOW), Ok(()));
    let tampered: [fn(&mut Sent); 7] = [
        |s| s.method = "PUT".into(),
        |s| s.path = "/x".into(),
        |s| s.query = "DryRun=true".into(),
        |s| s.body.push('1'),
        |s| *s.header("host") = "elsewhere".into(),
        |s| *s.header("content-type") = "text/plain".into(),
        |s| *s.header("x-amz-security-token") = "another".into(),
    ];
    for (at, tamper) in tampered.into_iter().enumerate() {
        let mut sent = good.clone();
        tamper(&mut sent);
        assert_eq!(sent.verify(NOW), Err(SigError::Mismatch), "{at}");
    }
    let mut unsigned = good.clone();
    *unsigned.header("user-agent") = "a proxy's".into();
    assert_eq!(unsigned.verify(NOW), Ok(()));
    assert_eq!(good.clone().without("content-type").verify(NOW), Err(SigError::Mismatch));
    let mut doubled = good.clone();
    doubled.headers.push(("host".into(), "elsewhere".into()));
    assert_eq!(doubled.verify(NOW), Err(SigError::Mismatch));
}

#[test]
fn time_is_checked_on_both_sides() {
    let sent = post().sign(None);
    for (offset, expected) in [
        (15 * MINUTE, Ok(())),
        (-15 * MINUTE, Ok(())),
        (15 * MINUTE + 1, Err(SigError::Expired)),
        (-15 * MINUTE - 1, Err(SigError::Expired)),
        (i64::MAX - NOW, Err(SigError::Expired)),
    ] {
        assert_eq!(sent.verify(NOW + offset), expected, "{offset}");
    }
    let mut moved = sent.clone();
    *moved.header("x-amz-date") = "20260131T123457Z".into();
    assert_eq!(moved.verify(NOW), Err(SigError::Mismatch));
    let mut scope = sent.clone();
    *scope.header("authorization") = scope.header("authorization").replace("20260131", "20260130");
    assert_eq!(scope.verify(NOW), Err(SigError::ScopeDate));
    for date in ["", "yesterday", "20261331T123456Z", "20260131T126056Z", "20260131T12345６Z"] {
        let mut sent = sent.clone();
        *sent.header("x-amz-date") = date.into();
        assert_eq!(sent.verify(NOW).unwrap_err().code(), "IncompleteSignature", "{date}");
    }
}

#[test]
fn the_authorization_header_is_read_strictly() {
    let good = post().sign(None);
    assert_eq!(good.clone().without("authorization").verify(NOW), Err(SigError::MissingToken));
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
        ("AWS4-HMAC-SHA256", "Bearer"),
        ("Credential=", "Credentials="),
        ("/aws4_request", ""),
        ("/aws4_request", "/aws5_request"),
        ("/aws4_request", "/aws4_request/more"),
        ("/eu-west-1/", "//"),
        ("/eu-west-1/", "/eu west/"),
        ("content-type;host", "content-type"),
        (";x-amz-date", ""),
        ("content-type;host", "host;content-type"),
        ("content-type;host", "content-type;host;host"),
        ("content-type;host", "Content-Type;host"),
        (", Signature=", ", Signature=0, Signature="),
        (", Signature=", ", Note=x, Signature="),
        (", Signature=", ", Signature"),
    ] {
        let mut sent = good.clone();
        *sent.header("authorization") = sent.header("authorization").replacen(from, to, 1);
        assert_eq!(sent.verify(NOW).unwrap_err().code(), "IncompleteSignature", "{from} -> {to}");
    }
    let mut twice = good.clone();
    let again = twice.headers.last().unwrap().clone();
    twice.headers.push(again);
    assert_eq!(twice.verify(NOW).unwrap_err().code(), "IncompleteSignature");
    let mut close = good.clone();
    *close.header("authorization") = close.header("authorization").replace(", ", ",");
    assert_eq!(close.verify(NOW), Ok(()));
}

#[test]
fn the_content_hash_is_honoured() {
    let hash = ascii(&hexadecimal(&sha256(post().body.as_bytes()))).to_owned();
    let with = |value: &str| {
        let mut sent = post();
        sent.headers.push(("X-Amz-Content-Sha256".into(), value.into()));
        sent
    };
    assert_eq!(with(&hash).sign(None).verify(NOW), Ok(()));
    let mut changed = with(&hash).sign(None);
    changed.body.push('1');
    assert_eq!(changed.verify(NOW), Err(SigError::BodyMismatch));
    // A body that no signature covers could be another one when it arrives.
    for unsigned in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", ""] {
        let mut sent = with(&hash).sign(None);
        *sent.header("x-amz-content-sha256") = unsigned.into();
        assert_eq!(sent.verify(NOW), Err(SigError::BodyMismatch), "{unsigned}");
        let mut late = post().sign(None);
        late.headers.push(("x-amz-content-sha256".into(), unsigned.into()));
        assert_eq!(late.verify(NOW).unwrap_err().code(), "SignatureDoesNotMatch", "{unsigned}");
    }
}

#[test]
fn another_secret_and_an_unknown_key_are_refused() {
    let sent = post().sign(None);
    let result = sent.with(|r| {
        verify(r, NOW, |c| Ok(SigningKey::derive("other", c.date(), c.region(), c.service())))
            .map(drop)
    });
    assert_eq!(result, Err(SigError::Mismatch));
    let result = sent.with(|r| verify(r, NOW, |_| Err(SigError::UnknownKey)).map(drop));
    assert_eq!(result, Err(SigError::UnknownKey));
}

#[test]
fn a_client_without_host_is_told() {
    let credentials =
        Credentials { access_key: "a".into(), secret: "b".into(), session_token: None };
    let result = post().without("host").with(|r| sign(r, &credentials, "r", "ec2", NOW));
    assert_eq!(result.unwrap_err().code(), "IncompleteSignature");
    assert!(post().with(|r| sign(r, &credentials, "r", "ec2", i64::MAX)).is_err());
}

#[test]
fn each_error_has_its_code_and_status() {
    for (error, code, status) in [
        (SigError::MissingToken, "MissingAuthenticationToken", 403),
        (SigError::Incomplete { why: "x" }, "IncompleteSignature", 400),
        (SigError::UnknownKey, "InvalidClientTokenId", 403),
        (SigError::Refused { why: "x" }, "AuthFailure", 401),
        (SigError::Mismatch, "SignatureDoesNotMatch", 403),
        (SigError::BodyMismatch, "SignatureDoesNotMatch", 403),
        (SigError::ScopeDate, "SignatureDoesNotMatch", 403),
        (SigError::Expired, "RequestExpired", 400),
    ] {
        assert_eq!((error.code(), error.status()), (code, status));
    }
}

prop_compose! {
    fn any_request()(
        method in "GET|POST|PUT",
        path in "(/[a-zA-Z0-9 %._~é-]{0,6}){1,4}",
        query in prop::collection::vec(("[a-zA-Z.0-9 +%é]{1,6}", "[ -~é]{0,6}"), 0..5),
        header in "[ -~]{0,12}",
        body in ".{0,40}",
    ) -> Sent {
        let query = query
            .iter()
            .map(|(n, v)| format!("{n}={}", v.replace(['&', '#'], "")))
            .collect::<Vec<_>>()
            .join("&");
        Sent::new(&method, &path, &query, &[("Host", "h"), ("X-Any", &header)], &body)
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies(sent in any_request(), token in prop::option::of("[a-z/+=]{1,9}")) {
        let sent = sent.sign(token.as_deref());
        prop_assert_eq!(sent.verify(NOW), Ok(()));
    }

    #[test]
    fn a_changed_body_or_signature_never_verifies(sent in any_request(), at in 0usize..64) {
        let mut sent = sent.sign(None);
        let mut body = sent.clone();
        body.body.push('x');
        prop_assert_eq!(body.verify(NOW), Err(SigError::Mismatch));
        let value = sent.header("authorization");
        let digit = value.len() - 64 + at;
        let other = if value.as_bytes()[digit] == b'0' { "1" } else { "0" };
        value.replace_range(digit..=digit, other);
        prop_assert_eq!(sent.verify(NOW), Err(SigError::Mismatch));
    }

    #[test]
    fn any_header_is_read_or_refused(value: String, query: String, date: String, path: String) {
        let headers = [("host", "h"), ("authorization", &value), ("x-amz-date", &date)];
        let key = SigningKey::derive(SECRET, "20260131", "r", "ec2");
        for headers in [&headers[..], &headers[..1]] {
            let sent = Sent::new("GET", &path, &format!("X-Amz-Date=1&{query}"), headers, "");
            prop_assert!(sent.with(|r| verify(r, NOW, |_| Ok(key.clone())).map(drop)).is_err());
        }
    }
}
