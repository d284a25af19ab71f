//! Whatever somebody takes away of a router by hand: nothing forbidden passes until it is there
//! again, and then what is allowed does.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use model::intent::*;
use model::*;
use os::poll::readable;

use crate::lab::*;

/// Packets take microseconds.
const QUIET: Duration = Duration::from_millis(40);

/// A datagram of which is known whether it may arrive.
struct Probe {
    what: &'static str,
    from: UdpSocket,
    to: UdpSocket,
    address: &'static str,
}

impl Probe {
    fn new(
        what: &'static str,
        from: EniId,
        to: EniId,
        (address, port): (&'static str, u16),
    ) -> Self {
        Self { what, from: udp(from, 0), to: udp(to, port), address }
    }

    fn send(&self) {
        let port = self.to.local_addr().unwrap().port();
        // Where there is no way any more, sending may fail at once.
        let _ = self.from.send_to(b"x", (ip(self.address), port));
    }
}

fn ports(from: u16, to: u16) -> Traffic {
    Traffic::Udp(PortRange { from, to })
}

/// VPC 2, whose router loses its pieces, between its peers 1 and 3.
struct Scene {
    lab: Lab,
    router: String,
    forbidden: Vec<Probe>,
    allowed: Vec<Probe>,
}

impl Scene {
    fn new() -> Self {
        let (mut lab, first, a, b) = Lab::peered();
        lab.vpc(3, "10.3.0.0/16");
        lab.subnet(3, 3, "10.3.0.0/24");
        let c = lab.eni(3, 3, 3, "10.3.0.4");
        let second = lab.peer(2, 2, 3);
        let d = lab.eni(2, 2, 4, "10.2.0.5");
        lab.subnet(2, 20, "10.2.1.0/24");
        let e = lab.eni(2, 20, 5, "10.2.1.4");
        let f = lab.eni(2, 20, 6, "10.2.1.130");
        let g = lab.eni(1, 1, 7, "10.1.0.130");
        lab.route(1, "10.3.0.0/16", RouteTarget::Peering(first));
        for (vpc, block) in [(2, "10.3.0.0/16"), (3, "10.2.0.0/16"), (3, "10.1.0.0/16")] {
            lab.route(vpc, block, RouteTarget::Peering(second));
        }
        lab.route(2, "10.2.1.128/25", RouteTarget::Blackhole);
        lab.route(2, "10.1.0.128/25", RouteTarget::Blackhole);
        let member: SecurityGroupId = lab.id(1);
        lab.at(2).members.insert(member, [member_over(first, "10.1.0.4")].into());
        let named = RuleIntent { traffic: ports(7003, 7003), peer: RulePeer::Group(member) };
        lab.group(2).ingress = [rule(ports(7000, 7002), "0.0.0.0/0"), named].into();
        lab.group(2).egress = [rule(ports(7000, 7003), "0.0.0.0/0")].into();
        let entry = |allow, traffic| AclEntryIntent { allow, traffic, cidr: Cidr::ANY };
        let acl = AclIntent {
            ingress: vec![
                entry(true, ports(7000, 7000)),
                entry(false, ports(7001, 7001)),
                entry(true, ports(7001, 7001)),
            ],
            egress: vec![entry(true, Traffic::All)],
        };
        let (guard, guarded): (AclId, SubnetId) = (lab.id(20), lab.id(20));
        lab.at(2).acls.insert(guard, acl);
        lab.at(2).subnets.get_mut(&guarded).unwrap().acl = Some(guard);
        lab.sweep();
        let router = format!("cw-{}", lab.id::<VpcId>(2));
        let resolver = inside(&router, || UdpSocket::bind("10.2.0.2:53").unwrap());
        resolver.set_read_timeout(Some(SHORT)).unwrap();
        let ask = |what, from| {
            let to = resolver.try_clone().unwrap();
            Probe { what, from: udp(from, 0), to, address: "10.2.0.2" }
        };
        let mut forbidden = Self::forbidden([a, b, c, d, e, f, g]);
        forbidden.push(ask("to another's resolver", a));
        let allowed = vec![
            Probe::new("from a peer", a, b, ("10.2.0.4", 7000)),
            Probe::new("from a member", a, b, ("10.2.0.4", 7003)),
            Probe::new("to a peer", b, a, ("10.1.0.4", 7000)),
            Probe::new("from the other peer", c, d, ("10.2.0.5", 7000)),
            Probe::new("to another subnet", d, e, ("10.2.1.4", 7000)),
            ask("to the resolver", d),
        ];
        Self { lab, router, forbidden, allowed }
    }

