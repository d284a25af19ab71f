//! Rules of peering (`ec2.md` §1.1–1.3), and the steps of its life cycle that both APIs share.

use std::sync::Arc;

use super::tag::check_tags;
use super::{Decision, Outcome, refuse};
use crate::command::Reply;
use crate::fit::{Fit, Side, waiting_of};
use crate::resource::{
    IllegalTransition, PEERING_EXPIRY, Peering, PeeringEvent, PeeringKind, PeeringSide,
    PeeringState, PeeringStatus, RouteTable, RouteTo, Vpc,
};
use crate::{
    AccountId, Cidr, Code, Key, PcxId, PrefixedId, Quota, Refused, Region, Scope, Tags, VpcId,
};

impl Decision<'_> {
    pub(super) fn request_peering(
        &mut self,
        scope: Scope,
        vpc: VpcId,
        peer: VpcId,
        (owner, region): (AccountId, Region),
        tags: &Tags,
    ) -> Outcome {
        if vpc == peer {
            return refuse(
                Code::InvalidParameterValue,
                "A VPC cannot be peered with itself: VpcId and PeerVpcId must differ.",
            );
        }
        let own = self.own_vpc(scope, vpc)?;
        if own.role.is_some() {
            return refuse(
                Code::OperationNotPermitted,
                format!(
                    "{vpc} belongs to the platform, which requests no peerings: request it from the other VPC"
                ),
            );
        }
        check_tags(tags)?;
        if let Some(live) = self.live_request(vpc, peer, owner, region) {
            return Ok(Key::Peering(live).into());
        }
        self.check_outstanding(scope.account)?;
        // Why it fails is not said: whether the other VPC exists is its owner's business.
        let accepter = self.world.vpc(peer).filter(|there| {
            let side = |vpc| Side::of(&self.world, vpc);
            let named = there.account == owner && there.region == region;
            named && !Fit::of(side(&own), side(there)).fails_request()
        });
        let state = match accepter {
            Some(_) => PeeringState::PendingAcceptance,
            None => PeeringState::Failed,
        };
        let cidrs = accepter.map(|v| v.blocks().collect()).unwrap_or_default();
        let ipv6 = accepter.map(|v| v.ipv6_blocks().collect()).unwrap_or_default();
        let peering = Peering {
            id: PcxId::fresh(self.ids),
            requester: PeeringSide { tags: tags.clone(), ..side_of(&own) },
            accepter: PeeringSide {
                account: owner,
                region,
                vpc: peer,
                cidrs,
                ipv6,
                dns_resolution: false,
                tags: Tags::default(),
            },
            kind: PeeringKind::Customer,
            state,
            since: self.now,
            by: None,
            expires: self.now + PEERING_EXPIRY,
        };
        let id = peering.id;
        self.put(peering);
        Ok(Key::Peering(id).into())
    }

    /// The same request, if it still lives: asking again is not asking for another one.
    fn live_request(
        &self,
        vpc: VpcId,
        peer: VpcId,
        owner: AccountId,
        region: Region,
    ) -> Option<PcxId> {
        let same = |p: &&Arc<Peering>| {
            let live = match p.status(self.now) {
                PeeringStatus::PendingAcceptance
                | PeeringStatus::Provisioning
                | PeeringStatus::Active => true,
                PeeringStatus::InitiatingRequest
                | PeeringStatus::Deleting
                | PeeringStatus::Deleted
                | PeeringStatus::Rejected
                | PeeringStatus::Failed
                | PeeringStatus::Expired => false,
            };
            let (from, to) = (&p.requester, &p.accepter);
            live && from.vpc == vpc && (to.vpc, to.account, to.region) == (peer, owner, region)
        };
        self.world.peerings_of(Key::Vpc(vpc)).find(same).map(|p| p.id)
    }

    fn check_outstanding(&self, account: AccountId) -> Result<(), Refused> {
        let waiting = waiting_of(&self.world, account, self.now).count();
        match self.world.quota(account, Quota::Requests).filter(|most| waiting >= *most) {
            Some(most) => refuse(
                Code::PeeringOutstandingLimit,
                format!(
                    "The account {account} has {most} peering requests that nobody has answered \
                     yet; delete one, or wait until one is accepted or expires."
                ),
            ),
            None => Ok(()),
        }
    }

    pub(super) fn accept_peering(&mut self, scope: Scope, id: PcxId) -> Outcome {
        let peering = self.answerable(scope, id, "accept", "accepted")?;
        self.accept(&peering)?;
        Ok(Key::Peering(peering.id).into())
    }

    pub(super) fn reject_peering(&mut self, scope: Scope, id: PcxId) -> Outcome {
        let peering = self.answerable(scope, id, "reject", "accepted or rejected")?;
        self.step(&peering, PeeringEvent::Reject, Some(scope.account))?;
        Ok(Reply::Done)
    }

    /// A peering that the caller sees, unless it is the platform's own: that one nobody may touch
    /// (R14).
    fn touchable_peering(&self, scope: Scope, id: PcxId) -> Result<Arc<Peering>, Refused> {
        let peering = self.seen_peering(scope, id)?;
        match peering.kind {
            PeeringKind::Customer => Ok(peering),
            PeeringKind::HerokuManaged | PeeringKind::HerokuPostgresql => refuse(
                Code::OperationNotPermitted,
                format!("Peering {id} belongs to the platform and cannot be changed."),
            ),
        }
    }

    /// A peering that the caller, as the accepter in its region, may answer.
    fn answerable(
        &self,
        scope: Scope,
        id: PcxId,
        verb: &str,
        done: &str,
    ) -> Result<Arc<Peering>, Refused> {
        let peering = self.touchable_peering(scope, id)?;
        let accepter = &peering.accepter;
        if accepter.account != scope.account {
            return refuse(
                Code::OperationNotPermitted,
                format!("User ({}) cannot {verb} peering {id}", scope.account),
            );
        }
        if accepter.region != scope.region {
            return refuse(
                Code::OperationNotPermitted,
                format!(
                    "Incorrect region ({}) specified for this request. VPC peering connection \
                     {id} must be {done} in region {}",
                    scope.region, accepter.region
                ),
            );
        }
        Ok(peering)
    }

    pub(super) fn delete_peering(&mut self, scope: Scope, id: PcxId) -> Outcome {
        let peering = self.touchable_peering(scope, id)?;
        let pending = peering.status(self.now) == PeeringStatus::PendingAcceptance;
        if pending && peering.requester.account != scope.account {
            return refuse(
                Code::OperationNotPermitted,
                format!(
                    "User ({}) cannot delete peering {id} while it waits for acceptance; reject \
                     it instead",
                    scope.account
                ),
            );
        }
        self.step(&peering, PeeringEvent::Delete, Some(scope.account))?;
        Ok(Reply::Done)
    }

    pub(super) fn modify_peering(
        &mut self,
        scope: Scope,
        id: PcxId,
        requester_dns: Option<bool>,
        accepter_dns: Option<bool>,
    ) -> Outcome {
        let peering = self.touchable_peering(scope, id)?;
        if peering.status(self.now) != PeeringStatus::Active {
            return refuse(
                Code::OperationNotPermitted,
                format!(
                    "Peering {id} is not active. Peering options can be added only to active \
                     peerings."
                ),
            );
        }
        if requester_dns.is_none() && accepter_dns.is_none() {
            return refuse(
                Code::MissingParameter,
                "The request must contain RequesterPeeringConnectionOptions or \
                 AccepterPeeringConnectionOptions.",
            );
        }
        let mut changed = Peering::clone(&peering);
        self.set_dns(scope, id, &mut changed.requester, requester_dns)?;
        self.set_dns(scope, id, &mut changed.accepter, accepter_dns)?;
        if changed != *peering {
            self.put(changed);
        }
        Ok(Key::Peering(id).into())
    }

    /// Sets one side's option: its owner in its region may, nobody else.
    fn set_dns(
        &self,
        scope: Scope,
        id: PcxId,
        side: &mut PeeringSide,
        dns: Option<bool>,
    ) -> Result<(), Refused> {
        let Some(dns) = dns else { return Ok(()) };
        let vpc = self.world.vpc(side.vpc).filter(|v| scope.holds(v) && v.role.is_none());
        let Some(vpc) = vpc else {
            return refuse(
                Code::OperationNotPermitted,
                format!(
                    "User ({}) cannot modify the options of {} in {} of peering {id}: only its \
                     owner can, in its region",
                    scope.account, side.vpc, side.region
                ),
            );
        };
        if dns && !(vpc.dns_hostnames && vpc.dns_support) {
            return refuse(
                Code::PeeringDnsDisabled,
                format!(
                    "DNS resolution over {id} needs DNS hostnames and DNS support in {}: set \
                     enableDnsHostnames and enableDnsSupport first.",
                    side.vpc
                ),
            );
        }
        side.dns_resolution = dns;
        Ok(())
    }
}

