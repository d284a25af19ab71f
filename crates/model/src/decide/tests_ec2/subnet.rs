use super::fixture::*;
use crate::command::{Ec2Command as C, Reply, SubnetAttribute as A};
use crate::resource::*;
use crate::*;

fn set(subnet: SubnetId, attribute: A) -> C {
    C::ModifySubnetAttribute { subnet, attribute }
}

fn reserve(subnet: SubnetId, block: &str, kind: ReservationKind) -> C {
    let cidr = match block.contains(':') {
        true => IpCidr::V6(block.parse().unwrap()),
        false => IpCidr::V4(cidr(block)),
    };
    C::CreateSubnetCidrReservation { subnet, cidr, kind, description: None, tags: Tags::new() }
}

fn reserved(f: &mut Fixture, subnet: SubnetId, block: &str, kind: ReservationKind) -> C {
    match f.run(reserve(subnet, block, kind)).main() {
        Some(Key::SubnetReservation(reservation)) => C::DeleteSubnetCidrReservation { reservation },
        other => panic!("{other:?}"),
    }
}

#[test]
fn attributes_of_subnets_are_kept() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    for attribute in [
        A::MapPublicIp(true),
        A::HostnameType(HostnameType::ResourceName),
        A::ResourceNameA(true),
        A::LniDeviceIndex(Some(1)),
        A::AssignIpv6(false),
        A::Dns64(false),
    ] {
        assert_eq!(f.run(set(subnet, attribute)), Reply::Done);
    }
    let now = Subnet::clone(f.world.subnet(subnet).unwrap());
    let expected = LaunchOptions {
        hostname_type: HostnameType::ResourceName,
        resource_name_a: true,
        lni_device_index: Some(1),
        ..LaunchOptions::default()
    };
    assert!(now.map_public_ip);
    assert_eq!(now.launch, expected);
    f.run(set(subnet, A::LniDeviceIndex(None)));
    assert_eq!(f.world.subnet(subnet).unwrap().launch.lni_device_index, None);

    let (code, message) = f.refused_as(ours(), set(subnet, A::Dns64(true)));
    assert_eq!(code, Code::InvalidParameterValue);
    assert_eq!(
        message,
        format!(
            "Invalid value 'true' for enable-dns64. Cannot set enable-dns64 to true unless the \
             subnet ({subnet}) has an IPv6 CIDR block associated with it."
        )
    );
    for attribute in [A::AssignIpv6(true), A::ResourceNameAaaa(true)] {
        assert_eq!(f.refused(set(subnet, attribute)), Code::InvalidParameterValue);
    }
    let foreign = f.refused_as(theirs(), set(subnet, A::MapPublicIp(false)));
    let message = format!("The subnet ID '{subnet}' does not exist");
    assert_eq!(foreign, (Code::SubnetNotFound, message));
    f.give_role(vpc);
    assert_eq!(f.refused(set(subnet, A::MapPublicIp(false))), Code::OperationNotPermitted);
    let reservation = reserve(subnet, "10.2.1.16/28", ReservationKind::Prefix);
    assert_eq!(f.refused(reservation), Code::OperationNotPermitted);
}

#[test]
fn records_of_older_versions_have_the_defaults() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let id = f.subnet(vpc, "10.2.1.0/24");
    let subnet = Subnet::clone(f.world.subnet(id).unwrap());
    let mut old: serde_json::Value = serde_json::to_value(&subnet).unwrap();
    for field in ["launch", "ipv6"] {
        old.as_object_mut().unwrap().remove(field).unwrap();
    }
    assert_eq!(serde_json::from_value::<Subnet>(old).unwrap(), subnet);
}

#[test]
fn reserved_addresses_are_given_only_to_who_names_them() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/27");
    let counts = |f: &Fixture| {
        let subnet = f.world.subnet(subnet).unwrap();
        (f.world.available_addresses(subnet), f.world.free_addresses(subnet))
    };
    assert_eq!(counts(&f), (27, 27));
    let low = reserved(&mut f, subnet, "10.2.1.0/29", ReservationKind::Explicit);
    assert_eq!(counts(&f), (27, 23));
    let high = reserved(&mut f, subnet, "10.2.1.16/28", ReservationKind::Prefix);
    assert_eq!(counts(&f), (12, 8));

    let address = |f: &Fixture, id: InstanceId| f.world.instance(id).unwrap().address.to_string();
    let first = f.instance(subnet);
    assert_eq!(address(&f, first), "10.2.1.8");
    let named = RunInstances { address: Some("10.2.1.5".parse().unwrap()), ..run_in(subnet) };
    let Some(Key::Instance(named)) = f.run(C::RunInstances(named)).main() else { panic!() };
    assert_eq!(address(&f, named), "10.2.1.5");
    assert_eq!(counts(&f), (10, 7));
    for _ in 0..7 {
        f.instance(subnet);
    }
    let refused = f.refused(C::RunInstances(run_in(subnet)));
    assert_eq!(refused, Code::InsufficientFreeAddresses);

    f.run(low);
    assert_eq!(counts(&f), (3, 3));
    let next = f.instance(subnet);
    assert_eq!(address(&f, next), "10.2.1.4");
    f.run(high.clone());
    assert_eq!(f.refused(high), Code::SubnetReservationNotFound);
}

#[test]
fn reservations_lie_in_their_subnet_and_beside_each_other() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let explicit = ReservationKind::Explicit;
    for outside in ["10.2.2.0/28", "10.2.0.0/23", "fd00:1::/64"] {
        assert_eq!(f.refused(reserve(subnet, outside, explicit)), Code::InvalidParameterValue);
    }
    let delete = reserved(&mut f, subnet, "10.2.1.64/28", explicit);
    let (code, message) = f.refused_as(ours(), reserve(subnet, "10.2.1.64/26", explicit));
    assert_eq!(code, Code::InvalidParameterValue);
    assert_eq!(
        message,
        "Reservation CIDR 10.2.1.64/26 has overlap with existing reserved CIDR block"
    );
    let foreign = reserve(subnet, "10.2.1.0/28", explicit);
    assert_eq!(f.refused_as(theirs(), foreign).0, Code::SubnetNotFound);
    assert_eq!(f.refused_as(theirs(), delete).0, Code::SubnetReservationNotFound);
    // They go with their subnet.
    f.run(C::DeleteSubnet { subnet });
    assert_eq!(f.world.subnet_reservations().count(), 0);
    f.run(C::DeleteVpc { vpc });
}
