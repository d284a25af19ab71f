//! Rules of temporary credentials: who may have them, for whom and for how long.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::iam_role::{
    DEFAULT_SECONDS, MOST_SECONDS, is_external_id_character, is_name_character, is_role_name,
};
use super::{Decision, Outcome, refuse};
use crate::command::{AssumeRole, Caller, Reply, StsCommand};
use crate::resource::{Access, Trusted};
use crate::{AssumedRole, Code, Principal, Refused, RoleId, Timestamp};

/// How many seconds credentials hold at least.
const FEWEST_SECONDS: u32 = 900;
/// How many seconds the credentials of a session hold that acts in no role, at most and where nothing
/// else is said.
const MOST_SESSION_SECONDS: u32 = 36 * 3600;
const DEFAULT_SESSION_SECONDS: u32 = 12 * 3600;
/// How many seconds the credentials of a role hold that was assumed from another one.
const MOST_CHAINED_SECONDS: u32 = 3600;
/// How many roles may be assumed one from the other. A token names all of them.
const MAX_CHAIN: usize = 8;

impl Decision<'_> {
    pub(super) fn sts(&mut self, command: &StsCommand) -> Outcome {
        match command {
            StsCommand::AssumeRole(asked) => self.assume_role(asked),
            StsCommand::GetSessionToken { by, seconds } => self.get_session_token(by, *seconds),
        }
    }

    fn assume_role(&mut self, asked: &AssumeRole) -> Outcome {
        let AssumeRole { by, account, role: name, session, external_id, seconds } = asked;
        let mut values = Values::default();
        values.text("roleSessionName", session, 2..=64, is_name_character, r"[\w+=,.@-]*");
        if let Some(id) = external_id {
            let pattern = r"[\w+=,.@:\/-]*";
            values.text("externalId", id, 2..=1224, is_external_id_character, pattern);
        }
        values.seconds(*seconds, MOST_SECONDS);
        values.check()?;

        let arn = format!("arn:aws:iam::{account}:role/{name}");
        // Not even an emulator has such a role, and nobody's answer or audit is filled with its name.
        if !is_role_name(name) {
            return refuse(Code::ValidationError, format_args!("{} is invalid", beginning(&arn)));
        }
        let denied = || {
            refuse(
                Code::AccessDenied,
                format_args!(
                    "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                    by.arn()
                ),
            )
        };
        if !self.is_asked_by(by) || by.roles.len() >= MAX_CHAIN {
            return denied();
        }
        if self.world.account(*account).is_some() && !self.world.lets_in_account(*account) {
            return denied();
        }
        let role = self.world.iam_role_named(*account, name).cloned();
        let (id, name, access, most) = match &role {
            Some(role) => {
                let trusts = role.trust.iter().any(|trusted| trusts(*trusted, by));
                let heard = role.external_id.is_none() || role.external_id == *external_id;
                if !trusts || !heard {
                    return denied();
                }
                (role.id, role.name.clone(), role.access, role.max_seconds)
            }
            // An emulator believes whoever says to have a role, as it believes every key.
            None if self.is_emulator() => {
                (RoleId::fresh(self.ids), name.clone(), Access::Full, MOST_SECONDS)
            }
            None => return denied(),
        };
        let seconds = seconds.unwrap_or(DEFAULT_SECONDS);
        if by.role().is_some() && seconds > MOST_CHAINED_SECONDS {
            return refuse(
                Code::ValidationError,
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed \
                 by role chaining",
            );
        }
        if seconds > most {
            return refuse(
                Code::ValidationError,
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            );
        }
        let mut roles = by.roles.clone();
        roles.push(AssumedRole { id, name, session: session.clone() });
        Ok(Reply::Credentials(Principal {
            account: *account,
            key: by.key,
            // Who may change nothing does not get to change anything by way of a role.
            read_only: by.read_only || access == Access::ReadOnly,
            roles,
            expires: Some(self.ends_after(seconds)),
        }))
    }

    fn get_session_token(&self, by: &Principal, seconds: Option<u32>) -> Outcome {
        let mut values = Values::default();
        values.seconds(seconds, MOST_SESSION_SECONDS);
        values.check()?;
        if by.expires.is_some() || !self.is_asked_by(by) {
            return refuse(
                Code::AccessDenied,
                "Cannot call GetSessionToken with session credentials",
            );
        }
        let seconds = seconds.unwrap_or(DEFAULT_SESSION_SECONDS);
        Ok(Reply::Credentials(Principal { expires: Some(self.ends_after(seconds)), ..by.clone() }))
    }

    /// Whether a request that somebody is said to send is theirs, and their credentials still hold.
    fn is_asked_by(&self, by: &Principal) -> bool {
        let own = match self.caller {
            Caller::Account { scope, read_only } => {
                scope.account == by.account && (by.read_only || !read_only)
            }
            Caller::User(_) | Caller::Operator | Caller::System => false,
        };
        own && by.check(&self.world, self.now).is_ok()
    }

    fn is_emulator(&self) -> bool {
        self.world.settings().is_some_and(|settings| settings.emulator)
    }

    /// When credentials end that hold so long from now: at a whole second, as clients are told.
    fn ends_after(&self, seconds: u32) -> Timestamp {
        let now = Timestamp::from_millis(self.now.seconds().saturating_mul(1000));
        now + Duration::from_secs(u64::from(seconds))
    }
}

/// Whether what a role trusts includes somebody.
fn trusts(trusted: Trusted, by: &Principal) -> bool {
    match trusted {
        Trusted::Account(account) => by.account == account,
        Trusted::Key(key) => by.role().is_none() && by.key == Some(key),
    }
}

/// The part of a value that a refusal repeats: names have 64 characters at most, so twice that tells it.
fn beginning(value: &str) -> String {
    value.chars().take(2 * 64).collect()
}

/// The values of a request, of which all that are wrong are named in one refusal.
#[derive(Default)]
struct Values {
    wrong: Vec<String>,
}

impl Values {
    fn text(
        &mut self,
        name: &str,
        value: &str,
        length: RangeInclusive<usize>,
        allowed: impl Fn(char) -> bool,
        pattern: &str,
    ) {
        let count = value.chars().count();
        if !value.chars().all(allowed) {
            let must = format_args!("satisfy regular expression pattern: {pattern}");
            self.refuse(name, value, must);
        }
        if count < *length.start() {
            let must = format_args!("have length greater than or equal to {}", length.start());
            self.refuse(name, value, must);
        }
        if count > *length.end() {
            let must = format_args!("have length less than or equal to {}", length.end());
            self.refuse(name, value, must);
        }
    }

    fn seconds(&mut self, value: Option<u32>, most: u32) {
        let Some(value) = value else { return };
        let name = "durationSeconds";
        if value < FEWEST_SECONDS {
            let must = format_args!("have value greater than or equal to {FEWEST_SECONDS}");
            self.refuse(name, value, must);
        }
        if value > most {
            self.refuse(name, value, format_args!("have value less than or equal to {most}"));
        }
    }

    fn refuse(&mut self, name: &str, value: impl std::fmt::Display, must: std::fmt::Arguments<'_>) {
        let value = beginning(&value.to_string());
        self.wrong.push(format!(
            "Value '{value}' at '{name}' failed to satisfy constraint: Member must {must}"
        ));
    }

    fn check(self) -> Result<(), Refused> {
        let count = self.wrong.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        refuse(
            Code::ValidationError,
            format_args!("{count} validation {errors} detected: {}", self.wrong.join("; ")),
        )
    }
}
