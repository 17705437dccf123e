//! Tests that need no EAL: order, bounds and ownership, with values that count themselves.

use std::sync::Arc;
use std::thread;

use super::*;

#[test]
fn keeps_order_across_threads() {
    const COUNT: u64 = if cfg!(miri) { 500 } else { 200_000 };
    let (mut give, mut take) = spsc::<Note<u64>>(64);
    let giver = thread::spawn(move || {
        for number in 0..COUNT {
            let mut note = Note(number);
            while let Err(back) = give.push(note) {
                note = back;
                thread::yield_now();
            }
        }
    });
    for expected in 0..COUNT {
        let got = loop {
            match take.pop() {
                Some(Note(number)) => break number,
                None => thread::yield_now(),
            }
        };
        assert_eq!(got, expected);
    }
    giver.join().unwrap();
    assert!(take.pop().is_none());
    assert!(take.is_abandoned());
}

#[test]
fn is_bounded_and_drops_what_is_left() {
    let held = Arc::new(());
    let (mut give, mut take) = spsc::<Note<Arc<()>>>(5);
    assert_eq!(give.capacity(), 8);
    for _ in 0..8 {
        give.push(Note(Arc::clone(&held))).unwrap();
    }
    assert!(give.push(Note(Arc::clone(&held))).is_err());
    assert_eq!(give.room(), 0);
    assert_eq!(take.waiting(), 8);
    drop(take.pop());
    assert_eq!(give.room(), 1);
    assert_eq!(Arc::strong_count(&held), 8);
    drop(give);
    assert_eq!(Arc::strong_count(&held), 8);
    drop(take);
    assert_eq!(Arc::strong_count(&held), 1);
}
