//! What the comparison with a real server found: attributes and answers as that server has them.

use temporal_protos::api::activity::v1::ActivityOptions;
use temporal_protos::api::common::v1::{RetryPolicy, link};
use temporal_protos::api::enums::v1::{ParentClosePolicy, TimeoutType};
use temporal_protos::api::update::v1 as up;
use temporal_protos::api::workflow::v1::{PostResetOperation, post_reset_operation as post};
use temporal_protos::prost::Message as _;
use temporal_protos::prost_types::FieldMask;

use super::activities::attempts;
use super::chains::{continue_as_new, continue_as_new_with, started};
use super::families::child;
use super::resets::reset;
use super::*;

/// The failure of a timed-out activity, by the id of its last event.
fn timeout(t: &mut Harness, id: &str, event: i64) -> (Failure, TimeoutType, Option<Payloads>) {
    let Attributes::ActivityTaskTimedOutEventAttributes(it) = t.attributes(id, event) else {
        panic!()
    };
    let failure = it.failure.unwrap();
    let Some(FailureInfo::TimeoutFailureInfo(info)) = failure.failure_info.clone() else {
        panic!()
    };
    (failure, info.timeout_type(), info.last_heartbeat_details)
}

#[test]
fn task_ids_rise_with_the_events_places() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let running = t.poll_activity();
    t.signal("wf", "wake");
    let task = t.poll();
    t.finish_activity(&running);
    t.signal("wf", "meanwhile");
    t.complete(&task, vec![marker("m")]);
    let events = t.events("wf");
    assert!(
        events.windows(2).all(|pair| pair[0].task_id < pair[1].task_id),
        "{events:?}"
    );
}

#[test]
fn a_run_as_new_keeps_no_policy_and_no_schedule() {
    let mut t = Harness::new();
    let first = t
        .start_with("wf", |it| {
            it.cron_schedule = "@every 1s".to_owned();
            it.retry_policy = Some(RetryPolicy::default());
        })
        .unwrap()
        .run_id;
    t.advance(seconds(1));
    let task = t.poll();
    t.complete(&task, vec![continue_as_new()]);
    let next = started(&mut t, "wf");
    assert_eq!((next.retry_policy, next.cron_schedule), (None, String::new()));
    assert!(
        next.first_workflow_task_backoff.is_some(),
        "a second after this run's first task"
    );
    let execution = WorkflowExecution {
        workflow_id: "wf".to_owned(),
        run_id: first,
    };
    let last = t.events_of(execution).pop().and_then(|event| event.attributes);
    let Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(last)) = last else {
        panic!()
    };
    assert_eq!(
        (last.initiator, last.backoff_start_interval),
        (0, None),
        "as in the command"
    );
}

#[test]
fn a_run_as_new_may_begin_at_once() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.advance(seconds(2));
    t.complete(&task, vec![continue_as_new()]);
    assert_eq!(started(&mut t, "wf").first_workflow_task_backoff, None);
}

#[test]
fn no_run_takes_longer_than_a_hundred_years() {
    let years = |years: u64| Some(to_proto(seconds(years * 365 * 24 * 60 * 60)));
    let mut t = Harness::new();
    t.start_with("wf", |it| it.workflow_execution_timeout = years(200))
        .unwrap();
    assert_eq!(started(&mut t, "wf").workflow_execution_timeout, years(100));
    let mut t = Harness::new();
    t.begun(
        "wf",
        vec![continue_as_new_with(|it| it.workflow_run_timeout = years(200))],
    );
    assert_eq!(started(&mut t, "wf").workflow_run_timeout, years(100));
}

