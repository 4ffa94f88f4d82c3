//! Nexus operations that a workflow calls, typed by a service trait and by name.

use crate::MINUTE;
use temporal_integration_tests::history::{EventType, count};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::Code;
use temporal_sdk::client::protos::api::common::v1::Payload;
use temporal_sdk::client::protos::api::nexus::v1 as nexus;
use temporal_sdk::client::protos::api::nexus::v1::start_operation_response::{Sync, Variant};
use temporal_sdk::client::protos::api::taskqueue::v1::TaskQueue;
use temporal_sdk::client::protos::api::workflowservice::v1::{
    PollNexusTaskQueueRequest, PollNexusTaskQueueResponse, RespondNexusTaskCompletedRequest,
};
use temporal_sdk::workflow::{
    Interceptor, NexusOperation, NexusOperationOptions, NexusService, Outgoing, OutgoingKind,
};
use temporal_sdk::{nexus_service, workflow};
use temporal_testing::WorkflowEnvironment;

/// What the test's handler serves.
#[nexus_service(name = "payments")]
trait Payments {
    /// Charges so many cents.
    fn charge(cents: u64) -> String;
    /// Is refused.
    #[operation(name = "refund-all")]
    fn refund_all() -> u32;
}

#[workflow]
pub(crate) async fn charges(ctx: &workflow::Context, endpoint: String) -> workflow::Result<Vec<String>> {
    let options = || NexusOperationOptions::new(&endpoint).schedule_to_close_timeout(MINUTE);
    let typed = ctx
        .execute_nexus_operation(Payments::charge, 1700_u64, options())
        .await?;
    let by_name = NexusOperation::<u64, String>::named("payments", "charge");
    let handle = ctx.start_nexus_operation(by_name, 18_u64, options()).await?;
    let named = handle.await?;
    let refused = ctx.execute_nexus_operation(Payments::refund_all, (), options()).await;
    Ok(vec![typed, named, refused.unwrap_err().to_string()])
}

#[expect(deprecated, reason = "the form that every server understands")]
fn answer(request: nexus::Request) -> Option<Variant> {
    let nexus::request::Variant::StartOperation(start) = request.variant? else {
        return None;
    };
    assert_eq!(start.service, Payments::NAME);
    if start.operation != "charge" {
        return Some(Variant::OperationError(nexus::UnsuccessfulOperationError {
            operation_state: "failed".to_owned(),
            failure: Some(nexus::Failure {
                message: "no refunds today".to_owned(),
                ..nexus::Failure::default()
            }),
        }));
    }
    let input = start.payload.unwrap_or_default();
    let receipt = format!("\"receipt of {}\"", String::from_utf8_lossy(&input.data));
    Some(Variant::SyncSuccess(Sync {
        payload: Some(Payload {
            data: receipt.into(),
            ..input
        }),
        ..Sync::default()
    }))
}

/// The queue's next Nexus task.
pub(crate) async fn poll(env: &Env, queue: &str) -> anyhow::Result<PollNexusTaskQueueResponse> {
    let poll = PollNexusTaskQueueRequest {
        namespace: env.client().namespace().to_owned(),
        identity: "handler".to_owned(),
        task_queue: Some(TaskQueue {
            name: queue.to_owned(),
            ..TaskQueue::default()
        }),
        ..PollNexusTaskQueueRequest::default()
    };
    loop {
        let task = env.client().call(poll.clone()).timeout(MINUTE * 2).await?;
        if task.request.is_some() {
            return Ok(task);
        }
    }
}

