//! A registry as the ledger's, in memory.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::Timestamp;

use super::kit::Time;
use crate::registry::random;
use crate::*;

/// The hosts of an installation, and the tokens by which they join.
pub(super) struct Members {
    pub time: Arc<Time>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    tokens: Vec<Token>,
    hosts: BTreeMap<HostId, About>,
}

struct Token {
    hash: String,
    expires: Timestamp,
    used: Option<([u8; 32], HostId)>,
}

impl Members {
    pub(super) fn new(time: Arc<Time>) -> Arc<Self> {
        Arc::new(Self { time, kept: Mutex::default() })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub(super) fn new_token(&self, authority: Fingerprint, lifetime: Duration) -> JoinToken {
        let token = JoinToken::of_bits(random(), authority);
        let expires = self.time.now() + lifetime;
        self.kept().tokens.push(Token { hash: token.hash(), expires, used: None });
        token
    }

    /// What every host last said of itself.
    pub(super) fn all(&self) -> BTreeMap<HostId, About> {
        self.kept().hosts.clone()
    }

    /// Whether there was such a host.
    pub(super) fn remove(&self, host: &HostId) -> bool {
        self.kept().hosts.remove(host).is_some()
    }
}

impl Registry for Members {
    fn enrol(&self, newcomer: Newcomer<'_>) -> Result<HostId, EnrolError> {
        let kept = &mut *self.kept();
        let found = kept.tokens.iter_mut().find(|it| it.hash == newcomer.token);
        let token = found.ok_or(EnrolError::Token)?;
        if let Some((key, host)) = &token.used {
            let again = key == newcomer.key && kept.hosts.contains_key(host);
            return again.then_some(*host).ok_or(EnrolError::Token);
        }
        if token.expires <= self.time.now() {
            return Err(EnrolError::Expired);
        }
        let host = HostId::fresh(&mut model::Sequence(random()));
        token.used = Some((*newcomer.key, host));
        kept.hosts.insert(host, newcomer.about.clone());
        Ok(host)
    }

    fn admits(&self, host: &HostId) -> bool {
        self.kept().hosts.contains_key(host)
    }

    fn connected(&self, host: &HostId, about: &About, _: IpAddr) -> Result<(), NotServed> {
        let mut kept = self.kept();
        let known = kept.hosts.get_mut(host).ok_or(NotServed::Removed)?;
        known.clone_from(about);
        Ok(())
    }
}
