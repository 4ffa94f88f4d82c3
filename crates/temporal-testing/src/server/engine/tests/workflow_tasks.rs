//! Workflow tasks: failing, timing out, sticky queues, heartbeats, bad commands.

use super::*;

const BEGUN: &str = "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted";

#[test]
fn only_the_first_failure_is_written() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.fail(&task);
    let task = t.poll();
    assert_eq!((task.attempt, task.started_event_id), (2, 6));
    assert_eq!(
        short(&task.history.as_ref().unwrap().events),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WftScheduled 6:WftStarted"
    );
    t.fail(&task);
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WftScheduled"
    );
    let task = t.poll();
    assert_eq!((task.attempt, task.started_event_id), (3, 6));
    t.complete(&task, vec![]);
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WftScheduled 6:WftStarted 7:WftCompleted"
    );
}

#[test]
fn news_start_the_attempts_over() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.fail(&task);
    t.signal("wf", "s");
    let task = t.poll();
    assert_eq!((task.attempt, task.started_event_id), (1, 7));
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WorkflowExecutionSignaled 6:WftScheduled \
         7:WftStarted"
    );

    t.start("held");
    let task = t.poll();
    t.signal("held", "s");
    t.fail(&task);
    assert!(
        t.history("held")
            .ends_with("4:WftFailed 5:WorkflowExecutionSignaled 6:WftScheduled")
    );
    assert_eq!(t.poll().attempt, 1);
}

#[test]
fn a_task_times_out_and_its_late_completion_is_refused() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.advance(seconds(10));
    assert!(
        t.history("wf").ends_with("3:WftStarted 4:WftTimedOut 5:WftScheduled"),
        "{}",
        t.history("wf")
    );
    let late = t.complete_with(&task, vec![], |_| {}).unwrap_err();
    assert_eq!(
        (late.code, late.message.as_str()),
        (Code::NotFound, "Workflow task not found.")
    );
    assert_eq!(t.poll().attempt, 2);
}

#[test]
fn a_second_completion_is_refused() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.complete(&task, vec![]);
    assert_eq!(
        t.complete_with(&task, vec![], |_| {}).unwrap_err().message,
        "Workflow task not found."
    );
    let garbage = Task {
        task_token: b"xx"[..].into(),
        ..Task::default()
    };
    assert_eq!(
        t.complete_with(&garbage, vec![], |_| {}).unwrap_err().code,
        Code::InvalidArgument
    );
}

#[test]
fn a_sticky_task_brings_only_news() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let waiting = t.send_poll(sticky_queue());
    t.complete_sticky(&task, vec![]);
    t.signal("wf", "s");
    let task = t.polled(waiting);
    assert_eq!(task.previous_started_event_id, 3);
    assert_eq!(
        short(&task.history.unwrap().events),
        "4:WftCompleted 5:WorkflowExecutionSignaled 6:WftScheduled 7:WftStarted"
    );
    let Attributes::WorkflowTaskScheduledEventAttributes(scheduled) = t.attributes("wf", 6) else {
        panic!()
    };
    assert_eq!(scheduled.task_queue, Some(sticky_queue()));
}

#[test]
fn a_sticky_task_that_nobody_takes_goes_to_the_normal_queue() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let waiting = t.send_poll(sticky_queue());
    t.complete_sticky(&task, vec![]);
    t.engine.cancel_call(t.now, waiting);
    t.signal("wf", "s");
    assert!(!t.has_task());
    t.advance(seconds(10));
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 5:WorkflowExecutionSignaled 6:WftScheduled 7:WftTimedOut 8:WftScheduled")
    );
    let task = t.poll();
    assert_eq!((task.attempt, task.history.unwrap().events.len()), (1, 9));
}

#[test]
fn a_sticky_queue_without_pollers_is_left_at_once() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.complete_sticky(&task, vec![]);
    t.signal("wf", "s");
    assert_eq!(
        t.poll().history.unwrap().events.len(),
        7,
        "full history on the normal queue"
    );
}

#[test]
fn a_failed_sticky_task_comes_back_whole() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let waiting = t.send_poll(sticky_queue());
    t.complete_sticky(&task, vec![]);
    t.signal("wf", "s");
    let task = t.polled(waiting);
    t.fail(&task);
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 5:WorkflowExecutionSignaled 6:WftScheduled 7:WftStarted 8:WftFailed 9:WftScheduled")
    );
    let task = t.poll();
    assert_eq!((task.attempt, task.history.unwrap().events.len()), (1, 10));
}

#[test]
fn a_heartbeat_brings_the_next_task_with_its_answer() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.signal("wf", "s");
    let response = t
        .complete_with(&task, vec![start_timer("t", seconds(5))], |request| {
            request.return_new_workflow_task = true;
        })
        .unwrap();
    let next = response.workflow_task.unwrap();
    assert_eq!((next.started_event_id, next.previous_started_event_id), (8, 3));
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 5:TimerStarted 6:WorkflowExecutionSignaled 7:WftScheduled 8:WftStarted")
    );
    let response = t
        .complete_with(&next, vec![], |request| {
            request.return_new_workflow_task = true;
            request.force_create_new_workflow_task = true;
        })
        .unwrap();
    assert_eq!(response.workflow_task.unwrap().started_event_id, 11);
    assert!(
        t.history("wf")
            .ends_with("8:WftStarted 9:WftCompleted 10:WftScheduled 11:WftStarted")
    );
}

