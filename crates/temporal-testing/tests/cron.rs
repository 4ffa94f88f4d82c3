//! Our cron matcher against another implementation, over random schedules.
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]

use chrono::{DateTime, Utc};
use temporal_testing::server::cron::Cron;
use temporal_testing::server::engine::Time;

/// A seeded generator: the same schedules every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn field(&mut self, min: u64, max: u64, steps: bool) -> String {
        let low = min + self.below(max - min + 1);
        let high = low + self.below(max - low + 1);
        match self.below(if steps { 6 } else { 4 }) {
            0 | 1 => "*".to_owned(),
            2 => low.to_string(),
            3 if low < high => format!("{low}-{high}"),
            3 => format!("{min},{max}"),
            4 => format!("*/{}", 1 + self.below(max)),
            _ if low < high => format!("{low}-{high}/{}", 1 + self.below(5)),
            _ => format!("{low},{high}"),
        }
    }
}

#[test]
fn random_schedules_match_as_croner_says() {
    let mut random = Random(7);
    let mut compared = 0;
    while compared < 2_000 {
        // Steps in the day fields are left out: there the server's rule for combining the two differs from croner's.
        let text = format!(
            "{} {} {} {} {}",
            random.field(0, 59, true),
            random.field(0, 23, true),
            random.field(1, 31, false),
            random.field(1, 12, true),
            random.field(0, 6, false)
        );
        let (ours, theirs) = (text.parse::<Cron>().unwrap(), text.parse::<croner::Cron>().unwrap());
        let mut at =
            DateTime::<Utc>::from_timestamp(1_700_000_000 + i64::try_from(random.below(200_000_000)).unwrap(), 0)
                .unwrap();
        for _ in 0..5 {
            let Some(next) = ours.next_after(Time::from_nanos(at.timestamp_nanos_opt().unwrap())) else {
                let theirs = theirs.find_next_occurrence(&at, false);
                assert!(
                    !theirs.is_ok_and(|next| next - at < chrono::TimeDelta::days(4 * 365)),
                    "{text} after {at}"
                );
                break;
            };
            at = theirs
                .find_next_occurrence(&at, false)
                .unwrap_or_else(|error| panic!("{text} after {at}: {error}"));
            assert_eq!(next.as_nanos(), at.timestamp_nanos_opt().unwrap(), "{text}: {at}");
            compared += 1;
        }
    }
}
