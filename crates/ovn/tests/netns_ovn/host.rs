//! What a host makes, what it puts right, and that it leaves nothing.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

use causeway_ovn::{Alarm, Host, Ovn};
use fabric::driver::{Driver, Outcome, Report};
use fabric::linux::Ports;
use model::VpcId;
use model::intent::{NetworksIntent, Slot};
use os::netns::NetworkNamespace;

use crate::lab::{INSTANCE, Lab, carried, delta};
use crate::networks::id;
use crate::town::{Town, address, eni};

#[test]
fn what_a_host_lost_is_made_again() {
    let (a, b) = (eni(1, 0, 0), eni(1, 0, 1));
    let (at, to_a) = (1, address(1, 0, 0));
    let town = Town::new().vpc(1, &[2]).0;
    let mut lab = Lab::new();
    lab.sweep(&town);
    lab.reaches(b, (a, &to_a), 80);
    let room = |lab: &Lab, line: &str| lab.hosts[at].room.run(line);
    let link = lab.hosts[at].host.switch().ports()[&a].link.clone();
    let damages = [
        (format!("ip link del {link}"), "link eth0 was missing"),
        (format!("ip netns del cw-{a}"), "its namespace was missing"),
        (format!("ip -n cw-{a} addr del {to_a}/32 dev eth0"), "address"),
        (format!("ip -n cw-{a} route del default"), "route 0.0.0.0/0"),
        (format!("ip -n cw-{a} link set eth0 mtu 1000"), "link eth0 was changed"),
        (format!("ip -n cw-{a} link add eth7 type veth"), "eth7 was not ours"),
    ];
    for (damage, said) in damages {
        room(&lab, &damage);
        lab.hosts[at].host.look_again();
        let settled = lab.try_settle_hosts().swap_remove(at);
        let told = settled.repairs.values().flatten().any(|what| what.contains(said));
        assert!(
            told && settled.failed.is_empty() && settled.errors.is_empty(),
            "{damage}: {settled:#?}"
        );
        lab.await_uptake();
        lab.reaches(b, (a, &to_a), 80);
        lab.hosts[at].host.look_again();
        lab.settle_hosts();
    }

    // A port of the switch that somebody removed, and one that is not ours.
    let set = format!("ovs-vsctl --db=unix:{}", lab.socket("h2").display());
    lab.tool("h2", &format!("{set} del-port {link} -- add-port br-int strange -- set Interface strange type=internal"));
    lab.settle_hosts();
    lab.await_uptake();
    lab.reaches(b, (a, &to_a), 80);
    let ports = lab.tool("h2", &format!("{set} list-ports br-int"));
    assert!(ports.contains("strange") && ports.contains(&link), "{ports}");

    // Somebody else's namespace with our name.
    room(&lab, &format!("ip netns add cw-{}", eni(1, 0, 3)));
    let mut crowded = town.clone();
    crowded.vpcs = Town::new().vpc(1, &[5]).0.vpcs;
    lab.intent = crowded;
    let settled = lab.try_settle_hosts();
    let foreign =
        settled.iter().flat_map(|it| it.failed.values()).find(|why| why.contains("something else"));
    assert!(foreign.is_some(), "{settled:#?}");
    assert_eq!(
        Ports::new(INSTANCE, true).all().unwrap(),
        BTreeSet::new(),
        "none is outside of the rooms"
    );
}

/// Each host that has interfaces of a VPC has its resolver, and none asks that of another host.
#[test]
fn a_vpc_s_resolver_answers_on_each_of_its_hosts() {
    let mut lab = Lab::new();
    lab.sweep(&Town::new().vpc(1, &[3]).vpc(2, &[1]).peered(1, 2).0);
    let vpc: VpcId = id("vpc", 1);
    let resolvers = ["10.1.0.2", "169.254.169.253"];
    std::thread::scope(|scope| {
        for (number, host) in lab.hosts.iter().enumerate() {
            let sockets = host.room.inside(|| {
                let namespace = NetworkNamespace::open(&format!("cw-{vpc}")).unwrap();
                namespace.expect("each host has an interface").enter().unwrap();
                resolvers.map(|address| UdpSocket::bind((address, 53)).unwrap())
            });
            for socket in sockets {
                scope.spawn(move || answer(&socket, number));
            }
        }
        for k in 0..3 {
            let asker = eni(1, 0, k);
            let on = u8::try_from(lab.host_of(asker)).unwrap();
            for resolver in resolvers {
                assert_eq!(lab.behind(asker, || ask(resolver)), Some(on), "{resolver}");
            }
        }
        // Nothing is between a peer and the resolver but that it is not its own.
        let peer = eni(2, 0, 0);
        assert_eq!(lab.behind(peer, || ask("10.1.0.2")), None);
        for k in 0..3 {
            for resolver in resolvers {
                lab.behind(eni(1, 0, k), || end(resolver));
            }
        }
    });
}

