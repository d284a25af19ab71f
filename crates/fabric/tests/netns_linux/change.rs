//! Change, drift, adoption, removal.

use causeway_fabric::driver::{Driver, Outcome};
use causeway_fabric::linux::{Linux, doctor};
use model::intent::*;
use model::*;

use crate::lab::*;

#[test]
fn this_machine_can_carry_the_fabric() {
    let bad: Vec<_> = doctor().into_iter().filter(|check| !check.ok).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Everything that the kernel holds of a lab's VPCs and workloads, as the tools print it.
fn dump(intent: &NetworksIntent) -> String {
    let mut out = String::new();
    let routers = intent.vpcs.keys().map(|id| format!("cw-{id}"));
    let workloads = intent.vpcs.values().flat_map(|vpc| vpc.interfaces.keys()).map(|eni| at(*eni));
    for name in routers.chain(workloads) {
        for line in [
            "ip -o -d link",
            "ip -o addr",
            "ip route show table all",
            "ip rule",
            "ip neigh show nud permanent",
            "nft -n list ruleset",
        ] {
            let numbered = line.starts_with("ip -o");
            let mut text: Vec<String> = run(&name, line)
                .lines()
                .map(
                    |text| {
                        if numbered { text.split_once(": ").map_or("", |(_, t)| t) } else { text }
                    },
                )
                .map(without_history)
                .collect();
            // Order is history, and no packet meets it: chains are found by name.
            text.sort();
            out.push_str(&format!("# {name}: {line}\n{}\n", text.join("\n")));
        }
    }
    out
}

/// Drops what depends on what was there before (numbers of links and namespaces) and what the
/// kernel settles in its own time (the state of links).
fn without_history(line: &str) -> String {
    let mut words = Vec::new();
    let mut rest = line.split_whitespace();
    while let Some(word) = rest.next() {
        match word {
            "state" | "link-netnsid" => drop(rest.next()),
            _ if word.starts_with('<') => {}
            _ => words.push(word.split("@if").next().unwrap_or_default()),
        }
    }
    words.join(" ")
}

/// A generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) % u64::from(sides)) as u32
    }
}

fn random_change(lab: &mut Lab, dice: &mut Dice) {
    let vpc = 1 + dice.roll(3);
    let block = format!("10.{vpc}.0.0/16");
    if !lab.intent.vpcs.contains_key(&lab.id(vpc)) {
        lab.vpc(vpc, &block);
        lab.subnet(vpc, vpc, &format!("10.{vpc}.0.0/24"));
        return;
    }
    let eni = 10 * vpc + dice.roll(3);
    let other = 1 + vpc % 3;
    match dice.roll(12) {
        0 | 1 => drop(lab.eni(
            vpc,
            vpc,
            eni,
            &format!("10.{vpc}.0.{}", 4 + dice.roll(4) + 8 * (eni % 10)),
        )),
        2 => {
            let id = lab.id(eni);
            lab.at(vpc).interfaces.remove(&id);
        }
        3 => {
            let port = 80 + dice.roll(5) as u16;
            let added = rule(tcp(port), "10.0.0.0/8");
            if !lab.group(vpc).ingress.remove(&added) {
                lab.group(vpc).ingress.insert(added);
            }
        }
        4 => {
            let acl: AclId = lab.id(vpc);
            let entry =
                AclEntryIntent { allow: true, traffic: Traffic::All, cidr: cidr("10.0.0.0/8") };
            let entries = vec![entry; 1 + dice.roll(2) as usize];
            lab.at(vpc).acls.insert(acl, AclIntent { ingress: entries.clone(), egress: entries });
            let subnet = lab.id(vpc);
            lab.at(vpc).subnets.get_mut(&subnet).unwrap().acl = Some(acl);
        }
        5 => {
            let table: RouteTableId = lab.id(100 + dice.roll(3));
            lab.at(vpc)
                .route_tables
                .entry(table)
                .or_default()
                .insert(cidr("172.16.0.0/12"), RouteTarget::Blackhole);
            let subnet = lab.id(vpc);
            lab.at(vpc).subnets.get_mut(&subnet).unwrap().route_table = table;
        }
        6 => {
            let group: SecurityGroupId = lab.id(vpc);
            let named = RuleIntent {
                traffic: Traffic::Icmp { kind: Some(8), code: None },
                peer: RulePeer::Group(group),
            };
            lab.group(vpc).ingress.insert(named);
            let (by, address) = (lab.id(eni), format!("10.{vpc}.0.{}", dice.roll(200)));
            lab.at(vpc).members.entry(group).or_default().insert(member(by, &address));
        }
        7 if lab.intent.vpcs.contains_key(&lab.id(other)) => {
            let pcx = lab.peer(vpc, vpc, other);
            lab.route(vpc, &format!("10.{other}.0.0/16"), RouteTarget::Peering(pcx));
        }
        8 => {
            let pcx = lab.id(vpc);
            lab.unpeer(pcx);
        }
        9 => {
            let id = lab.id::<EniId>(eni);
            if let Some(interface) = lab.at(vpc).interfaces.get_mut(&id) {
                interface.source_dest_check = !interface.source_dest_check;
                interface.mtu = 1500 + dice.roll(2) as u16;
                interface.mac.0[2] = dice.roll(2) as u8;
            }
        }
        10 => {
            let resolvers = &mut lab.at(vpc).resolvers;
            if resolvers.pop().is_none() {
                resolvers.extend([ip(&format!("10.{vpc}.0.2")), edge::RESOLVER]);
            }
        }
        _ if dice.roll(4) == 0 => {
            for number in 1..=3 {
                let pcx: PcxId = lab.id(number);
                let ends =
                    lab.intent.peerings.get(&pcx).map(|link| [link.requester, link.accepter]);
                if ends.is_some_and(|ends| ends.contains(&lab.id(vpc))) {
                    lab.unpeer(pcx);
                }
            }
            let id = lab.id(vpc);
            lab.intent.vpcs.remove(&id);
        }
        _ => {}
    }
}

