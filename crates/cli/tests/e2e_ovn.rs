//! Three hosts and OVN: a server that carries nothing itself, an agent on each host, and packets between what they
//! run. Each host is in network and mount namespaces of its own on this machine.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    dead_code,
    reason = "a test ends where something is not as it must be, and uses a part of what others share"
)]

#[path = "../../ovn/tests/netns_ovn/machines.rs"]
mod machines;
#[path = "../../ovn/tests/netns_ovn/room.rs"]
mod room;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use machines::{CENTRAL, HOSTS, Machines, name};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use os::netns::NetworkNamespace;
use serde_json::Value;
use support::web::{self, deploy};
use support::{Server, admit, peer, route, site, space, text};

const WEB: &str = "#!/bin/sh\ncd /tmp\nexec python3 -m http.server 8000\n";
/// Where agents connect.
const AGENTS: u16 = 4882;
/// Where each host takes requests from outside.
const ROUTER: &str = "127.0.0.1:8080";

/// An installation on three hosts.
struct Installation {
    server: Server,
    agents: Vec<Agent>,
    directory: tempfile::TempDir,
    /// Last: what agents leave is removed in the rooms.
    machines: Machines,
}

/// An agent that runs.
struct Agent {
    child: Child,
    id: String,
}

impl Installation {
    /// A server without hosts. The test's own thread is where the server is from now on.
    fn new() -> Self {
        let machines = Machines::new();
        machines.central.enter_network();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("server");
        std::fs::create_dir(&data).unwrap();
        let database = format!("unix:{}", machines.northbound().display());
        let agents = format!("{CENTRAL}:{AGENTS}");
        let databases = ["--fabric", "ovn", "--ovn-nb", &database, "--ovn-sb", &database];
        let server = Server::on(&data, &[&databases[..], &["--agents", &agents]].concat());
        Self { server, agents: Vec::new(), directory, machines }
    }

    /// Has a host join, or start again.
    fn start(&mut self, number: usize) {
        let data = self.directory.path().join(name(number));
        let join = match data.exists() {
            true => Vec::new(),
            false => {
                std::fs::create_dir(&data).unwrap();
                let token = self.server.causeway(&["host:token", "--json"]).json();
                let url = format!("https://{CENTRAL}:{AGENTS}");
                let host = name(number);
                ["--join", &url, "--token", &text(&token["token"]), "--name", &host]
                    .map(str::to_owned)
                    .into()
            }
        };
        let mut log = std::fs::OpenOptions::new();
        let log = log.create(true).append(true).open(data.join("agent.log")).unwrap();
        let switch = format!("unix:{}", self.machines.socket(&name(number)).display());
        let mut child = self.machines.hosts[number]
            .command(Path::new(env!("CARGO_BIN_EXE_causeway")))
            .args(["agent", "--fabric", "ovn", "--ovs", &switch, "--router", ROUTER])
            .args(["--json", "--data"])
            .arg(&data)
            .args(&join)
            .env("CAUSEWAY_LOG", "info")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !said.ends_with("}\n") {
            let read = lines.read_line(&mut said).unwrap();
            assert_ne!(read, 0, "it ended: {said}\n{}", self.log(number));
        }
        let said: Value = serde_json::from_str(&said).unwrap();
        self.agents.push(Agent { child, id: text(&said["host"]) });
    }

    /// The process of a host's agent.
    fn signal(&self, number: usize, signal: Signal) {
        kill(Pid::from_raw(self.agents[number].child.id().cast_signed()), signal).unwrap();
    }

    /// The dynos of an app that are up, and on which host each is.
    fn dynos(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for number in 0..self.agents.len() {
            let info = self.server.causeway(&["hosts:info", &name(number), "--json"]).json();
            for workload in info["workloads"].as_array().unwrap() {
                if workload["kind"] == "dyno" && workload["state"] == "up" {
                    found.insert(text(&workload["name"]), number);
                }
            }
        }
        found
    }

