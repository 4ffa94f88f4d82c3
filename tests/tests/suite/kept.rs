//! The kept histories: which there have to be, what replays each, and that what is altered in one is found.

use crate::replay::suite;
use crate::{data, dynamic, examples, interceptors, misuse, nexus_caller, patches};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use temporal_integration_tests::history::{Attributes, Event, EventType, folder, to_json};
use temporal_integration_tests::run;
use temporal_protos::api::enums::v1::CommandType;
use temporal_protos::api::history::v1::History;
use temporal_sdk::client::WorkflowHistory;
use temporal_sdk::worker::{BuildError, Replayer, ReplayerBuilder};

/// A kept history.
pub(crate) struct Kept {
    /// The version that recorded it.
    version: String,
    /// The file's name without its ending: the test's module, the test, the workflow, and which run it is of several.
    name: String,
    json: String,
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.version, self.name)
    }
}

impl Kept {
    pub(crate) fn history(&self) -> anyhow::Result<WorkflowHistory> {
        Ok(WorkflowHistory::from_json(&self.json)?)
    }

    fn events(&self) -> anyhow::Result<Vec<Event>> {
        Ok(temporal_protos::json::from_json::<History>(&self.json)?.events)
    }

    /// The test that recorded it, as `module::name`.
    fn test(&self) -> String {
        let mut parts = self.name.split('.');
        let (module, test) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{module}::{test}")
    }
}

/// All of them. What is no history is not passed over, but an error.
pub(crate) fn kept() -> anyhow::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for version in std::fs::read_dir(folder())? {
        let version = version?;
        for file in std::fs::read_dir(version.path())? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json"));
            let Some(name) = name else {
                anyhow::bail!("{} is no kept history", path.display());
            };
            all.push(Kept {
                version: version.file_name().to_string_lossy().into_owned(),
                name: name.to_owned(),
                json: std::fs::read_to_string(&path)?,
            });
        }
    }
    anyhow::ensure!(!all.is_empty(), "no histories in {}", folder().display());
    Ok(all)
}

