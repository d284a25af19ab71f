//! Each filter selects exactly what its name says: what has a value where the answer shows it is found by that
//! value, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use aws::xml::to_json;
use serde_json::Value;

use super::filters::{IDS_ALONE, filtered};
use super::kit::{Kit, filled, kit};
use super::stage::{Stage, alice};
use crate::http::ec2::ACTIONS;

/// Where an answer shows what a filter is about, if it does not have the filter's name there: `a.b` without
/// the names of lists' elements. An action's own lines come first; `*` is for all.
const PLACES: &[(&str, &str, &str)] = &[
    ("DescribeInstances", "tag-key", "instancesSet.tagSet.key"),
    ("*", "tag-key", "tagSet.key"),
    ("*", "tag-value", "tagSet.value"),
    ("DescribeAvailabilityZones", "state", "zoneState"),
    ("DescribeDhcpOptions", "key", "dhcpConfigurationSet.key"),
    ("DescribeDhcpOptions", "value", "dhcpConfigurationSet.valueSet.value"),
    ("DescribeImages", "manifest-location", "imageLocation"),
    ("DescribeImages", "owner-alias", "imageOwnerAlias"),
    ("DescribeImages", "owner-id", "imageOwnerId"),
    ("DescribeImages", "state", "imageState"),
    ("DescribeInstanceStatus", "instance-state-code", "instanceState.code"),
    ("DescribeInstanceStatus", "instance-state-name", "instanceState.name"),
    ("DescribeInstanceStatus", "instance-status.reachability", "instanceStatus.details.status"),
    ("DescribeInstanceStatus", "system-status.reachability", "systemStatus.details.status"),
    ("DescribeInstanceTypes", "supported-usage-class", "supportedUsageClasses"),
    ("DescribeInstances", "availability-zone", "instancesSet.placement.availabilityZone"),
    ("DescribeInstances", "availability-zone-id", "instancesSet.placement.availabilityZoneId"),
    ("DescribeInstances", "instance-state-code", "instancesSet.instanceState.code"),
    ("DescribeInstances", "instance-state-name", "instancesSet.instanceState.name"),
    ("DescribeInstances", "instance.group-id", "instancesSet.groupSet.groupId"),
    ("DescribeInstances", "instance.group-name", "instancesSet.groupSet.groupName"),
    ("DescribeInstances", "launch-index", "instancesSet.amiLaunchIndex"),
    ("DescribeInstances", "monitoring-state", "instancesSet.monitoring.state"),
    (
        "DescribeInstances",
        "network-interface.addresses.primary",
        "instancesSet.networkInterfaceSet.privateIpAddressesSet.primary",
    ),
    (
        "DescribeInstances",
        "network-interface.addresses.private-dns-name",
        "instancesSet.networkInterfaceSet.privateIpAddressesSet.privateDnsName",
    ),
    (
        "DescribeInstances",
        "network-interface.addresses.private-ip-address",
        "instancesSet.networkInterfaceSet.privateIpAddressesSet.privateIpAddress",
    ),
    ("DescribeInstances", "network-interface.attachment.instance-id", "instancesSet.instanceId"),
    ("DescribeInstances", "network-interface.attachment.instance-owner-id", "ownerId"),
    (
        "DescribeInstances",
        "network-interface.availability-zone",
        "instancesSet.placement.availabilityZone",
    ),
    (
        "DescribeInstances",
        "network-interface.group-id",
        "instancesSet.networkInterfaceSet.groupSet.groupId",
    ),
    (
        "DescribeInstances",
        "network-interface.group-name",
        "instancesSet.networkInterfaceSet.groupSet.groupName",
    ),
    ("DescribeInstances", "tenancy", "instancesSet.placement.tenancy"),
    ("DescribeKeyPairs", "fingerprint", "keyFingerprint"),
    ("DescribeNetworkAcls", "association.association-id", "associationSet.networkAclAssociationId"),
    ("DescribeNetworkAcls", "entry.cidr", "entrySet.cidrBlock"),
    ("DescribeNetworkAcls", "entry.icmp.code", "entrySet.icmpTypeCode.code"),
    ("DescribeNetworkAcls", "entry.icmp.type", "entrySet.icmpTypeCode.type"),
    ("DescribeNetworkAcls", "entry.ipv6-cidr", "entrySet.ipv6CidrBlock"),
    (
        "DescribeNetworkInterfaces",
        "addresses.association.owner-id",
        "privateIpAddressesSet.association.ipOwnerId",
    ),
    (
        "DescribeNetworkInterfaces",
        "addresses.association.public-ip",
        "privateIpAddressesSet.association.publicIp",
    ),
    ("DescribeNetworkInterfaces", "addresses.primary", "privateIpAddressesSet.primary"),
    (
        "DescribeNetworkInterfaces",
        "addresses.private-ip-address",
        "privateIpAddressesSet.privateIpAddress",
    ),
    ("DescribeNetworkInterfaces", "group-id", "groupSet.groupId"),
    ("DescribeRegions", "endpoint", "regionEndpoint"),
    ("DescribeSecurityGroups", "description", "groupDescription"),
    ("DescribeSecurityGroups", "egress.ip-permission.cidr", "ipPermissionsEgress.ipRanges.cidrIp"),
    ("DescribeSecurityGroups", "egress.ip-permission.from-port", "ipPermissionsEgress.fromPort"),
    (
        "DescribeSecurityGroups",
        "egress.ip-permission.group-id",
        "ipPermissionsEgress.groups.groupId",
    ),
    (
        "DescribeSecurityGroups",
        "egress.ip-permission.ipv6-cidr",
        "ipPermissionsEgress.ipv6Ranges.cidrIpv6",
    ),
    (
        "DescribeSecurityGroups",
        "egress.ip-permission.prefix-list-id",
        "ipPermissionsEgress.prefixListIds.prefixListId",
    ),
    ("DescribeSecurityGroups", "egress.ip-permission.protocol", "ipPermissionsEgress.ipProtocol"),
    ("DescribeSecurityGroups", "egress.ip-permission.to-port", "ipPermissionsEgress.toPort"),
    ("DescribeSecurityGroups", "egress.ip-permission.user-id", "ipPermissionsEgress.groups.userId"),
    ("DescribeSecurityGroups", "ip-permission.cidr", "ipPermissions.ipRanges.cidrIp"),
    ("DescribeSecurityGroups", "ip-permission.from-port", "ipPermissions.fromPort"),
    ("DescribeSecurityGroups", "ip-permission.group-id", "ipPermissions.groups.groupId"),
    ("DescribeSecurityGroups", "ip-permission.ipv6-cidr", "ipPermissions.ipv6Ranges.cidrIpv6"),
    (
        "DescribeSecurityGroups",
        "ip-permission.prefix-list-id",
        "ipPermissions.prefixListIds.prefixListId",
    ),
    ("DescribeSecurityGroups", "ip-permission.protocol", "ipPermissions.ipProtocol"),
    ("DescribeSecurityGroups", "ip-permission.to-port", "ipPermissions.toPort"),
    ("DescribeSecurityGroups", "ip-permission.user-id", "ipPermissions.groups.userId"),
    (
        "DescribeSubnets",
        "ipv6-cidr-block-association.state",
        "ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state",
    ),
    ("DescribeVolumeStatus", "volume-status.details-name", "volumeStatus.details.name"),
    ("DescribeVolumeStatus", "volume-status.details-status", "volumeStatus.details.status"),
    ("DescribeVpcClassicLink", "is-classic-link-enabled", "classicLinkEnabled"),
    ("DescribeVpcPeeringConnections", "status-code", "status.code"),
    ("DescribeVpcPeeringConnections", "status-message", "status.message"),
    ("DescribeVpcs", "cidr", "cidrBlock"),
    (
        "DescribeVpcs",
        "cidr-block-association.state",
        "cidrBlockAssociationSet.cidrBlockState.state",
    ),
    (
        "DescribeVpcs",
        "ipv6-cidr-block-association.state",
        "ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state",
    ),
    (
        "DescribeInstances",
        "network-interface.addresses.association.ip-owner-id",
        "instancesSet.networkInterfaceSet.privateIpAddressesSet.association.ipOwnerId",
    ),
    (
        "DescribeInstances",
        "network-interface.addresses.association.public-dns-name",
        "instancesSet.networkInterfaceSet.privateIpAddressesSet.association.publicDnsName",
    ),
    (
        "DescribeInstances",
        "network-interface.addresses.association.public-ip",
        "instancesSet.networkInterfaceSet.privateIpAddressesSet.association.publicIp",
    ),
    (
        "DescribeInstances",
        "network-interface.public-dns-name",
        "instancesSet.networkInterfaceSet.association.publicDnsName",
    ),
    ("DescribeFlowLogs", "deliver-log-status", "deliverLogsStatus"),
    ("DescribeNetworkInsightsAnalyses", "path-found", "networkPathFound"),
    ("DescribeVpcEndpointServices", "service-type", "serviceType.serviceType"),
];

