//! A long-lived workflow that others talk to: signals, queries, and updates that call activities.
//!
//! It shows what a workflow with async handlers needs: handlers run at the same time as the run method and each other, so
//! a [`Mutex`](temporal_sdk::workflow::sync::Mutex) keeps two updates from interleaving, and the run method waits for its
//! handlers before it returns. `greeting` shows the first steps.
//!
//! `cargo run -p temporal-sdk --example message_passing` runs it on the embedded server, or on the one at
//! `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
use temporal_sdk::client::{UpdateWaitStage, WorkflowOptions};
use temporal_sdk::workflow::{ActivityOptions, sync::Mutex};
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    product: String,
    pieces: u32,
}

/// What is left at the end.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) items: BTreeMap<String, u32>,
    pub(crate) address: String,
}

#[activity]
async fn reserve(item: Item) -> activity::Result<u32> {
    // The store has ten of everything.
    Ok(item.pieces.min(10))
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("an item needs at least one piece")]
    NoPieces,
    #[error("the cart is checked out")]
    CheckedOut,
}

#[derive(Default)]
pub(crate) struct Cart {
    items: RefCell<BTreeMap<String, u32>>,
    address: RefCell<String>,
    checked_out: Cell<bool>,
    reserving: Mutex<()>,
}

#[workflow]
impl Cart {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<Receipt> {
        ctx.wait_condition(|| self.checked_out.get()).await?;
        // Updates that were accepted before still get their answers.
        ctx.wait_condition(|| ctx.all_handlers_finished()).await?;
        Ok(Receipt {
            items: self.items.take(),
            address: self.address.take(),
        })
    }

    /// Changes the state, and answers nothing: its sender does not wait for it.
    #[signal]
    fn deliver_to(&self, address: String) {
        self.address.replace(address);
    }

    /// Reads the state, and may not change it.
    #[query]
    fn pieces(&self) -> u32 {
        self.items.borrow().values().sum()
    }

    /// Changes the state, takes its time, and answers how many pieces could be reserved.
    #[update]
    async fn add(&self, ctx: &workflow::Context, item: Item) -> workflow::Result<u32> {
        let _one_at_a_time = self.reserving.lock().await;
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
        let reserved = ctx.execute_activity(reserve, item.clone(), options).await?;
        // No borrow is held across an await: other handlers run in the meantime.
        *self.items.borrow_mut().entry(item.product).or_default() += reserved;
        Ok(reserved)
    }

    /// Refuses an update before it is recorded.
    #[validator(add)]
    fn can_add(&self, item: &Item) -> Result<(), Refused> {
        if self.checked_out.get() {
            return Err(Refused::CheckedOut);
        }
        if item.pieces == 0 {
            return Err(Refused::NoPieces);
        }
        Ok(())
    }

    #[signal]
    fn check_out(&self) {
        self.checked_out.set(true);
    }
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<Receipt> {
    // Others may run the example on the same server.
    let task_queue = format!("message-passing-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<Cart>()
        .activity(reserve)
        .build()?;
    worker
        .run_until(async {
            let client = env.client();
            let item = |product: &str, pieces| Item {
                product: product.into(),
                pieces,
            };

            // Starts the cart with its first item; if it runs already, adds the item.
            let options = WorkflowOptions::new(format!("cart-{}", std::process::id()), &task_queue);
            let accepted = UpdateWaitStage::Accepted;
            let (cart, pens) = client
                .start_update_with_start(Cart::run, (), options, Cart::add, item("pen", 3), accepted)
                .await?;

            // Goes on at once; the answer is asked for later.
            let notebooks = cart
                .start_update(Cart::add, item("notebook", 12), UpdateWaitStage::Accepted)
                .await?;
            println!("{} pens, {} notebooks", pens.result().await?, notebooks.result().await?);

            if let Err(refused) = cart.execute_update(Cart::add, item("eraser", 0)).await {
                println!("refused: {refused}");
            }
            println!("{} pieces in the cart", cart.query(Cart::pieces, ()).await?);
            cart.signal(Cart::deliver_to, "Rue de Rivoli 1").await?;
            cart.signal(Cart::check_out, ()).await?;
            Ok(cart.result().await?)
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:?}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
