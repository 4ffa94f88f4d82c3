//! Updates: in which task they come, what becomes of them, and what of the task.

use super::Scenario;
use super::hand::*;
use super::tasks_by_hand::by_hand;
use futures_util::FutureExt as _;
use prost::Message as _;
use std::time::Duration;
use temporal_client::connection::RpcError;
use temporal_integration_tests::history::Attributes as Event;
use temporal_integration_tests::look_until;
use temporal_protos::api::command::v1 as c;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::enums::v1::{
    CommandType, UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy,
};
use temporal_protos::api::errordetails::v1::MultiOperationExecutionFailure;
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::api::protocol::v1::message::SequencingId;
use temporal_protos::api::update::v1 as up;
use temporal_protos::api::workflow::v1::OnConflictOptions;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::api::workflowservice::v1::execute_multi_operation_request as multi;
use temporal_sdk::client::Code;

const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<wf::UpdateWorkflowExecutionResponse, RpcError>;
type Both = Result<wf::ExecuteMultiOperationResponse, RpcError>;

impl Hand<'_> {
    /// Asks for an update and waits for its outcome, or for less.
    async fn ask_until(&self, update: &str, stage: Stage) -> Answer {
        self.client().call(self.update_request(update, stage)).await
    }

    fn update_request(&self, update: &str, stage: Stage) -> wf::UpdateWorkflowExecutionRequest {
        wf::UpdateWorkflowExecutionRequest {
            namespace: self.namespace(),
            workflow_execution: Some(self.execution()),
            wait_policy: Some(up::WaitPolicy {
                lifecycle_stage: stage as i32,
            }),
            request: Some(up::Request {
                meta: Some(up::Meta {
                    update_id: update.to_owned(),
                    identity: "caller".to_owned(),
                }),
                input: Some(up::Input {
                    name: "change".to_owned(),
                    args: Some(payloads(update)),
                    ..up::Input::default()
                }),
                ..up::Request::default()
            }),
            ..wf::UpdateWorkflowExecutionRequest::default()
        }
    }

    async fn ask(&self, update: &str) -> Answer {
        self.ask_until(update, Stage::Completed).await
    }

    /// Waits until the server has the update that was asked for.
    async fn admitted(&self, update: &str) -> anyhow::Result<()> {
        let poll = wf::PollWorkflowExecutionUpdateRequest {
            namespace: self.namespace(),
            update_ref: Some(up::UpdateRef {
                workflow_execution: Some(self.execution()),
                update_id: update.to_owned(),
            }),
            ..wf::PollWorkflowExecutionUpdateRequest::default()
        };
        look_until(async || match self.client().call(poll.clone()).await {
            Err(error) if error.code() == Code::NotFound => Ok(None),
            found => Ok(Some(found?)),
        })
        .await
        .map(drop)
    }

    /// Starts the workflow, or uses the run there is, and asks for an update.
    async fn start_and_ask(&self, update: &str, conflict: WorkflowIdConflictPolicy) -> Both {
        let mut start = self.start_request("");
        start.workflow_id_conflict_policy = conflict as i32;
        let operation = |operation| multi::Operation {
            operation: Some(operation),
        };
        let request = wf::ExecuteMultiOperationRequest {
            namespace: self.namespace(),
            operations: vec![
                operation(multi::operation::Operation::StartWorkflow(start)),
                operation(multi::operation::Operation::UpdateWorkflow(
                    self.update_request(update, Stage::Completed),
                )),
            ],
            ..wf::ExecuteMultiOperationRequest::default()
        };
        self.client().call(request).await
    }

    /// Notes what the caller of a start with an update was told.
    fn told_both(&self, answer: Both) {
        let error = match answer {
            Ok(answer) => return self.stage().note("start and update", &answer),
            Err(error) => error,
        };
        self.stage().note_error("start and update", &error);
        let failure: Option<MultiOperationExecutionFailure> = error.typed_detail();
        for mut status in failure.unwrap_or_default().statuses {
            // Which of the two failed, and how.
            status.details.clear();
            self.stage().note("operation", &status);
        }
    }

    /// Notes what the caller of an update was told. It is told while the worker goes on, so the scenario says when.
    fn told(&self, answer: Answer) {
        match answer {
            Ok(answer) => self.stage().note("update", &answer),
            Err(error) => self.stage().note_error("update", &error),
        }
    }

    /// Completes the task with messages, each at its place before the commands; rejections have no place.
    async fn say(&self, task: &Task, messages: Vec<Message>, mut commands: Commands) -> anyhow::Result<()> {
        let placed = messages.iter().filter(|message| !message.id.ends_with("/reject"));
        let mut all: Commands = placed.map(|message| place(&message.id)).collect();
        all.append(&mut commands);
        self.complete_with(task, all, |request| request.messages = messages)
            .await?;
        Ok(())
    }
}