/// Filters of what no answer shows, so that nothing here can tell what they must select.
const UNSHOWN: &[(&str, &str)] = &[
    ("DescribeInstanceStatus", "application-status.status"),
    ("DescribeInstances", "metadata-options.http-protocol-ipv4"),
    ("DescribeInstances", "network-interface.requester-managed"),
    ("DescribeSecurityGroups", "ip-permission.group-name"),
    ("DescribeVolumeStatus", "attachment-status.instance-id"),
    ("DescribeVolumes", "fast-restored"),
    ("DescribeVolumes", "operator.managed"),
    ("DescribeInstances", "network-interface.association.allocation-id"),
    ("DescribeInstances", "network-interface.association.association-id"),
    ("DescribeInstances", "network-interface.addresses.association.allocation-id"),
    ("DescribeInstances", "network-interface.addresses.association.association-id"),
    ("DescribeInstances", "network-interface.tag-key"),
    ("DescribeInstances", "network-interface.tag-value"),
    ("DescribeSecurityGroups", "egress.ip-permission.group-name"),
];

/// All values of an item, by their places.
fn places(item: &Value) -> BTreeMap<String, BTreeSet<String>> {
    fn walk(value: &Value, path: &str, into: &mut BTreeMap<String, BTreeSet<String>>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(field, &path, into);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, path, into)),
            Value::String(text) => {
                into.entry(path.to_owned()).or_default().insert(text.clone());
            }
            other => {
                into.entry(path.to_owned()).or_default().insert(other.to_string());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(item, "", &mut found);
    found
}

