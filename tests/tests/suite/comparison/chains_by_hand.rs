//! Runs that follow each other: as new, after a failure, by a cron schedule, by a reset, by a second start.

use super::Scenario;
use super::hand::*;
use super::tasks_by_hand::by_hand;
use futures_util::FutureExt as _;
use std::time::Duration;
use temporal_integration_tests::history::EventType;
use temporal_protos::api::command::v1::ScheduleNexusOperationCommandAttributes;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::common::v1::{Header, Memo, SearchAttributes};
use temporal_protos::api::enums::v1::{
    CommandType, ParentClosePolicy, ResetReapplyExcludeType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use temporal_protos::api::nexus::v1::start_operation_response::Variant as Start;
use temporal_protos::api::nexus::v1::{self as nexus};
use temporal_protos::api::workflow::v1::OnConflictOptions;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_testing::WorkflowEnvironment;

const HOUR: Duration = Duration::from_secs(3600);

fn memo() -> Option<Memo> {
    Some(Memo {
        fields: [("note".to_owned(), payload("n"))].into(),
    })
}

fn header() -> Option<Header> {
    Some(Header {
        fields: [("tenant".to_owned(), payload("blue"))].into(),
    })
}

fn search_attributes() -> Option<SearchAttributes> {
    Some(SearchAttributes {
        indexed_fields: [("SuiteKeyword".to_owned(), payload("blue"))].into(),
    })
}

/// A start with everything that a following run may keep.
fn loaded(request: &mut wf::StartWorkflowExecutionRequest) {
    request.memo = memo();
    request.header = header();
    request.search_attributes = search_attributes();
    request.workflow_execution_timeout = seconds(1000);
    request.workflow_run_timeout = seconds(100);
    request.workflow_task_timeout = seconds(7);
}

fn every_second(request: &mut wf::StartWorkflowExecutionRequest) {
    request.cron_schedule = "@every 1s".to_owned();
}

/// Resets the workflow to the task that ends, or would end, with this event.
pub(super) async fn reset(
    hand: &Hand<'_>,
    event_id: i64,
    change: impl FnOnce(&mut wf::ResetWorkflowExecutionRequest),
) -> anyhow::Result<()> {
    let mut request = wf::ResetWorkflowExecutionRequest {
        namespace: hand.namespace(),
        workflow_execution: Some(hand.execution()),
        reason: "a bad deploy".to_owned(),
        workflow_task_finish_event_id: event_id,
        request_id: uuid::Uuid::new_v4().to_string(),
        identity: "operator".to_owned(),
        ..wf::ResetWorkflowExecutionRequest::default()
    };
    change(&mut request);
    hand.call(request).await?;
    Ok(())
}

/// A Nexus operation that the handler answers so behind the workflow task at event 9, to which the workflow is reset.
async fn operation_and_reset(
    hand: &Hand<'_>,
    answer: Start,
    change: impl FnOnce(&mut wf::ResetWorkflowExecutionRequest),
) -> anyhow::Result<()> {
    let handlers = queue(&format!("{}-handlers", hand.queue().name));
    let endpoint = handlers.name.replace('_', "-");
    let tests = WorkflowEnvironment::from_client(hand.client().clone());
    tests.create_nexus_endpoint(&endpoint, &handlers.name).await?;
    let attributes = ScheduleNexusOperationCommandAttributes {
        endpoint,
        service: "shop".to_owned(),
        operation: "order".to_owned(),
        ..ScheduleNexusOperationCommandAttributes::default()
    };
    let schedule = command(
        CommandType::ScheduleNexusOperation,
        Attributes::ScheduleNexusOperationCommandAttributes(attributes),
    );
    hand.begin(vec![schedule]).await?;
    hand.signal("first").await?;
    let task = hand.task().await?;
    hand.complete(&task, vec![]).await?;
    let poll = wf::PollNexusTaskQueueRequest {
        namespace: hand.namespace(),
        task_queue: Some(handlers),
        identity: "handler".to_owned(),
        ..wf::PollNexusTaskQueueRequest::default()
    };
    let asked = hand.call(poll).await?;
    let start = nexus::StartOperationResponse { variant: Some(answer) };
    let respond = wf::RespondNexusTaskCompletedRequest {
        namespace: hand.namespace(),
        identity: "handler".to_owned(),
        task_token: asked.task_token,
        response: Some(nexus::Response {
            variant: Some(nexus::response::Variant::StartOperation(start)),
        }),
        ..wf::RespondNexusTaskCompletedRequest::default()
    };
    hand.call(respond).await?;
    hand.until(EventType::WorkflowTaskScheduled, 3).await?;
    reset(hand, 9, change).await?;
    hand.end().await
}

fn at_once() -> Start {
    Start::SyncSuccess(nexus::start_operation_response::Sync {
        payload: Some(payload("ordered")),
        ..nexus::start_operation_response::Sync::default()
    })
}

pub(super) const SCENARIOS: &[Scenario] = &[
    (
        "continues",
        by_hand!(|hand| {
            hand.start_with(loaded).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            let task = hand.task().await?;
            let carried = continue_as_new(|it| {
                it.memo = memo();
                it.header = header();
                it.search_attributes = search_attributes();
                it.workflow_run_timeout = seconds(50);
                it.workflow_task_timeout = seconds(5);
                it.retry_policy = retries(3);
                it.backoff_start_interval = seconds(1);
            });
            hand.complete(&task, vec![carried]).await?;
            hand.end().await?;
        }),
    ),
    (
        "continues-and-hears",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            hand.signal("unseen").await?;
            let _ = hand.complete(&task, vec![continue_as_new(|_| {})]).await;
            let task = hand.task().await?;
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            // Whether the new run's first task waits depends on how long the run before it took.
            hand.until(EventType::WorkflowTaskScheduled, 1).await?;
            hand.signal("early").await?;
            hand.end().await?;
        }),
    ),
    (
        "run-is-retried",
        by_hand!(|hand| {
            hand.start_with(|request| {
                loaded(request);
                let mut policy = retries(3).unwrap_or_default();
                policy.initial_interval = seconds(1);
                request.retry_policy = Some(policy);
            })
            .await?;
            for message in ["one", "two", "three"] {
                let task = hand.task().await?;
                hand.complete(&task, vec![fail_workflow(failure(message))]).await?;
            }
        }),
    ),
    (
        "run-is-retried-and-completes",
        by_hand!(|hand| {
            hand.start_with(|request| {
                let mut policy = retries(3).unwrap_or_default();
                policy.initial_interval = seconds(1);
                request.retry_policy = Some(policy);
            })
            .await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![fail_workflow(failure("one"))]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            hand.end().await?;
        }),
    ),
    (
        "run-times-out-and-is-retried",
        by_hand!(|hand| {
            hand.start_with(|request| {
                request.workflow_run_timeout = seconds(6);
                let mut policy = retries(2).unwrap_or_default();
                policy.initial_interval = seconds(1);
                request.retry_policy = Some(policy);
            })
            .await?;
            hand.task().await?;
            hand.end().await?;
        }),
    ),
    (
        "no-time-for-another-run",
        by_hand!(|hand| {
            hand.start_with(|request| {
                request.workflow_execution_timeout = seconds(20);
                let mut policy = retries(0).unwrap_or_default();
                policy.initial_interval = seconds(60);
                request.retry_policy = Some(policy);
            })
            .await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![fail_workflow(failure("late"))]).await?;
        }),
    ),
    (
        "cron",
        by_hand!(|hand| {
            hand.start_with(every_second).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![fail_workflow(failure("one"))]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.task().await?;
            hand.terminate().await?;
        }),
    ),
    (
        "cron-with-everything",
        by_hand!(|hand| {
            hand.start_with(|request| {
                loaded(request);
                every_second(request);
            })
            .await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            let task = hand.task().await?;
            // As new it is on no schedule.
            hand.complete(&task, vec![complete_workflow()]).await?;
            let _ = hand.terminate().await;
        }),
    ),
    (
        "cron-and-retries",
        by_hand!(|hand| {
            hand.start_with(|request| {
                every_second(request);
                let mut policy = retries(2).unwrap_or_default();
                policy.initial_interval = seconds(1);
                request.retry_policy = Some(policy);
            })
            .await?;
            for message in ["one", "two"] {
                let task = hand.task().await?;
                hand.complete(&task, vec![fail_workflow(failure(message))]).await?;
            }
            let task = hand.task().await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.terminate().await?;
        }),
    ),
    (
        "cron-is-cancelled",
        by_hand!(|hand| {
            hand.start_with(every_second).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
            hand.cancel().await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_workflow()]).await?;
        }),
    ),
    (
        "cron-times-out",
        by_hand!(|hand| {
            hand.start_with(|request| {
                every_second(request);
                request.workflow_run_timeout = seconds(6);
            })
            .await?;
            hand.task().await?;
            hand.until(EventType::WorkflowExecutionTimedOut, 1).await?;
            hand.task().await?;
            hand.terminate().await?;
        }),
    ),
    (
        "start-delayed-and-signalled",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_start_delay = seconds(1000))
                .await?;
            hand.signal("early").await?;
            hand.terminate().await?;
        }),
    ),
    (
        "start-delayed-and-cancelled",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_start_delay = seconds(5))
                .await?;
            hand.cancel().await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_workflow()]).await?;
        }),
    ),
    (
        "started-twice",
        by_hand!(|hand| {
            let request = hand.start_request("");
            hand.noted(request.clone()).await?;
            // The same request, and another one.
            hand.noted(request).await?;
            let _ = hand.noted(hand.start_request("")).await;
            let mut attaching = hand.start_request("");
            attaching.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting as i32;
            hand.noted(attaching.clone()).await?;
            attaching.request_id = uuid::Uuid::new_v4().to_string();
            attaching.on_conflict_options = Some(OnConflictOptions {
                attach_request_id: true,
                ..OnConflictOptions::default()
            });
            hand.noted(attaching).await?;
            hand.end().await?;
            let mut again = hand.start_request("");
            again.workflow_id_reuse_policy = WorkflowIdReusePolicy::RejectDuplicate as i32;
            let _ = hand.noted(again).await;
            let mut again = hand.start_request("");
            again.workflow_id_reuse_policy = WorkflowIdReusePolicy::AllowDuplicateFailedOnly as i32;
            let _ = hand.noted(again).await;
        }),
    ),
    (
        "started-in-its-place",
        by_hand!(|hand| {
            hand.start().await?;
            hand.start_with(|request| {
                request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::TerminateExisting as i32;
            })
            .await?;
            hand.end().await?;
        }),
    ),
    (
        "started-eagerly",
        by_hand!(|hand| {
            let mut request = hand.start_request("");
            request.request_eager_execution = true;
            let answer = hand.noted(request).await?;
            let task = answer.eager_workflow_task.unwrap_or_default();
            hand.complete(&task, vec![complete_workflow()]).await?;
        }),
    ),
    (
        "signalled-with-start",
        by_hand!(|hand| {
            for name in ["first", "second"] {
                hand.noted(signal_with_start(&hand, name)).await?;
            }
            hand.end().await?;
        }),
    ),
    (
        "signalled-with-delayed-start",
        by_hand!(|hand| {
            let mut request = signal_with_start(&hand, "first");
            request.workflow_start_delay = seconds(5);
            hand.noted(request.clone()).await?;
            request.signal_name = "second".to_owned();
            request.request_id = uuid::Uuid::new_v4().to_string();
            hand.noted(request).await?;
            hand.end().await?;
        }),
    ),
    (
        "start-refused",
        by_hand!(|hand| {
            let changes: [fn(&mut wf::StartWorkflowExecutionRequest); 9] = [
                |it| it.workflow_id.clear(),
                |it| it.workflow_type = None,
                |it| it.task_queue = None,
                |it| it.cron_schedule = "every day".to_owned(),
                |it| {
                    it.cron_schedule = "@daily".to_owned();
                    it.workflow_start_delay = seconds(1);
                },
                |it| it.workflow_run_timeout = seconds(0).map(|time| prost_types::Duration { seconds: -1, ..time }),
                |it| it.retry_policy = Some(Default::default()),
                |it| it.workflow_id = "x".repeat(1001),
                |it| {
                    it.search_attributes = Some(SearchAttributes {
                        indexed_fields: [("NobodyHasThis".to_owned(), payload("x"))].into(),
                    });
                },
            ];
            for change in changes {
                let mut request = hand.start_request("refused");
                change(&mut request);
                let _ = hand.call(request).await;
            }
            hand.start().await?;
            hand.terminate().await?;
        }),
    ),
    // Resets.
    (
        "reset",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("first").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![timer("t", HOUR)]).await?;
            hand.signal("second").await?;
            reset(&hand, 4, |_| {}).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
        }),
    ),
    (
        "reset-in-task",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            hand.signal("meanwhile").await?;
            reset(&hand, 3, |_| {}).await?;
            let _ = hand.complete(&task, vec![complete_workflow()]).await;
            hand.end().await?;
        }),
    ),
    (
        "reset-before-task",
        by_hand!(|hand| {
            hand.start().await?;
            let _ = reset(&hand, 3, |_| {}).await;
            let _ = reset(&hand, 2, |_| {}).await;
            hand.end().await?;
        }),
    ),
    (
        "reset-without-signals",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("first").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![]).await?;
            hand.cancel().await?;
            reset(&hand, 4, |it| {
                it.reset_reapply_exclude_types = vec![ResetReapplyExcludeType::Signal as i32];
            })
            .await?;
            hand.end().await?;
        }),
    ),
    (
        "reset-after-cancel",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.cancel().await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_workflow()]).await?;
            reset(&hand, 4, |_| {}).await?;
            hand.end().await?;
        }),
    ),
    (
        "reset-of-a-closed-one",
        by_hand!(|hand| {
            hand.begin(vec![complete_workflow()]).await?;
            reset(&hand, 4, |_| {}).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![fail_workflow(failure("now it fails"))])
                .await?;
            reset(&hand, 4, |_| {}).await?;
            hand.end().await?;
        }),
    ),
    (
        "reset-with-an-activity",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            hand.signal("first").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![]).await?;
            let stale = hand.activity().await?;
            reset(&hand, 9, |_| {}).await?;
            let _ = hand.complete_activity(&stale).await;
            let task = hand.task().await?;
            hand.complete(&task, vec![]).await?;
            let activity = hand.activity().await?;
            hand.complete_activity(&activity).await?;
            hand.end().await?;
        }),
    ),
    (
        "reset-after-an-activity",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            let activity = hand.activity().await?;
            hand.complete_activity(&activity).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![timer("t", HOUR)]).await?;
            reset(&hand, 10, |_| {}).await?;
            hand.end().await?;
        }),
    ),
    (
        "reset-and-signal-is-refused",
        by_hand!(|hand| {
            use temporal_protos::api::workflow::v1::{PostResetOperation, post_reset_operation as post};
            hand.begin(vec![marker("m")]).await?;
            let refused = reset(&hand, 4, |it| {
                let signal = post::SignalWorkflow {
                    signal_name: "after".to_owned(),
                    input: Some(payloads("after")),
                    header: header(),
                    ..post::SignalWorkflow::default()
                };
                it.post_reset_operations = vec![PostResetOperation {
                    variant: Some(post::Variant::SignalWorkflow(signal)),
                }];
            });
            let _ = refused.await;
            reset(&hand, 4, |_| {}).await?;
            hand.end().await?;
        }),
    ),
    (
        "reset-of-an-earlier-run",
        by_hand!(|hand| {
            let first = hand.start().await?;
            let task = hand.task().await?;
            hand.signal("unseen").await?;
            hand.complete(&task, vec![marker("m")]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![]).await?;
            hand.signal("later").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![]).await?;
            reset(&hand, 4, |it| {
                if let Some(execution) = &mut it.workflow_execution {
                    execution.run_id = first;
                }
            })
            .await?;
            hand.end().await?;
        }),
    ),
    (
        "reset-before-an-operation-completed",
        by_hand!(|hand| {
            operation_and_reset(&hand, at_once(), |_| {}).await?;
        }),
    ),
    (
        "reset-before-an-operation-started",
        by_hand!(|hand| {
            let started = Start::AsyncSuccess(nexus::start_operation_response::Async {
                operation_token: "tok".to_owned(),
                ..nexus::start_operation_response::Async::default()
            });
            operation_and_reset(&hand, started, |_| {}).await?;
        }),
    ),
    (
        "reset-before-an-operation-without-nexus",
        by_hand!(|hand| {
            operation_and_reset(&hand, at_once(), |request| {
                request.reset_reapply_exclude_types = vec![ResetReapplyExcludeType::Nexus as i32];
            })
            .await?;
        }),
    ),
    (
        "reset-after-the-execution-timeout",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_execution_timeout = seconds(2))
                .await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![marker("m")]).await?;
            hand.until(EventType::WorkflowExecutionTimedOut, 1).await?;
            hand.let_pass(Duration::from_secs(1)).await?;
            reset(&hand, 4, |_| {}).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![marker("m")]).await?;
            hand.until(EventType::WorkflowExecutionTimedOut, 1).await?;
        }),
    ),
    (
        "reset-before-a-run-with-another-child",
        by_hand!(|hand| {
            let first = hand.start().await?;
            let task = hand.task().await?;
            let child = |suffix: &str| hand.child(suffix, ParentClosePolicy::Abandon, |_| {});
            hand.complete(&task, vec![child("one")]).await?;
            let one = hand.task_of(hand.children()).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![continue_as_new(|_| {})]).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![child("two")]).await?;
            let two = hand.task_of(hand.children()).await?;
            hand.complete(&two, vec![complete_workflow()]).await?;
            hand.until(EventType::ChildWorkflowExecutionCompleted, 1).await?;
            reset(&hand, 9, |it| {
                if let Some(execution) = &mut it.workflow_execution {
                    execution.run_id = first;
                }
            })
            .await?;
            // To the real server a child is the number of its first event, so the other run's child stands for this run's.
            hand.end().await?;
            hand.complete(&one, vec![complete_workflow()]).await?;
        }),
    ),
    (
        "reset-refused",
        by_hand!(|hand| {
            hand.begin(vec![marker("m"), timer("t", HOUR)]).await?;
            for event_id in [0, 1, 2, 5, 6, 7, 99] {
                let _ = reset(&hand, event_id, |_| {}).await;
            }
            let _ = reset(&hand, 4, |it| it.request_id.clear()).await;
            let _ = reset(&hand, 4, |it| it.workflow_execution = Some(hand.other("nobody"))).await;
            hand.terminate().await?;
        }),
    ),
];

fn signal_with_start(hand: &Hand<'_>, name: &str) -> wf::SignalWithStartWorkflowExecutionRequest {
    wf::SignalWithStartWorkflowExecutionRequest {
        namespace: hand.namespace(),
        workflow_id: hand.execution().workflow_id,
        workflow_type: Some(workflow_type()),
        task_queue: Some(hand.queue()),
        identity: "starter".to_owned(),
        request_id: uuid::Uuid::new_v4().to_string(),
        signal_name: name.to_owned(),
        signal_input: Some(payloads(name)),
        input: Some(payloads("input")),
        header: header(),
        ..wf::SignalWithStartWorkflowExecutionRequest::default()
    }
}
