//! Commands that hold more than the namespace takes, as the server counts it: the task fails, and the run lives on.

use crate::MINUTE;
use crate::limits::poll;
use std::time::Duration;
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::protos::api::command::v1::command::Attributes;
use temporal_sdk::client::protos::api::command::v1::{
    Command, ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes, RecordMarkerCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
};
use temporal_sdk::client::protos::api::common::v1::{Memo as WireMemo, Payload, Payloads, WorkflowType};
use temporal_sdk::client::protos::api::enums::v1::{CommandType, WorkflowTaskFailedCause};
use temporal_sdk::client::protos::api::failure::v1::Failure;
use temporal_sdk::client::protos::api::history::v1::WorkflowTaskFailedEventAttributes;
use temporal_sdk::client::protos::api::workflowservice::v1::RespondWorkflowTaskCompletedRequest;
use temporal_sdk::client::protos::prost::Message as _;
use temporal_sdk::client::{Memo, WorkflowExecutionStatus};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::workflow;
use temporal_sdk::workflow::{ChildWorkflowOptions, ContinueAsNewOptions};

/// What a namespace takes in one place.
const LIMIT: usize = 2 << 20;

/// Two notes, each of which alone would do.
fn notes() -> Memo {
    Memo::new()
        .with("first", "n".repeat(1_200_000))
        .with("second", "n".repeat(1_200_000))
}

/// Does one thing that is too large.
#[workflow]
async fn exceeds(ctx: &workflow::Context, what: String) -> workflow::Result<()> {
    match what.as_str() {
        "memo" => {
            ctx.upsert_memo(notes());
            ctx.sleep(MINUTE).await?;
        }
        // Each time it would fit.
        "notes" => {
            for note in ["first", "second", "third"] {
                ctx.upsert_memo(Memo::new().with(note, "n".repeat(900_000)));
                ctx.sleep(Duration::from_millis(1)).await?;
            }
        }
        // The value alone fits, with its quotes and its encoding; its marker holds more.
        "marker" => {
            ctx.side_effect(|| "a".repeat(LIMIT - 50));
            ctx.sleep(MINUTE).await?;
        }
        "failure" => return Err(ApplicationError::new("f".repeat(3_000_000)).into()),
        "child" => {
            let options = ChildWorkflowOptions::default().memo(notes());
            ctx.execute_child_workflow(workflow::named::<()>("exceeds"), "nothing", options)
                .await?;
        }
        "next" => {
            let options = ContinueAsNewOptions::new().memo(notes());
            return Err(ctx.continue_as_new_with("nothing", options));
        }
        _ => {}
    }
    Ok(())
}

fn worker(env: &Env) -> WorkerBuilder {
    env.worker().workflow::<exceeds>()
}

/// The failed task of a workflow that does this, which then still runs.
async fn failed(env: &Env, what: &str) -> anyhow::Result<WorkflowTaskFailedEventAttributes> {
    env.serve(worker(env), async {
        // A worker learns what the namespace takes while its first task is on its way; and that may be lost to the worker before.
        let before = env.unrecorded_options(&format!("{what}-before"));
        env.client().execute_workflow(exceeds, "nothing", before).await?;
        let handle = env
            .client()
            .start_workflow(exceeds, what, env.unrecorded_options(what))
            .await?;
        let failed = env.failed_task(handle.id()).await?;
        assert_eq!(
            handle.describe().await?.status(),
            WorkflowExecutionStatus::Running,
            "{what}"
        );
        handle.terminate("told").await?;
        Ok(failed)
    })
    .await
}

/// What is too large in each kind of command, and what is said of it.
#[test]
fn p68_commands_that_are_too_large_in_all_fail_the_task() {
    run(async |env| {
        for (what, said) in [
            ("memo", "the memo of workflow \"exceeds\" has 24000"),
            ("notes", "the memo of workflow \"exceeds\" has 27001"),
            (
                "marker",
                "the marker \"SideEffect\" (of a local activity or a side effect) of workflow \"exceeds\" has 2097",
            ),
            ("failure", "the failure of workflow \"exceeds\" has 30000"),
            (
                "child",
                "the memo of child workflow \"exceeds\" of workflow \"exceeds\" has 24000",
            ),
            ("next", "the memo of the new run of workflow \"exceeds\" has 24000"),
        ] {
            let failed = failed(&env, what).await?;
            assert_eq!(failed.cause(), WorkflowTaskFailedCause::PayloadsTooLarge, "{what}");
            let message = failed.failure.unwrap_or_default().message;
            let (subject, size) = said.split_once(" has ").unwrap();
            let said = format!("[TMPRL1103] {subject} ({}) has {size}", env.unrecorded_id(what));
            assert!(message.starts_with(&said), "{what}: {message}");
            assert!(
                message.contains("takes at most 2097152 in one place"),
                "{what}: {message}"
            );
        }
        Ok(())
    });
}

fn payload(bytes: usize) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: vec![b'1'; bytes].into(),
        ..Payload::default()
    }
}

/// A memo of notes that have these sizes.
fn memo(notes: &[(&str, usize)]) -> Option<WireMemo> {
    let fields = notes.iter().map(|(key, bytes)| ((*key).to_owned(), payload(*bytes)));
    Some(WireMemo {
        fields: fields.collect(),
    })
}

