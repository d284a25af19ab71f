//! Peerings of a space, as its owners see them (`heroku.md` §1.3, §4).

use std::sync::Arc;

use model::{
    Key, PcxId, Peering, PeeringKind, PeeringStatus, PlatformCommand, Space, Timestamp, World,
};
use serde_json::{Map, Value, json};

use super::call::{Call, Outcome, accepted as answer_accepted, items, ok};
use super::failure::Failure;
use super::identity::time;
use super::page::Item;
use crate::ledger::Committed;

/// What stands where the platform's own peerings have something that is nobody's business (R14).
const MASK: &str = "******";

pub(super) fn info(call: &Call, space: &Arc<Space>) -> Outcome {
    ok(json!({
        "aws_account_id": call.state.settings().platform_account,
        "aws_region": space.region,
        "vpc_id": space.vpc,
        "vpc_cidr": space.cidr,
        "dyno_cidr_blocks": space.dyno_cidrs(),
        "space_cidr_blocks": space.space_cidrs(),
        "unavailable_cidr_blocks": [space.data_cidr],
    }))
}

/// Customers' by id, then the platform's own, which have no id to show.
pub(super) fn list_peerings(call: &Call, space: &Arc<Space>) -> Outcome {
    let visible = visible(call, space);
    let customers = visible.iter().filter(|peering| peering.kind == PeeringKind::Customer);
    let managed = visible.iter().filter(|peering| peering.kind != PeeringKind::Customer);
    let customers = customers.map(|peering| Item {
        key: peering.id.to_string(),
        body: view(&call.world, space, peering, call.now),
    });
    // The tilde is after every letter: these come last, and show no id here either.
    let managed = managed.enumerate().map(|(n, peering)| Item {
        key: format!("~{n:04}"),
        body: view(&call.world, space, peering, call.now),
    });
    items(customers.chain(managed).collect())
}

pub(super) fn one(call: &Call, space: &Arc<Space>) -> Outcome {
    let peering = find(call, space, call.param("pcx"))?;
    ok(view(&call.world, space, &peering, call.now))
}

/// Accepts what the body names: the way of every Heroku CLI.
pub(super) fn accept_in_body(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    accept(call, space, call.body.required_text("pcx_id")?)
}

/// Accepts what the path names: the way of the schema, and of Terraform.
pub(super) fn accept_in_path(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    accept(call, space, call.param("pcx"))
}

fn accept(call: &Call, space: &Space, identity: &str) -> Result<PlatformCommand, Failure> {
    refuse_masked(identity)?;
    let peering = find(call, space, identity)?.id;
    Ok(PlatformCommand::AcceptPeering { space: space.id, peering })
}

pub(super) fn accepted(call: &Call, space: &Arc<Space>, committed: &Committed) -> Outcome {
    answer_accepted(changed(call, space, committed)?)
}

pub(super) fn destroy(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    refuse_masked(call.param("pcx"))?;
    let peering = find(call, space, call.param("pcx"))?.id;
    Ok(PlatformCommand::DeletePeering { space: space.id, peering })
}

pub(super) fn destroyed(call: &Call, space: &Arc<Space>, committed: &Committed) -> Outcome {
    answer_accepted(changed(call, space, committed)?)
}

/// What a command made of the peering that the request names.
fn changed(call: &Call, space: &Space, committed: &Committed) -> Result<Value, Failure> {
    let named = match call.param("pcx") {
        "" => call.body.required_text("pcx_id")?,
        pcx => pcx,
    };
    let id: PcxId = named.parse().map_err(|_| Failure::internal())?;
    let now = call.state.clock.now();
    match committed.after.peering(id) {
        Some(peering) => Ok(view(&committed.after, space, peering, now)),
        None => {
            let peering = committed.before.peering(id).ok_or_else(Failure::internal)?;
            let mut last = view(&committed.before, space, peering, now);
            last["status"] = PeeringStatus::Deleted.code().into();
            Ok(last)
        }
    }
}

fn refuse_masked(identity: &str) -> Result<(), Failure> {
    if identity == MASK {
        return Err(Failure::forbidden(
            "This peering connection is managed by the platform and cannot be changed.",
        ));
    }
    Ok(())
}

