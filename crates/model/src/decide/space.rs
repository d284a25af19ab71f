//! Rules of spaces: who may change them, what blocks they have, and which VPCs may be peered with
//! them.

use std::sync::Arc;

use super::allocate::NewSpace;
use super::{Decision, Outcome, refuse};
use crate::command::{Caller, PlatformCommand};
use crate::resource::{Peering, PeeringEvent, PeeringKind, PeeringStatus, Role, Space, Vpc};
use crate::{Cidr, Code, Key, PcxId, Refused, SpaceId, TeamId};

/// As many peerings as AWS lets one VPC have; the operator can raise a space's limit up to here.
const MAX_PEERING_LIMIT: u16 = 125;

impl Decision<'_> {
    pub(super) fn space_command(&mut self, command: &PlatformCommand) -> Outcome {
        use PlatformCommand as C;
        match command {
            C::CreateSpace { name, team, region, cidr, data_cidr } => {
                let (team, region, cidr, data_cidr) = (*team, *region, *cidr, *data_cidr);
                self.create_space(&NewSpace { name, team, region, cidr, data_cidr })
            }
            C::DeleteSpace { space } => self.delete_space(*space),
            C::RenameSpace { space, name } => self.rename_space(*space, name),
            C::SetPeeringLimit { space, limit } => self.set_peering_limit(*space, *limit),
            C::SetInboundRules { space, rules } => self.set_inbound_rules(*space, rules),
            C::SetSpaceAccess { space, user, create_apps } => {
                self.set_space_access(*space, *user, *create_apps)
            }
            C::TransferSpace { space, team } => self.transfer_space(*space, *team),
            C::AcceptPeering { space, peering } => self.accept_for_space(*space, *peering),
            C::DeletePeering { space, peering } => self.delete_for_space(*space, *peering),
            _ => refuse(Code::OperationNotPermitted, "this is not about spaces"),
        }
    }

    fn rename_space(&mut self, id: SpaceId, name: &str) -> Outcome {
        let space = self.space_to_change(id)?;
        if space.name != name {
            self.check_space_name(name)?;
            self.put(Space { name: name.to_owned(), updated: self.now, ..Space::clone(&space) });
        }
        Ok(Key::Space(id).into())
    }

    fn set_peering_limit(&mut self, id: SpaceId, limit: u16) -> Outcome {
        let (space, _) = self.seen_space(id)?;
        if !self.is_operator() {
            return refuse(
                Code::UnauthorizedOperation,
                format!(
                    "Only the operator can change how many peerings the space {} may have; open \
                     a support ticket.",
                    space.name
                ),
            );
        }
        if !(1..=MAX_PEERING_LIMIT).contains(&limit) {
            return refuse(
                Code::InvalidParameterValue,
                format!("A space may have 1 to {MAX_PEERING_LIMIT} peerings, not {limit}."),
            );
        }
        if space.peering_limit != limit {
            self.put(Space { peering_limit: limit, updated: self.now, ..Space::clone(&space) });
        }
        Ok(Key::Space(id).into())
    }

    fn accept_for_space(&mut self, space: SpaceId, id: PcxId) -> Outcome {
        let space = self.space_to_change(space)?;
        let peering = self.peering_of_space(&space, id)?;
        match peering.status(self.now) {
            // Clients repeat themselves until they see it.
            PeeringStatus::Provisioning | PeeringStatus::Active => {}
            PeeringStatus::PendingAcceptance => self.accept(&peering)?,
            status @ (PeeringStatus::InitiatingRequest
            | PeeringStatus::Deleting
            | PeeringStatus::Deleted
            | PeeringStatus::Rejected
            | PeeringStatus::Failed
            | PeeringStatus::Expired) => return refuse_ended(id, status, "accepted"),
        }
        Ok(Key::Peering(id).into())
    }

    fn delete_for_space(&mut self, space: SpaceId, id: PcxId) -> Outcome {
        let space = self.space_to_change(space)?;
        let peering = self.peering_of_space(&space, id)?;
        match peering.status(self.now) {
            PeeringStatus::Deleting => {}
            PeeringStatus::PendingAcceptance
            | PeeringStatus::Provisioning
            | PeeringStatus::Active => self.tear_down(&space, &peering)?,
            status @ (PeeringStatus::InitiatingRequest
            | PeeringStatus::Deleted
            | PeeringStatus::Rejected
            | PeeringStatus::Failed
            | PeeringStatus::Expired) => return refuse_ended(id, status, "destroyed"),
        }
        Ok(Key::Peering(id).into())
    }

    /// Ends a customer's peering from the space's side. What only waits is rejected: deleting it
    /// is the requester's.
    pub(super) fn tear_down(&mut self, space: &Space, peering: &Peering) -> Result<(), Refused> {
        let side = peering.side(space.vpc).map(|side| side.account);
        let event = match peering.status(self.now) {
            PeeringStatus::PendingAcceptance => PeeringEvent::Reject,
            _ => PeeringEvent::Delete,
        };
        self.step(peering, event, side)
    }

    /// A customer's peering with the space. The platform's own are not to be addressed (R14).
    fn peering_of_space(&self, space: &Space, id: PcxId) -> Result<Arc<Peering>, Refused> {
        let account = self.settings()?.platform_account;
        self.world
            .peering(id)
            .filter(|p| p.kind == PeeringKind::Customer && p.accepter.vpc == space.vpc)
            .filter(|p| p.visible_to(account, space.region, self.now))
            .cloned()
            .ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find that peering connection."))
    }

    /// What the platform demands of a VPC beyond EC2's rules (R2, R3, R24).
    pub(super) fn check_space_accept(&self, space: &Space, peer: &Vpc) -> Result<(), Refused> {
        let primary = peer.primary();
        if primary.rfc1918().is_none() {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "The block {primary} of {} lies outside 10.0.0.0/8, 172.16.0.0/12 and \
                     192.168.0.0/16; a VPC that is peered with a space must have its primary \
                     block inside one of them.",
                    peer.id
                ),
            );
        }
        self.check_blocks_free(space, peer)?;
        self.check_peering_limit(space)
    }

    fn check_blocks_free(&self, space: &Space, peer: &Vpc) -> Result<(), Refused> {
        let mut taken = vec![
            (
                space.data_cidr,
                format!("the block of the data services of the space {}", space.name),
            ),
            (Space::RESERVED, "which is reserved".to_owned()),
        ];
        for other in self.customer_peerings(space) {
            if let Some(side) = other.other_side(space.vpc) {
                let whose = format!("a block of {}, peered as {}", side.vpc, other.id);
                taken.extend(side.cidrs.iter().map(|cidr| (*cidr, whose.clone())));
            }
        }
        let clash = |block: Cidr| taken.iter().find(|(other, _)| other.overlaps(block));
        match peer.blocks().find_map(|block| clash(block).map(|clash| (block, clash))) {
            None => Ok(()),
            Some((block, (other, whose))) => refuse(
                Code::InvalidParameterValue,
                format!("The block {block} of {} overlaps {other}, {whose}.", peer.id),
            ),
        }
    }

    fn check_peering_limit(&self, space: &Space) -> Result<(), Refused> {
        let limit = space.peering_limit;
        if self.customer_peerings(space).count() < usize::from(limit) {
            return Ok(());
        }
        refuse(
            Code::LimitExceeded,
            format!(
                "The space {name} is peered with {limit} VPCs already, which is its limit. Open a \
                 support ticket; the operator raises it with `causeway spaces:limits:set --space \
                 {name} --peerings {next}`.",
                name = space.name,
                next = limit.saturating_add(1)
            ),
        )
    }

    /// The customers' peerings that a space has at present.
    fn customer_peerings(&self, space: &Space) -> impl Iterator<Item = &Arc<Peering>> + '_ {
        self.world
            .peerings_of(Key::Vpc(space.vpc))
            .filter(|p| p.kind == PeeringKind::Customer && p.carries())
    }

    /// A name that a new space may have.
    pub(super) fn check_space_name(&self, name: &str) -> Result<(), Refused> {
        if !is_slug(name, 3, 30) {
            return refuse(
                Code::InvalidParameterValue,
                "Name must have 3 to 30 lower-case letters, digits and single hyphens, and begin \
                 and end with a letter or digit.",
            );
        }
        if self.world.space_named(name).is_some() {
            return refuse(Code::InvalidParameterValue, "Name is already taken");
        }
        Ok(())
    }
}

