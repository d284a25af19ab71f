//! Commands about apps: their code, configuration, dynos and names.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::Common;

/// Commands about apps.
#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// List apps
    #[command(after_help = "Examples:
  causeway apps
  causeway apps --all          of all teams, for the operator
  causeway apps --space my-space --json")]
    Apps {
        /// Those of all teams; for the operator
        #[arg(long)]
        all: bool,
        /// Only apps in this space
        #[arg(long, short)]
        space: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Create an app in a space
    #[command(
        name = "apps:create",
        after_help = "Examples:
  causeway apps:create shop --space my-space
  causeway apps:create stock --space my-space --internal-routing"
    )]
    AppsCreate {
        /// Name of the app; generated if it is not given
        name: Option<String>,
        /// Space that the app runs in
        #[arg(long, short)]
        space: String,
        /// Serve the app only inside the space and its peered VPCs
        #[arg(long)]
        internal_routing: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Show an app
    #[command(
        name = "apps:info",
        after_help = "Examples:
  causeway apps:info shop
  causeway apps:info --app shop --json"
    )]
    AppsInfo(NamedApp),
    /// Destroy an app, its dynos and its data services
    #[command(
        name = "apps:destroy",
        after_help = "Examples:
  causeway apps:destroy shop
  causeway apps:destroy --app shop --confirm shop"
    )]
    AppsDestroy {
        /// Name of the app again, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        app: NamedApp,
    },

    /// Upload code, release it, and wait until it runs
    #[command(after_help = "Examples:
  causeway deploy --app shop .
  causeway deploy --app shop build.tar.gz --no-wait
  causeway deploy --app shop . --process web='python3 -m http.server $PORT'

The file Procfile names the process types, with lines such as `web: ./serve`. Of a directory,
everything is uploaded but .git and what its file .slugignore excludes, which has the syntax of a
.gitignore. Nothing is built: upload what can run on the server's machine.")]
    Deploy {
        /// A directory, or a tar archive, plain or compressed with gzip
        #[arg(value_name = "DIR|TARBALL")]
        from: PathBuf,
        /// A process type and its command, in addition to those of the Procfile
        #[arg(long, value_name = "TYPE=COMMAND", value_parser = process)]
        process: Vec<(String, String)>,
        /// Commit that the code is of; by default the directory's current commit in git
        #[arg(long)]
        commit: Option<String>,
        /// Return once the code is released, without waiting for its dynos
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        app: App,
    },
    /// List the slugs of an app: its uploaded code, newest first
    #[command(after_help = "Examples:
  causeway slugs --app shop
  causeway slugs --app shop --all --json")]
    Slugs {
        /// List also slugs whose code was never uploaded
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        app: App,
    },
    /// List an app's releases, newest first
    #[command(after_help = "Examples:
  causeway releases --app shop
  causeway releases --app shop --num 50 --json")]
    Releases {
        /// How many releases
        #[arg(long, short, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1000))]
        num: u16,
        #[command(flatten)]
        app: App,
    },
    /// Show a release: what it changed, and its config vars
    #[command(
        name = "releases:info",
        after_help = "Examples:
  causeway releases:info --app shop         the last one
  causeway releases:info v12 --app shop
  causeway releases:info v12 --app shop --shell"
    )]
    ReleasesInfo {
        /// The release; the last one by default
        release: Option<String>,
        /// Print only its config vars, in the syntax of a shell
        #[arg(long, short, conflicts_with = "json")]
        shell: bool,
        #[command(flatten)]
        app: App,
    },
    /// Print the output of a release command, until it has ended
    #[command(
        name = "releases:output",
        after_help = "Examples:
  causeway releases:output --app shop         of the last release
  causeway releases:output v12 --app shop"
    )]
    ReleasesOutput {
        /// The release; the last one by default
        release: Option<String>,
        #[command(flatten)]
        app: App,
    },
    /// Go back to the code and the config vars of an earlier release
    #[command(after_help = "Examples:
  causeway rollback --app shop          the release before the current one
  causeway rollback --app shop v12")]
    Rollback {
        /// The release, such as v12; by default the one before the current one
        release: Option<String>,
        #[command(flatten)]
        app: App,
    },

    /// Print an app's config vars
    #[command(after_help = "Examples:
  causeway config --app shop
  causeway config --app shop --shell > shop.env
  causeway config --app shop --json")]
    Config {
        /// Print them in the syntax of a shell
        #[arg(long, short, conflicts_with = "json")]
        shell: bool,
        #[command(flatten)]
        app: App,
    },
    /// Print the values of some config vars
    #[command(
        name = "config:get",
        after_help = "Examples:
  causeway config:get KEY --app shop
  causeway config:get KEY OTHER --app shop --shell
  causeway config:get KEY OTHER --app shop --json"
    )]
    ConfigGet {
        /// Names of the config vars
        #[arg(required = true, value_name = "KEY")]
        names: Vec<String>,
        /// Print them in the syntax of a shell
        #[arg(long, short, conflicts_with = "json")]
        shell: bool,
        #[command(flatten)]
        app: App,
    },
    /// Change config vars in the editor that VISUAL or EDITOR names
    #[command(
        name = "config:edit",
        after_help = "Examples:
  causeway config:edit --app shop              all of them
  causeway config:edit KEY --app shop          one of them
  EDITOR='code --wait' causeway config:edit --app shop --yes

