//! The way to a server: its address, who we are, and requests in JSON.

mod lines;
mod long;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aws::sigv4::{self, Credentials, SignedRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Frame};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use self::lines::{Lines, accepted};
use crate::settings::{DEFAULT_LISTEN, default_data, variable};
use crate::usage::usage;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who we say we are.
const AGENT: &str = concat!("causeway/", env!("CARGO_PKG_VERSION"));

type Body = BoxBody<Bytes, std::io::Error>;

/// Where the server is, and who we are.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The server's address; by default what --data says, or http://127.0.0.1:4880
    /// [env: CAUSEWAY_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// On the server's host: its data directory, which says where it is and makes you its operator
    /// [env: CAUSEWAY_DATA]
    #[arg(long = "data", global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The token of a user, as `causeway env` prints it [env: HEROKU_API_KEY]
    #[arg(long, global = true, hide = true)]
    pub token: Option<String>,
    #[arg(skip = Given::read())]
    given: Given,
}

/// What the environment says of the server; a flag is over all of it.
#[derive(Debug, Clone, Default)]
struct Given {
    url: Option<String>,
    data: Option<PathBuf>,
    token: Option<String>,
    keys: Option<Keys>,
}

impl Given {
    fn read() -> Self {
        let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            url: text("CAUSEWAY_URL"),
            data: variable("CAUSEWAY_DATA").map(PathBuf::from),
            token: text("HEROKU_API_KEY"),
            keys: Keys::read(),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// A user of the platform, or the operator where no user is at hand.
    User,
    /// Who runs the installation.
    Operator,
    /// The operator where that can be proved; nobody otherwise, whom an emulator believes.
    Anybody,
    /// Everybody that the environment speaks for: a user, an account, or both; else the operator.
    Viewer,
}

/// A connection to a server.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    http: Http<HttpConnector, Body>,
    url: String,
    authorization: String,
    signer: Option<Signer>,
}

/// What an account signs with, and the token of a user beside it.
struct Signer {
    keys: Keys,
    token: String,
}

/// An account's key, and the region to sign for.
#[derive(Debug, Clone)]
struct Keys {
    credentials: Credentials,
    region: String,
}

impl Keys {
    fn read() -> Option<Self> {
        let text = |name| Some(variable(name)?.to_string_lossy().into_owned());
        Some(Self {
            credentials: Credentials {
                access_key: text("AWS_ACCESS_KEY_ID")?,
                secret: text("AWS_SECRET_ACCESS_KEY")?,
                session_token: text("AWS_SESSION_TOKEN"),
            },
            region: text("AWS_DEFAULT_REGION")
                .or_else(|| text("AWS_REGION"))
                .unwrap_or_else(|| model::Region::DEFAULT.to_string()),
        })
    }
}

/// An answer.
pub struct Answer {
    /// Its body, JSON where it was JSON, a string otherwise.
    pub body: Value,
    /// The tag of what it shows, where it has one.
    pub tag: Option<String>,
    /// Where a list goes on that is too long for one answer.
    next: Option<String>,
}

impl Connection {
    /// The data directory that is meant, if any can be.
    pub fn data_dir(&self) -> PathBuf {
        self.data.clone().or_else(|| self.given.data.clone()).unwrap_or_else(default_data)
    }

    /// The data directory that a flag or a variable names.
    pub fn named_data(&self) -> Option<PathBuf> {
        self.data.clone().or_else(|| self.given.data.clone())
    }

    /// The server's address: a flag's, or else a variable's, or else the usual one.
    ///
    /// # Errors
    ///
    /// A data directory was named whose server does not run: another one is not meant.
    pub fn server(&self) -> anyhow::Result<String> {
        let url = if let Some(url) = &self.url {
            url.clone()
        } else if let Some(data) = &self.data {
            noted(data).ok_or_else(|| down(data))?
        } else if let Some(url) = &self.given.url {
            url.clone()
        } else if let Some(data) = &self.given.data {
            noted(data).ok_or_else(|| down(data))?
        } else {
            noted(&default_data()).unwrap_or_else(|| format!("http://{DEFAULT_LISTEN}"))
        };
        Ok(url.trim_end_matches('/').to_owned())
    }

