//! A VPC: its peerings, subnets, route tables and security groups.

use askama::Template;
use model::{Direction, GroupPeer, Key, Peering, PeeringStatus, RouteTo, Vpc};

use crate::context::Context;
use crate::markup::{Markup, Sign, copy_button, fill, listed, mono, strong, strong_mono, text};
use crate::moment;
use crate::network::Told;
use crate::paths;
use crate::peerings::status_sign;
use crate::shell::Shell;
use crate::viewer::{name_in, vpc_name};

#[derive(Template)]
#[template(path = "vpc.html")]
struct Page<'a> {
    shell: Shell<'a>,
    told: Option<Markup>,
    name: String,
    id: Markup,
    copy_id: Markup,
    account: Markup,
    region: Markup,
    blocks: Markup,
    /// Where to ask for a peering; `None` for who may not.
    ask: Option<String>,
    peerings: Vec<PeeringRow>,
    subnets: Vec<SubnetRow>,
    tables: Vec<Table>,
    groups: Vec<Group>,
}

struct PeeringRow {
    id: String,
    status: Markup,
    role: &'static str,
    vpc: String,
    account: String,
    region: String,
    blocks: Markup,
    expires: Option<Markup>,
}

struct SubnetRow {
    name: String,
    id: String,
    block: String,
    zone: String,
    table: String,
}

struct Table {
    id: String,
    /// The subnets that follow it, or that it is the main one.
    of: Markup,
    routes: Vec<(Markup, Markup, Markup)>,
}

struct Group {
    id: String,
    name: String,
    rules: Vec<(&'static str, Markup, Markup, Markup)>,
}

/// A VPC that the viewer must see. `told` is a request that was just made.
pub fn vpc(of: &Context<'_>, vpc: &Vpc, told: Option<Told>) -> askama::Result<String> {
    let t = of.texts();
    let (key, name, id) = (Key::Vpc(vpc.id), vpc_name(vpc), vpc.id.to_string());
    let told = match told {
        Some(Told::Asked(id)) => of.world.peering(id),
        Some(Told::Accepted(_) | Told::Rejected(_) | Told::Destroyed(_)) | None => None,
    };
    let mut peerings: Vec<_> = of
        .world
        .peerings_of(key)
        .filter(|peering| peering.visible_to(vpc.account, vpc.region, of.now))
        .collect();
    peerings.sort_by_key(|peering| (peering.status(of.now).ended(), peering.expires, peering.id));
    let mut subnets: Vec<_> = of.world.subnets_in(key).collect();
    subnets.sort_by_key(|subnet| subnet.cidr);
    let subnet = |subnet: &&std::sync::Arc<model::Subnet>| SubnetRow {
        name: name_in(&subnet.tags, subnet.id),
        id: subnet.id.to_string(),
        block: subnet.cidr.to_string(),
        zone: subnet.zone.to_string(),
        table: match subnet.route_table {
            Some(own) => own.route_table.to_string(),
            None => t.main_table.to_owned(),
        },
    };
    Page {
        shell: Shell::new(of, name.as_str().into()),
        told: told.filter(|peering| peering.side(vpc.id).is_some()).map(|peering| {
            let sentence = match peering.status(of.now) {
                PeeringStatus::Failed => t.told_asked_in_vain,
                _ => t.told_asked,
            };
            fill(sentence, &[("pcx", mono(peering.id))])
        }),
        copy_id: copy_button(t, t.column_vpc_id, &id),
        id: strong_mono(&id),
        account: fill(t.account_named, &[("account", strong_mono(vpc.account))]),
        region: strong(vpc.region),
        blocks: listed(vpc.blocks().map(strong_mono)),
        ask: of.viewer.may_ask(vpc).then(|| paths::ask(vpc)),
        peerings: peerings.into_iter().map(|peering| peering_row(of, vpc, peering)).collect(),
        tables: tables(of, vpc),
        groups: groups(of, vpc),
        subnets: subnets.iter().map(subnet).collect(),
        name,
    }
    .render()
}

fn peering_row(of: &Context<'_>, vpc: &Vpc, peering: &Peering) -> PeeringRow {
    let (t, now) = (of.texts(), of.now);
    let other = peering.other_side(vpc.id).unwrap_or(&peering.accepter);
    let status = peering.status(now);
    PeeringRow {
        id: peering.id.to_string(),
        status: status_sign(peering, now).with(text(status.code())),
        role: if peering.requester.vpc == vpc.id { t.requester } else { t.accepter },
        vpc: other.vpc.to_string(),
        account: other.account.to_string(),
        region: other.region.to_string(),
        blocks: match other.cidrs.is_empty() {
            true => t.none.into(),
            false => listed(other.cidrs.iter().map(mono)),
        },
        expires: (status == PeeringStatus::PendingAcceptance)
            .then(|| moment::countdown(t, peering.expires, now)),
    }
}

fn tables(of: &Context<'_>, vpc: &Vpc) -> Vec<Table> {
    let (t, world) = (of.texts(), of.world);
    let mut tables: Vec<_> = world.route_tables_in(Key::Vpc(vpc.id)).collect();
    tables.retain(|table| table.vpc == vpc.id);
    tables.sort_by_key(|table| (table.id != vpc.main_route_table, table.id));
    let state = |alive: bool| match alive {
        true => Sign::Ok.with("active"),
        false => Sign::Bad.with("blackhole"),
    };
    let shown = tables.into_iter().map(|table| {
        let own = |subnet: &&std::sync::Arc<model::Subnet>| {
            subnet.route_table.is_some_and(|own| own.route_table == table.id)
        };
        let subnets: Vec<_> = world
            .subnets_in(Key::Vpc(vpc.id))
            .filter(own)
            .map(|subnet| text(name_in(&subnet.tags, subnet.id)))
            .collect();
        let local = vpc.blocks().map(|block| (mono(block), "local".into(), state(true)));
        let made = table.routes.iter().map(|(to, target)| {
            let shown = match target {
                RouteTo::Peering(id) => mono(id),
                RouteTo::Interface(id) => mono(id),
                RouteTo::Gateway(id) => mono(id),
            };
            (mono(to), shown, state(world.takes_packets(table, *target)))
        });
        Table {
            id: table.id.to_string(),
            of: match table.id == vpc.main_route_table {
                true => t.main_table_note.into(),
                false if subnets.is_empty() => t.no_subnets.into(),
                false => listed(subnets),
            },
            routes: local.chain(made).collect(),
        }
    });
    shown.collect()
}

fn groups(of: &Context<'_>, vpc: &Vpc) -> Vec<Group> {
    let t = of.texts();
    let mut groups: Vec<_> = of.world.groups_in(Key::Vpc(vpc.id)).collect();
    groups.retain(|group| group.vpc == vpc.id);
    groups.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let shown = groups.into_iter().map(|group| {
        let mut rules: Vec<_> = group.rules.iter().collect();
        rules.sort_by_key(|(id, rule)| (rule.direction == Direction::Egress, **id));
        let rule = |(id, rule): (&model::SecurityGroupRuleId, &model::GroupRule)| {
            let way = match rule.direction {
                Direction::Ingress => t.way_in,
                Direction::Egress => t.way_out,
            };
            let peer = match rule.peer {
                GroupPeer::Cidr(cidr) => mono(cidr),
                GroupPeer::Group { group, .. } => fill(t.members_of, &[("group", mono(group))]),
            };
            (way, mono(rule.traffic), peer, mono(id))
        };
        Group {
            id: group.id.to_string(),
            name: group.name.to_string(),
            rules: rules.into_iter().map(rule).collect(),
        }
    });
    shown.collect()
}
