//! Activities.

use temporal_protos::api::common::v1::RetryPolicy;
use temporal_protos::api::enums::v1::{PendingActivityState, RetryState, TimeoutType};

use super::*;

const BEGUN: &str = "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted 5:ActivityTaskScheduled";

impl Harness {
    pub(super) fn finish_activity(&mut self, task: &ActivityTask) {
        self.try_finish_activity(task).unwrap();
    }

    fn try_finish_activity(&mut self, task: &ActivityTask) -> Result<(), Status> {
        self.ask(
            rpc::RespondActivityTaskCompleted,
            wf::RespondActivityTaskCompletedRequest {
                task_token: task.task_token.clone(),
                result: Some(payloads("out")),
                identity: "activity-worker".to_owned(),
                ..wf::RespondActivityTaskCompletedRequest::default()
            },
        )
        .map(|_| ())
    }

    pub(super) fn fail_activity(&mut self, task: &ActivityTask, failure: Failure) {
        self.ask(
            rpc::RespondActivityTaskFailed,
            wf::RespondActivityTaskFailedRequest {
                task_token: task.task_token.clone(),
                failure: Some(failure),
                ..wf::RespondActivityTaskFailedRequest::default()
            },
        )
        .unwrap();
    }

    pub(super) fn heartbeat(&mut self, task: &ActivityTask, details: &str) -> wf::RecordActivityTaskHeartbeatResponse {
        self.ask(
            rpc::RecordActivityTaskHeartbeat,
            wf::RecordActivityTaskHeartbeatRequest {
                task_token: task.task_token.clone(),
                details: Some(payloads(details)),
                ..wf::RecordActivityTaskHeartbeatRequest::default()
            },
        )
        .unwrap()
    }

    fn pending_state(&mut self, id: &str) -> PendingActivityState {
        self.describe(id).pending_activities[0].state()
    }
}

pub(super) fn attempts(maximum_attempts: i32) -> impl FnOnce(&mut c::ScheduleActivityTaskCommandAttributes) {
    move |it| {
        it.retry_policy = Some(RetryPolicy {
            maximum_attempts,
            ..RetryPolicy::default()
        });
    }
}

#[test]
fn an_activity_runs_and_its_start_is_written_when_it_ends() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    assert_eq!(
        (task.attempt, task.activity_id.as_str(), task.input.clone()),
        (1, "1", Some(payloads("in")))
    );
    assert_eq!(t.history("wf"), BEGUN);
    assert_eq!(t.pending_state("wf"), PendingActivityState::Started);
    t.finish_activity(&task);
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 6:ActivityTaskStarted 7:ActivityTaskCompleted 8:WftScheduled")
    );
    assert_eq!(t.try_finish_activity(&task).unwrap_err().code, Code::NotFound);
    assert!(t.describe("wf").pending_activities.is_empty());
}

#[test]
fn retries_leave_no_events() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity_with("1", attempts(3))]);
    for (attempt, wait) in [(1, 1), (2, 2)] {
        let task = t.poll_activity();
        assert_eq!(task.attempt, attempt);
        t.heartbeat(&task, &format!("beat {attempt}"));
        t.fail_activity(&task, application_failure(&format!("failure {attempt}")));
        assert_eq!(t.history("wf"), BEGUN);
        assert_eq!(t.pending_state("wf"), PendingActivityState::Scheduled);
        t.advance(seconds(wait));
    }
    let task = t.poll_activity();
    assert_eq!(task.heartbeat_details, Some(payloads("beat 2")));
    t.fail_activity(&task, application_failure("failure 3"));
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 6:ActivityTaskStarted 7:ActivityTaskFailed 8:WftScheduled")
    );
    let Attributes::ActivityTaskStartedEventAttributes(started) = t.attributes("wf", 6) else {
        panic!()
    };
    assert_eq!(
        (started.attempt, started.last_failure.unwrap().message.as_str()),
        (3, "failure 2")
    );
    let Attributes::ActivityTaskFailedEventAttributes(failed) = t.attributes("wf", 7) else {
        panic!()
    };
    assert_eq!(failed.retry_state(), RetryState::MaximumAttemptsReached);
    assert_eq!(
        (failed.failure.unwrap().message.as_str(), failed.started_event_id),
        ("failure 3", 6)
    );
}