/// What replays the histories that the suite's workflows alone do not: by how the files' names begin. They need interceptors or
/// a converter, have the same names as others, or are of several ages.
pub(crate) fn others() -> Vec<(&'static str, ReplayerBuilder)> {
    let around = |name| interceptors::AroundWorkflows {
        name,
        seen: interceptors::Seen::default(),
    };
    vec![
        ("dynamic.s45_", Replayer::builder().workflow::<dynamic::AnyWorkflow>()),
        (
            "patches.p59_patches_through_three_ages_of_code.old",
            Replayer::builder().workflow::<patches::patched::Changing>(),
        ),
        (
            "patches.p59_patches_through_three_ages_of_code.new",
            Replayer::builder().workflow::<patches::deprecated::Changing>(),
        ),
        (
            "patches.p59_patches_through_three_ages_of_code.new",
            Replayer::builder().workflow_named::<patches::patched::Changing>("Changing"),
        ),
        (
            "interceptors.p44_",
            Replayer::builder()
                .workflow::<interceptors::Vault>()
                .workflow_interceptor(around("outer"))
                .workflow_interceptor(around("inner")),
        ),
        (
            "interceptors.p45_",
            Replayer::builder()
                .workflow::<interceptors::Called>()
                .workflow::<interceptors::Calling>()
                .workflow_interceptor(interceptors::Passing(interceptors::Seen::default())),
        ),
        (
            "nexus_caller.p24_p45_",
            Replayer::builder()
                .workflow::<nexus_caller::charges_with_headers>()
                .workflow_interceptor(nexus_caller::NamesTenant),
        ),
        (
            "misuse.",
            Replayer::builder()
                .workflow::<misuse::Misusing>()
                .workflow::<misuse::adds_handlers>()
                .workflow::<misuse::fails_by_type>()
                .workflow::<misuse::FailsByItsWorker>()
                .fail_workflow_on::<misuse::Final>()
                .fail_workflow_task_on::<misuse::Mistake>(),
        ),
        (
            "data.s13_",
            Replayer::builder()
                .workflow::<data::Secret>()
                .data_converter(data::sealing()),
        ),
        (
            "data.s32_",
            Replayer::builder()
                .workflow::<data::passes_addresses>()
                .data_converter(data::of_addresses()),
        ),
        (
            "examples.p17_",
            Replayer::builder().workflow::<examples::search_attributes::order>(),
        ),
        (
            "examples.p45_",
            Replayer::builder()
                .workflow::<examples::interceptors::send_invoice>()
                .workflow_interceptor(examples::interceptors::TenantOfWorkflow),
        ),
        (
            "examples.s42_",
            Replayer::builder().workflow::<examples::hello_world::SayHello>(),
        ),
        (
            "examples.s49_",
            Replayer::builder().workflow::<examples::greeting::GreetingWorkflow>(),
        ),
        (
            "examples.s45_",
            Replayer::builder().workflow::<examples::dynamic::Recipe>(),
        ),
        (
            "examples.s56_",
            Replayer::builder().workflow::<examples::message_passing::Cart>(),
        ),
        (
            "examples.s72_",
            Replayer::builder().workflow::<examples::local_activities::quote>(),
        ),
        (
            "examples.s76_",
            Replayer::builder()
                .workflow::<examples::child_workflows::fulfil>()
                .workflow::<examples::child_workflows::Shipment>()
                .workflow::<examples::child_workflows::survey>(),
        ),
        (
            "examples.s83_",
            Replayer::builder().workflow::<examples::updatable_timer::Auction>(),
        ),
        (
            "examples.s91_",
            Replayer::builder().workflow::<examples::saga::book_trip>(),
        ),
        (
            "examples.s95_",
            Replayer::builder().workflow::<examples::cancellation::Backup>(),
        ),
        (
            "examples.s98_",
            Replayer::builder().workflow::<examples::continue_as_new::Billing>(),
        ),
        (
            "examples.s107_",
            Replayer::builder()
                .workflow::<examples::mutex::Deploy>()
                .workflow::<examples::mutex::Lock>(),
        ),
        (
            "examples.s135_",
            Replayer::builder().workflow::<examples::sync_activities::primes>(),
        ),
        (
            "examples.s150_",
            Replayer::builder().workflow::<examples::polling::provision>(),
        ),
        (
            "examples.s156_",
            Replayer::builder().workflow::<examples::async_completion::reimburse>(),
        ),
    ]
}

/// What replays the kept histories.
pub(crate) struct Replayers {
    suite: Replayer,
    others: Vec<(&'static str, Replayer)>,
}

impl Replayers {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let others = others()
            .into_iter()
            .map(|(begin, builder)| Ok((begin, builder.build()?)));
        Ok(Self {
            suite: suite().build()?,
            others: others.collect::<Result<_, BuildError>>()?,
        })
    }

    /// Those that replay a history: each of the others' that is for it, or the suite's.
    pub(crate) fn of(&self, history: &Kept) -> Vec<&Replayer> {
        let others = self.others.iter().filter(|(begin, _)| history.name.starts_with(begin));
        let mut of: Vec<_> = others.map(|(_, replayer)| replayer).collect();
        if of.is_empty() {
            of.push(&self.suite);
        }
        of
    }

    pub(crate) fn is_suites(&self, of: &[&Replayer]) -> bool {
        of.iter().any(|replayer| std::ptr::eq(*replayer, &raw const self.suite))
    }
}

// ---- what there has to be

