//! Heartbeats of an activity to the server.

use super::poller::backoff;
use super::shared::Shared;
use super::{codec, payload_limit};
use crate::activity::{CancellationReason, Control};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use temporal_client::protos::api::common::v1::{Payload, Payloads};
use temporal_client::protos::api::workflowservice::v1::{
    PollActivityTaskQueueResponse, RecordActivityTaskHeartbeatRequest, RecordActivityTaskHeartbeatResponse,
};
use temporal_client::protos::prost::Message as _;
use temporal_client::{CallOptions, Code, RetryOptions, RpcError};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The part of the heartbeat timeout that one call may take: what is left when a heartbeat is due is twice as much.
const CALL_PART: u32 = 10;

/// What one call may take in any case, since servers may be far away.
const SHORTEST_CALL: Duration = Duration::from_millis(500);

/// The heartbeats of one attempt: the newest details, sent at most once in an interval.
#[derive(Debug)]
pub(super) struct Heartbeats {
    worker: Arc<Shared>,
    runtime: Handle,
    task_token: Bytes,
    resource_id: String,
    activity_type: String,
    activity_id: String,
    workflow_id: String,
    workflow_type: String,
    timeout: Option<Duration>,
    interval: Duration,
    /// Known once the context is made, which needs the heartbeats.
    control: OnceLock<Control>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The newest details.
    details: Vec<Payload>,
    /// How many heartbeats there were.
    recorded: u64,
    /// The last of them that the server has got.
    delivered: u64,
    /// When the server last heard of the activity: its start, or the last heartbeat.
    heard: Instant,
    /// The newest details that the server has taken.
    taken: Option<Payloads>,
    /// Whether it was said that details are too large.
    complained: bool,
    sender: Option<AbortHandle>,
    ended: bool,
}

