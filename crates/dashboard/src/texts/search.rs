//! Texts of the search.

use super::form::form;

form! {
    /// The texts of the search.
    SearchTexts {
        find find_button title hint found_one found_other found_none found_none_more found_more
        shortcut_on shortcut_off turn_off turn_on
        column_kind column_where kind_space kind_app kind_peering kind_vpc kind_instance

        // Lists that are longer than what is shown.
        more_wait more_rows
    }
}
