//! Starting runs: validation, id policies, what the started event says.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::common::v1::{Memo, Payload, Payloads, Priority, RetryPolicy, SearchAttributes, link};
use temporal_protos::api::enums::v1::{
    ContinueAsNewInitiator, EventType, WorkflowExecutionStatus, WorkflowIdConflictPolicy as Conflict,
    WorkflowIdReusePolicy as Reuse,
};
use temporal_protos::api::errordetails::v1::WorkflowExecutionAlreadyStartedFailure;
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::workflow::v1::OnConflictOptions;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost::Message;
use temporal_protos::prost_types::Duration as ProtoDuration;
use uuid::Uuid;

use super::super::cron::Cron;
use super::callback::{check_callbacks, links_beside};
use super::core::Engine;
use super::events::Attributes;
use super::launch::Launch;
use super::limits::Limits;
use super::namespace::NamespaceId;
use super::retry;
use super::run::{Extras, Turn};
use super::search_attributes;
use super::state::RunKey;
use super::status::{Code, Status};
use super::time::{duration, to_proto};
use super::workflow_task::{SERVER_IDENTITY, normal_queue};

/// The workflow task timeout of a start that names none.
const TASK_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest workflow task timeout.
const LONGEST_TASK_TIMEOUT: Duration = Duration::from_secs(120);

/// The longest execution or run timeout: a hundred years.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What came of a start.
#[derive(Clone, Debug)]
pub(super) struct StartOutcome {
    pub(super) key: RunKey,
    /// Whether this request, or an earlier one with the same request id, began the run.
    pub(super) started: bool,
    /// Whether this very request began the run.
    pub(super) fresh: bool,
    /// The request id that was attached to a run that exists.
    pub(super) attached: Option<String>,
}

impl Engine {
    pub(super) fn start_workflow_execution(
        &mut self,
        mut request: wf::StartWorkflowExecutionRequest,
    ) -> Result<wf::StartWorkflowExecutionResponse, Status> {
        let namespace = self.check_start(&mut request)?;
        let eager = request.request_eager_execution && request.cron_schedule.is_empty();
        let delayed = !duration(request.workflow_start_delay.as_ref()).is_zero();
        let outcome = self.start(namespace, request, None)?;
        let mut response = self.start_response(&outcome)?;
        if eager && !delayed && outcome.fresh {
            response.eager_workflow_task = self.eager_task(outcome.key);
        }
        Ok(response)
    }

    /// The answer to a start that led to this run.
    pub(super) fn start_response(&self, outcome: &StartOutcome) -> Result<wf::StartWorkflowExecutionResponse, Status> {
        let run = self
            .runs
            .get(&outcome.key)
            .ok_or_else(|| Status::not_found("workflow not found"))?;
        let attached = EventType::WorkflowExecutionOptionsUpdated as i32;
        let reference = match &outcome.attached {
            Some(request_id) => {
                link::workflow_event::Reference::RequestIdRef(link::workflow_event::RequestIdReference {
                    request_id: request_id.clone(),
                    event_type: attached,
                })
            }
            None => link::workflow_event::Reference::EventRef(link::workflow_event::EventReference {
                event_id: 1,
                event_type: EventType::WorkflowExecutionStarted as i32,
            }),
        };
        let link = self.shared.event_link(run, reference);
        Ok(wf::StartWorkflowExecutionResponse {
            run_id: run.run_id.to_string(),
            first_execution_run_id: run.first_run_id.clone(),
            started: outcome.started,
            status: run.status as i32,
            eager_workflow_task: None,
            link: Some(link),
        })
    }

