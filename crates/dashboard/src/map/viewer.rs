//! Who looks at the map, and what they may look into.

use std::collections::BTreeSet;

use model::{AccountId, Key, Space, UserId, Vpc, VpcRole, World};

/// Who looks: a person may have a user of the platform's side and accounts at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Viewer {
    /// Whether they see everything, as the operator does.
    pub everything: bool,
    /// Their user.
    pub user: Option<UserId>,
    /// Their accounts.
    pub accounts: BTreeSet<AccountId>,
}

impl Viewer {
    /// The operator.
    pub fn operator() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// A user.
    pub fn user(user: UserId) -> Self {
        Self { user: Some(user), ..Self::default() }
    }

    /// An account.
    pub fn account(account: AccountId) -> Self {
        Self { accounts: BTreeSet::from([account]), ..Self::default() }
    }

    /// Whether everything in a VPC may be shown: its account is theirs, or its space their team's.
    pub fn owns(&self, world: &World, vpc: &Vpc) -> bool {
        self.everything
            || self.accounts.contains(&vpc.account)
            || world.space_of_vpc(vpc).is_some_and(|space| self.is_in_team(world, space))
    }

    /// Whether a space is one of a team of theirs, or they see everything.
    pub fn is_in_team(&self, world: &World, space: &Space) -> bool {
        let member = |user| world.team(space.team).is_some_and(|t| t.members.contains_key(&user));
        self.everything || self.user.is_some_and(member)
    }

    /// The spaces that the Platform API shows them.
    pub(super) fn spaces<'w>(&self, world: &'w World) -> Vec<&'w Space> {
        if self.everything {
            return world.spaces().map(|space| &**space).collect();
        }
        let teams = self.user.into_iter().flat_map(|user| world.teams_of(Key::User(user)));
        teams.flat_map(|team| world.spaces_of(Key::Team(team.id))).map(|space| &**space).collect()
    }

    /// The VPCs that EC2 shows them, without those of data services: the platform's own stay
    /// masked (R14), and are shown as a block of their space.
    pub(super) fn vpcs<'w>(&self, world: &'w World) -> Vec<&'w Vpc> {
        let shown = |vpc: &&Vpc| match vpc.role {
            None => true,
            // The operator sees these as spaces.
            Some(VpcRole::Space(_)) => !self.everything,
            Some(VpcRole::Data(_)) => false,
        };
        if self.everything {
            return world.vpcs().map(|vpc| &**vpc).filter(shown).collect();
        }
        let all = self.accounts.iter().flat_map(|account| world.vpcs_of(Key::Account(*account)));
        all.map(|vpc| &**vpc).filter(shown).collect()
    }
}
