//! `causeway peer` and `unpeer`: the whole job in one go, with real packets, cut short after every step, and
//! with the real clients typing what it prints.
//!
//! Shows B2 of the requirements, and R7, R15, R16.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use support::{Ran, Server, Site, dyno, site, space, text};

/// Two web servers, of which one is to be opened.
const TWO_PORTS: &str =
    "#!/bin/sh\npython3 -m http.server 8001 &\nexec python3 -m http.server 8000\n";
/// The commands by which a space and a VPC with one instance are joined.
const STEPS: usize = 5;

fn join(server: &Server, site: &Site, more: &[&str]) -> Ran {
    server.causeway(&[&["peer", "blue", &site.vpc, "--port", "8000"], more].concat())
}

fn part(server: &Server, site: &Site, more: &[&str]) -> Ran {
    server.causeway(&[&["unpeer", "blue", &site.vpc], more].concat())
}

/// What the VPC's owner sees of what was made: routes, rules, tags, and peerings that have not ended.
fn traces(server: &Server, site: &Site) -> Vec<String> {
    let filter = format!("Name=vpc-id,Values={}", site.vpc);
    let tables = server.aws(&["ec2", "describe-route-tables", "--filters", &filter]).json();
    let groups = server.aws(&["ec2", "describe-security-groups", "--filters", &filter]).json();
    let peerings = server.aws(&["ec2", "describe-vpc-peering-connections"]).json();
    let mut traces = Vec::new();
    for table in tables["RouteTables"].as_array().unwrap() {
        traces.push(table["Tags"].to_string());
        for route in table["Routes"].as_array().unwrap() {
            traces.push(format!("{} {}", route["DestinationCidrBlock"], route["GatewayId"]));
        }
    }
    for group in groups["SecurityGroups"].as_array().unwrap() {
        for rule in group["IpPermissions"].as_array().unwrap() {
            let ranges = rule["IpRanges"].as_array().unwrap();
            traces.extend(ranges.iter().map(|range| format!("{} {range}", rule["FromPort"])));
        }
    }
    for peering in peerings["VpcPeeringConnections"].as_array().unwrap() {
        let status = text(&peering["Status"]["Code"]);
        if !["deleted", "deleting", "failed"].contains(&&*status) {
            traces.push(status);
        }
    }
    // Rules come in the order of their ids, which are chance.
    traces.sort();
    traces
}

/// The lines that are to be typed now, in their order.
fn to_do(plan: &Value) -> Vec<String> {
    let steps = plan["plan"]["steps"].as_array().unwrap();
    let to_do = steps.iter().filter(|step| step["state"] == "to_do");
    to_do.map(|step| text(&step["command"])).collect()
}

fn packets(answer: &Value) -> Vec<(String, bool)> {
    let all = answer["packets"].as_array().unwrap();
    all.iter().map(|sent| (text(&sent["outcome"]), sent["passed"] == true)).collect()
}

#[test]
fn b2_one_command_joins_a_space_and_a_vpc_and_one_takes_it_back() {
    let server = Server::linux();
    space(&server, "blue", "shop");
    let dyno = dyno(&server, "shop", "sleep 600");
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", TWO_PORTS);
    for port in [8000, 8001] {
        server.until("the web servers listen", |server| {
            server.connects(&site.instance, &site.address, port)
        });
    }
    let before = traces(&server, &site);

    let plan = join(&server, &site, &["--plan"]).ok();
    for words in [
        "To be done:",
        "aws ec2 create-vpc-peering-connection --vpc-id",
        "heroku spaces:peerings:accept pcx-… --space blue",
        "aws ec2 create-route --route-table-id",
        "CidrIp=10.0.128.0/20",
        "CidrIp=10.0.144.0/20",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    let said = join(&server, &site, &[]).refused();
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(traces(&server, &site), before, "a plan changes nothing");
    assert!(!server.connects(&dyno.target, &site.address, 8000));

    let answer = join(&server, &site, &["--yes", "--json"]).json();
    assert_eq!(answer["done"].as_array().unwrap().len(), STEPS, "{answer:#}");
    // Nobody listens on the dyno's port, but the packet gets there.
    let both = [("answered".to_owned(), true), ("refused".to_owned(), true)];
    assert_eq!(packets(&answer), both, "{answer:#}");
    assert!(server.connects(&dyno.target, &site.address, 8000), "R15, R16");
    assert!(!server.connects(&dyno.target, &site.address, 8001), "R16: no other port");

    let again = join(&server, &site, &[]);
    let said = again.ok();
    assert!(said.contains("Nothing to do.") && said.contains("passes"), "{said}");
    let joined = traces(&server, &site);

    // One more port is one more step, and what is taken back is all of it.
    let more = server.causeway(&["peer", "blue", &site.vpc, "--port", "8001", "--yes", "--json"]);
    assert_eq!(more.json()["done"].as_array().unwrap().len(), 1);
    assert!(server.connects(&dyno.target, &site.address, 8001));
    assert_ne!(traces(&server, &site), joined);

    let said = part(&server, &site, &["--yes"]).ok();
    assert!(said.contains("revoke-security-group-ingress"), "{said}");
    assert_eq!(traces(&server, &site), before, "nothing is left");
    server.sweep();
    assert!(!server.connects(&dyno.target, &site.address, 8000));
    assert!(part(&server, &site, &[]).ok().contains("Nothing to take back."));
}

/// The address of a server between the command and the real one, and what it saw.
struct Between {
    address: SocketAddr,
    changes: Arc<AtomicUsize>,
}

/// What becomes of requests that change something.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The connection breaks before the one of this number, and not before others.
    Before(usize),
    /// It breaks before the one of this number and all that follow: the command can do no more, as if
    /// it had been killed.
    From(usize),
    /// The one of this number is done, and its answer lost.
    After(usize),
}

