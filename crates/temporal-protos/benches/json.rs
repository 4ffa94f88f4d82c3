//! A history of 10,000 events read from JSON and written as JSON.
#![allow(missing_docs, reason = "a bench")]

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use temporal_protos::api::history::v1::History;
use temporal_protos::bytes::Bytes;
use temporal_protos::json;
use temporal_protos::prost::Message as _;

const EVENTS: usize = 10_000;

fn main() {
    divan::main();
}

/// The events of a real history, again and again.
fn history() -> History {
    let text = include_str!("../tests/data/everything.cli.json");
    let history: History = json::from_json(text).expect("the recorded history is good");
    let events = history.events.into_iter().cycle().take(EVENTS).collect();
    History { events }
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let text = json::to_json_pretty(&history()).expect("good");
    let bencher = bencher
        .counter(ItemsCount::new(EVENTS))
        .counter(BytesCount::of_str(&text));
    bencher.bench(|| json::from_json::<History>(divan::black_box(&text)).expect("good"));
}

#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let history = history();
    let size = json::to_json(&history).expect("good").len();
    let bencher = bencher.counter(ItemsCount::new(EVENTS)).counter(BytesCount::new(size));
    bencher.bench(|| json::to_json(divan::black_box(&history)).expect("good"));
}

/// What JSON costs beside the wire format.
#[divan::bench]
fn decode_wire(bencher: Bencher<'_, '_>) {
    let wire = Bytes::from(history().encode_to_vec());
    let bencher = bencher
        .counter(ItemsCount::new(EVENTS))
        .counter(BytesCount::new(wire.len()));
    bencher.bench(|| History::decode(divan::black_box(wire.clone())).expect("good"));
}

#[divan::bench]
fn encode_wire(bencher: Bencher<'_, '_>) {
    let history = history();
    let size = history.encoded_len();
    let bencher = bencher.counter(ItemsCount::new(EVENTS)).counter(BytesCount::new(size));
    bencher.bench(|| divan::black_box(&history).encode_to_vec());
}
