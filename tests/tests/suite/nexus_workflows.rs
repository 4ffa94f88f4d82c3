//! Nexus operations that a handler serves with a workflow of its own: the end of the one is the end of the other.

use crate::MINUTE;
use crate::cancellation_table::handled;
use anyhow::Context as _;
use std::cell::Cell;
use std::convert::Infallible;
use temporal_integration_tests::history::EventType::{self, *};
use temporal_integration_tests::history::{Event, essential};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::WorkflowOperationError;
use temporal_sdk::client::protos::api::common::v1::{Callback, Payload, WorkflowType, callback};
use temporal_sdk::client::protos::api::nexus::v1 as nexus;
use temporal_sdk::client::protos::api::nexus::v1::start_operation_response::{Async, Sync, Variant as Start};
use temporal_sdk::client::protos::api::taskqueue::v1::TaskQueue;
use temporal_sdk::client::protos::api::workflowservice::v1::{
    PollNexusTaskQueueRequest, RespondNexusTaskCompletedRequest, StartWorkflowExecutionRequest,
};
use temporal_sdk::workflow::{self, CancellationType, Context, NexusOperation, NexusOperationOptions};

const CHARGE: NexusOperation<String, String> = NexusOperation::new("shop", "charge");
const REFUND: NexusOperation<String, String> = NexusOperation::new("shop", "refund");
/// Its handler starts the workflow that the input names, and cancels it when it is told to.
const SHIP: NexusOperation<String, String> = NexusOperation::new("shop", "ship");
/// The same, but its handler only says that it knows.
const DRIFT: NexusOperation<String, String> = NexusOperation::new("shop", "drift");

/// What the handler starts for an operation.
#[derive(Default)]
pub(crate) struct Shipment {
    arrived: Cell<bool>,
}

#[temporal_sdk::workflow]
impl Shipment {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<String> {
        ctx.wait_condition(|| self.arrived.get()).await?;
        Ok("arrived".to_owned())
    }

    #[signal]
    fn arrive(&self) {
        self.arrived.set(true);
    }
}

/// Calls an operation that answers at once, one that fails, one that a workflow serves, and one that is cancelled.
#[temporal_sdk::workflow]
pub(crate) async fn calls_every_way(ctx: &Context, endpoint: String) -> workflow::Result<Vec<String>> {
    let id = ctx.info().workflow_id.clone();
    let options = || NexusOperationOptions::new(&endpoint).schedule_to_close_timeout(MINUTE);
    let charged = ctx.execute_nexus_operation(CHARGE, "1700", options()).await?;
    let refused = ctx.execute_nexus_operation(REFUND, "1700", options()).await;
    let arrives = ctx
        .start_nexus_operation(SHIP, format!("{id}-arrives"), options())
        .await?;
    let arrived = arrives.await?;
    let returns = ctx
        .start_nexus_operation(SHIP, format!("{id}-returns"), options())
        .await?;
    returns.cancel();
    let returned = returns.await;
    Ok(vec![
        charged,
        refused.is_err().to_string(),
        arrived,
        returned.is_err_and(|failure| failure.is_cancelled()).to_string(),
    ])
}

/// Cancels an operation that runs, and gives how it ended for the workflow.
#[temporal_sdk::workflow]
pub(crate) async fn cancels_by_type(ctx: &Context, endpoint: String, kind: String) -> workflow::Result<bool> {
    let id = ctx.info().workflow_id.clone();
    let (operation, kind) = match kind.as_str() {
        "abandon" => (SHIP, CancellationType::Abandon),
        "try" => (SHIP, CancellationType::TryCancel),
        "requested" => (DRIFT, CancellationType::WaitCancellationRequested),
        _ => (SHIP, CancellationType::WaitCancellationCompleted),
    };
    let options = NexusOperationOptions::new(&endpoint).cancellation_type(kind);
    let handle = ctx
        .start_nexus_operation(operation, format!("{id}-shipment"), options)
        .await?;
    handle.cancel();
    Ok(handle.await.is_err_and(|failure| failure.is_cancelled()))
}

