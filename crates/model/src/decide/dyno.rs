//! Rules of dynos: how many there are, what each runs, and how one takes another's place.
//!
//! A dyno never changes what it runs. A new release, a restart and a crash all put a new dyno into
//! the place of the old one; while the new one is not up, an old one that is up goes on. One that was
//! told to stop keeps its place until it has ended, and only then another one starts in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::app::{check_command, check_environment};
use super::report::{DynoStep, dyno_step};
use super::{Decision, Outcome, refuse};
use crate::command::{DynoSelection, FormationUpdate, Quantity, Reply, WorkloadReport};
use crate::edge::EdgeEvent;
use crate::resource::{
    App, Dyno, DynoSize, DynoState, Eni, Exit, Formation, STABLE, Space, SpaceState, Stdio,
};
use crate::{
    AppId, Code, DynoId, Key, Refused, ReleaseId, SecurityGroupId, Subnet, Tags, WorkloadId,
};

/// Dynos without a slot are numbered with four digits.
const RUN_NUMBERS: std::ops::Range<u32> = 1000..10_000;
/// Dynos of one process type.
const MAX_QUANTITY: u16 = 100;

/// A dyno without a slot in the formation, to be started.
pub(super) struct Single<'a> {
    /// The process type, which is the first part of its name.
    pub(super) process_type: &'a str,
    /// The release that it runs.
    pub(super) release: ReleaseId,
    /// The command to run, for a shell.
    pub(super) line: &'a str,
    /// The size of the dyno.
    pub(super) size: DynoSize,
    /// Where the process's standard input and output lead.
    pub(super) stdio: Stdio,
}

/// A slot in the formation, to be filled.
struct Slot<'a> {
    process_type: &'a str,
    number: u16,
    size: DynoSize,
    command: &'a str,
    crashes: u16,
}

