use super::fixture::*;
use crate::command::{Ec2Command as C, Reply, VpcAttribute};
use crate::resource::*;
use crate::*;

fn create(block: &str) -> C {
    C::create_vpc(cidr(block), Tags::new())
}

fn associate(vpc: VpcId, block: &str) -> C {
    C::AssociateVpcCidrBlock { vpc, cidr: cidr(block) }
}

#[test]
fn a_vpc_comes_with_its_defaults() {
    let mut f = Fixture::new();
    let id = f.vpc("10.0.0.0/16");
    let vpc = f.get_vpc(id);
    assert!(f.world.route_table(vpc.main_route_table).unwrap().routes.is_empty());
    let acl = f.world.acl(vpc.default_acl).unwrap();
    assert!(acl.allows_all() && acl.is_default);
    let group = f.world.group(vpc.default_group).unwrap();
    assert_eq!(&*group.name, "default");
    let itself = GroupPeer::Group { group: group.id, account: vpc.account, vpc: id };
    let peers: Vec<_> = group.rules.values().map(|r| (r.direction, r.peer)).collect();
    assert!(peers.contains(&(Direction::Ingress, itself)));
    assert!(peers.contains(&(Direction::Egress, GroupPeer::Cidr(Cidr::ANY))));
    assert_eq!(peers.len(), 2);
    assert!(vpc.dns_support && !vpc.dns_hostnames && vpc.role.is_none());

    let second = f.vpc("10.0.0.0/16");
    assert_eq!(f.get_vpc(second).dhcp_options, vpc.dhcp_options);
    let abroad = f.vpc_as(elsewhere(), "10.0.0.0/16");
    assert_ne!(f.get_vpc(abroad).dhcp_options, vpc.dhcp_options);
}

#[test]
fn blocks_have_a_size_and_a_place() {
    let mut f = Fixture::new();
    for block in ["10.0.0.0/15", "10.0.0.0/29", "0.0.0.0/0"] {
        assert_eq!(f.refused(create(block)), Code::VpcRange, "{block}");
    }
    for block in ["0.1.0.0/16", "127.0.0.0/16", "169.254.0.0/20", "224.0.0.0/16", "250.0.0.0/28"] {
        assert_eq!(f.refused(create(block)), Code::InvalidParameterValue, "{block}");
    }
    for block in ["10.0.0.0/16", "10.0.0.0/28", "100.64.0.0/16", "52.10.0.0/20"] {
        f.vpc(block);
    }
}

#[test]
fn what_is_not_the_callers_does_not_exist() {
    let mut f = Fixture::new();
    let id = f.vpc("10.0.0.0/16");
    let delete = || C::DeleteVpc { vpc: id };
    let absent = "vpc-0ffffffffffffffff".parse().unwrap();
    let message = |vpc: VpcId| (Code::VpcNotFound, format!("The vpc ID '{vpc}' does not exist"));
    assert_eq!(f.refused_as(theirs(), delete()), message(id));
    assert_eq!(f.refused_as(elsewhere(), delete()), message(id));
    assert_eq!(f.refused_as(ours(), C::DeleteVpc { vpc: absent }), message(absent));
}

#[test]
fn a_reader_changes_nothing() {
    let f = Fixture::new();
    let caller = Caller::Account { scope: ours(), read_only: true };
    let create: Command = create("10.0.0.0/16").into();
    let refused = f.world.decide(caller, &create, NOW, &mut Sequence(0)).unwrap_err();
    assert_eq!(refused.code, Code::UnauthorizedOperation);
}

#[test]
fn the_platforms_vpcs_are_the_platforms() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.0.0.0/16");
    let subnet = f.subnet(vpc, "10.0.0.0/20");
    f.give_role(vpc);
    let attribute = VpcAttribute::DnsSupport(false);
    for command in [
        C::DeleteVpc { vpc },
        C::ModifyVpcAttribute { vpc, attribute },
        associate(vpc, "10.9.0.0/16"),
        C::DisassociateVpcCidrBlock { association: f.get_vpc(vpc).cidrs[0].id },
        C::create_subnet(vpc, cidr("10.0.16.0/20"), None, Tags::new()),
        C::DeleteSubnet { subnet },
    ] {
        assert_eq!(f.refused(command), Code::OperationNotPermitted);
    }
}

#[test]
fn deleting_a_vpc_takes_its_defaults_along() {
    let mut f = Fixture::new();
    let before = f.world.len();
    let vpc = f.vpc("10.0.0.0/16");
    f.run(C::DeleteVpc { vpc });
    // The DHCP options stay for the next one.
    assert_eq!(f.world.len(), before + 1);
}

