//! The data services on offer: the shipped plans, and those that the operator adds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::Plan;

/// The shipped plans run programs of Debian's packages, and a Kafka broker from the Rust package
/// registry.
const POSTGRESQL: &str = include_str!("plans/postgresql.sh");
const POSTGRESQL_BACKUP: &str = include_str!("plans/postgresql.backup.sh");
const POSTGRESQL_RESTORE: &str = include_str!("plans/postgresql.restore.sh");
const REDIS: &str = include_str!("plans/redis.sh");
const REDIS_BACKUP: &str = include_str!("plans/redis.backup.sh");
const REDIS_RESTORE: &str = include_str!("plans/redis.restore.sh");
const KAFKA: &str = include_str!("plans/kafka.sh");
const KAFKA_BACKUP: &str = include_str!("plans/kafka.backup.sh");
const KAFKA_RESTORE: &str = include_str!("plans/kafka.restore.sh");
/// The environment variable by which an operator's plan names another broker program.
const TANSU: &str = "TANSU";

/// The plans of all data services on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans(Vec<Plan>);

impl Default for Plans {
    fn default() -> Self {
        Self::shipped()
    }
}

/// An operator's plan that cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Its name is not valid.
    #[error(
        "'{0}' cannot name a plan: service and plan have 1 to 40 lowercase letters, digits and \
         hyphens each"
    )]
    Name(String),
    /// Two plans have this name.
    #[error("the plan {0} is there twice")]
    Twice(String),
    /// A required setting is missing.
    #[error("the plan {plan} needs {what}")]
    Lacks {
        /// The name of the plan.
        plan: String,
        /// The setting that is missing.
        what: &'static str,
    },
    /// It names a path of the host that cannot be used.
    #[error("the plan {plan} names {path}, {why}")]
    Path {
        /// The name of the plan.
        plan: String,
        /// The path that cannot be used.
        path: String,
        /// The reason why the path is refused.
        why: &'static str,
    },
}

/// Paths where every workload has files of its own, so nothing can be mounted over them.
const TAKEN: [&str; 7] = ["/", "/usr", "/etc", "/home", "/tmp", "/run", "/var"];
/// Directories of the kernel and of Causeway. Nothing can be mounted there or below.
const KEPT: [&str; 4] = ["/proc", "/sys", "/dev", "/.causeway"];

/// A message that says which plans there are instead of the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOffered(pub String);

impl Plans {
    /// The plans that are on offer without an operator's file.
    pub fn shipped() -> Self {
        let postgresql = Plan {
            service: "heroku-postgresql".to_owned(),
            plan: "standard-0".to_owned(),
            description: "PostgreSQL of this machine, on a disk of its own".to_owned(),
            port: 5432,
            command: POSTGRESQL.to_owned(),
            image: None,
            mounts: Vec::new(),
            data: Plan::DATA.to_owned(),
            environment: BTreeMap::new(),
            config: variable("DATABASE_URL", "postgres://app:{password}@{host}:{port}/app"),
            memory: None,
            disk: None,
            backup: Some(POSTGRESQL_BACKUP.to_owned()),
            restore: Some(POSTGRESQL_RESTORE.to_owned()),
        };
        let redis = Plan {
            service: "heroku-redis".to_owned(),
            plan: "premium-0".to_owned(),
            description: "Redis of this machine, on a disk of its own".to_owned(),
            port: 6379,
            command: REDIS.to_owned(),
            image: None,
            mounts: Vec::new(),
            data: Plan::DATA.to_owned(),
            environment: BTreeMap::new(),
            config: variable("REDIS_URL", "redis://default:{password}@{host}:{port}"),
            memory: None,
            disk: None,
            backup: Some(REDIS_BACKUP.to_owned()),
            restore: Some(REDIS_RESTORE.to_owned()),
        };
        let kafka = Plan {
            service: "heroku-kafka".to_owned(),
            plan: "standard-0".to_owned(),
            description: "Kafka's API by tansu of this machine, on a disk of its own".to_owned(),
            port: 9092,
            command: KAFKA.to_owned(),
            image: None,
            mounts: Vec::new(),
            data: Plan::DATA.to_owned(),
            environment: BTreeMap::new(),
            config: variable("KAFKA_URL", "kafka://{host}:{port}"),
            memory: None,
            disk: None,
            backup: Some(KAFKA_BACKUP.to_owned()),
            restore: Some(KAFKA_RESTORE.to_owned()),
        };
        // Heroku has plans of such names for Private Spaces, and its CLI does not connect to their
        // databases directly.
        let private = |of: &Plan, plan: &str| Plan { plan: plan.to_owned(), ..of.clone() };
        let private_0 = private(&postgresql, "private-0");
        let private_s = private(&postgresql, "private-s");
        let private_redis = private(&redis, "private-0");
        Self(vec![postgresql, private_0, private_s, redis, private_redis, kafka])
    }

