//! Reset and update-with-start.

use temporal_protos::api::enums::v1::{
    ParentClosePolicy, ResetReapplyExcludeType, UpdateWorkflowExecutionLifecycleStage as Stage,
    WorkflowIdConflictPolicy, WorkflowTaskFailedCause,
};
use temporal_protos::api::errordetails::v1::MultiOperationExecutionFailure;
use temporal_protos::api::workflowservice::v1::execute_multi_operation_request::{self as multi, operation::Operation};
use temporal_protos::prost::Message as _;

use super::*;

pub(super) fn reset(t: &mut Harness, id: &str, finish: i64) -> Result<String, Status> {
    let request_id = format!("reset-{}", t.calls);
    t.ask(
        rpc::ResetWorkflowExecution,
        wf::ResetWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(execution(id)),
            reason: "why".to_owned(),
            workflow_task_finish_event_id: finish,
            request_id,
            ..wf::ResetWorkflowExecutionRequest::default()
        },
    )
    .map(|response| response.run_id)
}

#[test]
fn a_reset_goes_back_and_tells_signals_again() {
    let mut t = Harness::new();
    let old = t.start("wf");
    let task = t.poll();
    t.complete(&task, vec![start_timer("a", seconds(100))]);
    t.signal("wf", "first");
    let task = t.poll();
    t.complete(&task, vec![activity("1")]);
    t.signal("wf", "second");
    let new = reset(&mut t, "wf", 9).unwrap();
    assert!(
        t.history_of("wf", &old).ends_with("13:WorkflowExecutionTerminated"),
        "{}",
        t.history_of("wf", &old)
    );
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted 5:TimerStarted 6:WorkflowExecutionSignaled \
         7:WftScheduled 8:WftStarted 9:WftFailed 10:WorkflowExecutionSignaled 11:WftScheduled"
    );
    let Attributes::WorkflowTaskFailedEventAttributes(failed) = t.attributes("wf", 9) else {
        panic!()
    };
    assert_eq!(failed.cause(), WorkflowTaskFailedCause::ResetWorkflow);
    assert_eq!((failed.base_run_id, failed.new_run_id), (old.clone(), new));
    let Attributes::WorkflowExecutionStartedEventAttributes(started) = t.attributes("wf", 1) else {
        panic!()
    };
    assert_eq!(started.original_execution_run_id, old);
    let task = t.poll();
    assert_eq!((task.attempt, task.previous_started_event_id), (1, 3));
    t.complete(&task, vec![]);
    t.advance(seconds(100));
    assert!(
        t.history("wf").ends_with("14:TimerFired 15:WftScheduled"),
        "its timer still runs: {}",
        t.history("wf")
    );
    let call = t.send_activity_poll();
    assert!(!t.answers.contains_key(&call), "the old run's activity is gone");
}

#[test]
fn a_reset_needs_a_workflow_task_to_go_back_to() {
    let mut t = Harness::new();
    t.begun("wf", vec![marker("m")]);
    assert_eq!(
        reset(&mut t, "wf", 1).unwrap_err().message,
        "Workflow task finish ID must be > 1 && <= workflow last event ID."
    );
    assert!(
        reset(&mut t, "wf", 2)
            .unwrap_err()
            .message
            .ends_with("this event must be at the boundary")
    );
    assert!(reset(&mut t, "wf", 4).is_ok());
    assert!(t.history("wf").ends_with("3:WftStarted 4:WftFailed 5:WftScheduled"));
}

#[test]
fn an_activity_pending_at_the_reset_begins_anew() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    t.complete(&task, vec![activity("1")]);
    t.signal("wf", "s");
    let running = t.poll_activity();
    let task = t.poll();
    t.complete(&task, vec![]);
    reset(&mut t, "wf", 9).unwrap();
    let again = t.poll_activity();
    assert_eq!(again.activity_id, running.activity_id);
    t.finish_activity(&again);
    let stale = wf::RespondActivityTaskCompletedRequest {
        task_token: running.task_token,
        ..Default::default()
    };
    assert_eq!(
        t.ask(rpc::RespondActivityTaskCompleted, stale).unwrap_err().code,
        Code::NotFound
    );
}

