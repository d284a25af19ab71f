//! The figures on the page.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use model::{DynoState, PeeringState, World};

use super::figures::Figures;
use crate::cluster::Members;
use crate::loops::{LoopHealth, LoopState};
use crate::metrics::text::{Labels, Writer, page as text};
use crate::metrics::{Metrics, OUTCOMES, Process};

/// The page.
pub(super) async fn page(figures: &Figures) -> Result<String, fmt::Error> {
    let loops = figures.supervisor.check().await;
    let state = Arc::clone(&figures.state);
    let dir = figures.edge.clone();
    let make = move || {
        let edge = dir.map(|dir| read_edge(&dir));
        text(move |writer| {
            build(writer)?;
            process(writer)?;
            requests(writer, &state.metrics)?;
            ledger(writer, &state.metrics, state.ledger.revision())?;
            reconcile(writer, &state.metrics, &loops)?;
            if let Some(members) = &state.members {
                cluster(writer, &state.metrics, members, state.ledger.revision())?;
            }
            resources(writer, &state.world())?;
            edge.map_or(Ok(()), |edge| of_edge(writer, edge))
        })
    };
    // The edge is waited for.
    tokio::task::spawn_blocking(make).await.unwrap_or(Err(fmt::Error))
}

fn label(name: &'static str, value: impl Into<String>) -> Labels {
    vec![(name, value.into())]
}

fn build(writer: &mut Writer<'_>) -> fmt::Result {
    let version = label("version", env!("CARGO_PKG_VERSION"));
    let help = "The program's version, as a label of a 1.";
    writer.gauges("causeway_build_info", help, [(version, 1u64)])
}

fn process(writer: &mut Writer<'_>) -> fmt::Result {
    let Some(now) = Process::now() else { return Ok(()) };
    writer.counter("process_cpu_seconds", "Processor time that was used, in seconds.", now.cpu)?;
    let memory = "Memory in RAM, in bytes.";
    writer.gauge("process_resident_memory_bytes", memory, now.resident)?;
    let memory = "Memory in addresses, in bytes.";
    writer.gauge("process_virtual_memory_bytes", memory, now.virtual_size)?;
    writer.gauge("process_open_fds", "Open files.", now.open_files)?;
    writer.gauge("process_max_fds", "Files that may be open.", now.most_files)?;
    writer.gauge("process_threads", "Threads.", now.threads)?;
    let help = "When the process began, in seconds since 1970.";
    writer.gauge("process_start_time_seconds", help, now.started)
}

fn requests(writer: &mut Writer<'_>, metrics: &Metrics) -> fmt::Result {
    let used = metrics.endpoints.used();
    let labels = |it: &crate::metrics::Endpoint| {
        vec![("api", it.api.to_owned()), ("action", it.action.clone())]
    };
    let rows = used.iter().flat_map(|it| {
        let counts = OUTCOMES.into_iter().zip(it.outcomes()).filter(|(_, count)| *count > 0);
        counts.map(move |(outcome, count)| {
            let mut labels = labels(it);
            labels.push(("outcome", outcome.to_owned()));
            (labels, count)
        })
    });
    let help = "Requests by API, action or route, and outcome.";
    writer.counters("causeway_requests", help, rows)?;
    let rows = used.iter().map(|it| (labels(it), it.latency.read()));
    let help = "Time until the head of an answer was ready, by API and action or route.";
    writer.durations("causeway_request_duration_seconds", help, rows)
}