    /// Checks a start request and types its search attributes.
    pub(super) fn check_start(&self, request: &mut wf::StartWorkflowExecutionRequest) -> Result<NamespaceId, Status> {
        let namespace = self.shared.namespaces.find(&request.namespace)?;
        let invalid = Status::invalid_argument;
        let limits = &self.shared.config.limits;
        if request.workflow_id.is_empty() {
            return Err(Status::invalid_argument("WorkflowId is not set on request."));
        }
        let length = request.workflow_id.len();
        limits.check_id(&request.workflow_id, || {
            format!("WorkflowId exceeds maximum allowed length ({length}/1000)")
        })?;
        check_retry_policy_of(request.retry_policy.as_ref())?;
        for (value, name) in [
            (&request.workflow_execution_timeout, "WorkflowExecutionTimeoutSeconds"),
            (&request.workflow_run_timeout, "WorkflowRunTimeoutSeconds"),
            (&request.workflow_task_timeout, "WorkflowTaskTimeoutSeconds"),
            (&request.workflow_start_delay, "WorkflowStartDelaySeconds"),
        ] {
            if value.as_ref().is_some_and(|it| it.seconds < 0 || it.nanos < 0) {
                return Err(invalid(format!(
                    "An invalid {name} is set on request. cause: negative duration"
                )));
            }
        }
        if !request.cron_schedule.is_empty() {
            check_cron(&request.cron_schedule)?;
            if request.workflow_start_delay.is_some() {
                return Err(Status::invalid_argument(
                    "CronSchedule and WorkflowStartDelay may not be used together.",
                ));
            }
        }
        let kind = request
            .workflow_type
            .as_ref()
            .map(|kind| kind.name.as_str())
            .unwrap_or_default();
        if kind.is_empty() {
            return Err(Status::invalid_argument("WorkflowType is not set on request."));
        }
        limits.check_id(kind, || "WorkflowType length exceeds limit.".to_owned())?;
        check_queue(limits, request.task_queue.as_ref().map(|queue| queue.name.as_str()))?;
        limits.check_id(&request.request_id, || "RequestId length exceeds limit.".to_owned())?;
        check_id_policies(request)?;
        check_priority(request.priority.as_ref())?;
        limits.check_blob(request.input.as_ref().map_or(0, Payloads::encoded_len))?;
        if request.memo.as_ref().map_or(0, Memo::encoded_len) > limits.memo_bytes {
            return Err(Status::invalid_argument("Memo size exceeds limit."));
        }
        if request.time_skipping_config.is_some() {
            return Err(Status::unimplemented(
                "The Time-Skipping feature is not enabled for namespace.",
            ));
        }
        if request.links.iter().any(|link| link.variant.is_none()) {
            return Err(Status::invalid_argument("unsupported link variant"));
        }
        if request.versioning_override.is_some() {
            return Err(Status::unimplemented("worker versioning is not served"));
        }
        check_callbacks(&mut request.completion_callbacks)?;
        let most = limits.callbacks;
        if request.completion_callbacks.len() > most {
            return Err(too_many_callbacks(most, 0));
        }
        let attaches = request.on_conflict_options.as_ref();
        if attaches.is_some_and(|it| it.attach_completion_callbacks && !it.attach_request_id) {
            let text = "attaching request ID is required for attaching completion callbacks";
            return Err(Status::invalid_argument(text));
        }
        if let Some(attributes) = &mut request.search_attributes {
            search_attributes::check(&request.namespace, &namespace.search_attributes, attributes)?;
        }
        Ok(namespace.id)
    }

    /// Starts a run as the id policies allow, or finds the one that stands for it.
    pub(super) fn start(
        &mut self,
        namespace: NamespaceId,
        mut request: wf::StartWorkflowExecutionRequest,
        signal: Option<(h::WorkflowExecutionSignaledEventAttributes, Extras)>,
    ) -> Result<StartOutcome, Status> {
        if request.request_id.is_empty() {
            request.request_id = self.shared.random.uuid4().to_string();
        }
        let reuse = Reuse::try_from(request.workflow_id_reuse_policy).unwrap_or(Reuse::Unspecified);
        let conflict = Conflict::try_from(request.workflow_id_conflict_policy).unwrap_or(Conflict::Unspecified);
        let run_id = self.shared.random.uuid7(self.shared.now);
        if let Some(key) = self.shared.index.current(namespace, &request.workflow_id)
            && let Some(outcome) = self.meet_existing(key, run_id, &request, reuse, conflict)?
        {
            return Ok(outcome);
        }
        let request_id = request.request_id.clone();
        let workflow_id = request.workflow_id.clone();
        let extras = Extras {
            user_metadata: request.user_metadata.take(),
            links: links_beside(&request.completion_callbacks, std::mem::take(&mut request.links)),
            ..Extras::default()
        };
        let started = self.started_attributes(run_id, request);
        let key = self.begin_run(Launch {
            namespace,
            workflow_id,
            run_id,
            started,
            extras,
            request_id,
            signal,
            unattended: false,
            updates: BTreeMap::new(),
        });
        Ok(StartOutcome {
            key,
            started: true,
            fresh: true,
            attached: None,
        })
    }

