//! Packet detection: PDR, PDI and what stands in them.

use crate::ie::*;

group! {
    /// Create PDR (TS 29.244, 7.5.2.2).
    CreatePdr {
        M pdr_id: PdrId,
        M precedence: Precedence,
        M pdi: Pdi,
        C outer_header_removal: OuterHeaderRemoval,
        C far_id: FarId,
        C urr_ids: [UrrId],
        C qer_ids: [QerId],
        C activate_predefined_rules: [ActivatePredefinedRules],
        R activation_time: ActivationTime,
        R deactivation_time: DeactivationTime,
        C mar_id: MarId,
        C packet_replication_and_detection_carry_on_information: PacketReplicationAndDetectionCarryOnInformation,
        R ip_multicast_addressing_infos: [IpMulticastAddressingInfo],
        R pool_identities: [UeIpAddressPoolIdentity],
        C multipath_applicable_indication: MultipathApplicableIndication,
        C transport_delay_reporting: {TransportDelayReporting},
        O rat_type: RatType,
    } keeps create_pdr
}

group! {
    /// PDI (TS 29.244, 7.5.2.2).
    Pdi {
        M source_interface: SourceInterface,
        R local_f_teid: FTeid,
        C local_ingress_tunnel: LocalIngressTunnel,
        R network_instance: NetworkInstance,
        R redundant_transmission_detection_parameters: {RedundantTransmissionDetectionParameters},
        R ue_ip_addresses: [UeIpAddress],
        R mapped_n6_ip_address: MappedN6IpAddress,
        R n6_routing_information: {N6RoutingInformation},
        C traffic_endpoint_ids: [TrafficEndpointId],
        R sdf_filters: [SdfFilter],
        R application_id: ApplicationId,
        R ethernet_pdu_session_information: EthernetPduSessionInformation,
        R ethernet_packet_filters: [EthernetPacketFilter],
        R qfis: [Qfi],
        R framed_routes: [FramedRoute],
        O framed_routing: FramedRouting,
        R framed_ipv6_routes: [FramedIpv6Route],
        C source_interface_type: InterfaceType,
        R ip_multicast_addressing_infos: [IpMulticastAddressingInfo],
        /// DNS query filters and DNS response filters.
        R dns_filters: [DnsQueryFilter],
        C mbs_session_identifier: {MbsSessionIdentifier},
        C area_session_id: AreaSessionId,
        R protocol_description: {ProtocolDescription},
        R expedited_transfer_indication: ExpeditedTransferIndication,
    } keeps pdi
}

group! {
    /// Created PDR (TS 29.244, 7.5.3.2).
    CreatedPdr {
        M pdr_id: PdrId,
        /// The local F-TEID; behind it the one for redundant transmission, if there is one.
        C local_f_teids: [FTeid],
        C ue_ip_addresses: [UeIpAddress],
        C mapped_n6_ip_address: MappedN6IpAddress,
        C local_ingress_tunnel: LocalIngressTunnel,
    }
}

group! {
    /// Update PDR (TS 29.244, 7.5.4.2).
    UpdatePdr {
        M pdr_id: PdrId,
        U outer_header_removal: OuterHeaderRemoval,
        C precedence: Precedence,
        C pdi: Pdi,
        U far_id: FarId,
        U urr_ids: [UrrId],
        U qer_ids: [QerId],
        C activate_predefined_rules: [ActivatePredefinedRules],
        C deactivate_predefined_rules: [DeactivatePredefinedRules],
        U activation_time: ActivationTime,
        U deactivation_time: DeactivationTime,
        U ip_multicast_addressing_infos: [IpMulticastAddressingInfo],
        U transport_delay_reporting: TransportDelayReporting,
        O rat_type: RatType,
    }
}

group! {
    /// Remove PDR (TS 29.244, 7.5.4.6).
    RemovePdr {
        M pdr_id: PdrId,
    }
}

group! {
    /// Ethernet Packet Filter (TS 29.244, 7.5.2.2).
    EthernetPacketFilter {
        C ethernet_filter_id: EthernetFilterId,
        C ethernet_filter_properties: EthernetFilterProperties,
        R mac_addresses: [MacAddress],
        R ethertype: Ethertype,
        R c_tag: CTag,
        R s_tag: STag,
        R sdf_filters: [SdfFilter],
    }
}

group! {
    /// IP Multicast Addressing Info (TS 29.244, 7.5.2.2).
    IpMulticastAddressingInfo {
        M ip_multicast_address: IpMulticastAddress,
        R source_ip_addresses: [SourceIpAddress],
    }
}

group! {
    /// Redundant Transmission Parameters (TS 29.244, 7.5.2.2).
    RedundantTransmissionDetectionParameters {
        M local_f_teid: FTeid,
        C network_instance: NetworkInstance,
    }
}

group! {
    /// Updated PDR (TS 29.244, 7.5.5.5).
    UpdatedPdr {
        M pdr_id: PdrId,
        /// The F-TEIDs that the update made the UP function allocate.
        C local_f_teids: [FTeid],
        C ue_ip_addresses: [UeIpAddress],
    }
}

group! {
    /// Transport Delay Reporting (TS 29.244, 7.5.2.2).
    TransportDelayReporting {
        M preceding_ul_gtp_u_peer: RemoteGtpUPeer,
        R dscp: TransportLevelMarking,
    }
}

group! {
    /// Protocol Description (TS 29.244, 7.5.2.2).
    ProtocolDescription {
        R transport_protocol: MediaTransportProtocol,
        C rtp_header_extension_informations: [RtpHeaderExtensionInformation],
        R rtp_payload_informations: [RtpPayloadInformation],
        R media_related_information_transfer_info: MediaRelatedInformationTransferInfo,
    }
}

group! {
    /// RTP Header Extension Information (TS 29.244, 7.5.2.2).
    RtpHeaderExtensionInformation {
        C rtp_header_extension_type: RtpHeaderExtensionType,
        C rtp_header_extension_id: RtpHeaderExtensionId,
        R rtp_header_extension_additional_information: RtpHeaderExtensionAdditionalInformation,
    }
}

group! {
    /// RTP Payload Information (TS 29.244, 7.5.2.2).
    RtpPayloadInformation {
        C rtp_payload_types: [RtpPayloadType],
        R rtp_payload_format: RtpPayloadFormat,
    }
}