/// Answers it.
async fn respond(env: &Env, task: PollNexusTaskQueueResponse) -> anyhow::Result<()> {
    let variant = task.request.and_then(answer);
    let answered = RespondNexusTaskCompletedRequest {
        namespace: env.client().namespace().to_owned(),
        identity: "handler".to_owned(),
        task_token: task.task_token,
        response: Some(nexus::Response {
            variant: Some(nexus::response::Variant::StartOperation(
                nexus::StartOperationResponse { variant },
            )),
        }),
        ..RespondNexusTaskCompletedRequest::default()
    };
    // It comes again where the answer is too late.
    match env.client().call(answered).await {
        Err(error) if error.code() != Code::NotFound => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Serves the Nexus tasks of the queue until something is done; one that comes twice, too.
async fn serve<T>(env: &Env, queue: &str, done: impl Future<Output = T>) -> anyhow::Result<T> {
    let served = async {
        loop {
            respond(env, poll(env, queue).await?).await?;
        }
    };
    tokio::select! {
        done = done => Ok(done),
        error = served => error,
    }
}

#[workflow]
pub(crate) async fn charges_with_headers(ctx: &workflow::Context, endpoint: String) -> workflow::Result<String> {
    let headers = [("purpose".to_owned(), "rent".to_owned())].into();
    let options = NexusOperationOptions::new(&endpoint).headers(headers);
    Ok(ctx.execute_nexus_operation(Payments::charge, 1_u64, options).await?)
}

/// Says for whom a workflow works, to the services that it calls.
pub(crate) struct NamesTenant;

impl Interceptor for NamesTenant {
    fn outgoing(&self, _ctx: &workflow::Context, call: &mut Outgoing<'_>) {
        assert_eq!((call.kind, call.name), (OutgoingKind::NexusOperation, "charge"));
        let tenant = Payload {
            data: "acme".into(),
            ..Payload::default()
        };
        call.headers.insert("Tenant".to_owned(), tenant);
    }
}

/// P24, P45: a handler is told the headers of the options, and those that interceptors add.
#[test]
fn p24_p45_headers_of_nexus_operations() {
    run(async |env| {
        let queue = format!("{}-nexus", env.task_queue());
        let endpoint = env.nexus_endpoint(&queue).await?;
        let worker = env
            .worker()
            .workflow::<charges_with_headers>()
            .workflow_interceptor(NamesTenant);
        env.serve(worker, async {
            let options = env.options("headers");
            let handle = env
                .client()
                .start_workflow(charges_with_headers, endpoint.as_str(), options)
                .await?;
            let task = poll(&env, &queue).await?;
            let headers = task.request.clone().unwrap_or_default().header;
            assert_eq!(headers.get("purpose").map(String::as_str), Some("rent"), "{headers:?}");
            assert_eq!(headers.get("tenant").map(String::as_str), Some("acme"), "{headers:?}");
            respond(&env, task).await?;
            let told = serve(&env, &queue, handle.result()).await?;
            assert_eq!(told?, "receipt of 1");
            Ok(())
        })
        .await
    });
}

/// P78: an endpoint for tests leads to the handlers of its queue; its name is taken then, and must be one.
#[test]
fn p78_nexus_endpoints_for_tests() {
    run(async |env| {
        let queue = format!("{}-nexus", env.task_queue());
        let tests = WorkflowEnvironment::from_client(env.client().clone());
        let unique = env.task_queue().rsplit_once('-').map_or("", |(_, unique)| unique);
        let endpoint = format!("tests-{unique}");
        tests.create_nexus_endpoint(&endpoint, &queue).await?;
        let taken = tests.create_nexus_endpoint(&endpoint, &queue).await.unwrap_err();
        assert!(taken.message().contains("already registered"), "{taken}");
        let refused = tests.create_nexus_endpoint("no_name", &queue).await.unwrap_err();
        assert!(refused.message().contains("must match the regex"), "{refused}");
        env.serve(env.worker().workflow::<charges>(), async {
            let options = env.options("charges");
            let handle = env.client().start_workflow(charges, endpoint.as_str(), options).await?;
            let told = serve(&env, &queue, handle.result()).await?;
            assert_eq!(told?[0], "receipt of 1700");
            Ok(())
        })
        .await
    });
}

/// P24: operations of a service trait and by name: a result comes typed, a refusal as a failure.
#[test]
fn p24_nexus_operations_are_typed_by_a_service_trait() {
    run(async |env| {
        let queue = format!("{}-nexus", env.task_queue());
        let endpoint = env.nexus_endpoint(&queue).await?;
        env.serve(env.worker().workflow::<charges>(), async {
            let options = env.options("charges");
            let handle = env.client().start_workflow(charges, endpoint.as_str(), options).await?;
            let told = serve(&env, &queue, handle.result()).await??;
            assert_eq!(told[..2], ["receipt of 1700", "receipt of 18"]);
            assert!(told[2].contains("refund-all"), "{}", told[2]);
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, EventType::NexusOperationCompleted), 2);
            assert_eq!(count(&events, EventType::NexusOperationFailed), 1);
            Ok(())
        })
        .await
    });
}
