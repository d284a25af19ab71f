//! The first page of a VPC: its subnets, route tables and security groups, and what its peerings need.

use std::sync::Arc;

use askama::Template;
use model::{Key, RouteTable, SecurityGroup, Subnet, Vpc};

use super::head::{Head, Part};
use super::peerings::{self, told_asked};
use super::routes::{self, RouteRow};
use super::rules::{self, RuleRow};
use super::{forms, paths};
use crate::context::Context;
use crate::markup::{Markup, command, fill, text};
use crate::network::Told;
use crate::shell::{Shell, counted};
use crate::texts::VpcTexts;
use crate::viewer::name_in;

/// The most rows of a table that the page shows; the table's own page has all of them.
const MOST_ROWS: usize = 12;
/// The most tables, and the most groups, whose rows the page shows.
const MOST_SHOWN: usize = 12;

#[derive(Template)]
#[template(path = "vpc/network.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    may_change: bool,
    told: Option<Markup>,
    subnets: Vec<SubnetRow>,
    new_subnet: Markup,
    tables: Vec<TableBox>,
    groups: Vec<GroupBox>,
    peerings: Vec<peerings::Row>,
    peering_count: usize,
    more_peerings: Option<Markup>,
    all_peerings: String,
}

struct SubnetRow {
    name: String,
    id: String,
    block: String,
    zone: String,
    table: String,
    table_path: String,
    free: String,
}

struct TableBox {
    id: String,
    title: Markup,
    of: Markup,
    path: String,
    rows: Vec<RouteRow>,
    more: Option<Markup>,
}

struct GroupBox {
    id: String,
    name: String,
    members: Markup,
    path: String,
    rows: Vec<RuleRow>,
    more: Option<Markup>,
}

/// The first page of a VPC, which the viewer must see. `told` is a request that was just made.
pub fn network(of: &Context<'_>, vpc: &Vpc, told: Option<Told>) -> askama::Result<String> {
    let (t, world) = (of.texts(), of.world);
    let key = Key::Vpc(vpc.id);
    let mut subnets: Vec<&Arc<Subnet>> = world.subnets_in(key).collect();
    subnets.sort_by_key(|subnet| subnet.cidr);
    let tables = forms::tables(world, vpc);
    let groups = forms::groups(world, vpc);
    let shown = |n: usize| if n < MOST_SHOWN { MOST_ROWS } else { 0 };
    let head = Head::new(of, vpc, Some(Part::Network));
    let mut peerings = peerings::rows(of, vpc);
    peerings.retain(|row| !row.has_ended);
    let peering_count = peerings.len();
    peerings.truncate(MOST_SHOWN);
    Page {
        shell: Shell::new(of, head.name.as_str().into()),
        v: t.vpc_pages,
        may_change: of.viewer.may_change_vpc(vpc),
        told: told_asked(of, vpc, told),
        subnets: subnets.iter().map(|subnet| subnet_row(of, vpc, subnet)).collect(),
        new_subnet: new_subnet(of, vpc),
        tables: tables
            .iter()
            .enumerate()
            .map(|(n, table)| table_box(of, vpc, table, shown(n)))
            .collect(),
        groups: groups
            .iter()
            .enumerate()
            .map(|(n, group)| group_box(of, vpc, group, shown(n)))
            .collect(),
        peerings,
        peering_count,
        more_peerings: more(of, peering_count, MOST_SHOWN),
        all_peerings: paths::part(vpc, "peerings"),
        head,
    }
    .render()
}

fn subnet_row(of: &Context<'_>, vpc: &Vpc, subnet: &Subnet) -> SubnetRow {
    let t = of.texts();
    let used =
        of.world.addresses_between(vpc.id, subnet.cidr.base(), subnet.cidr.last()).count() as u64;
    let free = subnet.cidr.size().saturating_sub(Subnet::RESERVED_ADDRESSES + used);
    let table = subnet.route_table.map_or(vpc.main_route_table, |own| own.route_table);
    let tags = of.world.route_table(table).map(|table| &table.tags);
    SubnetRow {
        name: name_in(&subnet.tags, subnet.id),
        id: subnet.id.to_string(),
        block: subnet.cidr.to_string(),
        zone: subnet.zone.to_string(),
        table: match tags.and_then(|tags| tags.get("Name")).filter(|name| !name.is_empty()) {
            Some(name) => name.clone(),
            None if table == vpc.main_route_table => t.main_table.to_owned(),
            None => table.to_string(),
        },
        table_path: paths::table(vpc, table),
        free: free.to_string(),
    }
}

/// The command that makes the first subnet of a VPC.
fn new_subnet(of: &Context<'_>, vpc: &Vpc) -> Markup {
    let primary = vpc.primary();
    let block = primary.subnet(primary.prefix_len().max(24), 0).unwrap_or(primary);
    command(
        of.texts(),
        &[
            "aws",
            "ec2",
            "create-subnet",
            &format!("--region {}", vpc.region),
            &format!("--vpc-id {}", vpc.id),
            &format!("--cidr-block {block}"),
        ],
    )
}

fn table_box(of: &Context<'_>, vpc: &Vpc, table: &RouteTable, most: usize) -> TableBox {
    let mut rows = routes::rows(of, vpc, table);
    let more = more(of, rows.len(), most);
    rows.truncate(most);
    TableBox {
        id: table.id.to_string(),
        title: table_title(of, vpc, table),
        of: forms::followers(of, vpc, table.id),
        path: paths::table(vpc, table.id),
        rows,
        more,
    }
}

/// What a table is called.
pub(super) fn table_title(of: &Context<'_>, vpc: &Vpc, table: &RouteTable) -> Markup {
    let v = of.texts().vpc_pages;
    let name = table.tags.get("Name").map(String::as_str).unwrap_or_default();
    let what = if table.id == vpc.main_route_table { v.main_named } else { v.table_named };
    // Names are optional.
    format!("{what} {name}").trim().into()
}

/// What leads to the rest of a table of which not everything is shown.
fn more(of: &Context<'_>, all: usize, most: usize) -> Option<Markup> {
    let more = all.saturating_sub(most);
    (more > 0).then(|| fill(of.texts().vpc_pages.show_rest, &[("n", text(more))]))
}

fn group_box(of: &Context<'_>, vpc: &Vpc, group: &SecurityGroup, most: usize) -> GroupBox {
    let all = rules::sorted(group);
    GroupBox {
        id: group.id.to_string(),
        name: group.name.to_string(),
        members: members(of, group),
        path: paths::group(vpc, group.id),
        more: more(of, all.len(), most),
        rows: all.into_iter().take(most).map(|(id, rule)| rules::row(of, id, rule)).collect(),
    }
}

/// How many interfaces are in a group.
pub(super) fn members(of: &Context<'_>, group: &SecurityGroup) -> Markup {
    let v = of.texts().vpc_pages;
    let count = of.world.enis_in(Key::SecurityGroup(group.id)).count();
    match count {
        0 => v.no_member.into(),
        count => counted(v.members_one, v.members_other, count),
    }
}
