//! Which hosts there are, and who may become one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::identity::HostId;
use crate::message::About;
use crate::token::{Fingerprint, JoinToken};

/// For how long an expired token is remembered, so that whoever shows it hears why it is refused.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// The most tokens that are good at a time.
const MOST_TOKENS: usize = 1000;

/// Knows the hosts of an installation, and lets new ones in.
pub trait Registry: Send + Sync + 'static {
    /// Lets a host in that shows a token. One that shows a used token with the key that it was used with is
    /// the same host, whom the answer did not reach. May wait for a disk.
    ///
    /// # Errors
    ///
    /// [`EnrolError`]; nothing was changed then.
    fn enrol(&self, newcomer: Newcomer<'_>) -> Result<HostId, EnrolError>;

    /// Whether a host that has joined is one of the installation's. Waits for nothing.
    fn admits(&self, host: &HostId) -> bool;

    /// Takes note of what a host says of itself. May wait for a disk.
    fn note(&self, host: &HostId, about: &About);
}

/// Who wants to become a host.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer<'a> {
    /// The hash of the token that it shows.
    pub token: &'a str,
    /// What tells its key from any other.
    pub key: &'a [u8; 32],
    /// What it says of itself.
    pub about: &'a About,
    /// The time.
    pub now: Timestamp,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The token is none, or was used by another host.
    #[error(
        "the token is not one of this installation's, or was used; `causeway host:token` makes another"
    )]
    Token,
    /// The token was good once.
    #[error("the token has expired; `causeway host:token` makes another")]
    Expired,
    /// It cannot be kept.
    #[error("the host cannot be kept")]
    Store(#[source] store::Error),
}

/// A registry in a file of the data directory, for its owner alone.
#[derive(Debug)]
pub struct FileRegistry {
    path: PathBuf,
    kept: Mutex<Kept>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    tokens: Vec<Token>,
    #[serde(default)]
    hosts: BTreeMap<HostId, Member>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Token {
    hash: String,
    expires: Timestamp,
    /// The key that it was used with, and the host that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<(String, HostId)>,
}

/// A host that has joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// What it last said of itself.
    pub about: About,
    /// When it joined.
    pub joined: Timestamp,
}

impl FileRegistry {
    /// Reads it; a file that is not there is one without hosts.
    ///
    /// # Errors
    ///
    /// A file that cannot be read: without it, nobody knows which hosts were removed.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let kept = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), kept: Mutex::new(kept) })
    }

    /// Makes a token that is good once and for a while. What is kept of it is its hash.
    ///
    /// # Errors
    ///
    /// [`EnrolError::Store`].
    pub fn new_token(
        &self,
        authority: Fingerprint,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<(JoinToken, Timestamp), EnrolError> {
        let token = JoinToken::of_bits(random(), authority);
        let expires = now + lifetime;
        self.change(|kept| {
            kept.tokens.retain(|token| now < token.expires + REMEMBERED);
            let surplus = (kept.tokens.len() + 1).saturating_sub(MOST_TOKENS);
            kept.tokens.drain(..surplus);
            kept.tokens.push(Token { hash: token.hash(), expires, used: None });
            Ok((token, expires))
        })
    }

    /// Every host, by id.
    pub fn members(&self) -> BTreeMap<HostId, Member> {
        self.kept().hosts.clone()
    }

    /// Removes a host; whether there was one. Whoever does so tells the hub next
    /// ([`crate::Hub::review`]).
    ///
    /// # Errors
    ///
    /// [`EnrolError::Store`].
    pub fn remove(&self, host: &HostId) -> Result<bool, EnrolError> {
        if !self.admits(host) {
            return Ok(false);
        }
        self.change(|kept| Ok(kept.hosts.remove(host).is_some()))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // It is replaced as a whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change once it is durable.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Kept) -> Result<T, EnrolError>,
    ) -> Result<T, EnrolError> {
        let mut kept = self.kept();
        let mut next = kept.clone();
        let done = change(&mut next)?;
        let bytes = serde_json::to_vec_pretty(&next).expect("its keys are texts");
        store::replace_file(&self.path, &bytes).map_err(EnrolError::Store)?;
        *kept = next;
        Ok(done)
    }
}

impl Registry for FileRegistry {
    fn enrol(&self, newcomer: Newcomer<'_>) -> Result<HostId, EnrolError> {
        let Newcomer { token, key, about, now } = newcomer;
        let key = hex::encode(key);
        self.change(|kept| {
            let same = |it: &&mut Token| bool::from(it.hash.as_bytes().ct_eq(token.as_bytes()));
            let token = kept.tokens.iter_mut().find(same).ok_or(EnrolError::Token)?;
            if let Some((used_with, host)) = &token.used {
                let again = *used_with == key && kept.hosts.contains_key(host);
                return again.then(|| host.clone()).ok_or(EnrolError::Token);
            }
            if token.expires <= now {
                return Err(EnrolError::Expired);
            }
            let host = HostId::of_bits(random());
            token.used = Some((key, host.clone()));
            kept.hosts.insert(host.clone(), Member { about: about.clone(), joined: now });
            Ok(host)
        })
    }