#[test]
fn a_vpc_in_use_stays() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.0.0.0/16");
    let in_use = format!("The vpc '{vpc}' has dependencies and cannot be deleted.");
    let stays = |f: &mut Fixture| {
        let refused = f.refused_as(ours(), C::DeleteVpc { vpc });
        assert_eq!(refused, (Code::DependencyViolation, in_use.clone()));
    };
    let subnet = f.subnet(vpc, "10.0.0.0/24");
    stays(&mut f);
    f.run(C::DeleteSubnet { subnet });

    let gateway = f.gateway(Some(vpc));
    stays(&mut f);
    f.run(C::DetachInternetGateway { gateway, vpc });

    let asking = f.vpc_as(theirs(), "10.1.0.0/16");
    f.peering(asking, vpc, PeeringState::PendingAcceptance);
    stays(&mut f);
    f.now = f.now + PEERING_EXPIRY;
    f.run(C::DeleteVpc { vpc });
}

#[test]
fn peerings_go_with_their_vpc() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.0.0.0/16");
    let (b, c, d) = (f.vpc_as(theirs(), "10.1.0.0/16"), f.vpc("10.2.0.0/16"), f.vpc("10.3.0.0/16"));
    let active = f.peering(b, vpc, PeeringState::Active);
    let asked = f.peering(vpc, c, PeeringState::PendingAcceptance);
    let asked_by_us = f.peering(d, vpc, PeeringState::PendingAcceptance);
    let rejected = f.peering(vpc, d, PeeringState::Rejected);
    f.run(C::DeleteVpc { vpc });
    let state = |id| f.world.peering(id).map(|pcx| (pcx.state, pcx.by)).unwrap();
    let by = Some(ours().account);
    assert_eq!(state(active), (PeeringState::Deleting, by));
    assert_eq!(state(asked), (PeeringState::Deleted, by));
    assert_eq!(state(asked_by_us), (PeeringState::Deleted, by));
    assert_eq!(state(rejected), (PeeringState::Rejected, None));
}

#[test]
fn attributes_change_one_at_a_time() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.0.0.0/16");
    let set = |attribute| C::ModifyVpcAttribute { vpc, attribute };
    f.run(set(VpcAttribute::DnsHostnames(true)));
    f.run(set(VpcAttribute::UsageMetrics(true)));
    f.run(set(VpcAttribute::DnsSupport(false)));
    let now = f.get_vpc(vpc);
    assert!(now.dns_hostnames && now.usage_metrics && !now.dns_support);
    let refused = f.refused(set(VpcAttribute::DnsHostnames(true)));
    assert_eq!(refused, Code::InvalidParameterCombination);
}

#[test]
fn blocks_of_the_same_family_can_be_added() {
    let added = |primary: &str, block: &str| {
        let mut f = Fixture::new();
        let vpc = f.vpc(primary);
        f.try_as(ours(), associate(vpc, block)).map_err(|refused| refused.code)
    };
    for (primary, block) in [
        ("10.2.0.0/16", "10.0.0.0/16"),
        ("10.0.0.0/16", "10.1.0.0/16"),
        ("10.0.0.0/16", "100.64.0.0/16"),
        ("10.0.0.0/16", "52.0.0.0/16"),
        ("172.16.0.0/16", "172.30.0.0/16"),
        ("192.168.0.0/24", "192.168.1.0/24"),
        ("52.0.0.0/16", "100.64.0.0/24"),
        ("198.19.0.0/20", "198.19.16.0/20"),
    ] {
        assert!(added(primary, block).is_ok(), "{primary} {block}");
    }
    for (primary, block) in [
        ("10.0.0.0/16", "172.16.0.0/16"),
        ("10.0.0.0/16", "192.168.0.0/16"),
        ("10.1.0.0/16", "10.0.0.0/16"),
        ("10.0.0.0/16", "198.19.0.0/16"),
        ("172.16.0.0/16", "172.31.0.0/16"),
        ("172.16.0.0/16", "10.2.0.0/16"),
        ("192.168.0.0/24", "10.2.0.0/16"),
        ("52.0.0.0/16", "10.2.0.0/16"),
        ("52.0.0.0/16", "198.19.0.0/20"),
        ("198.19.0.0/20", "10.2.0.0/16"),
        ("10.0.0.0/16", "10.4.0.0/15"),
    ] {
        assert_eq!(added(primary, block), Err(Code::VpcRange), "{primary} {block}");
    }
    assert_eq!(added("10.0.0.0/16", "169.254.0.0/16"), Err(Code::InvalidParameterValue));
    assert_eq!(added("10.0.0.0/16", "10.0.1.0/24"), Err(Code::VpcCidrConflict));
}

#[test]
fn a_vpc_has_five_blocks() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    for n in 3..=6 {
        f.run(associate(vpc, &format!("10.{n}.0.0/16")));
    }
    assert_eq!(f.refused(associate(vpc, "10.7.0.0/16")), Code::VpcCidrLimit);
}

