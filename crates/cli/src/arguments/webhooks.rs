//! Commands about webhooks.

use clap::Subcommand;

use super::common::Common;

/// Commands about where events are sent to.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// List webhooks
    #[command(after_help = "Examples:\n  causeway webhooks\n  causeway webhooks --json")]
    Webhooks(Common),
    /// Have events be sent to an address
    ///
    /// Each event is sent as JSON by POST, in the order of events and at least once: every attempt has the
    /// same id. The header Heroku-Webhook-Hmac-SHA256 has the HMAC of the body by the secret. If the
    /// receiver does not answer with a status from 200 to 299, it is tried again after growing pauses, for
    /// three days.
    #[command(
        name = "webhooks:add",
        after_help = "Examples:
  causeway webhooks:add https://ops.example.com/hook --include peering,drift
  causeway webhooks:add https://web.example.com/hook --include dyno.crashed,app --team web
  causeway webhooks:add https://net.example.com/hook --include peering --account customer

Kinds and groups of kinds are those of `causeway events`."
    )]
    WebhooksAdd {
        /// Address of the receiver
        #[arg(value_name = "URL")]
        receiver: String,
        /// Kind of events to send, such as dyno.crashed, or a group, such as peering; may be repeated
        #[arg(long, short, value_name = "KIND", value_delimiter = ',', required = true)]
        include: Vec<String>,
        /// Team that is told what concerns it; you must be its admin
        #[arg(long, short, conflicts_with = "account")]
        team: Option<String>,
        /// Account that is told what concerns it
        #[arg(long)]
        account: Option<String>,
        /// Key to sign with; one is made up if it is not given
        #[arg(long, short)]
        secret: Option<String>,
        /// Value of the header Authorization to send along
        #[arg(long, value_name = "VALUE")]
        authorization: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show what became of the newest events at a webhook
    #[command(
        name = "webhooks:deliveries",
        after_help = "Examples:
  causeway webhooks:deliveries 01234567-89ab-cdef-0123-456789abcdef
  causeway webhooks:deliveries 01234567-89ab-cdef-0123-456789abcdef --json"
    )]
    WebhooksDeliveries {
        /// Id of the webhook
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Send no more events to an address
    #[command(
        name = "webhooks:remove",
        after_help = "Examples:
  causeway webhooks:remove 01234567-89ab-cdef-0123-456789abcdef"
    )]
    WebhooksRemove {
        /// Id of the webhook
        id: String,
        #[command(flatten)]
        common: Common,
    },
}
