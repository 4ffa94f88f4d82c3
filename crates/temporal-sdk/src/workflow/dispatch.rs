//! Signals, queries and updates, from their arrival to their handlers.

use crate::panic;
use crate::workflow::borrow;
use crate::workflow::context::Context;
use crate::workflow::definition::{Called, Incoming, Input};
use crate::workflow::error::{Error, Result};
use crate::workflow::executor::{LocalBoxFuture, TaskName};
use crate::workflow::guard;
use crate::workflow::handlers::{Found, Subject};
use crate::workflow::interceptor::{Call, Interceptor, Next};
use crate::workflow::metadata;
use crate::workflow::misuse;
use crate::workflow::run::{Phase, Run};
use crate::workflow::stack_trace;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::task::Poll;
use temporal_client::data::ConversionError;
use temporal_client::failure::ApplicationError;
use temporal_core::{QueryRequest, SignalReceived, UpdateReceived};
use temporal_protos::api::common::v1::Payload;

/// Calls the handler of a signal, or starts it. A signal that nobody handles is kept, with a warning.
pub(crate) fn signal(run: &Run, signal: SignalReceived) {
    let Some(subject) = run.handlers.subject() else { return };
    let Some(found) = Found::find(&run.handlers.added_signals, &subject.entry.signals, &signal.name) else {
        keep(run, &subject, signal);
        return;
    };
    let policy = found.handler().options().unfinished_policy;
    let SignalReceived {
        name,
        arguments,
        header,
        ..
    } = signal;
    let context = Context::root(run);
    let future = if run.environment.interceptors.is_empty() {
        let called = run.handlers.call(
            || format!("the handler of signal \"{name}\""),
            || call_signal(&found, &subject, &context, &name, arguments),
        );
        match called {
            Called::Now(Ok(())) => return,
            Called::Now(Err(error)) => return signal_failed(run, &name, error),
            Called::Later(future) => future,
        }
    } else {
        intercepted_signal(run, Call::new(context, name.clone(), arguments, header))
    };
    let task_name = TaskName::Signal(name.clone());
    let key = run.handlers.begin(task_name.clone(), policy);
    let task_run = Rc::clone(run);
    let task = async move {
        let result = future.await;
        task_run.handlers.end(key);
        if let Err(error) = result {
            signal_failed(&task_run, &name, error);
        }
    };
    start_handler(run, task_name, Box::pin(task));
}

/// Keeps a signal that nobody handles.
fn keep(run: &Run, subject: &Subject, signal: SignalReceived) {
    tracing::warn!(
        signal = signal.name,
        known = names(subject.entry.signals.named.keys(), run.handlers.added_signals.names()),
        "the workflow has no handler of this signal: it is kept until one is added with ctx.on_signal; if it is one of a trait of shared handlers, name the trait in `#[workflow(handlers(..))]`"
    );
    run.handlers.kept_signals.borrow_mut().push_back(signal);
}

/// A signal handler failed, and the workflow with it; but what its own cancellation did to the handler is not the handler's to
/// decide: the run method is still to clean up.
fn signal_failed(run: &Run, name: &str, error: Error) {
    if !(error.is_cancelled() && run.root.is_cancelled()) {
        run.end_with(Err(from_handler(run, HandlerKind::Signal, name, error)));
    }
}

/// Delivers the signals of a name that were kept; the empty name is that of all.
pub(crate) fn deliver_kept_signals(run: &Run, name: &str) {
    let kept = std::mem::take(&mut *run.handlers.kept_signals.borrow_mut());
    let (now, later): (Vec<_>, Vec<_>) = kept.into_iter().partition(|kept| name.is_empty() || kept.name == name);
    run.handlers.kept_signals.borrow_mut().extend(later);
    for kept in now {
        signal(run, kept);
    }
}

fn call_signal(
    found: &Found<'_, ()>,
    subject: &Subject,
    context: &Context,
    name: &str,
    arguments: Vec<Payload>,
) -> Called<()> {
    match found.handler().decode(incoming(context.run(), name, arguments)) {
        Ok(input) => found.handler().call(&subject.instance, context, input),
        Err(error) => {
            // Who sent it cannot be told, and the workflow is not to blame.
            tracing::error!(signal = name, %error, "signal dropped: its arguments cannot be read");
            Called::Now(Ok(()))
        }
    }
}

