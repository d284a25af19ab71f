//! The routers of spaces.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use model::edge::{AppRoute, BackendState, RouterIntent};
use model::{AppId, DynoId, EniId, SpaceId};
use tokio::sync::Notify;

use super::listening::{Listening, Spot, Taker};
use super::{Core, at};
use crate::sockets::Namespace;
use crate::web::Scope;
use crate::web::doors::Door;
use crate::web::table::{App, Hosts, View, change};

/// A space's router.
#[derive(Default)]
pub struct Space {
    hosts: Arc<Hosts>,
    apps: BTreeMap<AppId, Arc<App>>,
    listening: BTreeMap<(EniId, Ipv4Addr), Vec<(Spot, Listening)>>,
}

impl Space {
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
    pub(super) fn set_space(&mut self, id: SpaceId, intent: Option<RouterIntent>) {
        let before = self.intent.spaces.remove(&id);
        let mut space = self.spaces.remove(&id).unwrap_or_default();
        let after = intent.as_ref();
        let dynos = |intent: &RouterIntent| -> BTreeSet<DynoId> {
            intent.apps.values().flat_map(|app| &app.backends).map(|it| it.dyno).collect()
        };
        let left = after.map(dynos).unwrap_or_default();
        // The state of each dyno comes first: what a request looks up never says more than it.
        if let Some(intent) = after {
            self.set_apps(&mut space, intent);
        }
        for app in gone(&space, after) {
            if let Some(app) = space.apps.remove(&app) {
                show(&app, View::default());
            }
        }
        for internal in [false, true] {
            let (old, new) = (hosts(before.as_ref(), internal), hosts(after, internal));
            let table: &Hosts = if internal { &space.hosts } else { &self.shared.web.public };
            let lost: Vec<String> =
                old.keys().filter(|host| !new.contains_key(*host)).cloned().collect();
            let apps: HashMap<String, Arc<App>> = new
                .into_iter()
                .filter_map(|(host, app)| Some((host, Arc::clone(space.apps.get(&app)?))))
                .collect();
            change(table, &lost, &apps);
        }
        for dyno in before.as_ref().map(dynos).unwrap_or_default().difference(&left) {
            self.dynos.remove(*dyno);
        }
        if let Some(intent) = intent {
            self.set_doors(id, &mut space, &intent);
            self.spaces.insert(id, space);
            self.intent.spaces.insert(id, intent);
        }
    }

    fn set_apps(&mut self, space: &mut Space, intent: &RouterIntent) {
        let exits: Arc<[Namespace]> =
            intent.interfaces.keys().map(|eni| self.interface(*eni)).collect();
        let trusted: Arc<[model::Cidr]> = intent.trusted.clone().into();
        for (id, route) in &intent.apps {
            let mut view = View {
                trusted: Arc::clone(&trusted),
                exits: Arc::clone(&exits),
                crashed: route.crashed,
                ..View::default()
            };
            for backend in &route.backends {
                let dyno = self.dynos.set(backend, &exits);
                match backend.state {
                    BackendState::Starting => view.starting.push(dyno),
                    BackendState::Up => view.up.push(dyno),
                    BackendState::Draining => {}
                }
            }
            let app = space.apps.entry(*id).or_insert_with(|| {
                Arc::new(App {
                    log: self.shared.logs.of(*id),
                    view: ArcSwap::default(),
                    changed: Notify::new(),
                })
            });
            show(app, view);
        }
    }

    fn set_doors(&mut self, id: SpaceId, space: &mut Space, intent: &RouterIntent) {
        let kept = |eni: &EniId, address: &Ipv4Addr| intent.interfaces.get(eni) == Some(address);
        space.listening.retain(|(eni, address), _| kept(eni, address));
        if self.replaced {
            return;
        }
        let place = self.shared.config.place;
        for (eni, address) in &intent.interfaces {
            if space.listening.contains_key(&(*eni, *address)) {
                continue;
            }
            let mut doors = vec![(Spot::SpaceHttp(id, *eni), place.http(), None)];
            if let Some(tls) = &self.shared.tls {
                doors.push((Spot::SpaceHttps(id, *eni), place.https(), Some(tls.clone())));
            }
            let mut listening = Vec::new();
            for (spot, port, tls) in doors {
                let scope = Scope::Space(Arc::clone(&space.hosts));
                let taker = Taker::Web(Door { scope, port, tls });
                let namespace = self.interface(*eni);
                listening.push((spot, self.listen(spot, namespace, at(*address, port), taker)));
            }
            space.listening.insert((*eni, *address), listening);
        }
    }
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
