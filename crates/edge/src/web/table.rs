//! Which app a host is, and which dynos an app has: what every request looks up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use model::edge::{BackendState, known_as};
use model::{Cidr, DynoId};
use tokio::sync::Notify;

use super::dyno::{Dyno, Lease};
use super::log::AppLog;
use crate::clock;
use crate::sockets::Namespace;

/// Hosts in lower case, and the apps that they are.
pub type Hosts = ArcSwap<imbl::HashMap<Box<str>, Arc<App>>>;

/// An app. It stays the same one from table to table.
#[derive(Debug)]
pub struct App {
    /// Its log.
    pub log: Arc<AppLog>,
    /// How its requests are served now.
    pub view: ArcSwap<View>,
    /// Wakes the requests that wait for a change of it.
    pub changed: Notify,
}

/// How an app's requests are served. By default there is nobody to serve them.
#[derive(Debug, Default)]
pub struct View {
    /// Who may ask for it in public.
    pub trusted: Arc<[Cidr]>,
    /// From where its dynos are reached.
    pub exits: Arc<[Namespace]>,
    /// Whether its web dynos crashed.
    pub crashed: bool,
    /// Those that take requests.
    pub up: Vec<Arc<Dyno>>,
    /// Those that start.
    pub starting: Vec<Arc<Dyno>>,
}

/// What became of the choice of a dyno.
#[derive(Debug)]
pub enum Choice {
    /// This one.
    Dyno(Lease),
    /// None yet, but one may come.
    Wait,
    /// None, and the app's web dynos crashed.
    Crashed,
    /// None.
    Nothing,
}

impl View {
    /// Whether somebody may ask for the app in public.
    pub fn trusts(&self, client: IpAddr) -> bool {
        self.trusted.iter().any(|cidr| match client.to_canonical() {
            IpAddr::V4(address) => cidr.contains(address),
            // Ranges are of IPv4; who admits all of it admits everybody.
            IpAddr::V6(address) => address.is_loopback() || cidr.prefix_len() == 0,
        })
    }

    /// Chooses one of the dynos that were not tried: of two at random, the one with fewer
    /// requests under way.
    pub fn choose(&self, tried: &[DynoId]) -> Choice {
        if let Some(lease) = self.of_two(tried).or_else(|| self.any(tried)) {
            return Choice::Dyno(lease);
        }
        let untried = |dyno: &&Arc<Dyno>| !tried.contains(&dyno.id);
        // Who tells us that it is up may be away; that it answers is enough then.
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

    fn of_two(&self, tried: &[DynoId]) -> Option<Lease> {
        let count = self.up.len();
        if count == 0 {
            return None;
        }
        let chance = clock::chance();
        let one = self.up.get(chance as u32 as usize % count)?;
        let other = self.up.get((chance >> 32) as usize % count)?;
        let fewer = if other.under_way() < one.under_way() { other } else { one };
        if tried.contains(&fewer.id) || fewer.is_avoided() {
            return None;
        }
        Lease::begin(fewer)
    }

    fn any(&self, tried: &[DynoId]) -> Option<Lease> {
        let mut untried: Vec<_> = self.up.iter().filter(|dyno| !tried.contains(&dyno.id)).collect();
        untried.sort_by_key(|dyno| (dyno.is_avoided(), dyno.under_way()));
        untried.into_iter().find_map(Lease::begin)
    }
}

/// An app by a host, which may be in upper case: the one that has it as its own, or else the
/// nearest pattern that stands for it.
pub fn find(hosts: &Hosts, host: &str) -> Option<Arc<App>> {
    let table = hosts.load();
    let known = |host: &str| known_as(host).find_map(|name| table.get(name.as_ref()).cloned());
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return known(&host.to_ascii_lowercase());
    }
    known(host)
}

/// Puts apps under hosts, and takes hosts away, in one step.
pub fn change(hosts: &Hosts, gone: &[String], come: &HashMap<String, Arc<App>>) {
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