/// Answers with the number of the host, until it is told to end.
fn answer(socket: &UdpSocket, host: usize) {
    let mut said = [0];
    while let Ok((_, from)) = socket.recv_from(&mut said) {
        if said == [END] {
            return;
        }
        socket.send_to(&[u8::try_from(host).unwrap()], from).unwrap();
    }
}

fn ask(resolver: &str) -> Option<u8> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.send_to(&[1], (resolver, 53)).unwrap();
    let mut said = [0];
    socket.recv(&mut said).ok().map(|_| said[0])
}

fn end(resolver: &str) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.send_to(&[END], (resolver, 53)).unwrap();
}

const END: u8 = 255;

/// A server that is a host too, as one machine is with OVN.
#[test]
fn a_driver_makes_all_of_it_and_removes_it() {
    let town = Town::new().vpc(1, &[3]).vpc(2, &[1]).peered(1, 2).0;
    let lab = Lab::new();
    let alarm = Alarm::default();
    let host = Host::new(lab.switch(0, &alarm), INSTANCE, 1500);
    let mut driver = Ovn::new(lab.routers(2, &alarm), Some(host), alarm);
    let room = &lab.hosts[0].room;
    let names = || {
        let listed = room.run("ip netns list");
        listed.lines().filter(|line| line.starts_with("cw-")).count()
    };
    let report = room.inside(|| sweep(&mut driver, &town));
    assert!(!report.failed() && report.repairs.is_empty(), "{report:#?}");
    assert_eq!(report.vpcs[&id("vpc", 1)], Outcome::Carried);
    assert_eq!(names(), 6, "four processes and two resolvers");

    // The third interface becomes a further one of the first process.
    let mut next = town.clone();
    let vpc = next.vpcs.get_mut(&id("vpc", 1)).unwrap();
    let further = vpc.interfaces.get_mut(&eni(1, 0, 2)).unwrap();
    further.slot = Some(Slot { host: eni(1, 0, 0), index: 1 });
    let report = room.inside(|| {
        let report = driver.apply(&delta(&town, &next));
        carried(&mut driver, report)
    });
    assert!(!report.failed() && report.repairs.is_empty(), "{report:#?}");
    assert_eq!(names(), 5);
    let links = room.run(&format!("ip -n cw-{} -br link", eni(1, 0, 0)));
    assert!(links.contains("eth0") && links.contains("eth1"), "{links}");
    let answer = room.run(&format!(
        "ip netns exec cw-{} ping -n -c 3 -W 2 {}",
        eni(1, 0, 1),
        address(1, 0, 2)
    ));
    assert!(answer.contains(" 0% packet loss") || answer.contains("33"), "{answer}");

    // A driver that starts anew finds all as it is; one of another installation leaves it alone.
    let alarm = Alarm::default();
    let host = Host::new(lab.switch(0, &alarm), INSTANCE, 1500);
    let mut driver = Ovn::new(lab.routers(3, &alarm), Some(host), alarm);
    let report = room.inside(|| sweep(&mut driver, &next));
    assert!(!report.failed() && report.repairs.is_empty(), "{report:#?}");
    assert!(driver.look_again());
    room.run(&format!("ip netns exec cw-{} ip link set eth0 down", eni(1, 0, 1)));
    let steps: Vec<_> = std::iter::from_fn(|| room.inside(|| driver.step())).collect();
    assert!(steps.iter().any(|step| !step.repairs.is_empty()), "{steps:#?}");

    let removed = room.inside(|| driver.purge()).unwrap();
    assert_eq!((removed, names()), (8, 0), "two VPCs, a peering and five namespaces");
    let rows =
        lab.tool("central", &format!("ovn-nbctl --db=unix:{} show", lab.northbound().display()));
    assert_eq!(rows.trim(), "");
    let set = format!("ovs-vsctl --db=unix:{}", lab.socket("h1").display());
    let ports = lab.tool("h1", &format!("{set} list-ports br-int"));
    let ours = ports.lines().filter(|port| port.len() == 15 && port.starts_with('e'));
    assert_eq!(ours.count(), 0, "{ports}");
}

fn sweep(driver: &mut Ovn, intent: &NetworksIntent) -> Report {
    let report = driver.sweep(intent);
    carried(driver, report)
}
