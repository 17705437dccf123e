//! What no probe can tell: which test shows that something accepted is carried out, and why it is
//! ignored if it is not.

/// Of something that is accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    /// Carried out, as this test shows.
    Done(&'static str),
    /// Without consequence, for this reason.
    Ignored(&'static str),
}
use Says::{Done, Ignored};

pub(crate) const MESSAGES: &[(u8, &str)] = &[
    (3, "an_application_is_what_its_pfds_say_now"),
    (1, "every_heartbeat_is_answered_with_the_same_stamp"),
    (2, "heartbeats_go_on_when_nobody_answers_and_sessions_stay"),
    (4, "an_application_is_what_its_pfds_say_now"),
    (
        5,
        "a_new_association_replaces_the_old_one_whatever_its_stamp",
    ),
    (6, "we_associate_with_configured_smfs_until_one_answers"),
    (7, "the_smf_may_ask_for_last_reports_too"),
    (8, "the_smf_may_ask_for_last_reports_too"),
    (
        9,
        "a_large_association_ends_in_slices_and_heartbeats_are_answered_meanwhile",
    ),
    (10, "b08_strangers_change_nothing"),
    (11, "a02_another_version_gets_one_answer"),
    (12, "failure_and_recovery_are_told_once_each"),
    (
        13,
        "a_node_report_that_is_refused_is_counted_and_not_sent_again",
    ),
    (14, "a_set_is_deleted_and_nothing_else"),
    (15, "a_set_is_deleted_and_nothing_else"),
    (16, "sessions_of_a_set_go_over_to_another_smf"),
    (17, "sessions_of_a_set_go_over_to_another_smf"),
    (50, "whole_lives_of_sessions"),
    (51, "whole_lives_of_sessions"),
    (52, "procedures_on_a_session_that_is_there"),
    (53, "procedures_on_a_session_that_is_there"),
    (54, "c29_what_is_deleted_stays_deleted"),
    (55, "usage_is_given_when_asked_for_and_when_a_rule_goes"),
    (56, "downlink_data_is_reported_as_open5gs_reports_it"),
    (57, "downlink_data_is_reported_until_it_is_answered"),
];

/// By message or group (empty is any) and IE type.
pub(crate) const IES: &[(&str, u16, Says)] = &[
    ("", 346, Ignored("after Release 17")),
    ("", 24, Done("an_application_is_what_its_pfds_say_now")),
    ("", 58, Done("an_application_is_what_its_pfds_say_now")),
    ("", 59, Done("an_application_is_what_its_pfds_say_now")),
    ("", 61, Done("an_application_is_what_its_pfds_say_now")),
    ("", 60, Done("a_node_id_is_bound_to_its_address")),
    (
        "Session Modification Request",
        60,
        Ignored("SMF sets are not announced"),
    ),
    (
        "Session Deletion Request",
        60,
        Ignored("SMF sets are not announced"),
    ),
    (
        "",
        96,
        Ignored("restarts are told by heartbeats; a set-up replaces the association in any case"),
    ),
    ("", 43, Ignored("a UP function's own")),
    ("", 89, Done("load_is_told_to_who_asked_for_it")),
    ("", 178, Ignored("SMF sets are not announced")),
    ("", 180, Ignored("SMF sets are not announced")),
    ("", 183, Done("sessions_are_retained_if_the_peer_says_so")),
    ("", 233, Ignored("a UP function's own")),
    ("", 238, Ignored("GPQM is not announced")),
    ("", 203, Ignored("TSN is not announced")),
    ("", 355, Ignored("after Release 17")),
    ("", 354, Ignored("after Release 17")),
    ("", 359, Ignored("after Release 17")),
    ("", 360, Ignored("after Release 17")),
    ("", 253, Ignored("for information")),
    ("", 259, Ignored("IPUPS (UUPSI) is not done")),
    ("", 111, Done("the_smf_may_ask_for_last_reports_too")),
    ("", 112, Ignored("a UP function's own")),
    ("", 162, Done("the_smf_may_ask_for_last_reports_too")),
    ("", 267, Ignored("a UP function's own")),
    (
        "",
        57,
        Done("an_f_seid_that_comes_again_replaces_its_session"),
    ),
    (
        "Session Deletion Request",
        57,
        Ignored("SD-Core sends it; it says nothing new"),
    ),
    ("", 1, Done("whole_lives_of_sessions")),
    ("", 3, Done("whole_lives_of_sessions")),
    (
        "",
        6,
        Done("a_volume_threshold_is_reported_each_time_it_is_reached"),
    ),
    (
        "",
        7,
        Done("a_rate_lets_its_octets_through_and_what_is_dropped_is_not_counted"),
    ),
    ("", 85, Done("a_bar_bounds_what_is_held")),
    ("", 113, Done("c11_pdn_types_are_those_that_are_carried")),
    ("", 132, Done("ethernet_packet_filters_are_taken_whole")),
    ("", 133, Done("ethernet_packet_filters_are_taken_whole")),
    ("", 134, Done("ethernet_packet_filters_are_taken_whole")),
    ("", 135, Done("ethernet_packet_filters_are_taken_whole")),
    ("", 136, Done("ethernet_packet_filters_are_taken_whole")),
    ("", 138, Done("ethernet_packet_filters_are_taken_whole")),
    ("", 139, Done("ethernet_packet_filters_are_taken_whole")),
    (
        "",
        142,
        Done("an_ethernet_session_is_found_by_its_stations_and_by_frames_to_all"),
    ),
    ("", 146, Done("stations_are_told_of_when_they_come_and_go")),
    ("", 65, Done("a_set_is_deleted_and_nothing_else")),
    ("", 141, Ignored("for information")),
    ("", 152, Ignored("TRACE is not announced")),
    ("", 159, Done("networks_are_told_apart_by_name")),
    (
        "Session Modification Request",
        159,
        Ignored("the network of a session stays"),
    ),
    ("", 186, Done("an_open5gs_smf_restores_its_sessions")),
    ("", 257, Done("a_slice_has_the_addresses_of_its_pools")),
    (
        "",
        338,
        Ignored("pools are by the slice of the network that the UPF serves"),
    ),
    ("", 275, Ignored("for information")),
    ("", 291, Done("sessions_of_a_set_go_over_to_another_smf")),
    ("", 352, Ignored("TRACE is not announced")),
    ("", 353, Ignored("TRACE is not announced")),
    ("", 56, Done("c21_every_rule_that_comes_twice_is_refused")),
    (
        "",
        29,
        Done("whatever_comes_the_node_and_the_tables_are_right"),
    ),
    (
        "",
        2,
        Done("a_partial_pdi_keeps_the_rest_and_a_whole_one_replaces_it"),
    ),
    ("", 95, Done("uplink_is_decapsulated_and_routed")),
    (
        "",
        108,
        Done("every_reference_to_an_absent_rule_is_refused"),
    ),
    ("", 81, Done("every_reference_to_an_absent_rule_is_refused")),
    (
        "",
        109,
        Done("every_reference_to_an_absent_rule_is_refused"),
    ),
    ("", 290, Done("sessions_of_a_set_go_over_to_another_smf")),
    ("", 292, Done("sessions_of_a_set_go_over_to_another_smf")),
    (
        "",
        127,
        Done("pdrs_are_found_by_the_endpoints_they_refer_to"),
    ),
    ("", 129, Done("all_pdrs_follow_an_updated_endpoint")),
    (
        "",
        130,
        Done("removing_an_endpoint_removes_its_pdrs_and_gives_its_tunnel_back"),
    ),
    (
        "",
        153,
        Done("downlink_packets_find_the_session_by_the_longest_route"),
    ),
    (
        "",
        155,
        Done("downlink_packets_find_the_session_by_the_longest_route"),
    ),
    (
        "",
        163,
        Done("a_pdr_wakes_on_time_and_keeps_its_tunnel_while_it_sleeps"),
    ),
    ("", 164, Done("times_past_and_future_decide_together")),
    ("", 177, Done("a_pool_by_its_name")),
    ("", 117, Done("a_session_without_packets_is_reported_once")),
    (
        "",
        106,
        Done("packets_match_the_pdr_and_one_of_its_predefined_rules"),
    ),
    (
        "",
        107,
        Done("rules_are_activated_and_deactivated_one_by_one"),
    ),
    ("", 265, Ignored("MA PDU sessions are refused")),
    (
        "",
        20,
        Done("indirect_forwarding_goes_from_access_to_access"),
    ),
    ("", 21, Done("a_choose_id_is_one_f_teid_over_messages")),
    ("", 22, Done("networks_are_told_apart_by_name")),
    ("", 41, Done("forwarding_policies_are_known_by_name")),
    ("", 93, Done("ue_of_both_families_is_found_by_both")),
    (
        "",
        23,
        Done("c18_accepted_flow_descriptions_keep_their_meaning"),
    ),
    ("", 124, Done("a_wrong_qfi_is_no_unknown_tunnel")),
    (
        "",
        154,
        Ignored("routes are matched, and advertised by nobody"),
    ),
    (
        "",
        160,
        Done("indirect_forwarding_goes_from_access_to_access"),
    ),
    (
        "Forwarding Parameters",
        160,
        Ignored("the Destination Interface says enough"),
    ),
    (
        "Update Forwarding Parameters",
        160,
        Ignored("the Destination Interface says enough"),
    ),
    (
        "",
        44,
        Done("held_packets_are_told_of_once_and_released_in_order"),
    ),
    ("", 4, Done("downlink_is_encapsulated")),
    ("", 88, Done("a_bar_bounds_what_is_held")),
    ("", 62, Done("periods_and_time_thresholds")),
    (
        "",
        37,
        Done("a_volume_threshold_is_reported_each_time_it_is_reached"),
    ),
    ("", 64, Done("periods_and_time_thresholds")),
    (
        "",
        31,
        Done("a_volume_threshold_is_reported_each_time_it_is_reached"),
    ),
    ("", 73, Done("a_quota_is_reported_once_and_stops_packets")),
    ("", 32, Done("periods_and_time_thresholds")),
    (
        "",
        74,
        Done("a_quota_of_nothing_stops_at_once_and_a_validity_ends"),
    ),
    (
        "",
        181,
        Done("a_quota_of_nothing_stops_at_once_and_a_validity_ends"),
    ),
    (
        "",
        33,
        Done("usage_before_and_after_a_monitoring_time_is_told_apart"),
    ),
    (
        "",
        147,
        Done("usage_before_and_after_a_monitoring_time_is_told_apart"),
    ),
    (
        "",
        71,
        Done("a_quota_is_not_held_for_longer_than_wanted_and_traffic_after_it_is_told"),
    ),
    ("", 36, Done("time_stands_still_while_nothing_happens")),
    (
        "",
        82,
        Done("a_linked_rule_is_reported_with_what_it_is_linked_to"),
    ),
    ("", 182, Done("no_more_reports_are_made_than_wanted")),
    (
        "",
        72,
        Done("dropped_downlink_packets_and_silence_are_reported"),
    ),
    (
        "Create URR",
        117,
        Done("dropped_downlink_packets_and_silence_are_reported"),
    ),
    (
        "Create URR",
        108,
        Done("a_used_up_quota_puts_another_far_in_the_place_of_the_rules_own"),
    ),
    (
        "Update URR",
        117,
        Done("dropped_downlink_packets_and_silence_are_reported"),
    ),
    (
        "Update URR",
        108,
        Done("a_used_up_quota_puts_another_far_in_the_place_of_the_rules_own"),
    ),
    (
        "",
        34,
        Done("usage_before_and_after_a_monitoring_time_is_told_apart"),
    ),
    (
        "",
        35,
        Done("usage_before_and_after_a_monitoring_time_is_told_apart"),
    ),
    (
        "",
        121,
        Done("usage_before_and_after_a_monitoring_time_is_told_apart"),
    ),
    (
        "",
        122,
        Done("usage_before_and_after_a_monitoring_time_is_told_apart"),
    ),
    (
        "",
        100,
        Done("usage_before_qos_enforcement_is_a_report_of_its_own"),
    ),
    ("", 28, Ignored("EPC only")),
    (
        "",
        25,
        Done("gates_rates_and_references_are_updated_and_removed"),
    ),
    (
        "",
        26,
        Done("a_rate_lets_its_octets_through_and_what_is_dropped_is_not_counted"),
    ),
    (
        "",
        27,
        Done("what_is_guaranteed_is_charged_and_not_refused"),
    ),
    ("", 123, Done("the_outer_header_is_ready_made")),
    ("", 158, Done("the_container_tells_the_paging_policy")),
    (
        "",
        157,
        Done("an_averaging_window_bounds_what_passes_at_once"),
    ),
    (
        "",
        251,
        Ignored("packet rates are refused, and so there are none to report"),
    ),
    ("", 46, Done("a_bar_delays_what_is_told")),
    ("", 140, Done("a_bar_bounds_what_is_held")),
    ("", 249, Ignored("EPC only")),
    ("", 347, Ignored("after Release 17")),
    ("", 15, Done("c22_rules_that_are_not_there")),
    (
        "",
        16,
        Done("whatever_comes_the_node_and_the_tables_are_right"),
    ),
    (
        "",
        17,
        Done("usage_is_given_when_asked_for_and_when_a_rule_goes"),
    ),
    (
        "",
        18,
        Done("gates_rates_and_references_are_updated_and_removed"),
    ),
    ("", 87, Done("a_bar_bounds_what_is_held")),
    (
        "",
        9,
        Done("a_partial_pdi_keeps_the_rest_and_a_whole_one_replaces_it"),
    ),
    ("", 10, Done("procedures_on_a_session_that_is_there")),
    ("", 13, Done("a_quota_stops_packets_until_there_is_more")),
    (
        "",
        14,
        Done("gates_rates_and_references_are_updated_and_removed"),
    ),
    (
        "",
        86,
        Done("whatever_comes_the_node_and_the_tables_are_right"),
    ),
    (
        "",
        49,
        Done("usage_is_given_when_asked_for_and_when_a_rule_goes"),
    ),
    (
        "Update Forwarding Parameters",
        49,
        Done("a_handover_sends_an_end_marker_into_the_old_tunnel"),
    ),
    (
        "",
        77,
        Done("usage_is_given_when_asked_for_and_when_a_rule_goes"),
    ),
    (
        "",
        125,
        Done("usage_is_given_when_asked_for_and_when_a_rule_goes"),
    ),
    ("", 11, Done("procedures_on_a_session_that_is_there")),
    ("", 42, Done("downlink_is_encapsulated")),
    ("", 84, Done("downlink_is_encapsulated")),
    ("", 30, Done("the_outer_header_is_ready_made")),
    (
        "",
        131,
        Ignored("says which endpoint the other direction uses; nothing follows from it"),
    ),
    ("", 336, Ignored("after Release 17")),
];

pub(crate) const CAUSES: &[(u8, &str)] = &[
    (1, "whole_lives_of_sessions"),
    (3, "who_can_be_told_of_it_gets_the_good_ones_in"),
    (
        2,
        "what_does_not_fit_into_the_answer_to_a_deletion_follows_it",
    ),
    (64, "only_listed_node_ids_associate"),
    (65, "c25_an_unknown_seid_is_nobodys"),
    (66, "every_mandatory_ie_that_is_left_out_is_named"),
    (67, "c02_a_pdr_without_far_is_refused"),
    (68, "every_ie_that_is_too_short_is_named"),
    (69, "an_f_teid_at_the_n4_address_is_refused"),
    (70, "what_is_not_done_is_refused"),
    (71, "c08_an_f_teid_of_a_family_that_n3_has_not_is_refused"),
    (72, "b08_strangers_change_nothing"),
    (73, "c22_rules_that_are_not_there"),
    (74, "requests_beyond_the_rate_are_shed_by_priority"),
    (75, "c33_a_full_table_is_an_answer"),
    (76, "what_is_not_done_is_refused"),
    (78, "a_report_is_redirected"),
    (80, "an_smf_that_takes_a_part_is_told_which_rule_is_unknown"),
    (81, "what_failed_is_told_and_the_rest_is_in_force"),
    (90, "one_bad_application_and_nothing_has_changed"),
    (91, "one_bad_application_and_nothing_has_changed"),
    (79, "every_address_is_given_once_and_then_there_are_none"),
    (86, "c09_an_f_teid_belongs_to_its_session"),
];

pub(crate) const UP_FEATURES: &[(&str, &str)] = &[
    (
        "UEIP",
        "all_pdrs_of_a_session_have_the_address_that_is_told",
    ),
    ("ADPDP", "adpdp_is_announced_where_there_are_rules"),
    ("PFDM", "an_application_is_what_its_pfds_say_now"),
    ("PFDE", "an_application_is_what_its_pfds_say_now"),
    (
        "DPDRA",
        "a_pdr_wakes_on_time_and_keeps_its_tunnel_while_it_sleeps",
    ),
    ("PDIU", "pdrs_are_found_by_the_endpoints_they_refer_to"),
    ("MTE", "a_pdr_of_two_endpoints_is_found_by_either"),
    (
        "FRRT",
        "downlink_packets_find_the_session_by_the_longest_route",
    ),
    ("RESPS", "sessions_of_a_set_go_over_to_another_smf"),
    ("FTUP", "a_choose_id_is_one_f_teid_over_messages"),
    ("EMPU", "a_handover_sends_an_end_marker_into_the_old_tunnel"),
    ("UDBC", "a_bar_bounds_what_is_held"),
    (
        "DLBD",
        "an_answer_may_extend_buffering_and_there_is_silence_until_it_ends",
    ),
    ("DDND", "a_bar_delays_what_is_told"),
    ("EPFAR", "what_sessions_used_is_reported_before_a_release"),
    (
        "MNOP",
        "a_volume_threshold_is_reported_each_time_it_is_reached",
    ),
    (
        "BUNDL",
        "a_bundle_is_answered_by_a_bundle_and_each_request_can_be_repeated_alone",
    ),
    (
        "VTIME",
        "a_quota_of_nothing_stops_at_once_and_a_validity_ends",
    ),
    (
        "QUOAC",
        "a_used_up_quota_puts_another_far_in_the_place_of_the_rules_own",
    ),
    ("NORP", "no_more_reports_are_made_than_wanted"),
    ("UPIDP", "dropped_downlink_packets_and_silence_are_reported"),
    ("IP6PL", "ipv6_prefixes_of_any_length"),
];

pub(crate) const CP_FEATURES: &[(&str, &str)] = &[
    ("PAPFD", "who_can_be_told_of_it_gets_the_good_ones_in"),
    ("PSUCC", "what_failed_is_told_and_the_rest_is_in_force"),
    ("LOAD", "load_is_told_to_who_asked_for_it"),
    ("OVRL", "an_overload_is_told_and_taken_back"),
    (
        "EPFAR",
        "last_reports_are_refused_to_whom_did_not_announce_them",
    ),
    ("BUNDL", "who_did_not_announce_bundles_gets_none"),
    (
        "ARDR",
        "who_did_not_announce_it_gets_what_does_not_fit_before_the_answer",
    ),
];

/// What is said of an IE: of that place before any.
pub(crate) fn of(within: &str, r#type: u16) -> Option<Says> {
    let find = |place: &str| {
        let found = IES.iter().find(|(at, ie, _)| *at == place && *ie == r#type);
        found.map(|(.., says)| *says)
    };
    find(within).or_else(|| find(""))
}

/// All tests that are named.
pub(crate) fn tests() -> impl Iterator<Item = &'static str> {
    let ies = IES.iter().filter_map(|(.., says)| match says {
        Done(test) => Some(*test),
        Ignored(_) => None,
    });
    let features = UP_FEATURES.iter().chain(CP_FEATURES).map(|(_, test)| *test);
    let numbered = MESSAGES.iter().chain(CAUSES).map(|(_, test)| *test);
    ies.chain(features).chain(numbered)
}