fn place(message_id: &str) -> c::Command {
    let attributes = c::ProtocolMessageCommandAttributes {
        message_id: message_id.to_owned(),
    };
    command(
        CommandType::ProtocolMessage,
        Attributes::ProtocolMessageCommandAttributes(attributes),
    )
}

fn message(update: &str, what: &str, name: &str, body: &impl prost::Message) -> Message {
    Message {
        id: format!("{update}/{what}"),
        protocol_instance_id: update.to_owned(),
        body: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/temporal.api.update.v1.{name}"),
            value: body.encode_to_vec(),
        }),
        ..Message::default()
    }
}

/// The request of an update as the task brought it, in a message or in an event, with the number of the event that it is at.
fn request(task: &Task, update: &str) -> (Option<up::Request>, i64) {
    let events = task.history.iter().flat_map(|history| &history.events);
    let admitted = events.into_iter().find_map(|event| match event.attributes.as_ref()? {
        Event::WorkflowExecutionUpdateAdmittedEventAttributes(it) => Some((it.request.clone(), event.event_id)),
        _ => None,
    });
    let Some(message) = task.messages.iter().find(|it| it.protocol_instance_id == update) else {
        return admitted.unwrap_or_default();
    };
    let body = message.body.as_ref();
    let decoded = body.and_then(|body| up::Request::decode(body.value.as_slice()).ok());
    match message.sequencing_id {
        Some(SequencingId::EventId(id)) => (decoded, id),
        _ => (decoded, 0),
    }
}

fn accept(task: &Task, update: &str) -> Message {
    let (accepted_request, accepted_request_sequencing_event_id) = request(task, update);
    let body = up::Acceptance {
        accepted_request_message_id: format!("{update}/request"),
        accepted_request_sequencing_event_id,
        accepted_request,
    };
    message(update, "accept", "Acceptance", &body)
}

fn reject(task: &Task, update: &str) -> Message {
    let (rejected_request, rejected_request_sequencing_event_id) = request(task, update);
    let body = up::Rejection {
        rejected_request_message_id: format!("{update}/request"),
        rejected_request_sequencing_event_id,
        rejected_request,
        failure: Some(failure("the validator says no")),
    };
    message(update, "reject", "Rejection", &body)
}

fn respond_with(update: &str, value: up::outcome::Value) -> Message {
    let body = up::Response {
        meta: Some(up::Meta {
            update_id: update.to_owned(),
            identity: "caller".to_owned(),
        }),
        outcome: Some(up::Outcome { value: Some(value) }),
    };
    message(update, "done", "Response", &body)
}

fn respond(update: &str) -> Message {
    respond_with(update, up::outcome::Value::Success(payloads("changed")))
}

