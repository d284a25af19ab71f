//! What waits for a viewer, and what does not work: the list of the first page.

use std::sync::Arc;

use model::fit::Fit;
use model::{DynoState, Key, Peering, PeeringStatus, RouteTo, Space, Timestamp, Vpc};

use crate::app_paths;
use crate::context::Context;
use crate::fits::reason;
use crate::markup::{Markup, Sign, command, fill, listed, mono, strong, text};
use crate::moment;
use crate::paths;
use crate::texts::Texts;
use crate::viewer::vpc_name;
use crate::vpc::{join_path, table_path};

/// Something that waits, or does not work.
pub(crate) struct Item {
    order: (u8, Timestamp, String),
    pub(crate) sign: Markup,
    pub(crate) title: Markup,
    pub(crate) text: Markup,
    /// What leads on: an address with its label.
    pub(crate) action: Option<(String, &'static str)>,
    /// A command that does what is to be done.
    pub(crate) command: Option<Markup>,
}

/// What does not work comes first, then what ends soon, then what waits, then next steps.
const BROKEN: u8 = 0;
const SOON: u8 = 1;
const WAITS: u8 = 2;
const NEXT: u8 = 3;

/// All of it, most urgent first.
pub(crate) fn waiting(of: &Context<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    for space in of.viewer.spaces(of.world) {
        crashed(of, space, &mut items);
        if of.viewer.may_change(of.world, space) {
            requests(of, space, &mut items);
        }
    }
    // The operator sees all VPCs, but they are not the operator's to mend.
    if of.viewer.account.is_some() {
        for vpc in of.viewer.vpcs(of.world) {
            paths_of(of, vpc, &mut items);
        }
    }
    items.sort_by(|a, b| a.order.cmp(&b.order));
    items
}

fn requests(of: &Context<'_>, space: &Space, items: &mut Vec<Item>) {
    let (t, now) = (of.texts(), of.now);
    for peering in of.world.space_peerings(space, now) {
        if peering.status(now) != PeeringStatus::PendingAcceptance || !peering.is_customers() {
            continue;
        }
        let peer = &peering.requester;
        let soon = moment::is_soon(peering.expires.since(now));
        let fit = Fit::of_peering(of.world, peering);
        let fits = fit.fits();
        let names = || [("account", text(peer.account)), ("space", text(&space.name))];
        let left = moment::long(t, peering.expires.since(now));
        let left = fill(t.expires_in_long, &[("left", left.into())]);
        let about = match fit.misfits.first() {
            Some(misfit) => reason(t, misfit),
            None => fill(
                t.fits_text,
                &[
                    ("block", listed(peer.cidrs.iter().map(mono))),
                    ("vpc", mono(peer.vpc)),
                    ("region", text(peer.region)),
                ],
            ),
        };
        items.push(Item {
            order: (if soon { SOON } else { WAITS }, peering.expires, peering.id.to_string()),
            sign: if soon || !fits { Sign::Warn.icon() } else { Sign::Wait.icon() },
            title: fill(if fits { t.asks_to_peer } else { t.cannot_be_accepted_title }, &names()),
            text: joined(t, about, left),
            action: Some((paths::review(space, peering.id), t.review)),
            command: None,
        });
    }
}

fn crashed(of: &Context<'_>, space: &Space, items: &mut Vec<Item>) {
    let t = of.texts();
    for app in of.world.apps_in(Key::Space(space.id)) {
        let dynos = of.world.dynos_in(Key::App(app.id));
        let crashed: Vec<_> =
            dynos.filter(|dyno| dyno.is_live() && dyno.state == DynoState::Crashed).collect();
        let Some(first) = crashed.iter().map(|dyno| dyno.updated).min() else { continue };
        let names = listed(crashed.iter().map(|dyno| mono(&dyno.name)));
        items.push(Item {
            order: (BROKEN, first, app.name.clone()),
            sign: Sign::Bad.icon(),
            title: fill(
                if crashed.len() == 1 { t.crashed_one } else { t.crashed_other },
                &[("app", text(&app.name)), ("n", text(crashed.len()))],
            ),
            text: fill(t.crashed_text, &[("dynos", names), ("space", strong(&space.name))]),
            action: Some((app_paths::app(space, app), t.apps.tab_dynos)),
            command: Some(command(t, &["heroku", "logs", &format!("--app {}", app.name)])),
        });
    }
}

/// Routes of a VPC that lead nowhere, and peerings of it that no route leads to.
fn paths_of(of: &Context<'_>, vpc: &Arc<Vpc>, items: &mut Vec<Item>) {
    let (t, now) = (of.texts(), of.now);
    let name = vpc_name(vpc);
    // Who may change nothing gets the command alone.
    let may_change = of.viewer.may_change_vpc(vpc);
    for table in of.world.route_tables_in(Key::Vpc(vpc.id)) {
        for (to, target) in &table.routes {
            let RouteTo::Peering(id) = target else { continue };
            if table.vpc != vpc.id || of.world.takes_packets(table, *target) {
                continue;
            }
            let since = of.world.peering(*id).map_or(Timestamp::MIN, |peering| peering.since);
            items.push(Item {
                order: (BROKEN, since, format!("{}{to}", table.id)),
                sign: Sign::Bad.icon(),
                title: fill(t.blackhole_title, &[("vpc", text(&name)), ("block", mono(to))]),
                text: fill(t.blackhole_text, &[("table", mono(table.id)), ("pcx", mono(id))]),
                action: may_change.then(|| (table_path(vpc, table.id), t.vpc_pages.edit_routes)),
                command: Some(command(
                    t,
                    &[
                        "aws",
                        "ec2",
                        "delete-route",
                        &format!("--region {}", vpc.region),
                        &format!("--route-table-id {}", table.id),
                        &format!("--{} {to}", to.parameter()),
                    ],
                )),
            });
        }
    }
    for peering in of.world.peerings_of(Key::Vpc(vpc.id)) {
        let Some(other) = peering.other_side(vpc.id) else { continue };
        if peering.requester.account == vpc.account
            && peering.requester.vpc == vpc.id
            && peering.status(now) == PeeringStatus::Failed
            && peering.visible_to(vpc.account, vpc.region, now)
        {
            items.push(failed(of, peering));
        }
        let routed = || {
            let mut tables = of.world.route_tables_in(Key::Peering(peering.id));
            tables.any(|table| table.vpc == vpc.id)
        };
        if !peering.carries() || routed() {
            continue;
        }
        let Some(block) = other.cidrs.first() else { continue };
        let table = vpc.main_route_table;
        items.push(Item {
            order: (NEXT, peering.since, peering.id.to_string()),
            sign: Sign::Wait.icon(),
            title: fill(t.no_return_title, &[("vpc", text(&name)), ("block", mono(block))]),
            text: fill(t.no_return_text, &[("pcx", mono(peering.id)), ("table", mono(table))]),
            action: may_change.then(|| (join_path(vpc, peering.id), t.vpc_pages.step_route)),
            command: Some(command(
                t,
                &[
                    "aws",
                    "ec2",
                    "create-route",
                    &format!("--region {}", vpc.region),
                    &format!("--route-table-id {table}"),
                    &format!("--destination-cidr-block {block}"),
                    &format!("--vpc-peering-connection-id {}", peering.id),
                ],
            )),
        });
    }
}

fn failed(of: &Context<'_>, peering: &Peering) -> Item {
    let t = of.texts();
    Item {
        order: (BROKEN, peering.since, peering.id.to_string()),
        sign: Sign::Bad.icon(),
        title: fill(t.request_failed_title, &[("pcx", mono(peering.id))]),
        text: fill(
            t.request_failed_text,
            &[("vpc", mono(peering.accepter.vpc)), ("account", mono(peering.accepter.account))],
        ),
        action: None,
        command: None,
    }
}

/// Two sentences.
fn joined(t: &Texts, one: Markup, other: Markup) -> Markup {
    fill("{one}{gap}{other}", &[("one", one), ("gap", t.gap().into()), ("other", other)])
}
