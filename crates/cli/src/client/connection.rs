//! Where a server is, and who asks it: what flags, the environment and data directories say.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;

use super::request::{Client, Proof};
use super::sides::{AccountKeys, Sides, keys_of};
use super::signature::Keys;
use super::trust::TrustArgs;
use crate::settings::{DEFAULT_LISTEN, default_data, variable};
use crate::usage::usage;

/// Where the server is, and who asks it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Connection {
    /// Address of the server; by default the one that runs on --data, or http://127.0.0.1:4880
    /// [env: CAUSEWAY_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// On the server's host: its data directory. It tells where the server listens, and who can read
    /// it is the operator
    /// [env: CAUSEWAY_DATA]
    #[arg(long = "data", global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The token of a user, as `causeway env` prints it [env: HEROKU_API_KEY]
    #[arg(long, global = true, hide = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[arg(skip = Given::read())]
    given: Given,
}

/// What variables of the environment say about the server. Flags take precedence over all of them.
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

/// As whom a command asks the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// As a user, or as the operator if there is no user's token.
    User,
    /// As the operator.
    Operator,
    /// As the operator if the key of the data directory can be read, or else without proof, which an
    /// emulator accepts.
    Anybody,
    /// As the user and the account of which the environment has credentials, or else as the operator.
    Viewer,
}

