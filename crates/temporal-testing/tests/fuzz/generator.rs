//! Random messages that reach deep: names, ids and tokens are mostly ones the server knows.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::LazyLock;

use prost_reflect::prost::Message as _;
use prost_reflect::prost::bytes::{Buf, BufMut, Bytes};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use temporal_protos::api::nexus::v1::request::Variant;
use temporal_testing::server::engine::{Request, Response};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protos");
    let services = ["workflowservice", "operatorservice", "testservice"];
    let mut files: Vec<_> = services
        .iter()
        .map(|name| protos.join(format!("temporal/api/{name}/v1/service.proto")))
        .collect();
    files.push(protos.join("temporal/api/update/v1/message.proto"));
    DescriptorPool::from_file_descriptor_set(protox::compile(files, [protos]).unwrap()).unwrap()
});

/// The request message of an RPC, by its name.
pub(crate) fn request_type(name: &str) -> Option<MessageDescriptor> {
    static TYPES: LazyLock<HashMap<String, MessageDescriptor>> = LazyLock::new(|| {
        let methods = POOL
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        methods
            .map(|method| (method.name().to_owned(), method.input()))
            .collect()
    });
    TYPES.get(name).cloned()
}

/// How many tokens and ids are remembered of each kind.
const MEMORY: usize = 32;

