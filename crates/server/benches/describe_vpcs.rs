//! How long `DescribeVpcs` takes to answer with 10,000 VPCs.
#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws::params::Params;
use aws::xml::Service;
use causeway_server::http::ec2::{Action, KeyMaker, Request, find};
use model::{Caller, Cidr, Command, Ec2Command, Principal, Scope, Sequence, Timestamp, World};

const VPCS: u32 = 10_000;
const ROUNDS: usize = 200;

fn main() {
    let scope = Scope {
        account: "111111111111".parse().expect("12 digits"),
        region: "us-east-1".parse().expect("a region"),
    };
    let now = Timestamp::from_millis(1_769_862_896_000);
    let world = world(scope, now);
    for form in [
        "Action=DescribeVpcs",
        "Action=DescribeVpcs&Filter.1.Name=cidr&Filter.1.Value.1=10.0.*",
        "Action=DescribeRouteTables",
        "Action=DescribeSecurityGroups",
    ] {
        let mut times: Vec<Duration> =
            (0..ROUNDS).map(|_| time(&world, scope, now, form)).collect();
        times.sort_unstable();
        println!("{form}: {VPCS} VPCs, best {:?}, median {:?}", times[0], times[ROUNDS / 2]);
    }
}

fn world(scope: Scope, now: Timestamp) -> World {
    let mut world = World::default();
    let mut ids = Sequence(0);
    let caller = Caller::Account { scope, read_only: false };
    for n in 0..VPCS {
        let cidr = Cidr::new(10, (n / 256 % 256) as u8, 0, 0, 16);
        let command = Command::from(Ec2Command::create_vpc(cidr, Default::default()));
        world = world.decide(caller, &command, now, &mut ids).expect("VPCs may overlap").world;
    }
    world
}

fn time(world: &World, scope: Scope, now: Timestamp, form: &str) -> Duration {
    let start = Instant::now();
    let params = Params::parse(form.as_bytes()).expect("it is a form");
    let request = Request {
        scope,
        read_only: false,
        principal: &Principal::of_key(scope.account, None, false),
        credentials: &|_| unreachable!("who reads gets no credentials"),
        params: &params,
        now,
        request_id: "5b2cf7ae-0000-4000-8000-000000000001",
        keys: &KeyMaker::new(|bytes| bytes.fill(0)),
        console: &|_| Ok(None),
    };
    let name = params.get("Action").unwrap_or_default();
    let Ok(Action::Read(read)) = find(Service::Ec2, Service::Ec2.version(), name) else {
        return Duration::MAX;
    };
    black_box(read(world, &request).expect("it is well-formed"));
    start.elapsed()
}
