//! Traffic endpoints.

use crate::ie::*;

group! {
    /// Create Traffic Endpoint (TS 29.244, 7.5.2.7).
    CreateTrafficEndpoint {
        M traffic_endpoint_id: TrafficEndpointId,
        R local_f_teid: FTeid,
        R network_instance: NetworkInstance,
        R redundant_transmission_detection_parameters: RedundantTransmissionDetectionParameters,
        R ue_ip_addresses: [UeIpAddress],
        R mapped_n6_ip_address: MappedN6IpAddress,
        R n6_routing_information: N6RoutingInformation,
        R ethernet_pdu_session_information: EthernetPduSessionInformation,
        R framed_routes: [FramedRoute],
        O framed_routing: FramedRouting,
        R framed_ipv6_routes: [FramedIpv6Route],
        R qfis: [Qfi],
        C source_interface_type: InterfaceType,
        C local_ingress_tunnel: LocalIngressTunnel,
        C ip_multicast_addressing_info: IpMulticastAddressingInfo,
        C mbs_session_identifier: MbsSessionIdentifier,
        C area_session_id: AreaSessionId,
        O rat_type: RatType,
    }
}

group! {
    /// Created Traffic Endpoint (TS 29.244, 7.5.3.5).
    CreatedTrafficEndpoint {
        M traffic_endpoint_id: TrafficEndpointId,
        /// The local F-TEID; behind it the one for redundant transmission, if there is one.
        C local_f_teids: [FTeid],
        C ue_ip_addresses: [UeIpAddress],
        C mapped_n6_ip_address: MappedN6IpAddress,
        C local_ingress_tunnel: LocalIngressTunnel,
    }
}

group! {
    /// Update Traffic Endpoint (TS 29.244, 7.5.4.13).
    UpdateTrafficEndpoint {
        M traffic_endpoint_id: TrafficEndpointId,
        U local_f_teid: FTeid,
        U network_instance: NetworkInstance,
        U redundant_transmission_detection_parameters: RedundantTransmissionDetectionParameters,
        U ue_ip_addresses: [UeIpAddress],
        U framed_routes: [FramedRoute],
        U framed_routing: FramedRouting,
        U framed_ipv6_routes: [FramedIpv6Route],
        U qfis: [Qfi],
        U source_interface_type: InterfaceType,
        O rat_type: RatType,
    }
}

group! {
    /// Remove Traffic Endpoint (TS 29.244, 7.5.4.14).
    RemoveTrafficEndpoint {
        M traffic_endpoint_id: TrafficEndpointId,
    }
}

group! {
    /// Ethernet Context Information (TS 29.244, 7.5.4.21).
    EthernetContextInformation {
        M mac_addresses_detecteds: [MacAddressesDetected],
    }
}
