//! Ways that random worlds seldom have, and what outlives a change.

use std::io::{BufRead, BufReader};

use model::Traffic;
use model::intent::{AclIntent, RouteTarget, RuleIntent, RulePeer, Via};

use crate::lab::Lab;
use crate::town::{Change, Town, address, eni, entry, group, rule, tcp};

/// Two subnets and, in a third one, what passes on between them.
#[test]
fn middleboxes_pass_on_what_goes_both_ways_by_them() {
    let (a, b, middle) = (eni(1, 0, 0), eni(1, 1, 0), eni(1, 2, 0));
    let (to_a, to_b) = (address(1, 0, 0), address(1, 1, 0));
    let mut town = Town::new().vpc(1, &[2, 1, 1]).0;
    let mut lab = Lab::new();
    lab.sweep(&town);
    lab.reaches(a, (b, &to_b), 80);

    town.route(1, 0, "10.1.1.0/24", RouteTarget::Interface(middle));
    town.route(1, 1, "10.1.0.0/24", RouteTarget::Interface(middle));
    lab.apply(&town);
    lab.is_cut_off(a, (b, &to_b), 80);
    lab.is_cut_off(b, (a, &to_a), 80);
    lab.reaches(a, (middle, &address(1, 2, 0)), 80);
    lab.reaches(a, (eni(1, 0, 1), &address(1, 0, 1)), 80);

    town.interface(1, 2, 0).source_dest_check = false;
    lab.apply(&town);
    lab.reaches(a, (b, &to_b), 80);
    lab.reaches(b, (a, &to_a), 80);
    let mut open = lab.connect(a, (b, &to_b), 81);
    assert!(open.carries());

    // What a middlebox passes on does not come from the member of a group that sent it, as in EC2.
    let named = RuleIntent { traffic: Traffic::All, peer: RulePeer::Group(group(1)) };
    town.guard(1, b, &[named, rule(tcp(90), "10.1.0.0/16")], &[rule(Traffic::All, "0.0.0.0/0")]);
    town.member(1, group(1), Via::Interface(a), &to_a);
    lab.apply(&town);
    lab.is_cut_off(a, (b, &to_b), 80);
    lab.reaches(a, (b, &to_b), 90);

    // What goes one way alone by a middlebox is nothing that its host knows the beginning of.
    town.at(1).route_tables.values_mut().for_each(|routes| routes.clear());
    lab.apply(&town);
    lab.reaches(a, (b, &to_b), 80);
    town.route(1, 1, "10.1.0.0/24", RouteTarget::Interface(middle));
    lab.apply(&town);
    lab.is_cut_off(a, (b, &to_b), 80);
    town.interface(1, 2, 0).source_dest_check = true;
    lab.apply(&town);
    lab.is_cut_off(b, (a, &to_a), 80);
}