Each config var is a line such as KEY=value or KEY='with spaces'. A config var whose line you delete
is removed."
    )]
    ConfigEdit {
        /// Edit only this config var
        #[arg(value_name = "KEY")]
        name: Option<String>,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        app: App,
    },
    /// Set config vars; the app's dynos are restarted
    #[command(
        name = "config:set",
        after_help = "Examples:
  causeway config:set --app shop KEY=value OTHER='with spaces'"
    )]
    ConfigSet {
        /// Names and values of the config vars
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = assignment)]
        variables: Vec<(String, String)>,
        #[command(flatten)]
        app: App,
    },
    /// Remove config vars; the app's dynos are restarted
    #[command(
        name = "config:unset",
        after_help = "Examples:
  causeway config:unset --app shop KEY OTHER"
    )]
    ConfigUnset {
        /// Names of the config vars
        #[arg(required = true, value_name = "KEY")]
        names: Vec<String>,
        #[command(flatten)]
        app: App,
    },

    /// List an app's dynos
    #[command(after_help = "Examples:\n  causeway ps --app shop")]
    Ps(App),
    /// Set how many dynos run and of which size, or show it
    #[command(
        name = "ps:scale",
        after_help = "Examples:
  causeway ps:scale --app shop
  causeway ps:scale --app shop web=3 worker=1:Private-M
  causeway ps:scale --app shop web+1 worker-1"
    )]
    PsScale {
        /// Number and size of the dynos of a process type
        #[arg(value_name = "TYPE=N[:SIZE]")]
        changes: Vec<String>,
        #[command(flatten)]
        app: App,
    },
    /// Restart dynos: each is replaced by a new one
    #[command(
        name = "ps:restart",
        after_help = "Examples:
  causeway ps:restart --app shop
  causeway ps:restart --app shop web
  causeway ps:restart --app shop worker.1"
    )]
    PsRestart {
        /// A dyno or a process type; by default all dynos of the formation
        dyno: Option<String>,
        #[command(flatten)]
        app: App,
    },
    /// Stop dynos; those of the formation are replaced by new ones
    #[command(
        name = "ps:stop",
        after_help = "Examples:
  causeway ps:stop run.1234 --app shop
  causeway ps:stop worker --app shop"
    )]
    PsStop {
        /// A dyno or a process type
        dyno: String,
        #[command(flatten)]
        app: App,
    },
    /// Run a command in a one-off dyno; its output goes to the app's log
    #[command(
        visible_alias = "run:detached",
        after_help = "Examples:
  causeway run --app shop -- sleep 1000
  causeway run:detached 'rake db:migrate' --app shop --tail
  causeway run:detached --app shop --size Private-M -- 'python3 -m http.server $PORT'
  causeway run:detached --app shop --env 'DEPTH=3;DRY=1' -- ./crawl"
    )]
    Run {
        /// Size of the dyno; by default Private-S
        #[arg(long, short)]
        size: Option<String>,
        /// Additional environment variables
        #[arg(long, short, value_name = "KEY=VALUE[;…]")]
        env: Option<String>,
        /// Print the output until the command ends
        #[arg(long, short)]
        tail: bool,
        /// The command
        #[arg(required = true)]
        command: Vec<String>,
        #[command(flatten)]
        app: App,
    },

    /// List the domains of an app
    #[command(after_help = "Examples:\n  causeway domains --app shop")]
    Domains(App),
    /// Add a custom domain to an app
    #[command(
        name = "domains:add",
        after_help = "Examples:
  causeway domains:add www.example.com --app shop
  causeway domains:add '*.example.com' --app shop"
    )]
    DomainsAdd {
        /// The domain, such as www.example.com or *.example.com
        hostname: String,
        #[command(flatten)]
        app: App,
    },
    /// Show a domain of an app
    #[command(
        name = "domains:info",
        after_help = "Examples:
  causeway domains:info www.example.com --app shop"
    )]
    DomainsInfo(Domain),
    /// Give a domain its own certificate. This server refuses that, as one certificate serves all
    /// domains
    #[command(
        name = "domains:update",
        after_help = "Examples:
  causeway domains:update www.example.com --cert mine --app shop
  causeway serve --router-tls ADDR --router-cert FILE --router-key FILE     what there is instead"
    )]
    DomainsUpdate {
        /// Name of the certificate
        #[arg(long)]
        cert: String,
        #[command(flatten)]
        domain: Domain,
    },
    /// Wait until a domain, or every domain of an app, is served
    #[command(
        name = "domains:wait",
        after_help = "Examples:
  causeway domains:wait www.example.com --app shop
  causeway domains:wait --app shop"
    )]
    DomainsWait {
        /// The domain; by default all domains of the app
        hostname: Option<String>,
        #[command(flatten)]
        app: App,
    },
    /// Remove a domain from an app
    #[command(
        name = "domains:remove",
        after_help = "Examples:
  causeway domains:remove www.example.com --app shop"
    )]
    DomainsRemove(Domain),
    /// Remove all custom domains from an app
    #[command(
        name = "domains:clear",
        after_help = "Examples:\n  causeway domains:clear --app shop"
    )]
    DomainsClear(App),
}

