//! What an activity is to the worker that runs it.

use super::{Context, Error, Result};
use crate::RawValues;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use temporal_client::data::{ConversionError, PayloadConverter, PayloadConverterExt as _, ToPayload};
use temporal_client::definition::{ActivityRef, DecodeParams, Params};
use temporal_client::protos::api::common::v1::Payload;

/// The inputs of an activity as one value: `()`, the one input, or a tuple.
pub type Values<A> = <<A as ActivityRef>::Params as Params>::Values;

/// An activity with its code.
///
/// `#[activity]` implements it for a function. By hand, for a type that holds what the activity needs:
///
/// ```
/// use std::borrow::Cow;
/// use temporal_sdk::activity::{self, Activity, ActivityRef, One};
///
/// struct Greet {
///     greeting: String,
/// }
///
/// impl ActivityRef for Greet {
///     type Params = One<String>;   // or `NoParams`, or `Many<(A, B)>`
///     type Output = String;
///     fn name(&self) -> Cow<'_, str> {
///         "greet".into()
///     }
/// }
///
/// impl Activity for Greet {
///     async fn execute(&self, ctx: &activity::Context, name: String) -> activity::Result<String> {
///         ctx.heartbeat("greeting");
///         Ok(format!("{}, {name}!", self.greeting))
///     }
/// }
/// ```
/// Register it with `.activity(Greet { greeting: "Hello".into() })`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an activity that a worker can run",
    note = "register a function with `#[activity]` on it, a type that implements `Activity`, or `activity::mock(..)`; a value with `#[activities]` goes to `.activities(..)`"
)]
pub trait Activity: ActivityRef<Params: DecodeParams, Output: ToPayload + Send> + Send + Sync + 'static {
    /// Runs one attempt.
    ///
    /// The future is polled on tokio: code that blocks its thread belongs into [`Context::run_blocking`].
    ///
    /// # Errors
    /// Whatever makes the attempt fail.
    fn execute(&self, ctx: &Context, input: Values<Self>) -> impl Future<Output = Result<Self::Output>> + Send;

    /// Whether its code runs on the worker's [`Executor`](super::Executor). By default no.
    fn is_blocking(&self) -> bool {
        false
    }

    /// Whether it takes the calls of every name that is not registered. By default no.
    #[doc(hidden)]
    fn is_dynamic(&self) -> bool {
        false
    }

    /// The inputs of the payloads.
    #[doc(hidden)]
    fn read_input(&self, ctx: &Context, payloads: Vec<Payload>) -> std::result::Result<Values<Self>, ConversionError> {
        Self::Params::decode(payloads, ctx.payload_converter())
    }
}

/// The parameters of a dynamic activity: the name it was called by, and whatever came with the call.
#[doc(hidden)]
#[derive(Debug)]
pub struct DynamicParams(());

impl Params for DynamicParams {
    type Values = (String, RawValues);
}

impl DecodeParams for DynamicParams {
    fn decode(_: Vec<Payload>, _: &dyn PayloadConverter) -> std::result::Result<Self::Values, ConversionError> {
        Err(ConversionError::new(
            "a dynamic activity is told its name by its context",
        ))
    }
}

/// What an activity function returns: `activity::Result<T>`, a `Result` with any error that converts into
/// [`activity::Error`](Error), or nothing.
#[diagnostic::on_unimplemented(
    message = "an activity cannot return `{Self}`",
    label = "write `activity::Result<{Self}>`",
    note = "an activity returns `activity::Result<T>` or a `Result` whose error converts into `activity::Error`"
)]
pub trait ActivityReturn {
    /// What a call of the activity gives.
    type Output;

    /// As the worker wants it.
    ///
    /// # Errors
    /// The activity's own.
    fn into_result(self) -> Result<Self::Output>;
}

impl ActivityReturn for () {
    type Output = ();
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<T, E: Into<Error>> ActivityReturn for std::result::Result<T, E> {
    type Output = T;
    fn into_result(self) -> Result<T> {
        self.map_err(Into::into)
    }
}

/// A value whose methods are activities: implemented by `#[activities]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no activities",
    note = "put `#[activities]` on its impl block and `#[activity]` on methods in it; single activities go to `.activity(..)`"
)]
pub trait Activities: Send + Sync + Sized + 'static {
    /// The activities, all sharing the value.
    fn definitions(shared: Arc<Self>) -> Vec<Definition>;
}

/// What `.activities(..)` takes: a value that has [`Activities`], or an `Arc` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no activities in it",
    note = "a function with `#[activity]` goes to `.activity(..)`; `.activities(..)` takes a value with `#[activities]` on its impl block, or an `Arc` of one"
)]
pub trait ActivitySet {
    /// The activities.
    fn into_definitions(self) -> Vec<Definition>;
}

impl<T: Activities> ActivitySet for T {
    fn into_definitions(self) -> Vec<Definition> {
        T::definitions(Arc::new(self))
    }
}

impl<T: Activities> ActivitySet for Arc<T> {
    fn into_definitions(self) -> Vec<Definition> {
        T::definitions(self)
    }
}

type Run = dyn Fn(Context, Vec<Payload>) -> BoxFuture<'static, Result<Payload>> + Send + Sync;

