//! Rules of apps and their dynos.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Decision, Outcome, refuse};
use crate::command::{Caller, PlatformCommand, Reply};
use crate::resource::{App, Domain, Release, Role};
use crate::{AppId, Code, DomainId, Key, Refused, ReleaseId, SpaceId, TeamId, UserId};

/// Custom domains of one app.
const MAX_DOMAINS: usize = 1000;
const MAX_COMMAND: usize = 4096;
const MAX_VARIABLE_NAME: usize = 128;
/// Together with their names; what a kernel lets a program start with is far more.
const MAX_ENVIRONMENT: usize = 32 * 1024;

impl Decision<'_> {
    pub(super) fn app_command(&mut self, command: &PlatformCommand) -> Outcome {
        use PlatformCommand as C;
        match command {
            C::CreateApp { name, space, internal_routing } => {
                self.create_app(name.as_deref(), *space, *internal_routing)
            }
            C::DeleteApp { app } => self.delete_app(*app),
            C::AddDomain { app, hostname } => self.add_domain(*app, hostname),
            C::RemoveDomain { app, domain } => self.remove_domain(*app, *domain),
            C::CreateSlug { .. }
            | C::CreateRelease { .. }
            | C::Rollback { .. }
            | C::SetConfig { .. } => self.release_command(command),
            C::Scale { .. }
            | C::RestartDynos { .. }
            | C::StartDyno { .. }
            | C::StopDynos { .. } => self.dyno_command(command),
            C::CreateAddon { app, plan, name, password } => {
                self.create_addon(*app, plan, name.as_deref(), password)
            }
            C::AttachAddon { addon, app, name } => self.attach_addon(*addon, *app, name.as_deref()),
            C::DetachAddon { addon, app, name } => self.detach_addon(*addon, *app, name),
            C::DeleteAddon { addon } => self.delete_addon(*addon),
            _ => refuse(Code::OperationNotPermitted, "this is not about apps"),
        }
    }

    fn create_app(&mut self, name: Option<&str>, space: SpaceId, internal: bool) -> Outcome {
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
            config: BTreeMap::new(),
            description: "Initial release".to_owned(),
            user: self.acting_user(),
            created: self.now,
        });
        self.put(App {
            id,
            name,
            label,
            team: space.team,
            space: space.id,
            owner,
            internal_routing: internal,
            config: BTreeMap::new(),
            formation: BTreeMap::new(),
            domains: BTreeMap::new(),
            release,
            created: self.now,
            updated: self.now,
        });
        Ok(Key::App(id).into())
    }

    /// Who makes it; what the operator makes is an admin's of the team.
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
        refuse(Code::Conflict, "No name was free that could be made up; please choose one.")
    }

    fn delete_app(&mut self, id: AppId) -> Outcome {
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
        for part in releases.chain(slugs).collect::<Vec<_>>() {
            self.delete(part);
        }
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

    fn add_domain(&mut self, app: AppId, hostname: &str) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let hostname = check_hostname(hostname)?;
        self.check_pattern_of_others(&app, &hostname)?;
        if self.world.find(&crate::Alias::Host(hostname.as_str().into())).is_some() {
            return refuse(
                Code::InvalidParameterValue,
                format!("{hostname} is currently in use by another app, or by this one."),
            );
        }
        if app.domains.len() >= MAX_DOMAINS {
            return refuse(
                Code::LimitExceeded,
                format!("The app {} has {MAX_DOMAINS} custom domains already.", app.name),
            );
        }
        let mut app = App::clone(&app);
        let domain = Domain { id: DomainId::fresh(self.ids), created: self.now };
        app.domains.insert(hostname, domain);
        self.put(App { updated: self.now, ..app.clone() });
        Ok(Key::App(app.id).into())
    }

    /// What a pattern of another team's stands for is not to be taken out of it. Nor may anybody
    /// else have the same name, which is checked apart.
    fn check_pattern_of_others(&self, app: &App, hostname: &str) -> Result<(), Refused> {
        for pattern in crate::edge::known_as(hostname).skip(1) {
            let holder = match self.world.find(&crate::Alias::Host(pattern.as_ref().into())) {
                Some(Key::App(id)) => self.world.app(id),
                _ => None,
            };
            if holder.is_some_and(|holder| holder.team != app.team) {
                return refuse(
                    Code::InvalidParameterValue,
                    format!("{hostname} is currently in use by another app, as {pattern}."),
                );
            }
        }
        Ok(())
    }

    fn remove_domain(&mut self, app: AppId, id: DomainId) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let mut app = App::clone(&app);
        let before = app.domains.len();
        app.domains.retain(|_, domain| domain.id != id);
        if app.domains.len() == before {
            return refuse(Code::NotFound, "Couldn't find that domain name.");
        }
        self.put(App { updated: self.now, ..app.clone() });
        Ok(Key::App(app.id).into())
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

/// A host's name in lower case: labels of letters, digits and hyphens, at least two of them, as
/// one below a top-level domain has.
fn check_hostname(text: &str) -> Result<String, Refused> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    let address = labels.rsplit('.').next().is_some_and(|l| l.bytes().all(|c| c.is_ascii_digit()));
    if crate::plan::names::is_reserved(labels) {
        return refuse(
            Code::InvalidParameterValue,
            format!("'{text}' lies in a domain that the platform itself keeps."),
        );
    }
    if name.len() <= 253 && labels.contains('.') && labels.split('.').all(label) && !address {
        return Ok(name);
    }
    if !text.is_ascii() {
        return refuse(
            Code::InvalidParameterValue,
            format!(
                "'{text}' has letters that DNS does not know; give the name in punycode, as in \
                 xn--mnchen-3ya.de for m\u{fc}nchen.de."
            ),
        );
    }
    refuse(
        Code::InvalidParameterValue,
        format!(
            "'{text}' is not a valid domain name; one is like www.example.com or *.example.com."
        ),
    )
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
