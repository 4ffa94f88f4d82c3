//! Handlers that workflow code adds while it runs.

use crate::raw_values::RawValues;
use crate::workflow::context::Context;
use crate::workflow::definition::{
    Called, Decode, Dynamic, HandlerOptions, Incoming, Input, Instance, decode, downcast,
};
use crate::workflow::dispatch;
use crate::workflow::error::Result;
use crate::workflow::misuse;
use crate::workflow::stack_trace;
use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use temporal_client::data::{ConversionError, FromPayload, ToPayload};
use temporal_client::definition::One;
use temporal_protos::api::common::v1::Payload;

/// A handler, wherever it comes from.
pub(crate) trait Handle<O> {
    fn options(&self) -> &HandlerOptions;
    fn decode(&self, incoming: Incoming<'_>) -> Result<Input, ConversionError>;
    fn validate(&self, instance: &Instance, context: &Context, input: &dyn Any) -> Result<()>;
    fn call(&self, instance: &Instance, context: &Context, input: Input) -> Called<O>;
}

/// A handler that workflow code added.
pub(crate) struct AddedHandler<O> {
    options: HandlerOptions,
    decode: Decode,
    validate: Option<Validate>,
    call: Box<dyn Fn(&Context, Input) -> Called<O>>,
}

type Validate = Box<dyn Fn(&Context, &dyn Any) -> Result<()>>;

impl<O> AddedHandler<O> {
    fn new(decode: Decode, call: impl Fn(&Context, Input) -> Called<O> + 'static) -> Self {
        Self {
            options: HandlerOptions::default(),
            decode,
            validate: None,
            call: Box::new(call),
        }
    }

    /// The same handler with a look at the input before it. The type is that of what the handler's decoder gives.
    fn validated<T: 'static>(mut self, validate: impl Fn(&Context, &T) -> Result<()> + 'static) -> Self {
        self.validate = Some(Box::new(move |context, input| match input.downcast_ref::<T>() {
            Some(value) => validate(context, value),
            None => Ok(()),
        }));
        self
    }
}

impl<O> Handle<O> for AddedHandler<O> {
    fn options(&self) -> &HandlerOptions {
        &self.options
    }

    fn decode(&self, incoming: Incoming<'_>) -> Result<Input, ConversionError> {
        (self.decode)(incoming)
    }

    fn validate(&self, _: &Instance, context: &Context, input: &dyn Any) -> Result<()> {
        match &self.validate {
            Some(validate) => validate(context, input),
            None => Ok(()),
        }
    }

    fn call(&self, _: &Instance, context: &Context, input: Input) -> Called<O> {
        (self.call)(context, input)
    }
}

/// The added handlers of one kind. The dynamic one has the empty name.
pub(crate) struct AddedTable<O>(RefCell<BTreeMap<Cow<'static, str>, Rc<AddedHandler<O>>>>);

impl<O> Default for AddedTable<O> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<O> AddedTable<O> {
    pub(crate) fn get(&self, name: &str) -> Option<Rc<AddedHandler<O>>> {
        self.0.borrow().get(name).cloned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let handlers = self.0.borrow();
        handlers
            .keys()
            .filter(|name| !name.is_empty())
            .map(ToString::to_string)
            .collect()
    }

    pub(crate) fn options(&self) -> Vec<HandlerOptions> {
        self.0
            .borrow()
            .values()
            .map(|handler| handler.options.clone())
            .collect()
    }

    fn set(&self, name: Cow<'static, str>, mut handler: AddedHandler<O>) {
        handler.options.name.clone_from(&name);
        let before = self.0.borrow_mut().insert(name, Rc::new(handler));
        drop(before);
    }

    fn remove(&self, name: &str) {
        let before = self.0.borrow_mut().remove(name);
        drop(before);
    }

    pub(crate) fn clear(&self) {
        let handlers = self.0.take();
        drop(handlers);
    }
}

impl<O> fmt::Debug for AddedTable<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.borrow().keys()).finish()
    }
}

