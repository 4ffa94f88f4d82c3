//! Histories longer than a page.

use crate::MINUTE;
use std::cell::Cell;
use std::time::Duration;
use temporal_integration_tests::history::EventType;
use temporal_integration_tests::run_within;
use temporal_sdk::workflow;

/// Writes 2,000 events a round, then waits.
#[derive(Default)]
pub(crate) struct Writes {
    rounds: Cell<u32>,
    end: Cell<bool>,
}

#[workflow]
impl Writes {
    #[run]
    async fn run(&self, ctx: &workflow::Context, rounds: u32) -> workflow::Result<u32> {
        for _ in 0..rounds {
            let timers = (0..1000).map(|_| ctx.sleep(Duration::from_millis(1)));
            for result in workflow::join_all(timers).await {
                result?;
            }
            self.rounds.set(self.rounds.get() + 1);
        }
        ctx.wait_condition(|| self.end.get()).await?;
        Ok(self.rounds.get())
    }

    #[query]
    fn rounds(&self) -> u32 {
        self.rounds.get()
    }

    #[signal]
    fn end(&self) {
        self.end.set(true);
    }
}

/// P20, S54: 10,000 events, read by a client in pages and by a second worker that replays them all.
#[test]
fn p20_ten_thousand_events_in_pages() {
    run_within(MINUTE * 5, async |env| {
        let id = env.unrecorded_id("long");
        let handle = env
            .serve(env.worker().workflow::<Writes>(), async {
                let handle = env
                    .client()
                    .start_workflow(Writes::run, 5_u32, env.unrecorded_options("long"))
                    .await?;
                env.until(&id, EventType::TimerFired, 5000).await?;
                Ok(handle)
            })
            .await?;
        env.serve(env.worker().workflow::<Writes>(), async {
            assert_eq!(handle.query(Writes::rounds, ()).await?, 5);
            handle.signal(Writes::end, ()).await?;
            assert_eq!(handle.result().await?, 5);
            let history = handle.fetch_history().await?;
            assert!(history.events.len() > 10_000);
            assert!(history.events.iter().zip(1..).all(|(event, id)| event.event_id == id));
            Ok(())
        })
        .await
    });
}