/// The steps of the life cycle that both APIs share.
impl Decision<'_> {
    /// Takes a step of the life cycle. Where the fabric is not to carry it any more, the
    /// platform's own routes to it go; customers' stay, as blackholes.
    pub(super) fn step(
        &mut self,
        peering: &Peering,
        event: PeeringEvent,
        by: Option<AccountId>,
    ) -> Result<(), Refused> {
        let state = peering.next(event, self.now).map_err(|e| illegal(peering.id, e))?;
        let next =
            Peering { state, since: self.now, by: by.or(peering.by), ..Peering::clone(peering) };
        let carries = next.carries();
        self.put(next);
        if !carries {
            self.remove_platform_routes(peering.id);
        }
        Ok(())
    }

    /// Accepts a request, whoever was found to be allowed to. It ends as failed where the blocks
    /// came to overlap meanwhile.
    pub(super) fn accept(&mut self, peering: &Peering) -> Result<(), Refused> {
        let state =
            peering.next(PeeringEvent::Accept, self.now).map_err(|e| illegal(peering.id, e))?;
        let fit = Fit::of_peering(&self.world, peering);
        let vpc = |side: &PeeringSide| self.world.vpc(side.vpc).cloned();
        let sides = vpc(&peering.requester).zip(vpc(&peering.accepter));
        let Some((requester, accepter)) = sides.filter(|_| !fit.fails_request()) else {
            return self.step(peering, PeeringEvent::Overlap, None);
        };
        if let Some(refused) = fit.refusal() {
            return Err(refused);
        }
        let space = self.world.space_of_vpc(&accepter).cloned();
        let side = |side: &PeeringSide, vpc: &Vpc| PeeringSide {
            cidrs: vpc.blocks().collect(),
            ipv6: vpc.ipv6_blocks().collect(),
            ..side.clone()
        };
        self.put(Peering {
            state,
            since: self.now,
            requester: side(&peering.requester, &requester),
            accepter: side(&peering.accepter, &accepter),
            ..Peering::clone(peering)
        });
        if let Some(space) = space {
            self.put_platform_route(space.vpc, requester.primary(), RouteTo::Peering(peering.id));
        }
        Ok(())
    }

    /// Makes the platform's own peering between two of its VPCs (R14).
    pub(super) fn make_managed_peering(&mut self, id: PcxId, from: &Vpc, to: &Vpc) {
        self.put(Peering {
            id,
            requester: side_of(from),
            accepter: side_of(to),
            kind: PeeringKind::HerokuManaged,
            state: PeeringState::Provisioning,
            since: self.now,
            by: None,
            expires: self.now + PEERING_EXPIRY,
        });
    }

    /// Routes a block to a target in a platform's VPC, instead of where it went before.
    pub(super) fn put_platform_route(&mut self, vpc: VpcId, to: Cidr, target: RouteTo) {
        let table = self.world.vpc(vpc).and_then(|v| self.world.route_table(v.main_route_table));
        let Some(table) = table else { return };
        let mut table = RouteTable::clone(table);
        if table.routes.insert(to.into(), target) != Some(target) {
            self.put(table);
        }
    }

    /// Removes the platform's routes to a peering.
    pub(super) fn remove_platform_routes(&mut self, peering: PcxId) {
        let platforms = |vpc| self.world.vpc(vpc).is_some_and(|v| v.role.is_some());
        let tables: Vec<_> = self
            .world
            .route_tables_in(Key::Peering(peering))
            .filter(|table| platforms(table.vpc))
            .cloned()
            .collect();
        for table in tables {
            let mut table = RouteTable::clone(&table);
            table.routes.retain(|_, to| *to != RouteTo::Peering(peering));
            self.put(table);
        }
    }
}

fn side_of(vpc: &Vpc) -> PeeringSide {
    PeeringSide {
        account: vpc.account,
        region: vpc.region,
        vpc: vpc.id,
        cidrs: vpc.blocks().collect(),
        ipv6: vpc.ipv6_blocks().collect(),
        dns_resolution: false,
        tags: Tags::default(),
    }
}

fn illegal(id: PcxId, step: IllegalTransition) -> Refused {
    Refused::new(
        Code::InvalidStateTransition,
        format!(
            "Invalid state transition for {id}, attempted to transition from {} to {}",
            step.from.code(),
            step.to.code()
        ),
    )
}
