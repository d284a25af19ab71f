//! Commands about who acts. All but a user's own tokens are the operator's.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Subject;
use crate::resource::{
    Access, FabricDriver, FactorProof, Outbound, PasswordHash, Role, TokenBound, Trusted,
    WebhookOwner,
};
use crate::{
    AccessKeyId, AccountId, Quota, Region, RoleId, TeamId, TokenId, TokenScopes, UserId, WebhookId,
};

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The user that the token speaks for.
    pub user: UserId,
    /// SHA-256 of its secret, in hexadecimal. The same one again is the same token.
    pub hash: String,
    /// What the token is for, in words.
    pub description: String,
    /// How long the token is valid; `None` for ever.
    pub lives: Option<Duration>,
    /// What it may do of all that its user may.
    pub scopes: TokenScopes,
    /// What it is bound to; `None` if it reaches all that its user does.
    pub bound: Option<TokenBound>,
}

impl NewToken {
    /// A token that may do all that its user may, for ever.
    pub fn unlimited(user: UserId, hash: String, description: String) -> Self {
        let scopes = TokenScopes::default();
        Self { user, hash, description, lives: None, scopes, bound: None }
    }
}

/// A webhook to be made.
#[derive(Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Who is told by it.
    pub owner: WebhookOwner,
    /// The address that events are sent to.
    pub url: String,
    /// The kinds of events, or groups of kinds, that are sent.
    pub include: Vec<String>,
    /// The key that what is sent is signed with.
    pub secret: String,
    /// The value of the header `Authorization`, if one is to be sent.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for NewWebhook {
    /// Without what may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewWebhook({:?}, {:?})", self.owner, self.include)
    }
}

/// A role to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIamRole {
    /// The account that the role is of.
    pub account: AccountId,
    /// The role's name, unique in its account.
    pub name: String,
    /// Who may assume it.
    pub trust: BTreeSet<Trusted>,
    /// What whoever assumes it has to say as well.
    pub external_id: Option<String>,
    /// What its credentials may do.
    pub access: Access,
    /// How many seconds its credentials hold at most; `None` for an hour.
    pub max_seconds: Option<u32>,
    /// What it is for, in words.
    pub description: String,
}

/// Whose quota is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaOf {
    /// The quota that holds for whoever has none of their own.
    All,
    /// An account's own.
    Account(AccountId),
    /// A team's own.
    Team(TeamId),
}

