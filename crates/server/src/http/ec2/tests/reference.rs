//! `docs/ec2-actions.md`: every action with its parameters and filters, as the code has them. It is written anew by
//! `INSTA_UPDATE=always cargo nextest run -p causeway-server --lib the_reference`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use aws::params::Params;
use model::World;

use super::forms::FORMS;
use super::kit::{Kit, kit};
use super::selection::selecting;
use super::stage::{Stage, alice};
use super::surface::{self, SURFACE};
use crate::http::ec2::{ACTIONS, Action, absent, without_effect};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ec2-actions.md");

const UNSUPPORTED: &str = "UnsupportedOperation";

const BEGINNING: &str = "\
# Actions of EC2, STS and IAM

A test writes this page from the code and from botocore's model of EC2, and fails where it is not what they say
(`INSTA_UPDATE=always cargo nextest run -p causeway-server --lib the_reference` writes it anew). What is special
about an action is in [api.md](api.md).

## Actions

Beside its own parameters each action of EC2 takes `DryRun`. A structure has all its fields, but for those that
stand in another column. Parameters *without effect* are taken, as clients send them, and change nothing; what
else an action does not have is answered with `UnknownParameter`, or with a refusal that says what there is
instead.

| action | parameters | without effect | refused |
| --- | --- | --- | --- |
";

const FILTERS: &str = "
## Filters

Every filter that EC2 documents for an action is taken, with `*` and `?` in its values, and so are `tag:KEY`,
`tag-key` and `tag-value` where the resource has tags. A filter *that finds nothing* is about what no resource
has here. Any other name is `InvalidParameterValue`.

| action | filters | that find nothing |
| --- | --- | --- |
";

const NOTHING: &str = "
## Listed as empty

There is nothing of what these list. They take EC2's filters; an id is not found, by the code of its kind.

";

const NOT_OFFERED: &str = "
## Not offered

Actions that make what Causeway does not have are `UnsupportedOperation`, with what there is instead; those that
change or delete it find nothing (the kind's `NotFound`).

";

const UNKNOWN: &str = "
## Unknown

All other actions of EC2 are `InvalidAction`:

";

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// No form reads it.
    Refused,
    WithoutEffect,
    Taken,
}

/// Whether an action reads a parameter, by a request with it; `None` where the request was refused for
/// something else before anybody asked for it.
fn tried(stage: &Stage, world: &World, form: &str, name: &str) -> Option<Fate> {
    let params = Params::parse(form.as_bytes()).unwrap();
    let request = stage.request(alice(), &params);
    let action = params.get("Action").unwrap();
    let entry = ACTIONS.iter().find(|(_, known, _)| *known == action).unwrap();
    let error = match &entry.2 {
        Action::Read(read) => read(world, &request).err(),
        Action::Write { parse, .. } => parse(world, &request).err(),
        Action::Issue(parse) => parse(world, &request).err(),
    };
    if params.was_read(name) {
        return match error {
            Some(error) if error.code == UNSUPPORTED => Some(Fate::Refused),
            _ => Some(Fate::Taken),
        };
    }
    let Some(error) = error else { return Some(Fate::Refused) };
    let top = name.split('.').next().unwrap();
    let whole = |named: &str| name == named || name.starts_with(&format!("{named}."));
    let refused = error.message.strip_prefix("The parameter ");
    match refused.and_then(|message| message.split_once(" cannot be used: ")) {
        Some((named, _)) => whole(named).then_some(Fate::Refused),
        None if error.code == UNSUPPORTED => Some(Fate::Refused),
        // It is not asked for its value, as it is one too many here.
        None if error.code == "InvalidParameterCombination" && error.message.contains(top) => {
            Some(Fate::Taken)
        }
        None => None,
    }
}

