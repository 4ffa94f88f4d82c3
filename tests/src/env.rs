//! What a test gets: a client, a task queue and ids of its own, and a deadline.

use crate::history::{self, Attributes, Event, EventType};
use crate::server::{self, RUNTIME};
use crate::{exceptions, history::Recorder};
use std::cell::Cell;
use std::panic::Location;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;
use temporal_sdk::client::protos::api::history::v1::WorkflowTaskFailedEventAttributes;
use temporal_sdk::client::{Client, Code, WorkflowOptions};
use temporal_sdk::worker::{Worker, WorkerBuilder};
use temporal_testing::WorkflowEnvironment;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// How long a test may take, unless `TEMPORAL_TEST_DEADLINE` says otherwise, in seconds.
const DEADLINE: Duration = Duration::from_secs(90);

/// How long a test waits before it looks again at what cannot be waited for.
pub const PAUSE: Duration = Duration::from_millis(20);

/// How often a test's worker sends heartbeats at most.
const HEARTBEATS: Duration = Duration::from_millis(200);

/// How long a test's workflow may keep its thread: on a busy machine, large values take their time.
const DEADLOCK: Duration = Duration::from_secs(30);

/// What a test has of its own.
#[derive(Debug, Clone)]
pub struct Env {
    client: Client,
    test: Arc<str>,
    unique: Arc<str>,
    recorder: Recorder,
}

/// Runs the body of a test on the shared server.
///
/// # Panics
/// When the body fails, or is not done by the deadline.
#[track_caller]
pub fn run(body: impl AsyncFnOnce(Env) -> anyhow::Result<()>) {
    start(None, Duration::ZERO, body);
}

/// Like [`run`], for a test that has more to do: it may take so long, or as long as any other test if that is longer.
///
/// # Panics
/// When the body fails, or is not done by then.
#[track_caller]
pub fn run_within(time: Duration, body: impl AsyncFnOnce(Env) -> anyhow::Result<()>) {
    start(None, time, body);
}

/// Like [`run_within`], on a server of the test's own.
///
/// # Panics
/// When the body fails, or is not done by then.
#[track_caller]
pub fn run_on(address: &str, time: Duration, body: impl AsyncFnOnce(Env) -> anyhow::Result<()>) {
    start(Some(address), time, body);
}

#[track_caller]
fn start(address: Option<&str>, time: Duration, body: impl AsyncFnOnce(Env) -> anyhow::Result<()>) {
    let caller = Location::caller();
    log();
    // libtest names each test's thread after the test.
    let test = match std::thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => format!("{}:{}", caller.file(), caller.line()),
    };
    if let Some(reason) = exceptions::reason(&test, server::kind()) {
        skip(&test, reason);
        return;
    }
    let deadline = deadline().max(time);
    let scenario = async {
        let address = match address {
            Some(address) => address.to_owned(),
            None => server::address().await?,
        };
        let env = Env::new(&address, &test).await?;
        body(env.clone()).await?;
        env.recorder.finish(env.client(), &test).await
    };
    let result = RUNTIME.block_on(async { tokio::time::timeout(deadline, scenario).await });
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{test} failed: {error:?}"),
        Err(_) => panic!("{test} hung: it was not done within {} s", deadline.as_secs()),
    }
}

fn deadline() -> Duration {
    std::env::var("TEMPORAL_TEST_DEADLINE")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .map_or(DEADLINE, Duration::from_secs)
}

/// Says on the test's output that it did not run, and why.
#[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
pub fn skip(test: &str, reason: &str) {
    eprintln!("{test} is skipped: {reason}");
}

/// Says on the test's output that a program it needs is missing, with what to do. Where `TEMPORAL_TEST_STRICT` is 1, as in
/// `cargo xtask ci`, that fails the test: nobody reads the output of tests that pass.
///
/// # Panics
/// When it fails the test.
#[track_caller]
pub fn missing(test: &str, what: &str) {
    let strict = std::env::var_os("TEMPORAL_TEST_STRICT").is_some_and(|strict| strict == "1");
    assert!(
        !strict,
        "{test} cannot be skipped, since TEMPORAL_TEST_STRICT is 1: {what}"
    );
    skip(test, what);
}

/// The lines logged with the target `suite`, and the SDK's warnings, by whatever thread.
static CAPTURED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The lines that were logged with the target `suite`, and the SDK's own warnings with their fields (`message name=value`), that
/// the predicate takes, in order.
#[must_use]
pub fn captured(take: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = CAPTURED.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| take(line)).cloned().collect()
}

/// Keeps what is logged with the target `suite`, and what the SDK warns of.
struct Capture;

fn is_captured(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.target() == "suite"
        || (metadata.target().starts_with("temporal_") && *metadata.level() <= tracing::Level::WARN)
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        #[derive(Default)]
        struct Line {
            message: String,
            fields: String,
        }
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.message = format!("{value:?}");
                } else {
                    self.fields += &format!(" {}={value:?}", field.name());
                }
            }
        }
        let mut line = Line::default();
        event.record(&mut line);
        let Line { message, fields } = line;
        CAPTURED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(message + &fields);
    }
}

/// Logs as `RUST_LOG` says, nothing by default, and captures what tests ask for.
fn log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::env::var_os("RUST_LOG").map(|_| {
            tracing_subscriber::fmt::layer()
                .with_test_writer()
                .with_filter(tracing_subscriber::EnvFilter::from_default_env())
        });
        let capture = Capture.with_filter(filter_fn(is_captured));
        tracing_subscriber::registry().with(shown).with(capture).init();
    });
}

