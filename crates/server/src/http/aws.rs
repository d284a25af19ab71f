//! The AWS endpoint: one address for EC2, STS and IAM. The signature of a request tells the
//! account, the service and the region; [`crate::http::ec2`] carries the action out.

mod counted;
mod elsewhere;
mod request_id;

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::params::Params;
use aws::sigv4::{Authorization, SigError, SignedRequest, SigningKey};
use aws::xml::Service;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use model::{
    AccessKeyId, AccountId, Caller, CredentialsEnded, IdentityCommand, Principal, Region, Scope,
    TemporaryKeyId,
};

use self::counted::Turned;
use self::request_id::fresh_request_id;
use crate::clock::SystemIds;
use crate::credentials::TemporaryCredentials;
use crate::http::ec2::{self, Action, Ec2Error};
use crate::http::refusals::Refusal;
use crate::http::refused as refused_request;
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

/// The path of the endpoint.
pub(crate) const PATH: &str = "/";

/// The header with the request's id.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The sender and the target of a request, as its signature says.
struct Claim {
    service: Service,
    scope: Scope,
    principal: Principal,
}

/// Answers a request to the endpoint, and counts it.
///
/// The future is moved several times before it is polled, so it is kept small: its blocks use what they
/// capture where it is, and what only changes wait for is in boxes.
pub(crate) fn answer<B>(
    state: Arc<State>,
    source: IpAddr,
    request: Request<B>,
) -> impl Future<Output = Response>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let began = Instant::now();
    let (parts, mut body) = request.into_parts();
    async move {
        let mut turned = Turned { place: ec2::other_place(Service::Ec2), throttled: false };
        let response = answer_it(&state, source, &parts, &mut body, &mut turned).await;
        turned.count(&state.metrics, began, response.status());
        response
    }
}

async fn answer_it<B>(
    state: &State,
    source: IpAddr,
    parts: &Parts,
    body: &mut B,
    turned: &mut Turned,
) -> Response
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    if let Some(answer) = elsewhere::refuse_other(parts) {
        return answer;
    }
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY as u64) {
        // It is not waited for.
        let mut response = failed(&parts.headers, &fresh_request_id(), &too_large());
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    let request_id = fresh_request_id();
    let answer = match whole(body).await {
        _ if !METHODS.contains(&parts.method) => Err(no_method()),
        Ok(body) => serve(state, source, parts, &body, &request_id, turned).await,
        Err(error) => Err(error),
    };
    answer.map_or_else(
        |error| failed(&parts.headers, &request_id, &error),
        |text| xml(StatusCode::OK, &request_id, text),
    )
}

/// The answer to a request that failed.
fn failed(headers: &HeaderMap, request_id: &str, error: &Ec2Error) -> Response {
    let text = aws::xml::error(guess_service(headers), &error.code, &error.message, request_id);
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    if status.is_server_error() {
        tracing::warn!(request_id, %status, code = %error.code, "{}", error.message);
    }
    let mut response = xml(status, request_id, text);
    let (name, value) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (header::ALLOW, "GET, POST"),
        StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, "1"),
        _ => return response,
    };
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// A request's body, once all of it has arrived.
async fn whole<B>(body: &mut B) -> Result<Bytes, Ec2Error>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let (mut first, mut more) = (Bytes::new(), Vec::new());
    // Whether it has ended is known without a further look where its length was declared.
    while !body.is_end_stream() {
        let frame = match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            Some(frame) => frame.map_err(|_| cut_short())?,
            None => break,
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + more.len() + data.len() > MAX_BODY {
            return Err(too_large());
        }
        if first.is_empty() {
            first = data;
        } else {
            more.extend_from_slice(&data);
        }
    }
    Ok(if more.is_empty() { first } else { [&first[..], &more].concat().into() })
}

/// The error for a body that is too long.
fn too_large() -> Ec2Error {
    Ec2Error {
        code: "RequestEntityTooLarge".into(),
        message: format!("The request's body is larger than {MAX_BODY} bytes."),
        status: StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
    }
}

/// The error for a body that is incomplete.
fn cut_short() -> Ec2Error {
    Ec2Error {
        code: "InvalidRequest".into(),
        message: "The request's body was cut short.".to_owned(),
        status: StatusCode::BAD_REQUEST.as_u16(),
    }
}

/// The error for an account that exceeds its rate limit. EC2's clients retry on their own.
fn limit_exceeded() -> Ec2Error {
    Ec2Error {
        code: "RequestLimitExceeded".into(),
        message: "Request limit exceeded.".to_owned(),
        status: StatusCode::SERVICE_UNAVAILABLE.as_u16(),
    }
}

/// The answer to a request that cannot be answered for the moment. EC2's clients retry on their own.
pub(crate) fn unavailable(headers: &HeaderMap, message: String) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
    failed(headers, &fresh_request_id(), &Ec2Error { code: "Unavailable".into(), message, status })
}

