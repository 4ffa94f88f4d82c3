//! An update.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | (none) | message, or UpdateAccepted looked ahead to | Requested | the update itself |
//! | Requested | reject | *ended* | rejection message, no command |
//! | Requested | accept | Accepting | AcceptUpdate |
//! | Accepting | sent | Accepted | acceptance message |
//! | Accepting, Accepted | WorkflowExecutionUpdateAccepted | Accepted | |
//! | Accepting, Accepted | complete | + outcome | CompleteUpdate |
//! | with outcome | sent | Completed | response message |
//! | with outcome, Completed | WorkflowExecutionUpdateCompleted | *ended* | |

use super::support::{Differences, Table, command};
use crate::convert::{arguments, header_fields, single};
use crate::output::{CommandKey, Output};
use crate::{Job, UpdateReceived};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{Command, ProtocolMessageCommandAttributes};
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::enums::v1::CommandType;
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::api::update::v1::{Acceptance, Meta, Outcome, Rejection, Request, Response, outcome};
use temporal_protos::prost::Message as _;
use temporal_protos::prost_types::Any;

/// The updates of a run that are not completed yet.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    updates: Table<Update>,
    /// Protocol instance to number.
    numbers: BTreeMap<String, u32>,
    last: u32,
    rejections: Vec<Message>,
}

#[derive(Debug)]
pub(crate) struct Update {
    instance: String,
    meta: Meta,
    message_id: String,
    sequencing_event_id: i64,
    /// Kept for the acceptance message.
    request: Option<Request>,
    progress: Progress,
    outcome: Option<Result<Option<Payload>, Failure>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Requested,
    Accepting,
    Accepted,
    Completed,
}

/// A request as it came in.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) instance: String,
    pub(crate) message_id: String,
    pub(crate) sequencing_event_id: i64,
    pub(crate) request: Request,
    /// Whether history holds the acceptance.
    pub(crate) accepted: bool,
}

impl Updates {
    /// Hands an update to the workflow's code.
    pub(crate) fn receive(&mut self, incoming: Incoming, out: &mut Output) {
        let Incoming {
            instance,
            message_id,
            sequencing_event_id,
            mut request,
            accepted,
        } = incoming;
        let meta = request.meta.clone().unwrap_or_default();
        let kept = (!accepted).then(|| request.clone());
        let input = request.input.take().unwrap_or_default();
        self.last += 1;
        self.numbers.insert(instance.clone(), self.last);
        out.job(Job::Update(Box::new(UpdateReceived {
            protocol_instance_id: instance.clone(),
            update_id: meta.update_id.clone(),
            name: input.name,
            arguments: arguments(input.args),
            header: header_fields(input.header),
            identity: meta.identity.clone(),
            run_validator: !accepted,
        })));
        let update = Update {
            instance,
            meta,
            message_id,
            sequencing_event_id,
            request: kept,
            progress: Progress::Requested,
            outcome: None,
        };
        self.updates.insert(self.last, update);
    }

    pub(crate) fn accept(&mut self, instance: &str, out: &mut Output) {
        let Some(&number) = self.numbers.get(instance) else {
            return;
        };
        self.updates.step(number, |mut update| {
            if update.progress == Progress::Requested {
                update.progress = Progress::Accepting;
                out.command(CommandKey::AcceptUpdate(number));
            }
            Some(update)
        });
    }

    pub(crate) fn reject(&mut self, instance: &str, failure: Failure) {
        let Some(&number) = self.numbers.get(instance) else {
            return;
        };
        let rejections = &mut self.rejections;
        self.updates.step(number, |update| {
            if update.progress != Progress::Requested {
                return Some(update);
            }
            rejections.push(update.rejection(failure));
            None
        });
        if self.updates.get(number).is_none() {
            self.numbers.remove(instance);
        }
    }

    pub(crate) fn complete(&mut self, instance: &str, result: Result<Option<Payload>, Failure>, out: &mut Output) {
        let Some(&number) = self.numbers.get(instance) else {
            return;
        };
        self.updates.step(number, |mut update| {
            if update.progress != Progress::Requested && update.outcome.is_none() {
                update.outcome = Some(result);
                out.command(CommandKey::CompleteUpdate(number));
            }
            Some(update)
        });
    }

