//! Whether all commands of a workflow task can be carried out. Nothing changes here.

mod nexus;

use std::collections::{BTreeMap, BTreeSet};

use temporal_protos::api::command::v1::{self as c, Command, command::Attributes};
use temporal_protos::api::common::v1::{Memo, Payloads, RetryPolicy, WorkflowExecution};
use temporal_protos::api::enums::v1::{CommandType, WorkflowTaskFailedCause as Cause};
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::prost::Message as _;
use temporal_protos::prost_types::Duration as ProtoDuration;
use uuid::Uuid;

use super::super::core::Shared;
use super::super::events;
use super::super::limits::Limits;
use super::super::namespace::Namespaces;
use super::super::search_attributes;
use super::super::start::{check_priority, check_retry_policy};
use super::super::state::{State, upsert};
use super::super::status::Status;
use super::super::update::message_writes_event;

/// Why the commands cannot be carried out.
#[derive(Debug)]
pub(in crate::server::engine) enum Refusal {
    /// The workflow task fails.
    Task(Cause, String),
    /// The workflow task fails and the run is terminated.
    Run(Cause, String),
    /// Only the call fails; the task still runs.
    Call(Status),
}

type Check = Result<(), Refusal>;

fn bad(cause: Cause, message: impl Into<String>) -> Refusal {
    Refusal::Task(cause, message.into())
}

/// The words of a screaming enum name, run together: `BAD_THING` is `BadThing`.
pub(in crate::server::engine) fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_string() + &letters.as_str().to_lowercase())
                .unwrap_or_default()
        })
        .collect()
}

/// `BadScheduleActivityAttributes` and so on.
pub(in crate::server::engine) fn cause_name(cause: Cause) -> String {
    pascal(cause.as_str_name().trim_start_matches("WORKFLOW_TASK_FAILED_CAUSE_"))
}

fn command_name(command: &Command) -> String {
    match CommandType::try_from(command.command_type) {
        Ok(kind) => pascal(kind.as_str_name().trim_start_matches("COMMAND_TYPE_")),
        Err(_) => command.command_type.to_string(),
    }
}

fn closes(command: &Command) -> bool {
    matches!(
        CommandType::try_from(command.command_type),
        Ok(CommandType::CompleteWorkflowExecution
            | CommandType::FailWorkflowExecution
            | CommandType::CancelWorkflowExecution
            | CommandType::ContinueAsNewWorkflowExecution)
    )
}

/// What the commands before the one at hand did.
struct Checker<'a> {
    state: &'a State,
    shared: &'a Shared,
    namespaces: &'a Namespaces,
    limits: Limits,
    namespace: String,
    messages: BTreeMap<&'a str, &'a Message>,
    next_id: i64,
    /// Timers that commands started (true) or cancelled (false).
    timers: BTreeMap<&'a str, bool>,
    activity_ids: BTreeSet<&'a str>,
    activities: BTreeSet<i64>,
    children: BTreeSet<&'a str>,
    /// Nexus operations that commands scheduled, by the ids of their events.
    operations: BTreeSet<i64>,
    /// Nexus operations whose cancellation commands asked for.
    cancelled: BTreeSet<i64>,
    /// The memo as commands left it, once one of them changed it.
    memo: Option<Memo>,
    started: usize,
    unseen: bool,
}

/// Checks all commands. `unseen`: something arrived that the worker does not know yet. `next_id` is the id that the event of
/// the first command will get.
pub(in crate::server::engine) fn check(
    state: &State,
    shared: &Shared,
    commands: &[Command],
    messages: &[Message],
    unseen: bool,
    next_id: i64,
) -> Check {
    if let Some(command) = commands
        .iter()
        .find(|it| CommandType::try_from(it.command_type).unwrap_or_default() == CommandType::Unspecified)
    {
        let name = command_name(command);
        return Err(Refusal::Call(Status::invalid_argument(format!(
            "unknown command type: {name}"
        ))));
    }
    if let Some(at) = commands.iter().position(closes).filter(|at| at + 1 < commands.len()) {
        let names: Vec<String> = commands.iter().map(command_name).collect();
        let text = format!(
            "invalid command sequence: [{}], command {} must be the last command.",
            names.join(", "),
            names[at]
        );
        return Err(Refusal::Call(Status::invalid_argument(text)));
    }
    let mut checker = Checker {
        state,
        shared,
        namespaces: &shared.namespaces,
        limits: shared.config.limits,
        namespace: shared.namespaces.name(state.namespace),
        messages: messages.iter().map(|message| (message.id.as_str(), message)).collect(),
        next_id,
        timers: BTreeMap::new(),
        activity_ids: BTreeSet::new(),
        activities: BTreeSet::new(),
        children: BTreeSet::new(),
        operations: BTreeSet::new(),
        cancelled: BTreeSet::new(),
        memo: None,
        started: 0,
        unseen,
    };
    for command in commands {
        checker.check(command)?;
    }
    Ok(())
}