/// Why no history has an event of this kind; `None`: some have to.
fn never(kind: EventType) -> Option<&'static str> {
    use EventType as E;
    match kind {
        E::Unspecified => Some("it is no kind"),
        E::WorkflowExecutionUpdateRejected => Some("servers leave no trace of an update that is rejected"),
        E::WorkflowPropertiesModifiedExternally | E::ActivityPropertiesModifiedExternally => {
            Some("the API has it, but no server writes it")
        }
        E::WorkflowExecutionStarted
        | E::WorkflowExecutionCompleted
        | E::WorkflowExecutionFailed
        | E::WorkflowExecutionTimedOut
        | E::WorkflowTaskScheduled
        | E::WorkflowTaskStarted
        | E::WorkflowTaskCompleted
        | E::WorkflowTaskTimedOut
        | E::WorkflowTaskFailed
        | E::ActivityTaskScheduled
        | E::ActivityTaskStarted
        | E::ActivityTaskCompleted
        | E::ActivityTaskFailed
        | E::ActivityTaskTimedOut
        | E::ActivityTaskCancelRequested
        | E::ActivityTaskCanceled
        | E::TimerStarted
        | E::TimerFired
        | E::TimerCanceled
        | E::WorkflowExecutionCancelRequested
        | E::WorkflowExecutionCanceled
        | E::RequestCancelExternalWorkflowExecutionInitiated
        | E::RequestCancelExternalWorkflowExecutionFailed
        | E::ExternalWorkflowExecutionCancelRequested
        | E::MarkerRecorded
        | E::WorkflowExecutionSignaled
        | E::WorkflowExecutionTerminated
        | E::WorkflowExecutionContinuedAsNew
        | E::StartChildWorkflowExecutionInitiated
        | E::StartChildWorkflowExecutionFailed
        | E::ChildWorkflowExecutionStarted
        | E::ChildWorkflowExecutionCompleted
        | E::ChildWorkflowExecutionFailed
        | E::ChildWorkflowExecutionCanceled
        | E::ChildWorkflowExecutionTimedOut
        | E::ChildWorkflowExecutionTerminated
        | E::SignalExternalWorkflowExecutionInitiated
        | E::SignalExternalWorkflowExecutionFailed
        | E::ExternalWorkflowExecutionSignaled
        | E::UpsertWorkflowSearchAttributes
        | E::WorkflowExecutionUpdateAdmitted
        | E::WorkflowExecutionUpdateAccepted
        | E::WorkflowExecutionUpdateCompleted
        | E::WorkflowPropertiesModified
        | E::NexusOperationScheduled
        | E::NexusOperationStarted
        | E::NexusOperationCompleted
        | E::NexusOperationFailed
        | E::NexusOperationCanceled
        | E::NexusOperationTimedOut
        | E::NexusOperationCancelRequested
        | E::NexusOperationCancelRequestCompleted
        | E::NexusOperationCancelRequestFailed
        | E::WorkflowExecutionOptionsUpdated
        | E::WorkflowExecutionPaused
        | E::WorkflowExecutionUnpaused
        | E::WorkflowExecutionTimeSkippingTransitioned => None,
    }
}

/// The events that a command of this kind leaves.
fn left_by(command: CommandType) -> &'static [EventType] {
    use {CommandType as C, EventType as E};
    match command {
        C::Unspecified => &[],
        C::ScheduleActivityTask => &[E::ActivityTaskScheduled],
        C::RequestCancelActivityTask => &[E::ActivityTaskCancelRequested],
        C::StartTimer => &[E::TimerStarted],
        C::CompleteWorkflowExecution => &[E::WorkflowExecutionCompleted],
        C::FailWorkflowExecution => &[E::WorkflowExecutionFailed],
        C::CancelTimer => &[E::TimerCanceled],
        C::CancelWorkflowExecution => &[E::WorkflowExecutionCanceled],
        C::RequestCancelExternalWorkflowExecution => &[E::RequestCancelExternalWorkflowExecutionInitiated],
        C::RecordMarker => &[E::MarkerRecorded],
        C::ContinueAsNewWorkflowExecution => &[E::WorkflowExecutionContinuedAsNew],
        C::StartChildWorkflowExecution => &[E::StartChildWorkflowExecutionInitiated],
        C::SignalExternalWorkflowExecution => &[E::SignalExternalWorkflowExecutionInitiated],
        C::UpsertWorkflowSearchAttributes => &[E::UpsertWorkflowSearchAttributes],
        C::ProtocolMessage => &[E::WorkflowExecutionUpdateAccepted, E::WorkflowExecutionUpdateCompleted],
        C::ModifyWorkflowProperties => &[E::WorkflowPropertiesModified],
        C::ScheduleNexusOperation => &[E::NexusOperationScheduled],
        C::RequestCancelNexusOperation => &[E::NexusOperationCancelRequested],
    }
}

