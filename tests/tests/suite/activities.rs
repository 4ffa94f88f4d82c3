//! Activities as workflows and workers see them.

use crate::{MINUTE, quick};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporal_integration_tests::history::{Attributes, EventType, count, essential};
use temporal_integration_tests::run;
use temporal_sdk::activity::{Activity, ActivityRef, CancellationReason, One};
use temporal_sdk::client::failure::{ApplicationError, RetryState, TimeoutType};
use temporal_sdk::client::{ActivityTarget, RetryPolicy};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{activities, activity, args, workflow};
use tokio::sync::Notify;

// ---- kinds of activities

#[activity]
fn sync_length(text: String) -> activity::Result<usize> {
    Ok(text.len())
}

#[activity]
async fn async_length(text: String) -> activity::Result<usize> {
    tokio::task::yield_now().await;
    Ok(text.len())
}

#[activity(name = "join-them")]
fn join(a: String, b: String, separator: Option<String>) -> activity::Result<String> {
    Ok(format!("{a}{}{b}", separator.unwrap_or_default()))
}

/// Methods of a shared value.
struct Counter {
    count: AtomicUsize,
}

#[activities]
impl Counter {
    #[activity]
    async fn add(&self, number: usize) -> activity::Result<usize> {
        Ok(self.count.fetch_add(number, Ordering::Relaxed) + number)
    }

    #[activity]
    fn read(&self) -> activity::Result<usize> {
        Ok(self.count.load(Ordering::Relaxed))
    }
}

/// An activity by hand.
struct Greet {
    greeting: String,
}

impl ActivityRef for Greet {
    type Params = One<String>;
    type Output = String;

    fn name(&self) -> Cow<'_, str> {
        "greet".into()
    }
}

impl Activity for Greet {
    async fn execute(&self, _ctx: &activity::Context, name: String) -> activity::Result<String> {
        Ok(format!("{}, {name}!", self.greeting))
    }
}

#[workflow]
pub(crate) async fn all_kinds(ctx: &workflow::Context, text: String) -> workflow::Result<Vec<String>> {
    let mut results = Vec::new();
    results.push(
        ctx.execute_activity(sync_length, text.clone(), quick())
            .await?
            .to_string(),
    );
    results.push(
        ctx.execute_activity(async_length, text.as_str(), quick())
            .await?
            .to_string(),
    );
    results.push(ctx.execute_activity(join, ("a", "b", None), quick()).await?);
    let named = activity::named::<String>("join-them");
    results.push(ctx.execute_activity(named, args!["a", "b", "-"], quick()).await?);
    ctx.execute_activity(Counter::add, 2_usize, quick()).await?;
    ctx.execute_activity(Counter::add, 3_usize, quick()).await?;
    results.push(ctx.execute_activity(Counter::read, (), quick()).await?.to_string());
    results.push(
        ctx.execute_activity(activity::named::<String>("greet"), "Ada", quick())
            .await?,
    );
    Ok(results)
}

/// Registers the activities of this module, for other modules' workers.
pub(crate) fn activities(builder: WorkerBuilder) -> WorkerBuilder {
    builder
        .activity(sync_length)
        .activity(async_length)
        .activity(join)
        .activities(Counter {
            count: AtomicUsize::new(0),
        })
        .activity(Greet {
            greeting: "Hello".to_owned(),
        })
        .activity(fail_until)
        .activity(decline)
        .activity(look_at_shelf)
        .activity(panicking)
        .activity(in_an_hour)
}

/// S67, S68, S71, S73–S75, S135–S137, S139: every way to write an activity, and to call it.
#[test]
fn s67_s68_s73_s74_s75_s135_s136_s137_s139_kinds_of_activities() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<all_kinds>()
            .activity(sync_length)
            .activity(async_length)
            .activity(join)
            .activities(Counter {
                count: AtomicUsize::new(0),
            })
            .activity(Greet {
                greeting: "Hello".to_owned(),
            });
        env.serve(worker, async {
            let results = env
                .client()
                .execute_workflow(all_kinds, "four", env.options("kinds"))
                .await?;
            assert_eq!(results, ["4", "4", "ab", "a-b", "5", "Hello, Ada!"]);
            Ok(())
        })
        .await
    });
}