fn ledger(writer: &mut Writer<'_>, metrics: &Metrics, revision: u64) -> fmt::Result {
    let ledger = &metrics.ledger;
    let commits = [
        (label("outcome", "ok"), ledger.committed.get()),
        (label("outcome", "conflict"), ledger.conflicts.get()),
        (label("outcome", "failed"), ledger.failed.get()),
    ];
    let help = "Commits of the ledger by outcome.";
    writer.counters("causeway_ledger_commits", help, commits)?;
    let commands = [
        (label("outcome", "ok"), ledger.accepted.get()),
        (label("outcome", "refused"), ledger.refused.get()),
    ];
    let help = "Commands that the ledger decided on, by outcome.";
    writer.counters("causeway_ledger_commands", help, commands)?;
    let rows = [(Labels::new(), ledger.batch.read())];
    writer.sizes("causeway_ledger_batch_commands", "Commands that share one commit.", rows)?;
    let rows = [(Labels::new(), ledger.commit.read())];
    let help = "Time until the store had a commit on the disk (fsync).";
    writer.durations("causeway_ledger_commit_duration_seconds", help, rows)?;
    let help = "Commands that wait for the ledger.";
    writer.gauge("causeway_ledger_queue_commands", help, ledger.queue.get())?;
    let help = "Changes and refusals without a log line, as the log could not keep up.";
    writer.counter("causeway_log_dropped_changes", help, ledger.unlogged.get())?;
    writer.gauge("causeway_ledger_revision", "The ledger's revision.", revision)
}

/// What a server is beside others.
fn cluster(
    writer: &mut Writer<'_>,
    metrics: &Metrics,
    members: &Members,
    revision: u64,
) -> fmt::Result {
    let help = "Whether this server leads (1) or another one does (0).";
    writer.gauge("causeway_server_leader", help, u64::from(members.epoch().is_some()))?;
    let help = "By how many revisions this server is behind the database.";
    writer.gauge("causeway_server_behind_revisions", help, members.behind(revision))?;
    let help = "For how many seconds nothing was heard of a server.";
    let list = members.list(None);
    let silent = list.iter().map(|it| (label("server", it.name.clone()), it.silent_seconds));
    writer.gauges("causeway_server_silent_seconds", help, silent)?;
    let help =
        "Time that requests waited until the world of this server was as far as the database.";
    let wait = [(Labels::new(), metrics.cluster.wait.read())];
    writer.durations("causeway_reads_wait_seconds", help, wait)?;
    let help = "Requests that were refused, as the database did not say how far it is.";
    writer.counter("causeway_reads_stale", help, metrics.cluster.stale.get())
}

fn reconcile(writer: &mut Writer<'_>, metrics: &Metrics, turns: &[LoopHealth]) -> fmt::Result {
    let figures = &metrics.reconcile;
    let loops = figures.loops();
    let named = |name: &'static str| label("loop", name);
    let runs = loops.iter().map(|(name, it)| (named(name), it.runs.get()));
    let help =
        "Runs of control loops: changes that were carried out, and comparisons of everything.";
    writer.counters("causeway_reconcile_runs", help, runs)?;
    let sweeps = loops.iter().map(|(name, it)| (named(name), it.sweep.read()));
    let help = "Time that a comparison of everything with what it must be took.";
    writer.durations("causeway_reconcile_sweep_duration_seconds", help, sweeps)?;
    let failed = loops.iter().map(|(name, it)| (named(name), it.failed_sweeps.get()));
    let help = "Comparisons in which something could not be looked at or put right.";
    writer.counters("causeway_reconcile_failed_sweeps", help, failed)?;
    let failing = loops.iter().map(|(name, it)| (named(name), it.failing.get()));
    let help = "What cannot be put right at present.";
    writer.gauges("causeway_reconcile_failing", help, failing)?;
    let revisions = loops.iter().map(|(name, it)| (named(name), it.revision.get()));
    let help = "The revision of the ledger that a control loop was last told of and carried out.";
    writer.gauges("causeway_reconcile_revision", help, revisions)?;
    let help = "Differences that nobody had ordered and that were repaired.";
    writer.counter("causeway_drift_repaired", help, figures.drift.get())?;
    let rows = [(Labels::new(), figures.in_force.took.read())];
    let help = "Time from a commit until the networks followed it.";
    writer.durations("causeway_in_force_duration_seconds", help, rows)?;
    let help = "For how long the oldest commit waits that the networks have not followed yet.";
    let oldest = figures.in_force.oldest_waits();
    writer.gauge("causeway_in_force_oldest_wait_seconds", help, oldest)?;
    let well = turns.iter().map(|it| (named(it.name), u64::from(it.is_well())));
    let help = "Whether a loop of the server does its work (1), or has ended or is stuck (0).";
    writer.gauges("causeway_loop_up", help, well)?;
    let busy = turns.iter().map(|it| {
        let step = match it.state {
            LoopState::Turns | LoopState::Ended => 0.0,
            LoopState::Works(since) | LoopState::Stuck { since, .. } => since.as_secs_f64(),
        };
        (named(it.name), step)
    });
    let help = "For how long a loop of the server has been in its present step.";
    writer.gauges("causeway_loop_step_seconds", help, busy)
}

