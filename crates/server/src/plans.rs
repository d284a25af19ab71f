//! Which data services there are to choose from: what is shipped, and what the operator adds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::Plan;

/// The shipped plans run what Debian's packages install.
const POSTGRESQL: &str = include_str!("plans/postgresql.sh");
const POSTGRESQL_BACKUP: &str = include_str!("plans/postgresql.backup.sh");
const POSTGRESQL_RESTORE: &str = include_str!("plans/postgresql.restore.sh");
const REDIS: &str = include_str!("plans/redis.sh");
const REDIS_BACKUP: &str = include_str!("plans/redis.backup.sh");
const REDIS_RESTORE: &str = include_str!("plans/redis.restore.sh");
/// Offered where the operator names an installation of it.
const KAFKA: &str = "heroku-kafka";

/// Which data services there are to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans(Vec<Plan>);

impl Default for Plans {
    fn default() -> Self {
        Self::shipped()
    }
}

/// A plan of the operator's that cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Its name.
    #[error(
        "'{0}' cannot name a plan: service and plan have 1 to 40 lowercase letters, digits and \
         hyphens each"
    )]
    Name(String),
    /// The same name twice.
    #[error("the plan {0} is there twice")]
    Twice(String),
    /// Something that it needs.
    #[error("the plan {plan} needs {what}")]
    Lacks {
        /// Which.
        plan: String,
        /// What.
        what: &'static str,
    },
    /// Something of the host's that it names.
    #[error("the plan {plan} names {path}, {why}")]
    Path {
        /// Which.
        plan: String,
        /// What.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Where every process has something of its own.
const TAKEN: [&str; 7] = ["/", "/usr", "/etc", "/home", "/tmp", "/run", "/var"];
/// What the kernel and Causeway have, with all that is below.
const KEPT: [&str; 4] = ["/proc", "/sys", "/dev", "/.causeway"];

/// A plan that was asked for and is not offered, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOffered(pub String);

impl Plans {
    /// What is offered where the operator says nothing.
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
            backup: Some(REDIS_BACKUP.to_owned()),
            restore: Some(REDIS_RESTORE.to_owned()),
        };
        Self(vec![postgresql, redis])
    }

    /// These, with the operator's in place of those of the same names and beside the others.
    ///
    /// # Errors
    ///
    /// The first plan that cannot be offered.
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
        // Stable: the first of a service's plans is its default.
        self.0.sort_by(|a, b| a.service.cmp(&b.service));
        Ok(self)
    }

    /// All of them, service by service.
    pub fn all(&self) -> &[Plan] {
        &self.0
    }

    /// The services, each with its plans; the first one is what comes of a service's name alone.
    pub fn services(&self) -> impl Iterator<Item = (&str, &[Plan])> {
        self.0.chunk_by(|a, b| a.service == b.service).map(|of| (of[0].service.as_str(), of))
    }

    /// A plan by `service:plan`, or a service's default.
    ///
    /// # Errors
    ///
    /// What there is instead, or what is needed first.
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
        found.copied().ok_or_else(|| NotOffered(self.instead(name, service, &of)))
    }

    fn instead(&self, name: &str, service: &str, of: &[&Plan]) -> String {
        if service == KAFKA && of.is_empty() {
            return format!(
                "{KAFKA} is offered only where the operator names an installation of Kafka: a \
                 plan of the service {KAFKA} in the file that `causeway serve --plans FILE` reads."
            );
        }
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

/// Why nothing of the operator's can be mounted at a path.
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
    /// Where it is; `None` where it is missing.
    pub found: Option<PathBuf>,
    /// The Debian package that has it.
    pub package: &'static str,
}

/// The programs that the shipped plans run, as far as this machine has them.
pub fn programs() -> Vec<Program> {
    let [postgresql, redis] = ["heroku-postgresql:standard-0", "heroku-redis:premium-0"];
    vec![
        Program { plan: postgresql.to_owned(), found: find_postgresql(), package: "postgresql" },
        Program { plan: redis.to_owned(), found: find_redis(), package: "redis-server" },
    ]
}

/// The newest server among Debian's.
fn find_postgresql() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse::<u32>().ok()
    };
    let server = |version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/postgres"));
    let mut found: Vec<u32> =
        versions.filter_map(version).filter(|version| server(*version).is_file()).collect();
    found.sort_unstable();
    found.pop().map(server)
}

fn find_redis() -> Option<PathBuf> {
    let found = Path::new("/usr/bin/redis-server");
    found.is_file().then(|| found.to_owned())
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
            backup: None,
            restore: None,
        }
    }

    #[test]
    fn the_operators_plans_come_over_the_shipped_ones() {
        let plans = Plans::shipped()
            .with(vec![
                plan("heroku-redis", "premium-0"),
                plan("heroku-kafka", "standard-0"),
                plan("heroku-postgresql", "big"),
            ])
            .unwrap();
        let names: Vec<String> = plans.all().iter().map(Plan::name).collect();
        assert_eq!(
            names,
            [
                "heroku-kafka:standard-0",
                "heroku-postgresql:standard-0",
                "heroku-postgresql:big",
                "heroku-redis:premium-0"
            ]
        );
        assert_eq!(plans.find("heroku-redis").unwrap().command, "serve");
        assert_eq!(plans.find("heroku-postgresql").unwrap().plan, "standard-0");
        assert_eq!(plans.find("heroku-postgresql:big").unwrap().plan, "big");
        assert_eq!(plans.services().count(), 3);
    }

    #[test]
    fn what_is_not_offered_is_said_to_be_so() {
        let plans = Plans::shipped();
        let said = |name| plans.find(name).unwrap_err().0;
        assert!(said("heroku-kafka").contains("--plans"));
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

    /// What the model allows, and what a shell does.
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