/// Starts the workflow that serves an operation, and gives the answer: its id is the operation's token.
async fn ship(env: &Env, start: nexus::StartOperationRequest) -> anyhow::Result<Start> {
    let input = start.payload.unwrap_or_default();
    let workflow_id: String = serde_json::from_slice(&input.data)?;
    let namespace = env.client().namespace();
    let request = StartWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        workflow_id: workflow_id.clone(),
        workflow_type: Some(WorkflowType {
            name: "Shipment".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: env.task_queue().to_owned(),
            ..TaskQueue::default()
        }),
        request_id: start.request_id,
        completion_callbacks: vec![Callback {
            variant: Some(callback::Variant::Nexus(callback::Nexus {
                url: start.callback,
                header: start.callback_header,
            })),
            ..Callback::default()
        }],
        ..StartWorkflowExecutionRequest::default()
    };
    let run_id = env.client().call(request).await?.run_id;
    let reference = "eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference";
    let link = nexus::Link {
        url: format!("temporal:///namespaces/{namespace}/workflows/{workflow_id}/{run_id}/history?{reference}"),
        r#type: "temporal.api.common.v1.Link.WorkflowEvent".to_owned(),
    };
    Ok(Start::AsyncSuccess(Async {
        operation_token: workflow_id,
        links: vec![link],
        ..Async::default()
    }))
}

#[expect(deprecated, reason = "the form that every server understands")]
fn refusal() -> Start {
    Start::OperationError(nexus::UnsuccessfulOperationError {
        operation_state: "failed".to_owned(),
        failure: Some(nexus::Failure {
            message: "no refunds".to_owned(),
            ..nexus::Failure::default()
        }),
    })
}

/// Serves the requests for the workflow of this id, also those that come twice, until it has ended.
pub(crate) async fn serve<T>(
    env: &Env,
    queue: &str,
    caller: &str,
    ended: impl Future<Output = T>,
) -> anyhow::Result<T> {
    tokio::select! {
        ended = ended => Ok(ended),
        served = serve_forever(env, queue, caller) => match served? {},
    }
}

