//! People at the terminals of dynos, with the real `heroku` command and real terminals.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use support::terminal::Terminal;
use support::{Server, dyno, space, text};

/// The dynos of the app, as far as they have not ended.
fn live(server: &Server) -> Vec<String> {
    let list = server.causeway(&["ps", "--app", "shop", "--json"]).json();
    list.as_array().unwrap().iter().map(|dyno| text(&dyno["name"])).collect()
}

fn none_lives(server: &Server) {
    server.until("no dyno is left", |server| live(server).is_empty());
}

/// A shell in a dyno, which is ready.
fn shell(server: &Server, arguments: &[&str]) -> Terminal {
    let mut terminal = server.heroku_on((91, 17), arguments);
    terminal.expect("$ ");
    terminal
}

#[test]
fn heroku_run_has_a_terminal_in_a_dyno() {
    let server = Server::linux();
    space(&server, "shop-space", "shop");
    let mut terminal = shell(&server, &["run", "bash", "--app", "shop"]);
    terminal.type_line("stty size; tty; echo $TERM-$DYNO");
    // Keys that are typed while a shell without a prompt hands the terminal over wait for the next key.
    for said in ["17 91", "/dev/pts/0", "xterm-run.", "$ "] {
        terminal.expect(said);
    }
    // Said by the process that is to be interrupted: a shell that is about to fork may miss a signal.
    terminal.type_line(r#"sh -c 'echo be""gin; exec sleep 1000'"#);
    terminal.expect("begin");
    terminal.type_bytes(b"\x03");
    terminal.expect("$ ");
    terminal.type_line("echo status=$?");
    terminal.expect("status=130");
    terminal.expect("$ ");
    let [name] = &*live(&server) else { panic!() };
    terminal.type_line("exit");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    none_lives(&server);
    let log = server.causeway(&["logs", "--app", "shop", "--dyno", name, "--source", "app"]).ok();
    assert!(!log.contains("status=130"), "what a client was shown is in no log: {log}");

    // Without a terminal here.
    let run =
        |command: &str| server.heroku(&["run", "--exit-code", "--app", "shop", "--", command]);
    let ran = run("exit 3");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let ran = run("printf abc");
    assert_eq!((ran.code, &*ran.out), (Some(0), "abc"), "{ran:?}");
    let run = ["run", "bash", "--app", "shop"];
    let ran = server.heroku_reading(&run, "echo $((6 * 7))\n");
    assert!(ran.code == Some(0) && ran.out.contains("42\n"), "{ran:?}");
    let run = ["run", "--no-tty", "--app", "shop", "--", "cat; test -t 0 || echo none"];
    let ran = server.heroku_reading(&run, "hello\n");
    assert_eq!((ran.code, &*ran.out), (Some(0), "hello\nnone\n"), "{ran:?}");
    let much = "seq 1 200000 | sha256sum; seq 1 200000";
    let ran = server.heroku(&["run", "--no-tty", "--app", "shop", "--", much]);
    assert!(
        ran.out.lines().count() == 200_001 && ran.out.ends_with("\n200000\n"),
        "{}",
        ran.code.unwrap()
    );
    none_lives(&server);
}

#[test]
fn heroku_run_inside_has_a_terminal_in_a_dyno_that_is_up() {
    let server = Server::linux();
    space(&server, "shop-space", "shop");
    let target = dyno(&server, "shop", "export A=1; sleep 100000").target;
    let name = target.split_once('/').unwrap().1;
    let mut terminal = shell(&server, &["run:inside", name, "bash", "--app", "shop"]);
    terminal.type_line("stty size; echo $DYNO; echo n=$(ps -e | grep -c sleep)");
    for said in ["17 91", name, "n=1", "$ "] {
        terminal.expect(said);
    }
    terminal.type_line("exit");
    assert_eq!(terminal.end().0, Some(0));
    let ran = server.heroku(&["run:inside", name, "--exit-code", "--app", "shop", "--", "exit 7"]);
    assert_eq!(ran.code, Some(7), "{ran:?}");
    assert_eq!(live(&server), [name], "the dyno goes on");

    let said = server.heroku(&["ps:exec", "--dyno", name, "--app", "shop"]).refused();
    assert!(said.contains("run:inside DYNO bash"), "{said}");
    let said = server.heroku(&["run:inside", "run.9", "bash", "--app", "shop"]).refused();
    assert!(said.contains("run.9"), "{said}");

    // A session ends with its dyno.
    let mut terminal = shell(&server, &["run:inside", name, "bash", "--app", "shop"]);
    server.heroku(&["ps:stop", name, "--app", "shop"]).ok();
    terminal.expect("\r\n");
    let (_, shown) = terminal.end();
    assert!(!shown.contains("Error"), "{shown}");
}

#[test]
fn a_dyno_ends_with_its_client_its_token_its_membership_and_its_server() {
    let mut server = Server::linux();
    space(&server, "shop-space", "shop");
    // A program that is told, and takes no notice, is stopped.
    let stubborn = "trap '' HUP; echo rea'dy'; while :; do sleep 0.1; done";
    let start = |server: &Server| {
        let mut terminal = server.heroku_on((91, 17), &["run", "--app", "shop", "--", stubborn]);
        terminal.expect("ready");
        terminal
    };
    let terminal = start(&server);
    assert_eq!(live(&server).len(), 1);
    drop(terminal);
    none_lives(&server);

    let bob = "bob@example.com";
    server.causeway(&["users:create", bob]).ok();
    server.causeway(&["teams:members:set", "team", bob, "--role", "member"]).ok();
    let bobs = server.env(&["--user", bob]);
    let mut terminal = server.heroku_on_terminal(&bobs, &["run", "bash", "--app", "shop"]);
    terminal.expect("$ ");
    server.causeway(&["teams:members:set", "team", bob, "--role", "none"]).ok();
    terminal.expect("the session is over: you do not belong to the team");
    terminal.end();
    none_lives(&server);

    server.causeway(&["teams:members:set", "team", bob, "--role", "member"]).ok();
    let mut terminal = server.heroku_on_terminal(&bobs, &["run", "bash", "--app", "shop"]);
    terminal.expect("$ ");
    let set = ["users:password", bob, "--generate", "--end-tokens"];
    server.causeway(&set).ok();
    terminal.expect("the session is over: the token that it was started with has ended");
    terminal.end();
    none_lives(&server);

    let terminal = start(&server);
    server.kill_and_restart();
    none_lives(&server);
    drop(terminal);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn nothing_is_attached_where_nothing_runs() {
    let server = Server::none(&[]);
    space(&server, "shop-space", "shop");
    let said = server.heroku(&["run", "bash", "--app", "shop"]).refused();
    assert!(said.contains("--fabric none") && said.contains("run:detached"), "{said}");
    server.heroku(&["run:detached", "--app", "shop", "--", "sleep 9"]).ok();
}