/// Every marker that the SDK records, by its name and a part of what it holds.
const MARKERS: [(&str, &str); 6] = [
    ("core_local_activity", "\"activity_type\":"),
    ("core_patch", "\"deprecated\":false"),
    ("core_patch", "\"deprecated\":true"),
    // A numbered version.
    ("core_patch", "/v1\""),
    ("SideEffect", ""),
    ("MutableSideEffect", ""),
];

/// The values of an enum of the API.
fn all<E: TryFrom<i32>>() -> impl Iterator<Item = E> {
    (0..1000).filter_map(|number| E::try_from(number).ok())
}

/// S170: the kept histories have every kind of event, what every kind of command leaves, and every marker.
#[test]
fn s170_each_event_command_and_marker_is_kept() {
    run(async |_env| {
        let mut kinds = BTreeMap::new();
        let mut markers = BTreeSet::new();
        for history in kept()? {
            for event in history.events()? {
                *kinds.entry(event.event_type).or_insert(0) += 1;
                if let Some(Attributes::MarkerRecordedEventAttributes(marker)) = event.attributes {
                    let details = marker.details.values().flat_map(|payloads| &payloads.payloads);
                    let held: Vec<u8> = details.flat_map(|payload| payload.data.to_vec()).collect();
                    markers.insert((marker.marker_name, String::from_utf8_lossy(&held).into_owned()));
                }
            }
        }
        let has = |kind: EventType| kinds.contains_key(&(kind as i32));
        for kind in all::<EventType>() {
            match never(kind) {
                None => assert!(
                    has(kind),
                    "no kept history has {kind:?}: record one, or say in `never` why it cannot be"
                ),
                Some(_) => assert!(!has(kind), "{kind:?} is kept after all: take it out of `never`"),
            }
        }
        for command in all::<CommandType>() {
            for kind in left_by(command) {
                assert!(has(*kind), "no kept history has {kind:?}, which {command:?} leaves");
            }
        }
        for (name, part) in MARKERS {
            let is = |(marker, held): &(String, String)| marker == name && held.contains(part);
            assert!(
                markers.iter().any(is),
                "no kept history has a marker {name} with {part:?}"
            );
        }
        for (name, held) in &markers {
            let known = MARKERS.iter().any(|(marker, _)| marker == name);
            assert!(known, "say in MARKERS what a marker {name} is: {held}");
        }
        Ok(())
    });
}

/// Each of the others' replayers is for some kept history, and no workflow of the suite takes those of any type.
#[test]
fn s170_each_history_has_the_workflow_that_replays_it() {
    run(async |_env| {
        let kept = kept()?;
        for (begin, _) in others() {
            let some = kept.iter().any(|history| history.name.starts_with(begin));
            assert!(some, "no kept history is named {begin}..");
        }
        let json = kept[0].json.replacen(
            "\"workflowType\":{\"name\":\"",
            "\"workflowType\":{\"name\":\"NoSuch",
            1,
        );
        assert_ne!(json, kept[0].json);
        let error = suite()
            .build()?
            .replay(WorkflowHistory::from_json(&json)?)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("\"NoSuch"), "{error}");
        Ok(())
    });
}

