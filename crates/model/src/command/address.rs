//! The parts of commands about elastic IP addresses and NAT gateways.

use std::net::Ipv4Addr;

use crate::resource::{ClientToken, Connectivity, Tags};
use crate::{AddressAssociationId, AllocationId, EniId, InstanceId, SubnetId};

/// An elastic IP address as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElasticIpName {
    /// By its allocation.
    Allocation(AllocationId),
    /// By itself.
    Address(Ipv4Addr),
}

/// An association of an elastic IP address as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressAssociationName {
    /// By its id.
    Association(AddressAssociationId),
    /// By the elastic IP address.
    Address(Ipv4Addr),
}

/// What an elastic IP address is to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressTarget {
    /// An instance, by its interface.
    Instance(InstanceId),
    /// An interface.
    Eni(EniId),
}

/// `CreateNatGateway`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateNatGateway {
    /// The subnet to make the NAT gateway in.
    pub subnet: SubnetId,
    /// Where it is to lead.
    pub connectivity: Connectivity,
    /// The elastic IP address that it is to send by.
    pub allocation: Option<AllocationId>,
    /// Its private address; any free one by default.
    pub private: Option<Ipv4Addr>,
    /// What it is to have beside that.
    pub secondary: NatAddressesSpec,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the NAT gateway.
    pub tags: Tags,
}

/// The secondary addresses that a NAT gateway is to get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatAddressesSpec {
    /// Elastic IP addresses, of which each stands for one of its addresses.
    pub allocations: Vec<AllocationId>,
    /// Addresses of its subnet; free ones by default.
    pub addresses: Vec<Ipv4Addr>,
    /// How many free addresses a private one gets, instead.
    pub count: u16,
}
