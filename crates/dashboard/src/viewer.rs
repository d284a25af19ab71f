//! Who looks at a page, and what they see.

use std::fmt::Display;
use std::sync::Arc;

use model::{
    AccountId, Act, Caller, Key, Rights, Role, Scope, Space, Tags, UserId, Vpc, VpcId, World,
};

use crate::markup::{Markup, mono, text};

/// Who looks at a page. One session may speak for a user and for an account, as one person may have
/// both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Viewer {
    /// Whether it is the operator, who sees everything.
    pub operator: bool,
    /// The user, who sees the spaces of their teams.
    pub user: Option<UserId>,
    /// The account, which sees its VPCs.
    pub account: Option<AccountId>,
    /// Whether the account's key may change nothing (R4).
    pub read_only: bool,
}

impl Viewer {
    /// As whom they act on the platform's side; `None` for an account alone.
    pub fn platform_caller(self) -> Option<Caller> {
        if self.operator { Some(Caller::Operator) } else { self.user.map(Caller::User) }
    }

    /// As whom they act on the side of a VPC; `None` for a user alone, and for the operator.
    pub fn account_caller(self, region: model::Region) -> Option<Caller> {
        let account = self.account?;
        Some(Caller::Account { scope: Scope { account, region }, read_only: self.read_only })
    }

    /// What they can prove to be, for what the model decides on sight.
    pub fn rights(self) -> Rights {
        Rights {
            operator: self.operator,
            user: self.user,
            account: self.account.map(|account| (account, self.read_only)),
        }
    }

    /// As whom they would do something; `None` where it is another's to do.
    pub(crate) fn caller_of(self, world: &World, act: &Act) -> Option<Caller> {
        match act {
            Act::Ec2 { of, .. } => {
                let own = self.vpc(world, *of).filter(|vpc| self.account == Some(vpc.account))?;
                self.account_caller(own.region)
            }
            Act::Accept { space, .. } | Act::Destroy { space, .. } | Act::Limit { space, .. } => {
                self.role_in(world, world.space(*space)?)?;
                self.platform_caller()
            }
        }
    }

    /// What they are in the team of a space; `None` where the space is not there for them.
    pub fn role_in(self, world: &World, space: &Space) -> Option<Role> {
        self.platform_caller()?.role_in(world.team(space.team)?)
    }

    /// Whether they may change a space.
    pub(crate) fn may_change(self, world: &World, space: &Space) -> bool {
        self.role_in(world, space).is_some_and(Role::may_change_spaces)
    }

    /// A space that they see, by its name.
    pub fn space<'w>(self, world: &'w World, name: &str) -> Option<&'w Arc<Space>> {
        world.space_named(name).filter(|space| self.role_in(world, space).is_some())
    }

    /// The spaces that they see, by name.
    pub(crate) fn spaces(self, world: &World) -> Vec<&Arc<Space>> {
        let mut spaces: Vec<_> = match self.platform_caller() {
            Some(Caller::User(user)) => {
                let teams = world.teams_of(Key::User(user));
                teams.flat_map(|team| world.spaces_of(Key::Team(team.id))).collect()
            }
            Some(_) => world.spaces().collect(),
            None => Vec::new(),
        };
        spaces.retain(|space| self.role_in(world, space).is_some());
        spaces.sort_by(|a, b| a.name.cmp(&b.name));
        spaces
    }

    /// A customer's VPC that they see.
    pub fn vpc(self, world: &World, id: VpcId) -> Option<&Arc<Vpc>> {
        let seen = |vpc: &Vpc| self.operator || self.account == Some(vpc.account);
        world.vpc(id).filter(|vpc| vpc.role.is_none() && seen(vpc))
    }

    /// Whether they may ask for a peering of a VPC.
    pub fn may_ask(self, vpc: &Vpc) -> bool {
        self.may_change_vpc(vpc)
    }

    /// Whether they may change something in a VPC.
    pub fn may_change_vpc(self, vpc: &Vpc) -> bool {
        self.account_caller(vpc.region).is_some_and(|caller| caller.may_change_vpc(vpc))
    }

    /// Whether they know of a user: themselves, and who is in one of their teams.
    pub fn knows(self, world: &World, other: UserId) -> bool {
        let Some(own) = self.user else { return self.operator };
        let mut teams = world.teams_of(Key::User(own)).filter(|team| team.disabled.is_none());
        self.operator || own == other || teams.any(|team| team.members.contains_key(&other))
    }

    /// Whether they may look into a VPC: their own, or that of a space of their teams.
    pub fn looks_into(self, world: &World, id: VpcId) -> bool {
        let Some(vpc) = world.vpc(id) else { return false };
        match world.space_of_vpc(vpc) {
            Some(space) => self.role_in(world, space).is_some(),
            None => self.vpc(world, id).is_some(),
        }
    }

    /// What a peered VPC is called: the space or the VPC by its name for those who see it, and by its id
    /// for all others.
    pub(crate) fn peer(self, world: &World, id: VpcId) -> Markup {
        let vpc = world.vpc(id).filter(|_| self.looks_into(world, id));
        match vpc.map(|vpc| (vpc, world.space_of_vpc(vpc))) {
            Some((_, Some(space))) => text(&space.name),
            Some((vpc, None)) => text(vpc_name(vpc)),
            None => mono(id),
        }
    }

    /// The customers' VPCs that they see, by name.
    pub(crate) fn vpcs(self, world: &World) -> Vec<&Arc<Vpc>> {
        let mut vpcs: Vec<_> = match self.account {
            Some(account) => world.vpcs_of(Key::Account(account)).collect(),
            None if self.operator => world.vpcs().collect(),
            None => Vec::new(),
        };
        vpcs.retain(|vpc| vpc.role.is_none());
        vpcs.sort_by_cached_key(|vpc| (vpc_name(vpc), vpc.id));
        vpcs
    }
}

/// The name that a VPC's owner gave it, or its id.
pub(crate) fn vpc_name(vpc: &Vpc) -> String {
    name_in(&vpc.tags, vpc.id)
}

/// The name that somebody gave something of theirs, or its id.
pub(crate) fn name_in(tags: &Tags, id: impl Display) -> String {
    given_name(tags).map_or_else(|| id.to_string(), str::to_owned)
}

/// The name that somebody gave something, if they gave it one.
pub(crate) fn given_name(tags: &Tags) -> Option<&str> {
    tags.get("Name").map(|name| name.trim()).filter(|name| !name.is_empty())
}
