//! Sessions: who was let in, by what proof.
//!
//! A session is its cookie, sealed with the data directory's key, so it outlives a restart of the
//! server and needs no memory. It names the proof that it was given for and speaks for somebody only
//! as long as that proof would be taken today: a token that was revoked or has expired, a password that
//! was changed, a key that was deleted, and who was disabled end their sessions at once.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use dashboard::Viewer;
use model::{
    Access, AccessKey, AccessKeyId, AccountId, Need, Timestamp, TokenId, User, UserId, World,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::Secret;

/// How long a session lasts at most.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// The context of the encryption, so that the text is not valid for anything else.
const SEALED_FOR: &[u8] = b"dashboard session";
/// What a token must be for that opens the dashboard: its pages show and change everything.
pub(super) const NEED: Need = Need::Everything;
/// The most bytes of a cookie that are looked at.
const LONGEST: usize = 4096;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// Its id, by which it is ended.
    pub(super) id: String,
    /// When it began.
    pub(super) made: Timestamp,
    /// Whom it speaks for on the platform's side.
    pub(super) user: Option<UserProof>,
    /// The account that it speaks for.
    pub(super) account: Option<AccountProof>,
}

/// What proved who somebody is on the platform's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UserProof {
    /// The operator's token, which follows from the key that seals this.
    Operator,
    /// A user's token, with the hash of its secret.
    Token { id: TokenId, hash: String },
    /// A user's password and second factor, by a hash of what is stored of them.
    Password { user: UserId, hash: String },
    /// Nothing: an emulator asks for none.
    Emulated { user: UserId },
}

/// What proved which account somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AccountProof {
    /// An access key, by a hash of what is stored of its secret.
    Key { id: AccessKeyId, hash: String },
    /// Nothing: an emulator asks for none.
    Emulated { account: AccountId },
}

impl UserProof {
    /// A user's password and second factor as they are now; `None` if there is no password.
    pub(super) fn password_of(user: &User) -> Option<Self> {
        let stored = user.password.as_ref()?;
        let factor = user.second_factor.as_ref().map_or("", |factor| &factor.sealed_secret);
        Some(Self::Password { user: user.id, hash: digest(&format!("{}{factor}", stored.0)) })
    }

    /// The user, or the operator if it is `None`; nothing if it proves nobody any more.
    pub(super) fn holds(&self, world: &World, now: Timestamp) -> Option<Option<UserId>> {
        match self {
            Self::Operator => Some(None),
            Self::Token { id, hash } => {
                let token = world.token(*id)?;
                let holds =
                    token.hash == *hash && world.lets_in_token(token, now) && token.allows(NEED);
                holds.then_some(Some(token.user))
            }
            Self::Password { user, .. } => {
                let now = Self::password_of(world.user(*user)?)?;
                (now == *self && world.lets_in_user(*user)).then_some(Some(*user))
            }
            Self::Emulated { user } => {
                let known = is_emulator(world) && world.lets_in_user(*user);
                known.then_some(Some(*user))
            }
        }
    }
}

impl AccountProof {
    /// An access key as it is now.
    pub(super) fn of(key: &AccessKey) -> Self {
        Self::Key { id: key.id, hash: digest(&key.sealed_secret) }
    }

    /// The account, and whether it may change nothing; `None` if it proves none any more.
    fn holds(&self, world: &World) -> Option<(AccountId, bool)> {
        match self {
            Self::Key { id, .. } => {
                let key = world.signing_key(*id)?;
                let read_only = key.access == Access::ReadOnly;
                (Self::of(key) == *self).then_some((key.account, read_only))
            }
            Self::Emulated { account } => {
                let found = world.account(*account);
                let open = found.is_none_or(|account| account.disabled.is_none());
                (is_emulator(world) && open).then_some((*account, false))
            }
        }
    }
}

impl Session {
    /// Whom it speaks for at present; `None` if it has ended, or is of somebody who has yet to enable a
    /// second factor.
    pub(super) fn viewer(&self, world: &World, now: Timestamp) -> Option<Viewer> {
        if !self.is_live(now) {
            return None;
        }
        let user = self.user.as_ref().and_then(|proof| proof.holds(world, now));
        let may_enter = |user: &Option<UserId>| {
            user.is_none_or(|user| world.wants_second_factor(user).is_none())
        };
        let user = user.filter(may_enter);
        let account = self.account.as_ref().and_then(|proof| proof.holds(world));
        if user.is_none() && account.is_none() {
            return None;
        }
        Some(Viewer {
            operator: user == Some(None),
            user: user.flatten(),
            account: account.map(|(account, _)| account),
            read_only: account.is_some_and(|(_, read_only)| read_only),
        })
    }

    /// The user whom it is of, if a team demands a second factor of them and they have none: nothing is open
    /// to them but enabling one.
    pub(super) fn enrols(&self, world: &World, now: Timestamp) -> Option<UserId> {
        let user = self.user.as_ref().filter(|_| self.is_live(now))?.holds(world, now)??;
        world.wants_second_factor(user).map(|_| user)
    }

    /// The same session of a user whose second factor has just been enabled or disabled, under another id. A
    /// password's proof is renewed: the user was let in by what it was before.
    pub(super) fn with_factor_of(&self, user: &User, id: String) -> Self {
        let proof = match &self.user {
            Some(UserProof::Password { user: of, .. }) if *of == user.id => {
                UserProof::password_of(user)
            }
            proof => proof.clone(),
        };
        Self { id, user: proof, ..self.clone() }
    }

    fn is_live(&self, now: Timestamp) -> bool {
        (self.made..self.end()).contains(&now)
    }

    /// When it ends by itself.
    pub(super) fn end(&self) -> Timestamp {
        self.made + LIFE
    }

    /// Its cookie's value; `None` if it cannot be sealed.
    pub(super) fn seal(&self, secret: &Secret) -> Option<String> {
        let text = serde_json::to_vec(self).ok()?;
        Some(BASE64.encode(secret.seal(&text, SEALED_FOR).ok()?))
    }

    /// Reads a cookie's value.
    pub(super) fn open(secret: &Secret, sealed: &str) -> Option<Self> {
        if sealed.len() > LONGEST {
            return None;
        }
        let text = secret.open(&BASE64.decode(sealed).ok()?, SEALED_FOR).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

fn is_emulator(world: &World) -> bool {
    world.settings().is_some_and(|settings| settings.emulator)
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
