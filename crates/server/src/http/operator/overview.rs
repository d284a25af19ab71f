//! What there is, of all owners for the operator, and of their own for everybody else.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::request::Parts;
use model::{
    Caller, Instance, Key, Need, Peering, PeeringSide, PeeringStatus, Rights, TeamId, Timestamp,
    Vpc, World,
};

use super::answer::{Answer, Reply};
use super::context::{Operator, oldest_first};
use super::installation::counted;
use super::names;
use super::viewer::{rights_of, work_out};

/// Who asks, and what of.
struct View {
    world: Arc<World>,
    rights: Rights,
    now: Timestamp,
}

/// An overview for whoever asks.
async fn overview<Row: Send + 'static>(
    operator: &Operator,
    parts: &Parts,
    rows: impl FnOnce(&View) -> Vec<Row> + Send + 'static,
) -> Answer<api::Overview<Row>> {
    let state = &operator.state;
    let rights = rights_of(state, parts, &[], Need::Read)?;
    let view = View { world: state.world(), rights, now: state.clock.now() };
    let answer = move || api::Overview { time: view.now, rows: rows(&view) };
    Ok(Reply(work_out(state, rights, answer).await?))
}

impl View {
    fn is_in(&self, team: TeamId) -> bool {
        let member = |user| {
            let team = self.world.team(team);
            team.is_some_and(|team| Caller::User(user).role_in(team).is_some())
        };
        self.rights.operator || self.rights.user.is_some_and(member)
    }

    /// Nobody but the operator is to know more of a space's data VPC than its block (R14).
    fn shows_vpc(&self, vpc: &Vpc) -> bool {
        let is_data = self.world.space_of_vpc(vpc).is_some_and(|space| space.data_vpc == vpc.id);
        self.rights.operator || self.rights.owns(&self.world, vpc) && !is_data
    }

    fn shows_peering(&self, peering: &Peering) -> bool {
        let own = |side: &PeeringSide| {
            self.rights.owns_id(&self.world, side.vpc)
                && peering.visible_to(side.account, side.region, self.now)
        };
        let own = || own(&peering.requester) || own(&peering.accepter);
        self.rights.operator || peering.is_customers() && own()
    }

    fn end(&self, side: &PeeringSide) -> api::PeeringEnd {
        let vpc = self.world.vpc(side.vpc).filter(|vpc| self.rights.owns(&self.world, vpc));
        let (name, owner) = match vpc {
            Some(vpc) => (names::of_vpc(&self.world, vpc), names::of_owner(&self.world, vpc)),
            None if self.rights.operator => {
                (String::new(), names::of_account(&self.world, side.account))
            }
            None => (String::new(), side.account.to_string()),
        };
        api::PeeringEnd { vpc: side.vpc, name, owner, cidrs: side.cidrs.clone() }
    }

    /// How many peerings of a VPC have not ended; of a space's, those with others' VPCs.
    fn live_peerings(&self, vpc: Key, of_customers: bool) -> usize {
        let live = |peering: &&Arc<Peering>| {
            let counts = !of_customers || peering.is_customers();
            counts && !peering.status(self.now).ended()
        };
        self.world.peerings_of(vpc).filter(live).count()
    }
}

pub(super) async fn vpcs(
    Shared(operator): Shared<Operator>,
    parts: Parts,
) -> Answer<api::Overview<api::VpcRow>> {
    overview(&operator, &parts, |view| {
        let world = &view.world;
        let all = oldest_first(world.vpcs(), |vpc| (vpc.created, vpc.id));
        all.filter(|vpc| view.shows_vpc(vpc))
            .map(|vpc| api::VpcRow {
                id: vpc.id,
                name: names::of_vpc(world, vpc),
                owner: names::of_owner(world, vpc),
                account: vpc.account,
                space: world.space_of_vpc(vpc).map(|space| space.name.clone()),
                region: vpc.region,
                state: "available".to_owned(),
                cidrs: vpc.cidrs.iter().map(|block| block.cidr).collect(),
                peerings: view.live_peerings(Key::Vpc(vpc.id), !view.rights.operator),
                created: (vpc.created != Timestamp::default()).then_some(vpc.created),
            })
            .collect()
    })
    .await
}

