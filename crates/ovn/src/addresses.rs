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

/// The network in which a VPC's resolver is, the router's address in it, and the resolver's.
pub(crate) const RESOLVER_BLOCK: u8 = 29;
pub(crate) const RESOLVER_ROUTER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 249);
pub(crate) const RESOLVER: Ipv4Addr = model::edge::RESOLVER;