/// The error for a method that is neither GET nor POST.
fn no_method() -> Ec2Error {
    Ec2Error {
        code: "MethodNotAllowed".into(),
        message: "Requests to this endpoint are sent by GET or POST.".to_owned(),
        status: StatusCode::METHOD_NOT_ALLOWED.as_u16(),
    }
}

/// The answer to a request that is refused without being parsed.
pub(crate) fn forbidden(headers: &HeaderMap, message: &str) -> Response {
    let request_id = fresh_request_id();
    let text = aws::xml::error(guess_service(headers), "AccessDenied", message, &request_id);
    xml(StatusCode::FORBIDDEN, &request_id, text)
}

fn xml(status: StatusCode, request_id: &str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/xml;charset=UTF-8");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID.clone(), id);
    }
    response
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
    body: &[u8],
    request_id: &str,
    turned: &mut Turned,
) -> Result<String, Ec2Error> {
    let claim = if state.emulator {
        anybody(state, parts)?
    } else {
        authenticate(state, parts, body).inspect_err(|error| {
            turned.place = ec2::other_place(guess_service(&parts.headers));
            note_stranger(state, source, parts, error, request_id);
        })?
    };
    let now = state.clock.now();
    turned.place = ec2::other_place(claim.service);
    state.account_rates.take(claim.scope.account, now).map_err(|_| {
        turned.throttled = true;
        limit_exceeded()
    })?;
    let origin = || Origin { address: Some(source), request_id: request_id.to_owned() };
    if state.emulator {
        Box::pin(ensure_account(state, claim.scope, &origin())).await?;
    }
    let keys = ec2::KeyMaker::new(crate::clock::fill);
    let call = Call { state, claim: &claim, params: params(parts, body)?, request_id, keys };
    turned.place = ec2::place(claim.service, call.params.get("Action").unwrap_or_default());
    let log = |error: &Ec2Error| call.log_refusal(error, &origin());
    let mut before = call.before().inspect_err(log)?;
    if matches!(before, Before::Answer(_)) && call.starting() {
        Box::pin(call.started()).await;
        before = call.before().inspect_err(log)?;
    }
    let (command, answer) = match before {
        Before::Answer(text) => return Ok(text),
        Before::Submit(command, answer) => (command, answer),
    };
    let done = Box::pin(state.submit(call.caller(), *command, &origin())).await;
    let done = done.map_err(|error| match error {
        LedgerError::Refused(refused) => Ec2Error::from(refused),
        LedgerError::Busy => {
            turned.throttled = true;
            limit_exceeded()
        }
        LedgerError::Store
        | LedgerError::NoRoom
        | LedgerError::Unknown
        | LedgerError::NotLeading
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
    Submit(Box<model::Command>, Answer),
}

/// Waits for another host, while other requests go on on other threads where there are any.
fn aside<T>(wait: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

impl Call<'_> {
    fn caller(&self) -> Caller {
        Caller::Account { scope: self.claim.scope, read_only: self.claim.principal.read_only }
    }

    fn with_request<T>(&self, with: impl FnOnce(&ec2::Request<'_>) -> T) -> T {
        let console = |id: model::InstanceId| match self.state.elsewhere(&self.state.glance()) {
            Some(elsewhere) => Err(Ec2Error {
                status: 503,
                ..Ec2Error::new(
                    "Unavailable",
                    format!("The output of instances is at {elsewhere}; ask there."),
                )
            }),
            None => {
                let workload = model::WorkloadId::Instance(id);
                match aside(|| self.state.console.tail(workload, 64 << 10)) {
                    Ok(tail) => Ok(Some(tail)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(Ec2Error {
                        status: 503,
                        ..Ec2Error::new(
                            "Unavailable",
                            format!("The output of the instance cannot be read: {error}."),
                        )
                    }),
                }
            }
        };
        let credentials = |of: &Principal| {
            TemporaryCredentials::new(&self.state.secret, of)
                .expect("the cipher takes what fits into memory")
        };
        with(&ec2::Request {
            scope: self.claim.scope,
            read_only: self.claim.principal.read_only,
            principal: &self.claim.principal,
            credentials: &credentials,
            params: &self.params,
            now: self.state.clock.now(),
            request_id: self.request_id,
            keys: &self.keys,
            console: &console,
        })
    }

    /// Logs that the request was refused before it became a command.
    fn log_refusal(&self, error: &Ec2Error, origin: &Origin) {
        let action = format!("Ec2.{}", self.params.get("Action").unwrap_or_default());
        refused_request::log(self.caller(), &action, "", &error.code, &error.message, origin);
    }

    /// Whether the answer would contain an instance that is about to run.
    fn starting(&self) -> bool {
        self.claim.service == Service::Ec2
            && self.params.get("Action") == Some("DescribeInstances")
            && self.with_request(|request| ec2::starts(&self.state.glance(), request))
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
        let world = self.state.glance();
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
                Ok(Before::Submit(Box::new(command.into()), *answer))
            }
            Action::Issue(parse) => {
                let command = self.with_request(|request| parse(&world, request))?;
                ec2::refuse_unread(name, params)?;
                Ok(Before::Submit(Box::new(command.into()), ec2::issued))
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
fn params(parts: &Parts, body: &[u8]) -> Result<Params, Ec2Error> {
    let query = parts.uri.query().unwrap_or_default();
    let mut params = Params::parse(query.as_bytes())?;
    // The signature of a presigned request is among the parameters. It was verified already.
    if !query.is_empty() {
        for name in ec2::SIGNATURE_PARAMETERS {
            let _ = params.get(name);
        }
    }
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
    Ok(params)
}

/// Verifies the signature.
fn authenticate(state: &State, parts: &Parts, body: &[u8]) -> Result<Claim, Ec2Error> {
    let mut headers: Vec<(&str, &[u8])> = Vec::with_capacity(parts.headers.len() + 1);
    headers.extend(parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
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
    let world = state.glance();
    let (principal, key) = if let Some(token) = claim.session_token() {
        let id: TemporaryKeyId =
            claim.access_key().parse().map_err(|_| without_token(unknown()))?;
        let (principal, secret) =
            TemporaryCredentials::open(&state.secret, id, token).ok_or_else(unknown)?;
        let key = SigningKey::derive(&secret, claim.date(), claim.region(), claim.service());
        (principal, key)
    } else {
        let id: AccessKeyId = claim.access_key().parse().map_err(|_| unknown())?;
        let found = world.signing_key(id).ok_or_else(unknown)?;
        let key = state.signing_key(found, claim.scope()).ok_or_else(unknown)?;
        let read_only = found.access == model::Access::ReadOnly;
        (Principal::of_key(found.account, Some(id), read_only), key)
    };
    claim.verify(&signed, &key)?;
    principal.check(&world, state.clock.now()).map_err(|ended| match ended {
        CredentialsEnded::Expired => expired(service),
        CredentialsEnded::Revoked => unknown(),
    })?;
    Ok(Claim { service, scope: Scope { account: principal.account, region }, principal })
}

/// The error for credentials whose time is over, as each service says it.
fn expired(service: Service) -> Ec2Error {
    match service {
        Service::Ec2 => Ec2Error::new("RequestExpired", "Request has expired."),
        Service::Sts | Service::Iam => Ec2Error {
            code: "ExpiredToken".into(),
            message: "The security token included in the request is expired".to_owned(),
            status: 403,
        },
    }
}

/// The error for a session token beside an access key, which needs none.
fn without_token(error: Ec2Error) -> Ec2Error {
    let Ec2Error { message, .. } = &error;
    let message = format!(
        "{message}: the session token is not one of this access key. Unset AWS_SESSION_TOKEN, or \
         remove aws_session_token from the profile."
    );
    Ec2Error { message, ..error }
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
    let known = key.parse().ok().and_then(|id| world.access_key(id)).map(|key| key.account);
    let account = known.or_else(|| session_of(state, parts, &key).map(|of| of.account));
    let account = account.map(|account| account.to_string()).unwrap_or_default();
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
    body: &[u8],
) -> Result<(AccountId, bool), Ec2Error> {
    authenticate(state, parts, body).map(|claim| (claim.scope.account, claim.principal.read_only))
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
    let signed = header
        .and_then(|text| text.split("Credential=").nth(1))
        .and_then(|text| text.split([',', ' ']).next());
    let query = Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok();
    let presigned = || query.as_ref()?.get("X-Amz-Credential");
    let credential = signed.or_else(presigned).unwrap_or_default();
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
    let principal = match session_of(state, parts, &access_key) {
        Some(principal) => {
            let ended = principal.check(&state.world(), state.clock.now());
            ended.map_err(|_| expired(service)).map(|()| principal)?
        }
        None => {
            let principal = Principal::of_key(emulated_account(&access_key), None, false);
            // It can only be that the account was disabled.
            let closed =
                |_| refused("AWS was not able to validate the provided access credentials");
            principal.check(&state.world(), state.clock.now()).map_err(closed)?;
            principal
        }
    };
    Ok(Claim { service, scope: Scope { account: principal.account, region }, principal })
}

/// What the temporary credentials of a request stand for that nothing was verified of, if they were
/// given out here.
fn session_of(state: &State, parts: &Parts, access_key: &str) -> Option<Principal> {
    const TOKEN: &str = "X-Amz-Security-Token";
    let id = access_key.parse().ok()?;
    let header = parts.headers.get(TOKEN).and_then(|token| token.to_str().ok());
    let query = Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok();
    let token = header.or_else(|| query.as_ref()?.get(TOKEN))?;
    TemporaryCredentials::open(&state.secret, id, token.trim()).map(|(of, _)| of)
}

/// In emulator mode: the account that an access key stands for.
pub(crate) fn emulated_account(access_key: &str) -> AccountId {
    access_key.parse().unwrap_or(AccountId::EMULATED)
}

/// In emulator mode: creates the account and its default VPC in the region when they are first
/// used.
async fn ensure_account(state: &State, scope: Scope, origin: &Origin) -> Result<(), Ec2Error> {
    let known = state.glance().account(scope.account).is_some();
    if known && state.default_vpcs_made.lock().expect("no holder panics").contains(&scope) {
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
