//! Tickets for clients of `heroku run`, which attach to the standard input and output of dynos.
//! Heroku calls this a rendezvous.
//!
//! A client that starts a dyno attached, or a command inside a dyno, is told an address with a
//! secret. The secret is valid once, for one minute. The client opens a TLS connection to the port
//! that also serves HTTP, and sends the secret as its first line. From then on the connection is
//! the terminal, until the dyno ends or the token or the membership that it depends on is gone.

mod certificate;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fabric::runtime::Inside;
use model::{AppId, Caller, DynoId, Timestamp, TokenId, UserId, World};
use sha2::{Digest, Sha256};
use store::Secret;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::rustls::ServerConfig;

use self::certificate::Certificates;
use crate::clock::{SystemIds, fresh_secret};

/// How long a secret is valid.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(60);
/// The most sessions and unused secrets, of all users together and of one user.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 32;
/// The most connections that have not sent their secret yet.
const MOST_STRANGERS: usize = 64;

/// The unused secrets, the count of sessions, and the certificates of the listener.
pub struct Rendezvous {
    tickets: Mutex<HashMap<[u8; 32], Ticket>>,
    counts: Arc<Mutex<Counts>>,
    /// Notified after every commit.
    pub(crate) worlds: watch::Sender<()>,
    pub(crate) strangers: Arc<Semaphore>,
    certificates: Certificates,
}

impl Default for Rendezvous {
    fn default() -> Self {
        Self {
            tickets: Mutex::default(),
            counts: Arc::default(),
            worlds: watch::Sender::new(()),
            strangers: Arc::new(Semaphore::new(MOST_STRANGERS)),
            certificates: Certificates::default(),
        }
    }
}

/// What the holder of a secret may attach to.
pub(crate) struct Ticket {
    pub(crate) requester: Requester,
    pub(crate) dyno: DynoId,
    pub(crate) target: Target,
    /// How its client will name the server; `None` for an IP address.
    name: Option<String>,
    _slot: Slot,
}

/// What a session is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The dyno's own input and output. The dyno ends when the session ends.
    Dyno,
    /// A second command inside the dyno.
    Inside(Inside),
}

/// The client that asked for a session, and what its right to it depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requester {
    /// The user or the operator.
    pub caller: Caller,
    /// The token of the request, if it is a user's.
    pub token: Option<TokenId>,
    /// The app that the dyno belongs to.
    pub app: AppId,
}

impl Requester {
    /// The reason why the session must end; `None` while it may go on.
    pub(crate) fn lost(&self, world: &World, now: Timestamp) -> Option<&'static str> {
        if let Caller::User(user) = self.caller
            && !world.lets_in_user(user)
        {
            return Some("you are not let in any more");
        }
        if let Some(id) = self.token
            && !world.token(id).is_some_and(|token| world.lets_in_token(token, now))
        {
            return Some("the token that it was started with has ended");
        }
        if let Caller::User(user) = self.caller
            && world.wants_second_factor(user).is_some()
        {
            return Some("a team of yours demands a second factor");
        }
        let Some(app) = world.app(self.app) else { return Some("the app is gone") };
        let member = world.team(app.team).is_some_and(|team| self.caller.role_in(team).is_some());
        (!member).then_some("you do not belong to the team of the app any more")
    }
}

/// Counts sessions and unused secrets.
#[derive(Debug, Default)]
struct Counts {
    all: usize,
    of: BTreeMap<Option<UserId>, usize>,
}

/// One session's share of the limits, released when it is dropped.
struct Slot {
    user: Option<UserId>,
    counts: Arc<Mutex<Counts>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().expect("no holder panics");
        counts.all -= 1;
        if let Some(own) = counts.of.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                counts.of.remove(&self.user);
            }
        }
    }
}

impl Rendezvous {
    /// Also writes the certificate authorities to a file, for the clients of this machine.
    #[must_use]
    pub fn keeping(mut self, file: PathBuf) -> Self {
        self.certificates = Certificates::keeping(file);
        self
    }

    /// The certificate authorities that a client must trust, in PEM, and the file that has them for
    /// the clients of this machine.
    pub(crate) fn authorities(
        &self,
        secret: &Secret,
        wall: Timestamp,
    ) -> (String, Option<PathBuf>) {
        self.certificates.authorities(secret, wall)
    }

    /// The TLS configuration of the listener, with the current certificate.
    ///
    /// # Errors
    ///
    /// No certificate can be made.
    pub(crate) fn tls(
        &self,
        secret: &Secret,
        wall: Timestamp,
    ) -> Result<Arc<ServerConfig>, certificate::Error> {
        self.certificates.current(secret, wall)
    }

