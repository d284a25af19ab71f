//! What holds in every world, whatever was asked for.

use super::super::fixture::{ours, theirs};
use crate::command::*;
use crate::resource::*;
use crate::*;

/// What the fabric would report, if it did all that it is asked to.
pub(super) fn observation(world: &World) -> Observation {
    let peerings_in =
        |state| world.peerings().filter(move |pcx| pcx.state == state).map(|pcx| pcx.id).collect();
    let report = |instance: &Instance| match instance.state {
        InstanceState::Running if instance.boot == Boot::Ending => {
            WorkloadReport::Ended(Exit::Code(0))
        }
        InstanceState::Pending | InstanceState::Running => WorkloadReport::Running,
        InstanceState::Stopping
        | InstanceState::Stopped
        | InstanceState::ShuttingDown
        | InstanceState::Terminated => WorkloadReport::Gone,
    };
    Observation {
        vpcs: world.vpcs().map(|vpc| vpc.id).collect(),
        carried: peerings_in(PeeringState::Provisioning),
        gone: peerings_in(PeeringState::Deleting),
        workloads: world
            .instances()
            .map(|instance| (WorkloadId::Instance(instance.id), report(instance)))
            .collect(),
        edge: Vec::new(),
    }
}

/// What holds in every world, whatever was asked for.
pub(super) fn check_invariants(world: &World) {
    for vpc in world.vpcs() {
        assert!(world.route_table(vpc.main_route_table).is_some_and(|r| r.vpc == vpc.id));
        assert!(world.acl(vpc.default_acl).is_some_and(|r| r.vpc == vpc.id && r.is_default));
        assert!(world.group(vpc.default_group).is_some_and(|r| r.vpc == vpc.id));
        assert!(vpc.dhcp_options.is_none_or(|id| world.dhcp_options(id).is_some()));
        assert!((1..=5).contains(&vpc.cidrs.len()));
        let mut blocks: Vec<_> = vpc.blocks().collect();
        blocks.sort_unstable_by_key(|block| block.base());
        assert!(blocks.windows(2).all(|pair| !pair[0].overlaps(pair[1])));
    }
    for subnet in world.subnets() {
        assert!(world.acl(subnet.acl).is_some_and(|acl| acl.vpc == subnet.vpc));
        let ipv6 = subnet.launch.assign_ipv6 || subnet.launch.dns64;
        assert!(!ipv6 || subnet.ipv6.is_some(), "{subnet:?}");
        let own = subnet.route_table.map(|own| world.route_table(own.route_table).unwrap());
        assert!(own.is_none_or(|table| table.vpc == subnet.vpc));
    }
    for gateway in world.gateways() {
        let Some(vpc) = gateway.vpc else { continue };
        assert_eq!(world.vpc(vpc).unwrap().account, gateway.account);
        assert_eq!(world.naming(Key::Vpc(vpc), Kind::InternetGateway).count(), 1);
    }
    for reservation in world.subnet_reservations() {
        let subnet = world.subnet(reservation.subnet).unwrap();
        assert_eq!(subnet.vpc, reservation.vpc);
        let inside = match reservation.cidr {
            IpCidr::V4(block) => subnet.cidr.covers(block),
            IpCidr::V6(block) => subnet.ipv6.is_some_and(|own| own.cidr.covers(block)),
        };
        assert!(inside, "{reservation:?}");
    }
    for table in world.route_tables() {
        let vpc = world.vpc(table.vpc).unwrap();
        for (to, target) in table.cidr_routes() {
            let inside = vpc.blocks().any(|block| block.covers(to));
            assert!(!inside || matches!(target, RouteTo::Interface(_)), "{to} {target:?}");
        }
        for (to, target) in table.routes.iter().filter_map(|(to, by)| Some((to.ipv6()?, by))) {
            let inside = vpc.ipv6_blocks().any(|block| block.covers(to));
            assert!(!inside || matches!(target, RouteTo::Interface(_)), "{to} {target:?}");
        }
    }
    world.prefix_lists().for_each(|list| check_prefix_list(world, list));
    for eni in world.enis() {
        let subnet = world.subnet(eni.subnet).unwrap();
        assert_eq!(subnet.vpc, eni.vpc);
        assert!((1..=5).contains(&eni.groups.len()) || eni.nat_gateway.is_some());
        for group in &eni.groups {
            assert_eq!(world.group(*group).unwrap().vpc, eni.vpc);
        }
        if let Some(instance) = eni.instance() {
            assert_eq!(world.instance(instance).unwrap().vpc, eni.vpc);
        }
        for address in &eni.addresses {
            assert!(subnet.cidr.contains(*address) && !subnet.reserves(*address), "{address}");
        }
        for address in &eni.ipv6_addresses {
            let (first, last) = subnet.usable_ipv6().unwrap();
            assert!((first..=last).contains(address), "{address}");
        }
        assert!(!eni.primary_ipv6 || !eni.ipv6_addresses.is_empty(), "{eni:?}");
    }
    world.flow_logs().for_each(|log| check_flow_log(world, log));
    for analysis in world.insights_analyses() {
        let path = world.insights_path(analysis.path).unwrap();
        assert_eq!((path.account, path.region), (analysis.account, analysis.region));
    }
    world.elastic_ips().for_each(|elastic| check_elastic(world, elastic));
    world.nat_gateways().for_each(|nat| check_nat(world, nat));
    world.instances().for_each(|instance| check_instance(world, instance));
    world.peerings().filter(|pcx| pcx.carries()).for_each(|pcx| check_carried(world, pcx));
}

