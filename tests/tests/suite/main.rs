//! The integration suite: every test runs on the server that `TEMPORAL_TEST_SERVER` names.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod activities;
mod activity_panics;
mod answers;
mod author;
mod beyond;
mod cancellation;
mod cancellation_table;
mod child_options;
mod children;
mod client;
mod comparison;
mod continue_as_new;
mod cross_language;
mod data;
mod doors;
mod dynamic;
mod examples;
mod failing;
// Where calls are noticed, as in temporal-guard.
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(target_feature = "crt-static")
))]
mod guard;
mod heartbeats;
mod hello;
mod history_paging;
mod interceptors;
mod kept;
mod limits;
mod limits_of_commands;
mod local_activities;
mod logging;
mod messages;
mod misuse;
mod nexus_caller;
mod nexus_workflows;
mod options_given;
mod ordering;
mod patches;
mod rare_events;
mod reach;
mod replay;
mod resets;
mod rows_activities;
mod rows_clients;
mod rows_definitions;
mod rows_more;
mod rows_workflows;
mod threads;
mod timers_conditions;
mod told;
mod trouble;
mod worker_lifecycle;

use std::time::Duration;
use temporal_sdk::client::UpdateError;
use temporal_sdk::client::failure::Failure;
use temporal_sdk::workflow::{ActivityOptions, LocalActivityOptions};

/// The failure of an update that was rejected or failed.
#[track_caller]
fn update_failure(error: UpdateError) -> Failure {
    match error {
        UpdateError::Failed(failure) => failure,
        other => panic!("the update did not fail, but: {other}"),
    }
}

/// A minute: long enough for whatever a test waits for.
const MINUTE: Duration = Duration::from_secs(60);

/// Activity options for a quick activity.
fn quick() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(MINUTE)
}

/// Local activity options for a quick activity.
fn quick_local() -> LocalActivityOptions {
    LocalActivityOptions::start_to_close_timeout(MINUTE)
}
