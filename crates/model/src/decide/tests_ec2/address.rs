use super::fixture::*;
use crate::command::*;
use crate::resource::*;
use crate::*;

type C = Ec2Command;

/// A VPC with an internet gateway, a subnet, and one of another owner.
struct Net {
    f: Fixture,
    vpc: VpcId,
    subnet: SubnetId,
}

fn net() -> Net {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    f.attach_gateway(vpc);
    Net { f, vpc, subnet }
}

impl Fixture {
    fn attach_gateway(&mut self, vpc: VpcId) -> IgwId {
        let id = IgwId::fresh(&mut self.ids);
        let owner = self.get_vpc(vpc);
        let (account, region) = (owner.account, owner.region);
        self.put(InternetGateway {
            id,
            account,
            region,
            vpc: Some(vpc),
            tags: Tags::new(),
            created: Timestamp::default(),
        });
        id
    }

    fn allocate(&mut self) -> AllocationId {
        match self.run(C::AllocateAddress { address: None, tags: Tags::new() }).main() {
            Some(Key::ElasticIp(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn elastic(&self, id: AllocationId) -> ElasticIp {
        ElasticIp::clone(self.world.elastic_ip(id).unwrap())
    }

    /// The address that an interface is known by outside.
    fn public(&self, eni: EniId) -> Option<String> {
        let eni = self.world.eni(eni).unwrap();
        self.world.public_of(eni, eni.primary()).map(|public| public.address.to_string())
    }

    fn nat(&mut self, subnet: SubnetId, allocation: AllocationId) -> NatGatewayId {
        match self.run(nat_in(subnet, Some(allocation))).main() {
            Some(Key::NatGateway(id)) => id,
            other => panic!("{other:?}"),
        }
    }
}

fn associate(id: AllocationId, target: AddressTarget, reassociate: bool) -> C {
    C::AssociateAddress { which: ElasticIpName::Allocation(id), target, private: None, reassociate }
}

fn release(id: AllocationId) -> C {
    C::ReleaseAddress { which: ElasticIpName::Allocation(id) }
}

fn nat_in(subnet: SubnetId, allocation: Option<AllocationId>) -> C {
    C::CreateNatGateway(CreateNatGateway {
        subnet,
        connectivity: Connectivity::Public,
        allocation,
        private: None,
        client_token: None,
        tags: Tags::new(),
    })
}

#[test]
fn addresses_come_from_the_pool_and_go_back_to_it() {
    let Net { mut f, .. } = net();
    let all: Vec<AllocationId> = (0..5).map(|_| f.allocate()).collect();
    let texts: Vec<String> = all.iter().map(|id| f.elastic(*id).address.to_string()).collect();
    assert_eq!(texts[..2], ["198.18.0.1", "198.18.0.2"], "the first one is the uplink's");
    let more = C::AllocateAddress { address: None, tags: Tags::new() };
    assert_eq!(f.refused(more.clone()), Code::AddressLimitExceeded);
    f.run_as(theirs(), more.clone());
    assert_eq!(f.refused_as(theirs(), release(all[1])).0, Code::AllocationNotFound);
    f.run(release(all[1]));
    assert_eq!(f.refused(release(all[1])), Code::AllocationNotFound);
    let id = f.allocate();
    assert_eq!(f.elastic(id).address.to_string(), "198.18.0.2", "the lowest that is free");

    f.run(release(id));
    let wanted =
        |text: &str| C::AllocateAddress { address: Some(text.parse().unwrap()), tags: Tags::new() };
    assert_eq!(f.refused(wanted("198.18.0.1")), Code::AddressInUse);
    for outside in ["198.18.0.0", "198.19.0.1", "8.8.8.8"] {
        assert_eq!(f.refused(wanted(outside)), Code::AddressNotFound, "{outside}");
    }
    f.run(wanted("198.18.7.7"));
    assert!(f.world.find(&Alias::PublicAddress([198, 18, 7, 7].into())).is_some());
}

#[test]
fn a_pool_may_be_used_up() {
    let Net { mut f, subnet, .. } = net();
    f.put(plan::lab::settings());
    let pool: Cidr = "203.0.113.16/30".parse().unwrap();
    let way = OutboundWay::Parent { link: "eth0".to_owned(), pool, gateway: None };
    let outbound = Outbound { way, allow: Vec::new(), deny: Vec::new() };
    let set = IdentityCommand::SetOutbound { outbound: Some(outbound.clone()) };
    f.decide(Caller::Operator, set.into()).unwrap();
    let held: Vec<AllocationId> = (0..3).map(|_| f.allocate()).collect();
    assert_eq!(f.elastic(held[2]).address.to_string(), "203.0.113.19");
    let more = C::AllocateAddress { address: None, tags: Tags::new() };
    assert_eq!(f.refused(more), Code::InsufficientAddressCapacity);
    let run = RunInstances { public: Some(true), ..run_in(subnet) };
    assert_eq!(f.refused(C::RunInstances(run)), Code::InsufficientAddressCapacity);
    let as_user = IdentityCommand::SetOutbound { outbound: None };
    let refused = f.decide(Caller::Account { scope: ours(), read_only: false }, as_user.into());
    assert_eq!(refused.unwrap_err().code, Code::UnauthorizedOperation);
    for (link, pool) in [("", "203.0.113.0/28"), ("eth0", "203.0.113.0/31"), ("a/b", "10.0.0.0/24")]
    {
        let (link, pool) = (link.to_owned(), pool.parse().unwrap());
        let way = OutboundWay::Parent { link, pool, gateway: None };
        let set =
            IdentityCommand::SetOutbound { outbound: Some(Outbound { way, ..outbound.clone() }) };
        let refused = f.decide(Caller::Operator, set.into()).unwrap_err();
        assert_eq!(refused.code, Code::InvalidParameterValue, "{pool}");
    }
}

#[test]
fn an_address_leads_to_one_interface_at_a_time() {
    let Net { mut f, vpc, subnet } = net();
    let (one, other) = (f.allocate(), f.allocate());
    let (first, second) = (f.instance(subnet), f.instance(subnet));
    let eni = |f: &Fixture, id| f.world.instance(id).unwrap().eni;
    let (a, b) = (eni(&f, first), eni(&f, second));
    f.run(associate(one, AddressTarget::Instance(first), false));
    let held = f.elastic(one).association.unwrap();
    assert_eq!((held.eni, f.public(a).as_deref()), (a, Some("198.18.0.1")));
    f.run(associate(one, AddressTarget::Eni(a), false));
    assert_eq!(f.elastic(one).association, Some(held), "the same again changes nothing");

    let (code, message) = f.refused_as(ours(), associate(one, AddressTarget::Eni(b), false));
    let words = format!("resource {one} is already associated with associate-id {}", held.id);
    assert_eq!((code, message), (Code::AlreadyAssociated, words));
    let onto = associate(other, AddressTarget::Eni(a), false);
    assert_eq!(f.refused(onto), Code::AlreadyAssociated, "it has one already");
    f.run(associate(one, AddressTarget::Eni(b), true));
    assert_eq!((f.public(a), f.public(b).as_deref()), (None, Some("198.18.0.1")));
    f.run(associate(other, AddressTarget::Eni(b), true));
    assert_eq!(f.elastic(one).association, None, "another one took its place");

    assert_eq!(f.refused(release(other)), Code::AddressInUse);
    let moved = f.elastic(other).association.unwrap();
    let end = |id| C::DisassociateAddress { which: AddressAssociationName::Association(id) };
    assert_eq!(f.refused(end(held.id)), Code::AssociationNotFound);
    assert_eq!(f.refused_as(theirs(), end(moved.id)).0, Code::AssociationNotFound);
    f.run(end(moved.id));
    let by_address =
        C::DisassociateAddress { which: AddressAssociationName::Address(f.elastic(other).address) };
    assert_eq!(f.refused(by_address), Code::AssociationNotFound);
    f.run(release(other));

    let wrong = C::AssociateAddress {
        which: ElasticIpName::Address(f.elastic(one).address),
        target: AddressTarget::Eni(a),
        private: Some([10, 2, 1, 200].into()),
        reassociate: false,
    };
    assert_eq!(f.refused(wrong), Code::InvalidParameterValue);
    let closed = f.vpc("10.3.0.0/16");
    let inside = f.subnet(closed, "10.3.1.0/24");
    let there = f.eni(inside);
    let (code, message) = f.refused_as(ours(), associate(one, AddressTarget::Eni(there), false));
    let words = format!("Network {closed} is not attached to any internet gateway");
    assert_eq!((code, message), (Code::GatewayNotAttached, words));
    f.run(associate(one, AddressTarget::Eni(a), false));
    f.give_role(vpc);
    assert_eq!(
        f.refused(associate(one, AddressTarget::Eni(b), true)),
        Code::OperationNotPermitted,
        "the platform's are the platform's"
    );
}

#[test]
fn an_address_outlives_the_instance_that_it_led_to() {
    let Net { mut f, subnet, .. } = net();
    let one = f.allocate();
    let instance = f.instance(subnet);
    f.run(associate(one, AddressTarget::Instance(instance), false));
    f.run(C::TerminateInstances { instances: vec![instance] });
    let target = AddressTarget::Instance(instance);
    assert_eq!(f.refused(associate(one, target, true)), Code::InstanceUnfit);
    let gone = [(WorkloadId::Instance(instance), WorkloadReport::Gone)].into();
    let seen = Observation { workloads: gone, ..Observation::default() };
    f.decide(Caller::System, SystemCommand::Observe(seen).into()).unwrap();
    assert_eq!(f.elastic(one).association, None);
    f.run(release(one));
}

#[test]
fn instances_have_public_addresses_where_their_subnet_or_the_request_says_so() {
    let Net { mut f, subnet, .. } = net();
    let run = |f: &mut Fixture, public| match f
        .run(C::RunInstances(RunInstances { public, ..run_in(subnet) }))
        .main()
    {
        Some(Key::Instance(id)) => f.world.instance(id).unwrap().eni,
        other => panic!("{other:?}"),
    };
    let (none, asked) = (run(&mut f, None), run(&mut f, Some(true)));
    assert_eq!((f.public(none), f.public(asked).as_deref()), (None, Some("198.18.0.1")));
    let mapped = Subnet { map_public_ip: true, ..Subnet::clone(f.world.subnet(subnet).unwrap()) };
    f.put(mapped);
    let (given, refused) = (run(&mut f, None), run(&mut f, Some(false)));
    assert_eq!((f.public(given).as_deref(), f.public(refused)), (Some("198.18.0.2"), None));

    // An elastic one takes its place, and is given back for a new one.
    let one = f.allocate();
    f.run(associate(one, AddressTarget::Eni(given), false));
    let elastic = f.elastic(one).address.to_string();
    assert_eq!(f.public(given), Some(elastic));
    assert_eq!(f.world.find(&Alias::PublicAddress([198, 18, 0, 2].into())), None);
    let end =
        C::DisassociateAddress { which: AddressAssociationName::Address(f.elastic(one).address) };
    f.run(end);
    assert_eq!(f.public(given).as_deref(), Some("198.18.0.2"));
    f.run(associate(one, AddressTarget::Eni(none), false));
    f.run(C::DisassociateAddress {
        which: AddressAssociationName::Address(f.elastic(one).address),
    });
    assert_eq!(f.public(none), None, "it had none before");
}

#[test]
fn a_nat_gateway_holds_its_address_and_its_subnet() {
    let Net { mut f, vpc, subnet } = net();
    let one = f.allocate();
    assert_eq!(f.refused(nat_in(subnet, None)), Code::MissingParameter);
    let id = f.nat(subnet, one);
    let nat = NatGateway::clone(f.world.nat_gateway(id).unwrap());
    assert_eq!(nat.state(f.now), NatGatewayState::Pending);
    f.now = f.now + std::time::Duration::from_millis(1);
    assert_eq!(nat.state(f.now), NatGatewayState::Available);
    let held = f.elastic(one).association.unwrap();
    let interface = nat.interface.unwrap();
    assert_eq!((held.eni, held.private), (interface.eni, interface.private));
    let eni = f.world.eni(interface.eni).unwrap();
    assert!(eni.requester_managed && eni.attachment.is_none());

    assert_eq!(f.refused(nat_in(subnet, Some(one))), Code::AlreadyAssociated);
    assert_eq!(f.refused(release(one)), Code::AddressInUse);
    let end = C::DisassociateAddress { which: AddressAssociationName::Association(held.id) };
    assert_eq!(f.refused(end), Code::AuthFailure, "it is the NAT gateway's");
    let instance = f.instance(subnet);
    let away = associate(one, AddressTarget::Instance(instance), true);
    assert_eq!(f.refused(away), Code::AuthFailure);
    let two = f.allocate();
    let onto = associate(two, AddressTarget::Eni(interface.eni), true);
    assert_eq!(f.refused(onto), Code::AuthFailure);
    assert_eq!(f.refused(C::DeleteSubnet { subnet }), Code::DependencyViolation);
    let delete = C::DeleteNatGateway { nat_gateway: id };
    assert_eq!(f.refused_as(theirs(), delete.clone()).0, Code::NatGatewayNotFound);

    let route_table = f.get_vpc(vpc).main_route_table;
    let route =
        C::CreateRoute { route_table, destination: Cidr::ANY.into(), target: RouteTo::Nat(id) };
    f.run(route.clone());
    let alive = |f: &Fixture| {
        let table = f.world.route_table(route_table).unwrap();
        f.world.takes_packets(table, RouteTo::Nat(id))
    };
    assert!(alive(&f));
    f.run(delete.clone());
    assert!(!alive(&f), "the route stays, as a blackhole");
    let nat = NatGateway::clone(f.world.nat_gateway(id).unwrap());
    assert_eq!(nat.state(f.now), NatGatewayState::Deleting);
    let later = f.now + std::time::Duration::from_secs(1);
    assert_eq!(nat.state(later), NatGatewayState::Deleted);
    assert_eq!(f.elastic(one).association, None);
    assert!(f.world.eni(interface.eni).is_none());
    f.run(delete);
    f.run(release(one));
    f.run(C::DeleteRoute { route_table, destination: Cidr::ANY.into() });
    let (code, message) = f.refused_as(ours(), route);
    assert_eq!(
        (code, message),
        (Code::NatTargetNotFound, format!("The natGateway ID '{id}' does not exist"))
    );
    // It is told of for an hour, and holds nothing back.
    f.run(C::TerminateInstances { instances: vec![instance] });
    f.now = f.now + std::time::Duration::from_secs(3601);
    f.decide(Caller::System, SystemCommand::Tick.into()).unwrap();
    assert!(f.world.nat_gateway(id).is_none());
}

#[test]
fn a_nat_gateway_without_an_internet_gateway_fails() {
    let Net { mut f, .. } = net();
    let closed = f.vpc("10.3.0.0/16");
    let inside = f.subnet(closed, "10.3.1.0/24");
    let one = f.allocate();
    let id = f.nat(inside, one);
    f.now = f.now + std::time::Duration::from_secs(1);
    let nat = NatGateway::clone(f.world.nat_gateway(id).unwrap());
    assert_eq!(nat.state(f.now), NatGatewayState::Failed);
    assert_eq!((nat.interface, f.elastic(one).association), (None, None));
    let target = RouteTo::Nat(id);
    let route_table = f.get_vpc(closed).main_route_table;
    let route = C::CreateRoute { route_table, destination: Cidr::ANY.into(), target };
    assert_eq!(f.refused(route), Code::NatTargetNotFound);
    f.run(C::DeleteSubnet { subnet: inside });
    f.run(C::DeleteVpc { vpc: closed });
}

#[test]
fn nat_gateways_have_limits_and_are_made_once() {
    let Net { mut f, vpc, subnet } = net();
    let private = |token: Option<ClientToken>| {
        C::CreateNatGateway(CreateNatGateway {
            subnet,
            connectivity: Connectivity::Private,
            allocation: None,
            private: None,
            client_token: token,
            tags: Tags::new(),
        })
    };
    let made = f.run(private(token("once", "a")));
    assert_eq!(f.run(private(token("once", "a"))), made);
    assert_eq!(f.refused(private(token("once", "b"))), Code::IdempotentParameterMismatch);
    let one = f.allocate();
    let both = C::CreateNatGateway(CreateNatGateway {
        subnet,
        connectivity: Connectivity::Private,
        allocation: Some(one),
        private: None,
        client_token: None,
        tags: Tags::new(),
    });
    assert_eq!(f.refused(both), Code::InvalidParameterCombination);
    for _ in 0..4 {
        f.run(private(None));
    }
    assert_eq!(f.refused(private(None)), Code::NatGatewayLimitExceeded);
    f.give_role(vpc);
    assert_eq!(f.refused(private(None)), Code::OperationNotPermitted);
}

#[test]
fn a_route_leads_to_a_nat_gateway_of_its_own_vpc() {
    let Net { mut f, vpc, subnet } = net();
    let one = f.allocate();
    let id = f.nat(subnet, one);
    let other = f.vpc("10.3.0.0/16");
    let to = |f: &Fixture, vpc: VpcId, destination: &str| C::CreateRoute {
        route_table: f.get_vpc(vpc).main_route_table,
        destination: cidr(destination).into(),
        target: RouteTo::Nat(id),
    };
    let elsewhere = to(&f, other, "0.0.0.0/0");
    assert_eq!(f.refused(elsewhere), Code::InvalidParameterValue);
    let inside = to(&f, vpc, "10.2.1.0/24");
    assert_eq!(f.refused(inside), Code::InvalidParameterValue);
    let foreign = f.vpc_as(theirs(), "10.4.0.0/16");
    let theirs_own = to(&f, foreign, "0.0.0.0/0");
    assert_eq!(f.refused_as(theirs(), theirs_own).0, Code::NatTargetNotFound);
    let out = to(&f, vpc, "0.0.0.0/0");
    f.run(out);
}
