//! `serve`'s settings: a flag over the environment over the file over the default.

mod edge;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use model::Region;
use serde::Deserialize;
use server::plans::Plans;
use server::{Config, FabricKind};

pub use self::edge::EdgeArgs;
use crate::usage::usage;

/// What `serve` takes.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Directory that keeps everything; by default /var/lib/causeway for root [env: CAUSEWAY_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one; by default 127.0.0.1:4880
    /// [env: CAUSEWAY_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// What carries packets: linux, or none for the APIs alone; by default linux
    /// [env: CAUSEWAY_FABRIC]
    #[arg(long, value_enum)]
    pub fabric: Option<Fabric>,
    /// Region of a new installation; by default us-east-1 [env: CAUSEWAY_REGION]
    #[arg(long)]
    pub region: Option<String>,
    /// Requests of the Platform API that each token has in an hour, 0 for no limit; by default 4500
    /// [env: CAUSEWAY_RATE_LIMIT]
    #[arg(long, value_name = "REQUESTS")]
    pub rate_limit: Option<u32>,
    /// OCI runtime that runs dynos and instances; by default runc [env: CAUSEWAY_RUNTIME]
    #[arg(long, value_name = "PROGRAM")]
    pub runtime: Option<PathBuf>,
    /// TOML file with any of these settings, by their long names [env: CAUSEWAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Let `causeway clock:advance` move the clock [env: CAUSEWAY_TEST_CLOCK]
    #[arg(
        long,
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub test_clock: Option<bool>,
    /// Be a test double: any credentials, default VPCs, reset; loopback only
    /// [env: CAUSEWAY_EMULATOR]
    #[arg(
        long,
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub emulator: Option<bool>,
    /// TOML file with data services, in place of shipped ones of the same names and beside others
    /// [env: CAUSEWAY_PLANS]
    #[arg(long, value_name = "FILE")]
    pub plans: Option<PathBuf>,
    #[command(flatten)]
    pub edge: EdgeArgs,
}

/// What carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fabric {
    /// The kernel of this machine
    Linux,
    /// Nothing: the APIs alone
    None,
}

/// The file's settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    fabric: Option<Fabric>,
    region: Option<String>,
    rate_limit: Option<u32>,
    runtime: Option<PathBuf>,
    test_clock: Option<bool>,
    emulator: Option<bool>,
    // Not flattened: that would let unknown keys through.
    domain: Option<String>,
    internal_domain: Option<String>,
    router: Option<SocketAddr>,
    router_tls: Option<SocketAddr>,
    router_cert: Option<PathBuf>,
    router_key: Option<PathBuf>,
    dns: Option<SocketAddr>,
    forward_dns: Option<String>,
    plans: Option<PathBuf>,
}

/// What the file may have.
const KEYS: [&str; 17] = [
    "data",
    "listen",
    "fabric",
    "region",
    "rate-limit",
    "runtime",
    "test-clock",
    "emulator",
    "domain",
    "internal-domain",
    "router",
    "router-tls",
    "router-cert",
    "router-key",
    "dns",
    "forward-dns",
    "plans",
];

/// Where a variable's value comes from.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A variable of the environment. An empty one is none: a shell cannot always take one away.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

