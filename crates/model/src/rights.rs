//! What somebody may know of others' things, and as whom they can give commands.

use crate::reach::{Act, Flow, Verdict, explain};
use crate::{
    AccountId, Caller, EniId, InstanceId, Key, Scope, Timestamp, UserId, Vpc, VpcId, World,
};

/// What somebody can prove to be. One person may have both sides of a peering.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    /// The operator, who sees everything and gives the commands of every owner.
    pub operator: bool,
    /// A user, by a token.
    pub user: Option<UserId>,
    /// An account, by an access key; and whether that key may change nothing.
    pub account: Option<(AccountId, bool)>,
}

impl Rights {
    /// The callers as whom an act can be tried.
    pub(crate) fn callers(self, act: &Act, world: &World) -> Vec<Caller> {
        let operator = self.operator.then(|| act.owner(world)).flatten();
        let own = match act {
            Act::Ec2 { of, .. } => world.vpc(*of).and_then(|vpc| {
                let (account, read_only) = self.account.filter(|own| own.0 == vpc.account)?;
                let scope = Scope { account, region: vpc.region };
                Some(Caller::Account { scope, read_only })
            }),
            Act::Accept { .. } | Act::Destroy { .. } | Act::Limit { .. } => {
                self.user.map(Caller::User)
            }
        };
        operator.into_iter().chain(own).collect()
    }

    /// Whether everything in a VPC may be shown: its account is theirs, or its space their team's.
    pub fn owns(self, world: &World, vpc: &Vpc) -> bool {
        let in_team = |user| {
            let team = world.space_of_vpc(vpc).and_then(|space| world.team(space.team));
            team.is_some_and(|team| Caller::User(user).role_in(team).is_some())
        };
        self.operator || self.owns_account(vpc.account) || self.user.is_some_and(in_team)
    }

    /// The same by the VPC's id.
    pub fn owns_id(self, world: &World, vpc: VpcId) -> bool {
        world.vpc(vpc).is_some_and(|vpc| self.owns(world, vpc))
    }

    fn owns_account(self, account: AccountId) -> bool {
        self.account.is_some_and(|(own, _)| own == account)
    }

    /// Whether there is a peering, or a request, between a VPC and one of theirs, which shows its
    /// id and its block.
    pub fn sees(self, world: &World, vpc: VpcId) -> bool {
        self.owns_id(world, vpc)
            || world
                .peerings_of(Key::Vpc(vpc))
                .filter(|peering| !peering.status(peering.since).ended())
                .filter_map(|peering| peering.other_side(vpc))
                .any(|side| self.owns_id(world, side.vpc))
    }

    /// Refuses the name of what they cannot see, in the words for what is not there.
    ///
    /// # Errors
    ///
    /// Says that it is not there, whether it is another's or nobody's.
    pub fn may_name(self, world: &World, end: &str) -> Result<(), String> {
        if self.operator {
            return Ok(());
        }
        if let Some((left, _)) = end.split_once('/') {
            return match left.parse::<VpcId>() {
                Ok(vpc) if self.sees(world, vpc) => Ok(()),
                Ok(vpc) => Err(format!("there is no {vpc} that is yours or peered with yours")),
                Err(_) => {
                    let space = world.app_named(left).and_then(|app| world.space(app.space));
                    match space.filter(|space| self.owns_id(world, space.vpc)) {
                        Some(_) => Ok(()),
                        None => {
                            let app: String = left.chars().take(64).collect();
                            Err(unseen(format_args!("app '{app}'")))
                        }
                    }
                }
            };
        }
        if let Ok(id) = end.parse::<InstanceId>() {
            let own = world.instance(id).filter(|i| self.owns_account(i.account));
            return own.map(drop).ok_or_else(|| unseen(format_args!("instance {id}")));
        }
        if let Ok(id) = end.parse::<EniId>() {
            let own = world.eni(id).filter(|eni| self.owns_id(world, eni.vpc));
            return own.map(drop).ok_or_else(|| unseen(format_args!("interface {id}")));
        }
        Ok(())
    }

    /// Refuses a flow between others.
    ///
    /// # Errors
    ///
    /// Says which ends may be asked about.
    pub fn may_ask(self, world: &World, flow: &Flow) -> Result<(), String> {
        let (from, to) = (flow.from.vpc, flow.to.vpc);
        let seen = self.sees(world, from) && self.sees(world, to);
        if self.operator || seen && (self.owns_id(world, from) || self.owns_id(world, to)) {
            return Ok(());
        }
        Err("one end must be yours, and the other in a VPC that is peered with yours".to_owned())
    }

    /// Finds a flow that they ask about, as [`Flow::resolve`] does.
    ///
    /// # Errors
    ///
    /// Says in words what is wrong, or is not for them to ask.
    pub fn resolve(
        self,
        world: &World,
        (from, to): (&str, &str),
        protocol: &str,
        port: Option<u16>,
        source_ports: Option<&str>,
    ) -> Result<Flow, String> {
        for end in [from, to] {
            self.may_name(world, end)?;
        }
        let flow = Flow::resolve(world, from, to, protocol, port, source_ports)?;
        self.may_ask(world, &flow)?;
        Ok(flow)
    }

    /// What they are told of a flow: what stops it, with what to do about it.
    pub fn explain(self, world: &World, flow: &Flow, now: Timestamp) -> Verdict {
        let may_look = |vpc| world.vpc(vpc).is_none_or(|vpc| self.owns(world, vpc));
        explain(world, flow, now).seen_by(may_look)
    }
}

/// Says that something is not there, or is another's, which nobody is to tell apart; and how to
/// name what is another's.
fn unseen(what: impl std::fmt::Display) -> String {
    format!(
        "there is no {what} among what is yours; what is another's is named by its address, as \
         10.0.0.5 or vpc-…/10.0.0.5"
    )
}
