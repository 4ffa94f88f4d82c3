//! What is larger than a server takes: who is told, and what is lost.

use crate::{MINUTE, quick, quick_local, update_failure};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use temporal_integration_tests::history::{Attributes, EventType, count, types};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::data::{CodecError, DataConverter, PayloadCodec};
use temporal_sdk::client::definition::update_named;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::protos::any;
use temporal_sdk::client::protos::api::command::v1::command::Attributes as CommandAttributes;
use temporal_sdk::client::protos::api::command::v1::{Command, ProtocolMessageCommandAttributes};
use temporal_sdk::client::protos::api::common::v1::{Payload, Payloads};
use temporal_sdk::client::protos::api::enums::v1::{CommandType, WorkflowTaskFailedCause};
use temporal_sdk::client::protos::api::protocol::v1::Message;
use temporal_sdk::client::protos::api::taskqueue::v1::TaskQueue;
use temporal_sdk::client::protos::api::update::v1::{Acceptance, Meta, Outcome, Response, outcome};
use temporal_sdk::client::protos::api::workflowservice::v1::{
    PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
};
use temporal_sdk::client::{ActivityHandleError, ActivityTarget, QueryError};
use temporal_sdk::{activities, activity, args, workflow};
use tokio::sync::Notify;

/// More than a namespace takes in one place, less than a message may be.
const TOO_MUCH: usize = 3_000_000;

/// More than a message may be.
const FAR_TOO_MUCH: usize = 5_000_000;

/// A workflow with values of any size.
#[derive(Default)]
struct Large {
    done: std::cell::Cell<bool>,
}

#[workflow]
impl Large {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.wait_condition(|| self.done.get()).await?;
        Ok("alive".to_owned())
    }

    #[query]
    fn text(&self, bytes: usize) -> String {
        "q".repeat(bytes)
    }

    #[update]
    async fn give(&self, bytes: usize) -> workflow::Result<String> {
        Ok("u".repeat(bytes))
    }

    #[update]
    async fn take(&self, text: String) -> workflow::Result<usize> {
        Ok(text.len())
    }

    #[validator(take)]
    fn check(&self, text: &String) -> Result<(), ApplicationError> {
        match text.starts_with("no") {
            true => Err(ApplicationError::new("not this one")),
            false => Ok(()),
        }
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }
}

/// P68: an update whose result is over the limit fails and says so. The server would end the whole run for it.
#[test]
fn p68_the_result_of_an_update_is_too_large() {
    run(async |env| {
        env.serve(env.worker().workflow::<Large>(), async {
            let handle = env
                .client()
                .start_workflow(Large::run, (), env.unrecorded_options("large"))
                .await?;
            let error = handle.execute_update(Large::give, TOO_MUCH).await.unwrap_err();
            let failure = update_failure(error);
            let told = failure.as_application().expect("an application failure");
            assert_eq!(told.type_name(), "PayloadsTooLarge");
            let message = told.message();
            assert!(message.starts_with("[TMPRL1103] the result of update \""), "{message}");
            assert!(message.contains("of workflow \"Large\""), "{message}");
            assert!(
                message.contains("bytes, but the namespace takes at most 2097152"),
                "{message}"
            );
            assert_eq!(handle.execute_update(Large::give, 3_usize).await?, "uuu");
            handle.signal(Large::finish, ()).await?;
            assert_eq!(handle.result().await?, "alive");
            Ok(())
        })
        .await
    });
}

/// An update whose request just fits is accepted and rejected like any other, though what is around it does not fit.
#[test]
fn an_update_whose_request_just_fits() {
    run(async |env| {
        env.serve(env.worker().workflow::<Large>(), async {
            let handle = env
                .client()
                .start_workflow(Large::run, (), env.unrecorded_options("fits"))
                .await?;
            let bytes = (2 << 20) - 100;
            assert_eq!(handle.execute_update(Large::take, "x".repeat(bytes)).await?, bytes);
            let rejected = handle
                .execute_update(Large::take, format!("no{}", "x".repeat(bytes - 2)))
                .await;
            assert!(
                update_failure(rejected.unwrap_err())
                    .to_string()
                    .contains("not this one")
            );
            handle.signal(Large::finish, ()).await?;
            assert_eq!(handle.result().await?, "alive");
            Ok(())
        })
        .await
    });
}

