//! Commands about who acts. All but a user's own tokens are the operator's.

use std::time::Duration;

use crate::resource::{Access, PasswordHash, Role};
use crate::{AccessKeyId, AccountId, Region, TeamId, TokenId, UserId};

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// For whom.
    pub user: UserId,
    /// SHA-256 of its secret, in hexadecimal. The same one again is the same token.
    pub hash: String,
    /// What it is for.
    pub description: String,
    /// How long it lives; without end if nothing is said.
    pub lives: Option<Duration>,
}

/// Accounts, keys, users, tokens, teams. Secrets are made by the server: the model sees only what
/// is stored of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityCommand {
    /// The first start: settings and the platform's account.
    SetUp {
        /// The default region.
        region: Region,
        /// Whether this is a test double.
        emulator: bool,
        /// The installation's short name.
        instance: String,
    },
    /// Another short name, for a copy that runs beside its original.
    SetInstance {
        /// The installation's short name.
        instance: String,
    },
    /// A new account.
    CreateAccount {
        /// Its name.
        name: String,
    },
    /// A new access key.
    CreateAccessKey {
        /// Its public half.
        id: AccessKeyId,
        /// For whom.
        account: AccountId,
        /// Its secret half, sealed.
        sealed_secret: String,
        /// What it may do.
        access: Access,
    },
    /// Removes an access key.
    DeleteAccessKey {
        /// Which.
        id: AccessKeyId,
    },
    /// A new user.
    CreateUser {
        /// The address.
        email: String,
    },
    /// Another password.
    SetPassword {
        /// Whose.
        user: UserId,
        /// What is stored of it.
        hash: PasswordHash,
        /// Whether all tokens of the user end with this.
        end_tokens: bool,
    },
    /// A new token.
    CreateToken(NewToken),
    /// Says what a token is for.
    DescribeToken {
        /// Which.
        id: TokenId,
        /// What for.
        description: String,
    },
    /// Gives a token another secret.
    ReplaceToken {
        /// Which.
        id: TokenId,
        /// SHA-256 of the new secret, in hexadecimal.
        hash: String,
    },
    /// Ends a token.
    DeleteToken {
        /// Which.
        id: TokenId,
    },
    /// A new team.
    CreateTeam {
        /// Its name.
        name: String,
        /// Its first admin.
        admin: UserId,
    },
    /// Adds a member, or changes what a member may do.
    SetMember {
        /// The team.
        team: TeamId,
        /// The user.
        user: UserId,
        /// The role; `None` removes the member.
        role: Option<Role>,
    },
    /// In emulator mode: an account that was just heard of, with its default VPC in the region.
    EnsureAccount {
        /// Its id, as the client chose it.
        id: AccountId,
        /// Where it asks.
        region: Region,
    },
}
