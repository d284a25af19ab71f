//! What those get who test their own software against an emulator: the plugin of pytest, files that are
//! run at the start, and snapshots.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{Server, pytest, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_causeway");

#[test]
fn a_project_tests_itself_by_the_plugin() {
    let project = pytest::Project::new();
    // Two workers, each with a server of its own, and then all tests in one process.
    for parallel in [&["-n", "2"][..], &["-p", "no:xdist"]] {
        let ran = project.run(&[&[&*format!("--causeway-program={PROGRAM}")], parallel].concat());
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
        assert!(ran.out.contains("11 passed"), "{}", ran.out);
    }
    assert_eq!(project.servers(), Vec::<String>::new(), "no server outlives its tests");
}

#[test]
fn a_project_is_tested_on_an_emulator_that_runs_and_on_no_other_server() {
    let project = pytest::Project::new();
    let server = Server::none(&["--emulator"]);
    server.causeway(&["spaces:create", "shared", "--team", "team"]).ok();
    // What is about the whole server is not for workers that share it.
    let shared = ["--causeway-url", &server.url, "-n", "2"];
    let ran = project.run(&shared);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.out.contains("the workers of this run share the server"), "{}", ran.out);
    let ran = project.run(&[&shared[..], &["-k", "not expires"]].concat());
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("10 passed"), "{}", ran.out);
    // Whatever the tests made is gone again.
    let left = server.aws(&["ec2", "describe-vpcs"]).json();
    let others = left["Vpcs"].as_array().unwrap().iter().filter(|vpc| vpc["IsDefault"] != true);
    assert_eq!(others.count(), 0, "{left}");
    let status = server.status();
    assert_eq!(status["spaces"].as_array().unwrap().len(), 1, "{status}");

    let real = Server::none(&[]);
    let ran = project.run(&["--causeway-url", &real.url, "-p", "no:xdist", "-x"]);
    assert!(ran.out.contains("401") || ran.out.contains("is no emulator"), "{}", ran.out);
    let ran = project.run(&["--causeway-program=/no/such", "-p", "no:xdist", "-x"]);
    assert!(ran.out.contains("there is no program /no/such: install Causeway"), "{}", ran.out);
}

/// The workspace's folder.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

#[test]
fn the_examples_of_the_documents_do_what_they_say() {
    let workspace = workspace();
    let pages = std::fs::read_dir(workspace.join("docs")).unwrap();
    let pages = pages.map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> =
        pages.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    documents.sort();
    documents.insert(0, workspace.join("README.md"));
    let ran = support::docs_examples(&workspace, &documents);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
    let testing = ran.out.lines().find(|line| line.contains("testing.md: ")).unwrap();
    assert!(testing.contains(" commands ran, 1 blocks are not run"), "{}", ran.out);
}

#[test]
fn what_commands_print_is_what_the_schemas_say() {
    let server = Server::none(&["--emulator"]);
    support::space(&server, "blue", "shop");
    server.heroku(&["config:set", "GREETING=hello", "--app", "shop"]).ok();
    let site = support::site(&server, "10.9.0.0/16", "10.9.1.0/24", "exec sleep 1000");
    let space = server.causeway(&["spaces:peering:info", "blue", "--json"]).json();
    support::peer(&server, &site, &space);
    let address = format!("{}/10.9.1.200", site.vpc);
    let why = ["why", &site.instance, &address, "--port", "443"];
    let place = tempfile::tempdir().unwrap();
    let (backup, saved) = (place.path().join("a.backup"), place.path().join("a.snapshot"));
    let file = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (backup, saved) = (file(&backup), file(&saved));
    let commands: &[(&str, &[&str])] = &[
        ("accounts", &["accounts"]),
        ("audit", &["audit"]),
        ("backup", &["backup", &backup]),
        ("clock-advance", &["clock:advance", "1h"]),
        ("env", &["env"]),
        ("fabric-sweep", &["fabric:sweep"]),
        ("keys", &["keys"]),
        ("lost", &["lost"]),
        ("quotas", &["quotas"]),
        ("snapshot", &["snapshot", "save", &saved]),
        ("snapshot", &["snapshot", "load", &saved]),
        ("status", &["status"]),
        ("users", &["users"]),
        ("why", &why),
        ("apps", &["apps"]),
        ("apps-info", &["apps:info", "--app", "shop"]),
        ("config", &["config", "--app", "shop"]),
        ("ps", &["ps", "--app", "shop"]),
        ("regions", &["regions"]),
        ("releases", &["releases", "--app", "shop"]),
        ("spaces", &["spaces"]),
        ("spaces-info", &["spaces:info", "blue"]),
        ("spaces-peering-info", &["spaces:peering:info", "blue"]),
        ("spaces-peerings", &["spaces:peerings", "blue"]),
        ("spaces-topology", &["spaces:topology", "blue"]),
        ("reset", &["reset"]),
    ];
    let printed: Vec<(&str, serde_json::Value)> = commands
        .iter()
        .map(|(schema, words)| {
            let ran = server.causeway(&[words, &["--json"][..]].concat());
            // Some say by their status what they found.
            let value = serde_json::from_str(&ran.out).unwrap_or_else(|error| {
                panic!("{words:?}: {error}: {ran:#?}");
            });
            (*schema, value)
        })
        .collect();
    let checked = pytest::validate(&workspace().join("docs/schemas"), &printed);
    let every = std::fs::read_dir(workspace().join("docs/schemas")).unwrap().count();
    assert_eq!(checked, every, "each schema is held to what its command prints");
}