    /// Notifies every session of a commit.
    pub(crate) fn world_changed(&self) {
        self.worlds.send_replace(());
    }

    /// The number of sessions and unused secrets.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.counts.lock().expect("no holder panics").all
    }

    /// Whether the caller may have one more session.
    pub(crate) fn has_room(&self, caller: Caller) -> bool {
        let counts = self.counts.lock().expect("no holder panics");
        counts.all < MOST && counts.of.get(&user_of(caller)).is_none_or(|own| *own < MOST_OF_ONE)
    }

    fn slot(&self, caller: Caller) -> Option<Slot> {
        let mut counts = self.counts.lock().expect("no holder panics");
        let user = user_of(caller);
        let own = counts.of.get(&user).copied().unwrap_or_default();
        if counts.all >= MOST || own >= MOST_OF_ONE {
            return None;
        }
        counts.all += 1;
        counts.of.insert(user, own + 1);
        Some(Slot { user, counts: Arc::clone(&self.counts) })
    }

    pub(crate) fn issue(
        &self,
        who: Requester,
        dyno: DynoId,
        target: Target,
        name: Option<String>,
    ) -> Option<String> {
        let slot = self.slot(who.caller)?;
        let secret = fresh_secret(&mut SystemIds);
        let ticket = Ticket { requester: who, dyno, target, name, _slot: slot };
        self.tickets.lock().expect("no holder panics").insert(hash(&secret), ticket);
        Some(secret)
    }

    /// Whether a client that was told a secret, and has not come yet, will name the server like this.
    pub(crate) fn awaits(&self, name: Option<&str>) -> bool {
        let tickets = self.tickets.lock().expect("no holder panics");
        tickets.values().any(|ticket| ticket.name.as_deref() == name)
    }

    /// Takes the ticket of a secret. The secret is not valid any more after that.
    pub(crate) fn claim(&self, secret: &str) -> Option<Ticket> {
        self.tickets.lock().expect("no holder panics").remove(&hash(secret))
    }
}

/// The user whose limit a session counts towards. All other callers share one.
fn user_of(caller: Caller) -> Option<UserId> {
    match caller {
        Caller::User(user) => Some(user),
        Caller::Operator | Caller::System | Caller::Account { .. } => None,
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(caller: Caller) -> Requester {
        Requester { caller, token: None, app: AppId::MIN }
    }

    #[test]
    fn a_secret_is_good_once() {
        let rendezvous = Rendezvous::default();
        let secret =
            rendezvous.issue(who(Caller::Operator), DynoId::MIN, Target::Dyno, None).unwrap();
        assert!(rendezvous.claim("").is_none());
        assert!(rendezvous.claim(&secret[1..]).is_none());
        assert!(rendezvous.claim(&secret).is_some());
        assert!(rendezvous.claim(&secret).is_none());
    }

    #[test]
    fn a_client_is_awaited_by_the_name_that_it_was_told_until_it_comes() {
        let rendezvous = Rendezvous::default();
        let issue = |name: Option<&str>| {
            let name = name.map(str::to_owned);
            rendezvous.issue(who(Caller::Operator), DynoId::MIN, Target::Dyno, name).unwrap()
        };
        assert!(!rendezvous.awaits(None) && !rendezvous.awaits(Some("localhost")));
        let (by_address, by_name) = (issue(None), issue(Some("localhost")));
        rendezvous.claim(&by_name).unwrap();
        assert!(rendezvous.awaits(None) && !rendezvous.awaits(Some("localhost")));
        rendezvous.claim(&by_address).unwrap();
        assert!(!rendezvous.awaits(None));
    }

    #[test]
    fn one_user_leaves_room_for_others() {
        let rendezvous = Rendezvous::default();
        let user = |n: u128| Caller::User(UserId(uuid::Uuid::from_u128(n)));
        let issue = |caller| rendezvous.issue(who(caller), DynoId::MIN, Target::Dyno, None);
        let secrets: Vec<_> = (0..MOST_OF_ONE).map(|_| issue(user(1)).unwrap()).collect();
        assert!(!rendezvous.has_room(user(1)) && issue(user(1)).is_none());
        assert!(rendezvous.has_room(user(2)));
        // A session counts until it is over.
        let session = rendezvous.claim(&secrets[0]).unwrap();
        assert!(issue(user(1)).is_none());
        drop(session);
        assert!(issue(user(1)).is_some());
        for n in 2.. {
            if issue(user(n)).is_none() {
                break;
            }
        }
        assert!(!rendezvous.has_room(user(9999)), "there is a bound for all together");
        assert_eq!(rendezvous.counts.lock().unwrap().all, MOST);
    }
}
