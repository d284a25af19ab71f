//! Records of flows with real packets: each side of a peering is told of its own, with what decided; and
//! the flow logs of the real `aws` command, across a restart.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::hear::ec2;
use support::{Server, dyno, site, space, text};

/// Two web servers, of which one is to be opened.
const TWO_PORTS: &str =
    "#!/bin/sh\npython3 -m http.server 8001 &\nexec python3 -m http.server 8000\n";

/// Somebody who follows flows.
struct Follower {
    child: Child,
    told: Receiver<Value>,
    records: RefCell<Vec<Value>>,
}

impl Follower {
    fn start(server: &Server, variables: &[(String, String)], more: &[&str]) -> Self {
        let arguments = [&["flows", "--follow", "--json"], more].concat();
        Self::of(server.causeway_child_as(variables, &arguments))
    }

    fn of(mut child: Child) -> Self {
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let record: Value = serde_json::from_str(&line).unwrap();
                // A router that is not there yet is heard as soon as it is.
                if record.get("failing").is_none() && tell.send(record).is_err() {
                    return;
                }
            }
        });
        Self { child, told, records: RefCell::default() }
    }

    fn all(&self) -> Vec<Value> {
        self.records.borrow_mut().extend(self.told.try_iter());
        self.records.borrow().clone()
    }

    fn find(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        self.all().into_iter().find(wanted)
    }

    /// Waits for a record; what leads to it is tried again and again.
    fn until(&self, what: &str, mut again: impl FnMut(), wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            again();
            while let Ok(record) = self.told.recv_timeout(Duration::from_millis(300)) {
                self.records.borrow_mut().push(record);
            }
            if let Some(found) = self.find(&wanted) {
                return found;
            }
            assert!(Instant::now() < deadline, "never told of: {what}\n{:#?}", self.all());
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The variables of `causeway env` with these beginnings, and the server's address.
fn only(server: &Server, beginnings: &[&str]) -> Vec<(String, String)> {
    let kept = |name: &str| {
        name == "CAUSEWAY_URL" || beginnings.iter().any(|beginning| name.starts_with(beginning))
    };
    server.env(&[]).into_iter().filter(|(name, _)| kept(name)).collect()
}

fn is(record: &Value, event: &str, port: u16) -> bool {
    record["event"] == event && record["destination_port"] == port
}

#[test]
fn each_side_is_told_of_its_own_flows_with_what_decided() {
    let server = Server::linux();
    let info = space(&server, "blue", "shop");
    let dyno = dyno(&server, "shop", "sleep 600");
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", TWO_PORTS);
    server.causeway(&["peer", "blue", &site.vpc, "--port", "8000", "--yes"]).ok();
    let account = Follower::start(&server, &only(&server, &["AWS_"]), &[]);
    let member = Follower::start(&server, &only(&server, &["HEROKU_API_KEY"]), &["--vpc", "blue"]);

    // What is let pass, by the rule that `peer` made.
    let by_dyno = |port| {
        server.connects(&dyno.target, &site.address, port);
    };
    let opened =
        account.until("an accepted connection", || by_dyno(8000), |it| is(it, "opened", 8000));
    let filter = format!("Name=group-id,Values={}", site.group);
    let rules = ec2(&server, &format!("describe-security-group-rules --filters {filter}")).json();
    let rules = rules["SecurityGroupRules"].as_array().unwrap().clone();
    let named =
        rules.iter().find(|rule| rule["SecurityGroupRuleId"] == opened["security_group_rule_id"]);
    let named = named.unwrap_or_else(|| panic!("{opened:#}\n{rules:#?}"));
    assert_eq!((&named["FromPort"], &named["IsEgress"]), (&8000.into(), &false.into()));
    assert_eq!(opened["direction"], "ingress");
    assert_eq!(opened["source"], dyno.address.as_str());
    let there =
        member.until("the same on the other side", || by_dyno(8000), |it| is(it, "opened", 8000));
    assert_eq!((&there["direction"], &there["vpc_id"]), (&"egress".into(), &info["vpc_id"]));

    // What no group lets in.
    let rejected = account.until("a group", || by_dyno(8001), |it| is(it, "rejected", 8001));
    assert_eq!(rejected["reason"], "security_group");
    assert_eq!(rejected["security_group_ids"], Value::from(vec![site.group.clone()]));
    assert_eq!((&rejected["direction"], &rejected["packets"]), (&"ingress".into(), &1.into()));

    // What an ACL denies, by the number of its entry.
    let acls =
        ec2(&server, &format!("describe-network-acls --filters Name=vpc-id,Values={}", site.vpc));
    let acl = text(&acls.json()["NetworkAcls"][0]["NetworkAclId"]);
    let entry = format!(
        "create-network-acl-entry --network-acl-id {acl} --ingress --rule-number 50 --protocol tcp \
         --port-range From=8000,To=8000 --cidr-block 10.0.0.0/16 --rule-action deny"
    );
    ec2(&server, &entry).ok();
    let rejected = account.until("an ACL", || by_dyno(8000), |it| is(it, "rejected", 8000));
    assert_eq!(rejected["reason"], "network_acl", "{rejected:#}");
    assert_eq!(
        (&rejected["network_acl_id"], &rejected["rule_number"]),
        (&acl.clone().into(), &50.into())
    );

    // What no route leads to.
    let lost = || {
        server.connects(&site.instance, "10.250.0.1", 9);
    };
    let rejected = account.until("no route", lost, |it| is(it, "rejected", 9));
    assert_eq!(
        (&rejected["reason"], &rejected["route_table_id"]),
        (&"no_route".into(), &site.table.clone().into())
    );
    assert_eq!(rejected["direction"], "egress");

    // Nobody is told of what is the other's.
    let of = |follower: &Follower, vpc: &str| follower.all().iter().all(|it| it["vpc_id"] == vpc);
    assert!(of(&account, &site.vpc), "{:#?}", account.all());
    assert!(of(&member, &text(&info["vpc_id"])), "{:#?}", member.all());
    assert!(member.find(|it| it["event"] == "rejected").is_none(), "{:#?}", member.all());
    let other = ["flows", "--follow", "--vpc", &text(&info["vpc_id"])];
    let refused = server.causeway_as(&only(&server, &["AWS_"]), &other).refused();
    assert!(refused.contains("among what is yours"), "{refused}");
    let refused = server.causeway_as(&only(&server, &[]), &["flows", "--follow"]).refused();
    assert!(refused.contains("causeway env"), "{refused}");
}

#[test]
fn flow_logs_are_kept_and_read_across_a_restart() {
    let mut server = Server::linux();
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", TWO_PORTS);
    let other = support::launch(&server, &site.subnet, "#!/bin/sh\nexec sleep 600\n");
    let create = |more: &str| {
        let line = format!(
            "create-flow-logs --resource-type VPC --resource-ids {} --max-aggregation-interval 60 {more}",
            site.vpc
        );
        text(&ec2(&server, &line).json()["FlowLogIds"][0])
    };
    let all =
        create("--traffic-type ALL --log-destination-type s3 --log-destination arn:aws:s3:::all");
    let format = ["vpc-id", "interface-id", "dstport", "action", "flow-direction"];
    let format = format.map(|field| format!("${{{field}}}")).join(" ");
    let made = server.aws(&[
        "ec2",
        "create-flow-logs",
        "--resource-type",
        "VPC",
        "--resource-ids",
        &site.vpc,
        "--traffic-type",
        "REJECT",
        "--log-destination-type",
        "s3",
        "--log-destination",
        "arn:aws:s3:::rejected",
        "--max-aggregation-interval",
        "60",
        "--log-format",
        &format,
    ]);
    let rejected = text(&made.json()["FlowLogIds"][0]);

    // The group lets its own members in alone, and nobody has the other address.
    let router = format!("cw-{}", site.vpc);
    let listing = || {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/run/netns/{router}"));
        inside.args(["nft", "-a", "-s", "list", "table", "inet", "causeway"]);
        let output = inside.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = |_: &Server| listing().contains("log prefix");
    server.until("the router tells of flows", told);
    let follower = Follower::of(server.causeway_child(&["flows", "--follow", "--json"]));
    let accept = || assert!(server.connects(&other.id, &site.address, 8000));
    follower.until("an accepted connection", accept, |it| is(it, "opened", 8000));
    let reject = || assert!(!server.connects(&other.id, "10.100.1.222", 9));
    follower.until("a rejected one", reject, |it| is(it, "rejected", 9));
    drop(follower);
    let before = listing();
    assert!(server.terminate().success());
    for killed in [false, true] {
        if killed {
            server.kill();
        }
        server.restart();
        assert_eq!(server.sweep()["healthy"], true);
        assert_eq!(listing(), before, "the firewall is adopted as it is");
    }
    assert!(!server.log().contains("drift repaired"), "{}", server.log());

    let of = |log: &str| -> Vec<String> {
        server.causeway(&["flows", "--log", log]).ok().lines().map(str::to_owned).collect()
    };
    let lines = of(&all);
    let accepted = |line: &&String| line.contains(" 8000 6 ") && line.ends_with(" ACCEPT OK");
    let found = lines.iter().find(accepted).unwrap_or_else(|| panic!("{lines:#?}"));
    let fields: Vec<&str> = found.split(' ').collect();
    assert_eq!(fields.len(), 14, "{found}");
    assert_eq!((fields[0], fields[3], fields[4]), ("2", &*other.address, &*site.address));
    assert!(fields[8].parse::<u64>().unwrap() >= 2 && fields[9].parse::<u64>().unwrap() >= 80);
    let dropped = |line: &&String| line.contains("10.100.1.222") && line.ends_with(" REJECT OK");
    assert!(lines.iter().any(|line| dropped(&line)), "{lines:#?}");
    let lines = of(&rejected);
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(" REJECT ")), "{lines:#?}");
    assert!(lines[0].starts_with(&format!("{} eni-", site.vpc)), "{lines:#?}");
    assert!(lines[0].ends_with(" 9 REJECT egress"), "{lines:#?}");

    // They are the account's own.
    let keys = only(&server, &["AWS_"]);
    assert!(server.causeway_as(&keys, &["flows", "--log", &all]).ok().contains("ACCEPT"));
    let user = only(&server, &["HEROKU_API_KEY"]);
    let refused = server.causeway_as(&user, &["flows", "--log", &all]).refused();
    assert!(refused.contains("There is no"), "{refused}");
    ec2(&server, &format!("delete-flow-logs --flow-log-ids {all} {rejected}")).ok();
    server.until("the router tells of nothing", |server| !told(server));
}
