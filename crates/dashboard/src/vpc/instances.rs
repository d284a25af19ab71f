//! The instances of a VPC, and the form that starts one.

use std::sync::Arc;

use askama::Template;
use model::{IMAGES, Instance, InstanceId, InstanceState, Key, Vpc};

use super::head::{Head, Part};
use super::wish::Fields;
use super::{forms, paths};
use crate::context::Context;
use crate::markup::{Markup, Sign, command, fill, mono, text};
use crate::moment;
use crate::refusal::Refusal;
use crate::shell::Shell;
use crate::texts::VpcTexts;
use crate::viewer::name_in;

/// What the form of the page came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Begin<'a> {
    /// What it has.
    pub typed: Fields<'a>,
    /// Why nothing was started.
    pub refused: Option<&'a Refusal>,
    /// The instance that was just started.
    pub started: Option<InstanceId>,
}

#[derive(Template)]
#[template(path = "vpc/instances.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    may_change: bool,
    told: Option<Markup>,
    refused: Option<Markup>,
    rows: Vec<Row>,
    action: String,
    name: &'a str,
    script: &'a str,
    subnets: Vec<forms::Choice>,
    groups: Vec<forms::Choice>,
    network: String,
    command: Markup,
}

struct Row {
    name: String,
    id: String,
    path: String,
    state: Markup,
    address: Markup,
    subnet: String,
    groups: Vec<(String, String)>,
    launched: String,
}

/// The instances of a VPC, which the viewer must see.
pub fn instances<'a>(of: &Context<'a>, vpc: &Vpc, begin: Begin<'a>) -> askama::Result<String> {
    let (t, world) = (of.texts(), of.world);
    let v = t.vpc_pages;
    let head = Head::new(of, vpc, Some(Part::Instances));
    let title = [("a", text(&head.name)), ("b", v.instances.into())];
    let mut instances: Vec<&Arc<Instance>> = world
        .instances_of(Key::Account(vpc.account))
        .filter(|instance| instance.vpc == vpc.id)
        .collect();
    instances.sort_by_key(|instance| {
        (instance.state == InstanceState::Terminated, instance.launched, instance.id)
    });
    let mut subnets: Vec<_> = world.subnets_in(Key::Vpc(vpc.id)).collect();
    subnets.sort_by_key(|subnet| subnet.cidr);
    let first = subnets.first().map(|subnet| subnet.id.to_string());
    let chosen = begin.typed.get("subnet");
    let subnets = subnets.iter().map(|subnet| forms::Choice {
        value: subnet.id.to_string(),
        label: format!("{} · {}", name_in(&subnet.tags, subnet.id), subnet.cidr),
        is_chosen: subnet.id.to_string() == chosen,
    });
    let is_first_look = begin.typed.0.is_empty();
    let groups = forms::groups(world, vpc).into_iter().map(|group| forms::Choice {
        value: group.id.to_string(),
        label: format!("{} · {}", group.name, group.id),
        is_chosen: match is_first_look {
            true => group.id == vpc.default_group,
            false => begin.typed.all("group").any(|id| id == group.id.to_string()),
        },
    });
    Page {
        shell: Shell::new(of, fill("{a} {b}", &title)),
        v,
        may_change: of.viewer.may_change_vpc(vpc),
        told: begin
            .started
            .filter(|id| world.instance(*id).is_some_and(|own| own.vpc == vpc.id))
            .map(|id| fill(v.told_started, &[("instance", mono(id))])),
        refused: begin.refused.map(|refusal| refusal.of_account(of)),
        rows: instances.into_iter().map(|instance| row(of, vpc, instance)).collect(),
        action: paths::instances(vpc),
        name: begin.typed.get("name"),
        script: begin.typed.get("script"),
        subnets: subnets.collect(),
        groups: groups.collect(),
        network: crate::paths::vpc(vpc),
        command: command(
            t,
            &[
                "aws",
                "ec2",
                "run-instances",
                &format!("--region {}", vpc.region),
                &format!("--image-id {}", IMAGES.first().map_or("ami-…", |image| &*image.id)),
                "--count 1",
                &format!("--subnet-id {}", first.as_deref().unwrap_or("subnet-…")),
                &format!("--security-group-ids {}", vpc.default_group),
            ],
        ),
        head,
    }
    .render()
}

/// The sign of an instance's state.
pub(super) fn state_sign(state: InstanceState) -> Markup {
    let sign = match state {
        InstanceState::Pending | InstanceState::Stopping | InstanceState::ShuttingDown => {
            Sign::Move
        }
        InstanceState::Running => Sign::Ok,
        InstanceState::Stopped | InstanceState::Terminated => Sign::None,
    };
    sign.with(state.name())
}

fn row(of: &Context<'_>, vpc: &Vpc, instance: &Instance) -> Row {
    let (t, world) = (of.texts(), of.world);
    let eni = world.eni(instance.eni);
    let group = |id: &model::SecurityGroupId| {
        let name = world.group(*id).map_or_else(|| id.to_string(), |group| group.name.to_string());
        (name, paths::group(vpc, *id))
    };
    Row {
        name: name_in(&instance.tags, instance.id),
        id: instance.id.to_string(),
        path: paths::instance(vpc, instance.id),
        state: state_sign(instance.state),
        address: match instance.state {
            InstanceState::Terminated => t.none.into(),
            _ => mono(instance.address),
        },
        subnet: world
            .subnet(instance.subnet)
            .map_or_else(|| instance.subnet.to_string(), |subnet| name_in(&subnet.tags, subnet.id)),
        groups: eni.into_iter().flat_map(|eni| &eni.groups).map(group).collect(),
        launched: moment::date_time(t, instance.launched),
    }
}