    /// A run of this workflow id exists: it stands for the start, or forbids it, or makes way (`None`).
    fn meet_existing(
        &mut self,
        key: RunKey,
        new_run_id: Uuid,
        request: &wf::StartWorkflowExecutionRequest,
        reuse: Reuse,
        conflict: Conflict,
    ) -> Result<Option<StartOutcome>, Status> {
        let Some(run) = self.runs.get(&key) else {
            return Ok(None);
        };
        if let Some((event_type, _)) = run.request_ids.get(&request.request_id) {
            let started = *event_type == EventType::WorkflowExecutionStarted as i32;
            let attached = (!started).then(|| request.request_id.clone());
            return Ok(Some(StartOutcome {
                key,
                started,
                fresh: false,
                attached,
            }));
        }
        let (workflow_id, run_id) = (run.workflow_id.clone(), run.run_id);
        if !run.is_open() {
            let completed = run.status == WorkflowExecutionStatus::Completed;
            let refusal = match reuse {
                Reuse::RejectDuplicate => "reject duplicate workflow Id.",
                Reuse::AllowDuplicateFailedOnly if completed => "allow duplicate workflow Id if last run failed.",
                Reuse::Unspecified
                | Reuse::AllowDuplicate
                | Reuse::AllowDuplicateFailedOnly
                | Reuse::TerminateIfRunning => {
                    return Ok(None);
                }
            };
            let how = if reuse == Reuse::AllowDuplicateFailedOnly {
                " successfully"
            } else {
                ""
            };
            let text = format!(
                "Workflow execution already finished{how}. WorkflowId: {workflow_id}, RunId: {run_id}. Workflow Id reuse policy: {refusal}"
            );
            return Err(self.already_started(key, text));
        }
        let conflict = if reuse == Reuse::TerminateIfRunning {
            Conflict::TerminateExisting
        } else {
            conflict
        };
        match conflict {
            Conflict::Unspecified | Conflict::Fail => {
                let text =
                    format!("Workflow execution is already running. WorkflowId: {workflow_id}, RunId: {run_id}.");
                Err(self.already_started(key, text))
            }
            Conflict::UseExisting => {
                let attached = self.attach(key, request)?;
                Ok(Some(StartOutcome {
                    key,
                    started: false,
                    fresh: false,
                    attached,
                }))
            }
            Conflict::TerminateExisting => {
                self.turn(key, |turn| {
                    let reason = "TerminateIfRunning WorkflowIdReusePolicy";
                    let details = json_text(&format!("terminated by new runID: {new_run_id}"));
                    turn.terminate_run(reason, Some(details), SERVER_IDENTITY, Extras::default());
                });
                Ok(None)
            }
        }
    }

    fn already_started(&self, key: RunKey, message: String) -> Status {
        let started = EventType::WorkflowExecutionStarted as i32;
        let detail = self
            .runs
            .get(&key)
            .map_or_else(WorkflowExecutionAlreadyStartedFailure::default, |run| {
                let request = run
                    .request_ids
                    .iter()
                    .find(|(_, (event_type, _))| *event_type == started);
                WorkflowExecutionAlreadyStartedFailure {
                    start_request_id: request.map(|(id, _)| id.clone()).unwrap_or_default(),
                    run_id: run.run_id.to_string(),
                    first_execution_run_id: run.first_run_id.clone(),
                }
            });
        Status::new(Code::AlreadyExists, message).with_detail(
            "temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure",
            &detail,
        )
    }

    /// A start that uses an existing run leaves its request id there, if it asks for that.
    fn attach(&mut self, key: RunKey, request: &wf::StartWorkflowExecutionRequest) -> Result<Option<String>, Status> {
        let Some(OnConflictOptions {
            attach_request_id,
            attach_completion_callbacks,
            attach_links,
        }) = request.on_conflict_options
        else {
            return Ok(None);
        };
        if !attach_request_id && !attach_links {
            return Ok(None);
        }
        let attached_completion_callbacks = if attach_completion_callbacks {
            request.completion_callbacks.clone()
        } else {
            Vec::new()
        };
        let most = self.shared.config.limits.callbacks;
        let before = self.runs.get(&key).map_or(0, |run| run.callbacks.len());
        if !attached_completion_callbacks.is_empty() && before + attached_completion_callbacks.len() > most {
            return Err(too_many_callbacks(most, before));
        }
        let attached_request_id = if attach_request_id {
            request.request_id.clone()
        } else {
            String::new()
        };
        let links = if attach_links {
            links_beside(&attached_completion_callbacks, request.links.clone())
        } else {
            Vec::new()
        };
        self.turn(key, |turn| {
            let attributes = h::WorkflowExecutionOptionsUpdatedEventAttributes {
                attached_request_id,
                attached_completion_callbacks,
                ..h::WorkflowExecutionOptionsUpdatedEventAttributes::default()
            };
            let extras = Extras {
                links,
                worker_may_ignore: true,
                ..Extras::default()
            };
            let attributes = Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(attributes);
            turn.arrive_quietly_at(turn.shared.now, attributes, extras);
        });
        Ok(attach_request_id.then(|| request.request_id.clone()))
    }