/// A value that a parameter may have, of the things of a kit.
fn sample<'k>(own: &'k Kit, action: &str, name: &str, kind: &'k str) -> &'k str {
    let last = name.strip_suffix(".1").unwrap_or(name).rsplit('.').next().unwrap();
    let filters = || surface::of(action).filters.as_ref()?.first().copied();
    match (last, kind.split_at(1)) {
        (_, ("=", word)) => word,
        (_, (_, "boolean")) => "true",
        (_, (_, "integer" | "long" | "double" | "float")) => "1",
        (_, (_, "timestamp")) => "2026-01-31T12:00:00Z",
        ("Name", _) if name.starts_with("Filter.") => filters().unwrap_or("x"),
        ("CidrIpv6" | "Ipv6CidrBlock" | "DestinationIpv6CidrBlock", _) => "2001:db8::/32",
        ("CidrIp" | "CidrIpv4" | "CidrBlock" | "DestinationCidrBlock" | "Cidr", _) => {
            "10.66.0.0/16"
        }
        ("PrivateIpAddress", _) => "10.1.1.77",
        ("DeviceName", _) => "/dev/xvda",
        ("IpProtocol", _) => "-1",
        ("PrefixListId" | "DestinationPrefixListId", _) => &own["list"],
        ("GroupId" | "SecurityGroupId" | "ReferencedGroupId", _) => &own["other"],
        ("SecurityGroupRuleId", _) => &own["rule"],
        ("InstanceId", _) => &own["single"],
        ("NetworkInterfaceId", _) => &own["eni"],
        ("SubnetId", _) => &own["subnet"],
        ("VpcId", _) => &own["vpc"],
        _ => "x",
    }
}

/// What may have to stand beside a parameter, so that it is asked for: nothing, or the other fields of its
/// structures. `TagSpecification` has one field more for each kind of resource.
fn beside(own: &Kit, action: &str, name: &str) -> Vec<String> {
    let all: Vec<(String, &str)> = surface::of(action)
        .parameters
        .iter()
        .map(|(path, kind)| (path.replace("[]", ".1"), *kind))
        .collect();
    let mut found = vec![String::new()];
    let mut structure = name;
    let mut fields = String::new();
    while let Some((outer, _)) = structure.rsplit_once('.') {
        structure = outer;
        for (other, kind) in &all {
            let Some(field) = other.strip_prefix(&format!("{outer}.")) else { continue };
            if other != name && !field.contains('.') && !fields.contains(&format!("&{other}=")) {
                fields.push_str(&format!("&{other}={}", sample(own, action, other, kind)));
                found.push(format!("&{other}={}", sample(own, action, other, kind)));
            }
        }
        found.push(fields.clone());
    }
    if name.starts_with("TagSpecification.") {
        let of = "TagSpecification.1.ResourceType";
        let key = if name.ends_with(".Key") { "" } else { "&TagSpecification.1.Tag.1.Key=k" };
        found.extend(TAGGED.iter().map(|kind| format!("&{of}={kind}{key}")));
    }
    found
}

/// The kinds of resource that take tags when they are made.
const TAGGED: [&str; 21] = [
    "dhcp-options",
    "egress-only-internet-gateway",
    "elastic-ip",
    "instance",
    "internet-gateway",
    "key-pair",
    "natgateway",
    "network-acl",
    "network-insights-analysis",
    "network-insights-path",
    "network-interface",
    "prefix-list",
    "route-table",
    "security-group",
    "security-group-rule",
    "subnet",
    "subnet-cidr-reservation",
    "volume",
    "vpc",
    "vpc-flow-log",
    "vpc-peering-connection",
];

/// The fates of an action's parameters, by their names without `[]`; and of which it could not be told.
fn fates(
    stage: &Stage,
    world: &World,
    own: &Kit,
    action: &str,
) -> (BTreeMap<String, Fate>, Vec<String>) {
    // What is always refused says which of its parameters are.
    let filled = |refused: bool| {
        let forms = FORMS.iter().filter(|form| form.action == action);
        let forms = forms.filter(|form| (form.refused == Some(UNSUPPORTED)) == refused);
        forms.map(|form| form.filled(own, None)).collect::<Vec<_>>()
    };
    let (forms, refused) = (filled(false), filled(true));
    let given = |form: &String, name: &str| format!("{form}&").contains(&format!("&{name}="));
    let (mut fates, mut unknown) = (BTreeMap::new(), Vec::new());
    for (path, kind) in &surface::of(action).parameters {
        let name = path.replace("[]", ".1");
        if name == "DryRun" {
            continue;
        }
        let one = |form: &String, beside: &String| {
            let mut form = format!("{form}&{name}={}", sample(own, action, &name, kind));
            for pair in beside.split('&').filter(|pair| !pair.is_empty()) {
                let (other, _) = pair.split_once('=').unwrap();
                if !given(&form, other) {
                    form = format!("{form}&{pair}");
                }
            }
            tried(stage, world, &form, &name)
        };
        let fate = if without_effect::of(action).any(|(known, _)| known == *path) {
            Some(Fate::WithoutEffect)
        } else if forms.iter().any(|form| given(form, &name)) {
            Some(Fate::Taken)
        } else if refused.iter().any(|form| given(form, &name)) {
            Some(Fate::Refused)
        } else {
            let beside = beside(own, action, &name);
            let tries =
                forms.iter().flat_map(|form| beside.iter().map(move |more| one(form, more)));
            tries.max().flatten()
        };
        match fate {
            Some(fate) => {
                fates.insert(path.replace("[]", ""), fate);
            }
            None => unknown.push(format!("{action} {name}")),
        }
    }
    (fates, unknown)
}

