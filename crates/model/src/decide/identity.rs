//! Rules of who acts: all but a user's own tokens are the operator's.

use super::space::is_slug;
use super::{Decision, Outcome, refuse};
use crate::command::{Caller, IdentityCommand, Reply};
use crate::resource::{Access, AccessKey, Account, Role, Settings, Team, User};
use crate::{AccessKeyId, AccountId, Code, Key, Refused, Region, SettingsKey, TeamId, UserId};

/// The name of the account that owns the spaces' VPCs.
const PLATFORM: &str = "platform";
/// How many seconds the clock may be ahead of the machine's at most: a hundred years, which is enough
/// for any test and keeps all sums of times far from overflow.
const MAX_CLOCK_OFFSET: u64 = 100 * 366 * 24 * 3600;

impl Decision<'_> {
    pub(super) fn identity(&mut self, command: &IdentityCommand) -> Outcome {
        use IdentityCommand as C;
        match command {
            C::SetPassword { user, hash, end_tokens } => {
                self.set_password(*user, hash, *end_tokens)
            }
            C::CreateToken(new) => self.create_token(new),
            C::DescribeToken { id, description } => self.describe_token(*id, description),
            C::ReplaceToken { id, hash } => self.replace_token(*id, hash),
            C::DeleteToken { id } => self.delete_token(*id),
            C::EnableSecondFactor { user, sealed_secret, step, recovery } => {
                self.enable_second_factor(*user, sealed_secret, *step, recovery)
            }
            C::UseSecondFactor { user, proof } => self.use_second_factor(*user, proof),
            C::ReplaceRecoveryCodes { user, recovery, proof } => {
                self.replace_recovery_codes(*user, recovery, proof)
            }
            C::DisableSecondFactor { user, proof } => {
                self.disable_second_factor(*user, proof.as_ref())
            }
            C::DemandSecondFactor { team, demanded } => self.demand_second_factor(*team, *demanded),
            C::CreateWebhook(new) => self.create_webhook(new),
            C::DeleteWebhook { id } => self.delete_webhook(*id),
            C::SetUp { region, emulator, instance } => {
                self.operator_only()?;
                self.set_up(*region, *emulator, instance)
            }
            C::SetInstance { instance } => {
                self.operator_only()?;
                self.set_instance(instance)
            }
            C::DriveFabric { driver, take_over } => {
                self.operator_only()?;
                self.drive_fabric(driver, *take_over)
            }
            C::LeaveFabric { id } => {
                self.operator_only()?;
                self.leave_fabric(id)
            }
            C::SetOutbound { outbound } => {
                self.operator_only()?;
                self.set_outbound(outbound.as_ref())
            }
            C::SetQuota { of, quota, most } => {
                self.operator_only()?;
                self.set_quota(*of, *quota, *most)
            }
            C::SetLikeAws { like_aws } => {
                self.operator_only()?;
                self.set_like_aws(*like_aws)
            }
            C::AdvanceClock { seconds } => {
                self.operator_only()?;
                self.advance_clock(*seconds)
            }
            C::CreateAccount { name } => {
                self.operator_only()?;
                self.create_account(name)
            }
            C::CreateAccessKey { id, account, sealed_secret, access, replaces } => {
                self.operator_only()?;
                self.create_access_key(*id, *account, sealed_secret, *access, *replaces)
            }
            C::DeleteAccessKey { id } => {
                self.operator_only()?;
                self.delete_access_key(*id)
            }
            C::CreateIamRole(new) => {
                self.operator_only()?;
                self.create_iam_role(new)
            }
            C::DeleteIamRole { id } => {
                self.operator_only()?;
                self.delete_iam_role(*id)
            }
            C::CreateUser { email } => {
                self.operator_only()?;
                self.create_user(email)
            }
            C::CreateTeam { name, admin } => {
                self.operator_only()?;
                self.create_team(name, *admin)
            }
            C::SetMember { team, user, role } => self.set_member(*team, *user, *role),
            C::Disable { subject } => {
                self.operator_only()?;
                self.disable(*subject)
            }
            C::Enable { subject } => {
                self.operator_only()?;
                self.enable(*subject)
            }
            C::Destroy { subject } => {
                self.check_may_destroy(*subject)?;
                self.destroy(*subject)
            }
            C::EnsureAccount { id, region } => {
                self.operator_only()?;
                self.ensure_account(*id, *region)
            }
        }
    }

    pub(super) fn operator_only(&self) -> Result<(), Refused> {
        if self.is_operator() {
            return Ok(());
        }
        refuse(Code::UnauthorizedOperation, "Only the operator of this installation can do this.")
    }

    fn set_up(&mut self, region: Region, emulator: bool, instance: &str) -> Outcome {
        if !self.world.is_empty() {
            return refuse(Code::Conflict, "This installation is set up already.");
        }
        check_instance(instance)?;
        let account = AccountId::fresh(self.ids);
        self.put(Account {
            id: account,
            name: PLATFORM.to_owned(),
            created: self.now,
            disabled: None,
            quotas: Default::default(),
        });
        self.put(Settings {
            platform_account: account,
            region,
            emulator,
            instance: instance.to_owned(),
            created: self.now,
            clock_offset: 0,
            outbound: None,
            fabric: None,
            quotas: Default::default(),
        });
        Ok(Reply::Resources(vec![Key::Settings(SettingsKey), Key::Account(account)]))
    }

    fn set_instance(&mut self, instance: &str) -> Outcome {
        check_instance(instance)?;
        let settings = Settings::clone(&*self.settings()?);
        // Whoever drives the original's networks drives none of the copy's.
        self.put(Settings { instance: instance.to_owned(), fabric: None, ..settings });
        Ok(Key::Settings(SettingsKey).into())
    }

    pub(super) fn advance_clock(&mut self, seconds: u64) -> Outcome {
        let settings = Settings::clone(&*self.settings()?);
        let clock_offset = settings.clock_offset.saturating_add(seconds);
        if clock_offset > MAX_CLOCK_OFFSET {
            return refuse(
                Code::InvalidParameterValue,
                "The clock can be moved ahead by a hundred years in all, and not further.",
            );
        }
        if clock_offset != settings.clock_offset {
            self.put(Settings { clock_offset, ..settings });
        }
        Ok(Key::Settings(SettingsKey).into())
    }

    fn create_account(&mut self, name: &str) -> Outcome {
        self.settings()?;
        check_name(name)?;
        if self.world.account_named(name).is_some() {
            return taken("an account", name);
        }
        let mut id = AccountId::fresh(self.ids);
        // Twelve digits are few enough for two to meet.
        while self.world.account(id).is_some() || self.world.former_account(id).is_some() {
            id = AccountId::fresh(self.ids);
        }
        self.put(Account {
            id,
            name: name.to_owned(),
            created: self.now,
            disabled: None,
            quotas: Default::default(),
        });
        Ok(Key::Account(id).into())
    }

    fn create_access_key(
        &mut self,
        id: AccessKeyId,
        account: AccountId,
        sealed_secret: &str,
        access: Access,
        replaces: Option<AccessKeyId>,
    ) -> Outcome {
        let Some(owner) = self.world.account(account) else { return not_found("account") };
        if owner.disabled.is_some() {
            return disabled("account", &owner.name, "accounts:enable");
        }
        if self.world.access_key(id).is_some() {
            return refuse(Code::Conflict, format!("There is an access key {id} already."));
        }
        if sealed_secret.is_empty() {
            return refuse(Code::MissingParameter, "An access key needs its secret half.");
        }
        if let Some(old) = replaces {
            let found = self.world.access_key(old).filter(|old| old.account == account);
            let Some(found) = found else { return not_found("access key") };
            if found.disabled.is_some() {
                return disabled("access key", &old.to_string(), "keys:enable");
            }
            self.replace_trust(old, Some(id));
            self.delete(Key::AccessKey(old));
        }
        let sealed_secret = sealed_secret.to_owned();
        self.put(AccessKey {
            id,
            account,
            sealed_secret,
            access,
            disabled: None,
            created: self.now,
        });
        Ok(Key::AccessKey(id).into())
    }

    pub(super) fn delete_access_key(&mut self, id: AccessKeyId) -> Outcome {
        if self.world.access_key(id).is_none() {
            return not_found("access key");
        }
        self.replace_trust(id, None);
        self.delete(Key::AccessKey(id));
        Ok(Reply::Done)
    }

    fn create_user(&mut self, email: &str) -> Outcome {
        let email = email.to_lowercase();
        if !is_email(&email) {
            return refuse(
                Code::InvalidParameterValue,
                "Email must be an address such as ada@example.com.",
            );
        }
        if self.world.user_named(&email).is_some() {
            return taken("a user", &email);
        }
        let id = UserId::fresh(self.ids);
        let (created, updated) = (self.now, self.now);
        self.put(User {
            id,
            email,
            password: None,
            second_factor: None,
            disabled: None,
            created,
            updated,
        });
        Ok(Key::User(id).into())
    }

    fn create_team(&mut self, name: &str, admin: UserId) -> Outcome {
        check_name(name)?;
        let Some(user) = self.world.user(admin) else { return not_found("user") };
        if user.disabled.is_some() {
            return disabled("user", &user.email, "users:enable");
        }
        if self.world.team_named(name).is_some() {
            return taken("a team", name);
        }
        let id = TeamId::fresh(self.ids);
        let members = [(admin, Role::Admin)].into();
        let name = name.to_owned();
        self.put(Team {
            id,
            name,
            members,
            demands_second_factor: false,
            disabled: None,
            quotas: Default::default(),
            created: self.now,
            updated: self.now,
        });
        Ok(Key::Team(id).into())
    }

    fn set_member(&mut self, team: TeamId, user: UserId, role: Option<Role>) -> Outcome {
        let leaves = role.is_none() && self.caller == Caller::User(user);
        match self.role_in(team, "Couldn't find that team.")? {
            Role::Admin => {}
            Role::Member if leaves => {}
            Role::Member => {
                return refuse(
                    Code::UnauthorizedOperation,
                    "You do not have access to change the team's members; only its admins can \
                     change them.",
                );
            }
        }
        let Some(before) = self.world.team(team).cloned() else { return not_found("team") };
        let Some(member) = self.world.user(user) else { return not_found("user") };
        let joins = role.is_some() && !before.members.contains_key(&user);
        if let Caller::User(_) = self.caller
            && joins
            && before.demands_second_factor
            && member.second_factor.is_none()
        {
            // Whoever is in a team that demands one and has none is let into nothing, and is not asked
            // before being made a member.
            let message = format!(
                "The team {} demands a second factor, and {} has none; they enable one first, by \
                 `causeway 2fa:enable`.",
                before.name, member.email
            );
            return refuse(Code::Conflict, message);
        }
        let mut after = Team::clone(&before);
        match role {
            Some(role) => after.members.insert(user, role),
            None => after.members.remove(&user),
        };
        if !self.has_admin(&after, None) {
            return refuse(
                Code::Conflict,
                format!(
                    "The team {} would be left without an admin; make another member one first.",
                    before.name
                ),
            );
        }
        if after.members != before.members {
            after.updated = self.now;
            self.put(after);
            if role.is_none() {
                self.forget_space_access(team, user);
            }
        }
        Ok(Key::Team(team).into())
    }
}