/// The tests that keep no history, by the reason.
const KEEP_NOTHING: &[(&str, &[&str])] = &[
    (
        "it starts no workflow, or none that a worker has",
        &[
            "author::b8_typed_filters_of_lists",
            "author::s37_a_name_is_registered_once",
            "client::s11_another_namespace_on_the_same_connection",
            "client::s66_a_workflow_that_does_not_exist",
            "comparison::normal::tests::ids_are_equal_where_they_were",
            "comparison::normal::tests::payloads_are_read",
            "comparison::normal::tests::sizes_are_about_the_same",
            "comparison::normal::tests::times_are_there_and_as_far_away",
            "comparison::normal::tests::waits_for_the_first_task_are_there",
            "rows_clients::p47_settings_from_the_environment_and_a_file",
            "rows_clients::p48_keys_metadata_and_options_of_a_call",
            "rows_clients::p52_health_and_the_raw_services",
            "rows_definitions::s62_the_id_and_the_task_queue_of_the_options",
            "trouble::a_server_that_does_not_answer",
            "trouble::no_server_at_start",
            "trouble::worker_of_the_child_process",
            "worker_lifecycle::s37_s40_workers_that_are_refused",
        ],
    ),
    (
        "its workflows only fail their tasks, as they are to, or do not fit their histories any more",
        &[
            "author::p68_a_result_that_is_too_large",
            "author::s54_a_borrow_across_an_await_is_explained",
            "guard::s120_s122_b4_clock_randomness_threads_and_environment_are_refused",
            "guard::s122_queries_and_validators_are_watched",
            "guard::s89_s119_o5_o6_network_files_and_processes_are_refused",
            "misuse::a_borrow_held_across_an_await_is_explained",
            "misuse::a_context_that_outlives_its_run_says_so",
            "misuse::continue_as_new_from_handlers_is_refused",
            "misuse::p64_nondeterminism_fails_the_workflow_if_it_says_so",
            "misuse::what_is_registered_twice_or_under_a_name_of_temporals_is_refused",
            "threads::s87_threads_and_executors_are_refused",
            "trouble::s105_p70_a_result_that_does_not_fit",
            "trouble::s105_p70_workflows_that_do_not_fit",
        ],
    ),
    (
        "it replays histories itself: those that it makes, or the kept ones",
        &[
            "guard::s120_each_attempt_fails_and_panics_are_told",
            "guard::s124_what_is_let_through_by_default",
            "guard::s125_s127_s128_ways_out_in_the_code",
            "guard::s126_s129_s131_s132_ways_out_for_a_worker",
            "guard::s133_limits",
            "kept::s169_s170_an_altered_history_does_not_replay",
            "kept::s170_each_event_command_and_marker_is_kept",
            "kept::s170_each_history_has_the_workflow_that_replays_it",
            "kept::s170_each_test_keeps_a_history_or_says_why_not",
            "replay::s168_s169_a_history_replays_with_its_own_code_only",
            "replay::s170_all_recorded_histories",
            "rows_workflows::p75_a_replayer_with_progress_and_its_own_conversion",
        ],
    ),
    (
        "it is about payloads and histories that are too large, or nearly so",
        &[
            "history_paging::p20_ten_thousand_events_in_pages",
            "limits::a_message_that_is_too_large_ends_the_run",
            "limits::an_answer_that_fits_no_message_ends_the_run",
            "limits::an_update_whose_request_just_fits",
            "limits::p68_the_answer_of_a_query_is_too_large",
            "limits::p68_the_answer_to_a_workflow_task_is_too_large",
            "limits::p68_the_end_of_a_local_activity_is_too_large",
            "limits::p68_the_result_of_an_activity_is_too_large",
            "limits::p68_the_result_of_an_update_is_too_large",
            "limits::what_is_too_large_from_elsewhere_fails_the_activity",
            "limits_of_commands::p68_commands_that_are_too_large_in_all_fail_the_task",
            "limits_of_commands::the_server_ends_runs_for_commands_that_are_too_large",
            "rows_more::p32_a_history_that_grows_until_a_new_run_is_suggested",
        ],
    ),
    (
        "what it is about happens on the way to the server, and is in no history",
        &[
            "worker_lifecycle::s161_workers_that_end_lose_no_task",
            "answers::a_command_to_a_namespace_that_there_is_not_fails_the_task",
            "answers::a_failure_that_fits_no_message_is_reported",
            "answers::a_heartbeat_that_got_lost_does_not_cost_the_activity",
            "answers::a_heartbeat_that_was_refused_is_tried_again_soon",
            "answers::a_history_that_got_lost_is_fetched_again",
            "answers::a_worker_learns_the_limits_of_the_namespace_later",
            "answers::an_answer_that_got_lost_is_given_again",
            "answers::an_answer_that_the_server_refuses_fails_the_task",
            "answers::an_end_that_the_codec_cannot_seal_is_reported",
            "answers::long_summaries_and_details_are_taken",
            "answers::too_large_a_first_heartbeat_leaves_what_was_told_before",
        ],
    ),
    (
        "its workflows are those of other tests, on two servers or in other processes",
        &[
            "comparison::s179_both_servers_write_the_same_for_children_and_chains",
            "comparison::s179_both_servers_write_the_same_for_ordinary_workflows",
            "comparison::s179_both_servers_write_the_same_for_tasks_and_activities",
            "comparison::s179_both_servers_write_the_same_for_updates",
            "examples::s179_each_example_runs",
            "examples::s179_examples_run_without_a_server",
        ],
    ),
];

