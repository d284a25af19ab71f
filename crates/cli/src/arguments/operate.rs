//! Commands that look after an installation.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::audit::AuditArgs;
use super::common::Common;
use super::flows::FlowsArgs;
use crate::settings::{OvnArgs, StoreArgs};

/// Commands that look after an installation.
#[derive(Debug, Subcommand)]
pub(crate) enum Operate {
    /// Say whether packets arrive, what decides that, and what to change so that they do
    #[command(after_help = "Examples:
  causeway why shop/run.1234 i-0123456789abcdef0 --port 8000
  causeway why i-0123456789abcdef0 10.0.128.5 --proto icmp
  causeway why vpc-0123456789abcdef0/10.100.1.4 shop/run.1234 --port 22 --json

FROM and TO are each a dyno (shop/run.1234), an instance, an interface, or an address in a VPC.
You may ask if one end is yours, with the variables of `causeway env`; the operator may always ask.
Network ACLs are stateless, so whether the answer passes can depend on the source port. Unless you
give one, the verdict is for all source ports from 1024 to 65535.
Every obstacle is shown with what removes it. Obstacles behind another one are shown as they will be
once that one is removed.
Exit status: 0 if packets and their answers arrive; 1 if not, or only from some source ports; 2 if
there is no such end or the command line is wrong; 3 if there is no verdict, for want of a server or
of permission.")]
    Why {
        #[command(flatten)]
        flow: Flow,
        #[command(flatten)]
        common: Common,
    },
    /// Show flows as they happen, with what let them pass or stopped them; and the records of EC2's flow logs
    #[command(after_help = "Examples:
  causeway flows --follow
  causeway flows --follow --vpc my-space --rejected
  causeway flows --follow --vpc vpc-0123456789abcdef0 --json
  causeway flows --since 1h
  causeway flows --log fl-0123456789abcdef0

You see the flows at interfaces of your own VPCs and spaces, each from your side; the operator sees all.
Of a connection over a peering, the other side's owner sees what happens there.
Routers record flows only while somebody follows them, or a flow log asks for it. What there is no room
for is counted.")]
    Flows(FlowsArgs),
    /// Run a command inside a dyno or an instance; only on the server's host
    #[command(after_help = "Examples:
  causeway exec shop/run.1234 -- ip route
  causeway exec i-0123456789abcdef0 -- sh")]
    Exec {
        /// The dyno, such as shop/run.1234, or the instance
        target: String,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Print the log of an app, or the output of one dyno or instance
    #[command(after_help = "Examples:
  causeway logs --app shop
  causeway logs --app shop --tail --dyno web
  causeway logs --app shop --num 500 --source heroku
  causeway logs i-0123456789abcdef0     the output of an instance, for the operator

In an app's log, app[web.1] is the output of a dyno, heroku[web.1] is what happened to a dyno,
heroku[router] is a web request, and app[api] is a change that somebody made.")]
    Logs(Logs),

    /// List files that the database does not know, and that the server has set aside
    ///
    /// If the database is older than the files beside it, or new, the server moves code of apps, disks
    /// and home directories that the database does not know to lost/ in the data directory. They come
    /// back when the server is started with a database that knows them.
    #[command(after_help = "Examples:\n  causeway lost\n  causeway lost --json")]
    Lost(Common),
    /// Delete for good what the server has set aside
    #[command(
        name = "lost:delete",
        after_help = "Examples:
  causeway lost:delete services/01234567-89ab-cdef-0123-456789abcdef
  causeway lost:delete workloads/i-0123456789abcdef0 --confirm workloads/i-0123456789abcdef0"
    )]
    LostDelete {
        /// Id of what to delete, as `causeway lost` lists it
        id: String,
        /// The id again, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show who asked for which change, and whether it was made; newest last
    #[command(after_help = "Examples:
  causeway audit
  causeway audit --since 24h --outcome refused
  causeway audit --space my-space --action 'Platform.*Peering'
  causeway audit --who ada@example.com --since 2026-01-31T00:00:00Z --json
  causeway audit --who nobody --follow        callers who are not let in, as they come

Every request for a change has an entry, whether it was made or refused. Callers who were not let in
have entries too: one for the first request, and one for all requests like it within a minute.
Outcomes are the codes of the EC2 API.")]
    Audit(Box<AuditArgs>),
    /// Show what there is, and whether the fabric is healthy
    #[command(after_help = "Examples:\n  causeway status\n  causeway status --json")]
    Status(Common),
    /// List the servers that share the installation: which one leads, and how far behind each is
    #[command(after_help = "Examples:\n  causeway servers\n  causeway servers --json")]
    Servers(Common),
    /// Check whether this machine can carry the Linux fabric, and say what it lacks
    ///
    /// With --store, check the PostgreSQL database instead, and how far each server is that shares it; with
    /// --blobs, the bucket for the code of apps; with --ovn-nb, the databases of OVN; with --ovs, whether this
    /// machine can be a host of OVN.
    #[command(after_help = "Examples:
  causeway doctor
  causeway doctor --json
  causeway doctor --store postgres://causeway@db/causeway
  causeway doctor --blobs 's3://code/causeway?endpoint=https://minio:9000'
  causeway doctor --ovn-nb tcp:10.9.0.1:6641
  causeway doctor --ovs")]
    Doctor {
        #[command(flatten)]
        store: StoreArgs,
        /// Bucket that has the code of apps [env: CAUSEWAY_BLOBS]
        #[arg(long, value_name = "URL")]
        blobs: Option<String>,
        #[command(flatten)]
        ovn: OvnArgs,
        /// Check this host's Open vSwitch, by default at unix:/var/run/openvswitch/db.sock
        #[arg(long, value_name = "DATABASE", num_args = 0..=1)]
        ovs: Option<Option<String>>,
        #[command(flatten)]
        common: Common,
    },
    /// Compare the fabric with its intended state now, and repair it
    #[command(name = "fabric:sweep", after_help = "Examples:\n  causeway fabric:sweep")]
    FabricSweep(Common),
    /// End all dynos and instances of an installation and remove its networks; its server must be down
    ///
    /// In the data directory of an agent, what runs on this host is ended; disks stay. With --ovn-nb, the
    /// networks of a server are removed from OVN.
    #[command(
        name = "fabric:purge",
        after_help = "Examples:
  causeway fabric:purge --data /var/lib/causeway --confirm
  causeway fabric:purge --ovn-nb tcp:10.9.0.1:6641 --confirm"
    )]
    FabricPurge {
        #[command(flatten)]
        ovn: OvnArgs,
        /// Database of the Open vSwitch of an agent's host; by default
        /// unix:/var/run/openvswitch/db.sock
        /// [env: CAUSEWAY_OVS]
        #[arg(long, value_name = "DATABASE")]
        ovs: Option<String>,
        /// Confirm that every dyno and instance is to end
        #[arg(long)]
        confirm: bool,
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        common: Common,
    },
    /// List what installations whose data directories are gone have left on this machine
    ///
    /// These are network namespaces, containers, control groups and processes. Those of a server that
    /// runs are not among them, nor those of a data directory that exists.
    #[command(
        name = "fabric:orphans",
        after_help = "Examples:
  causeway fabric:orphans
  causeway fabric:orphans --purge
  causeway fabric:orphans --purge --instance 1a2b3c4d"
    )]
    FabricOrphans {
        /// End and remove what is listed
        #[arg(long)]
        purge: bool,
        /// Only this installation. Needed to purge one whose data directory is not known
        #[arg(long, value_name = "ID")]
        instance: Option<String>,
        /// OCI runtime of the containers
        #[arg(long, value_name = "PROGRAM", default_value = "runc")]
        runtime: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Write a backup of an installation to a file while it runs: the ledger, the code of apps and the
    /// data of data services
    ///
    /// The data of a data service is read with the backup command of its plan, while it goes on
    /// serving. If a data service does not run, or its plan has no backup command, no backup is
    /// written unless --skip-unavailable is given.
    ///
    /// The file gets its name once it is complete and on disk. It is a tar archive with checksums. It
    /// holds secrets, so only its owner may read it.
    #[command(after_help = "Examples:
  causeway backup /root/causeway.backup
  causeway backup /root/causeway-$(date +%F).backup --json
  causeway backup /root/causeway.backup --skip-unavailable
  causeway restore /root/causeway.backup --data ./elsewhere")]
    Backup {
        /// File to write; it must not exist yet
        file: PathBuf,
        /// Leave out what cannot be read now, and say what that is
        #[arg(long)]
        skip_unavailable: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Create a data directory from a backup
    ///
    /// The whole backup is checked before anything is created. Apps run from the code in it, and data
    /// services get their data back when `causeway serve` starts them. Run this as the user who runs
    /// `causeway serve`.
    #[command(after_help = "Examples:
  causeway restore /root/causeway.backup --data /var/lib/causeway
  causeway restore /root/causeway.backup --data ./elsewhere
  causeway restore /root/causeway.backup --data ./copy --new-instance
  causeway restore /root/causeway.backup --data ./server --store postgres://causeway@db/causeway

With --store, the ledger goes into an empty PostgreSQL database; a backup of one restores without it into
a data directory alone.")]
    Restore {
        /// File that holds the backup
        file: PathBuf,
        /// Create a copy that can run beside its original on one machine
        #[arg(long)]
        new_instance: bool,
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        common: Common,
    },
    /// Move the clock of a server that was started with --test-clock
    #[command(
        name = "clock:advance",
        after_help = "Examples:
  causeway clock:advance 7d
  causeway clock:advance 1h30m"
    )]
    ClockAdvance {
        /// How far, in days, hours, minutes and seconds
        span: String,
        #[command(flatten)]
        common: Common,
    },
    /// Remove everything from an emulator, or what one account has
    #[command(after_help = "Examples:
  causeway reset
  causeway reset --account 123456789012")]
    Reset {
        /// Empty this account alone, by its id or name
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Save everything that an emulator has in a file, or bring it back
    ///
    /// What was changed since is undone, and what was not is left alone. Another emulator can load the
    /// file as well, at its start too, with `causeway serve --init FILE`.
    #[command(after_help = "Examples:
  causeway snapshot save base.snapshot
  causeway snapshot load base.snapshot
  causeway serve --emulator --fabric none --init base.snapshot")]
    Snapshot {
        /// What to do
        #[arg(value_enum)]
        what: SnapshotStep,
        /// File with the snapshot; what it holds is replaced by `save`
        file: PathBuf,
        #[command(flatten)]
        common: Common,
    },
}

