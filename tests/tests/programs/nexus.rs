//! The Nexus operations that programs call, and who serves them.

use crate::activities::{Child, MINUTE, cancellation};
use crate::step::Call;
use std::convert::Infallible;
use temporal_protos::api::common::v1::{Callback, Payload, Payloads, WorkflowType, callback};
use temporal_protos::api::enums::v1::NexusHandlerErrorRetryBehavior;
use temporal_protos::api::nexus::v1 as nexus;
use temporal_protos::api::nexus::v1::start_operation_response::{Async, Sync, Variant as Start};
use temporal_protos::api::taskqueue::v1::TaskQueue;
use temporal_protos::api::workflowservice::v1::{
    PollNexusTaskQueueRequest, RespondNexusTaskCompletedRequest, RespondNexusTaskFailedRequest,
    StartWorkflowExecutionRequest,
};
use temporal_sdk::client::{Client, Code};
use temporal_sdk::workflow::{Context, ExecuteNexusOperation, NexusOperation, NexusOperationOptions};

pub(crate) const ENDPOINT: &str = "programs";
pub(crate) const QUEUE: &str = "nexus";

/// What programs call. The input says how it ends: at once, or with the child that serves it.
const OPERATION: NexusOperation<u8, u32> = NexusOperation::new("programs", "act");

/// How many inputs are answered at once; the others say what a child does.
const AT_ONCE: u8 = 3;

pub(crate) fn start_nexus(ctx: &Context, call: Call) -> ExecuteNexusOperation<u32> {
    let options = NexusOperationOptions::new(ENDPOINT)
        .schedule_to_close_timeout(MINUTE)
        .cancellation_type(cancellation(call.cancellation));
    ctx.execute_nexus_operation(OPERATION, call.does, options)
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue {
        name: name.to_owned(),
        ..TaskQueue::default()
    })
}

/// Serves requests until it is dropped.
pub(crate) async fn serve(client: &Client) -> anyhow::Result<Infallible> {
    loop {
        let poll = PollNexusTaskQueueRequest {
            namespace: client.namespace().to_owned(),
            identity: "programs".to_owned(),
            task_queue: queue(QUEUE),
            ..PollNexusTaskQueueRequest::default()
        };
        let task = client.call(poll).timeout(MINUTE * 2).await?;
        let Some(request) = task.request.and_then(|request| request.variant) else {
            continue;
        };
        let variant = match request {
            nexus::request::Variant::StartOperation(start) => match begin(client, start).await? {
                Some(variant) => {
                    let variant = Some(variant);
                    nexus::response::Variant::StartOperation(nexus::StartOperationResponse { variant })
                }
                None => {
                    // Its caller may have ended.
                    drop(client.call(error(client, task.task_token)).await);
                    continue;
                }
            },
            nexus::request::Variant::CancelOperation(cancel) => {
                // What serves it may have ended.
                let serving = client.workflow_handle::<Child>(cancel.operation_token);
                drop(serving.cancel().await);
                nexus::response::Variant::CancelOperation(nexus::CancelOperationResponse {})
            }
        };
        let answer = RespondNexusTaskCompletedRequest {
            namespace: client.namespace().to_owned(),
            identity: "programs".to_owned(),
            task_token: task.task_token,
            response: Some(nexus::Response { variant: Some(variant) }),
            ..RespondNexusTaskCompletedRequest::default()
        };
        drop(client.call(answer).await);
    }
}

fn no_luck() -> Option<nexus::Failure> {
    Some(nexus::Failure {
        message: "no luck".to_owned(),
        ..nexus::Failure::default()
    })
}

/// The answer of a handler that is not to be asked again.
#[expect(deprecated, reason = "the form that every server understands")]
fn error(client: &Client, task_token: bytes::Bytes) -> RespondNexusTaskFailedRequest {
    RespondNexusTaskFailedRequest {
        namespace: client.namespace().to_owned(),
        identity: "programs".to_owned(),
        task_token,
        error: Some(nexus::HandlerError {
            error_type: "BAD_REQUEST".to_owned(),
            failure: no_luck(),
            retry_behavior: NexusHandlerErrorRetryBehavior::NonRetryable.into(),
        }),
        ..RespondNexusTaskFailedRequest::default()
    }
}

/// The answer to a request; `None`: the handler fails. What is not answered at once is served by a child.
#[expect(deprecated, reason = "the form that every server understands")]
async fn begin(client: &Client, start: nexus::StartOperationRequest) -> anyhow::Result<Option<Start>> {
    let input = start.payload.clone().unwrap_or_default();
    let does: u8 = serde_json::from_slice(&input.data)?;
    let with = |data: String| Payload {
        data: data.into(),
        ..input
    };
    Ok(Some(match does {
        0 => Start::SyncSuccess(Sync {
            payload: Some(with("7".to_owned())),
            ..Sync::default()
        }),
        1 => Start::OperationError(nexus::UnsuccessfulOperationError {
            operation_state: "failed".to_owned(),
            failure: no_luck(),
        }),
        2 => return Ok(None),
        _ => {
            let input = with((does - AT_ONCE).to_string());
            Start::AsyncSuccess(Async {
                operation_token: child(client, start, input).await?,
                ..Async::default()
            })
        }
    }))
}

/// Starts the child that serves an operation, and gives its id. A request that comes again finds the same child, or what
/// continues it.
async fn child(client: &Client, start: nexus::StartOperationRequest, input: Payload) -> anyhow::Result<String> {
    let workflow_id = format!("serves-{}", start.request_id);
    let request = StartWorkflowExecutionRequest {
        namespace: client.namespace().to_owned(),
        workflow_id: workflow_id.clone(),
        workflow_type: Some(WorkflowType {
            name: "Child".to_owned(),
        }),
        task_queue: queue("all"),
        input: Some(Payloads { payloads: vec![input] }),
        request_id: start.request_id,
        workflow_task_timeout: Some(MINUTE.try_into()?),
        completion_callbacks: vec![Callback {
            variant: Some(callback::Variant::Nexus(callback::Nexus {
                url: start.callback,
                header: start.callback_header,
            })),
            ..Callback::default()
        }],
        ..StartWorkflowExecutionRequest::default()
    };
    match client.call(request).await {
        Err(error) if error.code() != Code::AlreadyExists => Err(error.into()),
        Ok(_) | Err(_) => Ok(workflow_id),
    }
}
