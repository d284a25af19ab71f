//! Requests, and answers as a whole.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http::response::Parts;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::address::authority_of;
use super::connector::{Connector, connector};
use super::refusal::Refusal;
use super::signature::Keys;
use super::trust::{self, Seen, TrustArgs};
use super::upload::Upload;

/// How long a server may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// The `User-Agent` of all requests.
pub(super) const AGENT: &str = concat!("causeway/", env!("CARGO_PKG_VERSION"));

/// The body of a request.
pub(super) type Body = BoxBody<Bytes, std::io::Error>;

/// A connection to a server.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    http: Http<Connector, Body>,
    /// What a server over TLS has shown; `None` for one without.
    seen: Option<Arc<Seen>>,
    url: String,
    proof: Proof,
}

/// What proves to the server who asks.
pub(super) enum Proof {
    /// Nothing.
    None,
    /// The value of the `Authorization` header.
    Header(String),
    /// An account's signature, and the token of a user beside it, which may be empty.
    Signature { keys: Keys, token: String },
}

impl Proof {
    /// A bearer token.
    pub(super) fn bearer(token: &str) -> Self {
        Self::Header(format!("Bearer {token}"))
    }

    /// The headers that carry it in one request.
    fn headers(
        &self,
        method: &Method,
        url: &str,
        path: &str,
        body: &[u8],
    ) -> anyhow::Result<Vec<(&'static str, String)>> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Header(value) => Ok(vec![("authorization", value.clone())]),
            Self::Signature { keys, token } => {
                let host = authority_of(url);
                let mut headers = keys.sign(method.as_str(), host, path, body)?;
                headers.push(("host", host.to_owned()));
                if !token.is_empty() {
                    headers.push(("causeway-token", token.clone()));
                }
                Ok(headers)
            }
        }
    }
}

/// An answer of the Platform API.
pub(crate) struct Answer {
    /// The body: JSON where it is JSON, a string otherwise.
    pub(crate) body: Value,
    /// The `ETag` of what the answer shows, where it has one.
    pub(crate) tag: Option<String>,
    /// The range at which a list goes on that is too long for one answer.
    next: Option<String>,
}

