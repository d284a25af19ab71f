//! What a sweep has left to look at, cut into parts of some milliseconds each, so that a change
//! never waits long for its turn.

use std::collections::{BTreeMap, BTreeSet};

use model::{EniId, PcxId, VpcId};

/// Number of interfaces that are looked at together. Each is a namespace to enter.
const INTERFACES: usize = 4;
/// Number of namespaces of unknown owners that are looked at together.
const STRAYS: usize = 16;

/// Everything that a sweep has left to look at.
#[derive(Debug, Default)]
pub(super) struct Pending {
    routers: BTreeSet<VpcId>,
    uplink: bool,
    interfaces: BTreeMap<VpcId, BTreeSet<EniId>>,
    peerings: BTreeSet<PcxId>,
    strays: Strays,
}

/// Namespaces that no intent names.
#[derive(Debug, Default)]
enum Strays {
    #[default]
    Done,
    ToList,
    Left(Vec<String>),
}

/// A part of what is left, which one step looks at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A router: its links, routes and firewall.
    Router(VpcId),
    /// Some interfaces of one VPC.
    Interfaces(VpcId, BTreeSet<EniId>),
    /// The uplink: what the exits of all routers lead to.
    Uplink,
    /// A peering: its link, and whether frames go over it.
    Peering(PcxId),
    /// The names of all namespaces that no intent names are to be found out.
    ListStrays,
    /// Namespaces to be removed if they are ours.
    Strays(Vec<String>),
}

impl Pending {
    /// Adds all routers and peerings, and the search for namespaces that no intent names.
    pub(super) fn add_all(
        &mut self,
        routers: impl Iterator<Item = VpcId>,
        peerings: impl Iterator<Item = PcxId>,
    ) {
        self.routers.extend(routers);
        self.peerings.extend(peerings);
        self.uplink = true;
        self.strays = Strays::ToList;
    }

    /// Adds a router.
    pub(super) fn add_router(&mut self, vpc: VpcId) {
        self.routers.insert(vpc);
    }

    /// Adds a VPC's interfaces.
    pub(super) fn add_interfaces(&mut self, vpc: VpcId, interfaces: impl Iterator<Item = EniId>) {
        self.interfaces.entry(vpc).or_default().extend(interfaces);
    }

    /// Adds the uplink.
    pub(super) fn add_uplink(&mut self) {
        self.uplink = true;
    }

    /// Adds a peering.
    pub(super) fn add_peering(&mut self, peering: PcxId) {
        self.peerings.insert(peering);
    }

    /// Takes note of the namespaces that no intent names.
    pub(super) fn add_strays(&mut self, names: Vec<String>) {
        self.strays = Strays::Left(names);
    }

    /// Takes out what is next: a link between routers comes after both, and what no intent names
    /// after everything that one does.
    pub(super) fn next(&mut self) -> Option<Part> {
        if let Some((vpc, mut some)) = self.interfaces.pop_first() {
            if let Some(first_left) = some.iter().nth(INTERFACES).copied() {
                self.interfaces.insert(vpc, some.split_off(&first_left));
            }
            return Some(Part::Interfaces(vpc, some));
        }
        if let Some(vpc) = self.routers.pop_first() {
            return Some(Part::Router(vpc));
        }
        if std::mem::take(&mut self.uplink) {
            return Some(Part::Uplink);
        }
        if let Some(peering) = self.peerings.pop_first() {
            return Some(Part::Peering(peering));
        }
        match &mut self.strays {
            Strays::Done => None,
            Strays::ToList => Some(Part::ListStrays),
            Strays::Left(names) => {
                let some = names.split_off(names.len().saturating_sub(STRAYS));
                if names.is_empty() {
                    self.strays = Strays::Done;
                }
                Some(Part::Strays(some))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_small_and_links_come_last() {
        let vpc = |number: u32| format!("vpc-{number:017x}").parse::<VpcId>().unwrap();
        let eni = |number: u32| format!("eni-{number:017x}").parse::<EniId>().unwrap();
        let pcx = "pcx-00000000000000001".parse::<PcxId>().unwrap();
        let mut pending = Pending::default();
        assert_eq!(pending.next(), None);
        pending.add_all([vpc(1), vpc(2)].into_iter(), [pcx].into_iter());
        assert_eq!(pending.next(), Some(Part::Router(vpc(1))));
        pending.add_interfaces(vpc(1), (1..=6).map(eni));
        let first = (1..=4).map(eni).collect();
        assert_eq!(pending.next(), Some(Part::Interfaces(vpc(1), first)));
        assert_eq!(pending.next(), Some(Part::Interfaces(vpc(1), [eni(5), eni(6)].into())));
        assert_eq!(pending.next(), Some(Part::Router(vpc(2))));
        assert_eq!(pending.next(), Some(Part::Uplink));
        assert_eq!(pending.next(), Some(Part::Peering(pcx)));
        assert_eq!(pending.next(), Some(Part::ListStrays));
        pending.add_strays((0..20).map(|number| number.to_string()).collect());
        let Some(Part::Strays(some)) = pending.next() else { panic!() };
        assert_eq!(some.len(), 16);
        let Some(Part::Strays(some)) = pending.next() else { panic!() };
        assert_eq!(some.len(), 4);
        assert_eq!(pending.next(), None);
    }
}
