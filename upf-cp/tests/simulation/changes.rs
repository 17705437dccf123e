//! Changes to sessions as no real SMF sends them: from small ids, so that many of them contradict
//! what is there. The model says which.

use std::net::IpAddr;

use pfcp::{
    ApplyAction, CreateBar, CreateFar, CreatePdr, CreateQer, CreateUrr, DestinationInterface,
    FTeid, FarId, FlowDescription, ForwardingParameters, GateStatus, Kbps, Mbr, MeasurementMethod,
    NetworkInstance, OuterHeaderCreation, OuterHeaderRemoval, Pdi, PdrId, PfcpSmReqFlags,
    Precedence, QerId, Qfi, QueryUrr, RemoveBar, RemoveFar, RemovePdr, RemoveQer, RemoveUrr,
    ReportingTriggers, SdfConditions, SdfFilter, SessionEstablishmentRequest,
    SessionModificationRequest, SourceInterface, UeIpAddress, Update, UpdateBar, UpdateFar,
    UpdateForwardingParameters, UpdatePdr, UpdateQer, UpdateUrr, UrrId, VolumeThreshold,
};

use crate::model::Content;
use crate::support::dice::Dice;

const FLOWS: [&str; 4] = [
    "permit out ip from any to assigned",
    "permit out 17 from 10.1.0.0/16 53 to assigned",
    "permit out 6 from any 80,443,8000-8080 to assigned",
    "permit out 58 from ff02::2/128 to assigned",
];

/// An id that is there, mostly; else one of a few.
fn id<T: Copy + Into<u32>>(dice: &mut Dice, there: impl Iterator<Item = T>) -> u32 {
    let there: Vec<u32> = there.map(Into::into).collect();
    match dice.pick(&there) {
        Some(id) if dice.percent(85) => *id,
        _ => 1 + dice.roll(9),
    }
}

/// One that is not there, mostly.
fn fresh<T: Copy + Into<u32>>(dice: &mut Dice, there: impl Iterator<Item = T>) -> u32 {
    let there: Vec<u32> = there.map(Into::into).collect();
    let free = (1..10).find(|id| !there.contains(id)).unwrap_or(1);
    if dice.percent(85) {
        free
    } else {
        1 + dice.roll(9)
    }
}

/// One to three changes.
pub fn any(content: &Content, dice: &mut Dice) -> SessionModificationRequest {
    let mut request = SessionModificationRequest::default();
    for _ in 0..=dice.roll(3) {
        add(&mut request, content, dice);
    }
    request
}

fn add(request: &mut SessionModificationRequest, content: &Content, dice: &mut Dice) {
    match dice.roll(12) {
        0 | 1 => request.create_pdrs.push(create_pdr(content, dice)),
        2 | 3 => request.update_pdrs.push(update_pdr(content, dice)),
        4 => {
            let pdr_id = PdrId(id(dice, content.pdrs.keys().copied()) as u16);
            request.remove_pdrs.push(RemovePdr {
                pdr_id,
                ..Default::default()
            });
        }
        5 => add_far(request, content, dice),
        6 => {
            let far_id = FarId(id(dice, content.fars.keys().copied()));
            request.update_fars.push(update_far(far_id, dice));
        }
        7 | 8 => add_qer(request, content, dice),
        9 => add_urr(request, content, dice),
        10 => add_bar(request, content, dice),
        _ => {
            request.flags = Some(if dice.percent(50) {
                PfcpSmReqFlags::DROBU
            } else {
                PfcpSmReqFlags::QAURR
            });
        }
    }
}

fn flow(dice: &mut Dice) -> SdfFilter {
    let mut filter = SdfConditions {
        flow_description: FlowDescription::new(dice.pick(&FLOWS).copied().unwrap_or_default()),
        ..Default::default()
    };
    if dice.percent(50) {
        filter.filter_id = Some(1 + dice.roll(3));
        if dice.percent(40) {
            // Defined elsewhere, or nowhere.
            filter.flow_description = None;
        }
    }
    SdfFilter::new(filter).unwrap()
}

fn f_teid(dice: &mut Dice) -> FTeid {
    match dice.roll(6) {
        // From few, so that they collide.
        0 => FTeid::given(0x7000 + dice.roll(6), IpAddr::from([10, 10, 3, 7])),
        1 => FTeid::Choose {
            ipv4: false,
            ipv6: false,
            choose_id: None,
        },
        2 => FTeid::Choose {
            ipv4: true,
            ipv6: false,
            choose_id: Some(42),
        },
        _ => FTeid::Choose {
            ipv4: true,
            ipv6: true,
            choose_id: Some(5),
        },
    }
}