    /// The token of a user: a flag's; a variable's, unless a flag names the data directory, whose
    /// operator is meant then.
    fn user_token(&self) -> Option<&String> {
        let given = self.given.token.as_ref().filter(|_| self.data.is_none());
        self.token.as_ref().or(given)
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// Where nothing says who we are, with what to do about it.
    pub fn client(&self, who: As) -> anyhow::Result<Client> {
        if let Some(data) = self.data.as_ref().filter(|at| !store::DataDir::is_installation(at)) {
            return Err(down(data));
        }
        let operator = || {
            let data = self.data_dir();
            store::DataDir::read_secret(&data)
                .map(|secret| server::operator_token(&secret))
                .with_context(|| format!("the key in {} cannot be read", data.display()))
        };
        let keys = self.given.keys.clone().filter(|_| who == As::Viewer && self.data.is_none());
        let token = match (who, self.user_token()) {
            (As::User | As::Viewer, Some(token)) => token.clone(),
            (As::Viewer, None) if keys.is_some() => String::new(),
            (As::User | As::Viewer, None) => operator().map_err(|error| {
                anyhow!(
                    "nothing says who you are: run `eval \"$(causeway env --data DIR)\"` first, \
                     or give --data DIR on the server's host ({error:#})"
                )
            })?,
            (As::Anybody, _) => operator().unwrap_or_default(),
            (As::Operator, _) => operator().map_err(|error| {
                anyhow!(
                    "this is for the operator alone: on the server's host, give --data DIR or \
                     set CAUSEWAY_DATA ({error:#})"
                )
            })?,
        };
        let mut client = self.connect(format!("Bearer {token}"))?;
        client.signer = keys.map(|keys| Signer { keys, token });
        Ok(client)
    }

    /// Connects as a user who has a password, for what makes a token.
    ///
    /// # Errors
    ///
    /// As [`Self::client`].
    pub fn client_by_password(&self, email: &str, password: &str) -> anyhow::Result<Client> {
        let pair = BASE64.encode(format!("{email}:{password}"));
        self.connect(format!("Basic {pair}"))
    }

    fn connect(&self, authorization: String) -> anyhow::Result<Client> {
        let url = self.server()?;
        if !url.starts_with("http://") {
            bail!("'{url}' does not begin with http://; the server speaks plain HTTP on loopback");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the network cannot be used")?;
        let http = Http::builder(TokioExecutor::new()).build_http();
        Ok(Client { runtime, http, url, authorization, signer: None })
    }
}

/// What a server notes of its address in its data directory.
fn noted(data: &Path) -> Option<String> {
    let note = std::fs::read_to_string(data.join("serve.json")).ok()?;
    let note: Value = serde_json::from_str(&note).ok()?;
    note["url"].as_str().map(ToOwned::to_owned)
}

fn down(data: &Path) -> anyhow::Error {
    let at = data.display();
    if store::DataDir::is_installation(data) {
        anyhow!("no server runs on {at}: start it with `causeway serve --data {at}`")
    } else {
        usage(format!(
            "{at} is no installation of Causeway; name the directory that `causeway serve --data` \
             has, or make one there with that command"
        ))
    }
}

impl Client {
    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `GET`. A list that comes in parts is put together.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        let mut answer = self.send(Method::GET, path, None)?;
        while let (Some(next), Value::Array(all)) = (answer.next.take(), &mut answer.body) {
            let more = self.exchange(Method::GET, path, None, Some(("range", &next)))?;
            let Value::Array(items) = more.body else { bail!("{path} broke off in its middle") };
            all.extend(items);
            answer.next = more.next;
        }
        Ok(answer.body)
    }

    /// `PATCH`.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.send(Method::PATCH, path, Some(body))?.body)
    }

