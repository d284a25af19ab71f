//! What the edge must answer: names inside VPCs, and web requests for apps.
//!
//! The edge is a process of its own, so that a restart of the server costs no request. It is told
//! this and nothing else. Like the fabric's intent it is pure data, in parts that follow from their
//! own resources alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::resource::App;
use crate::{AppId, Cidr, DynoId, EniId, SpaceId, VpcId};

/// The address at which the resolver of every VPC answers, as in EC2, beside the one in the VPC's
/// own block (`ec2.md` §1.8).
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);

/// The platform's own domains, under which apps have names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domains {
    /// The domain of apps that the public router serves.
    pub public: String,
    /// Of apps with internal routing. It may be the same, but not where clients take the public
    /// one for their own machine, as most take `.localhost`.
    pub internal: String,
}

impl Default for Domains {
    fn default() -> Self {
        Self { public: "apps.localhost".to_owned(), internal: "apps.internal".to_owned() }
    }
}

impl Domains {
    /// An app's own name.
    pub fn host(&self, app: &App) -> String {
        let domain = if app.internal_routing { &self.internal } else { &self.public };
        format!("{}.{domain}", app.label)
    }

    /// Whether a host's name, or a pattern of names, lies in one of them, or is a pattern that
    /// stands for names in one of them: it is no custom domain then, whoever says so, for it may
    /// be another app's own name.
    pub fn hold(&self, host: &str) -> bool {
        let pattern = host.strip_prefix("*.");
        let name = pattern.unwrap_or(host);
        [&self.public, &self.internal].into_iter().any(|domain| {
            is_in(name, domain) || pattern.is_some_and(|parent| is_in(domain, parent))
        })
    }
}

/// Whether a name is a domain or lies under it, both in lower case.
pub fn is_in(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// What a name may be known as, in the order in which to look it up: as itself, then as one of all
/// names under a domain that it lies in, nearest domain first. `a.b.example.com` is known as
/// `a.b.example.com`, `*.b.example.com` or `*.example.com`.
///
/// So `*.example.com` stands for every name under `example.com`, however deep, as a wildcard in
/// DNS does, but not for `example.com` itself, and gives way to whatever is more exact.
pub fn known_as(name: &str) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let parents = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
    let patterns =
        parents.filter(|parent| parent.contains('.')).map(|parent| format!("*.{parent}"));
    std::iter::once(name.into()).chain(patterns.map(Into::into))
}

/// Everything that the edge must answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeIntent {
    /// The resolvers, one for each VPC in which anything could ask.
    pub vpcs: BTreeMap<VpcId, ResolverIntent>,
    /// The routers of web requests, one for each space that is allocated.
    pub spaces: BTreeMap<SpaceId, RouterIntent>,
}

/// What changed of an [`EdgeIntent`]: `None` means that it must go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeDelta {
    /// Resolvers made, changed or removed.
    pub vpcs: BTreeMap<VpcId, Option<ResolverIntent>>,
    /// Routers made, changed or removed.
    pub spaces: BTreeMap<SpaceId, Option<RouterIntent>>,
}

/// The resolver of one VPC. It answers to the VPC's own interfaces alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverIntent {
    /// The addresses at which it answers: the base of the primary block + 2, and [`RESOLVER`].
    pub addresses: Vec<Ipv4Addr>,
    /// What it alone knows: names under these that are not in `names` do not exist. In lower case,
    /// without a trailing dot.
    pub zones: BTreeSet<String>,
    /// The addresses of names, in lower case and without a trailing dot. A name that is looked up
    /// is any of those that [`known_as`] lists.
    pub names: BTreeMap<String, Vec<Ipv4Addr>>,
    /// The name of each address, for reverse look-ups.
    pub pointers: BTreeMap<Ipv4Addr, String>,
}

/// The web side of one space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterIntent {
    /// The VPC of the space.
    pub vpc: VpcId,
    /// The interfaces on which the internal router answers, and from which dynos are reached.
    pub interfaces: BTreeMap<EniId, Ipv4Addr>,
    /// The trusted IP ranges: the sources from which the space's public apps take requests.
    pub trusted: Vec<Cidr>,
    /// How requests for each app of the space are served.
    pub apps: BTreeMap<AppId, AppRoute>,
}

/// How requests for one app are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRoute {
    /// The app's name, for logs.
    pub name: String,
    /// Whether it is served by the internal router alone (R26), or by the public one alone (R19).
    pub internal: bool,
    /// Under which names, in lower case and without a trailing dot: its own under the platform's
    /// domain, and custom ones. Among these may be patterns such as `*.example.com`: a host that a
    /// request names (its case, port and trailing dot do not matter) is for the app that has the
    /// first of those that [`known_as`] lists.
    pub hosts: BTreeSet<String>,
    /// The app's web dynos that run or are about to.
    pub backends: Vec<Backend>,
    /// Whether its web dynos crashed, which is told apart from having none (H10, H14).
    pub crashed: bool,
}

/// A web dyno.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The dyno's id.
    pub dyno: DynoId,
    /// The dyno's name, for logs: `web.1`.
    pub name: String,
    /// The dyno's address in the space.
    pub address: Ipv4Addr,
    /// The port that it was told to bind.
    pub port: u16,
    /// The dyno's state.
    pub state: BackendState,
}

/// The state of a web dyno, as far as the edge needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendState {
    /// It is about to run and to bind its port: to be tried until it answers, then told of.
    Starting,
    /// It takes requests.
    Up,
    /// It takes no new requests; once those under way are done, that is to be told.
    Draining,
}

/// An observation of the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeEvent {
    /// A starting web dyno bound its port.
    Bound(DynoId),
    /// A draining web dyno has no request left.
    Drained(DynoId),
}
