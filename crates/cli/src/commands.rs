//! What each command does: it sends requests, and prints the answers in words or in JSON.

mod addons;
mod apps;
mod audit;
mod backup;
mod completion;
mod config;
mod confirm;
mod deploy;
mod doctor;
mod domains;
mod dynos;
mod env;
mod events;
mod flows;
mod hosts;
mod identity;
mod join;
mod logs;
mod lost;
mod man;
mod operate;
mod orphans;
mod overview;
mod peer;
mod peering_check;
mod people;
mod print;
mod quotas;
mod release;
mod roles;
mod servers;
mod session;
mod snapshot;
mod spaces;
mod subjects;
mod top;
mod tunnel;
mod two_factor;
mod webhooks;
mod why;

use std::process::ExitCode;

use crate::arguments::{Cli, Command};
use crate::output::Out;

/// Does what the command line says.
///
/// # Errors
///
/// What failed or was refused, in words for the user.
pub(crate) fn run(cli: Cli, out: &mut Out) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(arguments) => crate::serve::run(*arguments, out)?,
        Command::Agent(arguments) => crate::agent::run(*arguments, out)?,
        Command::Env(arguments) => env::run(&arguments, out)?,
        Command::Tunnel(arguments) => tunnel::run(&arguments, out)?,
        Command::Identity(command) => identity::run(command, out)?,
        Command::Subjects(command) => subjects::run(command, out)?,
        Command::Quotas(command) => quotas::run(command, out)?,
        Command::Join(command) => join::run(command, out)?,
        Command::Hosts(command) => hosts::run(command, out)?,
        Command::Roles(command) => roles::run(command, out)?,
        Command::Spaces(command) => spaces::run(command, out)?,
        Command::Peer(command) => return peer::run(command, out),
        Command::PeeringCheck(command) => return peering_check::run(command, out),
        Command::People(command) => people::run(command, out)?,
        Command::Session(command) => session::run(command, out)?,
        Command::TwoFactor(command) => two_factor::run(command, out)?,
        Command::Apps(command) => apps::run(command, out)?,
        Command::Addons(command) => addons::run(command, out)?,
        Command::Webhooks(command) => webhooks::run(command, out)?,
        Command::Overview(command) => overview::run(command, out)?,
        Command::Operate(command) => return operate::run(command, out),
        Command::Completion { shell } => completion::print(shell, out),
        Command::Man { directory } => man::run(directory.as_deref(), out)?,
        Command::Demo(arguments) => return crate::demo::run(&arguments, out),
    }
    Ok(ExitCode::SUCCESS)
}
