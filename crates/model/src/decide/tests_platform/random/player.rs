//! Turns chance into requests and reports about what there is.

use std::collections::BTreeMap;

use super::super::fixture::*;
use super::super::shop::plan_of;
use super::{Dice, domains, platform_scope};
use crate::PlatformCommand as C;
use crate::edge::EdgeEvent;
use crate::*;

/// Turns chance into requests about what there is.
pub(super) struct Player<'a> {
    pub(super) town: &'a Town,
    pub(super) dice: Dice,
}

impl Player<'_> {
    fn world(&self) -> &World {
        &self.town.bench.world
    }

    fn die(&self, die: usize) -> u8 {
        self.dice[die % 6]
    }

    fn pick<T>(&self, die: usize, all: impl Iterator<Item = T>) -> Option<T> {
        let all: Vec<T> = all.collect();
        let at = usize::from(self.die(die)) % all.len().max(1);
        all.into_iter().nth(at)
    }

    fn app(&self) -> AppId {
        self.pick(2, self.world().apps().map(|app| app.id)).unwrap_or(AppId::MIN)
    }

    fn process_type(&self, die: usize) -> String {
        const TYPES: [&str; 8] = ["web", "web", "web", "web", "worker", "worker", "run", "release"];
        TYPES[usize::from(self.die(die) % 8)].to_owned()
    }

    fn process_types(&self, die: usize) -> BTreeMap<String, String> {
        const TYPES: [&str; 5] = ["web", "worker", "Odd_one", "run", "release"];
        // Mostly what can be deployed.
        let n = if self.die(die) > 16 { self.die(die) & !8 } else { self.die(die) };
        let chosen = TYPES.iter().enumerate().filter(|(at, _)| n & (1 << at) != 0);
        let command = format!("serve {}", n / 64);
        chosen.map(|(_, name)| ((*name).to_owned(), command.clone())).collect()
    }

    /// Some dynos of an app, or somebody else's.
    fn selection(&self) -> DynoSelection {
        match self.die(3) % 8 {
            0 => DynoSelection::All,
            1 => DynoSelection::Type(self.process_type(4)),
            _ => DynoSelection::One(self.dyno()),
        }
    }

    fn dyno(&self) -> DynoId {
        let own = self.world().dynos_in(Key::App(self.app()));
        let own = self.pick(4, own.map(|dyno| dyno.id));
        let any = || self.pick(5, self.world().dynos().map(|dyno| dyno.id));
        own.filter(|_| !self.die(5).is_multiple_of(16)).or_else(any).unwrap_or(DynoId::MIN)
    }

    /// A quantity, often one that is refused.
    fn quantity(&self, die: usize) -> Option<Quantity> {
        const CHANGES: [i32; 8] = [1, -1, 2, -2, 0, 200, i32::MAX, i32::MIN];
        let n = self.die(die);
        match n % 4 {
            0 => None,
            1 => Some(Quantity::By(CHANGES[usize::from(n / 4 % 8)])),
            _ if n > 250 => Some(Quantity::To(u16::MAX)),
            _ => Some(Quantity::To(u16::from(n / 4 % 5))),
        }
    }

    fn size(&self, die: usize) -> Option<String> {
        const SIZES: [&str; 4] = ["Private-S", "private-m", "Private-2XL", "Standard-1X"];
        let n = self.die(die);
        (n.is_multiple_of(8)).then(|| SIZES[usize::from(n / 8 % 4)].to_owned())
    }

    fn updates(&self) -> Vec<FormationUpdate> {
        let update = |die| FormationUpdate {
            process_type: self.process_type(die),
            quantity: self.quantity(die + 1),
            size: self.size(die + 2),
        };
        (0..=usize::from(self.die(5) % 2)).map(|n| update(3 + n)).collect()
    }

    fn changes(&self) -> BTreeMap<String, Option<String>> {
        const NAMES: [&str; 7] = ["A", "B", "C", "DATABASE_URL", "PORT", "1", "REDIS_URL"];
        let change = |die: usize| {
            let n = self.die(die);
            let long = usize::from(n / 32 % 2) * 20_000 + usize::from(n % 3);
            let value = (!n.is_multiple_of(4)).then(|| "x".repeat(long));
            (NAMES[usize::from(n / 2 % 7)].to_owned(), value)
        };
        (0..=usize::from(self.die(3) % 3)).map(|n| change(3 + n)).collect()
    }

    fn hostname(&self) -> String {
        const NAMES: [&str; 8] = [
            "www.example.com",
            "WWW.Example.com.",
            "*.example.com",
            "a.b.example.com",
            "shop.example.org",
            "localhost",
            "1.2.3.4",
            "web.app-1.app.localspace",
        ];
        let own = self.pick(4, self.world().apps().map(|app| domains().host(app)));
        let name = NAMES[usize::from(self.die(3) % 8)].to_owned();
        own.filter(|_| self.die(5).is_multiple_of(8)).unwrap_or(name)
    }

    fn plan(&self) -> Plan {
        let service = ["heroku-postgresql", "heroku-redis"][usize::from(self.die(3) % 2)];
        let variable = ["DATABASE_URL", "REDIS_URL"][usize::from(self.die(3) % 2)];
        Plan { config: [(variable.to_owned(), "{host}".to_owned())].into(), ..plan_of(service) }
    }

    fn caller(&self) -> Caller {
        match self.die(5) % 32 {
            0 => Caller::User(self.town.stranger),
            1 => Caller::Operator,
            2 => key(platform_scope(self.town)),
            3..=9 => Caller::User(self.town.member),
            _ => self.town.admin(),
        }
    }

    pub(super) fn ask(&self) -> (Caller, Command) {
        let command = match self.die(1) % 79 {
            0..=1 => self.create_app().into(),
            2 if self.die(5).is_multiple_of(4) => C::DeleteApp { app: self.app() }.into(),
            2..=5 => self.create_slug().into(),
            6..=9 => return (Caller::System, self.store_slug().into()),
            10..=16 => self.create_release().into(),
            17..=21 => self.roll_back().into(),
            22..=26 => C::SetConfig { app: self.app(), changes: self.changes() }.into(),
            27..=40 => C::Scale { app: self.app(), updates: self.updates() }.into(),
            41..=44 => C::RestartDynos { app: self.app(), which: self.selection() }.into(),
            45..=47 => C::StopDynos { app: self.app(), which: self.selection() }.into(),
            48..=49 => self.start_dyno().into(),
            50 => self.run_inside().into(),
            51..=54 => C::AddDomain { app: self.app(), hostname: self.hostname() }.into(),
            55 => self.remove_domain().into(),
            56..=58 => self.create_addon().into(),
            59..=60 => {
                let addon = self.pick(2, self.world().addons().map(|addon| addon.id));
                C::DeleteAddon { addon: addon.unwrap_or(AddonId::MIN) }.into()
            }
            62 => self.attach_or_detach().into(),
            61 if self.die(5).is_multiple_of(2) => C::DeleteSpace { space: self.town.space }.into(),
            61 => C::RenameSpace { space: self.town.space, name: "acme-2".to_owned() }.into(),
            63..=66 => self.drain().into(),
            67..=74 => self.app_webhook().into(),
            75..=77 => {
                let fence_stop = !self.die(5).is_multiple_of(4);
                C::SetFenceStop { app: self.app(), fence_stop }.into()
            }
            _ => C::SetPeeringLimit { space: self.town.space, limit: 5 }.into(),
        };
        (self.caller(), command)
    }

    /// Where something is sent to; some of it is no address.
    fn url(&self, die: usize) -> String {
        const URLS: [&str; 8] = [
            "https://logs.example.com/a",
            "https://user:secret@logs.example.com/b",
            "syslog+tls://logs.example.com:6514",
            "https://hooks.example.com/",
            "https://hooks.example.com/other",
            "http://hooks.example.com:8080/",
            "ftp://logs.example.com/",
            "",
        ];
        URLS[usize::from(self.die(die) % 8)].to_owned()
    }

    fn drain(&self) -> C {
        let (app, space) = (self.app(), self.town.space);
        match self.die(4) % 4 {
            0 => C::SetSpaceLogDrain { space, url: self.url(3) },
            1 => {
                let of = |drain: &std::sync::Arc<LogDrain>| match drain.of {
                    DrainOf::App(of) => (of, drain.id),
                    DrainOf::Space(_) => (app, drain.id),
                };
                let found = self.pick(3, self.world().log_drains().map(of));
                let (app, drain) = found.unwrap_or((app, LogDrainId::MIN));
                C::RemoveLogDrain { app, drain }
            }
            _ => C::AddLogDrain { app, url: self.url(3) },
        }
    }

    fn app_webhook(&self) -> C {
        const ENTITIES: [&str; 4] = ["api:release", "api:domain", "api:dyno", "api:addon"];
        let of_app = |hook: &std::sync::Arc<Webhook>| match hook.owner {
            WebhookOwner::App(app) => Some((app, hook.id)),
            _ => None,
        };
        let found = self.pick(3, self.world().webhooks().filter_map(of_app));
        let (app, id) = found.unwrap_or((AppId::MIN, WebhookId::MIN));
        let app = if self.die(5).is_multiple_of(8) { self.app() } else { app };
        let entity = match self.die(5) % 8 {
            1 => "api:nothing",
            _ => ENTITIES[usize::from(self.die(2) / 4 % 4)],
        };
        let said = |bit: u8| self.die(4) & bit == 0;
        let hook = AppWebhook {
            url: said(4).then(|| self.url(3)),
            include: said(8).then(|| vec![entity.to_owned()]),
            level: said(16).then(|| ["sync", "notify"][usize::from(self.die(3) % 2)].to_owned()),
            secret: said(32).then(|| "0123456789abcdef".to_owned()),
            authorization: said(64).then(|| "Bearer t0ken".to_owned()),
        };
        match self.die(4) % 4 {
            0 => C::DeleteAppWebhook { app, id },
            1 => C::UpdateAppWebhook { app, id, to: hook },
            _ => {
                // What is made is said in full.
                let (url, secret) = (Some(self.url(3)), Some("0123456789abcdef".to_owned()));
                let (include, level) = (Some(vec![entity.to_owned()]), Some("sync".to_owned()));
                let new = AppWebhook { url, include, level, secret, ..hook };
                C::CreateAppWebhook { app: self.app(), new }
            }
        }
    }

    fn attach_or_detach(&self) -> C {
        const NAMES: [Option<&str>; 4] = [None, Some("CACHE"), Some("database"), Some("1")];
        let addon = self.pick(2, self.world().addons().map(|addon| addon.id));
        let addon = addon.unwrap_or(AddonId::MIN);
        let attached = self.world().addon(addon).and_then(|addon| addon.attachments.first());
        match attached.filter(|_| self.die(4).is_multiple_of(2)) {
            Some(AddonAttachment { app, name, .. }) => {
                C::DetachAddon { addon, app: *app, name: name.clone() }
            }
            None => {
                let name = NAMES[usize::from(self.die(3) % 4)].map(str::to_owned);
                C::AttachAddon { addon, app: self.app(), name }
            }
        }
    }

    /// Something about hosts, mostly such as have little room.
    pub(super) fn host_command(&self) -> (Caller, HostCommand) {
        use HostCommand as H;
        let hosts = || self.world().hosts().map(|host| host.id);
        let host = self.pick(2, hosts()).unwrap_or(HostId::MIN);
        let new = || {
            let zone = ["a", "b", "c"][usize::from(self.die(4) % 3)];
            let gib = if self.die(5) < 16 { 64 } else { u64::from(1 + self.die(5) % 6) };
            super::super::host::new_host(1 + self.die(3) % 8, zone, gib)
        };
        let operator = match self.die(5) % 16 {
            0 => Caller::User(self.town.member),
            _ => Caller::Operator,
        };
        match self.die(1) % 32 {
            0..=3 => (operator, H::Init(new())),
            4..=12 => (operator, H::Join(new())),
            13..=16 => (operator, H::Drain { host }),
            17..=18 => (operator, H::Undrain { host }),
            19..=21 => (operator, H::Remove { host, force: self.die(3).is_multiple_of(4) }),
            22..=24 => (operator, H::Lost { host }),
            25..=26 => (Caller::System, H::Connected { host, facts: new().facts }),
            27 => (Caller::System, H::Listen),
            _ => (Caller::System, H::Heard { hosts: hosts().chain([HostId::MAX]).collect() }),
        }
    }

    fn create_app(&self) -> C {
        let name = (!self.die(3).is_multiple_of(8)).then(|| format!("app-{}", self.die(3) % 3));
        let internal_routing = self.die(4).is_multiple_of(2);
        C::CreateApp { name, space: self.town.space, internal_routing }
    }

    fn create_slug(&self) -> C {
        let process_types = self.process_types(3);
        C::CreateSlug { app: self.app(), process_types, commit: None, checksum: None }
    }

    fn slug(&self) -> SlugId {
        self.pick(3, self.world().slugs().map(|slug| slug.id)).unwrap_or(SlugId::MIN)
    }

    fn store_slug(&self) -> SystemCommand {
        // Code of every size may have every process type.
        let (size, process_types) = ((self.die(5) % 16).into(), self.process_types(4));
        let unpacked = size;
        // So little that room has to be made.
        let room = CodeRoom { app: 12, team: 20 };
        let slugs = self.world().slugs().filter(|slug| slug.size.is_none());
        let slug = self.pick(3, slugs.map(|slug| slug.id)).unwrap_or_else(|| self.slug());
        let stored = StoredCode { size, unpacked, process_types, room, blob: None };
        SystemCommand::StoreSlug { slug, stored }
    }

    fn create_release(&self) -> C {
        let own = self.world().slugs_of(Key::App(self.app())).filter(|slug| slug.size.is_some());
        let slug = self.pick(3, own.map(|slug| slug.id)).unwrap_or_else(|| self.slug());
        C::CreateRelease { app: self.app(), slug, description: None }
    }

    fn roll_back(&self) -> C {
        let own = self.world().releases_of(Key::App(self.app()));
        let release = self.pick(3, own.map(|release| release.id)).unwrap_or(ReleaseId::MIN);
        C::Rollback { app: self.app(), release }
    }

    fn start_dyno(&self) -> C {
        let command = ["bash", "", "rake"][usize::from(self.die(3) % 3)].to_owned();
        let environment = BTreeMap::from([("N".to_owned(), self.die(3).to_string())]);
        let stdio = match self.die(5) % 3 {
            0 => Stdio::Log,
            1 => Stdio::Pipes,
            _ => Stdio::Terminal { columns: 80, rows: 24 },
        };
        C::StartDyno { app: self.app(), command, size: self.size(4), environment, stdio }
    }

    fn run_inside(&self) -> C {
        let dyno = self.pick(3, self.world().dynos().map(|dyno| (dyno.app, dyno.id)));
        let (app, dyno) = dyno.unwrap_or((AppId::MIN, DynoId::MIN));
        C::RunInside { app, dyno, command: "bash".to_owned(), environment: BTreeMap::new() }
    }

    fn remove_domain(&self) -> C {
        let domains = self.world().apps().flat_map(|app| {
            app.domains.values().map(|domain| (app.id, domain.id)).collect::<Vec<_>>()
        });
        let (app, domain) = self.pick(3, domains).unwrap_or((AppId::MIN, DomainId::MIN));
        C::RemoveDomain { app, domain }
    }

    fn create_addon(&self) -> C {
        let name =
            (self.die(4).is_multiple_of(2)).then(|| format!("addon-{}", self.die(4) / 2 % 3));
        let (app, plan) = (self.app(), self.plan().into());
        C::CreateAddon { app, plan, name, password: "s3cret".to_owned() }
    }

    pub(super) fn report(&self) -> (WorkloadId, WorkloadReport) {
        let live = self.world().dynos().filter(|dyno| !dyno.state.ended());
        let live = self.pick(1, live.map(|dyno| WorkloadId::Dyno(dyno.id)));
        let any = self.pick(1, self.world().dynos().map(|dyno| WorkloadId::Dyno(dyno.id)));
        let service = self.pick(1, self.world().addons().map(|a| WorkloadId::Service(a.id)));
        let found = match self.die(2) % 8 {
            0 => any,
            1 => service,
            2 => Some(WorkloadId::Router(self.town.space)),
            _ => live,
        };
        let report = match self.die(3) % 16 {
            0 => WorkloadReport::Gone,
            1..=2 => WorkloadReport::Ended(Exit::Code(0)),
            3..=4 => WorkloadReport::Ended(Exit::Code(1)),
            5 => WorkloadReport::Ended(Exit::Signal(9)),
            6 => WorkloadReport::Ended(Exit::Failed("no such file".to_owned())),
            _ => WorkloadReport::Running,
        };
        (found.unwrap_or(WorkloadId::Dyno(DynoId::MIN)), report)
    }

    pub(super) fn edge_event(&self) -> EdgeEvent {
        let with = |state| self.world().dynos().filter(move |dyno| dyno.state == state);
        let any = || self.pick(2, self.world().dynos().map(|dyno| dyno.id));
        let one = |state| {
            let fitting = self.pick(2, with(state).map(|dyno| dyno.id));
            fitting.filter(|_| !self.die(3).is_multiple_of(4)).or_else(any).unwrap_or(DynoId::MIN)
        };
        match self.die(1) % 3 {
            0 => EdgeEvent::Drained(one(DynoState::Draining)),
            _ => EdgeEvent::Bound(one(DynoState::Booting)),
        }
    }
}
