//! What a worker has to tell the server arrives: over a network that loses calls, and when what it was to say cannot be said.

use crate::{MINUTE, quick};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::time::Duration;
use temporal_integration_tests::env::captured;
use temporal_integration_tests::gateway::Gateway;
use temporal_integration_tests::history::{EventType, count};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::data::{CodecError, DataConverter, PayloadCodec};
use temporal_sdk::client::definition::query_named;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::protos::api::common::v1::{Payload, WorkflowExecution};
use temporal_sdk::client::protos::api::enums::v1::WorkflowTaskFailedCause;
use temporal_sdk::client::protos::api::workflow::v1::PendingActivityInfo;
use temporal_sdk::client::protos::api::workflowservice::v1::DescribeWorkflowExecutionRequest;
use temporal_sdk::client::{Client, ClientOptions, Code, QueryError, RetryPolicy};
use temporal_sdk::workflow::{CancellationType, ChildWorkflowOptions, TimerOptions};
use temporal_sdk::{activities, activity, workflow};

/// More than a namespace takes in one place, less than a message may be.
const TOO_MUCH: usize = 3_000_000;

/// More than a message may be.
const FAR_TOO_MUCH: usize = 5_000_000;

/// Another attempt follows at once.
fn twice() -> RetryPolicy {
    RetryPolicy::new()
        .initial_interval(Duration::from_millis(10))
        .maximum_attempts(2)
}

fn once() -> RetryPolicy {
    RetryPolicy::new().maximum_attempts(1)
}

/// An environment whose client goes through the gateway, and does not wait long.
async fn through(env: &Env, gateway: &Gateway) -> anyhow::Result<Env> {
    let options = ClientOptions::new(gateway.address()).rpc_timeout(Duration::from_secs(2));
    Ok(env.with_client(Client::connect(options).await?))
}

// ---- a network that loses calls

#[activity]
async fn answers(number: u32) -> activity::Result<u32> {
    Ok(number)
}

#[workflow]
async fn asks_once(ctx: &workflow::Context) -> workflow::Result<u32> {
    Ok(ctx
        .execute_activity(answers, 7_u32, quick().retry_policy(once()))
        .await?)
}

/// An answer that nobody confirmed in time is given again: an activity's result, its failure, a workflow task's commands.
#[test]
fn an_answer_that_got_lost_is_given_again() {
    run(async |env| {
        let gateway = Gateway::open()
            .await?
            .lose("RespondActivityTaskCompleted", 1)
            .lose("RespondWorkflowTaskCompleted", 1);
        let env = through(&env, &gateway).await?;
        env.serve(env.worker().workflow::<asks_once>().activity(answers), async {
            let handle = env
                .client()
                .start_workflow(asks_once, (), env.unrecorded_options("lost"))
                .await?;
            assert_eq!(handle.result().await?, 7);
            let events = env.events(handle.id()).await?;
            for failed in [EventType::WorkflowTaskTimedOut, EventType::WorkflowTaskFailed] {
                assert_eq!(count(&events, failed), 0, "{failed:?}");
            }
            Ok(())
        })
        .await
    });
}

/// Tells of itself until the server has heard it four times.
struct Steady(Gateway);

#[activities]
impl Steady {
    #[activity]
    async fn tells_steadily(&self, ctx: &activity::Context) -> activity::Result<()> {
        let mut heard = std::pin::pin!(self.0.answered("RecordActivityTaskHeartbeat", 4));
        for number in 0_u64.. {
            ctx.heartbeat(number);
            let a_while = ctx.until_cancelled(tokio::time::sleep(Duration::from_millis(20)));
            tokio::select! {
                () = &mut heard => break,
                told = a_while => told?,
            }
        }
        Ok(())
    }
}

#[workflow]
async fn hears_steadily(ctx: &workflow::Context, timeout_ms: u64) -> workflow::Result<()> {
    let options = quick()
        .retry_policy(once())
        .heartbeat_timeout(Duration::from_millis(timeout_ms));
    Ok(ctx.execute_activity(Steady::tells_steadily, (), options).await?)
}