impl<'a> Checker<'a> {
    fn check(&mut self, command: &'a Command) -> Check {
        let writes = match CommandType::try_from(command.command_type).unwrap_or_default() {
            CommandType::ScheduleActivityTask => self.schedule_activity(command)?,
            CommandType::RequestCancelActivityTask => self.cancel_activity(command)?,
            CommandType::StartTimer => self.start_timer(command)?,
            CommandType::CancelTimer => self.cancel_timer(command)?,
            CommandType::RecordMarker => record_marker(&self.limits, command)?,
            CommandType::UpsertWorkflowSearchAttributes => self.upsert_search_attributes(command)?,
            CommandType::ModifyWorkflowProperties => self.modify_properties(command)?,
            CommandType::StartChildWorkflowExecution => self.start_child(command)?,
            CommandType::SignalExternalWorkflowExecution => self.signal_external(command)?,
            CommandType::RequestCancelExternalWorkflowExecution => self.cancel_external(command)?,
            CommandType::ProtocolMessage => self.protocol_message(command)?,
            CommandType::CompleteWorkflowExecution
            | CommandType::FailWorkflowExecution
            | CommandType::CancelWorkflowExecution
            | CommandType::ContinueAsNewWorkflowExecution => self.close(command)?,
            CommandType::ScheduleNexusOperation => self.schedule_nexus_operation(command)?,
            CommandType::RequestCancelNexusOperation => self.cancel_nexus_operation(command)?,
            CommandType::Unspecified => false,
        };
        self.next_id += i64::from(writes);
        Ok(())
    }

