//! What a workflow type is to the worker that hosts it.

use crate::raw_values::RawValues;
use crate::workflow::added::Handle;
use crate::workflow::context::Context;
use crate::workflow::error::Error;
use crate::workflow::executor::LocalBoxFuture;
use crate::workflow::failure_policy::FailurePolicy;
use crate::workflow::guard::Restricted;
use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use temporal_client::data::{ConversionError, PayloadConverter, ToPayload};
use temporal_client::definition::{DecodeParams, WorkflowDefinition};
use temporal_protos::api::common::v1::Payload;

/// A workflow type with its code: implemented by `#[workflow]`.
///
/// # Shared handlers
/// `#[workflow(handlers)]` on a trait makes its methods handlers that several workflows share. What they need of the workflow
/// they get through methods without an attribute, which each workflow provides; `handlers(..)` then adds them to it.
///
/// ```
/// use std::cell::Cell;
/// use temporal_sdk::workflow;
///
/// #[workflow(handlers)]
/// trait Pausable {
///     /// Whether the workflow is paused.
///     fn paused(&self) -> &Cell<bool>;
///
///     #[signal]
///     fn pause(&self) {
///         self.paused().set(true);
///     }
///
///     #[signal]
///     fn resume(&self) {
///         self.paused().set(false);
///     }
///
///     #[query]
///     fn is_paused(&self) -> bool {
///         self.paused().get()
///     }
/// }
///
/// #[derive(Default)]
/// struct Ship {
///     paused: Cell<bool>,
/// }
///
/// impl Pausable for Ship {
///     fn paused(&self) -> &Cell<bool> {
///         &self.paused
///     }
/// }
///
/// #[workflow(handlers(Pausable))]
/// impl Ship {
///     #[run]
///     async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
///         Ok(ctx.wait_condition(|| !self.paused.get()).await?)
///     }
/// }
///
/// // With the trait in scope, callers name them like the workflow's own.
/// assert_eq!(Ship::pause.name(), "pause");
/// ```
/// A handler that the workflow has itself goes before a shared one of the same name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow that a worker can run",
    note = "put `#[workflow]` on its impl block, with one `#[run]` method in it"
)]
pub trait Workflow: WorkflowDefinition + Sized {
    /// Whether it takes the workflow types that no other takes.
    #[doc(hidden)]
    const DYNAMIC: bool = false;

    /// Tells what the type consists of.
    #[doc(hidden)]
    fn register(registration: &mut Registration<Self>);
}

/// What the run method of a workflow, and a handler that can fail, returns: a `Result` under any name, whose error converts
/// into [`workflow::Error`](Error).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a workflow can return",
    label = "expected a `Result`",
    note = "return `workflow::Result<T>`, or any `Result<T, E>` whose error is a `std::error::Error`, an `anyhow::Error` or a `workflow::Error`"
)]
pub trait Returned {
    /// The value when all went well.
    type Output: 'static;

    /// The result.
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Output, Error>;
}

impl<T: 'static, E: Into<Error>> Returned for Result<T, E> {
    type Output = T;

    fn into_result(self) -> Result<T, Error> {
        self.map_err(Into::into)
    }
}

impl Returned for () {
    type Output = ();

    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

/// What becomes of handlers that still run when the workflow ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnfinishedPolicy {
    /// They are dropped with a warning that names them.
    #[default]
    WarnAndAbandon,
    /// They are dropped silently.
    Abandon,
}

/// What a handler is called, and how it is shown and treated.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct HandlerOptions {
    pub name: Cow<'static, str>,
    pub description: Cow<'static, str>,
    pub unfinished_policy: UnfinishedPolicy,
}

const SIGNAL: &str = "signal";
const QUERY: &str = "query";
const UPDATE: &str = "update";

/// An instance of a workflow type.
pub(crate) type Instance = Rc<dyn Any>;
/// Decoded arguments.
pub(crate) type Input = Box<dyn Any>;

/// A handler that was called.
pub(crate) enum Called<O> {
    /// It is done.
    Now(Result<O, Error>),
    /// It goes on.
    Later(LocalBoxFuture<Result<O, Error>>),
}

/// Arguments as they arrived.
pub(crate) struct Incoming<'a> {
    pub(crate) name: &'a str,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) converter: &'a Arc<dyn PayloadConverter>,
}

