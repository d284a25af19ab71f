//! The `causeway` binary: `serve`, and a client command for everything.

mod arguments;
mod client;
mod commands;
mod demo;
mod output;
mod password;
mod serve;
mod settings;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Cli;
use crate::output::Out;

/// Done.
const DONE: u8 = 0;
/// Refused or failed.
const FAILED: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;

#[expect(clippy::print_stderr, reason = "the one place that says what went wrong")]
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
        Some("init") => return fabric::runtime::init_main(arguments),
        Some(_) | None => {}
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { DONE };
            // Nothing is left to be done if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let mut out = Out::stdout();
    let outcome = commands::run(cli, &mut out);
    drop(out);
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(if usage::is_usage(&error) { USAGE } else { FAILED })
        }
    }
}