/// A heartbeat without an answer is given up long before the heartbeat timeout, and the next one goes out at once.
#[test]
fn a_heartbeat_that_got_lost_does_not_cost_the_activity() {
    run(async |env| {
        let gateway = Gateway::open().await?.lose("RecordActivityTaskHeartbeat", 2);
        let client = Client::connect(gateway.address()).await?;
        let env = env.with_client(client);
        let worker = env.worker().workflow::<hears_steadily>().activities(Steady(gateway));
        env.serve(worker, async {
            let options = env.unrecorded_options("steady");
            env.client()
                .execute_workflow(hears_steadily, 5_000_u64, options)
                .await?;
            Ok(())
        })
        .await
    });
}

/// A heartbeat that failed is tried again soon, not only when the next one would be due.
#[test]
fn a_heartbeat_that_was_refused_is_tried_again_soon() {
    run(async |env| {
        let gateway = Gateway::open()
            .await?
            .refuse("RecordActivityTaskHeartbeat", 2, Code::PermissionDenied)
            .refuse("RecordActivityTaskHeartbeat", 3, Code::Unavailable);
        let client = Client::connect(gateway.address()).await?;
        let env = env.with_client(client);
        let worker = env
            .worker()
            .max_heartbeat_throttle_interval(MINUTE)
            .workflow::<hears_steadily>()
            .activities(Steady(gateway));
        env.serve(worker, async {
            let options = env.unrecorded_options("steady");
            env.client()
                .execute_workflow(hears_steadily, 3_000_u64, options)
                .await?;
            Ok(())
        })
        .await
    });
}

/// A workflow that says a lot when it is asked to.
#[workflow]
async fn waits(ctx: &workflow::Context) -> workflow::Result<()> {
    ctx.on_query("text", |_, bytes: usize| Ok("q".repeat(bytes)));
    ctx.wait_condition(|| false).await?;
    Ok(())
}

/// A page of a history that did not come in time is asked for again.
#[test]
fn a_history_that_got_lost_is_fetched_again() {
    run(async |env| {
        let gateway = Gateway::open().await?.lose("GetWorkflowExecutionHistory", 1);
        let worker = through(&env, &gateway).await?.worker().max_cached_workflows(1);
        env.serve(worker.workflow::<waits>(), async {
            let text = || query_named::<String>("text");
            let start = |suffix| {
                let options = env.unrecorded_options(suffix);
                env.client().start_workflow(waits, (), options)
            };
            let first = start("first").await?;
            assert_eq!(first.query(text(), 1_usize).await?, "q");
            // There is room for one: the first one has to be fetched anew.
            let second = start("second").await?;
            let mut fetched = std::pin::pin!(gateway.answered("GetWorkflowExecutionHistory", 1));
            // A query that does not go by the worker's own queue brings its history along: then it is the next one's turn.
            loop {
                let both = async { tokio::try_join!(second.query(text(), 2_usize), first.query(text(), 3_usize)) };
                tokio::select! {
                    () = &mut fetched => break,
                    both = both => assert_eq!(both?, ("qq".to_owned(), "qqq".to_owned())),
                }
            }
            assert_eq!(first.query(text(), 1_usize).await?, "q");
            let said = captured(|line| line.contains("cannot be fetched") && line.contains(first.id()));
            assert_eq!(said, [""; 0]);
            for handle in [first, second] {
                handle.terminate("told").await?;
            }
            Ok(())
        })
        .await
    });
}