fn ticked(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A row: a structure with all its fields is named alone, and so is one of which nothing is taken.
fn row(action: &str, fates: &BTreeMap<String, Fate>) -> String {
    let top = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let mut columns: BTreeMap<Fate, BTreeSet<String>> = BTreeMap::new();
    for (name, fate) in fates {
        let whole: BTreeSet<Fate> = fates
            .iter()
            .filter(|(other, _)| top(other) == top(name))
            .map(|(_, fate)| *fate)
            .collect();
        let shown = if *fate == Fate::Taken || whole.len() == 1 { top(name) } else { name.clone() };
        columns.entry(*fate).or_default().insert(shown);
    }
    let column = |fate| ticked(columns.get(&fate).into_iter().flatten());
    let columns = [Fate::Taken, Fate::WithoutEffect, Fate::Refused].map(column);
    format!("| `{action}` | {} |\n", columns.join(" | "))
}

/// The page, and what keeps it from being right.
fn page() -> (String, Vec<String>) {
    let mut stage = Stage::new();
    let own = kit(&mut stage, alice(), 1);
    let world = stage.world.clone();
    let mut text = BEGINNING.to_owned();
    let mut wrong = Vec::new();
    for (_, action, _) in ACTIONS {
        let mut forms = FORMS.iter().filter(|form| form.action == *action).peekable();
        if forms.peek().is_some() && forms.all(|form| form.refused == Some(UNSUPPORTED)) {
            writeln!(text, "| `{action}` | always `UnsupportedOperation` | | |").unwrap();
        } else {
            let (fates, unknown) = fates(&stage, &world, &own, action);
            text.push_str(&row(action, &fates));
            wrong.extend(unknown);
        }
    }
    if !wrong.is_empty() {
        wrong.insert(0, "these are refused for something else; add forms to forms.txt:".to_owned());
    }
    text.push_str(FILTERS);
    let (selecting, findings) = selecting();
    wrong.extend(findings);
    for (action, (some, none)) in selecting {
        writeln!(text, "| `{action}` | {} | {} |", ticked(some), ticked(none)).unwrap();
    }
    let ours = |action: &str| ACTIONS.iter().any(|(_, name, _)| *name == action);
    text.push_str(NOTHING);
    text.push_str(&ticked(absent::reads()));
    text.push_str(".\n");
    text.push_str(NOT_OFFERED);
    let (mut nouns, mut unknown) = (BTreeMap::<&str, Vec<&str>>::new(), Vec::new());
    for entry in
        SURFACE.iter().filter(|entry| !ours(entry.action) && !absent::is_read(entry.action))
    {
        match absent::noun_of(entry.action) {
            Some(noun) => nouns.entry(noun).or_default().push(entry.action),
            None => unknown.push(entry.action),
        }
    }
    for (noun, actions) in nouns {
        writeln!(text, "- {noun}: {}", ticked(actions)).unwrap();
    }
    text.push_str(UNKNOWN);
    text.push_str(&ticked(unknown));
    text.push_str(".\n");
    (text, wrong)
}

#[test]
fn the_reference_says_what_the_code_does() {
    let (text, wrong) = page();
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        std::fs::write(PATH, &text).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    let differs = text.lines().zip(written.lines()).find(|(now, before)| now != before);
    assert!(
        text == written,
        "docs/ec2-actions.md is not what the code says; write it anew with INSTA_UPDATE=always: {differs:#?}"
    );
}

/// What takes no effect must be a parameter that EC2 has, of an action that is here.
#[test]
fn what_has_no_effect_is_a_parameter_of_its_action() {
    for (_, action, _) in ACTIONS {
        let known = &surface::of(action).parameters;
        for (path, _) in without_effect::of(action) {
            // The name that the documentation has, and not the wire.
            let path = path.replace("UserIdGroupPairs", "Groups");
            assert!(known.iter().any(|(name, _)| *name == path), "{action} has no {path}");
        }
    }
    let actions: BTreeSet<&str> = ACTIONS.iter().map(|(_, name, _)| *name).collect();
    assert!(without_effect::actions().all(|action| actions.contains(action)));
}
