//! Security groups: port groups with ACLs, and address sets of members.
//!
//! Each group has one row for each direction, and its rules are alternatives of one match. A connection that a
//! rule let through goes on when the rule is taken out of the match, as in EC2; it would end with the row.

use std::collections::BTreeSet;

use model::intent::{RuleIntent, VpcIntent};
use model::{Direction, SecurityGroupId, VpcId};
use ovsdb::{Datum, Row};

use crate::part::{Part, RowKey, texts};
use crate::{addresses, members, names, text};

/// From the weakest to the strongest.
const DROP: i64 = 1000;
const RULES: i64 = 1001;
const RESOLVER: i64 = 2000;
const ROUTER: i64 = 2001;
const MANY: i64 = 2002;
const FORGED: i64 = 2003;

pub(crate) fn add(part: &mut Part, id: VpcId, intent: &VpcIntent) {
    let used = intent.interfaces.values().flat_map(|interface| interface.groups.iter().copied());
    let all: BTreeSet<SecurityGroupId> = intent.groups.keys().copied().chain(used).collect();
    for group in all {
        add_group(part, id, intent, group);
    }
    for (group, all) in &intent.members {
        let seen = all.iter().filter(|member| members::is_plain(intent, member));
        let addresses: BTreeSet<String> = seen.map(|member| member.address.to_string()).collect();
        let name = names::members(id, *group);
        let row = Row::new().with("name", name.as_str()).with("addresses", Datum::set(addresses));
        part.add("Address_Set", name, row);
    }
    add_everything(part, id, intent);
}

fn add_group(part: &mut Part, id: VpcId, intent: &VpcIntent, group: SecurityGroupId) {
    let name = names::group(group);
    let ports = ports(intent, |groups| groups.contains(&group));
    let key = add_port_group(part, &name, ports);
    let rules = intent.groups.get(&group).cloned().unwrap_or_default();
    let matches = |rules: &BTreeSet<RuleIntent>, direction| {
        let (field, port) = match direction {
            Direction::Ingress => ("ip4.src", "outport"),
            Direction::Egress => ("ip4.dst", "inport"),
        };
        let members = |named| {
            let plain = format!("{field} == ${}", names::members(id, named));
            match members::others(intent, group, named, direction) {
                Some(some) => format!("({plain} || {some})"),
                None => plain,
            }
        };
        let any = text::any(rules.iter().map(|rule| text::rule(rule, field, members)));
        if rules.is_empty() { any } else { format!("{port} == @{name} && ({any})") }
    };
    let ingress = matches(&rules.ingress, Direction::Ingress);
    let egress = matches(&rules.egress, Direction::Egress);
    add_acl(
        part,
        &key,
        Acl { direction: "to-lport", priority: RULES, action: ALLOW, matches: ingress },
    );
    add_acl(
        part,
        &key,
        Acl { direction: "from-lport", priority: RULES, action: ALLOW, matches: egress },
    );
}

/// What holds for every interface of a VPC: what no group allows is dropped, the resolver can be asked, the
/// router itself answers nobody, nothing is sent to all, and no address is said to be where it is not.
fn add_everything(part: &mut Part, id: VpcId, intent: &VpcIntent) {
    let name = names::everything(id);
    let key = add_port_group(part, &name, ports(intent, |_| true));
    let mut add = |direction, priority, action, matches| {
        add_acl(part, &key, Acl { direction, priority, action, matches });
    };
    add("from-lport", DROP, "drop", format!("inport == @{name} && ip"));
    add("to-lport", DROP, "drop", format!("outport == @{name} && ip"));
    if !intent.resolvers.is_empty() {
        let asked = text::one_of("ip4.dst", &intent.resolvers);
        let question = "(udp.dst == 53 || tcp.dst == 53)";
        add("from-lport", RESOLVER, ALLOW, format!("inport == @{name} && {asked} && {question}"));
    }
    let routers =
        intent.subnets.values().filter_map(addresses::gateway).map(|gateway| gateway.to_string());
    let routers = text::one_of("ip4.dst", routers.chain([addresses::LINKS.to_owned()]));
    add("from-lport", ROUTER, "drop", format!("inport == @{name} && {routers}"));
    // A VPC has neither broadcast nor multicast, as a switch would bring it to all who take what is sent.
    let many = "ip4 && (ip4.mcast || ip4.dst == 255.255.255.255 || eth.mcast)";
    add("from-lport", MANY, "drop", format!("inport == @{name} && {many}"));
    // Who may send by any address says of no other address that it is there.
    let unchecked = intent.interfaces.iter().filter(|(_, it)| !it.source_dest_check);
    let forges = unchecked.map(|(eni, interface)| {
        let own: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
        format!("(inport == \"{}\" && arp.spa != {{{}}})", names::interface(*eni), own.join(", "))
    });
    let forges: Vec<String> = forges.collect();
    if !forges.is_empty() {
        let forges = forges.join(" || ");
        add("from-lport", FORGED, "drop", format!("inport == @{name} && arp && ({forges})"));
    }
}

const ALLOW: &str = "allow-related";

fn ports(intent: &VpcIntent, belongs: impl Fn(&[SecurityGroupId]) -> bool) -> BTreeSet<RowKey> {
    let interfaces = intent.interfaces.iter().filter(|(_, interface)| {
        !interface.translates
            && intent.subnets.contains_key(&interface.subnet)
            && belongs(&interface.groups)
    });
    interfaces.map(|(eni, _)| RowKey::new("Logical_Switch_Port", names::interface(*eni))).collect()
}

fn add_port_group(part: &mut Part, name: &str, ports: BTreeSet<RowKey>) -> RowKey {
    let key = part.add("Port_Group", name, Row::new().with("name", name));
    if let Some(wanted) = part.rows.get_mut(&key) {
        wanted.references.insert("ports", ports);
    }
    key
}

struct Acl {
    direction: &'static str,
    priority: i64,
    action: &'static str,
    matches: String,
}

fn add_acl(part: &mut Part, group: &RowKey, acl: Acl) {
    let kept: &[_] = if acl.action == ALLOW { &[("persist-established", "true")] } else { &[] };
    let name = format!("{} {} {}", group.name, acl.direction, acl.priority);
    let row = Row::new()
        .with("direction", acl.direction)
        .with("priority", acl.priority)
        .with("action", acl.action)
        .with("match", acl.matches)
        .with("options", texts(kept.iter().copied()));
    part.add_to(group, "acls", "ACL", name, row);
}