#[test]
fn a_task_with_an_answer_brings_news_only() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let size = |event: &HistoryEvent| match &event.attributes {
        Some(Attributes::WorkflowTaskStartedEventAttributes(it)) => (it.request_id.clone(), it.history_size_bytes),
        other => panic!("{other:?}"),
    };
    let before = size(&task.history.as_ref().unwrap().events[2]).1;
    let beat = |request: &mut wf::RespondWorkflowTaskCompletedRequest| {
        request.force_create_new_workflow_task = true;
        request.return_new_workflow_task = true;
    };
    let next = t.complete_with(&task, vec![], beat).unwrap().workflow_task.unwrap();
    let events = next.history.unwrap().events;
    assert_eq!(short(&events), "4:WftCompleted 5:WftScheduled 6:WftStarted");
    let (request_id, after) = size(&events[2]);
    assert_eq!(request_id, "request-from-RespondWorkflowTaskCompleted");
    // The completion and the new task are of the same transaction: of the first three, one is new.
    assert!(after > before, "{after} {before}");
    let three: i64 = t.events("wf")[..3]
        .iter()
        .map(|event| i64::try_from(event.encoded_len()).unwrap())
        .sum();
    assert_eq!(after, three);
}

#[test]
fn an_eager_task_starts_with_no_history() {
    let mut t = Harness::new();
    let answer = t.start_with("wf", |it| it.request_eager_execution = true).unwrap();
    let events = answer.eager_workflow_task.unwrap().history.unwrap().events;
    let Some(Attributes::WorkflowTaskStartedEventAttributes(it)) = &events[2].attributes else {
        panic!()
    };
    assert_eq!(it.history_size_bytes, 0);
}

#[test]
fn of_timeouts_that_pass_together_the_first_kind_counts() {
    let mut t = Harness::new();
    let never = |it: &mut c::ScheduleActivityTaskCommandAttributes| {
        it.start_to_close_timeout = None;
        it.schedule_to_close_timeout = Some(to_proto(seconds(2)));
    };
    t.begun("unstarted", vec![activity_with("1", never)]);
    t.advance(seconds(2));
    let (failure, kind, _) = timeout(&mut t, "unstarted", 6);
    assert_eq!(kind, TimeoutType::ScheduleToStart);
    assert_eq!(failure.message, "activity ScheduleToStart timeout");
    let task = t.poll();
    t.complete(&task, vec![complete_workflow()]);

    t.begun("started", vec![activity_with("1", never)]);
    t.advance(seconds(1));
    t.poll_activity();
    t.advance(seconds(1));
    let (failure, kind, _) = timeout(&mut t, "started", 7);
    assert_eq!(kind, TimeoutType::ScheduleToClose);
    assert!(failure.message.starts_with("Not enough time"), "{}", failure.message);
}

#[test]
fn only_the_last_failure_has_the_heartbeats_details() {
    let mut t = Harness::new();
    let beats = |it: &mut c::ScheduleActivityTaskCommandAttributes| {
        attempts(2)(it);
        it.heartbeat_timeout = Some(to_proto(seconds(1)));
    };
    t.begun("wf", vec![activity_with("1", beats)]);
    let task = t.poll_activity();
    t.heartbeat(&task, "one");
    t.advance(seconds(2));
    let task = t.poll_activity();
    t.heartbeat(&task, "two");
    t.advance(seconds(1));
    let (failure, _, details) = timeout(&mut t, "wf", 7);
    assert_eq!(details, Some(payloads("two")));
    let Some(FailureInfo::TimeoutFailureInfo(cause)) = failure.cause.unwrap().failure_info else {
        panic!()
    };
    assert_eq!(cause.last_heartbeat_details, None);
}

#[test]
fn a_workers_failure_is_an_application_failure() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    let request = wf::RespondActivityTaskFailedRequest {
        task_token: task.task_token,
        failure: Some(Failure::default()),
        ..wf::RespondActivityTaskFailedRequest::default()
    };
    let refused = t.ask(rpc::RespondActivityTaskFailed, request).unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument);
    assert_eq!(refused.message, "Failure must have ApplicationFailureInfo.");
}

