//! The routers and links of all networks: what the northbound database is to hold of an intent, and how far hosts
//! have taken it up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::intent::{NetworksDelta, NetworksIntent, PeeringIntent, VpcIntent};
use model::{EniId, PcxId, VpcId};

use crate::central::{Central, Error};
use crate::links::Links;
use crate::part::PartId;
use crate::peering::peering_part;
use crate::uptake::{Lag, Uptake};
use crate::vpc::{LeftOut, Places, vpc_part};

/// The one who writes all networks.
#[derive(Debug)]
pub struct Routers {
    central: Central,
    uptake: Uptake,
    links: Links,
    vpcs: BTreeMap<VpcId, VpcIntent>,
    peerings: BTreeMap<PcxId, PeeringIntent>,
    places: Places,
    /// What was written, by the number that hosts report once they have it.
    written: BTreeMap<PartId, i64>,
}

/// What came of writing a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is as it must be in the database, after this many rows were changed.
    Is(usize),
    /// Nothing of it is there any more.
    Gone,
}

impl Routers {
    /// The writer. What it has of links, it reads from the database.
    pub fn new(central: Central, uptake: Uptake) -> Self {
        let links = central.observed().links();
        Self {
            central,
            uptake,
            links,
            vpcs: BTreeMap::new(),
            peerings: BTreeMap::new(),
            places: Places::new(),
            written: BTreeMap::new(),
        }
    }

    /// Takes note of all that must be, and says which parts are to be written, in an order in which each can be.
    pub fn begin(&mut self, intent: NetworksIntent) -> Vec<PartId> {
        self.vpcs = intent.vpcs;
        self.peerings = intent.peerings;
        self.all()
    }

    /// All parts, those first that are to go.
    pub fn all(&self) -> Vec<PartId> {
        let observed = self.central.observed();
        let gone = observed.parts().filter_map(|part| match (part.parse(), part.parse()) {
            (Ok(vpc), _) if !self.vpcs.contains_key(&vpc) => Some(PartId::Vpc(vpc)),
            (_, Ok(pcx)) if !self.peerings.contains_key(&pcx) => Some(PartId::Peering(pcx)),
            _ => None,
        });
        // A peering is held by its routers.
        let mut gone: Vec<PartId> = gone.collect();
        gone.sort_by_key(|part| matches!(part, PartId::Vpc(_)));
        let vpcs = self.vpcs.keys().map(|vpc| PartId::Vpc(*vpc));
        gone.into_iter()
            .chain(vpcs)
            .chain(self.peerings.keys().map(|pcx| PartId::Peering(*pcx)))
            .collect()
    }

    /// Takes note of a change, and says which parts are to be written.
    pub fn change(&mut self, delta: &NetworksDelta) -> Vec<PartId> {
        let mut parts = Vec::new();
        let mut ends: BTreeSet<VpcId> = delta.vpcs.keys().copied().collect();
        for (pcx, new) in &delta.peerings {
            let old = match new {
                Some(new) => self.peerings.insert(*pcx, new.clone()),
                None => self.peerings.remove(pcx),
            };
            let both = old.iter().chain(new);
            ends.extend(both.flat_map(|link| [link.requester, link.accepter]));
            if new.is_none() {
                parts.push(PartId::Peering(*pcx));
            }
        }
        for (vpc, new) in &delta.vpcs {
            match new {
                Some(new) => drop(self.vpcs.insert(*vpc, new.clone())),
                None => drop(self.vpcs.remove(vpc)),
            }
        }
        // Routes name the other end of a link, so both ends are looked at.
        parts.extend(ends.into_iter().map(PartId::Vpc));
        let peerings = delta.peerings.iter().filter(|(_, new)| new.is_some());
        parts.extend(peerings.map(|(pcx, _)| PartId::Peering(*pcx)));
        parts
    }

    /// Says where interfaces are. An interface that is not named may be anywhere. Returns the VPCs that are to be
    /// written for that.
    pub fn place(&mut self, places: Places) -> Vec<PartId> {
        let moved: BTreeSet<EniId> = self
            .places
            .iter()
            .chain(&places)
            .filter(|(eni, _)| self.places.get(*eni) != places.get(*eni))
            .map(|(eni, _)| *eni)
            .collect();
        self.places = places;
        let has = |vpc: &VpcIntent| vpc.interfaces.keys().any(|eni| moved.contains(eni));
        let vpcs = self.vpcs.iter().filter(|(_, intent)| has(intent));
        vpcs.map(|(vpc, _)| PartId::Vpc(*vpc)).collect()
    }

