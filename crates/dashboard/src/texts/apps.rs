//! Texts of apps, and of what of a space belongs to its apps.

use super::form::form;

form! {
    /// The texts of apps.
    AppTexts {
        // The pages of a space.
        space_pages trusted_ips

        // The apps of a space.
        no_apps no_apps_more column_release column_routing column_address
        routing_internal routing_public release_none

        // An app.
        app_pages tab_dynos tab_releases tab_config tab_domains tab_services
        internal_on internal_off current_release dynos_up no_dyno_runs
        told_restarted_all told_restarted told_stopped told_scaled no_such_dyno
        restart restarting restart_all stop stopping

        // Its dynos.
        dynos column_dyno column_since column_command column_size
        no_dynos no_dynos_more no_code no_code_more
        exit_status exit_signal exit_memory tried_again runs_release leaves

        // Its processes.
        processes column_process column_wanted scale scaling wanted_of size_of before_each_release
        unreadable_quantity

        // Its log.
        log log_dyno log_all_dynos log_find log_filter log_follow log_empty log_nothing_found
        log_last log_lost log_as_command

        // Its releases.
        column_what column_who column_when current by_platform older newest no_code_in_release rollback_as_command
        release_pending release_succeeded release_failed

        // Its config vars.
        column_variable column_value values_hidden reveal revealing hide_values revealed_note
        no_config no_config_more of_service set_config

        // Its domains.
        domains_text column_domain column_points_to own_name own_domain_more no_custom add_domain

        // Its data services.
        column_service column_plan column_attached column_variables no_services no_services_more
        service_provisioning service_provisioned service_crashed shared_by

        // The addresses that web requests may come from.
        trusted_title trusted_text trusted_all trusted_nobody trusted_set_by trusted_never_set
        column_rule_action column_source change_trusted only_public operator_did
    }
}