/// P68: a query whose answer is too large fails and says so, be it over the namespace's limit or a message's.
#[test]
fn p68_the_answer_of_a_query_is_too_large() {
    run(async |env| {
        env.serve(env.worker().workflow::<Large>(), async {
            let handle = env
                .client()
                .start_workflow(Large::run, (), env.unrecorded_options("asked"))
                .await?;
            for (bytes, limit) in [
                (TOO_MUCH, "but the namespace takes at most 2097152"),
                (FAR_TOO_MUCH, "bytes"),
            ] {
                let refused = handle.query(Large::text, bytes).await.unwrap_err();
                assert!(matches!(refused, QueryError::Failed { .. }), "{refused}");
                let told = refused.to_string();
                assert!(
                    told.contains("the answer of query \"text\" of workflow \"Large\""),
                    "{told}"
                );
                assert!(told.contains(limit), "{told}");
                assert!(told.contains("keep large values elsewhere"), "{told}");
            }
            assert_eq!(handle.query(Large::text, 2_usize).await?, "qq");
            handle.signal(Large::finish, ()).await?;
            handle.result().await?;
            Ok(())
        })
        .await
    });
}

#[activity]
fn takes_a_lot(text: String) -> activity::Result<usize> {
    Ok(text.len())
}

#[workflow]
async fn starts_too_much(ctx: &workflow::Context) -> workflow::Result<usize> {
    let calls = (1..=4).map(|_| ctx.execute_activity(takes_a_lot, "x".repeat(1_500_000), quick()));
    Ok(workflow::join_all(calls.collect::<Vec<_>>()).await.len())
}

/// P68: an answer over the limit of a message fails the workflow task, and says of what it consists; the workflow lives on.
#[test]
fn p68_the_answer_to_a_workflow_task_is_too_large() {
    run(async |env| {
        env.serve(
            env.worker().workflow::<starts_too_much>().activity(takes_a_lot),
            async {
                let handle = env
                    .client()
                    .start_workflow(starts_too_much, (), env.unrecorded_options("much"))
                    .await?;
                let failed = env.failed_task(handle.id()).await?;
                assert_eq!(failed.cause(), WorkflowTaskFailedCause::PayloadsTooLarge);
                let message = failed.failure.unwrap_or_default().message;
                for part in [
                    "of workflow \"starts_too_much\"",
                    "in 4 commands",
                    "the input of activity \"takes_a_lot\" with 15001",
                    "await what it starts in batches",
                ] {
                    assert!(message.contains(part), "{part}: {message}");
                }
                handle.terminate("told").await?;
                Ok(())
            },
        )
        .await
    });
}

#[activity]
fn gives_a_lot(bytes: usize) -> activity::Result<String> {
    Ok("a".repeat(bytes))
}

#[workflow]
pub(crate) async fn asks_a_lot(ctx: &workflow::Context, bytes: usize) -> workflow::Result<Vec<String>> {
    let failure = ctx.execute_activity(gives_a_lot, bytes, quick()).await.unwrap_err();
    let told = failure.as_application().expect("an application failure");
    Ok(vec![told.type_name().to_owned(), told.message().to_owned()])
}

/// P68: an activity whose result is too large fails for good, and its workflow learns why.
#[test]
fn p68_the_result_of_an_activity_is_too_large() {
    run(async |env| {
        env.serve(env.worker().workflow::<asks_a_lot>().activity(gives_a_lot), async {
            for (bytes, suffix) in [(TOO_MUCH, "namespace"), (FAR_TOO_MUCH, "message")] {
                let told = env
                    .client()
                    .execute_workflow(asks_a_lot, bytes, env.unrecorded_options(suffix))
                    .await?;
                assert_eq!(told[0], "PayloadsTooLarge");
                let workflow_id = env.unrecorded_id(suffix);
                for part in [
                    format!("the result of activity \"gives_a_lot\" (id 1) of workflow \"asks_a_lot\" ({workflow_id})"),
                    format!("has {}", bytes / 100_000),
                    "keep large values elsewhere".to_owned(),
                ] {
                    assert!(told[1].contains(&part), "{part}: {}", told[1]);
                }
                let events = env.events(&workflow_id).await?;
                assert_eq!(count(&events, EventType::ActivityTaskFailed), 1);
            }
            Ok(())
        })
        .await
    });
}

/// Four activities that are ended from elsewhere.
struct Elsewhere(Notify);

#[activities]
impl Elsewhere {
    #[activity]
    async fn ended_elsewhere(&self, ctx: &activity::Context) -> activity::Result<String> {
        self.0.notify_one();
        ctx.heartbeat("begun");
        Err(activity::Error::complete_async())
    }
}

#[workflow]
pub(crate) async fn waits_for_others(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let mut told = Vec::new();
    for _ in 0..4 {
        let failure = ctx
            .execute_activity(Elsewhere::ended_elsewhere, (), quick())
            .await
            .unwrap_err();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&failure);
        let mut lines = Vec::new();
        while let Some(error) = cause {
            let mut line = error.to_string();
            line.truncate(60);
            lines.push(line);
            cause = error.source();
        }
        told.push(lines.join(" <- "));
    }
    Ok(told)
}

