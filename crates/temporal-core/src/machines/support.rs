//! What the machines share.

use crate::output::CommandKey;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::string::String;
use core::fmt::Write;
use temporal_protos::api::command::v1::{Command, command::Attributes};
use temporal_protos::api::common::v1::{Payloads, RetryPolicy};
use temporal_protos::api::enums::v1::CommandType;
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{CanceledFailureInfo, Failure};
use temporal_protos::api::sdk::v1::UserMetadata;

/// What a run knows of itself.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) workflow_type: String,
    pub(crate) task_queue: String,
    pub(crate) retry_policy: Option<Box<RetryPolicy>>,
}

/// The machines of one kind, by sequence number. A machine that has ended is dropped.
///
/// While a machine is being moved from one state to the next its slot is empty: a transition that fails leaves it so.
#[derive(Debug)]
pub(crate) struct Table<M> {
    machines: BTreeMap<u32, Option<M>>,
}

impl<M> Default for Table<M> {
    fn default() -> Self {
        Self {
            machines: BTreeMap::new(),
        }
    }
}

impl<M> Table<M> {
    pub(crate) fn insert(&mut self, seq: u32, machine: M) {
        self.machines.insert(seq, Some(machine));
    }

    pub(crate) fn get(&self, seq: u32) -> Option<&M> {
        self.machines.get(&seq)?.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &M)> {
        self.machines
            .iter()
            .filter_map(|(seq, machine)| Some((*seq, machine.as_ref()?)))
    }

    /// Moves a machine to its next state; `None` ends it. An unknown number does nothing.
    pub(crate) fn step(&mut self, seq: u32, transition: impl FnOnce(M) -> Option<M>) {
        let Entry::Occupied(mut entry) = self.machines.entry(seq) else {
            return;
        };
        let Some(machine) = entry.get_mut().take() else { return };
        match transition(machine) {
            Some(next) => *entry.get_mut() = Some(next),
            None => {
                entry.remove();
            }
        }
    }

    /// Moves a machine by an event of history, unless that contradicts it.
    pub(crate) fn confirm(
        &mut self,
        seq: u32,
        check: impl FnOnce(&M) -> Result<(), Differences>,
        transition: impl FnOnce(M) -> Option<M>,
    ) -> Result<(), Differences> {
        if let Some(machine) = self.get(seq) {
            check(machine)?;
        }
        self.step(seq, transition);
        Ok(())
    }

    /// Takes a machine's command out for the server: the machine gives its next state and the command.
    pub(crate) fn send(
        &mut self,
        seq: u32,
        transition: impl FnOnce(M) -> (Option<M>, Option<Command>),
    ) -> Option<Command> {
        let mut sent = None;
        self.step(seq, |machine| {
            let (next, command) = transition(machine);
            sent = command;
            next
        });
        sent
    }
}

/// Where history and code ask for different things, field by field.
#[derive(Debug, Default)]
pub(crate) struct Differences(pub(crate) String);

impl Differences {
    pub(crate) fn field(mut self, name: &str, history: &str, code: &str) -> Self {
        if history != code {
            // Writing to a string cannot fail.
            let _ = write!(self.0, "; {name}: history has {history:?}, the code {code:?}");
        }
        self
    }

    pub(crate) fn number(mut self, name: &str, history: u32, code: u32) -> Self {
        if history != code {
            let _ = write!(self.0, "; {name}: history has {history}, the code {code}");
        }
        self
    }

    pub(crate) fn check(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

/// Whether a recorded id is the custom one, or else the decimal sequence number.
pub(crate) fn id_matches(custom: Option<&str>, seq: u32, recorded: &str) -> bool {
    match custom {
        Some(custom) => custom == recorded,
        None => !recorded.starts_with(['0', '+']) && recorded.parse() == Ok(seq),
    }
}

/// The failure of something that was cancelled, inside the failure info of the operation.
pub(crate) fn cancelled(message: &str, info: FailureInfo, details: Option<Payloads>, identity: String) -> Failure {
    Failure {
        message: message.into(),
        cause: Some(Box::new(Failure {
            message: "cancelled".into(),
            failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo {
                details,
                identity,
            })),
            ..Failure::default()
        })),
        failure_info: Some(info),
        ..Failure::default()
    }
}

/// A bare cancelled failure.
pub(crate) fn cancelled_plain(message: &str) -> Failure {
    Failure {
        message: message.into(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
        ..Failure::default()
    }
}

/// A command for the server.
pub(crate) fn command(kind: CommandType, attributes: Attributes, user_metadata: Option<UserMetadata>) -> Command {
    Command {
        command_type: kind.into(),
        attributes: Some(attributes),
        user_metadata,
        ..Command::default()
    }
}

impl CommandKey {
    /// The command's name in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ScheduleActivity(_) => "ScheduleActivity",
            Self::CancelActivity(_) => "CancelActivity",
            Self::LocalActivityMarker(_) => "RecordMarker",
            Self::StartTimer(_) => "StartTimer",
            Self::CancelTimer(_) => "CancelTimer",
            Self::StartChild(_) => "StartChildWorkflow",
            Self::CancelChild(_) => "CancelChildWorkflow",
            Self::SignalExternal(_) => "SignalExternalWorkflow",
            Self::CancelExternal(_) => "CancelExternalWorkflow",
            Self::ScheduleNexus(_) => "ScheduleNexusOperation",
            Self::CancelNexus(_) => "CancelNexusOperation",
            Self::PatchMarker(_) | Self::SideEffectMarker(_) | Self::MutableSideEffectMarker(_) => "RecordMarker",
            Self::PatchAttributes(_) | Self::UpsertSearchAttributes(_) => "UpsertSearchAttributes",
            Self::UpsertMemo(_) => "UpsertMemo",
            Self::AcceptUpdate(_) => "AcceptUpdate",
            Self::CompleteUpdate(_) => "CompleteUpdate",
            Self::Close => "CloseWorkflow",
        }
    }
}
