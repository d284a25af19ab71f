//! `causeway demo`: the document's walkthrough, on a server of its own, with packets tried at
//! each step (R6, R7, R9, R11–R18, R21).

mod ask;
mod child;
mod clean;
mod ec2;
mod http;
mod packet;
mod peer;
mod server;
mod stop;
mod story;
mod tools;
mod traffic;
mod walk;

use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::bail;

use crate::client::Connection;
use crate::output::Out;
use crate::settings::Fabric;

use self::ask::Ask;
use self::server::Server;
use self::stop::Stop;
use self::story::Story;
use self::tools::Tools;
use self::walk::Walk;

/// What a shell shows of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// Lines of the server's log that are shown where something went wrong.
const LOG_LINES: usize = 30;

/// What is to be shown, and where.
pub struct Plan {
    /// What carries packets, on a server of the demo's own.
    pub fabric: Fabric,
    /// Where that listens.
    pub host: IpAddr,
    /// Who is to own the space.
    pub team: String,
    /// The server that runs, if an address is named.
    pub connection: Connection,
}

/// Walks through all of it. Nothing is left behind, however it ends.
///
/// # Errors
///
/// A server that does not start, and what cannot be cleaned up.
pub fn run(plan: &Plan, out: &mut Out) -> anyhow::Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let mut story = Story::new(out);
    let server = match &plan.connection.url {
        Some(url) => Server::attach(url, plan, &stop),
        None => start(plan, &stop),
    };
    let mut server = match server {
        Ok(server) => server,
        Err(_) if stop.is_set() => {
            let _ = story.line("Interrupted before anything was made.");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error) => return Err(error),
    };
    let walked = walk(&mut story, &server, &stop);
    if let Err(error) = &walked {
        // A reader that went away hears nothing of it; what follows is done all the same.
        let _ = lament(&mut story, error, &server, &stop);
    }
    let cleaned = server.finish();
    let _ = match (&cleaned, server.is_ours()) {
        (Ok(()), true) => story.line("\nThe server is gone, and everything that it made."),
        (Ok(()), false) => story.line("\nWhat the demo made there is gone."),
        (Err(error), _) => story.line(format_args!("\nNot everything is gone: {error:#}")),
    };
    if stop.is_set() {
        let _ = story.line(format_args!("Interrupted. Until then: {}", story.summary()));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let _ = story.line(story.summary());
    cleaned?;
    Ok(if walked.is_ok() && story.sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts a server that is the demo's own.
fn start(plan: &Plan, stop: &Stop) -> anyhow::Result<Server> {
    let fabric = plan.fabric;
    if fabric == Fabric::Linux && !nix::unistd::geteuid().is_root() {
        bail!(
            "the demo makes network namespaces, which needs root: try `sudo causeway demo`, or \
             `causeway demo --fabric none` for the APIs alone, without packets"
        );
    }
    Server::start(fabric, plan.host, stop)
}

fn walk(story: &mut Story<'_>, server: &Server, stop: &Stop) -> anyhow::Result<()> {
    story.line("A walk through Private Space peering: a space, a VPC that is somebody else's,")?;
    story.line("and what passes between them at each step.\n")?;
    story.line(server.described())?;
    let tools = Tools::find(server, stop)?;
    for note in &tools.notes {
        story.line(note)?;
    }
    if let Some(why) = server.moves_none() {
        story.line(format_args!("packets none: {why}, so only `causeway why` is asked"))?;
    }
    let walked = Walk::new(story, Ask { server, stop }, &tools).all();
    if server.is_ours() {
        return walked;
    }
    // What ends the demo must not end its cleaning up.
    let cleaned = clean::up(server, &tools.ec2, &Stop::default());
    walked.and(cleaned)
}

fn lament(
    story: &mut Story<'_>,
    error: &anyhow::Error,
    server: &Server,
    stop: &Stop,
) -> anyhow::Result<()> {
    if stop.is_set() {
        return story.line("\nInterrupted. Cleaning up.");
    }
    story.check(false, format_args!("the walk goes on: {error:#}"))?;
    story.line("\nThe last that the server said:")?;
    story.output(&server.log_tail(LOG_LINES))
}