/// A form in which places and filters can be compared: `attachmentSet.vpcId` and `attachment.vpc-id` become
/// `attachment.vpcid`. The word `ebs` inside a place is left out, as filters do.
fn plain(name: &str) -> String {
    let word = |word: &str| {
        let word = word.trim_end_matches("Set").replace('-', "").to_ascii_lowercase();
        word.trim_end_matches('s').to_owned()
    };
    name.replace(".ebs.", ".").split('.').map(word).collect::<Vec<_>>().join(".")
}

fn items(stage: &mut Stage, form: &str) -> Result<Vec<Value>, String> {
    let answer = stage.call(alice(), form).map_err(|error| format!("{form}: {error:?}"))?;
    let json = to_json(&answer).unwrap();
    let lists = json.as_object().unwrap().values().find_map(Value::as_array);
    Ok(lists.cloned().unwrap_or_default())
}

/// A stage on which an account has two of everything, and another account as much.
fn stage() -> (Stage, Kit) {
    let mut stage = Stage::new();
    let own = kit(&mut stage, alice(), 1);
    stage.pass(1);
    kit(&mut stage, alice(), 101);
    kit(&mut stage, super::stage::bob(), 1);
    (stage, own)
}

/// A form with a filter. What would be a wildcard in the value is not.
fn with(form: &str, name: &str, value: &str) -> String {
    let exact: String = value
        .chars()
        .flat_map(|c| if "*?\\".contains(c) { vec!['\\', c] } else { vec![c] })
        .map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { escaped(c) })
        .collect();
    format!("{form}&Filter.1.Name={name}&Filter.1.Value.1={exact}")
}

