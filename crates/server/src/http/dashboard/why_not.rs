//! Why the ledger did not do what a form asked for, in the words of a page.

use axum::http::StatusCode;
use dashboard::Refusal;

use crate::ledger::LedgerError;

/// The status and the reason of what the ledger did not do.
pub(super) fn why_not(error: LedgerError) -> (StatusCode, Refusal) {
    match error {
        LedgerError::Refused(why) => {
            let status = StatusCode::from_u16(why.code.platform().status());
            (status.unwrap_or(StatusCode::BAD_REQUEST), Refusal::Rule(why))
        }
        LedgerError::Store
        | LedgerError::NoRoom
        | LedgerError::Unknown
        | LedgerError::Busy
        | LedgerError::Stopped => {
            (StatusCode::SERVICE_UNAVAILABLE, Refusal::Ledger(error.to_string()))
        }
    }
}
