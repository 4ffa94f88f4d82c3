//! Local activities: their options, and the timers that hold their long back-offs.

use crate::workflow::options::setters;
use crate::workflow::run::RunState;
use crate::workflow::seq_map::SeqMap;
use std::cell::{OnceCell, RefCell, RefMut};
use std::time::Duration;
use temporal_client::RetryPolicy;
use temporal_core::{
    CancellationType, LocalActivitySeq, Resolution, ScheduleLocalActivity, StartTimer, TimerSeq, WorkflowRun,
};
use temporal_protos::api::common::v1::ActivityType;
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{ActivityFailureInfo, CanceledFailureInfo, Failure};

/// How a local activity runs: inside the worker that runs the workflow, without a task of its own.
///
/// One of the two close timeouts is required. Together with its retries a local activity may take longer than a workflow
/// task: the worker then keeps the task alive.
///
/// ```
/// use std::time::Duration;
/// use temporal_sdk::client::RetryPolicy;
/// use temporal_sdk::workflow::LocalActivityOptions;
///
/// let options = LocalActivityOptions::start_to_close_timeout(Duration::from_secs(1))
///     .retry_policy(RetryPolicy::new().initial_interval(Duration::from_millis(20)).maximum_attempts(5))
///     .local_retry_threshold(Duration::from_secs(5));
/// ```
#[derive(Debug, Clone)]
pub struct LocalActivityOptions {
    pub(crate) command: ScheduleLocalActivity,
    pub(crate) summary: Option<String>,
}

impl LocalActivityOptions {
    /// Limits each attempt, from its start to its end.
    #[must_use]
    pub fn start_to_close_timeout(timeout: Duration) -> Self {
        Self::unlimited().with_start_to_close_timeout(timeout)
    }

    /// Limits the activity over all its attempts, from being scheduled to its end.
    #[must_use]
    pub fn schedule_to_close_timeout(timeout: Duration) -> Self {
        Self::unlimited().with_schedule_to_close_timeout(timeout)
    }

    fn unlimited() -> Self {
        Self {
            command: ScheduleLocalActivity {
                attempt: 1,
                ..ScheduleLocalActivity::default()
            },
            summary: None,
        }
    }

    setters! {
        /// Limits each attempt, from its start to its end, besides the other close timeout.
        with_start_to_close_timeout(timeout: Duration) => |this| this.command.start_to_close_timeout = Some(timeout);
        /// Limits the activity over all its attempts, besides the other close timeout.
        with_schedule_to_close_timeout(timeout: Duration) => |this| this.command.schedule_to_close_timeout = Some(timeout);
        /// Limits the time that it waits for a free slot of the worker. Default: the schedule-to-close timeout.
        schedule_to_start_timeout(timeout: Duration) => |this| this.command.schedule_to_start_timeout = Some(timeout);
        /// How it is retried. Default: without end, after 1 s, 2 s, 4 s and so on, 100 s at most.
        retry_policy(policy: RetryPolicy) => |this| this.command.retry_policy = Some((&policy).into());
        /// A back-off longer than this becomes a timer of the workflow. Default: the workflow task timeout.
        local_retry_threshold(threshold: Duration) => |this| this.command.local_retry_threshold = Some(threshold);
        /// What a cancelled activity waits for. Default: [`CancellationType::TryCancel`].
        cancellation_type(kind: CancellationType) => |this| this.command.cancellation_type = kind;
        /// Its id, the same for all attempts. Default: a number, counted in the run.
        activity_id(id: impl Into<String>) => |this| this.command.activity_id = Some(id.into());
        /// A line shown with it in user interfaces. Default: none.
        summary(summary: impl Into<String>) => |this| this.summary = Some(summary.into());
    }
}

/// The local activities of a run that are not at their end. Each is known by the number of its first attempt; later attempts
/// that a timer preceded have numbers of their own.
#[derive(Debug, Default)]
pub(crate) struct LocalActivities(OnceCell<Box<RefCell<Pending>>>);

#[derive(Debug, Default)]
struct Pending {
    activities: SeqMap<u32, Retried>,
    /// First attempts by their current attempts.
    by_attempt: SeqMap<u32, u32>,
    /// First attempts by the timers that hold their back-offs.
    by_timer: SeqMap<u32, u32>,
}

#[derive(Debug)]
struct Retried {
    command: ScheduleLocalActivity,
    stage: Stage,
    cancel_asked: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Running(LocalActivitySeq),
    BackingOff(TimerSeq),
}

