//! Peerings of a space, as its team sees them (`heroku.md` §1.3, §4).

use std::sync::Arc;

use model::fit::{Fit, taken_beside};
use model::{Cidr, PcxId, Peering, PeeringStatus, PlatformCommand, Space, Timestamp, World};
use serde_json::{Map, Value, json};

use super::call::{Call, Outcome, accepted as answer_accepted, items, ok};
use super::failure::Failure;
use super::identity::time;
use super::page::Item;
use crate::ledger::Committed;

/// The text in place of hidden details of the platform's own peerings (R14).
const MASK: &str = "******";

pub(super) fn info(call: &Call, space: &Arc<Space>) -> Outcome {
    ok(json!({
        "aws_account_id": call.state.settings().platform_account,
        "aws_region": space.region,
        "vpc_id": space.vpc,
        "vpc_cidr": space.cidr,
        "dyno_cidr_blocks": space.dyno_cidrs(),
        "space_cidr_blocks": space.space_cidrs(),
        "unavailable_cidr_blocks": unavailable(&call.world, space),
    }))
}

/// Every block that accepting a request would be refused for, each once (R8).
fn unavailable(world: &World, space: &Space) -> Vec<Cidr> {
    let mut blocks = Vec::new();
    for taken in taken_beside(world, space) {
        if !blocks.contains(&taken.cidr) {
            blocks.push(taken.cidr);
        }
    }
    blocks
}

/// Lists customers' peerings, then the platform's own, whose ids are hidden.
pub(super) fn list_peerings(call: &Call, space: &Arc<Space>) -> Outcome {
    let mut masked = 0..;
    let mut key = |peering: &Peering| match peering.is_customers() {
        true => peering.id.to_string(),
        // The tilde sorts after every letter, so these come last, and their ids stay hidden.
        false => format!("~{:04}", masked.next().unwrap_or(0)),
    };
    let seen = call.world.space_peerings(space, call.now);
    let shown = seen.into_iter().map(|peering| Item {
        key: key(peering),
        body: view(&call.world, space, peering, call.now),
    });
    items(shown.collect())
}

pub(super) fn one(call: &Call, space: &Arc<Space>) -> Outcome {
    let peering = find(call, space, call.param("pcx"))?;
    ok(view(&call.world, space, &peering, call.now))
}

/// Accepts the peering that the body names, as the Heroku CLI does.
pub(super) fn accept_in_body(call: &Call, space: &Arc<Space>) -> Result<PlatformCommand, Failure> {
    accept(call, space, call.body.required_text("pcx_id")?)
}

/// Accepts the peering that the path names, as the schema and Terraform do.
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

/// The peering after a command.
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

/// Finds a customer's peering. The ids of the platform's own peerings are hidden.
fn find(call: &Call, space: &Space, identity: &str) -> Result<Arc<Peering>, Failure> {
    call.world
        .space_peerings(space, call.now)
        .into_iter()
        .filter(|peering| peering.is_customers())
        .find(|peering| identity.parse() == Ok(peering.id))
        .cloned()
        .ok_or_else(|| {
            let list = format!("spaces:peerings --space {}", space.name);
            Failure::not_found("peering", "peering connection").naming(identity, &list)
        })
}

/// Shows a peering.
fn view(world: &World, space: &Space, peering: &Peering, now: Timestamp) -> Value {
    let status = peering.status(now);
    let peer = peering.other_side(space.vpc).unwrap_or(&peering.requester);
    let mut view = Map::new();
    let mut show = |name: &str, value: Value| view.insert(name.to_owned(), value);
    show("type", world.space_peering_type(space, peering, now).into());
    show("status", status.platform_word().into());
    show("cidr_blocks", json!(peer.cidrs));
    // Older variants of the API have only the first block.
    if let Some(first) = peer.cidrs.first() {
        show("cidr_block", json!(first));
    }
    let mut show_unless_masked = |name: &str, value: Value| {
        let masked = !peering.is_customers();
        show(name, if masked { MASK.into() } else { value })
    };
    show_unless_masked("pcx_id", json!(peering.id));
    show_unless_masked("aws_vpc_id", json!(peer.vpc));
    show_unless_masked("aws_region", json!(peer.region));
    show_unless_masked("aws_account_id", json!(peer.account));
    // The field is absent otherwise, because Terraform cannot parse an empty time.
    if peering.is_customers() && status == PeeringStatus::PendingAcceptance {
        show("expires", time(peering.expires).into());
        let fit = Fit::of_peering(world, peering);
        show("fits", fit.fits().into());
        show("reasons", json!(api::peering_reasons(&fit)));
    }
    view.into()
}
