//! The addresses of the pages of a VPC.

use model::{InstanceId, PcxId, RouteTableId, SecurityGroupId, Vpc};

use crate::paths::vpc;

/// A page of a VPC by the last part of its address.
pub fn part(of: &Vpc, name: &str) -> String {
    format!("{}/{name}", vpc(of))
}

/// The instances.
pub fn instances(of: &Vpc) -> String {
    part(of, "instances")
}

/// An instance.
pub fn instance(of: &Vpc, id: InstanceId) -> String {
    format!("{}/{id}", instances(of))
}

/// The question before an instance is terminated.
pub fn terminate(of: &Vpc, id: InstanceId) -> String {
    format!("{}/terminate", instance(of, id))
}

/// The routes of a table, to be changed.
pub fn table(of: &Vpc, id: RouteTableId) -> String {
    format!("{}/tables/{id}", vpc(of))
}

/// The rules of a group, to be changed.
pub fn group(of: &Vpc, id: SecurityGroupId) -> String {
    format!("{}/groups/{id}", vpc(of))
}

/// What a peering needs.
pub fn join(of: &Vpc, id: PcxId) -> String {
    format!("{}/peerings/{id}", vpc(of))
}

/// The preview of a change.
pub fn change(of: &Vpc) -> String {
    part(of, "change")
}