/// S118: another activity under the same name takes its place.
#[test]
fn s118_a_mocked_activity() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<crate::hello::SayHello>()
            .activity(activity::mock(crate::hello::say_hello, |name| async move {
                Ok(format!("mocked {name}"))
            }));
        env.serve(worker, async {
            let named = workflow::named::<String>("SayHello");
            let greeting = env.client().execute_workflow(named, "x", env.options("mocked")).await?;
            assert_eq!(greeting, "mocked x");
            Ok(())
        })
        .await
    });
}

// ---- failing and retrying

#[activity]
async fn fail_until(ctx: &activity::Context, attempt: u32) -> activity::Result<u32> {
    let seen: Option<u32> = ctx.heartbeat_details()?;
    if ctx.info().attempt < attempt {
        ctx.heartbeat(ctx.info().attempt);
        return Err(ApplicationError::new("not yet").kind("NotYet").into());
    }
    Ok(seen.unwrap_or(0))
}

fn retried(attempts: u32) -> ActivityOptions {
    quick().retry_policy(
        RetryPolicy::new()
            .initial_interval(Duration::from_millis(20))
            .maximum_attempts(attempts),
    )
}

#[workflow]
pub(crate) async fn retries(ctx: &workflow::Context) -> workflow::Result<u32> {
    let options = retried(5).heartbeat_timeout(MINUTE);
    Ok(ctx.execute_activity(fail_until, 3_u32, options).await?)
}

/// S150, S159: an attempt reads what the one before it told with its last heartbeat, sent with the failure.
#[test]
fn s149_s150_s159_retries_read_heartbeat_details() {
    run(async |env| {
        let worker = env.worker().workflow::<retries>().activity(fail_until);
        env.serve(worker, async {
            let id = env.id("retries");
            assert_eq!(
                env.client()
                    .execute_workflow(retries, (), env.options("retries"))
                    .await?,
                2
            );
            let events = env.events(&id).await?;
            assert_eq!(count(&events, EventType::ActivityTaskStarted), 1);
            let started = events.iter().find_map(|event| match &event.attributes {
                Some(Attributes::ActivityTaskStartedEventAttributes(started)) => Some(started),
                _ => None,
            });
            assert_eq!(started.map(|started| started.attempt), Some(3));
            Ok(())
        })
        .await
    });
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, PartialEq)]
struct Shortage {
    missing: u32,
}

#[activity]
fn decline(non_retryable: bool) -> activity::Result<()> {
    let error = ApplicationError::new("card declined")
        .kind("Declined")
        .details(&Shortage { missing: 7 })?;
    Err(if non_retryable { error.non_retryable() } else { error }.into())
}

