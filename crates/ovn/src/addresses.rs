//! Addresses and sizes that several parts agree on.

use std::net::Ipv4Addr;

use model::intent::SubnetIntent;

/// Bytes that a packet inside a VPC may have.
pub(crate) const MTU: u16 = 9001;

/// The block of the links between routers: nobody has business there.
pub(crate) const LINKS: &str = "169.254.0.0/17";

/// The router's own address in a subnet.
pub(crate) fn gateway(subnet: &SubnetIntent) -> Option<Ipv4Addr> {
    subnet.cidr.nth(1)
}
