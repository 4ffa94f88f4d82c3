//! History replay state machines of the Temporal SDK: sans-IO, `no_std`.
//!
//! One [`WorkflowRun`] is one workflow run. What arrives from the server is handed in, what happened is taken out as
//! [`Job`]s in history order, workflow code pushes its commands straight into the run, and [`WorkflowRun::finish_task`]
//! gives what to answer. The same loop serves live execution, replay of a recorded [`History`], sticky continuation and
//! queries; the code cannot tell them apart.
//!
//! # Example
//! A workflow that starts one activity and completes with its result, by hand:
//! ```
//! use temporal_core::protos::api::history::v1::{HistoryEvent, history_event::Attributes};
//! use temporal_core::{Job, Next, Outcome, Resolution, RunError, RunOptions, ScheduleActivity, WorkflowRun, WorkflowTask};
//!
//! fn drive(run: &mut WorkflowRun) -> Result<Outcome, RunError> {
//!     loop {
//!         match run.next_job()? {
//!             Next::Job(Job::Run) => {
//!                 let command = ScheduleActivity { activity_type: "charge".into(), ..ScheduleActivity::default() };
//!                 run.schedule_activity(command);
//!             }
//!             Next::Job(Job::ActivityResolved(_, Resolution::Completed(result))) => run.complete(result),
//!             Next::Job(_) => {} // a signal, an update, a timer …
//!             Next::NeedsHistory => run.handle_history_page(Vec::new(), false), // what the server gives for the next token
//!             Next::Done => return run.finish_task(),
//!         }
//!     }
//! }
//!
//! let events = [
//!     Attributes::WorkflowExecutionStartedEventAttributes(Default::default()),
//!     Attributes::WorkflowTaskScheduledEventAttributes(Default::default()),
//!     Attributes::WorkflowTaskStartedEventAttributes(Default::default()),
//! ];
//! let events = (1..).zip(events).map(|(event_id, attributes)| HistoryEvent {
//!     event_id,
//!     attributes: Some(attributes),
//!     ..HistoryEvent::default()
//! });
//! let task = WorkflowTask { started_event_id: 3, events: events.collect(), ..WorkflowTask::default() };
//! let mut run = WorkflowRun::new(RunOptions::default(), task)?;
//! let Outcome::Completed(completion) = drive(&mut run)? else { panic!("a live task is answered") };
//! assert_eq!(completion.commands.len(), 1); // the activity
//! # Ok::<(), RunError>(())
//! ```
//!
//! # Invariants
//! - No clock, thread, randomness or I/O: the crate is `no_std`.
//! - Live and replay are one code path. A batch of history (what one workflow task saw) is applied as a whole to the state
//!   machines, then the code hears of it job by job; its commands queue up, and the events behind the next
//!   `WorkflowTaskCompleted` have to confirm them one by one. What no event confirms yet is what goes to the server.
//! - Histories recorded by the SDKs of the Core family replay where the code issues the same commands: ids, markers and flags
//!   follow the conventions of that family. Tests show it with histories of the Python and the TypeScript SDK; those of the
//!   .NET and Ruby SDKs, which share that core, were not tried.
#![no_std]

extern crate alloc;

mod command;
mod completion;
mod convert;
mod error;
mod history;
mod job;
mod machines;
mod output;
mod run;
mod seed;
mod task;

pub use command::*;
pub use completion::*;
pub use error::*;
pub use history::{History, HistoryJsonError};
pub use job::*;
pub use run::WorkflowRun;
pub use task::*;
pub use temporal_protos as protos;