    fn schedule_activity(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadScheduleActivityAttributes;
        let Some(Attributes::ScheduleActivityTaskCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "ScheduleActivityTask"));
        };
        let kind = it
            .activity_type
            .as_ref()
            .map(|kind| kind.name.as_str())
            .unwrap_or_default();
        let queue = it
            .task_queue
            .as_ref()
            .map(|queue| queue.name.as_str())
            .unwrap_or_default();
        for (value, text) in [
            (it.activity_id.as_str(), "activityId is not set"),
            (kind, "activityType is not set"),
            (queue, "taskQueue is not set"),
        ] {
            if value.is_empty() {
                return Err(bad(CAUSE, text));
            }
        }
        for (value, name) in [
            (it.activity_id.as_str(), "activityId"),
            (kind, "activityType"),
            (queue, "taskQueue"),
        ] {
            if value.len() > self.limits.id_length {
                return Err(bad(CAUSE, format!("{name} exceeds length limit")));
            }
        }
        for (duration, name) in [
            (&it.schedule_to_close_timeout, "ScheduleToCloseTimeout"),
            (&it.schedule_to_start_timeout, "ScheduleToStartTimeout"),
            (&it.start_to_close_timeout, "StartToCloseTimeout"),
            (&it.heartbeat_timeout, "HeartbeatTimeout"),
        ] {
            if is_negative(duration.as_ref()) {
                return Err(bad(CAUSE, format!("invalid {name}: negative duration")));
            }
        }
        if is_zero(it.schedule_to_close_timeout.as_ref()) && is_zero(it.start_to_close_timeout.as_ref()) {
            let text = "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity.";
            return Err(bad(
                CAUSE,
                format!("{text} ActivityId={} ActivityType={kind}", it.activity_id),
            ));
        }
        check_retry(CAUSE, it.retry_policy.as_ref(), |text| text)?;
        check_priority(it.priority.as_ref())
            .map_err(|status| bad(CAUSE, format!("invalid priorities: {}", status.message)))?;
        check_blob(
            &self.limits,
            CAUSE,
            it.input.as_ref(),
            "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.",
        )?;
        if self.state.activities.len() + self.activities.len() >= self.limits.pending_activities {
            return Err(pending(
                Cause::PendingActivitiesLimitExceeded,
                "activities",
                self.limits.pending_activities,
            ));
        }
        if self.state.activity_ids.contains_key(&it.activity_id) || !self.activity_ids.insert(&it.activity_id) {
            let text = "invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: ";
            return Err(bad(
                Cause::ScheduleActivityDuplicateId,
                format!("{text}{}", it.activity_id),
            ));
        }
        self.activities.insert(self.next_id);
        Ok(true)
    }

    fn cancel_activity(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadRequestCancelActivityAttributes;
        let Some(Attributes::RequestCancelActivityTaskCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "RequestCancelActivityTask"));
        };
        let id = it.scheduled_event_id;
        if id <= 0 {
            return Err(bad(
                CAUSE,
                "ScheduledEventId is not set on RequestCancelActivityTaskCommand.",
            ));
        }
        let known =
            self.state.activities.contains_key(&id) || self.activities.contains(&id) || closing_held(self.state, id);
        if !known {
            let text =
                "invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: ";
            return Err(bad(CAUSE, format!("{text}{id}")));
        }
        Ok(true)
    }

    fn start_timer(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadStartTimerAttributes;
        let Some(Attributes::StartTimerCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "StartTimer"));
        };
        if it.timer_id.is_empty() {
            return Err(bad(CAUSE, "TimerId is not set on StartTimerCommand."));
        }
        if it.timer_id.len() > self.limits.id_length {
            return Err(bad(CAUSE, "TimerId on StartTimerCommand exceeds length limit."));
        }
        if is_negative(it.start_to_fire_timeout.as_ref()) {
            let text = "An invalid StartToFireTimeout is set on StartTimerCommand: negative duration.";
            return Err(bad(CAUSE, format!("{text} TimerId={}", it.timer_id)));
        }
        if self.is_timer(&it.timer_id) {
            let text = "invalid history builder state for action: add-timer-started-event, TimerID: ";
            return Err(bad(Cause::StartTimerDuplicateId, format!("{text}{}", it.timer_id)));
        }
        self.timers.insert(&it.timer_id, true);
        Ok(true)
    }

    /// Whether a timer of this id is pending after the commands before.
    fn is_timer(&self, id: &str) -> bool {
        let changed = self.timers.get(id).copied();
        changed.unwrap_or_else(|| self.state.timer_ids.contains_key(id))
    }

    fn cancel_timer(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadCancelTimerAttributes;
        let Some(Attributes::CancelTimerCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "CancelTimer"));
        };
        if it.timer_id.is_empty() {
            return Err(bad(CAUSE, "TimerId is not set on CancelTimerCommand."));
        }
        if !self.is_timer(&it.timer_id) && fired_held(self.state, &it.timer_id).is_none() {
            let text = "invalid history builder state for action: add-timer-canceled-event, TimerID: ";
            return Err(bad(CAUSE, format!("{text}{}", it.timer_id)));
        }
        self.timers.insert(&it.timer_id, false);
        Ok(true)
    }

    fn upsert_search_attributes(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadSearchAttributes;
        let Some(Attributes::UpsertWorkflowSearchAttributesCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "UpsertWorkflowSearchAttributes"));
        };
        let Some(attributes) = it.search_attributes.as_ref().filter(|it| !it.indexed_fields.is_empty()) else {
            return Err(bad(
                CAUSE,
                "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.",
            ));
        };
        self.check_search_attributes(CAUSE, attributes.clone())?;
        Ok(true)
    }

    fn check_search_attributes(
        &self,
        cause: Cause,
        mut attributes: temporal_protos::api::common::v1::SearchAttributes,
    ) -> Check {
        let custom = self
            .namespaces
            .get(self.state.namespace)
            .map(|it| &it.search_attributes);
        let empty = BTreeMap::new();
        search_attributes::check(&self.namespace, custom.unwrap_or(&empty), &mut attributes)
            .map_err(|status| bad(cause, status.message))
    }

    fn start_child(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadStartChildExecutionAttributes;
        let Some(Attributes::StartChildWorkflowExecutionCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "StartChildWorkflowExecution"));
        };
        let namespace = self.target_namespace(&it.namespace)?;
        let kind = it
            .workflow_type
            .as_ref()
            .map(|kind| kind.name.as_str())
            .unwrap_or_default();
        let on = "on StartChildWorkflowExecutionCommand";
        if it.workflow_id.is_empty() {
            return Err(bad(
                CAUSE,
                format!("Required field WorkflowId is not set {on}. WorkflowType={kind} Namespace={namespace}"),
            ));
        }
        if kind.is_empty() {
            let id = &it.workflow_id;
            return Err(bad(
                CAUSE,
                format!("Required field WorkflowType is not set {on}. WorkflowId={id} Namespace={namespace}"),
            ));
        }
        let tail = format!(
            "WorkflowId={} WorkflowType={kind} Namespace={namespace}",
            it.workflow_id
        );
        if it.workflow_id.len() > self.limits.id_length {
            return Err(bad(CAUSE, format!("WorkflowId {on} exceeds length limit. {tail}")));
        }
        if kind.len() > self.limits.id_length {
            return Err(bad(CAUSE, format!("WorkflowType {on} exceeds length limit. {tail}")));
        }
        for (duration, name) in [
            (&it.workflow_execution_timeout, "WorkflowExecutionTimeout"),
            (&it.workflow_run_timeout, "WorkflowRunTimeout"),
            (&it.workflow_task_timeout, "WorkflowTaskTimeout"),
        ] {
            if is_negative(duration.as_ref()) {
                return Err(bad(CAUSE, format!("Invalid {name} {on}: negative duration. {tail}")));
            }
        }
        check_retry(CAUSE, it.retry_policy.as_ref(), |text| {
            format!("Invalid RetryPolicy {on}: {text}. {tail}")
        })?;
        check_priority(it.priority.as_ref()).map_err(|status| bad(CAUSE, status.message))?;
        if !it.cron_schedule.is_empty() && super::super::start::check_cron(&it.cron_schedule).is_err() {
            return Err(bad(
                CAUSE,
                format!("invalid CronSchedule {on}: invalid CronSchedule.. {tail}"),
            ));
        }
        if let Some(attributes) = &it.search_attributes {
            self.check_search_attributes(Cause::BadSearchAttributes, attributes.clone())?;
        }
        check_blob(
            &self.limits,
            CAUSE,
            it.input.as_ref(),
            "StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.",
        )?;
        let text = "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.";
        check_memo(&self.limits, CAUSE, it.memo.as_ref(), text)?;
        if self.state.children.len() + self.children.len() >= self.limits.pending_children {
            return Err(pending(
                Cause::PendingChildWorkflowsLimitExceeded,
                "child workflows",
                self.limits.pending_children,
            ));
        }
        self.children.insert(&it.workflow_id);
        Ok(true)
    }

    fn modify_properties(&mut self, command: &Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadModifyWorkflowPropertiesAttributes;
        const NAME: &str = "ModifyWorkflowPropertiesCommandAttributes";
        let Some(Attributes::ModifyWorkflowPropertiesCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "ModifyWorkflowProperties"));
        };
        let Some(upserted) = it.upserted_memo.as_ref().filter(|memo| !memo.fields.is_empty()) else {
            return Err(bad(
                CAUSE,
                "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.",
            ));
        };
        // Of the fields, names and data count; of the memo that they leave, everything.
        let size: usize = upserted.fields.iter().map(|(key, it)| key.len() + it.data.len()).sum();
        if size > self.limits.blob_bytes {
            return Err(Refusal::Run(CAUSE, format!("{NAME} exceeds size limit.")));
        }
        let memo = self.memo.get_or_insert_with(|| Memo {
            fields: self.state.memo.clone(),
        });
        for (key, value) in &upserted.fields {
            upsert(&mut memo.fields, key, value);
        }
        let memo = self.memo.as_ref();
        check_memo(&self.limits, CAUSE, memo, &format!("{NAME}. Memo exceeds size limit."))?;
        Ok(true)
    }

    /// The namespace that a command names, if there is one.
    fn target_namespace(&self, name: &str) -> Result<String, Refusal> {
        if name.is_empty() {
            return Ok(self.namespace.clone());
        }
        self.namespaces
            .find(name)
            .map(|namespace| namespace.name.clone())
            .map_err(Refusal::Call)
    }

    fn signal_external(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadSignalWorkflowExecutionAttributes;
        let Some(Attributes::SignalExternalWorkflowExecutionCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "SignalExternalWorkflowExecution"));
        };
        self.target_namespace(&it.namespace)?;
        let on = "on SignalExternalWorkflowExecutionCommand";
        let Some(WorkflowExecution { workflow_id, run_id }) = &it.execution else {
            return Err(bad(CAUSE, format!("Execution is not set {on}.")));
        };
        let (namespace, signal) = (&it.namespace, &it.signal_name);
        if workflow_id.is_empty() {
            return Err(bad(
                CAUSE,
                format!("WorkflowId is not set {on}. Namespace={namespace} RunId={run_id} SignalName={signal}"),
            ));
        }
        if !run_id.is_empty() && Uuid::try_parse(run_id).is_err() {
            let tail = format!("WorkflowId={workflow_id} Namespace={namespace} RunId={run_id} SignalName={signal}");
            return Err(bad(CAUSE, format!("Invalid RunId set {on}. {tail}")));
        }
        if signal.is_empty() {
            return Err(bad(
                CAUSE,
                format!("SignalName is not set {on}. WorkflowId={workflow_id} Namespace={namespace} RunId={run_id}"),
            ));
        }
        check_blob(
            &self.limits,
            CAUSE,
            it.input.as_ref(),
            "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.",
        )?;
        self.one_more_external(Cause::PendingSignalsLimitExceeded, "signals to external workflows")?;
        Ok(true)
    }

    fn cancel_external(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadRequestCancelExternalWorkflowExecutionAttributes;
        let Some(Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "RequestCancelExternalWorkflowExecution"));
        };
        self.target_namespace(&it.namespace)?;
        let on = "on RequestCancelExternalWorkflowExecutionCommand";
        let (namespace, workflow_id, run_id) = (&it.namespace, &it.workflow_id, &it.run_id);
        if workflow_id.is_empty() {
            return Err(bad(
                CAUSE,
                format!("WorkflowId is not set {on}. Namespace={namespace} RunId={run_id}"),
            ));
        }
        if !run_id.is_empty() && Uuid::try_parse(run_id).is_err() {
            let tail = format!("WorkflowId={workflow_id} RunId={run_id} Namespace={namespace}");
            return Err(bad(CAUSE, format!("Invalid RunId set {on}. {tail}")));
        }
        if self.children.contains(workflow_id.as_str()) {
            let text = "Start and RequestCancel for child workflow is not allowed in same workflow task.";
            return Err(bad(
                CAUSE,
                format!("{text} WorkflowId={workflow_id} RunId={run_id} Namespace={namespace}"),
            ));
        }
        self.one_more_external(
            Cause::PendingRequestCancelLimitExceeded,
            "requests to cancel external workflows",
        )?;
        Ok(true)
    }

    fn one_more_external(&mut self, cause: Cause, what: &str) -> Check {
        self.started += 1;
        if self.state.externals.len() + self.started > self.limits.pending_externals {
            return Err(pending(cause, what, self.limits.pending_externals));
        }
        Ok(())
    }

    fn protocol_message(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        const CAUSE: Cause = Cause::BadUpdateWorkflowExecutionMessage;
        let Some(Attributes::ProtocolMessageCommandAttributes(it)) = &command.attributes else {
            return Err(not_set(CAUSE, "ProtocolMessage"));
        };
        match self.messages.remove(it.message_id.as_str()) {
            Some(message) => Ok(message_writes_event(message)),
            None => {
                let text = "ProtocolMessageCommand referenced absent message ID ";
                Err(bad(CAUSE, format!("{text}{}", it.message_id)))
            }
        }
    }

    fn close(&mut self, command: &'a Command) -> Result<bool, Refusal> {
        match &command.attributes {
            Some(Attributes::CompleteWorkflowExecutionCommandAttributes(it)) => {
                let text = "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.";
                check_blob(
                    &self.limits,
                    Cause::BadScheduleActivityAttributes,
                    it.result.as_ref(),
                    text,
                )?;
            }
            Some(Attributes::FailWorkflowExecutionCommandAttributes(it)) => {
                if it.failure.is_none() {
                    let text = "Failure is not set on FailWorkflowExecutionCommand.";
                    return Err(bad(Cause::BadFailWorkflowExecutionAttributes, text));
                }
                if it.failure.as_ref().map_or(0, Failure::encoded_len) > self.limits.blob_bytes {
                    let text = "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.";
                    return Err(Refusal::Run(Cause::BadFailWorkflowExecutionAttributes, text.to_owned()));
                }
            }
            Some(Attributes::CancelWorkflowExecutionCommandAttributes(_)) => {}
            Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(it)) => self.continue_as_new(it)?,
            _ => return Err(closing_not_set(command)),
        }
        if self.unseen {
            return Err(Refusal::Task(Cause::UnhandledCommand, String::new()));
        }
        Ok(true)
    }

    fn continue_as_new(&self, it: &c::ContinueAsNewWorkflowExecutionCommandAttributes) -> Check {
        const CAUSE: Cause = Cause::BadContinueAsNewAttributes;
        let kind = it
            .workflow_type
            .as_ref()
            .map_or(self.state.workflow_type.as_str(), |kind| &kind.name);
        let queue = it
            .task_queue
            .as_ref()
            .map_or(self.state.task_queue.as_str(), |queue| &queue.name);
        for (duration, name) in [
            (&it.workflow_run_timeout, "WorkflowRunTimeout"),
            (&it.workflow_task_timeout, "WorkflowTaskTimeout"),
            (&it.backoff_start_interval, "BackoffStartInterval"),
        ] {
            if is_negative(duration.as_ref()) {
                let text = format!("Invalid {name} on ContinueAsNewWorkflowExecutionCommand: negative duration.");
                let tail = format!("WorkflowType={kind} TaskQueue=name:\"{queue}\"  kind:TASK_QUEUE_KIND_NORMAL");
                return Err(bad(CAUSE, format!("{text} {tail}")));
            }
        }
        check_retry(CAUSE, it.retry_policy.as_ref(), |text| text)?;
        if let Some(attributes) = &it.search_attributes {
            self.check_search_attributes(Cause::BadSearchAttributes, attributes.clone())?;
        }
        let text = "ContinueAsNewWorkflowExecutionCommandAttributes. Input exceeds size limit.";
        check_blob(&self.limits, CAUSE, it.input.as_ref(), text)?;
        let text = "ContinueAsNewWorkflowExecutionCommandAttributes. Memo exceeds size limit.";
        check_memo(&self.limits, CAUSE, it.memo.as_ref(), text)
    }
}