#[test]
fn an_update_from_behind_the_reset_comes_by_an_event_and_no_message() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.send(
        rpc::UpdateWorkflowExecution,
        updates::update_request("wf", "u", Stage::Completed),
    );
    let answer = |request: &mut wf::RespondWorkflowTaskCompletedRequest| {
        request.messages = vec![updates::accept("u"), updates::respond("u")];
    };
    let task = t.poll();
    assert_eq!(task.messages.len(), 1);
    t.complete_with(&task, vec![], answer).unwrap();
    assert!(t.take(rpc::UpdateWorkflowExecution, call).unwrap().is_ok());
    // Twice: the second time it is admitted already.
    for finish in [4, 8] {
        reset(&mut t, "wf", finish).unwrap();
        let task = t.poll();
        assert!(task.messages.is_empty(), "{:?}", task.messages);
        t.complete_with(&task, vec![], answer).unwrap();
    }
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WorkflowExecutionUpdateAdmitted \
         6:WftScheduled 7:WftStarted 8:WftFailed 9:WftScheduled 10:WftStarted 11:WftCompleted \
         12:WorkflowExecutionUpdateAccepted 13:WorkflowExecutionUpdateCompleted"
    );
    let Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted) = t.attributes("wf", 12) else {
        panic!()
    };
    assert_eq!(accepted.accepted_request, None);
}

fn update_with_start(t: &mut Harness, conflict: WorkflowIdConflictPolicy) -> CallId {
    let id = format!("u{}", t.calls);
    update_of(t, &id, conflict)
}

fn update_of(t: &mut Harness, id: &str, conflict: WorkflowIdConflictPolicy) -> CallId {
    let start = wf::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "wf".to_owned(),
        workflow_type: Some(WorkflowType { name: "W".to_owned() }),
        task_queue: Some(queue(QUEUE)),
        workflow_id_conflict_policy: conflict as i32,
        request_id: format!("uws-{}", t.calls),
        ..wf::StartWorkflowExecutionRequest::default()
    };
    let update = updates::update_request("wf", id, Stage::Completed);
    let operation = |operation| multi::Operation {
        operation: Some(operation),
    };
    let request = wf::ExecuteMultiOperationRequest {
        namespace: "default".to_owned(),
        operations: vec![
            operation(Operation::StartWorkflow(start)),
            operation(Operation::UpdateWorkflow(update)),
        ],
        ..wf::ExecuteMultiOperationRequest::default()
    };
    t.send(rpc::ExecuteMultiOperation, request)
}

#[test]
fn update_with_start_starts_and_updates() {
    let mut t = Harness::new();
    let call = update_with_start(&mut t, WorkflowIdConflictPolicy::UseExisting);
    let task = t.poll();
    let id = task.messages[0].protocol_instance_id.clone();
    t.complete_with(&task, vec![], |request| {
        request.messages = vec![updates::accept(&id), updates::respond(&id)];
    })
    .unwrap();
    let responses = t.take(rpc::ExecuteMultiOperation, call).unwrap().unwrap().responses;
    let Some(wf::execute_multi_operation_response::response::Response::StartWorkflow(start)) = &responses[0].response
    else {
        panic!()
    };
    assert!(start.started);
    let Some(wf::execute_multi_operation_response::response::Response::UpdateWorkflow(update)) = &responses[1].response
    else {
        panic!()
    };
    assert_eq!(update.stage(), Stage::Completed);
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted 5:WorkflowExecutionUpdateAccepted \
         6:WorkflowExecutionUpdateCompleted"
    );
}

#[test]
fn update_with_start_says_which_part_failed() {
    let mut t = Harness::new();
    t.start("wf");
    let call = update_with_start(&mut t, WorkflowIdConflictPolicy::Fail);
    let status = t.take(rpc::ExecuteMultiOperation, call).unwrap().unwrap_err();
    assert_eq!(
        (status.code, status.message.as_str()),
        (Code::AlreadyExists, "Update-with-Start could not be executed.")
    );
    assert!(status.details[0].type_url.ends_with("MultiOperationExecutionFailure"));
}

/// A child, by its id, that outlives its parent.
fn child(id: &str) -> Command {
    let attributes = c::StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "C".to_owned() }),
        task_queue: Some(queue(id)),
        parent_close_policy: ParentClosePolicy::Abandon as i32,
        ..c::StartChildWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        CommandAttributes::StartChildWorkflowExecutionCommandAttributes(attributes),
    )
}

fn continue_as_new() -> Command {
    command(
        CommandType::ContinueAsNewWorkflowExecution,
        CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(Default::default()),
    )
}