    /// Adds the operator's plans. A plan with the name of a shipped one replaces it.
    ///
    /// # Errors
    ///
    /// The first of the operator's plans that cannot be offered.
    pub fn with(mut self, operators: Vec<Plan>) -> Result<Self, PlanError> {
        let mut seen = Vec::new();
        for plan in operators {
            check(&plan)?;
            let name = plan.name();
            if seen.contains(&name) {
                return Err(PlanError::Twice(name));
            }
            match self.0.iter_mut().find(|known| known.name() == name) {
                Some(known) => *known = plan,
                None => self.0.push(plan),
            }
            seen.push(name);
        }
        // The sort is stable, because the first plan of a service is its default.
        self.0.sort_by(|a, b| a.service.cmp(&b.service));
        Ok(self)
    }

    /// All plans, grouped by service.
    pub fn all(&self) -> &[Plan] {
        &self.0
    }

    /// The services with their plans. The first plan of a service is its default.
    pub fn services(&self) -> impl Iterator<Item = (&str, &[Plan])> {
        self.0.chunk_by(|a, b| a.service == b.service).map(|of| (of[0].service.as_str(), of))
    }

    /// Finds a plan by `service:plan`, or the default plan of a service.
    ///
    /// # Errors
    ///
    /// [`NotOffered`] says which plans there are, or what must be installed first.
    pub fn find(&self, name: &str) -> Result<&Plan, NotOffered> {
        let (service, plan) = match name.split_once(':') {
            Some((service, plan)) => (service, Some(plan)),
            None => (name, None),
        };
        let of: Vec<&Plan> = self.0.iter().filter(|known| known.service == service).collect();
        let found = match plan {
            Some(plan) => of.iter().find(|known| known.plan == plan),
            None => of.first(),
        };
        found.copied().ok_or_else(|| NotOffered(self.instead(name, &of)))
    }

    fn instead(&self, name: &str, of: &[&Plan]) -> String {
        let (what, known): (_, Vec<String>) = match of.is_empty() {
            true => ("add-on service", self.0.iter().map(Plan::name).collect()),
            false => ("plan of that service", of.iter().map(|plan| plan.name()).collect()),
        };
        format!(
            "Couldn't find {name}: there is no such {what}. What there is: {}.",
            known.join(", ")
        )
    }
}

fn variable(name: &str, text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), text.to_owned())])
}