fn escaped(c: char) -> String {
    let mut bytes = [0; 4];
    c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The place that a filter is about.
fn place<'p>(action: &str, name: &str, known: &'p BTreeSet<String>) -> Option<&'p str> {
    let given = PLACES.iter().find(|(of, filter, _)| [action, "*"].contains(of) && *filter == name);
    if let Some((.., place)) = given {
        return known.get(*place).map(String::as_str);
    }
    let name = plain(name);
    let fits = |place: &&String| {
        let place = plain(place);
        place == name || place.strip_prefix("instance.") == Some(&name)
    };
    known.iter().find(fits).map(String::as_str)
}

/// What is wrong with a filter, or whether it selected anything.
fn check(
    stage: &mut Stage,
    (action, form, name): (&str, &str, &str),
    all: &[(Value, BTreeMap<String, BTreeSet<String>>)],
) -> Result<bool, String> {
    let known: BTreeSet<String> =
        all.iter().flat_map(|(_, places)| places.keys().cloned()).collect();
    let Some(place) = place(action, name, &known) else {
        let any = items(stage, &format!("{form}&Filter.1.Name={name}&Filter.1.Value.1=*"))?;
        return match any.is_empty() || UNSHOWN.contains(&(action, name)) {
            true => Ok(false),
            false => Err(format!(
                "{action}: the filter {name} selects, and nothing says by what: add where it is shown to \
                 PLACES in selection.rs; the places are {known:?}"
            )),
        };
    };
    let values: BTreeSet<&String> =
        all.iter().filter_map(|(_, at)| at.get(place)).flatten().collect();
    // An empty element stands for no value.
    let values = values.into_iter().filter(|value| !value.is_empty());
    for value in values.take(2) {
        let has = |places: &BTreeMap<String, BTreeSet<String>>| {
            places.get(place).is_some_and(|values| values.contains(value))
        };
        let expected: Vec<&Value> =
            all.iter().filter(|(_, places)| has(places)).map(|(item, _)| item).collect();
        let found = items(stage, &with(form, name, value))?;
        if found.iter().collect::<Vec<_>>() != expected {
            return Err(format!(
                "{action}: {name}={value} finds {}, and {} have it at {place}",
                found.len(),
                expected.len()
            ));
        }
        if IDS_ALONE.contains(&(action, name)) {
            continue;
        }
        let mut pattern: String = value.chars().skip(1).map(escaped).collect();
        pattern.insert(0, '?');
        let found =
            items(stage, &format!("{form}&Filter.1.Name={name}&Filter.1.Value.1={pattern}"))?;
        if let Some(left) = expected.iter().find(|item| !found.contains(item)) {
            return Err(format!("{action}: {name}={pattern} does not find {left}"));
        }
    }
    Ok(true)
}

/// The filters that selected something, of each action that is here, and those that nothing here can match.
pub(super) type Selecting = BTreeMap<&'static str, (Vec<&'static str>, Vec<&'static str>)>;

/// Tries each filter of each action; and what is wrong.
pub(super) fn selecting() -> (Selecting, Vec<String>) {
    let (mut stage, own) = stage();
    let mut wrong = Vec::new();
    let mut selecting = Selecting::new();
    for (action, form, names) in filtered() {
        if !ACTIONS.iter().any(|(_, name, _)| *name == action) {
            continue;
        }
        let form = filled(&form, &own);
        let all: Vec<_> = items(&mut stage, &form)
            .unwrap()
            .into_iter()
            .map(|item| {
                let places = places(&item);
                (item, places)
            })
            .collect();
        let entry = selecting.entry(action).or_default();
        for name in names {
            match check(&mut stage, (action, &form, name), &all) {
                Ok(true) => entry.0.push(*name),
                Ok(false) if UNSHOWN.contains(&(action, name)) => entry.0.push(*name),
                Ok(false) => entry.1.push(*name),
                Err(finding) => wrong.push(finding),
            }
        }
    }
    (selecting, wrong)
}

#[test]
fn each_filter_selects_what_its_name_says() {
    let (_, wrong) = selecting();
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
}
