//! The first start: an installation that can be used at once, and says how.

use std::path::Path;

use api::{FIRST_ACCOUNT, FIRST_TEAM, FIRST_USER};
use model::{
    AccountId, Caller, Cidr, Command, FabricDriver, IdentityCommand, Key, NewToken, Outbound,
    Region, UserId,
};
use store::{DataDir, Secret};

use crate::clock::SystemIds;
use crate::config::{Config, FabricKind};
use crate::credentials::new_access_key;
use crate::credentials::{find_token, token_hash, user_token};
use crate::error::{ServeError, SetupError};
use crate::ledger::{Committed, Ledger, Request};

/// The file, in a data directory, of a server that makes an installation which several are to share.
const BEGUN: &str = "first-start-begun";

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

/// Makes what is missing of a first start. Each step looks for itself, so that a start that was
/// cut short is completed by the next one. Returns what was made until [`greeted`] is called.
///
/// `instance` is the name that the installation had before its database was lost, so that what it
/// left on this machine is found again; `None` for a new name. `shared` says that other servers may have
/// made it all before: one that joins them makes nothing.
///
/// # Errors
///
/// [`SetupError`].
pub(crate) fn set_up(
    ledger: &Ledger,
    secret: &Secret,
    region: Region,
    emulator: bool,
    data: &Path,
    instance: Option<String>,
    shared: bool,
) -> Result<Option<FirstStart>, SetupError> {
    // There from the moment that the directory was made until somebody was told: a start that fails
    // after the set-up, or is killed, must not take the only words on how to go on with it.
    let untold = DataDir::first_start(data).exists();
    if shared && untold && !begun(data) && ledger.world().settings().is_some() {
        greeted(data);
        return Ok(None);
    }
    if ledger.world().settings().is_none() {
        if !untold {
            let path = data.to_owned();
            return Err(SetupError::Lost(store::Error::DatabaseMissing { path }));
        }
        let fresh = || format!("{:08x}", model::IdSource::next_bits(&mut SystemIds) as u32);
        let instance = instance.unwrap_or_else(fresh);
        let begin = || std::fs::write(data.join(BEGUN), []);
        if shared && let Err(source) = begin() {
            return Err(SetupError::Begun { path: data.join(BEGUN), source });
        }
        let made =
            run(ledger, "its settings", IdentityCommand::SetUp { region, emulator, instance });
        if made.is_err() && shared && ledger.world().settings().is_some() {
            // Another server was faster.
            greeted(data);
            return Ok(None);
        }
        made?;
    }
    // What somebody destroyed since does not come back.
    if !untold {
        return Ok(None);
    }
    let user = ensure_user(ledger, FIRST_USER)?;
    if ledger.world().team_named(FIRST_TEAM).is_none() {
        let create = IdentityCommand::CreateTeam { name: FIRST_TEAM.to_owned(), admin: user };
        run(ledger, "a team", create)?;
    }
    let token = user_token(secret, user);
    // Where the disk is full, a start that has nothing to write is one that can be read from.
    if find_token(&ledger.world(), &token).is_none() {
        let (hash, description) = (token_hash(&token), "causeway env".to_owned());
        let token = NewToken::unlimited(user, hash, description);
        run(ledger, "a token", IdentityCommand::CreateToken(token))?;
    }
    let platform = ledger.world().settings().map(|s| s.platform_account);
    let first = |account| Some(FirstStart { platform: platform?, account, emulator });
    if emulator {
        return Ok(first(AccountId::EMULATED));
    }
    let account = ensure_account(ledger, FIRST_ACCOUNT)?;
    if ledger.world().access_keys_of(Key::Account(account)).next().is_none() {
        let (_, _, command) =
            new_access_key(secret, account, model::Access::Full).map_err(SetupError::Seal)?;
        run(ledger, "an access key", command)?;
    }
    Ok(first(account))
}

