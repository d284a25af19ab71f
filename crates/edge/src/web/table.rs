//! What every request looks up: the app of a host, and the dynos of an app.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use model::edge::{BackendState, known_as};
use model::{Cidr, DynoId};
use tokio::sync::Notify;

use super::dyno::{Dyno, Lease};
use super::in_flight::begin_at_least;
use super::log::AppLog;
use crate::clock;
use crate::sockets::Namespace;

/// Hosts in lower case, and the apps that they belong to.
pub(crate) type Hosts = ArcSwap<imbl::HashMap<Box<str>, Arc<App>>>;

/// An app. The same value stands for it as long as the intent has it.
#[derive(Debug)]
pub(crate) struct App {
    /// The app's router log.
    pub log: Arc<AppLog>,
    /// How the app's requests are served now.
    pub view: ArcSwap<View>,
    /// Wakes the requests that wait for a change of `view`.
    pub changed: Notify,
}

/// How an app's requests are served. By default there is no dyno to serve them.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// The clients that may use the app over the public router.
    pub trusted: Arc<[Cidr]>,
    /// The namespaces from which the app's dynos are reached.
    pub exits: Arc<[Namespace]>,
    /// Whether the app's web dynos crashed.
    pub crashed: bool,
    /// The dynos that take requests.
    pub up: Vec<Arc<Dyno>>,
    /// The dynos that start.
    pub starting: Vec<Arc<Dyno>>,
}

/// The outcome of a choice of a dyno.
#[derive(Debug)]
pub(crate) enum Choice {
    /// The request has this dyno.
    Dyno(Lease),
    /// No dyno takes requests, but one starts.
    Wait,
    /// No dyno takes requests, for the app's web dynos crashed.
    Crashed,
    /// The app has no web dynos.
    Nothing,
}

impl View {
    /// Whether a client may use the app over the public router.
    pub(crate) fn trusts(&self, client: IpAddr) -> bool {
        self.trusted.iter().any(|cidr| match client.to_canonical() {
            IpAddr::V4(address) => cidr.contains(address),
            // The ranges are of IPv4. An app that admits all of it admits everybody.
            IpAddr::V6(address) => address.is_loopback() || cidr.prefix_len() == 0,
        })
    }

    /// Chooses one of the dynos that were not tried: of two at random, the one with fewer
    /// requests under way.
    pub(crate) fn choose(&self, tried: &[DynoId]) -> Choice {
        if let Some(lease) = self.of_two(tried).or_else(|| self.any(tried)) {
            return Choice::Dyno(lease);
        }
        let untried = |dyno: &&Arc<Dyno>| !tried.contains(&dyno.id);
        // The controller that would say that a dyno is up may be away. That it listens is enough then.
        let bound = self.starting.iter().filter(untried).filter(|dyno| dyno.is_bound());
        if let Some(lease) = bound.into_iter().find_map(Lease::begin) {
            return Choice::Dyno(lease);
        }
        if self.starting.iter().any(|dyno| dyno.state() == BackendState::Starting) {
            Choice::Wait
        } else if self.crashed {
            Choice::Crashed
        } else {
            Choice::Nothing
        }
    }

    /// Whether another dyno may take a request that this one does not answer.
    pub(crate) fn has_another(&self, than: DynoId, tried: &[DynoId]) -> bool {
        let other = |dyno: &Arc<Dyno>| dyno.id != than && !tried.contains(&dyno.id);
        self.up.iter().any(|dyno| other(dyno) && !dyno.is_avoided())
    }

    fn of_two(&self, tried: &[DynoId]) -> Option<Lease> {
        let count = self.up.len();
        if count == 0 {
            return None;
        }
        let chance = clock::chance();
        let one = self.up.get(chance as u32 as usize % count)?;
        let other = self.up.get((chance >> 32) as usize % count)?;
        let fewer = if other.requests() < one.requests() { other } else { one };
        if tried.contains(&fewer.id) || fewer.is_avoided() {
            return None;
        }
        Lease::begin(fewer)
    }

    fn any(&self, tried: &[DynoId]) -> Option<Lease> {
        let untried = self.up.iter().filter(|dyno| !tried.contains(&dyno.id));
        begin_at_least(untried, |dyno| (dyno.is_avoided(), dyno.requests()), Lease::begin)
    }
}

/// The app of a host, which may be in upper case: the app that has the host itself, or else the one with
/// the most specific pattern that matches it.
pub(crate) fn find(hosts: &Hosts, host: &str) -> Option<Arc<App>> {
    let table = hosts.load();
    let known = |host: &str| known_as(host).find_map(|name| table.get(name.as_ref()).cloned());
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return known(&host.to_ascii_lowercase());
    }
    known(host)
}

/// Removes hosts and adds others, in one step.
pub(crate) fn change(hosts: &Hosts, gone: &[String], come: &HashMap<String, Arc<App>>) {
    let mut table = imbl::HashMap::clone(&hosts.load());
    for host in gone {
        table.remove(host.as_str());
    }
    #[expect(clippy::iter_over_hash_type, reason = "a map is filled; order does not matter")]
    for (host, app) in come {
        table.insert(host.as_str().into(), Arc::clone(app));
    }
    hosts.store(Arc::new(table));
}
