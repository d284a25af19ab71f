//! The AWS endpoint: one address for EC2, STS and IAM. The signature of a request tells the
//! account, the service and the region; [`crate::http::ec2`] carries the action out.

mod elsewhere;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws::params::Params;
use aws::sigv4::{Authorization, SigError, SignedRequest};
use aws::xml::Service;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use model::{AccessKeyId, AccountId, Caller, IdentityCommand, Region, Scope};

use crate::clock::SystemIds;
use crate::http::ec2::{self, Action, Ec2Error};
use crate::http::refusals::Refusal;
use crate::http::state::{Origin, State};
use crate::ledger::LedgerError;
use store::AuditRow;

pub(crate) use elsewhere::other_services;

/// The most bytes of a request's body. The largest valid one is RunInstances with user data.
const MAX_BODY: usize = 1 << 20;
/// The methods that EC2's clients use. An action may change something whatever the method, so no
/// other method is accepted: HTTP libraries and proxies repeat `HEAD`, `PUT` and `DELETE` on their
/// own.
const METHODS: [Method; 2] = [Method::GET, Method::POST];
/// How long an answer waits for instances that are about to run, at most.
const LONGEST_START: Duration = Duration::from_millis(500);

/// The most characters of a claimed access key that the audit keeps. Real ones have 20.
const LONGEST_KEY: usize = 32;

/// The routes of the endpoint.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/", any(query_api).layer(axum::middleware::from_fn(refuse_large)))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

/// The sender and the target of a request, as its signature says.
struct Claim {
    service: Service,
    scope: Scope,
    read_only: bool,
    access_key: String,
}

async fn query_api(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request_id = fresh_request_id();
    let service = guess_service(&parts.headers);
    let answer = match body {
        _ if !METHODS.contains(&parts.method) => Err(no_method()),
        Ok(body) => serve(&state, peer.ip(), &parts, &body, &request_id).await,
        Err(error) => Err(unreadable(error.status())),
    };
    match answer {
        Ok(text) => xml(StatusCode::OK, &request_id, text),
        Err(error) => {
            let text = aws::xml::error(service, &error.code, &error.message, &request_id);
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            if status.is_server_error() {
                tracing::warn!(request_id, %status, code = %error.code, "{}", error.message);
            }
            let mut response = xml(status, &request_id, text);
            let (name, value) = match status {
                StatusCode::METHOD_NOT_ALLOWED => (header::ALLOW, "GET, POST"),
                StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, "1"),
                _ => return response,
            };
            response.headers_mut().insert(name, HeaderValue::from_static(value));
            response
        }
    }
}

/// The error for a body that is too long or incomplete.
fn unreadable(status: StatusCode) -> Ec2Error {
    let (code, message) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => (
            "RequestEntityTooLarge",
            format!("The request's body is larger than {MAX_BODY} bytes."),
        ),
        _ => ("InvalidRequest", "The request's body was cut short.".to_owned()),
    };
    Ec2Error { code: code.into(), message, status: status.as_u16() }
}

/// The error for an account that exceeds its rate limit. EC2's clients retry on their own.
fn limit_exceeded() -> Ec2Error {
    Ec2Error {
        code: "RequestLimitExceeded".into(),
        message: "Request limit exceeded.".to_owned(),
        status: StatusCode::SERVICE_UNAVAILABLE.as_u16(),
    }
}

/// The error for a method that is neither GET nor POST.
fn no_method() -> Ec2Error {
    Ec2Error {
        code: "MethodNotAllowed".into(),
        message: "Requests to this endpoint are sent by GET or POST.".to_owned(),
        status: StatusCode::METHOD_NOT_ALLOWED.as_u16(),
    }
}

