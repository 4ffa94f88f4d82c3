//! The way of an activity task: poll (in `poller`) → decode → run → encode → respond.
#![expect(
    deprecated,
    reason = "how the build id of a worker without a deployment reaches the history"
)]

use super::heartbeat::Heartbeats;
use super::shared::Shared;
use super::{codec, execution, payload_limit};
use crate::activity::{CancellationReason, Context, Control, Ending, Error, Info};
use crate::panic::{self, Panic};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use temporal_client::data::{ErasedValue, PayloadConverter};
use temporal_client::failure::ApplicationError;
use temporal_client::protos::api::common::v1::{Payload, Payloads};
use temporal_client::protos::api::enums::v1::ActivityTaskFailedCause;
use temporal_client::protos::api::failure::v1::failure::FailureInfo;
use temporal_client::protos::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporal_client::protos::api::workflowservice::v1::{
    PollActivityTaskQueueResponse, RespondActivityTaskCanceledRequest, RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
};
use temporal_client::protos::prost::Message as _;
use temporal_client::{Code, Priority, RetryPolicy, RpcError};

/// How much longer than its timeout allows an activity is let run before it is told. The server has given it up by then;
/// telling it frees its slot.
const TIMEOUT_ALLOWANCE: Duration = Duration::from_secs(5);

/// Runs one attempt of an activity and answers the server.
pub(super) async fn run(worker: Arc<Shared>, task: PollActivityTaskQueueResponse) {
    let ticket = Ticket::new(&task);
    let answered = match panic::caught(attempted(&worker, &ticket, task)).await {
        Ok(answered) => answered,
        Err(panic) => ticket.panicked(&worker, &panic).await,
    };
    match answered {
        Ok(()) => {}
        Err(error) if error.is_not_found() => {
            tracing::debug!(activity_type = ticket.activity_type, %error, "the server waits for the activity no more");
        }
        Err(error) => {
            tracing::warn!(activity_type = ticket.activity_type, %error, "the end of an activity was not delivered");
        }
    }
}

async fn attempted(
    worker: &Arc<Shared>,
    ticket: &Ticket,
    mut task: PollActivityTaskQueueResponse,
) -> Result<(), RpcError> {
    let told_before = task.heartbeat_details.clone();
    let decoded = codec::decode(worker.client.data_converter(), &mut task).await;
    let input = task.input.take().unwrap_or_default().payloads;
    let prepared = Prepared::new(worker, task, told_before);
    let result = match decoded {
        Err(error) => Err(Error::of_type(
            format!(
                "the payload codec cannot decode the input of activity \"{}\": {error}",
                ticket.activity_type
            ),
            "CodecError",
        )),
        Ok(()) => prepared.attempt(worker, &ticket.activity_type, input).await,
    };
    if let Err(error) = &result {
        worker.end_if_executor_broke(error);
    }
    let unsent = prepared.heartbeats.end();
    match result {
        Ok(payload) => ticket.completed(worker, payload, unsent).await,
        // Whoever completes it does not know them.
        Err(error) if error.is_complete_async() => prepared.heartbeats.send_last(unsent).await,
        Err(error) => {
            ticket
                .ended(worker, error, unsent, prepared.control.ending_reason())
                .await
        }
    }
}

/// An attempt that is ready to run.
struct Prepared {
    ctx: Context,
    control: Control,
    heartbeats: Arc<Heartbeats>,
    /// How long it may run.
    limit: Option<Duration>,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // For one that panicked: the others have ended theirs.
        self.heartbeats.end();
    }
}

