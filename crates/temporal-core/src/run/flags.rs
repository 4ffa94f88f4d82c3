//! What histories say about the behaviour of the SDK that wrote them.

use alloc::borrow::Cow;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use temporal_protos::api::sdk::v1::WorkflowTaskCompletedMetadata;

use crate::RunOptions;

/// Ids and types are compared with history.
const ID_AND_TYPE_CHECKS: u32 = 1;
/// A patch marker is followed by an upsert of `TemporalChangeVersion`.
const UPSERT_ON_PATCH: u32 = 2;
/// Commands made after the closing command are kept, in front of it.
const MOVE_TERMINAL_COMMANDS: u32 = 3;

/// The flags of the Core family that this core acts on and records. Flag 3 is obeyed, but not used in new histories:
/// here nothing is recorded that the code asks for after it closed the run. Flag 4 (which empty tasks are run as one) has
/// nothing to say here: every completed task is run by itself, as it was live.
const OWN: [u32; 2] = [ID_AND_TYPE_CHECKS, UPSERT_ON_PATCH];

#[derive(Debug, Default)]
pub(super) struct Flags {
    /// In order, each once.
    core: Vec<u32>,
    sdk_name: Cow<'static, str>,
    sdk_version: Cow<'static, str>,
}

impl Flags {
    /// Learns what a completed task used.
    pub(super) fn observe(&mut self, metadata: Option<&WorkflowTaskCompletedMetadata>) {
        let Some(metadata) = metadata else { return };
        for flag in &metadata.core_used_flags {
            self.note(*flag);
        }
        if !metadata.sdk_name.is_empty() && self.sdk_name != metadata.sdk_name {
            self.sdk_name = Cow::Owned(metadata.sdk_name.clone());
        }
        if !metadata.sdk_version.is_empty() && self.sdk_version != metadata.sdk_version {
            self.sdk_version = Cow::Owned(metadata.sdk_version.clone());
        }
    }

    /// Whether the flag is new.
    fn note(&mut self, flag: u32) -> bool {
        match self.core.binary_search(&flag) {
            Ok(_) => false,
            Err(index) => {
                self.core.reserve_exact(1);
                self.core.insert(index, flag);
                true
            }
        }
    }

    pub(super) fn moves_terminal_commands(&self) -> bool {
        self.core.contains(&MOVE_TERMINAL_COMMANDS)
    }

    /// What history does not hold yet; `None` when that is nothing.
    pub(super) fn news(&mut self, options: &RunOptions) -> Option<WorkflowTaskCompletedMetadata> {
        let core_used_flags = OWN.into_iter().filter(|flag| self.note(*flag)).collect();
        let mut metadata = WorkflowTaskCompletedMetadata {
            core_used_flags,
            ..Default::default()
        };
        if self.sdk_name != options.sdk_name {
            self.sdk_name.clone_from(&options.sdk_name);
            metadata.sdk_name = options.sdk_name.to_string();
        }
        if self.sdk_version != options.sdk_version {
            self.sdk_version.clone_from(&options.sdk_version);
            metadata.sdk_version = options.sdk_version.to_string();
        }
        (metadata != WorkflowTaskCompletedMetadata::default()).then_some(metadata)
    }
}
