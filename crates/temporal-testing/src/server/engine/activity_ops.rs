//! What operators do to pending activities: pause, unpause, reset, change their options.

use std::time::Duration;

use temporal_protos::api::activity::v1 as activity;
use temporal_protos::api::common::v1::RetryPolicy;
use temporal_protos::api::enums::v1::TaskQueueKind;
use temporal_protos::api::workflowservice::v1 as wf;

use super::core::Engine;
use super::events::Attributes;
use super::run::Turn;
use super::signal::already_completed;
use super::start::{check_priority, check_retry_policy};
use super::state::{ActivityChange, ActivityOptions, Pause, Phase};
use super::status::Status;
use super::time::duration;

/// Which activities of a run a call is about.
enum Choice {
    Id(String),
    Type(String),
    All,
}

fn not_chosen() -> Status {
    Status::invalid_argument("Either Activity.Id or Activity.Type should be set on request.")
}

fn gone() -> Status {
    Status::not_found("workflow not found")
}

impl Engine {
    pub(super) fn pause_activity(
        &mut self,
        request: wf::PauseActivityRequest,
    ) -> Result<wf::PauseActivityResponse, Status> {
        let choice = match request.activity {
            Some(wf::pause_activity_request::Activity::Id(id)) => Choice::Id(id),
            Some(wf::pause_activity_request::Activity::Type(kind)) => Choice::Type(kind),
            None => return Err(not_chosen()),
        };
        let key = self.find_run(&request.namespace, request.execution.as_ref())?;
        self.turn(key, |turn| {
            for id in turn.chosen_activities(&choice)? {
                if turn
                    .activities
                    .get(&id)
                    .is_some_and(|activity| activity.pause.is_none())
                {
                    let pause = Pause {
                        at: turn.shared.now,
                        identity: request.identity.clone(),
                        reason: request.reason.clone(),
                    };
                    turn.change_activity(id, ActivityChange::Paused(Box::new(pause)));
                }
            }
            Ok(wf::PauseActivityResponse {})
        })
        .ok_or_else(gone)?
    }

    pub(super) fn unpause_activity(
        &mut self,
        request: wf::UnpauseActivityRequest,
    ) -> Result<wf::UnpauseActivityResponse, Status> {
        let choice = match request.activity {
            Some(wf::unpause_activity_request::Activity::Id(id)) => Choice::Id(id),
            Some(wf::unpause_activity_request::Activity::Type(kind)) => Choice::Type(kind),
            Some(wf::unpause_activity_request::Activity::UnpauseAll(_)) => Choice::All,
            None => return Err(not_chosen()),
        };
        let key = self.find_run(&request.namespace, request.execution.as_ref())?;
        let (reset_attempts, reset_heartbeat) = (request.reset_attempts, request.reset_heartbeat);
        let jitter = duration(request.jitter.as_ref());
        self.turn(key, |turn| {
            for id in turn.chosen_activities(&choice)? {
                if turn
                    .activities
                    .get(&id)
                    .is_some_and(|activity| activity.pause.is_some())
                {
                    turn.change_activity(
                        id,
                        ActivityChange::Unpaused {
                            reset_attempts,
                            reset_heartbeat,
                        },
                    );
                    turn.release_paused(id, jitter);
                }
            }
            Ok(wf::UnpauseActivityResponse {})
        })
        .ok_or_else(gone)?
    }

    pub(super) fn reset_activity(
        &mut self,
        request: wf::ResetActivityRequest,
    ) -> Result<wf::ResetActivityResponse, Status> {
        let choice = match request.activity {
            Some(wf::reset_activity_request::Activity::Id(id)) => Choice::Id(id),
            Some(wf::reset_activity_request::Activity::Type(kind)) => Choice::Type(kind),
            Some(wf::reset_activity_request::Activity::MatchAll(_)) => Choice::All,
            None => return Err(not_chosen()),
        };
        let key = self.find_run(&request.namespace, request.execution.as_ref())?;
        let jitter = duration(request.jitter.as_ref());
        self.turn(key, |turn| {
            for id in turn.chosen_activities(&choice)? {
                if request.restore_original_options {
                    turn.restore_options(id);
                }
                let reset_heartbeat = request.reset_heartbeat;
                turn.change_activity(id, ActivityChange::Reset { reset_heartbeat });
                let paused = turn
                    .activities
                    .get(&id)
                    .is_some_and(|activity| activity.pause.is_some());
                if paused && !request.keep_paused {
                    let change = ActivityChange::Unpaused {
                        reset_attempts: true,
                        reset_heartbeat: false,
                    };
                    turn.change_activity(id, change);
                    turn.release_paused(id, jitter);
                    continue;
                }
                let waits = turn
                    .activities
                    .get(&id)
                    .is_some_and(|it| matches!(it.phase, Phase::Backoff { .. }));
                if waits {
                    turn.offer(id, jitter);
                }
            }
            Ok(wf::ResetActivityResponse {})
        })
        .ok_or_else(gone)?
    }

