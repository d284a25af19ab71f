//! Commands about data services.

use clap::Subcommand;

use super::apps::App;
use super::common::Common;

/// Commands about data services.
#[derive(Debug, Subcommand)]
pub(crate) enum AddonCommand {
    /// List data services
    #[command(after_help = "Examples:
  causeway addons
  causeway addons --app shop --json")]
    Addons {
        /// Only data services of this app
        #[arg(long, short)]
        app: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List the kinds of data services
    #[command(name = "addons:services", after_help = "Examples:\n  causeway addons:services")]
    AddonsServices(Common),
    /// List the plans of data services
    #[command(
        name = "addons:plans",
        after_help = "Examples:
  causeway addons:plans
  causeway addons:plans heroku-postgresql"
    )]
    AddonsPlans {
        /// Only plans of this service
        service: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Create a data service for an app
    #[command(
        name = "addons:create",
        after_help = "Examples:
  causeway addons:create heroku-postgresql --app shop
  causeway addons:create heroku-redis:premium-0 --app shop --name shop-cache --wait"
    )]
    AddonsCreate {
        /// Service, and its plan if it has several
        #[arg(value_name = "SERVICE[:PLAN]")]
        plan: String,
        /// Name of the data service; generated if it is not given
        #[arg(long)]
        name: Option<String>,
        /// Wait until it runs
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        app: App,
    },
    /// Attach a data service to another app of the same space, which gets its config vars
    #[command(
        name = "addons:attach",
        after_help = "Examples:
  causeway addons:attach postgresql-cubic-12345 --app stock
  causeway addons:attach postgresql-cubic-12345 --app stock --as SHOP_DB    as SHOP_DB_URL"
    )]
    AddonsAttach {
        /// The data service
        addon: String,
        /// Prefix of its config vars
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        app: App,
    },
    /// Detach a data service from an app; the data service stays
    #[command(
        name = "addons:detach",
        after_help = "Examples:
  causeway addons:detach SHOP_DB --app stock"
    )]
    AddonsDetach {
        /// Name of the attachment
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
    /// Destroy a data service and all its data
    #[command(
        name = "addons:destroy",
        after_help = "Examples:
  causeway addons:destroy postgresql-cubic-12345 --confirm shop
  causeway addons:destroy DATABASE --app shop"
    )]
    AddonsDestroy {
        /// Name of its app, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        addon: Addon,
    },
}

/// Which data service.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Addon {
    /// Name of the data service; with --app also its service, or the prefix of its config vars
    #[arg(value_name = "ADDON")]
    pub(crate) name: String,
    /// App that the data service is attached to
    #[arg(long, short)]
    pub(crate) app: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}
