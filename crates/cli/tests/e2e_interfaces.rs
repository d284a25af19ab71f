//! Several interfaces and addresses of one instance, middleboxes, prefix lists and ACLs, with the real
//! `aws` command and real packets; `causeway why` says the same of each.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::Value;
use support::hear::{WHO, ec2, heard, hears, name, why};
use support::{Instance, Server, Site, join_vpcs, launch, launch_with, route, site, text};

fn subnet(server: &Server, vpc: &str, block: &str) -> String {
    let made = ec2(server, &format!("create-subnet --vpc-id {vpc} --cidr-block {block}")).json();
    text(&made["Subnet"]["SubnetId"])
}

fn group(server: &Server, vpc: &str, name: &str) -> String {
    let line = format!("create-security-group --vpc-id {vpc} --group-name {name} --description x");
    text(&ec2(server, &line).json()["GroupId"])
}

fn admit(server: &Server, group: &str, from: &str) {
    let line = format!(
        "authorize-security-group-ingress --group-id {group} --protocol tcp --port 8000 {from}"
    );
    ec2(server, &line).ok();
}

fn interface_of(server: &Server, instance: &str) -> Value {
    let line = format!("describe-instances --instance-ids {instance}");
    let found = ec2(server, &line).json();
    found["Reservations"][0]["Instances"][0]["NetworkInterfaces"][0].clone()
}

fn first_eni(server: &Server, instance: &str) -> String {
    text(&interface_of(server, instance)["NetworkInterfaceId"])
}

/// An instance that tells its name, and the name.
fn named(server: &Server, subnet: &str) -> (Instance, String) {
    let instance = launch(server, subnet, WHO);
    let name = name(server, &instance.id);
    (instance, name)
}

#[test]
fn each_interface_answers_by_its_own_groups_and_addresses_move_between_them() {
    let server = Server::linux();
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", WHO);
    let second = subnet(&server, &site.vpc, "10.100.2.0/24");
    let (one, first) = named(&server, &site.subnet);
    let asker = &site.instance;
    let at = |address: &str| format!("{}/{address}", site.vpc);
    hears(&server, asker, (&one.address, &one.id), Some(&first));

    // A second interface comes while the instance runs, in a subnet and with a group of its own.
    let other = group(&server, &site.vpc, "second");
    let line = format!("create-network-interface --subnet-id {second} --groups {other}");
    let made = ec2(&server, &line).json();
    let eni = text(&made["NetworkInterface"]["NetworkInterfaceId"]);
    let address = text(&made["NetworkInterface"]["PrivateIpAddress"]);
    let to = at(&address);
    assert_eq!(heard(&server, asker, &address), None, "nothing has it yet");
    let attach = format!(
        "attach-network-interface --network-interface-id {eni} --instance-id {} --device-index 1",
        one.id
    );
    let attachment = text(&ec2(&server, &attach).json()["AttachmentId"]);
    hears(&server, asker, (&address, &to), None);
    admit(&server, &other, "--cidr 10.100.1.0/24");
    hears(&server, asker, (&address, &to), Some(&first));

    // The first one's groups are not the second one's.
    let primary = first_eni(&server, &one.id);
    let closed = group(&server, &site.vpc, "closed");
    let modify = format!("modify-network-interface-attribute --network-interface-id {primary}");
    ec2(&server, &format!("{modify} --groups {closed}")).ok();
    hears(&server, asker, (&one.address, &one.id), None);
    hears(&server, asker, (&address, &to), Some(&first));
    ec2(&server, &format!("{modify} --groups {}", site.group)).ok();
    hears(&server, asker, (&one.address, &one.id), Some(&first));

    // What leaves from the second one's address leaves by it: its egress rules decide.
    let bound = |server: &Server| {
        let script = format!(
            "import socket,sys\ntry:\n s=socket.create_connection(('{}',8000),timeout=0.7,\
             source_address=('{address}',0))\n print(len(s.recv(99)))\nexcept OSError:\n print(0)",
            site.address
        );
        let ran = server.causeway(&["exec", &one.id, "--", "python3", "-c", &script]);
        ran.ok().trim() != "0"
    };
    admit(&server, &site.group, "--cidr 10.100.2.0/24");
    server.until("it asks by the second interface", |server| bound(server));
    let revoke = format!("revoke-security-group-egress --group-id {other}");
    let all = r#"[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]"#;
    ec2(&server, &format!("{revoke} --ip-permissions {all}")).ok();
    server.until("it asks by it no more", |server| !bound(server));
    hears(&server, asker, (&address, &to), Some(&first));

    // It goes while the instance runs, and takes nothing else along.
    ec2(&server, &format!("detach-network-interface --attachment-id {attachment}")).ok();
    hears(&server, asker, (&address, &to), None);
    hears(&server, asker, (&one.address, &one.id), Some(&first));

    // A secondary address moves to another instance when that may take it.
    let (two, other_name) = named(&server, &site.subnet);
    let assign = |instance: &str, more: &str| {
        let eni = first_eni(&server, instance);
        let line = format!("assign-private-ip-addresses --network-interface-id {eni}");
        ec2(&server, &format!("{line} --private-ip-addresses 10.100.1.50 {more}"))
    };
    assign(&one.id, "").ok();
    let floating = ("10.100.1.50", at("10.100.1.50"));
    let floating = (floating.0, floating.1.as_str());
    hears(&server, asker, floating, Some(&first));
    assert!(assign(&two.id, "--no-allow-reassignment").refused().contains("move is not allowed"));
    hears(&server, asker, floating, Some(&first));
    assign(&two.id, "--allow-reassignment").ok();
    hears(&server, asker, floating, Some(&other_name));
    let line = format!("unassign-private-ip-addresses --private-ip-addresses {}", floating.0);
    let taken = first_eni(&server, &two.id);
    ec2(&server, &format!("{line} --network-interface-id {taken}")).ok();
    hears(&server, asker, floating, None);
    assert_eq!(server.sweep()["healthy"], true, "nothing had to be mended");
}

