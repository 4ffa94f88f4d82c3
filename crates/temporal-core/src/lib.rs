//! History replay state machines of the Temporal SDK: sans-IO, `no_std`.
//!
//! One [`WorkflowRun`] is one workflow run. What arrives from the server is handed in, what happened is taken out as
//! [`Job`]s in history order, workflow code pushes its commands straight into the run, and [`WorkflowRun::finish_task`]
//! gives what to answer:
//!
//! ```text
//! let mut run = WorkflowRun::new(options, first_task)?;
//! loop {
//!     match run.next_job()? {
//!         Next::Job(job) => { instance.apply(job); instance.poll_until_blocked(&mut run); }
//!         Next::NeedsHistory => run.handle_history_page(fetch_next_page()),
//!         Next::Done => break,
//!     }
//! }
//! match run.finish_task()? { Outcome::Completed(completion) => respond(completion), … }
//! ```
//!
//! The same loop serves live execution, replay, sticky continuation and queries.
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
