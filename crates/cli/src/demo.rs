//! `causeway demo`: the document's walkthrough, on a server of its own, with packets tried at
//! each step (R6, R7, R9, R11–R18, R21).

mod ask;
mod child;
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

/// Walks through all of it. Nothing is left behind, however it ends.
///
/// # Errors
///
/// A server that does not start, and what cannot be cleaned up.
pub fn run(fabric: Fabric, host: IpAddr, out: &mut Out) -> anyhow::Result<ExitCode> {
    if fabric == Fabric::Linux && !nix::unistd::geteuid().is_root() {
        bail!(
            "the demo makes network namespaces, which needs root: try `sudo causeway demo`, or \
             `causeway demo --fabric none` for the APIs alone, without packets"
        );
    }
    let stop = Stop::on_signals()?;
    let mut story = Story::new(out);
    let mut server = Server::start(fabric, host, &stop)?;
    let walked = walk(&mut story, &server, fabric, &stop);
    if let Err(error) = &walked {
        // A reader that went away hears nothing of it; what follows is done all the same.
        let _ = lament(&mut story, error, &server, &stop);
    }
    let cleaned = server.finish();
    let _ = match &cleaned {
        Ok(()) => story.line("\nThe server is gone, and everything that it made."),
        Err(error) => story.line(format_args!("\nNot everything is gone: {error:#}")),
    };
    let _ = story.line(story.summary());
    if stop.is_set() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    cleaned?;
    Ok(if walked.is_ok() && story.sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn walk(story: &mut Story<'_>, server: &Server, fabric: Fabric, stop: &Stop) -> anyhow::Result<()> {
    story.line("A walk through Private Space peering: a space, a VPC that is somebody else's,")?;
    story.line("and what passes between them at each step.\n")?;
    story.line(format_args!(
        "server  {} (process {}), in a temporary directory",
        server.url,
        server.pid()
    ))?;
    let tools = Tools::find(server, stop)?;
    for note in &tools.notes {
        story.line(note)?;
    }
    if fabric == Fabric::None {
        story.line("packets none: --fabric none moves none, so only `causeway why` is asked")?;
    }
    Walk::new(story, Ask { server, stop }, &tools, fabric).all()
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