#[derive(Debug, thiserror::Error)]
#[error("the shelf is empty")]
struct EmptyShelf(#[source] std::num::ParseIntError);

#[activity]
fn look_at_shelf() -> Result<u32, EmptyShelf> {
    "nothing".parse().map_err(EmptyShelf)
}

#[activity]
fn panicking() -> activity::Result<()> {
    panic!("the activity has a bug")
}

/// How each activity failed: type, message, retry state.
#[workflow]
pub(crate) async fn failures(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let mut seen = Vec::new();
    let mut note = |result: Result<(), temporal_sdk::client::failure::Failure>| {
        let failure = result.unwrap_err();
        let activity = failure.as_activity().expect("an activity failure");
        let application = failure.as_application().expect("an application failure");
        seen.push(format!(
            "{} {} {:?} {}",
            application.type_name(),
            application.message(),
            activity.retry_state(),
            application.detail::<Shortage>().map_or(0, |details| details.missing)
        ));
        if let Some(cause) = application.cause() {
            seen.push(format!("cause: {}", cause.message()));
        }
    };
    note(ctx.execute_activity(decline, true, quick()).await);
    note(ctx.execute_activity(decline, false, retried(2)).await);
    let policy = RetryPolicy::new().non_retryable_error_types(["EmptyShelf"]);
    note(
        ctx.execute_activity(look_at_shelf, (), quick().retry_policy(policy))
            .await
            .map(drop),
    );
    note(ctx.execute_activity(panicking, (), retried(1)).await);
    Ok(seen)
}

fn without_location(line: &str) -> String {
    match (line.find(" (at "), line.find(") ")) {
        (Some(from), Some(to)) => format!("{}{}", &line[..from], &line[to + 1..]),
        _ => line.to_owned(),
    }
}

/// S103, S104: types, details, causes and retry states of what failed. A panic fails the attempt; the worker lives on.
#[test]
fn s103_s104_how_activities_fail() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<failures>()
            .activity(decline)
            .activity(look_at_shelf)
            .activity(panicking);
        env.serve(worker, async {
            let seen = env
                .client()
                .execute_workflow(failures, (), env.options("failures"))
                .await?;
            // A panic's message tells where it happened.
            let seen: Vec<String> = seen.iter().map(|line| without_location(line)).collect();
            assert_eq!(
                seen,
                [
                    "Declined card declined NonRetryableFailure 7",
                    "Declined card declined MaximumAttemptsReached 7",
                    "EmptyShelf the shelf is empty NonRetryableFailure 0",
                    "cause: invalid digit found in string",
                    "Panic the activity has a bug MaximumAttemptsReached 0",
                ]
            );
            Ok(())
        })
        .await
    });
}

#[activity]
fn in_an_hour(ctx: &activity::Context) -> activity::Result<u32> {
    if ctx.info().attempt > 1 {
        return Ok(ctx.info().attempt);
    }
    Err(ApplicationError::new("try again at once")
        .next_retry_delay(Duration::from_millis(10))
        .into())
}

#[workflow]
pub(crate) async fn impatient(ctx: &workflow::Context) -> workflow::Result<u32> {
    let policy = RetryPolicy::new().initial_interval(Duration::from_secs(3600));
    Ok(ctx
        .execute_activity(in_an_hour, (), quick().retry_policy(policy))
        .await?)
}

/// P63: the error says when the next attempt is, whatever the policy says.
#[test]
fn p63_next_retry_delay() {
    run(async |env| {
        env.serve(env.worker().workflow::<impatient>().activity(in_an_hour), async {
            assert_eq!(
                env.client()
                    .execute_workflow(impatient, (), env.options("delay"))
                    .await?,
                2
            );
            Ok(())
        })
        .await
    });
}

// ---- timeouts

#[activity]
async fn never(ctx: &activity::Context) -> activity::Result<()> {
    ctx.cancelled().await;
    Err(activity::Error::cancelled())
}

#[workflow]
pub(crate) async fn timeouts(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let short = Duration::from_millis(600);
    let once = RetryPolicy::new().maximum_attempts(1);
    let nowhere = format!("{}-nowhere", ctx.info().task_queue);
    let options = [
        ActivityOptions::start_to_close_timeout(short).retry_policy(once.clone()),
        quick().heartbeat_timeout(short).retry_policy(once),
        // Long enough that it has begun.
        ActivityOptions::schedule_to_close_timeout(Duration::from_secs(5)),
        quick().schedule_to_start_timeout(short).task_queue(nowhere.as_str()),
    ];
    let all = options.map(|options| ctx.execute_activity(never, (), options));
    let results = workflow::join_all(all).await;
    Ok(results
        .into_iter()
        .map(|result| {
            let failure = result.unwrap_err();
            format!(
                "{:?}",
                failure
                    .as_timeout()
                    .map_or(TimeoutType::Unspecified, workflow::TimeoutError::timeout_type)
            )
        })
        .collect())
}