    /// Says where some interfaces are, of VPCs that are to be written anyway.
    pub fn place_some(&mut self, enis: &BTreeSet<EniId>, mut places: Places) {
        for eni in enis {
            match places.remove(eni) {
                Some(place) => drop(self.places.insert(*eni, place)),
                None => drop(self.places.remove(eni)),
            }
        }
    }

    /// Brings a part to what it must be.
    ///
    /// # Errors
    ///
    /// What kept it from that.
    pub fn write(&mut self, id: PartId) -> Result<Written, Error> {
        let part = match id {
            PartId::Vpc(vpc) => self.vpcs.get(&vpc).map(|intent| {
                // Before any route leads there, a link has its number.
                for pcx in intent.peerings.keys() {
                    if let Some(link) = self.peerings.get(pcx) {
                        self.links.ensure(*pcx, [link.requester, link.accepter]);
                    }
                }
                vpc_part(vpc, intent, &self.links, &self.places).0
            }),
            PartId::Peering(pcx) => match self.peerings.get(&pcx) {
                Some(link) => {
                    let ends = [link.requester, link.accepter];
                    self.links.ensure(pcx, ends).ok_or(Error::NoLink)?;
                    Some(peering_part(pcx, link, &self.links).ok_or(Error::NoLink)?)
                }
                None => None,
            },
        };
        let applied = self.central.apply(id, part.as_ref())?;
        match (&part, id) {
            (Some(_), _) => {
                if applied.changes > 0 || !self.written.contains_key(&id) {
                    self.written.insert(id, applied.number);
                }
                Ok(Written::Is(applied.changes))
            }
            (None, PartId::Peering(pcx)) => {
                self.links.remove(pcx);
                self.written.remove(&id);
                Ok(Written::Gone)
            }
            (None, PartId::Vpc(_)) => {
                self.written.remove(&id);
                Ok(Written::Gone)
            }
        }
    }

    /// Whether the rows of a part are there, and which hosts have not taken them up, out of those that have ports of
    /// it; `None` where it was not written.
    pub fn lag(&self, id: PartId) -> Option<Lag> {
        Some(self.uptake.lag(&self.interfaces(id), *self.written.get(&id)?))
    }

    /// Waits until the hosts have taken up these parts, as long as patience lasts, and says which parts lag.
    pub fn wait(&self, parts: &[PartId], patience: Duration) -> BTreeMap<PartId, Lag> {
        let deadline = Instant::now() + patience;
        let mut late = BTreeMap::new();
        for id in parts {
            let Some(number) = self.written.get(id) else { continue };
            let left = deadline.saturating_duration_since(Instant::now());
            let lag = self.uptake.wait(&self.interfaces(*id), *number, left);
            if !lag.is_none() {
                late.insert(*id, lag);
            }
        }
        late
    }

    /// What of a VPC's intent the rows do not carry.
    pub fn left_out(&self, vpc: VpcId) -> BTreeSet<LeftOut> {
        let Some(intent) = self.vpcs.get(&vpc) else { return BTreeSet::new() };
        vpc_part(vpc, intent, &self.links, &self.places).1
    }

    /// The writer of the northbound database.
    pub fn central(&self) -> &Central {
        &self.central
    }

    /// What hosts report.
    pub fn uptake(&self) -> &Uptake {
        &self.uptake
    }

    /// The VPCs in whose routers a part has rows.
    pub(crate) fn ends(&self, id: PartId) -> Vec<VpcId> {
        match id {
            PartId::Vpc(vpc) => vec![vpc],
            PartId::Peering(pcx) => {
                let link = self.peerings.get(&pcx);
                link.map(|link| vec![link.requester, link.accepter]).unwrap_or_default()
            }
        }
    }

    /// The interfaces of all VPCs.
    pub(crate) fn all_interfaces(&self) -> BTreeSet<EniId> {
        self.vpcs.values().flat_map(|vpc| vpc.interfaces.keys().copied()).collect()
    }

    /// The interfaces whose hosts must have a part.
    fn interfaces(&self, id: PartId) -> BTreeSet<EniId> {
        let ends = self.ends(id);
        let vpcs = ends.iter().filter_map(|vpc| self.vpcs.get(vpc));
        vpcs.flat_map(|vpc| vpc.interfaces.keys().copied()).collect()
    }
}
