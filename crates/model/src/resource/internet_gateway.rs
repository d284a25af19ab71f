//! Internet gateways.

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{AccountId, IgwId, Key, Region, Timestamp, VpcId};

/// An internet gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// The internet gateway's id.
    pub id: IgwId,
    /// The account that owns the internet gateway.
    pub account: AccountId,
    /// The region that the internet gateway is in.
    pub region: Region,
    /// The VPC that it is attached to.
    pub vpc: Option<VpcId>,
    /// The tags that the owner put on the internet gateway.
    pub tags: Tags,
    /// When the internet gateway was created; zero in records of older versions.
    #[serde(default)]
    pub created: Timestamp,
}

impl Resource for InternetGateway {
    fn key(&self) -> Key {
        Key::InternetGateway(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
        if let Some(vpc) = self.vpc {
            each(Key::Vpc(vpc));
        }
    }
}
