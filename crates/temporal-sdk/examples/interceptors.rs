//! Interceptors: code around every call, which passes something on without a parameter for it.
//!
//! Here the tenant on whose behalf a workflow runs travels from the client through the workflow to its activities, in
//! headers. Three small interceptors do that, and no workflow or activity knows of it.
//!
//! `cargo run -p temporal-sdk --example interceptors` runs it on the embedded server, or on the one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use futures_util::future::BoxFuture;
use std::time::Duration;
use temporal_sdk::client::data::PayloadConverterExt as _;
use temporal_sdk::client::interceptor::{ClientInterceptor, Intercepted, Next};
use temporal_sdk::client::protos::api::common::v1::Payload;
use temporal_sdk::client::protos::api::workflowservice::v1::StartWorkflowExecutionRequest;
use temporal_sdk::client::{Client, WorkflowOptions};
use temporal_sdk::workflow::{ActivityOptions, Outgoing};
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;

const HEADER: &str = "tenant";

/// The client's side: every workflow that it starts gets the header.
struct TenantOfClient(&'static str);

impl ClientInterceptor for TenantOfClient {
    fn start_workflow<'a>(
        &'a self,
        mut request: StartWorkflowExecutionRequest,
        next: Next<'a>,
    ) -> Intercepted<'a, StartWorkflowExecutionRequest> {
        let converter = next.client().data_converter().payload_converter();
        if let Ok(tenant) = converter.encode(&self.0) {
            let header = request.header.get_or_insert_default();
            header.fields.insert(HEADER.to_owned(), tenant);
        }
        next.run(request)
    }
}

/// The workflow's side: what came with its start goes on to all that it calls.
pub(crate) struct TenantOfWorkflow;

impl workflow::Interceptor for TenantOfWorkflow {
    fn outgoing(&self, ctx: &workflow::Context, call: &mut Outgoing<'_>) {
        if let Some(tenant) = ctx.info().headers().get(HEADER) {
            call.headers.insert(HEADER.to_owned(), tenant.clone());
        }
    }
}

tokio::task_local! {
    /// On whose behalf the current task works: what a database or a logger would look at.
    static TENANT: String;
}

/// The activity's side: the header becomes what the activity's code asks for.
struct TenantOfActivity;

impl activity::Interceptor for TenantOfActivity {
    fn execute<'a>(
        &'a self,
        call: activity::Call,
        next: activity::Next<'a>,
    ) -> BoxFuture<'a, activity::Result<Payload>> {
        Box::pin(async move {
            let ctx = call.context();
            let tenant = match ctx.headers().get(HEADER) {
                Some(header) => ctx.payload_converter().decode(header.clone())?,
                None => String::new(),
            };
            TENANT.scope(tenant, next.run(call)).await
        })
    }
}

#[activity]
async fn store_invoice(number: u32) -> activity::Result<String> {
    let tenant = TENANT.get();
    Ok(format!("{tenant}/invoice-{number}"))
}

#[workflow]
pub(crate) async fn send_invoice(ctx: &workflow::Context, number: u32) -> workflow::Result<String> {
    let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
    let place = ctx.execute_activity(store_invoice, number, options).await?;
    Ok(format!("stored at {place}"))
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<String> {
    // The same connection with one more option. A new connection would be `Client::connect(options)`.
    let options = env.client().options().clone().interceptor(TenantOfClient("acme"));
    let client = Client::new(env.client().connection().clone(), options);

    // Others may run the example on the same server.
    let task_queue = format!("interceptors-{}", std::process::id());
    let worker = Worker::builder(&client, &task_queue)
        .workflow::<send_invoice>()
        .activity(store_invoice)
        .workflow_interceptor(TenantOfWorkflow)
        .activity_interceptor(TenantOfActivity)
        .build()?;
    worker
        .run_until(async {
            let options = WorkflowOptions::new(format!("invoice-{}", std::process::id()), &task_queue);
            Ok(client.execute_workflow(send_invoice, 17_u32, options).await?)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