    /// The first workflow task goes out with the answer of the start.
    fn eager_task(&mut self, key: RunKey) -> Option<wf::PollWorkflowTaskQueueResponse> {
        self.turn(key, |turn| {
            let identity = turn.started_identity();
            let request_id = turn.shared.random.uuid4().to_string();
            // It starts in the transaction that begins the run, before which there is no history.
            let started = turn.start_task_for(&identity, None, request_id, 0);
            started.then(|| turn.task_response(false))
        })
        .flatten()
    }

    fn started_attributes(
        &self,
        run_id: Uuid,
        request: wf::StartWorkflowExecutionRequest,
    ) -> h::WorkflowExecutionStartedEventAttributes {
        let now = self.shared.now;
        let mut backoff = duration(request.workflow_start_delay.as_ref());
        let mut initiator = ContinueAsNewInitiator::Unspecified;
        if !request.cron_schedule.is_empty() {
            initiator = ContinueAsNewInitiator::CronSchedule;
            backoff = Cron::parse(&request.cron_schedule)
                .ok()
                .and_then(|cron| cron.backoff(now, now))
                .unwrap_or_default();
        }
        let timeouts = Timeouts::new(
            request.workflow_execution_timeout.as_ref(),
            request.workflow_run_timeout.as_ref(),
            request.workflow_task_timeout.as_ref(),
        );
        let queue = request.task_queue.map(|queue| queue.name).unwrap_or_default();
        h::WorkflowExecutionStartedEventAttributes {
            workflow_type: request.workflow_type,
            task_queue: Some(normal_queue(&queue)),
            input: request.input,
            workflow_execution_timeout: timeouts.execution,
            workflow_run_timeout: timeouts.run,
            workflow_task_timeout: Some(timeouts.task),
            workflow_execution_expiration_time: timeouts
                .execution
                .as_ref()
                .map(|timeout| (now + duration(Some(timeout))).to_proto()),
            initiator: initiator as i32,
            continued_failure: request.continued_failure,
            last_completion_result: request.last_completion_result,
            original_execution_run_id: run_id.to_string(),
            first_execution_run_id: run_id.to_string(),
            identity: request.identity,
            retry_policy: request.retry_policy.as_ref().map(filled_policy),
            attempt: 1,
            cron_schedule: request.cron_schedule,
            first_workflow_task_backoff: Some(to_proto(backoff)),
            memo: request.memo.filter(|memo| !memo.fields.is_empty()),
            search_attributes: request.search_attributes.filter(|it| !it.indexed_fields.is_empty()),
            header: request.header,
            completion_callbacks: request.completion_callbacks,
            versioning_override: request.versioning_override,
            priority: request.priority,
            eager_execution_accepted: request.request_eager_execution && backoff.is_zero(),
            ..h::WorkflowExecutionStartedEventAttributes::default()
        }
    }
}

impl Turn<'_> {
    /// Who started the run.
    fn started_identity(&self) -> String {
        match self.history.event(1).and_then(|event| event.attributes) {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started.identity,
            _ => String::new(),
        }
    }

    /// Writes their types into search attributes that were checked.
    pub(super) fn type_search_attributes(&self, attributes: &mut SearchAttributes) {
        let Some(namespace) = self.shared.namespaces.get(self.namespace) else {
            return;
        };
        // They were checked with the command; an attribute removed since keeps its payload as it is.
        let checked = search_attributes::check(&namespace.name, &namespace.search_attributes, attributes);
        debug_assert!(checked.is_ok(), "checked with the command");
    }
}

/// The timeouts of a start, made to fit each other.
pub(super) struct Timeouts {
    pub(super) execution: Option<ProtoDuration>,
    pub(super) run: Option<ProtoDuration>,
    pub(super) task: ProtoDuration,
}

impl Timeouts {
    pub(super) fn new(
        execution: Option<&ProtoDuration>,
        run: Option<&ProtoDuration>,
        task: Option<&ProtoDuration>,
    ) -> Self {
        let most = |timeout: Option<&ProtoDuration>| duration(timeout).min(LONGEST_TIMEOUT);
        let (execution, mut run, mut task) = (most(execution), most(run), duration(task));
        if !execution.is_zero() && (run.is_zero() || run > execution) {
            run = execution;
        }
        if task.is_zero() {
            task = TASK_TIMEOUT;
        }
        task = task.min(LONGEST_TASK_TIMEOUT);
        if !run.is_zero() {
            task = task.min(run);
        }
        let set = |timeout: Duration| (!timeout.is_zero()).then(|| to_proto(timeout));
        Timeouts {
            execution: set(execution),
            run: set(run),
            task: to_proto(task),
        }
    }
}

