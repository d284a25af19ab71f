//! What every request shares.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};

use aws::sigv4::SigningKey;
use fabric::runtime::{LogPart, LogPlace};
use model::{
    AccessKeyId, Alias, Caller, Command, IdSource, Key, Region, Role, Scope, Settings, Team,
    Timestamp, Token, TokenId, UserId, WorkloadId, World,
};
use sha2::{Digest, Sha256};
use store::{Secret, Store};
use subtle::ConstantTimeEq;

use crate::attempts::Attempts;
use crate::clock::{Clock, fresh_secret};
use crate::hosting::Hosting;
use crate::ledger::{Committed, Ledger, LedgerError, OnlyIf, Request};
use crate::password::Passwords;
use crate::rate::RateLimits;
use crate::reconcile::Health;

/// Where the console output of workloads is read.
pub trait Console: Send + Sync {
    /// The last bytes that a workload wrote, as far as they are kept.
    fn tail(&self, workload: WorkloadId, bytes: usize) -> std::io::Result<Vec<u8>>;
    /// What a workload wrote from some place on, line by line; a last line that has not ended only
    /// if `whole` asks for it.
    ///
    /// # Errors
    ///
    /// What keeps it from being read; that there is no such workload.
    fn lines(
        &self,
        workload: WorkloadId,
        from: Option<LogPlace>,
        whole: bool,
    ) -> std::io::Result<LogPart>;
    /// The program and arguments that run a command in a workload's place; `None` where nothing
    /// runs.
    fn exec(&self, workload: WorkloadId, command: &[String], tty: bool) -> Option<Vec<String>>;
}

/// What every request shares.
pub struct State {
    /// The way to the writer, and the world.
    pub ledger: Ledger,
    /// The time.
    pub clock: Arc<Clock>,
    /// The key that secrets are sealed with and tokens derived from.
    pub secret: Secret,
    /// Whether this is a test double.
    pub emulator: bool,
    /// How the fabric fares.
    pub health: Arc<Health>,
    /// Workloads' output.
    pub console: Arc<dyn Console>,
    /// A handle on the store for backups and audit queries, which do not hold up the writer.
    pub store: std::sync::Mutex<Box<dyn Store>>,
    /// In emulator mode: whose default VPC was made where.
    pub heard: std::sync::Mutex<HashSet<Scope>>,
    /// Users' passwords, as they are hashed and checked.
    pub passwords: Passwords,
    /// Wrong passwords, as they are counted.
    pub attempts: Attempts,
    /// Requests, as they are counted.
    pub rates: RateLimits,
    /// What apps are hosted with.
    pub hosting: Hosting,
    signing_keys: SigningKeys,
}

impl State {
    /// Puts it together.
    pub fn new(
        ledger: Ledger,
        clock: Arc<Clock>,
        secret: Secret,
        health: Arc<Health>,
        console: Arc<dyn Console>,
        store: Box<dyn Store>,
    ) -> Self {
        let emulator = ledger.world().settings().is_some_and(|s| s.emulator);
        let store = std::sync::Mutex::new(store);
        let heard = std::sync::Mutex::default();
        let signing_keys = SigningKeys::default();
        Self {
            ledger,
            clock,
            secret,
            emulator,
            health,
            console,
            store,
            heard,
            passwords: Passwords::default(),
            attempts: Attempts::default(),
            rates: RateLimits::per_hour(0),
            hosting: Hosting::default(),
            signing_keys,
        }
    }

    /// The same with so many requests in an hour for each token; 0 for no limit, as is always so
    /// for an emulator.
    pub fn with_rate_limit(self, per_hour: u32) -> Self {
        let per_hour = if self.emulator { 0 } else { per_hour };
        Self { rates: RateLimits::per_hour(per_hour), ..self }
    }

    /// The same with what apps are hosted with.
    #[must_use]
    pub fn hosting(self, hosting: Hosting) -> Self {
        Self { hosting, ..self }
    }

    /// The world as of the last commit.
    pub fn world(&self) -> Arc<World> {
        self.ledger.world()
    }

    /// What the installation was set up with.
    pub fn settings(&self) -> Arc<Settings> {
        let world = self.world();
        Arc::clone(world.settings().expect("a server serves only after it was set up"))
    }