    pub(super) fn update_activity_options(
        &mut self,
        request: wf::UpdateActivityOptionsRequest,
    ) -> Result<wf::UpdateActivityOptionsResponse, Status> {
        let choice = match request.activity {
            Some(wf::update_activity_options_request::Activity::Id(id)) => Choice::Id(id),
            Some(wf::update_activity_options_request::Activity::Type(kind)) => Choice::Type(kind),
            Some(wf::update_activity_options_request::Activity::MatchAll(_)) => Choice::All,
            None => return Err(not_chosen()),
        };
        let key = self.find_run(&request.namespace, request.execution.as_ref())?;
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let asked = request.activity_options.unwrap_or_default();
        self.turn(key, |turn| {
            let mut last = None;
            for id in turn.chosen_activities(&choice)? {
                if request.restore_original {
                    turn.restore_options(id);
                } else {
                    let Some(options) = turn.activities.get(&id).map(|activity| activity.options.clone()) else {
                        continue;
                    };
                    let options = changed_options(options, &asked, &paths)?;
                    turn.change_activity(id, ActivityChange::Options(Box::new(options)));
                }
                last = turn.activities.get(&id).map(|activity| {
                    let mut options = activity.options.to_proto();
                    if let Some(queue) = &mut options.task_queue {
                        queue.normal_name = String::new();
                        if !request.restore_original {
                            queue.kind = TaskQueueKind::Normal as i32;
                        }
                    }
                    options
                });
            }
            Ok(wf::UpdateActivityOptionsResponse { activity_options: last })
        })
        .ok_or_else(gone)?
    }
}

impl Turn<'_> {
    fn chosen_activities(&self, choice: &Choice) -> Result<Vec<i64>, Status> {
        if !self.is_open() {
            return Err(already_completed());
        }
        let ids: Vec<i64> = match choice {
            Choice::Id(id) => self.activity_ids.get(id).copied().into_iter().collect(),
            Choice::Type(kind) => self
                .activities
                .iter()
                .filter(|(_, it)| it.activity_type == *kind)
                .map(|(id, _)| *id)
                .collect(),
            Choice::All => return Ok(self.activities.keys().copied().collect()),
        };
        if ids.is_empty() {
            let text = "Can't find pending activity with such ID. Invalid activityID or activity already completed";
            return Err(Status::not_found(text));
        }
        Ok(ids)
    }

    /// An activity that is paused no more can be handed out, unless a worker has it.
    fn release_paused(&mut self, id: i64, jitter: Duration) {
        if self
            .activities
            .get(&id)
            .is_some_and(|activity| activity.phase == Phase::Paused)
        {
            self.offer(id, jitter);
        }
    }

    /// An activity can be handed out, at some time within `jitter`.
    fn offer(&mut self, id: i64, jitter: Duration) {
        let wait = self.shared.random.below(jitter);
        let at = self.shared.now + wait;
        let change = if wait.is_zero() {
            ActivityChange::Ready { at }
        } else {
            ActivityChange::Delayed { until: at }
        };
        self.change_activity(id, change);
    }

    fn restore_options(&mut self, id: i64) {
        let Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) =
            self.history.event(id).and_then(|event| event.attributes)
        else {
            return;
        };
        self.change_activity(
            id,
            ActivityChange::Options(Box::new(ActivityOptions::scheduled(&scheduled))),
        );
    }
}

/// The options with the fields of `asked` that `paths` name.
fn changed_options(
    mut options: ActivityOptions,
    asked: &activity::ActivityOptions,
    paths: &[String],
) -> Result<ActivityOptions, Status> {
    for path in paths {
        let path = snake(path);
        match path.as_str() {
            "task_queue" | "task_queue.name" => {
                let queue = asked
                    .task_queue
                    .as_ref()
                    .map(|queue| queue.name.clone())
                    .filter(|name| !name.is_empty());
                options.queue = queue.ok_or_else(|| Status::invalid_argument("TaskQueue is not provided"))?;
            }
            "schedule_to_close_timeout" => {
                options.schedule_to_close = duration(asked.schedule_to_close_timeout.as_ref());
            }
            "schedule_to_start_timeout" => {
                options.schedule_to_start = duration(asked.schedule_to_start_timeout.as_ref());
            }
            "start_to_close_timeout" => options.start_to_close = duration(asked.start_to_close_timeout.as_ref()),
            "heartbeat_timeout" => options.heartbeat = duration(asked.heartbeat_timeout.as_ref()),
            "priority" => options.priority.clone_from(&asked.priority),
            other if other == "retry_policy" || other.starts_with("retry_policy.") => {
                let policy = asked.retry_policy.as_ref();
                let policy = policy.ok_or_else(|| Status::invalid_argument("RetryPolicy is not provided"))?;
                let changed = changed_policy(options.retry.unwrap_or_default(), policy, other);
                check_retry_policy(&changed)?;
                options.retry = Some(changed);
            }
            other if other.starts_with("priority.") => {
                let asked = asked.priority.as_ref();
                let asked = asked.ok_or_else(|| Status::invalid_argument("Priority is not provided"))?;
                let priority = options.priority.get_or_insert_default();
                match other {
                    "priority.priority_key" => priority.priority_key = asked.priority_key,
                    "priority.fairness_key" => priority.fairness_key.clone_from(&asked.fairness_key),
                    "priority.fairness_weight" => priority.fairness_weight = asked.fairness_weight,
                    _ => {}
                }
            }
            // The real server passes over names it does not know.
            _ => {}
        }
    }
    check_priority(options.priority.as_ref())?;
    Ok(options)
}

fn changed_policy(mut policy: RetryPolicy, asked: &RetryPolicy, path: &str) -> RetryPolicy {
    match path.strip_prefix("retry_policy.") {
        None => return asked.clone(),
        Some("initial_interval") => policy.initial_interval = asked.initial_interval,
        Some("backoff_coefficient") => policy.backoff_coefficient = asked.backoff_coefficient,
        Some("maximum_interval") => policy.maximum_interval = asked.maximum_interval,
        Some("maximum_attempts") => policy.maximum_attempts = asked.maximum_attempts,
        Some("non_retryable_error_types") => {
            policy
                .non_retryable_error_types
                .clone_from(&asked.non_retryable_error_types);
        }
        Some(_) => {}
    }
    policy
}

/// A field path in the spelling of the .proto files.
fn snake(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
