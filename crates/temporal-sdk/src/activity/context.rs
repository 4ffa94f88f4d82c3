//! What an activity can ask of the worker that runs it.

use super::{
    Call, CancellationReason, Cancelled, Definition, Error, Executor, Info, Interceptor, Latch, Next, Result,
    TokioExecutor,
};
use crate::RawValues;
use crate::panic;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use temporal_client::Client;
use temporal_client::data::{ConversionError, DataConverter, FromPayload, PayloadConverter, PayloadConverterExt as _};
use temporal_client::definition::{AnyParams, EncodeParams as _, IntoInput};
use temporal_client::protos::api::common::v1::Payload;

tokio::task_local! {
    static CURRENT: Context;
}

/// What an activity can ask of the worker that runs it.
///
/// An activity takes it as its first parameter, `ctx: &activity::Context`. It can be cloned and sent to the tasks and
/// threads that the activity starts.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    info: Info,
    headers: BTreeMap<String, Payload>,
    heartbeat_details: Vec<Payload>,
    client: Option<Client>,
    data_converter: DataConverter,
    executor: Arc<dyn Executor>,
    heartbeats: Box<dyn Fn(Vec<Payload>) + Send + Sync>,
    interceptors: Arc<[Arc<dyn Interceptor>]>,
    cancelled: Arc<Latch<CancellationReason>>,
    shutdown: Arc<Latch<()>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("info", &self.inner.info)
            .field("cancelled", &self.inner.cancelled.get())
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The context of the activity that is running here, in code that was not handed one.
    ///
    /// # Panics
    /// When no activity is running here. Threads and tasks that an activity starts see it only within
    /// [`in_scope`](Self::in_scope) and [`scope`](Self::scope).
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Some(ctx) => ctx,
            None => panic!("no activity is running here: call it from an activity, or within `Context::in_scope`"),
        }
    }

    /// The context of the activity that is running here, if one is.
    #[must_use]
    pub fn try_current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs code of the activity on a thread of its own choice, so that [`current`](Self::current) works in it.
    pub fn in_scope<T>(&self, code: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), code)
    }

    /// Runs a future of the activity in a task of its own choice, so that [`current`](Self::current) works in it.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), future)
    }

    /// Who called the activity, which attempt it is, how much time it has.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.inner.info
    }

    /// The headers that came with the call.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, Payload> {
        &self.inner.headers
    }

    /// The client of the worker.
    ///
    /// # Panics
    /// In a test environment that was given no client.
    #[must_use]
    pub fn client(&self) -> &Client {
        match &self.inner.client {
            Some(client) => client,
            None => panic!("this activity runs in an environment without a client: give it one"),
        }
    }

    /// Tells the server that the activity is alive, and how far it is.
    ///
    /// It returns at once. Of many calls only the newest details are sent, at most once in 80 % of the heartbeat timeout
    /// (in 30 s without one, or the worker's
    /// [`default_heartbeat_throttle_interval`](crate::worker::WorkerBuilder::default_heartbeat_throttle_interval)), but not
    /// less often than once in its
    /// [`max_heartbeat_throttle_interval`](crate::worker::WorkerBuilder::max_heartbeat_throttle_interval), 60 s by default. The
    /// next attempt reads the details with [`heartbeat_details`](Self::heartbeat_details), also those that were not sent
    /// before a failure. Cancellation arrives with the server's answer.
    ///
    /// The details are anything serializable, or several values: `ctx.heartbeat(args![line, offset])`.
    /// In a local activity it does nothing; nor does it once the activity has returned
    /// [`Error::complete_async`](super::Error::complete_async): from then on
    /// [`ActivityHandle::heartbeat`](temporal_client::ActivityHandle::heartbeat) of a client tells the server.
    pub fn heartbeat(&self, details: impl IntoInput<AnyParams>) {
        match AnyParams::encode(&details.into_input(), self.payload_converter()) {
            Ok(payloads) => self.send_heartbeat(payloads),
            Err(error) => {
                let activity_type = &self.inner.info.activity_type;
                tracing::error!(activity_type, %error, "the details of a heartbeat cannot be sent: the heartbeat is left out");
            }
        }
    }

    fn send_heartbeat(&self, mut details: Vec<Payload>) {
        for interceptor in self.inner.interceptors.iter().rev() {
            match interceptor.heartbeat(&self.inner.info, details) {
                Some(changed) => details = changed,
                None => return,
            }
        }
        (self.inner.heartbeats)(details);
    }

    /// Runs one attempt of an activity with this context, inside of the interceptors: for test environments and other
    /// runners of activities.
    ///
    /// # Errors
    /// The activity's own.
    pub async fn execute(&self, definition: &Definition, arguments: Vec<Payload>) -> Result<Payload> {
        let call = Call::new(self.clone(), arguments);
        let next = Next::new(&self.inner.interceptors, definition);
        self.scope(next.run(call)).await
    }

    /// What the last attempt told with its heartbeats; `None` if there was none.
    ///
    /// # Errors
    /// When the details do not hold a `T`.
    pub fn heartbeat_details<T: FromPayload>(&self) -> std::result::Result<Option<T>, ConversionError> {
        self.inner
            .heartbeat_details
            .first()
            .map(|details| self.payload_converter().decode(details.clone()))
            .transpose()
    }

    /// All values of the last attempt's heartbeat, for one that was given several.
    #[must_use]
    pub fn raw_heartbeat_details(&self) -> RawValues {
        RawValues::new(
            self.inner.heartbeat_details.clone(),
            Arc::clone(self.inner.data_converter.payload_converter()),
        )
    }

    /// Whether the activity is to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.get().is_some()
    }

    /// Why the activity is to stop; `None` if it is not.
    #[must_use]
    pub fn cancellation_reason(&self) -> Option<CancellationReason> {
        self.inner.cancelled.get()
    }

    /// Waits until the activity is to stop.
    pub async fn cancelled(&self) -> CancellationReason {
        self.inner.cancelled.wait().await
    }

    /// Blocks the thread until the activity is to stop, or until the time is over (`None`).
    #[must_use]
    pub fn wait_cancelled(&self, timeout: Duration) -> Option<CancellationReason> {
        self.inner.cancelled.wait_blocking(timeout)
    }

    /// Ends the activity here, with `?`, if it is to stop.
    ///
    /// # Errors
    /// When the activity is to stop.
    pub fn check_cancelled(&self) -> std::result::Result<(), Cancelled> {
        match self.inner.cancelled.get() {
            Some(reason) => Err(Cancelled::new(reason)),
            None => Ok(()),
        }
    }

    /// Runs the future until it is ready or the activity is to stop, whichever comes first.
    ///
    /// On cancellation the future is dropped at the await it is at. Code after it, or outside of it, goes on.
    ///
    /// # Errors
    /// When the activity is to stop before the future is ready.
    pub async fn until_cancelled<F: Future>(&self, future: F) -> std::result::Result<F::Output, Cancelled> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            reason = self.cancelled() => Err(Cancelled::new(reason)),
        }
    }

    /// Whether the worker is stopping. The activity still has the worker's graceful shutdown time to end.
    ///
    /// ```
    /// use temporal_sdk::activity;
    ///
    /// #[activity]
    /// fn import(ctx: &activity::Context, lines: Vec<String>) -> activity::Result<usize> {
    ///     let done = ctx.heartbeat_details::<usize>()?.unwrap_or(0);
    ///     for (number, line) in lines.iter().enumerate().skip(done) {
    ///         if ctx.is_worker_shutdown() {
    ///             // Failed in time, it is retried by another worker, which goes on here, and not only after its timeout.
    ///             return Err(format!("the worker stops before line {number}").into());
    ///         }
    ///         // … store the line
    ///         ctx.heartbeat(number + 1);
    ///     }
    ///     Ok(lines.len())
    /// }
    /// ```
    #[must_use]
    pub fn is_worker_shutdown(&self) -> bool {
        self.inner.shutdown.get().is_some()
    }

    /// Waits until the worker is stopping.
    ///
    /// ```
    /// use temporal_sdk::activity;
    ///
    /// #[activity]
    /// async fn listen(ctx: &activity::Context) -> activity::Result<String> {
    ///     tokio::select! {
    ///         message = receive() => Ok(message),
    ///         () = ctx.worker_shutdown() => Err("the worker stops: another one listens".into()),
    ///     }
    /// }
    ///
    /// async fn receive() -> String {
    ///     // …
    /// #   std::future::pending().await
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // In a test:
    /// let env = temporal_testing::ActivityEnvironment::new();
    /// env.worker_shutdown();
    /// let error = env.run(listen, ()).await.unwrap_err();
    /// assert_eq!(error.to_string(), "the worker stops: another one listens");
    /// # }
    /// ```
    pub async fn worker_shutdown(&self) {
        self.inner.shutdown.wait().await;
    }

    /// Blocks the thread until the worker is stopping, or until the time is over; tells which.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use temporal_sdk::activity;
    /// #[activity]
    /// fn watch(ctx: &activity::Context, url: String) -> activity::Result<()> {
    ///     // Looks once a minute, and does not keep a worker that stops.
    ///     while !ctx.wait_worker_shutdown(Duration::from_secs(60)) {
    ///         ctx.check_cancelled()?;
    ///         // … look at the page
    ///         ctx.heartbeat(url.clone());
    ///     }
    ///     Err("the worker stops: another one watches".into())
    /// }
    /// ```
    #[must_use]
    pub fn wait_worker_shutdown(&self, timeout: Duration) -> bool {
        self.inner.shutdown.wait_blocking(timeout).is_some()
    }

    /// Turns values into payloads and back as the worker does.
    #[must_use]
    pub fn payload_converter(&self) -> &dyn PayloadConverter {
        &**self.inner.data_converter.payload_converter()
    }

    /// Runs code that blocks its thread, on the worker's [`Executor`].
    ///
    /// This is what `#[activity]` does with a function that is not async.
    ///
    /// # Errors
    /// The code's own; a failure of type `Panic` if it panics; a failure if the executor takes no job.
    pub fn run_blocking<T, F>(&self, code: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T> + Send + 'static,
    {
        let ctx = self.clone();
        let span = tracing::Span::current();
        async move {
            let executor = Arc::clone(&ctx.inner.executor);
            let (sender, receiver) = tokio::sync::oneshot::channel();
            executor.execute(Box::new(move || {
                let result = span.in_scope(|| panic::catch(|| ctx.in_scope(|| code(&ctx))));
                let result = result.unwrap_or_else(|panic| Err(Error::panicked(&panic)));
                // Nobody waits for it any more when the activity's future was dropped.
                let _ = sender.send(result);
            }))?;
            receiver
                .await
                .unwrap_or_else(|_| Err("the executor dropped the activity's code without running it".into()))
        }
    }

    /// The inputs of a dynamic activity: for generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn dynamic_input(&self, payloads: Vec<Payload>) -> (String, RawValues) {
        let converter = Arc::clone(self.inner.data_converter.payload_converter());
        (
            self.inner.info.activity_type.clone(),
            RawValues::new(payloads, converter),
        )
    }

    /// The parts of a context of an activity that no worker runs: for test environments.
    #[must_use]
    pub fn builder(info: Info) -> ContextBuilder {
        ContextBuilder {
            info,
            headers: BTreeMap::new(),
            heartbeat_details: Vec::new(),
            client: None,
            data_converter: DataConverter::default(),
            executor: Arc::new(TokioExecutor),
            heartbeats: Box::new(|_| {}),
            interceptors: Arc::new([]),
            shutdown: Arc::default(),
        }
    }
}