/// Accounts, keys, roles, users, tokens, teams. Secrets are made by the server: the model sees only what
/// is stored of them.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
pub enum IdentityCommand {
    /// Sets the installation up at its first start: its settings and the platform's account.
    SetUp {
        /// The region where a space is made when none is asked for.
        region: Region,
        /// Whether the installation is a test double.
        emulator: bool,
        /// The installation's short name.
        instance: String,
    },
    /// Renames the installation, for a copy that runs beside its original.
    SetInstance {
        /// The installation's short name.
        instance: String,
    },
    /// Says which server drives the networks and workloads, of the servers that share the installation.
    /// It is refused where another one does, unless that one is said to be gone.
    DriveFabric {
        /// The server that is to drive them.
        driver: FabricDriver,
        /// Whether the one that drives them so far is gone for good.
        take_over: bool,
    },
    /// Says that a server drives networks and workloads no more. Where another one does, nothing changes.
    LeaveFabric {
        /// The id of the server.
        id: String,
    },
    /// Says how networks reach what is outside.
    SetOutbound {
        /// The way out and what it leads to; `None` for none.
        outbound: Option<Outbound>,
    },
    /// Says how much of something an account or a team may have.
    SetQuota {
        /// Whose quota it is.
        of: QuotaOf,
        /// What is counted.
        quota: Quota,
        /// How much there may be; `None` for what is so of itself.
        most: Option<u32>,
    },
    /// Says whether accounts may have as much as AWS's may, where nothing else is set.
    SetLikeAws {
        /// Whether they may.
        like_aws: bool,
    },
    /// Has events be sent to an address.
    CreateWebhook(NewWebhook),
    /// Sends no more events to an address.
    DeleteWebhook {
        /// The webhook to remove.
        id: WebhookId,
    },
    /// Moves the clock further ahead of the machine's. Whether there is a clock that may be moved
    /// is the server's to decide.
    AdvanceClock {
        /// How far to move it, in seconds.
        seconds: u64,
    },
    /// Creates an account.
    CreateAccount {
        /// The account's name.
        name: String,
    },
    /// Creates an access key.
    CreateAccessKey {
        /// The key's public half.
        id: AccessKeyId,
        /// The account that the key is for.
        account: AccountId,
        /// The key's secret half, sealed.
        sealed_secret: String,
        /// What requests with the key may do.
        access: Access,
        /// The key in whose place this one comes, also where roles trust it, and which ends.
        replaces: Option<AccessKeyId>,
    },
    /// Removes an access key.
    DeleteAccessKey {
        /// The key to remove.
        id: AccessKeyId,
    },
    /// Creates a role of an account.
    CreateIamRole(NewIamRole),
    /// Removes a role, and so ends all credentials that were given out for it.
    DeleteIamRole {
        /// The role to remove.
        id: RoleId,
    },
    /// Creates a user.
    CreateUser {
        /// The user's e-mail address.
        email: String,
    },
    /// Sets a user's password.
    SetPassword {
        /// The user whose password it is.
        user: UserId,
        /// The hash of the new password.
        hash: PasswordHash,
        /// Whether to end all of the user's tokens as well.
        end_tokens: bool,
    },
    /// Creates a token.
    CreateToken(NewToken),
    /// Says what a token is for.
    DescribeToken {
        /// The token.
        id: TokenId,
        /// What the token is for, in words.
        description: String,
    },
    /// Gives a token another secret.
    ReplaceToken {
        /// The token.
        id: TokenId,
        /// SHA-256 of the new secret, in hexadecimal.
        hash: String,
    },
    /// Ends a token.
    DeleteToken {
        /// The token to end.
        id: TokenId,
    },
    /// Gives a user a second factor.
    EnableSecondFactor {
        /// The user, who asks for it.
        user: UserId,
        /// The secret that codes follow from, sealed.
        sealed_secret: String,
        /// The time step whose code showed that the user has the secret.
        step: u64,
        /// SHA-256 of the recovery codes, in hexadecimal.
        recovery: BTreeSet<String>,
    },
    /// Uses up a proof of a second factor with which somebody signs in.
    UseSecondFactor {
        /// The user.
        user: UserId,
        /// The proof.
        proof: FactorProof,
    },
    /// Replaces the recovery codes of a user.
    ReplaceRecoveryCodes {
        /// The user, who asks for it.
        user: UserId,
        /// SHA-256 of the new recovery codes, in hexadecimal.
        recovery: BTreeSet<String>,
        /// The proof that it is the user.
        proof: FactorProof,
    },
    /// Takes a user's second factor away.
    DisableSecondFactor {
        /// The user.
        user: UserId,
        /// The proof that it is the user; the operator needs none.
        proof: Option<FactorProof>,
    },
    /// Says whether the members of a team must have a second factor.
    DemandSecondFactor {
        /// The team.
        team: TeamId,
        /// Whether they must.
        demanded: bool,
    },
    /// Creates a team.
    CreateTeam {
        /// The team's name.
        name: String,
        /// The team's first admin.
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
    /// Locks somebody out, and whoever acts by it, until it is undone.
    Disable {
        /// Who or what.
        subject: Subject,
    },
    /// Undoes that.
    Enable {
        /// Who or what.
        subject: Subject,
    },
    /// Removes somebody for good.
    Destroy {
        /// Who or what.
        subject: Subject,
    },
    /// Makes an account that a client of an emulator named for the first time, with its default VPC
    /// in the region.
    EnsureAccount {
        /// The account's id, as the client chose it.
        id: AccountId,
        /// The region that the client asks in.
        region: Region,
    },
}
