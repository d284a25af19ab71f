//! Rules of roles: they are the operator's to make and to remove.

use std::collections::BTreeSet;

use super::identity::{is_plain, not_found};
use super::{Decision, Outcome, refuse};
use crate::command::{NewIamRole, Reply};
use crate::resource::{IamRole, Trusted};
use crate::{AccessKeyId, Code, Key, Refused, RoleId};

/// How many seconds the credentials of a role hold at most where nothing else is said.
pub(super) const DEFAULT_SECONDS: u32 = 3600;
/// How many seconds a role may let its credentials hold at most.
pub(super) const MOST_SECONDS: u32 = 12 * 3600;
/// IAM's quota of roles in an account.
const MAX_ROLES: usize = 1000;
/// The most that a role may trust: more than IAM's documents of 2,048 characters hold.
const MAX_TRUSTED: usize = 64;
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1000;
/// The longest and the shortest external id.
const EXTERNAL_ID: std::ops::RangeInclusive<usize> = 2..=1224;

impl Decision<'_> {
    pub(super) fn create_iam_role(&mut self, new: &NewIamRole) -> Outcome {
        let NewIamRole { account, name, trust, external_id, access, max_seconds, description } =
            new;
        if self.world.account(*account).is_none() {
            return not_found("account");
        }
        if !is_role_name(name) {
            return invalid(format_args!(
                "A role's name has 1 to {MAX_NAME} letters, digits and characters of _+=,.@-"
            ));
        }
        let max_seconds = max_seconds.unwrap_or(DEFAULT_SECONDS);
        if !(DEFAULT_SECONDS..=MOST_SECONDS).contains(&max_seconds) {
            return invalid(format_args!(
                "Credentials of a role hold for {DEFAULT_SECONDS} to {MOST_SECONDS} seconds at most, \
                 not {max_seconds}."
            ));
        }
        if let Some(external_id) = external_id {
            let is_id = EXTERNAL_ID.contains(&external_id.len())
                && external_id.chars().all(is_external_id_character);
            if !is_id {
                return invalid(
                    "An external id has 2 to 1224 letters, digits and characters of _+=,.@:/-",
                );
            }
        }
        if !is_plain(description, MAX_DESCRIPTION) {
            return invalid(format_args!(
                "A description has up to {MAX_DESCRIPTION} characters in one line."
            ));
        }
        self.check_trust(trust)?;
        if self.world.iam_role_named(*account, name).is_some() {
            return refuse(
                Code::Conflict,
                format_args!("The account {account} has a role named {name} already."),
            );
        }
        if self.world.iam_roles_of(Key::Account(*account)).count() >= MAX_ROLES {
            return refuse(
                Code::LimitExceeded,
                format_args!("The account {account} has {MAX_ROLES} roles, and may have no more."),
            );
        }
        let id = RoleId::fresh(self.ids);
        self.put(IamRole {
            id,
            account: *account,
            name: name.clone(),
            trust: trust.clone(),
            external_id: external_id.clone(),
            access: *access,
            max_seconds,
            description: description.clone(),
            created: self.now,
        });
        Ok(Key::IamRole(id).into())
    }

    fn check_trust(&self, trust: &BTreeSet<Trusted>) -> Result<(), Refused> {
        if trust.is_empty() || trust.len() > MAX_TRUSTED {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "A role trusts 1 to {MAX_TRUSTED} accounts and access keys; nobody could \
                     assume one that trusts none."
                ),
            );
        }
        for trusted in trust {
            match trusted {
                Trusted::Account(id) if self.world.account(*id).is_none() => {
                    return refuse(Code::NotFound, format_args!("There is no account {id}."));
                }
                Trusted::Key(id) if self.world.access_key(*id).is_none() => {
                    return refuse(Code::NotFound, format_args!("There is no access key {id}."));
                }
                Trusted::Account(_) | Trusted::Key(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn delete_iam_role(&mut self, id: RoleId) -> Outcome {
        if self.world.iam_role(id).is_none() {
            return not_found("role");
        }
        self.delete(Key::IamRole(id));
        Ok(Reply::Done)
    }

    /// Has all roles that trust a key trust another one instead, or none.
    pub(super) fn replace_trust(&mut self, old: AccessKeyId, new: Option<AccessKeyId>) {
        let roles: Vec<_> = self.world.iam_roles_of(Key::AccessKey(old)).cloned().collect();
        for role in roles {
            let mut role = IamRole::clone(&role);
            role.trust.remove(&Trusted::Key(old));
            role.trust.extend(new.map(Trusted::Key));
            self.put(role);
        }
    }
}

/// Whether a role can have a name.
pub(super) fn is_role_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_name_character)
}

/// Whether IAM lets the name of a role, or of a session, have a character.
pub(super) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_+=,.@-".contains(character)
}

pub(super) fn is_external_id_character(character: char) -> bool {
    is_name_character(character) || ":/".contains(character)
}

fn invalid(message: impl std::fmt::Display) -> Outcome {
    refuse(Code::InvalidParameterValue, message)
}
