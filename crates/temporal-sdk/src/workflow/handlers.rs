//! Signals, queries and updates of one run.

use crate::workflow::context::Context;
use crate::workflow::definition::{Called, Incoming, Instance, UnfinishedPolicy, WorkflowEntry};
use crate::workflow::error::Error;
use crate::workflow::executor::TaskName;
use crate::workflow::metadata;
use crate::workflow::misuse;
use crate::workflow::run::{Phase, Run};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use temporal_client::failure::ApplicationError;
use temporal_core::{QueryRequest, SignalReceived, UpdateReceived};
use temporal_protos::api::common::v1::Payload;

/// The instance of one run, its handlers, and which of them run.
#[derive(Default)]
pub(crate) struct Handlers {
    subject: RefCell<Option<(Arc<WorkflowEntry>, Instance)>>,
    running: RefCell<BTreeMap<u64, Running>>,
    next: Cell<u64>,
}

/// A handler that is not at its end.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) name: TaskName,
    pub(crate) policy: UnfinishedPolicy,
}

impl Handlers {
    pub(crate) fn set_subject(&self, entry: &Arc<WorkflowEntry>, instance: Instance) {
        *self.subject.borrow_mut() = Some((Arc::clone(entry), instance));
    }

    pub(crate) fn subject(&self) -> Option<(Arc<WorkflowEntry>, Instance)> {
        self.subject.borrow().clone()
    }

    pub(crate) fn all_finished(&self) -> bool {
        self.running.borrow().is_empty()
    }

    /// The handlers whose loss is to be warned of.
    pub(crate) fn unfinished(&self) -> Vec<TaskName> {
        let running = self.running.borrow();
        let warned = running
            .values()
            .filter(|running| running.policy == UnfinishedPolicy::WarnAndAbandon);
        warned.map(|running| running.name.clone()).collect()
    }

    pub(crate) fn clear(&self) {
        let subject = self.subject.borrow_mut().take();
        drop(subject);
        self.running.borrow_mut().clear();
    }

    fn begin(&self, name: TaskName, policy: UnfinishedPolicy) -> u64 {
        let key = self.next.get();
        self.next.set(key + 1);
        self.running.borrow_mut().insert(key, Running { name, policy });
        key
    }

    fn end(&self, key: u64) {
        self.running.borrow_mut().remove(&key);
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Handlers")
            .field("running", &self.running.borrow())
            .finish_non_exhaustive()
    }
}

/// Calls the handler of a signal, or starts it. An unknown signal is dropped with a warning.
pub(crate) fn signal(run: &Run, signal: SignalReceived) {
    let Some((entry, instance)) = run.handlers.subject() else {
        return;
    };
    let Some(handler) = entry.signals.find(&signal.name) else {
        tracing::warn!(
            signal = signal.name,
            known = %names(&entry.signals.named),
            "signal dropped: the workflow has no handler of this name"
        );
        return;
    };
    let incoming = Incoming {
        name: &signal.name,
        payloads: signal.arguments,
        converter: run.environment.converter.payload_converter(),
    };
    let input = match (handler.decode)(incoming) {
        Ok(input) => input,
        Err(error) => {
            tracing::error!(signal = signal.name, %error, "signal dropped: its arguments cannot be read");
            return;
        }
    };
    match (handler.call)(&instance, &Context::root(run), input) {
        Called::Now(Ok(())) => {}
        Called::Now(Err(error)) => run.end_with(Err(from_handler("signal", &signal.name, error))),
        Called::Later(future) => {
            let name = TaskName::Signal(signal.name);
            let key = run.handlers.begin(name.clone(), handler.options.unfinished_policy);
            let task_run = Rc::clone(run);
            let task_name = name.clone();
            run.executor.spawn(
                name,
                Box::pin(async move {
                    let result = future.await;
                    task_run.handlers.end(key);
                    if let (Err(error), TaskName::Signal(name)) = (result, task_name) {
                        task_run.end_with(Err(from_handler("signal", &name, error)));
                    }
                }),
            );
        }
    }
}

