//! Random play with people: users, teams, accounts, keys, roles, tokens and quotas come, are disabled, come
//! back and go, while they ask for things and for credentials. What always holds, holds after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::fixture::*;
use crate::IdentityCommand as C;
use crate::*;

/// What chance a step is made from.
type Dice = [u8; 6];

struct Game {
    bench: Bench,
    /// Credentials that were given out, by whatever way.
    given: Vec<Principal>,
    /// Who was destroyed, by name.
    gone: BTreeMap<Key, String>,
    granted: BTreeMap<String, u32>,
}

impl Game {
    fn new() -> Self {
        let bench = Bench::set_up(false);
        let (given, gone, granted) = Default::default();
        let mut game = Self { bench, given, gone, granted };
        for n in 0..3 {
            game.ask(Caller::Operator, C::CreateUser { email: email(n) });
            game.ask(Caller::Operator, C::CreateAccount { name: format!("account-{n}") });
        }
        let admin = game.bench.world.users().next().expect("made").id;
        game.ask(Caller::Operator, C::CreateTeam { name: "team-0".to_owned(), admin });
        game
    }

    /// Asks for something, and checks all that must hold.
    fn ask(&mut self, caller: Caller, command: impl Into<Command>) -> Option<Reply> {
        let command = command.into();
        let before = self.bench.world.clone();
        let (reply, changes) = self.bench.run(caller, command.clone()).ok()?;
        assert!(is_admitted(&before, caller), "{caller} was let in: {command:?}");
        if let Command::Identity(C::Destroy { subject }) = &command {
            self.note_gone(&before, *subject);
        }
        if let Reply::Credentials(of) = &reply {
            self.given.push(of.clone());
        }
        if !changes.is_empty() {
            holds(&before, &self.bench.world);
        }
        let after = &self.bench.world;
        for of in &self.given {
            let holds = of.check(after, self.bench.now).is_ok();
            assert!(!holds || may_act(after, of), "{of:?}");
        }
        for (key, name) in &self.gone {
            assert_eq!(former(&self.bench.world, *key).as_ref(), Some(name));
        }
        *self.granted.entry(command.name()).or_default() += 1;
        Some(reply)
    }

    fn note_gone(&mut self, before: &World, subject: Subject) {
        let name = match subject {
            Subject::User(id) => before.user(id).map(|user| user.email.clone()),
            Subject::Team(id) => before.team(id).map(|team| team.name.clone()),
            Subject::Account(id) => before.account(id).map(|account| account.name.clone()),
            Subject::AccessKey(_) | Subject::Token(_) => None,
        };
        assert!(self.bench.world.get(subject.key()).is_none(), "{subject:?} is still there");
        self.gone.extend(name.map(|name| (subject.key(), name)));
    }

    fn play(&mut self, dice: Dice) {
        if dice[0] >= 250 {
            self.bench.pass(Duration::from_secs(u64::from(dice[1]) * 60));
            self.ask(Caller::System, SystemCommand::Tick);
            return;
        }
        let (caller, command) = Player { game: self, dice }.command();
        self.ask(caller, command);
    }
}

fn email(n: u8) -> String {
    format!("user-{n}@example.com")
}

fn former(world: &World, key: Key) -> Option<String> {
    match key {
        Key::User(id) => world.former_user(id).map(|it| it.name.clone()),
        Key::Team(id) => world.former_team(id).map(|it| it.name.clone()),
        Key::Account(id) => world.former_account(id).map(|it| it.name.clone()),
        _ => None,
    }
}

/// Whether somebody is to be heard at all.
fn is_admitted(world: &World, caller: Caller) -> bool {
    match caller {
        Caller::Operator | Caller::System => true,
        Caller::User(id) => world.user(id).is_some_and(|user| user.disabled.is_none()),
        Caller::Account { scope, .. } => {
            world.account(scope.account).is_some_and(|account| account.disabled.is_none())
        }
    }
}

/// Whether all by which somebody acts is there, and none of it disabled.
fn may_act(world: &World, of: &Principal) -> bool {
    let open = |id| world.account(id).is_some_and(|account| account.disabled.is_none());
    let key = of.key.and_then(|id| world.access_key(id));
    key.is_some_and(|key| key.disabled.is_none() && open(key.account))
        && of.roles.iter().all(|it| world.iam_role(it.id).is_some_and(|role| open(role.account)))
        && open(of.account)
}