#[test]
fn s69_each_timeout_of_an_activity() {
    run(async |env| {
        env.serve(env.worker().workflow::<timeouts>().activity(never), async {
            let seen = env
                .client()
                .execute_workflow(timeouts, (), env.options("timeouts"))
                .await?;
            assert_eq!(
                seen,
                ["StartToClose", "Heartbeat", "ScheduleToClose", "ScheduleToStart"]
            );
            Ok(())
        })
        .await
    });
}

// ---- what an activity is told

#[activity]
async fn tell_info(ctx: &activity::Context) -> activity::Result<HashMap<String, String>> {
    let info = ctx.info();
    Ok(HashMap::from([
        ("activity_type".to_owned(), info.activity_type.clone()),
        ("activity_id".to_owned(), info.activity_id.clone()),
        ("attempt".to_owned(), info.attempt.to_string()),
        ("task_queue".to_owned(), info.task_queue.clone()),
        ("workflow_id".to_owned(), info.workflow_id.clone().unwrap_or_default()),
        (
            "workflow_type".to_owned(),
            info.workflow_type.clone().unwrap_or_default(),
        ),
        ("namespace".to_owned(), info.namespace.clone()),
        ("local".to_owned(), info.is_local.to_string()),
        (
            "start_to_close".to_owned(),
            format!("{:?}", info.start_to_close_timeout),
        ),
        (
            "here".to_owned(),
            activity::Context::try_current().is_some().to_string(),
        ),
    ]))
}

#[workflow]
pub(crate) async fn ask_info(ctx: &workflow::Context) -> workflow::Result<HashMap<String, String>> {
    Ok(ctx.execute_activity(tell_info, (), quick()).await?)
}

#[test]
fn s148_s149_what_an_activity_knows() {
    run(async |env| {
        assert!(activity::Context::try_current().is_none());
        env.serve(env.worker().workflow::<ask_info>().activity(tell_info), async {
            let info = env.client().execute_workflow(ask_info, (), env.options("info")).await?;
            let expected = [
                ("activity_type", "tell_info".to_owned()),
                ("activity_id", "1".to_owned()),
                ("attempt", "1".to_owned()),
                ("task_queue", env.task_queue().to_owned()),
                ("workflow_id", env.id("info")),
                ("workflow_type", "ask_info".to_owned()),
                ("namespace", env.client().namespace().to_owned()),
                ("local", "false".to_owned()),
                ("start_to_close", "Some(60s)".to_owned()),
                ("here", "true".to_owned()),
            ];
            for (key, value) in expected {
                assert_eq!(info.get(key), Some(&value), "{key}");
            }
            Ok(())
        })
        .await
    });
}

#[activity]
fn in_own_thread(ctx: &activity::Context) -> activity::Result<String> {
    let ctx = ctx.clone();
    let thread = std::thread::spawn(move || {
        let before = activity::Context::try_current().is_some();
        let within = ctx.in_scope(|| activity::Context::current().info().activity_type.clone());
        format!("{before} {within}")
    });
    thread.join().map_err(|_| activity::Error::from("the thread panicked"))
}

#[workflow]
pub(crate) async fn call_thread(ctx: &workflow::Context) -> workflow::Result<String> {
    Ok(ctx.execute_activity(in_own_thread, (), quick()).await?)
}

#[test]
fn s157_the_context_in_own_threads() {
    run(async |env| {
        env.serve(env.worker().workflow::<call_thread>().activity(in_own_thread), async {
            let seen = env
                .client()
                .execute_workflow(call_thread, (), env.options("thread"))
                .await?;
            assert_eq!(seen, "false in_own_thread");
            Ok(())
        })
        .await
    });
}

#[activity]
async fn signal_own_workflow(ctx: &activity::Context) -> activity::Result<()> {
    let id = ctx.info().workflow_id.clone().unwrap_or_default();
    let handle = ctx.client().workflow_handle::<Signalled>(id);
    handle.signal(Signalled::hear, "from the activity").await?;
    Ok(())
}

#[derive(Default)]
pub(crate) struct Signalled {
    heard: std::cell::RefCell<Option<String>>,
}

