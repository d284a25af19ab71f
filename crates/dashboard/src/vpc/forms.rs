//! What the forms of a VPC's pages offer, and what is shown of tables and groups everywhere.

use std::sync::Arc;

use model::{Key, PcxId, PeeringStatus, RouteTable, RouteTableId, SecurityGroup, Vpc, World};

use super::notice::{Did, Notice, notice};
use super::paths;
use super::wish::{Field, FormTrouble};
use crate::context::Context;
use crate::markup::{Markup, fill, listed, text};
use crate::viewer::name_in;

/// The most interfaces that a form offers as the target of a route.
const MOST_INTERFACES: usize = 64;

/// What stands around every form that changes routes or rules.
pub(super) struct Frame {
    /// What was just changed.
    pub(super) notice: Option<Notice>,
    /// Whether there is a form at all.
    pub(super) may_change: bool,
    /// Where the form leads.
    pub(super) action: String,
    /// What is wrong with the form, above it; nothing where a field has it.
    pub(super) above: Option<Markup>,
}

impl Frame {
    /// The frame on a page of a VPC. `from` is the peering whose page it is.
    pub(super) fn new(
        of: &Context<'_>,
        vpc: &Vpc,
        trouble: Option<&FormTrouble>,
        did: Option<&Did>,
        from: Option<PcxId>,
    ) -> Self {
        Self {
            notice: did.map(|did| notice(of, vpc, did, from)),
            may_change: of.viewer.may_change_vpc(vpc),
            action: paths::change(vpc),
            above: above(of, trouble),
        }
    }
}

/// Something to choose.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

/// Things of one kind to choose from.
pub(super) struct Choices {
    pub(super) label: &'static str,
    pub(super) all: Vec<Choice>,
}

/// The route tables of a VPC, the main one first.
pub(super) fn tables<'w>(world: &'w World, vpc: &Vpc) -> Vec<&'w Arc<RouteTable>> {
    let of_vpc = world.route_tables_in(Key::Vpc(vpc.id));
    let mut tables: Vec<_> = of_vpc.filter(|table| table.vpc == vpc.id).collect();
    tables.sort_by_key(|table| (table.id != vpc.main_route_table, table.id));
    tables
}

/// The security groups of a VPC, by name.
pub(super) fn groups<'w>(world: &'w World, vpc: &Vpc) -> Vec<&'w Arc<SecurityGroup>> {
    let of_vpc = world.groups_in(Key::Vpc(vpc.id));
    let mut groups: Vec<_> = of_vpc.filter(|group| group.vpc == vpc.id).collect();
    groups.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    groups
}

/// The subnets that follow a table, by name.
pub(super) fn followers(of: &Context<'_>, vpc: &Vpc, table: RouteTableId) -> Markup {
    let t = of.texts();
    let follows = |subnet: &&Arc<model::Subnet>| {
        subnet.route_table.map_or(vpc.main_route_table, |own| own.route_table) == table
    };
    let mut subnets: Vec<_> = of
        .world
        .subnets_in(Key::Vpc(vpc.id))
        .filter(follows)
        .map(|subnet| name_in(&subnet.tags, subnet.id))
        .collect();
    subnets.sort();
    match subnets.is_empty() {
        true if table == vpc.main_route_table => t.main_table_note.into(),
        true => t.no_subnets.into(),
        false => {
            let names = listed(subnets.into_iter().map(text));
            fill(t.vpc_pages.table_of_subnets, &[("subnets", names)])
        }
    }
}

/// What a route of a VPC may lead to.
pub(super) fn targets(of: &Context<'_>, vpc: &Vpc, chosen: &str) -> Vec<Choices> {
    let (v, world) = (of.texts().vpc_pages, of.world);
    let choice = |value: String, label: String| {
        let is_chosen = value == chosen;
        Choice { value, label, is_chosen }
    };
    let live = |status: PeeringStatus| !status.ended() && status != PeeringStatus::Deleting;
    let peerings = world
        .peerings_of(Key::Vpc(vpc.id))
        .filter(|peering| live(peering.status(of.now)))
        .filter_map(|peering| {
            let other = peering.other_side(vpc.id)?;
            let blocks: Vec<String> = other.cidrs.iter().map(ToString::to_string).collect();
            let label = format!("{} · {}", peering.id, blocks.join(", "));
            Some(choice(peering.id.to_string(), label))
        });
    let interfaces = world
        .enis_in(Key::Vpc(vpc.id))
        .take(MOST_INTERFACES)
        .map(|eni| choice(eni.id.to_string(), format!("{} · {}", eni.id, eni.primary())));
    let gateways = world
        .gateways_of(Key::Vpc(vpc.id))
        .map(|gateway| choice(gateway.id.to_string(), gateway.id.to_string()));
    let all = vec![
        Choices { label: v.target_peerings, all: peerings.collect() },
        Choices { label: v.target_interfaces, all: interfaces.collect() },
        Choices { label: v.target_gateways, all: gateways.collect() },
    ];
    all.into_iter().filter(|choices| !choices.all.is_empty()).collect()
}

/// The protocols of a rule.
pub(super) fn protocols(of: &Context<'_>, chosen: &str) -> Vec<Choice> {
    let all = of.texts().vpc_pages.any_protocol;
    let mut choices = vec![("tcp", "tcp"), ("udp", "udp"), ("icmp", "icmp"), ("all", all)];
    if !chosen.is_empty() && !choices.iter().any(|(value, _)| *value == chosen) {
        choices.push((chosen, chosen));
    }
    let choice = |(value, label): (&str, &str)| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen: value == chosen,
    };
    choices.into_iter().map(choice).collect()
}

fn above(of: &Context<'_>, trouble: Option<&FormTrouble>) -> Option<Markup> {
    let t = of.texts();
    match trouble? {
        FormTrouble::Refused(refusal) => Some(refusal.of_account(of)),
        FormTrouble::Field(Field::Nothing) => Some(t.vpc_pages.nothing_chosen.into()),
        FormTrouble::Field(_) => None,
    }
}

/// What is wrong with the fields that say what traffic a rule is for.
pub(super) fn at_traffic(of: &Context<'_>, trouble: Option<&FormTrouble>) -> Option<&'static str> {
    at(of, trouble, Field::Ports).or(at(of, trouble, Field::Protocol))
}

/// What is wrong with a field.
pub(super) fn at(
    of: &Context<'_>,
    trouble: Option<&FormTrouble>,
    field: Field,
) -> Option<&'static str> {
    let v = of.texts().vpc_pages;
    if trouble != Some(&FormTrouble::Field(field)) {
        return None;
    }
    Some(match field {
        Field::Destination => v.unreadable_destination,
        Field::Target => v.unreadable_target,
        Field::Protocol => v.unreadable_protocol,
        Field::Ports => v.unreadable_ports,
        Field::Peer => v.unreadable_peer,
        Field::Nothing => v.nothing_chosen,
    })
}