fn intercepted_signal(run: &Run, call: Call) -> LocalBoxFuture<Result<()>> {
    let run = Rc::clone(run);
    Box::pin(async move {
        let code = |call: Call| -> LocalBoxFuture<Result<()>> {
            let (context, name) = (call.context().clone(), call.name().to_owned());
            Box::pin(async move {
                let run = context.run();
                let Some(subject) = run.handlers.subject() else {
                    return Ok(());
                };
                let found = Found::find(&run.handlers.added_signals, &subject.entry.signals, &name);
                let Some(found) = found else {
                    // It was taken away meanwhile.
                    keep(run, &subject, call.into_signal());
                    return Ok(());
                };
                done(call_signal(&found, &subject, &context, &name, call.into_arguments())).await
            })
        };
        let around = <dyn Interceptor as Interceptor>::signal;
        Next::new(&run.environment.interceptors, around, code).run(call).await
    })
}

/// What a handler within interceptors gives. One that is async begins when its turn comes, as it does without them.
async fn done<O>(called: Called<O>) -> Result<O> {
    match called {
        Called::Now(result) => result,
        Called::Later(future) => {
            let mut its_turn = false;
            std::future::poll_fn(|context| {
                if std::mem::replace(&mut its_turn, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            future.await
        }
    }
}

/// Starts a handler's task: at the end of the queue when it is the handler's own; in place with interceptors around it, where
/// the handler still is to be called.
fn start_handler(run: &Run, name: TaskName, task: LocalBoxFuture<()>) {
    if run.environment.interceptors.is_empty() {
        run.executor.spawn(name, task);
    } else {
        run.executor.begin(name, task);
    }
}

/// Updates that came before the run method and that nobody handled then: it may have added their handlers when it was first
/// polled.
pub(crate) fn deliver_early_updates(run: &Run) -> Result<()> {
    loop {
        let next = run.handlers.early_updates.borrow_mut().pop_front();
        let Some(next) = next else { return Ok(()) };
        update(run, next)?;
        run.executor.run_until_blocked();
    }
}

/// Validates an update, accepts or rejects it, and calls its handler or starts it.
pub(crate) fn update(run: &Run, update: UpdateReceived) -> Result<()> {
    let Some(subject) = run.handlers.subject() else {
        return Ok(());
    };
    let Some(found) = Found::find(&run.handlers.added_updates, &subject.entry.updates, &update.name) else {
        if run.is_before_run_method() {
            run.handlers.early_updates.borrow_mut().push_back(update);
        } else {
            let known = names(subject.entry.updates.named.keys(), run.handlers.added_updates.names());
            let error = unknown("update", &update.name, &subject, &known);
            reject(run, &update.protocol_instance_id, &error);
        }
        return Ok(());
    };
    let UpdateReceived {
        protocol_instance_id: protocol_id,
        update_id,
        name,
        arguments,
        header,
        run_validator,
        ..
    } = update;
    let context = Context::root(run).for_update(update_id, name.clone());
    let call = Call::new(context.clone(), name.clone(), arguments, header);
    // Interceptors may change the arguments before anything reads them.
    let input = if run.environment.interceptors.is_empty() {
        decode_update(run, &found, &call).map(Some)
    } else {
        Ok(None)
    };
    let input = input.and_then(|input| {
        if run_validator {
            validate(run, &found, &subject, &call, input.as_ref())?;
        }
        Ok(input)
    });
    let input = match input {
        Ok(input) => input,
        Err(error) => {
            reject(run, &protocol_id, &error);
            return Ok(());
        }
    };
    run.core.borrow_mut().accept_update(&protocol_id);
    let future = if let Some(input) = input {
        let called = run.handlers.call(
            || format!("the handler of update \"{name}\""),
            || found.handler().call(&subject.instance, &context, input),
        );
        match called {
            Called::Now(result) => return complete_update(run, &protocol_id, &name, result),
            Called::Later(future) => future,
        }
    } else {
        intercepted_update(run, call)
    };
    let task_name = TaskName::Update(name.clone());
    let policy = found.handler().options().unfinished_policy;
    let key = run.handlers.begin(task_name.clone(), policy);
    let task_run = Rc::clone(run);
    let task = async move {
        let result = future.await;
        task_run.handlers.end(key);
        if let Err(error) = complete_update(&task_run, &protocol_id, &name, result) {
            misuse::raise_error(error);
        }
    };
    start_handler(run, task_name, Box::pin(task));
    Ok(())
}

fn reject(run: &Run, protocol_id: &str, error: &Error) {
    let failure = error.to_failure(&run.environment.converter);
    run.core.borrow_mut().reject_update(protocol_id, failure);
}

fn decode_update(run: &Run, found: &Found<'_, Payload>, call: &Call) -> Result<Input> {
    found
        .handler()
        .decode(incoming(run, call.name(), call.arguments().to_vec()))
        .map_err(|error| unreadable("update", call.name(), &error))
}

fn validate(
    run: &Run,
    found: &Found<'_, Payload>,
    subject: &Subject,
    call: &Call,
    input: Option<&Input>,
) -> Result<()> {
    let what = || format!("the validator of update \"{}\"", call.name());
    let result = read_only(run, Phase::Validator, what, || {
        let mut call = call.clone();
        for interceptor in &run.environment.interceptors {
            interceptor.validate_update(&mut call)?;
        }
        let validate = |input: &Input| found.handler().validate(&subject.instance, call.context(), &**input);
        match input {
            Some(input) => validate(input),
            None => validate(&decode_update(run, found, &call)?),
        }
    });
    result.map_err(|error| from_handler(run, HandlerKind::Validator, call.name(), error))
}

fn intercepted_update(run: &Run, call: Call) -> LocalBoxFuture<Result<Payload>> {
    let run = Rc::clone(run);
    Box::pin(async move {
        let code = |call: Call| -> LocalBoxFuture<Result<Payload>> {
            let context = call.context().clone();
            Box::pin(async move {
                let run = context.run();
                let (Some(subject), name) = (run.handlers.subject(), call.name()) else {
                    return Err(Error::task_failure("the workflow has not begun"));
                };
                let found = Found::find(&run.handlers.added_updates, &subject.entry.updates, name);
                let found = found.ok_or_else(|| unknown("update", name, &subject, ""))?;
                let input = decode_update(run, &found, &call)?;
                done(found.handler().call(&subject.instance, &context, input)).await
            })
        };
        let around = <dyn Interceptor as Interceptor>::update;
        Next::new(&run.environment.interceptors, around, code).run(call).await
    })
}

fn complete_update(run: &Run, protocol_id: &str, name: &str, result: Result<Payload>) -> Result<()> {
    let result = match result {
        Ok(payload) => Ok(Some(payload)),
        Err(error) => {
            let error = run.judged(from_handler(run, HandlerKind::Update, name, error));
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
    let QueryRequest {
        id,
        name,
        arguments,
        header,
    } = query;
    let call = Call::new(Context::root(run), name, arguments, header);
    let (result, found) = guard::watch(run.restricted(), &run.environment.restrictions, || answer(run, call));
    guard::warn_of_overflow(&run.info.workflow_type, &found);
    let result = match found.refused {
        Some(call) => {
            let message = guard::explain(&run.info.workflow_type, &run.info.workflow_id, &call);
            Err(ApplicationError::new(message).kind("Restricted").into())
        }
        None => result,
    };
    let result = match result {
        Ok(payload) => Ok(Some(payload)),
        Err(error) => Err(error.to_failure(&run.environment.converter)),
    };
    run.core.borrow_mut().answer_query(&id, result);
}

fn answer(run: &Run, mut call: Call) -> Result<Payload> {
    let Some(subject) = run.handlers.subject() else {
        return Err(ApplicationError::new("the workflow has not begun").into());
    };
    if call.name() == metadata::QUERY {
        return Ok(metadata::answer(run, &subject.entry));
    }
    if call.name() == stack_trace::QUERY {
        return stack_trace::answer(run);
    }
    if call.name() == stack_trace::ENHANCED_QUERY {
        return Ok(stack_trace::enhanced(run));
    }
    let called = call.name().to_owned();
    let what = || format!("query \"{called}\"");
    let result = read_only(run, Phase::Query, what, || {
        let interceptors = &run.environment.interceptors;
        let mut entered = 0;
        let refused = interceptors.iter().find_map(|interceptor| {
            let refused = interceptor.query(&mut call).err();
            entered += usize::from(refused.is_none());
            refused
        });
        let answer = match refused {
            Some(error) => Err(error),
            None => handled_query(run, &subject, &call),
        };
        let inside_out = interceptors[..entered].iter().rev();
        inside_out.fold(answer, |answer, interceptor| interceptor.query_answered(&call, answer))
    });
    result.map_err(|error| from_handler(run, HandlerKind::Query, &called, error))
}

fn handled_query(run: &Run, subject: &Subject, call: &Call) -> Result<Payload> {
    let (context, name) = (call.context().clone(), call.name().to_owned());
    let Some(found) = Found::find(&run.handlers.added_queries, &subject.entry.queries, &name) else {
        let mut known = run.handlers.added_queries.names();
        known.extend([metadata::QUERY.to_owned(), stack_trace::QUERY.to_owned()]);
        return Err(unknown(
            "query",
            &name,
            subject,
            &names(subject.entry.queries.named.keys(), known),
        ));
    };
    let input = found
        .handler()
        .decode(incoming(run, &name, call.arguments().to_vec()))
        .map_err(|error| unreadable("query", &name, &error))?;
    match found.handler().call(&subject.instance, &context, input) {
        Called::Now(result) => result,
        Called::Later(_) => Err(ApplicationError::new("a query cannot wait").into()),
    }
}

/// Runs code that may only look. What it raises is its error, and so is its panic: whoever called is to know, and the
/// workflow's state is as it was.
fn read_only<T>(run: &Run, phase: Phase, what: impl FnOnce() -> String, code: impl FnOnce() -> Result<T>) -> Result<T> {
    let _phase = run.in_phase(phase);
    match panic::catch(|| misuse::catch(|| run.handlers.call(what, code))) {
        Ok(Ok(result)) => result,
        Ok(Err(raised)) => {
            run.handlers.calling.take();
            Err(raised)
        }
        Err(panic) => {
            let text = format!("{panic}{}", borrow::hint(run, &panic.message));
            run.handlers.calling.take();
            Err(ApplicationError::new(text).kind("Panic").into())
        }
    }
}

fn incoming<'a>(run: &'a Run, name: &'a str, payloads: Vec<Payload>) -> Incoming<'a> {
    Incoming {
        name,
        payloads,
        converter: run.environment.converter.payload_converter(),
    }
}

/// What returns an error to [`from_handler`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandlerKind {
    Signal,
    Query,
    Update,
    Validator,
}

/// A handler cannot continue the workflow as new.
fn from_handler(run: &Run, kind: HandlerKind, name: &str, error: Error) -> Error {
    if !error.is_continue_as_new() {
        return error;
    }
    let (what, remedy) = match kind {
        HandlerKind::Signal => ("the handler of signal", IN_HANDLER),
        HandlerKind::Update => ("the handler of update", IN_HANDLER),
        HandlerKind::Validator => (
            "the validator of update",
            "and a validator may only read state; set a flag in the update's handler and return it from there",
        ),
        HandlerKind::Query => (
            "the handler of query",
            "and a query may only read state; set a flag in a signal or an update and return it from there",
        ),
    };
    let text = format!(
        "{what} \"{name}\" of {} returned continue_as_new: only the run method can, {remedy}",
        run.described()
    );
    Error::task_failure(text)
}

const IN_HANDLER: &str = "so set a flag in the handler and return it from there";

fn unknown(kind: &str, name: &str, subject: &Subject, known: &str) -> Error {
    let known = if known.is_empty() { "none" } else { known };
    ApplicationError::new(format!(
        "workflow \"{}\" has no {kind} handler \"{name}\"; it has: {known}",
        subject.entry.name
    ))
    .kind("UnknownHandler")
    .non_retryable()
    .into()
}

fn unreadable(kind: &str, name: &str, error: &ConversionError) -> Error {
    ApplicationError::new(format!("the arguments of {kind} \"{name}\" cannot be read: {error}"))
        .kind("ConversionError")
        .non_retryable()
        .into()
}

/// All names in order.
fn names<'a>(own: impl Iterator<Item = &'a Cow<'static, str>>, added: Vec<String>) -> String {
    let names: BTreeSet<String> = own.map(ToString::to_string).chain(added).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
