//! Activities that time out, are retried, cancelled, paused, reset, and answered from elsewhere.

use super::Scenario;
use super::hand::*;
use super::tasks_by_hand::by_hand;
use futures_util::FutureExt as _;
use std::time::Duration;
use temporal_protos::api::enums::v1::TimeoutType;
use temporal_protos::api::failure::v1::{ApplicationFailureInfo, Failure, TimeoutFailureInfo, failure::FailureInfo};
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::api::workflowservice::v1::{
    pause_activity_request, reset_activity_request, unpause_activity_request,
};

const SECOND: Duration = Duration::from_secs(1);

/// An activity that nobody ends: it times out by the options, and the workflow ends.
macro_rules! times_out {
    (|$it:ident| $options:expr, $polled:expr) => {
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |$it| $options)]).await?;
            for _ in std::iter::repeat_n((), $polled) {
                hand.activity().await?;
            }
            hand.end().await?;
        })
    };
}

pub(super) const SCENARIOS: &[Scenario] = &[
    (
        "activity-not-started-in-time",
        times_out!(|it| it.schedule_to_start_timeout = seconds(1), 0),
    ),
    (
        "activity-not-done-in-time",
        times_out!(|it| it.start_to_close_timeout = seconds(1), 1),
    ),
    (
        "activity-not-done-in-time-twice",
        times_out!(
            |it| {
                it.start_to_close_timeout = seconds(1);
                it.retry_policy = retries(2);
            },
            2
        ),
    ),
    (
        "activity-does-not-heartbeat",
        times_out!(|it| it.heartbeat_timeout = seconds(1), 1),
    ),
    (
        "activity-never-done",
        times_out!(
            |it| {
                it.start_to_close_timeout = None;
                it.schedule_to_close_timeout = seconds(5);
            },
            1
        ),
    ),
    (
        "activity-never-started",
        times_out!(
            |it| {
                it.start_to_close_timeout = None;
                it.schedule_to_close_timeout = seconds(1);
            },
            0
        ),
    ),
    (
        "activity-has-no-time-for-a-retry",
        times_out!(
            |it| {
                it.start_to_close_timeout = seconds(1);
                it.schedule_to_close_timeout = seconds(8);
                let mut policy = retries(0).unwrap_or_default();
                policy.initial_interval = seconds(20);
                it.retry_policy = Some(policy);
            },
            1
        ),
    ),
    (
        "activity-heartbeats-and-stops",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| {
                it.heartbeat_timeout = seconds(5);
                it.retry_policy = retries(2);
            })])
            .await?;
            let first = hand.activity().await?;
            hand.heartbeat(&first, "half").await?;
            let second = hand.activity().await?;
            let _ = hand.heartbeat(&first, "too late").await;
            hand.heartbeat(&second, "more").await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-is-retried",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| it.retry_policy = retries(3))])
                .await?;
            let first = hand.activity().await?;
            hand.heartbeat(&first, "seen").await?;
            hand.fail_activity(&first, failure("one")).await?;
            let _ = hand.complete_activity(&first).await;
            let second = hand.activity().await?;
            hand.fail_activity(&second, failure("two")).await?;
            let third = hand.activity().await?;
            hand.complete_activity(&third).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-runs-out-of-attempts",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| it.retry_policy = retries(2))])
                .await?;
            for message in ["one", "two"] {
                let task = hand.activity().await?;
                hand.fail_activity(&task, failure(message)).await?;
            }
            hand.end().await?;
        }),
    ),
    (
        "activity-is-not-retried",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| it.retry_policy = retries(9))])
                .await?;
            let task = hand.activity().await?;
            hand.fail_activity(&task, for_good("never again")).await?;
            let task = hand.task().await?;
            let listed = hand.schedule("b", |it| {
                let mut policy = retries(9).unwrap_or_default();
                policy.non_retryable_error_types = vec!["ByHand".to_owned()];
                it.retry_policy = Some(policy);
            });
            hand.complete(&task, vec![listed]).await?;
            let task = hand.activity().await?;
            hand.fail_activity(&task, failure("listed")).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-fails-with-a-timeout",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            let task = hand.activity().await?;
            let timeout = Failure {
                message: "slow".to_owned(),
                failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
                    timeout_type: TimeoutType::StartToClose as i32,
                    ..TimeoutFailureInfo::default()
                })),
                ..Failure::default()
            };
            let _ = hand.fail_activity(&task, timeout).await;
            hand.complete_activity(&task).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-options",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| {
                it.start_to_close_timeout = None;
                it.schedule_to_close_timeout = seconds(30);
                it.heartbeat_timeout = seconds(60);
                it.retry_policy = None;
                it.header = Some(temporal_protos::api::common::v1::Header {
                    fields: [("tenant".to_owned(), payload("blue"))].into(),
                });
            })])
            .await?;
            let task = hand.activity().await?;
            hand.complete_activity(&task).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-cancelled-before-it-starts",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            hand.signal("s").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![request_cancel_activity(5)]).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-cancelled-between-attempts",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| {
                let mut policy = retries(0).unwrap_or_default();
                policy.initial_interval = seconds(100);
                it.retry_policy = Some(policy);
            })])
            .await?;
            let task = hand.activity().await?;
            hand.fail_activity(&task, failure("one")).await?;
            hand.signal("s").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![request_cancel_activity(5)]).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-cancelled",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            let activity = hand.activity().await?;
            hand.heartbeat(&activity, "before").await?;
            let _ = hand.cancel_activity(&activity).await;
            hand.signal("s").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![request_cancel_activity(5)]).await?;
            hand.heartbeat(&activity, "after").await?;
            hand.cancel_activity(&activity).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-cancelled-but-completes",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            let activity = hand.activity().await?;
            hand.signal("s").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![request_cancel_activity(5)]).await?;
            hand.complete_activity(&activity).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-cancelled-but-fails",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| it.retry_policy = retries(5))])
                .await?;
            let activity = hand.activity().await?;
            hand.signal("s").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![request_cancel_activity(5)]).await?;
            hand.fail_activity(&activity, failure("while cancelled")).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-answered-by-id",
        by_hand!(|hand| {
            let elsewhere = hand.schedule("b", |it| it.task_queue = Some(hand.children()));
            hand.begin(vec![hand.schedule("a", |_| {}), elsewhere]).await?;
            let first = hand.activity().await?;
            let execution = hand.execution();
            let heartbeat = wf::RecordActivityTaskHeartbeatByIdRequest {
                namespace: first.workflow_namespace.clone(),
                workflow_id: execution.workflow_id.clone(),
                activity_id: first.activity_id.clone(),
                details: Some(payloads("by id")),
                identity: "elsewhere".to_owned(),
                ..Default::default()
            };
            hand.noted(heartbeat.clone()).await?;
            hand.describe().await?;
            let completed = wf::RespondActivityTaskCompletedByIdRequest {
                namespace: first.workflow_namespace.clone(),
                workflow_id: execution.workflow_id.clone(),
                activity_id: first.activity_id.clone(),
                result: Some(payloads("by id")),
                identity: "elsewhere".to_owned(),
                ..Default::default()
            };
            hand.call(completed.clone()).await?;
            let _ = hand.call(completed).await;
            let _ = hand.call(heartbeat).await;
            let task = hand.task().await?;
            hand.complete(&task, vec![]).await?;
            let second = hand.activity_of(hand.children()).await?;
            let failed = wf::RespondActivityTaskFailedByIdRequest {
                namespace: second.workflow_namespace.clone(),
                workflow_id: execution.workflow_id,
                activity_id: second.activity_id,
                failure: Some(failure("by id")),
                identity: "elsewhere".to_owned(),
                ..Default::default()
            };
            hand.call(failed).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-comes-with-the-answer",
        by_hand!(|hand| {
            hand.start().await?;
            let task = hand.task().await?;
            let eager = hand.schedule("a", |it| it.request_eager_execution = true);
            let mut answer = hand.complete_with(&task, vec![eager], |_| {}).await?;
            let Some(activity) = answer.activity_tasks.pop() else {
                anyhow::bail!("no activity came with the answer");
            };
            hand.complete_activity(&activity).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-paused-before-it-starts",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            hand.call(pause(&hand)).await?;
            let _ = hand.call(pause(&hand)).await;
            hand.describe().await?;
            hand.call(unpause(&hand, |_| {})).await?;
            let activity = hand.activity().await?;
            hand.complete_activity(&activity).await?;
            hand.end().await?;
            let _ = hand.call(pause(&hand)).await;
            let _ = hand.call(unpause(&hand, |_| {})).await;
            let _ = hand.call(reset(&hand, |_| {})).await;
        }),
    ),
    (
        "activity-paused-while-it-runs",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| it.retry_policy = retries(5))])
                .await?;
            let activity = hand.activity().await?;
            hand.call(pause(&hand)).await?;
            hand.describe().await?;
            hand.heartbeat(&activity, "paused").await?;
            hand.fail_activity(&activity, failure("paused")).await?;
            hand.describe().await?;
            hand.call(unpause(&hand, |it| it.reset_attempts = true)).await?;
            let activity = hand.activity().await?;
            hand.describe().await?;
            hand.complete_activity(&activity).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-paused-but-completes",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            let activity = hand.activity().await?;
            hand.call(pause(&hand)).await?;
            hand.complete_activity(&activity).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-paused-and-cancelled",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            hand.call(pause(&hand)).await?;
            hand.signal("s").await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![request_cancel_activity(5)]).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-reset",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| {
                it.start_to_close_timeout = seconds(5);
                it.retry_policy = retries(2);
            })])
            .await?;
            let first = hand.activity().await?;
            hand.heartbeat(&first, "one").await?;
            hand.fail_activity(&first, failure("one")).await?;
            let second = hand.activity().await?;
            hand.heartbeat(&second, "two").await?;
            hand.call(reset(&hand, |it| it.reset_heartbeat = true)).await?;
            hand.describe().await?;
            // The reset took the second attempt from its worker, and it times out as the first.
            let _ = hand.heartbeat(&second, "reset").await;
            let _ = hand.fail_activity(&second, failure("two")).await;
            let last = hand.activity().await?;
            hand.fail_activity(&last, failure("four")).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-reset-while-it-waits",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| {
                let mut policy = retries(0).unwrap_or_default();
                policy.initial_interval = seconds(100);
                it.retry_policy = Some(policy);
            })])
            .await?;
            let first = hand.activity().await?;
            hand.fail_activity(&first, failure("one")).await?;
            hand.describe().await?;
            hand.call(reset(&hand, |it| it.keep_paused = true)).await?;
            let again = hand.activity().await?;
            hand.complete_activity(&again).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-with-other-options",
        by_hand!(|hand| {
            use temporal_protos::api::activity::v1::ActivityOptions;
            use temporal_protos::api::workflowservice::v1::update_activity_options_request as update;
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            let options = ActivityOptions {
                start_to_close_timeout: seconds(20),
                heartbeat_timeout: seconds(7),
                retry_policy: retries(4),
                ..ActivityOptions::default()
            };
            let paths = [
                "startToCloseTimeout",
                "heartbeat_timeout",
                "retry_policy.maximum_attempts",
            ];
            let request = wf::UpdateActivityOptionsRequest {
                namespace: hand.namespace(),
                execution: Some(hand.execution()),
                identity: "operator".to_owned(),
                activity: Some(update::Activity::Id("a".to_owned())),
                activity_options: Some(options),
                update_mask: Some(prost_types::FieldMask {
                    paths: paths.map(str::to_owned).to_vec(),
                }),
                ..wf::UpdateActivityOptionsRequest::default()
            };
            hand.noted(request.clone()).await?;
            hand.describe().await?;
            let first = hand.activity().await?;
            hand.fail_activity(&first, failure("one")).await?;
            let second = hand.activity().await?;
            let restore = wf::UpdateActivityOptionsRequest {
                activity_options: None,
                update_mask: None,
                restore_original: true,
                ..request
            };
            hand.noted(restore).await?;
            hand.describe().await?;
            hand.fail_activity(&second, failure("two")).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-unpaused-while-it-runs",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| it.retry_policy = retries(5))])
                .await?;
            let first = hand.activity().await?;
            hand.heartbeat(&first, "one").await?;
            hand.fail_activity(&first, failure("one")).await?;
            let second = hand.activity().await?;
            hand.heartbeat(&second, "two").await?;
            hand.call(pause(&hand)).await?;
            hand.call(unpause(&hand, |it| it.reset_heartbeat = true)).await?;
            hand.describe().await?;
            hand.heartbeat(&second, "three").await?;
            hand.complete_activity(&second).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-reset-at-its-first-attempt",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| it.retry_policy = retries(5))])
                .await?;
            let first = hand.activity().await?;
            hand.heartbeat(&first, "one").await?;
            hand.call(reset(&hand, |it| it.reset_heartbeat = true)).await?;
            hand.describe().await?;
            hand.heartbeat(&first, "two").await?;
            hand.fail_activity(&first, failure("one")).await?;
            let second = hand.activity().await?;
            hand.complete_activity(&second).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-reset-while-paused",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |it| it.retry_policy = retries(5))])
                .await?;
            let first = hand.activity().await?;
            hand.heartbeat(&first, "one").await?;
            hand.fail_activity(&first, failure("one")).await?;
            hand.call(pause(&hand)).await?;
            hand.call(reset(&hand, |it| it.keep_paused = true)).await?;
            hand.describe().await?;
            hand.call(reset(&hand, |_| {})).await?;
            let second = hand.activity().await?;
            hand.complete_activity(&second).await?;
            hand.end().await?;
        }),
    ),
    (
        "activity-that-nobody-knows",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let _ = hand.call(pause(&hand)).await;
            let _ = hand.call(unpause(&hand, |_| {})).await;
            let _ = hand.call(reset(&hand, |_| {})).await;
            hand.terminate().await?;
        }),
    ),
    (
        "activity-outlives-its-workflow",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {}), timer("t", SECOND * 5)])
                .await?;
            let activity = hand.activity().await?;
            hand.end().await?;
            let _ = hand.heartbeat(&activity, "over").await;
            let _ = hand.complete_activity(&activity).await;
            let _ = hand.fail_activity(&activity, failure("over")).await;
            let _ = hand.cancel_activity(&activity).await;
        }),
    ),
];