#[test]
fn who_cancels_an_activity_that_nobody_has_is_named() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    t.signal("wf", "s");
    let task = t.poll();
    t.complete(&task, vec![cancel_activity(5)]);
    let Attributes::ActivityTaskCanceledEventAttributes(canceled) = t.attributes("wf", 11) else {
        panic!()
    };
    assert_eq!(canceled.identity, "worker");
}

fn reset_activity(t: &mut Harness) {
    let request = wf::ResetActivityRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::reset_activity_request::Activity::Id("1".to_owned())),
        reset_heartbeat: true,
        ..wf::ResetActivityRequest::default()
    };
    t.ask(rpc::ResetActivity, request).unwrap();
}

#[test]
fn a_reset_activity_forgets_what_happened() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    t.heartbeat(&task, "one");
    t.fail_activity(&task, application_failure("one"));
    reset_activity(&mut t);
    let task = t.poll_activity();
    assert_eq!((task.attempt, task.heartbeat_details.clone()), (1, None));
    t.finish_activity(&task);
    let Attributes::ActivityTaskStartedEventAttributes(it) = t.attributes("wf", 6) else {
        panic!()
    };
    assert_eq!((it.attempt, it.last_failure), (1, None));
}

#[test]
fn an_activity_that_is_reset_and_stays_paused_still_tells_what_happened() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    t.fail_activity(&task, application_failure("one"));
    let pause = wf::PauseActivityRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::pause_activity_request::Activity::Id("1".to_owned())),
        ..wf::PauseActivityRequest::default()
    };
    t.ask(rpc::PauseActivity, pause).unwrap();
    for keep_paused in [true, false] {
        let request = wf::ResetActivityRequest {
            namespace: "default".to_owned(),
            execution: Some(execution("wf")),
            activity: Some(wf::reset_activity_request::Activity::Id("1".to_owned())),
            keep_paused,
            ..wf::ResetActivityRequest::default()
        };
        t.ask(rpc::ResetActivity, request).unwrap();
        let pending = t.describe("wf").pending_activities.remove(0);
        assert_eq!(pending.last_failure.is_some(), keep_paused);
    }
}

#[test]
fn an_activity_that_is_reset_while_it_runs_forgets_at_the_end_of_its_attempt() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    t.fail_activity(&task, application_failure("one"));
    t.advance(seconds(1));
    let task = t.poll_activity();
    t.heartbeat(&task, "two");
    reset_activity(&mut t);
    let pending = t.describe("wf").pending_activities.remove(0);
    assert_eq!(pending.heartbeat_details, Some(payloads("two")));
    assert_eq!(pending.last_failure.unwrap().message, "one");
    t.advance(seconds(11));
    let task = t.poll_activity();
    assert_eq!((task.attempt, task.heartbeat_details), (2, None));
}

#[test]
fn a_pending_activity_says_when_it_was_scheduled_and_started() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    t.heartbeat(&task, "one");
    let pending = t.describe("wf").pending_activities.remove(0);
    assert!(pending.scheduled_time.is_some() && pending.last_started_time.is_some());
    let queue = pending.activity_options.unwrap().task_queue.unwrap();
    assert_eq!(
        (queue.name.as_str(), queue.kind, queue.normal_name.as_str()),
        (QUEUE, 0, QUEUE)
    );
    t.fail_activity(&task, application_failure("one"));
    let pending = t.describe("wf").pending_activities.remove(0);
    assert!(pending.last_started_time.is_none() && pending.last_heartbeat_time.is_some());
}

#[test]
fn a_parent_is_told_the_type_it_asked_for() {
    let mut t = Harness::new();
    t.begun("parent", vec![child("kid", ParentClosePolicy::Terminate)]);
    let task = t.poll();
    t.complete(&task, vec![]);
    let task = t.poll_child();
    let other = continue_as_new_with(|it| {
        it.workflow_type = Some(WorkflowType {
            name: "Other".to_owned(),
        });
    });
    t.complete(&task, vec![other]);
    t.advance(seconds(1));
    let task = t.poll_child();
    t.complete(&task, vec![complete_workflow()]);
    let Attributes::ChildWorkflowExecutionCompletedEventAttributes(it) = t.attributes("parent", 10) else {
        panic!()
    };
    assert_eq!(it.workflow_type.unwrap().name, "C");
}