/// How many of something are in each state: all states, also those that nothing is in, so that a query
/// finds a zero there.
fn by_state<S: Copy>(
    all: &[S],
    name: impl Fn(S) -> &'static str,
    found: impl Iterator<Item = S>,
) -> Vec<(Labels, u64)> {
    let mut counts: BTreeMap<&str, u64> = all.iter().map(|state| (name(*state), 0)).collect();
    for state in found {
        *counts.entry(name(state)).or_default() += 1;
    }
    counts.into_iter().map(|(state, count)| (label("state", state), count)).collect()
}

const fn peering(state: PeeringState) -> &'static str {
    match state {
        PeeringState::PendingAcceptance => "pending-acceptance",
        PeeringState::Provisioning => "provisioning",
        PeeringState::Active => "active",
        PeeringState::Deleting => "deleting",
        PeeringState::Deleted => "deleted",
        PeeringState::Rejected => "rejected",
        PeeringState::Failed => "failed",
    }
}

const PEERINGS: [PeeringState; 7] = [
    PeeringState::PendingAcceptance,
    PeeringState::Provisioning,
    PeeringState::Active,
    PeeringState::Deleting,
    PeeringState::Deleted,
    PeeringState::Rejected,
    PeeringState::Failed,
];

const fn dyno(state: DynoState) -> &'static str {
    match state {
        DynoState::Starting => "starting",
        DynoState::Booting => "booting",
        DynoState::Up => "up",
        DynoState::Draining => "draining",
        DynoState::Stopping => "stopping",
        DynoState::Down => "down",
        DynoState::Crashed => "crashed",
    }
}

const DYNOS: [DynoState; 7] = [
    DynoState::Starting,
    DynoState::Booting,
    DynoState::Up,
    DynoState::Draining,
    DynoState::Stopping,
    DynoState::Down,
    DynoState::Crashed,
];

const INSTANCES: [model::InstanceState; 6] = [
    model::InstanceState::Pending,
    model::InstanceState::Running,
    model::InstanceState::Stopping,
    model::InstanceState::Stopped,
    model::InstanceState::ShuttingDown,
    model::InstanceState::Terminated,
];

fn resources(writer: &mut Writer<'_>, world: &World) -> fmt::Result {
    let peerings = by_state(&PEERINGS, peering, world.peerings().map(|it| it.state));
    writer.gauges("causeway_peerings", "Peering connections by state.", peerings)?;
    let dynos = by_state(&DYNOS, dyno, world.dynos().map(|it| it.state));
    writer.gauges("causeway_dynos", "Dynos by state.", dynos)?;
    let state = |state: model::InstanceState| state.name();
    let instances = by_state(&INSTANCES, state, world.instances().map(|it| it.state));
    writer.gauges("causeway_instances", "Instances by state.", instances)?;
    let kinds = [
        ("spaces", world.spaces().count()),
        ("vpcs", world.vpcs().count()),
        ("apps", world.apps().count()),
        ("addons", world.addons().count()),
    ];
    let rows = kinds.map(|(kind, count)| (label("kind", kind), count));
    writer.gauges("causeway_resources", "Resources by kind.", rows)
}

fn read_edge(dir: &Path) -> Option<edge::Figures> {
    edge::figures(dir)
        .inspect_err(|error| tracing::debug!(%error, "the edge does not say what it counts"))
        .ok()
}