/// Names of accounts and teams. They begin with a letter, so that none looks like an id.
fn check_instance(instance: &str) -> Result<(), Refused> {
    if is_slug(instance, 1, 32) {
        return Ok(());
    }
    refuse(
        Code::InvalidParameterValue,
        "An installation's name has 1 to 32 lower-case letters, digits and single hyphens inside.",
    )
}

fn check_name(name: &str) -> Result<(), Refused> {
    if is_slug(name, 2, 40) && name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Ok(());
    }
    refuse(
        Code::InvalidParameterValue,
        "Name must have 2 to 40 lower-case letters, digits and single hyphens, begin with a letter \
         and end with a letter or digit.",
    )
}

fn is_email(text: &str) -> bool {
    let allowed = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    text.len() <= 254
        && text
            .split_once('@')
            .is_some_and(|(local, host)| allowed(local) && allowed(host) && !host.contains('@'))
}

pub(super) fn is_plain(text: &str, max: usize) -> bool {
    text.chars().count() <= max && !text.contains(char::is_control)
}

/// The refusal of what would let somebody in who was disabled.
pub(super) fn disabled(what: &str, name: &str, command: &str) -> Outcome {
    refuse(
        Code::Conflict,
        format_args!(
            "The {what} {name} is disabled. Undo that first: `causeway {command} {name}`."
        ),
    )
}

fn taken(what: &str, name: &str) -> Outcome {
    refuse(Code::Conflict, format!("There is {what} named {name} already."))
}

pub(super) fn not_found(what: &str) -> Outcome {
    refuse(Code::NotFound, format!("Couldn't find that {what}."))
}
