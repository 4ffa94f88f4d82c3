//! The determinism guard as workflows and their host see it; what notices the calls is the crate `temporal-guard`.

use crate::worker::watchdog;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::Write as _;
use temporal_guard::{Call, Found};

pub(crate) use temporal_guard::lift;
pub use temporal_guard::{Restricted, Restrictions};

/// Runs workflow code, and finds the calls of these classes that it must not make.
pub(crate) fn watch<T>(classes: u8, restrictions: &Restrictions, code: impl FnOnce() -> T) -> (T, Found) {
    let (result, noted) = temporal_guard::watch(classes, restrictions, code);
    // Symbols are read for it, for which the workflow is not to blame.
    (result, watchdog::unwatched(|| noted.look_into(restrictions)))
}

/// Says that a call may have gone unnoticed.
pub(crate) fn warn_of_overflow(workflow_type: &str, found: &Found) {
    if found.overflowed && found.refused.is_none() {
        tracing::warn!(
            workflow_type,
            "workflow code made more different calls that are let through, all at once, than the determinism guard looks into: one that is not let through may have gone unnoticed; the guard sees further when the code runs again on the same thread"
        );
    }
}

/// Runs code that may call what workflow code must not: the clock, files, the environment and so on.
///
/// It is for what is not deterministic but does not show in what the workflow does, such as a measurement for a metric. A value
/// that the workflow uses comes from [`Context::side_effect`](crate::workflow::Context::side_effect), which records it, or
/// from an activity. The checks of `#[workflow]` at compile time do not look into the closure either.
///
/// ```
/// # use temporal_sdk::workflow;
/// # fn example(ctx: &workflow::Context) {
/// # fn report(_: std::time::Duration) {}
/// # fn heavy() {}
/// let started = workflow::unrestricted(std::time::Instant::now);
/// heavy();
/// workflow::unrestricted(|| report(started.elapsed()));
/// # }
/// ```
pub fn unrestricted<T>(code: impl FnOnce() -> T) -> T {
    let _lifted = lift();
    code()
}

/// What to do instead.
fn remedy(class: Restricted) -> &'static str {
    match class {
        Restricted::Clock => "take the time from ctx.now(), and wait with ctx.sleep(..)",
        Restricted::Randomness => "draw from ctx.random(), ctx.uuid4() or ctx.uuid7()",
        Restricted::Threads => "run tasks with ctx.spawn(..), and do heavy work in an activity",
        Restricted::Environment => {
            "read it before the worker starts and give it to the workflow as input, or record it with ctx.side_effect(..)"
        }
        _ => "do it in an activity",
    }
}

/// What the failure of the task says.
pub(crate) fn explain(workflow_type: &str, workflow_id: &str, call: &Call) -> String {
    let Call {
        what, class, callers, ..
    } = call;
    let mut text = format!(
        "[TMPRL1100] workflow \"{workflow_type}\" (id {workflow_id}) called {what}: workflow code must not use {class}, which may differ in a replay; {}, or, if it cannot show in what the workflow does, put it into workflow::unrestricted(..)",
        remedy(*class)
    );
    for (number, caller) in callers.iter().enumerate() {
        let by = if number == 0 { "called by" } else { "in" };
        let _ = write!(text, "\n  {by} {caller}");
    }
    text
}

/// The runs whose code broke the guard in this process.
///
/// Some calls are made once a thread or a process, such as that which seeds a random number generator. The next attempt of
/// the task would not make them, and the mistake would go unseen.
#[derive(Debug, Default)]
pub(crate) struct BrokenRuns(Mutex<VecDeque<(String, String)>>);

impl BrokenRuns {
    /// How many are remembered.
    const MOST: usize = 1000;

    /// Remembers what the code of this run did.
    pub(crate) fn add(&self, run_id: &str, message: &str) {
        let mut runs = self.0.lock();
        if runs.len() == Self::MOST {
            runs.pop_front();
        }
        runs.push_back((run_id.to_owned(), message.to_owned()));
    }

    /// What the code of this run did.
    pub(crate) fn find(&self, run_id: &str) -> Option<String> {
        let runs = self.0.lock();
        let (_, message) = runs.iter().find(|(id, _)| id == run_id)?;
        Some(message.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::BrokenRuns;

    #[test]
    fn remembers_a_bounded_number_of_runs() {
        let broken = BrokenRuns::default();
        for run in 0..=BrokenRuns::MOST {
            broken.add(&run.to_string(), "clock");
        }
        assert_eq!(broken.find("0"), None);
        assert_eq!(broken.find("1"), Some("clock".to_owned()));
    }
}