fn closing_not_set(command: &Command) -> Refusal {
    let cause = match CommandType::try_from(command.command_type) {
        Ok(CommandType::FailWorkflowExecution) => Cause::BadFailWorkflowExecutionAttributes,
        Ok(CommandType::CancelWorkflowExecution) => Cause::BadCancelWorkflowExecutionAttributes,
        Ok(CommandType::ContinueAsNewWorkflowExecution) => Cause::BadContinueAsNewAttributes,
        Ok(_) | Err(_) => Cause::BadCompleteWorkflowExecutionAttributes,
    };
    not_set(cause, &command_name(command))
}

fn not_set(cause: Cause, command: &str) -> Refusal {
    bad(
        cause,
        format!("{command}CommandAttributes is not set on {command}Command."),
    )
}

fn pending(cause: Cause, what: &str, limit: usize) -> Refusal {
    bad(
        cause,
        format!("the number of pending {what}, {limit}, has reached the per-workflow limit of {limit}"),
    )
}

fn record_marker(limits: &Limits, command: &Command) -> Result<bool, Refusal> {
    const CAUSE: Cause = Cause::BadRecordMarkerAttributes;
    let Some(Attributes::RecordMarkerCommandAttributes(it)) = &command.attributes else {
        return Err(not_set(CAUSE, "RecordMarker"));
    };
    if it.marker_name.is_empty() {
        return Err(bad(CAUSE, "MarkerName is not set on RecordMarkerCommand."));
    }
    if it.marker_name.len() > limits.id_length {
        return Err(bad(CAUSE, "MarkerName on RecordMarkerCommand exceeds length limit."));
    }
    let details = it.details.iter();
    let size: usize = details.map(|(key, value)| key.len() + value.encoded_len()).sum();
    if size > limits.blob_bytes {
        let text = "RecordMarkerCommandAttributes.Details exceeds size limit.";
        return Err(Refusal::Run(CAUSE, text.to_owned()));
    }
    Ok(true)
}

