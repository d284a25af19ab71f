//! The state that all requests share.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, RwLock};

use aws::sigv4::SigningKey;
use edge::Shares;
use fabric::driver::Dialer;
use model::{
    AccessKey, AccessKeyId, AccountId, Caller, CodeRoom, Command, Need, Reachable, Region, Scope,
    Settings, Team, Timestamp, UserId, World,
};
use store::{Secret, Store};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::acme::Certificates;
use crate::apps::console::Console;
use crate::apps::host_logs::{HostLogs, NoOtherHosts};
use crate::apps::log_reader;
use crate::apps::logs::Logs;
use crate::apps::plans::Plans;
use crate::apps::rendezvous::Rendezvous;
use crate::apps::router_log::{NoRouterLog, RouterLog};
use crate::apps::slugs::Slugs;
use crate::apps::web::Web;
use crate::backup::{Sources, Workspace};
use crate::clock::Clock;
use crate::cluster::{Fresh, Members};
use crate::credentials::{OwnToken, find_token, open_access_key, operator_token};
use crate::flows::Flows;
use crate::hosts::Hosts;
use crate::http::factor_limits::FactorLimits;
use crate::http::login_requests::BrowserLogins;
use crate::http::passwords::Passwords;
use crate::http::rate_limits::RateLimits;
use crate::http::refusals::{Refusal, Refusals};
use crate::http::sign_in_limits::SignInLimits;
use crate::identity::Identity;
use crate::ledger::{self, Committed, Ledger, LedgerError, OnlyIf, Request};
use crate::metrics::Metrics;
use crate::party::Party;
use crate::reconcile::Health;

/// The most concurrent log readers. For each, the logs of an app's dynos are read four times a
/// second.
const MOST_LOG_READERS: usize = 64;

/// The most packets that are being tried at a time. Each takes a thread for some seconds at most.
const MOST_DIALS: usize = 32;

/// The state that all requests share.
pub struct State {
    /// The handle of the ledger.
    pub ledger: Ledger,
    /// The server's clock.
    pub clock: Arc<Clock>,
    /// The key that encrypts secrets and derives tokens.
    pub secret: Secret,
    /// Whether the server is an emulator, which accepts any credentials.
    pub emulator: bool,
    /// The health of the fabric.
    pub health: Arc<Health>,
    /// Access to running workloads.
    pub console: Arc<dyn Console>,
    /// A second handle of the store for backups and audit queries, so that they do not delay the
    /// writer.
    pub store: std::sync::Mutex<Box<dyn Store>>,
    /// In emulator mode: the accounts and regions whose default VPC exists.
    pub default_vpcs_made: std::sync::Mutex<HashSet<Scope>>,
    /// Whether something comes before the server is ready.
    pub initializing: Arc<AtomicBool>,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Limits failed attempts to sign in.
    pub sign_in_limits: SignInLimits,
    /// Commands that wait to be allowed to log in.
    pub browser_logins: BrowserLogins,
    /// Limits wrong codes of second factors.
    pub factor_limits: FactorLimits,
    /// The rate limit of each user at the Platform API.
    pub rates: RateLimits<UserId>,
    /// The rate limit of each account at EC2's API.
    pub account_rates: RateLimits<AccountId>,
    /// Counts refused requests for the audit.
    pub refusals: Refusals,
    /// The directory of slugs.
    pub slugs: Slugs,
    /// The names and ports under which apps are served.
    pub web: Web,
    /// The data services on offer.
    pub plans: Plans,
    /// The root directory of the machine that data services run on, which must have their programs.
    /// `None` if none run.
    pub programs: Option<PathBuf>,
    /// What webhooks and log drains may reach.
    pub reachable: Reachable,
    /// Whether processes of dynos, instances and data services run on this machine.
    pub runs: bool,
    /// The platform's own log lines.
    pub logs: Arc<Logs>,
    /// The shares of concurrent log readers.
    pub log_readers: Shares<Party>,
    /// The logs of other hosts.
    pub(crate) host_logs: Arc<dyn HostLogs>,
    /// The request log of apps.
    pub router_log: Arc<dyn RouterLog>,
    /// Sessions of clients that are attached to dynos.
    pub rendezvous: Arc<Rendezvous>,
    /// The directories and locks of backups.
    pub backups: Arc<Workspace>,
    /// Sends packets from interfaces, here or on the hosts of agents; `None` where no packets are carried.
    pub dialer: Option<Arc<dyn Dialer>>,
    /// Records of flows; `None` where no packets are carried.
    pub(crate) flows: Option<Arc<Flows>>,
    /// The shares of packets that are being tried.
    pub dials: Shares<Party>,
    /// The certificate that an ACME server issues; `None` where nobody is asked.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// By which certificate other machines know this server; not set where there is none.
    pub(crate) identity: OnceLock<Identity>,
    /// The agents of other hosts; `None` where there can be none, as in tests.
    pub(crate) hosts: Option<Arc<Hosts>>,
    /// Cancelled when the server is told to stop. It ends requests that have no end of their own.
    pub closing: CancellationToken,
    /// What requests wait for where several servers share the installation; `None` where there is one, or
    /// where reads may be out of date.
    pub(crate) fresh: Option<Fresh>,
    /// The servers that share the installation; `None` where there is one.
    pub(crate) members: Option<Arc<Members>>,
    /// What is counted of requests, the ledger and the control loops.
    pub(crate) metrics: Arc<Metrics>,
    signing_keys: SigningKeys,
    /// The shares of commands that wait for the writer.
    pub(crate) commands: Shares<Party>,
}