#[test]
fn timeouts_say_what_passed() {
    let mut t = Harness::new();
    let timed_out = |t: &mut Harness, id: &str, event: i64| {
        let Attributes::ActivityTaskTimedOutEventAttributes(it) = t.attributes(id, event) else {
            panic!()
        };
        let failure = it.failure.clone().unwrap();
        let Some(FailureInfo::TimeoutFailureInfo(info)) = failure.failure_info else {
            panic!()
        };
        (info.timeout_type(), it.retry_state(), failure.message)
    };
    t.begun(
        "s2s",
        vec![activity_with("1", |it| {
            it.schedule_to_start_timeout = Some(to_proto(seconds(2)));
        })],
    );
    t.advance(seconds(2));
    assert_eq!(
        t.history("s2s"),
        format!("{BEGUN} 6:ActivityTaskTimedOut 7:WftScheduled")
    );
    assert_eq!(
        timed_out(&mut t, "s2s", 6),
        (
            TimeoutType::ScheduleToStart,
            RetryState::Timeout,
            "activity ScheduleToStart timeout".to_owned()
        )
    );
    let task = t.poll();
    t.complete(&task, vec![complete_workflow()]);

    t.begun("s2c", vec![activity_with("1", attempts(1))]);
    t.poll_activity();
    t.advance(seconds(10));
    assert_eq!(
        t.history("s2c"),
        format!("{BEGUN} 6:ActivityTaskStarted 7:ActivityTaskTimedOut 8:WftScheduled")
    );
    assert_eq!(timed_out(&mut t, "s2c", 7).0, TimeoutType::StartToClose);
    let task = t.poll();
    t.complete(&task, vec![complete_workflow()]);

    t.begun(
        "hb",
        vec![activity_with("1", |it| {
            attempts(1)(it);
            it.heartbeat_timeout = Some(to_proto(seconds(3)));
        })],
    );
    let task = t.poll_activity();
    t.advance(seconds(2));
    t.heartbeat(&task, "alive");
    t.advance(seconds(2));
    assert_eq!(t.history("hb"), BEGUN);
    t.advance(seconds(1));
    assert_eq!(timed_out(&mut t, "hb", 7).0, TimeoutType::Heartbeat);
}

#[test]
fn a_retry_that_would_come_too_late_is_not_made() {
    let mut t = Harness::new();
    t.begun(
        "wf",
        vec![activity_with("1", |it| {
            it.start_to_close_timeout = Some(to_proto(seconds(2)));
            it.schedule_to_close_timeout = Some(to_proto(Duration::from_millis(2_500)));
        })],
    );
    t.poll_activity();
    t.advance(seconds(2));
    let Attributes::ActivityTaskTimedOutEventAttributes(it) = t.attributes("wf", 7) else {
        panic!()
    };
    let failure = it.failure.unwrap();
    assert!(failure.message.starts_with("Not enough time to schedule next retry"));
    assert!(failure.cause.is_none(), "there was no attempt before this one");
}

#[test]
fn cancelling_an_activity_that_runs_tells_its_worker() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let running = t.poll_activity();
    assert!(!t.heartbeat(&running, "").cancel_requested);
    let cancel = wf::RespondActivityTaskCanceledRequest {
        task_token: running.task_token.clone(),
        ..wf::RespondActivityTaskCanceledRequest::default()
    };
    let early = t.ask(rpc::RespondActivityTaskCanceled, cancel.clone()).unwrap_err();
    assert_eq!(early.code, Code::InvalidArgument);
    t.signal("wf", "s");
    let task = t.poll();
    t.complete(&task, vec![cancel_activity(5)]);
    assert!(t.heartbeat(&running, "").cancel_requested);
    assert_eq!(t.pending_state("wf"), PendingActivityState::CancelRequested);
    t.ask(rpc::RespondActivityTaskCanceled, cancel).unwrap();
    assert!(t.history("wf").ends_with(
        "9:WftCompleted 10:ActivityTaskCancelRequested 11:ActivityTaskStarted 12:ActivityTaskCanceled 13:WftScheduled"
    ));
}