/// What clients say of activities fails them when it is too large, with the server's own failure.
#[test]
fn what_is_too_large_from_elsewhere_fails_the_activity() {
    run(async |env| {
        let shared = Arc::new(Elsewhere(Notify::new()));
        let worker = env
            .worker()
            .workflow::<waits_for_others>()
            .activities(Arc::clone(&shared));
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(waits_for_others, (), env.unrecorded_options("others"))
                .await?;
            let large = "x".repeat(TOO_MUCH);
            for number in 1..=4 {
                shared.0.notified().await;
                let activity = env
                    .client()
                    .activity_handle(ActivityTarget::ids(handle.id(), number.to_string()));
                match number {
                    1 => activity.complete(&large).await?,
                    2 => {
                        activity
                            .fail(&ApplicationError::new(large.as_str()).kind("Large"))
                            .await?;
                    }
                    3 => activity.report_cancelled(&large).await?,
                    _ => {
                        let told = activity.heartbeat(&large).await;
                        assert!(matches!(told, Err(ActivityHandleError::Cancelled)), "{told:?}");
                    }
                }
            }
            let told = handle.result().await?;
            let ends = [
                "Complete result exceeds size limit.",
                "Failure exceeds size limit.",
                "Cancel details exceed size limit.",
                "Heartbeat details exceed size limit.",
            ];
            for (told, end) in told.iter().zip(ends) {
                assert!(told.contains(end), "{told}");
            }
            assert!(
                told[1].contains("xxxxx"),
                "what fits of the failure is its cause: {}",
                told[1]
            );
            Ok(())
        })
        .await
    });
}

/// A worker by hand that accepts an update with too large a result: the server ends the run.
#[test]
fn a_message_that_is_too_large_ends_the_run() {
    run(async |env| {
        let handle = env
            .client()
            .start_workflow(workflow::named::<()>("ByHand"), (), env.unrecorded_options("hand"))
            .await?;
        let task = poll(&env).await?;
        respond(&env, task.task_token, Vec::new()).await?;
        let update = {
            let handle = handle.clone();
            tokio::spawn(async move { handle.execute_update(update_named::<String>("any"), ()).await })
        };
        let task = poll(&env).await?;
        let id = task.messages[0].protocol_instance_id.clone();
        let value = Some(outcome::Value::Success(Payloads {
            payloads: vec![Payload {
                data: vec![b'1'; TOO_MUCH].into(),
                ..Payload::default()
            }],
        }));
        let acceptance = any::pack(&Acceptance {
            accepted_request_message_id: task.messages[0].id.clone(),
            accepted_request_sequencing_event_id: task.started_event_id - 1,
            ..Acceptance::default()
        });
        let response = any::pack(&Response {
            meta: Some(Meta {
                update_id: id.clone(),
                identity: String::new(),
            }),
            outcome: Some(Outcome { value }),
        });
        let bodies = [("accept", acceptance), ("respond", response)];
        let messages = bodies
            .into_iter()
            .map(|(name, body)| Message {
                id: format!("{id}/{name}"),
                protocol_instance_id: id.clone(),
                body: Some(body),
                ..Message::default()
            })
            .collect();
        let refused = respond(&env, task.task_token, messages).await.unwrap_err();
        let text =
            "BadUpdateWorkflowExecutionMessage: Message type temporal.api.update.v1.Response exceeds size limit.";
        assert!(refused.to_string().contains(text), "{refused}");
        assert!(update.await?.is_err());
        let events = env.events(handle.id()).await?;
        let Some(Attributes::WorkflowExecutionTerminatedEventAttributes(ended)) =
            events.last().and_then(|event| event.attributes.clone())
        else {
            anyhow::bail!("the run goes on: {events:?}")
        };
        assert_eq!(ended.reason, text);
        Ok(())
    });
}

/// A worker by hand whose answer did not fit one message: the server ends the run.
#[test]
fn an_answer_that_fits_no_message_ends_the_run() {
    run(async |env| {
        let handle = env
            .client()
            .start_workflow(workflow::named::<()>("ByHand"), (), env.unrecorded_options("hand"))
            .await?;
        let task = poll(&env).await?;
        let failed = RespondWorkflowTaskFailedRequest {
            task_token: task.task_token,
            cause: WorkflowTaskFailedCause::GrpcMessageTooLarge.into(),
            identity: "by hand".to_owned(),
            namespace: env.client().namespace().to_owned(),
            ..RespondWorkflowTaskFailedRequest::default()
        };
        env.client().call(failed).await?;
        let events = env.events(handle.id()).await?;
        assert_eq!(
            types(&events[3..]),
            [EventType::WorkflowTaskFailed, EventType::WorkflowExecutionTerminated]
        );
        let Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) = &events[3].attributes else {
            anyhow::bail!("it is of that type")
        };
        let Some(Attributes::WorkflowExecutionTerminatedEventAttributes(ended)) = &events[4].attributes else {
            anyhow::bail!("it is of that type")
        };
        assert_eq!(
            (failed.cause(), ended.reason.as_str(), ended.identity.as_str()),
            (
                WorkflowTaskFailedCause::ForceCloseCommand,
                "GrpcMessageTooLarge",
                "history-service"
            )
        );
        Ok(())
    });
}

