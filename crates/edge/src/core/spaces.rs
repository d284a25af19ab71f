//! The routers of spaces.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use model::edge::{AppRoute, BackendState, RouterIntent};
use model::{AppId, DynoId, EniId, SpaceId};
use tokio::sync::Notify;

use super::dynos::Dynos;
use super::listeners::Listeners;
use super::listening::{Acceptor, Listening};
use super::shared::Shared;
use crate::protocol::{Namespaces, SocketId};
use crate::sockets::Namespace;
use crate::web::Scope;
use crate::web::connections::Endpoint;
use crate::web::table::{App, Hosts, View, change};

/// The routers of all spaces.
pub(crate) struct Spaces {
    shared: Arc<Shared>,
    spaces: BTreeMap<SpaceId, Space>,
}

/// A space's router.
#[derive(Default)]
struct Space {
    hosts: Arc<Hosts>,
    apps: BTreeMap<AppId, Arc<App>>,
    listening: BTreeMap<(EniId, Ipv4Addr, Namespace), Vec<(SocketId, Listening)>>,
}

impl Spaces {
    /// No routers.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, spaces: BTreeMap::new() }
    }

    /// Calls a closure with each socket that is wanted.
    pub(crate) fn each(&self, look: &mut impl FnMut(SocketId, &Listening)) {
        let spaces = self.spaces.values();
        for (id, listening) in spaces.flat_map(|space| space.listening.values()).flatten() {
            look(*id, listening);
        }
    }

    /// Closes all sockets.
    pub(crate) fn close(&mut self) {
        for space in self.spaces.values_mut() {
            space.listening.clear();
        }
    }

    /// Makes a space's router what the intent says, or ends it if there is no intent. `before` is
    /// the intent until now; `namespaces` are those of the interfaces.
    pub(crate) fn set(
        &mut self,
        id: SpaceId,
        before: Option<&RouterIntent>,
        after: Option<&RouterIntent>,
        namespaces: &Namespaces,
        dynos: &mut Dynos,
        listeners: &mut Listeners,
    ) {
        let shared = &self.shared;
        let mut space = self.spaces.remove(&id).unwrap_or_default();
        let interfaces =
            after.map(|intent| located(intent, namespaces, shared)).unwrap_or_default();
        // The state of each dyno comes first: what a request looks up never says more than it.
        if let Some(intent) = after {
            let exits = interfaces.iter().map(|(_, _, namespace)| namespace.clone()).collect();
            space.set_apps(intent, &exits, shared, dynos);
        }
        for app in gone(&space, after) {
            if let Some(app) = space.apps.remove(&app) {
                show(&app, View::default());
            }
        }
        for internal in [false, true] {
            let (old, new) = (hosts(before, internal), hosts(after, internal));
            let table: &Hosts = if internal { &space.hosts } else { &shared.web.public };
            let lost: Vec<String> =
                old.keys().filter(|host| !new.contains_key(*host)).cloned().collect();
            let apps: HashMap<String, Arc<App>> = new
                .into_iter()
                .filter_map(|(host, app)| Some((host, Arc::clone(space.apps.get(&app)?))))
                .collect();
            change(table, &lost, &apps);
        }
        let left = after.map(dynos_of).unwrap_or_default();
        for dyno in before.map(dynos_of).unwrap_or_default().difference(&left) {
            dynos.remove(*dyno);
        }
        if after.is_some() {
            space.listen(id, &interfaces, shared, listeners);
            self.spaces.insert(id, space);
        }
    }
}

impl Space {
    fn set_apps(
        &mut self,
        intent: &RouterIntent,
        exits: &Arc<[Namespace]>,
        shared: &Shared,
        dynos: &mut Dynos,
    ) {
        let trusted: Arc<[model::Cidr]> = intent.trusted.clone().into();
        for (id, route) in &intent.apps {
            let mut view = View {
                trusted: Arc::clone(&trusted),
                exits: Arc::clone(exits),
                crashed: route.crashed,
                ..View::default()
            };
            for backend in &route.backends {
                let dyno = dynos.set(backend, exits);
                match backend.state {
                    BackendState::Starting => view.starting.push(dyno),
                    BackendState::Up => view.up.push(dyno),
                    BackendState::Draining => {}
                }
            }
            let app = self.apps.entry(*id).or_insert_with(|| {
                Arc::new(App {
                    log: shared.logs.of(*id),
                    view: ArcSwap::default(),
                    changed: Notify::new(),
                })
            });
            show(app, view);
        }
    }

    fn listen(
        &mut self,
        id: SpaceId,
        interfaces: &[(EniId, Ipv4Addr, Namespace)],
        shared: &Shared,
        listeners: &mut Listeners,
    ) {
        self.listening.retain(|interface, _| interfaces.contains(interface));
        let location = shared.config.location;
        for interface in interfaces {
            if self.listening.contains_key(interface) {
                continue;
            }
            let (eni, address, namespace) = interface;
            let mut sockets = vec![(SocketId::SpaceHttp(id, *eni), location.http(), None)];
            if let Some(tls) = &shared.tls {
                let tls = Some(tls.clone());
                sockets.push((SocketId::SpaceHttps(id, *eni), location.https(), tls));
            }
            let listening = sockets.into_iter().filter_map(|(socket, port, tls)| {
                let scope = Scope::Space(Arc::clone(&self.hosts));
                let acceptor = Acceptor::Web(Endpoint { scope, port, tls });
                let address = SocketAddr::new(IpAddr::V4(*address), port);
                Some((socket, listeners.listen(socket, namespace.clone(), address, acceptor)?))
            });
            let listening = listening.collect();
            self.listening.insert(interface.clone(), listening);
        }
    }
}

/// The interfaces of a space's router, with the namespaces that the controller said.
fn located(
    intent: &RouterIntent,
    namespaces: &Namespaces,
    shared: &Shared,
) -> Vec<(EniId, Ipv4Addr, Namespace)> {
    let locate = |(eni, address): (&EniId, &Ipv4Addr)| {
        let namespace = shared.namespace(namespaces.interfaces.get(eni));
        if namespace.is_none() {
            tracing::warn!(%eni, "nobody said into which namespace this interface leads");
        }
        Some((*eni, *address, namespace?))
    };
    intent.interfaces.iter().filter_map(locate).collect()
}

/// The dynos of all apps of a space.
fn dynos_of(intent: &RouterIntent) -> BTreeSet<DynoId> {
    intent.apps.values().flat_map(|app| &app.backends).map(|backend| backend.dyno).collect()
}

fn show(app: &App, view: View) {
    app.view.store(Arc::new(view));
    app.changed.notify_waiters();
}

fn gone(space: &Space, after: Option<&RouterIntent>) -> Vec<AppId> {
    let stays = |app: &AppId| after.is_some_and(|intent| intent.apps.contains_key(app));
    space.apps.keys().filter(|app| !stays(app)).copied().collect()
}

/// The hosts of a space's apps that one of the routers serves.
fn hosts(intent: Option<&RouterIntent>, internal: bool) -> BTreeMap<String, AppId> {
    let apps = intent.into_iter().flat_map(|intent| &intent.apps);
    let served = apps.filter(|(_, route)| route.internal == internal);
    let named = |(id, route): (&AppId, &AppRoute)| -> Vec<(String, AppId)> {
        route.hosts.iter().map(|host| (host.to_ascii_lowercase(), *id)).collect()
    };
    served.flat_map(named).collect()
}