#[test]
fn a_cancelled_activity_is_not_retried() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let running = t.poll_activity();
    t.signal("wf", "s");
    let task = t.poll();
    t.complete(&task, vec![cancel_activity(5)]);
    t.fail_activity(&running, application_failure("no"));
    let Attributes::ActivityTaskFailedEventAttributes(failed) = t.attributes("wf", 12) else {
        panic!()
    };
    assert_eq!(failed.retry_state(), RetryState::CancelRequested);
}

#[test]
fn activities_of_a_closed_run_are_gone() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1"), activity("2")]);
    let running = t.poll_activity();
    t.terminate("wf").unwrap();
    assert_eq!(
        t.try_finish_activity(&running).unwrap_err().message,
        "workflow execution already completed"
    );
    let call = t.send_activity_poll();
    assert!(!t.answers.contains_key(&call));
}

#[test]
fn an_activity_poll_without_a_taker_puts_it_back() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let call = t.send_activity_poll();
    t.answers.remove(&call);
    t.engine.cancel_call(t.now, call);
    assert_eq!(t.pending_state("wf"), PendingActivityState::Scheduled);
    let task = t.poll_activity();
    assert_eq!(task.attempt, 1);
    t.finish_activity(&task);
}

#[test]
fn an_eager_activity_comes_with_the_answer() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let response = t.complete(
        &task,
        vec![
            activity_with("1", |it| it.request_eager_execution = true),
            activity("2"),
        ],
    );
    assert_eq!(response.activity_tasks.len(), 1);
    assert_eq!(t.poll_activity().activity_id, "2");
    t.finish_activity(&response.activity_tasks[0]);
    assert!(
        t.history("wf")
            .ends_with("7:ActivityTaskStarted 8:ActivityTaskCompleted 9:WftScheduled")
    );
}

#[test]
fn an_activity_can_be_completed_by_its_id() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    t.poll_activity();
    let request = |id: &str| wf::RespondActivityTaskCompletedByIdRequest {
        namespace: "default".to_owned(),
        workflow_id: "wf".to_owned(),
        activity_id: id.to_owned(),
        ..wf::RespondActivityTaskCompletedByIdRequest::default()
    };
    let unknown = t.ask(rpc::RespondActivityTaskCompletedById, request("9")).unwrap_err();
    assert!(
        unknown
            .message
            .starts_with("cannot find pending activity with ActivityID 9, ")
    );
    t.ask(rpc::RespondActivityTaskCompletedById, request("1")).unwrap();
    assert!(t.history("wf").ends_with("7:ActivityTaskCompleted 8:WftScheduled"));
}

#[test]
fn an_answer_that_nobody_took_puts_back_all_that_it_carried() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let eager = |id: &str| activity_with(id, |it| it.request_eager_execution = true);
    let answer = t
        .complete_with(&task, vec![eager("1"), eager("2")], |request| {
            request.force_create_new_workflow_task = true;
            request.return_new_workflow_task = true;
        })
        .unwrap();
    assert_eq!(answer.activity_tasks.len(), 2);
    assert!(answer.workflow_task.is_some());
    t.engine.cancel_call(t.now, CallId(t.calls));
    assert_eq!(t.poll_activity().activity_id, "1");
    assert_eq!(t.poll_activity().activity_id, "2");
    assert_eq!(t.poll().attempt, 1);
}

#[test]
fn an_activity_that_is_done_leaves_the_rest_of_its_answer_to_be_put_back() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let eager = |id: &str| activity_with(id, |it| it.request_eager_execution = true);
    let answer = t.complete(&task, vec![eager("1"), eager("2")]);
    let call = CallId(t.calls);
    t.finish_activity(&answer.activity_tasks[0]);
    t.engine.cancel_call(t.now, call);
    assert_eq!(t.poll_activity().activity_id, "2");
}