/// Whether a hop of a verdict is at an interface.
fn passes_by(verdict: &Value, eni: &str) -> bool {
    verdict["hops"].as_array().unwrap().iter().any(|hop| hop["network_interface_id"] == eni)
}

#[test]
fn a_middlebox_passes_on_only_with_its_check_off() {
    let server = Server::linux();
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", WHO);
    let [middle, far] =
        ["10.100.2.0/24", "10.100.3.0/24"].map(|block| subnet(&server, &site.vpc, block));
    let middlebox = launch(&server, &middle, WHO);
    let (end, its_name) = named(&server, &far);
    let asker = &site.instance;
    let to = (end.address.as_str(), end.id.as_str());
    hears(&server, asker, to, Some(&its_name));
    let eni = first_eni(&server, &middlebox.id);
    assert!(!passes_by(&why(&server, asker, &end.id), &eni));

    // Each of the two subnets leads to the other by the middlebox.
    for (own, block) in [(&site.subnet, "10.100.3.0/24"), (&far, "10.100.1.0/24")] {
        let made = ec2(&server, &format!("create-route-table --vpc-id {}", site.vpc)).json();
        let table = text(&made["RouteTable"]["RouteTableId"]);
        let line = format!("associate-route-table --route-table-id {table} --subnet-id {own}");
        ec2(&server, &line).ok();
        let line =
            format!("create-route --route-table-id {table} --destination-cidr-block {block}");
        ec2(&server, &format!("{line} --network-interface-id {eni}")).ok();
    }
    hears(&server, asker, to, None);
    let because = why(&server, asker, &end.id).to_string();
    assert!(because.contains("takes only what is for its own addresses"), "{because}");
    let modify = format!("modify-instance-attribute --instance-id {}", middlebox.id);
    ec2(&server, &format!("{modify} --no-source-dest-check")).ok();
    assert_eq!(interface_of(&server, &middlebox.id)["SourceDestCheck"], false);
    // Who sends by a middlebox is no member of the group that the default group's rule names.
    hears(&server, asker, to, None);
    admit(&server, &site.group, "--cidr 10.100.1.0/24");
    hears(&server, asker, to, Some(&its_name));
    let verdict = why(&server, asker, &end.id);
    assert!(passes_by(&verdict, &eni), "{verdict:#}");

    // The middlebox's own groups are asked, too.
    let closed = group(&server, &site.vpc, "closed");
    let groups =
        format!("modify-network-interface-attribute --network-interface-id {eni} --groups");
    ec2(&server, &format!("{groups} {closed}")).ok();
    hears(&server, asker, to, None);
    admit(&server, &closed, "--cidr 10.100.1.0/24");
    hears(&server, asker, to, Some(&its_name));
    ec2(&server, &format!("{modify} --source-dest-check")).ok();
    hears(&server, asker, to, None);
    assert_eq!(server.sweep()["healthy"], true);
}

