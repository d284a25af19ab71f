//! The preview of a change: what it is, what starts or stops to pass, and the commands that do the same.

use std::collections::BTreeMap;

use askama::Template;
use model::preview::{Changes, Crossing, EndName, command_line};
use model::{Ec2Command, IpProtocol, PcxId, Refused, RuleSpec, Vpc};

use super::edit::{About, Edit, Kind, target_text};
use super::head::Head;
use super::notice::named;
use super::{paths, rules};
use crate::context::Context;
use crate::markup::{Markup, Sign, command_words, fill, icon, listed, mono, text};
use crate::refusal::Refusal;
use crate::shell::{Shell, counted};
use crate::texts::VpcTexts;

/// The most lines of flows that start, and the most of those that stop.
const MOST_LINES: usize = 12;
/// The most names in a line.
const MOST_NAMES: usize = 6;

/// A change that is looked at before it is made.
#[derive(Debug, Clone)]
pub struct Preview<'a> {
    /// The change.
    pub edit: &'a Edit,
    /// What it would change, or why it cannot be made.
    pub changes: Result<Changes, Refused>,
    /// The peering whose page it comes from.
    pub from: Option<PcxId>,
    /// Why it was not made, after somebody tried.
    pub refused: Option<&'a Refusal>,
    /// Whether only a part was made, and why it was not taken back.
    pub partly: Option<&'a Refusal>,
}

#[derive(Template)]
#[template(path = "vpc/change.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    title: Markup,
    back: String,
    back_name: Markup,
    refused: Option<Markup>,
    cannot: Option<Markup>,
    lines: Vec<(Markup, Markup)>,
    starts: Flows,
    stops: Flows,
    asked: Markup,
    commands: Vec<Markup>,
    action: String,
    edit: String,
    from: String,
    shown: String,
    button: &'static str,
    is_danger: bool,
}

/// Flows that start, or stop.
struct Flows {
    count: usize,
    heading: Markup,
    lines: Vec<Markup>,
    more: Option<Markup>,
}

/// The preview of a change in a VPC that the viewer may change.
pub fn change(of: &Context<'_>, vpc: &Vpc, preview: &Preview<'_>) -> askama::Result<String> {
    let t = of.texts();
    let v = t.vpc_pages;
    let edit = preview.edit;
    let title = named(of, edit, question(v, edit.kind()));
    let none = Changes::default();
    let (changes, cannot) = match &preview.changes {
        Ok(changes) => (changes, None),
        Err(why) => (&none, Some(Refusal::Rule(why.clone()).of_account(of))),
    };
    let refused = match (preview.partly, preview.refused) {
        (Some(why), _) => Some(fill(v.partly, &[("why", why.of_account(of))])),
        (None, Some(why)) => Some(why.of_account(of)),
        (None, None) => None,
    };
    Page {
        shell: Shell::new(of, plain(of, edit)).still(),
        v,
        head: Head::new(of, vpc, None),
        title,
        back: after_change(vpc, edit, preview.from),
        back_name: back_name(of, edit, preview.from),
        refused,
        cannot,
        lines: edit.commands().iter().flat_map(|command| lines(of, command)).collect(),
        starts: flows(of, &changes.starts, (v.flows_start_one, v.flows_start_other)),
        stops: flows(of, &changes.stops, (v.flows_stop_one, v.flows_stop_other)),
        asked: match (changes.asked, changes.is_cut) {
            (0, _) => v.no_flow_known.into(),
            (n, false) => fill(v.asked_flows, &[("n", text(n))]),
            (n, true) => fill(
                "{asked} {cut}",
                &[
                    ("asked", fill(v.asked_flows, &[("n", text(n))])),
                    ("cut", fill(v.cut_flows, &[("n", text(n))])),
                ],
            ),
        },
        commands: edit
            .commands()
            .iter()
            .filter_map(|command| command_line(of.world, vpc, command))
            .map(|line| command_words(t, &line))
            .collect(),
        action: paths::change(vpc),
        edit: edit.write(),
        from: preview.from.map_or_else(String::new, |pcx| pcx.to_string()),
        shown: edit.state(of.world),
        button: button(v, edit.kind()),
        is_danger: matches!(edit.kind(), Kind::RemoveRoute | Kind::RemoveRule),
    }
    .render()
}

/// Where the notice of a change is: the page that it was asked for on.
pub fn after_change(vpc: &Vpc, edit: &Edit, from: Option<PcxId>) -> String {
    match (from, edit.first()) {
        (Some(pcx), _) => paths::join(vpc, pcx),
        (None, Some(About::Table(id))) => paths::table(vpc, id),
        (None, Some(About::Group(id))) => paths::group(vpc, id),
        (None, None) => crate::paths::vpc(vpc),
    }
}

/// The title for the window, which has no markup.
fn plain(of: &Context<'_>, edit: &Edit) -> Markup {
    button(of.texts().vpc_pages, edit.kind()).into()
}

fn question(v: &VpcTexts, kind: Kind) -> &'static str {
    match kind {
        Kind::AddRoute => v.add_route_question,
        Kind::ReplaceRoute => v.replace_route_question,
        Kind::RemoveRoute => v.remove_route_question,
        Kind::AddRule => v.add_rule_question,
        Kind::RemoveRule => v.remove_rule_question,
        Kind::ReplaceRule => v.replace_rule_question,
        Kind::Several => v.several_question,
    }
}

fn button(v: &VpcTexts, kind: Kind) -> &'static str {
    match kind {
        Kind::AddRoute => v.add_route,
        Kind::ReplaceRoute => v.replace_route,
        Kind::RemoveRoute => v.remove_route,
        Kind::AddRule => v.add_rule,
        Kind::RemoveRule => v.remove_rule,
        Kind::ReplaceRule => v.replace_rule,
        Kind::Several => v.several,
    }
}