impl Between {
    fn start(server: &Server, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let real = server.url.trim_start_matches("http://").to_owned();
        let changes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&changes);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let _ = hand_on(client.unwrap(), &real, &counted, fault);
            }
        });
        Self { address, changes }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Hands one request on, unless it is not to get there.
fn hand_on(
    mut client: TcpStream,
    real: &str,
    changes: &AtomicUsize,
    fault: Fault,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte)? == 0 {
            return Ok(());
        }
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    client.read_exact(&mut body)?;
    request.extend(body);
    let is_change = head.starts_with("post / ")
        || ["post /spaces/", "delete /spaces/"].iter().any(|start| head.starts_with(start));
    let number = if is_change { changes.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
    let dropped = is_change
        && match fault {
            Fault::Before(n) => number == n,
            Fault::From(n) => number >= n,
            Fault::After(_) => false,
        };
    if dropped {
        return Ok(());
    }
    let mut server = TcpStream::connect(real)?;
    // One request a connection, so that the answer ends with it.
    let request = String::from_utf8(request).unwrap();
    let request = request.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
    server.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    match fault {
        Fault::After(n) if is_change && number == n => Ok(()),
        _ => client.write_all(&answer),
    }
}

/// A VPC and a space on a server that carries no packets.
fn unjoined() -> (Server, Site) {
    let server = Server::none(&[]);
    space(&server, "blue", "shop");
    server.heroku(&["run:detached", "--app", "shop", "--", "sleep 600"]).ok();
    server.until("the dyno is up", |server| {
        server.causeway(&["ps", "--app", "shop", "--json"]).json()[0]["state"] == "up"
    });
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", "#!/bin/sh\n");
    (server, site)
}

/// A VPC and a space, between whom and the command requests can be lost.
struct CutShort {
    server: Server,
    site: Site,
    /// What there is to see before the two are joined, and afterwards.
    before: Vec<String>,
    joined: Vec<String>,
    /// How many changes parting them takes.
    back: usize,
}

impl CutShort {
    fn new() -> Self {
        let (server, site) = unjoined();
        let before = traces(&server, &site);
        let mut made = Self { server, site, before, joined: Vec::new(), back: 0 };
        let (whole, changes) = made.peer(Fault::From(usize::MAX));
        whole.ok();
        assert_eq!(changes, STEPS);
        made.joined = made.traces();
        let (whole, back) = made.unpeer(Fault::From(usize::MAX));
        whole.ok();
        assert_eq!(made.traces(), made.before);
        Self { back, ..made }
    }

    /// Runs the command that joins them, and counts the changes that it asked for.
    fn peer(&self, fault: Fault) -> (Ran, usize) {
        self.through(fault, &["peer", "blue", &self.site.vpc, "--port", "8000", "--yes"])
    }

    fn unpeer(&self, fault: Fault) -> (Ran, usize) {
        self.through(fault, &["unpeer", "blue", &self.site.vpc, "--yes"])
    }

    fn through(&self, fault: Fault, command: &[&str]) -> (Ran, usize) {
        let between = Between::start(&self.server, fault);
        let ran = self.server.causeway(&[command, &["--url", &between.url()]].concat());
        (ran, between.changes.load(Ordering::SeqCst))
    }

    fn join(&self) {
        join(&self.server, &self.site, &["--yes"]).ok();
    }

    fn part(&self) {
        part(&self.server, &self.site, &["--yes"]).ok();
    }

    fn traces(&self) -> Vec<String> {
        traces(&self.server, &self.site)
    }
}

#[test]
fn b2_where_a_step_fails_what_came_before_it_is_taken_back() {
    let it = CutShort::new();
    for n in 1..=STEPS {
        let said = it.peer(Fault::Before(n)).0.refused();
        assert!(n == 1 || said.contains("taken back"), "{n}: {said}");
        assert_eq!(it.traces(), it.before, "{n}: {said}");
    }
}

#[test]
fn b2_where_an_answer_is_lost_it_goes_on() {
    let it = CutShort::new();
    for n in 1..=STEPS {
        it.peer(Fault::After(n)).0.ok();
        assert_eq!(it.traces(), it.joined, "{n}");
        it.part();
    }
}

