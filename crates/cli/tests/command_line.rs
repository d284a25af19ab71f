//! The command line itself: help, tips, errors, completion and manual pages. Needs no server.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_causeway");

fn causeway(arguments: &[&str]) -> Output {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().env("CAUSEWAY_DATA", data.path()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_has_topics_and_each_topic_its_commands() {
    let help = causeway(&["--help"]);
    assert!(help.status.success());
    let text = out(&help);
    assert!(text.contains("Spaces and peering:\n  spaces "), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("spaces:create"), "{text}");
    for arguments in [&["help", "spaces"][..], &["spaces", "--help"]] {
        let text = out(&causeway(arguments));
        assert!(text.contains("Examples:") && text.contains("\n  spaces:create "), "{text}");
    }
    let fabric = causeway(&["help", "fabric"]);
    assert_eq!(fabric.status.code(), Some(0), "{}", err(&fabric));
    assert!(out(&fabric).starts_with("Commands of fabric:"), "{}", out(&fabric));
    assert!(out(&fabric).contains("fabric:purge"), "{}", out(&fabric));
    let fabric = causeway(&["fabric"]);
    assert_eq!(fabric.status.code(), Some(2));
    assert!(err(&fabric).starts_with("Commands of fabric:"), "{}", err(&fabric));
    assert!(err(&fabric).contains("fabric:purge"), "{}", err(&fabric));
}

#[test]
fn the_nearest_command_comes_first() {
    let slip = causeway(&["space:create"]);
    assert_eq!(slip.status.code(), Some(2));
    let text = err(&slip);
    assert!(text.contains("'spaces:create'"), "{text}");
    let first = text.split('\'').nth(3).unwrap();
    assert_eq!(first, "spaces:create", "{text}");
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    for (arguments, id, code) in [
        (&["spaces", "--json"][..], "failed", 1),
        (&["spaces", "--json", "--nonsense"], "usage", 2),
        (&["fabric:purge", "--json", "--confirm"], "usage", 2),
    ] {
        let failed = causeway(arguments);
        assert_eq!(failed.status.code(), Some(code), "{arguments:?}");
        assert_eq!(out(&failed), "", "{arguments:?}");
        let error: serde_json::Value = serde_json::from_slice(&failed.stderr).unwrap();
        assert_eq!(error["id"], id, "{arguments:?}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
    }
    let plain = causeway(&["spaces"]);
    assert!(err(&plain).starts_with("Error: "), "{}", err(&plain));
}

/// What bash offers for a line that ends at the cursor.
fn completed(words: &[&str]) -> Vec<String> {
    let script = r#"
        source <("$0" completion bash)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _causeway_joined causeway "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    let ran = bash.args(["--norc", "-c", script, PROGRAM]).args(words).output().unwrap();
    assert!(ran.status.success(), "{}", err(&ran));
    out(&ran).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_with_colons() {
    assert!(completed(&["causeway", "spac"]).contains(&"spaces:create".to_owned()));
    // Bash has made three words of it, and keeps what stands before the last colon.
    assert_eq!(completed(&["causeway", "spaces", ":", "cr"]), ["create"]);
    let all = completed(&["causeway", "spaces", ":"]);
    assert!(all.contains(&"rename".to_owned()) && !all.contains(&"spaces:rename".to_owned()));
    assert!(
        completed(&["causeway", "spaces", ":", "create", "--te"]).contains(&"--team".to_owned())
    );
    for shell in ["zsh", "fish"] {
        let script = causeway(&["completion", shell]);
        assert!(script.status.success() && out(&script).contains("spaces"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("man1");
    let made = causeway(&["man", "--directory", directory.to_str().unwrap()]);
    assert!(made.status.success(), "{}", err(&made));
    for page in ["causeway.1", "causeway-why.1", "causeway-spaces:create.1"] {
        let text = std::fs::read_to_string(directory.join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
    let overview = out(&causeway(&["man"]));
    assert!(overview.contains(".TH causeway 1"));
    assert_eq!(std::fs::read_to_string(directory.join("causeway.1")).unwrap(), overview);
    // Its commands stand in the groups of the help, those of a topic together.
    let at = |text: &str| overview.find(text).unwrap_or_else(|| panic!("no {text}: {overview}"));
    let order = [
        ".SH COMMANDS",
        ".SS \"Run it\"",
        "causeway\\-serve(1)",
        ".SS \"Spaces and peering\"",
        "causeway\\-spaces:peerings:accept(1)",
        ".SS Apps",
        "causeway\\-config:set(1)",
        ".SS \"For tests\"",
    ];
    assert!(order.map(at).is_sorted(), "{overview}");
}

#[test]
fn roles_and_quotas_are_said_in_full() {
    let base = ["roles:create", "deployer"];
    for (arguments, words) in [
        (&["--account", "partner"][..], "--trust"),
        (&["--trust", "customer"], "--account"),
        (&["--account", "partner", "--trust"], "--trust"),
        (&["--account", "a", "--trust", "b", "--max-duration", "long"], "--max-duration"),
    ] {
        let wrong = causeway(&[&base[..], arguments].concat());
        assert_eq!(wrong.status.code(), Some(2), "{arguments:?}");
        assert!(err(&wrong).contains(words), "{arguments:?}: {}", err(&wrong));
    }
    for (arguments, words) in [
        (&["quotas:set", "vpcs-per-region"][..], "NUMBER|default"),
        (&["quotas:set", "vpcs-per-region", "many"], "a number is expected, or default"),
        (&["quotas:set", "vpcs-per-region", "-1"], "-1"),
        (&["roles:info"], "<ROLE>"),
    ] {
        let wrong = causeway(arguments);
        assert_eq!(wrong.status.code(), Some(2), "{arguments:?}");
        assert!(err(&wrong).contains(words), "{arguments:?}: {}", err(&wrong));
    }
    let operator = out(&causeway(&["--help"]));
    assert!(operator.contains("\n  quotas ") && operator.contains("\n  roles "), "{operator}");
    let serve = out(&causeway(&["serve", "--help"]));
    assert!(serve.contains("--like-aws") && serve.contains("CAUSEWAY_LIKE_AWS"), "{serve}");
}
