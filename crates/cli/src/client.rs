//! The way to a server: its address, who we are, and requests in JSON.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::settings::{DEFAULT_LISTEN, default_data};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the server is, and who we are.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The server's address; by default what --data says, or http://127.0.0.1:4880
    #[arg(long, env = "CAUSEWAY_URL", global = true, value_name = "URL")]
    pub url: Option<String>,
    /// On the server's host: its data directory, which says where it is and makes you its operator
    #[arg(long = "data", env = "CAUSEWAY_DATA", global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The token of a user, as `causeway env` prints it
    #[arg(long, env = "HEROKU_API_KEY", global = true, hide_env_values = true, hide = true)]
    pub token: Option<String>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// A user of the platform, or the operator where no user is at hand.
    User,
    /// Who runs the installation.
    Operator,
}

/// A connection to a server.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    http: Http<HttpConnector, Full<Bytes>>,
    url: String,
    authorization: String,
}

/// An answer.
pub struct Answer {
    /// Its body, JSON where it was JSON, a string otherwise.
    pub body: Value,
    /// The tag of what it shows, where it has one.
    pub tag: Option<String>,
}

impl Connection {
    /// The data directory that is meant, if any can be.
    pub fn data_dir(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data)
    }

    /// The server's address.
    pub fn server(&self) -> String {
        let noted = || {
            let note = std::fs::read_to_string(self.data_dir().join("serve.json")).ok()?;
            let note: Value = serde_json::from_str(&note).ok()?;
            note["url"].as_str().map(ToOwned::to_owned)
        };
        let url = self.url.clone().or_else(noted);
        url.unwrap_or_else(|| format!("http://{DEFAULT_LISTEN}")).trim_end_matches('/').to_owned()
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// Where nothing says who we are, with what to do about it.
    pub fn client(&self, who: As) -> anyhow::Result<Client> {
        let operator = || {
            let data = self.data_dir();
            store::DataDir::read_secret(&data)
                .map(|secret| server::operator_token(&secret))
                .with_context(|| format!("the key in {} cannot be read", data.display()))
        };
        let token = match (who, &self.token) {
            (As::User, Some(token)) => token.clone(),
            (As::User, None) => operator().map_err(|error| {
                anyhow!(
                    "nothing says who you are: run `eval \"$(causeway env --data DIR)\"` first, \
                     or give --data DIR on the server's host ({error:#})"
                )
            })?,
            (As::Operator, _) => operator().map_err(|error| {
                anyhow!(
                    "this is for the operator alone: on the server's host, give --data DIR or \
                     set CAUSEWAY_DATA ({error:#})"
                )
            })?,
        };
        self.connect(format!("Bearer {token}"))
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
        let url = self.server();
        if !url.starts_with("http://") {
            bail!("'{url}' does not begin with http://; the server speaks plain HTTP on loopback");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the network cannot be used")?;
        let http = Http::builder(TokioExecutor::new()).build_http();
        Ok(Client { runtime, http, url, authorization })
    }
}

impl Client {
    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `GET`.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.send(Method::GET, path, None)?.body)
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
        self.send_if(method, path, body, None)
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
        let bytes = body.map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", &self.authorization)
            .header("accept", "application/vnd.heroku+json; version=3")
            .header("content-type", "application/json")
            .header("user-agent", concat!("causeway/", env!("CARGO_PKG_VERSION")));
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        let request = request
            .body(Full::new(Bytes::from(bytes)))
            .with_context(|| format!("'{}{path}' is not an address", self.url))?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|error| {
                anyhow!(
                    "no server answers on {}: {error}. Start one with `causeway serve`, or say \
                     where it is with --url",
                    self.url
                )
            })?;
            let status = answer.status();
            let tag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok());
            let tag = tag.map(ToOwned::to_owned);
            let bytes = answer.into_body().collect().await.context("the answer broke off")?;
            anyhow::Ok((status, tag, bytes.to_bytes()))
        };
        let (status, tag, bytes) = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, exchange).await })
            .map_err(|_| anyhow!("{} did not answer within {PATIENCE:?}", self.url))??;
        let text = String::from_utf8_lossy(&bytes);
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()));
        if status.is_success() {
            return Ok(Answer { body, tag });
        }
        Err(refusal(status, &body))
    }
}

/// A refusal in words.
fn refusal(status: StatusCode, body: &Value) -> anyhow::Error {
    match body["message"].as_str() {
        Some(message) => anyhow!("{message}"),
        None => anyhow!("the server answered {status}"),
    }
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
    fn an_address_that_is_given_wins() {
        let connection =
            Connection { url: Some("http://127.0.0.1:1/".to_owned()), ..Connection::default() };
        assert_eq!(connection.server(), "http://127.0.0.1:1");
    }
}