fn pdi(dice: &mut Dice) -> Pdi {
    let from_core = dice.percent(40);
    let mut pdi = Pdi {
        source_interface: if from_core {
            SourceInterface::CORE
        } else {
            SourceInterface::ACCESS
        },
        ..Default::default()
    };
    if !from_core && dice.percent(90) {
        pdi.local_f_teid = Some(f_teid(dice));
    }
    if dice.percent(60) {
        pdi.network_instance = Some(NetworkInstance("internet".into()));
    }
    if dice.percent(15) {
        // Another UE's, maybe.
        let address = UeIpAddress {
            destination: from_core,
            ..UeIpAddress::source([10, 45, 0, dice.roll(8) as u8].into())
        };
        pdi.ue_ip_addresses = vec![address];
    }
    if dice.percent(40) {
        pdi.qfis = vec![Qfi::new(1 + dice.roll(5) as u8).unwrap()];
    }
    if dice.percent(40) {
        pdi.sdf_filters = (0..=dice.roll(2)).map(|_| flow(dice)).collect();
    }
    pdi
}

fn create_pdr(content: &Content, dice: &mut Dice) -> CreatePdr {
    CreatePdr {
        pdr_id: PdrId(fresh(dice, content.pdrs.keys().copied()) as u16),
        precedence: Precedence(dice.roll(300)),
        pdi: pdi(dice),
        outer_header_removal: dice.percent(50).then_some(OuterHeaderRemoval::GTP_U_UDP_IP),
        far_id: dice
            .percent(97)
            .then_some(FarId(id(dice, content.fars.keys().copied()))),
        qer_ids: if dice.percent(40) {
            vec![QerId(id(dice, content.qers.keys().copied()))]
        } else {
            vec![]
        },
        urr_ids: if dice.percent(40) {
            vec![UrrId(id(dice, content.urrs.iter().copied()))]
        } else {
            vec![]
        },
        ..Default::default()
    }
}

fn update_pdr(content: &Content, dice: &mut Dice) -> UpdatePdr {
    let mut update = UpdatePdr {
        pdr_id: PdrId(id(dice, content.pdrs.keys().copied()) as u16),
        ..Default::default()
    };
    if dice.percent(50) {
        update.pdi = Some(pdi(dice));
    }
    if dice.percent(30) {
        update.precedence = Some(Precedence(dice.roll(300)));
    }
    if dice.percent(30) {
        update.far_id = Update::Set(FarId(id(dice, content.fars.keys().copied())));
    }
    match dice.roll(4) {
        0 => update.qer_ids = Update::Remove,
        1 => update.qer_ids = Update::Set([QerId(id(dice, content.qers.keys().copied()))].into()),
        2 => update.urr_ids = Update::Set([UrrId(id(dice, content.urrs.iter().copied()))].into()),
        _ => {}
    }
    update
}

fn action(dice: &mut Dice) -> ApplyAction {
    match dice.roll(10) {
        0 | 1 => ApplyAction::DROP,
        2 | 3 => ApplyAction::BUFF | ApplyAction::NOCP,
        4 => ApplyAction::BUFF,
        5 => ApplyAction::FORW | ApplyAction::NOCP,
        _ => ApplyAction::FORW,
    }
}

fn tunnel(dice: &mut Dice) -> OuterHeaderCreation {
    let gnb = IpAddr::from([10, 10, 3, 101 + dice.roll(3) as u8]);
    OuterHeaderCreation::gtp_u(1 + dice.roll(1000), gnb)
}

fn add_far(request: &mut SessionModificationRequest, content: &Content, dice: &mut Dice) {
    if dice.percent(40) {
        let far_id = FarId(id(dice, content.fars.keys().copied()));
        request.remove_fars.push(RemoveFar {
            far_id,
            ..Default::default()
        });
        return;
    }
    let to_core = dice.percent(50);
    let parameters = ForwardingParameters {
        destination_interface: if to_core {
            DestinationInterface::CORE
        } else {
            DestinationInterface::ACCESS
        },
        network_instance: to_core.then(|| NetworkInstance("internet".into())),
        outer_header_creation: (!to_core && dice.percent(80)).then(|| tunnel(dice)),
        ..Default::default()
    };
    request.create_fars.push(CreateFar {
        far_id: FarId(fresh(dice, content.fars.keys().copied())),
        apply_action: action(dice),
        forwarding_parameters: dice.percent(80).then_some(parameters),
        bar_id: dice.percent(20).then_some(pfcp::BarId(1)),
        ..Default::default()
    });
}

fn update_far(far_id: FarId, dice: &mut Dice) -> UpdateFar {
    let parameters = UpdateForwardingParameters {
        destination_interface: dice.percent(70).then_some(DestinationInterface::ACCESS),
        outer_header_creation: match dice.roll(4) {
            0 => Update::Keep,
            1 => Update::Remove,
            _ => Update::Set(tunnel(dice)),
        },
        flags: dice.percent(30).then_some(PfcpSmReqFlags::SNDEM),
        ..Default::default()
    };
    UpdateFar {
        far_id,
        apply_action: dice.percent(60).then(|| action(dice)),
        update_forwarding_parameters: dice.percent(60).then_some(parameters),
        bar_id: match dice.roll(6) {
            0 => Update::Remove,
            1 => Update::Set(pfcp::BarId(1)),
            _ => Update::Keep,
        },
        ..Default::default()
    }
}