/// A worker whose first questions about the namespace were not answered asks again, and says once that it had to.
#[test]
fn a_worker_learns_the_limits_of_the_namespace_later() {
    run(async |env| {
        let gateway = Gateway::open()
            .await?
            .refuse("DescribeNamespace", 1, Code::PermissionDenied)
            .refuse("DescribeNamespace", 2, Code::NotFound);
        let env = through(&env, &gateway).await?;
        env.serve(env.worker().workflow::<waits>(), async {
            let handle = env
                .client()
                .start_workflow(waits, (), env.unrecorded_options("asked"))
                .await?;
            gateway.answered("DescribeNamespace", 1).await;
            loop {
                let text = query_named::<String>("text");
                let refused = handle.query(text, TOO_MUCH).await.unwrap_err();
                assert!(matches!(refused, QueryError::Failed { .. }), "{refused}");
                if refused.to_string().contains("the namespace takes at most 2097152") {
                    break;
                }
            }
            let queue = env.task_queue();
            let said = captured(|line| line.contains("the namespace cannot be described") && line.contains(queue));
            assert_eq!(said.len(), 1, "{said:?}");
            handle.terminate("told").await?;
            Ok(())
        })
        .await
    });
}

// ---- failures that cannot be sent as they are

#[activity]
fn fails_at_length(bytes: usize, details: bool) -> activity::Result<()> {
    let text = "x".repeat(bytes);
    let error = match details {
        true => ApplicationError::new("it has details").details(&text)?,
        false => ApplicationError::new(text).non_retryable(),
    };
    Err(error.kind("Lengthy").into())
}

#[workflow]
async fn hears_lengths(ctx: &workflow::Context, bytes: usize, details: bool) -> workflow::Result<Vec<String>> {
    let options = quick().retry_policy(twice());
    let input = (bytes, details);
    let failure = ctx.execute_activity(fails_at_length, input, options).await.unwrap_err();
    let told = failure.as_application().expect("an application failure");
    Ok(vec![told.type_name().to_owned(), told.message().to_owned()])
}

/// A failure that fits no message is reported as one that says so. Whether it is tried again stays as it was.
#[test]
fn a_failure_that_fits_no_message_is_reported() {
    run(async |env| {
        let worker = env.worker().workflow::<hears_lengths>().activity(fails_at_length);
        env.serve(worker, async {
            for (suffix, details, begins, attempt) in [
                ("message", false, "xxxxxxxx", 1),
                ("details", true, "it has details", 2),
            ] {
                let input = (FAR_TOO_MUCH, details);
                let options = env.unrecorded_options(suffix);
                let handle = env.client().start_workflow(hears_lengths, input, options).await?;
                let told = handle.result().await?;
                assert_eq!(told[0], "PayloadsTooLarge");
                for part in [
                    "the failure of activity \"fails_at_length\"",
                    "\"Lengthy\"",
                    begins,
                    "bytes",
                ] {
                    assert!(told[1].contains(part), "{part}: {}", told[1]);
                }
                assert!(told[1].len() < 5000, "{}", told[1].len());
                assert_eq!(attempts(&env, handle.id()).await?, [attempt]);
            }
            Ok(())
        })
        .await
    });
}

/// The numbers of the attempts with which activities ended.
async fn attempts(env: &Env, workflow_id: &str) -> anyhow::Result<Vec<i32>> {
    use temporal_integration_tests::history::Attributes;
    let events = env.events(workflow_id).await?;
    let started = events.into_iter().filter_map(|event| match event.attributes {
        Some(Attributes::ActivityTaskStartedEventAttributes(started)) => Some(started.attempt),
        _ => None,
    });
    Ok(started.collect())
}

/// Cannot seal what is secret.
struct Picky;

impl PayloadCodec for Picky {
    fn encode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        let secret = |payload: &Payload| payload.data.windows(6).any(|window| window == b"s3cret");
        let sealed = match payloads.iter().any(secret) {
            true => Err(CodecError::new("there is no key for this")),
            false => Ok(payloads),
        };
        async move { sealed }.boxed()
    }

    fn decode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        async move { Ok(payloads) }.boxed()
    }
}

#[activity]
async fn fails_in_secret() -> activity::Result<()> {
    let error = ApplicationError::new("told to all").kind("Open").details(&"s3cret")?;
    Err(error.into())
}