/// Notes how networks reach what is outside, as this start says, and which addresses are the host's
/// own, to which nothing leads from inside.
///
/// # Errors
///
/// [`SetupError`].
pub(crate) fn set_outbound(ledger: &Ledger, config: &Config) -> Result<(), SetupError> {
    let mut outbound = config.outbound.clone();
    if let Some(outbound) = &mut outbound
        && config.fabric == FabricKind::Linux
    {
        match fabric::linux::host_addresses() {
            Ok(addresses) => outbound.deny.extend(addresses.into_iter().map(Cidr::host)),
            Err(error) => {
                let error = os::error_chain(&error);
                tracing::warn!(error, "the addresses of this machine are not known");
            }
        }
    }
    let world = ledger.world();
    let waits = |outbound: &Outbound| {
        world.settings().is_none_or(|settings| settings.outbound.as_ref() != Some(outbound))
            || world.spaces().any(|space| space.nat_gateway.is_none())
    };
    let known = || world.outbound().is_some();
    if outbound.as_ref().map_or_else(known, waits) {
        run(ledger, "the way out", IdentityCommand::SetOutbound { outbound })?;
    }
    Ok(())
}

/// Notes whether accounts may have as much as AWS's may, as this start says.
///
/// # Errors
///
/// [`SetupError`].
pub(crate) fn set_like_aws(ledger: &Ledger, config: &Config) -> Result<(), SetupError> {
    let like_aws = config.like_aws;
    let known = ledger.world().settings().is_some_and(|all| all.quotas.like_aws == like_aws);
    if !known {
        run(ledger, "the quotas", IdentityCommand::SetLikeAws { like_aws })?;
    }
    Ok(())
}

/// Whoever started the server was told what the first start made.
pub(crate) fn greeted(data: &Path) {
    // Were it to stay, the next start would say it once more.
    let _ = std::fs::remove_file(DataDir::first_start(data));
    let _ = std::fs::remove_file(data.join(BEGUN));
}

/// Whether it is this server that makes the installation which several share: what it has not finished is
/// finished by its next start, not by others.
fn begun(data: &Path) -> bool {
    data.join(BEGUN).exists()
}

/// Has the settings name the server that drives networks and workloads, of several that share an
/// installation: this one if it was started to, and not this one otherwise.
///
/// # Errors
///
/// [`ServeError::FabricDriven`] where that is another one.
pub(crate) fn claim_fabric(
    ledger: &Ledger,
    config: &Config,
    id: &str,
    name: &str,
) -> Result<(), ServeError> {
    let driver = ledger.world().settings().and_then(|settings| settings.fabric.clone());
    let ours = driver.as_ref().is_some_and(|driver| driver.id == id);
    let set_up = |made: Result<Committed, SetupError>| made.map(|_| ()).map_err(ServeError::SetUp);
    match (config.fabric, driver) {
        (FabricKind::None | FabricKind::Ovn, _) if ours => {
            let leave = IdentityCommand::LeaveFabric { id: id.to_owned() };
            set_up(run(ledger, "the fabric's driver", leave))
        }
        (FabricKind::Ovn, Some(other)) if config.cluster.take_fabric => {
            let leave = IdentityCommand::LeaveFabric { id: other.id };
            set_up(run(ledger, "the fabric's driver", leave))
        }
        (FabricKind::Ovn, Some(other)) => Err(ServeError::FabricDriven(other.name)),
        (FabricKind::None | FabricKind::Ovn, _) => Ok(()),
        (FabricKind::Linux, Some(other)) if !ours && !config.cluster.take_fabric => {
            Err(ServeError::FabricDriven(other.name))
        }
        (FabricKind::Linux, _) => {
            let driver = FabricDriver { id: id.to_owned(), name: name.to_owned() };
            let take_over = config.cluster.take_fabric;
            let drive = IdentityCommand::DriveFabric { driver, take_over };
            set_up(run(ledger, "the fabric's driver", drive))
        }
    }
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
    SetupError::Ledger { what, source: crate::ledger::LedgerError::Store }
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