impl Connection {
    /// The data directory that is meant: the one that is named, or else the usual one.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data.clone().or_else(|| self.given.data.clone()).unwrap_or_else(default_data)
    }

    /// The data directory that a flag or a variable names.
    pub(crate) fn named_data(&self) -> Option<PathBuf> {
        self.data.clone().or_else(|| self.given.data.clone())
    }

    /// The data directory whose server is meant, unless its address is named.
    pub(crate) fn awaited_data(&self) -> Option<PathBuf> {
        match (&self.url, &self.data, &self.given.url) {
            (Some(_), _, _) | (None, None, Some(_)) => None,
            (None, Some(data), _) => Some(data.clone()),
            (None, None, None) => {
                let data = self.data_dir();
                // The usual one need not be there, nor be meant.
                (self.given.data.is_some() || data.exists()).then_some(data)
            }
        }
    }

    /// The server's address. Flags take precedence over variables, and `--url` over `--data`.
    ///
    /// # Errors
    ///
    /// A data directory is named on which no server runs: another server is not meant.
    pub(crate) fn server(&self) -> anyhow::Result<String> {
        let url = if let Some(url) = &self.url {
            url.clone()
        } else if let Some(data) = &self.data {
            noted_url(data).ok_or_else(|| down(data))?
        } else if let Some(url) = &self.given.url {
            url.clone()
        } else if let Some(data) = &self.given.data {
            noted_url(data).ok_or_else(|| down(data))?
        } else {
            noted_url(&default_data()).unwrap_or_else(|| format!("http://{DEFAULT_LISTEN}"))
        };
        Ok(url.trim_end_matches('/').to_owned())
    }

    /// The token of a user. A variable's token does not count if a flag names a data directory, as its
    /// operator is meant then.
    fn user_token(&self) -> Option<&String> {
        let given = self.given.token.as_ref().filter(|_| self.data.is_none());
        self.token.as_ref().or(given)
    }

    /// Makes a client that asks as `who`.
    ///
    /// # Errors
    ///
    /// There are no credentials for that. The error says how to get them.
    pub(crate) fn client(&self, who: As) -> anyhow::Result<Client> {
        if let Some(data) = self.data.as_ref().filter(|at| !store::DataDir::is_installation(at)) {
            return Err(down(data));
        }
        let keys = self.given.keys.clone().filter(|_| who == As::Viewer && self.data.is_none());
        let token = match (who, self.user_token()) {
            (As::User | As::Viewer, Some(token)) => token.clone(),
            (As::Viewer, None) if keys.is_some() => String::new(),
            (As::User | As::Viewer, None) => self.operator_token().map_err(|error| {
                anyhow!(
                    "you are not logged in: run `eval \"$(causeway env --data DIR)\"` first, \
                     or give --data DIR on the server's host ({error:#})"
                )
            })?,
            (As::Anybody, _) => self.operator_token().unwrap_or_default(),
            (As::Operator, _) => self.operator_token().map_err(|error| {
                anyhow!(
                    "only the operator may do this: on the server's host, give --data DIR or \
                     set CAUSEWAY_DATA ({error:#})"
                )
            })?,
        };
        self.connect(match keys {
            Some(keys) => Proof::Signature { keys, token },
            None => Proof::bearer(&token),
        })
    }

    /// Who asks about both sides of a peering: a user by a token, and an account by the access key of the
    /// environment or, on the server's host, of the account that is named; or else the operator, who
    /// gives the commands of any account with its key.
    ///
    /// # Errors
    ///
    /// There are no credentials at all. The error says how to get them.
    pub(crate) fn sides(&self, account: Option<&str>) -> anyhow::Result<Sides> {
        let url = self.server()?;
        let given = self.given.keys.clone().filter(|_| self.data.is_none());
        let (viewer, keys) = match (account, given) {
            (Some(account), _) => {
                let operator = self.client(As::Operator)?;
                let keys = keys_of(&operator, Some(account.to_owned()))?;
                let token = match self.user_token() {
                    Some(token) => token.clone(),
                    None => self.operator_token()?,
                };
                let proof = Proof::Signature { keys: keys.clone(), token };
                (self.connect(proof)?, AccountKeys::Given(keys))
            }
            (None, Some(keys)) => (self.client(As::Viewer)?, AccountKeys::Given(keys)),
            (None, None) => {
                let keys = match self.user_token() {
                    Some(_) => AccountKeys::None,
                    None => AccountKeys::ByOperator(Box::new(self.client(As::Operator)?)),
                };
                (self.client(As::Viewer)?, keys)
            }
        };
        let operator = self.operator_gives(account);
        let user = (operator || self.user_token().is_some()).then(|| self.client(As::User).ok());
        Ok(Sides::new(url, self.trust.clone(), viewer, user.flatten(), keys))
    }

    /// Whether what is for a user is the operator's to do as long as there is no user's token.
    fn operator_gives(&self, account: Option<&str>) -> bool {
        account.is_some() || self.data.is_some() || self.given.keys.is_none()
    }

    /// The operator's token, from the key in the data directory. An emulator's data is in a
    /// directory of its own, and it asks nobody who they are, so an empty token does for it.
    ///
    /// # Errors
    ///
    /// The key cannot be read.
    pub(crate) fn operator_token(&self) -> anyhow::Result<String> {
        let data = self.data_dir();
        match store::DataDir::read_secret(&data) {
            Ok(secret) => Ok(api::operator_token(|purpose| secret.derive(purpose, ""))),
            Err(_) if self.named_data().is_none() && self.reaches_emulator() => Ok(String::new()),
            Err(error) => {
                Err(error).with_context(|| format!("the key in {} cannot be read", data.display()))
            }
        }
    }

    /// Whether the server is an emulator, which lets everybody in as the operator.
    fn reaches_emulator(&self) -> bool {
        let stranger = self.connect(Proof::bearer("none"));
        stranger.is_ok_and(|client| client.get("/_causeway/status").is_ok())
    }

    /// The token of a user that a flag or a variable names.
    pub(crate) fn named_token(&self) -> Option<String> {
        self.user_token().cloned()
    }

    /// Makes a client of a server that asks as nobody, for what anybody may know.
    ///
    /// # Errors
    ///
    /// An address that is none, certificate authorities that cannot be read.
    pub(crate) fn stranger(&self, url: &str) -> anyhow::Result<Client> {
        Client::new(url.to_owned(), Proof::None, &self.trust)
    }

    /// Makes a client of the server that asks as nobody.
    pub(crate) fn anybody(&self) -> anyhow::Result<Client> {
        self.connect(Proof::None)
    }

    /// Makes a client that asks with a token, whoever the flags and variables name.
    pub(crate) fn client_by_token(&self, token: &str) -> anyhow::Result<Client> {
        self.connect(Proof::bearer(token))
    }

    /// Makes a client that asks as a user with a password, which is good only for creating a token.
    pub(crate) fn client_by_password(&self, email: &str, password: &str) -> anyhow::Result<Client> {
        let pair = BASE64.encode(format!("{email}:{password}"));
        self.connect(Proof::Header(format!("Basic {pair}")))
    }

    fn connect(&self, proof: Proof) -> anyhow::Result<Client> {
        let url = self.server()?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("'{url}' is not an address of a server; one begins with http:// or https://");
        }
        Client::new(url, proof, &self.trust)
    }
}

/// The note in a data directory of where its server listens, if there is one.
pub(crate) fn noted(data: &Path) -> Option<api::ServerNote> {
    let note = std::fs::read(data.join(api::ServerNote::FILE)).ok()?;
    serde_json::from_slice(&note).ok()
}

/// The address in the note of a data directory.
fn noted_url(data: &Path) -> Option<String> {
    Some(noted(data)?.url)
}

fn down(data: &Path) -> anyhow::Error {
    let at = data.display();
    if store::DataDir::is_installation(data) {
        anyhow!("no server runs on {at}; start one with `causeway serve --data {at}`")
    } else {
        usage(format!(
            "{at} is not a data directory of Causeway; name the one that `causeway serve --data` \
             was started with, or start a server there"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data directory whose server noted an address.
    fn directory(port: u16) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let note = format!("{{\"pid\":1,\"url\":\"http://127.0.0.1:{port}\"}}");
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
            trust: TrustArgs::default(),
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
