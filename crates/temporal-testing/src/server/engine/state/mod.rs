//! The state of one run. It changes only by [`State::apply`]ing [`Record`]s.

mod activity;
mod apply;
mod nexus;
mod parts;
mod record;

pub(super) use self::activity::{Activity, ActivityChange, ActivityOptions, Pause, Phase};
pub(super) use self::apply::upsert;
pub(super) use self::nexus::{
    Cancellation, CompletionCallback, Errand, ErrandPhase, NexusChange, NexusOperation, Request,
};
pub(super) use self::parts::{
    Child, External, RunKey, Started, State, Sticky, TaskKind, UpdateStage, WorkflowTask, give_back,
};
pub(super) use self::record::Record;
