use super::fixture::*;
use crate::resource::FabricDriver;
use crate::{Caller, Code, IdentityCommand};

fn drive(id: &str, take_over: bool) -> IdentityCommand {
    let driver = FabricDriver { id: id.to_owned(), name: format!("host-{id}") };
    IdentityCommand::DriveFabric { driver, take_over }
}

fn driver(bench: &Bench) -> Option<&str> {
    bench.world.settings().unwrap().fabric.as_ref().map(|driver| driver.id.as_str())
}

#[test]
fn one_server_at_a_time_drives_the_fabric() {
    let mut bench = Bench::set_up(false);
    assert_eq!(driver(&bench), None);
    let stranger = key(scope(700, "us-east-1"));
    assert_eq!(bench.refused(stranger, drive("a", false)).code, Code::UnauthorizedOperation);
    bench.ok(Caller::Operator, drive("a", false));
    bench.idle(Caller::Operator, drive("a", false));
    let refused = bench.refused(Caller::Operator, drive("b", false));
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.message.contains("host-a"), "{}", refused.message);
    assert_eq!(driver(&bench), Some("a"));
    // Who does not drive it leaves it to whoever does.
    bench.idle(Caller::Operator, IdentityCommand::LeaveFabric { id: "b".to_owned() });
    bench.ok(Caller::Operator, drive("b", true));
    assert_eq!(driver(&bench), Some("b"));
    assert_eq!(bench.refused(Caller::Operator, drive("a", false)).code, Code::Conflict);
    bench.ok(Caller::Operator, IdentityCommand::LeaveFabric { id: "b".to_owned() });
    assert_eq!(driver(&bench), None);
    bench.ok(Caller::Operator, drive("a", false));
    // A copy of the installation has networks of its own.
    bench.ok(Caller::Operator, IdentityCommand::SetInstance { instance: "t2".to_owned() });
    assert_eq!(driver(&bench), None);
}