fn rate(dice: &mut Dice) -> Mbr {
    Mbr {
        uplink: Kbps::saturating(dice.roll(10_000).into()),
        downlink: Kbps::saturating(dice.roll(10_000).into()),
    }
}

fn add_qer(request: &mut SessionModificationRequest, content: &Content, dice: &mut Dice) {
    let known = QerId(id(dice, content.qers.keys().copied()));
    match dice.roll(4) {
        0 => request.remove_qers.push(RemoveQer {
            qer_id: known,
            ..Default::default()
        }),
        1 => request.create_qers.push(CreateQer {
            qer_id: QerId(fresh(dice, content.qers.keys().copied())),
            gate_status: GateStatus::of(dice.percent(80), dice.percent(80)),
            maximum_bitrate: dice.percent(60).then(|| rate(dice)),
            qfi: dice
                .percent(60)
                .then_some(Qfi::new(1 + dice.roll(5) as u8).unwrap()),
            ..Default::default()
        }),
        _ => request.update_qers.push(UpdateQer {
            qer_id: known,
            gate_status: dice
                .percent(40)
                .then_some(GateStatus::of(true, dice.percent(50))),
            maximum_bitrate: match dice.roll(3) {
                0 => Update::Keep,
                1 => Update::Remove,
                _ => Update::Set(rate(dice)),
            },
            ..Default::default()
        }),
    }
}

fn add_urr(request: &mut SessionModificationRequest, content: &Content, dice: &mut Dice) {
    let known = UrrId(id(dice, content.urrs.iter().copied()));
    let threshold = VolumeThreshold::of_total(1 + u64::from(dice.roll(10_000)));
    match dice.roll(4) {
        0 => request.remove_urrs.push(RemoveUrr {
            urr_id: known,
            ..Default::default()
        }),
        1 => request.create_urrs.push(CreateUrr {
            urr_id: UrrId(fresh(dice, content.urrs.iter().copied())),
            measurement_method: MeasurementMethod::VOLUM | MeasurementMethod::DURAT,
            reporting_triggers: ReportingTriggers::VOLTH | ReportingTriggers::PERIO,
            volume_threshold: Some(threshold),
            measurement_period: dice
                .percent(40)
                .then_some(pfcp::MeasurementPeriod(dice.roll(20))),
            ..Default::default()
        }),
        2 => request.update_urrs.push(UpdateUrr {
            urr_id: known,
            volume_threshold: Update::Set(threshold),
            ..Default::default()
        }),
        _ => request.query_urrs.push(QueryUrr {
            urr_id: known,
            ..Default::default()
        }),
    }
}

fn add_bar(request: &mut SessionModificationRequest, content: &Content, dice: &mut Dice) {
    let bar_id = pfcp::BarId(id(dice, content.bars.keys().copied()) as u8);
    let count = pfcp::SuggestedBufferingPacketsCount(dice.roll(256) as u8);
    match dice.roll(3) {
        0 => {
            request.remove_bar = Some(RemoveBar {
                bar_id,
                ..Default::default()
            });
        }
        1 => {
            request.create_bar = Some(CreateBar {
                bar_id,
                suggested_buffering_packets_count: Some(count),
                ..Default::default()
            });
        }
        _ => {
            request.update_bar = Some(UpdateBar {
                bar_id,
                suggested_buffering_packets_count: Update::Set(count),
                ..Default::default()
            });
        }
    }
}

/// Makes an establishment contradict itself, or ask for what it should not.
pub fn confuse(request: &mut SessionEstablishmentRequest, dice: &mut Dice) {
    match dice.roll(6) {
        0 => {
            let twin = request.create_pdrs.first().cloned();
            request.create_pdrs.extend(twin);
        }
        1 => {
            let twin = request.create_fars.first().cloned();
            request.create_fars.extend(twin);
        }
        2 => {
            if let Some(pdr) = request.create_pdrs.last_mut() {
                pdr.far_id = Some(FarId(99));
            }
        }
        3 => {
            if let Some(pdr) = request.create_pdrs.last_mut() {
                pdr.qer_ids.push(QerId(99));
            }
        }
        4 => {
            for pdr in &mut request.create_pdrs {
                if pdr.pdi.local_f_teid.is_some() {
                    pdr.pdi.local_f_teid = Some(f_teid(dice));
                }
            }
        }
        _ => {
            if let Some(pdr) = request.create_pdrs.first_mut() {
                pdr.pdi.sdf_filters = vec![flow(dice)];
            }
        }
    }
}