    /// History holds an acceptance.
    pub(crate) fn accepted(&mut self, number: u32, instance: &str) -> Result<(), Differences> {
        self.updates.confirm(
            number,
            |update| {
                Differences::default()
                    .field("update", instance, &update.instance)
                    .check()
            },
            |mut update| {
                update.progress = Progress::Accepted;
                Some(update)
            },
        )
    }

    /// History holds an outcome.
    pub(crate) fn completed(&mut self, number: u32, update_id: &str) -> Result<(), Differences> {
        let mut instance = String::new();
        self.updates.confirm(
            number,
            |update| {
                Differences::default()
                    .field("update", update_id, &update.meta.update_id)
                    .check()
            },
            |update| {
                instance = update.instance;
                None
            },
        )?;
        self.numbers.remove(&instance);
        Ok(())
    }

    /// Rejections of this task: they are messages without a command.
    pub(crate) fn take_rejections(&mut self) -> Vec<Message> {
        core::mem::take(&mut self.rejections)
    }

    pub(crate) fn send_acceptance(&mut self, number: u32, messages: &mut Vec<Message>) -> Option<Command> {
        self.updates.send(number, |mut update| {
            let message = update.acceptance();
            update.progress = Progress::Accepted;
            let command = protocol_command(&message);
            messages.push(message);
            (Some(update), Some(command))
        })
    }

    pub(crate) fn send_response(&mut self, number: u32, messages: &mut Vec<Message>) -> Option<Command> {
        self.updates.send(number, |mut update| {
            let Some(outcome) = update.outcome.take() else {
                return (Some(update), None);
            };
            // An empty outcome keeps a second answer out.
            update.outcome = Some(Ok(None));
            update.progress = Progress::Completed;
            let message = update.response(outcome);
            let command = protocol_command(&message);
            messages.push(message);
            (Some(update), Some(command))
        })
    }

    pub(crate) fn describe(&self, number: u32) -> String {
        self.updates
            .get(number)
            .map(|update| format!("update {:?}", update.instance))
            .unwrap_or_default()
    }
}

impl Update {
    fn acceptance(&mut self) -> Message {
        let body = Acceptance {
            accepted_request_message_id: self.message_id.clone(),
            accepted_request_sequencing_event_id: self.sequencing_event_id,
            accepted_request: self.request.take(),
        };
        self.message("accept", "temporal.api.update.v1.Acceptance", body.encode_to_vec())
    }

    fn rejection(&self, failure: Failure) -> Message {
        let body = Rejection {
            rejected_request_message_id: self.message_id.clone(),
            rejected_request_sequencing_event_id: self.sequencing_event_id,
            rejected_request: self.request.clone(),
            failure: Some(failure),
        };
        self.message("reject", "temporal.api.update.v1.Rejection", body.encode_to_vec())
    }

    fn response(&self, result: Result<Option<Payload>, Failure>) -> Message {
        let value = match result {
            Ok(payload) => outcome::Value::Success(single(payload).unwrap_or_default()),
            Err(failure) => outcome::Value::Failure(failure),
        };
        let body = Response {
            meta: Some(self.meta.clone()),
            outcome: Some(Outcome { value: Some(value) }),
        };
        self.message("complete", "temporal.api.update.v1.Response", body.encode_to_vec())
    }

    fn message(&self, step: &str, type_name: &str, value: Vec<u8>) -> Message {
        Message {
            id: format!("{}/{step}", self.message_id),
            protocol_instance_id: self.instance.clone(),
            body: Some(Any {
                type_url: format!("type.googleapis.com/{type_name}"),
                value,
            }),
            sequencing_id: None,
        }
    }
}

fn protocol_command(message: &Message) -> Command {
    command(
        CommandType::ProtocolMessage,
        Attributes::ProtocolMessageCommandAttributes(ProtocolMessageCommandAttributes {
            message_id: message.id.clone(),
        }),
        None,
    )
}
