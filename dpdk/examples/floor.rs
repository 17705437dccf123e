//! Cycles per packet of receive and send alone: the floor to subtract when the path is measured.
//!
//! `cargo run --release -p dpdk --example floor`; best of ten windows for each burst size. The
//! calibration line is a fixed loop: where it varies, the machine is busy and the run worth little.
#![allow(clippy::print_stdout, reason = "an example says what it found")]

use std::hint::black_box;

use dpdk::{
    Burst, Eal, EalConfig, Error, Memory, Pool, PoolConfig, Port, PortConfig, PortSpec, Rx, Tx,
    cycles, cycles_hz, ring, ring_pair,
};

fn main() -> Result<(), Error> {
    let eal = Eal::start(EalConfig {
        memory: Memory::Auto,
        ..EalConfig::default()
    })?;
    println!(
        "{} on {:?}, {} MHz",
        dpdk::version(),
        eal.pages(),
        cycles_hz(eal) / 1_000_000
    );
    let pool = Pool::create(eal, &PoolConfig::named("floor"))?;
    // The last CPU: the first has most interrupts.
    let cpu = std::thread::available_parallelism()
        .ok()
        .and_then(|n| u32::try_from(n.get()).ok());
    let worker = eal.spawn("floor", cpu.map(|n| n.saturating_sub(1)), move |_| {
        run(eal, pool)
    })?;
    worker
        .join()
        .unwrap_or_else(|cause| std::panic::resume_unwind(cause))
}

fn run(eal: Eal, pool: &'static Pool) -> Result<(), Error> {
    println!(
        "calibration (4096 dependent multiplications): {} cycles",
        best(eal, calibrate)
    );
    for copy in [false, true] {
        let spec = PortSpec::Null { size: 64, copy };
        let mut port = Port::open(eal, &spec, &PortConfig::new(pool))?;
        let mut queues = port.start()?;
        if let (Some(rx), Some(tx)) = (queues.rx.first_mut(), queues.tx.first_mut()) {
            println!("net_null, copy={copy}");
            forward::<16>(eal, rx, tx);
            forward::<32>(eal, rx, tx);
            forward::<64>(eal, rx, tx);
            forward::<256>(eal, rx, tx);
        }
        port.stop(queues).map_err(|(_, error)| error)?;
        port.close()?;
    }
    let (mut a, mut b) = ring_pair(eal, "floor", 1024, &PortConfig::new(pool))?;
    let (mut a, mut b) = (a.start()?, b.start()?);
    if let (Some(tx), Some(rx)) = (a.tx.first_mut(), b.rx.first_mut()) {
        println!("ring pair, one lcore: send at A, receive at B");
        there_and_here::<32>(eal, pool, tx, rx);
        there_and_here::<64>(eal, pool, tx, rx);
    }
    println!("spsc hand-over, one lcore");
    hand_over::<32>(eal, pool);
    hand_over::<64>(eal, pool);
    Ok(())
}

/// Receive and send again: per packet.
fn forward<const N: usize>(eal: Eal, rx: &mut Rx, tx: &mut Tx) {
    let mut burst = Burst::<N>::new();
    report::<N>(eal, || {
        rx.receive(&mut burst);
        tx.send(&mut burst)
    });
}

fn there_and_here<const N: usize>(eal: Eal, pool: &Pool, tx: &mut Tx, rx: &mut Rx) {
    let mut burst = Burst::<N>::new();
    if !pool.fill(&mut burst, N) {
        return;
    }
    report::<N>(eal, || {
        tx.send(&mut burst);
        rx.receive(&mut burst)
    });
}

fn hand_over<const N: usize>(eal: Eal, pool: &Pool) {
    let (mut give, mut take) = ring::spsc(1024);
    let mut burst = Burst::<N>::new();
    if !pool.fill(&mut burst, N) {
        return;
    }
    report::<N>(eal, || {
        give.push_burst(&mut burst);
        take.pop_burst(&mut burst)
    });
}

/// `round` moves one burst and says how many packets that were.
fn report<const N: usize>(eal: Eal, mut round: impl FnMut() -> usize) {
    let hundredths = best(eal, || {
        let mut packets = 0_u64;
        let start = cycles();
        while packets < 1 << 18 {
            packets = packets.saturating_add(u64::try_from(round()).unwrap_or(0));
        }
        cycles().wrapping_sub(start).saturating_mul(100) / packets
    });
    println!(
        "  burst {N:3}: {:3}.{:02} cycles per packet",
        hundredths / 100,
        hundredths % 100
    );
}

/// The smallest of ten answers within two seconds or so.
fn best(eal: Eal, mut window: impl FnMut() -> u64) -> u64 {
    let end = cycles().saturating_add(cycles_hz(eal).saturating_mul(2));
    let mut best = window();
    for _ in 1..10 {
        if cycles() > end {
            break;
        }
        best = best.min(window());
    }
    best
}

fn calibrate() -> u64 {
    let start = cycles();
    let mut value = black_box(3_u64);
    for _ in 0..4096 {
        value = black_box(value.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 1);
    }
    black_box(value);
    cycles().wrapping_sub(start)
}
