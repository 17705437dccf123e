//! Forwarding: FAR and its parameters.

use crate::ie::*;

group! {
    /// Create FAR (TS 29.244, 7.5.2.3).
    CreateFar {
        M far_id: FarId,
        M apply_action: ApplyAction,
        C forwarding_parameters: ForwardingParameters,
        C duplicating_parameters: [DuplicatingParameters],
        R bar_id: BarId,
        C redundant_transmission_forwarding_parameters: {RedundantTransmissionForwardingParameters},
        C mbs_multicast_parameters: {MbsMulticastParameters},
        C add_mbs_unicast_parameters: [AddMbsUnicastParameters],
    } keeps create_far
}

group! {
    /// Forwarding Parameters (TS 29.244, 7.5.2.3).
    ForwardingParameters {
        M destination_interface: DestinationInterface,
        R network_instance: NetworkInstance,
        C redirect_information: {RedirectInformation},
        C outer_header_creation: OuterHeaderCreation,
        C transport_level_marking: TransportLevelMarking,
        C extended_transport_level_markings: [ExtendedTransportLevelMarking],
        C transport_level_marking_indications: TransportLevelMarkingIndications,
        C forwarding_policy: ForwardingPolicy,
        R metadata: Metadata,
        R header_enrichment: {HeaderEnrichment},
        C linked_traffic_endpoint_id: TrafficEndpointId,
        C proxying: Proxying,
        C destination_interface_type: InterfaceType,
        C data_network_access_identifier: DataNetworkAccessIdentifier,
        C ip_address_and_port_number_replacement: {IpAddressAndPortNumberReplacement},
        R n6_routing_information: {N6RoutingInformation},
        C header_handling_control_rules: [HeaderHandlingControlRule],
        R on_path_n6_connection_information: {OnPathN6ConnectionInformation},
    }
}

group! {
    /// Duplicating Parameters (TS 29.244, 7.5.2.3).
    DuplicatingParameters {
        M destination_interface: DestinationInterface,
        C outer_header_creation: OuterHeaderCreation,
        C transport_level_marking: TransportLevelMarking,
        C forwarding_policy: ForwardingPolicy,
    }
}

group! {
    /// Update FAR (TS 29.244, 7.5.4.3).
    UpdateFar {
        M far_id: FarId,
        C apply_action: ApplyAction,
        C update_forwarding_parameters: UpdateForwardingParameters,
        U update_duplicating_parameters: [UpdateDuplicatingParameters],
        U redundant_transmission_forwarding_parameters: RedundantTransmissionForwardingParameters,
        U bar_id: BarId,
        C add_mbs_unicast_parameters: [AddMbsUnicastParameters],
        C remove_mbs_unicast_parameters: [RemoveMbsUnicastParameters],
    }
}

group! {
    /// Update Forwarding Parameters (TS 29.244, 7.5.4.3).
    UpdateForwardingParameters {
        C destination_interface: DestinationInterface,
        U network_instance: NetworkInstance,
        U redirect_information: RedirectInformation,
        U outer_header_creation: OuterHeaderCreation,
        U transport_level_marking: TransportLevelMarking,
        U extended_transport_level_marking: ExtendedTransportLevelMarking,
        U transport_level_marking_indications: TransportLevelMarkingIndications,
        U forwarding_policy: ForwardingPolicy,
        U metadata: Metadata,
        U header_enrichment: HeaderEnrichment,
        C flags: PfcpSmReqFlags,
        U linked_traffic_endpoint_id: TrafficEndpointId,
        U destination_interface_type: InterfaceType,
        U data_network_access_identifier: DataNetworkAccessIdentifier,
        U ip_address_and_port_number_replacement: IpAddressAndPortNumberReplacement,
        U header_handling_control_rule: HeaderHandlingControlRule,
    }
}

group! {
    /// Remove FAR (TS 29.244, 7.5.4.7).
    RemoveFar {
        M far_id: FarId,
    }
}

group! {
    /// Update Duplicating Parameters (TS 29.244, 7.5.4.3).
    UpdateDuplicatingParameters {
        C destination_interface: DestinationInterface,
        U outer_header_creation: OuterHeaderCreation,
        U transport_level_marking: TransportLevelMarking,
        U forwarding_policy: ForwardingPolicy,
    }
}

group! {
    /// Redundant Transmission Forwarding Parameters (TS 29.244, 7.5.2.3).
    RedundantTransmissionForwardingParameters {
        M outer_header_creation: OuterHeaderCreation,
        C network_instance: NetworkInstance,
    }
}

group! {
    /// MBS Multicast Parameters (TS 29.244, 7.5.2.3).
    MbsMulticastParameters {
        M destination_interface: DestinationInterface,
        R network_instance: NetworkInstance,
        M outer_header_creation: OuterHeaderCreation,
        C transport_level_marking: TransportLevelMarking,
        R destination_interface_types: [InterfaceType],
    }
}

group! {
    /// Add MBS Unicast Parameters (TS 29.244, 7.5.2.3).
    AddMbsUnicastParameters {
        M destination_interface: DestinationInterface,
        M mbs_unicast_parameters_id: MbsUnicastParametersId,
        R network_instance: NetworkInstance,
        M outer_header_creation: OuterHeaderCreation,
        C transport_level_marking: TransportLevelMarking,
        R destination_interface_type: InterfaceType,
    }
}

group! {
    /// Remove MBS Unicast Parameters (TS 29.244, 7.5.4.3).
    RemoveMbsUnicastParameters {
        M mbs_unicast_parameters_id: MbsUnicastParametersId,
    }
}

group! {
    /// Header Handling Control Rule (TS 29.244, 7.5.2.3).
    HeaderHandlingControlRule {
        M header_handling_control_rule_id: HeaderHandlingControlRuleId,
        M header_detection_reference: HeaderDetectionReference,
        R header_detection_support_information: HeaderDetectionSupportInformation,
        R header_handling_reporting_control_infos: [HeaderHandlingReportingControlInfo],
        M header_handling_control_informations: [HeaderHandlingControlInformation],
    }
}

group! {
    /// Header Handling Reporting Control Info (TS 29.244, 7.5.2.3).
    HeaderHandlingReportingControlInfo {
        M reporting_endpoint_id: ReportingEndpointId,
        C minimum_wait_time: MinimumWaitTime,
        O reporting_suggestion_info: ReportingSuggestionInfo,
        M event_notification_uri: EventNotificationUri,
        C notification_binding_indication: BindingIndication,
        M notification_correlation_id: NotificationCorrelationId,
        C header_handling_reporting_indication: HeaderHandlingReportingIndication,
    }
}

group! {
    /// Header Handling Control information (TS 29.244, 7.5.2.3).
    HeaderHandlingControlInformation {
        M header_handling_control_id: HeaderHandlingControlId,
        C header_handling_control_reference: HeaderHandlingControlReference,
        C header_handling_action: HeaderHandlingAction,
        C header_information: HeaderInformation,
        C header_value: HeaderValue,
        C header_handling_condition: HeaderHandlingCondition,
        C header_handling_reportings: [ReportingEndpointId],
    }
}

group! {
    /// Extended Transport Level Marking (TS 29.244, 7.5.2.3).
    ExtendedTransportLevelMarking {
        M transport_level_marking: TransportLevelMarking,
        M associated_pdu_set_importance_values: PduSetImportance,
    }
}
