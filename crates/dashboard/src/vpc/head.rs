//! What stands at the top of every page of a VPC.

use model::{Key, Vpc};

use super::paths;
use crate::context::Context;
use crate::markup::{Markup, copy_button, fill, listed, strong, strong_mono};
use crate::paths::{ask, vpc as vpc_path};
use crate::viewer::vpc_name;

/// A page of a VPC among its others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Network,
    Instances,
    Interfaces,
    Acls,
    Gateways,
    Peerings,
}

/// A link to a page of a VPC.
pub(super) struct Tab {
    pub(super) label: &'static str,
    pub(super) path: String,
    pub(super) count: Option<usize>,
    pub(super) is_current: bool,
}

/// The top of a page.
pub(super) struct Head {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: Markup,
    pub(super) copy_id: Markup,
    pub(super) account: Markup,
    pub(super) region: Markup,
    pub(super) blocks: Markup,
    /// Where to ask for a peering; `None` for who may not.
    pub(super) ask: Option<String>,
    pub(super) tabs: Vec<Tab>,
    /// What to tell those whose key may change nothing.
    pub(super) reads_only: bool,
}

impl Head {
    pub(super) fn new(of: &Context<'_>, vpc: &Vpc, current: Option<Part>) -> Self {
        let (t, world) = (of.texts(), of.world);
        let key = Key::Vpc(vpc.id);
        // What has ended is on the page, and counts no more.
        let counts = |peering: &&std::sync::Arc<model::Peering>| {
            peering.visible_to(vpc.account, vpc.region, of.now) && !peering.status(of.now).ended()
        };
        let acls = world.acls_in(key).filter(|acl| acl.vpc == vpc.id).count();
        let tab = |part, name: &str, label, count| Tab {
            label,
            path: match name {
                "" => vpc_path(vpc),
                name => paths::part(vpc, name),
            },
            count,
            is_current: current == Some(part),
        };
        let v = &t.vpc_pages;
        let tabs = vec![
            tab(Part::Network, "", v.network, None),
            tab(Part::Instances, "instances", v.instances, Some(instances(of, vpc))),
            tab(Part::Interfaces, "interfaces", v.interfaces, Some(world.enis_in(key).count())),
            tab(Part::Acls, "acls", v.acls, Some(acls)),
            tab(Part::Gateways, "gateways", v.gateways, None),
            tab(
                Part::Peerings,
                "peerings",
                t.peerings,
                Some(world.peerings_of(key).filter(counts).count()),
            ),
        ];
        let id = vpc.id.to_string();
        let may_change = of.viewer.may_change_vpc(vpc);
        Self {
            name: vpc_name(vpc),
            path: vpc_path(vpc),
            copy_id: copy_button(t, t.column_vpc_id, &id),
            id: strong_mono(&id),
            account: fill(t.account_named, &[("account", strong_mono(vpc.account))]),
            region: strong(vpc.region),
            blocks: listed(vpc.blocks().map(strong_mono)),
            ask: may_change.then(|| ask(vpc)),
            tabs,
            reads_only: !may_change && of.viewer.read_only,
        }
    }
}

/// How many instances a VPC has that have not ended.
fn instances(of: &Context<'_>, vpc: &Vpc) -> usize {
    let all = of.world.instances_of(Key::Account(vpc.account));
    all.filter(|own| own.vpc == vpc.id && own.state != model::InstanceState::Terminated).count()
}
