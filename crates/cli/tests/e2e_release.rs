//! What runs before a release is current, with the real client and real processes.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::web::{free_address, get, host, write_app};
use support::{Ran, Server, space, text};

const PROCFILE: &str = "web: [[ -n $PREPARED ]] && python3 app.py\n\
                        say: printf '<%s>'\n\
                        release: bash release.sh\n";

/// Says what it finds, waits to be told to go on where that is asked for, and fails where that is.
const RELEASE: &str = r#"
echo "release $HEROKU_RELEASE_VERSION, mode ${MODE:-none}, prepared $PREPARED"
if [[ $MODE == slow ]]; then until [[ -e /tmp/go ]]; do sleep 0.05; done; echo "goes on"; fi
[[ $MODE != broken ]] || exit 3
"#;

fn write(dir: &Path, release: &str) {
    write_app(dir, PROCFILE);
    std::fs::write(dir.join("release.sh"), release).unwrap();
    std::fs::create_dir_all(dir.join(".profile.d")).unwrap();
    std::fs::write(dir.join(".profile.d/prepare.sh"), "export PREPARED=yes\n").unwrap();
}

fn deploy(server: &Server, release: &str) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), release);
    server.causeway(&["deploy", "--app", "shop", dir.path().to_str().unwrap()])
}

fn release(server: &Server, version: u32) -> Value {
    let version = version.to_string();
    server.causeway(&["releases:info", &version, "--app", "shop", "--json"]).json()
}

fn until(server: &Server, version: u32, status: &str) {
    server.until(&format!("v{version} is {status}"), |server| {
        release(server, version)["status"] == status
    });
}

/// The release command that runs, once it does.
fn command(server: &Server) -> String {
    let mut found = None;
    server.until("a release command runs", |server| {
        let dynos = server.causeway(&["ps", "--app", "shop", "--json"]).json();
        let mut dynos = dynos.as_array().unwrap().iter();
        found = dynos.find(|d| d["type"] == "release" && d["state"] == "up").cloned();
        found.is_some()
    });
    text(&found.unwrap()["name"])
}

/// The releases that web dynos run.
fn serving(server: &Server) -> Vec<u64> {
    let dynos = server.causeway(&["ps", "--app", "shop", "--json"]).json();
    let dynos = dynos.as_array().unwrap().iter().filter(|dyno| dyno["type"] == "web");
    dynos.map(|dyno| dyno["release"]["version"].as_u64().unwrap()).collect()
}

#[test]
fn a_release_command_decides_whether_a_release_becomes_current() {
    let router = free_address();
    let mut server = Server::linux_with(&["--router", &router.to_string()]);
    space(&server, "shop-space", "shop");
    let heroku =
        |server: &Server, words: &[&str]| server.heroku(&[words, &["--app", "shop"]].concat());

    let done = deploy(&server, RELEASE);
    assert!(done.ok().starts_with("v2 of shop runs"), "{done:?}");
    assert!(done.err.contains("release v2, mode none, prepared yes\nReleased v2"), "{done:?}");
    let said = heroku(&server, &["releases:output", "v2"]).ok();
    assert_eq!(said, "release v2, mode none, prepared yes\n");
    let seen = get(router, &host(&server, "shop"), "/").json();
    assert_eq!(seen["env"]["HEROKU_RELEASE_VERSION"], "v2");
    assert_eq!(seen["env"]["HEROKU_APP_NAME"], "shop");

    // One that fails changes nothing, and is shown as Heroku's.
    heroku(&server, &["config:set", "MODE=broken"]).ok();
    until(&server, 3, "failed");
    let list = heroku(&server, &["releases"]).ok();
    assert!(list.contains("Current: v2") && list.contains("release command failed"), "{list}");
    let info = heroku(&server, &["releases:info", "v3"]).ok();
    assert!(info.contains("(release command failed)"), "{info}");
    assert!(heroku(&server, &["releases:output", "v3"]).ok().contains("mode broken"));
    assert_eq!(serving(&server), [2]);

    // While one waits, dynos are of the release before it, also when the server dies meanwhile.
    heroku(&server, &["config:set", "MODE=slow"]).ok();
    let waits = command(&server);
    let list = heroku(&server, &["releases"]).ok();
    assert!(list.contains("Current: v2") && list.contains("release command executing"), "{list}");
    let info = heroku(&server, &["releases:info", "v4"]).ok();
    assert!(info.contains("(release command executing)"), "{info}");
    heroku(&server, &["config:set", "MODE=fine"]).ok();
    assert_eq!(release(&server, 5)["status"], "pending");
    let early = heroku(&server, &["releases:output", "v5"]);
    assert!(early.err.contains("Release command not started yet"), "{early:?}");
    server.kill_and_restart();
    heroku(&server, &["ps:scale", "web=2"]).ok();
    server.until("both are of the current release", |server| serving(server) == [2, 2]);
    assert_eq!(command(&server), waits, "it runs on");
    let target = format!("shop/{waits}");
    server.causeway(&["exec", &target, "--", "touch", "/tmp/go"]).ok();
    until(&server, 4, "succeeded");
    until(&server, 5, "succeeded");
    let said = heroku(&server, &["releases:output", "v4"]).ok();
    assert_eq!(said, "release v4, mode slow, prepared yes\ngoes on\n");
    server.until("both follow", |server| serving(server) == [5, 5]);

    // Code whose release command fails is not deployed, and whoever deploys it is told.
    let failed = deploy(&server, "echo cannot migrate >&2; exit 4");
    let said = failed.refused();
    assert!(said.contains("cannot migrate\n"), "{failed:?}");
    assert!(
        said.contains("v6 was not released: its release command exited with status 4"),
        "{failed:?}"
    );
    assert_eq!(heroku(&server, &["releases:retry"]).ok().lines().last(), Some("cannot migrate"));
    until(&server, 7, "failed");

    // What is stopped has failed; a rollback runs it too.
    heroku(&server, &["config:set", "MODE=slow"]).ok();
    command(&server);
    heroku(&server, &["ps:stop", "--process-type", "release"]).ok();
    until(&server, 8, "failed");
    assert_eq!(release(&server, 8)["status_message"], "its release command was stopped");
    let back = heroku(&server, &["rollback", "v2"]);
    assert!(back.ok().contains("Running release command...\nrelease v9, mode none"), "{back:?}");
    until(&server, 9, "succeeded");
    server.until("both are back", |server| serving(server) == [9, 9]);
    let refused = heroku(&server, &["ps:scale", "release=1"]);
    assert!(refused.refused().contains("runs once before each release"), "{refused:?}");

    // A one-off may name a process type, and its words stay whole.
    let run = heroku(&server, &["run:detached", "say", "a  b", "$DYNO"]).err;
    let name = run.split_whitespace().find(|word| word.starts_with("run.")).unwrap().to_owned();
    server.until("it has said what it was told", |server| {
        let log = server.causeway(&["logs", "--app", "shop", "--dyno", &name]).ok();
        log.contains(&format!("<a  b><{name}>"))
    });
    let words = ["run", "--app", "shop", "--json", "--", "say", "a \"b\"", "it's", ""];
    let name = text(&server.causeway(&words).json()["name"]);
    server.until("its words stay whole", |server| {
        let log = server.causeway(&["logs", "--app", "shop", "--dyno", &name]).ok();
        log.contains("<a \"b\"><it's><>")
    });
}
