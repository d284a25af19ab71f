use super::fixture::*;
use crate::command::*;
use crate::resource::*;
use crate::*;

fn new(name: &str) -> NewKeyPair {
    NewKeyPair {
        name: name.to_owned(),
        kind: KeyKind::Ed25519,
        fingerprint: "print".to_owned(),
        public_key: "ssh-ed25519 AAAA".to_owned(),
        tags: tags(&[("Name", "a")]),
    }
}

#[test]
fn names_are_unique_for_an_account_in_a_region() {
    let mut f = Fixture::new();
    let made = f.run(Ec2Command::ImportKeyPair(new("a")));
    let Some(Key::KeyPair(id)) = made.main() else { panic!() };
    assert_eq!(f.world.key_pair(id).unwrap().tags, tags(&[("Name", "a")]));
    assert_eq!(f.refused(Ec2Command::CreateKeyPair(new("a"))), Code::KeyPairDuplicate);
    for scope in [theirs(), elsewhere()] {
        f.run_as(scope, Ec2Command::CreateKeyPair(new("a")));
    }
    for name in ["", "é", &"x".repeat(256)] {
        let refused = f.refused(Ec2Command::CreateKeyPair(new(name)));
        assert_eq!(refused, Code::InvalidParameterValue, "{name}");
    }
}

#[test]
fn what_is_not_there_is_as_good_as_deleted() {
    let mut f = Fixture::new();
    let made = f.run(Ec2Command::CreateKeyPair(new("a")));
    let Some(Key::KeyPair(id)) = made.main() else { panic!() };
    let by_id = || Ec2Command::DeleteKeyPair { id: Some(id), name: None };
    let by_name = || Ec2Command::DeleteKeyPair { id: None, name: Some("a".to_owned()) };
    for command in [by_id(), by_name()] {
        assert_eq!(f.run_as(theirs(), command).main(), None);
    }
    assert_eq!(f.run(by_name()), Key::KeyPair(id).into());
    assert_eq!(f.run(by_id()), Reply::Done);
}

#[test]
fn an_instance_is_run_with_a_key_pair_that_is_there() {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    let run = || {
        let key_name = Some("a".to_owned());
        Ec2Command::RunInstances(RunInstances { key_name, ..run_in(subnet) })
    };
    f.run_as(theirs(), Ec2Command::CreateKeyPair(new("a")));
    let words = "The key pair 'a' does not exist".to_owned();
    assert_eq!(f.refused_as(ours(), run()), (Code::KeyPairNotFound, words));
    f.run(Ec2Command::CreateKeyPair(new("a")));
    f.run(run());
}
