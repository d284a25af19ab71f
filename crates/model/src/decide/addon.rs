//! Rules of data services.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::app::{check_command, check_environment};
use super::report::service_step;
use super::{Decision, Outcome, refuse};
use crate::command::{Reply, WorkloadReport};
use crate::resource::{Addon, AddonAttachment, AddonState, App, Plan, Role, STABLE};
use crate::{AddonId, AppId, Code, Key, Refused, WorkloadId};

/// The most add-ons that one app may have attached.
const MAX_ADDONS: usize = 20;
/// The most characters of an attachment's name, so that the words of a plan's variables fit behind
/// it.
const MAX_ATTACHMENT_NAME: usize = 64;
const UNSEEN: &str = "Couldn't find that add-on.";

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
        let disk = plan.disk.unwrap_or(Plan::DISK);
        if disk < Plan::SMALLEST_DISK {
            return refuse(
                Code::InvalidParameterValue,
                format_args!(
                    "The plan {} has a disk of {disk} bytes; one of {} is the smallest.",
                    plan.name(),
                    Plan::SMALLEST_DISK
                ),
            );
        }
        self.check_room(&app)?;
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
            plan: Plan { disk: Some(disk), ..plan.clone() },
            password: password.to_owned(),
            state: AddonState::Provisioning,
            eni: eni.id,
            host: None,
            variables,
            attachments: Vec::new(),
            crashes: 0,
            attempt: 0,
            created: self.now,
            updated: self.now,
        });
        self.release(changed, None, description)?;
        Ok(Key::Addon(id).into())
    }

    pub(super) fn delete_addon(&mut self, id: AddonId) -> Outcome {
        let (addon, role) = self.seen_addon(id)?;
        let (app, _) = self.seen_app(addon.app)?;
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
        self.remove_addon(&addon, app.id)?;
        self.forget_variables(&addon, app.id)?;
        Ok(Reply::Done)
    }

    /// Removes a service, and its variables from every app but one.
    pub(super) fn remove_addon(&mut self, addon: &Addon, but: AppId) -> Result<(), Refused> {
        self.delete(Key::Addon(addon.id));
        self.release_eni(addon.eni);
        let apps: BTreeSet<_> = addon.attachments.iter().map(|attachment| attachment.app).collect();
        apps.into_iter()
            .filter(|app| *app != but)
            .try_for_each(|app| self.forget_variables(addon, app))
    }

    /// Takes from an app all that it has of a service, by a release.
    fn forget_variables(&mut self, addon: &Addon, app: AppId) -> Result<(), Refused> {
        let all = addon.attachments_to(app).flat_map(|(_, variables)| variables);
        let all: Vec<_> = all.cloned().collect();
        self.take_away(addon, app, &all)
    }

    fn take_away(
        &mut self,
        addon: &Addon,
        app: AppId,
        variables: &[String],
    ) -> Result<(), Refused> {
        let Some(app) = self.world.app(app).cloned() else { return Ok(()) };
        let mut changed = App::clone(&app);
        changed.config.retain(|name, _| !variables.contains(name));
        let description = format!("Detach {} (@ref:{})", variables.join(", "), addon.name);
        self.release(changed, None, description)?;
        Ok(())
    }

    /// Detaches a service from an app that is being deleted and that the service does not belong to.
    pub(super) fn forget_attachments(&mut self, addon: &Addon, app: AppId) {
        let mut changed = addon.clone();
        changed.attachments.retain(|attachment| attachment.app != app);
        self.put(Addon { updated: self.now, ..changed });
    }

    fn check_room(&self, app: &App) -> Result<(), Refused> {
        self.check_queue(app)?;
        let of_app = self.world.addons_of(Key::App(app.id));
        if of_app.flat_map(|addon| addon.attachments_to(app.id)).count() < MAX_ADDONS {
            return Ok(());
        }
        refuse(
            Code::LimitExceeded,
            format!("The app {} has {MAX_ADDONS} add-ons already.", app.name),
        )
    }

    pub(super) fn attach_addon(&mut self, id: AddonId, app: AppId, name: Option<&str>) -> Outcome {
        let (addon, _) = self.seen_addon(id)?;
        let (app, _) = self.seen_app(app)?;
        if addon.space != app.space {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "The add-on {} can be attached only to apps of its own space, whose dynos \
                     alone get through to it; the app {} is in another space.",
                    addon.name, app.name
                ),
            );
        }
        self.check_room(&app)?;
        let name = match name {
            Some(name) => self.check_attachment_name(&app, &addon, name)?,
            None => self.attachment_name(&app, &addon),
        };
        let variables = addon.plan.attached_as(&name);
        let eni = self.world.eni(addon.eni).cloned();
        let eni = eni.ok_or_else(|| Refused::new(Code::NotFound, UNSEEN))?;
        let values = addon.plan.variables(eni.primary(), &addon.password).into_values();
        let mut changed = App::clone(&app);
        changed.config.extend(variables.iter().cloned().zip(values));
        check_environment(&changed.config)?;
        let description = format!("Attach {} (@ref:{})", variables.join(", "), addon.name);
        let mut attached = Addon::clone(&addon);
        let attachment = AddonAttachment { app: app.id, name, variables, created: self.now };
        attached.attachments.push(attachment);
        self.put(Addon { updated: self.now, ..attached });
        self.release(changed, None, description)?;
        Ok(Key::Addon(id).into())
    }

    pub(super) fn detach_addon(&mut self, id: AddonId, app: AppId, name: &str) -> Outcome {
        let (addon, _) = self.seen_addon(id)?;
        let (app, _) = self.seen_app(app)?;
        let is_it =
            |attachment: &AddonAttachment| attachment.app == app.id && attachment.name == name;
        let Some(at) = addon.attachments.iter().position(is_it) else {
            if addon.app == app.id && addon.own_attachment() == name {
                return refuse(
                    Code::InvalidParameterValue,
                    format!(
                        "The add-on {} was made for the app {} and stays attached to it as {name}. \
                         To remove it with all that it holds, destroy it.",
                        addon.name, app.name
                    ),
                );
            }
            return refuse(Code::NotFound, "Couldn't find that add-on attachment.");
        };
        let mut changed = Addon::clone(&addon);
        let gone = changed.attachments.remove(at);
        self.put(Addon { updated: self.now, ..changed });
        self.take_away(&addon, app.id, &gone.variables)?;
        Ok(Key::Addon(id).into())
    }

    /// A service whose app the caller sees.
    fn seen_addon(&self, id: AddonId) -> Result<(Arc<Addon>, Role), Refused> {
        let unseen = || Refused::new(Code::NotFound, UNSEEN);
        self.check_platform_caller()?;
        let addon = self.world.addon(id).cloned().ok_or_else(unseen)?;
        let (_, role) = self.seen_app(addon.app).map_err(|_| unseen())?;
        Ok((addon, role))
    }

    fn check_attachment_name(
        &self,
        app: &App,
        addon: &Addon,
        name: &str,
    ) -> Result<String, Refused> {
        let name = name.to_ascii_uppercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let well_formed = (1..=MAX_ATTACHMENT_NAME).contains(&name.len())
            && name.chars().all(plain)
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && !name.ends_with('_');
        if !well_formed {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "An attachment's name starts with a letter, ends with a letter or digit and \
                     has 1 to {MAX_ATTACHMENT_NAME} letters, digits and underscores."
                ),
            );
        }
        if self.is_attachment(app, &name) {
            return refuse(
                Code::InvalidParameterValue,
                format!("The app {} has an add-on attached as {name} already.", app.name),
            );
        }
        let variables = addon.plan.attached_as(&name);
        if let Some(taken) = variables.iter().find(|name| app.config.contains_key(*name)) {
            return refuse(
                Code::InvalidParameterValue,
                format!(
                    "The app {} has a config var {taken} already; attach the add-on under another \
                     name.",
                    app.name
                ),
            );
        }
        Ok(name)
    }

    /// Whether an app has something attached under a name.
    fn is_attachment(&self, app: &App, name: &str) -> bool {
        let of_app = self.world.addons_of(Key::App(app.id));
        of_app.flat_map(|addon| addon.attachments_to(app.id)).any(|(taken, _)| taken == name)
    }

    /// The plan's own name of an attachment, or, where the app has that already, one with the
    /// service and a colour in it.
    fn attachment_name(&self, app: &App, addon: &Addon) -> String {
        let usual = addon.plan.usual_attachment().to_owned();
        let free = |name: &String| {
            let variables = addon.plan.attached_as(name);
            !self.is_attachment(app, name)
                && variables.iter().all(|variable| !app.config.contains_key(variable))
        };
        let mut names = std::iter::once(usual.clone()).chain(coloured(&addon.plan.service));
        names.find(free).unwrap_or(usual)
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

    /// Takes in a report about the process of a service.
    pub(super) fn observe_service(&mut self, id: AddonId, report: &WorkloadReport) {
        let Some(addon) = self.world.addon(id).cloned() else { return };
        let Some(state) = service_step(&addon, report) else { return };
        let ran = addon.state == AddonState::Provisioned && self.now >= addon.updated + STABLE;
        let crashes = if state == AddonState::Crashed && ran { 0 } else { addon.crashes };
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
    if !app.config.contains_key(&variable) {
        return variable;
    }
    let what = variable.rsplit('_').next().unwrap_or("URL");
    let mut names = coloured(service).map(|name| format!("{name}_{what}"));
    names.find(|name| !app.config.contains_key(name)).unwrap_or(variable)
}

/// Names that tell a service's attachments from each other: `HEROKU_POSTGRESQL_AMBER`.
fn coloured(service: &str) -> impl Iterator<Item = String> {
    const COLOURS: [&str; 12] = [
        "AMBER", "AQUA", "BLUE", "BRONZE", "CRIMSON", "GOLD", "GREEN", "IVORY", "JADE", "OLIVE",
        "ROSE", "TEAL",
    ];
    let service = service.to_ascii_uppercase().replace('-', "_");
    let numbered = service.clone();
    let colours = COLOURS.iter().map(move |colour| format!("{service}_{colour}"));
    colours.chain((2..).map(move |n: u32| format!("{numbered}_{n}")))
}