/// A customer's peering. The platform's own have no id that anybody could know.
fn find(call: &Call, space: &Space, identity: &str) -> Result<Arc<Peering>, Failure> {
    visible(call, space)
        .into_iter()
        .filter(|peering| peering.kind == PeeringKind::Customer)
        .find(|peering| identity.parse() == Ok(peering.id))
        .cloned()
        .ok_or_else(|| {
            let list = format!("spaces:peerings --space {}", space.name);
            Failure::not_found("peering", "peering connection").naming(identity, &list)
        })
}

fn visible<'a>(call: &'a Call, space: &Space) -> Vec<&'a Arc<Peering>> {
    let (world, now): (&World, _) = (&call.world, call.now);
    let platform = call.state.settings().platform_account;
    world
        .peerings_of(Key::Vpc(space.vpc))
        .filter(|peering| peering.visible_to(platform, space.region, now))
        .collect()
}

/// A peering as it is shown.
fn view(world: &World, space: &Space, peering: &Peering, now: Timestamp) -> Value {
    let status = peering.status(now);
    let peer = peering.other_side(space.vpc).unwrap_or(&peering.requester);
    let mut view = Map::new();
    let mut show = |name: &str, value: Value| view.insert(name.to_owned(), value);
    show("type", kind(carries_for(world, space, peering), status).into());
    show("status", word(status).into());
    show("cidr_blocks", json!(peer.cidrs));
    // Older variants of the API have the first one only.
    if let Some(first) = peer.cidrs.first() {
        show("cidr_block", json!(first));
    }
    let mut show_unless_masked = |name: &str, value: Value| {
        let masked = peering.kind != PeeringKind::Customer;
        show(name, if masked { MASK.into() } else { value })
    };
    show_unless_masked("pcx_id", json!(peering.id));
    show_unless_masked("aws_vpc_id", json!(peer.vpc));
    show_unless_masked("aws_region", json!(peer.region));
    show_unless_masked("aws_account_id", json!(peer.account));
    // Absent otherwise: Terraform cannot read an empty time.
    if peering.kind == PeeringKind::Customer && status == PeeringStatus::PendingAcceptance {
        show("expires", time(peering.expires).into());
    }
    view.into()
}

/// What a peering is for: that with a space's data services is PostgreSQL's once there is one.
fn carries_for(world: &World, space: &Space, peering: &Peering) -> PeeringKind {
    let mut addons = world.addons_of(Key::Space(space.id));
    match peering.kind {
        PeeringKind::HerokuManaged
            if addons.any(|addon| addon.plan.service == "heroku-postgresql") =>
        {
            PeeringKind::HerokuPostgresql
        }
        kind => kind,
    }
}

/// What is said of whom a peering belongs to. Before it was accepted nobody can know.
fn kind(kind: PeeringKind, status: PeeringStatus) -> &'static str {
    match (kind, status) {
        (PeeringKind::HerokuManaged, _) => "heroku-managed",
        (PeeringKind::HerokuPostgresql, _) => "heroku-postgresql",
        (
            PeeringKind::Customer,
            PeeringStatus::Provisioning
            | PeeringStatus::Active
            | PeeringStatus::Deleting
            | PeeringStatus::Deleted,
        ) => "customer-managed",
        (
            PeeringKind::Customer,
            PeeringStatus::InitiatingRequest
            | PeeringStatus::PendingAcceptance
            | PeeringStatus::Rejected
            | PeeringStatus::Failed
            | PeeringStatus::Expired,
        ) => "unknown",
    }
}

/// A status in this API, which has eight words and none for what is being torn down.
fn word(status: PeeringStatus) -> &'static str {
    match status {
        PeeringStatus::Deleting => PeeringStatus::Deleted.code(),
        PeeringStatus::InitiatingRequest
        | PeeringStatus::PendingAcceptance
        | PeeringStatus::Provisioning
        | PeeringStatus::Active
        | PeeringStatus::Deleted
        | PeeringStatus::Rejected
        | PeeringStatus::Failed
        | PeeringStatus::Expired => status.code(),
    }
}