/// Two peered VPCs, and the names of their instances.
struct Pair {
    server: Server,
    sites: [Site; 2],
    names: [String; 2],
    pcx: String,
}

fn pair() -> Pair {
    let server = Server::linux();
    let blocks = [("10.100.0.0/16", "10.100.1.0/24"), ("10.110.0.0/16", "10.110.1.0/24")];
    let sites = blocks.map(|(block, part)| site(&server, block, part, WHO));
    let names = [0, 1].map(|n: usize| name(&server, &sites[n].instance));
    let pcx = join_vpcs(&server, &sites[0], &sites[1]);
    Pair { server, sites, names, pcx }
}

#[test]
fn a_new_version_of_a_prefix_list_changes_routes_and_rules_at_once() {
    let Pair { server, sites: [here, there], names, pcx } = pair();
    let create = "create-managed-prefix-list --address-family IPv4 --max-entries 4";
    let list = |name: &str, blocks: &str| {
        let line = format!("{create} --prefix-list-name {name} --entries {blocks}");
        text(&ec2(&server, &line).json()["PrefixList"]["PrefixListId"])
    };
    let routed = list("routed", "Cidr=10.110.0.0/16");
    let admitted = list("admitted", "Cidr=10.100.9.0/24");
    let mut versions = std::collections::BTreeMap::new();
    let mut modify = |list: &str, what: &str| {
        let version = versions.entry(list.to_owned()).or_insert(0_u32);
        *version += 1;
        let line = format!("modify-managed-prefix-list --prefix-list-id {list} {what}");
        ec2(&server, &format!("{line} --current-version {version}")).ok();
    };
    let line = format!("create-route --route-table-id {}", here.table);
    let line = format!("{line} --destination-prefix-list-id {routed}");
    ec2(&server, &format!("{line} --vpc-peering-connection-id {pcx}")).ok();
    route(&server, &there, "10.100.0.0/16", &pcx);
    let permission = format!(
        r#"[{{"IpProtocol":"tcp","FromPort":8000,"ToPort":8000,"PrefixListIds":[{{"PrefixListId":"{admitted}"}}]}}]"#
    );
    let line = format!("authorize-security-group-ingress --group-id {}", there.group);
    ec2(&server, &format!("{line} --ip-permissions {permission}")).ok();

    let (asker, to) = (&here.instance, (there.address.as_str(), there.instance.as_str()));
    let answered = Some(names[1].as_str());
    hears(&server, asker, to, None);
    modify(&admitted, "--add-entries Cidr=10.100.1.0/24");
    hears(&server, asker, to, answered);
    modify(&routed, "--remove-entries Cidr=10.110.0.0/16");
    hears(&server, asker, to, None);
    modify(&routed, "--add-entries Cidr=10.110.1.0/24");
    hears(&server, asker, to, answered);
    modify(&admitted, "--remove-entries Cidr=10.100.1.0/24");
    hears(&server, asker, to, None);
    let line = format!("restore-managed-prefix-list-version --prefix-list-id {admitted}");
    ec2(&server, &format!("{line} --previous-version 2 --current-version 3")).ok();
    hears(&server, asker, to, answered);
}