impl Prepared {
    /// `told_before` is what the attempt before told with its heartbeats, as the server sent it.
    fn new(worker: &Arc<Shared>, task: PollActivityTaskQueueResponse, told_before: Option<Payloads>) -> Self {
        let heartbeat_timeout = duration(task.heartbeat_timeout);
        let limit = time_limit(&task);
        let heartbeats = Heartbeats::new(worker, &task, resource_id(&task), heartbeat_timeout, told_before);
        let recorder = Arc::clone(&heartbeats);
        let (headers, details) = (task.header.clone(), task.heartbeat_details.clone());
        let (ctx, control) = Context::builder(info(worker, task))
            .headers(headers.unwrap_or_default().fields)
            .heartbeat_details(details.unwrap_or_default().payloads)
            .client(worker.client.clone())
            .data_converter(worker.client.data_converter().clone())
            .executor(Arc::clone(&worker.options.executor))
            .interceptors(worker.options.activity_interceptors.clone())
            .on_heartbeat(move |details| recorder.record(details))
            .shutdown(Arc::clone(&worker.shutdown))
            .build();
        heartbeats.set_control(control.clone());
        Self {
            ctx,
            control,
            heartbeats,
            limit,
        }
    }

    /// Runs the activity of this name. It is not taken from the context, whose information interceptors may change.
    async fn attempt(&self, worker: &Arc<Shared>, name: &str, input: Vec<Payload>) -> crate::activity::Result<Payload> {
        let _running = worker.running(self.control.clone());
        let Some(definition) = worker.activities.find(name) else {
            return Err(execution::not_registered(
                name,
                &worker.task_queue,
                &worker.activities.names(),
            ));
        };
        let mut attempt = std::pin::pin!(execution::attempt(definition.clone(), self.ctx.clone(), input));
        let limit = async {
            match self.limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = &mut attempt => return result,
            () = limit => {}
            () = self.heartbeats.missed(TIMEOUT_ALLOWANCE) => {}
        }
        self.control.cancel(CancellationReason::TimedOut);
        attempt.await
    }
}

/// How long the attempt may run, from now.
fn time_limit(task: &PollActivityTaskQueueResponse) -> Option<Duration> {
    let time = |time: Option<prost_types::Timestamp>| SystemTime::try_from(time?).ok();
    // Both times are the server's, whatever the clock here says.
    let used = match (time(task.scheduled_time), time(task.started_time)) {
        (Some(scheduled), Some(started)) => started.duration_since(scheduled).unwrap_or_default(),
        _ => Duration::ZERO,
    };
    let whole = duration(task.schedule_to_close_timeout).map(|timeout| timeout.saturating_sub(used));
    let limit = match (duration(task.start_to_close_timeout), whole) {
        (Some(attempt), Some(whole)) => attempt.min(whole),
        (one, other) => one.or(other)?,
    };
    limit.checked_add(TIMEOUT_ALLOWANCE)
}

pub(super) fn info(worker: &Shared, task: PollActivityTaskQueueResponse) -> Info {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let (workflow_id, workflow_run_id) = task
        .workflow_execution
        .map(|execution| (some(execution.workflow_id), some(execution.run_id)))
        .unwrap_or_default();
    Info {
        activity_id: task.activity_id,
        activity_type: task.activity_type.unwrap_or_default().name,
        attempt: u32::try_from(task.attempt).unwrap_or(1).max(1),
        is_local: false,
        namespace: worker.namespace(),
        task_queue: worker.task_queue.clone(),
        task_token: task.task_token,
        workflow_namespace: some(task.workflow_namespace).filter(|_| workflow_id.is_some()),
        workflow_id,
        workflow_run_id,
        workflow_type: task.workflow_type.and_then(|workflow_type| some(workflow_type.name)),
        activity_run_id: some(task.activity_run_id),
        scheduled_time: time(task.scheduled_time),
        current_attempt_scheduled_time: time(task.current_attempt_scheduled_time),
        started_time: time(task.started_time),
        schedule_to_close_timeout: duration(task.schedule_to_close_timeout),
        start_to_close_timeout: duration(task.start_to_close_timeout),
        heartbeat_timeout: duration(task.heartbeat_timeout),
        retry_policy: task.retry_policy.as_ref().map(RetryPolicy::from),
        priority: task.priority.as_ref().map(Priority::from).unwrap_or_default(),
    }
}

/// A timeout; the server writes an unlimited one as 0.
pub(super) fn duration(value: Option<prost_types::Duration>) -> Option<Duration> {
    value?.try_into().ok().filter(|value: &Duration| !value.is_zero())
}