/// Refuses a body whose declared length is too large before it arrives.
async fn refuse_large(request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_none_or(|length| length <= MAX_BODY as u64) {
        return next.run(request).await;
    }
    let request_id = fresh_request_id();
    let error = unreadable(StatusCode::PAYLOAD_TOO_LARGE);
    let service = guess_service(request.headers());
    let text = aws::xml::error(service, &error.code, &error.message, &request_id);
    let mut response = xml(StatusCode::PAYLOAD_TOO_LARGE, &request_id, text);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The answer to a request that is refused without being parsed.
pub(crate) fn forbidden(headers: &HeaderMap, message: &str) -> Response {
    let request_id = fresh_request_id();
    let text = aws::xml::error(guess_service(headers), "AccessDenied", message, &request_id);
    xml(StatusCode::FORBIDDEN, &request_id, text)
}

fn fresh_request_id() -> String {
    uuid::Uuid::from_u128(model::IdSource::next_bits(&mut SystemIds)).to_string()
}

fn xml(status: StatusCode, request_id: &str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/xml;charset=UTF-8"),
        ("x-amzn-requestid", request_id),
    ];
    (status, headers, text).into_response()
}

/// The service whose error form is used when the signature cannot be parsed.
fn guess_service(headers: &HeaderMap) -> Service {
    let claimed = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    match claimed {
        Some(text) if text.contains("/sts/aws4_request") => Service::Sts,
        Some(text) if text.contains("/iam/aws4_request") => Service::Iam,
        _ => Service::Ec2,
    }
}

async fn serve(
    state: &State,
    source: IpAddr,
    parts: &Parts,
    body: &Bytes,
    request_id: &str,
) -> Result<String, Ec2Error> {
    let claim = if state.emulator {
        anybody(state, parts)?
    } else {
        authenticate(state, parts, body)
            .inspect_err(|error| note_stranger(state, source, parts, error, request_id))?
    };
    let now = state.clock.now();
    state.account_rates.take(claim.scope.account, now).map_err(|_| limit_exceeded())?;
    let origin = Origin { address: Some(source), request_id: request_id.to_owned() };
    if state.emulator {
        ensure_account(state, claim.scope, &origin).await?;
    }
    let keys = ec2::KeyMaker::new(crate::clock::fill);
    let call = Call { state, claim: &claim, params: params(parts, body)?, request_id, keys };
    let mut before = call.before()?;
    if matches!(before, Before::Answer(_)) && call.starting() {
        call.started().await;
        before = call.before()?;
    }
    let (command, answer) = match before {
        Before::Answer(text) => return Ok(text),
        Before::Submit(command, answer) => (command, answer),
    };
    let done =
        state.submit(call.caller(), *command, &origin).await.map_err(|error| match error {
            LedgerError::Refused(refused) => Ec2Error::from(refused),
            LedgerError::Busy => limit_exceeded(),
            LedgerError::Store
            | LedgerError::NoRoom
            | LedgerError::Unknown
            | LedgerError::Stopped => {
                Ec2Error { status: 503, ..Ec2Error::new("ServiceUnavailable", error) }
            }
        })?;
    Ok(call.with_request(|request| answer(&done.before, &done.after, &done.reply, request)))
}

type Answer = fn(&model::World, &model::World, &model::Reply, &ec2::Request<'_>) -> String;

/// A request of an authenticated sender.
struct Call<'a> {
    state: &'a State,
    claim: &'a Claim,
    params: Params,
    request_id: &'a str,
    keys: ec2::KeyMaker,
}

/// The result of parsing a request.
enum Before {
    /// The action only reads; this is its answer.
    Answer(String),
    /// The action changes something: the command, and the function that writes its answer.
    Submit(Box<model::Ec2Command>, Answer),
}