/// Handlers that are added while the workflow runs, where it is not known before which there are. They take one input of a
/// type, `()`, or with the `dynamic` forms whatever no other handler takes.
///
/// They go before the handlers of the `#[workflow]` block with the same name. Their closures share state as any other:
/// clone an `Rc` into them.
impl Context {
    /// Handles a signal. Signals of this name that came before, when nobody handled them, are handled now.
    ///
    /// ```
    /// # use std::{cell::RefCell, rc::Rc};
    /// # use temporal_sdk::workflow;
    /// # fn example(ctx: &workflow::Context) {
    /// let lines = Rc::new(RefCell::new(Vec::new()));
    /// let kept = Rc::clone(&lines);
    /// ctx.on_signal("line", move |_, line: String| {
    ///     kept.borrow_mut().push(line);
    ///     workflow::Ok(())
    /// });
    /// # }
    /// ```
    pub fn on_signal<T: FromPayload>(
        &self,
        name: impl Into<Cow<'static, str>>,
        handler: impl Fn(&Self, T) -> Result<()> + 'static,
    ) {
        let call = move |context: &Self, input| Called::Now(handler(context, downcast::<T>(input)));
        self.add_signal(
            "on_signal",
            Some(name.into()),
            AddedHandler::new(decode::<One<T>>, call),
        );
    }

