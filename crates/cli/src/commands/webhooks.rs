//! Webhooks.

use hyper::Method;

use super::print::say;
use crate::arguments::webhooks::WebhookCommand;
use crate::client::{As, segment};
use crate::output::Out;

const WEBHOOKS: &str = "/_causeway/webhooks";

/// Does what a command about webhooks says.
///
/// # Errors
///
/// What the server refused.
pub(super) fn run(command: WebhookCommand, out: &mut Out) -> anyhow::Result<()> {
    match command {
        WebhookCommand::Webhooks(common) => {
            let client = common.connection.client(As::Viewer)?;
            let hooks: Vec<api::Webhook> = client.read(WEBHOOKS)?;
            if common.json {
                out.json(&hooks);
            } else if hooks.is_empty() {
                out.line("There are no webhooks. `causeway webhooks:add` adds one.");
            } else {
                let row = |hook: &api::Webhook| {
                    let include = hook.include.join(", ");
                    vec![hook.id.to_string(), hook.url.clone(), include, hook.owner.clone()]
                };
                let rows: Vec<_> = hooks.iter().map(row).collect();
                out.table(&["ID", "URL", "Include", "Owner"], &rows);
            }
        }
        WebhookCommand::WebhooksAdd {
            receiver: url,
            include,
            team,
            account,
            secret,
            authorization,
            common,
        } => {
            let client = common.connection.client(As::Viewer)?;
            let given = secret.is_some();
            let request = api::CreateWebhook { url, include, secret, authorization, team, account };
            let made: api::WebhookCreated = client.write(&Method::POST, WEBHOOKS, &request)?;
            let mut text = format!("Added webhook {}", made.webhook.id);
            if !given {
                text.push_str(&format!("\nSecret, shown only now: {}", made.secret));
            }
            say(&common, out, &made, &text);
        }
        WebhookCommand::WebhooksDeliveries { id, common } => {
            let client = common.connection.client(As::Viewer)?;
            let path = format!("{WEBHOOKS}/{}/deliveries", segment(&id));
            let deliveries: Vec<api::WebhookDelivery> = client.read(&path)?;
            if common.json {
                out.json(&deliveries);
            } else if deliveries.is_empty() {
                out.line("Nothing was sent yet.");
            } else {
                let rows: Vec<_> = deliveries.iter().map(row).collect();
                let names =
                    ["Event", "Kind", "Happened", "Status", "Attempts", "Code", "Next", "Error"];
                out.table(&names, &rows);
            }
        }
        WebhookCommand::WebhooksRemove { id, common } => {
            let client = common.connection.client(As::Viewer)?;
            let path = format!("{WEBHOOKS}/{}", segment(&id));
            let gone: api::Webhook = client.write(&Method::DELETE, &path, &api::Empty {})?;
            say(&common, out, &gone, &format!("Removed webhook {}", gone.id));
        }
    }
    Ok(())
}

fn row(delivery: &api::WebhookDelivery) -> Vec<String> {
    let status = match delivery.status {
        api::DeliveryStatus::Retrying => "retrying",
        api::DeliveryStatus::Succeeded => "succeeded",
        api::DeliveryStatus::Failed => "failed",
    };
    vec![
        delivery.event.to_string(),
        delivery.kind.name().to_owned(),
        delivery.happened.to_string(),
        status.to_owned(),
        delivery.attempts.to_string(),
        delivery.code.map(|code| code.to_string()).unwrap_or_default(),
        delivery.next_attempt.map(|at| at.to_string()).unwrap_or_default(),
        delivery.error.clone().unwrap_or_default(),
    ]
}