#[test]
fn connections_outlive_their_rule_and_nothing_else_does() {
    let (a, b, other) = (eni(1, 0, 0), eni(1, 0, 1), eni(1, 1, 0));
    let to_b = address(1, 0, 1);
    let all = rule(Traffic::All, "0.0.0.0/0");
    let mut town = Town::new().vpc(1, &[2, 1]).0;
    town.guard(1, b, &[rule(tcp(80), "10.1.0.16/32")], &[]);
    let mut lab = Lab::new();
    lab.sweep(&town);
    lab.reaches(a, (b, &to_b), 80);
    lab.is_cut_off(a, (b, &to_b), 81);
    lab.is_cut_off(other, (b, &to_b), 80);
    lab.is_cut_off(b, (a, &address(1, 0, 0)), 80);
    let mut connection = lab.connect(a, (b, &to_b), 80);
    assert!(connection.carries());
    town.guard(1, b, &[rule(tcp(82), "0.0.0.0/0")], &[]);
    lab.apply(&town);
    assert!(connection.carries(), "its rule is gone, and it goes on");
    lab.is_cut_off(a, (b, &to_b), 80);
    lab.reaches(a, (b, &to_b), 82);
    town.interface(1, 0, 1).groups = vec![];
    lab.apply(&town);
    assert!(
        connection.carries(),
        "its interface left the group, and it goes on, as with the Linux fabric"
    );
    lab.is_cut_off(a, (b, &to_b), 82);

    // Network ACLs are asked at the boundary of a subnet, about each packet.
    town.interface(1, 0, 1).groups = vec![group(1)];
    let ephemeral = Traffic::Tcp(model::PortRange { from: 1024, to: 65535 });
    let ingress =
        vec![entry(false, tcp(81), "0.0.0.0/0"), entry(true, Traffic::All, "10.1.1.0/24")];
    town.acl(1, 0, AclIntent { ingress: ingress.clone(), egress: Vec::new() });
    lab.apply(&town);
    lab.reaches(a, (b, &to_b), 81);
    lab.is_cut_off(other, (b, &to_b), 80);
    town.acl(1, 0, AclIntent { ingress, egress: vec![entry(true, ephemeral, "0.0.0.0/0")] });
    lab.apply(&town);
    lab.reaches(other, (b, &to_b), 80);
    lab.is_cut_off(other, (b, &to_b), 81);

    // An address that is not its sender's.
    assert!(lab.forged_arrives(other, &address(1, 1, 0), (b, &to_b)));
    let forged = "10.1.1.99";
    lab.behind(other, || add_address(forged));
    assert!(!lab.forged_arrives(other, forged, (b, &to_b)));
    town.interface(1, 1, 0).source_dest_check = false;
    lab.apply(&town);
    lab.behind(other, || add_address(forged));
    assert!(lab.forged_arrives(other, forged, (b, &to_b)));
    town.guard(1, other, &[all], &[]);
    lab.apply(&town);
    assert!(!lab.forged_arrives(other, &address(1, 1, 0), (b, &to_b)), "no rule lets it out");
}

/// Within a subnet: an interface that may send by any address, to one that shares no group with it and lets nobody in,
/// and to one that lets everybody in. Of all frames that are no IPv4 for one receiver, only an ARP answer for the
/// sender's own address arrives.
#[test]
fn frames_that_no_rule_is_about_reach_nobody() {
    let (from, open, closed) = (eni(1, 0, 0), eni(1, 0, 1), eni(1, 0, 2));
    let mut town = Town::new().vpc(1, &[3]).0;
    town.interface(1, 0, 0).source_dest_check = false;
    town.guard(1, closed, &[], &[]);
    let mut lab = Lab::new();
    lab.sweep(&town);
    lab.reaches(from, (open, &address(1, 0, 1)), 80);
    lab.is_cut_off(from, (closed, &address(1, 0, 2)), 80);
    let macs = [0, 1, 2].map(|n| town.interface(1, 0, n).mac.to_string());
    for checked in [false, true] {
        town.interface(1, 0, 0).source_dest_check = checked;
        lab.apply(&town);
        for (to, n) in [(open, 1), (closed, 2)] {
            let (own, other) = (address(1, 0, 0), address(1, 0, n));
            let mut hearer = lab.behind(to, || frames(&["hear", &other, &own, &macs[0]]));
            let mut heard = BufReader::new(hearer.stdout.take().unwrap()).lines();
            assert_eq!(heard.next().unwrap().unwrap(), "ready");
            let mut sender = lab.behind(from, || frames(&["send", &own, &other, &macs[n]]));
            assert!(sender.wait().unwrap().success());
            let heard = heard.next().expect("the sender's own address arrives").unwrap();
            assert_eq!(heard, "own", "to {to}, with its source {checked}");
            assert!(hearer.wait().unwrap().success());
        }
    }
}

fn frames(arguments: &[&str]) -> std::process::Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/netns_ovn/frames.py");
    let mut command = std::process::Command::new("python3");
    command.arg(script).args(arguments).stdout(std::process::Stdio::piped()).spawn().unwrap()
}

fn add_address(address: &str) {
    let arguments = ["addr", "replace", &format!("{address}/32"), "dev", "lo"];
    assert!(std::process::Command::new("ip").args(arguments).status().unwrap().success());
}

