//! The form of the texts of the pages of VPCs.

use super::form::form;

form! {
    /// Every text of the pages of VPCs in one language.
    VpcTexts {
        // The parts of a VPC.
        network instances interfaces acls gateways
        free leads_to leads_internet leads_interface leads_gone since_when
        table_named main_named members_one members_other table_of_subnets
        edit_routes edit_rules show_rest read_only_key
        next_step all_peerings step_wait step_accept step_route step_rule step_open step_ended
        no_subnet no_subnet_more no_peering_more

        // Instances.
        instance_state address groups image kind launched reason exit_code exit_signal exit_memory exit_failed
        exit_asked exit_stopped no_instance no_instance_more start_title start_text instance_name subnet script
        script_note start starting told_started console console_note console_empty
        console_refresh terminate_more terminate_title terminate_warning terminate_text
        type_to_terminate terminate terminating keep told_terminating instance_typed_wrong
        instance_ended

        // Interfaces, ACLs and gateways.
        used_by ethernet unused no_interface no_interface_more platforms
        acl_of acl_in acl_out entry verdict allow deny the_rest no_subnet_follows
        block_primary block_secondary resolver resolver_on resolver_off dns_names yes no
        no_gateway no_gateway_more attached detached gateway_note domain_servers blocks

        // Routes.
        routes route_form destination destination_note target target_choose target_peerings
        target_interfaces target_gateways set_route remove_more replace_more no_target
        unreadable_destination unreadable_target

        // Rules.
        rules rules_one rules_other rule_form rule_form_replace protocol any_protocol ports ports_note peer peer_note
        description description_note set_rule no_member
        unreadable_ports unreadable_protocol unreadable_peer nothing_chosen

        // What a peering needs.
        join_title join_done join_steps return_route return_route_done return_route_text
        whole_block parts_of_block tables_note
        group_rule group_rule_text existing_rules from_dynos from_blocks look_more
        not_yet_active not_open review_request ask_owner

        // The preview of a change.
        add_route_question replace_route_question remove_route_question
        add_rule_question remove_rule_question replace_rule_question entry_question
        several_question
        add_route replace_route remove_route add_rule remove_rule replace_rule change_entry
        several changing added_route replaced_route removed_route added_rule removed_rule replaced_rule
        changed_entry did_several
        the_change flows_start_one flows_start_other flows_stop_one flows_stop_other flow more_flows
        asked_flows cut_flows no_flow_known dynos_of host_of commands undo_note
        undo undoing undo_gone cannot_change partly
    }
}