#[workflow]
impl Signalled {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.execute_activity(signal_own_workflow, (), quick()).await?;
        ctx.wait_condition(|| self.heard.borrow().is_some()).await?;
        Ok(self.heard.borrow().clone().unwrap_or_default())
    }

    #[signal]
    fn hear(&self, text: String) {
        self.heard.replace(Some(text));
    }
}

#[test]
fn p62_the_client_in_an_activity() {
    run(async |env| {
        env.serve(
            env.worker().workflow::<Signalled>().activity(signal_own_workflow),
            async {
                let heard = env
                    .client()
                    .execute_workflow(Signalled::run, (), env.options("client"))
                    .await?;
                assert_eq!(heard, "from the activity");
                Ok(())
            },
        )
        .await
    });
}

// ---- cancelling

/// How often those activities heartbeat.
const BEAT: Duration = Duration::from_millis(100);

/// Waits for its cancellation in some way, and tells how it learnt of it.
struct Cancellable {
    started: Notify,
    told: Mutex<Vec<String>>,
}

impl Cancellable {
    fn tell(&self, what: impl Into<String>) {
        self.told.lock().unwrap().push(what.into());
    }
}

#[activities]
impl Cancellable {
    #[activity]
    async fn await_cancellation(&self, ctx: &activity::Context) -> activity::Result<String> {
        self.started.notify_one();
        let reason = loop {
            // The server's answer to a heartbeat brings the cancellation.
            ctx.heartbeat("alive");
            if let Ok(reason) = tokio::time::timeout(BEAT, ctx.cancelled()).await {
                break reason;
            }
        };
        assert!(ctx.is_cancelled());
        self.tell(format!("{reason:?}"));
        assert_eq!(reason, CancellationReason::Requested);
        Err(activity::Error::cancelled_with("cleaned up"))
    }

    #[activity]
    async fn end_at_await(&self, ctx: &activity::Context) -> activity::Result<()> {
        self.started.notify_one();
        let beats = async {
            loop {
                ctx.heartbeat("alive");
                tokio::time::sleep(BEAT).await;
            }
        };
        let ended: Result<(), activity::Cancelled> = ctx.until_cancelled(beats).await;
        self.tell(format!("ended {}", ended.is_err()));
        ended?;
        Ok(())
    }

    #[activity]
    fn block_until_cancelled(&self, ctx: &activity::Context) -> activity::Result<()> {
        let before = ctx.wait_cancelled(Duration::from_millis(1));
        self.tell(format!("before {before:?}"));
        self.started.notify_one();
        let reason = loop {
            ctx.heartbeat("alive");
            if let Some(reason) = ctx.wait_cancelled(BEAT) {
                break reason;
            }
        };
        self.tell(format!("then {reason:?}"));
        // Put off: it cleans up first.
        self.tell("cleaned up");
        ctx.check_cancelled()?;
        Ok(())
    }
}

/// Cancels the named activity once it is told to.
#[derive(Default)]
pub(crate) struct CancelsActivity {
    cancel: std::cell::Cell<bool>,
}

#[workflow]
impl CancelsActivity {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        let options = quick()
            .heartbeat_timeout(MINUTE)
            .cancellation_type(workflow::CancellationType::WaitCancellationCompleted);
        let handle = ctx.start_activity(activity::named::<String>(name), (), options);
        ctx.wait_condition(|| self.cancel.get()).await?;
        handle.cancel();
        let failure = handle.await.unwrap_err();
        assert!(failure.is_cancelled(), "{failure}");
        let details = failure.causes().find_map(|failure| match failure {
            temporal_sdk::client::failure::Failure::Cancelled(cancelled) => cancelled.detail::<String>().ok(),
            _ => None,
        });
        Ok(details.unwrap_or_default())
    }

    #[signal]
    fn cancel(&self) {
        self.cancel.set(true);
    }
}

