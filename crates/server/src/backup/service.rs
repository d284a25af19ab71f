//! Runs the backup command of a data service, beside the service itself.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use os::poll::is_readable_within;

use super::Watch;
use crate::apps::console::Running;

/// How long a backup command may be silent.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often it is checked whether the client is still there.
const GLANCE: Duration = Duration::from_millis(500);
/// How long to wait for the error output of a command that failed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How much of the error output is kept, in bytes.
const WORDS: usize = 1000;

/// A service that was not backed up.
#[derive(Debug)]
pub(super) enum Failed {
    /// The command failed, with a message.
    Command(String),
    /// The client has gone.
    Cancelled,
}

/// Copies the output of a command to its end. Its error output becomes part of the message if it fails.
pub(super) fn run(running: Running, out: &mut dyn Write, watch: &mut Watch) -> Result<(), Failed> {
    let Running { output, errors, mut process } = running;
    let (said, words) = channel();
    std::thread::spawn(move || said.send(last_words(File::from(errors))));
    if let Err(error) = copy(output.into(), out, watch) {
        // Descendants that survive this end when their output goes nowhere.
        process.kill();
        return Err(error);
    }
    let lost = |error| Failed::Command(format!("its backup command is lost: {error}"));
    let status = process.wait().map_err(lost)?;
    match status.success() {
        true => Ok(()),
        false => {
            // A process that the command left behind may keep the pipe open, so the wait is
            // bounded.
            let words = words.recv_timeout(LAST_WORDS).unwrap_or_default();
            let colon = if words.is_empty() { "" } else { ": " };
            Err(Failed::Command(format!("its backup command failed ({status}){colon}{words}")))
        }
    }
}

/// Copies to the end, unless the command is silent for too long or the client goes.
fn copy(mut from: File, out: &mut dyn Write, watch: &mut Watch) -> Result<(), Failed> {
    let broken = |error: io::Error| Failed::Command(format!("its data cannot be copied: {error}"));
    let mut buffer = vec![0; 1 << 16];
    let mut heard = Instant::now();
    loop {
        if watch.is_over() {
            return Err(Failed::Cancelled);
        }
        if !is_readable_within(&from, GLANCE).map_err(broken)? {
            if heard.elapsed() >= PATIENCE {
                let minutes = PATIENCE.as_secs() / 60;
                let what = format!("its backup command wrote nothing for {minutes} minutes");
                return Err(Failed::Command(what));
            }
            continue;
        }
        let read = from.read(&mut buffer).map_err(broken)?;
        if read == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..read]).map_err(broken)?;
        watch.read(read as u64);
        heard = Instant::now();
    }
}

/// The end of a command's error output, without control characters.
fn last_words(mut from: impl Read) -> String {
    let mut end = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        end.extend_from_slice(&buffer[..read]);
        let surplus = end.len().saturating_sub(WORDS);
        end.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|letter| !letter.is_control()).collect::<String>())
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::apps::console::piped;

    fn shell(script: &str) -> Running {
        piped(&["/bin/sh", "-c", script].map(str::to_owned)).unwrap()
    }

    #[test]
    fn what_it_writes_is_copied_and_what_it_says_is_told_when_it_fails() {
        let (tell, _heard) = unbounded_channel();
        let mut watch = Watch::new(tell, CancellationToken::new());
        let mut out = Vec::new();
        run(shell("echo data; echo chat >&2"), &mut out, &mut watch).unwrap();
        assert_eq!(out, b"data\n");
        let mut failed = |script| match run(shell(script), &mut Vec::new(), &mut watch) {
            Err(Failed::Command(what)) => what,
            other => panic!("{other:?}"),
        };
        let said = failed("echo data; printf '\\033[2Jno\\nway\\n' >&2; exit 3");
        assert!(said.contains("exit status: 3") && said.ends_with(": [2Jno; way"), "{said:?}");
        let said = failed("seq 100000 >&2; exit 1");
        assert!(said.len() < 2 * WORDS && said.ends_with("99999; 100000"), "{said}");
        assert!(failed("kill -9 $$").contains("signal: 9"));
        assert!(piped(&[]).is_err(), "there is no command");
    }

    #[test]
    fn it_ends_when_nobody_wants_it() {
        let (tell, heard) = unbounded_channel();
        drop(heard);
        let mut watch = Watch::new(tell, CancellationToken::new());
        let script = "while :; do echo more; done";
        let ended = run(shell(script), &mut io::sink(), &mut watch).unwrap_err();
        assert!(matches!(ended, Failed::Cancelled), "{ended:?}");
    }
}
