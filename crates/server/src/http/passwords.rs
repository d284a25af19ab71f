//! Hashes of passwords, which are computed on threads of their own.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use edge::{Share, Shares};
use model::PasswordHash;
use tokio::sync::Semaphore;

use crate::party::Party;

/// Argon2id with 19 MiB and two passes, as OWASP recommends. It takes about 20 ms on one core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT_BYTES: usize = 32;

/// Concurrent computations. Each takes a core and 19 MiB.
const AT_ONCE: usize = 2;
/// The most computations that wait or run. They are shared among the parties that ask.
const PERMITS: usize = 64;
/// How long one may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The allowed length of a password in bytes. Shorter ones are guessed, and nobody types longer
/// ones.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=1024;

/// Computes hashes of passwords, with a bounded number at the same time.
#[derive(Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// The permits of computations that wait or run.
    pub(crate) permits: Shares<Party>,
}

/// An error that keeps a password from being hashed or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It is too short or too long.
    #[error("A password must have {} to {} bytes.", LENGTHS.start(), LENGTHS.end())]
    Length,
    /// Too many others wait.
    #[error("Too many passwords are being checked. Try again in a moment.")]
    Busy,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), permits: Shares::new(PERMITS) }
    }
}

impl Passwords {
    /// Hashes a new password with a random salt.
    ///
    /// # Errors
    ///
    /// [`PasswordError`].
    pub async fn hash(
        &self,
        password: String,
        salt: [u8; 16],
    ) -> Result<PasswordHash, PasswordError> {
        if !LENGTHS.contains(&password.len()) {
            return Err(PasswordError::Length);
        }
        self.in_turn(Party::Operator, move || hash(&password, salt)).await
    }

    /// Whether a password matches the stored hash. `party` is who the computation is counted for.
    /// If there is no hash, as for an unknown user, the answer is no and takes as long.
    ///
    /// # Errors
    ///
    /// [`PasswordError::Busy`].
    pub async fn matches(
        &self,
        password: String,
        stored: Option<PasswordHash>,
        party: Party,
    ) -> Result<bool, PasswordError> {
        self.in_turn(party, move || {
            let (real, stored) = (stored.is_some(), stored.unwrap_or_else(nobodys));
            // Longer ones were never stored. The size of the headers bounds what can arrive.
            real & hasher().verify_password(password.as_bytes(), stored.0.as_str()).is_ok()
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        party: Party,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permit: Share<Party> = self.permits.take([party]).map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(|_| PasswordError::Busy)?;
        // The permits belong to the computation, which runs to its end even if nobody waits any
        // more.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((turn, permit));
            done
        });
        done.await.map_err(|_| PasswordError::Busy)
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES))
        .expect("the parameters are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str, salt: [u8; 16]) -> PasswordHash {
    let hash = hasher().hash_password_with_salt(password.as_bytes(), &salt);
    PasswordHash(hash.expect("a password and a salt of these lengths can be hashed").to_string())
}

/// A hash that no password matches, and that costs as much to check.
fn nobodys() -> PasswordHash {
    let zeros = |bytes: usize| "A".repeat((bytes * 8).div_ceil(6));
    PasswordHash(format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
        zeros(16),
        zeros(OUTPUT_BYTES)
    ))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[tokio::test]
    async fn a_password_matches_itself_alone() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse".to_owned(), [1; 16]).await.unwrap();
        assert!(stored.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.0);
        let again = passwords.hash("correct horse".to_owned(), [2; 16]).await.unwrap();
        assert_ne!(stored, again, "the salt makes a difference");
        for (typed, right) in [("correct horse", true), ("correct horsf", false), ("", false)] {
            let matches =
                passwords.matches(typed.to_owned(), Some(stored.clone()), Party::Operator).await;
            assert_eq!(matches, Ok(right), "{typed}");
        }
        assert_eq!(
            passwords.matches("correct horse".to_owned(), None, Party::Operator).await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn a_password_has_a_sane_length() {
        let passwords = Passwords::default();
        for length in [0, 7, 1025] {
            let hashed = passwords.hash("x".repeat(length), [1; 16]).await;
            assert_eq!(hashed, Err(PasswordError::Length), "{length}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_tries_many_at_once_leaves_room_for_others() {
        let passwords = Passwords::default();
        let of = |n: u8| Party::Network(Some(IpAddr::from([192, 0, 2, n])));
        let hoarded: Vec<_> = std::iter::from_fn(|| passwords.permits.take([of(1)]).ok()).collect();
        assert_eq!(hoarded.len(), PERMITS / 2);
        let refused = passwords.matches("x".to_owned(), None, of(1)).await;
        assert_eq!(refused, Err(PasswordError::Busy));
        assert_eq!(passwords.matches("x".to_owned(), None, of(2)).await, Ok(false));
    }

    /// The hash that is checked for unknown users has the same parameters as real ones.
    #[test]
    fn the_hash_of_nobody_is_a_real_one() {
        let of = |text: &str| text.split('$').take(4).collect::<Vec<_>>().join("$");
        let (nobodys, real) = (nobodys().0, hash("correct horse", [7; 16]).0);
        assert_eq!(of(&nobodys), of(&real));
        assert_eq!(nobodys.len(), real.len());
        let checked = hasher().verify_password(b"x", nobodys.as_str());
        assert_eq!(checked, Err(argon2::password_hash::Error::PasswordInvalid));
    }
}
