//! Workflow tasks that fail, time out, stick to a worker, or run while something arrives.

use super::Scenario;
use super::hand::*;
use futures_util::FutureExt as _;
use std::time::Duration;
use temporal_integration_tests::history::EventType;
use temporal_protos::api::command::v1::Command;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::common::v1::{Memo, Priority, SearchAttributes};
use temporal_protos::api::enums::v1::{CommandType, ParentClosePolicy, QueryResultType};
use temporal_protos::api::query::v1::{WorkflowQuery, WorkflowQueryResult};
use temporal_protos::api::sdk::v1::UserMetadata;
use temporal_protos::api::workflowservice::v1 as wf;

/// A scenario with a hand: `by_hand!(|hand| { … })`.
macro_rules! by_hand {
    (|$hand:ident| $body:expr) => {
        |stage| {
            async move {
                let $hand = $crate::comparison::hand::Hand::new(stage);
                $body
                Ok(())
            }
            .boxed_local()
        }
    };
}
pub(super) use by_hand;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Begins a workflow whose tasks may take longer than what happens in one of them.
async fn begin_patiently(hand: &Hand<'_>, commands: Commands) -> anyhow::Result<()> {
    hand.start_with(|request| request.workflow_task_timeout = seconds(30))
        .await?;
    let task = hand.task().await?;
    hand.complete(&task, commands).await
}

