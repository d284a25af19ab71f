//! Fuzz target: whatever form a client sends, it is answered or refused in EC2's own words, and what
//! comes of it can be stored and read again.

use aws::params::Params;
use aws::xml::{self, Service, to_json};
use model::{Record, World};

use super::stage::{Stage, alice, bob};

/// Two owners, with VPCs that are peered, and all else made in one of them.
fn stage() -> (World, Vec<String>) {
    let mut stage = Stage::new();
    let (vpc, subnet) = stage.vpc(alice(), "10.1.0.0/16");
    let (other, _) = stage.vpc(bob(), "10.2.0.0/16");
    let pcx = stage.ask((alice(), &vpc), (bob(), &other));
    stage.accept(bob(), &pcx);
    let run = format!("Action=RunInstances&ImageId=host&MinCount=1&MaxCount=1&SubnetId={subnet}");
    stage.call(alice(), &run).unwrap();
    (stage.world, vec![vpc, subnet, other, pcx])
}

/// Whether every record of a world is what its document says.
fn is_storable(world: &World) {
    for record in world.records() {
        let key = record.key();
        let again = Record::read(key.kind().name(), &key.to_string(), &record.body()).unwrap();
        assert_eq!(&again, record);
    }
}

#[test]
fn fuzz_ec2() {
    let (world, ids) = stage();
    ::fuzz::target("ec2", move |input| {
        let Ok(form) = str::from_utf8(input) else { return };
        // Ids are given by chance, so an input names them by their places: VPC, subnet, the other
        // owner's VPC, peering.
        let mut form = form.to_owned();
        for (place, id) in ids.iter().enumerate() {
            form = form.replace(&format!("~{place}"), id);
        }
        let mut stage = Stage::new();
        stage.world = world.clone();
        stage.draw_smaller_ids();
        let Ok(params) = Params::parse(form.as_bytes()) else { return };
        match stage.call(alice(), &form) {
            Ok(answer) => {
                let action = params.get("Action").unwrap();
                assert!(to_json(&answer).unwrap().is_object() || action.starts_with("Delete"));
                is_storable(&stage.world);
            }
            Err(error) => {
                assert!((400..500).contains(&error.status), "{error:?}");
                assert!(!error.code.is_empty() && !error.message.is_empty(), "{error:?}");
                assert!(error.message.len() < 8192, "{error:?}");
                let text = xml::error(Service::Ec2, &error.code, &error.message, "id");
                let (code, _) = xml::error_of(&text).unwrap();
                assert_eq!(code, error.code);
            }
        }
    });
}