impl Client {
    /// A client of the server at an address, and of no other that it cannot verify.
    pub(super) fn new(url: String, proof: Proof, trust: &TrustArgs) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the network cannot be used")?;
        let (connector, seen) = connector(&url, trust)?;
        let http = Http::builder(TokioExecutor::new()).build(connector);
        Ok(Self { runtime, http, seen, url, proof })
    }

    /// The certificate that the server has shown, in DER.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        self.seen.as_ref()?.certificate()
    }

    /// The server's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `GET`. A list that comes in parts is put together.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let mut answer = self.send(Method::GET, path, None)?;
        while let (Some(next), Value::Array(all)) = (answer.next.take(), &mut answer.body) {
            let more = self.exchange(Method::GET, path, None, Some(("range", &next)))?;
            let Value::Array(items) = more.body else { bail!("{path} broke off in its middle") };
            all.extend(items);
            answer.next = more.next;
        }
        Ok(answer.body)
    }

    /// `GET` of what is there after some time.
    pub(crate) fn get_within(&self, path: &str, patience: Duration) -> anyhow::Result<Value> {
        let request = self.prepare(&Method::GET, path, Vec::new(), &[])?;
        let (_, bytes) = self.finish(request, patience)?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} answered with no JSON", self.url))
    }

    /// `PATCH`.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.send(Method::PATCH, path, Some(body))?.body)
    }

    /// The first entries of a list.
    pub(crate) fn get_range(&self, path: &str, range: &str) -> anyhow::Result<Value> {
        Ok(self.exchange(Method::GET, path, None, Some(("range", range)))?.body)
    }

    /// Waits for a span of time.
    pub(crate) fn pause(&self, span: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(span).await });
    }

    /// `POST`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.send(Method::POST, path, Some(body))?.body)
    }

    /// `POST` with one more header.
    pub(crate) fn post_with(
        &self,
        path: &str,
        body: &Value,
        header: (&'static str, &str),
    ) -> anyhow::Result<Value> {
        Ok(self.exchange(Method::POST, path, Some(body), Some(header))?.body)
    }

    /// `DELETE`.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.send(Method::DELETE, path, None)?.body)
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses the request; the refusal is in its own words.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        self.exchange(method, path, body, None)
    }

    /// Sends a request that the server refuses if the resource has changed since an earlier answer with
    /// this tag.
    pub(crate) fn send_if(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        tag: Option<&str>,
    ) -> anyhow::Result<Answer> {
        self.exchange(method, path, body, tag.map(|tag| ("if-match", tag)))
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        header: Option<(&'static str, &str)>,
    ) -> anyhow::Result<Answer> {
        let bytes = body.map(ToString::to_string).unwrap_or_default().into_bytes();
        let mut headers = vec![("accept", "application/vnd.heroku+json; version=3")];
        headers.extend(header);
        let (parts, bytes) = self.ask(&method, path, bytes, &headers)?;
        let text = String::from_utf8_lossy(&bytes);
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()));
        let header = |name| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.map(ToOwned::to_owned)
        };
        let next = (parts.status == StatusCode::PARTIAL_CONTENT).then(|| header("next-range"));
        Ok(Answer { body, tag: header("etag"), next: next.flatten() })
    }

    /// Sends a request with a body of JSON, and gives the head and the body of the answer.
    pub(super) fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&'static str, &str)],
    ) -> anyhow::Result<(Parts, Bytes)> {
        let request = self.prepare(method, path, body, headers)?;
        self.finish(request, PATIENCE)
    }

    /// A request to a path of the server, with what proves who asks.
    ///
    /// # Errors
    ///
    /// The path is not part of a URL, or the key cannot sign.
    pub(super) fn prepare(
        &self,
        method: &Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&'static str, &str)],
    ) -> anyhow::Result<Request<Body>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in self.proof.headers(method, &self.url, path, &body)? {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
            .header("content-type", "application/json")
            .header("user-agent", AGENT)
            .body(full(body))
            .with_context(|| format!("'{}{path}' is not an address", self.url))
    }

    /// Uploads a file to an address that the server has given.
    pub(crate) fn upload(
        &self,
        url: &str,
        file: Upload,
        patience: Duration,
    ) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(Method::PUT)
            .uri(url)
            .header("content-length", file.left())
            .header("user-agent", AGENT)
            .body(file.boxed())
            .with_context(|| format!("'{url}' is not an address"))?;
        let (_, bytes) = self.finish(request, patience)?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} answered with no JSON", self.url))
    }

    fn silent(&self, error: hyper_util::client::legacy::Error) -> anyhow::Error {
        if let Some(shown) = self.seen.as_ref().and_then(|seen| seen.last())
            && let Some(why) = trust::distrust(&error)
        {
            return anyhow!(
                "{} is not believed to be who it says: {why}. It shows the certificate {shown}: if its \
                 operator's `causeway serve` printed the same, give --fingerprint with it, or --ca with \
                 the file of its certificate authority",
                self.url
            );
        }
        let causes = std::iter::successors(std::error::Error::source(&error), |e| e.source());
        let error = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
        anyhow!(
            "no server answers on {}: {error}. Start one with `causeway serve`, or say where it \
             is with --url",
            self.url
        )
    }

    /// Sends a request, and waits for the whole answer.
    fn finish(&self, request: Request<Body>, patience: Duration) -> anyhow::Result<(Parts, Bytes)> {
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|error| self.silent(error))?;
            let (parts, body) = answer.into_parts();
            let bytes = body.collect().await.context("the answer broke off")?;
            anyhow::Ok((parts, bytes.to_bytes()))
        };
        let (parts, bytes) = self
            .runtime
            .block_on(async { tokio::time::timeout(patience, exchange).await })
            .map_err(|_| anyhow!("{} did not answer within {patience:?}", self.url))??;
        if !parts.status.is_success() {
            return Err(Refusal::read(parts.status, &bytes).into());
        }
        Ok((parts, bytes))
    }

    /// Sends a request whose answer is read while it comes: the body, or the refusal.
    pub(super) async fn open(&self, request: Request<Body>) -> anyhow::Result<Incoming> {
        let answer = self.http.request(request).await.map_err(|error| self.silent(error))?;
        let status = answer.status();
        let body = answer.into_body();
        if status.is_success() {
            return Ok(body);
        }
        let bytes = body.collect().await.context("the answer broke off")?.to_bytes();
        Err(Refusal::read(status, &bytes).into())
    }

    /// Does something that waits for the network.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

/// A body that is there as a whole.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}
