//! Children and other workflows: how they begin, how they end, and what becomes of them when their parent does.

use super::Scenario;
use super::chains_by_hand::reset;
use super::hand::*;
use super::tasks_by_hand::by_hand;
use futures_util::FutureExt as _;
use std::time::Duration;
use temporal_integration_tests::history::EventType;
use temporal_protos::api::common::v1::{Header, Memo, SearchAttributes};
use temporal_protos::api::enums::v1::{ParentClosePolicy, WorkflowIdReusePolicy};

const HOUR: Duration = Duration::from_secs(3600);

/// Begins with three children, one for each policy, whose tasks nobody takes yet.
async fn family(hand: &Hand<'_>) -> anyhow::Result<Task> {
    hand.start().await?;
    let mut task = hand.task().await?;
    for (number, (suffix, policy)) in POLICIES.into_iter().enumerate() {
        hand.complete(&task, vec![hand.child(suffix, policy, |_| {})]).await?;
        hand.until(EventType::ChildWorkflowExecutionStarted, number + 1).await?;
        task = hand.task().await?;
    }
    Ok(task)
}

const POLICIES: [(&str, ParentClosePolicy); 3] = [
    ("ends", ParentClosePolicy::Terminate),
    ("stays", ParentClosePolicy::Abandon),
    ("asked", ParentClosePolicy::RequestCancel),
];

/// Waits until the parent's close policies are carried out, and ends who is left.
async fn farewell(hand: &Hand<'_>) -> anyhow::Result<()> {
    hand.until_in(hand.other("ends"), EventType::WorkflowExecutionTerminated, 1)
        .await?;
    hand.until_in(hand.other("asked"), EventType::WorkflowExecutionCancelRequested, 1)
        .await?;
    hand.terminate_other(hand.other("asked")).await?;
    hand.terminate_other(hand.other("stays")).await
}

/// Begins with one child and the parent's second task taken, so that the child's end is held back.
async fn parent_and_child(hand: &Hand<'_>, child: temporal_protos::api::command::v1::Command) -> anyhow::Result<Task> {
    hand.begin(vec![child]).await?;
    let task = hand.task().await?;
    hand.complete(&task, vec![]).await?;
    hand.task_of(hand.children()).await
}

fn one(hand: &Hand<'_>) -> temporal_protos::api::command::v1::Command {
    hand.child("child", ParentClosePolicy::Terminate, |_| {})
}

