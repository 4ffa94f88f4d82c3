//! What arrives while a workflow task runs.

use super::*;

#[test]
fn arrivals_wait_for_the_task_and_results_come_last() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1"), start_timer("t", seconds(5))]);
    t.signal("wf", "wake");
    let task = t.poll();
    let running = t.history("wf");
    t.advance(seconds(5));
    let activity = t.poll_activity();
    t.finish_activity(&activity);
    t.signal("wf", "late");
    assert_eq!(t.history("wf"), running, "nothing is seen while the task runs");
    t.complete(&task, vec![marker("m")]);
    assert_eq!(
        t.history("wf").split_off(running.len() + 1),
        "10:WftCompleted 11:MarkerRecorded 12:TimerFired 13:ActivityTaskStarted 14:WorkflowExecutionSignaled \
         15:ActivityTaskCompleted 16:WftScheduled"
    );
    let Attributes::ActivityTaskCompletedEventAttributes(completed) = t.attributes("wf", 15) else {
        panic!()
    };
    assert_eq!((completed.scheduled_event_id, completed.started_event_id), (5, 13));
}

#[test]
fn arrivals_are_written_at_once_while_the_task_is_only_scheduled() {
    let mut t = Harness::new();
    t.start("wf");
    t.signal("wf", "a");
    t.signal("wf", "b");
    t.poll();
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WorkflowExecutionSignaled 4:WorkflowExecutionSignaled 5:WftStarted"
    );
}

#[test]
fn results_of_commands_come_after_the_commands() {
    let mut t = Harness::new();
    t.begun(
        "wf",
        vec![activity("1"), cancel_activity(5), start_timer("t", seconds(5))],
    );
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted 5:ActivityTaskScheduled \
         6:ActivityTaskCancelRequested 7:TimerStarted 8:ActivityTaskCanceled 9:WftScheduled"
    );
}

#[test]
fn cancelling_a_timer_takes_its_firing_back() {
    let mut t = Harness::new();
    t.begun("wf", vec![start_timer("t", seconds(5))]);
    t.signal("wf", "wake");
    let task = t.poll();
    t.advance(seconds(5));
    t.complete(&task, vec![cancel_timer("t")]);
    assert!(
        t.history("wf").ends_with("9:WftCompleted 10:TimerCanceled"),
        "{}",
        t.history("wf")
    );
}

#[test]
fn a_workflow_cannot_close_over_news() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.signal("wf", "s");
    let refused = t.complete_with(&task, vec![complete_workflow()], |_| {}).unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (Code::InvalidArgument, "UnhandledCommand")
    );
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WorkflowExecutionSignaled 6:WftScheduled"
    );
    assert_eq!(t.poll().attempt, 1);
}

#[test]
fn timers_due_together_fire_together() {
    let mut t = Harness::new();
    t.begun("wf", vec![start_timer("a", seconds(5)), start_timer("b", seconds(5))]);
    t.advance(seconds(5));
    assert!(
        t.history("wf").ends_with("7:TimerFired 8:TimerFired 9:WftScheduled"),
        "{}",
        t.history("wf")
    );
}

#[test]
fn a_timer_can_start_and_stop_in_one_task() {
    let mut t = Harness::new();
    t.begun("wf", vec![start_timer("a", seconds(5)), cancel_timer("a")]);
    t.advance(seconds(10));
    assert!(
        t.history("wf").ends_with("5:TimerStarted 6:TimerCanceled"),
        "{}",
        t.history("wf")
    );
}