pub(super) const SCENARIOS: &[Scenario] = &[
    (
        "last-task-answers-a-query",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("s").await?;
            let query = wf::QueryWorkflowRequest {
                namespace: hand.namespace(),
                execution: Some(hand.execution()),
                query: Some(WorkflowQuery {
                    query_type: "how".to_owned(),
                    ..WorkflowQuery::default()
                }),
                ..wf::QueryWorkflowRequest::default()
            };
            let (answer, done) = tokio::join!(hand.client().call(query), async {
                hand.let_pass(SECOND).await?;
                let mut task = hand.task().await?;
                let result = WorkflowQueryResult {
                    result_type: QueryResultType::Answered as i32,
                    answer: Some(payloads("well")),
                    ..WorkflowQueryResult::default()
                };
                let results = std::mem::take(&mut task.queries)
                    .into_keys()
                    .map(|id| (id, result.clone()));
                let results = results.collect();
                hand.complete_with(&task, vec![complete_workflow()], |request| {
                    request.query_results = results;
                })
                .await?;
                anyhow::Ok(())
            });
            done?;
            hand.stage().note("query", &answer?);
        }),
    ),
    (
        "priorities-are-checked",
        by_hand!(|hand| {
            hand.start().await?;
            let bad = Some(Priority {
                priority_key: -1,
                ..Priority::default()
            });
            let commands = [
                hand.schedule("a", |it| it.priority.clone_from(&bad)),
                hand.child("child", ParentClosePolicy::Abandon, |it| it.priority.clone_from(&bad)),
            ];
            for command in commands {
                let task = hand.task().await?;
                let _ = hand.complete(&task, vec![command]).await;
            }
            hand.end().await?;
        }),
    ),
    (
        "task-fails-and-succeeds",
        by_hand!(|hand| {
            hand.start().await?;
            hand.fail_task(&hand.task().await?).await?;
            hand.fail_task(&hand.task().await?).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![marker("m"), complete_workflow()]).await?;
        }),
    ),
    (
        "task-fails-and-hears",
        by_hand!(|hand| {
            hand.start().await?;
            hand.fail_task(&hand.task().await?).await?;
            let task = hand.task().await?;
            hand.signal("meanwhile").await?;
            hand.fail_task(&task).await?;
            hand.end().await?;
        }),
    ),
    (
        "task-scheduled-again-and-hears",
        by_hand!(|hand| {
            hand.start().await?;
            hand.fail_task(&hand.task().await?).await?;
            hand.signal("meanwhile").await?;
            hand.end().await?;
        }),
    ),
    (
        "task-times-out",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_task_timeout = seconds(5))
                .await?;
            let late = hand.task().await?;
            hand.task().await?;
            let task = hand.task().await?;
            let _ = hand.complete(&late, vec![complete_workflow()]).await;
            hand.complete(&task, vec![complete_workflow()]).await?;
            let _ = hand.complete(&task, vec![complete_workflow()]).await;
        }),
    ),
    (
        "task-times-out-and-hears",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_task_timeout = seconds(5))
                .await?;
            hand.task().await?;
            hand.signal("meanwhile").await?;
            hand.end().await?;
        }),
    ),
    (
        "later-task-fails",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("s").await?;
            hand.fail_task(&hand.task().await?).await?;
            hand.fail_task(&hand.task().await?).await?;
            hand.end().await?;
        }),
    ),
    (
        "unhandled",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            hand.signal("unseen").await?;
            let _ = hand.complete(&task, vec![marker("m"), complete_workflow()]).await;
            hand.end().await?;
        }),
    ),
    (
        "buffered",
        by_hand!(|hand| {
            let elsewhere = hand.schedule("b", |it| it.task_queue = Some(hand.children()));
            begin_patiently(
                &hand,
                vec![hand.schedule("a", |_| {}), elsewhere, timer("t", SECOND * 5)],
            )
            .await?;
            let first = hand.activity().await?;
            let second = hand.activity_of(hand.children()).await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            hand.signal("first").await?;
            hand.complete_activity(&first).await?;
            hand.cancel().await?;
            hand.let_pass(SECOND * 7).await?;
            hand.fail_activity(&second, failure("no")).await?;
            hand.signal("last").await?;
            hand.complete(&task, vec![marker("m")]).await?;
            hand.end().await?;
        }),
    ),
    (
        "buffered-and-failed",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            let activity = hand.activity().await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            hand.complete_activity(&activity).await?;
            hand.signal("meanwhile").await?;
            hand.fail_task(&task).await?;
            hand.end().await?;
        }),
    ),
    (
        "buffered-timer-is-cancelled",
        by_hand!(|hand| {
            begin_patiently(&hand, vec![timer("t", SECOND * 5)]).await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            hand.let_pass(SECOND * 7).await?;
            hand.complete(&task, vec![cancel_timer("t")]).await?;
            hand.signal("end").await?;
            hand.end().await?;
        }),
    ),
    (
        "signals-before-the-task",
        by_hand!(|hand| {
            hand.start().await?;
            hand.signal("first").await?;
            hand.signal("second").await?;
            hand.cancel().await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_workflow()]).await?;
        }),
    ),
    (
        "many-commands",
        by_hand!(|hand| {
            hand.begin(vec![
                hand.schedule("a", |_| {}),
                request_cancel_activity(5),
                timer("long", HOUR),
                cancel_timer("long"),
                marker("m"),
                timer("left", HOUR),
                upsert_memo(),
                upsert_search_attributes(),
            ])
            .await?;
            hand.end().await?;
        }),
    ),
    (
        "cancelled-without-request",
        by_hand!(|hand| {
            hand.begin(vec![cancel_workflow()]).await?;
        }),
    ),
    (
        "fails",
        by_hand!(|hand| {
            hand.begin(vec![fail_workflow(failure("for good"))]).await?;
        }),
    ),
    (
        "closes-with-work-left",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {}), timer("t", HOUR), complete_workflow()])
                .await?;
            let _ = hand.signal("late").await;
            let _ = hand.cancel().await;
            let _ = hand.terminate().await;
        }),
    ),
    (
        "two-cancel-requests",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.cancel().await?;
            let _ = hand.cancel().await;
            let task = hand.task().await?;
            hand.complete(&task, vec![cancel_workflow()]).await?;
        }),
    ),
    (
        "terminated-in-task",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            hand.signal("meanwhile").await?;
            hand.terminate().await?;
            let _ = hand.complete(&task, vec![complete_workflow()]).await;
        }),
    ),
    (
        "terminated-before-task",
        by_hand!(|hand| {
            hand.start().await?;
            hand.terminate().await?;
        }),
    ),
    (
        "terminated-between-attempts",
        by_hand!(|hand| {
            hand.start().await?;
            hand.fail_task(&hand.task().await?).await?;
            hand.task().await?;
            hand.terminate().await?;
        }),
    ),
    (
        "run-times-out-in-task",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_run_timeout = seconds(6))
                .await?;
            hand.task().await?;
            hand.until(EventType::WorkflowExecutionTimedOut, 1).await?;
        }),
    ),
    (
        "execution-times-out",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_execution_timeout = seconds(2))
                .await?;
            hand.until(EventType::WorkflowExecutionTimedOut, 1).await?;
        }),
    ),
    (
        "run-times-out-with-work-left",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_run_timeout = seconds(6))
                .await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![hand.schedule("a", |_| {}), timer("t", HOUR)])
                .await?;
            hand.until(EventType::WorkflowExecutionTimedOut, 1).await?;
        }),
    ),
    (
        "sticky",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            hand.complete_sticky(&task, vec![marker("m")]).await?;
            let task = hand.sticky_task("one").await?;
            hand.complete_sticky(&task, vec![]).await?;
            // Nobody takes the task from the sticky queue.
            hand.signal("two").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
        }),
    ),
    (
        "sticky-task-fails",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            hand.complete_sticky(&task, vec![marker("m")]).await?;
            let task = hand.sticky_task("one").await?;
            hand.fail_task(&task).await?;
            let task = hand.task().await?;
            hand.fail_task(&task).await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![complete_workflow()]).await?;
        }),
    ),
    (
        "heartbeats",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            let beat = |request: &mut wf::RespondWorkflowTaskCompletedRequest| {
                request.force_create_new_workflow_task = true;
                request.return_new_workflow_task = true;
            };
            let next = hand
                .complete_with(&task, vec![], beat)
                .await?
                .workflow_task
                .unwrap_or_default();
            let next = hand
                .complete_with(&next, vec![], beat)
                .await?
                .workflow_task
                .unwrap_or_default();
            hand.signal("meanwhile").await?;
            let next = hand
                .complete_with(&next, vec![marker("m")], beat)
                .await?
                .workflow_task
                .unwrap_or_default();
            hand.complete(&next, vec![complete_workflow()]).await?;
        }),
    ),
    (
        "task-comes-with-the-answer",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            hand.signal("meanwhile").await?;
            let next = hand
                .complete_with(&task, vec![marker("m")], |request| {
                    request.return_new_workflow_task = true;
                })
                .await?
                .workflow_task
                .unwrap_or_default();
            hand.complete(&next, vec![complete_workflow()]).await?;
        }),
    ),
    (
        "long-times",
        by_hand!(|hand| {
            let ages = to_duration(HOUR * 24 * 365 * 200);
            hand.start_with(|request| {
                request.workflow_execution_timeout = ages;
                request.workflow_task_timeout = ages;
            })
            .await?;
            let task = hand.task().await?;
            let activity = hand.schedule("a", |it| {
                it.start_to_close_timeout = ages;
                it.heartbeat_timeout = ages;
            });
            let unbounded = hand.schedule("b", |it| it.schedule_to_close_timeout = ages);
            let commands = vec![activity, unbounded, timer("t", HOUR * 24 * 365 * 200)];
            let _ = hand.complete(&task, commands).await;
            hand.terminate().await?;
        }),
    ),
    (
        "timeouts-within-timeouts",
        by_hand!(|hand| {
            hand.start_with(|request| {
                request.workflow_execution_timeout = seconds(50);
                request.workflow_run_timeout = seconds(100);
                request.workflow_task_timeout = seconds(70);
            })
            .await?;
            let task = hand.task().await?;
            let commands = vec![
                hand.schedule("a", |it| {
                    it.start_to_close_timeout = seconds(500);
                    it.heartbeat_timeout = seconds(600);
                }),
                hand.schedule("b", |it| {
                    it.start_to_close_timeout = seconds(30);
                    it.schedule_to_close_timeout = seconds(20);
                    it.schedule_to_start_timeout = seconds(40);
                }),
                hand.schedule("c", |it| {
                    it.start_to_close_timeout = None;
                    it.schedule_to_close_timeout = seconds(70);
                }),
            ];
            hand.complete(&task, commands).await?;
            hand.terminate().await?;
        }),
    ),
    (
        "described-commands",
        by_hand!(|hand| {
            hand.start_with(|request| {
                request.user_metadata = Some(UserMetadata {
                    summary: Some(payload("a workflow")),
                    details: Some(payload("with details")),
                });
            })
            .await?;
            let task = hand.task().await?;
            let commands = [
                hand.schedule("a", |_| {}),
                timer("t", HOUR),
                marker("m"),
                upsert_memo(),
                upsert_search_attributes(),
                complete_workflow(),
            ];
            let described = commands.map(|command| Command {
                user_metadata: Some(UserMetadata {
                    summary: Some(payload("a command")),
                    details: None,
                }),
                ..command
            });
            hand.complete(&task, described.to_vec()).await?;
        }),
    ),
    (
        "refused-commands",
        by_hand!(|hand| {
            let unknown = SearchAttributes {
                indexed_fields: [("NobodyHasThis".to_owned(), payload("x"))].into(),
            };
            let bad: Vec<Vec<Command>> = vec![
                vec![hand.schedule("a", |it| it.start_to_close_timeout = None)],
                vec![hand.schedule("", |_| {})],
                vec![hand.schedule("a", |it| it.activity_type = None)],
                vec![hand.schedule("a", |_| {}), hand.schedule("a", |_| {})],
                vec![cancel_timer("nothing")],
                vec![request_cancel_activity(77)],
                vec![timer("t", HOUR), timer("t", HOUR)],
                vec![timer("", HOUR)],
                vec![complete_workflow(), marker("after the end")],
                vec![marker("")],
                vec![upsert(unknown)],
                vec![signal_external(Default::default(), false)],
                vec![cancel_external(Default::default(), false)],
                vec![continue_as_new(|it| it.backoff_start_interval = seconds(1_000_000_000))],
                vec![continue_as_new(|it| {
                    it.workflow_run_timeout = to_duration(HOUR * 24 * 365 * 200);
                })],
            ];
            for (number, commands) in bad.into_iter().enumerate() {
                let suffix = number.to_string();
                let request = hand.start_request(&suffix);
                hand.call(request).await?;
                let task = hand.task().await?;
                let _ = hand.complete(&task, commands).await;
                hand.terminate_other(hand.other(&suffix)).await?;
            }
        }),
    ),
];

fn upsert(search_attributes: SearchAttributes) -> Command {
    let attributes = temporal_protos::api::command::v1::UpsertWorkflowSearchAttributesCommandAttributes {
        search_attributes: Some(search_attributes),
    };
    command(
        CommandType::UpsertWorkflowSearchAttributes,
        Attributes::UpsertWorkflowSearchAttributesCommandAttributes(attributes),
    )
}

fn upsert_search_attributes() -> Command {
    let key = "SuiteKeyword".to_owned();
    upsert(SearchAttributes {
        indexed_fields: [(key, payload("blue"))].into(),
    })
}

fn upsert_memo() -> Command {
    let attributes = temporal_protos::api::command::v1::ModifyWorkflowPropertiesCommandAttributes {
        upserted_memo: Some(Memo {
            fields: [("note".to_owned(), payload("n"))].into(),
        }),
    };
    command(
        CommandType::ModifyWorkflowProperties,
        Attributes::ModifyWorkflowPropertiesCommandAttributes(attributes),
    )
}
