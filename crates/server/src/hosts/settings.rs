//! What is kept beside the registry: where agents connect, and which leader this server was last.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use model::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::HostsError;

/// The files.
pub(super) struct Kept(PathBuf);

#[derive(Serialize, Deserialize)]
struct Address {
    agents: SocketAddr,
}

#[derive(Serialize, Deserialize)]
struct Epoch {
    epoch: u64,
}

impl Kept {
    pub(super) fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub(super) fn address(&self) -> Result<Option<SocketAddr>, HostsError> {
        Ok(self.read("listen.json")?.map(|kept: Address| kept.agents))
    }

    pub(super) fn set_address(&self, agents: SocketAddr) -> Result<(), HostsError> {
        self.write("listen.json", &Address { agents })
    }

    /// The epoch of a server that starts: later than that of any before it. It begins with the time, so that
    /// hosts follow an installation that was restored from a backup, where nothing of this is kept.
    pub(super) fn next_epoch(&self, now: Timestamp) -> Result<u64, HostsError> {
        let last = self.read("epoch.json")?.map_or(0, |kept: Epoch| kept.epoch);
        let epoch = last.saturating_add(1).max(u64::try_from(now.millis() / 1000).unwrap_or(0));
        self.write("epoch.json", &Epoch { epoch })?;
        Ok(epoch)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, HostsError> {
        let path = self.0.join(name);
        let read = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        read.map_err(|source| HostsError::Kept { path, source })
    }

    fn write(&self, name: &str, content: &impl Serialize) -> Result<(), HostsError> {
        let path = self.0.join(name);
        let bytes = serde_json::to_vec(content).expect("its keys are texts");
        store::replace_file(&path, &bytes)
            .map_err(|source| HostsError::Kept { path, source: io::Error::other(source) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_leads_after_the_one_before_it_whatever_the_clock_says() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::at(&dir.path().join("agents"));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        assert_eq!(kept.next_epoch(at(100)).unwrap(), 100);
        assert_eq!(kept.next_epoch(at(100)).unwrap(), 101);
        assert_eq!(kept.next_epoch(at(5)).unwrap(), 102, "a clock that was set back");
        // As in a data directory that was restored from a backup.
        let restored = Kept::at(&dir.path().join("restored"));
        assert_eq!(restored.next_epoch(at(200)).unwrap(), 200);
        std::fs::write(dir.path().join("agents/epoch.json"), "{").unwrap();
        assert!(kept.next_epoch(at(300)).is_err());
    }

    #[test]
    fn an_address_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::at(dir.path());
        assert_eq!(kept.address().unwrap(), None);
        let address = "10.0.0.1:4882".parse().unwrap();
        kept.set_address(address).unwrap();
        assert_eq!(kept.address().unwrap(), Some(address));
    }
}