/// What holds after each step.
fn holds(before: &World, after: &World) {
    after.check();
    let platform = after.settings().expect("set up").platform_account;
    assert!(after.lets_in_account(platform));
    for team in after.teams() {
        let mut admins = team.members.iter().filter(|(_, role)| **role == Role::Admin);
        let open = |id| after.user(id).is_some_and(|user| user.disabled.is_none());
        assert!(admins.any(|(id, _)| open(*id)), "{} has no admin who is let in", team.name);
        for quota in [Quota::Spaces, Quota::Apps, Quota::Dynos, Quota::Memory, Quota::Addons] {
            let most = after.team_quota(team.id, quota).unwrap_or(u64::MAX);
            let (had, has) = (before.team_usage(team.id, quota), after.team_usage(team.id, quota));
            assert!(has <= most.max(had), "{} has {has} of {most} {quota}", team.name);
        }
    }
    for token in after.tokens() {
        let user = after.user(token.user).expect("a token has its user");
        let lets_in = after.lets_in_token(token, Timestamp::MIN);
        assert_eq!(lets_in, user.disabled.is_none() && token.disabled.is_none());
    }
    for record in after.records() {
        record.mentions(&mut |named| {
            let outlives = match (record, named) {
                (Record::Peering(_), Key::Vpc(_)) => true,
                (Record::Peering(_), Key::Account(id)) => after.former_account(id).is_some(),
                (Record::RouteTable(_), Key::Peering(_)) => true,
                _ => false,
            };
            let there = after.get(named).is_some();
            assert!(there || outlives, "{:?} names {named:?}, which is gone", record.key());
        });
    }
    for hook in after.webhooks() {
        let open = match hook.owner {
            WebhookOwner::Operator => true,
            WebhookOwner::Account(id) => after.lets_in_account(id),
            WebhookOwner::Team(id) => after.team(id).is_some_and(|team| team.disabled.is_none()),
            WebhookOwner::App(_) => unreachable!("nobody here makes one for an app"),
        };
        assert_eq!(after.sends_to(hook), open, "{:?}", hook.owner);
    }
    let names: BTreeSet<_> = after.users().map(|user| &user.email).collect();
    assert_eq!(names.len(), after.users().count());
}

/// Turns chance into requests about who there is.
struct Player<'a> {
    game: &'a Game,
    dice: Dice,
}