pub(super) async fn peerings(
    Shared(operator): Shared<Operator>,
    parts: Parts,
) -> Answer<api::Overview<api::PeeringRow>> {
    overview(&operator, &parts, |view| {
        let all = oldest_first(view.world.peerings(), |peering| (peering.expires, peering.id));
        all.filter(|peering| view.shows_peering(peering))
            .map(|peering| {
                let status = peering.status(view.now);
                let waits = status == PeeringStatus::PendingAcceptance;
                let expired = status == PeeringStatus::Expired;
                api::PeeringRow {
                    id: peering.id,
                    state: status.code().to_owned(),
                    requester: view.end(&peering.requester),
                    accepter: view.end(&peering.accepter),
                    created: peering.created(),
                    since: if expired { peering.expires } else { peering.since },
                    expires: waits.then_some(peering.expires),
                }
            })
            .collect()
    })
    .await
}

pub(super) async fn instances(
    Shared(operator): Shared<Operator>,
    parts: Parts,
) -> Answer<api::Overview<api::InstanceRow>> {
    overview(&operator, &parts, |view| {
        let world = &view.world;
        let own = |instance: &Instance| {
            let account = view.rights.account.map(|(account, _)| account);
            view.rights.operator || account == Some(instance.account)
        };
        let all = oldest_first(world.instances(), |instance| (instance.launched, instance.id));
        all.filter(|instance| own(instance))
            .map(|instance| api::InstanceRow {
                id: instance.id,
                name: instance.tags.get("Name").cloned().unwrap_or_default(),
                owner: names::of_account(world, instance.account),
                region: world.vpc(instance.vpc).map_or(model::Region::DEFAULT, |vpc| vpc.region),
                vpc: instance.vpc,
                address: instance.address,
                instance_type: instance.instance_type.clone(),
                state: instance.state.name().to_owned(),
                launched: instance.launched,
                since: instance.since,
            })
            .collect()
    })
    .await
}

pub(super) async fn spaces(
    Shared(operator): Shared<Operator>,
    parts: Parts,
) -> Answer<api::Overview<api::SpaceRow>> {
    overview(&operator, &parts, |view| {
        let world = &view.world;
        let all = oldest_first(world.spaces(), |space| (space.created, space.id));
        all.filter(|space| view.is_in(space.team))
            .map(|space| api::SpaceRow {
                id: space.id,
                name: space.name.clone(),
                owner: names::of_team(world, space.team),
                region: space.region,
                state: space.state.name().to_owned(),
                vpc: space.vpc,
                cidr: space.cidr,
                apps: world.apps_in(Key::Space(space.id)).count(),
                dynos: world.dynos_in(Key::Space(space.id)).filter(|dyno| dyno.is_live()).count(),
                peerings: view.live_peerings(Key::Vpc(space.vpc), true),
                created: space.created,
            })
            .collect()
    })
    .await
}

pub(super) async fn apps(
    Shared(operator): Shared<Operator>,
    parts: Parts,
) -> Answer<api::Overview<api::AppRow>> {
    overview(&operator, &parts, |view| {
        let world = &view.world;
        let all = oldest_first(world.apps(), |app| (app.created, app.id));
        all.filter(|app| view.is_in(app.team))
            .map(|app| {
                let dynos = world.dynos_in(Key::App(app.id)).filter(|dyno| dyno.is_live());
                let release = world.release(app.release);
                api::AppRow {
                    id: app.id,
                    name: app.name.clone(),
                    owner: names::of_team(world, app.team),
                    space: world
                        .space(app.space)
                        .map(|space| space.name.clone())
                        .unwrap_or_default(),
                    release: release.map_or(0, |release| release.version),
                    dynos: counted(dynos.map(|dyno| dyno.state.name())),
                    created: app.created,
                    released: release.map_or(app.created, |release| release.created),
                }
            })
            .collect()
    })
    .await
}
