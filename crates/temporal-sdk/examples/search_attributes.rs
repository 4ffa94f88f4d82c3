//! Search attributes: typed values by which workflows are found and counted.
//!
//! `cargo run -p temporal-sdk --example search_attributes` runs it on the embedded server, or on the one at
//! `TEMPORAL_ADDRESS`. A server has to know an attribute's name and type first. The example adds those it needs, as
//! `temporal operator search-attribute create --name Customer --type Keyword` does.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use futures_util::TryStreamExt as _;
use std::time::Duration;
use temporal_sdk::client::{SearchAttributes, WorkflowOptions};
use temporal_sdk::{SearchAttributeSet, Worker, workflow};
use temporal_testing::WorkflowEnvironment;

/// What orders are found by. `OrderAttributes::cents` is the key of one, for code that needs no more than that.
#[derive(SearchAttributeSet)]
struct OrderAttributes {
    customer: String,
    stage: Option<String>,
    cents: Option<i64>,
}

#[workflow]
pub(crate) async fn order(ctx: &workflow::Context, cents: i64) -> workflow::Result<String> {
    // Some are given at the start, by whoever starts the workflow.
    let mut found_by = OrderAttributes::from_search_attributes(&ctx.search_attributes())?;
    // Others tell what the workflow found out. Both kinds can change as often as needed.
    found_by.cents = Some(cents);
    found_by.stage = Some("paying".to_owned());
    ctx.upsert_search_attributes(found_by.to_changes());
    ctx.sleep(Duration::from_millis(10)).await?;
    let stage = if cents > 10_000 { "in review" } else { "shipped" };
    ctx.upsert_search_attributes(SearchAttributes::new().with(&OrderAttributes::stage, stage.to_owned()));
    Ok(format!("the order of {} is {stage}", found_by.customer))
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<Vec<String>> {
    let client = env.client();
    client
        .add_search_attributes(OrderAttributes::ATTRIBUTES.iter().copied())
        .await?;
    // Others may run the example on the same server.
    let task_queue = format!("search-attributes-{}", std::process::id());
    let worker = Worker::builder(client, &task_queue).workflow::<order>().build()?;
    worker
        .run_until(async {
            let customer = format!("customer-{}", std::process::id());
            for (number, cents) in [(1, 1_500), (2, 25_000), (3, 700)] {
                let found_by = OrderAttributes {
                    customer: customer.clone(),
                    stage: None,
                    cents: None,
                };
                let options =
                    WorkflowOptions::new(format!("{customer}-order-{number}"), &task_queue).search_attributes(found_by);
                println!("{}", client.execute_workflow(order, cents, options).await?);
            }

            // Lists lag behind a little: they are made for people, not for decisions of workflows.
            let shipped = OrderAttributes::customer
                .eq(customer.as_str())
                .and(OrderAttributes::stage.eq("shipped"))
                .and(OrderAttributes::cents.lt(1_000_000));
            while client.count_workflows(&shipped).await?.count < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let mut found = Vec::new();
            let mut workflows = client.list_workflows(&shipped);
            while let Some(workflow) = workflows.try_next().await? {
                let cents = workflow
                    .search_attributes()
                    .get(&OrderAttributes::cents)
                    .unwrap_or_default();
                found.push(format!(
                    "{} was {cents} cents",
                    workflow.id().replace(&customer, "their")
                ));
            }
            found.sort();
            Ok(found)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:?}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
