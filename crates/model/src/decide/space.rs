//! Rules of spaces: who may change them and answer requests for peerings with them.

use std::sync::Arc;

use super::subject::suspended;
use super::{Decision, Outcome, refuse};
use crate::command::Caller;
use crate::resource::{Peering, PeeringEvent, PeeringKind, PeeringStatus, Role, Space};
use crate::{Code, Key, PcxId, Refused, SpaceId, TeamId};

/// As many peerings as AWS lets one VPC have; the operator can raise a space's limit up to here.
const MAX_PEERING_LIMIT: u16 = 125;

impl Decision<'_> {
    pub(super) fn rename_space(&mut self, id: SpaceId, name: &str) -> Outcome {
        let space = self.space_to_change(id)?;
        if space.name != name {
            self.check_space_name(name)?;
            self.put(Space { name: name.to_owned(), updated: self.now, ..Space::clone(&space) });
        }
        Ok(Key::Space(id).into())
    }

    pub(super) fn set_peering_limit(&mut self, id: SpaceId, limit: u16) -> Outcome {
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

    pub(super) fn accept_for_space(&mut self, space: SpaceId, id: PcxId) -> Outcome {
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

    pub(super) fn delete_for_space(&mut self, space: SpaceId, id: PcxId) -> Outcome {
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
        let team = self.world.team(team);
        let role = team.and_then(|team| self.caller.role_in(team));
        if let (Some(team), None, Caller::User(user)) = (team, role, self.caller)
            && team.members.contains_key(&user)
        {
            return Err(suspended("team"));
        }
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
            (space, role) if role.may_change_spaces() => Ok(space),
            (space, _) => refuse(
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
