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

/// A start that nothing but the server is needed to time out and to retry, for ever.
fn retried_for_ever(request: &mut wf::StartWorkflowExecutionRequest, nanos: u64) {
    request.workflow_run_timeout = Some(to_proto(Duration::from_nanos(nanos)));
    request.retry_policy = Some(temporal_protos::api::common::v1::RetryPolicy {
        initial_interval: Some(to_proto(Duration::from_nanos(nanos))),
        backoff_coefficient: 1.0,
        maximum_interval: Some(to_proto(Duration::from_nanos(nanos))),
        ..Default::default()
    });
}

#[test]
fn a_timer_at_the_end_of_time_does_not_bring_everything_else_to_it() {
    for timed in [false, true] {
        let mut t = Harness::skipping(0);
        let far = || start_timer("far", Duration::from_secs(1 << 40));
        t.begun("far", vec![far()]);
        t.settle();
        // A hundred years later, the next one fires after the end of time.
        let begun = t.current_time();
        let task = t.poll();
        t.complete(&task, vec![far()]);
        if timed {
            // At the end of time the timeouts of all later runs would be due at once, without end.
            t.start_with("retried", |request| retried_for_ever(request, 5)).unwrap();
            let task = t.poll();
            t.complete(&task, vec![]);
        }
        for _ in 0..100 {
            t.engine.handle_timeout(t.now);
        }
        assert!(t.current_time() < begun + seconds(86_400));
        assert!(t.history("far").ends_with("10:TimerStarted"), "{}", t.history("far"));
    }
}

#[test]
fn runs_that_only_time_out_are_neither_skipped_through_nor_pile_up() {
    let mut t = Harness::skipping(0);
    t.start_with("retried", |request| retried_for_ever(request, 1)).unwrap();
    t.settle();
    let runs = t.engine.runs.len();
    assert!(runs <= 2, "its task can be handed out, so time does not skip: {runs}");
    t.advance(seconds(10));
    let runs = t.engine.runs.len();
    assert!((5..=12).contains(&runs), "about one a second: {runs}");
}

#[test]
fn one_timeout_fires_a_limited_number_of_timers() {
    let mut t = Harness::new();
    for number in 0..1_000 {
        t.begun(&format!("wf-{number}"), vec![start_timer("t", seconds(1))]);
    }
    t.now = t.now + seconds(1);
    t.engine.handle_timeout(t.now);
    assert!(t.engine.next_deadline().unwrap() <= t.now, "the rest is due at once");
    t.advance(Duration::ZERO);
    for number in 0..1_000 {
        assert!(
            t.history(&format!("wf-{number}"))
                .ends_with("6:TimerFired 7:WftScheduled")
        );
    }
}

#[test]
fn runs_are_not_forgotten_for_time_that_was_skipped() {
    let mut t = Harness::skipping(0);
    t.begun("a", vec![complete_workflow()]);
    t.begun("b", vec![start_timer("month", seconds(30 * 24 * 3_600))]);
    t.settle();
    assert!(t.history("b").contains("TimerFired"));
    assert!(t.history("a").ends_with("WorkflowExecutionCompleted"));
    // A day of real time counts.
    t.advance(seconds(24 * 3_600));
    let request = wf::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("a")),
    };
    assert_eq!(
        t.ask(rpc::DescribeWorkflowExecution, request).unwrap_err().code,
        Code::NotFound
    );
}
