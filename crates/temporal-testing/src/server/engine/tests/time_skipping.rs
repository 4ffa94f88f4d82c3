//! Time skipping.

use temporal_protos::api::testservice::v1 as test;

use super::*;

impl Harness {
    fn current_time(&mut self) -> Time {
        Time::from_proto(&self.ask(rpc::GetCurrentTime, ()).unwrap().time.unwrap())
    }

    fn unlock(&mut self) {
        self.ask(rpc::UnlockTimeSkipping, test::UnlockTimeSkippingRequest {})
            .unwrap();
    }
}

#[test]
fn a_day_passes_at_once_when_nothing_is_in_flight() {
    let mut t = Harness::skipping(0);
    t.begun("wf", vec![start_timer("day", seconds(86_400))]);
    t.settle();
    assert!(t.history("wf").ends_with("5:TimerStarted 6:TimerFired 7:WftScheduled"));
    assert_eq!(t.now, START);
    assert!(t.current_time() >= START + seconds(86_400));
    let event = t.events("wf")[5].clone();
    assert_eq!(Time::from_proto(&event.event_time.unwrap()), START + seconds(86_400));
}

#[test]
fn a_lock_holds_time() {
    let mut t = Harness::skipping(1);
    t.begun("wf", vec![start_timer("hour", seconds(3_600))]);
    t.settle();
    assert_eq!(t.current_time(), START);
    t.advance(seconds(5));
    assert_eq!(t.current_time(), START + seconds(5), "it runs with the wall clock");
    t.unlock();
    t.settle();
    assert!(t.history("wf").ends_with("6:TimerFired 7:WftScheduled"));
}

#[test]
fn tasks_and_activities_hold_time_but_their_backoff_does_not() {
    let mut t = Harness::skipping(0);
    t.begun("wf", vec![activity("1"), start_timer("hour", seconds(3_600))]);
    t.settle();
    assert_eq!(t.current_time(), START, "an activity can be handed out");
    let task = t.poll_activity();
    t.settle();
    assert_eq!(t.current_time(), START, "an activity runs");
    let request = wf::RespondActivityTaskFailedRequest {
        task_token: task.task_token,
        failure: Some(application_failure("no")),
        ..wf::RespondActivityTaskFailedRequest::default()
    };
    t.ask(rpc::RespondActivityTaskFailed, request).unwrap();
    t.settle();
    assert_eq!(
        t.current_time(),
        START + seconds(1),
        "skipped to the retry, where the activity holds time again"
    );
    assert_eq!(t.poll_activity().attempt, 2);
}

#[test]
fn a_workflow_that_waits_for_a_signal_stays_waiting() {
    let mut t = Harness::skipping(0);
    t.begun("wf", vec![]);
    t.settle();
    assert_eq!(t.current_time(), START);
    t.start_with("timed", |request| {
        request.workflow_run_timeout = Some(to_proto(seconds(60)));
    })
    .unwrap();
    let task = t.poll();
    t.complete(&task, vec![]);
    t.settle();
    assert!(
        t.history("timed").ends_with("WorkflowExecutionTimedOut"),
        "a timeout the user set counts"
    );
    assert_eq!(t.current_time(), START + seconds(60));
}

#[test]
fn sleeping_callers_wake_in_virtual_time() {
    let mut t = Harness::skipping(1);
    let sleep = |seconds_: u64| test::SleepRequest {
        duration: Some(to_proto(seconds(seconds_))),
    };
    let locked = t.send(rpc::Sleep, sleep(10));
    t.settle();
    assert!(!t.answers.contains_key(&locked), "a sleep does not unlock");
    let call = t.send(rpc::UnlockTimeSkippingWithSleep, sleep(3_600));
    t.settle();
    assert!(t.take(rpc::UnlockTimeSkippingWithSleep, call).unwrap().is_ok());
    assert!(t.take(rpc::Sleep, locked).unwrap().is_ok());
    assert_eq!(t.current_time(), START + seconds(3_600));
    let until = test::SleepUntilRequest {
        timestamp: Some((START + seconds(7_200)).to_proto()),
    };
    let call = t.send(rpc::SleepUntil, until);
    t.settle();
    assert!(!t.answers.contains_key(&call), "the lock was taken again");
}

#[test]
fn time_waits_for_a_query() {
    let mut t = Harness::skipping(1);
    t.begun("wf", vec![start_timer("hour", seconds(3_600))]);
    let request = wf::QueryWorkflowRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        query: Some(temporal_protos::api::query::v1::WorkflowQuery {
            query_type: "q".to_owned(),
            ..Default::default()
        }),
        ..wf::QueryWorkflowRequest::default()
    };
    let call = t.send(rpc::QueryWorkflow, request);
    t.unlock();
    t.settle();
    assert_eq!(t.current_time(), START);
    t.engine.cancel_call(t.now, call);
    t.settle();
    assert!(t.current_time() > START);
}

#[test]
fn a_real_clock_refuses_to_skip() {
    let mut t = Harness::new();
    let refused = t
        .ask(rpc::UnlockTimeSkipping, test::UnlockTimeSkippingRequest {})
        .unwrap_err();
    assert_eq!(refused.code, Code::Unimplemented);
}
