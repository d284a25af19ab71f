//! An edge takes over from one of an earlier build, which said less.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, IoSlice, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;

use causeway_edge::{Config, Control, Edge, Location, Namespaces};
use model::edge::EdgeIntent;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::json;

use super::bench::{LOCAL, Raw, eni, router, space};

/// Serves as an edge of a build that built the names of namespaces itself, until another one has
/// taken over its table and its only socket.
fn earlier_edge(dir: &Path, intent: EdgeIntent, socket: TcpListener) -> JoinHandle<()> {
    std::fs::create_dir_all(dir).unwrap();
    let lock = File::create(dir.join("edge.lock")).unwrap();
    lock.lock().unwrap();
    let control = UnixListener::bind(dir.join("edge.sock")).unwrap();
    std::thread::spawn(move || {
        let stream = control.accept().unwrap().0;
        let mut orders = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut next = || orders.next().unwrap().unwrap();
        assert_eq!(next(), r#""handover""#);
        say(&stream, &json!({"table": intent}), None);
        assert_eq!(next(), r#""next""#);
        let id = json!({"space_http": [space(), eni()]});
        say(&stream, &json!({"sockets": [id]}), Some(&socket));
        assert_eq!(next(), r#""next""#);
        say(&stream, &json!({"sockets": []}), None);
        assert_eq!(next(), r#""taken""#);
        drop((socket, lock));
        // What its successor is told comes here, too: an intent, whatever else is in it.
        let passed: serde_json::Value = serde_json::from_str(&next()).unwrap();
        let sync = passed["heir"][1]["sync"].clone();
        assert_eq!(serde_json::from_value::<EdgeIntent>(sync).unwrap(), intent);
    })
}

fn say(mut stream: &UnixStream, report: &serde_json::Value, socket: Option<&TcpListener>) {
    let line = format!("{report}\n");
    let fds: Vec<_> = socket.map(AsRawFd::as_raw_fd).into_iter().collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
    let parts = [IoSlice::new(line.as_bytes())];
    let flags = MsgFlags::empty();
    let sent = sendmsg::<()>(stream.as_raw_fd(), &parts, rights, flags, None).unwrap();
    stream.write_all(&line.as_bytes()[sent..]).unwrap();
}

#[test]
fn sockets_of_an_edge_that_named_no_namespaces_wait_until_the_controller_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path().join("edge"));
    config.location = Location::Namespaces;
    let socket = TcpListener::bind((LOCAL, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let mut intent = EdgeIntent::default();
    intent.spaces.insert(space(), router(vec![]));
    let earlier = earlier_edge(&config.dir, intent.clone(), socket);
    let edge = Edge::start(config.clone()).unwrap();
    // Nobody else has the socket any more.
    let mut client = Raw::to(address);
    client.say("GET / HTTP/1.1\r\nhost: nowhere\r\n\r\n");
    let mut control = Control::connect(&config.dir).unwrap();
    // Nothing has this name: what is open already needs none to be opened in.
    let interfaces = BTreeMap::from([(eni(), "cw-no-namespace".to_owned())]);
    control.sync(&intent, &Namespaces { interfaces, ..Namespaces::default() }).unwrap();
    assert_eq!(client.answer().status, 404);
    assert_eq!(control.settle().unwrap(), 0);
    earlier.join().unwrap();
    drop((client, control, edge));
}