/// Another server, which alone has what a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// The name that people know it by.
    pub name: String,
    /// Where it says that it is reached, once it was heard of.
    pub address: Option<String>,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server {}", self.name)?;
        self.address.as_ref().map_or(Ok(()), |address| write!(f, " ({address})"))
    }
}

impl State {
    /// The state of an installation in a data directory.
    pub fn new(
        data: &Path,
        ledger: Ledger,
        clock: Arc<Clock>,
        secret: Secret,
        health: Arc<Health>,
        console: Arc<dyn Console>,
        store: Box<dyn Store>,
    ) -> Self {
        let emulator = ledger.world().settings().is_some_and(|s| s.emulator);
        let store = std::sync::Mutex::new(store);
        let default_vpcs_made = std::sync::Mutex::default();
        let signing_keys = SigningKeys::default();
        Self {
            ledger,
            clock,
            secret,
            emulator,
            health,
            console,
            store,
            default_vpcs_made,
            initializing: Arc::default(),
            passwords: Passwords::default(),
            sign_in_limits: SignInLimits::default(),
            browser_logins: BrowserLogins::default(),
            factor_limits: FactorLimits::default(),
            rates: RateLimits::per_hour(0),
            account_rates: RateLimits::per_second(0),
            refusals: Refusals::default(),
            slugs: Slugs::at(data, CodeRoom::default()),
            web: Web::default(),
            plans: Plans::default(),
            programs: None,
            reachable: Reachable { anything: emulator, ..Reachable::default() },
            runs: false,
            logs: Arc::default(),
            log_readers: Shares::new(MOST_LOG_READERS),
            host_logs: Arc::new(NoOtherHosts),
            router_log: Arc::new(NoRouterLog),
            rendezvous: Arc::default(),
            backups: Arc::new(Workspace::at(data)),
            dialer: None,
            flows: None,
            dials: Shares::new(MOST_DIALS),
            certificates: None,
            identity: OnceLock::new(),
            hosts: None,
            closing: CancellationToken::new(),
            fresh: None,
            members: None,
            metrics: Arc::default(),
            signing_keys,
            commands: Shares::new(ledger::QUEUE),
        }
    }

    /// Sets the rate limits of users, per hour, and of accounts, per second; 0 for no limit. An
    /// emulator has none.
    #[must_use]
    pub fn with_rate_limits(self, per_hour: u32, per_second: u32) -> Self {
        let of = |limit| if self.emulator { 0 } else { limit };
        Self {
            rates: RateLimits::per_hour(of(per_hour)),
            account_rates: RateLimits::per_second(of(per_second)),
            ..self
        }
    }

