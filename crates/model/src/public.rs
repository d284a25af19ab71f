//! Which public address leads to what.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::resource::{ElasticIp, Eni, InternetGateway, Outbound, Space};
use crate::{Alias, Cidr, Key, VpcId, World};

/// The public address that an address of an interface has.
#[derive(Debug, Clone, Copy)]
pub struct PublicOf<'w> {
    /// The public address.
    pub address: Ipv4Addr,
    /// The elastic IP address that it is; `None` for one that comes and goes with an instance.
    pub elastic: Option<&'w Arc<ElasticIp>>,
}

impl World {
    /// The block that public addresses come from.
    pub fn public_pool(&self) -> Cidr {
        self.outbound().map_or(Outbound::WITHOUT, Outbound::pool)
    }

    /// How networks reach what is outside; `None` where nothing does.
    pub fn outbound(&self) -> Option<&Outbound> {
        self.settings()?.outbound.as_ref()
    }

    /// The public address that an interface's address has.
    pub fn public_of(&self, eni: &Eni, private: Ipv4Addr) -> Option<PublicOf<'_>> {
        let elastic = self
            .elastic_ips_of(Key::Eni(eni.id))
            .find(|elastic| elastic.association.is_some_and(|a| a.private == private));
        match elastic {
            Some(elastic) => Some(PublicOf { address: elastic.address, elastic: Some(elastic) }),
            None if eni.addresses.first() == Some(&private) => {
                let address = eni.public.address()?;
                Some(PublicOf { address, elastic: None })
            }
            None => None,
        }
    }

    /// The interface that has a public address, with the private address that it stands for.
    pub fn at_public(&self, address: Ipv4Addr) -> Option<(&Arc<Eni>, Ipv4Addr)> {
        match self.find(&Alias::PublicAddress(address))? {
            Key::ElasticIp(id) => {
                let association = self.elastic_ip(id)?.association?;
                Some((self.eni(association.eni)?, association.private))
            }
            Key::Eni(id) => {
                let eni = self.eni(id)?;
                Some((eni, *eni.addresses.first()?))
            }
            _ => None,
        }
    }

    /// The public address by which a space's dynos go out, as long as they do.
    pub fn way_out(&self, space: &Space) -> Option<Ipv4Addr> {
        self.outbound()?;
        let nat = self.nat_gateway(space.nat_gateway?)?;
        Some(self.elastic_ip(nat.allocation?)?.address)
    }

    /// The internet gateway that is attached to a VPC.
    pub fn gateway_of(&self, vpc: VpcId) -> Option<&Arc<InternetGateway>> {
        self.gateways_of(Key::Vpc(vpc)).find(|gateway| gateway.vpc == Some(vpc))
    }

    /// Whether anything in a VPC has a public address, so that its internet gateway is in use.
    pub fn has_public_addresses(&self, vpc: VpcId) -> bool {
        self.enis_in(Key::Vpc(vpc))
            .any(|eni| eni.addresses.iter().any(|private| self.public_of(eni, *private).is_some()))
    }
}
