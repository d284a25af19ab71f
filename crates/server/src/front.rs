//! The front of the VPC's side: one address for EC2, STS and IAM. Finds out who asks, for which
//! service and region, from the signature, and hands on to [`crate::ec2`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use aws::params::Params;
use aws::sigv4::{Authorization, SigError, SignedRequest};
use aws::xml::Service;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use model::{AccessKeyId, AccountId, Caller, IdentityCommand, Region, Scope};

use crate::clock::SystemIds;
use crate::ec2::{self, Action, Ec2Error};
use crate::ledger::LedgerError;
use crate::state::{Origin, State};

/// The account that the emulator takes where the access key is none.
pub(crate) const EMULATED_ACCOUNT: &str = "123456789012";
/// Bytes that a request may have: RunInstances with user data is the largest honest one.
const MAX_BODY: usize = 1 << 20;

/// The routes.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/", any(query_api).layer(axum::middleware::from_fn(refuse_large)))
        .route("/healthz", get(healthz))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// Who asks, for what.
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
        Ok(body) => serve(&state, peer.ip(), &parts, &body, &request_id).await,
        Err(error) => Err(unreadable(error.status())),
    };
    match answer {
        Ok(text) => xml(StatusCode::OK, &request_id, text),
        Err(error) => {
            let text = aws::xml::error(service, &error.code, &error.message, &request_id);
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            xml(status, &request_id, text)
        }
    }
}

/// The error for a body that is too long, or that was cut short.
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

/// Refuses at once a body that says of itself that it is too long: its sender may still be at it,
/// and would only learn at the end that all was for nothing.
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

/// The service whose form an error takes when the signature itself is what is wrong.
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
    let claim =
        if state.emulator { anybody(state, parts)? } else { authenticate(state, parts, body)? };
    let origin = Origin { address: Some(source), request_id: request_id.to_owned() };
    if state.emulator {
        ensure_account(state, claim.scope, &origin).await?;
    }
    let call = Call { state, claim: &claim, params: params(parts, body)?, request_id };
    let (command, answer) = match call.before()? {
        Before::Answer(text) => return Ok(text),
        Before::Submit(command, answer) => (command, answer),
    };
    let done =
        state.submit(call.caller(), *command, &origin).await.map_err(|error| match error {
            LedgerError::Refused(refused) => Ec2Error::from(refused),
            LedgerError::Store(_) | LedgerError::Stopped => {
                Ec2Error { status: 503, ..Ec2Error::new("ServiceUnavailable", error) }
            }
        })?;
    Ok(call.with_request(|request| answer(&done.before, &done.after, &done.reply, request)))
}

type Answer = fn(&model::World, &model::World, &model::Reply, &ec2::Request<'_>) -> String;

/// A request whose sender is known.
struct Call<'a> {
    state: &'a State,
    claim: &'a Claim,
    params: Params,
    request_id: &'a str,
}

/// What follows from a request before anything is changed.
enum Before {
    /// It only looked.
    Answer(String),
    /// This is to be done, and answered by that.
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
            console: &console,
        })
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
                params.refuse_unused()?;
                if dry_run { Err(dry_run_succeeded()) } else { Ok(Before::Answer(answer)) }
            }
            Action::Write { parse, answer } => {
                let command = self.with_request(|request| parse(&world, request))?;
                params.refuse_unused()?;
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

/// The parameters of the query and of the form together.
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
    // A presigned request carries its signature here; it was checked already.
    for name in ec2::SIGNATURE_PARAMETERS {
        let _ = params.get(name);
    }
    Ok(params)
}

/// Checks the signature.
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

/// The account that signed a request to one of our own endpoints.
pub(crate) fn account_of(
    state: &State,
    parts: &Parts,
    body: &Bytes,
) -> Result<AccountId, Ec2Error> {
    authenticate(state, parts, body).map(|claim| claim.scope.account)
}

fn refused(message: &str) -> Ec2Error {
    Ec2Error { code: "AuthFailure".into(), message: message.to_owned(), status: 401 }
}

impl From<SigError> for Ec2Error {
    fn from(error: SigError) -> Self {
        Self { code: error.code().into(), message: error.to_string(), status: error.status() }
    }
}

/// In emulator mode: the scope that a request claims, believed as it is. An access key of 12
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
        // A region that a test misspelt is not the one that it means to try.
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
    let default: Result<AccountId, _> = EMULATED_ACCOUNT.parse();
    let account = access_key
        .parse()
        .or(default)
        .map_err(|_| refused("The emulator's own account is malformed."))?;
    Ok(Claim { service, scope: Scope { account, region }, read_only: false, access_key })
}

/// In emulator mode: the account and its default VPC in the region, made when first heard of.
async fn ensure_account(state: &State, scope: Scope, origin: &Origin) -> Result<(), Ec2Error> {
    if state.heard.lock().expect("no holder panics").contains(&scope) {
        return Ok(());
    }
    let ensure = IdentityCommand::EnsureAccount { id: scope.account, region: scope.region };
    state
        .submit(Caller::System, ensure, origin)
        .await
        .map_err(|error| Ec2Error { status: 500, ..Ec2Error::new("InternalError", error) })?;
    // From here on its default VPC may be deleted as any other.
    state.heard.lock().expect("no holder panics").insert(scope);
    Ok(())
}

#[cfg(test)]
mod tests;
