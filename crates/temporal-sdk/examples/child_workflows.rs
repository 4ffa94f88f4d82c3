//! Child workflows: an order that is shipped in several parcels, each a workflow of its own.
//!
//! `cargo run -p temporal-sdk --example child_workflows` runs it on the embedded server, or on the one at
//! `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::cell::RefCell;
use std::time::Duration;
use temporal_sdk::client::WorkflowOptions;
use temporal_sdk::workflow::{ActivityOptions, ChildWorkflowOptions, ParentClosePolicy};
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;

#[activity]
async fn hand_over(parcel: String, carrier: String) -> activity::Result<String> {
    Ok(format!("{parcel} goes with {carrier}"))
}

/// Ships one parcel, once somebody told it the carrier.
#[derive(Default)]
pub(crate) struct Shipment {
    carrier: RefCell<Option<String>>,
}

#[workflow]
impl Shipment {
    #[run]
    async fn run(&self, ctx: &workflow::Context, parcel: String) -> workflow::Result<String> {
        ctx.wait_condition(|| self.carrier.borrow().is_some()).await?;
        let carrier = self.carrier.take().unwrap_or_default();
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
        Ok(ctx.execute_activity(hand_over, (parcel, carrier), options).await?)
    }

    #[signal]
    fn choose_carrier(&self, carrier: String) {
        self.carrier.replace(Some(carrier));
    }
}

/// Asks the customer how it was, a week later.
#[workflow]
pub(crate) async fn survey(ctx: &workflow::Context, order: String) -> workflow::Result<String> {
    ctx.sleep(Duration::from_secs(7 * 24 * 3600)).await?;
    Ok(format!("how was {order}?"))
}

#[workflow]
pub(crate) async fn fulfil(ctx: &workflow::Context, order: String, parcels: u32) -> workflow::Result<Vec<String>> {
    // Each child starts at once. Awaiting gives a handle as soon as the server has started it.
    let starts = (1..=parcels).map(|number| {
        let parcel = format!("{order}-parcel-{number}");
        let options = ChildWorkflowOptions::new(parcel.as_str()).static_summary(format!("Parcel {number}"));
        ctx.start_child_workflow(Shipment::run, parcel, options)
    });
    let mut shipments = Vec::new();
    for start in workflow::join_all(starts).await {
        let shipment = start?;
        shipment.signal(Shipment::choose_carrier, "the tram").await?;
        shipments.push(shipment);
    }

    // This one lives on when its parent ends: it is started, then let go.
    let options = ChildWorkflowOptions::new(format!("{order}-survey")).parent_close_policy(ParentClosePolicy::Abandon);
    ctx.start_child_workflow(survey, order, options).await?.detach();

    // A child that failed fails its parent here, with a `ChildWorkflowError` that tells which it was.
    let mut shipped = Vec::new();
    for result in workflow::join_all(shipments).await {
        shipped.push(result?);
    }
    Ok(shipped)
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<Vec<String>> {
    // Others may run the example on the same server.
    let task_queue = format!("child-workflows-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<fulfil>()
        .workflow::<Shipment>()
        .workflow::<survey>()
        .activity(hand_over)
        .build()?;
    worker
        .run_until(async {
            let order = format!("order-{}", std::process::id());
            let options = WorkflowOptions::new(order.as_str(), &task_queue);
            let shipped = env
                .client()
                .execute_workflow(fulfil, (order.as_str(), 2_u32), options)
                .await?;

            // The survey is a workflow like any other, to be found by its id.
            let asking = env.client().workflow_handle::<survey>(format!("{order}-survey"));
            println!("the survey is {:?}", asking.describe().await?.status());
            asking.terminate("an example does not wait for a week").await?;
            Ok(shipped)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:?}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
