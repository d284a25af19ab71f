//! The preview of a change: what it is, what starts or stops to pass, and the commands that do the same.

use askama::Template;
use model::preview::{Changes, command_line};
use model::{AclEntry, AclId, Direction, Ec2Command, PcxId, Refused, RuleSpec, Vpc};

use super::edit::{About, Edit, Kind};
use super::head::Head;
use super::notice::named;
use super::wire::target_text;
use super::{paths, rules};
use crate::context::Context;
use crate::flows::Effects;
use crate::markup::{Markup, command_words, fill, icon, mono, text};
use crate::refusal::Refusal;
use crate::shell::Shell;
use crate::texts::VpcTexts;

/// The most lines of flows that start, and the most of those that stop.
const MOST_LINES: usize = 12;

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
    effects: Effects,
    commands: Vec<Markup>,
    action: String,
    edit: String,
    from: String,
    shown: String,
    button: &'static str,
    is_danger: bool,
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
        effects: Effects::of(of, changes, MOST_LINES),
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
        (None, Some(About::Acl(_))) => paths::part(vpc, "acls"),
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
        Kind::Entry => v.entry_question,
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
        Kind::Entry => v.change_entry,
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
        (None, Some(About::Acl(id))) => mono(id),
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
        Ec2Command::RestoreLocalRoute { route_table, destination } => {
            let old = there(route_table, destination);
            let old = old.map(|old| (minus(), in_table(route_table, route(destination, old))));
            let local = [("block", mono(destination)), ("target", text("local"))];
            let new = (plus(), in_table(route_table, fill("{block} → {target}", &local)));
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
        Ec2Command::CreateNetworkAclEntry { acl, direction, number, entry } => {
            vec![(plus(), entry_line(of, *acl, *direction, *number, Some(entry)))]
        }
        Ec2Command::ReplaceNetworkAclEntry { acl, direction, number, entry } => {
            let old = entry_there(of, *acl, *direction, *number);
            vec![
                (minus(), entry_line(of, *acl, *direction, *number, old)),
                (plus(), entry_line(of, *acl, *direction, *number, Some(entry))),
            ]
        }
        Ec2Command::DeleteNetworkAclEntry { acl, direction, number } => {
            let old = entry_there(of, *acl, *direction, *number);
            vec![(minus(), entry_line(of, *acl, *direction, *number, old))]
        }
        _ => Vec::new(),
    }
}

/// The entry of a network ACL that has a number.
fn entry_there<'w>(
    of: &Context<'w>,
    acl: AclId,
    direction: Direction,
    number: u16,
) -> Option<&'w AclEntry> {
    of.world.acl(acl)?.entries(direction).get(&number)
}

fn entry_line(
    of: &Context<'_>,
    acl: AclId,
    direction: Direction,
    number: u16,
    entry: Option<&AclEntry>,
) -> Markup {
    let v = of.texts().vpc_pages;
    let places =
        [("way", rules::way(of, direction).into()), ("number", text(number)), ("acl", mono(acl))];
    let place = fill("{way} · {number} · {acl}", &places);
    let Some(entry) = entry else { return place };
    let decision = if entry.allow { v.allow } else { v.deny };
    let says = [
        ("place", place),
        ("decision", decision.into()),
        ("traffic", rules::traffic(of, entry.traffic)),
        ("block", mono(entry.cidr)),
    ];
    fill("{place} · {decision} · {traffic} · {block}", &says)
}