fn check_retry(cause: Cause, policy: Option<&RetryPolicy>, text: impl FnOnce(String) -> String) -> Check {
    match policy {
        Some(policy) => check_retry_policy(policy).map_err(|status| bad(cause, text(status.message))),
        None => Ok(()),
    }
}

fn check_blob(limits: &Limits, cause: Cause, payloads: Option<&Payloads>, text: &str) -> Check {
    if payloads.map_or(0, Payloads::encoded_len) > limits.blob_bytes {
        return Err(Refusal::Run(cause, text.to_owned()));
    }
    Ok(())
}

fn check_memo(limits: &Limits, cause: Cause, memo: Option<&Memo>, text: &str) -> Check {
    if memo.map_or(0, Memo::encoded_len) > limits.memo_bytes {
        return Err(Refusal::Run(cause, text.to_owned()));
    }
    Ok(())
}

fn is_negative(duration: Option<&ProtoDuration>) -> bool {
    duration.is_some_and(|it| it.seconds < 0 || it.nanos < 0)
}

fn is_zero(duration: Option<&ProtoDuration>) -> bool {
    duration.is_none_or(|it| it.seconds == 0 && it.nanos == 0)
}

/// The started event of a timer whose `TimerFired` is held back.
pub(in crate::server::engine) fn fired_held(state: &State, timer_id: &str) -> Option<i64> {
    state.held.iter().find_map(|event| match &event.attributes {
        Some(events::Attributes::TimerFiredEventAttributes(it)) if it.timer_id == timer_id => Some(it.started_event_id),
        _ => None,
    })
}

