//! What is applied is what is wanted, however it came to be.

use std::collections::BTreeSet;

use causeway_ovn::{Central, Error, LeftOut, Links, PartId, Places, peering_part, vpc_part};
use model::intent::{NetworksIntent, RouteTarget, RuleIntent, RulePeer};
use model::{Cidr, PortRange, Traffic};
use ovsdb::{Condition, Datum, Mutation, Row, TransactError, Transaction};
use proptest::prelude::*;

use crate::networks::{id, interface, step, subnet, toggle_peering, vpc};
use crate::northbound::{LONG, Northbound, content};

/// Brings all parts to what they must be; says how many rows changed.
fn apply(central: &Central, networks: &NetworksIntent, links: &mut Links) -> usize {
    let mut changes = 0;
    let observed = central.observed();
    let gone = |part: &str| match (part.parse(), part.parse()) {
        (Ok(vpc), _) if !networks.vpcs.contains_key(&vpc) => Some(PartId::Vpc(vpc)),
        (_, Ok(pcx)) if !networks.peerings.contains_key(&pcx) => Some(PartId::Peering(pcx)),
        _ => None,
    };
    for part in observed.parts().filter_map(gone) {
        changes += central.apply(part, None).unwrap().changes;
        if let PartId::Peering(pcx) = part {
            links.remove(pcx);
        }
    }
    for (pcx, intent) in &networks.peerings {
        links.ensure(*pcx, [intent.requester, intent.accepter]).unwrap();
    }
    for (vpc, intent) in &networks.vpcs {
        let (part, _) = vpc_part(*vpc, intent, links, &Places::new());
        changes += central.apply(part.id, Some(&part)).unwrap().changes;
    }
    for (pcx, intent) in &networks.peerings {
        let part = peering_part(*pcx, intent, links).unwrap();
        changes += central.apply(part.id, Some(&part)).unwrap().changes;
    }
    changes
}

/// Two VPCs with an interface each, joined, and with all that there can be.
fn two_vpcs() -> NetworksIntent {
    let mut networks = NetworksIntent::default();
    for n in [1, 2] {
        let (mut vpc, first) = (vpc(n), n * 16);
        vpc.subnets.insert(id("subnet", first), subnet(n, 0, first, Some(first)));
        vpc.subnets.insert(id("subnet", first + 1), subnet(n, 1, first, None));
        vpc.interfaces.insert(id("eni", n * 256), interface(n, 0, 16, &[first]));
        vpc.interfaces.insert(id("eni", n * 256 + 16), interface(n, 1, 17, &[first]));
        let web = Traffic::Tcp(PortRange { from: 443, to: 443 });
        let rule = RuleIntent { traffic: web, peer: RulePeer::Cidr(Cidr::ANY) };
        vpc.groups.entry(id("sg", first)).or_default().ingress.insert(rule);
        vpc.acls.insert(id("acl", first), Default::default());
        let to = Cidr::new(10, 3 - n as u8, 0, 0, 16);
        let target = RouteTarget::Peering(id("pcx", 18));
        vpc.route_tables.insert(id("rtb", first), [(to, target)].into());
        networks.vpcs.insert(id("vpc", n), vpc);
    }
    toggle_peering(&mut networks, 1, 2, 1500);
    networks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn networks_that_changed_step_by_step_are_those_made_at_once(
        steps in prop::collection::vec(prop::collection::vec(any::<[u8; 5]>(), 1..25), 1..8),
    ) {
        let (one, other) = (Northbound::start(), Northbound::start());
        let (central, fresh) = (one.lead(1).unwrap(), other.lead(1).unwrap());
        let mut networks = two_vpcs();
        let mut links = Links::default();
        for changes in steps {
            changes.into_iter().for_each(|change| step(&mut networks, change));
            apply(&central, &networks, &mut links);
            prop_assert_eq!(central.observed().links(), links.clone(), "they are kept in the database");
            prop_assert_eq!(apply(&central, &networks, &mut links), 0, "nothing is left to do");
        }
        apply(&fresh, &networks, &mut links);
        let changed = content(&central.client().snapshot());
        prop_assert_eq!(&changed, &content(&fresh.client().snapshot()));
        // OVN compares ports for equality alone, and would leave a policy out that does otherwise.
        let unequal = |matched: &String| matched.contains("port !=");
        prop_assert!(!changed.values().filter_map(|row| row.get("match")).any(unequal));
        // A writer that knows nothing from before finds all as it is.
        let restarted = one.lead(2).unwrap();
        let mut found = restarted.observed().links();
        prop_assert_eq!(apply(&restarted, &networks, &mut found), 0);
        apply(&restarted, &NetworksIntent::default(), &mut found);
        prop_assert!(content(&restarted.client().snapshot()).is_empty());
    }
}