fn time(value: Option<prost_types::Timestamp>) -> SystemTime {
    value
        .and_then(|value| SystemTime::try_from(value).ok())
        .unwrap_or_else(SystemTime::now)
}

fn resource_id(task: &PollActivityTaskQueueResponse) -> String {
    match &task.workflow_execution {
        Some(execution) if !execution.workflow_id.is_empty() => format!("workflow:{}", execution.workflow_id),
        _ => format!("activity:{}", task.activity_id),
    }
}

/// What answers a task.
struct Ticket {
    activity_type: String,
    activity_id: String,
    attempt: i32,
    workflow_id: String,
    workflow_type: String,
    task_token: Bytes,
    resource_id: String,
    /// The types of failures that the retry policy does not retry.
    lasting: Vec<String>,
}

impl Ticket {
    fn new(task: &PollActivityTaskQueueResponse) -> Self {
        Self {
            activity_type: task.activity_type.clone().unwrap_or_default().name,
            activity_id: task.activity_id.clone(),
            attempt: task.attempt,
            workflow_id: task.workflow_execution.clone().unwrap_or_default().workflow_id,
            workflow_type: task.workflow_type.clone().unwrap_or_default().name,
            task_token: task.task_token.clone(),
            resource_id: resource_id(task),
            lasting: task.retry_policy.clone().unwrap_or_default().non_retryable_error_types,
        }
    }

    async fn completed(&self, worker: &Shared, payload: Payload, unsent: Option<Vec<Payload>>) -> Result<(), RpcError> {
        let mut request = RespondActivityTaskCompletedRequest {
            task_token: self.task_token.clone(),
            result: Some(Payloads {
                payloads: vec![payload],
            }),
            identity: worker.identity.clone(),
            namespace: worker.namespace(),
            resource_id: self.resource_id.clone(),
            worker_version: worker.version_stamp(),
            ..Default::default()
        };
        if let Err(error) = codec::encode(worker.client.data_converter(), &mut request).await {
            let message = format!(
                "the payload codec cannot encode the result of activity \"{}\": {error}",
                self.activity_type
            );
            let error = ApplicationError::new(message).kind("CodecError");
            let failure = worker.client.data_converter().error_to_failure(&error, None);
            self.log(&failure, false);
            return self.failed(worker, failure, unsent).await;
        }
        let size = request.result.as_ref().map_or(0, Payloads::encoded_len);
        let limit = payload_limit::known(worker.payload_limit.load(Ordering::Relaxed));
        if let Some(limit) = limit.filter(|limit| size > *limit) {
            return self
                .too_large(worker, payload_limit::explained(&self.result_of(), size, limit))
                .await;
        }
        match worker.respond(request).await {
            Ok(_) => Ok(()),
            Err(error) => self.undeliverable(worker, error, size).await,
        }
    }

    fn result_of(&self) -> String {
        self.described("result")
    }

    /// What the activity ended with, for people.
    fn described(&self, what: &str) -> String {
        let Self {
            activity_type,
            activity_id,
            workflow_id,
            workflow_type,
            ..
        } = self;
        let mut of = format!("the {what} of activity \"{activity_type}\" (id {activity_id})");
        // One that a client started belongs to no workflow.
        if !workflow_id.is_empty() {
            of += &format!(" of workflow \"{workflow_type}\" ({workflow_id})");
        }
        of
    }

    /// A result that the server does not take, such as one that is too large, fails the activity: otherwise its workflow
    /// would wait until a timeout and never learn why.
    async fn undeliverable(&self, worker: &Shared, error: RpcError, size: usize) -> Result<(), RpcError> {
        if !matches!(
            error.code(),
            Code::InvalidArgument | Code::ResourceExhausted | Code::OutOfRange
        ) {
            return Err(error);
        }
        let message = format!(
            "the server does not take {}, which has {size} bytes: {}",
            self.result_of(),
            error.message()
        );
        if is_too_large(&error) {
            return self
                .too_large(worker, format!("{message}: {}", payload_limit::REMEDY))
                .await;
        }
        let failure = ApplicationError::new(message).kind("ResultRefused").non_retryable();
        let failure = worker.client.data_converter().error_to_failure(&failure, None);
        self.failed(worker, failure, None).await
    }