/// Whether the closing event of an activity or a Nexus operation is held back.
fn closing_held(state: &State, scheduled_id: i64) -> bool {
    use events::Attributes as E;
    state.held.iter().any(|event| {
        let id = match &event.attributes {
            Some(E::ActivityTaskCompletedEventAttributes(it)) => it.scheduled_event_id,
            Some(E::ActivityTaskFailedEventAttributes(it)) => it.scheduled_event_id,
            Some(E::ActivityTaskTimedOutEventAttributes(it)) => it.scheduled_event_id,
            Some(E::ActivityTaskCanceledEventAttributes(it)) => it.scheduled_event_id,
            Some(E::NexusOperationCompletedEventAttributes(it)) => it.scheduled_event_id,
            Some(E::NexusOperationFailedEventAttributes(it)) => it.scheduled_event_id,
            Some(E::NexusOperationCanceledEventAttributes(it)) => it.scheduled_event_id,
            Some(E::NexusOperationTimedOutEventAttributes(it)) => it.scheduled_event_id,
            _ => 0,
        };
        id == scheduled_id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_named_as_messages_name_them() {
        assert_eq!(cause_name(Cause::BadStartTimerAttributes), "BadStartTimerAttributes");
        assert_eq!(
            cause_name(Cause::ScheduleActivityDuplicateId),
            "ScheduleActivityDuplicateId"
        );
        assert_eq!(pascal("START_TIMER"), "StartTimer");
    }
}
