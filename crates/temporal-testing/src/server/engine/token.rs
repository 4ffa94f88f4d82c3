//! Tokens that callers carry back: task tokens and page tokens. Opaque to them, protobuf inside.

use temporal_protos::prost::bytes::Bytes;
use temporal_protos::prost::{self, Message};
use uuid::Uuid;

use super::core::Engine;
use super::state::RunKey;
use super::status::Status;

/// What a task token names.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TaskToken {
    /// The run, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    run_id: Vec<u8>,
    #[prost(enumeration = "TokenKind", tag = "2")]
    kind: i32,
    /// The scheduled event of the task, or the number of the query.
    #[prost(int64, tag = "3")]
    pub(super) id: i64,
    /// Tells this start of the task from any other.
    #[prost(int64, tag = "4")]
    pub(super) stamp: i64,
}

/// The kinds of task a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum TokenKind {
    None = 0,
    Workflow = 1,
    Activity = 2,
    Query = 3,
    NexusStart = 4,
    NexusCancel = 5,
}

impl TaskToken {
    pub(super) fn new(kind: TokenKind, run_id: Uuid, id: i64, stamp: i64) -> Self {
        TaskToken {
            run_id: run_id.as_bytes().to_vec(),
            kind: kind as i32,
            id,
            stamp,
        }
    }

    pub(super) fn encode(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// Reads a token of the kind expected.
    pub(super) fn decode(kind: TokenKind, bytes: &[u8]) -> Result<Self, Status> {
        if bytes.is_empty() {
            return Err(Status::invalid_argument("Task token not set on request."));
        }
        match <TaskToken as Message>::decode(bytes) {
            Ok(token) if token.kind == kind as i32 && token.run_id.len() == 16 => Ok(token),
            Ok(_) | Err(_) => Err(Status::invalid_argument("Error deserializing task token.")),
        }
    }

    pub(super) fn run_id(&self) -> Uuid {
        Uuid::from_slice(&self.run_id).unwrap_or_default()
    }
}

impl Engine {
    /// The run that a token names, `None` when it is gone. The request may leave its namespace out.
    pub(super) fn run_of_token(&self, namespace: &str, token: &TaskToken) -> Result<Option<RunKey>, Status> {
        let key = self.shared.index.by_run_id(token.run_id());
        if namespace.is_empty() {
            return Ok(key);
        }
        let named = self.shared.namespaces.find(namespace)?.id;
        let run = key.and_then(|key| self.runs.get(&key));
        if run.is_some_and(|run| run.namespace != named) {
            let text = "Operation requested with a token from a different namespace.";
            return Err(Status::invalid_argument(text));
        }
        Ok(key)
    }
}

/// Where a history is to be read on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HistoryToken {
    /// The run, 16 bytes: a long poll stays with the run it began with.
    #[prost(bytes = "vec", tag = "1")]
    run_id: Vec<u8>,
    /// The first event of the next page.
    #[prost(int64, tag = "2")]
    pub(super) next_event_id: i64,
}

impl HistoryToken {
    pub(super) fn new(run_id: Uuid, next_event_id: i64) -> Self {
        HistoryToken {
            run_id: run_id.as_bytes().to_vec(),
            next_event_id,
        }
    }

    pub(super) fn encode(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Status> {
        match <HistoryToken as Message>::decode(bytes) {
            Ok(token) if token.run_id.len() == 16 && token.next_event_id > 0 => Ok(token),
            Ok(_) | Err(_) => Err(Status::invalid_argument("Invalid NextPageToken.")),
        }
    }

    pub(super) fn run_id(&self) -> Uuid {
        Uuid::from_slice(&self.run_id).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_garbage_or_another_kind_is_refused() {
        let run = Uuid::from_u128(77);
        let bytes = TaskToken::new(TokenKind::Activity, run, 5, 2).encode();
        let token = TaskToken::decode(TokenKind::Activity, &bytes).unwrap();
        assert_eq!((token.run_id(), token.id, token.stamp), (run, 5, 2));
        for (kind, bytes) in [
            (TokenKind::Workflow, &bytes[..]),
            (TokenKind::Activity, b"xx"),
            (TokenKind::Activity, b""),
        ] {
            assert!(TaskToken::decode(kind, bytes).is_err());
        }
    }
}
