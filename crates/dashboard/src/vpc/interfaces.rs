//! The network interfaces of a VPC.

use askama::Template;
use model::{Eni, Key, Vpc, WorkloadId};

use super::head::{Head, Part};
use super::paths;
use crate::context::Context;
use crate::markup::{Markup, fill, listed, mono, text};
use crate::shell::Shell;
use crate::texts::VpcTexts;
use crate::viewer::name_in;

#[derive(Template)]
#[template(path = "vpc/interfaces.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    rows: Vec<Row>,
    instances: String,
}

struct Row {
    id: String,
    addresses: Markup,
    subnet: String,
    groups: Vec<(String, String)>,
    user: Markup,
    user_path: Option<String>,
    ethernet: String,
}

/// The interfaces of a VPC, which the viewer must see.
pub fn interfaces(of: &Context<'_>, vpc: &Vpc) -> askama::Result<String> {
    let t = of.texts();
    let head = Head::new(of, vpc, Some(Part::Interfaces));
    let title = [("a", text(&head.name)), ("b", t.vpc_pages.interfaces.into())];
    let mut enis: Vec<_> = of.world.enis_in(Key::Vpc(vpc.id)).collect();
    enis.sort_by_key(|eni| (eni.primary(), eni.id));
    Page {
        shell: Shell::new(of, fill("{a} {b}", &title)),
        v: t.vpc_pages,
        rows: enis.into_iter().map(|eni| row(of, vpc, eni)).collect(),
        instances: paths::instances(vpc),
        head,
    }
    .render()
}

fn row(of: &Context<'_>, vpc: &Vpc, eni: &Eni) -> Row {
    let v = of.texts().vpc_pages;
    let (user, user_path) = match eni.attachment.as_ref().map(|attachment| attachment.workload) {
        Some(WorkloadId::Instance(id)) => {
            let there = of.world.instance(id).is_some();
            (mono(id), there.then(|| paths::instance(vpc, id)))
        }
        Some(WorkloadId::Dyno(_) | WorkloadId::Router(_) | WorkloadId::Service(_)) => {
            (v.platforms.into(), None)
        }
        None => (v.unused.into(), None),
    };
    let subnet = of.world.subnet(eni.subnet);
    let group = |id: &model::SecurityGroupId| {
        let name =
            of.world.group(*id).map_or_else(|| id.to_string(), |group| group.name.to_string());
        (name, paths::group(vpc, *id))
    };
    Row {
        id: eni.id.to_string(),
        addresses: listed(eni.addresses.iter().map(mono)),
        subnet: subnet
            .map_or_else(|| eni.subnet.to_string(), |subnet| name_in(&subnet.tags, subnet.id)),
        groups: eni.groups.iter().map(group).collect(),
        user,
        user_path,
        ethernet: eni.mac.to_string(),
    }
}
