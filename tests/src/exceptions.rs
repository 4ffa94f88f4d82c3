//! What not every server can do: each test that is not the same on all of them is listed here, with the reason.

use crate::server::Kind;

/// A test that runs on some servers only.
#[derive(Debug, Clone, Copy)]
pub struct Exception {
    /// The test, as `module::name`.
    pub test: &'static str,
    /// Where it runs.
    pub only: &'static [Kind],
    /// Why not elsewhere.
    pub reason: &'static str,
}

/// All of them.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        test: "trouble::the_server_goes_away_and_comes_back",
        only: &[Kind::Dev],
        reason: "it stops a server of its own and starts it again on its database file; the embedded server has no file",
    },
    Exception {
        test: "rare_events::a_paused_run_goes_on",
        only: &[Kind::Dev],
        reason: "the embedded server pauses activities, but no runs, which is experimental in the real one and off by default",
    },
    Exception {
        test: "rare_events::the_server_skips_the_time_of_a_run",
        only: &[Kind::Dev],
        reason: "the embedded server skips time for all of its runs; for one, it is experimental in the real one and off by default",
    },
    Exception {
        test: "worker_lifecycle::s161_workers_that_end_lose_no_task",
        only: &[Kind::Embedded],
        reason: "the real server gives a task to a poll that it ends, now and then, and the task times out",
    },
    compares("comparison::s179_both_servers_write_the_same_for_ordinary_workflows"),
    compares("comparison::s179_both_servers_write_the_same_for_tasks_and_activities"),
    compares("comparison::s179_both_servers_write_the_same_for_updates"),
    compares("comparison::s179_both_servers_write_the_same_for_children_and_chains"),
];

/// A test that compares the two servers.
const fn compares(test: &'static str) -> Exception {
    Exception {
        test,
        only: &[Kind::Dev],
        reason: "it needs a real server beside the embedded one",
    }
}

/// Why the test does not run on this kind of server; `None` when it does.
#[must_use]
pub fn reason(test: &str, kind: Kind) -> Option<&'static str> {
    EXCEPTIONS
        .iter()
        .find(|exception| exception.test == test && !exception.only.contains(&kind))
        .map(|exception| exception.reason)
}
