//! What callers know of workflows and activities: names and types.
//!
//! The macros of `temporal-sdk` implement these traits; [`workflow_named`] and its siblings give the untyped forms.

mod input;
mod params;

pub use input::{IntoInput, args};
pub use params::{AnyParams, Args, DecodeParams, EncodeParams, Many, NoParams, One, Params};

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A workflow type as its callers see it: `WorkflowHandle<W>` is typed by it.
///
/// What `#[workflow]` writes, by hand:
///
/// ```
/// use temporal_client::definition::{One, RunMarker, WorkflowDefinition};
///
/// struct SayHello;
///
/// impl WorkflowDefinition for SayHello {
///     type Params = One<String>;
///     type Output = String;
///     const NAME: &'static str = "SayHello";
/// }
///
/// #[allow(non_upper_case_globals)]
/// impl SayHello {
///     const run: RunMarker<Self> = RunMarker::new("SayHello");
/// }
/// ```
pub trait WorkflowDefinition: 'static {
    /// The parameters of its run method: [`NoParams`], [`One`], [`Many`] or [`AnyParams`].
    type Params: Params;
    /// What it returns.
    type Output: 'static;
    /// Its registered name; empty for [`Untyped`] and dynamic workflows.
    const NAME: &'static str;
}

/// Something that names a workflow type to start: `SayHello::run`, or [`workflow_named`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a workflow",
    note = "write the run method of a `#[workflow]` type (`SayHello::run`) or `workflow::named::<Output>(\"SayHello\")`"
)]
pub trait WorkflowRef {
    /// The workflow type.
    type Workflow: WorkflowDefinition;
    /// The name to send.
    fn name(&self) -> Cow<'_, str>;

    /// The same workflow under the name that the worker registers it with, where that is not its own:
    /// `Collects::<u64>::run.with_name("CollectsNumbers")`.
    fn with_name(self, name: impl Into<Cow<'static, str>>) -> Renamed<Self>
    where
        Self: Sized,
    {
        Renamed {
            workflow: PhantomData,
            name: name.into(),
        }
    }
}

/// A workflow under another name: [`WorkflowRef::with_name`].
pub struct Renamed<R> {
    workflow: PhantomData<fn() -> R>,
    name: Cow<'static, str>,
}

impl<R: WorkflowRef> WorkflowRef for Renamed<R> {
    type Workflow = R::Workflow;

    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }
}

impl<R> Clone for Renamed<R> {
    fn clone(&self) -> Self {
        Self {
            workflow: PhantomData,
            name: self.name.clone(),
        }
    }
}

impl<R> fmt::Debug for Renamed<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Renamed").field(&self.name).finish()
    }
}

/// Something that names a signal of `W`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a signal of `{W}`",
    note = "write a `#[signal]` method of the handle's own workflow (`MyWorkflow::my_signal`) or `signal_named(\"my_signal\")`"
)]
pub trait SignalRef<W> {
    /// Its parameters.
    type Params: Params;
    /// The name to send.
    fn name(&self) -> Cow<'_, str>;
}

/// Something that names a query of `W`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query of `{W}`",
    note = "write a `#[query]` method of the handle's own workflow (`MyWorkflow::my_query`) or `query_named::<Output>(\"my_query\")`"
)]
pub trait QueryRef<W> {
    /// Its parameters.
    type Params: Params;
    /// What it answers.
    type Output: 'static;
    /// The name to send.
    fn name(&self) -> Cow<'_, str>;
}

/// Something that names an update of `W`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an update of `{W}`",
    note = "write an `#[update]` method of the handle's own workflow (`MyWorkflow::my_update`) or `update_named::<Output>(\"my_update\")`"
)]
pub trait UpdateRef<W> {
    /// Its parameters.
    type Params: Params;
    /// What it answers.
    type Output: 'static;
    /// The name to send.
    fn name(&self) -> Cow<'_, str>;
}

/// Something that names an activity type: `say_hello`, `Payments::charge`, or [`activity_named`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an activity",
    note = "write an `#[activity]` function (`say_hello`), a method of an `#[activities]` type (`Payments::charge`) or `activity::named::<Output>(\"say_hello\")`"
)]
pub trait ActivityRef {
    /// Its parameters.
    type Params: Params;
    /// What it returns.
    type Output: 'static;
    /// The name to send.
    fn name(&self) -> Cow<'_, str>;
}