impl Heartbeats {
    /// `taken` is what the attempts before told, as the server has it: encoded.
    pub(super) fn new(
        worker: &Arc<Shared>,
        task: &PollActivityTaskQueueResponse,
        resource_id: String,
        timeout: Option<Duration>,
        taken: Option<Payloads>,
    ) -> Arc<Self> {
        let state = State {
            details: Vec::new(),
            recorded: 0,
            delivered: 0,
            heard: Instant::now(),
            taken,
            complained: false,
            sender: None,
            ended: false,
        };
        Arc::new(Self {
            worker: Arc::clone(worker),
            runtime: Handle::current(),
            task_token: task.task_token.clone(),
            resource_id,
            activity_type: task.activity_type.clone().unwrap_or_default().name,
            activity_id: task.activity_id.clone(),
            workflow_id: task.workflow_execution.clone().unwrap_or_default().workflow_id,
            workflow_type: task.workflow_type.clone().unwrap_or_default().name,
            timeout,
            interval: interval(worker, timeout),
            control: OnceLock::new(),
            state: Mutex::new(state),
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

    /// Sends the details that the end of the attempt left over, since nothing else tells the server of them.
    pub(super) async fn send_last(&self, unsent: Option<Vec<Payload>>) -> Result<(), RpcError> {
        match unsent {
            Some(details) => self.send(details, self.worker.patiently()).await.map(drop),
            None => Ok(()),
        }
    }

    /// Ends when the server must have given the activity up for want of heartbeats, and `allowance` later; never, if it
    /// does not wait for any.
    pub(super) async fn missed(&self, allowance: Duration) {
        let Some(patience) = self.timeout.and_then(|timeout| timeout.checked_add(allowance)) else {
            return std::future::pending().await;
        };
        loop {
            let heard = self.state.lock().heard;
            if heard.elapsed() >= patience {
                return;
            }
            tokio::time::sleep_until(heard + patience).await;
        }
    }

    /// Sends as long as there is something new, an interval apart.
    async fn send_all(self: Arc<Self>) {
        // Calls that failed in a row, and those without an answer in time.
        let (mut failures, mut late) = (0_u32, 0_u32);
        loop {
            let (details, number) = {
                let mut state = self.state.lock();
                if state.recorded == state.delivered {
                    state.sender = None;
                    return;
                }
                (state.details.clone(), state.recorded)
            };
            // Tried again here, with the newest details.
            let options = CallOptions::new()
                .retry(RetryOptions::none())
                .timeout(self.call_timeout(late));
            match self.send(details, options).await {
                Ok(answer) => self.hear(&answer),
                Err(error) if error.is_not_found() => self.cancel(CancellationReason::NotFound),
                Err(error) => {
                    if failures == 0 {
                        let Self {
                            activity_type,
                            activity_id,
                            workflow_id,
                            ..
                        } = &*self;
                        tracing::warn!(activity_type, activity_id, workflow_id, %error, "a heartbeat was not delivered: it is tried again");
                    }
                    failures += 1;
                    late += u32::from(error.code() == Code::DeadlineExceeded);
                    tokio::time::sleep(backoff(failures, error.code()).min(self.interval)).await;
                    continue;
                }
            }
            (failures, late) = (0, 0);
            self.state.lock().delivered = number;
            tokio::time::sleep(self.interval).await;
        }
    }

    /// How long one call may take, so that there is time for another before the server gives the activity up; longer after
    /// calls that were late, since the server may be slow.
    fn call_timeout(&self, late: u32) -> Duration {
        let most = self.worker.client.connection().rpc_timeout();
        self.timeout.map_or(most, |timeout| {
            let first = (timeout / CALL_PART).max(SHORTEST_CALL);
            first.saturating_mul(1 << late.min(10)).min(most)
        })
    }

    async fn send(
        &self,
        details: Vec<Payload>,
        options: CallOptions,
    ) -> Result<RecordActivityTaskHeartbeatResponse, RpcError> {
        let mut request = RecordActivityTaskHeartbeatRequest {
            task_token: self.task_token.clone(),
            details: (!details.is_empty()).then_some(Payloads { payloads: details }),
            identity: self.worker.identity.clone(),
            namespace: self.worker.namespace(),
            resource_id: self.resource_id.clone(),
        };
        if let Err(error) = codec::encode(self.worker.client.data_converter(), &mut request).await {
            tracing::error!(
                activity_type = self.activity_type,
                workflow_id = self.workflow_id,
                %error,
                "the codec cannot encode the details of a heartbeat: it is sent without them"
            );
            request.details = None;
        }
        // The server would fail the activity for them.
        let size = request.details.as_ref().map_or(0, Payloads::encoded_len);
        let limit = payload_limit::known(self.worker.payload_limit.load(Ordering::Relaxed));
        if let Some(limit) = limit.filter(|limit| size > *limit) {
            self.complain(&format!(
                "they have {size} bytes, and the namespace takes at most {limit}"
            ));
            request.details = self.state.lock().taken.clone();
        }
        let call = |request| self.worker.client.call(request).options(options.clone());
        let answer = match call(request.clone()).await {
            Err(error) if refuses_details(&error) && request.details.is_some() => {
                self.complain(error.message());
                request.details = self.state.lock().taken.clone();
                call(request.clone()).await?
            }
            answer => answer?,
        };
        let mut state = self.state.lock();
        state.taken = request.details;
        state.heard = Instant::now();
        Ok(answer)
    }

    /// Says, once, that details cannot be sent.
    fn complain(&self, why: &str) {
        if !std::mem::replace(&mut self.state.lock().complained, true) {
            tracing::warn!(
                activity_type = self.activity_type,
                activity_id = self.activity_id,
                workflow_id = self.workflow_id,
                workflow_type = self.workflow_type,
                "[TMPRL1103] the details of a heartbeat are too large ({why}): it is sent with the last ones that were not; {}",
                payload_limit::REMEDY
            );
        }
    }

    fn hear(&self, answer: &RecordActivityTaskHeartbeatResponse) {
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

/// Whether the server takes the heartbeat no more than its details, however often it is sent.
fn refuses_details(error: &RpcError) -> bool {
    match error.code() {
        Code::InvalidArgument => true,
        Code::ResourceExhausted => error.message().contains("larger than max"),
        _ => false,
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
