//! Heartbeats of an activity to the server.

use super::codec;
use super::shared::Shared;
use crate::activity::{CancellationReason, Control};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use temporal_client::RpcError;
use temporal_client::protos::api::common::v1::{Payload, Payloads};
use temporal_client::protos::api::workflowservice::v1::{
    RecordActivityTaskHeartbeatRequest, RecordActivityTaskHeartbeatResponse,
};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// The heartbeats of one attempt: the newest details, sent at most once in an interval.
#[derive(Debug)]
pub(super) struct Heartbeats {
    worker: Arc<Shared>,
    runtime: Handle,
    task_token: Bytes,
    resource_id: String,
    interval: Duration,
    /// Known once the context is made, which needs the heartbeats.
    control: OnceLock<Control>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest details.
    details: Vec<Payload>,
    /// How many heartbeats there were.
    recorded: u64,
    /// The last of them that the server has got.
    delivered: u64,
    sender: Option<AbortHandle>,
    ended: bool,
}

impl Heartbeats {
    pub(super) fn new(
        worker: &Arc<Shared>,
        task_token: Bytes,
        resource_id: String,
        timeout: Option<Duration>,
    ) -> Arc<Self> {
        Arc::new(Self {
            worker: Arc::clone(worker),
            runtime: Handle::current(),
            task_token,
            resource_id,
            interval: interval(worker, timeout),
            control: OnceLock::new(),
            state: Mutex::default(),
        })
    }

    /// What is told when the server answers that the activity is to stop.
    pub(super) fn set_control(&self, control: Control) {
        // Set once, by the task that made it.
        let _ = self.control.set(control);
    }

    /// Notes a heartbeat. Called from the activity, on any thread.
    pub(super) fn record(self: &Arc<Self>, details: Vec<Payload>) {
        let mut state = self.state.lock();
        if state.ended {
            return;
        }
        state.details = details;
        state.recorded += 1;
        if state.sender.is_none() {
            let sender = self.runtime.spawn(Arc::clone(self).send_all());
            state.sender = Some(sender.abort_handle());
        }
    }

    /// No more heartbeats are sent. Gives the details that the server has not got.
    pub(super) fn end(&self) -> Option<Vec<Payload>> {
        let mut state = self.state.lock();
        state.ended = true;
        if let Some(sender) = state.sender.take() {
            sender.abort();
        }
        (state.recorded > state.delivered).then(|| std::mem::take(&mut state.details))
    }

    /// Sends as long as there is something new, an interval apart.
    async fn send_all(self: Arc<Self>) {
        loop {
            let (details, number) = {
                let mut state = self.state.lock();
                if state.recorded == state.delivered {
                    state.sender = None;
                    return;
                }
                (state.details.clone(), state.recorded)
            };
            match self.send(details).await {
                Ok(answer) => self.hear(answer),
                Err(error) if error.is_not_found() => self.cancel(CancellationReason::NotFound),
                Err(error) => {
                    tracing::warn!(%error, "a heartbeat was not delivered");
                    tokio::time::sleep(self.interval).await;
                    continue;
                }
            }
            self.state.lock().delivered = number;
            tokio::time::sleep(self.interval).await;
        }
    }

    async fn send(&self, details: Vec<Payload>) -> Result<RecordActivityTaskHeartbeatResponse, RpcError> {
        let mut request = RecordActivityTaskHeartbeatRequest {
            task_token: self.task_token.clone(),
            details: (!details.is_empty()).then_some(Payloads { payloads: details }),
            identity: self.worker.identity.clone(),
            namespace: self.worker.namespace(),
            resource_id: self.resource_id.clone(),
        };
        if let Err(error) = codec::encode(self.worker.client.data_converter(), &mut request).await {
            tracing::error!(%error, "the codec cannot encode the details of a heartbeat: it is sent without them");
            request.details = None;
        }
        self.worker.client.call(request).await
    }

    fn hear(&self, answer: RecordActivityTaskHeartbeatResponse) {
        if answer.cancel_requested {
            self.cancel(CancellationReason::Requested);
        } else if answer.activity_paused {
            self.cancel(CancellationReason::Paused);
        } else if answer.activity_reset {
            self.cancel(CancellationReason::Reset);
        }
    }

    fn cancel(&self, reason: CancellationReason) {
        if let Some(control) = self.control.get() {
            control.cancel(reason);
        }
    }
}

/// Four fifths of the heartbeat timeout, so that a heartbeat has time to arrive.
fn interval(worker: &Shared, timeout: Option<Duration>) -> Duration {
    timeout
        .map_or(worker.options.default_heartbeat_throttle, |timeout| {
            timeout.mul_f64(0.8)
        })
        .min(worker.options.max_heartbeat_throttle)
}
