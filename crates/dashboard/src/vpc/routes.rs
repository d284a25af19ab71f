//! Routes as rows.

use model::{PeeringStatus, RouteDestination, RouteTable, RouteTo, Vpc, WorkloadId};

use super::wire::target_text;
use crate::context::Context;
use crate::markup::{Markup, Sign, fill, mono, text};
use crate::moment;
use crate::viewer::vpc_name;

/// A row of a route table.
pub(super) struct RouteRow {
    pub(super) destination: RouteDestination,
    pub(super) target: Markup,
    pub(super) leads: Markup,
    pub(super) state: Markup,
    /// Whether it follows from the VPC's blocks, and cannot be changed.
    pub(super) is_local: bool,
}

/// All routes of a table, those to the VPC itself first.
pub(super) fn rows(of: &Context<'_>, vpc: &Vpc, table: &RouteTable) -> Vec<RouteRow> {
    let state = |alive: bool| match alive {
        true => Sign::Ok.with("active"),
        false => Sign::Bad.with("blackhole"),
    };
    let replaced = |block: &model::Cidr| table.route(*block).is_some();
    let local = vpc.blocks().filter(|block| !replaced(block)).map(|block| RouteRow {
        destination: block.into(),
        target: "local".into(),
        leads: text(vpc_name(vpc)),
        state: state(true),
        is_local: true,
    });
    let made = table.routes.iter().map(|(destination, target)| RouteRow {
        destination: *destination,
        target: mono(target_text(*target)),
        leads: leads_to(of, vpc, *target),
        state: state(of.world.is_active(table, *destination, *target)),
        is_local: false,
    });
    local.chain(made).collect()
}

/// Where a target leads, by the name that the viewer may know.
fn leads_to(of: &Context<'_>, vpc: &Vpc, target: RouteTo) -> Markup {
    let (t, world) = (of.texts(), of.world);
    match target {
        RouteTo::Peering(id) => {
            let Some(peering) = world.peering(id) else { return t.vpc_pages.leads_gone.into() };
            let status = peering.status(of.now);
            if status.ended() || status == PeeringStatus::Deleting {
                let date = moment::date(t, peering.since).into();
                let status = text(status.code());
                return fill(t.vpc_pages.since_when, &[("status", status), ("date", date)]);
            }
            peering.other_side(vpc.id).map_or(t.none.into(), |side| of.viewer.peer(world, side.vpc))
        }
        RouteTo::Interface(id) => match world.eni(id).and_then(|eni| eni.attachment.as_ref()) {
            None => t.vpc_pages.leads_interface.into(),
            Some(attachment) => match attachment.workload {
                WorkloadId::Instance(id) => mono(id),
                WorkloadId::Dyno(_) | WorkloadId::Router(_) | WorkloadId::Service(_) => {
                    t.none.into()
                }
            },
        },
        RouteTo::Gateway(_) | RouteTo::EgressGateway(_) | RouteTo::Nat(_) => {
            t.vpc_pages.leads_internet.into()
        }
    }
}
