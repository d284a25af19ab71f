//! The addresses of the links that peerings are.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::{PcxId, VpcId};

/// The number of each peering's link. Two peerings that end in the same router have different ones. A number
/// stays for as long as the peering is there: it is kept in the database with the rows of the link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links(BTreeMap<PcxId, Link>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    ends: [VpcId; 2],
    number: u16,
}

impl Links {
    /// How many links a router may have: the blocks of four addresses in 169.254.0.0/17.
    pub const MOST: u16 = 1 << 13;

    /// Takes note of a link that there is.
    pub fn insert(&mut self, pcx: PcxId, ends: [VpcId; 2], number: u16) {
        if number < Self::MOST {
            self.0.insert(pcx, Link { ends, number });
        }
    }

    /// Makes sure that a peering has a number of its own: the one it has, unless another in the same router
    /// has it, too, or else the least that is free in both. `None` where all are taken.
    pub fn ensure(&mut self, pcx: PcxId, ends: [VpcId; 2]) -> Option<u16> {
        let meets = |other: &Link| other.ends.iter().any(|end| ends.contains(end));
        let others = self.0.iter().filter(|(id, other)| **id != pcx && meets(other));
        let taken: std::collections::BTreeSet<u16> = others.map(|(_, link)| link.number).collect();
        let own = self.0.get(&pcx).map(|link| link.number).filter(|own| !taken.contains(own));
        let number = own.or_else(|| (0..Self::MOST).find(|number| !taken.contains(number)))?;
        self.0.insert(pcx, Link { ends, number });
        Some(number)
    }

    /// Forgets a peering that is gone.
    pub fn remove(&mut self, pcx: PcxId) {
        self.0.remove(&pcx);
    }

    /// The number of a peering's link.
    pub fn number(&self, pcx: PcxId) -> Option<u16> {
        self.0.get(&pcx).map(|link| link.number)
    }

    /// The address of a VPC's end, and that of the other one.
    pub(crate) fn addresses(&self, pcx: PcxId, vpc: VpcId) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let Link { ends: [one, other], number } = *self.0.get(&pcx)?;
        let base = u32::from(Ipv4Addr::new(169, 254, 0, 0)) + 4 * u32::from(number);
        let (first, second) = (Ipv4Addr::from(base + 1), Ipv4Addr::from(base + 2));
        match vpc {
            _ if vpc == one => Some((first, second)),
            _ if vpc == other => Some((second, first)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_one_router_have_addresses_of_their_own() {
        let pcx = |n: u8| format!("pcx-{n:017x}").parse::<PcxId>().unwrap();
        let vpc = |n: u8| format!("vpc-{n:017x}").parse::<VpcId>().unwrap();
        let mut links = Links::default();
        assert_eq!(links.ensure(pcx(1), [vpc(1), vpc(2)]), Some(0));
        assert_eq!(links.ensure(pcx(2), [vpc(2), vpc(3)]), Some(1));
        assert_eq!(links.ensure(pcx(3), [vpc(4), vpc(5)]), Some(0), "it meets no other");
        assert_eq!(links.ensure(pcx(1), [vpc(1), vpc(2)]), Some(0), "it stays");
        links.remove(pcx(1));
        assert_eq!(links.ensure(pcx(4), [vpc(1), vpc(3)]), Some(0));
        // What the database holds may be wrong.
        links.insert(pcx(4), [vpc(1), vpc(3)], 1);
        assert_eq!(links.ensure(pcx(4), [vpc(1), vpc(3)]), Some(0));
        links.insert(pcx(5), [vpc(1), vpc(3)], Links::MOST);
        assert_eq!(links.number(pcx(5)), None);
        let ends = [vpc(2), vpc(3)].map(|end| links.addresses(pcx(2), end).unwrap().0.to_string());
        assert_eq!(ends, ["169.254.0.5", "169.254.0.6"]);
        assert_eq!(links.addresses(pcx(2), vpc(1)), None);
    }
}
