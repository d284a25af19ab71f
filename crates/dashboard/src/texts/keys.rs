//! Texts of tokens and access keys.

use super::form::form;

form! {
    /// The texts of tokens and access keys.
    KeyTexts {
        title intro
        tokens column_token column_made column_ends never no_words this_session scopes only_app only_space
        no_tokens no_tokens_more
        new_token what_for what_for_hint ends day month quarter year make making
        revoke_more revoke revoking keep_it
        revoke_title revoke_text revoke_own
        made_token made_key once_only key_id secret
        told_revoked told_deleted
        token_as_command
        own_key own_key_text column_key column_access access_full access_read_only
        all_keys column_account no_keys no_keys_more new_key account read_only
        delete_more delete deleting delete_title delete_text
        operator_text
    }
}
