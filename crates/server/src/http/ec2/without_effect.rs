//! Parameters that are taken and have no effect here, by action. All others that no action reads are refused.

use aws::params::{ParamError, Params};

const HARDWARE: &str =
    "an instance is a process, which has no hardware, hypervisor and bill of its own";
const DERIVED: &str = "they follow from the group; clients copy them from a described rule";
const ONE_VOLUME: &str = "an instance has its root volume alone";
const NOT_KEPT: &str = "the root volume holds nothing";
const ONE_DEFAULT: &str = "the check of sources and destinations alone has a default";
const ONE_PAGE: &str = "there is never a second page";
const NO_POLICIES: &str = "nothing is allowed or denied by the tags of a session";
const REPEATABLE: &str = "a repeat changes nothing that the first request has not";
const ONE_KIND: &str = "all interfaces are of one kind, on one card";
const RULE_SOURCES: [&str; 6] = [
    "IpPermissions[].Groups[].PeeringStatus",
    "IpPermissions[].Groups[].VpcId",
    "IpPermissions[].Groups[].VpcPeeringConnectionId",
    "IpPermissions[].UserIdGroupPairs[].PeeringStatus",
    "IpPermissions[].UserIdGroupPairs[].VpcId",
    "IpPermissions[].UserIdGroupPairs[].VpcPeeringConnectionId",
];

/// An action, the parameters without effect, and why they have none. `Name[]` stands for `Name.N`.
type Row = (&'static str, &'static [&'static str], &'static str);

const TABLE: &[Row] = &[
    ("AssumeRole", &["Tags[].Key", "Tags[].Value", "TransitiveTagKeys[]"], NO_POLICIES),
    ("AuthorizeSecurityGroupEgress", &RULE_SOURCES, DERIVED),
    ("AuthorizeSecurityGroupIngress", &RULE_SOURCES, DERIVED),
    ("ListAccountAliases", &["Marker"], ONE_PAGE),
    (
        "ModifyInstanceAttribute",
        &[
            "BlockDeviceMapping[].Ebs.VolumeId",
            "BlockDeviceMapping[].NoDevice",
            "BlockDeviceMapping[].VirtualName",
        ],
        ONE_VOLUME,
    ),
    ("ModifyInstanceCreditSpecification", &["ClientToken"], REPEATABLE),
    ("ModifyInstanceMaintenanceOptions", &["RebootMigration"], HARDWARE),
    ("ResetNetworkInterfaceAttribute", &["SourceDestCheck"], ONE_DEFAULT),
    ("RevokeSecurityGroupEgress", &RULE_SOURCES, DERIVED),
    ("RevokeSecurityGroupIngress", &RULE_SOURCES, DERIVED),
    (
        "RunInstances",
        &[
            "AdditionalInfo",
            "CapacityReservationSpecification.CapacityReservationPreference",
            "CpuOptions.AmdSevSnp",
            "CpuOptions.CoreCount",
            "CpuOptions.ThreadsPerCore",
            "EnclaveOptions.Enabled",
            "HibernationOptions.Configured",
            "NetworkPerformanceOptions.BandwidthWeighting",
            "Placement.Affinity",
            "Placement.PartitionNumber",
            "Placement.Tenancy",
        ],
        HARDWARE,
    ),
    (
        "RunInstances",
        &["BlockDeviceMapping[].Ebs.KmsKeyId", "BlockDeviceMapping[].Ebs.SnapshotId"],
        NOT_KEPT,
    ),
    (
        "RunInstances",
        &["NetworkInterface[].InterfaceType", "NetworkInterface[].NetworkCardIndex"],
        ONE_KIND,
    ),
    ("StartInstances", &["AdditionalInfo"], HARDWARE),
    ("UpdateSecurityGroupRuleDescriptionsEgress", &RULE_SOURCES, DERIVED),
    ("UpdateSecurityGroupRuleDescriptionsIngress", &RULE_SOURCES, DERIVED),
];

/// The parameters of an action that have no effect, and why.
pub(super) fn of(action: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = TABLE.iter().filter(move |(of, ..)| *of == action);
    rows.flat_map(|(_, names, why)| names.iter().map(|name| (*name, *why)))
}

/// The actions with such parameters.
#[cfg(test)]
pub(super) fn actions() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(action, ..)| *action)
}

/// Refuses a request with a parameter that its action has not read, unless it is one without effect.
///
/// # Errors
///
/// The request has such a parameter.
pub fn refuse_unread(action: &str, params: &Params) -> Result<(), ParamError> {
    for (path, _) in of(action) {
        read(params, path);
    }
    params.refuse_unused()
}

/// Counts a parameter as read, wherever the request has it.
fn read(params: &Params, path: &str) {
    match path.split_once("[].") {
        Some((list, rest)) => params.structs(list).for_each(|item| read(item, rest)),
        None => match path.strip_suffix("[]") {
            Some(list) => params.list(list).for_each(drop),
            None => {
                let _ = params.get(path);
            }
        },
    }
}
