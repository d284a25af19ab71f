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
    /// Show a data service
    #[command(
        name = "addons:info",
        after_help = "Examples:
  causeway addons:info postgresql-cubic-12345"
    )]
    AddonsInfo {
        /// Its name
        addon: String,
        #[command(flatten)]
        common: Common,
    },
    /// Remove a data service and all that it holds
    #[command(
        name = "addons:destroy",
        after_help = "Examples:
  causeway addons:destroy postgresql-cubic-12345 --confirm shop"
    )]
    AddonsDestroy {
        /// Its name
        addon: String,
        /// The name of its app, instead of being asked for it
        #[arg(long)]
        confirm: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}
