//! The names and ports under which apps are served.

use std::net::SocketAddr;

use model::App;
use model::edge::Domains;

/// The platform's domains, and the addresses of the public router.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Web {
    /// The domains of the platform.
    pub domains: Domains,
    /// The address where the public router takes HTTP; `None` if it does not.
    pub router: Option<SocketAddr>,
    /// The address where it takes HTTPS; `None` if it does not.
    pub router_tls: Option<SocketAddr>,
}

impl Web {
    /// The URL of an app. Without a public router of our own, something in front of it is taken to
    /// listen on the standard port, as the internal router does.
    pub fn url(&self, app: &App) -> String {
        let host = self.domains.host(app);
        let (scheme, standard, address) = match (app.internal_routing, self.router, self.router_tls)
        {
            (true, ..) | (false, None, None) => ("http", 80, None),
            (false, Some(router), _) => ("http", 80, Some(router)),
            (false, None, Some(router)) => ("https", 443, Some(router)),
        };
        match address.map(|address| address.port()).filter(|port| *port != standard) {
            Some(port) => format!("{scheme}://{host}:{port}/"),
            None => format!("{scheme}://{host}/"),
        }
    }
}
