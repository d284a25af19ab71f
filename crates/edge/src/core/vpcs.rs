//! The resolvers of VPCs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use model::VpcId;
use model::edge::ResolverIntent;

use super::listening::{Listening, Spot, Taker};
use super::{Core, at};
use crate::dns::known::{Knowledge, Zones};
use crate::dns::serve::Resolver;

/// A VPC's resolver.
pub struct Vpc {
    resolver: Arc<Resolver>,
    listening: BTreeMap<Ipv4Addr, [(Spot, Listening); 2]>,
}

impl Vpc {
    /// Looks at each of its sockets.
    pub fn each(&self, look: &mut impl FnMut(Spot, &Listening)) {
        for (spot, listening) in self.listening.values().flatten() {
            look(*spot, listening);
        }
    }

    /// Closes its sockets.
    pub fn close(&mut self) {
        self.listening.clear();
    }
}

impl Core {
    pub(super) fn set_vpc(&mut self, id: VpcId, intent: Option<ResolverIntent>) {
        let Some(intent) = intent else {
            self.vpcs.remove(&id);
            self.intent.vpcs.remove(&id);
            return;
        };
        let platform = Arc::clone(&self.shared.platform);
        let known = Knowledge::Vpc(platform, Box::new(Zones::new(intent.clone())));
        let mut vpc = match self.vpcs.remove(&id) {
            Some(vpc) => {
                vpc.resolver.known.store(Arc::new(known));
                vpc
            }
            None => {
                let rate = self.shared.config.limits.dns_rate;
                let resolver = Resolver::new(known, self.shared.forwarder.clone(), rate);
                Vpc { resolver: Arc::new(resolver), listening: BTreeMap::new() }
            }
        };
        vpc.listening.retain(|address, _| intent.addresses.contains(address));
        for address in &intent.addresses {
            if !self.replaced && !vpc.listening.contains_key(address) {
                let sockets = self.resolve_at(id, *address, &vpc.resolver);
                vpc.listening.insert(*address, sockets);
            }
        }
        self.vpcs.insert(id, vpc);
        self.intent.vpcs.insert(id, intent);
    }

    fn resolve_at(
        &mut self,
        id: VpcId,
        address: Ipv4Addr,
        resolver: &Arc<Resolver>,
    ) -> [(Spot, Listening); 2] {
        let socket = at(address, self.shared.config.place.dns());
        let takers = [
            (Spot::VpcDatagrams(id, address), Taker::Datagrams(Arc::clone(resolver))),
            (Spot::VpcStreams(id, address), Taker::Streams(Arc::clone(resolver))),
        ];
        takers.map(|(spot, taker)| (spot, self.listen(spot, self.router_of(id), socket, taker)))
    }
}
