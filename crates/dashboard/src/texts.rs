//! The form of the catalogue: every text of the pages, once for each language.
//!
//! A text may have places such as `{block}`, which `markup::fill` fills. The compiler sees that no
//! language lacks a text, a test that no text lacks a place.

mod apps;
mod audit;
mod factor;
mod form;
mod keys;
mod map;
mod operator;
mod search;
mod vpc;
mod why;

pub(crate) use self::apps::AppTexts;
pub(crate) use self::audit::AuditTexts;
pub(crate) use self::factor::FactorTexts;
use self::form::form;
pub(crate) use self::keys::KeyTexts;
pub(crate) use self::map::MapTexts;
pub(crate) use self::operator::OperatorTexts;
pub(crate) use self::search::SearchTexts;
pub(crate) use self::vpc::VpcTexts;
pub(crate) use self::why::WhyTexts;

form! {
    /// Every text of the pages in one language.
    Texts {
    // The language itself, and the name of the other one in that language.
    lang other_lang other_name

    // Every page.
    skip menu main_navigation home spaces vpcs you sign_out
    theme_system theme_light theme_dark operator
    live lost live_ended waiting_new copied copy copy_command copy_all hidden none
    same_as_command back_home actions

    // Numbers with units, and dates.
    days_short hours_short minutes_short
    day_one day_other hour_one hour_other minute_one minute_other
    moments months date date_time

    // Sign in.
    sign_in ways token password access_key
    token_label token_note token_hint
    email_label password_label password_hint
    key_label secret_label secret_note key_hint key_needs_script key_needs_https
    add_account add_user signed_in_as account_named read_only
    wrong_token wrong_password wrong_signature too_many_attempts busy stale_form session_over
    two_factor_label two_factor_note wrong_code narrow_token
    log_in_title log_in_warning log_in_as log_in_from log_in_says log_in_type log_in_allow log_in_deny
    log_in_allowed log_in_back log_in_denied log_in_denied_text log_in_gone log_in_gone_text log_in_no_user

    // Home.
    waits_for_you waits_order nothing_waits nothing_waits_more
    review
    asks_to_peer cannot_be_accepted_title fits_text expires_in_long
    blackhole_title blackhole_text no_return_title no_return_text
    crashed_one crashed_other crashed_text
    request_failed_title request_failed_text
    column_name column_state column_region column_block column_apps column_dynos column_peerings
    column_team column_vpc_id column_subnets column_instances column_account column_peered
    n_of_m no_spaces no_spaces_more no_vpcs no_vpcs_more
    begin_here begin_make begin_make_text begin_ask begin_ask_text begin_accept begin_accept_text
    begin_pass begin_pass_text requests_one requests_other

    // A space's network.
    network team since peerings peerings_used column_pcx column_type column_status
    column_vpc_account column_expires destroy_more
    fits cannot_accept_why only_admins managed_by_platform
    no_peerings no_peerings_more
    peering_info space_cidrs_note unavailable_note
    for_the_owner for_the_owner_text
    state_allocated state_allocating

    // The review of a request.
    accept_title cannot_accept_title request_title joined_title
    asks_sentence joined_sentence expires_sentence
    who_asks aws_account vpc region own_region other_region block other_blocks asked
    does_it_fit does_fit does_not_fit
    misfit_gone misfit_platforms misfit_overlap misfit_peered misfit_vpc_full misfit_waiting
    misfit_not_private misfit_space_full whose_space whose_data whose_reserved whose_peering whose_vpc
    check_private check_space check_data check_reserved check_peers check_room
    what_to_do another_block
    what_accepting_does does_route does_route_sub does_hosts does_hosts_sub
    does_primary does_primary_sub
    does_no_transit does_no_transit_sub does_not_yet does_not_yet_sub
    accept accepting reject rejecting decide_note admins_decide
    is_now

    // Destroying a peering.
    destroy_title destroy_warning destroy_warning_text what_will_change
    destroy_flows destroy_flows_sub destroy_routes destroy_routes_sub
    destroy_blackhole destroy_blackhole_sub
    type_to_go_on destroy destroying keep_it typed_wrong

    // What came of a request.
    told_accepted told_rejected told_destroyed
    refused server_says changed_meanwhile no_right gone
    not_found not_found_text too_fast failed failed_text bad_request bad_request_text
    cross_site cross_site_text

    // A VPC, and the form by which its owner asks.
    main_table main_table_note no_subnets requester accepter told_asked told_asked_in_vain
    way_in way_out members_of ask_for_peering column_role column_subnet_id column_zone
    column_table column_destination column_target column_direction column_traffic column_peer
    column_rule security_group no_rules ask_title ask_text for_the_check unreadable_vpc
    unreadable_account unreadable_block check_unknown check_does_not_fit check_fits free_blocks
    ask asking check cancel reject_note
    no_right_key
    } {
        apps: AppTexts,
        audit: AuditTexts,
        factor: FactorTexts,
        keys: KeyTexts,
        map: MapTexts,
        operating: OperatorTexts,
        search: SearchTexts,
        vpc_pages: &'static VpcTexts,
        why: WhyTexts,
    }
}

impl Texts {
    /// What stands between two sentences.
    pub(crate) fn gap(&self) -> &'static str {
        if self.lang == "ja" { "" } else { " " }
    }
}