fn of_edge(writer: &mut Writer<'_>, read: Option<edge::Figures>) -> fmt::Result {
    let help = "Whether the edge answers (1) or not (0).";
    writer.gauge("causeway_edge_up", help, u64::from(read.is_some()))?;
    let Some(edge::Figures { requests, errors, latency, questions, connections }) = read else {
        return Ok(());
    };
    fn rows(of: BTreeMap<String, u64>, name: &'static str) -> impl Iterator<Item = (Labels, u64)> {
        of.into_iter().map(move |(value, count)| (label(name, value), count))
    }
    let help = "Web requests by the class of their answer's status.";
    writer.counters("causeway_edge_requests", help, rows(requests, "code"))?;
    let help = "Web requests that failed, by Heroku's error code.";
    writer.counters("causeway_edge_errors", help, rows(errors, "code"))?;
    let help = "Time that a dyno took for a web request, with the connection to it.";
    let latency = [(Labels::new(), latency)];
    writer.durations("causeway_edge_request_duration_seconds", help, latency)?;
    let help = "Clients' connections to routers.";
    writer.gauge("causeway_edge_connections", help, connections)?;
    let help = "DNS questions by what became of them.";
    writer.counters("causeway_edge_dns_queries", help, rows(questions, "outcome"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const RULES: &str = include_str!("../../../../../packaging/prometheus/causeway.rules.yml");
    const DASHBOARD: &str = include_str!("../../../../../packaging/grafana/causeway.json");
    const GUIDE: &str = include_str!("../../../../../docs/watching.md");

    /// The page of a server that has one of everything.
    fn whole() -> String {
        text(|writer| {
            let metrics = Metrics::default();
            let now = std::time::Instant::now();
            metrics.endpoints.of("ec2", "DescribeVpcs").answered(now, http::StatusCode::OK);
            let health = LoopHealth { name: "ledger", state: LoopState::Turns };
            build(writer)?;
            process(writer)?;
            requests(writer, &metrics)?;
            ledger(writer, &metrics, 7)?;
            reconcile(writer, &metrics, &[health])?;
            resources(writer, &World::default())?;
            of_edge(writer, Some(edge::Figures::default()))
        })
        .unwrap()
    }

    /// The names of the figures on a page.
    fn names(page: &str) -> BTreeSet<String> {
        let kinds = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        kinds.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }

    /// What a text names that could be a figure of ours.
    fn named(text: &str) -> BTreeSet<String> {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        text.split(|letter| !is_part(letter))
            .filter(|word| word.starts_with("causeway_") || word.starts_with("process_"))
            .map(|word| {
                let parts = ["_bucket", "_sum", "_count"];
                let whole = parts.iter().find_map(|part| word.strip_suffix(part));
                whole.unwrap_or(word).to_owned()
            })
            .collect()
    }

    #[test]
    fn alerts_dashboard_and_guide_name_figures_that_there_are() {
        let page = whole();
        let shown = names(&page);
        for (what, text) in [("rules", RULES), ("dashboard", DASHBOARD), ("guide", GUIDE)] {
            let named = named(text);
            assert!(named.len() > 10, "{what}: {named:?}");
            let unknown: Vec<_> = named.difference(&shown).collect();
            assert!(unknown.is_empty(), "{what} names what /metrics does not show: {unknown:?}");
        }
        let unknown: Vec<_> = shown.difference(&named(GUIDE)).cloned().collect();
        assert!(unknown.is_empty(), "docs/watching.md does not explain {unknown:?}");
    }

    #[test]
    fn each_alert_is_explained() {
        let alerts: Vec<_> =
            RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
        assert!(alerts.len() > 10, "{alerts:?}");
        for alert in alerts {
            assert!(GUIDE.contains(&format!("### {alert}\n")), "docs/watching.md says no {alert}");
        }
    }

    #[test]
    fn each_figure_has_its_words_and_its_kind_once() {
        let page = whole();
        for name in names(&page) {
            for line in ["HELP", "TYPE"] {
                let line = format!("# {line} {name} ");
                assert_eq!(page.matches(&line).count(), 1, "{line}");
            }
        }
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
