//! Rules of passwords and tokens: how a user proves to be one.

use std::time::Duration;

use super::identity::{disabled, is_plain, not_found};
use super::lookup::is_sha256;
use super::{Decision, Outcome, refuse};
use crate::command::{Caller, NewToken, Reply};
use crate::resource::{PasswordHash, Token, User};
use crate::{Alias, Code, Key, Refused, Timestamp, TokenId, UserId};

/// The most tokens that a user may have; more are a mistake of some script.
const MOST_TOKENS: usize = 500;
/// The longest time that a token is given to live, if it ends at all.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

impl Decision<'_> {
    pub(super) fn set_password(
        &mut self,
        id: UserId,
        hash: &PasswordHash,
        end_tokens: bool,
    ) -> Outcome {
        self.operator_only()?;
        let Some(user) = self.world.user(id).cloned() else { return not_found("user") };
        let password = Some(hash.clone());
        self.put(User { password, updated: self.now, ..User::clone(&user) });
        if end_tokens {
            let tokens: Vec<_> = self.world.tokens_of(Key::User(id)).map(|t| t.id).collect();
            for token in tokens {
                self.delete(Key::Token(token));
            }
        }
        Ok(Key::User(id).into())
    }

    pub(super) fn create_token(&mut self, new: &NewToken) -> Outcome {
        self.own_or_operator(new.user)?;
        let Some(user) = self.world.user(new.user) else { return not_found("user") };
        if user.disabled.is_some() {
            return disabled("user", &user.email, "users:enable");
        }
        check_hash(&new.hash)?;
        check_description(&new.description)?;
        if let Some(Key::Token(id)) = self.world.find(&Alias::Token(new.hash.as_str().into())) {
            return match self.world.token(id) {
                Some(token) if token.user == new.user && token.disabled.is_some() => {
                    disabled("token", &id.to_string(), "tokens:enable")
                }
                Some(token) if token.user == new.user => Ok(Key::Token(id).into()),
                _ => refuse(Code::Conflict, "This token belongs to another user."),
            };
        }
        let expires = new.lives.map(|lives| self.expiry(lives)).transpose()?;
        let live = self.world.tokens_of(Key::User(new.user)).filter(|t| t.is_live(self.now));
        if live.count() >= MOST_TOKENS {
            return refuse(
                Code::LimitExceeded,
                format!(
                    "This user has {MOST_TOKENS} tokens already; revoke those that are not needed: \
                     `authorizations` lists them."
                ),
            );
        }
        let id = TokenId::fresh(self.ids);
        self.put(Token {
            id,
            user: new.user,
            hash: new.hash.clone(),
            description: new.description.clone(),
            expires,
            disabled: None,
            created: self.now,
            updated: None,
        });
        Ok(Key::Token(id).into())
    }

    fn expiry(&self, lives: Duration) -> Result<Timestamp, Refused> {
        if lives.is_zero() || lives > LONGEST_LIFE {
            return refuse(
                Code::InvalidParameterValue,
                "A token lives for at least a second and at most ten years; leave `expires_in` out \
                 for one that does not end.",
            );
        }
        Ok(self.now + lives)
    }

    pub(super) fn describe_token(&mut self, id: TokenId, description: &str) -> Outcome {
        let token = self.own_token(id)?;
        check_description(description)?;
        if token.description != description {
            let description = description.to_owned();
            self.put(Token { description, updated: Some(self.now), ..token });
        }
        Ok(Key::Token(id).into())
    }

    /// The old secret ends with this.
    pub(super) fn replace_token(&mut self, id: TokenId, hash: &str) -> Outcome {
        let token = self.own_token(id)?;
        check_hash(hash)?;
        if self.world.find(&Alias::Token(hash.into())).is_some() {
            return refuse(Code::Conflict, "Another token has this secret already.");
        }
        self.put(Token { hash: hash.to_owned(), updated: Some(self.now), ..token });
        Ok(Key::Token(id).into())
    }

    pub(super) fn delete_token(&mut self, id: TokenId) -> Outcome {
        self.own_token(id)?;
        self.delete(Key::Token(id));
        Ok(Reply::Done)
    }

    /// A token that the caller may change; others' are not there for it.
    fn own_token(&self, id: TokenId) -> Result<Token, Refused> {
        let mine = |token: &Token| match self.is_operator() {
            // It is the operator who disables tokens, and destroys such.
            true => token.expires.is_none_or(|expires| self.now < expires),
            false => self.caller == Caller::User(token.user) && token.is_live(self.now),
        };
        let found = self.world.token(id).filter(|token| mine(token));
        found
            .map(|token| Token::clone(token))
            .ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find that authorization."))
    }

    fn own_or_operator(&self, user: UserId) -> Result<(), Refused> {
        if self.caller == Caller::User(user) { Ok(()) } else { self.operator_only() }
    }
}

fn check_hash(hash: &str) -> Result<(), Refused> {
    // Who asks with a token is found by its hash, so there is one way to write that.
    if is_sha256(hash) && !hash.contains(|c: char| c.is_ascii_uppercase()) {
        return Ok(());
    }
    refuse(Code::InvalidParameterValue, "A token is known by its SHA-256 in 64 hexadecimal digits.")
}

fn check_description(description: &str) -> Result<(), Refused> {
    if is_plain(description, 255) {
        return Ok(());
    }
    refuse(
        Code::InvalidParameterValue,
        "Description has at most 255 characters and no control characters.",
    )
}