/// Makes a [`Context`], for a test environment or another runner of activities.
pub struct ContextBuilder {
    info: Info,
    headers: BTreeMap<String, Payload>,
    heartbeat_details: Vec<Payload>,
    client: Option<Client>,
    data_converter: DataConverter,
    executor: Arc<dyn Executor>,
    heartbeats: Box<dyn Fn(Vec<Payload>) + Send + Sync>,
    interceptors: Arc<[Arc<dyn Interceptor>]>,
    shutdown: Arc<Latch<()>>,
}

impl fmt::Debug for ContextBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ContextBuilder")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl ContextBuilder {
    /// The headers of the call; none by default.
    #[must_use]
    pub fn headers(mut self, headers: BTreeMap<String, Payload>) -> Self {
        self.headers = headers;
        self
    }

    /// What the last attempt told with its heartbeats; nothing by default.
    #[must_use]
    pub fn heartbeat_details(mut self, details: Vec<Payload>) -> Self {
        self.heartbeat_details = details;
        self
    }

    /// The client that [`Context::client`] gives; none by default.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// How values are converted; the default converter by default.
    #[must_use]
    pub fn data_converter(mut self, data_converter: DataConverter) -> Self {
        self.data_converter = data_converter;
        self
    }

    /// Where blocking code runs; [`TokioExecutor`] by default.
    #[must_use]
    pub fn executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = executor;
        self
    }

    /// Code around the activity, the outermost first; none by default.
    #[must_use]
    pub fn interceptors(mut self, interceptors: impl Into<Arc<[Arc<dyn Interceptor>]>>) -> Self {
        self.interceptors = interceptors.into();
        self
    }

    /// Called with the details of each heartbeat.
    #[must_use]
    pub fn on_heartbeat(mut self, heartbeats: impl Fn(Vec<Payload>) + Send + Sync + 'static) -> Self {
        self.heartbeats = Box::new(heartbeats);
        self
    }

    /// The worker's own notice of its end, shared by all its activities.
    pub(crate) fn shutdown(mut self, shutdown: Arc<Latch<()>>) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// The context, and what happens to it from outside.
    #[must_use]
    pub fn build(self) -> (Context, Control) {
        let cancelled = Arc::new(Latch::default());
        let control = Control {
            cancelled: Arc::clone(&cancelled),
            requested: Arc::default(),
            shutdown: Arc::clone(&self.shutdown),
        };
        let Self {
            info,
            headers,
            heartbeat_details,
            client,
            data_converter,
            executor,
            heartbeats,
            interceptors,
            shutdown,
        } = self;
        let info = interceptors
            .iter()
            .rev()
            .fold(info, |info, interceptor| interceptor.info(info));
        let inner = Inner {
            info,
            headers,
            heartbeat_details,
            client,
            data_converter,
            executor,
            heartbeats,
            interceptors,
            cancelled,
            shutdown,
        };
        let context = Context { inner: Arc::new(inner) };
        (context, control)
    }
}

/// What happens to a running activity from outside.
#[derive(Debug, Clone)]
pub struct Control {
    cancelled: Arc<Latch<CancellationReason>>,
    /// Whether cancellation was requested, be it after another reason to stop.
    requested: Arc<AtomicBool>,
    shutdown: Arc<Latch<()>>,
}

impl Control {
    /// Tells the activity to stop; the first reason counts.
    pub fn cancel(&self, reason: CancellationReason) {
        if reason == CancellationReason::Requested {
            self.requested.store(true, Ordering::Relaxed);
        }
        self.cancelled.set(reason);
    }

    /// Why the activity stops, for whoever is told of its end: a request goes before other reasons that came first, since
    /// who asked waits to hear of it.
    pub(crate) fn ending_reason(&self) -> Option<CancellationReason> {
        match self.requested.load(Ordering::Relaxed) {
            true => Some(CancellationReason::Requested),
            false => self.cancellation_reason(),
        }
    }

    /// Tells the activity that its worker is stopping.
    pub fn worker_shutdown(&self) {
        self.shutdown.set(());
    }

    /// Why the activity was told to stop, if it was.
    #[must_use]
    pub fn cancellation_reason(&self) -> Option<CancellationReason> {
        self.cancelled.get()
    }
}
