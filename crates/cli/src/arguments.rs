//! The command line.

pub mod addons;
pub mod apps;
pub mod people;
pub mod session;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::client::Connection;
use crate::settings::ServeArgs;

/// Private Spaces and VPC peering on machines you own.
#[derive(Debug, Parser)]
#[command(name = "causeway", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  causeway serve --data /var/lib/causeway     start a server
  eval \"$(causeway env)\"                      point the heroku and aws commands at it
  causeway spaces:peering:info my-space       what the owner of a VPC needs to know
  causeway demo                               see all of it, with packets

Every command has examples: causeway COMMAND --help";

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a server
    #[command(after_help = "Examples:
  causeway serve
  causeway serve --data ./data --listen 127.0.0.1:0
  causeway serve --fabric none            the APIs alone: needs no root, moves no packets
  causeway serve --emulator --fabric none a test double for CI
  CAUSEWAY_LOG=debug causeway serve       say more")]
    Serve(Box<ServeArgs>),

    /// Print the variables that point the heroku and aws commands at the server
    #[command(after_help = "Examples:
  eval \"$(causeway env)\"
  eval \"$(causeway env --account customer --user admin@causeway.local)\"")]
    Env {
        /// Account whose access key is used; by default customer
        #[arg(long)]
        account: Option<String>,
        /// User whose token is used; by default admin@causeway.local
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        #[command(flatten)]
        common: Common,
    },

    /// List accounts
    #[command(after_help = "Examples:\n  causeway accounts\n  causeway accounts --json")]
    Accounts(Common),
    /// Make an account: an owner of VPCs
    #[command(
        name = "accounts:create",
        after_help = "Examples:\n  causeway accounts:create partner"
    )]
    AccountsCreate {
        /// Its name
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// List access keys, without their secrets
    #[command(after_help = "Examples:\n  causeway keys")]
    Keys(Common),
    /// Make an access key; its secret is shown once
    #[command(
        name = "keys:create",
        after_help = "Examples:
  causeway keys:create --account partner
  causeway keys:create --account partner --read-only"
    )]
    KeysCreate {
        /// The account that it speaks for
        #[arg(long)]
        account: String,
        /// It may describe, and change nothing
        #[arg(long)]
        read_only: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Replace an access key; the old one ends at once, the new secret is shown once
    #[command(name = "keys:rotate", after_help = "Examples:\n  causeway keys:rotate AKIA…")]
    KeysRotate {
        /// The key to replace
        key: String,
        #[command(flatten)]
        common: Common,
    },
    /// List users
    #[command(after_help = "Examples:\n  causeway users")]
    Users(Common),
    /// Make a user
    #[command(
        name = "users:create",
        after_help = "Examples:
  causeway users:create ada@example.com
  pass show ada | causeway users:create ada@example.com --password-stdin"
    )]
    UsersCreate {
        /// The user's address
        email: String,
        /// Read a password from standard input, for `heroku login -i`
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Set a user's password, for `heroku login -i`
    #[command(
        name = "users:password",
        after_help = "Examples:
  causeway users:password ada@example.com                  ask for it
  causeway users:password ada@example.com --generate       make one up, and show it once
  pass show ada | causeway users:password ada@example.com --password-stdin
  causeway users:password ada@example.com --end-tokens     whoever has a token must log in again"
    )]
    UsersPassword {
        /// The user's address
        email: String,
        /// Read it from standard input
        #[arg(long, conflicts_with = "generate")]
        password_stdin: bool,
        /// Make one up, and show it once
        #[arg(long)]
        generate: bool,
        /// End all tokens of the user
        #[arg(long)]
        end_tokens: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Make a token for a user; it is shown once
    #[command(
        name = "tokens:create",
        after_help = "Examples:
  causeway tokens:create --user ada@example.com --description laptop
  causeway tokens:create --user ada@example.com --expires-in 3600"
    )]
    TokensCreate {
        /// The user's address
        #[arg(long, value_name = "EMAIL")]
        user: String,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
        /// Seconds after which it ends; without end by default
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u64>,
        #[command(flatten)]
        common: Common,
    },
    /// List teams and their members
    #[command(after_help = "Examples:\n  causeway teams")]
    Teams(Common),
    /// Make a team: an owner of spaces
    #[command(
        name = "teams:create",
        after_help = "Examples:
  causeway teams:create web --admin ada@example.com"
    )]
    TeamsCreate {
        /// Its name
        name: String,
        /// The address of its first admin
        #[arg(long, value_name = "EMAIL")]
        admin: String,
        #[command(flatten)]
        common: Common,
    },
    /// Add a member to a team, or change or end a membership
    #[command(
        name = "teams:members:set",
        after_help = "Examples:
  causeway teams:members:set web ada@example.com --role admin
  causeway teams:members:set ada@example.com --team web --role member
  causeway teams:members:set web ada@example.com --role none"
    )]
    TeamsMembersSet {
        /// The team, unless --team names it, and the user's address
        #[arg(required = true, num_args = 1..=2, value_names = ["TEAM", "EMAIL"])]
        names: Vec<String>,
        /// The team
        #[arg(long, short, value_name = "TEAM")]
        team: Option<String>,
        /// What the user may do
        #[arg(long, value_parser = ["admin", "member", "none"])]
        role: String,
        #[command(flatten)]
        common: Common,
    },

    /// List spaces
    #[command(after_help = "Examples:\n  causeway spaces\n  causeway spaces --json")]
    Spaces(Common),
    /// Make a space
    #[command(
        name = "spaces:create",
        after_help = "Examples:
  causeway spaces:create my-space --team team
  causeway spaces:create my-space --team team --cidr 10.4.0.0/16 --data-cidr 10.5.0.0/16"
    )]
    SpacesCreate {
        /// Its name
        name: String,
        /// The team that owns it
        #[arg(long, short)]
        team: String,
        /// Where it is
        #[arg(long)]
        region: Option<String>,
        /// Its block: a /16 of RFC 1918; by default 10.0.0.0/16
        #[arg(long)]
        cidr: Option<String>,
        /// The block of its data services; by default 10.1.0.0/16
        #[arg(long)]
        data_cidr: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show a space
    #[command(name = "spaces:info", after_help = "Examples:\n  causeway spaces:info my-space")]
    SpacesInfo(Space),
    /// Wait until a space can be used, and show it
    #[command(
        name = "spaces:wait",
        after_help = "Examples:
  causeway spaces:wait my-space
  causeway spaces:wait my-space --timeout 60 --json"
    )]
    SpacesWait {
        /// Seconds between two looks
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
        interval: u64,
        /// Seconds after which to give up
        #[arg(long, default_value_t = 1500)]
        timeout: u64,
        #[command(flatten)]
        space: Space,
    },
    /// List the regions that spaces can be in
    #[command(after_help = "Examples:\n  causeway regions\n  causeway regions --json")]
    Regions(Common),
    /// Give a space another name
    #[command(
        name = "spaces:rename",
        after_help = "Examples:
  causeway spaces:rename my-space --to our-space"
    )]
    SpacesRename {
        /// The new name
        #[arg(long)]
        to: String,
        #[command(flatten)]
        space: Space,
    },
    /// Remove a space
    #[command(
        name = "spaces:destroy",
        after_help = "Examples:
  causeway spaces:destroy my-space
  causeway spaces:destroy my-space --confirm my-space"
    )]
    SpacesDestroy {
        /// The space's name again, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        space: Space,
    },
    /// Set how many VPCs may be peered with a space
    #[command(
        name = "spaces:limits:set",
        after_help = "Examples:
  causeway spaces:limits:set my-space --peerings 8"
    )]
    SpacesLimitsSet {
        /// How many
        #[arg(long)]
        peerings: u16,
        #[command(flatten)]
        space: Space,
    },
    /// Show what the owner of a VPC needs to ask for a peering
    #[command(
        name = "spaces:peering:info",
        alias = "spaces:peerings:info",
        after_help = "Examples:
  causeway spaces:peering:info my-space"
    )]
    SpacesPeeringInfo(Space),
    /// List a space's peerings
    #[command(
        name = "spaces:peerings",
        after_help = "Examples:
  causeway spaces:peerings my-space
  causeway spaces:peerings my-space --json"
    )]
    SpacesPeerings(Space),
    /// Accept a request and configure the space's side
    #[command(
        name = "spaces:peerings:accept",
        after_help = "Examples:
  causeway spaces:peerings:accept pcx-111aaa111 --space my-space"
    )]
    SpacesPeeringsAccept(Peering),
    /// Tear a peering down
    #[command(
        name = "spaces:peerings:destroy",
        after_help = "Examples:
  causeway spaces:peerings:destroy pcx-111aaa111 --space my-space
  causeway spaces:peerings:destroy pcx-111aaa111 --space my-space --confirm pcx-111aaa111"
    )]
    SpacesPeeringsDestroy {
        #[command(flatten)]
        peering: Peering,
        /// The peering's id again, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
    },

    #[command(flatten)]
    People(people::People),
    #[command(flatten)]
    Session(session::Session),
    #[command(flatten)]
    Apps(apps::AppCommand),
    #[command(flatten)]
    Addons(addons::AddonCommand),

    /// Say whether a packet gets there, what decides it, and what to do about it
    #[command(after_help = "Examples:
  causeway why shop/run.1234 i-0123456789abcdef0 --port 8000
  causeway why i-0123456789abcdef0 10.0.128.5 --proto icmp
  causeway why vpc-0123456789abcdef0/10.100.1.4 shop/run.1234 --port 22 --json