    /// Hands a command to the writer.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn submit(
        &self,
        caller: Caller,
        command: impl Into<Command>,
        origin: &Origin,
    ) -> Result<Committed, LedgerError> {
        self.submit_if(caller, command, origin, None).await
    }

    /// The same, if something holds of the world that it is decided on.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn submit_if(
        &self,
        caller: Caller,
        command: impl Into<Command>,
        origin: &Origin,
        only_if: Option<OnlyIf>,
    ) -> Result<Committed, LedgerError> {
        let request = Request {
            caller,
            command: command.into(),
            source: origin.address,
            request_id: origin.request_id.clone(),
            only_if,
        };
        self.ledger.submit(request).await
    }

    /// Who a bearer token speaks for: the operator, or a user, as long as the token lives.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Option<Bearer> {
        let operator = operator_token(&self.secret);
        if bool::from(operator.as_bytes().ct_eq(token.as_bytes())) {
            return Some(Bearer { caller: Caller::Operator, token: None });
        }
        let world = self.world();
        let found = find_token(&world, token).filter(|found| found.is_live(now))?;
        let own = OwnToken { id: found.id, secret: token.to_owned() };
        Some(Bearer { caller: Caller::User(found.user), token: Some(own) })
    }

    /// In emulator mode, whom any other token, and none, speaks for: the first user.
    pub fn anybody(&self) -> Option<Bearer> {
        let first = || self.world().users().next().map(|user| Caller::User(user.id));
        self.emulator.then(first)?.map(|caller| Bearer { caller, token: None })
    }

    /// The key that an access key's signatures are made with, for one day, region and service.
    pub fn signing_key(
        &self,
        id: AccessKeyId,
        date: &str,
        region: &str,
        service: &str,
    ) -> Option<SigningKey> {
        self.signing_keys.get(&self.world(), &self.secret, id, date, region, service)
    }

    /// The region where a request without one is answered.
    pub fn region(&self) -> Region {
        self.settings().region
    }
}

/// Who sent a request, as its token says.
#[derive(Clone)]
pub struct Bearer {
    /// Who.
    pub caller: Caller,
    /// The token, where it is one of a user.
    pub token: Option<OwnToken>,
}

/// The token that a request was made with.
#[derive(Clone)]
pub struct OwnToken {
    /// Its handle.
    pub id: TokenId,
    /// Its secret.
    pub secret: String,
}

/// Where a request came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The address of the client.
    pub address: Option<std::net::IpAddr>,
    /// The id that the client was told.
    pub request_id: String,
}

/// The token of who runs the installation. It follows from the data directory's key, so whoever
/// reads that directory is the operator, and nobody else.
pub fn operator_token(secret: &Secret) -> String {
    hex(&secret.derive("operator-token", ""))
}

/// A new token for a user.
pub fn fresh_token(ids: &mut dyn IdSource) -> String {
    format!("HRKU-{}", fresh_secret(ids))
}

/// The token that `causeway env` gives a user: it follows from the key, so it is the same every
/// time and is stored nowhere but as a hash.
pub fn user_token(secret: &Secret, user: UserId) -> String {
    format!("HRKU-{}", hex(&secret.derive("user-token", &user.to_string())))
}

/// The token with a secret, whether it lives or not.
pub fn find_token<'a>(world: &'a World, secret: &str) -> Option<&'a Arc<Token>> {
    match world.find(&Alias::Token(token_hash(secret).into()))? {
        Key::Token(id) => world.token(id),
        _ => None,
    }
}

/// What is stored of a token.
pub fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

/// Seals an access key's secret half for the store, bound to its public half.
///
/// # Errors
///
/// The store's, where the cipher refuses.
pub fn seal_access_key(secret: &Secret, id: AccessKeyId, plain: &str) -> store::Result<String> {
    Ok(hex(&secret.seal(plain.as_bytes(), id.to_string().as_bytes())?))
}

/// Opens what [`seal_access_key`] sealed.
pub fn open_access_key(secret: &Secret, id: AccessKeyId, sealed: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = sealed
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    String::from_utf8(secret.open(&bytes?, id.to_string().as_bytes()).ok()?).ok()
}

/// What a user is in a team.
pub fn role_in(team: &Team, caller: Caller) -> Option<Role> {
    match caller {
        Caller::Operator | Caller::System => Some(Role::Admin),
        Caller::User(id) => team.members.get(&id).copied(),
        Caller::Account { .. } => None,
    }
}

/// The scope of an account's request.
pub fn scope_of(caller: Caller) -> Option<Scope> {
    match caller {
        Caller::Account { scope, .. } => Some(scope),
        Caller::User(_) | Caller::Operator | Caller::System => None,
    }
}

/// Derived signing keys, so that a request costs one HMAC chain less. Bounded: it starts anew when
/// it is full, which a day's few keys never make it.
#[derive(Default)]
struct SigningKeys(RwLock<HashMap<(AccessKeyId, String), SigningKey>>);

impl SigningKeys {
    const MOST: usize = 4096;

    fn get(
        &self,
        world: &World,
        secret: &Secret,
        id: AccessKeyId,
        date: &str,
        region: &str,
        service: &str,
    ) -> Option<SigningKey> {
        // A key that was removed must not sign any more, so the world is asked first.
        let key = world.access_key(id)?;
        let at = (id, format!("{date}/{region}/{service}"));
        if let Some(found) = self.0.read().expect("no holder panics").get(&at) {
            return Some(found.clone());
        }
        let plain = open_access_key(secret, id, &key.sealed_secret)?;
        let derived = SigningKey::derive(&plain, date, region, service);
        let mut keys = self.0.write().expect("no holder panics");
        if keys.len() >= Self::MOST {
            keys.clear();
        }
        keys.insert(at, derived.clone());
        Some(derived)
    }
}
