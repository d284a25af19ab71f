//! Log lines of requests that were refused before they became commands, by somebody who is known.
//!
//! What the ledger refuses, and what strangers are refused, is in the audit, and has its line by that
//! ([`crate::metrics::ChangeLog`]).

use model::Caller;
use store::AuditRow;

use crate::http::state::Origin;
use crate::metrics::line;

/// The most characters of what a client sent that a line repeats.
const LONGEST: usize = 200;

/// Logs a refusal.
pub(crate) fn log(
    caller: Caller,
    action: &str,
    resource: &str,
    outcome: &str,
    why: &str,
    origin: &Origin,
) {
    let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
    let account = match caller {
        Caller::Account { scope, .. } => scope.account.to_string(),
        Caller::User(_) | Caller::Operator | Caller::System => String::new(),
    };
    line(&AuditRow {
        actor: caller.to_string(),
        account,
        action: cut(action),
        resource: cut(resource),
        source: origin.address.map(|address| address.to_string()).unwrap_or_default(),
        outcome: cut(outcome),
        message: cut(why),
        request_id: origin.request_id.clone(),
        ..AuditRow::default()
    });
}