pub(crate) struct Generator {
    state: u64,
    run_ids: VecDeque<String>,
    workflow_tokens: VecDeque<Vec<u8>>,
    activity_tokens: VecDeque<Vec<u8>>,
    nexus_tokens: VecDeque<Vec<u8>>,
    callback_tokens: VecDeque<String>,
    endpoint_ids: VecDeque<String>,
    /// The RPC whose request is being made.
    rpc: &'static str,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Generator {
            state,
            run_ids: VecDeque::new(),
            workflow_tokens: VecDeque::new(),
            activity_tokens: VecDeque::new(),
            nexus_tokens: VecDeque::new(),
            callback_tokens: VecDeque::new(),
            endpoint_ids: VecDeque::new(),
            rpc: "",
        }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// An RPC, those of runs and workers more often than the rest.
    pub(crate) fn rpc(&mut self) -> &'static str {
        const OFTEN: &[&str] = &[
            "StartWorkflowExecution",
            "StartWorkflowExecution",
            "StartWorkflowExecution",
            "SignalWithStartWorkflowExecution",
            "SignalWorkflowExecution",
            "UpdateWorkflowExecution",
            "QueryWorkflow",
            "RequestCancelWorkflowExecution",
            "PollWorkflowTaskQueue",
            "PollWorkflowTaskQueue",
            "PollWorkflowTaskQueue",
            "RespondWorkflowTaskCompleted",
            "RespondWorkflowTaskCompleted",
            "RespondWorkflowTaskCompleted",
            "RespondWorkflowTaskFailed",
            "PollActivityTaskQueue",
            "PollActivityTaskQueue",
            "RespondActivityTaskCompleted",
            "RespondActivityTaskFailed",
            "RecordActivityTaskHeartbeat",
            "CreateNexusEndpoint",
            "PollNexusTaskQueue",
            "RespondNexusTaskCompleted",
            "RespondNexusTaskFailed",
        ];
        let name = if self.one_in(4) {
            self.pick(Request::NAMES)
        } else {
            self.pick(OFTEN)
        };
        // Hardly anything happens without a namespace.
        let ends = name == "DeleteNamespace" && !self.one_in(300);
        self.rpc = if ends { "DescribeWorkflowExecution" } else { name };
        self.rpc
    }

    pub(crate) fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len() as u64) as usize]
    }

    /// Remembers what a later request can name.
    pub(crate) fn learn(&mut self, response: &Response) {
        match response {
            Response::StartWorkflowExecution(started) => remember(&mut self.run_ids, started.run_id.clone()),
            Response::SignalWithStartWorkflowExecution(started) => remember(&mut self.run_ids, started.run_id.clone()),
            Response::PollWorkflowTaskQueue(task) if !task.task_token.is_empty() => {
                remember(&mut self.workflow_tokens, task.task_token.to_vec());
            }
            Response::PollActivityTaskQueue(task) if !task.task_token.is_empty() => {
                remember(&mut self.activity_tokens, task.task_token.to_vec());
            }
            Response::PollNexusTaskQueue(task) if !task.task_token.is_empty() => {
                remember(&mut self.nexus_tokens, task.task_token.to_vec());
                let variant = task.request.as_ref().and_then(|request| request.variant.as_ref());
                if let Some(Variant::StartOperation(start)) = variant {
                    self.callback_tokens.extend(start.callback_header.values().cloned());
                    self.callback_tokens.truncate(MEMORY);
                }
            }
            Response::CreateNexusEndpoint(created) => {
                let id = created.endpoint.as_ref().map(|endpoint| endpoint.id.clone());
                remember(&mut self.endpoint_ids, id.unwrap_or_default());
            }
            _ => {}
        }
    }

    /// Of another server.
    pub(crate) fn forget(&mut self) {
        self.run_ids.clear();
        self.workflow_tokens.clear();
        self.activity_tokens.clear();
        self.nexus_tokens.clear();
        self.callback_tokens.clear();
        self.endpoint_ids.clear();
    }

    /// A path and the bytes of a request for it, both perhaps wrong.
    pub(crate) fn call(&mut self) -> (String, Bytes) {
        let name = self.rpc();
        let method = POOL
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .find(|m| m.name() == name);
        let method = method.expect("the API has every RPC of the engine");
        let mut bytes = self.message(&method.input(), 0).encode_to_vec();
        if self.one_in(3) {
            self.spoil(&mut bytes);
        }
        (format!("/{}/{name}", method.parent_service().full_name()), bytes.into())
    }

    /// Changes, cuts or adds bytes.
    pub(crate) fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() as u64 + 1) as usize;
            match self.below(3) {
                0 if at < bytes.len() => bytes[at] = self.next() as u8,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, self.next() as u8),
            }
        }
    }

    pub(crate) fn message(&mut self, descriptor: &MessageDescriptor, depth: u64) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                let now = 1_750_000_000 + self.below(200) as i64 - 100;
                let seconds = if self.one_in(8) { self.number() as i64 } else { now };
                self.set_time(&mut message, seconds);
                return message;
            }
            "google.protobuf.Duration" => {
                let seconds = if self.one_in(12) {
                    self.number() as i64
                } else {
                    self.below(100) as i64
                };
                let sign = if self.one_in(60) { -1 } else { 1 };
                self.set_time(&mut message, seconds.wrapping_mul(sign));
                return message;
            }
            "google.protobuf.Any" => {
                let name = self.pick(&[
                    "temporal.api.update.v1.Acceptance",
                    "temporal.api.update.v1.Rejection",
                    "temporal.api.update.v1.Response",
                ]);
                let packed = POOL
                    .get_message_by_name(name)
                    .map(|packed| self.message(&packed, depth + 1).encode_to_vec());
                message.set_field_by_name("type_url", Value::String(format!("type.googleapis.com/{name}")));
                message.set_field_by_name("value", Value::Bytes(packed.unwrap_or_default().into()));
                return message;
            }
            "temporal.api.command.v1.Command" if !self.one_in(10) => return self.command(descriptor, depth),
            _ => {}
        }
        // Of a oneof, mostly one: the last to be set stays.
        for field in descriptor.fields() {
            let rarely = match field.kind() {
                Kind::Message(_) => 2 + depth,
                _ if essential(field.name()) => 1,
                _ => 3,
            };
            let wanted = if rare(field.name()) {
                self.one_in(10)
            } else if essential(field.name()) {
                !self.one_in(80)
            } else {
                self.one_in(rarely)
            };
            if wanted && depth < 7 {
                let value = self.field(&field, depth);
                message.set_field(&field, value);
            }
        }
        message
    }

    fn set_time(&mut self, message: &mut DynamicMessage, seconds: i64) {
        let nanos = if self.one_in(20) { self.number() as i32 } else { 0 };
        message.set_field_by_name("seconds", Value::I64(seconds));
        message.set_field_by_name("nanos", Value::I32(nanos));
    }

    /// A command whose type and attributes fit.
    fn command(&mut self, descriptor: &MessageDescriptor, depth: u64) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let Some(types) = POOL.get_enum_by_name("temporal.api.enums.v1.CommandType") else {
            return message;
        };
        let types: Vec<_> = types.values().collect();
        let chosen = &types[self.below(types.len() as u64) as usize];
        message.set_field_by_name("command_type", Value::EnumNumber(chosen.number()));
        let name = chosen.name().trim_start_matches("COMMAND_TYPE_").to_lowercase();
        if let Some(field) = descriptor.get_field_by_name(&format!("{name}_command_attributes")) {
            let value = self.field(&field, depth);
            message.set_field(&field, value);
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor, depth: u64) -> Value {
        let count = self.below(4);
        if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            let mut map = HashMap::new();
            for _ in 0..count {
                let key = match entry.map_entry_key_field().kind() {
                    Kind::String => {
                        let names = [
                            "encoding",
                            "CustomKeyword",
                            "BuildIds",
                            "update-1",
                            "temporal-callback-token",
                            "x",
                            "",
                        ];
                        MapKey::String(self.pick(&names).to_owned())
                    }
                    _ => MapKey::I32(self.below(5) as i32),
                };
                map.insert(key, self.value(&entry.map_entry_value_field(), depth));
            }
            return Value::Map(map);
        }
        if field.is_list() {
            return Value::List((0..count).map(|_| self.value(field, depth)).collect());
        }
        self.value(field, depth)
    }

    fn value(&mut self, field: &FieldDescriptor, depth: u64) -> Value {
        match field.kind() {
            Kind::Bool => Value::Bool(self.one_in(2)),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.small() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.small() as i64),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.small() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.small()),
            Kind::Float => Value::F32(self.float() as f32),
            Kind::Double => Value::F64(self.float()),
            Kind::String => Value::String(self.text(field.name())),
            Kind::Bytes => Value::Bytes(self.bytes(field.name()).into()),
            Kind::Enum(of) => {
                let values: Vec<i32> = of.values().map(|value| value.number()).collect();
                let known = values[self.below(values.len() as u64) as usize];
                Value::EnumNumber(if self.one_in(20) { self.number() as i32 } else { known })
            }
            Kind::Message(of) => Value::Message(self.message(&of, depth + 1)),
        }
    }

    /// Any 64 bits, of any size.
    fn number(&mut self) -> u64 {
        let bits = self.below(64);
        (self.next() << 11 | self.below(2048)) >> bits
    }

    fn small(&mut self) -> u64 {
        if self.one_in(10) { self.number() } else { self.below(20) }
    }

    fn float(&mut self) -> f64 {
        match self.below(8) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => -1.0,
            _ => self.below(1_000) as f64 / 100.0,
        }
    }

    fn bytes(&mut self, field: &str) -> Vec<u8> {
        if field == "task_token" && !self.one_in(10) {
            let of_activity = self.rpc.contains("Activity") != self.one_in(20);
            let newest = self.one_in(2);
            let pick = self.next();
            let tokens = if self.rpc.contains("Nexus") {
                &self.nexus_tokens
            } else if of_activity {
                &self.activity_tokens
            } else {
                &self.workflow_tokens
            };
            let at = if newest {
                tokens.len().checked_sub(1)
            } else {
                (pick as usize).checked_rem(tokens.len())
            };
            if let Some(token) = at.and_then(|at| tokens.get(at)) {
                return token.clone();
            }
        }
        if field == "data" && !self.one_in(4) {
            return self
                .pick(&["\"text\"", "5", "null", "[\"a\"]", "true"])
                .as_bytes()
                .to_vec();
        }
        (0..self.below(20)).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self, field: &str) -> String {
        if self.one_in(200) {
            return self.odd_text();
        }
        match field {
            "namespace" => if self.one_in(40) { "elsewhere" } else { "default" }.to_owned(),
            "workflow_id" => self.pick(&["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"]).to_owned(),
            "run_id" | "first_execution_run_id" if !self.run_ids.is_empty() && self.one_in(2) => {
                let at = self.below(self.run_ids.len() as u64) as usize;
                self.run_ids[at].clone()
            }
            "run_id" | "first_execution_run_id" => String::new(),
            // Of task queues, types, signals, queries: the same few, so that they meet.
            "name" | "normal_name" | "workflow_type" | "query_type" | "endpoint" | "task_queue" => {
                self.pick(&["q1", "q2"]).to_owned()
            }
            "id" if self.rpc.contains("NexusEndpoint") && !self.endpoint_ids.is_empty() => {
                let at = self.below(self.endpoint_ids.len() as u64) as usize;
                self.endpoint_ids[at].clone()
            }
            "operation_state" => self.pick(&["failed", "canceled", "other"]).to_owned(),
            "error_type" => self.pick(&["INTERNAL", "BAD_REQUEST"]).to_owned(),
            "url" => self
                .pick(&["temporal://system", "temporal://system", "http://x"])
                .to_owned(),
            "value" if !self.callback_tokens.is_empty() && self.one_in(2) => {
                let at = self.below(self.callback_tokens.len() as u64) as usize;
                self.callback_tokens[at].clone()
            }
            "activity_id" | "timer_id" | "id" => self.pick(&["1", "2", "3"]).to_owned(),
            "update_id" | "protocol_instance_id" => self.pick(&["update-1", "update-2"]).to_owned(),
            "message_id" => self
                .pick(&["update-1/request", "update-1/accept", "update-1/complete"])
                .to_owned(),
            "cron_schedule" => self
                .pick(&["", "", "", "* * * * *", "@every 2s", "nonsense"])
                .to_owned(),
            "query" => self
                .pick(&["", "WorkflowId = 'w1'", "GROUP BY ExecutionStatus", "Foo = 1", "("])
                .to_owned(),
            "request_id" => self.pick(&["", "r1", "r2", "r3", "r4", "r5", "r6"]).to_owned(),
            "identity" => "fuzz".to_owned(),
            _ => self.pick(&["a", "b", "a", "b", "a", ""]).to_owned(),
        }
    }

    fn odd_text(&mut self) -> String {
        match self.below(4) {
            0 => "x".repeat(self.below(3_000) as usize),
            1 => "\u{0}é世😀".to_owned(),
            2 => String::new(),
            _ => (0..self.below(10))
                .map(|_| char::from_u32(self.below(0x3000) as u32).unwrap_or('?'))
                .collect(),
        }
    }
}

