//! NAT gateways: the way out that a subnet's instances share.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ClientToken, Owner, Resource, Tags};
use crate::{
    AccountId, Alias, AllocationId, EniId, Errand, Key, Kind, NatGatewayId, Region, SubnetId,
    Timestamp, VpcId,
};

/// A NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    /// The NAT gateway's id.
    pub id: NatGatewayId,
    /// The account that owns the NAT gateway.
    pub account: AccountId,
    /// The region that the NAT gateway is in.
    pub region: Region,
    /// The VPC that the NAT gateway belongs to.
    pub vpc: VpcId,
    /// The subnet that the NAT gateway is in.
    pub subnet: SubnetId,
    /// Whether it leads to the internet or stays in private networks.
    pub connectivity: Connectivity,
    /// The NAT gateway's interface, which goes with it; `None` if it never had one.
    pub interface: Option<NatInterface>,
    /// The elastic IP address that it sends by; `None` for a private one.
    pub allocation: Option<AllocationId>,
    /// What it has beside its first addresses.
    #[serde(default)]
    pub secondary: Vec<NatAddress>,
    /// Why it never worked; `None` where it did.
    pub failure: Option<NatFailure>,
    /// When it was deleted or failed; `None` while it works.
    pub ended: Option<Timestamp>,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the NAT gateway.
    pub tags: Tags,
    /// When the NAT gateway was created.
    pub created: Timestamp,
}

/// A secondary address of a NAT gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatAddress {
    /// The address of its interface.
    pub private: Ipv4Addr,
    /// The elastic IP address that stands for it; `None` for a private NAT gateway.
    pub allocation: Option<AllocationId>,
}

/// The interface of a NAT gateway, as it is or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatInterface {
    /// The interface's id.
    pub eni: EniId,
    /// The interface's address.
    pub private: Ipv4Addr,
}

/// Where a NAT gateway leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// To the internet, by an elastic IP address.
    Public,
    /// To other private networks, by an address of its subnet.
    Private,
}

impl Connectivity {
    /// Its name in EC2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// Why a NAT gateway never worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NatFailure {
    /// Its VPC had no internet gateway.
    GatewayNotAttached,
}

impl NatFailure {
    /// EC2's code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::GatewayNotAttached => "Gateway.NotAttached",
        }
    }
}

/// The state of a NAT gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatGatewayState {
    /// Asked for a moment ago.
    Pending,
    /// It works.
    Available,
    /// It never worked; kept for an hour, so that clients see it.
    Failed,
    /// Deleted a moment ago.
    Deleting,
    /// Deleted; kept for an hour, so that clients see it.
    Deleted,
}

impl NatGatewayState {
    /// Its name in EC2.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}

/// How long a NAT gateway is kept after it was deleted or failed.
const KEPT: Duration = Duration::from_secs(3600);

impl NatGateway {
    /// Whether it can be used. Nothing needs to be waited for: its address is its own at once.
    pub const fn works(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether it works, and sends by an address of its subnet.
    pub const fn translates_inside(&self) -> bool {
        self.works() && matches!(self.connectivity, Connectivity::Private)
    }

    /// The state that clients are shown. What was asked for at this very moment is under way.
    pub fn state(&self, now: Timestamp) -> NatGatewayState {
        match self.ended {
            None if self.created < now => NatGatewayState::Available,
            None => NatGatewayState::Pending,
            Some(_) if self.failure.is_some() && self.created < now => NatGatewayState::Failed,
            Some(_) if self.failure.is_some() => NatGatewayState::Pending,
            Some(ended) if ended < now => NatGatewayState::Deleted,
            Some(_) => NatGatewayState::Deleting,
        }
    }
}

impl Resource for NatGateway {
    fn key(&self) -> Key {
        Key::NatGateway(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    /// One that has ended holds nothing back.
    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
        if self.works() {
            each(Key::Vpc(self.vpc));
            each(Key::Subnet(self.subnet));
            let secondary = self.secondary.iter().filter_map(|address| address.allocation);
            let all = self.allocation.into_iter().chain(secondary);
            all.for_each(|allocation| each(Key::ElasticIp(allocation)));
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        self.client_token.iter().filter_map(|t| t.alias(Kind::NatGateway)).for_each(each);
    }

    fn due(&self) -> Option<(Errand, Timestamp)> {
        self.ended.map(|ended| (Errand::Forget, ended + KEPT))
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