    /// Handles a signal with a future.
    pub fn on_signal_async<T: FromPayload, F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        handler: impl Fn(Self, T) -> F + 'static,
    ) where
        F: Future<Output = Result<()>> + 'static,
    {
        let call = move |context: &Self, input| Called::Later(Box::pin(handler(context.clone(), downcast::<T>(input))));
        self.add_signal(
            "on_signal_async",
            Some(name.into()),
            AddedHandler::new(decode::<One<T>>, call),
        );
    }

    /// Handles the signals that no other handler takes.
    pub fn on_any_signal(&self, handler: impl Fn(&Self, String, RawValues) -> Result<()> + 'static) {
        let call = move |context: &Self, input| {
            let (name, values) = downcast::<(String, RawValues)>(input);
            Called::Now(handler(context, name, values))
        };
        self.add_signal("on_any_signal", None, AddedHandler::new(decode::<Dynamic>, call));
    }

    /// Takes a signal handler away that was added. Signals of this name are kept until somebody handles them. The empty name is that of [`on_any_signal`](Self::on_any_signal).
    pub fn remove_signal_handler(&self, name: &str) {
        if self.run().may_act("remove_signal_handler") {
            self.run().handlers.added_signals.remove(name);
        }
    }

    /// Answers a query.
    pub fn on_query<T: FromPayload, O: ToPayload>(
        &self,
        name: impl Into<Cow<'static, str>>,
        handler: impl Fn(&Self, T) -> Result<O> + 'static,
    ) {
        let call = move |context: &Self, input| {
            let answer = handler(context, downcast::<T>(input));
            Called::Now(answer.and_then(|answer| context.encode_result(&answer)))
        };
        let table = &self.run().handlers.added_queries;
        self.add(
            "on_query",
            table,
            Some(name.into()),
            AddedHandler::new(decode::<One<T>>, call),
        );
    }

    /// Answers the queries that no other handler takes.
    pub fn on_any_query<O: ToPayload>(&self, handler: impl Fn(&Self, String, RawValues) -> Result<O> + 'static) {
        let call = move |context: &Self, input| {
            let (name, values) = downcast::<(String, RawValues)>(input);
            Called::Now(handler(context, name, values).and_then(|answer| context.encode_result(&answer)))
        };
        let table = &self.run().handlers.added_queries;
        self.add("on_any_query", table, None, AddedHandler::new(decode::<Dynamic>, call));
    }

    /// Takes a query handler away that was added. The empty name is that of [`on_any_query`](Self::on_any_query).
    pub fn remove_query_handler(&self, name: &str) {
        if self.run().may_act("remove_query_handler") {
            self.run().handlers.added_queries.remove(name);
        }
    }

    /// Handles an update, after a look at it that may reject it before history knows of it. The look cannot act on the
    /// workflow.
    ///
    /// ```
    /// # use temporal_sdk::workflow;
    /// # fn example(ctx: &workflow::Context) {
    /// let check = |_: &workflow::Context, line: &String| match line.as_str() {
    ///     "" => Err("an empty line".into()),
    ///     _ => workflow::Ok(()),
    /// };
    /// ctx.on_validated_update("add", check, |_, line: String| async move { workflow::Ok(line.len()) });
    /// # }
    /// ```
    pub fn on_validated_update<T: FromPayload, O: ToPayload, F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        validate: impl Fn(&Self, &T) -> Result<()> + 'static,
        handler: impl Fn(Self, T) -> F + 'static,
    ) where
        F: Future<Output = Result<O>> + 'static,
    {
        let handler = update(handler).validated::<T>(validate);
        let table = &self.run().handlers.added_updates;
        self.add("on_validated_update", table, Some(name.into()), handler);
    }

    /// Handles an update. [`on_validated_update`](Self::on_validated_update) can also reject it.
    pub fn on_update<T: FromPayload, O: ToPayload, F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        handler: impl Fn(Self, T) -> F + 'static,
    ) where
        F: Future<Output = Result<O>> + 'static,
    {
        let table = &self.run().handlers.added_updates;
        self.add("on_update", table, Some(name.into()), update(handler));
    }

    /// Handles the updates that no other handler takes.
    pub fn on_any_update<O: ToPayload, F>(&self, handler: impl Fn(Self, String, RawValues) -> F + 'static)
    where
        F: Future<Output = Result<O>> + 'static,
    {
        let table = &self.run().handlers.added_updates;
        self.add("on_any_update", table, None, any_update(handler));
    }

    /// Handles the updates that no other handler takes, after a look at them that may reject them: as in
    /// [`on_validated_update`](Self::on_validated_update), it cannot act on the workflow.
    ///
    /// ```
    /// # use temporal_sdk::workflow;
    /// # fn example(ctx: &workflow::Context) {
    /// let check = |_: &workflow::Context, name: &str, _: &workflow::RawValues| match name {
    ///     "add" | "remove" => workflow::Ok(()),
    ///     _ => Err(format!("there is nothing to {name}").into()),
    /// };
    /// ctx.on_any_validated_update(check, |_, name, values| async move {
    ///     let line: String = values.get(0)?;
    ///     workflow::Ok(format!("{name} {line}"))
    /// });
    /// # }
    /// ```
    pub fn on_any_validated_update<O: ToPayload, F>(
        &self,
        validate: impl Fn(&Self, &str, &RawValues) -> Result<()> + 'static,
        handler: impl Fn(Self, String, RawValues) -> F + 'static,
    ) where
        F: Future<Output = Result<O>> + 'static,
    {
        let look = move |context: &Self, input: &(String, RawValues)| validate(context, &input.0, &input.1);
        let handler = any_update(handler).validated::<(String, RawValues)>(look);
        let table = &self.run().handlers.added_updates;
        self.add("on_any_validated_update", table, None, handler);
    }

    /// Takes an update handler away that was added. The empty name is that of [`on_any_update`](Self::on_any_update).
    pub fn remove_update_handler(&self, name: &str) {
        if self.run().may_act("remove_update_handler") {
            self.run().handlers.added_updates.remove(name);
        }
    }

    fn add_signal(&self, call: &str, name: Option<Cow<'static, str>>, handler: AddedHandler<()>) {
        let table = &self.run().handlers.added_signals;
        if self.add(call, table, name.clone(), handler) {
            dispatch::deliver_kept_signals(self.run(), &name.unwrap_or_default());
        }
    }

    /// Adds a handler, under a name or as the dynamic one; `false` when the run has ended.
    fn add<O>(
        &self,
        call: &str,
        table: &AddedTable<O>,
        name: Option<Cow<'static, str>>,
        handler: AddedHandler<O>,
    ) -> bool {
        if !self.run().may_act(call) {
            return false;
        }
        if let Some(name) = &name {
            self.refuse(call, name);
        }
        table.set(name.unwrap_or_default(), handler);
        true
    }

    /// Raises when a handler cannot have this name.
    fn refuse(&self, call: &str, name: &str) {
        let why = match name {
            "" => {
                "a name cannot be empty; `on_any_signal`, `on_any_query` and `on_any_update` handle what no other handler takes"
            }
            stack_trace::QUERY | stack_trace::ENHANCED_QUERY => "this name belongs to Temporal: choose another",
            name if name.starts_with("__temporal_") => {
                "names that begin with `__temporal_` belong to Temporal: choose another"
            }
            _ => return,
        };
        misuse::raise(&format!(
            "{call} was called by {} with the name \"{name}\": {why}",
            self.run().described()
        ));
    }
}

fn update<T: FromPayload, O: ToPayload, F>(handler: impl Fn(Context, T) -> F + 'static) -> AddedHandler<Payload>
where
    F: Future<Output = Result<O>> + 'static,
{
    AddedHandler::new(decode::<One<T>>, move |context, input| {
        later(context, handler(context.clone(), downcast::<T>(input)))
    })
}

fn any_update<O: ToPayload, F>(handler: impl Fn(Context, String, RawValues) -> F + 'static) -> AddedHandler<Payload>
where
    F: Future<Output = Result<O>> + 'static,
{
    AddedHandler::new(decode::<Dynamic>, move |context, input| {
        let (name, values) = downcast::<(String, RawValues)>(input);
        later(context, handler(context.clone(), name, values))
    })
}

/// A handler that goes on, with its result encoded.
fn later<O: ToPayload>(context: &Context, future: impl Future<Output = Result<O>> + 'static) -> Called<Payload> {
    let context = context.clone();
    Called::Later(Box::pin(async move { context.encode_result(&future.await?) }))
}
