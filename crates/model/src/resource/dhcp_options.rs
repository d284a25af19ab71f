//! DHCP option sets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Owner, Resource, Tags};
use crate::{AccountId, DhcpOptionsId, Key, Region};

/// A DHCP option set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// The option set's id.
    pub id: DhcpOptionsId,
    /// The account that owns the option set.
    pub account: AccountId,
    /// The region that the option set is in.
    pub region: Region,
    /// The values of each option, by the option's name.
    pub options: BTreeMap<String, Vec<String>>,
    /// The tags that the owner put on the option set.
    pub tags: Tags,
}

impl Resource for DhcpOptions {
    fn key(&self) -> Key {
        Key::DhcpOptions(self.id)
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn mentions(&self, each: &mut dyn FnMut(Key)) {
        each(Key::Account(self.account));
    }
}