/// Validates an update, accepts or rejects it, and calls its handler or starts it.
pub(crate) fn update(run: &Run, update: UpdateReceived) -> Result<(), Error> {
    let Some((entry, instance)) = run.handlers.subject() else {
        return Ok(());
    };
    let protocol_id = update.protocol_instance_id;
    let reject = |error: &Error| {
        let failure = error.to_failure(&run.environment.converter);
        run.core.borrow_mut().reject_update(&protocol_id, failure);
    };
    let Some(handler) = entry.updates.find(&update.name) else {
        reject(&unknown("update", &update.name, &entry, &names(&entry.updates.named)));
        return Ok(());
    };
    let incoming = Incoming {
        name: &update.name,
        payloads: update.arguments,
        converter: run.environment.converter.payload_converter(),
    };
    let input = match (handler.decode)(incoming) {
        Ok(input) => input,
        Err(error) => {
            reject(&unreadable("update", &update.name, &error));
            return Ok(());
        }
    };
    let context = Context::root(run).for_update(update.update_id, update.name.clone());
    if update.run_validator
        && let Some(validate) = &handler.validate
    {
        let outcome = in_phase(run, Phase::Validator, || validate(&instance, &context, &*input));
        if let Err(error) = outcome.and_then(|outcome| outcome) {
            reject(&error);
            return Ok(());
        }
    }
    run.core.borrow_mut().accept_update(&protocol_id);
    match (handler.call)(&instance, &context, input) {
        Called::Now(result) => complete_update(run, &protocol_id, &update.name, result),
        Called::Later(future) => {
            let name = TaskName::Update(update.name.clone());
            let key = run.handlers.begin(name.clone(), handler.options.unfinished_policy);
            let task_run = Rc::clone(run);
            let update_name = update.name;
            run.executor.spawn(
                name,
                Box::pin(async move {
                    let result = future.await;
                    task_run.handlers.end(key);
                    if let Err(error) = complete_update(&task_run, &protocol_id, &update_name, result) {
                        misuse::raise_error(error);
                    }
                }),
            );
            Ok(())
        }
    }
}

fn complete_update(run: &Run, protocol_id: &str, name: &str, result: Result<Payload, Error>) -> Result<(), Error> {
    let result = match result {
        Ok(payload) => Ok(Some(payload)),
        Err(error) => {
            let error = from_handler("update", name, error);
            if error.is_task_failure() {
                return Err(error);
            }
            Err(error.to_failure(&run.environment.converter))
        }
    };
    let _ = run.command("update handler", |core| core.complete_update(protocol_id, result));
    Ok(())
}

/// Answers a query.
pub(crate) fn query(run: &Run, query: QueryRequest) {
    let result = answer(run, &query.name, query.arguments);
    let result = match result {
        Ok(payload) => Ok(Some(payload)),
        Err(error) => Err(error.to_failure(&run.environment.converter)),
    };
    run.core.borrow_mut().answer_query(&query.id, result);
}

fn answer(run: &Run, name: &str, arguments: Vec<Payload>) -> Result<Payload, Error> {
    let Some((entry, instance)) = run.handlers.subject() else {
        return Err(ApplicationError::new("the workflow has not begun").into());
    };
    if name == metadata::QUERY {
        return Ok(metadata::answer(run, &entry));
    }
    let Some(handler) = entry.queries.find(name) else {
        let known = names(&entry.queries.named);
        let known = if known.is_empty() {
            metadata::QUERY.to_owned()
        } else {
            format!("{}, {known}", metadata::QUERY)
        };
        return Err(unknown("query", name, &entry, &known));
    };
    let incoming = Incoming {
        name,
        payloads: arguments,
        converter: run.environment.converter.payload_converter(),
    };
    let input = (handler.decode)(incoming).map_err(|error| unreadable("query", name, &error))?;
    let called = in_phase(run, Phase::Query, || {
        // A panic of a query is the caller's to know: the workflow's state is as it was.
        crate::panic::catch(|| misuse::catch(|| (handler.call)(&instance, &Context::root(run), input)))
    })?;
    match called {
        Ok(Ok(Called::Now(result))) => result,
        Ok(Ok(Called::Later(_))) => Err(ApplicationError::new("a query cannot wait").into()),
        Ok(Err(error)) => Err(error),
        Err(panic) => Err(ApplicationError::new(panic.to_string()).kind("Panic").into()),
    }
}

/// Runs code that may only look. What it raises is its error.
fn in_phase<T>(run: &Run, phase: Phase, code: impl FnOnce() -> T) -> Result<T, Error> {
    let before = run.phase();
    run.set_phase(phase);
    let result = misuse::catch(code);
    run.set_phase(before);
    result
}

/// A handler cannot continue the workflow as new.
fn from_handler(kind: &str, name: &str, error: Error) -> Error {
    if error.is_continue_as_new() {
        return Error::task_failure(format!(
            "the handler of {kind} \"{name}\" returned continue_as_new: only the run method can; set a flag in the handler and return it from there"
        ));
    }
    error
}

fn unknown(kind: &str, name: &str, entry: &WorkflowEntry, known: &str) -> Error {
    let known = if known.is_empty() { "none" } else { known };
    ApplicationError::new(format!(
        "workflow \"{}\" has no {kind} handler \"{name}\"; it has: {known}",
        entry.name
    ))
    .kind("UnknownHandler")
    .non_retryable()
    .into()
}

fn unreadable(kind: &str, name: &str, error: &temporal_client::data::ConversionError) -> Error {
    ApplicationError::new(format!("the arguments of {kind} \"{name}\" cannot be read: {error}"))
        .kind("ConversionError")
        .non_retryable()
        .into()
}

fn names<H>(table: &BTreeMap<&'static str, H>) -> String {
    table.keys().copied().collect::<Vec<_>>().join(", ")
}