    /// The server that has processes, and what they write and are made of, if that is not this one.
    pub(crate) fn elsewhere(&self, world: &World) -> Option<Elsewhere> {
        let members = self.members.as_ref()?;
        let Some(driver) = &world.settings()?.fabric else {
            // Agents follow the server that leads.
            let (name, address) = world.hosts().next().and_then(|_| members.other_leader())?;
            return Some(Elsewhere { name, address: Some(address) });
        };
        if driver.id == members.id() {
            return None;
        }
        Some(Elsewhere { name: driver.name.clone(), address: members.address(&driver.id) })
    }

    /// How networks and workloads fare, as the server says that drives them.
    pub(crate) fn fabric(&self) -> api::Fabric {
        let elsewhere = self.members.as_ref().and_then(|members| members.fabric_elsewhere());
        elsewhere.unwrap_or_else(|| self.health.get())
    }

    /// The server that takes code, if that is not this one.
    pub(crate) fn takes_code(&self, world: &World) -> Option<Elsewhere> {
        if self.slugs.kept.is_shared() { None } else { self.elsewhere(world) }
    }

    /// The sources of a backup.
    pub fn backup_sources(&self) -> Sources<'_> {
        Sources {
            workspace: &self.backups,
            store: &self.store,
            created: self.clock.now(),
            slugs: &self.slugs.directory,
            kept: &self.slugs.kept,
            plans: &self.plans,
            console: &*self.console,
        }
    }

    /// Where the lines of apps' logs come from.
    pub(crate) fn log_sources(&self) -> log_reader::Sources {
        log_reader::Sources {
            ledger: self.ledger.clone(),
            clock: Arc::clone(&self.clock),
            console: Arc::clone(&self.console),
            hosts: Arc::clone(&self.host_logs),
            logs: Arc::clone(&self.logs),
            router_log: Arc::clone(&self.router_log),
        }
    }

    /// The world as of the last commit.
    pub fn world(&self) -> Arc<World> {
        self.ledger.world()
    }

    /// The same for a short look: cheaper, and not to be kept while something is waited for.
    pub fn glance(&self) -> impl Deref<Target = Arc<World>> {
        self.ledger.glance()
    }

    /// The settings of the installation.
    pub fn settings(&self) -> Arc<Settings> {
        let world = self.world();
        Arc::clone(world.settings().expect("a server serves only after it was set up"))
    }

    /// Submits a command to the ledger.
    ///
    /// # Errors
    ///
    /// The command is refused, or the ledger fails.
    pub async fn submit(
        &self,
        caller: Caller,
        command: impl Into<Command>,
        origin: &Origin,
    ) -> Result<Committed, LedgerError> {
        self.submit_if(caller, command, origin, None).await
    }

    /// Submits a command that is refused unless a condition holds for the world that it is decided
    /// on.
    ///
    /// # Errors
    ///
    /// The command is refused, or the ledger fails.
    pub async fn submit_if(
        &self,
        caller: Caller,
        command: impl Into<Command>,
        origin: &Origin,
        only_if: Option<OnlyIf>,
    ) -> Result<Committed, LedgerError> {
        // The operator is not limited.
        let _share = match Party::of(caller) {
            Party::Operator => None,
            party => Some(self.commands.take([party]).map_err(|_| LedgerError::Busy)?),
        };
        let request = Request {
            caller,
            command: command.into(),
            source: origin.address,
            request_id: origin.request_id.clone(),
            only_if,
        };
        self.ledger.submit(request).await
    }

    /// Records a request in the audit that was refused before it became a command.
    pub fn refused(&self, refusal: Refusal) {
        let row = self.refusals.count(refusal, self.clock.now());
        // If the ledger's queue is full, the row is dropped.
        let _ = self.ledger.note(row.into_iter().collect());
    }

    /// Records refused requests that were counted long enough, or all of them if `all` is set.
    pub fn note_refusals(&self, all: bool) {
        let _ = self.ledger.note(self.refusals.counted(self.clock.now(), all));
    }

    /// The caller that a bearer token belongs to, if the token is valid.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Option<Bearer> {
        let operator = operator_token(&self.secret);
        if bool::from(operator.as_bytes().ct_eq(token.as_bytes())) {
            return Some(Bearer { caller: Caller::Operator, token: None });
        }
        let world = self.world();
        let found = find_token(&world, token).filter(|found| world.lets_in_token(found, now))?;
        let (secret, record) = (token.to_owned(), Arc::clone(found));
        let own = OwnToken { id: found.id, secret, record };
        Some(Bearer { caller: Caller::User(found.user), token: Some(own) })
    }

    /// What was disabled of a bearer token that would let somebody in otherwise.
    pub fn locked_out(&self, token: &str) -> Option<LockedOut> {
        let world = self.world();
        let found = find_token(&world, token)?;
        if found.disabled.is_some() {
            return Some(LockedOut::Token);
        }
        (!world.lets_in_user(found.user)).then_some(LockedOut::User)
    }

    /// In emulator mode: the first user who is let in, who any unknown token belongs to.
    pub fn anybody(&self) -> Option<Bearer> {
        let first = || {
            let world = self.world();
            let mut users = world.users().filter(|user| user.disabled.is_none());
            users.next().map(|user| Caller::User(user.id))
        };
        self.emulator.then(first)?.map(|caller| Bearer { caller, token: None })
    }

    /// The signing key of an access key for a scope: a day, a region and a service, with slashes
    /// between them.
    pub fn signing_key(&self, key: &AccessKey, scope: &str) -> Option<SigningKey> {
        self.signing_keys.get(&self.secret, key, scope)
    }

    /// The region of requests that name none.
    pub fn region(&self) -> Region {
        self.settings().region
    }
}

