//! Fuzz targets: whatever a client or a server sends, it is read as others read it, or refused.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::params::{MAX_PARAMS, Params};
use crate::sigv4::{self, Authorization, Credentials, SignedRequest, SigningKey};
use crate::xml::{self, Service, can_hold, error_of, to_json};

const ACCESS_KEY: &str = "AKIACAUSEWAYTEST0001";
const SECRET: &str = "cause/way+secret=for-tests-only-0123456789";
/// 2026-01-31T12:34:56Z
const NOW: i64 = 1_769_862_896_000;

/// The form as another reader has it, which takes what is broken as it is.
fn pairs(form: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(form).into_owned().collect()
}

/// Whether a parameter is the signature's own in a presigned query.
fn is_presigned(name: &str) -> bool {
    name.starts_with("X-Amz-")
}

#[test]
fn fuzz_query() {
    ::fuzz::target("query", |form| {
        let params = match Params::parse(form) {
            Ok(params) => params,
            Err(error) => {
                // What is echoed is bounded, and the client can read it.
                let message = error.to_string();
                assert!(message.len() <= 8192, "{} bytes", message.len());
                let answer = xml::error(Service::Ec2, error.code(), &message, "id");
                let (code, _) = error_of(&answer).unwrap();
                assert_eq!(code, error.code());
                return;
            }
        };
        let pairs = pairs(form);
        assert!(pairs.len() <= MAX_PARAMS);
        for (name, value) in &pairs {
            assert!(params.contains(name), "{name}");
            assert_eq!(params.get(name), Some(value.as_str()), "{name}");
        }
        // All were read, so none is left, and there are no others.
        assert_eq!(params.unused(), None);
        let names: BTreeMap<&str, &str> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(names.len(), pairs.len(), "no parameter was taken twice");
        // Written anew, it means the same.
        let mut out = form_urlencoded::Serializer::new(String::new());
        let again = out.extend_pairs(&pairs).finish();
        let again = Params::parse(again.as_bytes()).unwrap();
        assert_eq!(format!("{params:?}"), format!("{again:?}"));
        for (name, value) in names {
            assert_eq!(again.get(name), Some(value));
        }
    });
}

/// A request as a line for its method, its path, its query and each header, an empty line, and a body.
struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Vec<(&'a str, &'a [u8])>,
    body: &'a [u8],
}

impl<'a> Sent<'a> {
    /// Reads one whose names of headers are such as an HTTP server lets through.
    fn read(input: &'a [u8]) -> Option<Self> {
        let mut rest = input;
        let mut line = || {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let (line, after) = rest.split_at(end);
            rest = &after[1..];
            Some(line)
        };
        let mut text = || str::from_utf8(line()?).ok();
        let (method, path, query) = (text()?, text()?, text()?);
        let mut headers = Vec::new();
        loop {
            let header = line()?;
            if header.is_empty() {
                break;
            }
            let at = header.iter().position(|byte| *byte == b':')?;
            let (name, value) = header.split_at(at);
            let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.!~".contains(byte);
            if name.is_empty() || !name.iter().all(is_token) {
                return None;
            }
            headers.push((str::from_utf8(name).ok()?, &value[1..]));
        }
        Some(Self { method, path, query, headers, body: rest })
    }

    fn request<'b>(&'b self, headers: &'b [(&'b str, &'b [u8])]) -> SignedRequest<'b> {
        let Self { method, path, query, body, .. } = *self;
        SignedRequest { method, path, query, headers, body_sha256: sigv4::sha256(body) }
    }
}

fn key_of(claim: &Authorization<'_>) -> SigningKey {
    SigningKey::derive(SECRET, claim.date(), claim.region(), claim.service())
}

#[test]
fn fuzz_signature() {
    ::fuzz::target("signature", |input| {
        let Some(sent) = Sent::read(input) else { return };
        // What is claimed is read or refused, whatever it is.
        let request = sent.request(&sent.headers);
        match Authorization::parse(&request, NOW) {
            Ok(claim) => {
                assert!(!claim.access_key().is_empty() && claim.access_key().len() <= 128);
                assert_eq!(claim.date().len(), 8);
                let _ = claim.verify(&request, &key_of(&claim));
            }
            Err(error) => assert!((400..=403).contains(&error.status())),
        }
        signed_and_changed(&sent);
    });
}

