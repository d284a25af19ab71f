//! Worlds for tests, made record by record.

use std::collections::BTreeMap;

use crate::intent::{Intent, IntentDelta, MacAddr, UplinkDelta};
use crate::*;

/// An id by number.
pub(crate) fn id<T: PrefixedId>(n: u128) -> T {
    format!("{}-{n:017x}", T::PREFIX).parse().unwrap()
}

pub(crate) fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000)
}

pub(crate) fn account(n: u8) -> AccountId {
    format!("{n:012}").parse().unwrap()
}

pub(crate) fn uuid(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

pub(crate) fn dyno_id(n: u128) -> DynoId {
    DynoId(uuid(n))
}

pub(crate) fn app_id(n: u128) -> AppId {
    AppId(uuid(n))
}

pub(crate) fn space_id(n: u128) -> SpaceId {
    SpaceId(uuid(n))
}

/// A VPC with the main table, the ACL and the group of the same number.
pub(crate) fn vpc(n: u128, role: Option<VpcRole>, cidrs: &[&str]) -> Vpc {
    Vpc {
        id: id(n),
        account: account(1),
        region: Region::DEFAULT,
        cidrs: cidrs
            .iter()
            .enumerate()
            .map(|(i, text)| VpcCidr { id: id(n * 16 + i as u128), cidr: cidr(text) })
            .collect(),
        ipv6: Vec::new(),
        dns_support: true,
        dns_hostnames: false,
        usage_metrics: false,
        is_default: false,
        dhcp_options: Some(id(1)),
        main_route_table: id(n),
        main_association: id(n),
        default_acl: id(n),
        default_group: id(n),
        tenancy: Default::default(),
        role,
        created: now(),
        tags: Tags::new(),
    }
}

/// A subnet of the main table, with the ACL that has the VPC's number.
pub(crate) fn subnet(n: u128, vpc: u128, block: &str) -> Subnet {
    Subnet {
        id: id(n),
        vpc: id(vpc),
        cidr: cidr(block),
        zone: Region::DEFAULT.zone(0),
        route_table: None,
        acl: id(vpc),
        acl_association: id(n),
        default_for_zone: false,
        map_public_ip: false,
        ipv6: None,
        launch: Default::default(),
        created: now(),
        tags: Tags::new(),
    }
}

/// A table with routes to blocks and prefix lists.
pub(crate) fn table(n: u128, vpc: u128, routes: &[(&str, RouteTo)]) -> RouteTable {
    RouteTable {
        id: id(n),
        vpc: id(vpc),
        routes: routes.iter().map(|(text, to)| (text.parse().unwrap(), *to)).collect(),
        client_token: None,
        created: now(),
        tags: Tags::new(),
    }
}

pub(crate) fn rule(direction: Direction, traffic: Traffic, peer: GroupPeer) -> GroupRule {
    GroupRule { direction, traffic, peer, description: None, tags: Tags::new(), created: now() }
}

/// Any traffic, from or to a block.
pub(crate) fn open(direction: Direction, block: &str) -> GroupRule {
    rule(direction, Traffic::All, GroupPeer::Cidr(cidr(block)))
}

/// A group; its rules are numbered from 16 times its number.
pub(crate) fn group(n: u128, vpc: u128, rules: Vec<GroupRule>) -> SecurityGroup {
    let numbered = rules.into_iter().enumerate().map(|(i, rule)| (id(n * 16 + i as u128), rule));
    SecurityGroup {
        id: id(n),
        vpc: id(vpc),
        name: format!("group-{n}").into(),
        description: String::new(),
        rules: numbered.collect(),
        created: now(),
        tags: Tags::new(),
    }
}

pub(crate) fn entry(allow: bool, traffic: Traffic, block: &str) -> AclEntry {
    AclEntry { allow, traffic, cidr: cidr(block).into() }
}

pub(crate) fn acl(
    n: u128,
    vpc: u128,
    ingress: &[(u16, AclEntry)],
    egress: &[(u16, AclEntry)],
) -> NetworkAcl {
    NetworkAcl {
        id: id(n),
        vpc: id(vpc),
        is_default: false,
        ingress: ingress.iter().copied().collect(),
        egress: egress.iter().copied().collect(),
        client_token: None,
        created: now(),
        tags: Tags::new(),
    }
}

/// A prefix list of some IPv4 blocks.
pub(crate) fn prefix_list(n: u128, blocks: &[&str]) -> PrefixList {
    let entry = |text: &&str| PrefixEntry {
        cidr: cidr(text).into(),
        description: None,
        since: 1,
        until: None,
    };
    PrefixList {
        id: id(n),
        account: account(1),
        region: Region::DEFAULT,
        name: format!("list-{n}"),
        family: AddressFamily::Ipv4,
        max_entries: 10,
        version: 1,
        entries: blocks.iter().map(entry).collect(),
        state: PrefixListState::Created,
        client_token: None,
        tags: Tags::new(),
        created: now(),
    }
}

/// An interface in the group of its VPC's number, attached if there is a workload.
pub(crate) fn eni(
    n: u128,
    vpc: u128,
    subnet: u128,
    address: &str,
    used: Option<WorkloadId>,
) -> Eni {
    Eni {
        id: id(n),
        vpc: id(vpc),
        subnet: id(subnet),
        mac: MacAddr([2, 0, 0, 0, 1, n as u8]),
        addresses: vec![address.parse().unwrap()],
        ipv6_addresses: Vec::new(),
        primary_ipv6: false,
        groups: vec![id(vpc)],
        source_dest_check: true,
        description: String::new(),
        attachment: used.map(|workload| Attachment {
            id: id(n),
            workload,
            device_index: 0,
            delete_on_termination: true,
            attached: now(),
        }),
        requester_managed: false,
        public: PublicAddress::None,
        nat_gateway: None,
        created: now(),
        tags: Tags::new(),
        client_token: None,
    }
}

pub(crate) fn instance(n: u128, of: &Eni, state: InstanceState) -> Instance {
    Instance {
        id: id(n),
        reservation: id(n),
        launch_index: 0,
        account: account(1),
        vpc: of.vpc,
        subnet: of.subnet,
        eni: of.id,
        host: None,
        address: of.primary(),
        image: "ami-host".to_owned(),
        instance_type: "t3.micro".to_owned(),
        key_name: None,
        user_data: Some("IyEvYmluL3NoCg==".to_owned()),
        state,
        exit: None,
        launched: now(),
        since: now(),
        client_token: None,
        tags: Tags::new(),
        options: InstanceOptions::default(),
        boot: Boot::Settled,
        starts: 0,
    }
}

pub(crate) fn app(n: u128, space: u128, config: &[(&str, &str)]) -> App {
    App {
        id: app_id(n),
        name: format!("app-{n}"),
        team: TeamId(uuid(1)),
        space: space_id(space),
        owner: UserId(uuid(1)),
        internal_routing: false,
        fence_stop: false,
        label: format!("app-{n}-{n:012x}"),
        config: config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        formation: BTreeMap::new(),
        domains: BTreeMap::new(),
        release: ReleaseId(uuid(n)),
        created: now(),
        updated: now(),
    }
}

/// The release of the same number as its app.
pub(crate) fn release(n: u128, config: &[(&str, &str)]) -> Release {
    Release {
        id: ReleaseId(uuid(n)),
        app: app_id(n),
        version: 1,
        slug: None,
        inherits_code: false,
        config: app(n, 1, config).config,
        description: String::new(),
        user: None,
        status: ReleaseStatus::Succeeded,
        command: None,
        created: now(),
        settled: None,
    }
}

pub(crate) fn dyno(n: u128, app: u128, eni: u128, state: DynoState) -> Dyno {
    Dyno {
        id: dyno_id(n),
        app: app_id(app),
        space: space_id(1),
        name: format!("run.{n}"),
        process_type: "run".to_owned(),
        number: None,
        release: ReleaseId(uuid(app)),
        command: "echo hello".to_owned(),
        size: DynoSize::S,
        environment: BTreeMap::new(),
        stdio: Stdio::Log,
        state,
        exit: None,
        eni: id(eni),
        host: None,
        superseded: false,
        fenced_until: None,
        crashes: 0,
        created: now(),
        updated: now(),
    }
}

/// An installation whose spaces are owned by the account that owns everything here.
pub(crate) fn settings() -> Settings {
    Settings {
        platform_account: account(1),
        region: Region::DEFAULT,
        emulator: false,
        instance: "t1".to_owned(),
        created: now(),
        clock_offset: 0,
        outbound: None,
        fabric: None,
        quotas: Default::default(),
    }
}

/// A way out by a pool of its own.
pub(crate) fn outbound(n: u8) -> Outbound {
    let pool = if n.is_multiple_of(2) { "203.0.113.16/28" } else { "203.0.113.0/24" };
    let way = OutboundWay::Parent { link: "eth0".to_owned(), pool: cidr(pool), gateway: None };
    Outbound { way, allow: Vec::new(), deny: Vec::new() }
}

/// A team without members.
pub(crate) fn team(n: u128) -> Team {
    Team {
        disabled: None,
        quotas: Default::default(),
        id: TeamId(uuid(n)),
        name: format!("team-{n}"),
        members: BTreeMap::new(),
        demands_second_factor: false,
        created: now(),
        updated: now(),
    }
}

pub(crate) fn space(n: u128, vpc: u128, data_vpc: u128, block: &str, data_block: &str) -> Space {
    Space {
        id: space_id(n),
        name: format!("space-{n}"),
        team: TeamId(uuid(1)),
        region: Region::DEFAULT,
        state: SpaceState::Allocated,
        cidr: cidr(block),
        data_cidr: cidr(data_block),
        vpc: id(vpc),
        data_vpc: id(data_vpc),
        data_peering: id(99),
        dyno_subnets: [id(vpc), id(vpc)],
        dyno_group: id(vpc),
        router_enis: Vec::new(),
        router_hosts: BTreeMap::new(),
        peering_limit: 5,
        trusted: Space::anywhere(),
        inbound: None,
        no_apps: Default::default(),
        nat_gateway: None,
        created: now(),
        updated: now(),
    }
}

pub(crate) fn peering(n: u128, requester: u128, accepter: u128, state: PeeringState) -> Peering {
    let side = |vpc| PeeringSide {
        account: account(1),
        region: Region::DEFAULT,
        vpc: id(vpc),
        cidrs: Vec::new(),
        ipv6: Vec::new(),
        dns_resolution: false,
        tags: Tags::new(),
    };
    Peering {
        id: id(n),
        requester: side(requester),
        accepter: side(accepter),
        kind: PeeringKind::Customer,
        state,
        since: now(),
        by: None,
        expires: now() + PEERING_EXPIRY,
    }
}

/// Puts a record into a world.
pub(crate) fn put(world: &mut World, record: impl Into<Record>) {
    world.apply(&Change::Put(record.into()));
}

/// A VPC of a /16 `block` with one subnet of its first /24, an open main table, ACL and group.
pub(crate) fn put_vpc(world: &mut World, n: u128, role: Option<VpcRole>, blocks: &[&str]) {
    put(world, vpc(n, role, blocks));
    put(world, table(n, n, &[]));
    let all = [(100, entry(true, Traffic::All, "0.0.0.0/0"))];
    put(world, acl(n, n, &all, &all));
    let rules = [Direction::Ingress, Direction::Egress].map(|d| open(d, "0.0.0.0/0"));
    put(world, group(n, n, rules.to_vec()));
    let first = cidr(blocks[0]).subnet(24, 0).unwrap().to_string();
    put(world, subnet(n, n, &first));
}

/// An instance with an interface of the same number, in the subnet of the VPC's number.
pub(crate) fn put_instance(world: &mut World, n: u128, vpc: u128, subnet: u128, address: &str) {
    let eni = eni(n, vpc, subnet, address, Some(WorkloadId::Instance(id(n))));
    put(world, instance(n, &eni, InstanceState::Running));
    put(world, eni);
}

/// Any record out of small pools, so that records name each other, and what is not there.
pub(crate) fn random_record([kind, n, a, b, c]: [u8; 5]) -> Record {
    let of = |byte: u8| u128::from(byte % 5);
    let (n, vpc_n) = (of(n), of(a));
    let (direction, traffic) = match c % 3 {
        0 => (Direction::Ingress, Traffic::All),
        1 => (Direction::Egress, Traffic::Tcp(PortRange { from: 80, to: 90 })),
        _ => (Direction::Ingress, Traffic::Icmp { kind: None, code: None }),
    };
    let workload = match c % 3 {
        0 => Some(WorkloadId::Dyno(dyno_id(of(b)))),
        1 => Some(WorkloadId::Instance(id(of(b)))),
        _ => None,
    };
    let interface = |n: u128| eni(n, vpc_n, of(b), &format!("10.{vpc_n}.0.{}", n + 4), workload);
    match kind % 16 {
        0 => {
            let role = match b % 4 {
                0 => Some(VpcRole::Space(space_id(of(c)))),
                1 => Some(VpcRole::Data(space_id(of(c)))),
                _ => None,
            };
            let own = format!("10.{n}.0.0/16");
            vpc(n, role, &[own.as_str(), "100.64.0.0/16"][..1 + usize::from(c % 2)]).into()
        }
        1 => {
            let own = (c % 2 == 0).then(|| RouteTableAssociation { id: id(n), route_table: id(n) });
            Subnet { acl: id(of(b)), route_table: own, ..subnet(n, vpc_n, "10.0.0.0/24") }.into()
        }
        2 => {
            let to = match c % 3 {
                0 => RouteTo::Peering(id(of(b))),
                1 => RouteTo::Interface(id(of(b))),
                _ if b > 127 => RouteTo::Nat(id(of(b))),
                _ => RouteTo::Gateway(id(of(b))),
            };
            let wide = if b % 2 == 0 { "10.0.0.0/8" } else { "0.0.0.0/0" };
            let list = id::<PrefixListId>(of(c)).to_string();
            table(n, vpc_n, &[(wide, to), (&list, RouteTo::Peering(id(of(b))))]).into()
        }
        3 => {
            let named = GroupPeer::Group { group: id(of(b)), account: account(1), vpc: id(of(c)) };
            let listed = rule(direction, traffic, GroupPeer::PrefixList(id(of(c))));
            let rules =
                vec![rule(direction, traffic, named), open(direction, "10.0.0.0/8"), listed];
            group(n, vpc_n, rules).into()
        }
        4 => {
            let all = [(100, entry(b % 2 == 0, traffic, "0.0.0.0/0"))];
            acl(n, vpc_n, &all, &all).into()
        }
        5 | 6 => Eni { groups: vec![id(of(b)), id(of(c))], ..interface(n) }.into(),
        7 => {
            use PeeringState as S;
            let states = [S::Active, S::Active, S::Provisioning, S::PendingAcceptance, S::Deleting];
            let mut made = peering(n, vpc_n, of(b), states[usize::from(c % 5)]);
            if c % 7 == 0 {
                made.accepter.region = Region::find("eu-west-1").unwrap();
            }
            made.into()
        }
        8 => {
            use InstanceState as S;
            let states =
                [S::Pending, S::Running, S::Stopping, S::Stopped, S::ShuttingDown, S::Terminated];
            instance(n, &interface(of(b)), states[usize::from(c % 6)]).into()
        }
        9 => {
            use DynoState as S;
            let states = [S::Starting, S::Up, S::Stopping, S::Down, S::Crashed];
            dyno(n, vpc_n, of(b), states[usize::from(c % 5)]).into()
        }
        10 => InternetGateway {
            id: id(n),
            account: account(1),
            region: Region::DEFAULT,
            vpc: (c % 4 != 0).then(|| id(vpc_n)),
            tags: Tags::new(),
            created: Timestamp::default(),
        }
        .into(),
        11 => ElasticIp {
            id: id(n),
            account: account(1),
            region: Region::DEFAULT,
            address: [203, 0, 113, 17 + n as u8].into(),
            association: (c % 4 != 0).then(|| AddressAssociation {
                id: id(n),
                eni: id(of(b)),
                private: format!("10.{vpc_n}.0.{}", of(b) + 4).parse().unwrap(),
            }),
            tags: Tags::new(),
            created: now(),
        }
        .into(),
        12 => NatGateway {
            id: id(n),
            account: account(1),
            region: Region::DEFAULT,
            vpc: id(vpc_n),
            subnet: id(of(b)),
            connectivity: Connectivity::Public,
            interface: Some(NatInterface { eni: id(of(c)), private: [10, 0, 0, 9].into() }),
            allocation: Some(id(of(b))),
            secondary: Vec::new(),
            failure: None,
            ended: (c % 4 == 0).then(now),
            client_token: None,
            tags: Tags::new(),
            created: now(),
        }
        .into(),
        13 => Settings { outbound: (c % 3 != 0).then(|| outbound(c)), ..settings() }.into(),
        14 => prefix_list(n, &["10.2.0.0/16", "172.16.0.0/16"][..1 + usize::from(c % 2)]).into(),
        _ if c % 4 == 0 => app(n, 1, &[("KEY", &c.to_string())]).into(),
        _ if c % 4 == 2 => release(n, &[("KEY", &c.to_string())]).into(),
        _ => space(n, vpc_n, of(b), &format!("10.{}.0.0/16", c % 5), "10.9.0.0/16").into(),
    }
}

/// Puts a delta into an intent, and checks that each part of it says something new, or is of what
/// the world after it waits to hear of.
pub(crate) fn apply_delta(intent: &mut Intent, delta: IntentDelta, after: &World) {
    fn each<Id: Ord + Copy + std::fmt::Debug, Plan: PartialEq>(
        all: &mut BTreeMap<Id, Plan>,
        changed: BTreeMap<Id, Option<Plan>>,
        awaited: impl Fn(Id) -> bool,
    ) {
        for (id, plan) in changed {
            assert!(all.get(&id) != plan.as_ref() || awaited(id), "{id:?} is as it was");
            match plan {
                Some(plan) => drop(all.insert(id, plan)),
                None => drop(all.remove(&id)),
            }
        }
    }
    let (networks, changed) = (&mut intent.networks, delta.networks);
    match changed.uplink {
        UplinkDelta::Same => {}
        UplinkDelta::Put(uplink) => {
            assert_ne!(networks.uplink.as_ref(), Some(&uplink), "it is as it was");
            networks.uplink = Some(uplink);
        }
        UplinkDelta::Gone => assert!(networks.uplink.take().is_some(), "it was gone"),
    }
    each(&mut networks.vpcs, changed.vpcs, |id| after.awaits_router(id));
    each(&mut networks.peerings, changed.peerings, |id| {
        after.peering(id).is_some_and(|peering| peering.state.is_transient())
    });
    each(&mut intent.workloads.0, delta.workloads.0, |id| after.awaits_end(id));
}
