//! One run after another: continue-as-new, retry, cron.

use temporal_protos::api::common::v1::RetryPolicy;
use temporal_protos::api::enums::v1::{ContinueAsNewInitiator, RetryState, WorkflowExecutionStatus};
use temporal_protos::api::history::v1::WorkflowExecutionStartedEventAttributes;

use super::*;

fn continue_as_new() -> Command {
    let attributes = c::ContinueAsNewWorkflowExecutionCommandAttributes {
        input: Some(payloads("next")),
        ..c::ContinueAsNewWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::ContinueAsNewWorkflowExecution,
        CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    )
}

fn started(t: &mut Harness, id: &str) -> WorkflowExecutionStartedEventAttributes {
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
