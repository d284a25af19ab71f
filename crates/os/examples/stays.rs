//! A program that stays, for the tests of `os::detached`.
//!
//! `stays work DIR` notes in the directory that it works, says that it is ready, and goes on until
//! it is killed. A file `silence` there keeps it from saying so; a file `refuse` has it end with the
//! file's text, or without a word if that is empty.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use causeway_os::detached::{Detached, Ready};
use causeway_os::process::ProcessMark;

const WORK: Detached = Detached {
    subcommand: "work",
    variable: "CAUSEWAY_TEST_STAYS",
    patience: Duration::from_secs(60),
};

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(2) else { return ExitCode::FAILURE };
    WORK.run(Path::new(&dir), |ready| work(Path::new(&dir), ready))
}

fn work(dir: &Path, ready: Ready) -> io::Result<()> {
    if let Ok(reason) = fs::read_to_string(dir.join("refuse")) {
        return if reason.is_empty() { Ok(()) } else { Err(io::Error::other(reason)) };
    }
    fs::write(dir.join("mark"), serde_json::to_vec(&ProcessMark::of_this_process()?)?)?;
    if !dir.join("silence").exists() {
        ready.tell()?;
    }
    loop {
        std::thread::park();
    }
}
