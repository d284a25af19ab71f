//! Who a rule means: two peers may have the same addresses, and an address alone is nobody.

use std::collections::BTreeSet;
use std::net::UdpSocket;

use model::intent::*;
use model::*;

use crate::lab::*;

const TWIN: &str = "10.181.1.10";
const HUB: &str = "10.1.0.4";

/// Hub 1 with an interface, peered with 2 and with 3. Both have the same block, and an interface
/// each at the same address. The hub routes the block to 2.
struct Twins {
    lab: Lab,
    hub: EniId,
    ends: [EniId; 2],
    peerings: [PcxId; 2],
}

impl Twins {
    fn new() -> Self {
        let mut lab = Lab::new();
        lab.vpc(1, "10.1.0.0/16");
        lab.subnet(1, 1, "10.1.0.0/24");
        let hub = lab.eni(1, 1, 1, HUB);
        let ends = [2, 3].map(|vpc| {
            lab.vpc(vpc, "10.181.0.0/16");
            lab.subnet(vpc, vpc, "10.181.1.0/24");
            lab.eni(vpc, vpc, vpc, TWIN)
        });
        let peerings = [2, 3].map(|vpc| {
            let pcx = lab.peer(vpc, 1, vpc);
            lab.route(vpc, "10.1.0.0/16", RouteTarget::Peering(pcx));
            pcx
        });
        lab.route(1, "10.181.0.0/16", RouteTarget::Peering(peerings[0]));
        Self { lab, hub, ends, peerings }
    }

    /// The rule that names the first twin's group, with the twin as its member.
    fn named(&mut self) -> BTreeSet<RuleIntent> {
        let group = self.lab.id(2);
        let member = member_over(self.peerings[0], TWIN);
        self.lab.at(1).members.insert(group, [member].into());
        let rule = |traffic| RuleIntent { traffic, peer: RulePeer::Group(group) };
        [tcp(5432), Traffic::Udp(PortRange { from: 5432, to: 5432 })].map(rule).into()
    }

    /// Routes the twins' address to the second twin, or to the first again.
    fn route_to_second(&mut self, yes: bool) {
        let (block, second) = (format!("{TWIN}/32"), RouteTarget::Peering(self.peerings[1]));
        let table = self.lab.id(1);
        self.lab.change(|lab| {
            if yes {
                lab.route(1, &block, second);
            } else {
                lab.at(1).route_tables.get_mut(&table).unwrap().remove(&cidr(&block));
            }
        });
    }
}

#[test]
fn a_group_reference_admits_members_and_not_who_has_their_addresses() {
    let mut twins = Twins::new();
    twins.lab.group(1).ingress = twins.named();
    twins.lab.sweep();
    let [member, namesake] = twins.ends;
    let server = udp(twins.hub, 5432);
    for routed_to_second in [false, true] {
        twins.route_to_second(routed_to_second);
        assert_eq!(datagram(&udp(namesake, 0), &server, HUB), None);
        assert!(!reaches(namesake, twins.hub, HUB, 5432));
        assert!(datagram(&udp(member, 0), &server, HUB).is_some());
        assert_eq!(reaches(member, twins.hub, HUB, 5432), !routed_to_second);
    }
    // The group of the other instead: the other is let in.
    let second = twins.peerings[1];
    twins.lab.change(|lab| {
        let group = lab.id(2);
        lab.at(1).members.insert(group, [member_over(second, TWIN)].into());
    });
    assert!(datagram(&udp(namesake, 0), &server, HUB).is_some());
    assert!(reaches(namesake, twins.hub, HUB, 5432));
    assert_eq!(datagram(&udp(member, 0), &server, HUB), None);
}

#[test]
fn what_may_go_to_a_member_does_not_go_to_a_namesake() {
    let mut twins = Twins::new();
    twins.lab.group(1).egress = twins.named();
    twins.lab.sweep();
    let [member, namesake] = twins.ends;
    let (first, second) = (udp(member, 5432), udp(namesake, 5432));
    assert!(datagram(&udp(twins.hub, 0), &first, TWIN).is_some());
    assert!(reaches(twins.hub, member, TWIN, 5432));
    twins.route_to_second(true);
    assert_eq!(datagram(&udp(twins.hub, 0), &second, TWIN), None);
    assert!(!reaches(twins.hub, namesake, TWIN, 5432));
}

