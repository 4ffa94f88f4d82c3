//! The shortest way through: start, one activity, complete.

use temporal_core::protos::api::command::v1::command::Attributes as CommandAttributes;
use temporal_core::protos::api::common::v1::{ActivityType, Payload, Payloads, WorkflowType};
use temporal_core::protos::api::history::v1::history_event::Attributes;
use temporal_core::protos::api::history::v1::*;
use temporal_core::*;

fn event(event_id: i64, attributes: Attributes) -> HistoryEvent {
    HistoryEvent {
        event_id,
        attributes: Some(attributes),
        ..HistoryEvent::default()
    }
}

#[test]
fn hello_world() {
    let started = WorkflowExecutionStartedEventAttributes {
        workflow_type: Some(WorkflowType {
            name: "SayHello".into(),
        }),
        ..Default::default()
    };
    let events = vec![
        event(1, Attributes::WorkflowExecutionStartedEventAttributes(started)),
        event(2, Attributes::WorkflowTaskScheduledEventAttributes(Default::default())),
        event(3, Attributes::WorkflowTaskStartedEventAttributes(Default::default())),
    ];
    let task = WorkflowTask {
        started_event_id: 3,
        events,
        ..WorkflowTask::default()
    };
    let mut run = WorkflowRun::new(RunOptions::default(), task).unwrap();
    assert!(matches!(run.next_job().unwrap(), Next::Job(Job::Initialize(_))));
    assert!(matches!(run.next_job().unwrap(), Next::Job(Job::Run)));
    let command = ScheduleActivity {
        activity_type: "say_hello".into(),
        ..ScheduleActivity::default()
    };
    let seq = run.schedule_activity(command);
    assert!(matches!(run.next_job().unwrap(), Next::Done));
    let Outcome::Completed(completion) = run.finish_task().unwrap() else {
        panic!()
    };
    assert!(matches!(
        completion.commands[0].attributes,
        Some(CommandAttributes::ScheduleActivityTaskCommandAttributes(_))
    ));

    let scheduled = ActivityTaskScheduledEventAttributes {
        activity_id: "1".into(),
        activity_type: Some(ActivityType {
            name: "say_hello".into(),
        }),
        ..Default::default()
    };
    let result = Payloads {
        payloads: vec![Payload::default()],
    };
    let completed = ActivityTaskCompletedEventAttributes {
        scheduled_event_id: 5,
        started_event_id: 6,
        result: Some(result),
        ..Default::default()
    };
    let events = vec![
        event(4, Attributes::WorkflowTaskCompletedEventAttributes(Default::default())),
        event(5, Attributes::ActivityTaskScheduledEventAttributes(scheduled)),
        event(6, Attributes::ActivityTaskStartedEventAttributes(Default::default())),
        event(7, Attributes::ActivityTaskCompletedEventAttributes(completed)),
        event(8, Attributes::WorkflowTaskScheduledEventAttributes(Default::default())),
        event(9, Attributes::WorkflowTaskStartedEventAttributes(Default::default())),
    ];
    run.handle_task(WorkflowTask {
        started_event_id: 9,
        previous_started_event_id: 3,
        events,
        ..Default::default()
    })
    .unwrap();
    let Next::Job(Job::ActivityResolved(resolved, Resolution::Completed(result))) = run.next_job().unwrap() else {
        panic!()
    };
    assert_eq!(resolved, seq);
    run.complete(result);
    assert!(matches!(run.next_job().unwrap(), Next::Done));
    let Outcome::Completed(completion) = run.finish_task().unwrap() else {
        panic!()
    };
    assert!(completion.closes_workflow);
    assert_eq!(completion.commands.len(), 1);
}

/// Budget of a cached workflow that waits: the run itself must leave room for the code's own state in 4 KiB.
#[test]
fn a_run_is_small() {
    let size = size_of::<WorkflowRun>();
    println!("{size} bytes");
    assert!(size <= 1536, "{size} bytes");
}