#[test]
fn a_peering_is_two_ports_and_routes_and_goes_as_it_came() {
    let server = Northbound::start();
    let central = server.lead(1).unwrap();
    let (mut networks, mut links) = (two_vpcs(), Links::default());
    apply(&central, &networks, &mut links);
    let rows = content(&central.client().snapshot());
    let row = |table: &'static str, name: &str| rows[&(table, name.to_owned())].clone();
    let [one, two] = [1, 2].map(|n| id::<model::VpcId>("vpc", n).to_string());
    let pcx = id::<model::PcxId>("pcx", 18).to_string();
    let port = row("Logical_Router_Port", &format!("lrp-{pcx}-{one}"));
    assert_eq!(port["peer"], format!("[{:?}]", format!("String(\"lrp-{pcx}-{two}\")")));
    assert!(port["options"].contains("cw-in") && port["options"].contains("1500"), "{port:?}");
    let route = format!("{} 10.2.0.0/16", id::<model::RouteTableId>("rtb", 16));
    let route = row("Logical_Router_Static_Route", &route);
    assert!(route["nexthop"].contains("169.254.0.2"), "{route:?}");
    let acl = row("ACL", &format!("cw_sg_{:017x} to-lport 1001", 16));
    let matched = format!("outport == @cw_sg_{:017x} && ((ip4 && tcp.dst == 443))", 16);
    assert!(acl["match"].contains(&matched), "{acl:?}");
    assert!(acl["options"].contains("persist-established"), "{acl:?}");

    let before = central.observed();
    toggle_peering(&mut networks, 1, 2, 1500);
    apply(&central, &networks, &mut links);
    let rows = content(&central.client().snapshot());
    assert!(!rows.keys().any(|(_, name)| name.contains(&pcx)), "{rows:#?}");
    assert_eq!(before.parts().count(), 3);
    assert_eq!(central.observed().parts().count(), 2);
}

#[test]
fn rules_of_a_group_change_within_its_row() {
    let server = Northbound::start();
    let central = server.lead(1).unwrap();
    let (mut networks, mut links) = (two_vpcs(), Links::default());
    apply(&central, &networks, &mut links);
    let acls = || -> BTreeSet<_> {
        central.client().snapshot().rows("ACL").map(|(uuid, _)| uuid).collect()
    };
    let before = acls();
    let vpc = networks.vpcs.get_mut(&id("vpc", 1)).unwrap();
    vpc.groups.get_mut(&id("sg", 16)).unwrap().ingress.clear();
    assert_eq!(apply(&central, &networks, &mut links), 1);
    assert_eq!(acls(), before, "live connections end with a row");
}

#[test]
fn who_led_before_writes_nothing_any_more() {
    let server = Northbound::start();
    let first = server.lead(7).unwrap();
    let (networks, mut links) = (two_vpcs(), Links::default());
    apply(&first, &networks, &mut links);
    assert_eq!(server.lead(7).unwrap_err(), Error::Fenced(7), "an epoch is one server's");
    assert_eq!(server.lead(6).unwrap_err(), Error::Fenced(6));
    let second = server.lead(8).unwrap();
    let before = content(&second.client().snapshot());
    let vpc = PartId::Vpc(id("vpc", 1));
    assert_eq!(first.apply(vpc, None).unwrap_err(), Error::Fenced(7));
    assert_eq!(content(&second.client().snapshot()), before);
    let number = second.apply(PartId::Vpc(id("vpc", 9)), None).unwrap().number;
    assert_eq!(second.apply(vpc, None).unwrap().number, number + 1, "hosts are to report it");
}

#[test]
fn of_many_that_take_over_at_once_the_latest_leads() {
    let server = &Northbound::start();
    let central = std::thread::scope(|scope| {
        let tries: Vec<_> = (1..=8).map(|epoch| scope.spawn(move || server.lead(epoch))).collect();
        let led = tries.into_iter().map(|it| it.join().unwrap());
        led.filter_map(Result::ok).collect::<Vec<_>>()
    });
    assert!(!central.is_empty());
    let writes = |central: &Central| {
        let (part, _) = vpc_part(id("vpc", 1), &vpc(1), &Links::default(), &Places::new());
        central.apply(part.id, Some(&part)).is_ok()
    };
    let last = central.len() - 1;
    for (index, central) in central.iter().enumerate() {
        assert_eq!(writes(central), index == last, "{index} of {last}");
    }
}

#[test]
fn what_others_changed_is_put_right() {
    let server = Northbound::start();
    let central = server.lead(1).unwrap();
    let (networks, mut links) = (two_vpcs(), Links::default());
    apply(&central, &networks, &mut links);
    let right = content(&central.client().snapshot());
    let wrongs: [&dyn Fn(&mut Transaction); 7] = [
        &|it| it.update("ACL", &[], &Row::new().with("match", "1")),
        &|it| {
            it.mutate(
                "Logical_Router",
                &[],
                &[Mutation::delete("policies", some_policies(&central))],
            )
        },
        &|it| it.delete("Logical_Router", &[Condition::equal("name", "cw-vpc-00000000000000001")]),
        &|it| it.delete("Port_Group", &[]),
        &|it| it.update("Port_Group", &[], &Row::new().with("ports", Datum::none())),
        &|it| it.update("Logical_Switch", &[], &Row::new().with("ports", Datum::none())),
        &|it| it.update("Address_Set", &[], &Row::new().with("addresses", "1.2.3.4")),
    ];
    let other = server.client();
    for (index, wrong) in wrongs.iter().enumerate() {
        let mut transaction = Transaction::new();
        wrong(&mut transaction);
        other.transact(transaction, LONG).unwrap();
        let now = content(&other.snapshot());
        let same = central
            .client()
            .wait_until(LONG, |database, _| (content(database) == now).then_some(()));
        assert_eq!(same, Some(()), "{index}");
        apply(&central, &networks, &mut links);
        assert_eq!(content(&central.client().snapshot()), right, "{index}");
    }
}

