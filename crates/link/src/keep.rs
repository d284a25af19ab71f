//! What a host keeps: who it is, whom it trusts, and what it was last told, so that it goes on without
//! servers, also after its restart. All of it is for its owner alone: what a dyno is told in config vars is
//! in there.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::protocol::Subject;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::identity::HostId;
use crate::message::{About, Settings, Stamp};

/// Who a host is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub host: HostId,
    /// The addresses of servers that it joined with, each a host and a port.
    pub servers: Vec<String>,
    /// Those that servers told it last.
    #[serde(default)]
    pub told: Vec<String>,
    /// The authority's certificate, in PEM.
    pub authority: String,
    /// Its own, in PEM.
    pub certificate: String,
    /// The key of that, in PEM.
    pub key: String,
    /// What it says of itself.
    pub about: About,
    /// What it knows of the installation.
    pub settings: Settings,
}

impl Identity {
    /// Where servers may be: those that it was told of first.
    pub(crate) fn addresses(&self) -> Vec<&String> {
        let given = self.servers.iter().filter(|server| !self.told.contains(server));
        self.told.iter().chain(given).collect()
    }
}

/// What a host was last told of a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct KeptIntent<S: Subject> {
    /// How new it is.
    pub stamp: Stamp,
    /// All that must be.
    pub intent: S::Intent,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Fence {
    epoch: u64,
}

/// When servers were known to know of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    /// Which start of the machine the time is counted from.
    pub boot: String,
    /// Milliseconds since then.
    pub millis: u64,
}

#[derive(Serialize, Deserialize)]
struct Joining {
    key: String,
}

/// Why what a host keeps cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("what this host has to keep cannot be written")]
    Write(#[source] store::Error),
}

/// The directory in which a host keeps it.
#[derive(Debug, Clone)]
pub struct Keep(PathBuf);

impl Keep {
    /// That in a directory, which need not be there.
    pub fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// Who this host is; `None` if it has not joined.
    ///
    /// # Errors
    ///
    /// [`KeepError::Read`].
    pub fn identity(&self) -> Result<Option<Identity>, KeepError> {
        self.read("identity.json")
    }

    /// Keeps who this host is.
    ///
    /// # Errors
    ///
    /// [`KeepError::Write`].
    pub fn set_identity(&self, identity: &Identity) -> Result<(), KeepError> {
        self.write("identity.json", identity)
    }

    /// The key with which this host tries to join, in PEM.
    pub(crate) fn joining(&self) -> Result<Option<String>, KeepError> {
        Ok(self.read("joining.json")?.map(|joining: Joining| joining.key))
    }

    pub(crate) fn set_joining(&self, key: &str) -> Result<(), KeepError> {
        self.write("joining.json", &Joining { key: key.to_owned() })
    }

    /// It has joined.
    pub(crate) fn end_joining(&self) {
        // What is left of it is the key of the certificate.
        let _ = fs::remove_file(self.0.join("joining.json"));
    }

    /// The greatest epoch that was seen.
    pub(crate) fn epoch(&self) -> Result<u64, KeepError> {
        Ok(self.read("fence.json")?.map_or(0, |fence: Fence| fence.epoch))
    }

    pub(crate) fn set_epoch(&self, epoch: u64) -> Result<(), KeepError> {
        self.rewrite("fence.json", &to_vec(&Fence { epoch }))
    }

    /// When servers were last known to know of this host. What cannot be read is not known.
    pub(crate) fn contact(&self) -> Option<Contact> {
        self.read("contact.json").ok().flatten()
    }

    /// It is of use to processes of this start of the machine alone, so nothing waits for the disk.
    pub(crate) fn set_contact(&self, contact: &Contact) -> io::Result<()> {
        let (path, new) = (self.0.join("contact.json"), self.0.join("contact.json.new"));
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&to_vec(contact))?;
        fs::rename(new, path)
    }

    /// What it was last told of a subject. One that cannot be read is told anew.
    pub(crate) fn intent<S: Subject>(&self) -> Option<KeptIntent<S>> {
        self.read(&Self::file::<S>()).unwrap_or_else(|error| {
            tracing::error!(
                subject = S::NAME,
                error = os::error_chain(&error),
                "what this host was last told is lost; the servers tell it anew"
            );
            None
        })
    }

    /// Keeps what was serialized.
    pub(crate) fn set_intent<S: Subject>(&self, bytes: &[u8]) -> Result<(), KeepError> {
        self.rewrite(&Self::file::<S>(), bytes)
    }

    fn file<S: Subject>() -> String {
        format!("{}.json", S::NAME)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, KeepError> {
        let path = self.0.join(name);
        let read = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        read.map_err(|source| KeepError::Read { path, source })
    }

    /// Makes the directory, too.
    fn write(&self, name: &str, content: &impl Serialize) -> Result<(), KeepError> {
        store::replace_file(&self.0.join(name), &to_vec(content)).map_err(KeepError::Write)
    }

    /// What a host that has joined keeps. A directory that was removed is not made again by one that does not
    /// know of it yet.
    fn rewrite(&self, name: &str, bytes: &[u8]) -> Result<(), KeepError> {
        store::write_file(&self.0.join(name), bytes).map_err(KeepError::Write)
    }
}

fn to_vec(content: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(content).expect("its keys are texts")
}
