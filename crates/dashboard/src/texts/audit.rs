//! Texts of the audit.

use super::form::form;

form! {
    /// The texts of the audit.
    AuditTexts {
        title all_of_it your_part
        who who_hint action action_hint about about_hint outcome outcome_any outcome_ok outcome_refused
        since since_any since_hour since_day since_week since_month filter everything
        column_time column_who column_action column_about column_outcome column_from
        no_rows no_rows_more nothing_matches nothing_matches_more
        another_user another_account unreadable_since unknown_who
        older newest busy
    }
}