#[test]
fn incremental_equals_from_scratch() {
    let mut lab = Lab::new();
    lab.sweep();
    let mut dice = Dice(7);
    for _ in 0..12 {
        for _ in 0..10 {
            lab.change(|lab| random_change(lab, &mut dice));
        }
        let incremental = dump(&lab.intent);
        let report = lab.driver.sweep(&lab.intent);
        assert!(is_quiet(&report), "a sweep finds nothing to do: {report:#?}");
        lab.driver.purge().unwrap();
        lab.sweep();
        let fresh = dump(&lab.intent);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (had, made) = (lines(&incremental), lines(&fresh));
        let first = had.iter().zip(&made).find(|(a, b)| a != b);
        assert!(incremental == fresh, "{first:?}\n{incremental}\n---- from scratch:\n{fresh}");
    }
}

#[test]
fn changes_in_the_middle_of_a_sweep_are_like_any_others() {
    let mut lab = Lab::new();
    lab.sweep();
    let mut dice = Dice(11);
    for round in 0..12 {
        // Half of the sweeps are the first of a driver that has looked at nothing yet.
        if round % 2 == 0 {
            lab.driver = Linux::new(&lab.instance);
        }
        lab.driver.begin_sweep(lab.intent.clone());
        let mut steps = Vec::new();
        for _ in 0..10 {
            if dice.roll(3) > 0 {
                steps.extend(lab.driver.step());
            }
            lab.change(|lab| random_change(lab, &mut dice));
        }
        steps.extend(std::iter::from_fn(|| lab.driver.step()));
        assert!(steps.iter().all(|step| !step.failed() && step.repairs.is_empty()), "{steps:#?}");
        let incremental = dump(&lab.intent);
        let report = lab.driver.sweep(&lab.intent);
        assert!(is_quiet(&report), "a sweep finds nothing to do: {report:#?}");
        lab.driver.purge().unwrap();
        lab.sweep();
        assert_eq!(incremental, dump(&lab.intent));
    }
}