/// Who may do what on the platform's side (`heroku.md` §4, Roles).
impl Decision<'_> {
    /// Whether this installation itself or who runs it acts.
    pub(super) fn is_operator(&self) -> bool {
        match self.caller {
            Caller::Operator | Caller::System => true,
            Caller::Account { .. } | Caller::User(_) => false,
        }
    }

    /// Refuses callers of the other side: an account's key is nobody here.
    pub(super) fn check_platform_caller(&self) -> Result<(), Refused> {
        match self.caller {
            Caller::Operator | Caller::System | Caller::User(_) => Ok(()),
            Caller::Account { .. } => refuse(
                Code::UnauthorizedOperation,
                "An account's access key cannot act on the platform's side; use a user's token.",
            ),
        }
    }

    /// What the caller is in a team, the operator being an admin of all; where it is not in it,
    /// what it asked for is not there for it.
    pub(super) fn role_in(&self, team: TeamId, unseen: &str) -> Result<Role, Refused> {
        self.check_platform_caller()?;
        let role = self.world.team(team).and_then(|team| match self.caller {
            Caller::Operator | Caller::System => Some(Role::Admin),
            Caller::User(user) => team.members.get(&user).copied(),
            Caller::Account { .. } => None,
        });
        role.ok_or_else(|| Refused::new(Code::NotFound, unseen))
    }

    /// A space that the caller sees, and what the caller is in its team.
    pub(super) fn seen_space(&self, id: SpaceId) -> Result<(Arc<Space>, Role), Refused> {
        const UNSEEN: &str = "Couldn't find that space.";
        self.check_platform_caller()?;
        let space = self.world.space(id).ok_or_else(|| Refused::new(Code::NotFound, UNSEEN))?;
        let role = self.role_in(space.team, UNSEEN)?;
        Ok((Arc::clone(space), role))
    }

    /// A space that the caller may change.
    pub(super) fn space_to_change(&self, id: SpaceId) -> Result<Arc<Space>, Refused> {
        match self.seen_space(id)? {
            (space, Role::Admin) => Ok(space),
            (space, Role::Member) => refuse(
                Code::UnauthorizedOperation,
                format!(
                    "You do not have access to change the space {}; only admins of the team can \
                     change it.",
                    space.name
                ),
            ),
        }
    }
}

fn refuse_ended(id: PcxId, status: PeeringStatus, verb: &str) -> Outcome {
    refuse(
        Code::InvalidStateTransition,
        format!("The peering connection {id} is {} and cannot be {verb}.", status.code()),
    )
}

/// Lower-case letters, digits and single hyphens inside.
pub(super) fn is_slug(text: &str, min: usize, max: usize) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    (min..=max).contains(&bytes.len())
        && bytes.iter().all(|c| inner(*c) || *c == b'-')
        && bytes.first().is_some_and(|c| inner(*c))
        && bytes.last().is_some_and(|c| inner(*c))
        && !text.contains("--")
}