    /// The result is too large: another attempt would have the same, so there is none.
    async fn too_large(&self, worker: &Shared, message: String) -> Result<(), RpcError> {
        let failure = payload_limit::failure(worker.client.data_converter(), message);
        self.log(&failure, false);
        let request = RespondActivityTaskFailedRequest {
            cause: ActivityTaskFailedCause::PayloadsTooLarge.into(),
            ..self.failure_request(worker, failure, None)
        };
        self.report(worker, request).await
    }

    /// Leaves out what the attempt told last, if it is too large: the failure is what has to arrive.
    fn bound_details(&self, worker: &Shared, request: &mut RespondActivityTaskFailedRequest) {
        let size = request.last_heartbeat_details.as_ref().map_or(0, Payloads::encoded_len);
        let limit = payload_limit::known(worker.payload_limit.load(Ordering::Relaxed));
        if let Some(limit) = limit.filter(|limit| size > *limit) {
            let what = format!("what activity \"{}\" told last with its heartbeats", self.activity_type);
            tracing::warn!(
                activity_id = self.activity_id,
                workflow_id = self.workflow_id,
                workflow_type = self.workflow_type,
                "{}; it is left out",
                payload_limit::explained(&what, size, limit)
            );
            request.last_heartbeat_details = None;
        }
    }

    async fn ended(
        &self,
        worker: &Shared,
        error: Error,
        unsent: Option<Vec<Payload>>,
        reason: Option<CancellationReason>,
    ) -> Result<(), RpcError> {
        let converter = worker.client.data_converter();
        match error.into_ending() {
            // Seen to before.
            Ending::CompleteAsync => Ok(()),
            Ending::Cancelled { details } => {
                let details = details.map(|details| details_payloads(&*details, &**converter.payload_converter()));
                self.cancelled(worker, details, unsent, reason).await
            }
            Ending::Failed { error, type_name } => {
                let failure = converter.error_to_failure(&*error, type_name.as_deref());
                self.log(&failure, execution::is_benign(&*error));
                self.failed(worker, failure, unsent).await
            }
        }
    }

    /// Code around the activity panicked.
    async fn panicked(&self, worker: &Shared, panic: &Panic) -> Result<(), RpcError> {
        let answered = async {
            let error = execution::panicked_around(&self.activity_type, panic);
            let failure = worker.client.data_converter().error_to_failure(&error, None);
            self.log(&failure, false);
            self.failed(worker, failure, None).await
        };
        match panic::caught(answered).await {
            Ok(answered) => answered,
            // The failure converter is what panics: what it would make of this one is not known, so it says nothing secret.
            Err(_) => {
                let failure = execution::unconverted(&self.activity_type);
                let request = self.failure_request(worker, failure, None);
                worker.respond(request).await.map(drop)
            }
        }
    }

    fn log(&self, failure: &Failure, benign: bool) {
        execution::log_failure(
            &execution::Failed {
                activity_type: &self.activity_type,
                activity_id: &self.activity_id,
                attempt: u32::try_from(self.attempt).unwrap_or(1),
                workflow_id: &self.workflow_id,
                local: false,
            },
            failure,
            benign,
        );
    }

    async fn failed(&self, worker: &Shared, failure: Failure, unsent: Option<Vec<Payload>>) -> Result<(), RpcError> {
        let request = self.failure_request(worker, failure, unsent);
        self.report(worker, request).await
    }

