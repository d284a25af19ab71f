//! Removing what the demo created on a server that is not its own, however far it came.

use anyhow::bail;
use serde_json::Value;

use super::observer::Observer;
use super::own::Own;
use super::server::Server;
use super::stop::Stop;
use crate::client::Ec2;

/// Removes all that is still there, and goes on if something cannot be removed. The error names all
/// that is left, and why.
pub(crate) fn remove_all(server: &Server, ec2: &Ec2, stop: &Stop) -> anyhow::Result<()> {
    let made = server.created();
    let mut left = Vec::new();
    let mut own = |words: &[&str]| match server.run_own(words, stop) {
        Ok(done) if done.ok => {}
        Ok(done) => left.push(format!("{}: {}", words.join(" "), done.stderr.trim())),
        Err(error) => left.push(format!("{}: {error:#}", words.join(" "))),
    };
    if let Some(app) = &made.app {
        own(&["apps:destroy", "--app", app, "--confirm", app]);
    }
    for vpc in &made.vpcs {
        if let Err(error) = empty(vpc, server, ec2, stop) {
            left.push(format!("{vpc}: {error:#}"));
        }
    }
    let mut own = |words: &[&str]| match server.run_own(words, stop) {
        Ok(done) if done.ok => {}
        Ok(done) => left.push(format!("{}: {}", words.join(" "), done.stderr.trim())),
        Err(error) => left.push(format!("{}: {error:#}", words.join(" "))),
    };
    if let Some(space) = &made.space {
        own(&["spaces:destroy", space, "--confirm", space]);
    }
    if !left.is_empty() {
        bail!("this is left on {}: {}", server.url, left.join("; "));
    }
    Ok(())
}

/// Removes a VPC and what is in it; its peerings end with it.
fn empty(vpc: &str, server: &Server, ec2: &Ec2, stop: &Stop) -> anyhow::Result<()> {
    let inside = format!("Name=vpc-id,Values={vpc}");
    let running = || -> anyhow::Result<Vec<String>> {
        let found = ec2.call(&["ec2", "describe-instances", "--filters", &inside])?;
        let instances = list(&found, "Reservations").flat_map(|r| list(r, "Instances"));
        let live = instances.filter(|i| i["State"]["Name"] != "terminated");
        Ok(live.filter_map(|i| i["InstanceId"].as_str().map(ToOwned::to_owned)).collect())
    };
    let instances = running()?;
    if !instances.is_empty() {
        let mut words = vec!["ec2", "terminate-instances", "--instance-ids"];
        words.extend(instances.iter().map(String::as_str));
        ec2.call(&words)?;
        let ask = Observer { server, stop };
        ask.until("the instances' end", || Ok(running()?.is_empty().then_some(())))?;
    }
    // In an order in which nothing needs what went before it.
    for (describe, set, id, delete, option) in [
        ("describe-subnets", "Subnets", "SubnetId", "delete-subnet", "--subnet-id"),
        (
            "describe-route-tables",
            "RouteTables",
            "RouteTableId",
            "delete-route-table",
            "--route-table-id",
        ),
        (
            "describe-network-acls",
            "NetworkAcls",
            "NetworkAclId",
            "delete-network-acl",
            "--network-acl-id",
        ),
        (
            "describe-security-groups",
            "SecurityGroups",
            "GroupId",
            "delete-security-group",
            "--group-id",
        ),
    ] {
        let found = ec2.call(&["ec2", describe, "--filters", &inside])?;
        for item in list(&found, set).filter(|item| !goes_with_the_vpc(item)) {
            if let Some(id) = item[id].as_str() {
                ec2.call(&["ec2", delete, option, id])?;
            }
        }
    }
    ec2.call(&["ec2", "delete-vpc", "--vpc-id", vpc])?;
    Ok(())
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

/// A main route table, a default ACL or group: made with the VPC, and not to be deleted alone.
fn goes_with_the_vpc(item: &Value) -> bool {
    let main = |association: &Value| association["Main"] == true || association["Main"] == "true";
    item["IsDefault"] == true
        || item["IsDefault"] == "true"
        || item["Default"] == true
        || item["Default"] == "true"
        || item["GroupName"] == "default"
        || list(item, "Associations").any(main)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_comes_with_a_vpc_goes_with_it() {
        assert!(goes_with_the_vpc(&json!({ "Associations": [{ "Main": "true" }] })));
        assert!(goes_with_the_vpc(&json!({ "IsDefault": true })));
        assert!(goes_with_the_vpc(&json!({ "GroupName": "default" })));
        assert!(!goes_with_the_vpc(&json!({ "Associations": [{ "Main": "false" }] })));
        assert!(!goes_with_the_vpc(&json!({ "SubnetId": "subnet-1" })));
    }
}
