//! What one message costs at an edge: frame and envelope, written and read, with every check.
//!
//! Prints nanoseconds a call, median and best of rounds. `cargo bench -p tidegate-wire`; under `cargo test` it runs once,
//! tiny, and only checks its results.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;
use tidegate_wire::frame::{FrameHeader, FrameType, decode, encode_into};
use tidegate_wire::pb::common::v1::{IntentId, Source};
use tidegate_wire::pb::envelope::v1::Envelope;
use tidegate_wire::pb::envelope::v1::envelope::Payload;
use tidegate_wire::pb::marketdata::v1::{BookDepth, BookState};
use tidegate_wire::pb::orders::v1::{Intent, IntentKind, OrderType, Tif};
use tidegate_wire::{envelope, ids};

const ROUNDS: usize = 9;

fn wrap(payload: Payload) -> Envelope {
    Envelope {
        schema_version: 1,
        source: Source::StrategyRunner.into(),
        trace_hi: 1,
        trace_lo: 2,
        span_id: 3,
        ts_event_ns: 1_763_700_000_123_456_789,
        payload: Some(payload),
        ..Envelope::default()
    }
}

fn intent() -> Envelope {
    wrap(Payload::Intent(Intent {
        intent_id: Some(IntentId { hi: (1 << 32) | 7, lo: 9 }),
        kind: IntentKind::New.into(),
        instrument_id: 1,
        account_id: 1,
        side: 1,
        order_type: OrderType::Limit.into(),
        tif: Tif::Gtc.into(),
        px_ticks: 6_183_766,
        qty_lots: 1_500,
        tick_mono_ns: 123_456_789,
        intent_mono_ns: 123_466_789,
        instrument_table_version: 1,
        ..Intent::default()
    }))
}

fn depth() -> Envelope {
    let side = |first: i64, step| std::iter::once(first).chain((1..20).map(|_| step)).collect();
    wrap(Payload::BookDepth(BookDepth {
        instrument_id: 1,
        venue_id: 1,
        bid_px_delta_ticks: side(6_183_766, -3),
        bid_qty_lots: (1..21).map(|n| n * 1_000).collect(),
        ask_px_delta_ticks: side(6_183_767, 3),
        ask_qty_lots: (1..21).map(|n| n * 1_000).collect(),
        state: BookState::Valid.into(),
        ..BookDepth::default()
    }))
}

fn measure(name: &str, calls: u32, mut call: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..calls {
                call();
            }
            start.elapsed().as_nanos() as f64 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:<38} median {:>8.1} ns   best {:>8.1} ns", rounds[ROUNDS / 2], rounds[0]);
}

fn main() {
    let calls = if std::env::args().any(|a| a == "--bench") { 200_000 } else { 10 };
    let header = FrameHeader { kind: FrameType::Data, link_id: 1, epoch: 1, seq: 1, mono_ns: 1 };
    let mut buf = Vec::new();
    for (name, message) in [("intent", intent()), ("depth 20x2", depth())] {
        let bytes = envelope::encode(&message);
        assert_eq!(envelope::decode_checked(&bytes).as_ref(), Ok(&message));
        let mut frame = Vec::new();
        encode_into(&mut frame, &header, &bytes).unwrap();
        assert_eq!(decode(&frame).unwrap().1, bytes);
        println!("{name}: envelope {} bytes", bytes.len());
        measure("  envelope encode_into", calls, || envelope::encode_into(&mut buf, black_box(&message)));
        measure("  envelope encode_into, prost", calls, || {
            buf.clear();
            let _ = prost::Message::encode(black_box(&message), &mut buf);
        });
        measure("  envelope decode, prost alone", calls, || {
            let _ = black_box(<Envelope as prost::Message>::decode(black_box(bytes.as_slice())));
        });
        measure("  envelope decode_checked", calls, || {
            let _ = black_box(envelope::decode_checked(black_box(&bytes)));
        });
        measure("  frame encode_into", calls, || {
            let _ = encode_into(&mut buf, black_box(&header), black_box(&bytes));
        });
        measure("  frame decode", calls, || {
            let _ = black_box(decode(black_box(&frame)));
        });
    }
    measure("client_order_id", calls, || {
        let _ = black_box(ids::client_order_id(black_box(7), 0, 0));
    });
}
