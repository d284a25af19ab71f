//! Commands about apps: their code, configuration, dynos and names.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Common;

/// Commands about apps.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// List apps
    #[command(after_help = "Examples:
  causeway apps
  causeway apps --space my-space --json")]
    Apps {
        /// Only those in this space
        #[arg(long, short)]
        space: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Make an app in a space
    #[command(
        name = "apps:create",
        after_help = "Examples:
  causeway apps:create shop --space my-space
  causeway apps:create stock --space my-space --internal-routing"
    )]
    AppsCreate {
        /// Its name; made up where none is given
        name: Option<String>,
        /// The space that it runs in
        #[arg(long, short)]
        space: String,
        /// Serve it inside the space and its peered VPCs only
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
    /// Remove an app, its dynos and its data services
    #[command(
        name = "apps:destroy",
        after_help = "Examples:
  causeway apps:destroy shop
  causeway apps:destroy --app shop --confirm shop"
    )]
    AppsDestroy {
        /// The app's name again, instead of being asked for it
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

What processes there are is in the file Procfile, with lines such as `web: ./serve`. Of a directory
everything is uploaded but .git and what its file .slugignore names, which is written as a
.gitignore is. Nothing is built: upload what can run on the server's machine.")]
    Deploy {
        /// A directory, or a tar archive, plain or compressed with gzip
        #[arg(value_name = "DIR|TARBALL")]
        from: PathBuf,
        /// A process type and its command, in addition to the Procfile's
        #[arg(long, value_name = "TYPE=COMMAND", value_parser = process)]
        process: Vec<(String, String)>,
        /// Which commit it is; by default what git says of the directory
        #[arg(long)]
        commit: Option<String>,
        /// End once it is released
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        app: App,
    },
    /// List an app's uploads, newest first
    #[command(after_help = "Examples:
  causeway slugs --app shop
  causeway slugs --app shop --all --json")]
    Slugs {
        /// Those too that were announced and did not come
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
        /// How many
        #[arg(long, short, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1000))]
        num: u16,
        #[command(flatten)]
        app: App,
    },
    /// Show a release: what it changed, and the config vars that it has
    #[command(
        name = "releases:info",
        after_help = "Examples:
  causeway releases:info --app shop         the current one
  causeway releases:info v12 --app shop
  causeway releases:info v12 --app shop --shell"
    )]
    ReleasesInfo {
        /// The release; the current one by default
        release: Option<String>,
        /// Print its config vars as a shell takes them
        #[arg(long, short, conflicts_with = "json")]
        shell: bool,
        #[command(flatten)]
        app: App,
    },
    /// Go back to an old release's code and configuration
    #[command(after_help = "Examples:
  causeway rollback --app shop          the release before the current one
  causeway rollback --app shop v12")]
    Rollback {
        /// The release
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
        /// Print them as a shell takes them
        #[arg(long, short, conflicts_with = "json")]
        shell: bool,
        #[command(flatten)]
        app: App,
    },
    /// Print some config vars
    #[command(
        name = "config:get",
        after_help = "Examples:
  causeway config:get KEY --app shop
  causeway config:get KEY OTHER --app shop --shell
  causeway config:get KEY OTHER --app shop --json"
    )]
    ConfigGet {
        /// Their names
        #[arg(required = true, value_name = "KEY")]
        names: Vec<String>,
        /// Print them as a shell takes them
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

All of them are lines such as KEY=value or KEY='with spaces'. What is missing after that is removed."
    )]
    ConfigEdit {
        /// Only this one
        #[arg(value_name = "KEY")]
        name: Option<String>,
        /// Do not ask before they are changed
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        app: App,
    },
    /// Set config vars; dynos are replaced by new ones
    #[command(
        name = "config:set",
        after_help = "Examples:
  causeway config:set --app shop KEY=value OTHER='with spaces'"
    )]
    ConfigSet {
        /// Names and values
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = assignment)]
        variables: Vec<(String, String)>,
        #[command(flatten)]
        app: App,
    },
    /// Remove config vars; dynos are replaced by new ones
    #[command(
        name = "config:unset",
        after_help = "Examples:
  causeway config:unset --app shop KEY OTHER"
    )]
    ConfigUnset {
        /// Their names
        #[arg(required = true, value_name = "KEY")]
        names: Vec<String>,
        #[command(flatten)]
        app: App,
    },

    /// List an app's dynos
    #[command(after_help = "Examples:\n  causeway ps --app shop")]
    Ps(App),
    /// Say how many dynos there are to be, and of which size; or show it
    #[command(
        name = "ps:scale",
        after_help = "Examples:
  causeway ps:scale --app shop
  causeway ps:scale --app shop web=3 worker=1:Private-M
  causeway ps:scale --app shop web+1 worker-1"
    )]
    PsScale {
        /// What changes
        #[arg(value_name = "TYPE=N[:SIZE]")]
        changes: Vec<String>,
        #[command(flatten)]
        app: App,
    },
    /// Replace dynos by new ones
    #[command(
        name = "ps:restart",
        after_help = "Examples:
  causeway ps:restart --app shop
  causeway ps:restart --app shop web
  causeway ps:restart --app shop worker.1"
    )]
    PsRestart {
        /// A dyno or a process type; by default all of the formation
        dyno: Option<String>,
        #[command(flatten)]
        app: App,
    },
    /// Stop a dyno; those of the formation are started anew
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
    /// Start a dyno that runs a command; what it writes goes to the app's log
    #[command(
        visible_alias = "run:detached",
        after_help = "Examples:
  causeway run --app shop -- sleep 1000
  causeway run:detached 'rake db:migrate' --app shop --tail
  causeway run:detached --app shop --size Private-M -- 'python3 -m http.server $PORT'
  causeway run:detached --app shop --env 'DEPTH=3;DRY=1' -- ./crawl"
    )]
    Run {
        /// Its size; by default Private-S
        #[arg(long, short)]
        size: Option<String>,
        /// Further environment variables of it
        #[arg(long, short, value_name = "KEY=VALUE[;…]")]
        env: Option<String>,
        /// Go on with what it writes
        #[arg(long, short)]
        tail: bool,
        /// The command
        #[arg(required = true)]
        command: Vec<String>,
        #[command(flatten)]
        app: App,
    },

    /// List the names under which an app is served
    #[command(after_help = "Examples:\n  causeway domains --app shop")]
    Domains(App),
    /// Serve an app under a further name
    #[command(
        name = "domains:add",
        after_help = "Examples:
  causeway domains:add www.example.com --app shop
  causeway domains:add '*.example.com' --app shop"
    )]
    DomainsAdd {
        /// The name
        hostname: String,
        #[command(flatten)]
        app: App,
    },
    /// Show a name under which an app is served
    #[command(
        name = "domains:info",
        after_help = "Examples:
  causeway domains:info www.example.com --app shop"
    )]
    DomainsInfo(Domain),
    /// Tie a certificate to a name, which this server refuses: it has one for all names
    #[command(
        name = "domains:update",
        after_help = "Examples:
  causeway domains:update www.example.com --cert mine --app shop
  causeway serve --router-tls ADDR --router-cert FILE --router-key FILE     what there is instead"
    )]
    DomainsUpdate {
        /// The certificate
        #[arg(long)]
        cert: String,
        #[command(flatten)]
        domain: Domain,
    },
    /// Wait until a name, or every name of an app, is served
    #[command(
        name = "domains:wait",
        after_help = "Examples:
  causeway domains:wait www.example.com --app shop
  causeway domains:wait --app shop"
    )]
    DomainsWait {
        /// The name; by default all of them
        hostname: Option<String>,
        #[command(flatten)]
        app: App,
    },
    /// Serve an app no more under a name
    #[command(
        name = "domains:remove",
        after_help = "Examples:
  causeway domains:remove www.example.com --app shop"
    )]
    DomainsRemove(Domain),
    /// Serve an app no more under any name but its own
    #[command(
        name = "domains:clear",
        after_help = "Examples:\n  causeway domains:clear --app shop"
    )]
    DomainsClear(App),
}

/// A name of an app.
#[derive(Debug, Clone, Args)]
pub struct Domain {
    /// The name
    pub hostname: String,
    #[command(flatten)]
    pub app: App,
}

/// Which app, given either way, as the `heroku` command takes it.
#[derive(Debug, Clone, Args)]
pub struct NamedApp {
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
pub struct App {
    /// The app
    #[arg(id = "app", long = "app", short = 'a', value_name = "APP")]
    pub name: String,
    #[command(flatten)]
    pub common: Common,
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