impl Decision<'_> {
    pub(super) fn scale(&mut self, app: AppId, updates: &[FormationUpdate]) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        self.allocated_space(&app)?;
        let mut app = App::clone(&app);
        let types = self.process_types(&app);
        for update in updates {
            let name = &update.process_type;
            if !types.contains_key(name) {
                return refuse(
                    Code::NotFound,
                    format!(
                        "Couldn't find that process type ({name}). The app {} has {}.",
                        app.name,
                        known_types(&types)
                    ),
                );
            }
            let before = app.formation.get(name);
            let quantity = quantity(before.map_or(0, |f| f.quantity), update.quantity)?;
            if name == Dyno::RELEASE && quantity > 0 {
                return refuse(
                    Code::InvalidParameterValue,
                    format!(
                        "The process type {name} runs once before each release and cannot be \
                         scaled; only its size can be set: `ps:type {name}=Private-M`."
                    ),
                );
            }
            let size = match update.size.as_deref() {
                Some(size) => check_size(size)?,
                None => before.map_or(DynoSize::S, |f| f.size),
            };
            if before.is_none_or(|f| (f.quantity, f.size) != (quantity, size)) {
                let formation = Formation { quantity, size, updated: self.now };
                app.formation.insert(name.clone(), formation);
            }
        }
        let id = app.id;
        if self.world.app(id).is_some_and(|old| old.formation != app.formation) {
            self.put(App { updated: self.now, ..app });
            self.settle_formation(id)?;
        }
        Ok(Key::App(id).into())
    }

    /// The commands of the release that an app's dynos run.
    fn process_types(&self, app: &App) -> BTreeMap<String, String> {
        let slug = self.world.release(app.release).and_then(|release| release.slug);
        let slug = slug.and_then(|id| self.world.slug(id));
        slug.map(|slug| slug.process_types.clone()).unwrap_or_default()
    }

    /// Makes an app's dynos what its formation and its release ask for.
    pub(super) fn settle_formation(&mut self, id: AppId) -> Result<(), Refused> {
        let Some(app) = self.world.app(id).cloned() else { return Ok(()) };
        let Some(space) = self.world.space(app.space).cloned() else { return Ok(()) };
        if space.state != SpaceState::Allocated {
            return Ok(());
        }
        let types = self.process_types(&app);
        let mut slots = BTreeMap::new();
        for (process_type, command) in types.iter().filter(|(name, _)| *name != Dyno::RELEASE) {
            let Some(formation) = app.formation.get(process_type) else { continue };
            for number in 1..=formation.quantity {
                let name = format!("{process_type}.{number}");
                let size = formation.size;
                slots.insert(name, Slot { process_type, number, size, command, crashes: 0 });
            }
        }
        for dyno in self.holders(id) {
            match slots.get(&dyno.name) {
                Some(slot) if dyno.release == app.release && dyno.size == slot.size => {
                    slots.remove(&dyno.name);
                }
                Some(_) | None => self.supersede(&dyno),
            }
        }
        for slot in slots.values() {
            self.fill(&app, &space, slot)?;
        }
        self.retire_superseded(id);
        Ok(())
    }

    /// The dynos that have a slot in an app's formation.
    fn holders(&self, app: AppId) -> Vec<Arc<Dyno>> {
        let dynos = self.world.dynos_in(Key::App(app));
        dynos.filter(|dyno| dyno.number.is_some() && !dyno.superseded).cloned().collect()
    }

    fn supersede(&mut self, dyno: &Dyno) {
        self.put(Dyno { superseded: true, ..dyno.clone() });
    }

    fn fill(&mut self, app: &App, space: &Space, slot: &Slot<'_>) -> Result<(), Refused> {
        let name = format!("{}.{}", slot.process_type, slot.number);
        let id = DynoId::fresh(self.ids);
        let eni = self.dyno_eni(space, id, &format!("{name} of {}", app.name))?;
        self.put(Dyno {
            id,
            app: app.id,
            space: space.id,
            name,
            process_type: slot.process_type.to_owned(),
            number: Some(slot.number),
            release: app.release,
            command: slot.command.to_owned(),
            size: slot.size,
            environment: BTreeMap::new(),
            stdio: Stdio::Log,
            state: DynoState::Starting,
            exit: None,
            eni: eni.id,
            host: None,
            superseded: false,
            fenced_until: None,
            crashes: slot.crashes,
            created: self.now,
            updated: self.now,
        });
        Ok(())
    }

    /// Ends dynos that lost their slot, but none that is up before its successor is.
    pub(super) fn retire_superseded(&mut self, app: AppId) {
        let needed = |dyno: &Dyno| {
            let holder = self.world.dyno_named(app, &dyno.name);
            dyno.state == DynoState::Up && holder.is_some_and(|dyno| dyno.state != DynoState::Up)
        };
        let retired: Vec<_> = self
            .world
            .dynos_in(Key::App(app))
            .filter(|dyno| dyno.superseded && !needed(dyno))
            .cloned()
            .collect();
        retired.iter().for_each(|dyno| self.retire(dyno));
    }

    /// Ends a dyno: one that gets requests once it has answered those that it has.
    fn retire(&mut self, dyno: &Dyno) {
        let state = match dyno.state {
            DynoState::Up if dyno.is_web() => DynoState::Draining,
            DynoState::Starting | DynoState::Booting | DynoState::Up => DynoState::Stopping,
            DynoState::Draining | DynoState::Stopping | DynoState::Down | DynoState::Crashed => {
                return;
            }
        };
        self.put(Dyno { state, updated: self.now, ..dyno.clone() });
    }

    pub(super) fn restart_dynos(&mut self, app: AppId, which: &DynoSelection) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let space = self.allocated_space(&app)?;
        for dyno in self.selected(&app, which)? {
            if dyno.number.is_none() {
                self.stop(&dyno);
            } else if !dyno.superseded {
                self.replace(&app, &space, &dyno, 0)?;
            }
        }
        self.retire_superseded(app.id);
        Ok(about(&app, which))
    }

    /// Puts a new dyno into the place of another one.
    fn replace(
        &mut self,
        app: &App,
        space: &Space,
        dyno: &Dyno,
        crashes: u16,
    ) -> Result<(), Refused> {
        let types = self.process_types(app);
        let command = types.get(&dyno.process_type).unwrap_or(&dyno.command);
        let size = app.formation.get(&dyno.process_type).map_or(dyno.size, |f| f.size);
        let number = dyno.number.unwrap_or(1);
        self.supersede(dyno);
        let process_type = &dyno.process_type;
        self.fill(app, space, &Slot { process_type, number, size, command, crashes })
    }

    pub(super) fn stop_dynos(&mut self, app: AppId, which: &DynoSelection) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let space = self.allocated_space(&app)?;
        let mut selected = self.selected(&app, which)?;
        selected.extend(self.predecessors(&app, &selected));
        for dyno in &selected {
            if dyno.state.ended() {
                // It waits to be tried again, which is done now.
                self.replace(&app, &space, dyno, 0)?;
            } else {
                self.stop(dyno);
            }
        }
        Ok(about(&app, which))
    }

    /// The dynos that run on in the slots of others until those are up.
    fn predecessors(&self, app: &App, of: &[Arc<Dyno>]) -> Vec<Arc<Dyno>> {
        let slots = of.iter().filter(|dyno| dyno.number.is_some() && !dyno.superseded);
        slots.filter_map(|dyno| self.world.predecessor(app.id, &dyno.name).cloned()).collect()
    }

    fn stop(&mut self, dyno: &Dyno) {
        if dyno.state.wants_to_run() {
            let state = DynoState::Stopping;
            self.put(Dyno { state, updated: self.now, ..dyno.clone() });
        }
    }

    /// The dynos of a selection that have not ended, or crashed and wait; those without a slot
    /// only if they are named.
    fn selected(&self, app: &App, which: &DynoSelection) -> Result<Vec<Arc<Dyno>>, Refused> {
        let unseen = || Refused::new(Code::NotFound, "Couldn't find that process.");
        let has_slot = |dyno: &Dyno| dyno.number.is_some() && !dyno.superseded;
        let live = |dyno: &Dyno| !dyno.state.ended() || has_slot(dyno);
        let of_app = || self.world.dynos_in(Key::App(app.id)).filter(|dyno| live(dyno));
        match which {
            DynoSelection::All => Ok(of_app().filter(|dyno| has_slot(dyno)).cloned().collect()),
            DynoSelection::Type(name) => {
                let found: Vec<_> = of_app()
                    .filter(|dyno| dyno.process_type == *name && !dyno.superseded)
                    .cloned()
                    .collect();
                if found.is_empty() { Err(unseen()) } else { Ok(found) }
            }
            DynoSelection::One(id) => {
                let dyno = self.world.dyno(*id).filter(|dyno| dyno.app == app.id && live(dyno));
                Ok(vec![dyno.cloned().ok_or_else(unseen)?])
            }
        }
    }

    pub(super) fn start_dyno(
        &mut self,
        app: AppId,
        command: &str,
        size: Option<&str>,
        environment: &BTreeMap<String, String>,
        stdio: Stdio,
    ) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let space = self.allocated_space(&app)?;
        check_command(command)?;
        let size = size.map_or(Ok(DynoSize::S), check_size)?;
        check_environment(environment)?;
        let (process_type, release) = (Dyno::ONE_OFF, app.release);
        let single = Single { process_type, release, line: command, size, stdio };
        let id = self.start_single(&app, &space, single, environment.clone())?;
        Ok(Key::Dyno(id).into())
    }

    /// Starts a dyno without a slot in the formation.
    pub(super) fn start_single(
        &mut self,
        app: &App,
        space: &Space,
        single: Single<'_>,
        environment: BTreeMap<String, String>,
    ) -> Result<DynoId, Refused> {
        let name = self.single_name(app, single.process_type)?;
        let id = DynoId::fresh(self.ids);
        let eni = self.dyno_eni(space, id, &format!("{} of {}", name, app.name))?;
        self.put(Dyno {
            id,
            app: app.id,
            space: space.id,
            name,
            process_type: single.process_type.to_owned(),
            number: None,
            release: single.release,
            command: single.line.to_owned(),
            size: single.size,
            environment,
            stdio: single.stdio,
            state: DynoState::Starting,
            exit: None,
            eni: eni.id,
            host: None,
            superseded: false,
            fenced_until: None,
            crashes: 0,
            created: self.now,
            updated: self.now,
        });
        Ok(id)
    }

    /// Says whether a command may run inside a dyno, and changes nothing.
    pub(super) fn run_inside(
        &mut self,
        app: AppId,
        dyno: DynoId,
        command: &str,
        environment: &BTreeMap<String, String>,
    ) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        check_command(command)?;
        check_environment(environment)?;
        let unseen = || Refused::new(Code::NotFound, "Couldn't find that process.");
        let dyno = self.world.dyno(dyno).filter(|dyno| dyno.app == app.id).ok_or_else(unseen)?;
        match dyno.state {
            DynoState::Booting | DynoState::Up | DynoState::Draining => {
                Ok(Key::Dyno(dyno.id).into())
            }
            DynoState::Starting | DynoState::Stopping | DynoState::Down | DynoState::Crashed => {
                refuse(
                    Code::Conflict,
                    format!(
                        "The dyno {} is {}, so no command can run inside it. `ps --app {}` lists those \
                     that are up.",
                        dyno.name,
                        dyno.state.name(),
                        app.name
                    ),
                )
            }
        }
    }

    pub(super) fn allocated_space(&self, app: &App) -> Result<Arc<Space>, Refused> {
        let space = self.world.space(app.space).cloned();
        let space =
            space.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find that space."))?;
        match space.state {
            SpaceState::Allocated => Ok(space),
            SpaceState::Allocating => refuse(
                Code::Conflict,
                format!(
                    "The space {} is not allocated yet; wait for it with `spaces:wait {}`.",
                    space.name, space.name
                ),
            ),
        }
    }

    /// An interface in the emptier one of the space's dyno subnets (R7).
    fn dyno_eni(&mut self, space: &Space, dyno: DynoId, what: &str) -> Result<Eni, Refused> {
        let subnets = space.dyno_subnets.iter().filter_map(|id| self.world.subnet(*id));
        let subnets: Vec<_> = subnets.cloned().collect();
        let (workload, group) = (WorkloadId::Dyno(dyno), space.dyno_group);
        self.emptier_eni(&subnets, workload, group, what).map_err(|_| {
            Refused::new(
                Code::LimitExceeded,
                format!(
                    "The space {} has no address left for another dyno: each one takes one, for \
                     a while also beside the dyno that it replaces. Scale something down first.",
                    space.name
                ),
            )
        })
    }

    /// An interface in the emptiest of some subnets; the first of those that are equally empty.
    pub(super) fn emptier_eni(
        &mut self,
        subnets: &[Arc<Subnet>],
        workload: WorkloadId,
        group: SecurityGroupId,
        what: &str,
    ) -> Result<Eni, Refused> {
        let subnet = subnets.iter().rev().max_by_key(|subnet| self.world.free_addresses(subnet));
        let subnet =
            subnet.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find a subnet."))?;
        self.make_eni(subnet, workload, vec![group], None, what, Tags::new())
    }

    fn single_name(&mut self, app: &App, process_type: &str) -> Result<String, Refused> {
        let span = u128::from(RUN_NUMBERS.end - RUN_NUMBERS.start);
        let offset = (self.ids.next_bits() % span) as u32;
        let (before, from) = (RUN_NUMBERS.start..RUN_NUMBERS.start + offset, offset);
        (RUN_NUMBERS.start + from..RUN_NUMBERS.end)
            .chain(before)
            .map(|number| format!("{process_type}.{number}"))
            .find(|name| self.world.dyno_named(app.id, name).is_none())
            .ok_or_else(|| {
                let message = format!("The app {} has too many one-off dynos.", app.name);
                Refused::new(Code::LimitExceeded, message)
            })
    }

    /// Takes in what a dyno's process does.
    pub(super) fn observe_dyno(&mut self, id: DynoId, report: &WorkloadReport) {
        let Some(dyno) = self.world.dyno(id).cloned() else { return };
        let (state, exit) = match dyno_step(&dyno, report) {
            None => return,
            Some(DynoStep::Release) => return self.release_eni(dyno.eni),
            Some(DynoStep::Enter(state, exit)) => (state, exit),
        };
        self.enter(&dyno, state, exit.clone());
        if state.ended() {
            self.release_eni(dyno.eni);
            self.release_command_ended(&dyno, exit.as_ref());
        }
        if state == DynoState::Down && dyno.number.is_some() && !dyno.superseded {
            self.start_after(id);
        }
    }

    /// Starts a dyno in the place of one that was told to stop, and has.
    pub(super) fn start_after(&mut self, id: DynoId) {
        let Some(dyno) = self.world.dyno(id).cloned() else { return };
        if !self.try_in_place_of(&dyno, 0) {
            let why = "no address was free for the dyno that is to take its place".to_owned();
            self.enter(&dyno, DynoState::Crashed, Some(Exit::Failed(why)));
        }
    }

    /// Takes in what the edge found out.
    pub(super) fn observe_edge(&mut self, event: EdgeEvent) {
        let (EdgeEvent::Bound(id) | EdgeEvent::Drained(id)) = event;
        let Some(dyno) = self.world.dyno(id).cloned() else { return };
        if self.world.waits_for_host(WorkloadId::Dyno(id)) {
            return;
        }
        match (event, dyno.state) {
            (EdgeEvent::Bound(_), DynoState::Starting | DynoState::Booting) if dyno.is_web() => {
                self.enter(&dyno, DynoState::Up, None);
            }
            (EdgeEvent::Drained(_), DynoState::Draining) => {
                self.enter(&dyno, DynoState::Stopping, None);
            }
            // It was late, or nothing that the edge can know of.
            (EdgeEvent::Bound(_) | EdgeEvent::Drained(_), _) => {}
        }
    }

    /// Puts a dyno into its next state. Once it is up, the one whose place it has is not needed.
    pub(super) fn enter(&mut self, dyno: &Dyno, state: DynoState, exit: Option<Exit>) {
        let lived = self.now >= dyno.created + STABLE;
        let crashes = if state == DynoState::Crashed && lived { 0 } else { dyno.crashes };
        self.put(Dyno { state, exit, crashes, updated: self.now, ..dyno.clone() });
        if state == DynoState::Up && !dyno.superseded {
            let predecessor = self.world.predecessor(dyno.app, &dyno.name).cloned();
            predecessor.iter().for_each(|dyno| self.retire(dyno));
        }
    }

    /// Does what time demands of a dyno.
    pub(super) fn dyno_is_due(&mut self, dyno: &Dyno) {
        match dyno.state {
            DynoState::Booting => {
                let seconds = Dyno::BOOT_TIME.as_secs();
                let why = format!(
                    "R10 (Boot timeout) -> Web process failed to bind to $PORT within {seconds} \
                     seconds of launch"
                );
                self.enter(dyno, DynoState::Crashed, Some(Exit::Failed(why)));
            }
            DynoState::Draining => self.enter(dyno, DynoState::Stopping, None),
            DynoState::Crashed => self.try_again(dyno),
            // Only release commands have a time by which they must have ended.
            DynoState::Starting | DynoState::Up => self.stop(dyno),
            DynoState::Stopping | DynoState::Down => {}
        }
    }

    /// Forgets a dyno that has ended, with its interface if it still has one.
    pub(super) fn forget_dyno(&mut self, dyno: &Dyno) {
        self.delete(Key::Dyno(dyno.id));
        self.release_eni(dyno.eni);
    }

    fn try_again(&mut self, dyno: &Dyno) {
        // One that was given up with its host has not crashed by itself.
        let more = u16::from(dyno.fenced_until.is_none());
        let crashes = dyno.crashes.saturating_add(more);
        if !self.try_in_place_of(dyno, crashes) {
            // No address is free: once more after the next pause.
            self.put(Dyno { crashes, fenced_until: None, updated: self.now, ..dyno.clone() });
        }
    }

    /// Puts a new dyno into the place of another one; nothing is done, and it is said, if no address
    /// is free for it.
    pub(super) fn try_in_place_of(&mut self, dyno: &Dyno, crashes: u16) -> bool {
        let app = self.world.app(dyno.app).cloned();
        let space = self.world.space(dyno.space).cloned();
        let (Some(app), Some(space)) = (app, space) else { return true };
        self.whole(|decision| decision.replace(&app, &space, dyno, crashes)).is_ok()
    }

    /// Has every app of a space start, now that the space is there.
    pub(super) fn settle_space(&mut self, space: crate::SpaceId) {
        let apps: Vec<_> = self.world.apps_in(Key::Space(space)).map(|app| app.id).collect();
        for app in apps {
            // A refusal is for want of addresses; a new space has them all.
            let _ = self.settle_formation(app);
            self.go_on(app, None);
        }
    }
}

