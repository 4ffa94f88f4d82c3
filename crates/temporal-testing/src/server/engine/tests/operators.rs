//! What operators do: activities paused and reset, workers shut down, queues described; priorities and rates.

use temporal_protos::api::activity::v1::ActivityOptions;
use temporal_protos::api::common::v1::Priority;
use temporal_protos::api::enums::v1::{PendingActivityState, TaskQueueType};
use temporal_protos::api::taskqueue::v1::TaskQueueMetadata;
use temporal_protos::prost_types::FieldMask;

use super::*;

fn pause(t: &mut Harness, id: &str) -> Result<(), Status> {
    let request = wf::PauseActivityRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::pause_activity_request::Activity::Id(id.to_owned())),
        ..wf::PauseActivityRequest::default()
    };
    t.ask(rpc::PauseActivity, request).map(|_| ())
}

fn unpause(t: &mut Harness, reset_attempts: bool) {
    let request = wf::UnpauseActivityRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::unpause_activity_request::Activity::UnpauseAll(true)),
        reset_attempts,
        ..wf::UnpauseActivityRequest::default()
    };
    t.ask(rpc::UnpauseActivity, request).unwrap();
}

fn state(t: &mut Harness) -> (PendingActivityState, i32) {
    let info = t.describe("wf").pending_activities.remove(0);
    (info.state(), info.attempt)
}

fn fail_activity(t: &mut Harness, task: &ActivityTask) -> Result<(), Status> {
    let request = wf::RespondActivityTaskFailedRequest {
        task_token: task.task_token.clone(),
        failure: Some(application_failure("no")),
        ..wf::RespondActivityTaskFailedRequest::default()
    };
    t.ask(rpc::RespondActivityTaskFailed, request).map(|_| ())
}

fn heartbeat(t: &mut Harness, task: &ActivityTask) -> wf::RecordActivityTaskHeartbeatResponse {
    let request = wf::RecordActivityTaskHeartbeatRequest {
        task_token: task.task_token.clone(),
        ..Default::default()
    };
    t.ask(rpc::RecordActivityTaskHeartbeat, request).unwrap()
}

#[test]
fn a_paused_activity_is_not_handed_out() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    pause(&mut t, "1").unwrap();
    assert_eq!(state(&mut t), (PendingActivityState::Paused, 1));
    let call = t.send_activity_poll();
    assert!(!t.answers.contains_key(&call));
    unpause(&mut t, false);
    let task = t.take(rpc::PollActivityTaskQueue, call).unwrap().unwrap();
    pause(&mut t, "1").unwrap();
    assert_eq!(state(&mut t), (PendingActivityState::PauseRequested, 1));
    assert!(heartbeat(&mut t, &task).activity_paused);
    fail_activity(&mut t, &task).unwrap();
    assert_eq!(state(&mut t), (PendingActivityState::Paused, 2));
    t.advance(seconds(60));
    unpause(&mut t, true);
    assert_eq!(t.poll_activity().attempt, 1);
    assert!(
        pause(&mut t, "nope")
            .unwrap_err()
            .message
            .starts_with("Can't find pending activity")
    );
}

fn reset(t: &mut Harness) {
    let request = wf::ResetActivityRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::reset_activity_request::Activity::Id("1".to_owned())),
        ..wf::ResetActivityRequest::default()
    };
    t.ask(rpc::ResetActivity, request).unwrap();
}

#[test]
fn a_reset_activity_begins_with_its_first_attempt() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    reset(&mut t);
    assert!(heartbeat(&mut t, &task).activity_reset);
    fail_activity(&mut t, &task).unwrap();
    assert_eq!(state(&mut t), (PendingActivityState::Scheduled, 2));
    reset(&mut t);
    let task = t.poll_activity();
    assert_eq!(task.attempt, 1);
    fail_activity(&mut t, &task).unwrap();
    t.advance(seconds(1));
    let second = t.poll_activity();
    assert_eq!(second.attempt, 2);
    reset(&mut t);
    assert_eq!(
        fail_activity(&mut t, &second).unwrap_err().code,
        Code::NotFound,
        "the answer is for another attempt"
    );
}

