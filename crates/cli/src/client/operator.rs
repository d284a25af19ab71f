//! Requests to the operator's API, whose requests and answers have types.

use anyhow::{Context, anyhow, bail};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::address::query;
use super::lines::Lines;
use super::refusal::Refusal;
use super::request::{Client, PATIENCE};

/// Where an emulator gives and takes everything that it has.
const SNAPSHOT: &str = "/_causeway/snapshot";

impl Client {
    /// `GET`, with the members of a structure as the query string.
    pub(crate) fn read_with<T: DeserializeOwned>(
        &self,
        path: &str,
        fields: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.read(&format!("{path}?{}", query(fields)?))
    }

    /// `GET`.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses the request, or answers what this version does not
    /// understand.
    pub(crate) fn read<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let (_, bytes) = self.ask(&Method::GET, path, Vec::new(), &[])?;
        self.understood(&bytes)
    }

    /// `GET` of plain text, with the members of a structure as the query string.
    pub(crate) fn read_text(&self, path: &str, fields: &impl Serialize) -> anyhow::Result<String> {
        let path = format!("{path}?{}", query(fields)?);
        let (_, bytes) = self.ask(&Method::GET, &path, Vec::new(), &[])?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// `POST`, `PUT` or `DELETE`.
    pub(crate) fn write<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let body = serde_json::to_vec(body).context("the request cannot be written")?;
        let (_, bytes) = self.ask(method, path, body, &[])?;
        self.understood(&bytes)
    }

    /// Everything that an emulator has.
    pub(crate) fn save_snapshot(&self) -> anyhow::Result<Bytes> {
        Ok(self.ask(&Method::GET, SNAPSHOT, Vec::new(), &[])?.1)
    }

    /// Has an emulator be as it was when it gave a snapshot.
    pub(crate) fn load_snapshot(&self, text: Vec<u8>) -> anyhow::Result<api::SnapshotLoaded> {
        let (_, bytes) = self.ask(&Method::PUT, SNAPSHOT, text, &[])?;
        self.understood(&bytes)
    }

    /// Has a backup written. It takes as long as it takes, and `progress` hears how far it is.
    pub(crate) fn backup(
        &self,
        request: &api::BackupRequest,
        mut progress: impl FnMut(&api::BackupProgress),
    ) -> anyhow::Result<api::Backup> {
        let body = serde_json::to_vec(request).context("the request cannot be written")?;
        let request = self.prepare(&Method::POST, "/_causeway/backup", body, &[])?;
        let waited = || anyhow!("{} sent nothing for {PATIENCE:?}", self.url());
        self.block_on(async {
            let answer = tokio::time::timeout(PATIENCE, self.open(request)).await;
            let mut body = answer.map_err(|_| waited())??;
            let mut lines = Lines::default();
            loop {
                let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
                let Some(frame) = frame.map_err(|_| waited())? else {
                    bail!("{} ended before it was done", self.url());
                };
                let frame = frame.context("the answer broke off")?;
                lines.add(frame.data_ref().map_or(&[][..], |data: &Bytes| data));
                while let Some(line) = lines.next()? {
                    // An empty line says that the server is still at work.
                    if line.is_empty() {
                        continue;
                    }
                    match self.understood(line)? {
                        api::BackupLine::Progress(how_far) => progress(&how_far),
                        api::BackupLine::Done(backup) => return Ok(backup),
                        api::BackupLine::Failed(failure) => {
                            return Err(Refusal::from(failure).into());
                        }
                    }
                }
            }
        })
    }

    /// Reads an answer.
    fn understood<T: DeserializeOwned>(&self, bytes: &[u8]) -> anyhow::Result<T> {
        serde_json::from_slice(bytes).with_context(|| {
            format!(
                "the answer of {} is not understood; is that a server of another version?",
                self.url()
            )
        })
    }
}