/// The names of the suite's tests.
fn tests() -> anyhow::Result<Vec<String>> {
    let list = std::process::Command::new(std::env::current_exe()?)
        .args(["--list", "--format", "terse"])
        .output()?;
    let list = String::from_utf8(list.stdout)?;
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(tests.map(str::to_owned).collect())
}

/// Each test left a history, or is named with the reason why it keeps none.
#[test]
fn s170_each_test_keeps_a_history_or_says_why_not() {
    run(async |_env| {
        let left: BTreeSet<String> = kept()?.iter().map(Kept::test).collect();
        let excused = |test: &str| KEEP_NOTHING.iter().any(|(_, tests)| tests.contains(&test));
        let tests = tests()?;
        let (mut none, mut both) = (Vec::new(), Vec::new());
        for test in &tests {
            match (left.contains(test), excused(test)) {
                (false, false) => none.push(test.as_str()),
                (true, true) => both.push(test.as_str()),
                _ => {}
            }
        }
        assert!(
            none.is_empty(),
            "no history is kept of these: run them with RECORD_HISTORIES=1, or name them in KEEP_NOTHING:\n{}",
            none.join("\n")
        );
        assert!(
            both.is_empty(),
            "KEEP_NOTHING names tests of which there are histories: {both:?}"
        );
        // The guard's tests are not there on every platform.
        let named = KEEP_NOTHING.iter().flat_map(|(_, tests)| *tests);
        for test in named.filter(|test| !test.starts_with("guard::")) {
            assert!(
                tests.iter().any(|known| known == test),
                "KEEP_NOTHING names {test}, which is not there"
            );
        }
        Ok(())
    });
}

// ---- what is altered is found

/// Of an event that a command left: the task that had the command, and the event's attributes.
fn left_in_task(event: &Value) -> Option<(&Value, &str)> {
    let (key, attributes) = event
        .as_object()?
        .iter()
        .find(|(key, _)| key.ends_with("EventAttributes"))?;
    Some((attributes.get("workflowTaskCompletedEventId")?, key))
}