    fn admits(&self, host: &HostId) -> bool {
        self.kept().hosts.contains_key(host)
    }

    fn note(&self, host: &HostId, about: &About) {
        if self.kept().hosts.get(host).is_none_or(|member| member.about == *about) {
            return;
        }
        let noted = self.change(|kept| {
            if let Some(member) = kept.hosts.get_mut(host) {
                member.about.clone_from(about);
            }
            Ok(())
        });
        if let Err(error) = noted {
            tracing::warn!(%host, %error, "what a host says of itself is not kept");
        }
    }
}

/// Random bits of the operating system.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness once it runs");
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn registry() -> (tempfile::TempDir, FileRegistry) {
        let dir = tempfile::tempdir().unwrap();
        let registry = FileRegistry::open(&dir.path().join("agents/registry.json")).unwrap();
        (dir, registry)
    }

    fn enrol(registry: &FileRegistry, token: &str, key: u8, now: i64) -> Result<HostId, String> {
        let about = About::default();
        let now = Timestamp::from_millis(now);
        registry
            .enrol(Newcomer { token, key: &[key; 32], about: &about, now })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_is_good_once_and_for_a_while() {
        let (_dir, registry) = registry();
        let authority = Fingerprint([3; 32]);
        let now = Timestamp::from_millis(0);
        let (token, expires) = registry.new_token(authority, now, HOUR).unwrap();
        assert_eq!(token.authority, authority);
        let late = enrol(&registry, &token.hash(), 1, expires.millis()).unwrap_err();
        assert!(late.contains("has expired"), "{late}");
        let host = enrol(&registry, &token.hash(), 1, expires.millis() - 1).unwrap();
        assert!(registry.admits(&host));
        let twice = enrol(&registry, &token.hash(), 2, 5).unwrap_err();
        assert!(twice.contains("was used"), "{twice}");
        assert_eq!(enrol(&registry, &token.hash(), 1, 5), Ok(host.clone()), "the same once more");
        assert!(enrol(&registry, "", 1, 5).unwrap_err().contains("not one of"));
        assert_eq!(registry.members().len(), 1);
        assert!(registry.remove(&host).unwrap() && !registry.remove(&host).unwrap());
        assert!(!registry.admits(&host));
        assert!(enrol(&registry, &token.hash(), 1, 5).is_err(), "a removed host needs another");
    }

    #[test]
    fn hosts_and_hashes_outlive_the_process_and_no_token_does() {
        let (dir, registry) = registry();
        let now = Timestamp::from_millis(0);
        let (token, _) = registry.new_token(Fingerprint([3; 32]), now, HOUR).unwrap();
        let (unused, _) = registry.new_token(Fingerprint([3; 32]), now, HOUR).unwrap();
        let host = enrol(&registry, &token.hash(), 1, 0).unwrap();
        let about = About { name: "one".to_owned(), ..About::default() };
        registry.note(&host, &about);
        let path = dir.path().join("agents/registry.json");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&unused.secret()) && !text.contains(&unused.to_string()), "{text}");
        let again = FileRegistry::open(&path).unwrap();
        assert_eq!(again.members()[&host].about, about);
        assert!(enrol(&again, &token.hash(), 2, 0).is_err());
        assert!(enrol(&again, &unused.hash(), 2, 0).is_ok());
        std::fs::write(&path, "{").unwrap();
        assert!(FileRegistry::open(&path).is_err(), "who was removed is not forgotten in silence");
    }

    #[test]
    fn there_is_a_bound_for_tokens_and_the_oldest_go_first() {
        let (_dir, registry) = registry();
        let now = Timestamp::from_millis(0);
        let old = Token { hash: "old".to_owned(), expires: now + HOUR, used: None };
        registry.kept.lock().unwrap().tokens = vec![old; MOST_TOKENS];
        let (token, _) = registry.new_token(Fingerprint([3; 32]), now, HOUR).unwrap();
        assert_eq!(registry.kept().tokens.len(), MOST_TOKENS);
        assert_eq!(registry.kept().tokens.last().unwrap().hash, token.hash());
        let later = now + HOUR + REMEMBERED;
        registry.new_token(Fingerprint([3; 32]), later, HOUR).unwrap();
        assert_eq!(registry.kept().tokens.len(), 1, "what has expired is forgotten after a day");
    }
}