/// Takes a workflow task by hand.
pub(crate) async fn poll(env: &Env) -> anyhow::Result<PollWorkflowTaskQueueResponse> {
    let poll = PollWorkflowTaskQueueRequest {
        namespace: env.client().namespace().to_owned(),
        identity: "by hand".to_owned(),
        task_queue: Some(TaskQueue {
            name: env.task_queue().to_owned(),
            ..TaskQueue::default()
        }),
        ..PollWorkflowTaskQueueRequest::default()
    };
    Ok(env.client().call(poll).timeout(MINUTE).await?)
}

async fn respond(env: &Env, task_token: bytes::Bytes, messages: Vec<Message>) -> anyhow::Result<()> {
    let commands = messages
        .iter()
        .map(|message| Command {
            command_type: CommandType::ProtocolMessage.into(),
            attributes: Some(CommandAttributes::ProtocolMessageCommandAttributes(
                ProtocolMessageCommandAttributes {
                    message_id: message.id.clone(),
                },
            )),
            ..Command::default()
        })
        .collect();
    let answer = RespondWorkflowTaskCompletedRequest {
        task_token,
        identity: "by hand".to_owned(),
        namespace: env.client().namespace().to_owned(),
        commands,
        messages,
        ..RespondWorkflowTaskCompletedRequest::default()
    };
    env.client().call(answer).await?;
    Ok(())
}

/// Makes every payload twice as large.
struct Twice;

impl PayloadCodec for Twice {
    fn encode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        let twice = payloads.into_iter().map(|payload| Payload {
            data: payload.data.repeat(2).into(),
            ..payload
        });
        ready(Ok(twice.collect())).boxed()
    }

    fn decode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        let once = payloads.into_iter().map(|payload| Payload {
            data: payload.data.slice(..payload.data.len() / 2),
            ..payload
        });
        ready(Ok(once.collect())).boxed()
    }
}

/// Local activities with large ends, and how often they were tried.
#[derive(Default)]
struct Locals {
    attempts: AtomicU32,
}

#[activities]
impl Locals {
    #[activity]
    async fn result(&self, bytes: usize) -> activity::Result<String> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        Ok("r".repeat(bytes))
    }

    #[activity]
    async fn failure(&self, bytes: usize) -> activity::Result<String> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        let error = ApplicationError::new("with details").non_retryable();
        Err(error.details(&"d".repeat(bytes))?.into())
    }
}

#[workflow]
async fn calls_locals(ctx: &workflow::Context, name: String, bytes: usize) -> workflow::Result<(String, String)> {
    let locals = activity::named::<String>(name);
    let failure = ctx
        .execute_local_activity(locals, args![bytes], quick_local())
        .await
        .unwrap_err();
    let told = failure.as_application().expect("an application failure");
    Ok((told.type_name().to_owned(), told.message().to_owned()))
}

/// P68: a local activity whose result, or whose failure, is too large fails once and says so. It would be run in every
/// attempt of its workflow task, without end.
#[test]
fn p68_the_end_of_a_local_activity_is_too_large() {
    run(async |env| {
        let locals = Arc::new(Locals::default());
        let twice = DataConverter::default().with_codec(Twice);
        let rounds = [
            ("result", TOO_MUCH, env.clone()),
            ("failure", TOO_MUCH, env.clone()),
            (
                "result",
                TOO_MUCH / 2,
                env.with_client(env.client().with_data_converter(twice)),
            ),
        ];
        for (round, (name, bytes, env)) in rounds.into_iter().enumerate() {
            let worker = env.worker().workflow::<calls_locals>().activities(Arc::clone(&locals));
            env.serve(worker, async {
                let options = env.unrecorded_options(&format!("{name}{round}"));
                let (kind, message) = env
                    .client()
                    .execute_workflow(calls_locals, (name, bytes), options)
                    .await?;
                assert_eq!(kind, "PayloadsTooLarge");
                let start = format!(
                    "[TMPRL1103] the {name} of local activity \"{name}\" (id 1) of workflow \"calls_locals\" ({})",
                    env.unrecorded_id(&format!("{name}{round}"))
                );
                assert!(message.starts_with(&start), "{message}");
                assert!(
                    message.contains("bytes, but the namespace takes at most 2097152"),
                    "{message}"
                );
                Ok(())
            })
            .await?;
            assert_eq!(locals.attempts.swap(0, Ordering::SeqCst), 1, "{name}");
        }
        Ok(())
    });
}
