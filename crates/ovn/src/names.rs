//! Names of rows. Those of port groups and address sets may have letters, digits, dots and underscores only.

use fabric::linux::PortId;
use model::intent::MacAddr;
use model::{AclId, EniId, PcxId, SecurityGroupId, SubnetId, VpcId};
use sha2::{Digest, Sha256};

pub(crate) fn router(vpc: VpcId) -> String {
    format!("cw-{vpc}")
}

pub(crate) fn switch(subnet: SubnetId) -> String {
    format!("cw-{subnet}")
}

/// The router's port in a subnet.
pub(crate) fn subnet_port(subnet: SubnetId) -> String {
    format!("lrp-{subnet}")
}

/// The subnet's port that leads to the router.
pub(crate) fn uplink(subnet: SubnetId) -> String {
    format!("cw-rtr-{subnet}")
}

/// The switch of a VPC's resolver, and its ports.
pub(crate) fn resolver_switch(vpc: VpcId) -> String {
    format!("cw-dns-{vpc}")
}

pub(crate) fn resolver_uplink(vpc: VpcId) -> String {
    format!("cw-rtr-dns-{vpc}")
}

pub(crate) fn resolver_port(vpc: VpcId) -> String {
    format!("lrp-dns-{vpc}")
}

pub(crate) fn resolver_interface(vpc: VpcId) -> String {
    format!("dns-{vpc}")
}

/// The port of an interface has the name that the host gives to Open vSwitch.
pub(crate) fn interface(eni: EniId) -> String {
    eni.to_string()
}

/// The name of a port of a host, by which OVN finds what it is of.
pub(crate) fn port(id: PortId) -> String {
    match id {
        PortId::Interface(eni) => interface(eni),
        PortId::Resolver(vpc) => resolver_interface(vpc),
    }
}

/// What a port of that name leads to.
pub(crate) fn port_of(name: &str) -> Option<PortId> {
    match name.strip_prefix("dns-") {
        Some(vpc) => vpc.parse().ok().map(PortId::Resolver),
        None => name.parse().ok().map(PortId::Interface),
    }
}

/// A router's port of a peering.
pub(crate) fn peering_port(pcx: PcxId, vpc: VpcId) -> String {
    format!("lrp-{pcx}-{vpc}")
}

pub(crate) fn group(group: SecurityGroupId) -> String {
    plain(&format!("cw_{group}"))
}

pub(crate) fn everything(vpc: VpcId) -> String {
    plain(&format!("cw_all_{vpc}"))
}

/// The members of a group as a VPC sees them.
pub(crate) fn members(vpc: VpcId, group: SecurityGroupId) -> String {
    plain(&format!("as_{vpc}_{group}"))
}

pub(crate) fn acl_out(acl: AclId) -> String {
    format!("out-{acl}")
}

pub(crate) fn acl_in(acl: AclId) -> String {
    format!("in-{acl}")
}

pub(crate) fn admission(pcx: PcxId) -> String {
    format!("from-{pcx}")
}

fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// The Ethernet address of a port of ours, which follows from its name.
pub(crate) fn mac(port: &str) -> MacAddr {
    let [a, b, c, d, e, ..] = <[u8; 32]>::from(Sha256::digest(port));
    MacAddr([2, a, b, c, d, e])
}
