//! One run after another: continue-as-new, retry, cron.

use temporal_protos::api::common::v1::RetryPolicy;
use temporal_protos::api::enums::v1::{ContinueAsNewInitiator, RetryState, WorkflowExecutionStatus};
use temporal_protos::api::history::v1::WorkflowExecutionStartedEventAttributes;

use super::*;

pub(super) fn continue_as_new() -> Command {
    continue_as_new_with(|_| {})
}

pub(super) fn continue_as_new_with(
    change: impl FnOnce(&mut c::ContinueAsNewWorkflowExecutionCommandAttributes),
) -> Command {
    let mut attributes = c::ContinueAsNewWorkflowExecutionCommandAttributes {
        input: Some(payloads("next")),
        ..c::ContinueAsNewWorkflowExecutionCommandAttributes::default()
    };
    change(&mut attributes);
    command(
        CommandType::ContinueAsNewWorkflowExecution,
        CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    )
}

pub(super) fn started(t: &mut Harness, id: &str) -> WorkflowExecutionStartedEventAttributes {
    let Attributes::WorkflowExecutionStartedEventAttributes(started) = t.attributes(id, 1) else {
        panic!()
    };
    started
}

#[test]
fn a_workflow_continues_as_new() {
    let mut t = Harness::new();
    let first = t.start("wf");
    let task = t.poll();
    t.complete(&task, vec![continue_as_new()]);
    assert!(
        t.history_of("wf", &first)
            .ends_with("4:WftCompleted 5:WorkflowExecutionContinuedAsNew")
    );
    let next = started(&mut t, "wf");
    assert_eq!(next.continued_execution_run_id, first);
    assert_eq!(next.first_execution_run_id, first);
    assert_ne!(next.original_execution_run_id, first);
    assert_eq!(
        (next.initiator(), next.input),
        (ContinueAsNewInitiator::Workflow, Some(payloads("next")))
    );
    assert_eq!(t.history("wf"), "1:WorkflowExecutionStarted", "runs are a second apart");
    t.advance(seconds(1));
    assert_eq!(t.history("wf"), "1:WorkflowExecutionStarted 2:WftScheduled");
}

#[test]
fn a_skipping_clock_does_not_hold_the_next_run_back() {
    let mut t = Harness::skipping(1);
    t.begun("wf", vec![continue_as_new()]);
    assert_eq!(t.history("wf"), "1:WorkflowExecutionStarted 2:WftScheduled");
}

#[test]
fn an_update_that_came_too_late_goes_on_in_the_next_run() {
    let mut t = Harness::skipping(1);
    t.start("wf");
    let task = t.poll();
    let call = t.send(
        rpc::UpdateWorkflowExecution,
        updates::update_request(
            "wf",
            "u",
            temporal_protos::api::enums::v1::UpdateWorkflowExecutionLifecycleStage::Completed,
        ),
    );
    t.complete(&task, vec![continue_as_new()]);
    let task = t.poll();
    assert_eq!(task.messages.len(), 1);
    t.complete_with(&task, vec![], |request| {
        request.messages = vec![updates::accept("u"), updates::respond("u")];
    })
    .unwrap();
    assert!(t.take(rpc::UpdateWorkflowExecution, call).unwrap().is_ok());
}

#[test]
fn a_failed_run_is_retried_until_its_attempts_are_used_up() {
    let mut t = Harness::new();
    let first = t
        .start_with("wf", |request| {
            request.retry_policy = Some(RetryPolicy {
                maximum_attempts: 2,
                ..RetryPolicy::default()
            });
        })
        .unwrap()
        .run_id;
    let task = t.poll();
    t.complete(&task, vec![fail_workflow(application_failure("once"))]);
    let run = WorkflowExecution {
        workflow_id: "wf".to_owned(),
        run_id: first,
    };
    let closing = t.events_of(run).pop().unwrap().attributes.unwrap();
    let Attributes::WorkflowExecutionFailedEventAttributes(failed) = closing else {
        panic!()
    };
    assert_eq!(failed.retry_state(), RetryState::InProgress);
    let next = started(&mut t, "wf");
    assert_eq!((next.attempt, next.initiator()), (2, ContinueAsNewInitiator::Retry));
    assert_eq!(next.continued_failure.unwrap().message, "once");
    assert_eq!(next.first_workflow_task_backoff, Some(to_proto(seconds(1))));
    t.advance(seconds(1));
    let task = t.poll();
    t.complete(&task, vec![fail_workflow(application_failure("twice"))]);
    let Attributes::WorkflowExecutionFailedEventAttributes(failed) = t.attributes("wf", 5) else {
        panic!()
    };
    assert_eq!(
        (failed.retry_state(), failed.new_execution_run_id.as_str()),
        (RetryState::MaximumAttemptsReached, "")
    );
}

