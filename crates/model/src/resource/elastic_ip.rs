//! Elastic IP addresses: public addresses that an account keeps and gives to interfaces.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{
    AccountId, AddressAssociationId, Alias, AllocationId, EniId, Key, Part, Region, Timestamp,
};

/// An elastic IP address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticIp {
    /// The id of its allocation to the account.
    pub id: AllocationId,
    /// The account that has the address.
    pub account: AccountId,
    /// The region that the address is in.
    pub region: Region,
    /// The public address.
    pub address: Ipv4Addr,
    /// The interface that it is given to; `None` where it is nobody's.
    pub association: Option<AddressAssociation>,
    /// The tags that the owner put on the address.
    pub tags: Tags,
    /// When the address was allocated.
    pub created: Timestamp,
}

/// An elastic IP address's association with an address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressAssociation {
    /// The association's id.
    pub id: AddressAssociationId,
    /// The interface.
    pub eni: EniId,
    /// The interface's private address that the public one stands for.
    pub private: Ipv4Addr,
}

impl Resource for ElasticIp {
    fn key(&self) -> Key {
        Key::ElasticIp(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
        if let Some(association) = self.association {
            each(Key::Eni(association.eni));
        }
    }

    fn aliases(&self, each: &mut dyn FnMut(Alias)) {
        each(Alias::PublicAddress(self.address));
    }

    fn parts(&self, each: &mut dyn FnMut(Part)) {
        if let Some(association) = self.association {
            each(Part::AddressAssociation(association.id));
        }
    }
}