/// What is done with a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SnapshotStep {
    /// Write everything to the file
    Save,
    /// Have everything as it was when the file was written
    Load,
}

/// Which log is to be printed.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// A dyno, such as shop/run.1234, or an instance; for the operator
    #[arg(required_unless_present = "app", conflicts_with = "app")]
    pub(crate) target: Option<String>,
    /// How many bytes from the end, of a dyno or an instance
    #[arg(long, default_value_t = 65536)]
    pub(crate) bytes: usize,
    /// The app
    #[arg(long, short)]
    pub(crate) app: Option<String>,
    /// Go on with new lines as they are written
    #[arg(long, short, requires = "app")]
    pub(crate) tail: bool,
    /// How many lines from the end; by default 100
    #[arg(long, short, requires = "app", value_name = "LINES")]
    pub(crate) num: Option<u32>,
    /// Only this dyno, such as web.1, or this process type, such as web
    #[arg(long, short, requires = "app")]
    pub(crate) dyno: Option<String>,
    /// Only lines of the app itself, or only those of the platform (heroku)
    #[arg(long, short, requires = "app", value_parser = ["app", "heroku"])]
    pub(crate) source: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Packets that `why` is asked about.
#[derive(Args, Debug)]
pub(crate) struct Flow {
    /// Where the packets come from
    pub(crate) from: String,
    /// Where the packets go
    pub(crate) to: String,
    /// Destination port
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Source port, or a range such as 32768-60999
    #[arg(long, value_name = "PORTS")]
    pub(crate) source_port: Option<String>,
    /// Protocol
    #[arg(long, default_value = "tcp", value_parser = ["tcp", "udp", "icmp"])]
    pub(crate) proto: String,
    /// Language of the answer: en or ja. What --json prints stays as it is
    #[arg(long, default_value = "en", value_parser = ["en", "ja"])]
    pub(crate) lang: String,
}