/// Fields without which hardly any request gets past the first check.
fn essential(field: &str) -> bool {
    matches!(
        field,
        "namespace"
            | "workflow_id"
            | "workflow_execution"
            | "execution"
            | "task_queue"
            | "workflow_type"
            | "name"
            | "task_token"
            | "command_type"
            | "activity_id"
            | "activity_type"
            | "start_to_close_timeout"
            | "start_to_fire_timeout"
            | "timer_id"
            | "marker_name"
            | "signal_name"
            | "query"
            | "query_type"
            | "update_id"
            | "request"
            | "meta"
            | "input"
            | "commands"
            | "message_id"
            | "endpoint"
            | "spec"
            | "target"
            | "worker"
            | "response"
            | "start_operation"
            | "operation_token"
            | "url"
            | "header"
    )
}

/// Fields that spoil most requests when they hold anything.
fn rare(field: &str) -> bool {
    matches!(
        field,
        "search_attributes"
            | "retry_policy"
            | "cron_schedule"
            | "versioning_override"
            | "completion_callbacks"
            | "time_skipping_config"
            | "next_page_token"
            | "first_execution_run_id"
            | "binary_checksum"
            | "worker_versioning_id"
            | "deployment"
            | "control"
            | "kind"
            | "workflow_start_delay"
            | "request_eager_execution"
            | "sticky_attributes"
            | "normal_name"
            | "on_conflict_options"
            | "poller_group_id"
    )
}

fn remember<T>(memory: &mut VecDeque<T>, value: T) {
    if memory.len() == MEMORY {
        memory.pop_front();
    }
    memory.push_back(value);
}

/// Sends bytes as they are.
#[derive(Clone, Copy)]
pub(crate) struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = RawCodec;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> RawCodec {
        RawCodec
    }

    fn decoder(&mut self) -> RawCodec {
        RawCodec
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = tonic::Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = tonic::Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, tonic::Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
