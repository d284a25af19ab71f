//! What everything in an edge shares, and never changes.

use std::sync::Arc;

use super::listening::Environment;
use crate::config::{Config, Location};
use crate::dns::forward::Forwarder;
use crate::dns::known::Platform;
use crate::protocol::Hello;
use crate::sockets::Namespace;
use crate::tls::Identity;
use crate::web::Web;
use crate::web::log::Logs;

/// What everything in an edge shares.
pub(crate) struct Shared {
    /// The configuration.
    pub(crate) config: Config,
    /// Who this edge is, for its controller.
    pub(crate) hello: Hello,
    /// The routers.
    pub(crate) web: Arc<Web>,
    /// What listening sockets need.
    pub(crate) environment: Arc<Environment>,
    /// The names in the platform's domains.
    pub(crate) platform: Arc<Platform>,
    /// Asks resolvers beyond the host, unless the configuration says to ask none.
    pub(crate) forwarder: Option<Arc<Forwarder>>,
    /// The routers' logs.
    pub(crate) logs: Logs,
    /// Makes connections to the routers secure, if there is a certificate.
    pub(crate) tls: Option<Arc<Identity>>,
}

impl Shared {
    /// The namespace for sockets of a part of the intent, by the name that the controller said;
    /// `None` if it said none.
    pub(crate) fn namespace(&self, name: Option<&String>) -> Option<Namespace> {
        match self.config.location {
            Location::Namespaces => name.map(|name| Namespace::Named(name.as_str().into())),
            Location::Here { .. } => Some(Namespace::Own),
        }
    }
}