#[test]
fn options_of_an_activity_can_be_changed() {
    let mut t = Harness::new();
    t.begun(
        "wf",
        vec![activity_with("1", |it| it.task_queue = Some(queue("nobody")))],
    );
    let request = wf::UpdateActivityOptionsRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::update_activity_options_request::Activity::Id("1".to_owned())),
        activity_options: Some(ActivityOptions {
            task_queue: Some(queue(QUEUE)),
            start_to_close_timeout: Some(to_proto(seconds(3))),
            heartbeat_timeout: Some(to_proto(seconds(1))),
            ..ActivityOptions::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["taskQueue.name".to_owned(), "start_to_close_timeout".to_owned()],
        }),
        ..wf::UpdateActivityOptionsRequest::default()
    };
    let options = t
        .ask(rpc::UpdateActivityOptions, request.clone())
        .unwrap()
        .activity_options
        .unwrap();
    assert_eq!(options.start_to_close_timeout, Some(to_proto(seconds(3))));
    assert_eq!(options.heartbeat_timeout, Some(to_proto(seconds(0))), "not in the mask");
    let told = t.poll_activity().start_to_close_timeout;
    assert_eq!(
        told,
        Some(to_proto(seconds(10))),
        "the worker is told what was scheduled"
    );
    let back = wf::UpdateActivityOptionsRequest {
        restore_original: true,
        ..request
    };
    let options = t
        .ask(rpc::UpdateActivityOptions, back)
        .unwrap()
        .activity_options
        .unwrap();
    assert_eq!(options.start_to_close_timeout, Some(to_proto(seconds(10))));
}

#[test]
fn priorities_that_make_no_sense_are_refused_wherever_they_are_set() {
    let mut t = Harness::new();
    let priority = |key: i32| Priority {
        priority_key: key,
        ..Priority::default()
    };
    t.start("wf");
    let task = t.poll();
    let bad = activity_with("1", |it| it.priority = Some(priority(-1)));
    let refused = t.complete_with(&task, vec![bad], |_| {}).unwrap_err();
    assert_eq!(
        refused.message,
        "BadScheduleActivityAttributes: invalid priorities: priority key can't be negative"
    );
    let task = t.poll();
    let child = c::StartChildWorkflowExecutionCommandAttributes {
        workflow_id: "child".to_owned(),
        workflow_type: Some(WorkflowType { name: "C".to_owned() }),
        priority: Some(priority(-1)),
        ..c::StartChildWorkflowExecutionCommandAttributes::default()
    };
    let child = command(
        CommandType::StartChildWorkflowExecution,
        CommandAttributes::StartChildWorkflowExecutionCommandAttributes(child),
    );
    let refused = t.complete_with(&task, vec![child], |_| {}).unwrap_err();
    assert!(
        refused.message.contains("priority key can't be negative"),
        "{}",
        refused.message
    );
    t.advance(seconds(10));
    let task = t.poll();
    t.complete(&task, vec![activity("1")]);
    let mut update = |key: i32, path: &str| {
        let request = wf::UpdateActivityOptionsRequest {
            namespace: "default".to_owned(),
            execution: Some(execution("wf")),
            activity: Some(wf::update_activity_options_request::Activity::Id("1".to_owned())),
            activity_options: Some(ActivityOptions {
                priority: Some(priority(key)),
                ..ActivityOptions::default()
            }),
            update_mask: Some(FieldMask {
                paths: vec![path.to_owned()],
            }),
            ..wf::UpdateActivityOptionsRequest::default()
        };
        t.ask(rpc::UpdateActivityOptions, request)
    };
    for path in ["priority", "priority.priority_key"] {
        assert_eq!(update(-1, path).unwrap_err().message, "priority key can't be negative");
    }
    update(2, "priority").unwrap();
}

#[test]
fn a_worker_that_shuts_down_gives_its_sticky_tasks_up() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let waiting = t.send_poll(sticky_queue());
    t.complete_sticky(&task, vec![]);
    t.engine.cancel_call(t.now, waiting);
    t.signal("wf", "s");
    assert!(!t.has_task());
    let request = wf::ShutdownWorkerRequest {
        namespace: "default".to_owned(),
        sticky_task_queue: STICKY.to_owned(),
        ..wf::ShutdownWorkerRequest::default()
    };
    t.ask(rpc::ShutdownWorker, request).unwrap();
    assert_eq!(t.poll().history.unwrap().events.len(), 7);
}

#[test]
fn a_run_can_be_made_to_forget_its_sticky_queue() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.send_poll(sticky_queue());
    t.complete_sticky(&task, vec![]);
    let request = wf::ResetStickyTaskQueueRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
    };
    t.ask(rpc::ResetStickyTaskQueue, request).unwrap();
    t.signal("wf", "s");
    assert_eq!(t.poll().history.unwrap().events.len(), 7);
}

#[test]
fn a_task_queue_names_its_pollers_and_backlog() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1"), activity("2")]);
    t.poll_activity();
    let request = wf::DescribeTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(queue(QUEUE)),
        task_queue_type: TaskQueueType::Activity as i32,
        report_stats: true,
        ..wf::DescribeTaskQueueRequest::default()
    };
    let response = t.ask(rpc::DescribeTaskQueue, request).unwrap();
    assert_eq!(response.pollers[0].identity, "activity-worker");
    assert_eq!(response.stats.unwrap().approximate_backlog_count, 1);
    assert_eq!(response.stats_by_priority_key[&3].approximate_backlog_count, 1);
}

