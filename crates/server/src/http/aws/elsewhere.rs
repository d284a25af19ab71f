//! Requests for other AWS services, which arrive because one endpoint address serves all clients.
//! Each is answered in the error form of its own service that there is no such service.

use std::borrow::Cow;

use aws::params::Params;
use aws::xml::{Service, Xml};
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::request_id::fresh_request_id;

/// The most characters of a service's name that an answer repeats.
const LONGEST_NAME: usize = 40;

/// Answers requests for other services, and passes all others on.
pub(crate) async fn other_services(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match refuse_other(&parts) {
        Some(answer) => answer,
        None => next.run(Request::from_parts(parts, body)).await,
    }
}

/// The answer to a request for another service.
pub(super) fn refuse_other(parts: &Parts) -> Option<Response> {
    service_of(parts).map(|service| refuse(parts, &service))
}

/// The other service that a request is for: by the scope of its signature, or by a header if it is
/// not signed.
fn service_of(parts: &Parts) -> Option<String> {
    let name = match scope(parts) {
        Some(service) if Service::of_scope(&service).is_some() => return None,
        Some(service) => service,
        None => {
            // For example DynamoDB_20120810.ListTables or AWSCognitoIdentityService.GetId.
            let target = parts.headers.get("x-amz-target")?.to_str().ok()?;
            target.split(['.', '_']).next()?.into()
        }
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let name: String = name.chars().filter(|letter| plain(*letter)).take(LONGEST_NAME).collect();
    (!name.is_empty()).then_some(name)
}

/// The service in the scope of a signature: `AKID/20260131/us-east-1/dynamodb/aws4_request`.
fn scope(parts: &Parts) -> Option<Cow<'_, str>> {
    fn of(credential: &str, nth: usize) -> Option<&str> {
        let (scope, _) = credential.split_once(',').unwrap_or((credential, ""));
        scope.split('/').nth(nth)
    }
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some((signed, rest)) = header.and_then(|text| text.split_once("Credential=")) {
        // SigV4A, which is valid in several regions, has no region in its scope.
        let nth = if signed.starts_with("AWS4-ECDSA") { 2 } else { 3 };
        return of(rest, nth).map(Cow::Borrowed);
    }
    let query = Params::parse(parts.uri.query()?.as_bytes()).ok()?;
    of(query.get("X-Amz-Credential")?, 3).map(|service| Cow::Owned(service.to_owned()))
}

/// The form of a service's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// AWS JSON 1.0 and 1.1, and REST-JSON.
    Json,
    /// S3's own form of XML.
    S3,
    /// The Query protocol and REST-XML.
    Xml,
    /// Smithy RPC v2.
    Cbor,
}

fn form_of(parts: &Parts, service: &str) -> Form {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header("content-type").unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    if header("smithy-protocol") == Some("rpc-v2-cbor") {
        return Form::Cbor;
    }
    match service {
        _ if header("x-amz-target").is_some() => Form::Json,
        "s3" | "s3express" | "s3-outposts" | "s3-object-lambda" => Form::S3,
        "route53" | "cloudfront" => Form::Xml,
        _ if kind.starts_with("application/x-www-form-urlencoded") => Form::Xml,
        _ if query.split('&').any(|pair| pair.starts_with("Action=")) => Form::Xml,
        _ => Form::Json,
    }
}

fn refuse(parts: &Parts, service: &str) -> Response {
    let request_id = fresh_request_id();
    let message = format!("Causeway has EC2, STS and IAM; it has no {service}. Nothing was done.");
    let form = form_of(parts, service);
    let (status, code, kind, body): (_, _, Cow<'static, str>, Vec<u8>) = match form {
        Form::Json => {
            let code = "UnknownOperationException";
            // The client's own version, 1.0 or 1.1.
            let asked = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let kind = asked.filter(|kind| kind.starts_with("application/x-amz-json"));
            let kind = kind.unwrap_or("application/json").to_owned();
            let body = json!({ "__type": code, "message": message }).to_string();
            (StatusCode::BAD_REQUEST, code, kind.into(), body.into())
        }
        Form::S3 => {
            let code = "NotImplemented";
            let mut x = Xml::new();
            x.nest("Error", |x| {
                x.el("Code", code);
                x.el("Message", &message);
                x.el("Resource", parts.uri.path());
                x.el("RequestId", &request_id);
            });
            (StatusCode::NOT_IMPLEMENTED, code, "application/xml".into(), x.finish().into())
        }
        Form::Xml => {
            let code = "InvalidAction";
            let mut x = Xml::new();
            x.nest("ErrorResponse", |x| {
                x.nest("Error", |x| {
                    x.el("Type", "Sender");
                    x.el("Code", code);
                    x.el("Message", &message);
                });
                x.el("RequestId", &request_id);
            });
            (StatusCode::BAD_REQUEST, code, "text/xml".into(), x.finish().into())
        }
        Form::Cbor => {
            let code = "UnknownOperationException";
            let body = cbor(&[("__type", code), ("message", &message)]);
            (StatusCode::BAD_REQUEST, code, "application/cbor".into(), body)
        }
    };
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", &kind);
    set("x-amzn-requestid", &request_id);
    set("x-amzn-errortype", code);
    if form == Form::S3 {
        set("x-amz-request-id", &request_id);
    }
    if form == Form::Cbor {
        set("smithy-protocol", "rpc-v2-cbor");
    }
    response
}