/// One, two and three are in a row; four has the addresses of one.
#[test]
fn peerings_join_two_and_nobody_else() {
    let (one, two, three, four) = (eni(1, 0, 0), eni(2, 0, 0), eni(3, 0, 0), eni(4, 0, 0));
    let [to_one, to_two, to_three] = [1, 2, 3].map(|n| address(n, 0, 0));
    let mut town =
        Town::new().vpc(1, &[1]).vpc(2, &[1]).vpc(3, &[1]).vpc(4, &[1]).peered(1, 2).peered(2, 3).0;
    // The fourth VPC has the first one's block.
    let twin = town.at(1).clone();
    let fourth = town.at(4);
    fourth.cidrs.clone_from(&twin.cidrs);
    for (own, like) in fourth.subnets.values_mut().zip(twin.subnets.values()) {
        own.cidr = like.cidr;
    }
    for (own, like) in fourth.interfaces.values_mut().zip(twin.interfaces.values()) {
        own.addresses.clone_from(&like.addresses);
    }
    let mut lab = Lab::new();
    lab.sweep(&town);
    lab.reaches(one, (two, &to_two), 80);
    lab.reaches(three, (two, &to_two), 80);
    lab.is_cut_off(one, (three, &to_three), 80);
    // Whatever routes say, a peering leads to the VPC behind it, and no further.
    let [first, second] = [18, 35].map(|number| crate::networks::id("pcx", number));
    town.route(1, 0, "10.3.0.0/16", RouteTarget::Peering(first));
    town.route(3, 0, "10.1.0.0/16", RouteTarget::Peering(second));
    lab.apply(&town);
    lab.is_cut_off(one, (three, &to_three), 80);
    lab.is_cut_off(three, (one, &to_one), 80);
    lab.is_cut_off(four, (two, &to_two), 80);

    // A route changes, and another one is a blackhole.
    let mut connection = lab.connect(one, (two, &to_two), 81);
    assert!(connection.carries());
    town.route(1, 0, "10.2.0.16/32", RouteTarget::Blackhole);
    lab.apply(&town);
    assert!(!connection.carries());
    lab.is_cut_off(one, (two, &to_two), 80);
    town.route(1, 0, "10.2.0.16/32", RouteTarget::Peering(first));
    lab.apply(&town);
    lab.reaches(one, (two, &to_two), 80);

    // The second peers with the fourth as well. Its rule names a group of the first: the same address is not the
    // same member.
    town.peer(2, 4);
    town.route(2, 0, "10.1.0.0/16", RouteTarget::Peering(first));
    let named = RuleIntent { traffic: tcp(80), peer: RulePeer::Group(group(1)) };
    town.guard(2, two, &[named], &[rule(Traffic::All, "0.0.0.0/0")]);
    town.member(2, group(1), Via::Peering(first), &to_one);
    lab.apply(&town);
    lab.reaches(one, (two, &to_two), 80);
    lab.is_cut_off(four, (two, &to_two), 80);
    let with_fourth = crate::networks::id("pcx", 36);
    town.route(2, 0, "10.1.0.0/16", RouteTarget::Peering(with_fourth));
    lab.apply(&town);
    lab.is_cut_off(one, (two, &to_two), 80);
    lab.is_cut_off(four, (two, &to_two), 80);
    lab.reaches(two, (four, &to_one), 80);

    // A peering goes, and what went over it.
    town.route(2, 0, "10.1.0.0/16", RouteTarget::Peering(first));
    lab.apply(&town);
    let mut connection = lab.connect(one, (two, &to_two), 80);
    assert!(connection.carries());
    crate::networks::toggle_peering(&mut town, 1, 2, 9001);
    lab.apply(&town);
    assert!(!connection.carries());
    lab.is_cut_off(one, (two, &to_two), 80);
    lab.is_cut_off(three, (two, &to_two), 443);
    lab.reaches(two, (three, &to_three), 80);
}
