//! Rules of data services.

use super::app::{check_command, check_environment};
use super::dyno::{STABLE, pause_after};
use super::{Decision, Outcome, refuse};
use crate::command::{Reply, WorkloadReport};
use crate::resource::{Addon, AddonState, App, Plan, Role};
use crate::{AddonId, AppId, Code, Key, Refused, Timestamp, WorkloadId};

const MAX_ADDONS: usize = 20;

/// When a service that ended is tried again.
pub(super) fn deadline(addon: &Addon) -> Option<Timestamp> {
    match addon.state {
        AddonState::Crashed => Some(addon.updated + pause_after(addon.crashes)),
        AddonState::Provisioning | AddonState::Provisioned => None,
    }
}

impl Decision<'_> {
    pub(super) fn create_addon(
        &mut self,
        app: AppId,
        plan: &Plan,
        name: Option<&str>,
        password: &str,
    ) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let space = self.allocated_space(&app)?;
        for command in [Some(&plan.command), plan.backup.as_ref(), plan.restore.as_ref()] {
            command.map_or(Ok(()), |command| check_command(command))?;
        }
        check_environment(&plan.environment)?;
        if self.world.addons_of(Key::App(app.id)).count() >= MAX_ADDONS {
            return refuse(
                Code::LimitExceeded,
                format!("The app {} has {MAX_ADDONS} add-ons already.", app.name),
            );
        }
        let name = match name {
            Some(name) => self.check_addon_name(name)?,
            None => self.addon_name(&plan.service),
        };
        let id = AddonId::fresh(self.ids);
        let data = self.world.vpc(space.data_vpc).cloned();
        let data = data.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find that space."))?;
        let subnets: Vec<_> = self.world.subnets_in(Key::Vpc(data.id)).cloned().collect();
        let what = format!("{name}, {}", plan.name());
        let workload = WorkloadId::Service(id);
        let eni = self.emptier_eni(&subnets, workload, data.default_group, &what)?;
        let mut changed = App::clone(&app);
        let mut variables = Vec::new();
        for (variable, value) in plan.variables(eni.primary(), password) {
            let variable = free_variable(&changed, &plan.service, variable);
            changed.config.insert(variable.clone(), value);
            variables.push(variable);
        }
        check_environment(&changed.config)?;
        let description = format!("Attach {} (@ref:{name})", variables.join(", "));
        self.put(Addon {
            id,
            app: app.id,
            space: space.id,
            name,
            plan: plan.clone(),
            password: password.to_owned(),
            state: AddonState::Provisioning,
            eni: eni.id,
            variables,
            crashes: 0,
            attempt: 0,
            created: self.now,
            updated: self.now,
        });
        let slug = self.world.release(app.release).and_then(|release| release.slug);
        self.release(changed, slug, description)?;
        Ok(Key::Addon(id).into())
    }

    pub(super) fn delete_addon(&mut self, id: AddonId) -> Outcome {
        let unseen = || Refused::new(Code::NotFound, "Couldn't find that add-on.");
        self.check_platform_caller()?;
        let addon = self.world.addon(id).cloned().ok_or_else(unseen)?;
        let (app, role) = self.seen_app(addon.app).map_err(|_| unseen())?;
        if role != Role::Admin && self.acting_user() != Some(app.owner) {
            return refuse(
                Code::UnauthorizedOperation,
                format!(
                    "You do not have access to delete the add-on {}; only the app's owner and \
                     admins of the team can delete it.",
                    addon.name
                ),
            );
        }
        self.delete(Key::Addon(id));
        self.release_eni(addon.eni);
        let mut changed = App::clone(&app);
        changed.config.retain(|name, _| !addon.variables.contains(name));
        let description = format!("Detach {} (@ref:{})", addon.variables.join(", "), addon.name);
        let slug = self.world.release(app.release).and_then(|release| release.slug);
        self.release(changed, slug, description)?;
        Ok(Reply::Done)
    }

    fn check_addon_name(&self, name: &str) -> Result<String, Refused> {
        let bytes = name.as_bytes();
        let plain = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-';
        let well_formed = (3..=60).contains(&bytes.len())
            && bytes.iter().all(plain)
            && bytes[0].is_ascii_lowercase()
            && !name.ends_with('-');
        if !well_formed {
            return refuse(
                Code::InvalidParameterValue,
                "An add-on's name starts with a letter, ends with a letter or digit and has 3 to 60 \
                 lowercase letters, digits and dashes.",
            );
        }
        if self.world.addon_named(name).is_some() {
            return refuse(Code::InvalidParameterValue, format!("Name {name} is already taken"));
        }
        Ok(name.to_owned())
    }

    /// Makes a name up: `postgresql-cubic-12345`.
    fn addon_name(&mut self, service: &str) -> String {
        const SHAPES: [&str; 8] =
            ["angular", "cubic", "curved", "flat", "octagonal", "round", "spherical", "tapered"];
        let service = service.strip_prefix("heroku-").unwrap_or(service);
        loop {
            let bits = self.ids.next_bits();
            let shape = SHAPES[(bits % 8) as usize];
            let name = format!("{service}-{shape}-{:05}", (bits >> 8) % 100_000);
            if self.world.addon_named(&name).is_none() {
                return name;
            }
        }
    }

    /// Takes in what a service's process does. It is to run for ever: every end is a crash.
    pub(super) fn observe_service(&mut self, id: AddonId, report: &WorkloadReport) {
        use {AddonState as S, WorkloadReport as R};
        let Some(addon) = self.world.addon(id).cloned() else { return };
        let state = match (addon.state, report) {
            (S::Provisioning, R::Running) => S::Provisioned,
            (S::Provisioning | S::Provisioned, R::Ended(_)) | (S::Provisioned, R::Gone) => {
                S::Crashed
            }
            // Nothing is there yet, or nothing is new.
            (S::Provisioning, R::Gone)
            | (S::Provisioned, R::Running)
            | (S::Crashed, R::Running | R::Ended(_) | R::Gone) => return,
        };
        let ran = addon.state == S::Provisioned && self.now >= addon.updated + STABLE;
        let crashes = if state == S::Crashed && ran { 0 } else { addon.crashes };
        self.put(Addon { state, crashes, updated: self.now, ..Addon::clone(&addon) });
    }

    /// Tries a service that ended once more.
    pub(super) fn try_addon_again(&mut self, addon: &Addon) {
        self.put(Addon {
            state: AddonState::Provisioning,
            crashes: addon.crashes.saturating_add(1),
            attempt: addon.attempt.wrapping_add(1),
            updated: self.now,
            ..addon.clone()
        });
    }
}

/// The variable itself, or, where the app has it already, one with the service and a colour in its
/// name, as Heroku has it: `HEROKU_POSTGRESQL_AMBER_URL`.
fn free_variable(app: &App, service: &str, variable: String) -> String {
    const COLOURS: [&str; 12] = [
        "AMBER", "AQUA", "BLUE", "BRONZE", "CRIMSON", "GOLD", "GREEN", "IVORY", "JADE", "OLIVE",
        "ROSE", "TEAL",
    ];
    if !app.config.contains_key(&variable) {
        return variable;
    }
    let service = service.to_ascii_uppercase().replace('-', "_");
    let what = variable.rsplit('_').next().unwrap_or("URL");
    let coloured = COLOURS.iter().map(|colour| format!("{service}_{colour}_{what}"));
    let numbered = (2..).map(|n: u32| format!("{service}_{n}_{what}"));
    let mut names = coloured.chain(numbered);
    names.find(|name| !app.config.contains_key(name)).unwrap_or(variable)
}