/// What was disabled of a bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedOut {
    /// The token.
    Token,
    /// Its user.
    User,
}

/// The sender of a request.
#[derive(Clone)]
pub struct Bearer {
    /// The user or the operator.
    pub caller: Caller,
    /// The token, if it is a user's.
    pub token: Option<OwnToken>,
}

impl Bearer {
    /// Whether the request may be used for something. Without a user's token it is the operator's, or
    /// came with a password.
    pub fn allows(&self, need: Need) -> bool {
        self.token.as_ref().is_none_or(|own| own.record.allows(need))
    }

    /// The team that demands a second factor of the user, who has none and is to be let into nothing
    /// else before.
    pub fn wants_second_factor<'a>(&self, world: &'a World) -> Option<&'a Arc<Team>> {
        match self.caller {
            Caller::User(user) => world.wants_second_factor(user),
            Caller::Operator | Caller::System | Caller::Account { .. } => None,
        }
    }
}

/// The origin of a request, for the audit.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address.
    pub address: Option<std::net::IpAddr>,
    /// The request id that the client is told.
    pub request_id: String,
}

/// A cache of derived signing keys, which saves four HMACs a request. It is cleared when it is
/// full. Who asks it has found the access key in the world, because a removed key must not sign any
/// more.
#[derive(Default)]
struct SigningKeys(RwLock<Derived>);

#[derive(Default)]
struct Derived {
    /// By access key and by scope.
    keys: HashMap<AccessKeyId, HashMap<Box<str>, SigningKey>>,
    count: usize,
}

impl SigningKeys {
    const MOST: usize = 4096;

    fn get(&self, secret: &Secret, key: &AccessKey, scope: &str) -> Option<SigningKey> {
        let derived = self.0.read().expect("no holder panics");
        let found = derived.keys.get(&key.id).and_then(|keys| keys.get(scope)).cloned();
        drop(derived);
        if found.is_some() {
            return found;
        }
        let plain = open_access_key(secret, key.id, &key.sealed_secret)?;
        let (date, rest) = scope.split_once('/')?;
        let (region, service) = rest.split_once('/')?;
        let made = SigningKey::derive(&plain, date, region, service);
        let mut derived = self.0.write().expect("no holder panics");
        if derived.count >= Self::MOST {
            *derived = Derived::default();
        }
        let own = derived.keys.entry(key.id).or_default();
        if own.insert(scope.into(), made.clone()).is_none() {
            derived.count += 1;
        }
        Some(made)
    }
}
