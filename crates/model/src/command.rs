//! Commands: everything that anybody can ask to be changed.

mod about;
mod ec2;
mod identity;
mod platform;
mod system;

use std::fmt;

pub use ec2::*;
pub use identity::*;
pub use platform::*;
pub use system::*;

use crate::{Key, Scope, SecurityGroupId, SecurityGroupRuleId, UserId};

/// Who asks. The server has checked that it is so.
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
    /// Who runs this installation.
    Operator,
    /// Causeway itself: the fabric's observations and the passing of time.
    System,
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

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Accounts, keys, users, tokens, teams.
    Identity(IdentityCommand),
    /// The space's side.
    Platform(PlatformCommand),
    /// The VPC's side.
    Ec2(Ec2Command),
    /// What Causeway itself finds out.
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
    IdentityCommand => Identity, PlatformCommand => Platform, Ec2Command => Ec2,
    SystemCommand => System
}

impl Command {
    /// Its name, as the audit shows it: `Ec2.CreateVpc`.
    pub fn name(&self) -> String {
        let (half, debug) = match self {
            Self::Identity(c) => ("Identity", format!("{c:?}")),
            Self::Platform(c) => ("Platform", format!("{c:?}")),
            Self::Ec2(c) => ("Ec2", format!("{c:?}")),
            Self::System(c) => ("System", format!("{c:?}")),
        };
        let end = debug.find(|c: char| !c.is_alphanumeric()).unwrap_or(debug.len());
        format!("{half}.{}", &debug[..end])
    }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done; there is nothing to show.
    Done,
    /// These resources are what it is about; the first one is the main one.
    Resources(Vec<Key>),
    /// These rules of a group were added or removed.
    Rules {
        /// The group.
        group: SecurityGroupId,
        /// The rules.
        rules: Vec<SecurityGroupRuleId>,
    },
}

impl Reply {
    /// The main resource.
    pub fn main(&self) -> Option<Key> {
        match self {
            Self::Resources(keys) => keys.first().copied(),
            Self::Rules { group, .. } => Some(Key::SecurityGroup(*group)),
            Self::Done => None,
        }
    }
}

impl From<Key> for Reply {
    fn from(key: Key) -> Self {
        Self::Resources(vec![key])
    }
}