    /// Reports a failure. One that the codec cannot encode, or that fits no message, is replaced by one without payloads
    /// that says so: otherwise the activity would only time out.
    async fn report(&self, worker: &Shared, mut request: RespondActivityTaskFailedRequest) -> Result<(), RpcError> {
        let converter = worker.client.data_converter();
        let stand_in = StandIn::of(request.failure.as_ref(), &self.lasting);
        let unsent = request.last_heartbeat_details.clone();
        let described = format!("{} {}", self.described("failure"), stand_in.described());
        if let Err(error) = codec::encode(converter, &mut request).await {
            let message = format!("the payload codec cannot encode {described}: {error}");
            request.failure = Some(self.logged(stand_in.failure("CodecError", message)));
            request.last_heartbeat_details = unsent;
            if codec::encode(converter, &mut request).await.is_err() {
                request.last_heartbeat_details = None;
            }
        }
        self.bound_details(worker, &mut request);
        let (size, unsent) = (request.encoded_len(), request.last_heartbeat_details.clone());
        let error = match worker.respond(request.clone()).await {
            Err(error) if is_too_large(&error) => error,
            answered => return answered.map(drop),
        };
        let message = format!(
            "{described} has {size} bytes, more than one message may have: {} ({})",
            payload_limit::REMEDY,
            error.message()
        );
        request.failure = Some(self.logged(stand_in.failure("PayloadsTooLarge", message)));
        request.last_heartbeat_details = unsent;
        match worker.respond(request.clone()).await {
            Err(error) if is_too_large(&error) && request.last_heartbeat_details.take().is_some() => {
                worker.respond(request).await.map(drop)
            }
            answered => answered.map(drop),
        }
    }

    /// The failure, which people are told of.
    fn logged(&self, failure: Failure) -> Failure {
        self.log(&failure, false);
        failure
    }

    fn failure_request(
        &self,
        worker: &Shared,
        failure: Failure,
        unsent: Option<Vec<Payload>>,
    ) -> RespondActivityTaskFailedRequest {
        RespondActivityTaskFailedRequest {
            task_token: self.task_token.clone(),
            failure: Some(failure),
            identity: worker.identity.clone(),
            namespace: worker.namespace(),
            resource_id: self.resource_id.clone(),
            last_heartbeat_details: unsent.map(|payloads| Payloads { payloads }),
            worker_version: worker.version_stamp(),
            ..Default::default()
        }
    }

    /// What the server is told of an activity that stopped depends on why it was to stop.
    async fn cancelled(
        &self,
        worker: &Shared,
        details: Option<Vec<Payload>>,
        unsent: Option<Vec<Payload>>,
        reason: Option<CancellationReason>,
    ) -> Result<(), RpcError> {
        let (message, kind) = match reason {
            Some(CancellationReason::Requested) => {
                let request = RespondActivityTaskCanceledRequest {
                    task_token: self.task_token.clone(),
                    details: details.map(|payloads| Payloads { payloads }),
                    identity: worker.identity.clone(),
                    namespace: worker.namespace(),
                    resource_id: self.resource_id.clone(),
                    worker_version: worker.version_stamp(),
                    ..Default::default()
                };
                return self.send(worker, request).await;
            }
            // The server has given it up already.
            Some(CancellationReason::TimedOut | CancellationReason::NotFound) => return Ok(()),
            Some(CancellationReason::Paused) => ("the activity stopped because it was paused", "ActivityPaused"),
            Some(CancellationReason::Reset) => ("the activity stopped because it was reset", "ActivityReset"),
            Some(CancellationReason::WorkerShutdown) => {
                ("the activity stopped because its worker is stopping", "WorkerShutdown")
            }
            None => (
                "the activity says that it was cancelled, but nobody asked for that",
                "Cancelled",
            ),
        };
        let error = ApplicationError::new(message)
            .kind(kind)
            .raw_details(details.unwrap_or_default());
        let failure = worker.client.data_converter().error_to_failure(&error, None);
        self.failed(worker, failure, unsent).await
    }