pub(crate) type Decode = fn(Incoming<'_>) -> Result<Input, ConversionError>;
type Construct = Box<dyn Fn(&Context, Incoming<'_>) -> Result<Instance, ConversionError> + Send + Sync>;
type Run = Box<dyn Fn(Instance, Context, Input) -> LocalBoxFuture<Result<Payload, Error>> + Send + Sync>;
type Validate = Box<dyn Fn(&Instance, &Context, &dyn Any) -> Result<(), Error> + Send + Sync>;
type Call<O> = Box<dyn Fn(&Instance, &Context, Input) -> Called<O> + Send + Sync>;

/// A signal, query or update handler.
pub(crate) struct Handler<O> {
    pub(crate) options: HandlerOptions,
    /// The trait of shared handlers that it comes from.
    pub(crate) shared_by: Option<&'static str>,
    pub(crate) decode: Decode,
    pub(crate) validate: Option<Validate>,
    pub(crate) call: Call<O>,
}

/// The handlers of one kind.
pub(crate) struct HandlerTable<O> {
    pub(crate) named: BTreeMap<Cow<'static, str>, Handler<O>>,
    /// Takes what no other takes.
    pub(crate) dynamic: Option<Handler<O>>,
}

impl<O> Default for HandlerTable<O> {
    fn default() -> Self {
        Self {
            named: BTreeMap::new(),
            dynamic: None,
        }
    }
}

impl<O> HandlerTable<O> {
    /// Adds a handler; an empty name is the dynamic one. What two traits share is told.
    fn add(
        &mut self,
        kind: &'static str,
        shared_by: Option<&'static str>,
        decode: Decode,
        options: HandlerOptions,
        call: Call<O>,
    ) -> Option<SharedTwice> {
        let name = options.name.clone();
        let handler = Handler {
            options,
            shared_by,
            decode,
            validate: None,
            call,
        };
        let before = if name.is_empty() {
            self.dynamic.replace(handler)
        } else {
            self.named.insert(name.clone(), handler)
        };
        let (first, second) = (before?.shared_by?, shared_by?);
        (first != second).then_some(SharedTwice {
            kind,
            name,
            first,
            second,
        })
    }

    /// Whether the workflow has this handler itself.
    fn is_own(&self, name: &str) -> bool {
        let handler = if name.is_empty() {
            self.dynamic.as_ref()
        } else {
            self.named.get(name)
        };
        handler.is_some_and(|handler| handler.shared_by.is_none())
    }
}

impl<O> Handle<O> for Handler<O> {
    fn options(&self) -> &HandlerOptions {
        &self.options
    }

    fn decode(&self, incoming: Incoming<'_>) -> Result<Input, ConversionError> {
        (self.decode)(incoming)
    }

    fn validate(&self, instance: &Instance, context: &Context, input: &dyn Any) -> Result<(), Error> {
        match &self.validate {
            Some(validate) => validate(instance, context, input),
            None => Ok(()),
        }
    }

    fn call(&self, instance: &Instance, context: &Context, input: Input) -> Called<O> {
        (self.call)(instance, context, input)
    }
}

/// A workflow type, its own type forgotten.
pub(crate) struct WorkflowEntry {
    pub(crate) name: Cow<'static, str>,
    /// The Rust type.
    pub(crate) type_name: &'static str,
    pub(crate) decode: Decode,
    pub(crate) construct: Construct,
    pub(crate) run: Run,
    pub(crate) signals: HandlerTable<()>,
    pub(crate) queries: HandlerTable<Payload>,
    pub(crate) updates: HandlerTable<Payload>,
    pub(crate) failures: FailurePolicy,
    /// Whether the guard watches it.
    pub(crate) sandboxed: bool,
    /// The classes of calls that the guard lets through.
    pub(crate) allowed: u8,
}

impl fmt::Debug for WorkflowEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WorkflowEntry")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Collects what a workflow type consists of: for generated code.
#[doc(hidden)]
pub struct Registration<W> {
    construct: Option<Construct>,
    run: Option<(Decode, Run)>,
    signals: HandlerTable<()>,
    queries: HandlerTable<Payload>,
    updates: HandlerTable<Payload>,
    failures: FailurePolicy,
    sandboxed: bool,
    allowed: u8,
    /// The trait of shared handlers that is being told of.
    shared_by: Option<&'static str>,
    shared_twice: Vec<SharedTwice>,
    types: PhantomData<fn(W)>,
}

/// A handler that two traits give a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedTwice {
    pub(crate) kind: &'static str,
    pub(crate) name: Cow<'static, str>,
    pub(crate) first: &'static str,
    pub(crate) second: &'static str,
}

/// Parameters that handlers can have: those known by type, and [`Dynamic`].
#[doc(hidden)]
pub trait Receivable: 'static {
    type Values: 'static;

    fn receive(
        name: &str,
        payloads: Vec<Payload>,
        converter: &Arc<dyn PayloadConverter>,
    ) -> Result<Self::Values, ConversionError>;
}

impl<P: DecodeParams> Receivable for P
where
    <P as temporal_client::definition::Params>::Values: 'static,
{
    type Values = <P as temporal_client::definition::Params>::Values;

    fn receive(
        _: &str,
        payloads: Vec<Payload>,
        converter: &Arc<dyn PayloadConverter>,
    ) -> Result<Self::Values, ConversionError> {
        P::decode(payloads, &**converter)
    }
}

