//! One state machine a file. Each is an enum of states that own the data valid in them, moved by a command of the
//! workflow's code or by an event of history; a table at the top of each file says which transitions exist.

mod activity;
mod cancel_external;
mod child_workflow;
mod completion;
mod local_activity;
mod mutable_side_effect;
mod nexus_operation;
mod patch;
mod properties;
mod side_effect;
mod signal_external;
mod support;
mod timer;
mod update;

pub(crate) use activity::{Activity, ActivityClosed, Attempt};
pub(crate) use cancel_external::CancelExternal;
pub(crate) use child_workflow::{Child, ChildClosed};
pub(crate) use completion::{Closing, End};
pub(crate) use local_activity::{LOCAL_ACTIVITY_MARKER, LocalActivities, LocalMarker};
pub(crate) use mutable_side_effect::{MUTABLE_SIDE_EFFECT_MARKER, MutableSideEffects};
pub(crate) use nexus_operation::{Nexus, NexusClosed};
pub(crate) use patch::{PATCH_ATTRIBUTE, PATCH_MARKER, PatchData, Patches};
pub(crate) use properties::Properties;
pub(crate) use side_effect::{SIDE_EFFECT_MARKER, SideEffects};
pub(crate) use signal_external::{Address, Signal};
pub(crate) use support::{Differences, Own, Table};
pub(crate) use timer::Timer;
pub(crate) use update::{Incoming, Updates};