/// Encodes a map of texts that are shorter than 256 bytes (RFC 8949 §3.1).
fn cbor(map: &[(&str, &str)]) -> Vec<u8> {
    const MAP: u8 = 0xa0;
    const TEXT_WITH_LENGTH: u8 = 0x78;
    let mut bytes = vec![MAP | map.len() as u8];
    for text in map.iter().flat_map(|(name, value)| [name, value]) {
        let length = text.len().min(usize::from(u8::MAX));
        bytes.extend([TEXT_WITH_LENGTH, length as u8]);
        bytes.extend(&text.as_bytes()[..length]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn signed(service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIA/20260131/us-east-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=00"
        )
    }

    #[test]
    fn other_services_are_known_by_their_signature() {
        for own in ["ec2", "sts", "iam"] {
            assert_eq!(service_of(&request("/", &[("authorization", &signed(own))])), None);
        }
        let s3 = request("/bucket/key", &[("authorization", &signed("s3"))]);
        assert_eq!(service_of(&s3).unwrap(), "s3");
        let presigned =
            request("/a?X-Amz-Credential=AKIA%2F20260131%2Feu-west-1%2Fs3%2Faws4_request", &[]);
        assert_eq!(service_of(&presigned).unwrap(), "s3");
        let v4a = "AWS4-ECDSA-P256-SHA256 Credential=AKIA/20260131/s3/aws4_request, Signature=00";
        assert_eq!(service_of(&request("/", &[("authorization", v4a)])).unwrap(), "s3");
        let target = [("x-amz-target", "DynamoDB_20120810.ListTables")];
        assert_eq!(service_of(&request("/", &target)).unwrap(), "DynamoDB");
        for nothing in
            ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=", "AWS4-HMAC-SHA256 Credential=a/b/c"]
        {
            assert_eq!(service_of(&request("/", &[("authorization", nothing)])), None, "{nothing}");
        }
        let odd = service_of(&request("/", &[("authorization", &signed("<x>&"))]));
        assert_eq!(odd.unwrap(), "x");
        assert_eq!(service_of(&request("/apps", &[])), None);
    }

    /// The service, the path, the headers, the expected status and a part of the expected body.
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u16, &'a str);

    #[tokio::test]
    async fn each_form_is_the_client_s_own() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let cases: [Case<'_>; 7] = [
            ("s3", "/b", &[], 501, "<Error><Code>NotImplemented</Code><Message>Causeway has"),
            ("sns", "/", &[("content-type", form)], 400, "<Code>InvalidAction</Code>"),
            ("rds", "/?Action=DescribeDBInstances", &[], 400, "<ErrorResponse><Error><Type>Sender"),
            ("route53", "/2013-04-01/hostedzone", &[], 400, "<ErrorResponse><Error>"),
            (
                "lambda",
                "/2015-03-31/functions/",
                &[],
                400,
                r#"{"__type":"UnknownOperationException""#,
            ),
            (
                "sqs",
                "/",
                &[
                    ("x-amz-target", "AmazonSQS.ListQueues"),
                    ("content-type", "application/x-amz-json-1.0"),
                ],
                400,
                r#""message":"Causeway has EC2, STS and IAM; it has no sqs."#,
            ),
            (
                "monitoring",
                "/service/X/operation/Y",
                &[("smithy-protocol", "rpc-v2-cbor")],
                400,
                "Causeway has EC2",
            ),
        ];
        for (service, path, headers, status, part) in cases {
            let response = refuse(&request(path, headers), service);
            assert_eq!(response.status(), status, "{service}");
            let kind = response.headers()["content-type"].clone();
            let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
            let text = String::from_utf8_lossy(&body).into_owned();
            assert!(text.contains(part), "{service}: {text}");
            if service == "sqs" {
                assert_eq!(kind, "application/x-amz-json-1.0");
            }
        }
    }

    #[test]
    fn maps_are_written_as_cbor() {
        assert_eq!(cbor(&[("a", "bc")]), [0xa1, 0x78, 1, b'a', 0x78, 2, b'b', b'c']);
    }
}
