//! The resolvers of VPCs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use model::VpcId;
use model::edge::ResolverIntent;

use super::listeners::Listeners;
use super::listening::{Acceptor, Listening};
use super::shared::Shared;
use crate::dns::known::{Knowledge, Zones};
use crate::dns::serve::Resolver;
use crate::protocol::SocketId;
use crate::sockets::Namespace;

/// The resolvers of all VPCs.
pub(crate) struct Vpcs {
    shared: Arc<Shared>,
    vpcs: BTreeMap<VpcId, Vpc>,
}

/// A VPC's resolver.
struct Vpc {
    resolver: Arc<Resolver>,
    listening: BTreeMap<(Ipv4Addr, Namespace), Vec<(SocketId, Listening)>>,
}

impl Vpcs {
    /// No resolvers.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, vpcs: BTreeMap::new() }
    }

    /// Calls a closure with each socket that is wanted.
    pub(crate) fn each(&self, look: &mut impl FnMut(SocketId, &Listening)) {
        for (id, listening) in self.vpcs.values().flat_map(|vpc| vpc.listening.values()).flatten() {
            look(*id, listening);
        }
    }

    /// Closes all sockets.
    pub(crate) fn close(&mut self) {
        for vpc in self.vpcs.values_mut() {
            vpc.listening.clear();
        }
    }

    /// Makes a VPC's resolver what the intent says, or ends it if there is no intent. It answers in a
    /// namespace by the name that the controller said.
    pub(crate) fn set(
        &mut self,
        id: VpcId,
        intent: Option<&ResolverIntent>,
        namespace: Option<&String>,
        listeners: &mut Listeners,
    ) {
        let Some(intent) = intent else {
            self.vpcs.remove(&id);
            return;
        };
        let shared = &self.shared;
        let platform = Arc::clone(&shared.platform);
        let known = Knowledge::Vpc(platform, Box::new(Zones::new(intent.clone())));
        let vpc = match self.vpcs.entry(id) {
            Entry::Occupied(vpc) => {
                vpc.get().resolver.known.store(Arc::new(known));
                vpc.into_mut()
            }
            Entry::Vacant(vpc) => {
                let rate = shared.config.limits.dns_rate;
                let resolver = Arc::new(Resolver::new(known, shared.forwarder.clone(), rate));
                vpc.insert(Vpc { resolver, listening: BTreeMap::new() })
            }
        };
        let Some(namespace) = shared.namespace(namespace) else {
            tracing::warn!(%id, "nobody said in which namespace this VPC's resolver is to answer");
            vpc.listening.clear();
            return;
        };
        vpc.listening.retain(|(address, place), _| {
            intent.addresses.contains(address) && *place == namespace
        });
        for address in &intent.addresses {
            let key = (*address, namespace.clone());
            if vpc.listening.contains_key(&key) {
                continue;
            }
            let socket = SocketAddr::new(IpAddr::V4(*address), shared.config.location.dns());
            let acceptors = [
                (
                    SocketId::VpcDatagrams(id, *address),
                    Acceptor::Datagrams(Arc::clone(&vpc.resolver)),
                ),
                (SocketId::VpcStreams(id, *address), Acceptor::Streams(Arc::clone(&vpc.resolver))),
            ];
            let listening = acceptors.into_iter().filter_map(|(id_of_socket, acceptor)| {
                let listening =
                    listeners.listen(id_of_socket, namespace.clone(), socket, acceptor)?;
                Some((id_of_socket, listening))
            });
            let listening = listening.collect();
            vpc.listening.insert(key, listening);
        }
    }
}