#[test]
fn a_block_does_not_take_over_a_route() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let main = f.get_vpc(vpc).main_route_table;
    let mut table = RouteTable::clone(f.world.route_table(main).unwrap());
    let igw = IgwId::fresh(&mut f.ids);
    table.routes.insert(cidr("10.5.4.0/24").into(), RouteTo::Gateway(igw));
    f.put(table);
    assert_eq!(f.refused(associate(vpc, "10.5.0.0/16")), Code::VpcCidrConflict);
    assert_eq!(f.refused(associate(vpc, "10.5.4.0/24")), Code::VpcCidrConflict);
    f.run(associate(vpc, "10.5.4.0/25"));
}

#[test]
fn blocks_and_peerings() {
    let mut f = Fixture::new();
    let (a, b) = (f.vpc("10.2.0.0/16"), f.vpc_as(theirs(), "10.3.0.0/16"));
    let active = f.peering(a, b, PeeringState::Active);
    assert_eq!(f.refused(associate(a, "10.3.4.0/24")), Code::VpcCidrConflict);
    f.run(associate(a, "10.4.0.0/16"));
    let known = f.world.peering(active).unwrap().requester.cidrs.clone();
    assert_eq!(known, [cidr("10.2.0.0/16"), cidr("10.4.0.0/16")]);

    // Who asks may add nothing; who is asked may, and a request that does not fit any more fails.
    let (c, d) = (f.vpc("10.5.0.0/16"), f.vpc_as(theirs(), "10.6.0.0/16"));
    let asked = f.peering(c, d, PeeringState::PendingAcceptance);
    assert_eq!(f.refused(associate(c, "10.7.0.0/16")), Code::VpcCidrConflict);
    f.run_as(theirs(), associate(d, "10.7.0.0/16"));
    assert_eq!(f.world.peering(asked).unwrap().state, PeeringState::PendingAcceptance);
    f.run_as(theirs(), associate(d, "10.8.0.0/24"));
    let association = f.get_vpc(d).cidrs[1].id;
    f.run_as(theirs(), C::DisassociateVpcCidrBlock { association });
    let known = f.world.peering(asked).unwrap().accepter.cidrs.clone();
    assert_eq!(known, [cidr("10.6.0.0/16"), cidr("10.8.0.0/24")]);
    f.run_as(theirs(), associate(d, "10.5.1.0/24"));
    assert_eq!(f.world.peering(asked).unwrap().state, PeeringState::Failed);
    f.run(associate(c, "10.7.0.0/16"));
}

#[test]
fn blocks_can_go_unless_they_are_used() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    f.run(associate(vpc, "10.3.0.0/16"));
    let [primary, second] = [0, 1].map(|n| f.get_vpc(vpc).cidrs[n].id);
    let remove = |association| C::DisassociateVpcCidrBlock { association };
    assert_eq!(f.refused(remove(primary)), Code::OperationNotPermitted);
    let subnet = f.subnet(vpc, "10.3.0.0/24");
    assert_eq!(f.refused(remove(second)), Code::CidrInUse);
    f.run(C::DeleteSubnet { subnet });
    assert_eq!(f.refused_as(theirs(), remove(second)).0, Code::VpcCidrAssociationNotFound);
    assert_eq!(f.run(remove(second)), Reply::Resources(vec![Key::Vpc(vpc)]));
    assert_eq!(f.refused(remove(second)), Code::VpcCidrAssociationNotFound);
}

#[test]
fn subnets_lie_in_their_vpc_and_beside_each_other() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let create = |block: &str, zone| C::create_subnet(vpc, cidr(block), zone, Tags::new());
    assert_eq!(f.refused(create("10.2.0.0/29", None)), Code::SubnetRange);
    assert_eq!(f.refused(create("10.0.0.0/8", None)), Code::SubnetRange);
    assert_eq!(f.refused(create("10.3.0.0/24", None)), Code::SubnetRange);
    let abroad = elsewhere().region.zone(0);
    assert_eq!(f.refused(create("10.2.0.0/24", Some(abroad))), Code::InvalidParameterValue);
    let zone = ours().region.zone(2);
    let reply = f.run(create("10.2.0.0/24", Some(zone)));
    let Some(Key::Subnet(id)) = reply.main() else { panic!("{reply:?}") };
    assert_eq!(f.world.subnet(id).unwrap().zone, zone);
    assert_eq!(f.refused(create("10.2.0.128/25", None)), Code::SubnetConflict);
    assert_eq!(f.refused(create("10.2.0.0/16", None)), Code::SubnetConflict);
    for n in 1..200 {
        f.subnet(vpc, &format!("10.2.{n}.0/24"));
    }
    assert_eq!(f.refused(create("10.2.200.0/24", None)), Code::SubnetLimit);
    assert_eq!(f.refused_as(theirs(), C::DeleteSubnet { subnet: id }).0, Code::SubnetNotFound);
    f.run(C::DeleteSubnet { subnet: id });
    assert_eq!(f.refused(C::DeleteSubnet { subnet: id }), Code::SubnetNotFound);
}