impl Player<'_> {
    fn world(&self) -> &World {
        &self.game.bench.world
    }

    fn pick<T>(&self, die: usize, all: impl Iterator<Item = T>) -> Option<T> {
        let all: Vec<T> = all.collect();
        let at = usize::from(self.dice[die]) % all.len().max(1);
        all.into_iter().nth(at)
    }

    fn user(&self, die: usize) -> UserId {
        let all = self.world().users().map(|it| it.id);
        self.pick(die, all.chain(self.world().former_users().map(|it| it.id)))
            .unwrap_or(UserId::MIN)
    }

    fn team(&self, die: usize) -> TeamId {
        self.pick(die, self.world().teams().map(|it| it.id)).unwrap_or(TeamId::MIN)
    }

    fn account(&self, die: usize) -> AccountId {
        let all = self.world().accounts().map(|it| it.id);
        let all = all.chain(self.world().former_accounts().map(|it| it.id));
        self.pick(die, all).unwrap_or(AccountId::MIN)
    }

    fn key(&self, die: usize) -> AccessKeyId {
        self.pick(die, self.world().access_keys().map(|it| it.id)).unwrap_or(AccessKeyId::MIN)
    }

    fn token(&self, die: usize) -> TokenId {
        self.pick(die, self.world().tokens().map(|it| it.id)).unwrap_or(TokenId::MIN)
    }

    fn space(&self, die: usize) -> SpaceId {
        self.pick(die, self.world().spaces().map(|it| it.id)).unwrap_or(SpaceId::MIN)
    }

    fn subject(&self) -> Subject {
        match self.dice[2] % 5 {
            0 => Subject::User(self.user(3)),
            1 => Subject::Team(self.team(3)),
            2 => Subject::Account(self.account(3)),
            3 => Subject::AccessKey(self.key(3)),
            _ => Subject::Token(self.token(3)),
        }
    }

    fn command(&self) -> (Caller, Command) {
        let by_operator = |command: C| (Caller::Operator, command.into());
        match self.dice[1] % 36 {
            0..=1 => by_operator(C::CreateUser { email: email(self.dice[2] % 6) }),
            2 => by_operator(C::CreateAccount { name: format!("account-{}", self.dice[2] % 5) }),
            3 => {
                let name = format!("team-{}", self.dice[2] % 4);
                by_operator(C::CreateTeam { name, admin: self.user(3) })
            }
            4..=6 => by_operator(C::SetMember {
                team: self.team(2),
                user: self.user(3),
                role: [None, Some(Role::Member), Some(Role::Admin), Some(Role::Admin)]
                    [usize::from(self.dice[4] % 4)],
            }),
            7..=8 => by_operator(self.create_key()),
            9..=10 => by_operator(C::CreateIamRole(self.role())),
            11..=12 => by_operator(C::CreateToken(self.new_token())),
            13..=15 => by_operator(C::Disable { subject: self.subject() }),
            16..=18 => by_operator(C::Enable { subject: self.subject() }),
            19 => by_operator(C::Destroy { subject: self.subject() }),
            20..=21 => by_operator(self.set_quota()),
            22..=26 => self.ask_for_credentials(),
            27..=28 => {
                let scope = Scope { account: self.account(2), region: region(VIRGINIA) };
                let block = Cidr::new(10, self.dice[3] % 4, 0, 0, 16);
                let own = self.pick(3, self.world().vpcs_of(Key::Account(scope.account)));
                let command = match own.filter(|_| self.dice[4].is_multiple_of(2)) {
                    Some(vpc) => Ec2Command::DeleteVpc { vpc: vpc.id },
                    None => Ec2Command::create_vpc(block, Tags::new()),
                };
                (key(scope), command.into())
            }
            29..=31 => (Caller::User(self.user(2)), self.of_space().into()),
            _ => self.webhook(),
        }
    }

    /// A webhook of whoever asks, or of somebody else, comes or goes.
    fn webhook(&self) -> (Caller, Command) {
        let hook = self.pick(3, self.world().webhooks());
        if let Some(hook) = hook.filter(|_| self.dice[5].is_multiple_of(3)) {
            let caller = match hook.owner {
                WebhookOwner::Account(id) if self.dice[4].is_multiple_of(2) => {
                    key(Scope { account: id, region: region(VIRGINIA) })
                }
                _ => Caller::Operator,
            };
            return (caller, C::DeleteWebhook { id: hook.id }.into());
        }
        let (account, team) = (self.account(2), self.team(2));
        let (caller, owner) = match self.dice[3] % 4 {
            0 => (Caller::Operator, WebhookOwner::Operator),
            1 => (key(Scope { account, region: region(VIRGINIA) }), WebhookOwner::Account(account)),
            2 => (Caller::User(self.user(4)), WebhookOwner::Team(team)),
            _ => (Caller::Operator, WebhookOwner::Team(team)),
        };
        let new = NewWebhook {
            owner,
            url: "https://hooks.example.com/".to_owned(),
            include: vec![
                ["peering", "drift", "nothing"][usize::from(self.dice[5] % 3)].to_owned(),
            ],
            secret: "0123456789abcdef".to_owned(),
            authorization: None,
        };
        (caller, C::CreateWebhook(new).into())
    }

    fn create_key(&self) -> C {
        let old = self.pick(3, self.world().access_keys().map(|it| (it.account, it.id)));
        let old = old.filter(|_| self.dice[4].is_multiple_of(4));
        C::CreateAccessKey {
            id: AccessKeyId::fresh(&mut Sequence(u128::from_be_bytes(
                [&self.dice[..], &[0; 10]].concat().try_into().expect("16 bytes"),
            ))),
            account: old.map_or_else(|| self.account(2), |(account, _)| account),
            sealed_secret: "sealed".to_owned(),
            access: if self.dice[5].is_multiple_of(2) { Access::Full } else { Access::ReadOnly },
            replaces: old.map(|(_, id)| id),
        }
    }

    fn role(&self) -> NewIamRole {
        let trusted = match self.dice[4] % 2 {
            0 => Trusted::Account(self.account(3)),
            _ => Trusted::Key(self.key(3)),
        };
        NewIamRole {
            account: self.account(2),
            name: format!("role-{}", self.dice[5] % 3),
            trust: [trusted].into(),
            external_id: None,
            access: Access::Full,
            max_seconds: None,
            description: String::new(),
        }
    }

    fn new_token(&self) -> NewToken {
        let hash = format!("{:064x}", self.dice[3] % 8);
        let lives = self.dice[4].is_multiple_of(2).then(|| Duration::from_secs(3600));
        NewToken { lives, ..NewToken::unlimited(self.user(2), hash, String::new()) }
    }

    fn set_quota(&self) -> C {
        let quota = Quota::ALL[usize::from(self.dice[2]) % Quota::ALL.len()];
        let of = match (quota.holder(), self.dice[3] % 4) {
            (_, 0) => QuotaOf::All,
            (QuotaHolder::Account, _) => QuotaOf::Account(self.account(4)),
            (QuotaHolder::Team, _) => QuotaOf::Team(self.team(4)),
        };
        let most = (!self.dice[5].is_multiple_of(4)).then(|| u32::from(self.dice[5] % 5));
        C::SetQuota { of, quota, most }
    }

    /// As the server asks: for whoever signed, who was looked up before.
    fn ask_for_credentials(&self) -> (Caller, Command) {
        let keys = self
            .world()
            .access_keys()
            .map(|it| Principal::of_key(it.account, Some(it.id), it.access == Access::ReadOnly));
        let now = self.game.bench.now;
        // Mostly those that hold still, for others are always refused.
        let all = keys
            .chain(self.game.given.iter().cloned())
            .filter(|of| self.dice[5].is_multiple_of(8) || of.check(self.world(), now).is_ok());
        let by = self.pick(2, all);
        let by = by.unwrap_or_else(|| Principal::of_key(AccountId::MIN, None, false));
        let scope = Scope { account: by.account, region: region(VIRGINIA) };
        let caller = Caller::Account { scope, read_only: by.read_only };
        let command = match self.dice[3] % 4 {
            0 => StsCommand::GetSessionToken { by, seconds: None },
            _ => {
                let trusts = |role: &&std::sync::Arc<IamRole>| {
                    self.dice[5].is_multiple_of(4)
                        || role.trust.iter().any(|trusted| match trusted {
                            Trusted::Account(account) => by.account == *account,
                            Trusted::Key(key) => by.key == Some(*key),
                        })
                };
                let role = self.pick(4, self.world().iam_roles().filter(trusts));
                let (account, role) = role
                    .map_or((AccountId::MIN, String::new()), |it| (it.account, it.name.clone()));
                let session = "session".to_owned();
                let (external_id, seconds) = (None, None);
                StsCommand::AssumeRole(AssumeRole {
                    by,
                    account,
                    role,
                    session,
                    external_id,
                    seconds,
                })
            }
        };
        (caller, command.into())
    }

    fn of_space(&self) -> PlatformCommand {
        use PlatformCommand as P;
        match self.dice[3] % 8 {
            0..=1 => P::CreateSpace {
                name: format!("space-{}", self.dice[4] % 4),
                team: self.team(4),
                region: None,
                cidr: None,
                data_cidr: None,
            },
            2 => P::DeleteSpace { space: self.space(4) },
            3 => P::TransferSpace { space: self.space(4), team: self.team(5) },
            4 => P::DeleteApp {
                app: self.pick(4, self.world().apps().map(|it| it.id)).unwrap_or(AppId::MIN),
            },
            _ => P::CreateApp { name: None, space: self.space(4), internal_routing: false },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whoever_comes_and_goes_nobody_acts_who_may_not(
        steps in proptest::collection::vec(any::<Dice>(), 1..160)
    ) {
        let mut game = Game::new();
        for dice in steps {
            game.play(dice);
        }
    }
}

/// The random steps are worth something only if enough of them are granted.
#[test]
fn random_play_reaches_what_it_is_to_test() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut granted: BTreeMap<String, u32> = BTreeMap::new();
    let (mut gone, mut chained) = (0, 0);
    for _ in 0..4 {
        let mut game = Game::new();
        for _ in 0..500 {
            game.play(any::<Dice>().new_tree(&mut runner).unwrap().current());
        }
        gone += game.gone.len();
        chained += game.given.iter().filter(|of| of.roles.len() > 1).count();
        for (name, count) in game.granted {
            *granted.entry(name).or_default() += count;
        }
    }
    for name in [
        "Identity.Disable",
        "Identity.Enable",
        "Identity.Destroy",
        "Identity.SetQuota",
        "Identity.SetMember",
        "Identity.CreateIamRole",
        "Identity.CreateWebhook",
        "Identity.DeleteWebhook",
        "Sts.AssumeRole",
        "Sts.GetSessionToken",
        "Platform.CreateApp",
        "Platform.CreateSpace",
        "Ec2.CreateVpc",
    ] {
        let count = granted.get(name).copied().unwrap_or(0);
        assert!(count >= 5, "{name}: {granted:?}");
    }
    assert!(gone >= 5 && chained >= 1, "{gone} {chained} {granted:?}");
}
