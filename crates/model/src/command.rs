//! Commands: everything that anybody can ask to be changed.

mod about;
mod address;
mod ec2;
mod host;
mod identity;
mod insight;
mod instance;
mod network;
mod platform;
mod rule;
mod sts;
mod subject;
mod system;
mod tagged;

use std::fmt;

pub use address::*;
pub use ec2::*;
pub use host::*;
pub use identity::*;
pub use insight::*;
pub use instance::*;
pub use network::*;
pub use platform::*;
pub use rule::*;
pub use sts::*;
pub use subject::*;
pub use system::*;
pub use tagged::*;

use crate::resource::{Role, Team, Vpc};
use crate::{Key, Principal, Refused, Scope, SecurityGroupId, SecurityGroupRuleId, UserId};

/// The sender of a command. The server has authenticated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// An account in a region, by an access key.
    Account {
        /// The account and the region.
        scope: Scope,
        /// Whether the key may change nothing (R4).
        read_only: bool,
    },
    /// A user of the platform, by a token.
    User(UserId),
    /// The operator of this installation.
    Operator,
    /// Causeway itself: the fabric's observations and the passing of time.
    System,
}

impl Caller {
    /// The role in a team: the operator is an admin of all. `None` for a stranger, for whom the team
    /// and what belongs to it are not there, and while the team is disabled for its members too.
    pub fn role_in(self, team: &Team) -> Option<Role> {
        match self {
            Self::Operator | Self::System => Some(Role::Admin),
            Self::User(_) if team.disabled.is_some() => None,
            Self::User(user) => team.members.get(&user).copied(),
            Self::Account { .. } => None,
        }
    }

    /// Whether a VPC is the caller's to change: its owner's in its region, by a key that may change
    /// something, and never the platform's (R4, R14).
    pub fn may_change_vpc(self, vpc: &Vpc) -> bool {
        match self {
            Self::Account { scope, read_only } => {
                scope.holds(vpc) && !read_only && vpc.role.is_none()
            }
            Self::User(_) | Self::Operator | Self::System => false,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { scope, .. } => write!(f, "account/{}", scope.account),
            Self::User(id) => write!(f, "user/{id}"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

/// A request to change the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Commands about accounts, keys, users, tokens and teams.
    Identity(IdentityCommand),
    /// Commands about hosts.
    Host(HostCommand),
    /// Commands of the space's side.
    Platform(PlatformCommand),
    /// Commands of the VPC's side.
    Ec2(Ec2Command),
    /// Requests for temporary credentials.
    Sts(StsCommand),
    /// Observations of Causeway itself.
    System(SystemCommand),
}

macro_rules! wraps {
    ($($inner:ident => $outer:ident),*) => {$(
        impl From<$inner> for Command {
            fn from(command: $inner) -> Self {
                Self::$outer(command)
            }
        }
    )*};
}

wraps! {
    IdentityCommand => Identity, HostCommand => Host, PlatformCommand => Platform,
    Ec2Command => Ec2, StsCommand => Sts, SystemCommand => System
}

impl Command {
    /// The command's name, as the audit shows it: `Ec2.CreateVpc`.
    pub fn name(&self) -> String {
        let (half, name): (&str, &str) = match self {
            Self::Identity(command) => ("Identity", command.into()),
            Self::Host(command) => ("Host", command.into()),
            Self::Platform(command) => ("Platform", command.into()),
            Self::Ec2(command) => ("Ec2", command.into()),
            Self::Sts(command) => ("Sts", command.into()),
            Self::System(command) => ("System", command.into()),
        };
        format!("{half}.{name}")
    }
}

/// The result of a command that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The command changed what it names, and there is nothing else to tell.
    Done,
    /// These resources are what it is about; the first one is the main one.
    Resources(Vec<Key>),
    /// These were made or deleted; of the others each was refused for a reason of its own.
    Partly {
        /// What was made or deleted.
        made: Vec<Key>,
        /// What was refused, by what it is about.
        refused: Vec<(String, Refused)>,
    },
    /// These rules of a group were added or removed.
    Rules {
        /// The group's id.
        group: SecurityGroupId,
        /// The ids of the rules.
        rules: Vec<SecurityGroupRuleId>,
        /// What was to be removed and is not there, where that is no reason to refuse.
        unknown: Vec<RuleSpec>,
    },
    /// Credentials may be given out that stand for this.
    Credentials(Principal),
}

impl Reply {
    /// The resource that the command is mainly about.
    pub fn main(&self) -> Option<Key> {
        match self {
            Self::Resources(keys) | Self::Partly { made: keys, .. } => keys.first().copied(),
            Self::Rules { group, .. } => Some(Key::SecurityGroup(*group)),
            Self::Credentials(of) => match of.role() {
                Some(role) => Some(Key::IamRole(role.id)),
                None => of.key.map(Key::AccessKey),
            },
            Self::Done => None,
        }
    }
}

impl From<Key> for Reply {
    fn from(key: Key) -> Self {
        Self::Resources(vec![key])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PasswordHash, VpcId};

    #[test]
    fn names_are_those_of_the_variants() {
        let vpc: VpcId = "vpc-0000000000000000a".parse().unwrap();
        let hash = PasswordHash("$argon2id$…".to_owned());
        let user = UserId::fresh(&mut crate::Sequence(0));
        let commands: [(Command, &str); 4] = [
            (Ec2Command::DeleteVpc { vpc }.into(), "Ec2.DeleteVpc"),
            (
                IdentityCommand::SetPassword { user, hash, end_tokens: true }.into(),
                "Identity.SetPassword",
            ),
            (SystemCommand::Observe(Observation::default()).into(), "System.Observe"),
            (SystemCommand::Tick.into(), "System.Tick"),
        ];
        for (command, name) in commands {
            assert_eq!(command.name(), name);
        }
    }
}
