//! Rules of apps and their dynos.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Decision, Outcome, refuse};
use crate::command::{Caller, PlatformCommand, Reply};
use crate::resource::{App, Dyno, DynoState, Eni, Role, Space, SpaceState};
use crate::{AppId, Code, DynoId, Key, Refused, SpaceId, Tags, TeamId, UserId, WorkloadId};

/// The sizes of dynos in a space.
const SIZES: [&str; 6] =
    ["Private-S", "Private-M", "Private-L", "Private-XL", "Private-2XL", "Private-L-RAM"];
const MAX_COMMAND: usize = 4096;
const MAX_VARIABLE_NAME: usize = 128;
/// Together with their names; what a kernel lets a program start with is far more.
const MAX_ENVIRONMENT: usize = 32 * 1024;
/// One-off dynos are numbered with four digits.
const RUN_NUMBERS: std::ops::Range<u32> = 1000..10_000;

impl Decision<'_> {
    pub(super) fn app_command(&mut self, command: &PlatformCommand) -> Outcome {
        use PlatformCommand as C;
        match command {
            C::CreateApp { name, space, internal_routing } => {
                self.create_app(name.as_deref(), *space, *internal_routing)
            }
            C::DeleteApp { app } => self.delete_app(*app),
            C::StartDyno { app, command, size, environment } => {
                self.start_dyno(*app, command, size.as_deref(), environment)
            }
            C::StopDyno { dyno } => self.stop_dyno(*dyno),
            _ => refuse(Code::OperationNotPermitted, "this is not about apps"),
        }
    }

    fn create_app(&mut self, name: Option<&str>, space: SpaceId, internal: bool) -> Outcome {
        let (space, _) = self.seen_space(space)?;
        let owner = self.owner_of_new_app(space.team)?;
        let name = match name {
            Some(name) => self.check_app_name(name)?,
            None => self.app_name()?,
        };
        let id = AppId::fresh(self.ids);
        self.put(App {
            id,
            name,
            team: space.team,
            space: space.id,
            owner,
            internal_routing: internal,
            config: BTreeMap::new(),
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
        let dynos: Vec<_> = self.world.dynos_in(Key::App(id)).cloned().collect();
        for dyno in dynos {
            self.delete(Key::Dyno(dyno.id));
            self.release_eni(dyno.eni);
        }
        self.delete(Key::App(id));
        Ok(Reply::Done)
    }

    fn start_dyno(
        &mut self,
        app: AppId,
        command: &str,
        size: Option<&str>,
        environment: &BTreeMap<String, String>,
    ) -> Outcome {
        let (app, _) = self.seen_app(app)?;
        let space = self.allocated_space(&app)?;
        check_command(command)?;
        let size = check_size(size.unwrap_or(SIZES[0]))?;
        check_environment(environment)?;
        let name = self.dyno_name(&app)?;
        let id = DynoId::fresh(self.ids);
        let eni = self.dyno_eni(&space, id, &format!("{} of {}", name, app.name))?;
        self.put(Dyno {
            id,
            app: app.id,
            space: space.id,
            name,
            process_type: "run".to_owned(),
            command: command.to_owned(),
            size: size.to_owned(),
            environment: environment.clone(),
            state: DynoState::Starting,
            exit: None,
            eni: eni.id,
            created: self.now,
            updated: self.now,
        });
        Ok(Key::Dyno(id).into())
    }

    fn allocated_space(&self, app: &App) -> Result<Arc<Space>, Refused> {
        let space = self.world.space(app.space).cloned();
        let space =
            space.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find that space."))?;
        match space.state {
            SpaceState::Allocated => Ok(space),
            SpaceState::Allocating => refuse(
                Code::Conflict,
                format!(
                    "The space {} is not allocated yet; wait for it with `heroku spaces:wait {}`.",
                    space.name, space.name
                ),
            ),
        }
    }

    /// An interface in the emptier one of the space's dyno subnets (R7).
    fn dyno_eni(&mut self, space: &Space, dyno: DynoId, what: &str) -> Result<Eni, Refused> {
        let subnets = space.dyno_subnets.iter().filter_map(|id| self.world.subnet(*id));
        // The first of those that are equally empty.
        let subnet = subnets.rev().max_by_key(|subnet| self.free_addresses(subnet)).cloned();
        let subnet =
            subnet.ok_or_else(|| Refused::new(Code::NotFound, "Couldn't find a dyno subnet."))?;
        let (workload, groups) = (WorkloadId::Dyno(dyno), vec![space.dyno_group]);
        self.make_eni(&subnet, workload, groups, None, what, Tags::new())
    }

    fn dyno_name(&mut self, app: &App) -> Result<String, Refused> {
        let span = u128::from(RUN_NUMBERS.end - RUN_NUMBERS.start);
        let offset = (self.ids.next_bits() % span) as u32;
        let (before, from) = (RUN_NUMBERS.start..RUN_NUMBERS.start + offset, offset);
        (RUN_NUMBERS.start + from..RUN_NUMBERS.end)
            .chain(before)
            .map(|number| format!("run.{number}"))
            .find(|name| self.world.dyno_named(app.id, name).is_none())
            .ok_or_else(|| {
                let message = format!("The app {} has too many one-off dynos.", app.name);
                Refused::new(Code::LimitExceeded, message)
            })
    }

    fn stop_dyno(&mut self, id: DynoId) -> Outcome {
        let unseen = || Refused::new(Code::NotFound, "Couldn't find that process.");
        self.check_platform_caller()?;
        let dyno = self.world.dyno(id).cloned().ok_or_else(unseen)?;
        self.seen_app(dyno.app).map_err(|_| unseen())?;
        match dyno.state {
            DynoState::Starting | DynoState::Up => {
                let dyno = Dyno::clone(&dyno);
                self.put(Dyno { state: DynoState::Stopping, updated: self.now, ..dyno });
            }
            DynoState::Stopping => {}
            DynoState::Down | DynoState::Crashed => return Err(unseen()),
        }
        Ok(Key::Dyno(id).into())
    }

    /// An app that the caller sees, and what the caller is in its team.
    fn seen_app(&self, id: AppId) -> Result<(Arc<App>, Role), Refused> {
        const UNSEEN: &str = "Couldn't find that app.";
        self.check_platform_caller()?;
        let app = self.world.app(id).ok_or_else(|| Refused::new(Code::NotFound, UNSEEN))?;
        let role = self.role_in(app.team, UNSEEN)?;
        Ok((Arc::clone(app), role))
    }
}

fn check_command(command: &str) -> Result<(), Refused> {
    if command.trim().is_empty() || command.len() > MAX_COMMAND || command.contains('\0') {
        return refuse(
            Code::InvalidParameterValue,
            format!("Command must have 1 to {MAX_COMMAND} bytes, and no NUL among them."),
        );
    }
    Ok(())
}

fn check_size(size: &str) -> Result<&'static str, Refused> {
    let known = SIZES.into_iter().find(|known| known.eq_ignore_ascii_case(size));
    known.ok_or_else(|| {
        let message = format!("No such size as {size}; a dyno has one of {}.", SIZES.join(", "));
        Refused::new(Code::InvalidParameterValue, message)
    })
}

fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), Refused> {
    for (name, value) in environment {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let named = (1..=MAX_VARIABLE_NAME).contains(&name.len())
            && name.chars().all(plain)
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !named || value.contains('\0') {
            return refuse(
                Code::InvalidParameterValue,
                "Names of environment variables have letters, digits and underscores and do not \
                 begin with a digit; their values have no NUL.",
            );
        }
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