impl LocalActivities {
    /// `None` when there never was one.
    fn pending(&self) -> Option<RefMut<'_, Pending>> {
        self.0.get().map(|pending| pending.borrow_mut())
    }

    pub(crate) fn schedule(&self, core: &mut WorkflowRun, command: ScheduleLocalActivity) -> LocalActivitySeq {
        let seq = core.schedule_local_activity(command.clone());
        let mut pending = self.0.get_or_init(Box::default).borrow_mut();
        pending.by_attempt.insert(seq.0, seq.0);
        let stage = Stage::Running(seq);
        let retried = Retried {
            command,
            stage,
            cancel_asked: false,
        };
        pending.activities.insert(seq.0, retried);
        seq
    }

    /// The end of an attempt: gives the end of the whole, unless a timer goes before another attempt.
    pub(crate) fn resolve(
        &self,
        core: &mut WorkflowRun,
        seq: LocalActivitySeq,
        resolution: Resolution,
    ) -> Option<(u32, Resolution)> {
        let mut pending = self.pending()?;
        let first = pending.by_attempt.remove(seq.0)?;
        let Resolution::Backoff {
            backoff,
            attempt,
            original_schedule_time,
        } = resolution
        else {
            pending.activities.remove(first);
            return Some((first, resolution));
        };
        if pending.activities.get_mut(first)?.cancel_asked {
            let retried = pending.activities.remove(first)?;
            return Some((first, Resolution::Cancelled(cancelled(&retried.command))));
        }
        let timer = core.start_timer(StartTimer {
            duration: backoff,
            ..StartTimer::default()
        });
        let retried = pending.activities.get_mut(first)?;
        retried.command.attempt = attempt;
        retried.command.first = Some(LocalActivitySeq(first));
        retried.command.original_schedule_time = Some(original_schedule_time);
        retried.stage = Stage::BackingOff(timer);
        pending.by_timer.insert(timer.0, first);
        None
    }

    /// Whether the timer held a back-off: then the next attempt is under way.
    pub(crate) fn timer_fired(&self, core: &mut WorkflowRun, timer: TimerSeq) -> bool {
        let Some(mut pending) = self.pending() else {
            return false;
        };
        let Some(first) = pending.by_timer.remove(timer.0) else {
            return false;
        };
        if let Some(retried) = pending.activities.get_mut(first) {
            let seq = core.schedule_local_activity(retried.command.clone());
            retried.stage = Stage::Running(seq);
            pending.by_attempt.insert(seq.0, first);
        }
        true
    }

    /// Asks for cancellation. Gives the end when it comes at once: a back-off just stops.
    pub(crate) fn cancel(&self, core: &mut WorkflowRun, first: LocalActivitySeq) -> Option<Resolution> {
        let mut pending = self.pending()?;
        let retried = pending.activities.get_mut(first.0)?;
        retried.cancel_asked = true;
        match retried.stage {
            Stage::Running(seq) => {
                core.cancel_local_activity(seq);
                None
            }
            Stage::BackingOff(timer) => {
                core.cancel_timer(timer);
                pending.by_timer.remove(timer.0);
                let retried = pending.activities.remove(first.0)?;
                Some(Resolution::Cancelled(cancelled(&retried.command)))
            }
        }
    }

    /// Nobody waits for it any more: asks for cancellation, and makes no other attempt.
    pub(crate) fn abandon(&self, core: &mut WorkflowRun, first: LocalActivitySeq) {
        let _ = self.cancel(core, first);
        let Some(mut pending) = self.pending() else { return };
        if let Some(Retried {
            stage: Stage::Running(seq),
            ..
        }) = pending.activities.remove(first.0)
        {
            pending.by_attempt.remove(seq.0);
        }
    }

    pub(crate) fn clear(&self) {
        if let Some(mut pending) = self.pending() {
            *pending = Pending::default();
        }
    }
}

fn cancelled(command: &ScheduleLocalActivity) -> Failure {
    Failure {
        message: "Activity cancelled".to_owned(),
        failure_info: Some(FailureInfo::ActivityFailureInfo(ActivityFailureInfo {
            activity_type: Some(ActivityType {
                name: command.activity_type.clone(),
            }),
            activity_id: command.activity_id.clone().unwrap_or_default(),
            ..ActivityFailureInfo::default()
        })),
        cause: Some(Box::new(Failure {
            message: "cancelled during the back-off before its next attempt".to_owned(),
            failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
            ..Failure::default()
        })),
        ..Failure::default()
    }
}

impl RunState {
    /// The end of an attempt of a local activity.
    pub(crate) fn local_activity_resolved(&self, seq: LocalActivitySeq, resolution: Resolution) {
        let end = self.local_retries.resolve(&mut self.core.borrow_mut(), seq, resolution);
        if let Some((first, resolution)) = end {
            self.local_activities.resolve(first, resolution);
        }
    }

    /// A timer fired: one of workflow code, or one that held the back-off of a local activity.
    pub(crate) fn timer_fired(&self, seq: TimerSeq) {
        if !self.local_retries.timer_fired(&mut self.core.borrow_mut(), seq) {
            self.timers.resolve(seq.0, Ok(()));
        }
    }
}
