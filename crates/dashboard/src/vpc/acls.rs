//! The network ACLs of a VPC.

use std::sync::Arc;

use askama::Template;
use model::{Direction, Key, NetworkAcl, Vpc};

use super::head::{Head, Part};
use super::rules;
use crate::context::Context;
use crate::markup::{Markup, Sign, fill, listed, mono, text};
use crate::shell::Shell;
use crate::texts::VpcTexts;
use crate::viewer::name_in;

#[derive(Template)]
#[template(path = "vpc/acls.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    acls: Vec<Acl>,
}

struct Acl {
    id: String,
    name: String,
    subnets: Markup,
    /// The entries of each direction, under a heading.
    ways: Vec<(&'static str, &'static str, Vec<Entry>)>,
}

struct Entry {
    number: String,
    decision: Markup,
    traffic: Markup,
    block: Markup,
}

/// The network ACLs of a VPC, which the viewer must see.
pub fn acls(of: &Context<'_>, vpc: &Vpc) -> askama::Result<String> {
    let t = of.texts();
    let head = Head::new(of, vpc, Some(Part::Acls));
    let title = [("a", text(&head.name)), ("b", t.vpc_pages.acls.into())];
    let mut acls: Vec<&Arc<NetworkAcl>> = of.world.acls_in(Key::Vpc(vpc.id)).collect();
    acls.retain(|acl| acl.vpc == vpc.id);
    acls.sort_by_key(|acl| (!acl.is_default, acl.id));
    Page {
        shell: Shell::new(of, fill("{a} {b}", &title)),
        v: t.vpc_pages,
        acls: acls.into_iter().map(|acl| shown(of, acl)).collect(),
        head,
    }
    .render()
}

fn shown(of: &Context<'_>, acl: &NetworkAcl) -> Acl {
    let v = of.texts().vpc_pages;
    let mut subnets: Vec<String> = of
        .world
        .subnets_in(Key::NetworkAcl(acl.id))
        .map(|subnet| name_in(&subnet.tags, subnet.id))
        .collect();
    subnets.sort();
    let way = |key, label, direction| (key, label, entries(of, acl, direction));
    Acl {
        id: acl.id.to_string(),
        name: acl.tags.get("Name").cloned().unwrap_or_default(),
        subnets: match subnets.is_empty() {
            true => v.no_subnet_follows.into(),
            false => fill(v.acl_of, &[("subnets", listed(subnets.into_iter().map(text)))]),
        },
        ways: vec![
            way("in", v.acl_in, Direction::Ingress),
            way("out", v.acl_out, Direction::Egress),
        ],
    }
}

/// The entries of a direction, and the denial that comes last.
fn entries(of: &Context<'_>, acl: &NetworkAcl, direction: Direction) -> Vec<Entry> {
    let v = of.texts().vpc_pages;
    let decision = |allows: bool| match allows {
        true => Sign::Ok.with(v.allow),
        false => Sign::Bad.with(v.deny),
    };
    let set = acl.entries(direction).iter().map(|(number, entry)| Entry {
        number: number.to_string(),
        decision: decision(entry.allow),
        traffic: rules::traffic(of, entry.traffic),
        block: mono(entry.cidr),
    });
    let last = Entry {
        number: "*".to_owned(),
        decision: decision(false),
        traffic: v.the_rest.into(),
        block: mono("0.0.0.0/0"),
    };
    set.chain([last]).collect()
}
