//! The parties among which limited resources are shared, such as concurrent uploads and requests
//! per hour.

use std::net::{IpAddr, Ipv6Addr};

use model::{AccountId, Caller, TeamId, UserId};

/// A party that a share is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// The operator, and the installation itself.
    Operator,
    /// A team, with all of its members.
    Team(TeamId),
    /// A user, with all of their tokens.
    User(UserId),
    /// An account, with all of its keys.
    Account(AccountId),
    /// An unknown client, identified by its network ([`network`]).
    Network(Option<IpAddr>),
}

impl Party {
    /// The party of a caller.
    pub fn of(caller: Caller) -> Self {
        match caller {
            Caller::Operator | Caller::System => Self::Operator,
            Caller::User(user) => Self::User(user),
            Caller::Account { scope, .. } => Self::Account(scope.account),
        }
    }

    /// The parties that count for a user of a team: the team, and within it the user. The operator
    /// does not count towards a team's share.
    pub fn in_team(user: Option<UserId>, team: TeamId) -> Vec<Self> {
        match user {
            Some(user) => vec![Self::Team(team), Self::User(user)],
            None => vec![Self::Operator],
        }
    }
}

/// The network that a single client can choose addresses from: an IPv4 address, or the /64 of an
/// IPv6 address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_its_network() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
    }
}
