//! The beginning of a run.

use crate::workflow::context::Context;
use crate::workflow::definition::{Incoming, Instance, WorkflowEntry};
use crate::workflow::error::Error;
use crate::workflow::executor::{LocalBoxFuture, TaskName};
use crate::workflow::interceptor::{Call, Interceptor, Next};
use crate::workflow::run::Run;
use std::rc::Rc;
use std::sync::Arc;
use temporal_client::data::ConversionError;
use temporal_protos::api::common::v1::Payload;

/// Makes the instance, and the run method's task, which is not polled yet.
pub(crate) fn instantiate(run: &Run, entry: &Arc<WorkflowEntry>, arguments: Vec<Payload>) -> Result<(), Error> {
    let context = Context::root(run);
    let instance = (entry.construct)(&context, incoming(run, arguments.clone()));
    let instance = instance.map_err(|error| unreadable(run, error, "its `#[init]` and its run method"))?;
    run.handlers.set_subject(entry, Rc::clone(&instance));
    let main = if run.environment.interceptors.is_empty() {
        main(run, entry, instance, context, arguments)?
    } else {
        intercepted(run, entry, instance, context, arguments)
    };
    let ended = Rc::clone(run);
    let task = async move { ended.end_with(main.await) };
    run.main.set(Some(run.executor.park(TaskName::Run, Box::pin(task))));
    Ok(())
}

fn incoming(run: &Run, payloads: Vec<Payload>) -> Incoming<'_> {
    Incoming {
        name: &run.info.workflow_type,
        payloads,
        converter: run.environment.converter.payload_converter(),
    }
}

/// The run method's future.
fn main(
    run: &Run,
    entry: &WorkflowEntry,
    instance: Instance,
    context: Context,
    payloads: Vec<Payload>,
) -> Result<LocalBoxFuture<Result<Payload, Error>>, Error> {
    let input = (entry.decode)(incoming(run, payloads)).map_err(|error| unreadable(run, error, "its run method"))?;
    Ok((entry.run)(instance, context, input))
}

/// `readers`: what takes the input.
fn unreadable(run: &Run, error: ConversionError, readers: &str) -> Error {
    let text = format!(
        "the input of {} cannot be read: {error}; give {readers} the parameters that its starters send",
        run.described()
    );
    Error::unconvertible(text, error)
}

/// The run method's future with the interceptors around it.
fn intercepted(
    run: &Run,
    entry: &Arc<WorkflowEntry>,
    instance: Instance,
    context: Context,
    arguments: Vec<Payload>,
) -> LocalBoxFuture<Result<Payload, Error>> {
    let (environment, entry) = (Arc::clone(&run.environment), Arc::clone(entry));
    let headers = run.info.headers.clone();
    let call = Call::new(context, run.info.workflow_type.clone(), arguments, headers);
    Box::pin(async move {
        let code = |call: Call| -> LocalBoxFuture<Result<Payload, Error>> {
            let context = call.context().clone();
            let run = Rc::clone(context.run());
            match main(&run, &entry, instance, context, call.into_arguments()) {
                Ok(future) => future,
                Err(error) => Box::pin(std::future::ready(Err(error))),
            }
        };
        let around = <dyn Interceptor as Interceptor>::execute;
        Next::new(&environment.interceptors, around, code).run(call).await
    })
}
