//! What each flavour sends when a session changes or ends.

use pfcp::{
    ApplyAction, BarId, DestinationInterface, FSeid, InterfaceType, NetworkInstance,
    PfcpSmReqFlags, SessionDeletionRequest, SessionModificationRequest, Update, UpdateFar,
    UpdateForwardingParameters,
};

use super::{BUFFER_AND_NOTIFY, Flavour, Outline, Sender, oai, towards};
use crate::session::{Session, Tunnel};

/// A Session Modification Request with what each flavour puts around its content.
pub fn modification(
    session: &Session,
    sender: &Sender<'_>,
    mut body: SessionModificationRequest,
) -> Outline<SessionModificationRequest> {
    if matches!(session.flavour, Flavour::Free5gc | Flavour::SdCore) {
        body.cp_f_seid = Some(FSeid::new(session.cp_seid, sender.address));
    }
    let priority = (session.flavour == Flavour::Free5gc).then_some(12);
    Outline {
        body,
        seid: session.up_seid,
        priority,
    }
}

/// What opens the way to the gNB.
pub fn activation(session: &Session, tunnel: Tunnel) -> SessionModificationRequest {
    if session.flavour == Flavour::Oai {
        return oai::activation(session, tunnel);
    }
    forward(session, tunnel, PfcpSmReqFlags::default())
}

/// What moves the way to another gNB, with an end marker on the old one if `end_marker`. OAI never
/// asks for one.
pub fn path_switch(
    session: &Session,
    tunnel: Tunnel,
    end_marker: bool,
) -> SessionModificationRequest {
    let flags = match session.flavour {
        Flavour::Oai => PfcpSmReqFlags::default(),
        _ if end_marker => PfcpSmReqFlags::SNDEM,
        _ => PfcpSmReqFlags::default(),
    };
    forward(session, tunnel, flags)
}

fn forward(session: &Session, tunnel: Tunnel, flags: PfcpSmReqFlags) -> SessionModificationRequest {
    let instance = match session.flavour {
        Flavour::SdCore => NetworkInstance::default(),
        flavour => flavour.network_instance(&session.dnn),
    };
    // free5GC always sends the flags, the others only set ones.
    let is_sent = session.flavour == Flavour::Free5gc || flags != PfcpSmReqFlags::default();
    let parameters = UpdateForwardingParameters {
        destination_interface: Some(DestinationInterface::ACCESS),
        // A length of zero would remove the instance; SD-Core leaves the IE out here.
        network_instance: if instance.0.is_empty() {
            Update::Keep
        } else {
            Update::Set(instance)
        },
        outer_header_creation: Update::Set(towards(tunnel)),
        flags: is_sent.then_some(flags),
        destination_interface_type: match session.flavour {
            Flavour::Open5gs => Update::Set(InterfaceType::N3),
            _ => Update::Keep,
        },
        ..Default::default()
    };
    let far = UpdateFar {
        far_id: session.flavour.downlink_far(),
        apply_action: Some(ApplyAction::FORW),
        update_forwarding_parameters: Some(parameters),
        ..Default::default()
    };
    SessionModificationRequest {
        update_fars: vec![far],
        ..Default::default()
    }
}

/// What makes the UE idle.
pub fn idle(session: &Session) -> SessionModificationRequest {
    if session.flavour == Flavour::Oai {
        return oai::idle();
    }
    let parameters = || UpdateForwardingParameters {
        destination_interface: Some(DestinationInterface::ACCESS),
        ..Default::default()
    };
    let update_forwarding_parameters = match session.flavour {
        Flavour::Free5gc => Some(UpdateForwardingParameters {
            network_instance: Update::Set(session.flavour.network_instance(&session.dnn)),
            outer_header_creation: session
                .gnb
                .map_or(Update::Keep, |tunnel| Update::Set(towards(tunnel))),
            flags: Some(PfcpSmReqFlags::default()),
            ..parameters()
        }),
        Flavour::SdCore => Some(parameters()),
        _ => None,
    };
    let far = UpdateFar {
        far_id: session.flavour.downlink_far(),
        apply_action: Some(BUFFER_AND_NOTIFY),
        update_forwarding_parameters,
        bar_id: match session.flavour {
            Flavour::Open5gs => Update::Set(BarId(1)),
            _ => Update::Keep,
        },
        ..Default::default()
    };
    SessionModificationRequest {
        update_fars: vec![far],
        ..Default::default()
    }
}

/// The Session Deletion Request.
pub fn deletion(session: &Session, sender: &Sender<'_>) -> Outline<SessionDeletionRequest> {
    let mut body = SessionDeletionRequest::default();
    if session.flavour == Flavour::SdCore {
        body.cp_f_seid = Some(FSeid::new(session.cp_seid, sender.address));
    }
    let priority = matches!(session.flavour, Flavour::Free5gc | Flavour::SdCore).then_some(12);
    Outline {
        body,
        seid: session.up_seid,
        priority,
    }
}
