//! What a server keeps for itself of agents: where they connect to it, and which leader it was last.

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

/// Where agents reach a server that listens at an address, and that others reach at a URL: a host and a
/// port.
pub(super) fn advertised(listens: SocketAddr, url: Option<&str>) -> String {
    if !listens.ip().is_unspecified() {
        return listens.to_string();
    }
    let url = url.and_then(|url| url.parse::<http::Uri>().ok());
    let named = url.as_ref().and_then(http::Uri::host).map(str::to_owned);
    let own = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let host = named.or_else(own).unwrap_or_else(|| "localhost".to_owned());
    format!("{host}:{}", listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_told_an_address_that_is_one() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(advertised(address("10.9.0.1:4882"), Some("https://one")), "10.9.0.1:4882");
        let any = address("0.0.0.0:4882");
        assert_eq!(advertised(any, Some("https://one.example.org:4880")), "one.example.org:4882");
        assert_eq!(advertised(address("[::]:9"), Some("https://[fd00::1]:4880")), "[fd00::1]:9");
        let by_name = advertised(any, None);
        assert!(by_name.ends_with(":4882") && !by_name.starts_with("0.0.0.0"), "{by_name}");
    }

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