    fn forbidden([a, b, c, d, e, f, g]: [EniId; 7]) -> Vec<Probe> {
        run(&at(d), "ip addr add 10.2.0.77/32 dev lo");
        let forger = inside(&at(d), || UdpSocket::bind("10.2.0.77:0").unwrap());
        vec![
            Probe::new("into a group from a peer", a, b, ("10.2.0.4", 6666)),
            Probe::new("into a group from inside", d, b, ("10.2.0.4", 6667)),
            Probe::new("out of a group", b, a, ("10.1.0.4", 6668)),
            Probe::new("past an ACL from a peer", a, e, ("10.2.1.4", 7001)),
            Probe::new("past an ACL from inside", d, e, ("10.2.1.4", 7002)),
            Probe::new("by a narrow blackhole inside", d, f, ("10.2.1.130", 7000)),
            Probe::new("by a narrow blackhole outside", b, g, ("10.1.0.130", 7000)),
            Probe::new("in transit", a, c, ("10.3.0.4", 7000)),
            Probe::new("from who is no member", c, d, ("10.2.0.5", 7003)),
            Probe { from: forger, ..Probe::new("of a forged source", d, b, ("10.2.0.4", 7002)) },
        ]
    }

    /// The forbidden probes that arrive.
    fn leaks(&self) -> Vec<&'static str> {
        self.forbidden.iter().for_each(Probe::send);
        let fds: Vec<_> = self.forbidden.iter().map(|probe| readable(&probe.to)).collect();
        let ready = os::poll::wait(&fds, Some(QUIET)).unwrap();
        let arrived = self.forbidden.iter().zip(ready).filter(|(_, ready)| *ready);
        arrived
            .map(|(probe, _)| {
                probe.to.recv(&mut [0; 8]).unwrap();
                probe.what
            })
            .collect()
    }

