//! Replay of a history of 10,000 events: how fast, and how many allocations an event.
//!
//! `cargo bench -p temporal-core`. A bare run of the binary prints events per second and allocations per event as well.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unsafe_code,
    reason = "a benchmark that counts allocations"
)]

use divan::AllocProfiler;
use divan::counter::ItemsCount;
use std::hint::black_box;
use temporal_core::protos::api::common::v1::{ActivityType, Payload, Payloads, WorkflowType};
use temporal_core::protos::api::history::v1::history_event::Attributes;
use temporal_core::protos::api::history::v1::*;
use temporal_core::protos::prost_types::Timestamp;
use temporal_core::{Job, Next, Outcome, RunOptions, ScheduleActivity, StartTimer, WorkflowRun, WorkflowTask};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

struct Events(Vec<HistoryEvent>);

impl Events {
    fn add(&mut self, attributes: Attributes) -> i64 {
        let event_id = self.0.len() as i64 + 1;
        self.0.push(HistoryEvent {
            event_id,
            event_time: Some(Timestamp {
                seconds: 1_700_000_000 + event_id,
                nanos: 0,
            }),
            attributes: Some(attributes),
            ..HistoryEvent::default()
        });
        event_id
    }

    fn task(&mut self) {
        self.add(Attributes::WorkflowTaskScheduledEventAttributes(Default::default()));
        self.add(Attributes::WorkflowTaskStartedEventAttributes(Default::default()));
        self.add(Attributes::WorkflowTaskCompletedEventAttributes(Default::default()));
    }
}

/// One activity, or one timer, after the other: 6 or 5 events each.
fn history(activities: bool, events: usize) -> Vec<HistoryEvent> {
    let mut h = Events(Vec::new());
    h.add(Attributes::WorkflowExecutionStartedEventAttributes(
        WorkflowExecutionStartedEventAttributes {
            workflow_type: Some(WorkflowType { name: "Flow".into() }),
            ..Default::default()
        },
    ));
    h.task();
    let mut seq = 0;
    while h.0.len() < events {
        seq += 1;
        if activities {
            let scheduled_event_id = h.add(Attributes::ActivityTaskScheduledEventAttributes(
                ActivityTaskScheduledEventAttributes {
                    activity_id: seq.to_string(),
                    activity_type: Some(ActivityType { name: "charge".into() }),
                    ..Default::default()
                },
            ));
            let started_event_id = h.add(Attributes::ActivityTaskStartedEventAttributes(
                ActivityTaskStartedEventAttributes {
                    scheduled_event_id,
                    ..Default::default()
                },
            ));
            h.add(Attributes::ActivityTaskCompletedEventAttributes(
                ActivityTaskCompletedEventAttributes {
                    scheduled_event_id,
                    started_event_id,
                    result: Some(Payloads {
                        payloads: vec![Payload {
                            data: "\"done\"".into(),
                            ..Payload::default()
                        }],
                    }),
                    ..Default::default()
                },
            ));
        } else {
            let started_event_id = h.add(Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes {
                timer_id: seq.to_string(),
                ..Default::default()
            }));
            h.add(Attributes::TimerFiredEventAttributes(TimerFiredEventAttributes {
                timer_id: seq.to_string(),
                started_event_id,
            }));
        }
        h.task();
    }
    h.0
}

/// What workflow code would do: the next operation whenever one has ended.
fn step(run: &mut WorkflowRun, activities: bool) {
    if activities {
        run.schedule_activity(ScheduleActivity {
            activity_type: "charge".into(),
            ..ScheduleActivity::default()
        });
    } else {
        run.start_timer(StartTimer::default());
    }
}

fn replay(task: WorkflowTask, activities: bool, steps: usize) {
    let mut run = WorkflowRun::new(RunOptions::default(), task).unwrap();
    let mut left = steps;
    loop {
        match run.next_job().unwrap() {
            Next::Job(Job::Run | Job::ActivityResolved(..) | Job::TimerFired(_)) if left > 0 => {
                left -= 1;
                step(&mut run, activities);
            }
            Next::Job(job) => drop(black_box(job)),
            Next::NeedsHistory => unreachable!(),
            Next::Done => break,
        }
    }
    assert!(matches!(run.finish_task().unwrap(), Outcome::Replayed));
}

fn bench(bencher: divan::Bencher<'_, '_>, activities: bool) {
    let events = history(activities, 10_000);
    let steps = (events.len() - 4) / if activities { 6 } else { 5 };
    bencher
        .counter(ItemsCount::new(events.len()))
        .with_inputs(|| WorkflowTask {
            events: events.clone(),
            replay: true,
            ..WorkflowTask::default()
        })
        .bench_values(|task| replay(task, activities, steps));
}

#[divan::bench]
fn activities(bencher: divan::Bencher<'_, '_>) {
    bench(bencher, true);
}

#[divan::bench]
fn timers(bencher: divan::Bencher<'_, '_>) {
    bench(bencher, false);
}