#[test]
fn groups_are_named_across_a_peering_and_acls_are_asked_in_the_order_of_their_numbers() {
    let Pair { server, sites: [here, there], names, pcx } = pair();
    route(&server, &here, "10.110.0.0/16", &pcx);
    route(&server, &there, "10.100.0.0/16", &pcx);
    let (asker, to) = (&here.instance, (there.address.as_str(), there.instance.as_str()));
    let answered = Some(names[1].as_str());
    hears(&server, asker, to, None);
    let front = group(&server, &here.vpc, "front");
    admit(&server, &there.group, &format!("--source-group {front}"));
    hears(&server, asker, to, None);
    let eni = first_eni(&server, asker);
    let join = format!("modify-network-interface-attribute --network-interface-id {eni} --groups");
    ec2(&server, &format!("{join} {} {front}", here.group)).ok();
    hears(&server, asker, to, answered);
    ec2(&server, &format!("{join} {}", here.group)).ok();
    hears(&server, asker, to, None);
    ec2(&server, &format!("{join} {front}")).ok();
    hears(&server, asker, to, answered);

    // The client's subnet: what comes back goes to a port that the client's kernel has chosen.
    let made = ec2(&server, &format!("create-network-acl --vpc-id {}", here.vpc)).json();
    let acl = text(&made["NetworkAcl"]["NetworkAclId"]);
    let entry = |number: u16, way: &str, action: &str, ports: &str| {
        let line =
            format!("create-network-acl-entry --network-acl-id {acl} --rule-number {number}");
        let line = format!("{line} --protocol 6 --cidr-block 10.110.0.0/16 --port-range {ports}");
        ec2(&server, &format!("{line} --{way} --rule-action {action}")).ok();
    };
    entry(100, "egress", "allow", "From=8000,To=8000");
    let filter = format!("Name=association.subnet-id,Values={}", here.subnet);
    let found = ec2(&server, &format!("describe-network-acls --filters {filter}")).json();
    let associations = found["NetworkAcls"][0]["Associations"].as_array().unwrap().clone();
    let own = associations.iter().find(|it| it["SubnetId"] == here.subnet.as_str()).unwrap();
    let association = text(&own["NetworkAclAssociationId"]);
    let line = format!("replace-network-acl-association --association-id {association}");
    ec2(&server, &format!("{line} --network-acl-id {acl}")).ok();
    hears(&server, asker, to, None);
    entry(200, "ingress", "allow", "From=1024,To=65535");
    hears(&server, asker, to, answered);
    // A denial of a lower number comes first, one of a higher number never.
    entry(300, "ingress", "deny", "From=1024,To=65535");
    entry(300, "egress", "deny", "From=8000,To=8000");
    hears(&server, asker, to, answered);
    entry(150, "ingress", "deny", "From=1024,To=65535");
    hears(&server, asker, to, None);
    let line = format!("delete-network-acl-entry --network-acl-id {acl} --rule-number 150");
    ec2(&server, &format!("{line} --ingress")).ok();
    hears(&server, asker, to, answered);
    entry(50, "egress", "deny", "From=8000,To=8000");
    hears(&server, asker, to, None);
}

#[test]
fn an_instance_is_run_with_two_interfaces_that_go_with_it() {
    let server = Server::linux();
    let site = site(&server, "10.100.0.0/16", "10.100.1.0/24", WHO);
    let second = subnet(&server, &site.vpc, "10.100.2.0/24");
    let images = ec2(&server, "describe-images").json();
    let image = text(&images["Images"][0]["ImageId"]);
    let interfaces = format!(
        r#"[{{"DeviceIndex":0,"SubnetId":"{}","PrivateIpAddress":"10.100.1.20","SecondaryPrivateIpAddressCount":1}},{{"DeviceIndex":1,"SubnetId":"{second}","PrivateIpAddress":"10.100.2.20"}}]"#,
        site.subnet
    );
    let run = ["ec2", "run-instances", "--image-id", &image, "--network-interfaces", &interfaces];
    let made = server.aws(&[&run[..], &["--user-data", WHO]].concat()).json();
    let made = &made["Instances"][0];
    let id = text(&made["InstanceId"]);
    server.until("it runs", |server| {
        let line = format!("describe-instances --instance-ids {id}");
        let found = ec2(server, &line).json();
        found["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
    });
    let its_name = name(&server, &id);
    let all = made["NetworkInterfaces"].as_array().unwrap();
    let addresses: Vec<String> = all
        .iter()
        .flat_map(|it| it["PrivateIpAddresses"].as_array().unwrap())
        .map(|it| text(&it["PrivateIpAddress"]))
        .collect();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    let at = |address: &String| format!("{}/{address}", site.vpc);
    for address in &addresses {
        hears(&server, &site.instance, (address, &at(address)), Some(&its_name));
    }
    ec2(&server, &format!("terminate-instances --instance-ids {id}")).ok();
    for address in &addresses {
        hears(&server, &site.instance, (address, &at(address)), None);
    }
    // The addresses are free again.
    let next = launch_with(&server, &second, WHO, &["--private-ip-address", "10.100.2.20"]);
    let its_name = name(&server, &next.id);
    hears(&server, &site.instance, (&next.address, &next.id), Some(&its_name));
}
