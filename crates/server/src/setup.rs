//! The first start: an installation that can be used at once, and says how.

use std::path::{Path, PathBuf};

use model::{
    AccessKeyId, AccountId, Caller, Command, IdentityCommand, Key, NewToken, Region, UserId,
};
use store::Secret;

use crate::clock::{SystemIds, fresh_secret};
use crate::ledger::{Committed, Ledger, LedgerError, Request};
use crate::state::{seal_access_key, token_hash, user_token};

/// The account that the first start makes.
pub const FIRST_ACCOUNT: &str = "customer";
/// The team that the first start makes.
pub const FIRST_TEAM: &str = "team";
/// The user that the first start makes.
pub const FIRST_USER: &str = "admin@causeway.local";

/// Beside the database until somebody was told what the first start made: a start that fails
/// after the set-up, or is killed, must not take the only words on how to go on with it.
const UNTOLD: &str = "first-start";

/// What the first start made, for the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstStart {
    /// The platform's account.
    pub platform: AccountId,
    /// The customer's account.
    pub account: AccountId,
    /// Whether it is a test double, which believes everybody.
    pub emulator: bool,
}

/// Why an installation could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The ledger refused or failed.
    #[error("the first start could not make {what}")]
    Ledger {
        /// What was to be made.
        what: &'static str,
        /// Why not.
        #[source]
        source: LedgerError,
    },
    /// The mark that nobody was told yet.
    #[error("{} cannot be written", .path.display())]
    Mark {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A secret could not be sealed.
    #[error("an access key's secret could not be sealed")]
    Seal(#[source] store::Error),
}

/// Makes what is missing of a first start. Each step looks for itself, so that a start that was
/// cut short is completed by the next one. Returns what was made until [`greeted`] is called.
///
/// # Errors
///
/// [`SetupError`].
pub fn set_up(
    ledger: &Ledger,
    secret: &Secret,
    region: Region,
    emulator: bool,
    data: &Path,
) -> Result<Option<FirstStart>, SetupError> {
    if ledger.world().settings().is_none() {
        let untold = data.join(UNTOLD);
        std::fs::write(&untold, b"").map_err(|source| SetupError::Mark { path: untold, source })?;
        let instance = format!("{:08x}", model::IdSource::next_bits(&mut SystemIds) as u32);
        run(ledger, "its settings", IdentityCommand::SetUp { region, emulator, instance })?;
    }
    let user = ensure_user(ledger, FIRST_USER)?;
    if ledger.world().team_named(FIRST_TEAM).is_none() {
        let create = IdentityCommand::CreateTeam { name: FIRST_TEAM.to_owned(), admin: user };
        run(ledger, "a team", create)?;
    }
    let token = NewToken {
        user,
        hash: token_hash(&user_token(secret, user)),
        description: "causeway env".to_owned(),
        lives: None,
    };
    run(ledger, "a token", IdentityCommand::CreateToken(token))?;
    let untold = data.join(UNTOLD).exists();
    let platform = ledger.world().settings().map(|s| s.platform_account);
    let first = |account| {
        let platform = platform.filter(|_| untold)?;
        Some(FirstStart { platform, account, emulator })
    };
    if emulator {
        let account = crate::front::EMULATED_ACCOUNT.parse().map_err(|_| nameless("an account"))?;
        return Ok(first(account));
    }
    let account = ensure_account(ledger, FIRST_ACCOUNT)?;
    if ledger.world().access_keys_of(Key::Account(account)).next().is_none() {
        let (_, _, command) = new_access_key(secret, account, model::Access::Full)?;
        run(ledger, "an access key", command)?;
    }
    Ok(first(account))
}

/// Whoever started the server was told what the first start made.
pub fn greeted(data: &Path) {
    // Were it to stay, the next start would say it once more.
    let _ = std::fs::remove_file(data.join(UNTOLD));
}

/// Makes an access key: its public half, its secret half, and the command that stores it.
///
/// # Errors
///
/// [`SetupError::Seal`].
pub fn new_access_key(
    secret: &Secret,
    account: AccountId,
    access: model::Access,
) -> Result<(AccessKeyId, String, IdentityCommand), SetupError> {
    let id = AccessKeyId::fresh(&mut SystemIds);
    let mut plain = fresh_secret(&mut SystemIds);
    plain.truncate(40);
    let sealed_secret = seal_access_key(secret, id, &plain).map_err(SetupError::Seal)?;
    let command = IdentityCommand::CreateAccessKey { id, account, sealed_secret, access };
    Ok((id, plain, command))
}

fn ensure_user(ledger: &Ledger, email: &str) -> Result<UserId, SetupError> {
    if let Some(user) = ledger.world().user_named(email) {
        return Ok(user.id);
    }
    let made = run(ledger, "a user", IdentityCommand::CreateUser { email: email.to_owned() })?;
    match made.reply.main() {
        Some(Key::User(id)) => Ok(id),
        _ => Err(nameless("a user")),
    }
}

fn ensure_account(ledger: &Ledger, name: &str) -> Result<AccountId, SetupError> {
    if let Some(account) = ledger.world().account_named(name) {
        return Ok(account.id);
    }
    let made = run(ledger, "an account", IdentityCommand::CreateAccount { name: name.to_owned() })?;
    match made.reply.main() {
        Some(Key::Account(id)) => Ok(id),
        _ => Err(nameless("an account")),
    }
}

fn nameless(what: &'static str) -> SetupError {
    let source = LedgerError::Store("the reply names nothing".to_owned());
    SetupError::Ledger { what, source }
}

fn run(
    ledger: &Ledger,
    what: &'static str,
    command: impl Into<Command>,
) -> Result<Committed, SetupError> {
    let request = Request {
        caller: Caller::Operator,
        command: command.into(),
        source: None,
        request_id: "first-start".to_owned(),
        only_if: None,
    };
    ledger.submit_blocking(request).map_err(|source| SetupError::Ledger { what, source })
}
