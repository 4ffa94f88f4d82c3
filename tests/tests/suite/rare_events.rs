//! What seldom happens to a run, and no other test causes: other ends of children and operations, and acts from outside.

use crate::MINUTE;
use crate::nexus_caller::poll;
use std::cell::Cell;
use std::time::Duration;
use temporal_integration_tests::history::EventType::{self, *};
use temporal_integration_tests::history::count;
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::protos::api::common::v1::{TimeSkippingConfig, WorkflowType};
use temporal_sdk::client::protos::api::enums::v1::{NexusHandlerErrorRetryBehavior, WorkflowIdConflictPolicy};
use temporal_sdk::client::protos::api::nexus::v1 as nexus;
use temporal_sdk::client::protos::api::nexus::v1::request::Variant as Request;
use temporal_sdk::client::protos::api::nexus::v1::start_operation_response::{Async, Variant as Start};
use temporal_sdk::client::protos::api::taskqueue::v1::TaskQueue;
use temporal_sdk::client::protos::api::workflow::v1::OnConflictOptions;
use temporal_sdk::client::protos::api::workflowservice::v1::{
    PauseWorkflowExecutionRequest, RespondNexusTaskCompletedRequest, RespondNexusTaskFailedRequest,
    StartWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest,
};
use temporal_sdk::client::{Code, WorkflowHandle};
use temporal_sdk::workflow::{
    self, CancellationType, ChildWorkflowOptions, Context, Failure, NexusOperation, NexusOperationOptions,
};

/// Does nothing until it is told to finish.
#[derive(Default)]
pub(crate) struct Idles {
    done: Cell<bool>,
}

#[temporal_sdk::workflow]
impl Idles {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(())
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }
}

/// Waits for the ends of two children, and tells why they failed.
#[temporal_sdk::workflow]
pub(crate) async fn outlives_its_children(ctx: &Context) -> workflow::Result<(bool, bool)> {
    let id = &ctx.info().workflow_id;
    let endless = ChildWorkflowOptions::new(format!("{id}endless"));
    let short = ChildWorkflowOptions::new(format!("{id}short")).run_timeout(Duration::from_secs(1));
    let endless = ctx.start_child_workflow(Idles::run, (), endless).await?;
    let short = ctx.start_child_workflow(Idles::run, (), short).await?;
    let terminated = matches!(endless.await.unwrap_err().root_cause(), Failure::Terminated(_));
    Ok((terminated, short.await.unwrap_err().is_timeout()))
}

/// S104: a child that is terminated, and one whose time is over.
#[test]
fn s104_children_that_are_terminated_or_time_out() {
    run(async |env| {
        let worker = env.worker().workflow::<outlives_its_children>().workflow::<Idles>();
        env.serve(worker, async {
            let client = env.client();
            let handle = client
                .start_workflow(outlives_its_children, (), env.options("parent"))
                .await?;
            // The children's, so that their histories are recorded.
            let (endless, _) = (env.id("parentendless"), env.id("parentshort"));
            until(&env, handle.id(), ChildWorkflowExecutionStarted).await?;
            client
                .workflow_handle::<Idles>(endless)
                .terminate("long enough")
                .await?;
            assert_eq!(handle.result().await?, (true, true));
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, ChildWorkflowExecutionTerminated), 1);
            assert_eq!(count(&events, ChildWorkflowExecutionTimedOut), 1);
            Ok(())
        })
        .await
    });
}

/// Loses two operations: the cancellation of one is refused, and the other is not answered in time.
#[derive(Default)]
pub(crate) struct LosesOperations {
    goes_on: Cell<bool>,
}

#[temporal_sdk::workflow]
impl LosesOperations {
    #[run]
    async fn run(&self, ctx: &Context, endpoint: String) -> workflow::Result<(bool, bool)> {
        let ship = || NexusOperation::<String, String>::named("shop", "ship");
        let options = NexusOperationOptions::new(&endpoint).cancellation_type(CancellationType::TryCancel);
        let operation = ctx.start_nexus_operation(ship(), "kept", options).await?;
        operation.cancel();
        let cancelled = operation.await.unwrap_err().is_cancelled();
        ctx.wait_condition(|| self.goes_on.get()).await?;
        let options = NexusOperationOptions::new(&endpoint).schedule_to_close_timeout(Duration::from_secs(1));
        let late = ctx.execute_nexus_operation(ship(), "late", options).await;
        Ok((cancelled, late.unwrap_err().is_timeout()))
    }

    #[signal]
    fn go_on(&self) {
        self.goes_on.set(true);
    }
}

#[expect(deprecated, reason = "the form that every server understands")]
fn refusal(namespace: &str, task_token: bytes::Bytes) -> RespondNexusTaskFailedRequest {
    RespondNexusTaskFailedRequest {
        namespace: namespace.to_owned(),
        identity: "shop".to_owned(),
        task_token,
        error: Some(nexus::HandlerError {
            error_type: "BAD_REQUEST".to_owned(),
            failure: Some(nexus::Failure {
                message: "it is on its way".to_owned(),
                ..nexus::Failure::default()
            }),
            retry_behavior: NexusHandlerErrorRetryBehavior::NonRetryable.into(),
        }),
        ..RespondNexusTaskFailedRequest::default()
    }
}