/// What was signed is believed, in every spelling that means the same and in no other.
fn signed_and_changed(sent: &Sent<'_>) {
    let ours = ["authorization", "host", "x-amz-content-sha256", "x-amz-date"];
    let is_ours = |name: &str| {
        name.eq_ignore_ascii_case("x-amz-security-token")
            || ours.iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    let mut headers: Vec<(&str, &[u8])> =
        sent.headers.iter().copied().filter(|(name, _)| !is_ours(name)).collect();
    headers.push(("Host", b"127.0.0.1:4880"));
    let pairs = pairs(sent.query.as_bytes());
    if pairs.iter().any(|(name, _)| is_presigned(name)) {
        return;
    }
    let credentials =
        Credentials { access_key: ACCESS_KEY.into(), secret: SECRET.into(), session_token: None };
    let added = sigv4::sign(&sent.request(&headers), &credentials, "eu-west-1", "ec2", NOW);
    let added = added.unwrap();
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let verify = |request: &SignedRequest<'_>| {
        sigv4::verify(request, NOW, |claim| Ok(key_of(claim))).map(drop)
    };
    let request = sent.request(&headers);
    verify(&request).unwrap();

    if let Ok(params) = Params::parse(sent.query.as_bytes()) {
        let mut sorted = pairs.clone();
        sorted.sort();
        let mut out = form_urlencoded::Serializer::new(String::new());
        let spelt = out.extend_pairs(&sorted).finish();
        verify(&SignedRequest { query: &spelt, ..request }).unwrap();
        for (name, value) in &pairs {
            assert_eq!(params.get(name), Some(value.as_str()));
        }
        // A value that differs in one letter is another request.
        if let Some((_, value)) = sorted.first_mut() {
            value.push('x');
            let mut out = form_urlencoded::Serializer::new(String::new());
            let other = out.extend_pairs(&sorted).finish();
            assert!(verify(&SignedRequest { query: &other, ..request }).is_err(), "{other}");
        }
    }
    let query = format!("{}&x=y", sent.query);
    assert!(verify(&SignedRequest { query: &query, ..request }).is_err());
    let path = format!("{}/x", sent.path);
    assert!(verify(&SignedRequest { path: &path, ..request }).is_err());
    let method = format!("{}X", sent.method);
    assert!(verify(&SignedRequest { method: &method, ..request }).is_err());
    let body_sha256 = sigv4::sha256(&[sent.body, b"x"].concat());
    assert!(verify(&SignedRequest { body_sha256, ..request }).is_err());
    let signed = headers.iter().position(|(name, _)| *name == "Host").unwrap();
    let mut moved = headers.clone();
    moved[signed].1 = b"127.0.0.1:4881";
    assert!(verify(&SignedRequest { headers: &moved, ..request }).is_err());
}

/// How deep a value is nested, and how many bytes its texts and names have.
fn extent(value: &Value) -> (usize, usize) {
    let (depth, bytes) = match value {
        Value::Array(items) => items.iter().map(extent).fold((0, 0), sum),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (extent(value).0, extent(value).1 + name.len()))
            .fold((0, 0), sum),
        Value::String(text) => (0, text.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => (0, 0),
    };
    (depth + 1, bytes)
}

fn sum(one: (usize, usize), other: (usize, usize)) -> (usize, usize) {
    (one.0.max(other.0), one.1 + other.1)
}

#[test]
fn fuzz_xml() {
    ::fuzz::target("xml", |input| {
        let Ok(text) = str::from_utf8(input) else { return };
        match to_json(text) {
            Ok(value) => {
                let (depth, bytes) = extent(&value);
                assert!(depth <= 3 * 64, "{depth} deep");
                assert!(bytes <= text.len(), "{bytes} of {}", text.len());
            }
            Err(error) => {
                assert!(!error.why.is_empty());
                assert_eq!(error_of(text), None);
            }
        }
        // What the writer was given is what a reader gets, but for what XML cannot hold.
        let holds: String = text.chars().filter(|c| can_hold(*c)).collect();
        let answer = xml::response("Do", "id", |x| {
            x.el("value", text);
            x.items("itemSet", [text, text], |x, item| x.text(item));
        });
        let value = to_json(&answer).unwrap();
        assert_eq!(value["value"], holds.as_str());
        assert_eq!(value["itemSet"], serde_json::json!([holds, holds]));
        for service in [Service::Ec2, Service::Sts] {
            let error = xml::error(service, text, text, text);
            assert_eq!(error_of(&error), Some((holds.clone(), holds.clone())));
        }
    });
}
