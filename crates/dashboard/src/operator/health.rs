//! How the installation fares.

use std::collections::BTreeMap;

use askama::Template;
use model::World;

use super::tabs::tabs;
use crate::context::Context;
use crate::markup::{Markup, Sign, command, fill, in_english, mono, strong, strong_mono, text};
use crate::moment;
use crate::operator_paths::OperatorPart;
use crate::shell::Shell;
use crate::tabs::Tabs;
use crate::texts::Texts;

/// What the page shows beside the world.
#[derive(Debug, Clone, Copy)]
pub struct Machinery<'a> {
    /// How the fabric fares.
    pub fabric: &'a api::Fabric,
    /// What was set aside at a start.
    pub lost: &'a [api::SetAside],
    /// How each of the server's loops fares; none where it does not watch over them.
    pub loops: &'a [LoopShown],
}

/// How one of the server's loops fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopShown {
    /// The name of the loop, as `/healthz` has it.
    pub name: &'static str,
    /// Whether it turns.
    pub state: LoopState,
}

/// Whether a loop turns. Spans are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopState {
    /// It came round when it was asked.
    Turns,
    /// It is in the middle of a step, for so long already.
    Works(u64),
    /// It has been in one step for longer than that may take.
    Stuck {
        /// How long it has been.
        since: u64,
        /// How long that may take.
        bound: u64,
    },
    /// It has ended.
    Ended,
}

#[derive(Template)]
#[template(path = "operator.html")]
struct Health<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    facts: Vec<Markup>,
    is_well: bool,
    verdict: Markup,
    counts: Vec<(&'static str, usize, Vec<Markup>)>,
    loops: Vec<(&'static str, Markup)>,
    fabric: Vec<(&'static str, Markup)>,
    problems: Vec<(String, Markup)>,
    failing: Vec<(String, Markup)>,
    repairs: Vec<Markup>,
    lost: Vec<(String, String, Markup)>,
    delete_lost: Option<Markup>,
}

/// How the installation fares. Only the operator may see it.
pub fn operator_health(of: &Context<'_>, machinery: &Machinery<'_>) -> askama::Result<String> {
    let t = of.texts();
    let Machinery { fabric, lost, loops } = *machinery;
    let turns = |state| matches!(state, LoopState::Turns | LoopState::Works(_));
    let well = fabric.healthy && loops.iter().all(|each| turns(each.state));
    let whys = |whys: &BTreeMap<String, String>| {
        whys.iter().map(|(what, why)| (what.clone(), in_english(t, why))).collect()
    };
    let lost_rows = lost.iter().map(|entry| {
        (entry.id.clone(), entry.path.display().to_string(), moment::at(t, entry.since))
    });
    Health {
        shell: Shell::new(of, t.operating.title.into()),
        tabs: tabs(of, OperatorPart::Health),
        facts: facts(of),
        is_well: well,
        verdict: match well {
            true => Sign::Ok.with(t.operating.well),
            false => Sign::Bad.icon(),
        },
        counts: counts(of),
        loops: loops.iter().map(|each| (each.name, loop_state(t, each.state))).collect(),
        fabric: self::fabric(of, fabric),
        problems: whys(&fabric.problems),
        failing: whys(&fabric.failing),
        repairs: fabric.last_repairs.iter().rev().map(|words| in_english(t, words)).collect(),
        lost: lost_rows.collect(),
        delete_lost: lost.first().map(|entry| command(t, &["causeway", "lost:delete", &entry.id])),
    }
    .render()
}

fn facts(of: &Context<'_>) -> Vec<Markup> {
    let t = of.texts();
    let Some(settings) = of.world.settings() else { return Vec::new() };
    vec![
        fill(t.operating.instance, &[("name", strong(&settings.instance))]),
        fill(t.operating.region_default, &[("region", strong(settings.region))]),
        fill(t.operating.platform_account, &[("account", strong_mono(settings.platform_account))]),
        moment::at(t, of.now),
    ]
}

/// How many there are of each kind, and of each state.
fn counts(of: &Context<'_>) -> Vec<(&'static str, usize, Vec<Markup>)> {
    let (t, world): (_, &World) = (of.texts(), of.world);
    let by_state = |states: Vec<&'static str>| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for state in states {
            *counts.entry(state).or_default() += 1;
        }
        counts.into_iter().map(|(state, n)| text(format_args!("{n} {state}"))).collect()
    };
    let peerings: Vec<_> = world.peerings().map(|each| each.status(of.now).code()).collect();
    let dynos = world.dynos().filter(|dyno| dyno.is_live());
    let dynos: Vec<_> = dynos.map(|dyno| dyno.state.name()).collect();
    let instances: Vec<_> = world.instances().map(|each| each.state.name()).collect();
    vec![
        (t.operating.accounts, world.accounts().count(), Vec::new()),
        (t.operating.users, world.users().count(), Vec::new()),
        (t.operating.teams, world.teams().count(), Vec::new()),
        (t.operating.spaces, world.spaces().count(), Vec::new()),
        (t.operating.apps, world.apps().count(), Vec::new()),
        (t.operating.vpcs, world.vpcs().count(), Vec::new()),
        (t.operating.peerings, peerings.len(), by_state(peerings)),
        (t.operating.dynos, dynos.len(), by_state(dynos)),
        (t.operating.instances, instances.len(), by_state(instances)),
    ]
}

fn loop_state(t: &Texts, state: LoopState) -> Markup {
    match state {
        LoopState::Turns => Sign::Ok.with(t.operating.loop_turns),
        LoopState::Works(since) => {
            Sign::Move.with(fill(t.operating.loop_works, &[("n", text(since))]))
        }
        LoopState::Stuck { since, bound } => Sign::Bad
            .with(fill(t.operating.loop_stuck, &[("n", text(since)), ("bound", text(bound))])),
        LoopState::Ended => Sign::Bad.with(t.operating.loop_ended),
    }
}

fn fabric(of: &Context<'_>, fabric: &api::Fabric) -> Vec<(&'static str, Markup)> {
    let t = of.texts();
    let moment = |at: Option<model::Timestamp>| {
        at.map_or_else(|| t.operating.never_yet.into(), |at| moment::at(t, at))
    };
    let driver = match &*fabric.driver {
        "none" => t.operating.driver_none.into(),
        name => mono(name),
    };
    vec![
        (t.operating.driver, driver),
        (t.operating.last_run, moment(fabric.last_run)),
        (t.operating.last_sweep, moment(fabric.last_sweep)),
        (t.operating.repairs_count, text(fabric.repairs)),
    ]
}