/// The names by which an event says what was asked for.
const NAMES: [&str; 6] = [
    "/markerRecordedEventAttributes/markerName",
    "/activityTaskScheduledEventAttributes/activityType/name",
    "/timerStartedEventAttributes/timerId",
    "/startChildWorkflowExecutionInitiatedEventAttributes/workflowType/name",
    "/signalExternalWorkflowExecutionInitiatedEventAttributes/signalName",
    "/nexusOperationScheduledEventAttributes/operation",
];

/// A history in every way in which two neighbouring commands change places, or one is about something else.
fn alterations(history: &Kept) -> anyhow::Result<Vec<(String, Value)>> {
    let json: Value = serde_json::from_str(&history.json)?;
    let events = json["events"].as_array().cloned().unwrap_or_default();
    let mut altered = Vec::new();
    let mut alter = |what: String, change: &dyn Fn(&mut Vec<Value>)| {
        let mut events = events.clone();
        change(&mut events);
        altered.push((what, serde_json::json!({ "events": events })));
    };
    for (place, pair) in events.windows(2).enumerate() {
        let (Some((task, first)), Some((next, second))) = (left_in_task(&pair[0]), left_in_task(&pair[1])) else {
            continue;
        };
        // A local activity's marker says by its number whose it is: among themselves they come as they ended.
        let both_local = pair
            .iter()
            .all(|event| event.pointer(NAMES[0]) == Some(&"core_local_activity".into()));
        if task == next && !both_local {
            alter(format!("{first} and {second} of event {}", place + 1), &|events| {
                events.swap(place, place + 1);
                for at in [place, place + 1] {
                    events[at]["eventId"] = (at + 1).to_string().into();
                }
            });
        }
    }
    for (place, event) in events.iter().enumerate() {
        for name in NAMES {
            if let Some(Value::String(was)) = event.pointer(name) {
                let another = Value::from(format!("{was}0"));
                alter(format!("{name} of event {}", place + 1), &|events| {
                    if let Some(name) = events[place].pointer_mut(name) {
                        *name = another.clone();
                    }
                });
            }
        }
    }
    for (place, mut event) in history.events()?.into_iter().enumerate() {
        if rename_marker(&mut event) {
            let json: Value = serde_json::from_str(&to_json(vec![event])?)?;
            alter(format!("the marker of event {}", place + 1), &|events| {
                events[place] = json["events"][0].clone();
            });
        }
    }
    Ok(altered)
}

/// Has a marker tell of another local activity or another patch; whether it tells of one.
fn rename_marker(event: &mut Event) -> bool {
    let Some(Attributes::MarkerRecordedEventAttributes(marker)) = &mut event.attributes else {
        return false;
    };
    let mut renamed = false;
    for payload in marker.details.values_mut().flat_map(|payloads| &mut payloads.payloads) {
        let text = String::from_utf8_lossy(&payload.data).into_owned();
        // Code that knows nothing of a deprecated patch passes it over.
        if text.contains("\"deprecated\":true") {
            continue;
        }
        for key in ["\"activity_type\":\"", "\"id\":\""] {
            if text.contains(key) {
                payload.data = text.replacen(key, &format!("{key}no"), 1).into();
                renamed = true;
            }
        }
    }
    renamed
}

/// S169, S170: whatever history is altered, by two commands that change places or one that is about something else, does not
/// replay any more.
#[test]
fn s169_s170_an_altered_history_does_not_replay() {
    run(async |_env| {
        let replayers = Replayers::new()?;
        let (mut tried, mut passed) = (0, Vec::new());
        for history in kept()? {
            for (what, json) in alterations(&history)? {
                tried += 1;
                let altered = WorkflowHistory::from_json(&json.to_string())?;
                for replayer in replayers.of(&history) {
                    if replayer.replay(altered.clone()).await.is_ok() {
                        passed.push(format!("{history}: {what}"));
                    }
                }
            }
        }
        assert!(tried > 500, "{tried}");
        assert!(
            passed.is_empty(),
            "{} of {tried} replay all the same:\n{}",
            passed.len(),
            passed.join("\n")
        );
        Ok(())
    });
}