/// The parameters of dynamic handlers: the name called, and the arguments undecoded.
#[doc(hidden)]
#[derive(Debug)]
pub struct Dynamic;

impl Receivable for Dynamic {
    type Values = (String, RawValues);

    fn receive(
        name: &str,
        payloads: Vec<Payload>,
        converter: &Arc<dyn PayloadConverter>,
    ) -> Result<Self::Values, ConversionError> {
        Ok((name.to_owned(), RawValues::new(payloads, Arc::clone(converter))))
    }
}

pub(crate) fn decode<P: Receivable>(incoming: Incoming<'_>) -> Result<Input, ConversionError> {
    Ok(Box::new(P::receive(
        incoming.name,
        incoming.payloads,
        incoming.converter,
    )?))
}

/// The value behind an erased one: each decoder is kept together with the code that takes what it gives.
#[expect(clippy::expect_used, reason = "decode and call are made together, of the same type")]
pub(crate) fn downcast<T: 'static>(value: Input) -> T {
    *value
        .downcast::<T>()
        .expect("a handler is called with what its own decoder gave")
}

#[expect(
    clippy::expect_used,
    reason = "an entry is only used with instances that it constructed"
)]
fn instance<W: 'static>(instance: &Instance) -> Rc<W> {
    Rc::clone(instance)
        .downcast::<W>()
        .expect("a handler is called on an instance of its own workflow")
}

impl<W: Workflow> Registration<W> {
    pub(crate) fn collect(name: Cow<'static, str>) -> Result<WorkflowEntry, SharedTwice> {
        let mut registration = Self {
            construct: None,
            run: None,
            signals: HandlerTable::default(),
            queries: HandlerTable::default(),
            updates: HandlerTable::default(),
            failures: FailurePolicy::default(),
            sandboxed: true,
            allowed: 0,
            shared_by: None,
            shared_twice: Vec::new(),
            types: PhantomData,
        };
        W::register(&mut registration);
        if let Some(twice) = registration.shared_twice() {
            return Err(twice);
        }
        let (construct, (decode, run)) = registration.required();
        Ok(WorkflowEntry {
            name,
            type_name: std::any::type_name::<W>(),
            decode,
            construct,
            run,
            signals: registration.signals,
            queries: registration.queries,
            updates: registration.updates,
            failures: registration.failures,
            sandboxed: registration.sandboxed,
            allowed: registration.allowed,
        })
    }

    /// Takes a handler that two traits give, and that the workflow does not have itself.
    fn shared_twice(&mut self) -> Option<SharedTwice> {
        let own = |twice: &SharedTwice| match twice.kind {
            SIGNAL => self.signals.is_own(&twice.name),
            QUERY => self.queries.is_own(&twice.name),
            _ => self.updates.is_own(&twice.name),
        };
        std::mem::take(&mut self.shared_twice)
            .into_iter()
            .find(|twice| !own(twice))
    }

    /// What follows comes from this trait of shared handlers.
    pub fn shared_by(&mut self, name: &'static str) {
        self.shared_by = Some(name);
    }

    /// What follows is the workflow's own, and goes before what is shared.
    pub fn own(&mut self) {
        self.shared_by = None;
    }

    #[expect(clippy::expect_used, reason = "generated code always tells both")]
    fn required(&mut self) -> (Construct, (Decode, Run)) {
        let construct = self
            .construct
            .take()
            .expect("`Workflow::register` tells how to construct the workflow");
        (
            construct,
            self.run
                .take()
                .expect("`Workflow::register` tells how to run the workflow"),
        )
    }

