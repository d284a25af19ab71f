//! Commands about who acts. All but a user's own tokens are the operator's.

use crate::resource::{Access, Role};
use crate::{AccessKeyId, AccountId, Region, TeamId, UserId};

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
    /// A new token.
    CreateToken {
        /// For whom.
        user: UserId,
        /// SHA-256 of its secret, in hexadecimal. The same one again is the same token.
        hash: String,
        /// What it is for.
        description: String,
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