pub(super) const SCENARIOS: &[Scenario] = &[
    (
        "child-is-reset",
        by_hand!(|hand| {
            let task = parent_and_child(&hand, one(&hand)).await?;
            hand.complete(&task, vec![marker("m")]).await?;
            let child = hand.other("child");
            reset(&hand, 4, |it| it.workflow_execution = Some(child)).await?;
            let task = hand.task_of(hand.children()).await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-is-reset-to-its-first-run",
        by_hand!(|hand| {
            let task = parent_and_child(&hand, one(&hand)).await?;
            let first = task.workflow_execution.clone();
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            let task = hand.task_of(hand.children()).await?;
            hand.complete(&task, vec![marker("m")]).await?;
            reset(&hand, 4, |it| it.workflow_execution = first).await?;
            let task = hand.task_of(hand.children()).await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.end().await?;
        }),
    ),
    (
        "parent-completes",
        by_hand!(|hand| {
            let task = family(&hand).await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            farewell(&hand).await?;
        }),
    ),
    (
        "parent-fails",
        by_hand!(|hand| {
            let task = family(&hand).await?;
            hand.complete(&task, vec![fail_workflow(failure("for good"))]).await?;
            farewell(&hand).await?;
        }),
    ),
    (
        "parent-is-terminated",
        by_hand!(|hand| {
            family(&hand).await?;
            hand.terminate().await?;
            farewell(&hand).await?;
        }),
    ),
    (
        "parent-is-cancelled",
        by_hand!(|hand| {
            let task = family(&hand).await?;
            hand.cancel().await?;
            hand.complete(&task, vec![]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_workflow()]).await?;
            farewell(&hand).await?;
        }),
    ),
    (
        "parent-continues",
        by_hand!(|hand| {
            let task = family(&hand).await?;
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            farewell(&hand).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-completes",
        by_hand!(|hand| {
            let task = parent_and_child(&hand, one(&hand)).await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-fails",
        by_hand!(|hand| {
            let task = parent_and_child(&hand, one(&hand)).await?;
            hand.complete(&task, vec![fail_workflow(failure("a child's"))]).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-is-terminated",
        by_hand!(|hand| {
            parent_and_child(&hand, one(&hand)).await?;
            hand.terminate_other(hand.other("child")).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-times-out",
        by_hand!(|hand| {
            let child = hand.child("child", ParentClosePolicy::Terminate, |it| {
                it.workflow_run_timeout = seconds(6);
            });
            parent_and_child(&hand, child).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-continues",
        by_hand!(|hand| {
            let task = parent_and_child(&hand, one(&hand)).await?;
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            let task = hand.task_of(hand.children()).await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-is-retried",
        by_hand!(|hand| {
            let child = hand.child("child", ParentClosePolicy::Terminate, |it| {
                let mut policy = retries(2).unwrap_or_default();
                policy.initial_interval = seconds(1);
                it.retry_policy = Some(policy);
            });
            let task = parent_and_child(&hand, child).await?;
            hand.complete(&task, vec![fail_workflow(failure("one"))]).await?;
            let task = hand.task_of(hand.children()).await?;
            hand.complete(&task, vec![fail_workflow(failure("two"))]).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-with-everything",
        by_hand!(|hand| {
            let child = hand.child("child", ParentClosePolicy::Terminate, |it| {
                it.workflow_execution_timeout = seconds(100);
                it.workflow_run_timeout = seconds(60);
                it.workflow_task_timeout = seconds(7);
                it.retry_policy = retries(3);
                it.header = Some(Header {
                    fields: [("tenant".to_owned(), payload("blue"))].into(),
                });
                it.memo = Some(Memo {
                    fields: [("note".to_owned(), payload("n"))].into(),
                });
                it.search_attributes = Some(SearchAttributes {
                    indexed_fields: [("SuiteKeyword".to_owned(), payload("blue"))].into(),
                });
                it.workflow_id_reuse_policy = WorkflowIdReusePolicy::RejectDuplicate as i32;
            });
            let task = parent_and_child(&hand, child).await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-on-a-cron-schedule",
        by_hand!(|hand| {
            let child = hand.child("child", ParentClosePolicy::Terminate, |it| {
                it.cron_schedule = "@every 1s".to_owned();
            });
            let task = parent_and_child(&hand, child).await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.task_of(hand.children()).await?;
            hand.terminate_other(hand.other("child")).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-exists",
        by_hand!(|hand| {
            let mut request = hand.start_request("child");
            request.task_queue = Some(hand.children());
            hand.call(request).await?;
            hand.begin(vec![one(&hand)]).await?;
            hand.end().await?;
            hand.terminate_other(hand.other("child")).await?;
        }),
    ),
    (
        "child-existed",
        by_hand!(|hand| {
            let mut request = hand.start_request("child");
            request.task_queue = Some(hand.children());
            hand.call(request).await?;
            hand.terminate_other(hand.other("child")).await?;
            let child = hand.child("child", ParentClosePolicy::Terminate, |it| {
                it.workflow_id_reuse_policy = WorkflowIdReusePolicy::RejectDuplicate as i32;
            });
            hand.begin(vec![child]).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-is-cancelled",
        by_hand!(|hand| {
            let task = parent_and_child(&hand, one(&hand)).await?;
            hand.complete(&task, vec![]).await?;
            hand.signal("cancel it").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_external(hand.other("child"), true)])
                .await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![]).await?;
            let task = hand.task_of(hand.children()).await?;
            hand.complete(&task, vec![cancel_workflow()]).await?;
            hand.end().await?;
        }),
    ),
    (
        "child-is-signalled",
        by_hand!(|hand| {
            let task = parent_and_child(&hand, one(&hand)).await?;
            hand.complete(&task, vec![]).await?;
            hand.signal("signal it").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![signal_external(hand.other("child"), true)])
                .await?;
            hand.end().await?;
            hand.until_in(hand.other("child"), EventType::WorkflowExecutionTerminated, 1)
                .await?;
        }),
    ),
    (
        "child-started-and-cancelled-at-once",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            let both = vec![one(&hand), cancel_external(hand.other("child"), true)];
            let _ = hand.complete(&task, both).await;
            hand.terminate().await?;
        }),
    ),
    (
        "child-ends-while-a-task-runs",
        by_hand!(|hand| {
            let child = parent_and_child(&hand, one(&hand)).await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            hand.complete_sticky(&child, vec![complete_workflow()]).await?;
            hand.let_pass(Duration::from_secs(3)).await?;
            hand.signal("later").await?;
            hand.complete(&task, vec![marker("m")]).await?;
            hand.end().await?;
        }),
    ),
    (
        "others",
        by_hand!(|hand| {
            let mut request = hand.start_request("other");
            request.task_queue = Some(hand.children());
            hand.call(request).await?;
            hand.begin(vec![signal_external(hand.other("other"), false)]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_external(hand.other("other"), false)])
                .await?;
            hand.end().await?;
            let task = hand.task_of(hand.children()).await?;
            hand.complete(&task, vec![cancel_workflow()]).await?;
        }),
    ),
    (
        "others-not-there",
        by_hand!(|hand| {
            hand.begin(vec![signal_external(hand.other("nobody"), false)]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_external(hand.other("nobody"), false)])
                .await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![signal_external(hand.other("nobody"), true)])
                .await?;
            hand.end().await?;
        }),
    ),
    (
        "others-ended",
        by_hand!(|hand| {
            let mut request = hand.start_request("other");
            request.task_queue = Some(hand.children());
            hand.call(request).await?;
            hand.terminate_other(hand.other("other")).await?;
            hand.begin(vec![signal_external(hand.other("other"), false)]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_external(hand.other("other"), false)])
                .await?;
            hand.end().await?;
        }),
    ),
    (
        "itself",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            let _ = hand
                .complete(&task, vec![signal_external(hand.execution(), false)])
                .await;
            hand.terminate().await?;
        }),
    ),
    (
        "itself-cancelled",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            let _ = hand
                .complete(&task, vec![cancel_external(hand.execution(), false), timer("t", HOUR)])
                .await;
            hand.terminate().await?;
        }),
    ),
];