/// A timeout of a run, as long as it may be.
pub(super) fn bounded(timeout: ProtoDuration) -> ProtoDuration {
    to_proto(duration(Some(&timeout)).min(LONGEST_TIMEOUT))
}

/// Payloads that hold one JSON string.
pub(super) fn json_text(text: &str) -> Payloads {
    Payloads {
        payloads: vec![json_payload(text)],
    }
}

/// A payload that holds one JSON string.
pub(super) fn json_payload(text: &str) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), b"json/plain"[..].into())].into(),
        data: serde_json::Value::from(text).to_string().into_bytes().into(),
        ..Payload::default()
    }
}

/// A workflow's retry policy as its events show it.
pub(super) fn filled_policy(policy: &RetryPolicy) -> RetryPolicy {
    retry::filled(Some(policy))
}

fn check_retry_policy_of(policy: Option<&RetryPolicy>) -> Result<(), Status> {
    policy.map_or(Ok(()), check_retry_policy)
}

/// Refuses a retry policy that makes no sense.
pub(super) fn check_retry_policy(policy: &RetryPolicy) -> Result<(), Status> {
    let negative = |it: Option<&ProtoDuration>| it.is_some_and(|it| it.seconds < 0 || it.nanos < 0);
    let text = if policy.maximum_attempts == 1 {
        return Ok(());
    } else if negative(policy.initial_interval.as_ref()) {
        "invalid InitialInterval set on retry policy: negative duration"
    } else if policy.backoff_coefficient < 1.0 && policy.backoff_coefficient != 0.0 {
        "BackoffCoefficient cannot be less than 1 on retry policy."
    } else if negative(policy.maximum_interval.as_ref()) {
        "invalid MaximumInterval set on retry policy: negative duration"
    } else if policy.maximum_interval.is_some()
        && !duration(policy.maximum_interval.as_ref()).is_zero()
        && duration(policy.maximum_interval.as_ref()) < duration(policy.initial_interval.as_ref())
    {
        "MaximumInterval cannot be less than InitialInterval on retry policy."
    } else if policy.maximum_attempts < 0 {
        "MaximumAttempts cannot be negative on retry policy."
    } else {
        return Ok(());
    };
    Err(Status::invalid_argument(text))
}

fn too_many_callbacks(most: usize, before: usize) -> Status {
    let text = format!("cannot attach more than {most} callbacks to a workflow ({before} callbacks already attached)");
    Status::new(Code::FailedPrecondition, text)
}

/// Refuses what is no cron schedule.
pub(super) fn check_cron(schedule: &str) -> Result<(), Status> {
    Cron::parse(schedule)
        .map(|_| ())
        .map_err(|_| Status::invalid_argument("invalid CronSchedule."))
}

/// Refuses a task queue name that is missing, too long or reserved.
pub(super) fn check_queue(limits: &Limits, name: Option<&str>) -> Result<(), Status> {
    let name = name.unwrap_or_default();
    if name.is_empty() {
        return Err(Status::invalid_argument("taskQueue is not set"));
    }
    limits.check_id(name, || "taskQueue length exceeds limit".to_owned())?;
    if name.starts_with("/_sys/") {
        return Err(Status::invalid_argument(
            "task queue name cannot start with reserved prefix /_sys/",
        ));
    }
    Ok(())
}

/// Refuses a priority that makes no sense.
pub(super) fn check_priority(priority: Option<&Priority>) -> Result<(), Status> {
    let Some(priority) = priority else { return Ok(()) };
    if priority.priority_key < 0 {
        return Err(Status::invalid_argument("priority key can't be negative"));
    }
    if priority.fairness_key.len() > 64 {
        return Err(Status::invalid_argument("fairness key length exceeds limit"));
    }
    if priority.fairness_weight < 0.0 {
        return Err(Status::invalid_argument("must be greater than zero"));
    }
    Ok(())
}

fn check_id_policies(request: &wf::StartWorkflowExecutionRequest) -> Result<(), Status> {
    let reuse = Reuse::try_from(request.workflow_id_reuse_policy).unwrap_or(Reuse::Unspecified);
    let conflict = Conflict::try_from(request.workflow_id_conflict_policy).unwrap_or(Conflict::Unspecified);
    let text = match (reuse, conflict) {
        (Reuse::TerminateIfRunning, Conflict::Fail | Conflict::UseExisting | Conflict::TerminateExisting) => {
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy"
        }
        (Reuse::RejectDuplicate, Conflict::TerminateExisting) => {
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"
        }
        _ => return Ok(()),
    };
    Err(Status::invalid_argument(text))
}
