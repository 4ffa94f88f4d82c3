//! Values that are larger than the namespace takes: told before the server ends the workflow for it.

use super::shard::task_failure;
use crate::workflow::host::TaskFailure;
use temporal_client::protos::api::command::v1::Command;
use temporal_client::protos::api::command::v1::command::Attributes;
use temporal_client::protos::api::common::v1::Payload;
use temporal_client::protos::api::enums::v1::WorkflowTaskFailedCause;
use temporal_client::protos::payloads::{Group, collect_groups};
use temporal_client::protos::prost::{Message as _, length_delimiter_len};

/// From which part of the limit on a value is warned of: a quarter.
const WARNED_PART: usize = 4;

/// The failure of a task one of whose commands holds more than `limit` bytes in one place; 0 for no limit. Large values
/// below it are warned of.
pub(super) fn too_large(commands: &[Command], workflow_type: &str, limit: u64) -> Option<TaskFailure> {
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0)?;
    let warned = limit / WARNED_PART;
    let large = commands
        .iter()
        .filter(|command| command.encoded_len() > warned)
        .map(|command| (command, largest(command)));
    let mut too_large = None;
    for (command, size) in large {
        if size > limit {
            too_large.get_or_insert((command, size));
        } else if size > warned {
            tracing::warn!(
                workflow_type,
                size,
                limit,
                "[TMPRL1103] {} is large: it stays in the workflow's history, and above the limit the task fails",
                described(command)
            );
        }
    }
    let (command, size) = too_large?;
    let mut failure = task_failure(
        format!(
            "[TMPRL1103] {} of workflow \"{workflow_type}\" has {size} bytes, but the namespace takes at most {limit} in one place: keep large values elsewhere and pass their address, split them, or compress them with a payload codec",
            described(command)
        ),
        "PayloadsTooLarge",
    );
    failure.cause = WorkflowTaskFailedCause::PayloadsTooLarge;
    Some(failure)
}

/// The size of the largest list of payloads in a command, as the server counts it.
fn largest(command: &Command) -> usize {
    let size = |group: &Group| match group {
        Group::One(payload) => payload.encoded_len(),
        Group::Many(payloads) => payloads.iter().map(listed_len).sum(),
    };
    collect_groups(&mut command.clone()).iter().map(size).max().unwrap_or(0)
}

fn listed_len(payload: &Payload) -> usize {
    let length = payload.encoded_len();
    1 + length_delimiter_len(length) + length
}

fn described(command: &Command) -> String {
    match &command.attributes {
        Some(Attributes::CompleteWorkflowExecutionCommandAttributes(_)) => "the result".to_owned(),
        Some(Attributes::FailWorkflowExecutionCommandAttributes(_)) => "the failure".to_owned(),
        Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(_)) => "the input of the new run".to_owned(),
        Some(Attributes::ScheduleActivityTaskCommandAttributes(activity)) => format!(
            "the input of activity \"{}\"",
            activity.activity_type.as_ref().map_or("", |kind| kind.name.as_str())
        ),
        Some(Attributes::StartChildWorkflowExecutionCommandAttributes(child)) => format!(
            "the input of child workflow \"{}\"",
            child.workflow_type.as_ref().map_or("", |kind| kind.name.as_str())
        ),
        Some(Attributes::SignalExternalWorkflowExecutionCommandAttributes(signal)) => {
            format!("the input of signal \"{}\"", signal.signal_name)
        }
        Some(Attributes::ScheduleNexusOperationCommandAttributes(nexus)) => {
            format!("the input of Nexus operation \"{}\"", nexus.operation)
        }
        Some(Attributes::RecordMarkerCommandAttributes(marker)) => {
            format!(
                "the marker \"{}\" (of a local activity or a side effect)",
                marker.marker_name
            )
        }
        Some(Attributes::ModifyWorkflowPropertiesCommandAttributes(_)) => "the memo".to_owned(),
        _ => "a command".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::too_large;
    use temporal_client::protos::api::command::v1::command::Attributes;
    use temporal_client::protos::api::command::v1::{Command, CompleteWorkflowExecutionCommandAttributes};
    use temporal_client::protos::api::common::v1::{Payload, Payloads};

    fn completion(bytes: usize) -> Command {
        let payload = Payload {
            data: vec![0; bytes].into(),
            ..Payload::default()
        };
        Command {
            attributes: Some(Attributes::CompleteWorkflowExecutionCommandAttributes(
                CompleteWorkflowExecutionCommandAttributes {
                    result: Some(Payloads {
                        payloads: vec![payload],
                    }),
                },
            )),
            ..Command::default()
        }
    }

    #[test]
    fn says_which_value_of_which_workflow_is_too_large() {
        assert!(too_large(&[completion(900)], "Big", 1000).is_none());
        assert!(too_large(&[completion(9000)], "Big", 0).is_none());
        let failure = too_large(&[completion(10), completion(1000)], "Big", 1000).unwrap();
        assert!(
            failure.failure.message.starts_with(
                "[TMPRL1103] the result of workflow \"Big\" has 1006 bytes, but the namespace takes at most 1000 in one place: keep"
            ),
            "{}",
            failure.failure.message
        );
    }
}