    /// The first entries of a list.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn get_range(&self, path: &str, range: &str) -> anyhow::Result<Value> {
        Ok(self.exchange(Method::GET, path, None, Some(("range", range)))?.body)
    }

    /// Waits without keeping anybody from working.
    pub fn pause(&self, span: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(span).await });
    }

    /// `POST`.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.send(Method::POST, path, Some(body))?.body)
    }

    /// `DELETE`.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn delete(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.send(Method::DELETE, path, None)?.body)
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    ///
    /// A server that cannot be reached, and what it refused, in its own words.
    pub fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        self.exchange(method, path, body, None)
    }

    /// The same, if what is at the path is what an earlier answer's tag stands for.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn send_if(
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
        let bytes = body.map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder().method(&method).uri(format!("{}{path}", self.url));
        for (name, value) in self.proof(&method, path, bytes.as_bytes())? {
            request = request.header(name, value);
        }
        let mut request = request
            .header("accept", "application/vnd.heroku+json; version=3")
            .header("content-type", "application/json")
            .header("user-agent", AGENT);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed())
            .with_context(|| format!("'{}{path}' is not an address", self.url))?;
        self.request(request, PATIENCE)
    }

    /// Puts a file to an address that the server named, and says how far it is.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn upload(&self, url: &str, file: Upload, patience: Duration) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(Method::PUT)
            .uri(url)
            .header("content-length", file.left)
            .header("user-agent", AGENT)
            .body(file.boxed())
            .with_context(|| format!("'{url}' is not an address"))?;
        Ok(self.request(request, patience)?.body)
    }

    /// Opens a stream of server-sent events, and hands on what each one says until the stream
    /// ends. `seen` is the id of the last one that was seen: where to go on.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn events(
        &self,
        url: &str,
        seen: &mut Option<String>,
        mut each: impl FnMut(&str),
    ) -> anyhow::Result<()> {
        let mut request = Request::builder()
            .uri(url)
            .header("accept", "text/event-stream")
            .header("user-agent", AGENT);
        if let Some(id) = seen {
            request = request.header("last-event-id", &*id);
        }
        let request = request
            .body(Full::default().map_err(|never| match never {}).boxed())
            .with_context(|| format!("'{url}' is not an address"))?;
        self.runtime.block_on(async {
            let answer = self.http.request(request).await.map_err(|error| self.silent(&error))?;
            let mut body = accepted(answer).await?;
            let mut lines = Lines::default();
            while let Some(frame) = body.frame().await {
                let frame = frame.context("the stream broke off")?;
                lines.add(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(line) = lines.next()? {
                    let line = String::from_utf8_lossy(line);
                    let line = line.trim_end_matches('\r');
                    let field = |name| {
                        let value: Option<&str> = line.strip_prefix(name);
                        value.map(|value| value.strip_prefix(' ').unwrap_or(value))
                    };
                    if let Some(data) = field("data:") {
                        each(data);
                    } else if let Some(id) = field("id:") {
                        *seen = Some(id.to_owned());
                    }
                }
            }
            Ok(())
        })
    }

    fn silent(&self, error: &dyn std::fmt::Display) -> anyhow::Error {
        anyhow!(
            "no server answers on {}: {error}. Start one with `causeway serve`, or say where it \
             is with --url",
            self.url
        )
    }

    fn request(&self, request: Request<Body>, patience: Duration) -> anyhow::Result<Answer> {
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|error| self.silent(&error))?;
            let (parts, body) = answer.into_parts();
            let bytes = body.collect().await.context("the answer broke off")?;
            anyhow::Ok((parts, bytes.to_bytes()))
        };
        let (parts, bytes) = self
            .runtime
            .block_on(async { tokio::time::timeout(patience, exchange).await })
            .map_err(|_| anyhow!("{} did not answer within {patience:?}", self.url))??;
        let text = String::from_utf8_lossy(&bytes);
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()));
        if !parts.status.is_success() {
            return Err(refusal(parts.status, &body));
        }
        let header = |name| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.map(ToOwned::to_owned)
        };
        let next = (parts.status == StatusCode::PARTIAL_CONTENT).then(|| header("next-range"));
        Ok(Answer { body, tag: header("etag"), next: next.flatten() })
    }
}

/// A file on its way to the server.
pub struct Upload {
    file: std::fs::File,
    left: u64,
    sent: Box<dyn FnMut(u64) + Send + Sync>,
}