#[test]
fn a_child_that_did_not_start_names_no_task() {
    let mut t = Harness::new();
    t.start("kid");
    t.poll();
    t.begun("parent", vec![child("kid", ParentClosePolicy::Terminate)]);
    let Attributes::StartChildWorkflowExecutionFailedEventAttributes(it) = t.attributes("parent", 6) else {
        panic!()
    };
    assert_eq!(it.workflow_task_completed_event_id, 0);
}

#[test]
fn a_reset_tells_what_was_held_back() {
    let mut t = Harness::new();
    t.start("wf");
    t.poll();
    t.signal("wf", "held");
    reset(&mut t, "wf", 3).unwrap();
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WorkflowExecutionSignaled 6:WftScheduled"
    );
    let Attributes::WorkflowTaskStartedEventAttributes(it) = t.attributes("wf", 3) else {
        panic!()
    };
    assert_eq!(it.request_id, "emptyUuid");
}

#[test]
fn a_reset_tells_what_came_to_later_runs() {
    let mut t = Harness::new();
    let first = t.start("wf");
    let task = t.poll();
    t.complete(&task, vec![continue_as_new()]);
    t.signal("wf", "later");
    let mut request = wf::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: "wf".to_owned(),
            run_id: first,
        }),
        workflow_task_finish_event_id: 4,
        request_id: "reset".to_owned(),
        ..wf::ResetWorkflowExecutionRequest::default()
    };
    let signal = post::Variant::SignalWorkflow(post::SignalWorkflow::default());
    request.post_reset_operations = vec![PostResetOperation { variant: Some(signal) }];
    let refused = t.ask(rpc::ResetWorkflowExecution, request.clone()).unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument);
    request.post_reset_operations.clear();
    t.ask(rpc::ResetWorkflowExecution, request).unwrap();
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WorkflowExecutionSignaled 6:WftScheduled"
    );
}

#[test]
fn a_timer_waits_a_hundred_years_at_most() {
    let century = seconds(100 * 365 * 24 * 60 * 60);
    let mut t = Harness::new();
    t.begun("wf", vec![start_timer("t", century * 2)]);
    let Attributes::TimerStartedEventAttributes(it) = t.attributes("wf", 5) else {
        panic!()
    };
    assert_eq!(it.start_to_fire_timeout, Some(to_proto(century)));
}

#[test]
fn changed_options_are_told_but_not_to_the_worker() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let request = wf::UpdateActivityOptionsRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::update_activity_options_request::Activity::Id("1".to_owned())),
        activity_options: Some(ActivityOptions {
            start_to_close_timeout: Some(to_proto(seconds(20))),
            ..Default::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["start_to_close_timeout".to_owned()],
        }),
        ..wf::UpdateActivityOptionsRequest::default()
    };
    let told = t
        .ask(rpc::UpdateActivityOptions, request)
        .unwrap()
        .activity_options
        .unwrap();
    assert_eq!(told.start_to_close_timeout, Some(to_proto(seconds(20))));
    let queue = told.task_queue.unwrap();
    assert_eq!((queue.kind(), queue.normal_name.as_str()), (TaskQueueKind::Normal, ""));
    let task = t.poll_activity();
    assert_eq!(task.start_to_close_timeout, Some(to_proto(seconds(10))), "as scheduled");
    t.advance(seconds(15));
    assert!(
        t.describe("wf").pending_activities[0].last_failure.is_none(),
        "but it has the new time"
    );
}

