//! The `causeway` binary: the server, and client commands for everything that it does.

#![warn(unreachable_pub)]

mod agent;
mod arguments;
mod client;
mod commands;
mod demo;
mod failure;
mod help;
mod log;
mod output;
mod password;
mod serve;
mod settings;
mod usage;

use std::process::ExitCode;

use clap::FromArgMatches;

use crate::arguments::Cli;
use crate::output::Out;

fn main() -> ExitCode {
    // Inside a workload, and beside one, this program is another: no settings, no parser.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|name| name.to_str()) {
        Some("shim") => {
            let directory = arguments.next().unwrap_or_default();
            return fabric::runtime::shim_main(std::path::Path::new(&directory));
        }
        Some("edge") => {
            let directory = arguments.next().unwrap_or_default();
            return edge::process_main(std::path::Path::new(&directory));
        }
        Some("warden") => return server::cleanup::warden::main(arguments),
        Some("init") => return fabric::runtime::init_main(arguments),
        Some(_) | None => {}
    }
    let json = failure::wants_json();
    let parsed = help::command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return failure::report_usage(&help::improved(error), json),
    };
    let mut out = Out::stdout();
    let outcome = commands::run(cli, &mut out);
    drop(out);
    match outcome {
        Ok(code) => code,
        Err(error) => failure::report(&error, json),
    }
}