FROM and TO: a dyno (app/run.1), an instance, an interface, or an address in a VPC.
Who may ask: whoever sees one end, with `causeway env`'s variables; the operator of all.
Exit status: 0 if it gets there and back, 1 if not, 2 if there is no such end.")]
    Why {
        /// Where it comes from
        from: String,
        /// Where it goes
        to: String,
        /// The port that it goes to
        #[arg(long)]
        port: Option<u16>,
        /// Its protocol
        #[arg(long, default_value = "tcp", value_parser = ["tcp", "udp", "icmp"])]
        proto: String,
        #[command(flatten)]
        common: Common,
    },
    /// Run a command in a dyno's or an instance's place; on the server's host only
    #[command(after_help = "Examples:
  causeway exec shop/run.1234 -- ip route
  causeway exec i-0123456789abcdef0 -- sh")]
    Exec {
        /// The dyno (as shop/run.1234) or the instance
        target: String,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Print an app's log, or what one dyno or instance wrote
    #[command(after_help = "Examples:
  causeway logs --app shop
  causeway logs --app shop --tail --dyno web
  causeway logs --app shop --num 500 --source heroku
  causeway logs i-0123456789abcdef0     what an instance wrote, on the server's host

Lines of an app: app[web.1] are its dynos', heroku[web.1] say what became of them, heroku[router]
are web requests, app[api] are changes that people made.")]
    Logs {
        /// A dyno (as shop/run.1234) or an instance, for the operator
        #[arg(required_unless_present = "app", conflicts_with = "app")]
        target: Option<String>,
        /// Bytes from the end, of a dyno or instance
        #[arg(long, default_value_t = 65536)]
        bytes: usize,
        /// The app
        #[arg(long, short)]
        app: Option<String>,
        /// Go on as more is written
        #[arg(long, short, requires = "app")]
        tail: bool,
        /// Lines from the end; by default 100
        #[arg(long, short, requires = "app", value_name = "LINES")]
        num: Option<u32>,
        /// Only this dyno, as web.1, or this process type, as web
        #[arg(long, short, requires = "app")]
        dyno: Option<String>,
        /// Only this source
        #[arg(long, short, requires = "app", value_parser = ["app", "heroku"])]
        source: Option<String>,
        #[command(flatten)]
        common: Common,
    },

    /// Show what runs, and how the fabric fares
    #[command(after_help = "Examples:\n  causeway status\n  causeway status --json")]
    Status(Common),
    /// Say what this machine lacks for the Linux fabric, and what to do about it
    #[command(after_help = "Examples:\n  causeway doctor\n  causeway doctor --json")]
    Doctor(Common),
    /// Compare the fabric with what it must be now, and repair it
    #[command(name = "fabric:sweep", after_help = "Examples:\n  causeway fabric:sweep")]
    FabricSweep(Common),
    /// Remove everything of an installation from this machine's network; its server must be down
    #[command(
        name = "fabric:purge",
        after_help = "Examples:
  causeway fabric:purge --data /var/lib/causeway --confirm"
    )]
    FabricPurge {
        /// Yes, remove it: every dyno and instance ends
        #[arg(long)]
        confirm: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Write all of an installation to a file, while it runs: the ledger, apps' code, and what
    /// data services hold
    ///
    /// A data service is asked for its data by its plan's backup command, and goes on serving
    /// meanwhile. Where one cannot be, because it does not run or its plan says nothing of backups,
    /// no file is written, unless --skip-unavailable is given.
    ///
    /// The file has its name once it is whole and on the disk. It is a tar archive with checksums in
    /// it. It holds secrets, so that only its owner may read it.
    #[command(after_help = "Examples:
  causeway backup /root/causeway.backup
  causeway backup /root/causeway-$(date +%F).backup --json
  causeway backup /root/causeway.backup --skip-unavailable
  causeway restore /root/causeway.backup --data ./elsewhere")]
    Backup {
        /// The file; it must not exist yet
        file: PathBuf,
        /// Leave out what cannot be had now, and say what that is
        #[arg(long)]
        skip_unavailable: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Make a data directory from a backup
    ///
    /// All of the backup is checked before anything is made. Apps run from the code in it, and data
    /// services find their data when `causeway serve` starts them. Run it as the user that serves.
    #[command(after_help = "Examples:
  causeway restore /root/causeway.backup --data /var/lib/causeway
  causeway restore /root/causeway.backup --data ./elsewhere
  causeway restore /root/causeway.backup --data ./copy --new-instance")]
    Restore {
        /// The file
        file: PathBuf,
        /// Make a copy that can run on one machine beside its original
        #[arg(long)]
        new_instance: bool,
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
        /// How far: days, hours, minutes, seconds
        span: String,
        #[command(flatten)]
        common: Common,
    },
    /// Empty an emulator
    #[command(after_help = "Examples:\n  causeway reset")]
    Reset(Common),
    /// Walk through the whole of it, with packets
    #[command(after_help = "Examples:
  causeway demo                  a server of its own, in a temporary directory
  causeway demo --fabric none    without packets, without root
  causeway demo --url http://127.0.0.1:4880 --data DIR
                                 on a server that runs, as its operator
  causeway demo --url http://127.0.0.1:4880 --team web
                                 the same with the variables of `causeway env`, without packets

With --url everything that the demo makes there goes again, however it ends.")]
    Demo {
        /// What carries packets
        #[arg(long, value_enum, default_value_t = crate::settings::Fabric::Linux)]
        fabric: crate::settings::Fabric,
        /// Address for the server of the demo
        #[arg(long, default_value = "127.0.0.1", hide = true)]
        host: IpAddr,
        /// The team that the space is made for, on a server that runs
        #[arg(long, default_value = server::FIRST_TEAM)]
        team: String,
        #[command(flatten)]
        connection: Connection,
    },
}

/// What most commands take.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// Which space, given either way, as the `heroku` command takes it.
#[derive(Debug, Clone, Args)]
pub struct Space {
    /// The space
    #[arg(value_name = "SPACE", required_unless_present = "space")]
    pub name: Option<String>,
    /// The space
    #[arg(long, short, conflicts_with = "name")]
    pub space: Option<String>,
    #[command(flatten)]
    pub common: Common,
}

impl Space {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_deref().or(self.space.as_deref()).unwrap_or_default()
    }
}

/// Which peering of which space.
#[derive(Debug, Clone, Args)]
pub struct Peering {
    /// The peering's id
    #[arg(value_name = "PCX")]
    pub pcx: String,
    /// The space
    #[arg(long, short)]
    pub space: String,
    #[command(flatten)]
    pub common: Common,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn a_space_is_named_either_way() {
        for line in [["causeway", "spaces:info", "x", ""], ["causeway", "spaces:info", "-s", "x"]] {
            let line = line.iter().filter(|word| !word.is_empty());
            let Command::SpacesInfo(space) = Cli::try_parse_from(line).unwrap().command else {
                panic!("another command")
            };
            assert_eq!(space.name(), "x");
        }
        assert!(Cli::try_parse_from(["causeway", "spaces:info"]).is_err());
    }
}
