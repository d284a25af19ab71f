//! Commands that wait to be allowed to log in by the browser.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use model::{Timestamp, UserId};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use crate::clock::{SystemIds, fresh_secret};
use crate::credentials::token_hash;
use crate::party::network;

/// How long a request waits. The heroku command gives up after as long.
pub(crate) const LIFE: Duration = Duration::from_secs(10 * 60);
/// The most requests that wait, in all and from one network. If there are more, no others are taken.
const MOST: usize = 256;
const MOST_OF_NETWORK: usize = 16;
/// The most characters of what a command says of itself that are shown.
const LONGEST: usize = 100;

/// Requests that wait.
#[derive(Debug, Default)]
pub struct BrowserLogins(Mutex<HashMap<String, Waiting>>);

#[derive(Debug)]
struct Waiting {
    /// The hash of the secret that the command proves itself with.
    proof: String,
    request: LoginRequest,
    answer: watch::Sender<Option<Answer>>,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginRequest {
    /// What the command says of itself; anybody can say anything.
    pub(crate) description: String,
    /// Where it came from.
    pub(crate) from: Option<IpAddr>,
    /// When it came.
    pub(crate) made: Timestamp,
}

impl LoginRequest {
    /// Whether it came from the network of a browser.
    pub(crate) fn is_from(&self, browser: Option<IpAddr>) -> bool {
        self.from.map(network) == browser.map(network)
    }
}

/// What somebody has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The command may act as a user.
    Allowed {
        /// The user.
        user: UserId,
        /// When the user was last changed, as by a new password. Nobody acts as a user by what was allowed
        /// before such a change.
        as_of: Timestamp,
    },
    Denied,
}

/// What a command is told: the address for the browser has the id, and the command keeps the proof.
pub(crate) struct Begun {
    pub(crate) id: String,
    pub(crate) proof: String,
}

impl BrowserLogins {
    /// Begins a request; `None` if too many wait.
    pub(crate) fn begin(
        &self,
        description: &str,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Option<Begun> {
        let mut all = self.0.lock().expect("no holder panics");
        all.retain(|_, waiting| now < waiting.request.made + LIFE);
        let near = all.values().filter(|waiting| waiting.request.is_from(from)).count();
        if all.len() >= MOST || near >= MOST_OF_NETWORK {
            return None;
        }
        let described = description.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let request = LoginRequest { description: described, from, made: now };
        // Half of a secret is enough to be found by nobody else.
        let id = fresh_secret(&mut SystemIds).split_off(32);
        let proof = fresh_secret(&mut SystemIds);
        let answer = watch::Sender::new(None);
        all.insert(id.clone(), Waiting { proof: token_hash(&proof), request, answer });
        Some(Begun { id, proof })
    }

    /// A request that waits for an answer.
    pub(crate) fn find(&self, id: &str, now: Timestamp) -> Option<LoginRequest> {
        let all = self.0.lock().expect("no holder panics");
        let waiting = all.get(id).filter(|waiting| now < waiting.request.made + LIFE)?;
        waiting.answer.borrow().is_none().then(|| waiting.request.clone())
    }

    /// Answers a request, once. Returns whether it waited for that.
    pub(crate) fn answer(&self, id: &str, answer: Answer, now: Timestamp) -> bool {
        let all = self.0.lock().expect("no holder panics");
        let waiting = all.get(id).filter(|waiting| now < waiting.request.made + LIFE);
        waiting.is_some_and(|waiting| {
            waiting.answer.send_if_modified(|before| {
                let first = before.is_none();
                if first {
                    *before = Some(answer);
                }
                first
            })
        })
    }

    /// Where the answer comes, for whoever has the proof.
    pub(crate) fn awaited(&self, id: &str, proof: &str) -> Option<watch::Receiver<Option<Answer>>> {
        let all = self.0.lock().expect("no holder panics");
        let waiting = all.get(id)?;
        let right = token_hash(proof).as_bytes().ct_eq(waiting.proof.as_bytes());
        bool::from(right).then(|| waiting.answer.subscribe())
    }

    /// Forgets a request, so that it is answered to one alone. Returns what it was.
    pub(crate) fn take(&self, id: &str) -> Option<LoginRequest> {
        let mut all = self.0.lock().expect("no holder panics");
        all.remove(id).map(|waiting| waiting.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn source(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, n]))
    }

    #[test]
    fn a_request_is_answered_once_and_in_its_time() {
        let logins = BrowserLogins::default();
        let begun = logins.begin("laptop", source(1), at(0)).unwrap();
        assert_eq!(logins.find(&begun.id, at(599)).unwrap().description, "laptop");
        assert_eq!(logins.find(&begun.id, at(600)), None);
        let allowed = Answer::Allowed { user: UserId::MIN, as_of: Timestamp::from_millis(0) };
        assert!(!logins.answer(&begun.id, allowed, at(600)), "too late");
        assert!(!logins.answer("nothing", allowed, at(1)));
        assert!(logins.answer(&begun.id, Answer::Denied, at(1)));
        assert!(!logins.answer(&begun.id, allowed, at(1)), "what was denied stays so");
        assert_eq!(logins.find(&begun.id, at(1)), None, "it waits for nothing");
    }

    #[test]
    fn who_has_seen_the_address_cannot_take_the_answer() {
        let logins = BrowserLogins::default();
        let begun = logins.begin("", source(1), at(0)).unwrap();
        let other = logins.begin("", source(1), at(0)).unwrap();
        for wrong in ["", &begun.id, &other.proof, &begun.proof[1..]] {
            assert!(logins.awaited(&begun.id, wrong).is_none(), "{wrong}");
        }
        assert!(logins.awaited(&begun.id, &begun.proof).is_some());
        assert!(logins.take(&begun.id).is_some());
        assert!(logins.take(&begun.id).is_none(), "one alone takes it");
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_said_too() {
        let logins = BrowserLogins::default();
        for _ in 0..MOST_OF_NETWORK {
            logins.begin("", source(1), at(0)).unwrap();
        }
        assert!(logins.begin("", source(1), at(0)).is_none());
        let said = format!("a\u{0}b\n{}", "x".repeat(1000));
        let begun = logins.begin(&said, source(2), at(0)).unwrap();
        let shown = logins.find(&begun.id, at(0)).unwrap().description;
        assert_eq!(shown.len(), LONGEST);
        assert!(shown.starts_with("abx"), "{shown}");
        for n in 3..=u8::MAX {
            let _ = logins.begin("", source(n), at(0));
            let _ = logins.begin("", source(n), at(0));
        }
        assert_eq!(logins.0.lock().unwrap().len(), MOST);
        assert!(logins.begin("", source(1), at(600)).is_some(), "what is over makes room");
    }
}