pub(super) const SCENARIOS: &[Scenario] = &[
    (
        "update-completes",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![marker("n")])
                    .await
            });
            done?;
            hand.told(answer);
            // The same one again, and after the end.
            hand.told(hand.ask("u").await);
            hand.signal("end").await?;
            hand.end().await?;
            hand.told(hand.ask("u").await);
            hand.told(hand.ask("another").await);
        }),
    ),
    (
        "start-attaches-before-the-updates-task",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.admitted("u").await?;
                let mut request = hand.start_request("");
                request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting as i32;
                request.on_conflict_options = Some(OnConflictOptions {
                    attach_request_id: true,
                    ..OnConflictOptions::default()
                });
                hand.call(request).await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "start-joins-an-update",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, joined, replaced, done) = tokio::join!(
                hand.ask("u"),
                async {
                    hand.admitted("u").await?;
                    anyhow::Ok(hand.start_and_ask("u", WorkflowIdConflictPolicy::Fail).await)
                },
                async {
                    hand.admitted("u").await?;
                    anyhow::Ok(
                        hand.start_and_ask("u", WorkflowIdConflictPolicy::TerminateExisting)
                            .await,
                    )
                },
                async {
                    hand.let_pass(2 * SECOND).await?;
                    let task = hand.task().await?;
                    hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![]).await
                }
            );
            done?;
            hand.told(answer);
            hand.told_both(joined?);
            hand.told_both(replaced?);
            hand.told_both(hand.start_and_ask("u", WorkflowIdConflictPolicy::Fail).await);
            hand.told_both(hand.start_and_ask("another", WorkflowIdConflictPolicy::Fail).await);
            hand.signal("end").await?;
            hand.end().await?;
        }),
    ),
    (
        "started-again-for-an-update",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let use_existing = WorkflowIdConflictPolicy::UseExisting;
            let (answer, done) = tokio::join!(hand.start_and_ask("u", use_existing), async {
                hand.admitted("u").await?;
                hand.terminate().await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told_both(answer);
        }),
    ),
    (
        "started-for-an-update-and-terminated",
        by_hand!(|hand| {
            let use_existing = WorkflowIdConflictPolicy::UseExisting;
            let (answer, done) = tokio::join!(hand.start_and_ask("u", use_existing), async {
                hand.admitted("u").await?;
                hand.terminate().await
            });
            done?;
            hand.told_both(answer);
        }),
    ),
    (
        "terminated-twice-under-an-update",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let use_existing = WorkflowIdConflictPolicy::UseExisting;
            let (answer, done) = tokio::join!(hand.start_and_ask("u", use_existing), async {
                hand.admitted("u").await?;
                hand.start_with(|request| {
                    request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::TerminateExisting as i32;
                })
                .await?;
                hand.admitted("u").await?;
                hand.terminate().await
            });
            done?;
            hand.told_both(answer);
        }),
    ),
    (
        "started-again-after-an-unfinished-update",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
            let use_existing = WorkflowIdConflictPolicy::UseExisting;
            let (answer, done) = tokio::join!(hand.start_and_ask("u", use_existing), async {
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told_both(answer);
        }),
    ),
    (
        "update-completes-later",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask_until("u", Stage::Accepted), async {
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u")], vec![timer("t", SECOND * 5)])
                    .await
            });
            done?;
            hand.told(answer);
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.say(&task, vec![respond("u")], vec![complete_workflow()]).await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-fails",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                let failed = respond_with("u", up::outcome::Value::Failure(failure("no change")));
                hand.say(&task, vec![accept(&task, "u"), failed], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-rejected",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.say(&task, vec![reject(&task, "u")], vec![]).await
            });
            done?;
            hand.told(answer);
            hand.signal("end").await?;
            hand.end().await?;
        }),
    ),
    (
        "update-rejected-with-commands",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.say(&task, vec![reject(&task, "u")], vec![marker("n")]).await
            });
            done?;
            hand.told(answer);
            hand.signal("end").await?;
            hand.end().await?;
        }),
    ),
    (
        "update-rejected-while-a-signal-comes",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.signal("meanwhile").await?;
                hand.say(&task, vec![reject(&task, "u")], vec![]).await
            });
            done?;
            hand.told(answer);
            hand.end().await?;
        }),
    ),
    (
        "update-in-the-first-task",
        by_hand!(|hand| {
            hand.start().await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.admitted("u").await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-with-a-signals-task",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("before").await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.admitted("u").await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-before-a-signal",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.admitted("u").await?;
                hand.signal("after").await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-while-a-task-runs",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.admitted("u").await?;
                hand.complete(&task, vec![marker("n")]).await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-while-a-task-runs-that-asks-for-another",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.admitted("u").await?;
                let commands = vec![marker("n")];
                let answer = hand.complete_with(&task, commands, |request| request.return_new_workflow_task = true);
                let Some(task) = answer.await?.workflow_task else {
                    anyhow::bail!("no task came with the answer");
                };
                hand.say(&task, vec![reject(&task, "u")], vec![]).await
            });
            done?;
            hand.told(answer);
            hand.signal("end").await?;
            hand.end().await?;
        }),
    ),
    (
        "update-rejected-after-a-task-that-ran",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.admitted("u").await?;
                hand.complete(&task, vec![marker("n")]).await?;
                let task = hand.task().await?;
                hand.say(&task, vec![reject(&task, "u")], vec![]).await
            });
            done?;
            hand.told(answer);
            hand.signal("end").await?;
            hand.end().await?;
        }),
    ),
    (
        "update-terminated-in-its-task",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.task().await?;
                hand.terminate().await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-and-an-activity-that-ends",
        by_hand!(|hand| {
            hand.begin(vec![hand.schedule("a", |_| {})]).await?;
            let activity = hand.activity().await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.complete_activity(&activity).await?;
                hand.say(&task, vec![reject(&task, "u")], vec![]).await
            });
            done?;
            hand.told(answer);
            hand.end().await?;
        }),
    ),
    (
        "updates-together",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            let (one, (two, done)) = tokio::join!(hand.ask("one"), async {
                let admitted = hand.admitted("one").await;
                tokio::join!(hand.ask("two"), async {
                    admitted?;
                    hand.admitted("two").await?;
                    hand.complete(&task, vec![]).await?;
                    let task = hand.task().await?;
                    let messages = vec![accept(&task, "one"), reject(&task, "two"), respond("one")];
                    hand.say(&task, messages, vec![]).await
                })
            });
            done?;
            hand.told(one);
            hand.told(two);
            hand.signal("end").await?;
            hand.end().await?;
        }),
    ),
    (
        "updates-in-flight",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            for update in ["one", "two"] {
                let (answer, done) = tokio::join!(hand.ask_until(update, Stage::Accepted), async {
                    let task = hand.task().await?;
                    hand.say(&task, vec![accept(&task, update)], vec![]).await
                });
                done?;
                hand.told(answer);
            }
            hand.signal("release").await?;
            let task = hand.task().await?;
            hand.say(&task, vec![respond("two"), respond("one")], vec![complete_workflow()])
                .await?;
            hand.told(hand.ask("one").await);
            hand.told(hand.ask("two").await);
        }),
    ),
    (
        "update-comes-again-after-a-failure",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.fail_task(&hand.task().await?).await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-comes-again-after-a-timeout",
        by_hand!(|hand| {
            hand.start_with(|request| request.workflow_task_timeout = seconds(5))
                .await?;
            let task = hand.task().await?;
            hand.complete(&task, vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.task().await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-that-nobody-takes-yet",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.let_pass(SECOND * 8).await?;
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-passed-over",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.complete(&task, vec![]).await
            });
            done?;
            hand.told(answer);
            hand.signal("end").await?;
            hand.end().await?;
        }),
    ),
    (
        "update-left-by-the-end",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u")], vec![complete_workflow()])
                    .await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-not-seen-by-the-end",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            hand.signal("wake").await?;
            let task = hand.task().await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                hand.admitted("u").await?;
                let _ = hand.complete(&task, vec![complete_workflow()]).await;
                anyhow::Ok(())
            });
            done?;
            hand.told(answer);
            let _ = hand.terminate().await;
        }),
    ),
    (
        "update-left-by-a-termination",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u")], vec![]).await?;
                hand.terminate().await
            });
            done?;
            hand.told(answer);
        }),
    ),
    (
        "update-then-as-new",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                let messages = vec![accept(&task, "u"), respond("u")];
                hand.say(&task, messages, vec![continue_as_new(|_| {})]).await
            });
            done?;
            hand.told(answer);
            hand.end().await?;
        }),
    ),
    (
        "update-and-reset",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![]).await
            });
            done?;
            hand.told(answer);
            let reset = wf::ResetWorkflowExecutionRequest {
                namespace: hand.namespace(),
                workflow_execution: Some(hand.execution()),
                reason: "again".to_owned(),
                workflow_task_finish_event_id: 4,
                request_id: uuid::Uuid::new_v4().to_string(),
                ..wf::ResetWorkflowExecutionRequest::default()
            };
            hand.call(reset).await?;
            let task = hand.task().await?;
            hand.say(&task, vec![accept(&task, "u"), respond("u")], vec![complete_workflow()])
                .await?;
        }),
    ),
    (
        "update-answered-wrongly",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let (answer, done) = tokio::join!(hand.ask("u"), async {
                let task = hand.task().await?;
                let _ = hand.say(&task, vec![respond("u")], vec![]).await;
                let task = hand.task().await?;
                let _ = hand.complete(&task, vec![place("u/accept")]).await;
                anyhow::Ok(())
            });
            done?;
            hand.told(answer);
            hand.terminate().await?;
        }),
    ),
    (
        "update-that-nobody-knows",
        by_hand!(|hand| {
            hand.begin(vec![marker("m")]).await?;
            let poll = wf::PollWorkflowExecutionUpdateRequest {
                namespace: hand.namespace(),
                update_ref: Some(up::UpdateRef {
                    workflow_execution: Some(hand.execution()),
                    update_id: "unheard-of".to_owned(),
                }),
                wait_policy: Some(up::WaitPolicy {
                    lifecycle_stage: Stage::Completed as i32,
                }),
                ..wf::PollWorkflowExecutionUpdateRequest::default()
            };
            let _ = hand.call(poll).await;
            hand.told(hand.ask_until("u", Stage::Admitted).await);
            hand.terminate().await?;
            hand.told(hand.ask("another").await);
        }),
    ),
];