#[test]
fn activities_go_out_by_priority() {
    let mut t = Harness::new();
    let with = |id: &str, priority_key: i32| {
        activity_with(id, |it| {
            it.priority = Some(Priority {
                priority_key,
                ..Priority::default()
            });
        })
    };
    t.begun("wf", vec![with("low", 5), with("default", 0), with("high", 1)]);
    let order: Vec<String> = (0..3).map(|_| t.poll_activity().activity_id).collect();
    assert_eq!(order, ["high", "default", "low"]);
}

#[test]
fn a_rate_is_kept() {
    let mut t = Harness::new();
    t.begun("wf", (0..3).map(|number| activity(&number.to_string())).collect());
    let poll = |t: &mut Harness| {
        let request = wf::PollActivityTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue(QUEUE)),
            task_queue_metadata: Some(TaskQueueMetadata {
                max_tasks_per_second: Some(0.5),
            }),
            ..wf::PollActivityTaskQueueRequest::default()
        };
        t.send(rpc::PollActivityTaskQueue, request)
    };
    let calls: Vec<CallId> = (0..3).map(|_| poll(&mut t)).collect();
    let answered = |t: &Harness| calls.iter().filter(|call| t.answers.contains_key(call)).count();
    assert_eq!(answered(&t), 1);
    t.advance(Duration::from_millis(1_999));
    assert_eq!(answered(&t), 1);
    t.advance(Duration::from_millis(2));
    assert_eq!(answered(&t), 2);
    t.advance(seconds(2));
    assert_eq!(answered(&t), 3);
}

#[test]
fn jitter_spreads_activities_that_are_offered_again() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let task = t.poll_activity();
    fail_activity(&mut t, &task).unwrap();
    let request = wf::ResetActivityRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        activity: Some(wf::reset_activity_request::Activity::MatchAll(true)),
        jitter: Some(to_proto(seconds(3_600))),
        ..wf::ResetActivityRequest::default()
    };
    t.ask(rpc::ResetActivity, request).unwrap();
    let call = t.send_activity_poll();
    t.advance(Duration::from_millis(1));
    assert!(!t.answers.contains_key(&call), "it waits for its share of the jitter");
    t.engine.cancel_call(t.now, call);
    t.advance(seconds(3_600));
    assert_eq!(t.poll_activity().attempt, 1);
}

#[test]
fn the_server_names_only_capabilities_that_it_has() {
    let mut t = Harness::new();
    let request = wf::DescribeNamespaceRequest {
        namespace: "default".to_owned(),
        ..wf::DescribeNamespaceRequest::default()
    };
    let namespace = t.ask(rpc::DescribeNamespace, request).unwrap().namespace_info.unwrap();
    let of_namespace = namespace.capabilities.unwrap();
    assert!(of_namespace.eager_workflow_start && of_namespace.sync_update && of_namespace.async_update);
    assert!(!of_namespace.worker_heartbeats && !of_namespace.poller_autoscaling && !of_namespace.standalone_activities);
    assert!(!namespace.supports_schedules);
    let info = t.ask(rpc::GetSystemInfo, wf::GetSystemInfoRequest {}).unwrap();
    let of_system = info.capabilities.unwrap();
    assert!(of_system.signal_and_query_header && of_system.eager_workflow_start && of_system.upsert_memo);
    assert!(of_system.nexus && !of_system.supports_schedules && !of_system.build_id_based_versioning);
}

/// A worker that ends gets its polls back without a task, those on their way too; others keep theirs.
#[test]
fn polls_of_a_worker_that_ends() {
    let mut t = Harness::new();
    let poll = |key: &str| wf::PollActivityTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(queue(QUEUE)),
        worker_instance_key: key.to_owned(),
        ..wf::PollActivityTaskQueueRequest::default()
    };
    let ending = t.send(rpc::PollActivityTaskQueue, poll("one"));
    let other = t.send(rpc::PollActivityTaskQueue, poll("two"));
    let request = wf::ShutdownWorkerRequest {
        namespace: "default".to_owned(),
        task_queue: QUEUE.to_owned(),
        worker_instance_key: "one".to_owned(),
        ..wf::ShutdownWorkerRequest::default()
    };
    t.ask(rpc::ShutdownWorker, request).unwrap();
    let late = t.send(rpc::PollActivityTaskQueue, poll("one"));
    for call in [ending, late] {
        let empty = t.take(rpc::PollActivityTaskQueue, call).unwrap().unwrap();
        assert!(empty.task_token.is_empty());
    }
    assert!(t.take(rpc::PollActivityTaskQueue, other).is_none());
}
