//! Parents and children, signals and cancel requests between workflows.

use temporal_protos::api::enums::v1::{
    ParentClosePolicy, SignalExternalWorkflowExecutionFailedCause, StartChildWorkflowExecutionFailedCause,
    WorkflowExecutionStatus,
};

use super::*;

const BEGUN: &str = "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted";

pub(super) fn child(id: &str, policy: ParentClosePolicy) -> Command {
    let attributes = c::StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "C".to_owned() }),
        task_queue: Some(queue("children")),
        parent_close_policy: policy as i32,
        ..c::StartChildWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        CommandAttributes::StartChildWorkflowExecutionCommandAttributes(attributes),
    )
}

fn signal_to(id: &str) -> Command {
    let attributes = c::SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(execution(id)),
        signal_name: "s".to_owned(),
        ..c::SignalExternalWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::SignalExternalWorkflowExecution,
        CommandAttributes::SignalExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

fn cancel_of(id: &str, child_workflow_only: bool) -> Command {
    let attributes = c::RequestCancelExternalWorkflowExecutionCommandAttributes {
        workflow_id: id.to_owned(),
        child_workflow_only,
        ..c::RequestCancelExternalWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::RequestCancelExternalWorkflowExecution,
        CommandAttributes::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

impl Harness {
    pub(super) fn poll_child(&mut self) -> Task {
        let call = self.send_poll(queue("children"));
        self.polled(call)
    }

    fn status(&mut self, id: &str) -> WorkflowExecutionStatus {
        self.describe(id).workflow_execution_info.unwrap().status()
    }
}

#[test]
fn a_child_runs_and_its_parent_is_told() {
    let mut t = Harness::new();
    t.begun("parent", vec![child("child", ParentClosePolicy::Terminate)]);
    assert_eq!(
        t.history("parent"),
        format!("{BEGUN} 5:StartChildWorkflowExecutionInitiated 6:ChildWorkflowExecutionStarted 7:WftScheduled")
    );
    let Attributes::WorkflowExecutionStartedEventAttributes(started) = t.attributes("child", 1) else {
        panic!()
    };
    assert_eq!(started.parent_workflow_execution.unwrap().workflow_id, "parent");
    assert_eq!((started.parent_initiated_event_id, started.identity.as_str()), (5, ""));
    assert_eq!(started.root_workflow_execution.unwrap().workflow_id, "parent");
    assert_eq!(t.describe("parent").pending_children.len(), 1);
    let task = t.poll();
    t.complete(&task, vec![]);
    let task = t.poll_child();
    t.complete(&task, vec![complete_workflow()]);
    assert!(
        t.history("parent")
            .ends_with("9:WftCompleted 10:ChildWorkflowExecutionCompleted 11:WftScheduled")
    );
    let Attributes::ChildWorkflowExecutionCompletedEventAttributes(completed) = t.attributes("parent", 10) else {
        panic!()
    };
    assert_eq!((completed.initiated_event_id, completed.started_event_id), (5, 6));
    assert_eq!(completed.result, Some(payloads("done")));
    assert!(t.describe("parent").pending_children.is_empty());
}

#[test]
fn a_childs_closing_while_the_parents_task_runs_names_its_start() {
    let mut t = Harness::new();
    t.start("parent");
    let task = t.poll();
    t.signal("parent", "s");
    let response = t
        .complete_with(&task, vec![child("child", ParentClosePolicy::Terminate)], |request| {
            request.return_new_workflow_task = true;
        })
        .unwrap();
    let running = response.workflow_task.unwrap();
    let task = t.poll_child();
    t.complete(&task, vec![complete_workflow()]);
    t.complete(&running, vec![]);
    assert!(
        t.history("parent").ends_with(
            "9:WftCompleted 10:ChildWorkflowExecutionStarted 11:ChildWorkflowExecutionCompleted 12:WftScheduled"
        ),
        "{}",
        t.history("parent")
    );
    let Attributes::ChildWorkflowExecutionCompletedEventAttributes(completed) = t.attributes("parent", 11) else {
        panic!()
    };
    assert_eq!(completed.started_event_id, 10);
}

#[test]
fn a_child_whose_id_is_taken_does_not_start() {
    let mut t = Harness::new();
    t.start_with("child", |request| request.task_queue = Some(queue("children")))
        .unwrap();
    t.begun("parent", vec![child("child", ParentClosePolicy::Terminate)]);
    assert!(
        t.history("parent")
            .ends_with("6:StartChildWorkflowExecutionFailed 7:WftScheduled")
    );
    let Attributes::StartChildWorkflowExecutionFailedEventAttributes(failed) = t.attributes("parent", 6) else {
        panic!()
    };
    assert_eq!(
        failed.cause(),
        StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists
    );
}

#[test]
fn children_are_closed_with_their_parent_as_their_policies_say() {
    let mut t = Harness::new();
    let children = vec![
        child("terminated", ParentClosePolicy::Terminate),
        child("cancelled", ParentClosePolicy::RequestCancel),
        child("abandoned", ParentClosePolicy::Abandon),
    ];
    t.begun("parent", children);
    t.terminate("parent").unwrap();
    assert_eq!(t.status("terminated"), WorkflowExecutionStatus::Terminated);
    assert!(t.history("cancelled").ends_with("3:WorkflowExecutionCancelRequested"));
    assert_eq!(t.history("abandoned"), "1:WorkflowExecutionStarted 2:WftScheduled");
    let Attributes::WorkflowExecutionTerminatedEventAttributes(it) = t.attributes("terminated", 3) else {
        panic!()
    };
    assert_eq!(
        (it.reason.as_str(), it.identity.as_str()),
        ("by parent close policy", "history-service")
    );
}

#[test]
fn a_child_is_cancelled_by_its_parent() {
    let mut t = Harness::new();
    t.begun("parent", vec![child("child", ParentClosePolicy::Terminate)]);
    let task = t.poll();
    t.complete(&task, vec![cancel_of("child", true)]);
    let task = t.poll_child();
    t.complete(&task, vec![cancel_workflow()]);
    assert!(
        t.history("parent").ends_with(
            "10:RequestCancelExternalWorkflowExecutionInitiated 11:ExternalWorkflowExecutionCancelRequested 12:WftScheduled \
             13:ChildWorkflowExecutionCanceled"
        ),
        "{}",
        t.history("parent")
    );
}

#[test]
fn starting_and_cancelling_a_child_in_one_task_is_refused() {
    let mut t = Harness::new();
    t.start("parent");
    let task = t.poll();
    let commands = vec![child("child", ParentClosePolicy::Terminate), cancel_of("child", true)];
    let refused = t.complete_with(&task, commands, |_| {}).unwrap_err();
    assert!(
        refused
            .message
            .starts_with("BadRequestCancelExternalWorkflowExecutionAttributes: Start and RequestCancel")
    );
}

#[test]
fn workflows_signal_each_other() {
    let mut t = Harness::new();
    t.start_with("other", |request| request.task_queue = Some(queue("others")))
        .unwrap();
    t.begun("wf", vec![signal_to("other"), signal_to("nobody"), signal_to("wf")]);
    assert!(
        t.history("wf").ends_with(
            "8:ExternalWorkflowExecutionSignaled 9:WftScheduled 10:SignalExternalWorkflowExecutionFailed \
             11:SignalExternalWorkflowExecutionFailed"
        ),
        "{}",
        t.history("wf")
    );
    let Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(failed) = t.attributes("wf", 10) else {
        panic!()
    };
    assert_eq!(
        failed.cause(),
        SignalExternalWorkflowExecutionFailedCause::ExternalWorkflowExecutionNotFound
    );
    let Attributes::WorkflowExecutionSignaledEventAttributes(signaled) = t.attributes("other", 3) else {
        panic!()
    };
    assert_eq!(signaled.identity, "history-service");
    assert_eq!(signaled.external_workflow_execution.unwrap().workflow_id, "wf");
    let task = t.poll();
    t.complete(&task, vec![cancel_of("other", false), cancel_of("nobody", false)]);
    assert!(t.history("other").ends_with("4:WorkflowExecutionCancelRequested"));
    assert!(
        t.history("wf").ends_with(
            "ExternalWorkflowExecutionCancelRequested 17:WftScheduled 18:RequestCancelExternalWorkflowExecutionFailed"
        ),
        "{}",
        t.history("wf")
    );
}

#[test]
fn the_last_run_of_a_chain_reports_to_the_parent() {
    let mut t = Harness::skipping(0);
    t.begun("parent", vec![child("child", ParentClosePolicy::Terminate)]);
    let first = t
        .describe("child")
        .workflow_execution_info
        .unwrap()
        .execution
        .unwrap()
        .run_id;
    let task = t.poll_child();
    let attributes = c::ContinueAsNewWorkflowExecutionCommandAttributes::default();
    let again = command(
        CommandType::ContinueAsNewWorkflowExecution,
        CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    );
    t.complete(&task, vec![again]);
    assert!(
        t.history("parent")
            .ends_with("6:ChildWorkflowExecutionStarted 7:WftScheduled")
    );
    let task = t.poll_child();
    let last = task.workflow_execution.clone().unwrap().run_id;
    assert_ne!(first, last);
    t.complete(&task, vec![complete_workflow()]);
    let Attributes::ChildWorkflowExecutionCompletedEventAttributes(completed) = t.attributes("parent", 8) else {
        panic!()
    };
    assert_eq!(completed.workflow_execution.unwrap().run_id, last);
}