#[test]
fn heartbeats_end_after_half_an_hour() {
    let mut t = Harness::new();
    t.start("wf");
    let mut task = t.poll();
    let mut beats = 0;
    let refused = loop {
        t.advance(seconds(9));
        let beat = t.complete_with(&task, vec![], |request| {
            request.return_new_workflow_task = true;
            request.force_create_new_workflow_task = true;
        });
        match beat {
            Ok(response) => task = response.workflow_task.unwrap(),
            Err(status) => break status,
        }
        beats += 1;
    };
    assert_eq!(refused.code, Code::NotFound);
    assert_eq!(beats, 199, "the 200th comes 1,800 s after the first task was scheduled");
}

#[test]
fn a_poll_without_a_taker_puts_its_task_back() {
    let mut t = Harness::new();
    t.start("wf");
    let call = t.send_poll(queue(QUEUE));
    assert!(t.history("wf").ends_with("3:WftStarted"));
    t.answers.remove(&call);
    t.signal("wf", "s");
    t.engine.cancel_call(t.now, call);
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WorkflowExecutionSignaled"
    );
    let task = t.poll();
    assert_eq!((task.attempt, task.started_event_id), (1, 4));
    t.complete(&task, vec![]);
    t.engine.cancel_call(t.now, call);
}

#[test]
fn an_empty_poll_ends_before_its_caller_gives_up() {
    let mut t = Harness::new();
    let request = || wf::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(queue(QUEUE)),
        ..wf::PollWorkflowTaskQueueRequest::default()
    };
    let call = t.send_until::<rpc::PollWorkflowTaskQueue>(request(), Some(t.now + seconds(10)));
    t.advance(Duration::from_millis(8_999));
    assert!(!t.answers.contains_key(&call));
    t.advance(Duration::from_millis(1));
    assert_eq!(t.polled(call), Task::default());
    let endless = t.send(rpc::PollWorkflowTaskQueue, request());
    t.advance(seconds(60));
    assert_eq!(t.polled(endless), Task::default());
    let short = t.send_until::<rpc::PollWorkflowTaskQueue>(request(), Some(t.now + seconds(1)));
    let refused = t.take(rpc::PollWorkflowTaskQueue, short).unwrap().unwrap_err();
    assert_eq!(refused.code, Code::FailedPrecondition);
}

#[test]
fn bad_commands_fail_the_task() {
    let mut t = Harness::new();
    let mut refusal = |id: &str, commands: Vec<Command>| {
        t.start(id);
        let task = t.poll();
        let message = t.complete_with(&task, commands, |_| {}).unwrap_err().message;
        let history = t.history(id);
        assert!(
            history.ends_with("3:WftStarted 4:WftFailed 5:WftScheduled"),
            "{history}"
        );
        let task = t.poll();
        t.complete(&task, vec![complete_workflow()]);
        message
    };
    assert_eq!(
        refusal("a", vec![activity_with("1", |it| it.start_to_close_timeout = None)]),
        "BadScheduleActivityAttributes: a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. \
         ActivityId=1 ActivityType=A"
    );
    assert_eq!(
        refusal("b", vec![cancel_timer("z")]),
        "BadCancelTimerAttributes: invalid history builder state for action: add-timer-canceled-event, TimerID: z"
    );
    assert_eq!(
        refusal("c", vec![cancel_activity(77)]),
        "BadRequestCancelActivityAttributes: invalid history builder state for action: \
         add-activitytask-cancel-requested-event, ScheduledEventID: 77"
    );
    assert!(
        refusal("d", vec![start_timer("t", seconds(1)), start_timer("t", seconds(1))])
            .starts_with("StartTimerDuplicateId: ")
    );
    assert!(refusal("e", vec![activity("1"), activity("1")]).starts_with("ScheduleActivityDuplicateId: "));
    assert_eq!(
        refusal("f", vec![start_timer("", seconds(1))]),
        "BadStartTimerAttributes: TimerId is not set on StartTimerCommand."
    );
}

/// The first refusal fails the task, which is tried again at once. From then on each waits for the task's timeout.
#[test]
fn a_task_that_keeps_being_refused_is_left_to_its_timeout() {
    let mut t = Harness::new();
    t.start("wf");
    let bad = || vec![start_timer("", seconds(1))];
    let task = t.poll();
    let first = t.complete_with(&task, bad(), |_| {}).unwrap_err();
    let task = t.poll();
    assert_eq!(task.attempt, 2);
    let second = t.complete_with(&task, bad(), |_| {}).unwrap_err();
    assert_eq!((second.code, &second.message), (Code::InvalidArgument, &first.message));
    assert!(!t.has_task());
    t.advance(seconds(9));
    assert!(!t.has_task());
    t.advance(seconds(1));
    let task = t.poll();
    assert_eq!(task.attempt, 3);
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WftScheduled 6:WftStarted"
    );
    t.complete(&task, vec![complete_workflow()]);
    assert!(
        t.history("wf").ends_with("7:WftCompleted 8:WorkflowExecutionCompleted"),
        "{}",
        t.history("wf")
    );
}

#[test]
fn a_closing_command_must_be_the_last() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let refused = t
        .complete_with(&task, vec![complete_workflow(), start_timer("t", seconds(1))], |_| {})
        .unwrap_err();
    assert_eq!(
        refused.message,
        "invalid command sequence: [CompleteWorkflowExecution, StartTimer], command CompleteWorkflowExecution must be the \
         last command."
    );
    assert!(t.history("wf").ends_with("3:WftStarted"), "the task still runs");
    t.complete(&task, vec![complete_workflow()]);
}

#[test]
fn a_result_that_is_too_large_ends_the_run() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let big = activity_with("1", |it| it.input = Some(payloads(&"x".repeat(2 << 20))));
    let refused = t.complete_with(&task, vec![big], |_| {}).unwrap_err();
    assert!(refused.message.ends_with("Input exceeds size limit."));
    assert!(t.history("wf").ends_with("4:WftFailed 5:WorkflowExecutionTerminated"));
}
