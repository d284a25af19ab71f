//! `serve`'s settings: a flag over the environment over the file over the default.

mod agent;
mod cluster;
mod defaults;
mod edge;
mod fabric;
mod file;
mod key;
mod outbound;
mod ovn;
mod plans;
mod store;
mod transport;
mod values;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use model::{CodeRoom, IpCidr, Region};
use server::apps::plans::Plans;
use server::cleanup::warden::Ephemeral;
use server::{Config, Database, FabricKind};

pub(crate) use self::agent::AgentArgs;
use self::cluster::ClusterArgs;
use self::defaults::SLUG_CACHE;
pub(crate) use self::defaults::{DEFAULT_LISTEN, default_data};
use self::edge::EdgeArgs;
pub(crate) use self::fabric::Fabric;
use self::file::File;
use self::key::KeyArgs;
pub(crate) use self::ovn::{OvnArgs, open_vswitch};
pub(crate) use self::store::StoreArgs;
use self::transport::TransportArgs;
use self::values::{Variables, absolute, first, program, switch};
pub(crate) use self::values::{text, variable};
use self::watch::WatchArgs;
use crate::usage::usage;

/// What `serve` takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeArgs {
    /// Data directory; by default /var/lib/causeway for root, or else ~/.local/share/causeway
    /// [env: CAUSEWAY_DATA]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one; by default 127.0.0.1:4880
    /// [env: CAUSEWAY_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Address where the agents of other hosts connect, such as 0.0.0.0:4882; by default where
    /// `causeway host:init` said, if it did
    /// [env: CAUSEWAY_AGENTS]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) agents: Option<SocketAddr>,
    /// What carries packets: the kernel of this machine; OVN, between hosts that run `causeway agent`; or
    /// nothing, for the APIs alone; by default linux
    /// [env: CAUSEWAY_FABRIC]
    #[arg(long, value_enum)]
    pub(crate) fabric: Option<Fabric>,
    /// How networks reach what is outside: not at all; through this machine, by its own address; or by a
    /// pool of public addresses behind one of its links, as eth0:203.0.113.16/28; by default none
    /// [env: CAUSEWAY_OUTBOUND]
    #[arg(long, value_name = "none|host|LINK:POOL")]
    pub(crate) outbound: Option<String>,
    /// Region of a new installation; by default us-east-1 [env: CAUSEWAY_REGION]
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// How many requests to the Platform API a user may make in an hour; 0 for no limit; by default
    /// 4500
    /// [env: CAUSEWAY_RATE_LIMIT]
    #[arg(long, value_name = "REQUESTS")]
    pub(crate) rate_limit: Option<u32>,

    /// How many requests to the EC2 API an account may make in a second, on average, with bursts of
    /// 20 times that; 0 for no limit; by default 100 [env: CAUSEWAY_EC2_RATE_LIMIT]
    #[arg(long, value_name = "REQUESTS")]
    pub(crate) ec2_rate_limit: Option<u32>,

    /// How many GiB of disk the code of one app may take, that of old releases included; by default
    /// 10
    /// [env: CAUSEWAY_APP_CODE_LIMIT]
    #[arg(long, value_name = "GIB")]
    pub(crate) app_code_limit: Option<u32>,

    /// How many GiB of disk the code of all apps of one team may take; by default 50
    /// [env: CAUSEWAY_TEAM_CODE_LIMIT]
    #[arg(long, value_name = "GIB")]
    pub(crate) team_code_limit: Option<u32>,

    /// How many GiB of unpacked code stay on this machine, where no dyno needs more; what went is unpacked
    /// anew from where code is kept; by default 20
    /// [env: CAUSEWAY_SLUG_CACHE]
    #[arg(long, value_name = "GIB")]
    pub(crate) slug_cache: Option<u32>,
    /// OCI runtime that runs dynos and instances; by default runc [env: CAUSEWAY_RUNTIME]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) runtime: Option<PathBuf>,
    /// TOML file with any of these settings, under their long names [env: CAUSEWAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Let `causeway clock:advance` move the clock [env: CAUSEWAY_TEST_CLOCK]
    #[arg(
        long,
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) test_clock: Option<bool>,
    /// Be a test double: take any credentials, have default VPCs and `causeway reset`, and listen on
    /// loopback only, but for --insecure with --allow-host
    /// [env: CAUSEWAY_EMULATOR]
    #[arg(
        long,
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) emulator: Option<bool>,
    /// Let accounts have only as much as AWS's may that have not asked for more (`causeway quotas`),
    /// where no other quota is set
    /// [env: CAUSEWAY_LIKE_AWS]
    #[arg(
        long,
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) like_aws: Option<bool>,
    /// Leave nothing behind: when the server ends, in whatever way, remove all dynos, instances and
    /// networks, and the data too if no data directory is named; by default on with --emulator
    /// [env: CAUSEWAY_EPHEMERAL]
    #[arg(
        long,
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) ephemeral: Option<bool>,
    /// TOML file with plans of data services. They replace shipped plans of the same names
    /// [env: CAUSEWAY_PLANS]
    #[arg(long, value_name = "FILE")]
    pub(crate) plans: Option<PathBuf>,
    /// Block that webhooks and log drains may reach although it is private or otherwise special, also
    /// without TLS; can be given several times
    /// [env: CAUSEWAY_WEBHOOK_ALLOW]
    #[arg(long, value_name = "CIDR")]
    pub(crate) webhook_allow: Vec<String>,
    /// File that is run once the server is up and before it says that it is ready: a snapshot that an
    /// emulator loads, or lines for a shell, with the variables of `causeway env`. Can be given several
    /// times
    /// [env: CAUSEWAY_INIT]
    #[arg(long, value_name = "FILE")]
    pub(crate) init: Vec<PathBuf>,
    /// Start with a new database although files of an old one are there, if the old one is lost; the
    /// files are set aside under lost/
    #[arg(long, conflicts_with = "accept_database")]
    pub(crate) new_database: bool,
    /// Start with a database that is older than the last one or another one, and is at this revision;
    /// files that it does not know are set aside under lost/
    #[arg(long, value_name = "REVISION")]
    pub(crate) accept_database: Option<u64>,
    #[command(flatten)]
    pub(crate) ovn: OvnArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) transport: TransportArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) edge: EdgeArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Bucket that has the code of apps, instead of the PostgreSQL database or the data directory:
    /// s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION, for every server of an installation the same.
    /// Requests are signed with what AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say, or
    /// AWS_SHARED_CREDENTIALS_FILE
    /// [env: CAUSEWAY_BLOBS]
    #[arg(long, value_name = "URL")]
    pub(crate) blobs: Option<String>,
    /// Start with another place for the code of apps than the installation had, which is where it is from now
    /// on
    #[arg(long)]
    pub(crate) accept_blobs: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

