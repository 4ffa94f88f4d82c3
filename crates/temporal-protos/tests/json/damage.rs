//! Damaged input is answered with an error, never with a panic.

use super::oracle::Random;
use temporal_protos::api::history::v1::History;
use temporal_protos::json::{from_json, histories_from_json, to_json, wire_to_json};
use temporal_protos::prost::Message as _;

const NAME: &str = "temporal.api.history.v1.History";
const TEXT: &str = include_str!("../data/everything.cli.json");

#[test]
fn damaged_text() {
    let mut random = Random::new(0xda3a_6ed0);
    // The middle of the history, small enough for many rounds.
    let compact = to_json(&from_json::<History>(TEXT).unwrap()).unwrap();
    let compact: String = compact.chars().take(6_000).collect();
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\\",
        "\\u",
        "null",
        "-",
        "1e9",
        "9",
        "é",
        "\0",
        "\"@type\":",
    ];
    let (mut read, mut refused) = (0, 0);
    for _ in 0..3_000 {
        let mut text: Vec<char> = compact.chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len() as u64) as usize;
            let upto = (at + random.below(4) as usize).min(text.len());
            let piece = pieces[random.below(pieces.len() as u64) as usize];
            text.splice(at..upto, piece.chars());
        }
        let mut text: String = text.into_iter().collect();
        // Half of them are closed again, so that what is behind the damage is reached too.
        if random.below(2) == 0 {
            text.push_str("}}]}");
        }
        match from_json::<History>(&text) {
            Ok(history) => {
                read += 1;
                let again = to_json(&history).unwrap();
                assert_eq!(from_json::<History>(&again).unwrap(), history);
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
        let _ = histories_from_json(&text);
    }
    assert!(refused > 1_000, "{read} read, {refused} refused");
}

#[test]
fn damaged_wire_bytes() {
    let mut random = Random::new(0xb17e_5000);
    let wire = from_json::<History>(TEXT).unwrap().encode_to_vec();
    for _ in 0..3_000 {
        let mut damaged = wire.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(damaged.len() as u64) as usize;
            damaged[at] = random.below(256) as u8;
        }
        damaged.truncate(random.below(damaged.len() as u64 * 2) as usize);
        if let Ok(json) = wire_to_json(NAME, &damaged) {
            serde_json::from_str::<serde_json::Value>(&json).expect("what is written is JSON");
        }
    }
}
