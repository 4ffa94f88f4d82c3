//! How a worker ends.

use super::shared::Shared;
use std::sync::Arc;
use std::time::{Duration, Instant};
use temporal_client::RetryOptions;
use temporal_client::protos::api::enums::v1::TaskQueueType;
use temporal_client::protos::api::workflowservice::v1::ShutdownWorkerRequest;
use tokio::task::JoinSet;

/// How long the server may take to hear that the worker ends.
const NOTICE: Duration = Duration::from_secs(2);

/// Ends everything where it is, unless it has ended before.
pub(super) struct AbortOnDrop(pub(super) Arc<Shared>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.shutdown.set(());
        self.0.abort();
    }
}

/// Stops taking tasks and waits for those in hand.
pub(super) async fn finish(worker: &Arc<Shared>, mut pollers: JoinSet<()>) {
    *worker.last_polled.lock() = Instant::now();
    // From here on pollers take nothing new, and activities know that the worker is ending.
    worker.shutdown.set(());
    let polls_end = async { while pollers.join_next().await.is_some() {} };
    tokio::join!(tell_server(worker), polls_end);
    let graceful = worker.options.graceful_shutdown_timeout;
    let mut all_ended = std::pin::pin!(worker.all_ended());
    if tokio::time::timeout(graceful, &mut all_ended).await.is_err() {
        worker.cancel_activities();
        all_ended.await;
    }
}

/// Lets the server end the open polls and move the tasks of cached workflows to other workers.
async fn tell_server(worker: &Shared) {
    let request = ShutdownWorkerRequest {
        namespace: worker.namespace(),
        sticky_task_queue: worker.sticky_queue.clone().unwrap_or_default(),
        identity: worker.identity.clone(),
        reason: "graceful shutdown".to_owned(),
        worker_instance_key: worker.instance_key.clone(),
        task_queue: worker.task_queue.clone(),
        task_queue_types: vec![TaskQueueType::Workflow.into(), TaskQueueType::Activity.into()],
        ..Default::default()
    };
    let call = worker.client.call(request).timeout(NOTICE).retry(RetryOptions::none());
    if let Err(error) = call.await {
        // An older server does not know the call, and one that is away needs no telling.
        tracing::debug!(%error, "the server was not told that the worker ends");
    }
}