    /// Reports a cancellation; without its details, if these cannot be sent.
    async fn send(&self, worker: &Shared, mut request: RespondActivityTaskCanceledRequest) -> Result<(), RpcError> {
        let left_out = |why: &str| {
            tracing::error!(
                activity_type = self.activity_type,
                activity_id = self.activity_id,
                workflow_id = self.workflow_id,
                workflow_type = self.workflow_type,
                "the details of a cancellation cannot be sent: they are left out: {why}"
            );
        };
        if let Err(error) = codec::encode(worker.client.data_converter(), &mut request).await {
            left_out(&error.to_string());
            request.details = None;
        }
        // The server would fail the activity for them.
        let size = request.details.as_ref().map_or(0, Payloads::encoded_len);
        let limit = payload_limit::known(worker.payload_limit.load(Ordering::Relaxed));
        if let Some(limit) = limit.filter(|limit| size > *limit) {
            left_out(&payload_limit::explained("what the activity gave", size, limit));
            request.details = None;
        }
        match worker.respond(request.clone()).await {
            Err(error) if is_too_large(&error) && request.details.take().is_some() => {
                left_out(error.message());
                worker.respond(request).await.map(drop)
            }
            answered => answered.map(drop),
        }
    }
}

/// Whether a message was larger than the server takes.
fn is_too_large(error: &RpcError) -> bool {
    error.code() == Code::ResourceExhausted && error.message().contains("larger than max")
}

/// How many characters of a failure's texts are told where the failure itself cannot be sent.
const TOLD: usize = 1000;

/// What takes the place of a failure that cannot be sent: as retryable as that is, without its payloads.
struct StandIn {
    info: ApplicationFailureInfo,
    type_name: String,
    message: String,
}

impl StandIn {
    /// `lasting` are the types that the retry policy does not retry.
    fn of(failure: Option<&Failure>, lasting: &[String]) -> Self {
        let info = match failure.and_then(|failure| failure.failure_info.as_ref()) {
            Some(FailureInfo::ApplicationFailureInfo(info)) => ApplicationFailureInfo {
                non_retryable: info.non_retryable || lasting.contains(&info.r#type),
                details: None,
                ..info.clone()
            },
            _ => ApplicationFailureInfo::default(),
        };
        Self {
            type_name: beginning(&info.r#type),
            message: beginning(failure.map_or("", |failure| &failure.message)),
            info,
        }
    }

    /// What it stands for.
    fn described(&self) -> String {
        format!("(type \"{}\", beginning \"{}\")", self.type_name, self.message)
    }

    fn failure(&self, kind: &str, message: String) -> Failure {
        Failure {
            message,
            failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: kind.to_owned(),
                ..self.info.clone()
            })),
            ..Failure::default()
        }
    }
}

fn beginning(text: &str) -> String {
    text.chars().take(TOLD).collect()
}

pub(super) fn details_payloads(
    details: &(dyn ErasedValue + Send + Sync),
    converter: &dyn PayloadConverter,
) -> Vec<Payload> {
    match converter.to_payload(details) {
        Ok(payload) => vec![payload],
        Err(error) => {
            tracing::error!(%error, "the details of a cancellation cannot be sent: they are left out");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TIMEOUT_ALLOWANCE, time_limit};
    use std::time::{Duration, SystemTime};
    use temporal_client::protos::api::workflowservice::v1::PollActivityTaskQueueResponse;

    /// The server's clock is an hour behind, or in front: that has no part in how long an attempt may run.
    #[test]
    fn an_attempt_is_timed_by_the_clock_of_the_server() {
        let hour = Duration::from_secs(3600);
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        for scheduled in [SystemTime::now() - hour, SystemTime::now() + hour] {
            let mut task = PollActivityTaskQueueResponse {
                scheduled_time: Some(scheduled.into()),
                started_time: Some((scheduled + Duration::from_secs(3)).into()),
                schedule_to_close_timeout: seconds(10),
                ..PollActivityTaskQueueResponse::default()
            };
            let limit = |seconds| Some(Duration::from_secs(seconds) + TIMEOUT_ALLOWANCE);
            assert_eq!(time_limit(&task), limit(7));
            task.start_to_close_timeout = seconds(2);
            assert_eq!(time_limit(&task), limit(2));
            task.started_time = None;
            task.start_to_close_timeout = None;
            assert_eq!(time_limit(&task), limit(10));
            task.schedule_to_close_timeout = None;
            assert_eq!(time_limit(&task), None);
        }
    }
}
