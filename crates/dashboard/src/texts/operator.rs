//! Texts of the pages of who runs the installation.

use super::form::form;

form! {
    /// The texts of the operator's pages.
    OperatorTexts {
        title pages tab_health tab_accounts tab_people tab_limits
        well not_well not_well_more instance platform_account region_default
        what_there_is accounts users teams spaces apps vpcs peerings dynos instances
        loops loop_turns loop_works loop_stuck loop_ended loops_unknown
        fabric driver driver_none last_run last_sweep repairs_count never_yet
        problems problems_more failing failing_more last_repairs nothing_wrong
        column_what column_why
        lost lost_more nothing_lost column_since delete_lost
        is_platforms column_id column_since_when column_vpcs column_keys
        no_accounts no_accounts_more new_account
        column_email column_teams column_tokens column_password has_password no_password with_factor
        no_users no_users_more new_user column_members no_teams no_teams_more new_team
        role_admin role_member disabled
        limits_more column_used column_limit limit_of set_limit setting_limit told_limit
        no_spaces no_spaces_more unreadable_limit
        quotas quotas_more column_quota column_whose no_quotas quota_of_all quota_of_account quota_of_team
    }
}