fn reset_run(t: &mut Harness, id: &str, run_id: &str, finish: i64, exclude: &[ResetReapplyExcludeType]) -> String {
    let request = wf::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: id.to_owned(),
            run_id: run_id.to_owned(),
        }),
        workflow_task_finish_event_id: finish,
        request_id: format!("reset-{}", t.calls),
        reset_reapply_exclude_types: exclude.iter().map(|kind| *kind as i32).collect(),
        ..wf::ResetWorkflowExecutionRequest::default()
    };
    t.ask(rpc::ResetWorkflowExecution, request).unwrap().run_id
}

/// Polls the workflow task of a child, whose queue has its name.
fn poll_child(t: &mut Harness, id: &str) -> Task {
    let call = t.send_poll(queue(id));
    t.polled(call)
}

#[test]
fn the_parent_of_a_child_that_is_reset_gets_the_new_runs_result() {
    let mut t = Harness::new();
    t.begun("wf", vec![child("c")]);
    let task = poll_child(&mut t, "c");
    t.complete(&task, vec![marker("m")]);
    let task = t.poll();
    t.complete(&task, vec![]);
    let new = reset(&mut t, "c", 4).unwrap();
    let before = "5:StartChildWorkflowExecutionInitiated 6:ChildWorkflowExecutionStarted 7:WftScheduled 8:WftStarted 9:WftCompleted";
    assert!(t.history("wf").ends_with(before), "{}", t.history("wf"));
    let task = poll_child(&mut t, "c");
    t.complete(&task, vec![complete_workflow()]);
    assert!(
        t.history("wf")
            .ends_with("10:ChildWorkflowExecutionCompleted 11:WftScheduled")
    );
    let Attributes::ChildWorkflowExecutionCompletedEventAttributes(completed) = t.attributes("wf", 10) else {
        panic!()
    };
    assert_eq!(completed.workflow_execution.unwrap().run_id, new);
}

#[test]
fn the_parent_of_a_child_whose_first_run_is_reset_does_not_hear_of_the_end_of_the_last() {
    let mut t = Harness::new();
    t.begun("wf", vec![child("c")]);
    let task = poll_child(&mut t, "c");
    let first = task.workflow_execution.clone().unwrap().run_id;
    t.complete(&task, vec![continue_as_new()]);
    t.advance(seconds(1));
    let task = t.poll();
    t.complete(&task, vec![]);
    reset_run(&mut t, "c", &first, 4, &[]);
    assert!(t.history("wf").ends_with("9:WftCompleted"), "{}", t.history("wf"));
    let task = poll_child(&mut t, "c");
    t.complete(&task, vec![complete_workflow()]);
    assert!(
        t.history("wf")
            .ends_with("10:ChildWorkflowExecutionCompleted 11:WftScheduled")
    );
}

/// As on the real server, to which a child is its number. The parent then never hears of its own child.
#[test]
fn the_children_of_later_runs_are_taken_for_those_of_the_run_that_is_reset() {
    let mut t = Harness::new();
    let first = t.start("wf");
    let task = t.poll();
    t.complete(&task, vec![child("c")]);
    let task = t.poll();
    t.complete(&task, vec![continue_as_new()]);
    t.advance(seconds(1));
    let task = t.poll();
    t.complete(&task, vec![child("d")]);
    let other = poll_child(&mut t, "d");
    t.complete(&other, vec![complete_workflow()]);
    reset_run(&mut t, "wf", &first, 9, &[]);
    assert!(
        t.history("wf")
            .ends_with("9:WftFailed 10:ChildWorkflowExecutionCompleted 11:WftScheduled"),
        "{}",
        t.history("wf")
    );
}

#[test]
fn a_reset_run_has_its_whole_execution_timeout_again() {
    let mut t = Harness::new();
    t.start_with("wf", |request| {
        request.workflow_execution_timeout = Some(to_proto(seconds(60)));
    })
    .unwrap();
    let task = t.poll();
    t.complete(&task, vec![]);
    t.advance(seconds(60));
    assert!(t.history("wf").ends_with("WorkflowExecutionTimedOut"));
    t.advance(seconds(60));
    reset(&mut t, "wf", 4).unwrap();
    t.advance(seconds(59));
    assert!(
        !t.history("wf").ends_with("WorkflowExecutionTimedOut"),
        "{}",
        t.history("wf")
    );
    t.advance(seconds(1));
    assert!(t.history("wf").ends_with("WorkflowExecutionTimedOut"));
}

/// The run that an update-with-start went to, and whether it began it.
fn served(t: &mut Harness, call: CallId) -> Option<(String, bool)> {
    let answer = t.take(rpc::ExecuteMultiOperation, call)?;
    let responses = answer.unwrap().responses;
    match &responses[0].response {
        Some(wf::execute_multi_operation_response::response::Response::StartWorkflow(start)) => {
            Some((start.run_id.clone(), start.started))
        }
        other => panic!("{other:?}"),
    }
}

