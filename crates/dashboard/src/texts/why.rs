//! The texts of what becomes of a flow.

use super::form::form;

form! {
    /// The texts of what becomes of a flow: on its page, on the map, and of `causeway why`.
    WhyTexts {
        why why_title why_hint ask_it swap pick_on_map
        from_hint unknown_from unknown_to unknown_flow port_missing
        passes stops passes_partly
        stopped_there answer_stopped_there arrives_both
        packet answer arrives stopped_at partly_at leg_not_reached not_reached not_reached_stopped
        to_let_pass nothing_to_do sentence at_place then after_that
        send_to_account send_to_admins send_to_operator key_reads_only ask_owner_line
        do_request do_accept do_route do_replace_route do_delete_route do_rule do_entry_one
        do_entry_other do_replace_entry do_limit do_several doing
        effect_request effect_accept effect_limit effect_review
        done says_now not_yours whole_path pick_port
        probe probe_there probe_note probe_tcp_only send_packet sending probed_at
        probe_answered probe_refused probe_silent probe_unreachable probe_nobody probe_no_packets
        probe_too_many probe_failed agrees differs
        line_passes line_stops line_partly line_presumed line_answer line_remedy
    }
}
