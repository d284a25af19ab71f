//! The texts of the map and of the matrix.

use super::form::form;

form! {
    /// The texts of the map and of the matrix.
    MapTexts {
        map map_hint a_space a_vpc picture map_of
        region_one region_other space_one space_other vpc_one vpc_other peering_one peering_other
        group_one group_other
        not_peered dynos data further_block n_more open_page
        so_many state_bad state_warning state_waiting state_moving state_ok state_ended
        with_no_route with_stopped with_unacceptable
        between legend_moving thickness
        find state_label all_states choice_bad choice_waiting choice_moving choice_ok choice_ended
        show clear matrix found total n_selected nothing_in_state nothing_matches nothing
        way_chosen way_passes way_stopped broken waits
        from to protocol port port_range only_peered reversed who_reaches_whom no_peering itself passes
        part_stopped looked_at nobody own_side cell ask_why
        part rows columns before after judged_by_rules
    }
}