/// The identities of all policies.
fn some_policies(central: &Central) -> Datum {
    Datum::set(central.client().snapshot().rows("Logical_Router_Policy").map(|(uuid, _)| uuid))
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let server = Northbound::start();
    let central = server.lead(1).unwrap();
    let (networks, mut links) = (two_vpcs(), Links::default());
    let (pcx, intent) = networks.peerings.first_key_value().unwrap();
    assert_eq!(peering_part(*pcx, intent, &links), None, "it has no link");
    links.ensure(*pcx, [intent.requester, intent.accepter]).unwrap();
    let peering = peering_part(*pcx, intent, &links).unwrap();
    let error = central.apply(peering.id, Some(&peering)).unwrap_err();
    let name = "cw-vpc-00000000000000001".to_owned();
    assert_eq!(error, Error::NoParent { table: "Logical_Router", name: name.clone() });

    // A router of somebody else's that has our name.
    let other = server.client();
    let mut transaction = Transaction::new();
    transaction.insert("Logical_Router", &Row::new().with("name", name));
    other.transact(transaction, LONG).unwrap();
    let (part, _) = vpc_part(id("vpc", 1), &networks.vpcs[&id("vpc", 1)], &links, &Places::new());
    let error = central.apply(part.id, Some(&part)).unwrap_err();
    let Error::Transact(TransactError::Refused { .. }) = error else { panic!("{error}") };
    assert!(content(&central.client().snapshot()).is_empty());
    assert_eq!(central.observed().parts().count(), 0);
}

#[test]
fn what_the_rows_do_not_carry_is_told_and_stays_closed() {
    let mut networks = two_vpcs();
    let links = Links::default();
    step(&mut networks, [9, 1, 0, 0, 7]);
    let vpc = networks.vpcs.get_mut(&id("vpc", 1)).unwrap();
    vpc.interfaces.get_mut(&id("eni", 256)).unwrap().translates = true;
    let (part, left_out) = vpc_part(id("vpc", 1), vpc, &links, &Places::new());
    assert_eq!(left_out, [LeftOut::Exits, LeftOut::PrivateNat(id("eni", 256))].into());
    let routes = part.rows.iter().filter(|(key, _)| key.table == "Logical_Router_Static_Route");
    let led: Vec<_> = routes
        .filter(|(_, wanted)| wanted.row.text("nexthop") != Some("discard"))
        .map(|(key, _)| key.name.as_str())
        .collect();
    assert!(led.iter().all(|name| name.ends_with("10.1.0.2/32")), "only the resolver: {led:?}");
}

/// A router looks for the longest prefix, and has a subnet's own block: a route to it comes before it as two halves.
#[test]
fn routes_inside_a_vpc_come_before_its_subnets() {
    let mut networks = two_vpcs();
    let vpc = networks.vpcs.get_mut(&id("vpc", 1)).unwrap();
    let (table, middle) = (id("rtb", 16), id("eni", 256));
    let all = Cidr::new(10, 1, 0, 0, 16);
    let routes = [
        (all, RouteTarget::Interface(middle)),
        (Cidr::new(10, 1, 1, 0, 25), RouteTarget::Blackhole),
        (Cidr::new(10, 1, 1, 4, 32), RouteTarget::Interface(middle)),
    ];
    vpc.route_tables.insert(table, routes.into());
    let places = Places::from([(middle, "h1".to_owned())]);
    let (part, left_out) = vpc_part(id("vpc", 1), vpc, &Links::default(), &places);
    assert!(left_out.is_empty(), "{left_out:?}");
    let led: BTreeSet<_> = part
        .rows
        .iter()
        .filter(|(key, _)| key.table == "Logical_Router_Static_Route")
        .map(|(_, wanted)| ["ip_prefix", "nexthop"].map(|it| wanted.row.text(it).unwrap()))
        .collect();
    let expected = [
        ["10.1.0.0/16", "10.1.0.16"],
        ["10.1.0.0/25", "10.1.0.16"],
        ["10.1.0.128/25", "10.1.0.16"],
        ["10.1.0.16/32", "10.1.0.16"],
        ["10.1.0.2/32", "169.254.169.253"],
        ["10.1.1.0/25", "discard"],
        ["10.1.1.128/25", "10.1.0.16"],
        ["10.1.1.4/32", "10.1.0.16"],
    ];
    assert_eq!(led, expected.into());
    let port = part.rows.iter().find(|(key, _)| key.name == middle.to_string()).unwrap().1;
    assert_eq!(port.row.text_of_key("options", "requested-chassis"), Some("h1"));
}
