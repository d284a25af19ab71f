use super::fixture::*;
use crate::command::{Ec2Command as C, NewVpc, Reply};
use crate::resource::*;
use crate::*;

fn made(f: &mut Fixture, scope: Scope) -> VpcId {
    match f.run_as(scope, C::CreateDefaultVpc).main() {
        Some(Key::Vpc(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_default_vpc_has_a_subnet_in_each_zone_and_a_way_out() {
    let mut f = Fixture::new();
    let id = made(&mut f, ours());
    let vpc = f.get_vpc(id);
    assert!(vpc.is_default && vpc.dns_support && vpc.dns_hostnames);
    assert_eq!(vpc.blocks().collect::<Vec<_>>(), [cidr("172.31.0.0/16")]);
    let mut subnets: Vec<_> = f.world.subnets_in(Key::Vpc(id)).cloned().collect();
    subnets.sort_by_key(|subnet| subnet.zone.to_string());
    let zones: Vec<_> = ours().region.zones().collect();
    assert_eq!(subnets.iter().map(|subnet| subnet.zone).collect::<Vec<_>>(), zones);
    for (n, subnet) in (0..).zip(&subnets) {
        assert!(subnet.default_for_zone && subnet.map_public_ip);
        assert_eq!(Some(subnet.cidr), cidr("172.31.0.0/16").subnet(20, n));
    }
    let gateway = f.world.gateways_of(Key::Vpc(id)).next().unwrap().id;
    let routes = &f.world.route_table(vpc.main_route_table).unwrap().routes;
    assert_eq!(routes.get(&Cidr::ANY.into()), Some(&RouteTo::Gateway(gateway)));

    let message = "A Default VPC already exists for this account in this region.".to_owned();
    let refused = f.refused_as(ours(), C::CreateDefaultVpc);
    assert_eq!(refused, (Code::DefaultVpcExists, message));
    // Each account has its own in each region.
    made(&mut f, theirs());
    made(&mut f, elsewhere());
}

#[test]
fn a_zone_can_have_its_default_subnet_again() {
    let mut f = Fixture::new();
    let zone = ours().region.zone(1);
    let create = || C::CreateDefaultSubnet { zone };
    let message = "No default VPC exists for this account in this region.".to_owned();
    assert_eq!(f.refused_as(ours(), create()), (Code::DefaultVpcMissing, message));
    let vpc = made(&mut f, ours());
    let of_zone = |f: &Fixture| {
        let mut inside = f.world.subnets_in(Key::Vpc(vpc));
        inside.find(|subnet| subnet.zone == zone).map(|subnet| Subnet::clone(subnet)).unwrap()
    };
    let old = of_zone(&f);
    let message = format!("'{}' is already the default subnet in {zone}.", old.id);
    assert_eq!(f.refused_as(ours(), create()), (Code::DefaultSubnetExists, message));
    assert_eq!(f.refused_as(elsewhere(), create()).0, Code::InvalidParameterValue);

    f.run(C::DeleteSubnet { subnet: old.id });
    f.run(C::create_subnet(vpc, cidr("172.31.16.0/24"), Some(ours().region.zone(0)), Tags::new()));
    f.run(create());
    let new = of_zone(&f);
    assert!(new.default_for_zone && new.map_public_ip && new.cidr != old.cidr);
    assert_eq!(new.cidr.prefix_len(), 20);

    f.run(C::DeleteSubnet { subnet: new.id });
    f.subnet(vpc, "172.31.128.0/17");
    let taken = f.world.subnets_in(Key::Vpc(vpc)).map(|subnet| subnet.cidr).collect::<Vec<_>>();
    for block in (0..8).filter_map(|n| cidr("172.31.0.0/17").subnet(20, n)) {
        if !taken.iter().any(|cidr| cidr.overlaps(block)) {
            f.run(C::create_subnet(vpc, block, None, Tags::new()));
        }
    }
    assert_eq!(f.refused(create()), Code::SubnetConflict);
}

#[test]
fn a_vpc_comes_back_to_shared_hardware_and_never_leaves_it() {
    let mut f = Fixture::new();
    let (cidr, tenancy) = (cidr("10.2.0.0/16"), Tenancy::Dedicated);
    let new = NewVpc { cidr, ipv6: false, tenancy, tags: Tags::new() };
    let Some(Key::Vpc(vpc)) = f.run(C::CreateVpc(new)).main() else { panic!() };
    assert_eq!(f.get_vpc(vpc).tenancy, Tenancy::Dedicated);
    let modify = C::ModifyVpcTenancy { vpc };
    assert_eq!(f.refused_as(theirs(), modify.clone()).0, Code::VpcNotFound);
    for _ in 0..2 {
        assert_eq!(f.run(modify.clone()), Reply::Done);
        assert_eq!(f.get_vpc(vpc).tenancy, Tenancy::Default);
    }
    f.give_role(vpc);
    assert_eq!(f.refused(modify), Code::OperationNotPermitted);
}
