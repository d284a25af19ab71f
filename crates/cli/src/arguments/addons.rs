//! Commands about data services.

use clap::Subcommand;

use super::Common;
use super::apps::App;

/// Commands about data services.
#[derive(Debug, Subcommand)]
pub enum AddonCommand {
    /// List data services
    #[command(after_help = "Examples:
  causeway addons
  causeway addons --app shop --json")]
    Addons {
        /// Only this app's
        #[arg(long, short)]
        app: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List the kinds of data services
    #[command(name = "addons:services", after_help = "Examples:\n  causeway addons:services")]
    AddonsServices(Common),
    /// List what data services there are to choose from
    #[command(
        name = "addons:plans",
        after_help = "Examples:
  causeway addons:plans
  causeway addons:plans heroku-postgresql"
    )]
    AddonsPlans {
        /// Only of this service
        service: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Make a data service for an app
    #[command(
        name = "addons:create",
        after_help = "Examples:
  causeway addons:create heroku-postgresql --app shop
  causeway addons:create heroku-redis:premium-0 --app shop --name shop-cache --wait"
    )]
    AddonsCreate {
        /// What it is to be
        #[arg(value_name = "SERVICE[:PLAN]")]
        plan: String,
        /// Its name; made up where none is given
        #[arg(long)]
        name: Option<String>,
        /// End once it runs
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        app: App,
    },
    /// Give another app of the same space a data service's config vars
    #[command(
        name = "addons:attach",
        after_help = "Examples:
  causeway addons:attach postgresql-cubic-12345 --app stock
  causeway addons:attach postgresql-cubic-12345 --app stock --as SHOP_DB    as SHOP_DB_URL"
    )]
    AddonsAttach {
        /// The data service
        addon: String,
        /// What its config vars begin with
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        app: App,
    },
    /// Take them from it again; the data service stays
    #[command(
        name = "addons:detach",
        after_help = "Examples:
  causeway addons:detach SHOP_DB --app stock"
    )]
    AddonsDetach {
        /// The attachment's name
        attachment: String,
        #[command(flatten)]
        app: App,
    },
    /// Show a data service
    #[command(
        name = "addons:info",
        after_help = "Examples:
  causeway addons:info postgresql-cubic-12345
  causeway addons:info DATABASE --app shop"
    )]
    AddonsInfo(Addon),
    /// Remove a data service and all that it holds
    #[command(
        name = "addons:destroy",
        after_help = "Examples:
  causeway addons:destroy postgresql-cubic-12345 --confirm shop
  causeway addons:destroy DATABASE --app shop"
    )]
    AddonsDestroy {
        /// The name of its app, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        addon: Addon,
    },
}

/// Which data service.
#[derive(Debug, Clone, clap::Args)]
pub struct Addon {
    /// Its name; with --app also its service, or what its config vars begin with
    #[arg(value_name = "ADDON")]
    pub name: String,
    /// An app that has it
    #[arg(long, short)]
    pub app: Option<String>,
    #[command(flatten)]
    pub common: Common,
}