/// The name of that page.
fn back_name(of: &Context<'_>, edit: &Edit, from: Option<PcxId>) -> Markup {
    match (from, edit.first()) {
        (Some(pcx), _) => mono(pcx),
        (None, Some(About::Table(id))) => mono(id),
        (None, Some(About::Group(id))) => {
            of.world.group(id).map_or_else(|| mono(id), |group| text(&group.name))
        }
        (None, None) => Markup::default(),
    }
}

/// What a command adds and takes away, a line each.
fn lines(of: &Context<'_>, command: &Ec2Command) -> Vec<(Markup, Markup)> {
    let world = of.world;
    let plus = || icon("plus");
    let minus = || icon("minus");
    let route = |destination: &model::RouteDestination, target| {
        let to = [("to", mono(destination)), ("target", mono(target_text(target)))];
        fill("{to} → {target}", &to)
    };
    let in_table = |id: &model::RouteTableId, route: Markup| {
        fill("{route} · {table}", &[("route", route), ("table", mono(id))])
    };
    let there = |table: &model::RouteTableId, destination: &model::RouteDestination| {
        world.route_table(*table).and_then(|table| table.routes.get(destination).copied())
    };
    match command {
        Ec2Command::CreateRoute { route_table, destination, target } => {
            vec![(plus(), in_table(route_table, route(destination, *target)))]
        }
        Ec2Command::ReplaceRoute { route_table, destination, target } => {
            let old = there(route_table, destination);
            let old = old.map(|old| (minus(), in_table(route_table, route(destination, old))));
            let new = (plus(), in_table(route_table, route(destination, *target)));
            old.into_iter().chain([new]).collect()
        }
        Ec2Command::DeleteRoute { route_table, destination } => {
            let shown = match there(route_table, destination) {
                Some(old) => route(destination, old),
                None => mono(destination),
            };
            vec![(minus(), in_table(route_table, shown))]
        }
        Ec2Command::AuthorizeSecurityGroup { direction, rules, .. } => {
            rules.iter().map(|rule| (plus(), rules::spec(of, *direction, rule))).collect()
        }
        Ec2Command::RevokeSecurityGroup { group, direction, rules, ids } => {
            let found = world.group(*group);
            let by_id = ids.iter().map(|id| {
                let rule = found.and_then(|group| group.rules.get(id));
                let shown = rule.map_or_else(
                    || mono(id),
                    |rule| {
                        let rule = RuleSpec {
                            traffic: rule.traffic,
                            peer: rule.peer.into(),
                            description: rule.description.clone(),
                        };
                        rules::spec(of, *direction, &rule)
                    },
                );
                (minus(), shown)
            });
            let named = rules.iter().map(|rule| (minus(), rules::spec(of, *direction, rule)));
            by_id.chain(named).collect()
        }
        _ => Vec::new(),
    }
}

/// Flows in as few lines as say the same: those to the same ends, by the same packets, together.
fn flows(of: &Context<'_>, all: &[Crossing], (one, other): (&str, &str)) -> Flows {
    let v = of.texts().vpc_pages;
    // Packets and sender, and then packets and receivers: names come out sorted.
    let mut by_sender: BTreeMap<(IpProtocol, u16, &EndName), Vec<&EndName>> = BTreeMap::new();
    for crossing in all {
        let key = (crossing.protocol, crossing.port, &crossing.from.name);
        by_sender.entry(key).or_default().push(&crossing.to.name);
    }
    let mut merged: BTreeMap<(IpProtocol, u16, Vec<&EndName>), Vec<&EndName>> = BTreeMap::new();
    for ((protocol, port, from), mut to) in by_sender {
        to.sort();
        to.dedup();
        merged.entry((protocol, port, to)).or_default().push(from);
    }
    let lines: Vec<Markup> = merged
        .iter()
        .map(|((protocol, port, to), from)| {
            let what = match protocol.has_ports() {
                true => mono(format!("{protocol} {port}")),
                false => mono(protocol),
            };
            let places = [("from", names(of, from)), ("to", names(of, to)), ("what", what)];
            fill(v.flow, &places)
        })
        .collect();
    let more = lines.len().saturating_sub(MOST_LINES);
    Flows {
        count: all.len(),
        heading: counted(one, other, all.len()),
        lines: lines.into_iter().take(MOST_LINES).collect(),
        more: (more > 0).then(|| fill(v.more_flows, &[("n", text(more))])),
    }
}

fn names(of: &Context<'_>, ends: &[&EndName]) -> Markup {
    let v = of.texts().vpc_pages;
    let more = ends.len().saturating_sub(MOST_NAMES);
    let shown = ends.iter().take(MOST_NAMES).map(|name| match name {
        EndName::Dyno(name) => mono(name),
        EndName::Dynos(block) => fill(v.dynos_of, &[("block", mono(block))]),
        EndName::Instance(id) => {
            match of.world.instance(*id).and_then(|own| own.tags.get("Name")) {
                Some(name) if !name.is_empty() => text(name),
                _ => mono(id),
            }
        }
        EndName::Vpc(id) => fill(v.host_of, &[("vpc", mono(id))]),
    });
    let rest = (more > 0).then(|| fill(v.more_flows, &[("n", text(more))]));
    listed(shown.chain(rest))
}

impl Flows {
    /// The sign of what happens to them.
    fn sign(&self, symbol: &'static str, sign: Sign) -> Markup {
        match self.count {
            0 => icon(symbol),
            _ => crate::markup::signed(symbol, sign),
        }
    }
}