impl ServeArgs {
    /// The files that are run before the server is ready, in their order.
    ///
    /// # Errors
    ///
    /// As [`Self::config`].
    pub(crate) fn init_files(&self, variables: Variables<'_>) -> anyhow::Result<Vec<PathBuf>> {
        if !self.init.is_empty() {
            return Ok(self.init.clone());
        }
        let named = values::list(variables, "CAUSEWAY_INIT")?;
        if !named.is_empty() {
            return Ok(named.into_iter().map(PathBuf::from).collect());
        }
        let path = |name| variables(name).map(PathBuf::from);
        match self.config.clone().or_else(|| path("CAUSEWAY_CONFIG")) {
            Some(path) => Ok(file::read(&path)?.init),
            None => Ok(Vec::new()),
        }
    }

    /// Puts flags, environment, file and defaults together.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::usage::Usage): a value or a file that cannot be read, an unknown key in
    /// it, an unknown region.
    pub(crate) fn config(self, variables: Variables<'_>) -> anyhow::Result<Config> {
        let path = |name| variables(name).map(PathBuf::from);
        let settings = self.config.or_else(|| path("CAUSEWAY_CONFIG"));
        let file = match &settings {
            Some(path) => file::read(path)?,
            None => File::default(),
        };
        let store = self.store.url(variables, file.store.zip(settings.as_deref()))?;
        if store.is_some() && self.new_database {
            return Err(usage(
                "--new-database is for a database in the data directory: to begin anew with --store, name an \
                 empty database and a new data directory",
            ));
        }
        let transport = TransportArgs {
            tls_cert: file.tls_cert,
            tls_key: file.tls_key,
            acme: file.acme,
            acme_email: file.acme_email,
            acme_directory: file.acme_directory,
            acme_ca: file.acme_ca,
            insecure: file.insecure,
            trusted_proxy: file.trusted_proxy,
            allow_host: file.allow_host,
        };
        let watch = WatchArgs {
            metrics: file.metrics,
            metrics_token: file.metrics_token,
            log_format: file.log_format,
            otlp: file.otlp,
        };
        let cluster = ClusterArgs {
            server_name: file.server_name,
            advertise: file.advertise,
            reads: file.reads,
            take_fabric: false,
        };
        let ovn = OvnArgs {
            ovn_nb: file.ovn_nb,
            ovn_sb: file.ovn_sb,
            ovn_ca: file.ovn_ca,
            ovn_cert: file.ovn_cert,
            ovn_key: file.ovn_key,
        };
        let key = KeyArgs { key_file: file.key_file, key_command: file.key_command };
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
        let region = first(self.region, variables, "CAUSEWAY_REGION", str::parse, file.region)?
            .map(region)
            .transpose()?;
        let fabric = |text: &str| Fabric::from_str(text, true);
        let fabric = first(self.fabric, variables, "CAUSEWAY_FABRIC", fabric, file.fabric)?;
        let fabric = fabric.unwrap_or(Fabric::Linux).kind();
        let ovn = self.ovn.or(OvnArgs::of(variables)?).or(ovn);
        let way = match self.outbound {
            Some(way) => Some(way),
            None => text(variables, "CAUSEWAY_OUTBOUND")?,
        };
        let outbound = outbound::read(way, file.outbound)?;
        let listen = first(self.listen, variables, "CAUSEWAY_LISTEN", str::parse, file.listen)?;
        let number = |flag: Option<u32>, name, file| first(flag, variables, name, str::parse, file);
        let gibibytes = |count: u32| u64::from(count) << 30;
        let on = |flag: Option<bool>, name, file: Option<bool>, otherwise: bool| {
            anyhow::Ok(first(flag, variables, name, switch, file)?.unwrap_or(otherwise))
        };
        let emulator = on(self.emulator, "CAUSEWAY_EMULATOR", file.emulator, false)?;
        let ephemeral = on(self.ephemeral, "CAUSEWAY_EPHEMERAL", file.ephemeral, emulator)?;
        let webhook_allow = receivers(self.webhook_allow, variables, file.webhook_allow)?;
        let CodeRoom { app, team } = CodeRoom::default();
        let data = self.data.or_else(|| path("CAUSEWAY_DATA")).or(file.data);
        Ok(Config {
            ephemeral: match (ephemeral, &data) {
                (false, _) => Ephemeral::Nothing,
                (true, Some(_)) => Ephemeral::Workloads,
                (true, None) => Ephemeral::WorkloadsAndData,
            },
            data: absolute(&data.unwrap_or_else(default_data))?,
            key: self.key.source(variables, key)?,
            listen: listen.unwrap_or(DEFAULT_LISTEN),
            agents: first(self.agents, variables, "CAUSEWAY_AGENTS", str::parse, file.agents)?,
            transport: self
                .transport
                .or(TransportArgs::of(variables)?)
                .or(transport)
                .config(emulator)?,
            watch: self.watch.or(WatchArgs::of(variables)?).or(watch).config()?,
            fabric,
            ovn: match fabric {
                FabricKind::Ovn => Some(ovn.config()?),
                FabricKind::Linux | FabricKind::None => None,
            },
            outbound: outbound.clone(),
            region,
            rate_limit: number(self.rate_limit, "CAUSEWAY_RATE_LIMIT", file.rate_limit)?
                .unwrap_or(server::DEFAULT_PER_HOUR),
            ec2_rate_limit: number(
                self.ec2_rate_limit,
                "CAUSEWAY_EC2_RATE_LIMIT",
                file.ec2_rate_limit,
            )?
            .unwrap_or(server::DEFAULT_PER_SECOND),
            code_room: CodeRoom {
                app: number(self.app_code_limit, "CAUSEWAY_APP_CODE_LIMIT", file.app_code_limit)?
                    .map_or(app, gibibytes),
                team: number(
                    self.team_code_limit,
                    "CAUSEWAY_TEAM_CODE_LIMIT",
                    file.team_code_limit,
                )?
                .map_or(team, gibibytes),
            },
            slug_cache: number(self.slug_cache, "CAUSEWAY_SLUG_CACHE", file.slug_cache)?
                .map_or(gibibytes(SLUG_CACHE), gibibytes),
            runtime: program(
                self.runtime
                    .or_else(|| path("CAUSEWAY_RUNTIME"))
                    .or(file.runtime)
                    .unwrap_or_else(|| "runc".into()),
            )?,
            test_clock: on(self.test_clock, "CAUSEWAY_TEST_CLOCK", file.test_clock, false)?,
            emulator,
            like_aws: on(self.like_aws, "CAUSEWAY_LIKE_AWS", file.like_aws, false)?,
            edge: self.edge.or(EdgeArgs::of(variables)?).or(edge).config(outbound.is_some())?,
            plans: self
                .plans
                .or_else(|| path("CAUSEWAY_PLANS"))
                .or(file.plans)
                .map_or(Ok(Plans::default()), |path| plans::read(&path))?,
            webhook_allow,
            cluster: self.cluster.or(ClusterArgs::of(variables)?).or(cluster).config()?,
            blobs: match self.blobs {
                Some(flag) => Some(flag),
                None => text(variables, "CAUSEWAY_BLOBS")?.or(file.blobs),
            }
            .map(|blobs| blobs.parse().map_err(|error| usage(format!("{error}"))))
            .transpose()?,
            accept_blobs: self.accept_blobs,
            store,
            // Each is for one start, so neither the environment nor a file may say it.
            database: match self.accept_database {
                Some(revision) => Database::At(revision),
                None if self.new_database => Database::New,
                None => Database::Expected,
            },
            self_exe: std::env::current_exe().context("this program's own file is not known")?,
        })
    }
}

