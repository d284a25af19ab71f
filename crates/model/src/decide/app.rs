//! Rules of apps and their dynos.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Decision, Outcome, refuse};
use crate::command::{Caller, Reply};
use crate::resource::{App, Release, ReleaseStatus, Role, TokenBound};
use crate::{AppId, Code, Key, Kind, Refused, ReleaseId, SpaceId, TeamId, UserId};

const MAX_COMMAND: usize = 4096;
const MAX_VARIABLE_NAME: usize = 128;
/// Together with their names; what a kernel lets a program start with is far more.
const MAX_ENVIRONMENT: usize = 32 * 1024;

impl Decision<'_> {
    pub(super) fn create_app(
        &mut self,
        name: Option<&str>,
        space: SpaceId,
        internal: bool,
    ) -> Outcome {
        let space = self.space_for_new_app(space)?;
        let owner = self.owner_of_new_app(space.team)?;
        let name = match name {
            Some(name) => self.check_app_name(name)?,
            None => self.app_name()?,
        };
        let id = AppId::fresh(self.ids);
        let label = self.label(&name);
        let release = ReleaseId::fresh(self.ids);
        self.put(Release {
            id: release,
            app: id,
            version: 1,
            slug: None,
            inherits_code: false,
            config: BTreeMap::new(),
            description: "Initial release".to_owned(),
            user: self.acting_user(),
            status: ReleaseStatus::Succeeded,
            command: None,
            created: self.now,
            settled: None,
        });
        self.put(App {
            id,
            name,
            label,
            team: space.team,
            space: space.id,
            owner,
            internal_routing: internal,
            fence_stop: false,
            config: BTreeMap::new(),
            formation: BTreeMap::new(),
            domains: BTreeMap::new(),
            release,
            created: self.now,
            updated: self.now,
        });
        Ok(Key::App(id).into())
    }

    /// The owner of a new app: the user who makes it, or an admin of the team where the operator
    /// makes it.
    fn owner_of_new_app(&self, team: TeamId) -> Result<UserId, Refused> {
        if let Caller::User(user) = self.caller {
            return Ok(user);
        }
        let admin = self.world.team(team).and_then(|team| {
            team.members.iter().find(|(_, role)| **role == Role::Admin).map(|(user, _)| *user)
        });
        admin.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find an admin of that team."))
    }

    fn check_app_name(&self, name: &str) -> Result<String, Refused> {
        let bytes = name.as_bytes();
        let plain = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-';
        let well_formed = (3..=30).contains(&bytes.len())
            && bytes.iter().all(plain)
            && bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.last().is_some_and(|c| *c != b'-');
        if !well_formed {
            return refuse(
                Code::InvalidParameterValue,
                "Name must start with a letter, end with a letter or digit and can only contain \
                 3 to 30 lowercase letters, digits, and dashes.",
            );
        }
        if self.world.app_named(name).is_some() {
            return refuse(Code::InvalidParameterValue, format!("Name {name} is already taken"));
        }
        Ok(name.to_owned())
    }

    /// Makes a name up: `quiet-river-12345`.
    fn app_name(&mut self) -> Result<String, Refused> {
        const QUALITIES: [&str; 16] = [
            "aged", "bold", "calm", "damp", "early", "fierce", "gentle", "hidden", "icy", "limpid",
            "misty", "polar", "quiet", "rocky", "silent", "warm",
        ];
        const THINGS: [&str; 16] = [
            "bayou", "brook", "canyon", "cliff", "dune", "fjord", "forest", "harbor", "island",
            "lake", "meadow", "plains", "reef", "river", "shore", "valley",
        ];
        const TRIES: usize = 16;
        let pick = |bits: u128, from: [&'static str; 16]| from[(bits % 16) as usize];
        for _ in 0..TRIES {
            let bits = self.ids.next_bits();
            let (quality, thing) = (pick(bits, QUALITIES), pick(bits >> 4, THINGS));
            let name = format!("{quality}-{thing}-{:05}", (bits >> 8) % 100_000);
            if self.world.app_named(&name).is_none() {
                return Ok(name);
            }
        }
        refuse(Code::Conflict, "No generated name was free; please choose one.")
    }

    pub(super) fn set_fence_stop(&mut self, id: AppId, fence_stop: bool) -> Outcome {
        let (app, _) = self.seen_app(id)?;
        if app.fence_stop != fence_stop {
            self.put(App { fence_stop, updated: self.now, ..App::clone(&app) });
        }
        Ok(Key::App(id).into())
    }

    pub(super) fn delete_app(&mut self, id: AppId) -> Outcome {
        let (app, role) = self.seen_app(id)?;
        if role != Role::Admin && self.caller != Caller::User(app.owner) {
            return refuse(
                Code::UnauthorizedOperation,
                format!(
                    "You do not have access to delete the app {}; only its owner and admins of \
                     the team can delete it.",
                    app.name
                ),
            );
        }
        let key = Key::App(id);
        let dynos: Vec<_> = self.world.dynos_in(key).cloned().collect();
        for dyno in dynos {
            self.delete(Key::Dyno(dyno.id));
            self.release_eni(dyno.eni);
        }
        let addons: Vec<_> = self.world.addons_of(key).cloned().collect();
        for addon in addons {
            if addon.app == id {
                self.remove_addon(&addon, id)?;
            } else {
                self.forget_attachments(&addon, id);
            }
        }
        let releases = self.world.releases_of(key).map(|release| Key::Release(release.id));
        let slugs = self.world.slugs_of(key).map(|slug| Key::Slug(slug.id));
        let drains = self.world.log_drains_of(key).map(|drain| Key::LogDrain(drain.id));
        let hooks = self.world.naming(key, Kind::Webhook);
        for part in releases.chain(slugs).chain(drains).chain(hooks).collect::<Vec<_>>() {
            self.delete(part);
        }
        self.end_tokens_bound_to(TokenBound::App(id));
        self.delete(key);
        Ok(Reply::Done)
    }

    /// The app's name under the platform's domain, which nobody can guess.
    fn label(&mut self, name: &str) -> String {
        const DIGITS: u128 = 0xffff_ffff_ffff;
        loop {
            let label = format!("{name}-{:012x}", self.ids.next_bits() & DIGITS);
            if self.world.find(&crate::Alias::Label(label.as_str().into())).is_none() {
                return label;
            }
        }
    }

    /// The user who acts; none for the operator and the platform itself.
    pub(super) fn acting_user(&self) -> Option<UserId> {
        match self.caller {
            Caller::User(user) => Some(user),
            Caller::Operator | Caller::System | Caller::Account { .. } => None,
        }
    }

    /// An app that the caller sees, and what the caller is in its team.
    pub(super) fn seen_app(&self, id: AppId) -> Result<(Arc<App>, Role), Refused> {
        const UNSEEN: &str = "Couldn't find that app.";
        self.check_platform_caller()?;
        let app = self.world.app(id).ok_or_else(|| Refused::new(Code::NotFound, UNSEEN))?;
        let role = self.role_in(app.team, UNSEEN)?;
        Ok((Arc::clone(app), role))
    }
}