/// Its first attempt has a secret for a result, and tells twice in a moment how far it is.
#[activity]
async fn ends_in_secret(ctx: &activity::Context) -> activity::Result<String> {
    if let Some(told) = ctx.heartbeat_details::<String>()? {
        return Ok(told);
    }
    ctx.heartbeat("first");
    ctx.heartbeat("last");
    Ok("s3cret".to_owned())
}

#[activity]
async fn stops_in_secret(ctx: &activity::Context) -> activity::Result<()> {
    loop {
        ctx.heartbeat("working");
        let a_while = tokio::time::sleep(Duration::from_millis(20));
        if ctx.until_cancelled(a_while).await.is_err() {
            return Err(activity::Error::cancelled_with("s3cret"));
        }
    }
}

#[workflow]
async fn hears_secrets(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let failure = ctx
        .execute_activity(fails_in_secret, (), quick().retry_policy(twice()))
        .await
        .unwrap_err();
    let told = failure.as_application().expect("an application failure");
    let mut said = vec![told.type_name().to_owned(), told.message().to_owned()];
    let options = quick().heartbeat_timeout(MINUTE).retry_policy(twice());
    said.push(ctx.execute_activity(ends_in_secret, (), options).await?);
    let options = quick()
        .heartbeat_timeout(MINUTE)
        .retry_policy(twice())
        .cancellation_type(CancellationType::WaitCancellationCompleted);
    let stops = ctx.start_activity(stops_in_secret, (), options);
    ctx.sleep(Duration::from_millis(10)).await?;
    stops.cancel();
    said.push(format!("cancelled: {}", stops.await.unwrap_err().is_cancelled()));
    Ok(said)
}

/// How an activity ended reaches the server though the codec cannot seal its details; heartbeats that were not sent before
/// reach the next attempt.
#[test]
fn an_end_that_the_codec_cannot_seal_is_reported() {
    run(async |env| {
        let converter = DataConverter::default().with_codec(Picky);
        let env = env.with_client(env.client().with_data_converter(converter));
        let worker = env
            .worker()
            .workflow::<hears_secrets>()
            .activity(fails_in_secret)
            .activity(ends_in_secret)
            .activity(stops_in_secret);
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(hears_secrets, (), env.unrecorded_options("secrets"))
                .await?;
            let said = handle.result().await?;
            assert_eq!(said[0], "CodecError");
            for part in [
                "the failure of activity \"fails_in_secret\"",
                "there is no key for this",
            ] {
                assert!(said[1].contains(part), "{part}: {}", said[1]);
            }
            assert_eq!(said[2..], ["last", "cancelled: true"]);
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, EventType::ActivityTaskCanceled), 1);
            Ok(())
        })
        .await
    });
}

// ---- heartbeats that are too large

async fn pending(client: &Client, workflow_id: &str) -> activity::Result<PendingActivityInfo> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: client.namespace().to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            run_id: String::new(),
        }),
    };
    let described = client.call(request).await?;
    Ok(described.pending_activities.into_iter().next().ok_or("it runs")?)
}

/// Tells something small, then something too large, then gives what the second attempt left.
#[activity]
async fn tells_too_much_at_first(ctx: &activity::Context) -> activity::Result<String> {
    let workflow_id = ctx.info().workflow_id.clone().unwrap_or_default();
    match ctx.info().attempt {
        1 => ctx.heartbeat("small"),
        2 => ctx.heartbeat("h".repeat(TOO_MUCH)),
        _ => {
            let left = ctx.heartbeat_details::<String>()?;
            return Ok(left.unwrap_or_else(|| "nothing".to_owned()));
        }
    }
    // Until the server has heard of this attempt.
    loop {
        let pending = pending(ctx.client(), &workflow_id).await?;
        let times = (pending.last_heartbeat_time, pending.last_started_time);
        if let (Some(heard), Some(started)) = times
            && (heard.seconds, heard.nanos) > (started.seconds, started.nanos)
        {
            return Err("once more".into());
        }
        tokio::task::yield_now().await;
    }
}

