//! Opens the sockets that the intent wants, with those that came from the edge before this one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::listening::{Acceptor, Environment, Listening};
use crate::protocol::SocketId;
use crate::sockets::Namespace;

/// What opens sockets, until a successor has them.
pub(crate) struct Listeners {
    environment: Arc<Environment>,
    /// Sockets that came from the edge before this one.
    adopted: BTreeMap<SocketId, OwnedFd>,
    replaced: bool,
}

impl Listeners {
    /// Opens sockets, and takes over those that are open already.
    pub(crate) fn new(environment: Arc<Environment>, adopted: BTreeMap<SocketId, OwnedFd>) -> Self {
        Self { environment, adopted, replaced: false }
    }

    /// Listens on a socket as long as what this gives is there. Nothing is listened to once a
    /// successor took over.
    pub(crate) fn listen(
        &mut self,
        id: SocketId,
        namespace: Namespace,
        address: SocketAddr,
        acceptor: Acceptor,
    ) -> Option<Listening> {
        if self.replaced {
            return None;
        }
        let adopted = self.adopted.remove(&id);
        Some(Listening::start(&self.environment, namespace, address, acceptor, adopted))
    }

    /// Closes the sockets of the edge before this one that nothing was listened to on.
    pub(crate) fn drop_adopted(&mut self) {
        self.adopted.clear();
    }

    /// A successor took over.
    pub(crate) fn set_replaced(&mut self) {
        self.replaced = true;
    }
}