    fn log(&self, number: usize) -> String {
        let data = self.directory.path().join(name(number));
        std::fs::read_to_string(data.join("agent.log")).unwrap_or_default()
    }

    /// The namespaces of interfaces, by host.
    fn interfaces(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for (number, room) in self.machines.hosts.iter().enumerate() {
            let listed = room.run("ip netns list");
            let names = listed.lines().filter_map(|line| line.split_whitespace().next());
            let enis = names.filter_map(|name| name.strip_prefix("cw-eni-"));
            found.extend(enis.map(|eni| (format!("eni-{eni}"), number)));
        }
        found
    }

    /// Whether something behind an interface gets an answer over HTTP.
    fn connects(&self, from: &str, to: &str, port: u16) -> bool {
        let host = self.interfaces()[from];
        let ask = format!("curl -s -o /dev/null -m 2 http://{to}:{port}/");
        let asked = self.machines.hosts[host].try_run(&format!("ip netns exec cw-{from} {ask}"));
        asked.is_ok()
    }

    /// The address of a name, as a resolver tells it to what is behind an interface.
    fn resolve(&self, from: &str, resolver: &str, name: &str) -> Result<Ipv4Addr, String> {
        let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend(label.as_bytes());
        }
        query.extend([0, 0, 1, 0, 1]);
        self.machines.hosts[self.interfaces()[from]].inside(|| {
            let namespace = NetworkNamespace::open(&format!("cw-{from}")).unwrap().unwrap();
            namespace.enter().unwrap();
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            socket.send_to(&query, (resolver, 53)).unwrap();
            let mut answer = [0; 512];
            let bytes = socket.recv(&mut answer).map_err(|error| error.to_string())?;
            let answer = &answer[..bytes];
            // An answer without an error, and the one record ends with its address.
            match (answer[3] & 15, answer[7], answer.last_chunk()) {
                (0, 1, Some(address)) => Ok(Ipv4Addr::from(<[u8; 4]>::clone(address))),
                _ => Err(format!("{answer:x?}")),
            }
        })
    }

    /// Asks until the answer is as wanted.
    fn until(&self, what: &str, mut ask: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ask() {
            if Instant::now() > deadline {
                let agents: Vec<String> = (0..HOSTS).map(|number| self.log(number)).collect();
                panic!(
                    "never came about: {what}\n{}\n{}",
                    self.server.log(),
                    agents.join("\n--\n")
                );
            }
            machines::pause(100);
        }
    }

    fn northbound(&self, command: &str) -> String {
        let database = self.machines.northbound();
        self.machines
            .tool("central", &format!("ovn-nbctl --db=unix:{} {command}", database.display()))
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            let _ = kill(Pid::from_raw(agent.child.id().cast_signed()), Signal::SIGTERM);
            let _ = agent.child.wait();
        }
        for (number, room) in self.machines.hosts.iter().enumerate() {
            let data = self.directory.path().join(name(number));
            if !data.exists() {
                continue;
            }
            let switch = format!("unix:{}", self.machines.socket(&name(number)).display());
            let purged = room
                .command(Path::new(env!("CARGO_BIN_EXE_causeway")))
                .args(["fabric:purge", "--confirm", "--ovs", &switch, "--data"])
                .arg(&data)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&purged.stderr).into_owned();
            if !std::thread::panicking() {
                assert!(purged.status.success(), "{said}");
            }
        }
    }
}

/// The id of a peering, once it is as far as that.
fn is_active(server: &Server, pcx: &str) -> bool {
    let one = ["ec2", "describe-vpc-peering-connections", "--vpc-peering-connection-ids", pcx];
    server.aws(&one).json()["VpcPeeringConnections"][0]["Status"]["Code"] == "active"
}

fn state_of(server: &Server, instance: &str) -> String {
    let found = server.aws(&["ec2", "describe-instances", "--instance-ids", instance]).json();
    text(&found["Reservations"][0]["Instances"][0]["State"]["Name"])
}