#[workflow]
async fn hears_too_much_at_first(ctx: &workflow::Context) -> workflow::Result<String> {
    let soon = RetryPolicy::new().initial_interval(Duration::from_millis(10));
    let options = quick().heartbeat_timeout(MINUTE).retry_policy(soon);
    Ok(ctx.execute_activity(tells_too_much_at_first, (), options).await?)
}

/// Too large a heartbeat, the first of an attempt, leaves what the attempt before told.
#[test]
fn too_large_a_first_heartbeat_leaves_what_was_told_before() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<hears_too_much_at_first>()
            .activity(tells_too_much_at_first);
        env.serve(worker, async {
            let options = env.unrecorded_options("first");
            let left = env
                .client()
                .execute_workflow(hears_too_much_at_first, (), options)
                .await?;
            assert_eq!(left, "small");
            Ok(())
        })
        .await
    });
}

// ---- answers that the server refuses

/// An answer that the server refuses fails the task, with the server's words in the history.
#[test]
fn an_answer_that_the_server_refuses_fails_the_task() {
    run(async |env| {
        let gateway = Gateway::open()
            .await?
            .refuse("RespondWorkflowTaskCompleted", 1, Code::InvalidArgument);
        let env = through(&env, &gateway).await?;
        env.serve(env.worker().workflow::<asks_once>().activity(answers), async {
            let handle = env
                .client()
                .start_workflow(asks_once, (), env.unrecorded_options("refused"))
                .await?;
            assert_eq!(handle.result().await?, 7);
            let failed = env.failed_task(handle.id()).await?;
            assert_eq!(failed.cause(), WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure);
            let message = failed.failure.unwrap_or_default().message;
            assert!(
                message.starts_with("the server does not take the answer to a workflow task of workflow \"asks_once\""),
                "{message}"
            );
            assert!(message.ends_with("the gateway does not let it through"), "{message}");
            Ok(())
        })
        .await
    });
}

#[workflow]
async fn reaches_nowhere(ctx: &workflow::Context) -> workflow::Result<()> {
    let options = ChildWorkflowOptions::default().namespace("there-is-no-such-namespace");
    ctx.execute_child_workflow(workflow::named::<()>("Child"), (), options)
        .await?;
    Ok(())
}

/// A namespace that there is not, in a command, fails the task. The server only refuses the answer.
#[test]
fn a_command_to_a_namespace_that_there_is_not_fails_the_task() {
    run(async |env| {
        env.serve(env.worker().workflow::<reaches_nowhere>(), async {
            let handle = env
                .client()
                .start_workflow(reaches_nowhere, (), env.unrecorded_options("nowhere"))
                .await?;
            let failed = env.failed_task(handle.id()).await?;
            let message = failed.failure.unwrap_or_default().message;
            assert!(
                message.ends_with("Namespace there-is-no-such-namespace is not found."),
                "{message}"
            );
            handle.terminate("told").await?;
            Ok(())
        })
        .await
    });
}

#[workflow]
async fn summarizes(ctx: &workflow::Context) -> workflow::Result<String> {
    let timer = TimerOptions::new(Duration::from_millis(1)).summary("s".repeat(500_000));
    ctx.start_timer(timer).await?;
    Ok("done".to_owned())
}

/// Servers take summaries and details of any length that fits a message.
#[test]
fn long_summaries_and_details_are_taken() {
    run(async |env| {
        env.serve(env.worker().workflow::<summarizes>(), async {
            let options = env
                .unrecorded_options("summary")
                .static_summary("s".repeat(500_000))
                .static_details("d".repeat(500_000));
            let done = env.client().execute_workflow(summarizes, (), options).await?;
            assert_eq!(done, "done");
            Ok(())
        })
        .await
    });
}