macro_rules! marker {
    ($(#[$doc:meta])* $name:ident<$($parameter:ident),*>) => {
        $(#[$doc])*
        pub struct $name<$($parameter),*> {
            name: &'static str,
            types: PhantomData<fn() -> ($($parameter,)*)>,
        }

        impl<$($parameter),*> $name<$($parameter),*> {
            /// Names it: for generated code.
            #[must_use]
            pub const fn new(name: &'static str) -> Self {
                Self { name, types: PhantomData }
            }

            /// The registered name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                self.name
            }
        }

        impl<$($parameter),*> Clone for $name<$($parameter),*> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($parameter),*> Copy for $name<$($parameter),*> {}

        impl<$($parameter),*> fmt::Debug for $name<$($parameter),*> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({:?})", stringify!($name), self.name)
            }
        }
    };
}

marker!(
    /// `MyWorkflow::run`: the marker of a workflow type's run method.
    RunMarker<W>
);
marker!(
    /// `MyWorkflow::my_signal`: the marker of a signal of `W` with parameters `P`.
    SignalMarker<W, P>
);
marker!(
    /// `MyWorkflow::my_query`: the marker of a query of `W` with parameters `P` and answer `O`.
    QueryMarker<W, P, O>
);
marker!(
    /// `MyWorkflow::my_update`: the marker of an update of `W` with parameters `P` and answer `O`.
    UpdateMarker<W, P, O>
);
marker!(
    /// `Payments::charge`: the marker of an activity method with parameters `P` and result `O`.
    ActivityMarker<P, O>
);

impl<W: WorkflowDefinition> WorkflowRef for RunMarker<W> {
    type Workflow = W;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.name)
    }
}

impl<W, P: Params> SignalRef<W> for SignalMarker<W, P> {
    type Params = P;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.name)
    }
}

impl<W, P: Params, O: 'static> QueryRef<W> for QueryMarker<W, P, O> {
    type Params = P;
    type Output = O;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.name)
    }
}

impl<W, P: Params, O: 'static> UpdateRef<W> for UpdateMarker<W, P, O> {
    type Params = P;
    type Output = O;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.name)
    }
}

impl<P: Params, O: 'static> ActivityRef for ActivityMarker<P, O> {
    type Params = P;
    type Output = O;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.name)
    }
}

/// Any workflow that returns `O`, of no type known here: `WorkflowHandle<Untyped<O>>`.
pub struct Untyped<O>(PhantomData<fn() -> O>);

impl<O: 'static> WorkflowDefinition for Untyped<O> {
    type Params = AnyParams;
    type Output = O;
    const NAME: &'static str = "";
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $(#[$function_doc:meta])* $function:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<O> {
            name: Cow<'static, str>,
            output: PhantomData<fn() -> O>,
        }

        $(#[$function_doc])*
        pub fn $function<O>(name: impl Into<Cow<'static, str>>) -> $name<O> {
            $name { name: name.into(), output: PhantomData }
        }
    };
}

named!(
    /// A workflow type by name.
    NamedWorkflow,
    /// A workflow type by its name: any input, output `O` (`temporal_sdk::workflow::named`).
    workflow_named
);
named!(
    /// A query by name.
    NamedQuery,
    /// A query by its name: any input, answer `O`.
    query_named
);
named!(
    /// An update by name.
    NamedUpdate,
    /// An update by its name: any input, answer `O`.
    update_named
);
named!(
    /// An activity type by name.
    NamedActivity,
    /// An activity type by its name: any input, result `O` (`temporal_sdk::activity::named`).
    activity_named
);

/// A signal by name.
#[derive(Debug, Clone)]
pub struct NamedSignal(Cow<'static, str>);

/// A signal by its name: any input.
pub fn signal_named(name: impl Into<Cow<'static, str>>) -> NamedSignal {
    NamedSignal(name.into())
}

impl<O: 'static> WorkflowRef for NamedWorkflow<O> {
    type Workflow = Untyped<O>;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }
}

impl<W> SignalRef<W> for NamedSignal {
    type Params = AnyParams;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

impl<W, O: 'static> QueryRef<W> for NamedQuery<O> {
    type Params = AnyParams;
    type Output = O;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }
}

impl<W, O: 'static> UpdateRef<W> for NamedUpdate<O> {
    type Params = AnyParams;
    type Output = O;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }
}

impl<O: 'static> ActivityRef for NamedActivity<O> {
    type Params = AnyParams;
    type Output = O;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }
}