/// The codes of the whole call, of its start and of its update.
fn refused(t: &mut Harness, call: CallId) -> (Code, i32, i32) {
    let status = t.take(rpc::ExecuteMultiOperation, call).unwrap().unwrap_err();
    let detail = MultiOperationExecutionFailure::decode(&status.details[0].value[..]).unwrap();
    (status.code, detail.statuses[0].code, detail.statuses[1].code)
}

#[test]
fn update_with_start_begins_a_run_when_the_one_it_used_closes_without_a_word() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = update_of(&mut t, "u", WorkflowIdConflictPolicy::UseExisting);
    t.terminate("wf").unwrap();
    assert!(!t.answers.contains_key(&call));
    let task = t.poll();
    assert_eq!(task.messages[0].protocol_instance_id, "u");
    let run = task.workflow_execution.clone().unwrap().run_id;
    t.complete_with(&task, vec![], |request| {
        request.messages = vec![updates::accept("u"), updates::respond("u")];
    })
    .unwrap();
    assert_eq!(served(&mut t, call), Some((run, true)));
}

#[test]
fn update_with_start_is_aborted_when_the_second_run_closes_as_well() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = update_of(&mut t, "u", WorkflowIdConflictPolicy::UseExisting);
    t.start_with("wf", |request| {
        request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::TerminateExisting as i32;
    })
    .unwrap();
    assert!(!t.answers.contains_key(&call), "it waits for the run that took over");
    t.terminate("wf").unwrap();
    let aborted = i32::from(Code::Aborted as u8);
    assert_eq!(refused(&mut t, call), (Code::Aborted, aborted, aborted));
}

#[test]
fn update_with_start_does_not_begin_again_what_it_began_itself() {
    let mut t = Harness::new();
    let call = update_of(&mut t, "u", WorkflowIdConflictPolicy::UseExisting);
    t.terminate("wf").unwrap();
    let not_found = i32::from(Code::NotFound as u8);
    assert_eq!(
        refused(&mut t, call),
        (Code::NotFound, 0, not_found),
        "the start went well"
    );
    assert!(!t.has_task());
}

#[test]
fn update_with_start_joins_an_update_of_the_same_id_whatever_the_policy() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let run = t
        .describe("wf")
        .workflow_execution_info
        .unwrap()
        .execution
        .unwrap()
        .run_id;
    let first = t.update("wf", "u");
    let policies = [
        WorkflowIdConflictPolicy::Fail,
        WorkflowIdConflictPolicy::TerminateExisting,
    ];
    let joined = policies.map(|policy| update_of(&mut t, "u", policy));
    let task = t.poll();
    assert_eq!(task.messages.len(), 1);
    t.complete_with(&task, vec![], |request| {
        request.messages = vec![updates::accept("u"), updates::respond("u")];
    })
    .unwrap();
    assert!(t.take(rpc::UpdateWorkflowExecution, first).unwrap().is_ok());
    for call in joined {
        assert_eq!(served(&mut t, call), Some((run.clone(), false)));
    }
    let after = update_of(&mut t, "u", WorkflowIdConflictPolicy::Fail);
    assert_eq!(served(&mut t, after), Some((run, false)), "done ones answer, too");
}

#[test]
fn update_with_start_begins_anew_after_a_run_that_ended_with_the_update_unfinished() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let first = t.update("wf", "u");
    let task = t.poll();
    let accepted = updates::accept("u");
    let commands = vec![updates::protocol(&accepted.id), complete_workflow()];
    t.complete_with(&task, commands, |request| request.messages = vec![accepted])
        .unwrap();
    assert!(t.take(rpc::UpdateWorkflowExecution, first).is_some());
    let end = "8:WorkflowExecutionUpdateAccepted 9:WorkflowExecutionCompleted";
    assert!(t.history("wf").ends_with(end), "{}", t.history("wf"));
    let call = update_of(&mut t, "u", WorkflowIdConflictPolicy::UseExisting);
    let task = t.poll();
    assert_eq!(task.messages.len(), 1);
    t.complete_with(&task, vec![], |request| {
        request.messages = vec![updates::accept("u"), updates::respond("u")];
    })
    .unwrap();
    let run = task.workflow_execution.unwrap().run_id;
    assert_eq!(served(&mut t, call), Some((run, true)));
}
