//! A conversation between two workloads that notices a single lost byte.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use super::Server;

/// Answers every byte at port 8000; an instance's user data.
pub const ECHO: &str = r#"#!/bin/sh
exec python3 -c '
import socket, threading
def serve(c):
    while True:
        d = c.recv(64)
        if not d: return
        c.sendall(d)
l = socket.create_server(("0.0.0.0", 8000))
while True:
    threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
'
"#;

/// Sends a byte and waits for its answer, again and again, until its input ends. A byte that is
/// lost ends it with an error.
const ASK: &str = r#"
import select, socket, sys
s = socket.create_connection((sys.argv[1], 8000), timeout=5)
n = 0
print("connected", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    s.sendall(b"x")
    if s.recv(1) != b"x":
        sys.exit("the connection ended")
    n += 1
print("answers", n, flush=True)
"#;

/// A conversation over one connection, from a workload to one that runs [`ECHO`].
pub struct Talk {
    client: Child,
    said: BufReader<ChildStdout>,
}

impl Talk {
    /// Begins one, and waits until the connection is there.
    pub fn start(server: &Server, from: &str, to: &str) -> Self {
        let mut command = server.command(&["exec", from, "--", "python3", "-c", ASK, to]);
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(client.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "connected\n");
        Self { client, said }
    }

    /// Whether it has ended, or ends before long, because nothing comes back any more.
    pub fn is_over(mut self) -> bool {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        !self.client.wait().unwrap().success()
    }

    /// Ends it: how many bytes were answered over the one connection.
    pub fn end(mut self) -> u32 {
        drop(self.client.stdin.take());
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        assert!(self.client.wait().unwrap().success(), "{rest}");
        rest.trim().strip_prefix("answers ").unwrap().parse().unwrap()
    }
}
