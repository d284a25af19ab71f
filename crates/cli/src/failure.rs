//! How errors are printed: in words for people, as JSON for programs.

use std::process::ExitCode;

use anstream::{eprint, eprintln, print};
use serde_json::json;

use crate::client::Refusal;
use crate::help::STYLES;
use crate::usage::{is_no_verdict, is_usage};

/// The exit status of a command that failed or was refused.
const FAILED: u8 = 1;
/// The exit status of a command that was called in a wrong way.
const USAGE: u8 = 2;
/// The exit status of `why` where there is no verdict. A verdict is success or [`FAILED`].
const NO_VERDICT: u8 = 3;

/// Whether the command line asks for JSON, even if it cannot be parsed.
pub(crate) fn wants_json() -> bool {
    let words = std::env::args_os().skip(1);
    words.take_while(|word| word != "--").any(|word| word == "--json")
}

/// Prints an error to standard error, and returns the exit status. In words it is `Error: …` and the id
/// of the refusal; as JSON it is an object with `id` and `message`, and `status` if a server answered.
pub(crate) fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    let refusal = error.chain().find_map(|cause| cause.downcast_ref::<Refusal>());
    let message = format!("{error:#}");
    if json {
        let id = match refusal {
            _ if is_usage(error) => "usage",
            Some(refusal) => refusal.id.as_deref().unwrap_or("refused"),
            None => "failed",
        };
        let mut object = json!({ "id": id, "message": message });
        if let Some(refusal) = refusal {
            object["status"] = refusal.status.as_u16().into();
        }
        eprintln!("{object:#}");
    } else {
        let style = STYLES.get_error();
        eprintln!("{style}Error:{style:#} {message}");
        if let Some(id) = refusal.and_then(|refusal| refusal.id.as_deref()) {
            eprintln!("Error ID: {id}");
        }
    }
    ExitCode::from(match error {
        error if is_usage(error) => USAGE,
        error if is_no_verdict(error) => NO_VERDICT,
        _ => FAILED,
    })
}

/// Prints what is wrong with a command line, or the help that it asks for.
pub(crate) fn report_usage(error: &clap::Error, json: bool) -> ExitCode {
    let text = error.render();
    if !error.use_stderr() {
        // clap sets the word before what is no message of its own, as a topic's commands are not.
        let text = text.ansi().to_string();
        print!("{}", without_prefix(&text));
        return ExitCode::SUCCESS;
    }
    if error.kind() == clap::error::ErrorKind::MissingSubcommand && !json {
        // The commands of a topic: no slip, but nothing was done either.
        eprint!("{}", without_prefix(&text.ansi().to_string()));
        return ExitCode::from(USAGE);
    }
    if json {
        let text = text.to_string();
        let message = text.trim().trim_start_matches("error: ");
        eprintln!("{:#}", json!({ "id": "usage", "message": message }));
    } else {
        let _ = error.print();
    }
    ExitCode::from(USAGE)
}

/// The text without the word `error:` at its beginning, whatever the word's colour.
fn without_prefix(text: &str) -> &str {
    match text.split_once("error:") {
        Some((before, rest)) if before.chars().all(|c| !c.is_alphabetic() || c == 'm') => {
            let rest = rest.trim_start_matches("\u{1b}[0m");
            rest.strip_prefix(' ').unwrap_or(rest)
        }
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_word_of_an_error_is_taken_away() {
        for (text, expected) in [
            ("error: Commands of x:", "Commands of x:"),
            ("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m Commands", "Commands"),
            ("Print an error: or not", "Print an error: or not"),
            ("Usage: causeway", "Usage: causeway"),
        ] {
            assert_eq!(without_prefix(text), expected);
        }
    }
}
