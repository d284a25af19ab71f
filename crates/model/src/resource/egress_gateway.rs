//! Egress-only internet gateways.

use serde::{Deserialize, Serialize};

use super::{ClientToken, Owner, Resource, Tags};
use crate::{Alias, EgressGatewayId, Key, Kind, Timestamp, VpcId};

/// An egress-only internet gateway: a way out of a VPC for IPv6, by which nothing comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressGateway {
    /// The gateway's id.
    pub id: EgressGatewayId,
    /// The VPC that it is attached to for as long as it is there.
    pub vpc: VpcId,
    /// The request that made it, for repeats.
    pub client_token: Option<ClientToken>,
    /// The tags that the owner put on the gateway.
    pub tags: Tags,
    /// When the gateway was created.
    pub created: Timestamp,
}

impl Resource for EgressGateway {
    fn key(&self) -> Key {
        Key::EgressGateway(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::OfVpc(self.vpc)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Vpc(self.vpc));
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        self.client_token.iter().filter_map(|t| t.alias(Kind::EgressGateway)).for_each(each);
    }

    fn client_token(&self) -> Option<&ClientToken> {
        self.client_token.as_ref()
    }
}