#[test]
fn an_end_of_a_pause_may_forget_heartbeats() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    t.heartbeat(&task, "one");
    let pause = wf::PauseActivityRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::pause_activity_request::Activity::Id("1".to_owned())),
        ..wf::PauseActivityRequest::default()
    };
    t.ask(rpc::PauseActivity, pause).unwrap();
    let unpause = wf::UnpauseActivityRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::unpause_activity_request::Activity::Id("1".to_owned())),
        reset_heartbeat: true,
        ..wf::UnpauseActivityRequest::default()
    };
    t.ask(rpc::UnpauseActivity, unpause).unwrap();
    let pending = t.describe("wf").pending_activities.remove(0);
    assert_eq!((pending.heartbeat_details, pending.last_heartbeat_time), (None, None));
}

/// Who started a workflow task.
fn starter(t: &mut Harness, event: i64) -> String {
    let Attributes::WorkflowTaskStartedEventAttributes(it) = t.attributes("wf", event) else {
        panic!()
    };
    it.identity
}

#[test]
fn a_speculative_task_names_who_ends_it() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.update("wf", "one");
    let task = t.poll();
    t.signal("wf", "meanwhile");
    assert_eq!(t.history("wf").matches("6:WftStarted").count(), 1, "it is real now");
    t.complete_messages(&task, vec![], vec![updates::reject("one")]);
    assert_eq!(starter(&mut t, 6), "", "the signal came first");
    let task = t.poll();
    t.complete(&task, vec![]);

    t.update("wf", "two");
    let task = t.poll();
    t.complete_messages(&task, vec![], vec![updates::accept("two"), updates::respond("two")]);
    assert_eq!(starter(&mut t, 13), "worker", "{}", t.history("wf"));

    t.update("wf", "three");
    t.poll();
    t.advance(seconds(10));
    assert_eq!(starter(&mut t, 18), "", "{}", t.history("wf"));
}

#[test]
fn a_task_for_an_update_is_real_unless_the_worker_asks_for_it() {
    for asks in [false, true] {
        let mut t = Harness::new();
        t.begun("wf", vec![]);
        t.signal("wf", "wake");
        let task = t.poll();
        t.update("wf", "u");
        let answer = t
            .complete_with(&task, vec![], |request| request.return_new_workflow_task = asks)
            .unwrap();
        let task = answer.workflow_task.unwrap_or_else(|| t.poll());
        let reset_to = t.complete_messages(&task, vec![], vec![updates::reject("u")]);
        assert_eq!(reset_to != 0, asks, "it vanishes only then");
        assert_eq!(
            t.history("wf").contains("11:WftCompleted"),
            !asks,
            "{}",
            t.history("wf")
        );
    }
}

#[test]
fn a_failed_update_is_linked_like_a_rejected_one() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.update("wf", "u");
    let task = t.poll();
    let mut response = updates::respond("u");
    let body = up::Response {
        outcome: Some(up::Outcome {
            value: Some(up::outcome::Value::Failure(application_failure("no"))),
        }),
        ..Default::default()
    };
    if let Some(any) = &mut response.body {
        any.value = body.encode_to_vec();
    }
    t.complete_messages(&task, vec![], vec![updates::accept("u"), response]);
    let link = t.updated(call).unwrap().link.unwrap();
    let Some(link::Variant::Workflow(link)) = link.variant else {
        panic!()
    };
    assert_eq!(link.reason, "Update rejected");
}

#[test]
fn an_update_that_a_reset_tells_again_needs_no_message() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.update("wf", "u");
    let task = t.poll();
    t.complete_messages(&task, vec![], vec![updates::accept("u"), updates::respond("u")]);
    reset(&mut t, "wf", 4).unwrap();
    assert!(
        t.history("wf")
            .ends_with("5:WorkflowExecutionUpdateAdmitted 6:WftScheduled"),
        "{}",
        t.history("wf")
    );
    let task = t.poll();
    assert!(task.messages.is_empty(), "{:?}", task.messages);
    t.complete_messages(&task, vec![], vec![updates::accept("u"), updates::respond("u")]);
    let Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(it) = t.attributes("wf", 9) else {
        panic!()
    };
    assert_eq!(it.accepted_request, None, "the event before has it");
}
