//! What is kept in the data directory, for its owner alone: the account at the ACME server, what it refused,
//! and the certificate with its key, in one file so that they always belong together.

use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::backoff::Refusals;
use super::failure::Error;

/// The directory of the files.
#[derive(Debug)]
pub(super) struct Keep(PathBuf);

/// An account.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    /// The address of the ACME server's directory.
    pub directory: String,
    /// What the server knows of its owner.
    pub email: Option<String>,
    pub credentials: AccountCredentials,
}

/// A certificate.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The address of the directory of the ACME server that issued it.
    pub directory: String,
    pub names: Vec<String>,
    /// In PEM, as the key is.
    pub chain: String,
    pub key: String,
}

impl Keep {
    pub(super) fn at(data: &Path) -> Self {
        Self(data.join("acme"))
    }

    pub(super) fn account(&self) -> Option<Account> {
        self.read("account.json")
    }

    pub(super) fn set_account(&self, account: &Account) -> Result<(), Error> {
        self.write("account.json", account)
    }

    pub(super) fn certificate(&self) -> Option<Kept> {
        self.read("certificate.json")
    }

    pub(super) fn set_certificate(&self, certificate: &Kept) -> Result<(), Error> {
        self.write("certificate.json", certificate)
    }

    pub(super) fn refusals(&self) -> Option<Refusals> {
        self.read("refusals.json")
    }

    /// Keeps what was refused, or forgets it.
    pub(super) fn set_refusals(&self, refusals: Option<&Refusals>) -> Result<(), Error> {
        let Some(refusals) = refusals else {
            return match std::fs::remove_file(self.0.join("refusals.json")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            };
        };
        self.write("refusals.json", refusals)
    }

    /// What a file holds. One that is lost or broken is asked for anew.
    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = self.0.join(name);
        let found = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::from),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => Err(error),
        };
        found
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "cannot be read"))
            .ok()
    }

    fn write(&self, name: &str, content: &impl Serialize) -> Result<(), Error> {
        let content = serde_json::to_vec_pretty(content)?;
        store::replace_file(&self.0.join(name), &content)?;
        Ok(())
    }
}