/// The reply to a request about some dynos.
fn about(app: &App, which: &DynoSelection) -> Reply {
    match which {
        DynoSelection::One(id) => Key::Dyno(*id).into(),
        DynoSelection::All | DynoSelection::Type(_) => Key::App(app.id).into(),
    }
}

fn quantity(before: u16, change: Option<Quantity>) -> Result<u16, Refused> {
    let wanted = match change {
        None => i32::from(before),
        Some(Quantity::To(quantity)) => i32::from(quantity),
        Some(Quantity::By(more)) => i32::from(before).saturating_add(more),
    };
    u16::try_from(wanted).ok().filter(|quantity| *quantity <= MAX_QUANTITY).ok_or_else(|| {
        let message = format!("There can be 0 to {MAX_QUANTITY} dynos of a type, not {wanted}.");
        Refused::new(Code::InvalidParameterValue, message)
    })
}

fn known_types(types: &BTreeMap<String, String>) -> String {
    if types.is_empty() {
        return "none yet: deploy its code first".to_owned();
    }
    types.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn check_size(size: &str) -> Result<DynoSize, Refused> {
    DynoSize::find(size).ok_or_else(|| {
        let known = DynoSize::ALL.map(DynoSize::name).join(", ");
        let message = format!("No such size as {size}; a dyno has one of {known}.");
        Refused::new(Code::InvalidParameterValue, message)
    })
}
