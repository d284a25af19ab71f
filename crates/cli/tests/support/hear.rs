//! Who answers: instances that say their names, and whether packets and `causeway why` agree on that.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Ran, Server};

/// Says the instance's name to whoever connects to port 8000 of any of its addresses.
pub const WHO: &str = r#"#!/bin/sh
exec python3 -c '
import socket
l = socket.create_server(("0.0.0.0", 8000))
while True:
    c, _ = l.accept()
    c.sendall(socket.gethostname().encode())
    c.close()
'
"#;

/// Prints what is said at port 8000 of an address, or a dash where nobody answers.
const ASK: &str = "
import socket, sys
try:
    s = socket.create_connection((sys.argv[1], 8000), timeout=0.7)
    print(s.recv(99).decode())
except OSError:
    print('-')
";

/// How long a change may take that was answered already.
const SOON: Duration = Duration::from_secs(20);

/// The real `aws ec2` with the words of a line.
pub fn ec2(server: &Server, line: &str) -> Ran {
    let words: Vec<&str> = ["ec2"].into_iter().chain(line.split_whitespace()).collect();
    server.aws(&words)
}

/// Who answers a workload at an address.
pub fn heard(server: &Server, from: &str, address: &str) -> Option<String> {
    let ran = server.causeway(&["exec", from, "--", "python3", "-c", ASK, address]).ok();
    Some(ran.trim().to_owned()).filter(|said| said != "-")
}

/// The name that an instance says.
pub fn name(server: &Server, instance: &str) -> String {
    server.until("it listens", |server| heard(server, instance, "127.0.0.1").is_some());
    heard(server, instance, "127.0.0.1").unwrap()
}

/// What `causeway why` says of port 8000.
#[track_caller]
pub fn why(server: &Server, from: &str, to: &str) -> Value {
    let ran = server.causeway(&["why", from, to, "--port", "8000", "--json"]);
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:#?}"))
}

/// Insists that soon, and without anybody's sweep, exactly the named one answers at an address, and that
/// `why` says the same of it: `to` is how it names the address.
#[track_caller]
pub fn hears(server: &Server, from: &str, (address, to): (&str, &str), wanted: Option<&str>) {
    let deadline = Instant::now() + SOON;
    loop {
        let said = heard(server, from, address);
        if said.as_deref() == wanted {
            break;
        }
        let late = Instant::now() >= deadline;
        assert!(
            !late,
            "{from} to {address}: {said:?}, not {wanted:?}; {:#}",
            why(server, from, to)
        );
    }
    let verdict = why(server, from, to);
    assert_eq!(verdict["allowed"], wanted.is_some(), "{from} to {to}: {verdict:#}");
}
