//! Grants: the right to do one thing by an address that needs no token, such as reading a log or
//! uploading code.
//!
//! Whoever has such an address acts on behalf of the user who asked for it. So it is valid only as
//! long as that user's token, as it was then, and that user's membership of the app's team; and as neither
//! the token nor the user nor the team is disabled.

use model::{App, Caller, Timestamp, TokenId, UserId, World};
use serde::{Deserialize, Serialize};

use crate::credentials::{OwnToken, token_hash};
use crate::party::Party;

/// The user who asked for an address, and the token that they asked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// `None` for the operator, whose token does not expire.
    pub(crate) user: Option<UserId>,
    /// `None` for the operator, and for clients of an emulator, which asks for no token.
    #[serde(default)]
    pub(crate) token: Option<Proof>,
}

/// A token and the hash of its secret. A token whose secret was replaced does not match any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    id: TokenId,
    hash: String,
}

impl Grant {
    /// A grant to the sender of a request.
    pub(crate) fn of(caller: Caller, token: Option<&OwnToken>) -> Self {
        let user = match caller {
            Caller::User(user) => Some(user),
            Caller::Operator | Caller::System | Caller::Account { .. } => None,
        };
        let proof = |own: &OwnToken| Proof { id: own.id, hash: token_hash(&own.secret) };
        Self { user, token: token.map(proof) }
    }

    /// Whether it is still valid for an app: the token lets its user in and has the same secret, and
    /// the user is a member of the team that the app belongs to now.
    pub(crate) fn holds(&self, world: &World, app: &App, now: Timestamp) -> bool {
        let caller = self.user.map_or(Caller::Operator, Caller::User);
        let is_in = world.team(app.team).is_some_and(|team| caller.role_in(team).is_some());
        is_in && self.is_proved(world, now)
    }

    fn is_proved(&self, world: &World, now: Timestamp) -> bool {
        match (&self.user, &self.token) {
            (None, None) => true,
            (Some(user), None) => {
                world.settings().is_some_and(|settings| settings.emulator)
                    && world.lets_in_user(*user)
            }
            (user, Some(proof)) => world.token(proof.id).is_some_and(|token| {
                Some(token.user) == *user
                    && token.hash == proof.hash
                    && world.lets_in_token(token, now)
            }),
        }
    }

    /// The parties on whose account the use of a limited resource is counted.
    pub(crate) fn parties(&self, app: &App) -> Vec<Party> {
        Party::in_team(self.user, app.team)
    }

    /// A text that is equal for equal grants, and for no others.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("a grant is plain data")
    }
}