#[test]
fn a_connection_is_its_own_peerings() {
    let mut twins = Twins::new();
    twins.lab.group(1).ingress = twins.named();
    twins.lab.sweep();
    let [member, namesake] = twins.ends;
    // The member asks, and the hub asks the member: both are known connections.
    let server = udp(twins.hub, 5432);
    let client = udp(member, 7000);
    assert!(datagram(&client, &server, HUB).is_some());
    assert!(datagram(&server, &client, TWIN).is_some());
    let (asker, asked) = (udp(twins.hub, 7001), udp(member, 7002));
    assert!(datagram(&asker, &asked, TWIN).is_some());
    assert!(datagram(&asked, &asker, HUB).is_some(), "an answer needs no rule");
    // The same addresses and ports from the other side are not of them.
    let forge = |port| -> UdpSocket { udp(namesake, port) };
    assert_eq!(datagram(&forge(7000), &server, HUB), None);
    assert_eq!(datagram(&forge(7002), &asker, HUB), None);
    assert!(datagram(&client, &server, HUB).is_some(), "and disturb nobody");
    assert!(datagram(&asked, &asker, HUB).is_some());
    // Nor do the hub's packets follow the route to another as part of a connection.
    twins.lab.change(|lab| lab.group(1).egress.clear());
    assert!(datagram(&server, &client, TWIN).is_some());
    twins.route_to_second(true);
    let wrong = udp(namesake, 7000);
    assert_eq!(datagram(&server, &wrong, TWIN), None);
}

#[test]
fn a_peering_takes_its_own_connections_with_it_and_no_others() {
    let mut twins = Twins::new();
    // Only the hub begins, so that what comes back is of a connection or does not pass.
    twins.lab.group(1).ingress.clear();
    twins.lab.sweep();
    let asked = udp(twins.ends[0], 7001);
    let asker = udp(twins.hub, 7000);
    assert!(datagram(&asker, &asked, TWIN).is_some());
    let gone = twins.peerings[1];
    twins.lab.change(|lab| lab.unpeer(gone));
    assert!(datagram(&asked, &asker, HUB).is_some(), "the twin's peering went, not its own");
    let kept = twins.peerings[0];
    twins.lab.change(|lab| lab.unpeer(kept));
    let router = format!("cw-{}", twins.lab.id::<VpcId>(1));
    assert!(!run(&router, "cat /proc/net/nf_conntrack").contains(TWIN));
}

#[test]
fn nobody_sends_in_the_name_of_another_peer() {
    let (mut lab, _, a, b) = Lab::peered();
    lab.vpc(3, "10.3.0.0/16");
    lab.subnet(3, 3, "10.3.0.0/24");
    let c = lab.eni(3, 3, 3, "10.3.0.4");
    let third = lab.peer(3, 1, 3);
    lab.route(1, "10.3.0.0/16", RouteTarget::Peering(third));
    lab.route(3, "10.1.0.0/16", RouteTarget::Peering(third));
    lab.at(3).interfaces.get_mut(&c).unwrap().source_dest_check = false;
    lab.sweep();
    let server = udp(a, 5000);
    let forge = |address: &str| {
        run(&at(c), &format!("ip addr add {address}/32 dev lo"));
        inside(&at(c), || UdpSocket::bind((ip(address), 0)).unwrap())
    };
    assert_eq!(datagram(&forge("10.2.0.4"), &server, "10.1.0.4"), None, "the other peer's");
    assert_eq!(datagram(&forge("10.1.0.9"), &server, "10.1.0.4"), None, "our own");
    let seen = datagram(&forge("192.0.2.1"), &server, "10.1.0.4");
    assert_eq!(seen, Some(ip("192.0.2.1").into()), "as on EC2, where nobody has it");
    assert!(datagram(&udp(b, 0), &server, "10.1.0.4").is_some());
    assert!(datagram(&udp(c, 0), &server, "10.1.0.4").is_some());
}

#[test]
fn a_middlebox_between_is_no_member() {
    let mut lab = Lab::new();
    lab.vpc(1, "10.1.0.0/16");
    lab.subnet(1, 1, "10.1.0.0/24");
    lab.subnet(1, 2, "10.1.1.0/24");
    let (a, b) = (lab.eni(1, 1, 1, "10.1.0.4"), lab.eni(1, 2, 2, "10.1.1.5"));
    let middle = lab.eni(1, 1, 3, "10.1.0.6");
    lab.at(1).interfaces.get_mut(&middle).unwrap().source_dest_check = false;
    let group = lab.id(1);
    lab.at(1).members.insert(group, [member(a, "10.1.0.4"), member(b, "10.1.1.5")].into());
    let named = RuleIntent { traffic: Traffic::All, peer: RulePeer::Group(group) };
    lab.group(1).ingress = [named].into();
    lab.sweep();
    let server = udp(b, 5000);
    assert!(datagram(&udp(a, 0), &server, "10.1.1.5").is_some());
    run(&at(middle), "ip addr add 10.1.0.4/32 dev lo");
    let forged = inside(&at(middle), || UdpSocket::bind("10.1.0.4:0").unwrap());
    assert_eq!(datagram(&forged, &server, "10.1.1.5"), None, "`ec2.md` §1.6");
    // Egress too: what leaves for a member does not go to a middlebox.
    lab.change(|lab| {
        lab.group(1).ingress = open_group().ingress;
        lab.group(1).egress = [named].into();
        lab.route(1, "10.1.1.5/32", RouteTarget::Interface(middle));
    });
    run(&at(middle), "ip addr add 10.1.1.5/32 dev lo");
    let wrong = udp(middle, 5000);
    assert_eq!(datagram(&udp(a, 0), &wrong, "10.1.1.5"), None);
}