impl Call<'_> {
    fn caller(&self) -> Caller {
        Caller::Account { scope: self.claim.scope, read_only: self.claim.read_only }
    }

    fn with_request<T>(&self, with: impl FnOnce(&ec2::Request<'_>) -> T) -> T {
        let console = |id: model::InstanceId| {
            self.state.console.tail(model::WorkloadId::Instance(id), 64 << 10).ok()
        };
        with(&ec2::Request {
            scope: self.claim.scope,
            read_only: self.claim.read_only,
            access_key: &self.claim.access_key,
            params: &self.params,
            now: self.state.clock.now(),
            request_id: self.request_id,
            keys: &self.keys,
            console: &console,
        })
    }

    /// Whether the answer would contain an instance that is about to run.
    fn starting(&self) -> bool {
        self.claim.service == Service::Ec2
            && self.with_request(|request| ec2::starts(&self.state.world(), request))
    }

    /// Waits until the answer contains no such instance, for [`LONGEST_START`] at most.
    async fn started(&self) {
        let mut published = self.state.ledger.watch();
        let started = async { while self.starting() && published.changed().await.is_ok() {} };
        // An instance that takes longer is shown as it is.
        let _ = tokio::time::timeout(LONGEST_START, started).await;
    }

    fn before(&self) -> Result<Before, Ec2Error> {
        let params = &self.params;
        let version = params.required("Version")?;
        let name = params.required("Action")?;
        let action = ec2::find(self.claim.service, version, name)?;
        let dry_run = params.bool("DryRun")?.unwrap_or(false);
        let world = self.state.world();
        match action {
            Action::Read(read) => {
                let answer = self.with_request(|request| read(&world, request))?;
                ec2::refuse_unread(name, params)?;
                if dry_run { Err(dry_run_succeeded()) } else { Ok(Before::Answer(answer)) }
            }
            Action::Write { parse, answer } => {
                let command = self.with_request(|request| parse(&world, request))?;
                ec2::refuse_unread(name, params)?;
                if dry_run {
                    let now = self.state.clock.now();
                    world.decide(self.caller(), &command.into(), now, &mut SystemIds)?;
                    return Err(dry_run_succeeded());
                }
                Ok(Before::Submit(Box::new(command), *answer))
            }
        }
    }
}

fn dry_run_succeeded() -> Ec2Error {
    Ec2Error {
        code: "DryRunOperation".into(),
        message: "Request would have succeeded, but DryRun flag is set.".to_owned(),
        status: 412,
    }
}

/// The parameters of the query string and of the form together.
fn params(parts: &Parts, body: &Bytes) -> Result<Params, Ec2Error> {
    let mut params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes())?;
    if !body.is_empty() {
        let form = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .is_none_or(|v| v.starts_with("application/x-www-form-urlencoded"));
        if !form {
            return Err(Ec2Error {
                code: "InvalidRequest".into(),
                message: "The body must be application/x-www-form-urlencoded.".to_owned(),
                status: 400,
            });
        }
        params.extend(body)?;
    }
    // The signature of a presigned request is among the parameters. It was verified already.
    for name in ec2::SIGNATURE_PARAMETERS {
        let _ = params.get(name);
    }
    Ok(params)
}

/// Verifies the signature.
fn authenticate(state: &State, parts: &Parts, body: &Bytes) -> Result<Claim, Ec2Error> {
    let mut headers: Vec<(&str, &[u8])> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let authority = parts.uri.authority().map(|a| a.as_str());
    if let Some(authority) = authority.filter(|_| !parts.headers.contains_key(header::HOST)) {
        headers.push(("host", authority.as_bytes()));
    }
    let signed = SignedRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &headers,
        body_sha256: aws::sigv4::sha256(body),
    };
    let claim = Authorization::parse(&signed, state.clock.wall().millis())?;
    let service = Service::of_scope(claim.service()).ok_or_else(|| {
        refused("Credential should be scoped to a valid service: ec2, sts or iam.")
    })?;
    let region: Region = claim
        .region()
        .parse()
        .map_err(|_| refused("Credential should be scoped to a valid region."))?;
    let unknown = || match service {
        Service::Ec2 => refused("AWS was not able to validate the provided access credentials"),
        Service::Sts | Service::Iam => Ec2Error {
            code: "InvalidClientTokenId".into(),
            message: "The security token included in the request is invalid.".to_owned(),
            status: 403,
        },
    };
    if claim.session_token().is_some() {
        // Causeway issues no session tokens, so this one is not valid here.
        let Ec2Error { message, .. } = unknown();
        let message = format!(
            "{message}: no session token was given out here. Unset AWS_SESSION_TOKEN, or remove \
             aws_session_token from the profile."
        );
        return Err(Ec2Error { message, ..unknown() });
    }
    let id: AccessKeyId = claim.access_key().parse().map_err(|_| unknown())?;
    let key =
        state.signing_key(id, claim.date(), claim.region(), claim.service()).ok_or_else(unknown)?;
    claim.verify(&signed, &key)?;
    let world = state.world();
    let found = world.access_key(id).ok_or_else(unknown)?;
    Ok(Claim {
        service,
        scope: Scope { account: found.account, region },
        read_only: found.access == model::Access::ReadOnly,
        access_key: id.to_string(),
    })
}