impl ServeArgs {
    /// Puts flags, environment, file and defaults together.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::usage::Usage): a value or a file that cannot be read, an unknown key in
    /// it, an unknown region.
    pub fn config(self, variables: Variables<'_>) -> anyhow::Result<Config> {
        let path = |name| variables(name).map(PathBuf::from);
        let file = match self.config.or_else(|| path("CAUSEWAY_CONFIG")) {
            Some(path) => read(&path)?,
            None => File::default(),
        };
        let edge = EdgeArgs {
            domain: file.domain,
            internal_domain: file.internal_domain,
            router: file.router,
            router_tls: file.router_tls,
            router_cert: file.router_cert,
            router_key: file.router_key,
            dns: file.dns,
            forward_dns: file.forward_dns,
        };
        let named = self.region.map_or_else(|| text(variables, "CAUSEWAY_REGION"), |r| Ok(Some(r)));
        let region = match named?.or(file.region) {
            Some(name) => match Region::find(&name) {
                Some(region) => Some(region),
                None => {
                    return Err(usage(format!(
                        "'{name}' is not a region; try us-east-1 or virginia"
                    )));
                }
            },
            None => None,
        };
        let parse_fabric = |text: &str| Fabric::from_str(text, true);
        let fabric = match self.fabric {
            Some(fabric) => Some(fabric),
            None => parsed(variables, "CAUSEWAY_FABRIC", parse_fabric)?.or(file.fabric),
        };
        let listen = match self.listen {
            Some(listen) => Some(listen),
            None => parsed(variables, "CAUSEWAY_LISTEN", str::parse)?.or(file.listen),
        };
        let on = |flag: Option<bool>, name, file: Option<bool>| match flag {
            Some(flag) => Ok(flag),
            None => parsed(variables, name, switch).map(|set| set.or(file).unwrap_or(false)),
        };
        Ok(Config {
            data: self
                .data
                .or_else(|| path("CAUSEWAY_DATA"))
                .or(file.data)
                .unwrap_or_else(default_data),
            listen: listen.unwrap_or(DEFAULT_LISTEN),
            fabric: match fabric.unwrap_or(Fabric::Linux) {
                Fabric::Linux => FabricKind::Linux,
                Fabric::None => FabricKind::None,
            },
            region,
            rate_limit: match self.rate_limit {
                Some(limit) => Some(limit),
                None => parsed(variables, "CAUSEWAY_RATE_LIMIT", str::parse)?.or(file.rate_limit),
            }
            .unwrap_or(server::DEFAULT_PER_HOUR),
            runtime: self
                .runtime
                .or_else(|| path("CAUSEWAY_RUNTIME"))
                .or(file.runtime)
                .unwrap_or_else(|| "runc".into()),
            test_clock: on(self.test_clock, "CAUSEWAY_TEST_CLOCK", file.test_clock)?,
            emulator: on(self.emulator, "CAUSEWAY_EMULATOR", file.emulator)?,
            edge: self.edge.or(EdgeArgs::of(variables)?).or(edge).config()?,
            plans: self
                .plans
                .or_else(|| path("CAUSEWAY_PLANS"))
                .or(file.plans)
                .map_or(Ok(Plans::default()), |path| plans(&path))?,
            self_exe: std::env::current_exe().context("this program's own file is not known")?,
        })
    }
}

/// Reads yes or no, in the words that people use for them.
fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("say true or false (or 1, 0, yes, no, on, off)".to_owned()),
    }
}

fn text(variables: Variables<'_>, name: &str) -> anyhow::Result<Option<String>> {
    parsed(variables, name, |text| Ok::<_, String>(text.to_owned()))
}

fn parsed<T, E: std::fmt::Display>(
    variables: Variables<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> anyhow::Result<Option<T>> {
    let Some(value) = variables(name) else { return Ok(None) };
    let text = value.to_string_lossy();
    parse(&text).map(Some).map_err(|error| usage(format!("{name}={text}: {error}")))
}

/// Where `serve` listens by default, and clients look.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4880);

/// Where everything is kept by default.
pub fn default_data() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return "/var/lib/causeway".into();
    }
    let share = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    share.or_else(home).unwrap_or_else(|| ".".into()).join("causeway")
}

fn read(path: &Path) -> anyhow::Result<File> {
    let wrong = |why: String| usage(format!("the settings file {} {why}", path.display()));
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| wrong(format!("has a mistake: {error}")))?;
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = match nearest(key) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("it may have {}", KEYS.join(", ")),
        };
        return Err(wrong(format!("has the unknown key '{key}'; {hint}")));
    }
    toml::from_str(&text).map_err(|error| wrong(format!("has a mistake: {error}")))
}

/// The key that somebody meant who wrote another: the same in other letters, or with a slip or two.
fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase().replace('_', "-");
    let distances = KEYS.map(|known| (distance(&key, known), known));
    distances.into_iter().min().filter(|(slips, _)| *slips <= 2).map(|(_, known)| known)
}

/// How many letters must be put in, taken out or changed to make one word of another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], n + 1);
        for (m, opposite) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *opposite);
            diagonal = row[m + 1];
            row[m + 1] = changed.min(row[m] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// The operator's data services: `[[plan]]` tables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlansFile {
    #[serde(default)]
    plan: Vec<model::Plan>,
}