#[test]
fn b2_where_it_is_killed_what_is_left_is_told_and_taken_back_or_gone_on_with() {
    let it = CutShort::new();
    for n in 1..=STEPS {
        let said = it.peer(Fault::From(n)).0.refused();
        assert!(n <= 1 || said.contains("could not be taken back"), "{n}: {said}");
        it.part();
        assert_eq!(it.traces(), it.before, "{n}");
        it.peer(Fault::From(n)).0.refused();
        it.join();
        assert_eq!(it.traces(), it.joined, "{n}");
        it.part();
    }
}

#[test]
fn b2_where_the_way_back_is_cut_short_it_is_gone_on_with() {
    let it = CutShort::new();
    assert!(it.back > 0);
    for n in 1..=it.back {
        it.join();
        it.unpeer(Fault::From(n)).0.refused();
        it.part();
        assert_eq!(it.traces(), it.before, "{n}");
    }
}

#[test]
fn b2_what_it_prints_can_be_typed() {
    let (server, site) = unjoined();
    let before = traces(&server, &site);
    let type_all = |plan: &dyn Fn() -> Value| {
        let mut typed = 0;
        while let Some(line) = to_do(&plan()).first() {
            assert!(typed < 10, "there is no end to {line}");
            let words = shlex::split(line).unwrap();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[0] {
                "aws" => server.aws(&words[1..]).ok(),
                "heroku" => server.heroku(&words[1..]).ok(),
                other => panic!("{other}"),
            };
            typed += 1;
        }
        typed
    };
    assert_eq!(type_all(&|| join(&server, &site, &["--plan", "--json"]).json()), STEPS);
    let said = join(&server, &site, &[]).ok();
    assert!(said.contains("Nothing to do."), "{said}");
    assert_eq!(type_all(&|| part(&server, &site, &["--plan", "--json"]).json()), 4);
    assert_eq!(traces(&server, &site), before);
}

#[test]
fn b2_each_owner_does_their_part_and_hands_the_other_the_lines() {
    let (server, site) = unjoined();
    let variables = server.env(&[]);
    let only = |kept: &[&str]| -> Vec<(String, String)> {
        let kept = |(name, _): &&(String, String)| {
            name == "CAUSEWAY_URL" || kept.iter().any(|start| name.starts_with(start))
        };
        variables.iter().filter(kept).cloned().collect()
    };
    let (space_owner, vpc_owner) = (only(&["HEROKU_API_KEY"]), only(&["AWS_"]));
    let info = server.causeway(&["spaces:peering:info", "blue", "--json"]).json();
    let space_vpc = text(&info["vpc_id"]);
    let as_space = |more: &[&str]| {
        let words = ["peer", "blue", &site.vpc, "--port", "8000"];
        server.causeway_as(&space_owner, &[&words, more].concat())
    };
    let as_vpc = |more: &[&str]| {
        let words = ["peer", &space_vpc, &site.vpc, "--port", "8000"];
        server.causeway_as(&vpc_owner, &[&words, more].concat())
    };
    let said = as_space(&["--yes"]).refused();
    assert!(said.contains("For another owner:") && said.contains("rtb-…"), "{said}");
    assert!(!said.contains(&site.table) && !said.contains(&site.group), "{said}");

    // The other's space has no name here.
    let words = ["peer", "blue", &site.vpc, "--port", "8000", "--yes"];
    let said = server.causeway_as(&vpc_owner, &words).refused();
    assert!(said.contains("named by the id of its VPC"), "{said}");
    // Nor is it told whether it is there, before it is asked.
    let nowhere = "vpc-0123456789abcdef0";
    let words = ["peer", nowhere, &site.vpc, "--port", "8000", "--plan", "--json"];
    let plan = server.causeway_as(&vpc_owner, &words).ok();
    assert_eq!(plan.replace(nowhere, &space_vpc), as_vpc(&["--plan", "--json"]).ok());
    let said = as_vpc(&["--yes"]).refused();
    assert!(said.contains("For another owner:"), "{said}");
    assert!(said.contains("heroku spaces:peerings:accept") && !said.contains("blue"), "{said}");
    let said = as_space(&["--yes"]).refused();
    assert!(said.contains("spaces:peerings:accept"), "{said}");
    let said = as_vpc(&[]).ok();
    assert!(said.contains("Nothing to do."), "{said}");
    let said = join(&server, &site, &[]).ok();
    assert!(said.contains("Nothing to do.") && said.contains("passes"), "{said}");

    // Who owns neither is told no more than that.
    server.causeway(&["accounts:create", "stranger"]).ok();
    let stranger: Vec<(String, String)> = server
        .env(&["--account", "stranger"])
        .into_iter()
        .filter(|(name, _)| name == "CAUSEWAY_URL" || name.starts_with("AWS_"))
        .collect();
    let words = ["peer", &space_vpc, &site.vpc, "--plan"];
    let said = server.causeway_as(&stranger, &words).refused();
    assert!(said.contains("is yours") && !said.contains("10."), "{said}");
    // On the server's host an account can be named.
    let words = ["unpeer", "blue", &site.vpc, "--account", "customer", "--yes"];
    server.causeway(&words).ok();
}
