//! Why the ledger did not do what a form asked for.

use axum::http::StatusCode;
use dashboard::Refusal;

use crate::ledger::LedgerError;

/// The status of the answer, and what the page says.
pub(super) fn why_not(error: LedgerError) -> (StatusCode, Refusal) {
    match error {
        LedgerError::Refused(why) => {
            let status = StatusCode::from_u16(why.code.platform().status());
            (status.unwrap_or(StatusCode::BAD_REQUEST), Refusal::Rule(why))
        }
        LedgerError::Store
        | LedgerError::NoRoom
        | LedgerError::Unknown
        | LedgerError::NotLeading
        | LedgerError::Busy
        | LedgerError::Stopped => {
            (StatusCode::SERVICE_UNAVAILABLE, Refusal::Ledger(error.to_string()))
        }
    }
}
