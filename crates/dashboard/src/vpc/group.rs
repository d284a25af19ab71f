//! A security group: its rules, and the form that changes them.

use askama::Template;
use model::{
    Direction, Ec2Command, GroupPeer, GroupRule, IpProtocol, PortRange, SecurityGroup,
    SecurityGroupRuleId, Traffic, Vpc,
};

use super::edit::Edit;
use super::forms::{self, Choice, Frame};
use super::head::Head;
use super::network::members;
use super::notice::Did;
use super::paths;
use super::rules::{self, RuleRow};
use super::table::link;
use super::wish::{Field, Fields, FormTrouble};
use crate::context::Context;
use crate::markup::{Markup, copy_button, fill, mono};
use crate::shell::Shell;
use crate::texts::VpcTexts;

#[derive(Template)]
#[template(path = "vpc/group.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    frame: Frame,
    name: String,
    id: String,
    copy: Markup,
    about: String,
    members: Markup,
    rows: Vec<(RuleRow, Option<RowActions>)>,
    form_title: Markup,
    typed: Typed,
    protocols: Vec<Choice>,
    wrong_ports: Option<&'static str>,
    wrong_peer: Option<&'static str>,
}

/// What can be done with a row.
struct RowActions {
    replace: String,
    remove: String,
}

/// What the form has.
#[derive(Default)]
struct Typed {
    replaces: String,
    is_out: bool,
    protocol: String,
    ports: String,
    peer: String,
    description: String,
}

/// A security group of a VPC that the viewer must see. `typed` is what the form has, and `trouble` why it
/// did not lead on.
pub fn group<'a>(
    of: &Context<'a>,
    vpc: &Vpc,
    group: &SecurityGroup,
    typed: Fields<'a>,
    trouble: Option<&FormTrouble>,
    did: Option<&Did>,
) -> askama::Result<String> {
    let t = of.texts();
    let v = t.vpc_pages;
    let frame = Frame::new(of, vpc, trouble, did, None);
    let may_change = frame.may_change;
    let id = group.id.to_string();
    let rows = rules::sorted(group).into_iter().map(|(rule_id, rule)| {
        let actions = may_change.then(|| actions(vpc, group, rule_id, rule));
        (rules::row(of, rule_id, rule), actions)
    });
    let typed = form(group, typed);
    Page {
        shell: Shell::new(of, format!("{} {}", t.security_group, group.name).into()),
        v,
        head: Head::new(of, vpc, None),
        frame,
        name: group.name.to_string(),
        copy: copy_button(t, t.security_group, &id),
        about: group.description.clone(),
        members: members(of, group),
        rows: rows.collect(),
        form_title: match typed.replaces.is_empty() {
            true => v.rule_form.into(),
            false => fill(v.rule_form_replace, &[("rule", mono(&typed.replaces))]),
        },
        protocols: forms::protocols(of, &typed.protocol),
        wrong_ports: forms::at_traffic(of, trouble),
        wrong_peer: forms::at(of, trouble, Field::Peer),
        typed,
        id,
    }
    .render()
}

fn actions(
    vpc: &Vpc,
    group: &SecurityGroup,
    id: SecurityGroupRuleId,
    rule: &GroupRule,
) -> RowActions {
    let (direction, rules, ids) = (rule.direction, Vec::new(), vec![id]);
    let remove = Ec2Command::RevokeSecurityGroup { group: group.id, direction, rules, ids };
    RowActions {
        replace: format!("{}?replaces={id}#form", paths::group(vpc, group.id)),
        remove: Edit::new(vec![remove]).map_or_else(String::new, |edit| link(vpc, &edit)),
    }
}

/// What the form has: what was typed; or a rule that is to be replaced, as it is.
fn form(group: &SecurityGroup, fields: Fields<'_>) -> Typed {
    let replaced = fields.get("replaces").parse::<SecurityGroupRuleId>().ok();
    let replaced = replaced.and_then(|id| Some((id, group.rules.get(&id)?)));
    let replaces = replaced.map_or_else(String::new, |(id, _)| id.to_string());
    if !fields.get("protocol").is_empty() {
        let text = |name| fields.get(name).to_owned();
        return Typed {
            replaces,
            is_out: fields.get("direction") == "out",
            protocol: text("protocol"),
            ports: text("ports"),
            peer: text("peer"),
            description: text("description"),
        };
    }
    let Some((_, rule)) = replaced else {
        return Typed { protocol: "tcp".to_owned(), ..Typed::default() };
    };
    let ports = |range: PortRange| match range {
        PortRange::ALL => String::new(),
        range => range.to_string(),
    };
    let (protocol, ports) = match rule.traffic {
        Traffic::All => ("all".to_owned(), String::new()),
        Traffic::Tcp(range) => ("tcp".to_owned(), ports(range)),
        Traffic::Udp(range) => ("udp".to_owned(), ports(range)),
        Traffic::Icmp { kind, .. } => {
            ("icmp".to_owned(), kind.map_or_else(String::new, |kind| kind.to_string()))
        }
        Traffic::Icmpv6 { .. } => (IpProtocol::ICMPV6.0.to_string(), String::new()),
        Traffic::Protocol(protocol) => (protocol.0.to_string(), String::new()),
    };
    Typed {
        replaces,
        is_out: rule.direction == Direction::Egress,
        protocol,
        ports,
        peer: match rule.peer {
            GroupPeer::Cidr(block) => block.to_string(),
            GroupPeer::Ipv6(block) => block.to_string(),
            GroupPeer::PrefixList(list) => list.to_string(),
            GroupPeer::Group { group, .. } => group.to_string(),
        },
        description: rule.description.clone().unwrap_or_default(),
    }
}
