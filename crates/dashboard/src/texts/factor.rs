//! Texts of second factors.

use super::form::form;

form! {
    /// The texts of second factors.
    FactorTexts {
        title intro demanded
        scan scan_text picture secret address
        confirm code_label code_note enable enabling as_command
        made_codes once_only codes go_on
        since left_one left_other few
        renew renew_text renew_button renewing
        disable disable_text disable_button disabling kept
        told_disabled wrong_first_code
    }
}