fn upsert(key: &str, bytes: usize) -> Attributes {
    Attributes::ModifyWorkflowPropertiesCommandAttributes(ModifyWorkflowPropertiesCommandAttributes {
        upserted_memo: memo(&[(key, bytes)]),
    })
}

/// A marker whose details have this size as messages; their name has seven bytes more.
fn marker(bytes: usize) -> Attributes {
    let payloads = |bytes| Payloads {
        payloads: vec![payload(bytes)],
    };
    let around = payloads(bytes - 100).encoded_len() - (bytes - 100);
    let details = payloads(bytes - around);
    assert_eq!(details.encoded_len(), bytes);
    Attributes::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
        marker_name: "large".to_owned(),
        details: [("details".to_owned(), details)].into(),
        ..RecordMarkerCommandAttributes::default()
    })
}

/// Answers a workflow task with commands by hand, and gives what the server says when it refuses them.
async fn refused(env: &Env, suffix: &str, commands: Vec<(CommandType, Attributes)>) -> anyhow::Result<Option<String>> {
    let options = env.unrecorded_options(suffix);
    let by_hand = workflow::named::<()>("ByHand");
    let handle = env.client().start_workflow(by_hand, (), options).await?;
    let task = poll(env).await?;
    let commands = commands.into_iter().map(|(kind, attributes)| Command {
        command_type: kind.into(),
        attributes: Some(attributes),
        ..Command::default()
    });
    let answer = RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        identity: "by hand".to_owned(),
        namespace: env.client().namespace().to_owned(),
        commands: commands.collect(),
        ..RespondWorkflowTaskCompletedRequest::default()
    };
    let said = match env.client().call(answer).await {
        Ok(_) => None,
        Err(error) => Some(error.message().to_owned()),
    };
    let status = handle.describe().await?.status();
    match &said {
        Some(_) => assert_eq!(status, WorkflowExecutionStatus::Terminated, "{suffix}"),
        None => handle.terminate("taken").await?,
    }
    Ok(said)
}

/// What the server measures of each kind of command, and that it ends the run for what is larger.
#[test]
fn the_server_ends_runs_for_commands_that_are_too_large() {
    use CommandType::{
        ContinueAsNewWorkflowExecution, FailWorkflowExecution, ModifyWorkflowProperties, RecordMarker,
        StartChildWorkflowExecution,
    };
    run(async |env| {
        let properties = |upserts: &[(&str, usize)]| {
            let upserts = upserts.iter().map(|(key, bytes)| upsert(key, *bytes));
            upserts
                .map(|upsert| (ModifyWorkflowProperties, upsert))
                .collect::<Vec<_>>()
        };
        let notes = [("a", 1_200_000), ("b", 1_200_000)];
        let child = StartChildWorkflowExecutionCommandAttributes {
            workflow_id: "child".to_owned(),
            workflow_type: Some(WorkflowType {
                name: "Child".to_owned(),
            }),
            memo: memo(&notes),
            ..StartChildWorkflowExecutionCommandAttributes::default()
        };
        let next = ContinueAsNewWorkflowExecutionCommandAttributes {
            memo: memo(&notes),
            ..ContinueAsNewWorkflowExecutionCommandAttributes::default()
        };
        let failure = |bytes: usize| {
            let failure = Failure {
                message: "f".repeat(bytes),
                ..Failure::default()
            };
            let attributes = FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
            let attributes = Attributes::FailWorkflowExecutionCommandAttributes(attributes);
            vec![(FailWorkflowExecution, attributes)]
        };
        let fields_too_large =
            "BadModifyWorkflowPropertiesAttributes: ModifyWorkflowPropertiesCommandAttributes exceeds size limit.";
        let memo_too_large = "BadModifyWorkflowPropertiesAttributes: ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit.";
        let marker_too_large = "BadRecordMarkerAttributes: RecordMarkerCommandAttributes.Details exceeds size limit.";
        let cases = [
            // The name of a note counts, what is around its data does not.
            ("fields", properties(&[("a", LIMIT)]), Some(fields_too_large)),
            // The whole memo counts, with what is around the notes.
            ("memo", properties(&[("a", LIMIT - 1)]), Some(memo_too_large)),
            ("fits", properties(&[("a", LIMIT - 100)]), None),
            ("merged", properties(&notes), Some(memo_too_large)),
            ("replaced", properties(&[("a", 1_200_000), ("a", 1_200_001)]), None),
            (
                "child",
                vec![(
                    StartChildWorkflowExecution,
                    Attributes::StartChildWorkflowExecutionCommandAttributes(child),
                )],
                Some(
                    "BadStartChildExecutionAttributes: StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.",
                ),
            ),
            (
                "next",
                vec![(
                    ContinueAsNewWorkflowExecution,
                    Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(next),
                )],
                Some(
                    "BadContinueAsNewAttributes: ContinueAsNewWorkflowExecutionCommandAttributes. Memo exceeds size limit.",
                ),
            ),
            (
                "marker",
                vec![(RecordMarker, marker(LIMIT - 6))],
                Some(marker_too_large),
            ),
            ("small", vec![(RecordMarker, marker(LIMIT - 7))], None),
            (
                "failure",
                failure(LIMIT),
                Some(
                    "BadFailWorkflowExecutionAttributes: FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.",
                ),
            ),
        ];
        for (suffix, commands, said) in cases {
            let told = refused(&env, suffix, commands).await?;
            assert_eq!(told.as_deref(), said, "{suffix}");
        }
        Ok(())
    });
}
