//! `serve`'s settings: a flag over the environment over the file over the default.

mod edge;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use model::Region;
use serde::Deserialize;
use server::plans::Plans;
use server::{Config, FabricKind};

pub use self::edge::EdgeArgs;

/// What `serve` takes.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Directory that keeps everything; by default /var/lib/causeway for root
    #[arg(long, env = "CAUSEWAY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one; by default 127.0.0.1:4880
    #[arg(long, env = "CAUSEWAY_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// What carries packets: linux, or none for the APIs alone; by default linux
    #[arg(long, env = "CAUSEWAY_FABRIC", value_enum)]
    pub fabric: Option<Fabric>,
    /// Region of a new installation; by default us-east-1
    #[arg(long, env = "CAUSEWAY_REGION")]
    pub region: Option<String>,
    /// Requests of the Platform API that each token has in an hour, 0 for no limit; by default 4500
    #[arg(long, env = "CAUSEWAY_RATE_LIMIT", value_name = "REQUESTS")]
    pub rate_limit: Option<u32>,
    /// OCI runtime that runs dynos and instances; by default runc
    #[arg(long, env = "CAUSEWAY_RUNTIME", value_name = "PROGRAM")]
    pub runtime: Option<PathBuf>,
    /// TOML file with any of these settings, by their long names
    #[arg(long, env = "CAUSEWAY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Let `causeway clock:advance` move the clock
    #[arg(long, env = "CAUSEWAY_TEST_CLOCK")]
    pub test_clock: bool,
    /// Be a test double: any credentials, default VPCs, reset; loopback only
    #[arg(long, env = "CAUSEWAY_EMULATOR")]
    pub emulator: bool,
    /// TOML file with data services, in place of shipped ones of the same names and beside others
    #[arg(long, env = "CAUSEWAY_PLANS", value_name = "FILE")]
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

impl ServeArgs {
    /// Puts flags, environment, file and defaults together.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, an unknown key in it, an unknown region.
    pub fn config(self) -> anyhow::Result<Config> {
        let file = match &self.config {
            Some(path) => read(path)?,
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
        let region: Region = match self.region.or(file.region) {
            Some(name) => match Region::find(&name) {
                Some(region) => region,
                None => bail!("'{name}' is not a region; try us-east-1 or virginia"),
            },
            None => Region::DEFAULT,
        };
        let fabric = match self.fabric.or(file.fabric).unwrap_or(Fabric::Linux) {
            Fabric::Linux => FabricKind::Linux,
            Fabric::None => FabricKind::None,
        };
        Ok(Config {
            data: self.data.or(file.data).unwrap_or_else(default_data),
            listen: self.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN),
            fabric,
            region,
            rate_limit: self.rate_limit.or(file.rate_limit).unwrap_or(server::DEFAULT_PER_HOUR),
            runtime: self.runtime.or(file.runtime).unwrap_or_else(|| "runc".into()),
            test_clock: self.test_clock || file.test_clock.unwrap_or(false),
            emulator: self.emulator || file.emulator.unwrap_or(false),
            edge: self.edge.or(edge).config()?,
            plans: self.plans.or(file.plans).map_or(Ok(Plans::default()), |path| plans(&path))?,
            self_exe: std::env::current_exe().context("this program's own file is not known")?,
        })
    }
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
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the settings file {} cannot be read", path.display()))?;
    toml::from_str(&text)
        .with_context(|| format!("the settings file {} has a mistake", path.display()))
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

    #[test]
    fn a_flag_is_over_the_file_and_the_file_over_the_default() {
        let file = file(
            "listen = \"127.0.0.1:1\"\nregion = \"tokyo\"\ntest-clock = true\nrate-limit = 9\n",
        );
        let args = ServeArgs {
            config: Some(file.path().to_owned()),
            listen: Some("127.0.0.1:2".parse().unwrap()),
            ..ServeArgs::default()
        };
        let config = args.config().unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.region.name(), "ap-northeast-1");
        assert!(config.test_clock);
        assert_eq!(config.rate_limit, 9);
        assert_eq!(ServeArgs::default().config().unwrap().rate_limit, 4500);
        assert_eq!(config.fabric, FabricKind::Linux);
        assert_eq!(ServeArgs::default().config().unwrap().listen, DEFAULT_LISTEN);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let file = file("listne = \"127.0.0.1:1\"\n");
        let args = ServeArgs { config: Some(file.path().to_owned()), ..ServeArgs::default() };
        let error = format!("{:#}", args.config().unwrap_err());
        assert!(error.contains("listne"), "{error}");
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }

    #[test]
    fn an_unknown_region_is_named() {
        let args = ServeArgs { region: Some("mars".to_owned()), ..ServeArgs::default() };
        assert!(args.config().unwrap_err().to_string().contains("mars"));
    }

    #[test]
    fn the_operators_plans_are_read() {
        let text = r#"
            [[plan]]
            service = "heroku-kafka"
            plan = "standard-0"
            port = 9092
            command = "exec /opt/kafka/bin/kafka-server-start.sh /data/server.properties"
            config = { KAFKA_URL = "kafka://{host}:{port}" }
        "#;
        let with = |text: &str| {
            let file = file(text);
            let args = ServeArgs { plans: Some(file.path().to_owned()), ..ServeArgs::default() };
            args.config().map(|config| config.plans)
        };
        let plans = with(text).unwrap();
        assert_eq!(plans.find("heroku-kafka").unwrap().port, 9092);
        assert_eq!(plans.all().len(), 3);
        let error = format!("{:#}", with(&text.replace("port", "prot")).unwrap_err());
        assert!(error.contains("prot"), "{error}");
        let error = format!("{:#}", with(&text.replace("9092", "0")).unwrap_err());
        assert!(error.contains("heroku-kafka:standard-0"), "{error}");
    }
}