    /// Errors of this type fail the task.
    pub fn fail_task_on<E: std::error::Error + Send + Sync + 'static>(&mut self) {
        self.failures.fail_task_on::<E>();
    }

    /// Errors of this type fail the workflow.
    pub fn fail_workflow_on<E: std::error::Error + Send + Sync + 'static>(&mut self) {
        self.failures.fail_workflow_on::<E>();
    }

    /// Panics fail the workflow.
    pub fn fail_workflow_on_panic(&mut self) {
        self.failures.panic_fails_workflow = true;
    }

    /// Code that does not fit the history fails the workflow.
    pub fn fail_workflow_on_nondeterminism(&mut self) {
        self.failures.nondeterminism_fails_workflow = true;
    }

    /// The guard does not watch it.
    pub fn unsandboxed(&mut self) {
        self.sandboxed = false;
    }

    /// The guard lets these calls through.
    pub fn allow(&mut self, class: Restricted) {
        self.allowed |= class.bit();
    }

    /// How an instance is made without arguments.
    pub fn construct(&mut self, make: fn(&Context) -> W) {
        self.construct = Some(Box::new(move |context, _| Ok(Rc::new(make(context)))));
    }

    /// How an instance is made of the workflow's arguments.
    pub fn init<P: Receivable>(&mut self, make: fn(&Context, P::Values) -> W) {
        self.construct = Some(Box::new(move |context, incoming| {
            let values = P::receive(incoming.name, incoming.payloads, incoming.converter)?;
            Ok(Rc::new(make(context, values)))
        }));
    }

    /// The run method.
    pub fn run<P: Receivable, T: ToPayload, F>(&mut self, run: fn(Rc<W>, Context, P::Values) -> F)
    where
        F: Future<Output = Result<T, Error>> + 'static,
    {
        let call: Run = Box::new(move |this, context, input| {
            let future = run(instance(&this), context.clone(), downcast::<P::Values>(input));
            Box::pin(async move { context.encode_result(&future.await?) })
        });
        self.run = Some((decode::<P>, call));
    }

    /// A signal handler that is done at once.
    pub fn signal<P: Receivable>(
        &mut self,
        options: HandlerOptions,
        handle: fn(&Rc<W>, &Context, P::Values) -> Result<(), Error>,
    ) {
        let call: Call<()> = Box::new(move |this, context, input| {
            Called::Now(handle(&instance(this), context, downcast::<P::Values>(input)))
        });
        let twice = self.signals.add(SIGNAL, self.shared_by, decode::<P>, options, call);
        self.shared_twice.extend(twice);
    }

    /// An async signal handler.
    pub fn async_signal<P: Receivable, F>(
        &mut self,
        options: HandlerOptions,
        handle: fn(Rc<W>, Context, P::Values) -> F,
    ) where
        F: Future<Output = Result<(), Error>> + 'static,
    {
        let call: Call<()> = Box::new(move |this, context, input| {
            Called::Later(Box::pin(handle(
                instance(this),
                context.clone(),
                downcast::<P::Values>(input),
            )))
        });
        let twice = self.signals.add(SIGNAL, self.shared_by, decode::<P>, options, call);
        self.shared_twice.extend(twice);
    }

    /// A query handler.
    pub fn query<P: Receivable, T: ToPayload>(
        &mut self,
        options: HandlerOptions,
        handle: fn(&Rc<W>, &Context, P::Values) -> Result<T, Error>,
    ) {
        let call: Call<Payload> = Box::new(move |this, context, input| {
            let result = handle(&instance(this), context, downcast::<P::Values>(input));
            Called::Now(result.and_then(|value| context.encode_result(&value)))
        });
        let twice = self.queries.add(QUERY, self.shared_by, decode::<P>, options, call);
        self.shared_twice.extend(twice);
    }

    /// An update handler that is done at once.
    pub fn update<P: Receivable, T: ToPayload>(
        &mut self,
        options: HandlerOptions,
        handle: fn(&Rc<W>, &Context, P::Values) -> Result<T, Error>,
    ) {
        let call: Call<Payload> = Box::new(move |this, context, input| {
            let result = handle(&instance(this), context, downcast::<P::Values>(input));
            Called::Now(result.and_then(|value| context.encode_result(&value)))
        });
        let twice = self.updates.add(UPDATE, self.shared_by, decode::<P>, options, call);
        self.shared_twice.extend(twice);
    }

    /// An async update handler.
    pub fn async_update<P: Receivable, T: ToPayload, F>(
        &mut self,
        options: HandlerOptions,
        handle: fn(Rc<W>, Context, P::Values) -> F,
    ) where
        F: Future<Output = Result<T, Error>> + 'static,
    {
        let call: Call<Payload> = Box::new(move |this, context, input| {
            let future = handle(instance(this), context.clone(), downcast::<P::Values>(input));
            let context = context.clone();
            Called::Later(Box::pin(async move { context.encode_result(&future.await?) }))
        });
        let twice = self.updates.add(UPDATE, self.shared_by, decode::<P>, options, call);
        self.shared_twice.extend(twice);
    }

    /// The validator of an update that was told before; an empty name is the dynamic one.
    pub fn validator<P: Receivable>(
        &mut self,
        update: &str,
        validate: fn(&Rc<W>, &Context, &P::Values) -> Result<(), Error>,
    ) {
        let handler = match update {
            "" => self.updates.dynamic.as_mut(),
            name => self.updates.named.get_mut(name),
        };
        if let Some(handler) = handler {
            handler.validate = Some(Box::new(move |this, context, input| {
                match input.downcast_ref::<P::Values>() {
                    Some(values) => validate(&instance(this), context, values),
                    None => Ok(()),
                }
            }));
        }
    }
}

impl<W> fmt::Debug for Registration<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registration").finish_non_exhaustive()
    }
}
