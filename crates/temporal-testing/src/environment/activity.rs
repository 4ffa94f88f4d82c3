//! An environment for tests of activities.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use temporal_client::DataConverter;
use temporal_client::data::ToPayload;
use temporal_client::definition::IntoInput;
use temporal_protos::api::common::v1::Payload;
use temporal_sdk::activity::{self, Activity, CancellationReason, Context, Control, Info};

/// Runs activities without a worker and without a server.
///
/// ```
/// use temporal_sdk::activity;
/// use temporal_testing::ActivityEnvironment;
///
/// #[activity]
/// async fn say_hello(ctx: &activity::Context, name: String) -> activity::Result<String> {
///     ctx.heartbeat("greeting");
///     Ok(format!("Hello, {name}! This is attempt {}.", ctx.info().attempt))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let mut env = ActivityEnvironment::new();
/// env.info.attempt = 3;
/// env.on_heartbeat(|details| assert_eq!(details.len(), 1));
/// let greeting = env.run(say_hello, "Rust").await.map_err(activity::Error::into_inner)?;
/// assert_eq!(greeting, "Hello, Rust! This is attempt 3.");
/// # Ok(())
/// # }
/// ```
pub struct ActivityEnvironment {
    /// What the activity is told of itself; it may be changed before each run.
    pub info: Info,
    data_converter: DataConverter,
    heartbeat_details: Vec<Payload>,
    on_heartbeat: Arc<dyn Fn(Vec<Payload>) + Send + Sync>,
    outside: Mutex<Outside>,
}

/// What happens to activities from outside, those that run and those that will.
#[derive(Default)]
struct Outside {
    running: Vec<Control>,
    cancelled: Option<CancellationReason>,
    worker_shutdown: bool,
}

impl Default for ActivityEnvironment {
    fn default() -> Self {
        Self::new()
    }
}

impl ActivityEnvironment {
    /// An environment with the default [`Info`]: the first attempt of an activity of a workflow.
    #[must_use]
    pub fn new() -> Self {
        ActivityEnvironment {
            info: Info::default(),
            data_converter: DataConverter::default(),
            heartbeat_details: Vec::new(),
            on_heartbeat: Arc::new(|_| {}),
            outside: Mutex::default(),
        }
    }

    /// Calls a function with the payloads of each heartbeat.
    pub fn on_heartbeat(&mut self, heartbeats: impl Fn(Vec<Payload>) + Send + Sync + 'static) {
        self.on_heartbeat = Arc::new(heartbeats);
    }

    /// What the attempt before told with its last heartbeat. Default: nothing.
    ///
    /// # Errors
    /// When the value cannot be converted.
    pub fn heartbeat_details(&mut self, details: &impl ToPayload) -> Result<(), activity::ConversionError> {
        use temporal_client::data::PayloadConverterExt as _;
        self.heartbeat_details = vec![self.data_converter.payload_converter().encode(details)?];
        Ok(())
    }

    /// How values are converted. Default: the default converter.
    pub fn data_converter(&mut self, converter: DataConverter) {
        self.data_converter = converter;
    }

    /// Requests cancellation of the activities that run, and of those run later.
    pub fn cancel(&self) {
        self.cancel_because(CancellationReason::Requested);
    }

    /// Tells the activities that run, and those run later, to stop, for a reason.
    pub fn cancel_because(&self, reason: CancellationReason) {
        let mut outside = self.outside.lock();
        outside.cancelled.get_or_insert(reason);
        for control in &outside.running {
            control.cancel(reason);
        }
    }

    /// Tells the activities that run, and those run later, that their worker stops.
    pub fn worker_shutdown(&self) {
        let mut outside = self.outside.lock();
        outside.worker_shutdown = true;
        for control in &outside.running {
            control.worker_shutdown();
        }
    }

    /// Runs an activity: one attempt, with its typed input and output.
    ///
    /// # Errors
    /// The activity's own.
    pub async fn run<A: Activity>(&self, activity: A, input: impl IntoInput<A::Params>) -> activity::Result<A::Output> {
        let mut info = self.info.clone();
        if info.activity_type == Info::default().activity_type {
            info.activity_type = activity.name().into_owned();
        }
        let context = self.context_with(info);
        context.scope(activity.execute(&context, input.into_input())).await
    }

    /// Runs any code as if it were an activity: [`Context::current`] gives it its context.
    pub async fn scope<F: Future>(&self, code: F) -> F::Output {
        self.context().scope(code).await
    }

    /// A context, to call an activity's method with.
    #[must_use]
    pub fn context(&self) -> Context {
        self.context_with(self.info.clone())
    }

    fn context_with(&self, info: Info) -> Context {
        let on_heartbeat = Arc::clone(&self.on_heartbeat);
        let (context, control) = Context::builder(info)
            .data_converter(self.data_converter.clone())
            .heartbeat_details(self.heartbeat_details.clone())
            .on_heartbeat(move |details| on_heartbeat(details))
            .build();
        let mut outside = self.outside.lock();
        if let Some(reason) = outside.cancelled {
            control.cancel(reason);
        }
        if outside.worker_shutdown {
            control.worker_shutdown();
        }
        outside.running.push(control);
        context
    }
}
