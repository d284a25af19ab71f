use super::fixture::*;
use crate::command::{Ec2Command as C, Reply};
use crate::resource::*;
use crate::*;

const DENY: AclEntry =
    AclEntry { allow: false, traffic: Traffic::All, cidr: IpCidr::V4(Cidr::ANY) };
const ALLOW: AclEntry = AclEntry { allow: true, ..DENY };
const INGRESS: Direction = Direction::Ingress;

fn create(acl: AclId, number: u16, entry: AclEntry) -> C {
    C::CreateNetworkAclEntry { acl, direction: INGRESS, number, entry }
}

fn replace(acl: AclId, number: u16, entry: AclEntry) -> C {
    C::ReplaceNetworkAclEntry { acl, direction: INGRESS, number, entry }
}

fn delete(acl: AclId, number: u16) -> C {
    C::DeleteNetworkAclEntry { acl, direction: INGRESS, number }
}

fn acl(f: &mut Fixture, vpc: VpcId) -> AclId {
    match f.run(C::CreateNetworkAcl { vpc, client_token: None, tags: Tags::new() }).main() {
        Some(Key::NetworkAcl(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn entries_have_numbers() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let acl = f.get_vpc(vpc).default_acl;
    for number in [0, 32767, u16::MAX] {
        assert_eq!(f.refused(create(acl, number, DENY)), Code::InvalidParameterValue);
        assert_eq!(f.refused(replace(acl, number, DENY)), Code::InvalidParameterValue);
    }
    assert_eq!(f.refused(create(acl, 100, DENY)), Code::AclEntryExists);
    let backwards = Traffic::Tcp(PortRange { from: 2, to: 1 });
    let entry = AclEntry { traffic: backwards, ..DENY };
    assert_eq!(f.refused(create(acl, 90, entry)), Code::InvalidParameterValue);
    f.run(create(acl, 90, DENY));
    f.run(replace(acl, 90, ALLOW));
    assert_eq!(f.world.acl(acl).unwrap().ingress[&90], ALLOW);
    assert!(!f.world.acl(acl).unwrap().egress.contains_key(&90));
    f.run(delete(acl, 90));
    assert_eq!(f.refused(delete(acl, 90)), Code::AclEntryNotFound);
    assert_eq!(f.refused(replace(acl, 90, DENY)), Code::AclEntryNotFound);
    f.run(delete(acl, 100));
    // The denial at the end is the twentieth of its family.
    for number in 1..=19 {
        f.run(create(acl, number, DENY));
    }
    assert_eq!(f.refused(create(acl, 20, DENY)), Code::AclEntryLimit);
    let ipv6 = AclEntry { cidr: Ipv6Cidr::ANY.into(), ..DENY };
    for number in 101..=119 {
        f.run(create(acl, number, ipv6));
    }
    assert_eq!(f.refused(create(acl, 120, ipv6)), Code::AclEntryLimit);
    assert_eq!(f.refused(replace(acl, 101, DENY)), Code::AclEntryLimit);
    f.run(replace(acl, 101, AclEntry { allow: true, ..ipv6 }));
    // Versions before did not count the denial, so there may be one too many.
    let mut full = NetworkAcl::clone(f.world.acl(acl).unwrap());
    full.ingress.insert(20, DENY);
    f.put(full);
    f.run(replace(acl, 20, ALLOW));
    assert_eq!(f.refused(create(acl, 21, DENY)), Code::AclEntryLimit);
    f.run(delete(acl, 20));
    assert_eq!(f.refused_as(theirs(), delete(acl, 1)).0, Code::AclNotFound);
}

#[test]
fn a_subnet_always_has_an_acl() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let (default, own) = (f.get_vpc(vpc).default_acl, acl(&mut f, vpc));
    assert!(f.world.acl(own).unwrap().ingress.is_empty());
    let id = f.subnet(vpc, "10.2.1.0/24");
    let first = f.world.subnet(id).unwrap().acl_association;
    let replace = |association, acl| C::ReplaceNetworkAclAssociation { association, acl };
    assert_eq!(f.run(replace(first, own)), Reply::Resources(vec![Key::Subnet(id)]));
    let now = Subnet::clone(f.world.subnet(id).unwrap());
    assert!(now.acl == own && now.acl_association != first);
    assert_eq!(f.refused(replace(first, own)), Code::AssociationNotFound);
    let second = now.acl_association;
    assert_eq!(f.refused_as(theirs(), replace(second, own)).0, Code::AssociationNotFound);

    assert_eq!(f.refused(C::DeleteNetworkAcl { acl: own }), Code::DependencyViolation);
    assert_eq!(f.refused(C::DeleteNetworkAcl { acl: default }), Code::InvalidParameterValue);
    let other = f.vpc("10.3.0.0/16");
    let foreign = f.get_vpc(other).default_acl;
    assert_eq!(f.refused(replace(second, foreign)), Code::InvalidParameterValue);
    f.run(replace(second, default));
    f.run(C::DeleteNetworkAcl { acl: own });
    assert_eq!(f.refused(C::DeleteNetworkAcl { acl: own }), Code::AclNotFound);
}

#[test]
fn a_token_makes_an_acl_once() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let create = |digest| C::CreateNetworkAcl {
        vpc,
        client_token: token("once", digest),
        tags: Tags::new(),
    };
    let made = f.run(create("a"));
    assert_eq!(f.run(create("a")), made);
    assert_eq!(f.refused(create("b")), Code::IdempotentParameterMismatch);
    let vpc_too = f.vpc("10.77.0.0/16");
    let elsewhere =
        C::CreateNetworkAcl { vpc: vpc_too, client_token: token("once", "b"), tags: Tags::new() };
    assert_eq!(f.refused(elsewhere), Code::IdempotentParameterMismatch);
    for _ in 2..200 {
        acl(&mut f, vpc);
    }
    let more = C::CreateNetworkAcl { vpc, client_token: None, tags: Tags::new() };
    assert_eq!(f.refused(more), Code::AclLimit);
}

#[test]
fn the_platforms_acls_are_the_platforms() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let (acl, association) =
        (f.get_vpc(vpc).default_acl, f.world.subnet(subnet).unwrap().acl_association);
    f.give_role(vpc);
    for command in [
        C::CreateNetworkAcl { vpc, client_token: None, tags: Tags::new() },
        C::DeleteNetworkAcl { acl },
        C::ReplaceNetworkAclAssociation { association, acl },
        create(acl, 5, DENY),
        replace(acl, 100, DENY),
        delete(acl, 100),
    ] {
        assert_eq!(f.refused(command), Code::OperationNotPermitted);
    }
}
