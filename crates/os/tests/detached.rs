//! Processes that stay: started, refused, found and ended, with the program of `examples/stays.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use causeway_os::detached::{Detached, StartError};
use causeway_os::process::ProcessMark;

const WORK: Detached = Detached {
    subcommand: "work",
    variable: "CAUSEWAY_TEST_STAYS",
    patience: Duration::from_secs(60),
};

fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples/stays");
    assert!(program.exists(), "missing: cargo build -p causeway-os --example stays");
    program
}

#[test]
fn a_process_stays_and_is_found_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let program = program();
    let find = |detached: &Detached, program: &Path| detached.find(program, |of| of == dir.path());
    assert!(find(&WORK, &program).is_empty());
    WORK.start(&program, dir.path()).unwrap();
    let mark: ProcessMark =
        serde_json::from_slice(&fs::read(dir.path().join("mark")).unwrap()).unwrap();
    let held = mark.open().unwrap().expect("it stays after its parent was told");

    let found = find(&WORK, &program);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].pid, found[0].dir.as_path()), (mark.pid(), dir.path()));
    let otherwise = [
        Detached { subcommand: "play", ..WORK },
        Detached { variable: "CAUSEWAY_TEST_GOES", ..WORK },
    ];
    assert!(otherwise.iter().all(|other| find(other, &program).is_empty()));
    assert!(find(&WORK, Path::new("/usr/bin/another")).is_empty());

    found[0].end().unwrap();
    assert!(held.has_ended().unwrap());
    assert!(find(&WORK, &program).is_empty());
}

#[test]
fn one_that_cannot_stay_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |reason: &str| {
        fs::write(dir.path().join("refuse"), reason).unwrap();
        WORK.start(&program(), dir.path()).unwrap_err()
    };
    assert_eq!(
        refuse("the disk is full:\nnothing fits").to_string(),
        "the disk is full:\nnothing fits"
    );
    assert!(matches!(refuse(""), StartError::Silent));
    let absent = WORK.start(Path::new("/nonexistent/program"), dir.path()).unwrap_err();
    assert_eq!(absent.to_string(), "/nonexistent/program cannot be started");
}

#[test]
fn one_that_says_nothing_is_not_waited_for_without_end() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("silence"), "").unwrap();
    let hurried = Detached { patience: Duration::from_millis(50), ..WORK };
    let late = hurried.start(&program(), dir.path()).unwrap_err();
    assert!(matches!(late, StartError::Late), "{late}");
    // Once the first process has ended, which is waited for in any case, the second one is there.
    let found = WORK.find(&program(), |of| of == dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].end().unwrap();
}