fn check(plan: &Plan) -> Result<(), PlanError> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let named = |text: &str| (1..=40).contains(&text.len()) && text.bytes().all(plain);
    if !named(&plan.service) || !named(&plan.plan) {
        return Err(PlanError::Name(plan.name()));
    }
    let lacks = |what| Err(PlanError::Lacks { plan: plan.name(), what });
    if plan.port == 0 {
        return lacks("a port from 1 to 65535");
    }
    if plan.command.trim().is_empty() {
        return lacks("a command");
    }
    match (&plan.backup, &plan.restore) {
        (Some(_), None) => return lacks("a `restore` that reads what its `backup` writes"),
        (None, Some(_)) => return lacks("a `backup` that writes what its `restore` reads"),
        (Some(one), Some(other)) if one.trim().is_empty() || other.trim().is_empty() => {
            return lacks("something in `backup` and `restore`; `true` for what needs no copy");
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if plan.config.is_empty() {
        return lacks("at least one variable in `config`, for its app to find it by");
    }
    let wrong =
        |path: &str, why| Err(PlanError::Path { plan: plan.name(), path: path.to_owned(), why });
    for path in plan.mounts.iter().chain([&plan.data]) {
        if let Some(why) = misplaced(path) {
            return wrong(path, why);
        }
    }
    if let Some(path) = plan.mounts.iter().find(|path| !Path::new(path).exists()) {
        return wrong(path, "which is not there");
    }
    match &plan.image {
        Some(path) if !Path::new(path).is_absolute() => wrong(path, "which is no absolute path"),
        Some(path) if !Path::new(path).is_dir() => wrong(
            path,
            "which is no directory: unpack the image there, so that it holds a root file system",
        ),
        Some(_) | None => Ok(()),
    }
}

/// The reason why an operator's plan may mount nothing at a path; `None` if it may.
fn misplaced(path: &str) -> Option<&'static str> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let Some(inner) = path.strip_prefix('/') else { return Some("which is no absolute path") };
    if TAKEN.contains(&path) || KEPT.iter().any(|kept| Path::new(path).starts_with(kept)) {
        return Some("where each process has something of its own: name a directory below it");
    }
    (!inner.split('/').all(plain)).then_some("which is not the shortest way to write that path")
}

/// A program that a shipped plan runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The plan.
    pub plan: String,
    /// Its path; `None` if it is not installed.
    pub found: Option<PathBuf>,
    /// The command that installs it.
    pub install: String,
}

/// What a shipped plan's command needs.
struct Needed {
    plan: &'static str,
    command: &'static str,
    /// The name of the program for people.
    what: &'static str,
    /// Finds the program below the root directory of a machine.
    find: fn(&Path) -> Option<PathBuf>,
    install: &'static str,
}

const NEEDED: [Needed; 3] = [
    Needed {
        plan: "heroku-postgresql:standard-0",
        command: POSTGRESQL,
        what: "PostgreSQL",
        find: find_postgresql,
        install: "apt-get install --no-install-recommends postgresql",
    },
    Needed {
        plan: "heroku-redis:premium-0",
        command: REDIS,
        what: "redis-server",
        find: find_redis,
        install: "apt-get install --no-install-recommends redis-server",
    },
    Needed {
        plan: "heroku-kafka:standard-0",
        command: KAFKA,
        what: "tansu, a broker of Kafka's API",
        find: find_tansu,
        // With a store that needs no other service. It takes over ten minutes on two processors.
        install: "cargo install tansu --locked --features libsql --root /usr/local",
    },
];

/// The programs that the shipped plans run, and where a machine with this root directory has them.
pub fn programs(root: &Path) -> Vec<Program> {
    let program = |needed: &Needed| Program {
        plan: needed.plan.to_owned(),
        found: (needed.find)(root),
        install: needed.install.to_owned(),
    };
    NEEDED.iter().map(program).collect()
}

/// A message that says what this machine lacks for a plan's service and how to install it. `None`
/// if nothing is known to be missing. The programs of shipped plans are looked up below `root`.
pub fn missing(plan: &Plan, root: &Path) -> Option<String> {
    let absent = |path: &&String| !Path::new(path).exists();
    if let Some(image) = &plan.image {
        if !Path::new(image).is_dir() {
            return Some(format!("the image {image}, which the operator's plan names"));
        }
    } else if let Some(needed) = NEEDED.iter().find(|needed| needed.command == plan.command) {
        match plan.environment.get(TANSU).filter(|_| needed.command == KAFKA) {
            Some(program) if !Path::new(program).is_file() => {
                return Some(format!("{program}, which the operator's plan names as {TANSU}"));
            }
            None if (needed.find)(root).is_none() => {
                let Needed { what, install, .. } = needed;
                return Some(format!("{what}, which the operator installs with `{install}`"));
            }
            Some(_) | None => {}
        }
    }
    let gone = plan.mounts.iter().find(absent)?;
    Some(format!("{gone}, which the operator's plan mounts"))
}