/// Takes an operation on, and refuses to cancel it, again where an answer came too late.
async fn takes_on_for_good(env: &Env, queue: &str) -> anyhow::Result<()> {
    let client = env.client();
    loop {
        let task = poll(env, queue).await?;
        let answered = match task.request.and_then(|request| request.variant) {
            Some(Request::StartOperation(start)) => {
                let start = Start::AsyncSuccess(Async {
                    operation_token: start.request_id,
                    ..Async::default()
                });
                let response = nexus::StartOperationResponse { variant: Some(start) };
                let answered = RespondNexusTaskCompletedRequest {
                    namespace: client.namespace().to_owned(),
                    identity: "shop".to_owned(),
                    task_token: task.task_token,
                    response: Some(nexus::Response {
                        variant: Some(nexus::response::Variant::StartOperation(response)),
                    }),
                    ..RespondNexusTaskCompletedRequest::default()
                };
                client.call(answered).await.map(drop)
            }
            Some(Request::CancelOperation(_)) => {
                let refusal = refusal(client.namespace(), task.task_token);
                client.call(refusal).await.map(drop)
            }
            None => continue,
        };
        match answered {
            Err(error) if error.code() != Code::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
}

/// P24: an operation whose cancellation is refused, and one that times out.
#[test]
fn p24_nexus_operations_that_are_lost() {
    run(async |env| {
        let queue = format!("{}-nexus", env.task_queue());
        let endpoint = env.nexus_endpoint(&queue).await?;
        env.serve(env.worker().workflow::<LosesOperations>(), async {
            let handle = env
                .client()
                .start_workflow(LosesOperations::run, endpoint.as_str(), env.options("loses"))
                .await?;
            tokio::select! {
                refused = until(&env, handle.id(), NexusOperationCancelRequestFailed) => refused?,
                served = takes_on_for_good(&env, &queue) => served?,
            }
            handle.signal(LosesOperations::go_on, ()).await?;
            assert_eq!(handle.result().await?, (true, true));
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, NexusOperationTimedOut), 1);
            Ok(())
        })
        .await
    });
}

async fn until(env: &Env, workflow_id: &str, kind: EventType) -> anyhow::Result<()> {
    env.wait_for_event(workflow_id, |event| event.event_type() == kind)
        .await?;
    Ok(())
}

/// Starts a workflow that idles, and waits until it does.
async fn idling(env: &Env, suffix: &str) -> anyhow::Result<WorkflowHandle<Idles>> {
    let handle = env.client().start_workflow(Idles::run, (), env.options(suffix)).await?;
    until(env, handle.id(), WorkflowTaskCompleted).await?;
    Ok(handle)
}

/// A start by hand, for what the client's options do not have.
fn started_by_hand(env: &Env, workflow_id: &str, workflow_type: &str) -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        namespace: env.client().namespace().to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: workflow_type.to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: env.task_queue().to_owned(),
            ..TaskQueue::default()
        }),
        request_id: "by hand".to_owned(),
        ..StartWorkflowExecutionRequest::default()
    }
}

/// P13: a start that attaches itself to a run leaves an event there, which its code does not see.
#[test]
fn p13_a_start_that_attaches_itself_to_a_run() {
    run(async |env| {
        env.serve(env.worker().workflow::<Idles>(), async {
            let handle = idling(&env, "idles").await?;
            let again = StartWorkflowExecutionRequest {
                workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
                on_conflict_options: Some(OnConflictOptions {
                    attach_request_id: true,
                    ..OnConflictOptions::default()
                }),
                ..started_by_hand(&env, handle.id(), "Idles")
            };
            assert!(!env.client().call(again).await?.started);
            handle.signal(Idles::finish, ()).await?;
            handle.result().await?;
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, WorkflowExecutionOptionsUpdated), 1);
            Ok(())
        })
        .await
    });
}

/// A run that is paused goes on where it was when it is told to: what came meanwhile is handled then.
#[test]
fn a_paused_run_goes_on() {
    run(async |env| {
        env.serve(env.worker().workflow::<Idles>(), async {
            let (client, handle) = (env.client(), idling(&env, "paused").await?);
            let pause = PauseWorkflowExecutionRequest {
                namespace: client.namespace().to_owned(),
                workflow_id: handle.id().to_owned(),
                request_id: "pause".to_owned(),
                ..PauseWorkflowExecutionRequest::default()
            };
            client.call(pause).await?;
            handle.signal(Idles::finish, ()).await?;
            let unpause = UnpauseWorkflowExecutionRequest {
                namespace: client.namespace().to_owned(),
                workflow_id: handle.id().to_owned(),
                request_id: "unpause".to_owned(),
                ..UnpauseWorkflowExecutionRequest::default()
            };
            client.call(unpause).await?;
            tokio::time::timeout(MINUTE, handle.result()).await??;
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, WorkflowExecutionPaused), 1);
            assert_eq!(count(&events, WorkflowExecutionUnpaused), 1);
            Ok(())
        })
        .await
    });
}

/// Sleeps for longer than any test lasts.
#[temporal_sdk::workflow]
pub(crate) async fn sleeps_in(ctx: &Context) -> workflow::Result<()> {
    ctx.sleep(MINUTE * 60).await?;
    Ok(())
}

/// A server that skips the time of a run leaves an event of it, which its code does not see.
#[test]
fn the_server_skips_the_time_of_a_run() {
    run(async |env| {
        env.serve(env.worker().workflow::<sleeps_in>(), async {
            let client = env.client();
            let start = StartWorkflowExecutionRequest {
                time_skipping_config: Some(TimeSkippingConfig {
                    enabled: true,
                    ..TimeSkippingConfig::default()
                }),
                ..started_by_hand(&env, &env.id("skipped"), "sleeps_in")
            };
            client.call(start).await?;
            let handle = client.workflow_handle::<sleeps_in>(env.id("skipped"));
            handle.result().await?;
            let events = env.events(handle.id()).await?;
            assert!(count(&events, WorkflowExecutionTimeSkippingTransitioned) > 0);
            Ok(())
        })
        .await
    });
}
