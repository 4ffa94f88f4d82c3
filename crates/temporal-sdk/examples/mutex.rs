//! A lock that workflows share: one workflow per resource hands it out, in the order of asking.
//!
//! Between the handlers and tasks of one workflow, `temporal_sdk::workflow::sync::Mutex` is enough: see `message_passing`.
//!
//! `cargo run -p temporal-sdk --example mutex` runs it on the embedded server, or on the one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;
use temporal_sdk::client::WorkflowOptions;
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{Worker, activities, activity, workflow};
use temporal_testing::WorkflowEnvironment;
use tokio::sync::Mutex;

/// Hands a lock out to one workflow after the other.
#[derive(Default)]
pub(crate) struct Lock {
    waiting: RefCell<VecDeque<String>>,
    holder: RefCell<Option<String>>,
}

#[workflow]
impl Lock {
    #[run]
    async fn run(&self, ctx: &workflow::Context, longest_hold: Duration) -> workflow::Result<()> {
        loop {
            ctx.wait_condition(|| !self.waiting.borrow().is_empty()).await?;
            let Some(workflow_id) = self.waiting.borrow_mut().pop_front() else {
                continue;
            };
            self.holder.replace(Some(workflow_id.clone()));
            let holder = ctx.external_workflow::<Deploy>(workflow_id);
            // A workflow that has ended in the meantime does not get the lock: the next one does.
            if holder.signal(Deploy::locked, ()).await.is_ok() {
                let released = ctx
                    .wait_condition(|| self.holder.borrow().is_none())
                    .timeout(longest_hold);
                match released.await {
                    Ok(()) => {}
                    Err(error) if error.is_timeout() => println!("the lock was not given back in time"),
                    Err(error) => return Err(error.into()),
                }
            }
            self.holder.take();
            // A lock lives for ever: it goes on in a new run, with those who wait, before its history gets long.
            if ctx.is_continue_as_new_suggested() && self.waiting.borrow().is_empty() {
                return Err(ctx.continue_as_new(longest_hold));
            }
        }
    }

    #[signal]
    fn acquire(&self, workflow_id: String) {
        self.waiting.borrow_mut().push_back(workflow_id);
    }

    #[signal]
    fn release(&self, workflow_id: String) {
        // One that held it for too long gives back what is somebody else's by now.
        if self.holder.borrow().as_ref() == Some(&workflow_id) {
            self.holder.take();
        }
    }
}

/// Deploys to a cluster, which only one workflow may do at a time.
#[derive(Default)]
pub(crate) struct Deploy {
    has_lock: Cell<bool>,
}

#[workflow]
impl Deploy {
    #[run]
    async fn run(&self, ctx: &workflow::Context, lock: String, service: String) -> workflow::Result<()> {
        let own_id = ctx.info().workflow_id.as_str();
        let lock = ctx.external_workflow::<Lock>(lock);
        lock.signal(Lock::acquire, own_id).await?;
        ctx.wait_condition(|| self.has_lock.get()).await?;
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(10));
        let deployed = ctx.execute_activity(Cluster::deploy, service, options).await;
        // Given back in any case, also when the workflow is cancelled.
        ctx.shielded()
            .external_workflow::<Lock>(lock.workflow_id())
            .signal(Lock::release, own_id)
            .await?;
        Ok(deployed?)
    }

    #[signal]
    fn locked(&self) {
        self.has_lock.set(true);
    }
}

/// A cluster that notes what happens to it.
#[derive(Default)]
struct Cluster {
    log: Mutex<Vec<String>>,
}

#[activities]
impl Cluster {
    #[activity]
    async fn deploy(&self, service: String) -> activity::Result<()> {
        self.log.lock().await.push(format!("{service} begins"));
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.log.lock().await.push(format!("{service} is done"));
        Ok(())
    }
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<Vec<String>> {
    let client = env.client();
    let cluster = std::sync::Arc::new(Cluster::default());
    // The cluster is in this process, so the task queue is too.
    let task_queue = format!("mutex-{}", std::process::id());
    let worker = Worker::builder(client, &task_queue)
        .workflow::<Lock>()
        .workflow::<Deploy>()
        .activities(cluster.clone())
        .build()?;
    worker
        .run_until(async {
            let lock_id = format!("{task_queue}-lock");
            let options = WorkflowOptions::new(&lock_id, &task_queue);
            let lock = client
                .start_workflow(Lock::run, Duration::from_secs(60), options)
                .await?;
            let deploy = |service: &'static str| {
                let options = WorkflowOptions::new(format!("{task_queue}-{service}"), &task_queue);
                client.start_workflow(Deploy::run, (lock_id.as_str(), service), options)
            };
            let (shop, search) = (deploy("shop").await?, deploy("search").await?);
            shop.result().await?;
            search.result().await?;
            lock.terminate("the example is over").await?;
            anyhow::Ok(())
        })
        .await??;
    Ok(cluster.log.lock().await.clone())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{:?}", example(&WorkflowEnvironment::from_env().await?).await?);
    Ok(())
}