/// Where files for a server's start are written.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// Starts an emulator that is not to get ready, and gives what it says.
fn start(files: &[&Path]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--emulator", "--fabric", "none", "--listen", "127.0.0.1:0"]);
    for file in files {
        command.arg("--init").arg(file);
    }
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap()
}

#[test]
fn what_is_run_at_the_start_is_there_when_the_server_is_ready() {
    let files = Files::new();
    let aws = support::aws_program();
    let script = files.write(
        "init.sh",
        &format!(
            "# A space, and a VPC with a name.\n\
             causeway spaces:create shared --team team\n\
             vpc=$({0} ec2 create-vpc --cidr-block 10.9.0.0/16 --query Vpc.VpcId --output text)\n\
             {0} ec2 create-tags --resources \"$vpc\" \\\n  --tags Key=Name,Value=first\n",
            aws.display()
        ),
    );
    let server = Server::none(&["--emulator", "--init", script.to_str().unwrap()]);
    assert_eq!(named(&server), ["first"], "{}", server.log());
    assert_eq!(server.status()["spaces"][0]["name"], "shared");

    // The same as a snapshot: for a server of its own, and back again here.
    let saved = files.0.path().join("world.snapshot");
    let saved = saved.to_str().unwrap();
    let said = server.causeway(&["snapshot", "save", saved]).ok();
    assert!(said.starts_with(&format!("Wrote {saved}, ")), "{said}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(saved).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let other = Server::none(&["--emulator", "--init", saved]);
    assert_eq!(named(&other), ["first"]);
    other.causeway(&["reset", "--account", "123456789012"]).ok();
    assert_eq!(named(&other), Vec::<String>::new());
    assert_eq!(other.status()["spaces"][0]["name"], "shared", "it is the platform's");
    other.causeway(&["reset"]).ok();
    assert_eq!(other.status()["spaces"], serde_json::json!([]));
    let loaded = other.causeway(&["snapshot", "load", saved, "--json"]).json();
    assert!(loaded["records"].as_u64().unwrap() > 20, "{loaded}");
    assert_eq!(named(&other), ["first"]);
    // A new space can be made beside what was loaded.
    other.causeway(&["spaces:create", "second", "--team", "team"]).ok();
}

#[test]
fn what_a_snapshot_brings_back_runs_and_takes_packets() {
    let server = Server::linux_with(&["--emulator"]);
    let script = "#!/bin/sh\nexec python3 -m http.server 8000";
    let site = support::site(&server, "10.9.0.0/16", "10.9.1.0/24", script);
    let client = support::launch(&server, &site.subnet, "#!/bin/sh\nexec sleep 1000");
    let connects = |server: &Server| server.connects(&client.id, &site.address, 8000);
    server.until("the instance answers", connects);
    let place = tempfile::tempdir().unwrap();
    let saved = place.path().join("world.snapshot");
    let saved = saved.to_str().unwrap();
    server.causeway(&["snapshot", "save", saved]).ok();
    server.aws(&["ec2", "terminate-instances", "--instance-ids", &site.instance]).ok();
    assert!(!connects(&server), "it is gone");
    server.causeway(&["snapshot", "load", saved]).ok();
    server.until("the instance answers again", connects);
    server.causeway(&["reset"]).ok();
    let status = server.status();
    assert_eq!(status["instances"], serde_json::json!({}), "{status}");
}

/// The names of the VPCs that have one.
fn named(server: &Server) -> Vec<String> {
    let vpcs = server.aws(&["ec2", "describe-vpcs", "--query", "Vpcs[].Tags[].Value"]).json();
    vpcs.as_array().into_iter().flatten().map(text).collect()
}

#[test]
fn a_start_fails_with_the_line_that_failed() {
    let files = Files::new();
    let failing =
        files.write("failing.sh", "echo begun\n\ncauseway spaces:info nothing\necho after\n");
    let broken = files.write("broken.sh", "echo begun\nif true\n");
    let damaged = files.write("damaged.snapshot", "{\"causeway_snapshot\":1}\n");
    for (file, words) in [
        (&failing, &["failing.sh, line 3, ended with status 1: causeway spaces:info nothing"][..]),
        (&broken, &["broken.sh", "syntax error"]),
        (&damaged, &["damaged.snapshot", "The snapshot cannot be loaded"]),
        (&files.0.path().join("none.sh"), &["none.sh", "No such file"]),
    ] {
        let ended = start(&[file]);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success(), "{said}");
        for word in words {
            assert!(said.contains(word), "{said} without {word}");
        }
        assert!(!said.contains("after"), "{said}");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "", "it was never ready");
    }
}

#[test]
fn a_server_is_not_well_before_it_is_ready() {
    let files = Files::new();
    let seen = files.0.path().join("seen");
    let script = files.write(
        "init.sh",
        &format!(
            "curl -s -o {0} -w '%{{http_code}}' $CAUSEWAY_URL/healthz > {0}.code\n",
            seen.display()
        ),
    );
    let server = Server::none(&["--emulator", "--init", script.to_str().unwrap()]);
    let code = std::fs::read_to_string(seen.with_extension("code")).unwrap();
    let body = std::fs::read_to_string(&seen).unwrap();
    assert_eq!(code, "503", "{body}");
    assert!(body.ends_with("init: under way\n"), "{body}");
    let now = support::run_in(files.0.path(), &["curl", "-s", &format!("{}/healthz", server.url)]);
    assert!(now.ok().contains("ledger: ok") && !now.ok().contains("init"), "{now:?}");
}