fn check_prefix_list(world: &World, list: &PrefixList) {
    for version in list.oldest_version()..=list.version {
        let blocks: Vec<_> = list.entries_of(version).map(|entry| entry.cidr).collect();
        assert!(blocks.windows(2).all(|pair| pair[0] < pair[1]), "{blocks:?}");
        assert!(blocks.iter().all(|block| AddressFamily::of(*block) == list.family));
    }
    assert_eq!(list.current().count(), list.entries_of(list.version).count());
    assert!(list.current().count() <= list.max_entries.into());
    for group in world.groups_in(Key::PrefixList(list.id)) {
        assert_eq!(world.vpc(group.vpc).unwrap().account, list.account);
    }
}

fn check_flow_log(world: &World, log: &FlowLog) {
    let owner = world.get(log.of.key()).and_then(|of| world.owner(of));
    assert_eq!(owner, Some(log.account), "it goes with what it is of: {log:?}");
    let first = world.flow_log(log.first).unwrap();
    assert_eq!((first.first, first.settings == log.settings), (first.id, true));
    assert!(log.client_token.is_none() || log.first == log.id);
}

fn check_elastic(world: &World, elastic: &ElasticIp) {
    assert!(world.public_pool().contains(elastic.address));
    if let Some(association) = elastic.association {
        let eni = world.eni(association.eni).unwrap();
        assert!(eni.addresses.contains(&association.private));
        assert_eq!(world.vpc(eni.vpc).unwrap().account, elastic.account);
        let known = world.at_public(elastic.address).map(|(eni, private)| (eni.id, private));
        assert_eq!(known, Some((association.eni, association.private)));
    }
}

fn check_nat(world: &World, nat: &NatGateway) {
    let Some(interface) = nat.interface.filter(|_| nat.works()) else {
        assert!(!nat.works() || nat.interface.is_some());
        return;
    };
    assert_eq!(world.eni(interface.eni).unwrap().nat_gateway, Some(nat.id));
    let eni = world.eni(interface.eni).unwrap();
    let secondary: Vec<_> = nat.secondary.iter().map(|address| address.private).collect();
    assert_eq!(eni.addresses, [vec![interface.private], secondary].concat());
    let association = |id| world.elastic_ip(id).unwrap().association.unwrap();
    for address in &nat.secondary {
        let Some(id) = address.allocation else { continue };
        assert_eq!((association(id).eni, association(id).private), (eni.id, address.private));
    }
    assert!(nat.allocation.is_none_or(|id| association(id).eni == interface.eni));
}

fn check_instance(world: &World, instance: &Instance) {
    if instance.state != InstanceState::Terminated {
        let eni = world.eni(instance.eni).unwrap();
        assert_eq!(eni.primary(), instance.address);
        let workload = eni.attachment.as_ref().unwrap().workload;
        let public = eni.public.address().is_some();
        let runs = instance.state.wants_to_run() || instance.state.ends();
        assert!(!public || instance.options.public && runs, "{instance:?}");
        assert_eq!(workload, WorkloadId::Instance(instance.id));
    }
}

fn check_carried(world: &World, pcx: &Peering) {
    let vpcs = [&pcx.requester, &pcx.accepter].map(|side| {
        let vpc = world.vpc(side.vpc).unwrap();
        assert_eq!(side.cidrs, vpc.blocks().collect::<Vec<_>>());
        assert_eq!(side.ipv6, vpc.ipv6_blocks().collect::<Vec<_>>());
        vpc
    });
    let overlap = vpcs[0].blocks().any(|a| vpcs[1].blocks().any(|b| a.overlaps(b)));
    assert!(!overlap, "{pcx:?}");
}

pub(super) fn check_record(record: &Record) {
    let key = record.key();
    let read = Record::read(key.kind().name(), &key.to_string(), &record.body());
    assert_eq!(read.unwrap(), *record, "a row reads back as it was written");
}

/// Nobody has more than a quota allows, but for what there was before it was set.
pub(super) fn check_quotas(before: &World, after: &World) {
    for scope in [ours(), theirs()] {
        let key = Key::Account(scope.account);
        let vpcs = |world: &World| {
            world.vpcs_of(key).filter(|vpc| scope.holds(vpc)).map(|vpc| vpc.id).collect::<Vec<_>>()
        };
        let instances = |world: &World| {
            let here = vpcs(world);
            let live = |it: &&std::sync::Arc<Instance>| it.state != InstanceState::Terminated;
            let own = world.instances_of(key).filter(live);
            own.filter(|instance| here.contains(&instance.vpc)).count()
        };
        let interfaces = |world: &World| {
            vpcs(world).into_iter().map(|id| world.enis_in(Key::Vpc(id)).count()).sum::<usize>()
        };
        type Count<'a> = &'a dyn Fn(&World) -> usize;
        let rows: [(Quota, Count<'_>); 5] = [
            (Quota::Vpcs, &|world| vpcs(world).len()),
            (Quota::Instances, &instances),
            (Quota::Interfaces, &interfaces),
            (Quota::ElasticIps, &|world| world.elastic_ips_of(key).count()),
            (Quota::PrefixLists, &|world| world.prefix_lists_of(key).count()),
        ];
        for (quota, count) in rows {
            let most = after.quota(scope.account, quota).unwrap_or(usize::MAX);
            let (had, has) = (count(before), count(after));
            assert!(has <= most.max(had), "{quota}: {had} to {has} of {most}");
        }
    }
}