/// What follows an answer waits until the caller has seen it, so that its history is the same each time.
async fn serve_forever(env: &Env, queue: &str, caller: &str) -> anyhow::Result<Infallible> {
    use nexus::request::Variant as Request;
    let client = env.client();
    loop {
        let poll = PollNexusTaskQueueRequest {
            namespace: client.namespace().to_owned(),
            identity: "shop".to_owned(),
            task_queue: Some(TaskQueue {
                name: queue.to_owned(),
                ..TaskQueue::default()
            }),
            ..PollNexusTaskQueueRequest::default()
        };
        let task = client.call(poll).timeout(MINUTE * 2).await?;
        let Some(request) = task.request.and_then(|request| request.variant) else {
            continue;
        };
        let start = match &request {
            Request::StartOperation(start) if start.operation == "charge" => Some(Start::SyncSuccess(Sync {
                payload: start.payload.clone().map(receipt),
                ..Sync::default()
            })),
            Request::StartOperation(start) if start.operation == "refund" => Some(refusal()),
            Request::StartOperation(start) => Some(ship(env, start.clone()).await?),
            Request::CancelOperation(_) => None,
        };
        let variant = match start {
            Some(start) => {
                nexus::response::Variant::StartOperation(nexus::StartOperationResponse { variant: Some(start) })
            }
            None => nexus::response::Variant::CancelOperation(nexus::CancelOperationResponse {}),
        };
        let answered = RespondNexusTaskCompletedRequest {
            namespace: client.namespace().to_owned(),
            identity: "shop".to_owned(),
            task_token: task.task_token,
            response: Some(nexus::Response { variant: Some(variant) }),
            ..RespondNexusTaskCompletedRequest::default()
        };
        // It comes again where the answer is too late.
        if client.call(answered).await.is_err() {
            continue;
        }
        match request {
            Request::StartOperation(start) => {
                let id: String = serde_json::from_slice(&start.payload.unwrap_or_default().data)?;
                if id.ends_with("-arrives") {
                    handled(env, caller, NexusOperationStarted).await?;
                    let shipment = client.workflow_handle::<Shipment>(id);
                    shipment.signal(Shipment::arrive, ()).await?;
                }
            }
            Request::CancelOperation(cancel) if cancel.operation == "ship" => {
                handled(env, caller, NexusOperationCancelRequestCompleted).await?;
                // Of what was asked twice, it has ended.
                let shipment = client.workflow_handle::<Shipment>(cancel.operation_token);
                match shipment.cancel().await {
                    Ok(()) | Err(WorkflowOperationError::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Request::CancelOperation(_) => {}
        }
    }
}

/// The types of events without those of workflow tasks, and without the run's start and end.
fn between(events: &[Event]) -> Vec<EventType> {
    let mut kinds = essential(events);
    kinds.pop();
    kinds.remove(0);
    kinds
}

fn receipt(input: Payload) -> Payload {
    Payload {
        data: b"\"receipt\"".to_vec().into(),
        ..input
    }
}

/// P24: each kind of operation ends as its handler says.
#[test]
fn p24_nexus_operations_end_as_the_workflows_that_serve_them() {
    run(async |env| {
        let queue = format!("{}-nexus", env.task_queue());
        let endpoint = env.nexus_endpoint(&queue).await?;
        let worker = env.worker().workflow::<calls_every_way>().workflow::<Shipment>();
        env.serve(worker, async {
            let options = env.options("every");
            // What the handler starts is kept too.
            let _ = (env.id("every-arrives"), env.id("every-returns"));
            let client = env.client();
            let handle = client
                .start_workflow(calls_every_way, endpoint.as_str(), options)
                .await?;
            let told = serve(&env, &queue, handle.id(), handle.result()).await?;
            assert_eq!(told?, ["receipt", "true", "arrived", "true"]);
            let events = env.events(handle.id()).await?;
            let expected = [
                NexusOperationScheduled,
                NexusOperationCompleted,
                NexusOperationScheduled,
                NexusOperationFailed,
                NexusOperationScheduled,
                NexusOperationStarted,
                NexusOperationCompleted,
                NexusOperationScheduled,
                NexusOperationStarted,
                NexusOperationCancelRequested,
                NexusOperationCancelRequestCompleted,
                NexusOperationCanceled,
            ];
            assert_eq!(between(&events), expected);
            Ok(())
        })
        .await
    });
}

const BY_TYPE: [(&str, &[EventType]); 4] = [
    ("abandon", &[NexusOperationScheduled, NexusOperationStarted]),
    (
        "try",
        &[
            NexusOperationScheduled,
            NexusOperationStarted,
            NexusOperationCancelRequested,
        ],
    ),
    (
        "requested",
        &[
            NexusOperationScheduled,
            NexusOperationStarted,
            NexusOperationCancelRequested,
            NexusOperationCancelRequestCompleted,
        ],
    ),
    (
        "completed",
        &[
            NexusOperationScheduled,
            NexusOperationStarted,
            NexusOperationCancelRequested,
            NexusOperationCancelRequestCompleted,
            NexusOperationCanceled,
        ],
    ),
];

/// P24: what a cancelled operation waits for, by its cancellation type. (The request of one that waits for nothing goes
/// with the workflow, which ends in the same task.)
#[test]
fn p24_s91_each_cancellation_type_of_a_nexus_operation() {
    run(async |env| {
        let queue = format!("{}-nexus", env.task_queue());
        let endpoint = env.nexus_endpoint(&queue).await?;
        let worker = env.worker().workflow::<cancels_by_type>().workflow::<Shipment>();
        env.serve(worker, async {
            for (kind, expected) in BY_TYPE {
                let options = env.options(kind);
                let handle = env
                    .client()
                    .start_workflow(cancels_by_type, (endpoint.as_str(), kind), options)
                    .await?;
                let cancelled = serve(&env, &queue, handle.id(), handle.result()).await.context(kind)?;
                assert!(cancelled?, "{kind}");
                let events = env.events(handle.id()).await?;
                assert_eq!(between(&events), expected, "{kind}");
            }
            Ok(())
        })
        .await
    });
}