/// A domain of an app.
#[derive(Debug, Clone, Args)]
pub(crate) struct Domain {
    /// The domain
    pub(crate) hostname: String,
    #[command(flatten)]
    pub(crate) app: App,
}

/// Which app, given either way, as the `heroku` command takes it.
#[derive(Debug, Clone, Args)]
pub(crate) struct NamedApp {
    /// The app
    #[arg(id = "named", value_name = "APP", required_unless_present = "app")]
    named: Option<String>,
    /// The app
    #[arg(id = "app", long = "app", short = 'a', value_name = "APP", conflicts_with = "named")]
    app: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl From<NamedApp> for App {
    fn from(app: NamedApp) -> Self {
        Self { name: app.named.or(app.app).unwrap_or_default(), common: app.common }
    }
}

/// Which app.
#[derive(Debug, Clone, Args)]
pub(crate) struct App {
    /// The app
    #[arg(id = "app", long = "app", short = 'a', value_name = "APP")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Reads `KEY=VALUE`.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must be like KEY=VALUE".to_owned()),
    }
}

/// Reads `TYPE=COMMAND`.
fn process(text: &str) -> Result<(String, String), String> {
    assignment(text).map_err(|_| "it must be like TYPE=COMMAND, as in web=./serve".to_owned())
}
