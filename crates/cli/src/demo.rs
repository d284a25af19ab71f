//! `causeway demo`: the document's walkthrough, on a server of its own, with packets tried at
//! each step (R6, R7, R9, R11–R18, R21).

mod child;
mod clean;
mod cluster;
mod failures;
mod observer;
mod own;
mod packet;
mod peering;
mod server;
mod stop;
mod tools;
mod traffic;
mod transcript;
mod walk;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use crate::arguments::demo::DemoArgs;
use crate::output::Out;
use crate::settings::{Fabric, variable};

use self::observer::Observer;
use self::server::Server;
use self::stop::Stop;
use self::tools::Tools;
use self::transcript::Transcript;
use self::walk::Walk;

/// What a shell shows of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// Lines of the server's log that are shown where something went wrong.
const LOG_LINES: usize = 30;

/// Walks through all of it. Nothing is left behind, however it ends.
///
/// # Errors
///
/// A server that does not start, and what cannot be cleaned up.
pub(crate) fn run(plan: &DemoArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let mut transcript = Transcript::new(out);
    let server = match &plan.connection.url {
        Some(url) => Server::attach(url, plan, &stop),
        None => start(plan, &stop),
    };
    let mut server = match server {
        Ok(server) => server,
        Err(_) if stop.is_set() => {
            let _ = transcript.line("Interrupted before anything was made.");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error) => return Err(error),
    };
    let walked = walk(&mut transcript, &server, &stop);
    if let Err(error) = &walked {
        // A reader that went away hears nothing of it; what follows is done all the same.
        let _ = report_failure(&mut transcript, error, &server, &stop);
    }
    let cleaned = server.finish();
    let _ = match (&cleaned, server.is_ours()) {
        (Ok(()), true) => transcript.line("\nThe server is gone, and everything that it made."),
        (Ok(()), false) => transcript.line("\nWhat the demo made there is gone."),
        (Err(error), _) => transcript.line(format_args!("\nNot everything is gone: {error:#}")),
    };
    if stop.is_set() {
        let _ = transcript.line(format_args!("Interrupted. Until then: {}", transcript.summary()));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let _ = transcript.line(transcript.summary());
    cleaned?;
    Ok(if walked.is_ok() && transcript.sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts a server that is the demo's own.
fn start(plan: &DemoArgs, stop: &Stop) -> anyhow::Result<Server> {
    let fabric = plan.fabric;
    if let Some(hosts) = plan.hosts {
        if !nix::unistd::geteuid().is_root() {
            bail!("the hosts of the demo are namespaces, which need root: try it with sudo");
        }
        let named = variable("CAUSEWAY_OVN").map(PathBuf::from);
        let programs = lab::Programs::find(plan.ovn.as_ref().or(named.as_ref()).map(|it| &**it))?;
        return Server::start_cluster(programs, usize::from(hosts), plan.host, stop);
    }
    if fabric == Fabric::Ovn {
        bail!("a demo of one host needs no OVN: try --fabric linux or --fabric none, or --hosts 3");
    }
    if fabric == Fabric::Linux && !nix::unistd::geteuid().is_root() {
        bail!(
            "the demo makes network namespaces, which needs root: try `sudo causeway demo`, or \
             `causeway demo --fabric none` for the APIs alone, without packets"
        );
    }
    Server::start(fabric, plan.host, stop)
}

/// The steps of the walkthrough, in order.
fn steps(mut walk: Walk<'_, '_>) -> anyhow::Result<()> {
    let (space, customer) = walk.beside(|walk| walk.space(), |walk| walk.customer_vpc())?;
    let mut network = walk.set_up(space, customer)?;
    let pcx = walk.request(&network)?;
    walk.accept(&network, &pcx)?;
    if walk.observer.server.cluster().is_some() {
        walk.placed(&network)?;
    }
    walk.open_the_way(&network, &pcx)?;
    walk.acls(&network)?;
    walk.block_by_block(&network, &pcx)?;
    if let Some(cluster) = walk.observer.server.cluster() {
        walk.lose_a_server(&network)?;
        walk.lose_a_host(&mut network, cluster)?;
    }
    walk.tear_down(&network, &pcx)?;
    walk.leave(&network)
}

fn walk(transcript: &mut Transcript<'_>, server: &Server, stop: &Stop) -> anyhow::Result<()> {
    transcript
        .line("A walk through Private Space peering: a space, a VPC that is somebody else's,")?;
    transcript.line("and what passes between them at each step.\n")?;
    transcript.line(server.described())?;
    let tools = Tools::find(server, stop)?;
    for note in &tools.notes {
        transcript.line(note)?;
    }
    if let Some(why) = server.why_no_packets() {
        transcript.line(format_args!("packets none: {why}, so only `causeway why` is asked"))?;
    }
    let walked = steps(Walk::new(transcript, Observer { server, stop }, &tools));
    if server.is_ours() {
        return walked;
    }
    // What ends the demo must not end its cleaning up.
    let cleaned = clean::remove_all(server, &tools.ec2, &Stop::default());
    walked.and(cleaned)
}

fn report_failure(
    transcript: &mut Transcript<'_>,
    error: &anyhow::Error,
    server: &Server,
    stop: &Stop,
) -> anyhow::Result<()> {
    if stop.is_set() {
        return transcript.line("\nInterrupted. Cleaning up.");
    }
    transcript.check(false, format_args!("the walk goes on: {error:#}"))?;
    transcript.line("\nThe last that the server said:")?;
    transcript.output(&server.log_tail(LOG_LINES))
}
