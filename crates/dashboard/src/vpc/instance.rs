//! An instance: what it is, what it wrote, and the question before it is terminated.

use askama::Template;
use model::{Exit, Instance, InstanceState, SecurityGroupId, Vpc};

use super::head::Head;
use super::instances::state_sign;
use super::paths;
use crate::context::Context;
use crate::markup::{Markup, command, copy_button, fill, in_english, link, listed, mono, text};
use crate::moment;
use crate::refusal::Refusal;
use crate::shell::Shell;
use crate::texts::VpcTexts;
use crate::viewer::name_in;

#[derive(Template)]
#[template(path = "vpc/instance.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    name: String,
    id: String,
    path: String,
    instances: String,
    state: Markup,
    told: Option<Markup>,
    facts: Vec<(&'static str, Markup, Markup)>,
    /// Where it is asked whether to terminate it; `None` for who may not, and once it has ended.
    terminate: Option<String>,
    console: &'a str,
}

/// An instance of a VPC that the viewer must see. `console` is what it wrote last.
pub fn instance<'a>(
    of: &Context<'a>,
    vpc: &Vpc,
    instance: &Instance,
    console: &'a str,
) -> askama::Result<String> {
    let t = of.texts();
    let v = t.vpc_pages;
    let name = name_in(&instance.tags, instance.id);
    let ends = of.viewer.may_change_vpc(vpc) && !instance.state.ends();
    Page {
        shell: Shell::new(of, name.as_str().into()),
        v,
        head: Head::new(of, vpc, None),
        id: instance.id.to_string(),
        path: paths::instance(vpc, instance.id),
        instances: paths::instances(vpc),
        state: state_sign(instance.state),
        told: (instance.state == InstanceState::ShuttingDown)
            .then(|| fill(v.told_terminating, &[("instance", mono(instance.id))])),
        facts: facts(of, vpc, instance),
        terminate: ends.then(|| paths::terminate(vpc, instance.id)),
        console,
        name,
    }
    .render()
}

fn facts(of: &Context<'_>, vpc: &Vpc, instance: &Instance) -> Vec<(&'static str, Markup, Markup)> {
    let (t, world) = (of.texts(), of.world);
    let v = t.vpc_pages;
    let copied = |label: &'static str, value: String| {
        let copy = copy_button(t, label, &value);
        (label, mono(value), copy)
    };
    let plain = |label: &'static str, value: Markup| (label, value, Markup::default());
    let mut facts = Vec::new();
    if instance.state != InstanceState::Terminated {
        facts.push(copied(v.address, instance.address.to_string()));
        let subnet = world.subnet(instance.subnet);
        let name = subnet.map_or_else(String::new, |subnet| name_in(&subnet.tags, subnet.id));
        facts.push(plain(v.subnet, text(name)));
        let groups = world.eni(instance.eni).into_iter().flat_map(|eni| &eni.groups);
        let group = |id: &SecurityGroupId| {
            let name = world.group(*id).map_or_else(|| mono(id), |group| text(&group.name));
            link(&paths::group(vpc, *id), &name)
        };
        facts.push(plain(v.groups, listed(groups.map(group))));
    }
    if let Some(reason) = reason(of, instance) {
        facts.push(plain(v.reason, reason));
    }
    facts.push(plain(v.kind, mono(&instance.instance_type)));
    facts.push(plain(v.image, mono(&instance.image)));
    facts.push(plain(v.launched, moment::date_time(t, instance.launched).into()));
    facts
}

/// Why it ended, or is about to.
fn reason(of: &Context<'_>, instance: &Instance) -> Option<Markup> {
    let v = of.texts().vpc_pages;
    if instance.state.wants_to_run() {
        return None;
    }
    Some(match &instance.exit {
        None if instance.state.ends() => v.exit_asked.into(),
        None => v.exit_stopped.into(),
        Some(Exit::Code(code)) => fill(v.exit_code, &[("n", text(code))]),
        Some(Exit::Signal(signal)) => fill(v.exit_signal, &[("n", text(signal))]),
        Some(Exit::OutOfMemory) => v.exit_memory.into(),
        Some(Exit::Failed(why)) => fill(v.exit_failed, &[("why", in_english(of.texts(), why))]),
    })
}

/// The state of an instance that a form was made for.
pub fn state_shown(instance: &Instance) -> String {
    format!("{}@{}", instance.state.name(), instance.since.millis())
}

#[derive(Template)]
#[template(path = "vpc/terminate.html")]
struct Question<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    name: String,
    id: String,
    path: String,
    instances: String,
    title: Markup,
    state: Markup,
    text: Markup,
    refused: Option<Markup>,
    typed_wrong: bool,
    typed: &'a str,
    may: bool,
    cannot: Markup,
    type_to_go_on: Markup,
    action: String,
    shown: String,
    command: Markup,
}

/// The question before an instance is terminated. `refused` says why it was not, and `typed` is what was
/// typed then.
pub fn terminate<'a>(
    of: &Context<'a>,
    vpc: &Vpc,
    instance: &Instance,
    refused: Option<&Refusal>,
    typed: &'a str,
) -> askama::Result<String> {
    let t = of.texts();
    let v = t.vpc_pages;
    let id = instance.id.to_string();
    let name = name_in(&instance.tags, instance.id);
    let title = fill(v.terminate_title, &[("instance", text(&name))]);
    let typed_wrong = refused == Some(&Refusal::TypedWrong);
    Question {
        shell: Shell::new(of, title.clone()),
        v,
        head: Head::new(of, vpc, None),
        title,
        path: paths::instance(vpc, instance.id),
        instances: paths::instances(vpc),
        state: state_sign(instance.state),
        text: fill(v.terminate_text, &[("address", mono(instance.address))]),
        refused: refused.filter(|_| !typed_wrong).map(|refusal| refusal.of_account(of)),
        typed_wrong,
        typed,
        may: of.viewer.may_change_vpc(vpc) && !instance.state.ends(),
        cannot: fill(v.instance_ended, &[("state", text(instance.state.name()))]),
        type_to_go_on: fill(v.type_to_terminate, &[("instance", mono(&id))]),
        action: paths::terminate(vpc, instance.id),
        shown: state_shown(instance),
        command: command(
            t,
            &[
                "aws",
                "ec2",
                "terminate-instances",
                &format!("--region {}", vpc.region),
                &format!("--instance-ids {id}"),
            ],
        ),
        id,
        name,
    }
    .render()
}