fn plans(path: &Path) -> anyhow::Result<Plans> {
    let about = || format!("the plans in {} cannot be taken", path.display());
    let text = std::fs::read_to_string(path).with_context(about)?;
    let file: PlansFile = toml::from_str(&text).with_context(about)?;
    Plans::shipped().with(file.plan).with_context(about)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn with(file: &tempfile::NamedTempFile) -> ServeArgs {
        ServeArgs { config: Some(file.path().to_owned()), ..ServeArgs::default() }
    }

    fn none(_: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn a_flag_is_over_the_variable_the_variable_over_the_file_and_that_over_the_default() {
        let file = file(
            "listen = \"127.0.0.1:1\"\nregion = \"tokyo\"\ntest-clock = true\nrate-limit = 9\n",
        );
        let args = ServeArgs { listen: Some("127.0.0.1:2".parse().unwrap()), ..with(&file) };
        let config = args.clone().config(&none).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.region.unwrap().name(), "ap-northeast-1");
        assert!(config.test_clock);
        assert_eq!(config.rate_limit, 9);
        assert_eq!(ServeArgs::default().config(&none).unwrap().rate_limit, 4500);
        assert_eq!(config.fabric, FabricKind::Linux);
        assert_eq!(ServeArgs::default().config(&none).unwrap().listen, DEFAULT_LISTEN);
        let set = |name: &str| {
            let value = match name {
                "CAUSEWAY_LISTEN" => "127.0.0.1:3",
                "CAUSEWAY_REGION" => "dublin",
                "CAUSEWAY_FABRIC" => "none",
                "CAUSEWAY_TEST_CLOCK" => "0",
                "CAUSEWAY_EMULATOR" => "yes",
                _ => return None,
            };
            Some(value.into())
        };
        let config = args.config(&set).unwrap();
        assert_eq!(config.listen.port(), 2, "the flag");
        assert_eq!(config.region.unwrap().name(), "eu-west-1", "the variable");
        assert_eq!(config.fabric, FabricKind::None);
        assert!(!config.test_clock && config.emulator, "either way");
        let off = ServeArgs { emulator: Some(false), ..with(&file) };
        assert!(!off.config(&set).unwrap().emulator, "a flag says no as well");
    }

    #[test]
    fn what_cannot_be_read_is_wrong_usage_and_named() {
        let wrong = |args: ServeArgs, variables: Variables<'_>, words: &[&str]| {
            let error = args.config(variables).unwrap_err();
            assert!(crate::usage::is_usage(&error), "{error:#}");
            for word in words {
                assert!(format!("{error:#}").contains(word), "{error:#} without {word}");
            }
        };
        let slip = file("listne = \"127.0.0.1:1\"\n");
        wrong(with(&slip), &none, &["'listne'", "'listen'", &slip.path().display().to_string()]);
        wrong(with(&file("test_clock = true")), &none, &["did you mean 'test-clock'"]);
        wrong(with(&file("whatever = 1")), &none, &["'whatever'", "it may have data, listen"]);
        wrong(with(&file("listen = 7")), &none, &["listen"]);
        let region = ServeArgs { region: Some("mars-1".to_owned()), ..ServeArgs::default() };
        wrong(region, &none, &["mars-1"]);
        let args = ServeArgs { config: Some("/nonexistent".into()), ..ServeArgs::default() };
        wrong(args, &none, &["/nonexistent"]);
        let set = |name: &str| (name == "CAUSEWAY_TEST_CLOCK").then(|| "maybe".into());
        wrong(ServeArgs::default(), &set, &["CAUSEWAY_TEST_CLOCK=maybe", "yes"]);
    }

    #[test]
    fn the_operators_plans_are_read() {
        let text = r#"
            [[plan]]
            service = "heroku-kafka"
            plan = "standard-0"
            port = 9092
            command = "exec /opt/kafka/bin/kafka-server-start.sh /data/server.properties"
            mounts = ["/usr/share/doc"]
            data = "/var/lib/kafka"
            config = { KAFKA_URL = "kafka://{host}:{port}" }
        "#;
        let with = |text: &str| {
            let file = file(text);
            let args = ServeArgs { plans: Some(file.path().to_owned()), ..ServeArgs::default() };
            args.config(&none).map(|config| config.plans)
        };
        let plans = with(text).unwrap();
        let kafka = plans.find("heroku-kafka").unwrap();
        assert_eq!((kafka.port, &*kafka.data), (9092, "/var/lib/kafka"));
        assert_eq!(plans.all().len(), 3);
        let error = format!("{:#}", with(&text.replace("port", "prot")).unwrap_err());
        assert!(error.contains("prot"), "{error}");
        let error = format!("{:#}", with(&text.replace("9092", "0")).unwrap_err());
        assert!(error.contains("heroku-kafka:standard-0"), "{error}");
    }
}