impl Env {
    async fn new(address: &str, test: &str) -> anyhow::Result<Self> {
        let client = Client::connect(address).await?;
        let mut random = uuid::Uuid::new_v4().simple().to_string();
        random.truncate(8);
        Ok(Self {
            client,
            test: test.into(),
            unique: format!("{}-{random}", test.replace("::", "-")).into(),
            recorder: Recorder::default(),
        })
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same environment with another client of the same server.
    #[must_use]
    pub fn with_client(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// The same environment with a client whose starts are noted: for code that chooses its workflows' ids itself.
    #[must_use]
    pub fn watched(&self) -> Self {
        let options = self.client.options().clone().interceptor(self.recorder.clone());
        self.with_client(Client::new(self.client.connection().clone(), options))
    }

    /// The test's name.
    #[must_use]
    pub fn test(&self) -> &str {
        &self.test
    }

    /// Makes a Nexus endpoint that leads to a task queue, unless it is there, and gives its name.
    ///
    /// # Errors
    /// When the server makes none.
    pub async fn nexus_endpoint(&self, queue: &str) -> anyhow::Result<String> {
        let unique = self.task_queue().rsplit_once('-').map_or("", |(_, unique)| unique);
        let name = format!("endpoint-{unique}");
        let tests = WorkflowEnvironment::from_client(self.client.clone());
        match tests.create_nexus_endpoint(&name, queue).await {
            Err(error) if error.code() != Code::AlreadyExists => Err(error.into()),
            Ok(_) | Err(_) => Ok(name),
        }
    }

    /// The test's own task queue.
    #[must_use]
    pub fn task_queue(&self) -> &str {
        &self.unique
    }

    /// An id that no other test, and no other run of this test, has.
    #[must_use]
    pub fn id(&self, suffix: &str) -> String {
        let id = format!("{}-{suffix}", self.unique);
        self.recorder.note(&id);
        id
    }

    /// An id like [`id`](Self::id) whose history is not recorded, since the suite does not keep the code that made it.
    #[must_use]
    pub fn unrecorded_id(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.unique)
    }

    /// Options to start a workflow with, on the test's task queue.
    #[must_use]
    pub fn options(&self, suffix: &str) -> WorkflowOptions {
        WorkflowOptions::new(self.id(suffix), self.task_queue())
    }

    /// Options like [`options`](Self::options), for a workflow whose history is not recorded.
    #[must_use]
    pub fn unrecorded_options(&self, suffix: &str) -> WorkflowOptions {
        WorkflowOptions::new(self.unrecorded_id(suffix), self.task_queue())
    }

    /// Runs the worker until the body is done, and gives what it returned.
    ///
    /// # Errors
    /// When the worker cannot be built, ends by itself, or the body fails.
    pub async fn serve<T>(
        &self,
        worker: WorkerBuilder,
        body: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        worker.build()?.run_until(body).await?
    }

    /// A worker on the test's task queue, to be given workflows and activities.
    pub fn worker(&self) -> WorkerBuilder {
        // Heartbeats go out soon, whatever their timeout: cancellation comes with the answer.
        Worker::builder(&self.client, self.task_queue())
            .max_heartbeat_throttle_interval(HEARTBEATS)
            .deadlock_timeout(DEADLOCK)
    }

    /// The events of the newest run of the workflow.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn events(&self, workflow_id: &str) -> anyhow::Result<Vec<Event>> {
        history::fetch(&self.client, workflow_id, "").await
    }

    /// Waits for the workflow's first failed task, and gives what its event says.
    ///
    /// # Errors
    /// When the history cannot be read, or ends without a failed task.
    pub async fn failed_task(&self, workflow_id: &str) -> anyhow::Result<WorkflowTaskFailedEventAttributes> {
        let failed = |event: &Event| event.event_type() == EventType::WorkflowTaskFailed;
        let events = self.wait_for_event(workflow_id, failed).await?;
        match events.into_iter().next_back().and_then(|event| event.attributes) {
            Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) => Ok(failed),
            other => anyhow::bail!("the last event is no failed task: {other:?}"),
        }
    }

    /// Waits until the workflow's history has an event that the predicate accepts, and gives the history up to it.
    ///
    /// # Errors
    /// When the history cannot be read, or ends without such an event.
    pub async fn wait_for_event(
        &self,
        workflow_id: &str,
        accept: impl Fn(&Event) -> bool,
    ) -> anyhow::Result<Vec<Event>> {
        history::wait_for(&self.client, workflow_id, accept).await
    }

    /// Waits until the newest run of the workflow has so many events of a type, and gives the history up to the last of them.
    ///
    /// # Errors
    /// When the history cannot be read, or ends before.
    pub async fn until(&self, workflow_id: &str, kind: EventType, times: usize) -> anyhow::Result<Vec<Event>> {
        let seen = Cell::new(0);
        let accept = |event: &Event| {
            seen.set(seen.get() + usize::from(event.event_type() == kind));
            seen.get() == times
        };
        self.wait_for_event(workflow_id, accept).await
    }
}

/// Looks again and again, with a pause between, until there is something: for what nobody tells of, such as lists and
/// descriptions.
///
/// # Errors
/// When looking fails.
pub async fn look_until<T, E>(mut look: impl AsyncFnMut() -> Result<Option<T>, E>) -> Result<T, E> {
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