/// Records a request whose signature was refused, and the access key that it claimed, in the audit.
fn note_stranger(state: &State, source: IpAddr, parts: &Parts, error: &Ec2Error, request_id: &str) {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let claimed = [header, parts.uri.query()].into_iter().flatten();
    let claimed = claimed.flat_map(|text| text.split("Credential=").skip(1)).next();
    let key: String = claimed
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .take(LONGEST_KEY)
        .collect();
    let world = state.world();
    let known = key.parse().ok().and_then(|id| world.access_key(id));
    let account = known.map(|key| key.account.to_string()).unwrap_or_default();
    let row = AuditRow {
        actor: "nobody".to_owned(),
        account,
        action: "Ec2.Authenticate".to_owned(),
        resource: key,
        outcome: error.code.to_string(),
        message: error.message.clone(),
        request_id: request_id.to_owned(),
        ..AuditRow::default()
    };
    state.refused(Refusal { source: Some(source), row });
}

/// The account that signed a request to one of Causeway's own endpoints, and whether its key may change
/// nothing.
pub(crate) fn account_of(
    state: &State,
    parts: &Parts,
    body: &Bytes,
) -> Result<(AccountId, bool), Ec2Error> {
    authenticate(state, parts, body).map(|claim| (claim.scope.account, claim.read_only))
}

fn refused(message: &str) -> Ec2Error {
    Ec2Error { code: "AuthFailure".into(), message: message.to_owned(), status: 401 }
}

impl From<SigError> for Ec2Error {
    fn from(error: SigError) -> Self {
        Self { code: error.code().into(), message: error.to_string(), status: error.status() }
    }
}

/// In emulator mode: the scope that a request claims, without verification. An access key of 12
/// digits is the account (`ec2.md` §2.1).
fn anybody(state: &State, parts: &Parts) -> Result<Claim, Ec2Error> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let credential = header
        .and_then(|text| text.split("Credential=").nth(1))
        .and_then(|text| text.split([',', ' ']).next())
        .unwrap_or_default();
    let mut fields = credential.split('/');
    let access_key = fields.next().unwrap_or_default().to_owned();
    let region = match fields.nth(1) {
        // An unknown region is refused, because it is most likely a typing error in a test.
        Some(name) => name.parse().map_err(|_| {
            let name: String = name.chars().take(64).collect();
            refused(&format!(
                "Credential should be scoped to a valid region; '{name}' is none. \
                 DescribeRegions lists them."
            ))
        })?,
        None => state.region(),
    };
    let service = fields.next().and_then(Service::of_scope).unwrap_or(Service::Ec2);
    let account = emulated_account(&access_key);
    Ok(Claim { service, scope: Scope { account, region }, read_only: false, access_key })
}

/// In emulator mode: the account that an access key stands for.
pub(crate) fn emulated_account(access_key: &str) -> AccountId {
    access_key.parse().unwrap_or(AccountId::EMULATED)
}

/// In emulator mode: creates the account and its default VPC in the region when they are first
/// used.
async fn ensure_account(state: &State, scope: Scope, origin: &Origin) -> Result<(), Ec2Error> {
    if state.default_vpcs_made.lock().expect("no holder panics").contains(&scope) {
        return Ok(());
    }
    let ensure = IdentityCommand::EnsureAccount { id: scope.account, region: scope.region };
    state
        .submit(Caller::System, ensure, origin)
        .await
        .map_err(|error| Ec2Error { status: 500, ..Ec2Error::new("InternalError", error) })?;
    // From now on the default VPC may be deleted like any other.
    state.default_vpcs_made.lock().expect("no holder panics").insert(scope);
    Ok(())
}

#[cfg(test)]
mod tests;