fn for_good(message: &str) -> Failure {
    Failure {
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "ByHand".to_owned(),
            non_retryable: true,
            ..ApplicationFailureInfo::default()
        })),
        ..failure(message)
    }
}

fn pause(hand: &Hand<'_>) -> wf::PauseActivityRequest {
    wf::PauseActivityRequest {
        namespace: hand.namespace(),
        execution: Some(hand.execution()),
        identity: "operator".to_owned(),
        reason: "lunch".to_owned(),
        activity: Some(pause_activity_request::Activity::Id("a".to_owned())),
        ..wf::PauseActivityRequest::default()
    }
}

fn unpause(hand: &Hand<'_>, change: impl FnOnce(&mut wf::UnpauseActivityRequest)) -> wf::UnpauseActivityRequest {
    let mut request = wf::UnpauseActivityRequest {
        namespace: hand.namespace(),
        execution: Some(hand.execution()),
        identity: "operator".to_owned(),
        activity: Some(unpause_activity_request::Activity::Id("a".to_owned())),
        ..wf::UnpauseActivityRequest::default()
    };
    change(&mut request);
    request
}

fn reset(hand: &Hand<'_>, change: impl FnOnce(&mut wf::ResetActivityRequest)) -> wf::ResetActivityRequest {
    let mut request = wf::ResetActivityRequest {
        namespace: hand.namespace(),
        execution: Some(hand.execution()),
        identity: "operator".to_owned(),
        activity: Some(reset_activity_request::Activity::Id("a".to_owned())),
        ..wf::ResetActivityRequest::default()
    };
    change(&mut request);
    request
}
