//! Values to payloads and back with the default converter, beside bare serde_json on the same value.
//!
//! `cargo xtask bench --package temporal-client --bench payload`
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hint::black_box;
use temporal_client::data::{DataConverter, PayloadConverterExt as _};
use temporal_client::protos::api::common::v1::Payload;

#[global_allocator]
static ALLOC: divan::AllocProfiler = divan::AllocProfiler::system();

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: String,
    customer: u64,
    lines: Vec<Line>,
    labels: BTreeMap<String, String>,
    note: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    article: String,
    count: u32,
    price: f64,
}

fn main() {
    divan::main();
}

fn order() -> Order {
    Order {
        id: "order-4711".into(),
        customer: 42,
        lines: (0..20)
            .map(|number| Line {
                article: format!("article {number}"),
                count: number,
                price: 9.75,
            })
            .collect(),
        labels: [("region".into(), "north".into()), ("channel".into(), "web".into())].into(),
        note: None,
    }
}

fn payload() -> Payload {
    DataConverter::default().payload_converter().encode(&order()).unwrap()
}

#[divan::bench_group]
mod encode {
    use super::*;

    #[divan::bench]
    fn converter(bencher: divan::Bencher<'_, '_>) {
        let (converter, order) = (DataConverter::default(), order());
        bencher.bench_local(|| converter.payload_converter().encode(black_box(&order)).unwrap());
    }

    #[divan::bench]
    fn serde_json(bencher: divan::Bencher<'_, '_>) {
        let order = order();
        bencher.bench_local(|| serde_json::to_vec(black_box(&order)).unwrap());
    }
}

#[divan::bench_group]
mod decode {
    use super::*;

    #[divan::bench]
    fn converter(bencher: divan::Bencher<'_, '_>) {
        let (converter, payload) = (DataConverter::default(), payload());
        bencher
            .with_inputs(|| payload.clone())
            .bench_local_values(|payload| converter.payload_converter().decode::<Order>(payload).unwrap());
    }

    #[divan::bench]
    fn serde_json(bencher: divan::Bencher<'_, '_>) {
        let payload = payload();
        bencher.bench_local(|| serde_json::from_slice::<Order>(black_box(&payload.data)).unwrap());
    }
}