fn cancels(name: &'static str, details: &'static str, told: &'static [&'static str]) {
    run(async |env| {
        let shared = Arc::new(Cancellable {
            started: Notify::new(),
            told: Mutex::default(),
        });
        let worker = env
            .worker()
            .workflow::<CancelsActivity>()
            .activities(Arc::clone(&shared));
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(CancelsActivity::run, name, env.options("cancels"))
                .await?;
            shared.started.notified().await;
            handle.signal(CancelsActivity::cancel, ()).await?;
            assert_eq!(handle.result().await?, details);
            assert_eq!(*shared.told.lock().unwrap(), told);
            let events = env.events(&env.id("cancels")).await?;
            use EventType::*;
            assert_eq!(
                essential(&events),
                [
                    WorkflowExecutionStarted,
                    ActivityTaskScheduled,
                    WorkflowExecutionSignaled,
                    ActivityTaskCancelRequested,
                    ActivityTaskStarted,
                    ActivityTaskCanceled,
                    WorkflowExecutionCompleted
                ]
            );
            Ok(())
        })
        .await
    });
}

/// S70, S151, S158, P61: cancellation arrives with a heartbeat, and says why.
#[test]
fn s70_s92_s151_s158_p61_an_async_activity_awaits_its_cancellation() {
    cancels("await_cancellation", "cleaned up", &["Requested"]);
}

#[test]
fn s146_an_async_activity_is_ended_at_its_await() {
    cancels("end_at_await", "", &["ended true"]);
}

/// S144, S145, S152: a sync activity blocks until it is cancelled, cleans up, and ends.
#[test]
fn s144_s145_s152_a_sync_activity_blocks_until_cancelled() {
    cancels(
        "block_until_cancelled",
        "",
        &["before None", "then Requested", "cleaned up"],
    );
}

// ---- completing from elsewhere

struct Letterbox {
    token: Mutex<Option<bytes::Bytes>>,
    arrived: Notify,
}

#[activities]
impl Letterbox {
    #[activity]
    async fn completed_later(&self, ctx: &activity::Context) -> activity::Result<String> {
        *self.token.lock().unwrap() = Some(ctx.info().task_token.clone());
        self.arrived.notify_one();
        Err(activity::Error::complete_async())
    }
}

#[workflow]
pub(crate) async fn waits_for_completion(ctx: &workflow::Context) -> workflow::Result<String> {
    let once = RetryPolicy::new().maximum_attempts(1);
    Ok(ctx
        .execute_activity(Letterbox::completed_later, (), quick().retry_policy(once))
        .await?)
}

#[test]
fn s156_completed_later_by_token_and_by_id() {
    run(async |env| {
        let shared = Arc::new(Letterbox {
            token: Mutex::default(),
            arrived: Notify::new(),
        });
        let worker = env
            .worker()
            .workflow::<waits_for_completion>()
            .activities(Arc::clone(&shared));
        env.serve(worker, async {
            let client = env.client();
            let first = client
                .start_workflow(waits_for_completion, (), env.options("token"))
                .await?;
            shared.arrived.notified().await;
            let token = shared.token.lock().unwrap().take().unwrap_or_default();
            client.activity_handle(token).complete(&"by token").await?;
            assert_eq!(first.result().await?, "by token");

            let second = client
                .start_workflow(waits_for_completion, (), env.options("id"))
                .await?;
            shared.arrived.notified().await;
            let by_id = client.activity_handle(ActivityTarget::ids(env.id("id"), "1"));
            by_id.heartbeat(&"still on it").await?;
            by_id
                .fail(&ApplicationError::new("by id").kind("FromElsewhere"))
                .await?;
            let error = second.result().await.unwrap_err();
            let failure = error.failure().expect("the workflow failed");
            assert_eq!(
                failure.as_activity().map(workflow::ActivityError::retry_state),
                Some(RetryState::MaximumAttemptsReached)
            );
            assert_eq!(
                failure.as_application().map(ApplicationError::type_name),
                Some("FromElsewhere")
            );
            Ok(())
        })
        .await
    });
}