/// The blocks that webhooks and log drains may reach: those of flags, or of the variable, or of the file.
fn receivers(
    flags: Vec<String>,
    variables: Variables<'_>,
    file: Vec<String>,
) -> anyhow::Result<Vec<IpCidr>> {
    let variable = text(variables, "CAUSEWAY_WEBHOOK_ALLOW")?.unwrap_or_default();
    let entries = variable.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let variable: Vec<String> = entries.map(str::to_owned).collect();
    let given = [flags, variable, file].into_iter().find(|list| !list.is_empty());
    let read = |text: &String| {
        text.parse().map_err(|_| {
            usage(format!("'{text}' is not a block for --webhook-allow; one is like 10.0.0.0/24"))
        })
    };
    given.unwrap_or_default().iter().map(read).collect()
}

/// A region by any of its names.
fn region(name: String) -> anyhow::Result<Region> {
    Region::find(&name)
        .ok_or_else(|| usage(format!("'{name}' is not a region; try us-east-1 or virginia")))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
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
        let defaults = ServeArgs::default().config(&none).unwrap();
        assert_eq!((defaults.rate_limit, defaults.ec2_rate_limit), (4500, 100));
        assert_eq!(defaults.code_room, CodeRoom::default());
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
    fn relative_paths_are_those_of_the_directory_of_the_start_wherever_they_stand() {
        let here = std::env::current_dir().unwrap();
        let of = |args: ServeArgs, variables: Variables<'_>| {
            let config = args.config(variables).unwrap();
            (config.data, config.runtime)
        };
        let flags = ServeArgs {
            data: Some("./data".into()),
            runtime: Some("./runc".into()),
            ..ServeArgs::default()
        };
        assert_eq!(of(flags, &none), (here.join("data"), here.join("runc")));
        let set = |name: &str| match name {
            "CAUSEWAY_DATA" => Some("data".into()),
            "CAUSEWAY_RUNTIME" => Some("bin/runc".into()),
            _ => None,
        };
        let expected = (here.join("data"), here.join("bin/runc"));
        assert_eq!(of(ServeArgs::default(), &set), expected);
        let file = file("data = \"data\"\nruntime = \"bin/runc\"\n");
        assert_eq!(of(with(&file), &none), expected, "not those beside the file");
        // A name alone is looked up on the path.
        let named = ServeArgs { runtime: Some("crun".into()), ..ServeArgs::default() };
        assert_eq!(of(named, &none).1, PathBuf::from("crun"));
        assert_eq!(of(ServeArgs::default(), &none).1, PathBuf::from("runc"));
        let whole = ServeArgs { runtime: Some("/opt/runc".into()), ..ServeArgs::default() };
        assert_eq!(of(whole, &none).1, PathBuf::from("/opt/runc"));
    }

    #[test]
    fn an_emulator_leaves_nothing_unless_it_is_told_to() {
        let ephemeral = |args: ServeArgs| args.config(&none).unwrap().ephemeral;
        let plain = ServeArgs::default();
        assert_eq!(ephemeral(plain.clone()), Ephemeral::Nothing);
        let emulator = ServeArgs { emulator: Some(true), ..plain.clone() };
        assert_eq!(ephemeral(emulator.clone()), Ephemeral::WorkloadsAndData);
        let named = ServeArgs { data: Some("./data".into()), ..emulator.clone() };
        assert_eq!(ephemeral(named), Ephemeral::Workloads, "the data is somebody's");
        let kept = ServeArgs { ephemeral: Some(false), ..emulator };
        assert_eq!(ephemeral(kept), Ephemeral::Nothing);
        let real = ServeArgs { ephemeral: Some(true), ..plain };
        assert_eq!(ephemeral(real), Ephemeral::WorkloadsAndData);
    }

    #[test]
    fn what_is_run_at_the_start_is_named_by_the_flag_the_variable_or_the_file() {
        let file = file("init = [\"c.sh\"]\n");
        let set = |name: &str| (name == "CAUSEWAY_INIT").then(|| "a.sh, b.snapshot".into());
        let files = |args: &ServeArgs, variables: Variables<'_>| -> Vec<String> {
            let files = args.init_files(variables).unwrap().into_iter();
            files.map(|file| file.display().to_string()).collect()
        };
        let args = ServeArgs { init: vec!["d.sh".into(), "e.sh".into()], ..with(&file) };
        assert_eq!(files(&args, &set), ["d.sh", "e.sh"]);
        assert_eq!(files(&with(&file), &set), ["a.sh", "b.snapshot"]);
        assert_eq!(files(&with(&file), &none), ["c.sh"]);
        assert_eq!(files(&ServeArgs::default(), &none), Vec::<String>::new());
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
        assert_eq!(plans.all().len(), Plans::shipped().all().len());
        let error = format!("{:#}", with(&text.replace("port", "prot")).unwrap_err());
        assert!(error.contains("prot"), "{error}");
        let error = format!("{:#}", with(&text.replace("9092", "0")).unwrap_err());
        assert!(error.contains("heroku-kafka:standard-0"), "{error}");
        // What a service sees is at the same place for every server, wherever it is started.
        for (from, to, path) in [
            ("/usr/share/doc", "share/doc", "share/doc"),
            ("mounts =", "image = \"./kafka\"\n            mounts =", "./kafka"),
            ("/var/lib/kafka", "lib/kafka", "lib/kafka"),
        ] {
            let error = format!("{:#}", with(&text.replace(from, to)).unwrap_err());
            assert!(error.contains(&format!("{path}, which is no absolute path")), "{error}");
        }
    }

    #[test]
    fn a_plan_without_a_command_changes_the_shipped_one() {
        let with = |text: &str| {
            let file = file(text);
            let args = ServeArgs { plans: Some(file.path().to_owned()), ..ServeArgs::default() };
            args.config(&none).map(|config| config.plans)
        };
        let text = "[[plan]]\nservice = \"heroku-redis\"\nplan = \"premium-0\"\nmemory = 7\n";
        let plans = with(text).unwrap();
        let shipped = Plans::shipped();
        let (ours, shipped) = (plans.find("heroku-redis"), shipped.find("heroku-redis"));
        assert_eq!(*ours.unwrap(), model::Plan { memory: Some(7), ..shipped.unwrap().clone() });
        let error = format!("{:#}", with(&text.replace("redis", "mongo")).unwrap_err());
        assert!(error.contains("`port`") || error.contains("`command`"), "{error}");
    }
}