/// The newest of Debian's PostgreSQL servers that is installed.
fn find_postgresql(root: &Path) -> Option<PathBuf> {
    let directory = root.join("usr/lib/postgresql");
    let versions = std::fs::read_dir(&directory).ok()?;
    let version = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse::<u32>().ok()
    };
    let server = |version: u32| directory.join(version.to_string()).join("bin/postgres");
    let mut found: Vec<u32> =
        versions.filter_map(version).filter(|version| server(*version).is_file()).collect();
    found.sort_unstable();
    found.pop().map(server)
}

fn find_redis(root: &Path) -> Option<PathBuf> {
    Some(root.join("usr/bin/redis-server")).filter(|path| path.is_file())
}

fn find_tansu(root: &Path) -> Option<PathBuf> {
    // These are on the `PATH` of every container.
    let found = ["usr/local/bin/tansu", "usr/bin/tansu"].map(|path| root.join(path));
    found.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(service: &str, plan: &str) -> Plan {
        Plan {
            service: service.to_owned(),
            plan: plan.to_owned(),
            description: String::new(),
            port: 1,
            command: "serve".to_owned(),
            image: None,
            mounts: Vec::new(),
            data: Plan::DATA.to_owned(),
            environment: BTreeMap::new(),
            config: variable("X_URL", "x://{host}"),
            memory: None,
            disk: None,
            backup: None,
            restore: None,
        }
    }

    #[test]
    fn the_operators_plans_come_over_the_shipped_ones() {
        let plans = Plans::shipped()
            .with(vec![
                plan("heroku-redis", "premium-0"),
                plan("heroku-search", "standard-0"),
                plan("heroku-postgresql", "big"),
            ])
            .unwrap();
        let names: Vec<String> = plans.all().iter().map(Plan::name).collect();
        assert_eq!(
            names,
            [
                "heroku-kafka:standard-0",
                "heroku-postgresql:standard-0",
                "heroku-postgresql:private-0",
                "heroku-postgresql:private-s",
                "heroku-postgresql:big",
                "heroku-redis:premium-0",
                "heroku-redis:private-0",
                "heroku-search:standard-0"
            ]
        );
        assert_eq!(plans.find("heroku-redis").unwrap().command, "serve");
        assert_eq!(plans.find("heroku-postgresql").unwrap().plan, "standard-0");
        assert_eq!(plans.find("heroku-postgresql:big").unwrap().plan, "big");
        assert_eq!(plans.services().count(), 4);
    }

    #[test]
    fn what_is_not_offered_is_said_to_be_so() {
        let plans = Plans::shipped();
        let said = |name| plans.find(name).unwrap_err().0;
        assert!(said("heroku-kafka:extended-9").contains("heroku-kafka:standard-0"));
        assert!(said("mongo").contains("heroku-redis:premium-0"));
        let said = said("heroku-redis:tiny");
        assert!(said.contains("heroku-redis:premium-0") && !said.contains("postgresql"), "{said}");
    }

    #[test]
    fn a_plan_that_cannot_be_offered_is_named() {
        let with = |plans: Vec<Plan>| Plans::shipped().with(plans).unwrap_err().to_string();
        assert!(with(vec![plan("A", "b")]).contains("'A:b'"));
        assert!(with(vec![plan("a", "")]).contains("'a:'"));
        assert!(with(vec![plan("a", "b"), plan("a", "b")]).contains("a:b is there twice"));
        for (change, names) in [
            ((|p: &mut Plan| p.port = 0) as fn(&mut Plan), "port"),
            (|p| p.command.clear(), "command"),
            (|p| p.config.clear(), "config"),
            (|p| p.data = "data".to_owned(), "names data, which is no absolute path"),
            (|p| p.data = "/a/../b".to_owned(), "/a/../b"),
            (|p| p.data = "/dev/shm".to_owned(), "/dev/shm"),
            (|p| p.mounts = vec!["/etc".to_owned()], "/etc"),
            (|p| p.mounts = vec!["./lib".to_owned()], "names ./lib, which is no absolute path"),
            (|p| p.image = Some("image".to_owned()), "names image, which is no absolute path"),
            (|p| p.mounts = vec!["/opt/no/such/thing".to_owned()], "not there"),
            (|p| p.image = Some("/etc/hostname".to_owned()), "no directory"),
            (|p| p.backup = Some("cat /data/x".to_owned()), "restore"),
            (|p| p.restore = Some("cat > /data/x".to_owned()), "backup"),
            (|p| (p.backup, p.restore) = (Some(" ".to_owned()), Some(String::new())), "true"),
        ] {
            let mut wrong = plan("a", "b");
            change(&mut wrong);
            assert!(with(vec![wrong]).contains(names), "{names}");
        }
    }

    #[test]
    fn what_a_plan_cannot_start_without_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().display().to_string();
        let missing = |plan: &Plan| missing(plan, dir.path());
        let with = |image: Option<&String>, mounts: &[&String]| Plan {
            image: image.cloned(),
            mounts: mounts.iter().map(|path| (*path).clone()).collect(),
            ..plan("a", "b")
        };
        assert_eq!(missing(&with(Some(&place), &[&place])), None);
        let nowhere = format!("{place}/nowhere");
        let broker = |program: &str| Plan {
            environment: variable(TANSU, program),
            ..Plans::shipped().find("heroku-kafka").unwrap().clone()
        };
        assert!(missing(&broker(&nowhere)).unwrap().contains(&nowhere));
        assert_eq!(missing(&broker("/bin/sh")), None);
        for plan in [with(Some(&nowhere), &[]), with(None, &[&place, &nowhere])] {
            let said = missing(&plan).unwrap();
            assert!(said.contains(&nowhere), "{said}");
        }
    }

    #[test]
    fn a_program_that_is_not_installed_is_named_with_what_installs_it() {
        let machine = tempfile::tempdir().unwrap();
        let root = machine.path();
        let plans = Plans::shipped();
        let of = |service: &str| {
            plans.all().iter().filter(|plan| plan.service == service).collect::<Vec<_>>()
        };
        for (service, name, file) in [
            ("heroku-postgresql", "PostgreSQL", "usr/lib/postgresql/15/bin/postgres"),
            ("heroku-redis", "redis-server", "usr/bin/redis-server"),
            ("heroku-kafka", "tansu", "usr/local/bin/tansu"),
        ] {
            let program = || {
                let all = programs(root).into_iter();
                let mut all = all.filter(|program| program.plan.starts_with(service));
                all.next().unwrap()
            };
            assert_eq!(program().found, None, "{service}");
            for plan in of(service) {
                let said = missing(plan, root).unwrap();
                let install = format!("which the operator installs with `{}`", program().install);
                assert!(said.contains(name) && said.contains(&install), "{said}");
            }
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            assert_eq!(program().found, Some(path), "{service}");
            assert!(of(service).into_iter().all(|plan| missing(plan, root).is_none()), "{service}");
        }
        // The newest of several, and none of what is no server.
        for version in ["9", "16", "17", "none"] {
            let bin = root.join("usr/lib/postgresql").join(version).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            if version != "17" {
                std::fs::write(bin.join("postgres"), "").unwrap();
            }
        }
        let newest = root.join("usr/lib/postgresql/16/bin/postgres");
        assert_eq!(programs(root)[0].found, Some(newest));
    }

    /// Every command passes the model's checks and is valid shell.
    #[test]
    fn shipped_commands_are_well_formed() {
        for plan in Plans::shipped().all() {
            for command in [&plan.command].into_iter().chain(&plan.backup).chain(&plan.restore) {
                assert!(command.len() <= 4096, "{}", plan.name());
                let mut shell = std::process::Command::new("sh");
                let status = shell.args(["-n", "-c", command]).status().unwrap();
                assert!(status.success(), "{}", plan.name());
            }
            assert!(plan.backup.is_some() && plan.restore.is_some(), "{}", plan.name());
            check(plan).unwrap();
        }
    }
}
