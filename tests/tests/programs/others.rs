//! Steps that have to do with other workflows: children, and programs.

use crate::activities::{Child, MINUTE, child_options};
use crate::program::{Program, Start, counted, start};
use crate::step::{Handle, Other, Step};
use std::rc::Rc;
use temporal_sdk::workflow::{ChildWorkflowHandle, ChildWorkflowOptions, Context, ExternalWorkflowHandle};

/// What is noted when a child is not started.
const NOT_STARTED: u32 = 998;

fn external(ctx: &Context, program: &Program, other: Other) -> ExternalWorkflowHandle<Program> {
    match other {
        // With its run id, since it may continue as new meanwhile.
        Other::Itself => ctx
            .external_workflow(ctx.info().workflow_id.clone())
            .with_run_id(ctx.info().run_id.clone()),
        Other::Neighbour(number) => ctx.external_workflow(format!("p-{}", program.seed.get() ^ number)),
        Other::Nobody => ctx.external_workflow("nobody"),
    }
}

/// Signals a child and waits for its end.
async fn signalled(program: &Program, child: ChildWorkflowHandle<Child>) -> u32 {
    let signalled = child.signal(Child::hello, 1_u32).await;
    program.note(22, u32::from(signalled.is_ok()));
    counted(child.await)
}

/// A child that is a program, and that is told to run its step twice.
async fn child_program(ctx: &Context, program: &Program, step: Step) -> u32 {
    let input = Start {
        seed: program.seed.get(),
        runs: vec![step.clone()],
        // Nothing comes from outside.
        finished: true,
        ..Start::default()
    };
    let options = ChildWorkflowOptions::default().task_timeout(MINUTE);
    let Ok(child) = ctx.start_child_workflow(Program::run, input, options).await else {
        return NOT_STARTED;
    };
    let told = child.signal(Program::step, step).await;
    program.note(26, u32::from(told.is_ok()));
    match child.await {
        Ok(done) => u32::try_from(done.log.len()).unwrap_or(0),
        Err(_) => 999,
    }
}

pub(crate) async fn others(ctx: &Context, program: &Rc<Program>, step: Step) -> u32 {
    match step {
        Step::Child(kid) => {
            let child = ctx.execute_child_workflow(Child::run, kid.does, child_options(ctx, kid));
            program.note(20, counted(child.await))
        }
        Step::SignalledChild(kid) => {
            let child = ctx.start_child_workflow(Child::run, kid.does, child_options(ctx, kid));
            let ended = match child.await {
                Ok(child) => signalled(program, child).await,
                Err(_) => NOT_STARTED,
            };
            program.note(23, ended)
        }
        Step::DetachedChild(kid) => {
            let child = ctx.start_child_workflow(Child::run, kid.does, child_options(ctx, kid));
            match child.await {
                Ok(child) => {
                    child.detach();
                    1
                }
                Err(_) => NOT_STARTED,
            }
        }
        Step::Cancelled(Handle::Child(kid), step) => {
            let child = ctx.start_child_workflow(Child::run, kid.does, child_options(ctx, kid));
            let Ok(child) = child.await else {
                return program.note(21, NOT_STARTED);
            };
            let _ = start(ctx, program, *step).await;
            child.cancel_with_reason("enough");
            let ended = if kid.namesake {
                signalled(program, child).await
            } else {
                counted(child.await)
            };
            program.note(21, ended)
        }
        Step::Program(step) => {
            let length = child_program(ctx, program, *step).await;
            program.note(27, length)
        }
        Step::Signal(other) => {
            let sent = external(ctx, program, other).signal(Program::bump, ()).await;
            program.note(24, u32::from(sent.is_ok()))
        }
        Step::Tell(other, step) => {
            let sent = external(ctx, program, other).signal(Program::step, *step).await;
            program.note(28, u32::from(sent.is_ok()))
        }
        Step::Cancel(other) => {
            let sent = external(ctx, program, other).cancel_with_reason("enough").await;
            program.note(25, u32::from(sent.is_ok()))
        }
        _ => 0,
    }
}