impl Upload {
    /// One of a known size. `sent` is told how much more went out.
    pub fn new(file: std::fs::File, size: u64, sent: Box<dyn FnMut(u64) + Send + Sync>) -> Self {
        Self { file, left: size, sent }
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = std::io::Error;

    /// Reads the next part. This waits for the disk, as nothing else is to be done meanwhile.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        const PART: u64 = 64 << 10;
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = self.left.min(PART);
        let mut part = vec![0; usize::try_from(size).unwrap_or_default()];
        if let Err(error) = self.file.read_exact(&mut part) {
            return Poll::Ready(Some(Err(error)));
        }
        self.left -= size;
        (self.sent)(size);
        Poll::Ready(Some(Ok(Frame::data(part.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}

impl Client {
    /// The headers that prove who we are: the token; or the account's signature, and the token
    /// beside it.
    fn proof(
        &self,
        method: &Method,
        path: &str,
        body: &[u8],
    ) -> anyhow::Result<Vec<(&'static str, String)>> {
        let Some(Signer { keys, token }) = &self.signer else {
            return Ok(vec![("authorization", self.authorization.clone())]);
        };
        let host = self.url.trim_start_matches("http://").to_owned();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = SignedRequest {
            method: method.as_str(),
            path,
            query,
            headers: &[("host", host.as_bytes())],
            body_sha256: sigv4::sha256(body),
        };
        let now = server::clock::Clock::system().now().millis();
        let mut proof = sigv4::sign(&request, &keys.credentials, &keys.region, "ec2", now)
            .context("the request cannot be signed with the key of the environment")?;
        proof.push(("host", host));
        if !token.is_empty() {
            proof.push(("causeway-token", token.clone()));
        }
        Ok(proof)
    }
}

/// What the server refused.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP's status.
    pub status: StatusCode,
    message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// A refusal in words.
fn refusal(status: StatusCode, body: &Value) -> anyhow::Error {
    let message = match body["message"].as_str() {
        Some(message) => message.to_owned(),
        None => format!("the server answered {status}"),
    };
    Refusal { status, message }.into()
}

/// Where the heroku command asks about data services: it takes the bare name of a host, and the rest
/// of the address from `HEROKU_HOST`. Without these it asks Heroku, with our token.
pub const DATA_HOSTS: [&str; 3] =
    ["HEROKU_DATA_HOST", "HEROKU_POSTGRESQL_HOST", "HEROKU_REDIS_HOST"];

/// The name of the host in an address, without scheme and port.
pub fn host_of(url: &str) -> String {
    let host = url.parse::<hyper::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    host.unwrap_or_else(|| "127.0.0.1".to_owned())
}

/// A part of a path, with everything escaped that could be taken for something else.
pub fn part(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a String takes everything");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_path_are_escaped() {
        assert_eq!(part("a b/c?é"), "a%20b%2Fc%3F%C3%A9");
        assert_eq!(part("my-space_1.x"), "my-space_1.x");
    }

    #[test]
    fn the_host_alone_is_taken_from_an_address() {
        for (url, host) in [
            ("http://127.0.0.1:4880", "127.0.0.1"),
            ("http://localhost:4880/", "localhost"),
            ("http://[::1]:80", "[::1]"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }

    /// A data directory whose server noted an address.
    fn directory(port: u16) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let note = format!("{{\"url\":\"http://127.0.0.1:{port}\"}}");
        std::fs::write(dir.path().join("serve.json"), note).unwrap();
        dir
    }

    #[test]
    fn a_flag_is_over_a_variable_and_an_address_over_a_directory() {
        let (flag, variable) = (directory(2), directory(4));
        let path = |dir: &tempfile::TempDir| Some(dir.path().to_owned());
        let mut connection = Connection {
            url: Some("http://127.0.0.1:1/".to_owned()),
            data: path(&flag),
            token: None,
            given: Given {
                url: Some("http://127.0.0.1:3".to_owned()),
                data: path(&variable),
                token: Some("HRKU-of-somebody".to_owned()),
                keys: None,
            },
        };
        let port = |connection: &Connection| {
            let server = connection.server().unwrap();
            server.strip_prefix("http://127.0.0.1:").unwrap().to_owned()
        };
        assert_eq!(port(&connection), "1");
        connection.url = None;
        assert_eq!(port(&connection), "2");
        assert_eq!(connection.data_dir(), flag.path());
        assert_eq!(connection.user_token(), None, "the token may be another server's");
        connection.data = None;
        assert_eq!(port(&connection), "3");
        assert_eq!(connection.user_token().unwrap(), "HRKU-of-somebody");
        connection.given.url = None;
        assert_eq!(port(&connection), "4");
        assert_eq!(connection.data_dir(), variable.path());
    }

    #[test]
    fn a_directory_without_a_server_is_not_taken_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let connection = Connection {
            data: Some(dir.path().to_owned()),
            given: Given { url: Some("http://127.0.0.1:3".to_owned()), ..Given::default() },
            ..Connection::default()
        };
        let error = connection.server().unwrap_err();
        assert!(crate::usage::is_usage(&error), "{error:#}");
        for name in ["secret.key", "causeway.db"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let error = connection.server().unwrap_err();
        assert!(!crate::usage::is_usage(&error), "{error:#}");
        assert!(error.to_string().contains("causeway serve --data"), "{error:#}");
    }
}