/// An activity whose types are known only to itself: payloads in, a payload out.
#[derive(Clone)]
pub struct Definition {
    name: Arc<str>,
    /// The Rust type of the activity, or the one whose method it is.
    type_name: &'static str,
    blocking: bool,
    dynamic: bool,
    run: Arc<Run>,
}

impl fmt::Debug for Definition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Definition")
            .field("name", &self.name)
            .field("blocking", &self.blocking)
            .field("dynamic", &self.dynamic)
            .finish_non_exhaustive()
    }
}

impl Definition {
    /// The definition of an activity.
    pub fn new<A: Activity>(activity: A) -> Self {
        let activity = Arc::new(activity);
        Self {
            name: activity.name().into(),
            type_name: std::any::type_name::<A>(),
            blocking: activity.is_blocking(),
            dynamic: activity.is_dynamic(),
            run: Arc::new(move |ctx, payloads| {
                let activity = Arc::clone(&activity);
                async move {
                    let input = activity
                        .read_input(&ctx, payloads)
                        .map_err(|error| Error::bad_input(&ctx, error))?;
                    let output = activity.execute(&ctx, input).await?;
                    encode(&ctx, &output)
                }
                .boxed()
            }),
        }
    }

    /// The name it is registered under; empty for a dynamic activity.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Rust type behind it, for messages.
    pub(crate) fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Whether its code runs on the worker's [`Executor`](super::Executor).
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        self.blocking
    }

    /// Whether it takes the calls of every name that is not registered.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.dynamic
    }

    /// Runs one attempt: for test environments.
    pub fn run(&self, ctx: Context, payloads: Vec<Payload>) -> BoxFuture<'static, Result<Payload>> {
        (self.run)(ctx, payloads)
    }
}

fn encode<T: ToPayload>(ctx: &Context, output: &T) -> Result<Payload> {
    ctx.payload_converter()
        .encode(output)
        .map_err(|error| Error::bad_output(ctx, error))
}

/// For generated code.
#[doc(hidden)]
impl Definition {
    pub fn method<P, O, S>(
        name: &str,
        shared: Arc<S>,
        call: impl for<'a> Fn(&'a Arc<S>, &'a Context, P::Values) -> BoxFuture<'a, Result<O>> + Copy + Send + Sync + 'static,
    ) -> Self
    where
        P: DecodeParams,
        O: ToPayload,
        S: Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            type_name: std::any::type_name::<S>(),
            blocking: false,
            dynamic: false,
            run: Arc::new(move |ctx, payloads| {
                let shared = Arc::clone(&shared);
                async move {
                    let input = decode::<P>(&ctx, payloads)?;
                    let running = call(&shared, &ctx, input);
                    encode(&ctx, &running.await?)
                }
                .boxed()
            }),
        }
    }

    pub fn blocking_method<P, O, S>(
        name: &str,
        shared: Arc<S>,
        call: impl Fn(&Arc<S>, &Context, P::Values) -> Result<O> + Copy + Send + Sync + 'static,
    ) -> Self
    where
        P: DecodeParams,
        O: ToPayload + Send,
        S: Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            type_name: std::any::type_name::<S>(),
            blocking: true,
            dynamic: false,
            run: Arc::new(move |ctx, payloads| {
                let shared = Arc::clone(&shared);
                async move {
                    // Input is read on the executor too: it need not be `Send`, and a large one takes time.
                    let output = ctx
                        .run_blocking(move |ctx| call(&shared, ctx, decode::<P>(ctx, payloads)?))
                        .await?;
                    encode(&ctx, &output)
                }
                .boxed()
            }),
        }
    }

    pub fn dynamic_method<P, O, S>(
        name: &str,
        shared: Arc<S>,
        call: impl for<'a> Fn(&'a Arc<S>, &'a Context, P::Values) -> BoxFuture<'a, Result<O>> + Copy + Send + Sync + 'static,
    ) -> Self
    where
        P: Params<Values = (String, RawValues)>,
        O: ToPayload,
        S: Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            type_name: std::any::type_name::<S>(),
            blocking: false,
            dynamic: true,
            run: Arc::new(move |ctx, payloads| {
                let shared = Arc::clone(&shared);
                async move {
                    let output = call(&shared, &ctx, ctx.dynamic_input(payloads)).await?;
                    encode(&ctx, &output)
                }
                .boxed()
            }),
        }
    }

    pub fn blocking_dynamic_method<P, O, S>(
        name: &str,
        shared: Arc<S>,
        call: impl Fn(&Arc<S>, &Context, P::Values) -> Result<O> + Copy + Send + Sync + 'static,
    ) -> Self
    where
        P: Params<Values = (String, RawValues)>,
        O: ToPayload + Send,
        S: Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            type_name: std::any::type_name::<S>(),
            blocking: true,
            dynamic: true,
            run: Arc::new(move |ctx, payloads| {
                let shared = Arc::clone(&shared);
                async move {
                    let output = ctx
                        .run_blocking(move |ctx| call(&shared, ctx, ctx.dynamic_input(payloads)))
                        .await?;
                    encode(&ctx, &output)
                }
                .boxed()
            }),
        }
    }
}

fn decode<P: DecodeParams>(ctx: &Context, payloads: Vec<Payload>) -> Result<P::Values> {
    P::decode(payloads, ctx.payload_converter()).map_err(|error| Error::bad_input(ctx, error))
}