    /// The allowed probes that do not arrive.
    fn losses(&self) -> Vec<&'static str> {
        // The kernel opens a link that came back a moment later, and drops what was sent before.
        let arrives = |it: &Probe| datagram(&it.from, &it.to, it.address).is_some();
        let lost = |probe: &&Probe| !(0..4).any(|_| arrives(probe));
        self.allowed.iter().filter(lost).map(|probe| probe.what).collect()
    }

    /// Each piece of the router as the command that takes it away.
    fn pieces(&self) -> Vec<String> {
        let mut all = Vec::new();
        let lines = |line: &str| -> Vec<String> {
            run(&self.router, line).lines().map(|text| text.trim().to_owned()).collect()
        };
        for line in lines("ip rule") {
            let (priority, rest) = line.split_once(':').unwrap();
            all.push(format!("ip rule del prio {priority} {}", rest.trim()));
        }
        all.push("ip rule flush".to_owned());
        let routes = lines("ip -4 route show table all");
        for route in &routes {
            all.push(format!("ip route del {route}"));
        }
        let table =
            |route: &String| Some(route.split_once(" table ")?.1.split(' ').next()?.to_owned());
        let tables: std::collections::BTreeSet<String> = routes.iter().filter_map(table).collect();
        for table in tables.iter().map(String::as_str).chain(["main"]) {
            all.push(format!("ip route flush table {table}"));
        }
        for line in lines("ip -o link") {
            let name = line.split(": ").nth(1).unwrap().split('@').next().unwrap().to_owned();
            all.push(format!("ip link set {name} down"));
            all.push(format!("ip neigh flush dev {name} nud permanent"));
            all.push(format!("ip addr flush dev {name}"));
            all.push(format!("ip link del {name}"));
        }
        for (name, value) in [
            ("ip_forward", "0"),
            ("fwmark_reflect", "0"),
            ("conf.all.rp_filter", "1"),
            ("conf.all.send_redirects", "1"),
            ("conf.all.accept_redirects", "1"),
            ("conf.all.accept_source_route", "1"),
        ] {
            all.push(format!("sysctl -qw net.ipv4.{name}={value}"));
        }
        all.push("sysctl -qw net.ipv6.conf.all.disable_ipv6=0".to_owned());
        all.extend(self.pieces_of_the_firewall());
        all
    }

    fn pieces_of_the_firewall(&self) -> Vec<String> {
        let mut all = vec!["nft flush ruleset".to_owned()];
        let mut table = String::new();
        for line in run(&self.router, "nft list ruleset").lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["table", family, name, "{"] => {
                    table = format!("{family} {name}");
                    all.push(format!("nft delete table {table}"));
                    all.push(format!("nft flush table {table}"));
                }
                [kind @ ("chain" | "set" | "map"), name, "{"] => {
                    all.push(format!("nft flush {kind} {table} {name}"));
                    all.push(format!("nft delete {kind} {table} {name}"));
                }
                ["type", "filter", "hook", ..] => {
                    let chain = all.last().unwrap().split(' ').next_back().unwrap().to_owned();
                    all.push(format!("nft chain {table} {chain} {{ policy accept; }}"));
                }
                _ => {}
            }
        }
        all
    }

    /// The command that takes away each single rule of the firewall as it is now. A rule's handle is another
    /// one whenever its chain was filled again.
    fn rules(&self) -> Vec<String> {
        let (mut all, mut table, mut chain) = (Vec::new(), String::new(), String::new());
        for line in run(&self.router, "nft -a list ruleset").lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["table", family, name, "{", ..] => table = format!("{family} {name}"),
                ["chain", name, "{", ..] => chain = name.to_owned(),
                ["set" | "map", ..] => chain.clear(),
                [.., "handle", number] if !chain.is_empty() => {
                    all.push(format!("nft delete rule {table} {chain} handle {number}"));
                }
                _ => {}
            }
        }
        all
    }

    /// Runs a command in the router, and says whether it was done.
    fn takes(&self, command: &str) -> bool {
        let mut words = command.split(' ');
        let output = inside(&self.router, || {
            Command::new(words.next().unwrap()).args(words).output().unwrap()
        });
        output.status.success()
    }
}

#[test]
fn whatever_rule_is_taken_away_nothing_forbidden_passes() {
    let mut scene = Scene::new();
    let none: Vec<&str> = Vec::new();
    let count = scene.rules().len();
    assert!(count > 40, "{count}");
    for index in 0..count {
        let listing = run(&scene.router, "nft list ruleset");
        let rule = scene.rules().swap_remove(index);
        assert!(scene.takes(&rule), "{rule}");
        assert_eq!(scene.leaks(), none, "{rule} of {listing}");
        scene.lab.sweep();
        assert_eq!(run(&scene.router, "nft list ruleset"), listing, "repaired: {rule}");
    }
    assert_eq!(scene.losses(), none);
}

#[test]
fn whatever_is_taken_away_nothing_forbidden_passes() {
    let mut scene = Scene::new();
    let none: Vec<&str> = Vec::new();
    assert_eq!((scene.leaks(), scene.losses()), (none.clone(), none.clone()), "as made");
    let pieces = scene.pieces();
    let mut removed = 0;
    for piece in &pieces {
        // What others refer to cannot be deleted, only emptied.
        removed += usize::from(scene.takes(piece));
        assert_eq!(scene.leaks(), none, "{piece}");
        scene.lab.sweep();
        assert_eq!(scene.losses(), none, "repaired: {piece}");
    }
    assert!(removed * 4 > pieces.len() * 3, "{removed} of {}: {pieces:#?}", pieces.len());
    let report = scene.lab.sweep();
    assert!(is_quiet(&report), "{report:#?}");
}
