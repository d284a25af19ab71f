//! Network interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{ClientToken, Owner, Resource, Tags};
use crate::mac::MacAddr;
use crate::{
    Alias, EniAttachmentId, EniId, InstanceId, Key, Kind, NatGatewayId, SecurityGroupId, SubnetId,
    Timestamp, VpcId, WorkloadId,
};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eni {
    /// The interface's id.
    pub id: EniId,
    /// The VPC that the interface belongs to.
    pub vpc: VpcId,
    /// The subnet that the interface is in.
    pub subnet: SubnetId,
    /// The interface's Ethernet address.
    pub mac: MacAddr,
    /// The interface's addresses, primary first; never empty.
    pub addresses: Vec<Ipv4Addr>,
    /// The interface's IPv6 addresses.
    #[serde(default)]
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// Whether the first IPv6 address is a primary one, which stays as long as the interface.
    #[serde(default)]
    pub primary_ipv6: bool,
    /// The security groups that the interface is in.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it may only send from and receive for its own addresses.
    pub source_dest_check: bool,
    /// What the interface is for, in words.
    pub description: String,
    /// The process that uses the interface; `None` where nothing does.
    pub attachment: Option<Attachment>,
    /// Whether the platform made it, so that its owner may not remove it.
    pub requester_managed: bool,
    /// The public address of its primary address that comes and goes with its instance, and gives way to
    /// an elastic one.
    #[serde(default)]
    pub public: PublicAddress,
    /// The NAT gateway whose interface it is.
    #[serde(default)]
    pub nat_gateway: Option<NatGatewayId>,
    /// When the interface was created.
    pub created: Timestamp,
    /// The tags that the owner put on the interface.
    pub tags: Tags,
    /// The request that made it, for repeats.
    #[serde(default)]
    pub client_token: Option<ClientToken>,
}

/// The public address of the pool that an interface has while its instance runs. Whether it is given one is
/// the instance's to say ([`InstanceOptions::public`](super::InstanceOptions::public)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicAddress {
    /// It has none.
    #[default]
    #[serde(alias = "released")]
    None,
    /// It has this one.
    Assigned(Ipv4Addr),
}

impl PublicAddress {
    /// The address, if it has one.
    pub const fn address(self) -> Option<Ipv4Addr> {
        match self {
            Self::Assigned(address) => Some(address),
            Self::None => None,
        }
    }
}

/// The use of an interface by a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The attachment's id.
    pub id: EniAttachmentId,
    /// The process that uses the interface.
    pub workload: WorkloadId,
    /// The number of the interface among those of the process, from 0.
    pub device_index: u8,
    /// Whether the interface goes with the workload.
    pub delete_on_termination: bool,
    /// When the process got the interface.
    pub attached: Timestamp,
}

impl Attachment {
    /// The instance that it is to.
    pub fn instance(&self) -> Option<InstanceId> {
        match self.workload {
            WorkloadId::Instance(id) => Some(id),
            WorkloadId::Dyno(_) | WorkloadId::Service(_) | WorkloadId::Router(_) => None,
        }
    }
}

impl Eni {
    /// Its primary address.
    pub fn primary(&self) -> Ipv4Addr {
        *self.addresses.first().expect("an interface is made with an address")
    }

    /// The instance that uses it.
    pub fn instance(&self) -> Option<InstanceId> {
        self.attachment.as_ref().and_then(Attachment::instance)
    }
}

impl Resource for Eni {
    fn key(&self) -> Key {
        Key::Eni(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::OfVpc(self.vpc)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Vpc(self.vpc));
        each(Key::Subnet(self.subnet));
        self.groups.iter().for_each(|group| each(Key::SecurityGroup(*group)));
        if let Some(nat) = self.nat_gateway {
            each(Key::NatGateway(nat));
        }
        if let Some(attachment) = &self.attachment {
            each(attachment.workload.into());
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        let repeats = self.client_token.as_ref().and_then(|token| token.alias(Kind::Eni));
        let public = self.public.address().map(Alias::PublicAddress);
        let ipv6 = self.ipv6_addresses.iter().copied().map(Alias::Ipv6Address);
        repeats.into_iter().chain(public).chain(ipv6).for_each(each);
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