#[test]
fn a_timed_out_run_is_retried_too() {
    let mut t = Harness::new();
    t.start_with("wf", |request| {
        request.retry_policy = Some(RetryPolicy {
            maximum_attempts: 2,
            ..RetryPolicy::default()
        });
        request.workflow_run_timeout = Some(to_proto(seconds(5)));
    })
    .unwrap();
    t.advance(seconds(6));
    let next = started(&mut t, "wf");
    assert_eq!(
        (next.attempt, next.continued_failure.unwrap().message.as_str()),
        (2, "workflow timeout")
    );
    assert_eq!(t.history("wf"), "1:WorkflowExecutionStarted 2:WftScheduled");
}

#[test]
fn cron_runs_follow_each_other_with_the_last_result() {
    let mut t = Harness::skipping(0);
    t.start_with("wf", |request| request.cron_schedule = "@every 1h".to_owned())
        .unwrap();
    assert_eq!(t.history("wf"), "1:WorkflowExecutionStarted");
    assert_eq!(started(&mut t, "wf").initiator(), ContinueAsNewInitiator::CronSchedule);
    t.settle();
    let task = t.poll();
    t.complete(&task, vec![complete_workflow()]);
    let next = started(&mut t, "wf");
    assert_eq!(next.last_completion_result, Some(payloads("done")));
    assert_eq!(next.first_workflow_task_backoff, Some(to_proto(seconds(3_600))));
    t.settle();
    let task = t.poll();
    t.complete(&task, vec![fail_workflow(application_failure("no"))]);
    let next = started(&mut t, "wf");
    assert_eq!(
        (next.last_completion_result, next.continued_failure.is_some()),
        (Some(payloads("done")), true)
    );
    t.terminate("wf").unwrap();
    let info = t.describe("wf").workflow_execution_info.unwrap();
    assert_eq!(info.status(), WorkflowExecutionStatus::Terminated);
}

#[test]
fn the_next_run_knows_where_the_first_can_be_reset_to() {
    let mut t = Harness::skipping(1);
    let first = t.start("wf");
    let task = t.poll();
    t.complete(&task, vec![continue_as_new()]);
    let second = started(&mut t, "wf");
    assert_eq!(second.workflow_run_timeout, Some(to_proto(Duration::ZERO)));
    let points = second.prev_auto_reset_points.unwrap().points;
    let [point] = &points[..] else { panic!("{points:?}") };
    assert_eq!(
        (point.run_id.as_str(), point.first_workflow_task_completed_id),
        (first.as_str(), 4)
    );
    assert!(point.resettable && point.create_time.is_some());
    assert_eq!(point.expire_time, Some((START + seconds(86_400)).to_proto()));
    let task = t.poll();
    t.complete(&task, vec![continue_as_new()]);
    let third = started(&mut t, "wf").prev_auto_reset_points.unwrap();
    assert_eq!(third.points, points, "the code is the same, and so is the place");
}

#[test]
fn old_clients_are_shown_the_next_run_as_continued_as_new() {
    let mut t = Harness::new();
    let first = t.start_with("wf", |request| {
        request.retry_policy = Some(RetryPolicy {
            maximum_attempts: 2,
            ..RetryPolicy::default()
        });
    });
    let first = first.unwrap().run_id;
    let closing = |t: &mut Harness, run_id: &str| {
        let request = wf::GetWorkflowExecutionHistoryRequest {
            namespace: "default".to_owned(),
            execution: Some(WorkflowExecution {
                workflow_id: "wf".to_owned(),
                run_id: run_id.to_owned(),
            }),
            history_event_filter_type: 2,
            ..wf::GetWorkflowExecutionHistoryRequest::default()
        };
        let mut response = t.ask(rpc::GetWorkflowExecutionHistory, request).unwrap();
        crate::server::engine::show_next_run(&mut response);
        response.history.unwrap().events.remove(0)
    };
    let task = t.poll();
    t.complete(&task, vec![fail_workflow(application_failure("one"))]);
    let event = closing(&mut t, &first);
    assert_eq!(
        (event.event_id, event.event_type()),
        (5, EventType::WorkflowExecutionContinuedAsNew)
    );
    let Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(shown)) = event.attributes else {
        panic!()
    };
    assert_eq!(shown.failure.unwrap().message, "one");
    t.advance(seconds(1));
    let task = t.poll();
    assert_eq!(
        task.workflow_execution.clone().unwrap().run_id,
        shown.new_execution_run_id
    );
    t.complete(&task, vec![fail_workflow(application_failure("two"))]);
    let last = closing(&mut t, &shown.new_execution_run_id);
    assert_eq!(last.event_type(), EventType::WorkflowExecutionFailed);
}