#[test]
fn drift_is_repaired_and_reported() {
    let (mut lab, pcx, a, b) = Lab::peered();
    lab.sweep();
    let before = dump(&lab.intent);
    let router = format!("cw-{}", lab.id::<VpcId>(1));
    let link = run(&router, "ip -o link").lines().find_map(|line| {
        let name = line.split_whitespace().nth(1)?.split('@').next()?;
        name.starts_with('p').then(|| name.to_owned())
    });
    let link = link.unwrap();
    let damages = [
        ("ip route del 10.1.0.4 table main".to_owned(), "route 10.1.0.4/32"),
        (
            "ip route add 10.9.0.0/16 via 169.254.1.1 dev LINK onlink metric 7".to_owned(),
            "not ours",
        ),
        ("ip addr del 10.1.0.2/32 dev lo".to_owned(), "address 10.1.0.2 on lo was missing"),
        ("ip addr add 10.1.0.3/32 dev lo".to_owned(), "address 10.1.0.3 on lo was not ours"),
        ("ip addr add 10.1.0.1/24 dev LINK".to_owned(), "address 10.1.0.1 on p"),
        ("nft flush set inet causeway resolvers".to_owned(), "resolvers was changed"),
        ("nft flush chain inet causeway to_router".to_owned(), "to_router was changed"),
        ("ip rule del prio 1000".to_owned(), "policy rule 1000 was missing"),
        ("ip rule add prio 5 from 10.0.0.0/8 lookup main".to_owned(), "not ours"),
        ("ip neigh flush dev LINK nud permanent".to_owned(), "neighbour"),
        ("ip link set LINK down".to_owned(), "was changed"),
        ("ip link del LINK".to_owned(), "was missing"),
        ("sysctl -qw net.ipv4.ip_forward=0".to_owned(), "ip_forward"),
        ("nft flush chain inet causeway guard_in".to_owned(), "guard_in was changed"),
        ("nft chain inet causeway forward { policy accept; }".to_owned(), "forward"),
        (format!("nft flush chain inet causeway from_{pcx}"), "was changed"),
        ("nft flush map inet causeway origins".to_owned(), "origins was changed"),
        ("nft add chain inet causeway extra".to_owned(), "chain extra was not ours"),
        ("nft delete table inet causeway".to_owned(), "firewall was missing"),
        ("nft add table ip other".to_owned(), "ip other was not ours"),
    ];
    for (damage, said) in damages {
        run(&router, &damage.replace("LINK", &link));
        let report = lab.sweep();
        assert!(
            report.repairs.iter().any(|repair| repair.what.contains(said)),
            "{damage}: {report:#?}"
        );
        assert!(reaches(a, b, "10.2.0.4", 80) && reaches(b, a, "10.1.0.4", 80), "{damage}");
        let report = lab.sweep();
        assert!(is_quiet(&report), "{damage}: {report:#?}");
    }
    run(&at(a), "ip link del eth0");
    assert!(!lab.sweep().repairs.is_empty());
    assert!(reaches(a, b, "10.2.0.4", 80));
    assert_eq!(dump(&lab.intent), before);
}

#[test]
fn a_change_finds_its_way_through_drift() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.sweep();
    let router = format!("cw-{}", lab.id::<VpcId>(1));
    run(&router, "nft delete table inet causeway");
    let old = lab.intent.clone();
    lab.group(1).ingress = [rule(tcp(8000), "0.0.0.0/0")].into();
    let report = lab.driver.apply(&delta(&old, &lab.intent));
    assert!(!report.failed() && !report.repairs.is_empty(), "{report:#?}");
    assert!(reaches(b, a, "10.1.0.4", 8000) && !reaches(b, a, "10.1.0.4", 8001));
}

#[test]
fn a_new_driver_adopts_what_it_finds() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.sweep();
    let before = dump(&lab.intent);
    let listener = listen(b, 80);
    let (mut client, mut server) = connect(a, &listener, "10.2.0.4");
    lab.driver = Linux::new(&lab.instance);
    assert!(carries(&mut client, &mut server), "nobody drives");
    let report = lab.sweep();
    assert!(is_quiet(&report), "{report:#?}");
    assert!(carries(&mut client, &mut server) && carries(&mut server, &mut client));
    assert_eq!(dump(&lab.intent), before);
    lab.change(|lab| lab.group(2).ingress.clear());
    assert!(!reaches(a, b, "10.2.0.4", 81));
}

#[test]
fn another_instance_is_left_alone() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.sweep();
    let mut other = Linux::new(&format!("{}-other", lab.instance));
    let report = other.sweep(&lab.intent);
    assert!(report.vpcs.values().all(|outcome| matches!(outcome, Outcome::Failed(_))));
    assert_eq!(other.purge().unwrap(), 0);
    assert_eq!(other.sweep(&NetworksIntent::default()).removed.len(), 0);
    assert!(reaches(a, b, "10.2.0.4", 80));
}

#[test]
fn purging_leaves_nothing() {
    let (mut lab, ..) = Lab::peered();
    lab.sweep();
    let names: Vec<String> = lab
        .intent
        .vpcs
        .keys()
        .map(|id| format!("cw-{id}"))
        .chain(lab.intent.vpcs.values().flat_map(|v| v.interfaces.keys()).map(|eni| at(*eni)))
        .collect();
    let links = || run_here("ip -o link");
    let host = links();
    assert!(names.iter().all(|name| std::fs::exists(format!("/run/netns/{name}")).unwrap()));
    assert_eq!(Linux::purge_instance(&lab.instance).unwrap(), 4);
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    for name in &names {
        assert!(!std::fs::exists(format!("/run/netns/{name}")).unwrap());
        assert!(!mounts.contains(name.as_str()));
    }
    assert_eq!(links(), host);
    assert_eq!(lab.driver.purge().unwrap(), 0);
}

fn run_here(line: &str) -> String {
    let mut words = line.split(' ');
    let output = std::process::Command::new(words.next().unwrap()).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
