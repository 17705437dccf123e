//! Packets that are held, as the SMF hears of them: later, where its BAR says so, and not at all while
//! it has them kept for long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use pfcp::{Cause, Message, SessionReportResponse, UpdateBar};
use session::SessionIndex;
use session::plan::Act;
use session::report::Command;
use support::*;
use upf_cp::{ExtendedMost, NodeConfig, WorkerReport};

fn index(world: &World) -> SessionIndex {
    world.node.sessions().next().unwrap().0
}

/// A worker holds a packet of a flow.
fn held(world: &mut World, qfi: u8) {
    let session = index(world).0;
    world.report(WorkerReport::DownlinkData {
        session,
        pdr: 1,
        far: 1,
        qfi: Some(qfi),
        tos: 0,
    });
}

/// The flows that the SMF has been told of and has not answered, each once.
fn told(world: &World) -> Vec<u8> {
    let flow = |request: &pfcp::Decoded| match &request.message {
        Message::SessionReportRequest(report) => {
            let data = report.downlink_data_report.as_ref()?;
            let information = data.downlink_data_service_information.as_ref()?;
            information.qfi.map(pfcp::Qfi::get)
        }
        _ => None,
    };
    let mut flows: Vec<u8> = world.requests.iter().filter_map(flow).collect();
    flows.dedup();
    flows
}

fn answer(world: &mut World, update_bar: Option<UpdateBar>) {
    let answer = SessionReportResponse {
        cause: Cause::REQUEST_ACCEPTED,
        update_bar,
        ..Default::default()
    };
    world.reply(&answer, None);
}

fn with_delay(delay: u8) -> pfcp::SessionEstablishmentRequest {
    let mut request = open5gs(9);
    let bar = request.create_bar.as_mut().unwrap();
    bar.downlink_data_notification_delay = Some(pfcp::DownlinkDataNotificationDelay(delay));
    request
}

#[test]
fn a_bar_delays_what_is_told() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&with_delay(20));
    held(&mut world, 1);
    world.pass(500);
    held(&mut world, 2);
    world.pass(499);
    assert_eq!(told(&world), []);
    world.pass(1);
    assert_eq!(told(&world), [1]);
    answer(&mut world, None);
    world.pass(500);
    assert_eq!(told(&world), [2]);
    answer(&mut world, None);
    // The UE came by itself in time: the SMF has nothing to hear, then or when it is idle again.
    held(&mut world, 1);
    world.modify(seid, &activate(1, "10.10.3.101"));
    world.modify(seid, &idle());
    world.pass(5_000);
    assert_eq!(told(&world), []);
    // Without the delay it is told at once.
    let request = pfcp::SessionModificationRequest {
        update_bar: Some(UpdateBar {
            bar_id: pfcp::BarId(1),
            downlink_data_notification_delay: pfcp::Update::Remove,
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(world.modify(seid, &request).cause, Cause::REQUEST_ACCEPTED);
    held(&mut world, 1);
    assert_eq!(told(&world), [1]);
}

/// What a worker sees of the session: whether it tells, how many it holds, and for how long.
fn as_the_worker_sees_it(world: &mut World) -> (bool, u16, u32) {
    let index = index(world);
    let plan = world.readers[0].snapshot().session(index).unwrap();
    let mut steps = plan.steps();
    let notify = steps.find_map(|step| match step.act {
        Act::Buffer { notify } => Some(notify),
        _ => None,
    });
    (notify.unwrap(), plan.buffer_packets, plan.hold_s)
}

fn extension(minutes: u8, packets: u16) -> UpdateBar {
    UpdateBar {
        bar_id: pfcp::BarId(1),
        dl_buffering_duration: pfcp::DlBufferingDuration(pfcp::TimerValue(1 << 5 | minutes)).into(),
        dl_buffering_suggested_packet_count: pfcp::DlBufferingSuggestedPacketCount(packets).into(),
        ..Default::default()
    }
}

#[test]
fn an_answer_may_extend_buffering_and_there_is_silence_until_it_ends() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let usual = (true, 64, 0);
    held(&mut world, 1);
    assert_eq!(as_the_worker_sees_it(&mut world), usual);
    answer(&mut world, Some(extension(5, 100)));
    assert_eq!(as_the_worker_sees_it(&mut world), (false, 100, 300));
    // What a worker told meanwhile is no news.
    held(&mut world, 2);
    assert_eq!(told(&world), []);
    world.pass(299_999);
    let discard = Command::Discard {
        session: index(&world),
    };
    assert_eq!(as_the_worker_sees_it(&mut world), (false, 100, 300));
    assert!(
        world
            .commands
            .iter()
            .all(|(_, command)| *command != discard)
    );
    world.pass(1);
    assert_eq!(world.commands.last().unwrap().1, discard);
    assert_eq!(as_the_worker_sees_it(&mut world), usual);
    held(&mut world, 1);
    assert_eq!(told(&world), [1]);
    // It ends with the FARs that buffer, and nothing is dropped when its time would have come.
    answer(&mut world, Some(extension(5, 100)));
    world.modify(seid, &activate(1, "10.10.3.101"));
    world.modify(seid, &idle());
    assert_eq!(as_the_worker_sees_it(&mut world), usual);
    world.commands.clear();
    world.pass(600_000);
    assert!(
        world
            .commands
            .iter()
            .all(|(_, command)| *command != discard)
    );
}

#[test]
fn extended_buffering_can_be_begun_anew_bounded_and_ended() {
    let mut config = NodeConfig::new(ip(UPF));
    config.extended_most = ExtendedMost {
        seconds: 1_000,
        packets: 200,
    };
    let mut world = World::with(config);
    world.associate();
    let (seid, _) = world.establish(&open5gs(9));
    held(&mut world, 1);
    held(&mut world, 2);
    answer(&mut world, Some(extension(5, 100)));
    world.pass(1_000);
    // The second answer has it kept for longer than the operator allows.
    let for_ever = UpdateBar {
        dl_buffering_duration: pfcp::DlBufferingDuration(pfcp::TimerValue::INFINITE).into(),
        ..extension(5, 1_000)
    };
    answer(&mut world, Some(for_ever));
    assert_eq!(as_the_worker_sees_it(&mut world), (false, 200, 1_000));
    world.pass(999_000);
    assert_eq!(as_the_worker_sees_it(&mut world), (false, 200, 1_000));
    // The buffer is to be dropped: that ends it.
    let drop = pfcp::SessionModificationRequest {
        flags: Some(pfcp::PfcpSmReqFlags::DROBU),
        ..Default::default()
    };
    world.modify(seid, &drop);
    assert_eq!(as_the_worker_sees_it(&mut world), (true, 64, 0));
    // A BAR that is not there, and a duration of nothing, change nothing.
    for update in [
        UpdateBar {
            bar_id: pfcp::BarId(7),
            ..extension(5, 100)
        },
        extension(0, 100),
    ] {
        held(&mut world, 1);
        answer(&mut world, Some(update));
        assert_eq!(as_the_worker_sees_it(&mut world), (true, 64, 0));
    }
}