pub(super) fn check_command(command: &str) -> Result<(), Refused> {
    if command.trim().is_empty() || command.len() > MAX_COMMAND || command.contains('\0') {
        return refuse(
            Code::InvalidParameterValue,
            format!("Command must have 1 to {MAX_COMMAND} bytes, and no NUL among them."),
        );
    }
    Ok(())
}

pub(super) fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), Refused> {
    for (name, value) in environment {
        check_variable(name, value)?;
    }
    let size: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_ENVIRONMENT {
        return refuse(
            Code::InvalidParameterValue,
            format!("The environment has more than {MAX_ENVIRONMENT} bytes."),
        );
    }
    Ok(())
}

fn check_variable(name: &str, value: &str) -> Result<(), Refused> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let why = if name.is_empty() {
        "it is empty".to_owned()
    } else if name.len() > MAX_VARIABLE_NAME {
        format!("it has {} bytes, and may have {MAX_VARIABLE_NAME}", name.len())
    } else if !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
        "it may have letters, digits and underscores, and does not begin with a digit".to_owned()
    } else if value.contains('\0') {
        return refuse(
            Code::InvalidParameterValue,
            format!("Invalid value of the environment variable '{name}': it has a NUL in it."),
        );
    } else {
        return Ok(());
    };
    let name: String = name.chars().take(64).collect();
    refuse(
        Code::InvalidParameterValue,
        format!("Invalid name of an environment variable, '{name}': {why}."),
    )
}