fn interface_of(server: &Server, instance: &str) -> String {
    let found = server.aws(&["ec2", "describe-instances", "--instance-ids", instance]).json();
    let interfaces = &found["Reservations"][0]["Instances"][0]["NetworkInterfaces"];
    text(&interfaces[0]["NetworkInterfaceId"])
}

/// Nothing is carried out on a server whose packets OVN carries, and its networks are in OVN.
#[test]
fn a_server_writes_networks_and_what_is_to_run_waits_for_a_host() {
    let on = Installation::new();
    let server = &on.server;
    let vpc = |block: &str| {
        let made = server.aws(&["ec2", "create-vpc", "--cidr-block", block]).json();
        text(&made["Vpc"]["VpcId"])
    };
    let (one, other) = (vpc("10.100.0.0/16"), vpc("10.101.0.0/16"));
    let subnet = ["ec2", "create-subnet", "--vpc-id", &one, "--cidr-block", "10.100.1.0/24"];
    let subnet = text(&server.aws(&subnet).json()["Subnet"]["SubnetId"]);
    let run = ["ec2", "run-instances", "--image-id", "host", "--subnet-id", &subnet];
    let instance = text(&server.aws(&run).json()["Instances"][0]["InstanceId"]);
    let ask = ["ec2", "create-vpc-peering-connection", "--vpc-id", &one, "--peer-vpc-id", &other];
    let pcx = &server.aws(&ask).json()["VpcPeeringConnection"]["VpcPeeringConnectionId"];
    let pcx = text(pcx);
    let accept = ["ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", &pcx];
    server.aws(&accept).ok();
    on.until("a peering that no host has to carry is active", || is_active(server, &pcx));
    let rows = on.northbound("show");
    for name in [&one, &other, &subnet] {
        assert!(rows.contains(&format!("cw-{name}")), "{rows}");
    }
    assert_eq!(server.status()["fabric"]["driver"], "ovn");
    assert_eq!(state_of(server, &instance), "pending", "nobody runs it");

    // What was written stays while the server is away, and is found as it is.
    let before = on.northbound("show");
    let mut on = on;
    on.server.kill_and_restart();
    on.until("the server that starts anew leads", || {
        on.server.status()["fabric"]["healthy"] == true
    });
    assert_eq!(on.northbound("show"), before);

    let doctor =
        |arguments: &[&str]| on.server.causeway_as(&[], &[&["doctor"], arguments].concat());
    let database = format!("unix:{}", on.machines.northbound().display());
    let fine = doctor(&["--ovn-nb", &database, "--ovn-sb", &database]).ok();
    assert!(fine.contains("release of OVN: 25.03") && fine.contains("h1, h2, h3"), "{fine}");
    let nobody = doctor(&["--ovn-nb", "tcp:127.0.0.1:6641", "--json"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.out.contains("refused"), "{nobody:?}");
    let switch = format!("unix:{}", on.machines.socket("h2").display());
    let host = on.machines.hosts[1]
        .command(Path::new(env!("CARGO_BIN_EXE_causeway")))
        .args(["doctor", "--json", "--ovs", &switch])
        .output()
        .unwrap();
    let found = String::from_utf8(host.stdout).unwrap();
    assert!(found.contains("192.168.200.12, with 1442 bytes") && found.contains("h2"), "{found}");

    on.server.terminate();
    let purge = ["fabric:purge", "--ovn-nb", &database, "--ovn-sb", &database, "--confirm"];
    on.server.causeway(&purge).ok();
    assert_eq!(on.northbound("show").trim(), "", "nothing is left in OVN");
}

/// An instance on one host and a dyno on another: what they send each other passes once both sides have agreed, and
/// no longer than they do.
#[test]
fn packets_between_hosts_pass_as_long_as_both_sides_agree() {
    let mut on = Installation::new();
    for number in 0..HOSTS {
        on.start(number);
    }
    let info = space(&on.server, "blue", "shop");
    let site = site(&on.server, "10.100.0.0/16", "10.100.1.0/24", WEB);
    let instance = interface_of(&on.server, &site.instance);
    let before: BTreeSet<String> = on.interfaces().into_keys().collect();
    let run = "cd /tmp && exec python3 -m http.server 5000";
    on.server.heroku(&["run:detached", "--app", "shop", "--", run]).ok();
    on.until("the dyno is up", || {
        let list = on.server.causeway(&["ps", "--app", "shop", "--json"]).json();
        list[0]["state"] == "up"
    });
    let now = on.interfaces();
    let new: Vec<&String> = now.keys().filter(|eni| !before.contains(*eni)).collect();
    let [dyno] = new[..] else { panic!("{new:?} are new in {now:?}") };
    assert_ne!(now[dyno], now[&instance], "each on the host that has more room: {now:?}");
    let reached = |on: &Installation, port| on.connects(dyno, &site.address, port);
    let connects = |port| reached(&on, port);
    on.until("the instance answers itself", || on.connects(&instance, &site.address, 8000));
    assert!(!connects(8000), "without a peering");

    let pcx = peer(&on.server, &site, &info);
    assert!(!connects(8000), "while it is pending");
    on.server.heroku(&["spaces:peerings:accept", &pcx, "--space", "blue"]).ok();
    on.until("the peering is active", || is_active(&on.server, &pcx));
    assert!(!connects(8000), "without a way back");
    for block in ["10.0.0.0/16", "10.1.0.0/16"] {
        route(&on.server, &site, block, &pcx);
    }
    assert!(!connects(8000), "without a rule");
    admit(&on.server, &site, "10.0.0.0/16", 8000);
    on.until("the dyno reaches the instance", || connects(8000));
    assert!(!connects(8001), "another port");

    // A server that is away holds up nothing, nor does one that starts anew.
    on.server.kill();
    assert!(reached(&on, 8000), "without a server");
    on.server.restart();
    let connects = |port| reached(&on, port);
    assert!(connects(8000), "the server has started anew");

    let revoke = ["ec2", "revoke-security-group-ingress", "--group-id", &site.group];
    let rule = ["--protocol", "tcp", "--port", "8000", "--cidr", "10.0.0.0/16"];
    on.server.aws(&[&revoke[..], &rule].concat()).ok();
    on.until("nothing passes any more", || !connects(8000));
    admit(&on.server, &site, "10.0.0.0/16", 8000);
    on.until("it passes again", || connects(8000));

    // Packets that are tried come from the hosts that have their senders.
    let tried = ["peer", "blue", &site.vpc, "--port", "8000", "--yes", "--json"];
    let tried = on.server.causeway(&tried).json();
    let packets = tried["packets"].as_array().unwrap();
    let passed = packets.iter().filter(|sent| sent["passed"] == true);
    assert_eq!(passed.count(), 2, "{tried:#}");
    assert_eq!(
        (&packets[0]["outcome"], &packets[1]["outcome"]),
        (&"answered".into(), &"refused".into())
    );
    on.server
        .aws(&["ec2", "delete-vpc-peering-connection", "--vpc-peering-connection-id", &pcx])
        .ok();
    on.until("nothing passes without the peering", || !connects(8000));

    // Requests from outside come in by the host that has the space's web routers, to a dyno on any of them.
    deploy(&on.server, "shop", "web: python3 app.py\n");
    let site_of = web::host(&on.server, "shop");
    let answers = |number: usize| {
        let ask = format!("curl -s -m 5 -H Host:{site_of} http://{ROUTER}/hello");
        let said = on.machines.hosts[number].try_run(&ask).unwrap_or_default();
        said.contains("\"path\": \"/hello\"")
    };
    on.until("the app answers from outside", || (0..HOSTS).any(answers));

    // Names are answered on each host.
    let own = format!("ip-{}.ec2.internal", site.address.replace('.', "-"));
    for resolver in ["169.254.169.253", "10.100.0.2"] {
        let address = on.resolve(&instance, resolver, &own);
        assert_eq!(address.map(|it| it.to_string()), Ok(site.address.clone()), "{resolver}");
    }
}

/// How many processes sleep for so long, on whichever host.
fn sleepers(seconds: u32) -> usize {
    let seconds = seconds.to_string();
    let sleeps = |entry: &std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.len() > 1 && words[0].ends_with(b"sleep") && words[1] == seconds.as_bytes()
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(sleeps).count()
}

/// A host that reaches no server, and that nothing else ails: what is fenced runs once at most, and all else goes on.
#[test]
fn what_is_fenced_never_runs_twice_and_the_rest_goes_on_without_servers() {
    let mut on = Installation::new();
    for number in 0..HOSTS {
        on.start(number);
    }
    space(&on.server, "blue", "free");
    on.server.heroku(&["apps:create", "once", "--space", "blue"]).ok();
    // The numbers tell these processes from those of other tests that run meanwhile.
    let first = 100_000_000 + std::process::id() * 10;
    let [free, once] = [first, first + 1];
    for (app, seconds) in [("free", free), ("once", once)] {
        deploy(&on.server, app, &format!("worker: exec sleep {seconds}\n"));
    }
    on.server.heroku(&["features:enable", "fence-stop", "--app", "once"]).ok();
    let features = on.server.heroku(&["features", "--app", "once"]).ok();
    assert!(features.contains("fence-stop"), "{features}");
    let info = on.server.heroku(&["features:info", "fence-stop", "--app", "once", "--json"]).json();
    assert_eq!(info["enabled"], true);
    on.server.heroku(&["ps:scale", "worker=3", "--app", "free"]).ok();
    on.server.heroku(&["ps:scale", "worker=1", "--app", "once"]).ok();
    on.until("all run", || on.dynos().len() == 4 && sleepers(free) == 3 && sleepers(once) == 1);
    let dynos = on.dynos();
    let hosts: BTreeSet<_> = dynos.iter().filter(|(it, _)| it.starts_with("free")).collect();
    assert_eq!(hosts.len(), HOSTS);
    let cut = dynos["once/worker.1"];
    let host = on.server.causeway(&["hosts:info", &name(cut)]).ok();
    assert!(host.contains("fence-stop"), "{host}");

    // An agent that was killed is started again, and ends nothing.
    on.signal(cut, Signal::SIGKILL);
    on.agents[cut].child.wait().unwrap();
    let last = on.agents.len();
    on.start(cut);
    on.agents.swap(cut, last);
    on.agents.truncate(last);
    assert_eq!((sleepers(free), sleepers(once)), (3, 1));

    let began = Instant::now();
    let link = format!("ip link set managed-{}", name(cut));
    on.machines.central.run(&format!("{link} down"));
    let (mut most_free, mut ended, mut again) = (0, None, None);
    while again.is_none() {
        most_free = most_free.max(sleepers(free));
        match sleepers(once) {
            0 if ended.is_none() => ended = Some(began.elapsed()),
            1 if ended.is_some() => again = Some(began.elapsed()),
            0 | 1 => {}
            more => panic!("{more} run at once after {:?}", began.elapsed()),
        }
        let agent = on.log(cut);
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{ended:?}\n{agent}\n{}",
            on.server.log()
        );
        machines::pause(100);
    }
    // It asked for the last time that was answered up to five seconds before, and looks each second.
    let [ended, again] = [ended, again].map(|after| after.unwrap().as_secs());
    assert!((24..45).contains(&ended), "it ended after {ended} s");
    assert!((64..100).contains(&again), "another one was there after {again} s");
    assert_eq!(most_free, 4, "what is not fenced runs there on, beside what replaces it");
    let why = on.server.causeway(&["ps", "--app", "once", "--json"]).ok();
    println!("ended after {ended} s, begun elsewhere after {again} s; {why}");
    assert!(on.dynos()["once/worker.1"] != cut);

    // Back again, it ends first of all what runs elsewhere.
    on.machines.central.run(&format!("{link} up"));
    on.until("nothing runs twice", || sleepers(free) == 3);
    assert_eq!(sleepers(once), 1);
}
