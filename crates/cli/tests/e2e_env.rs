//! The variables that `causeway env` prints, as real shells and the real clients take them.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use support::Server;

/// A proxy that notes what goes through it, and lets nothing out: it answers everything itself.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, noted) = (stream.unwrap(), Arc::clone(&noted));
            std::thread::spawn(move || {
                let tunnel = head(&mut stream);
                noted.lock().unwrap().push(tunnel.clone());
                // What is for Heroku comes in TLS, which nobody here can read.
                if tunnel.starts_with("CONNECT ") && !tunnel.contains("heroku.com") {
                    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
                    let request = head(&mut stream);
                    noted.lock().unwrap().push(request);
                }
                let _ = stream.write_all(
                    b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                );
            });
        }
    });
    (address, asked)
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// `env` prints the addresses to which the real command sends the token, and no others.
#[test]
fn the_heroku_command_sends_the_token_where_env_says_and_elsewhere_without_it() {
    let server = Server::none(&[]);
    let token = server.env(&[]).into_iter().find(|(name, _)| name == "HEROKU_API_KEY").unwrap().1;
    for (url, printed) in [
        ("http://127.0.0.1:4880", true),
        ("http://localhost:4880", true),
        ("http://0.0.0.0:4880", false),
        ("http://127.0.0.2:4880", false),
        ("http://127.0.0.10:4880", false),
        ("http://[::1]:4880", false),
        ("http://localhost.example.com:4880", false),
    ] {
        let (proxy, asked) = proxy();
        let variables = [
            ("HEROKU_HOST", url),
            ("HEROKU_API_KEY", &token),
            ("HEROKU_PARTICLEBOARD_URL", url),
            ("HTTP_PROXY", &proxy),
            ("HTTPS_PROXY", &proxy),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        server.heroku_as(&variables, &["spaces"]);
        let asked = asked.lock().unwrap().join("\n");
        let host = url.strip_prefix("http://").unwrap();
        let heroku = asked.contains("heroku.com");
        let here = asked.contains(host) && !heroku;
        let with_token = here && asked.contains(&token);
        assert_eq!(with_token, printed, "{url}: {asked}");
        assert!(here || heroku, "{url}: {asked}");
    }
}

#[test]
fn a_server_on_any_address_has_variables_that_lead_to_it() {
    for (listen, works) in [("0.0.0.0:0", true), ("127.0.0.2:0", false)] {
        let server = Server::none(&["--insecure", "--listen", listen]);
        let variables = server.env(&[]);
        let has = |name: &str| variables.iter().any(|(known, _)| known == name);
        assert!(has("AWS_ENDPOINT_URL") && has("AWS_REGION") && has("CAUSEWAY_DATA"), "{listen}");
        for name in ["HEROKU_HOST", "HEROKU_API_KEY", "HEROKU_API_URL", "HEROKU_DATA_HOST"] {
            assert_eq!(has(name), works, "{listen}: {name}");
        }
        server.aws(&["ec2", "describe-vpcs"]).ok();
        let said = server.causeway(&["env"]).ok();
        assert_eq!(said.contains("ssh -N -L"), !works, "{said}");
        if works {
            server.heroku(&["auth:whoami"]).ok();
        }
    }
}

/// Nobody pushes code anywhere: git says what to do instead.
#[test]
fn a_git_push_goes_nowhere_and_names_what_there_is_instead() {
    let server = Server::none(&[]);
    server.heroku(&["spaces:create", "alpha", "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", "alpha", "--json"]).json()["state"] == "allocated"
    });
    server.causeway(&["apps:create", "shop", "--space", "alpha"]).ok();
    let dir = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"];
        let mut command = Command::new("git");
        command.current_dir(dir.path()).args(identity).args(arguments);
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").output().unwrap()
    };
    assert!(git(&["init", "--quiet"]).status.success());
    assert!(git(&["commit", "--quiet", "--allow-empty", "-m", "x"]).status.success());
    let said = server.heroku_in(dir.path(), &["git:remote", "--app", "shop"]).ok();
    assert!(said.contains("https://no-git-here.use-causeway-deploy.invalid/shop.git"), "{said}");
    let pushed = git(&["push", "heroku", "HEAD:main"]);
    let said = String::from_utf8_lossy(&pushed.stderr).into_owned();
    assert!(!pushed.status.success(), "{said}");
    assert!(said.contains("resolve") && said.contains("use-causeway-deploy"), "{said}");
}

/// The lines of README that start a server and point a shell at it.
fn first_lines() -> [&'static str; 4] {
    let readme = include_str!("../../../README.md");
    // What follows on the line of the fence says why the documents' own test does not run it.
    let blocks = readme.split("```sh").skip(1).filter_map(|rest| rest.split_once('\n'));
    let blocks = blocks.filter_map(|(_, rest)| rest.split("```").next());
    let block = blocks.into_iter().find(|block| block.contains("causeway serve")).unwrap();
    let lines: Vec<&str> = block.lines().take_while(|line| !line.is_empty()).collect();
    lines.try_into().unwrap_or_else(|lines| panic!("README begins otherwise: {lines:#?}"))
}

/// README's first lines, as they are pasted; but without packets, on any port, and with the program
/// of the tests in place of the one that the first line builds.
#[test]
fn env_waits_for_a_server_that_was_just_started() {
    let [build, path, serve, env] = first_lines();
    let build = build.split(' ').next().unwrap();
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    assert_eq!(build, "scripts/build");
    let build = std::fs::read_to_string(repository.join(build)).unwrap();
    assert!(build.contains("target/dist") && path.contains("$PWD/target/dist:"), "{path}");
    let address = "--router 127.0.0.1:4881";
    assert!(serve.contains(address), "{serve}");
    let serve = serve.replace(address, "--listen 127.0.0.1:0 --fabric none > said 2> log");

    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("target/dist");
    std::fs::create_dir_all(&place).unwrap();
    let program = env!("CARGO_BIN_EXE_causeway");
    std::os::unix::fs::symlink(program, place.join("causeway")).unwrap();
    let rest = r#"
        causeway status | head -n 1
        causeway whoami
        eval "$(causeway env)"
        echo "$NO_PROXY $NODE_EXTRA_CA_CERTS"
        grep -c BEGIN "$NODE_EXTRA_CA_CERTS"
        eval "$(causeway env --unset)"
        echo "${HEROKU_API_KEY-gone} ${AWS_SECRET_ACCESS_KEY-gone} ${NO_PROXY-gone} ${NODE_EXTRA_CA_CERTS-gone}"
    "#;
    let script = format!(
        "set -eu\n{path}\n{serve}\nserver=$!\ntrap 'kill $server; wait $server || :' EXIT\n{env}\n\
         {rest}"
    );
    let ran = Command::new("sh")
        .args(["-c", &script])
        .current_dir(dir.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir.path())
        .output()
        .unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{out}{err}");
    let lines: Vec<&str> = out.lines().collect();
    let [status, who, kept, certificates, gone] = lines[..] else { panic!("{out}{err}") };
    assert!(status.starts_with("Server"), "{out}");
    assert_eq!(who, "admin@causeway.local");
    assert!(kept.starts_with("localhost,127.0.0.1 /") && kept.ends_with("/data/ca.pem"), "{out}");
    assert_eq!((certificates, gone), ("2", "gone gone gone gone"));
}
