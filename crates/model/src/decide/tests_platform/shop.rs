//! An app with code, for tests of what becomes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fixture::*;
use crate::PlatformCommand as C;
use crate::edge::EdgeEvent;
use crate::*;

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// An app with a web and a worker process, deployed once.
pub(super) struct Shop {
    pub(super) town: Town,
    pub(super) app: AppId,
}

pub(super) fn types(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

impl Shop {
    pub(super) fn new() -> Self {
        let mut town = Town::allocated();
        let (space, admin) = (town.space, town.admin());
        let create = C::CreateApp { name: Some("shop".to_owned()), space, internal_routing: false };
        let Some(Key::App(app)) = town.bench.ok(admin, create).main() else { panic!("no app") };
        Self { town, app }
    }

    pub(super) fn deployed() -> Self {
        let mut shop = Self::new();
        let slug = shop.slug(&[("web", "serve"), ("worker", "work")]);
        shop.ok(C::CreateRelease { app: shop.app, slug, description: None });
        shop
    }

    pub(super) fn ok(&mut self, command: C) -> Reply {
        let admin = self.town.admin();
        self.town.bench.ok(admin, command)
    }

    pub(super) fn refused(&mut self, command: C) -> Refused {
        let admin = self.town.admin();
        self.town.bench.refused(admin, command)
    }

    /// Code that was uploaded.
    pub(super) fn slug(&mut self, process_types: &[(&str, &str)]) -> SlugId {
        let slug = self.announced(process_types);
        self.town.bench.ok(Caller::System, stored(slug, 10, CodeRoom::default()));
        slug
    }

    pub(super) fn announced(&mut self, process_types: &[(&str, &str)]) -> SlugId {
        let made = self.ok(C::CreateSlug {
            app: self.app,
            process_types: types(process_types),
            commit: Some("0123456789abcdef".to_owned()),
            checksum: None,
        });
        let Some(Key::Slug(slug)) = made.main() else { panic!("no slug") };
        slug
    }

    pub(super) fn scale(&mut self, process_type: &str, quantity: Quantity) -> Reply {
        let process_type = process_type.to_owned();
        let update = FormationUpdate { process_type, quantity: Some(quantity), size: None };
        self.ok(C::Scale { app: self.app, updates: vec![update] })
    }

    pub(super) fn observe(&mut self, id: DynoId, report: WorkloadReport) {
        let workloads = [(WorkloadId::Dyno(id), report)].into();
        let seen = Observation { workloads, ..Observation::default() };
        self.town.bench.ok(Caller::System, SystemCommand::Observe(seen));
    }

    pub(super) fn edge(&mut self, event: EdgeEvent) {
        let seen = Observation { edge: vec![event], ..Observation::default() };
        self.town.bench.ok(Caller::System, SystemCommand::Observe(seen));
    }

    pub(super) fn tick(&mut self) {
        self.town.bench.ok(Caller::System, SystemCommand::Tick);
    }

    /// Brings everything that starts up.
    pub(super) fn start_all(&mut self) {
        let starting: Vec<_> =
            self.dynos().iter().filter(|d| d.state == DynoState::Starting).map(|d| d.id).collect();
        for id in starting {
            self.observe(id, WorkloadReport::Running);
            self.edge(EdgeEvent::Bound(id));
        }
    }

    pub(super) fn dynos(&self) -> Vec<Dyno> {
        self.town.bench.world.dynos_in(Key::App(self.app)).map(|d| Dyno::clone(d)).collect()
    }

    /// Who has a place: its name, state and release's number.
    pub(super) fn places(&self) -> BTreeMap<String, (DynoState, u32)> {
        let world = &self.town.bench.world;
        let holders = self.dynos().into_iter().filter(|d| d.number.is_some() && !d.superseded);
        holders.map(|d| (d.name, (d.state, world.release(d.release).unwrap().version))).collect()
    }

    pub(super) fn holder(&self, name: &str) -> Dyno {
        Dyno::clone(self.town.bench.world.dyno_named(self.app, name).unwrap())
    }

    pub(super) fn dyno(&self, id: DynoId) -> Dyno {
        Dyno::clone(self.town.bench.world.dyno(id).unwrap())
    }

    pub(super) fn app(&self) -> App {
        App::clone(self.town.bench.world.app(self.app).unwrap())
    }

    pub(super) fn release(&self) -> Release {
        Release::clone(self.town.bench.world.release(self.app().release).unwrap())
    }

    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Reply {
        let changes = [(name.to_owned(), value.map(str::to_owned))].into();
        self.ok(C::SetConfig { app: self.app, changes })
    }
}

/// What one instance is asked for.
/// Code that takes so many bytes was uploaded.
pub(super) fn stored(slug: SlugId, unpacked: u64, room: CodeRoom) -> SystemCommand {
    let stored = StoredCode { size: 10, unpacked, room, ..StoredCode::default() };
    SystemCommand::StoreSlug { slug, stored }
}

pub(super) fn run(subnet: SubnetId) -> RunInstances {
    RunInstances::new(subnet, IMAGES[0].id.as_str())
}

pub(super) fn plan_of(service: &str) -> Plan {
    Plan {
        service: service.to_owned(),
        plan: "mini".to_owned(),
        description: String::new(),
        port: 5432,
        command: "serve".to_owned(),
        image: None,
        mounts: Vec::new(),
        data: Plan::DATA.to_owned(),
        environment: BTreeMap::new(),
        config: types(&[("DATABASE_URL", "postgres://u:{password}@{host}:{port}/d")]),
        memory: None,
        disk: None,
        backup: None,
        restore: None,
    }
}
