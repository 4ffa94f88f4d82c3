//! Random messages of every type, against prost-reflect.

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _,
    Value,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use temporal_protos::json::{json_to_wire, wire_to_json};
use temporal_protos::prost::Message as _;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let protos = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../protos"));
    let mut files = Vec::new();
    let mut folders = vec![protos.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    DescriptorPool::from_file_descriptor_set(protox::compile(files, [protos]).unwrap()).unwrap()
});

/// A xorshift generator: the same messages in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Often small, sometimes any 64 bits.
    fn number(&mut self) -> u64 {
        let bits = self.below(64);
        self.next() >> bits
    }

    fn text(&mut self) -> String {
        let letters: Vec<char> = "abc XYZ019_-/\\\"\n\t\u{1}\u{7f}é世😀<>&".chars().collect();
        let length = self.below(12);
        (0..length)
            .map(|_| letters[self.below(letters.len() as u64) as usize])
            .collect()
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                let seconds = self.below(315_537_897_600) as i64 - 62_135_596_800;
                message.set_field_by_name("seconds", Value::I64(seconds));
                message.set_field_by_name("nanos", Value::I32(self.nanos()));
            }
            "google.protobuf.Duration" => {
                let sign = if self.below(4) == 0 { -1 } else { 1 };
                let seconds = (self.number() % 315_576_000_001) as i64;
                message.set_field_by_name("seconds", Value::I64(seconds * sign));
                message.set_field_by_name("nanos", Value::I32(self.nanos() * sign as i32));
            }
            "google.protobuf.FieldMask" => {
                let paths = ["a", "task_queue", "retry_policy.initial_interval"];
                let paths = paths[..self.below(4) as usize]
                    .iter()
                    .map(|path| Value::String((*path).into()));
                message.set_field_by_name("paths", Value::List(paths.collect()));
            }
            "google.protobuf.Any" => {
                let types = ["temporal.api.update.v1.Request", "google.protobuf.Duration"];
                let name = types[self.below(2) as usize];
                let packed = self.message(&POOL.get_message_by_name(name).unwrap(), depth + 1);
                let url = format!("type.googleapis.com/{name}");
                message.set_field_by_name("type_url", Value::String(url));
                message.set_field_by_name("value", Value::Bytes(packed.encode_to_vec().into()));
            }
            _ => {
                for field in descriptor.fields() {
                    let nested = matches!(field.kind(), Kind::Message(_));
                    if self.below(if nested { 2 + depth as u64 * 2 } else { 3 }) != 0 {
                        continue;
                    }
                    if depth > 6 && nested {
                        continue;
                    }
                    let value = self.field(&field, depth);
                    message.set_field(&field, value);
                }
            }
        }
        message
    }

    fn nanos(&mut self) -> i32 {
        let unit = [1, 1_000, 1_000_000, 1_000_000_000][self.below(4) as usize];
        (self.below(1_000_000_000) / unit * unit) as i32
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let count = self.below(4);
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else {
                unreachable!()
            };
            let mut map = HashMap::new();
            for _ in 0..count {
                let key = match entry.map_entry_key_field().kind() {
                    Kind::Int32 => MapKey::I32(self.number() as i32),
                    _ => MapKey::String(self.text()),
                };
                map.insert(key, self.value(&entry.map_entry_value_field(), depth));
            }
            return Value::Map(map);
        }
        if field.cardinality() == Cardinality::Repeated {
            return Value::List((0..count).map(|_| self.value(field, depth)).collect());
        }
        self.value(field, depth)
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        match field.kind() {
            Kind::Bool => Value::Bool(self.below(2) == 1),
            Kind::Int32 => Value::I32(self.number() as i32),
            Kind::Int64 => Value::I64(self.number() as i64),
            Kind::Uint32 => Value::U32(self.number() as u32),
            Kind::Uint64 => Value::U64(self.number()),
            // Eighths are the same in 32 and 64 bits, so the oracle's widening does not show.
            Kind::Float => Value::F32((self.below(4096) as f32 - 2048.0) / 8.0),
            Kind::Double => Value::F64((self.number() as f64) * [1.0, -1e-30, 0.1][self.below(3) as usize]),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(
                (0..self.below(20))
                    .map(|_| self.next() as u8)
                    .collect::<Vec<u8>>()
                    .into(),
            ),
            Kind::Enum(of) => {
                let values: Vec<i32> = of.values().map(|value| value.number()).collect();
                match self.below(10) {
                    0 => Value::EnumNumber(self.number() as i32),
                    _ => Value::EnumNumber(values[self.below(values.len() as u64) as usize]),
                }
            }
            Kind::Message(of) => Value::Message(self.message(&of, depth + 1)),
            other => panic!("no field of this API is {other:?}"),
        }
    }
}

/// The message of these bytes, with explicit defaults dropped.
fn decode(descriptor: &MessageDescriptor, wire: &[u8]) -> DynamicMessage {
    let message = DynamicMessage::decode(descriptor.clone(), wire).unwrap();
    DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice()).unwrap()
}

fn same_json(ours: &str, theirs: &DynamicMessage, context: &str) {
    let ours: serde_json::Value = serde_json::from_str(ours).expect("what we write is JSON");
    let theirs = serde_json::to_value(theirs).unwrap();
    assert_eq!(plain(ours), plain(theirs), "{context}");
}

/// The oracle writes `2.0` where Go and we write `2`, and serde_json is an ulp off in reading some floats; that they
/// come back to the bit is checked through the wire bytes.
fn plain(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => Value::from(number.as_f64().map(|number| number as f32)),
        Value::Array(values) => values.into_iter().map(plain).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        other => other,
    }
}

#[test]
fn random_messages_of_every_type_agree() {
    let mut random = Random::new(0x5eed_0f7e_3a70_7a11);
    let mut written = 0;
    for descriptor in POOL.all_messages().filter(|message| !message.is_map_entry()) {
        let name = descriptor.full_name();
        if name.starts_with("google.protobuf.") && name.ends_with("Value") {
            continue;
        }
        for _ in 0..16 {
            // Decoded again, it has lost the defaults that were set.
            let message = decode(&descriptor, &random.message(&descriptor, 0).encode_to_vec());
            let ours = wire_to_json(name, &message.encode_to_vec()).unwrap();
            same_json(&ours, &message, name);
            let back = json_to_wire(name, &ours).unwrap();
            assert!(decode(&descriptor, &back) == message, "{name}: {ours}");
            let theirs = serde_json::to_string(&message).unwrap();
            let read = json_to_wire(name, &theirs).unwrap();
            assert!(decode(&descriptor, &read) == message, "{name}: {theirs}");
            written += ours.len();
        }
    }
    assert!(written > 500_000, "{written} bytes are too few to mean much");
}

/// Reads and writes `text` as a message called `name`, and holds both against the oracle.
pub(crate) fn agrees(name: &str, text: &str) {
    let descriptor = POOL.get_message_by_name(name).unwrap();
    let wire = json_to_wire(name, text).unwrap();
    let ours = decode(&descriptor, &wire);
    let theirs = DynamicMessage::deserialize(descriptor, &mut serde_json::Deserializer::from_str(text)).unwrap();
    assert!(ours == theirs, "{text}");
    same_json(&wire_to_json(name, &wire).unwrap(), &theirs, text);
    assert_eq!(ours.descriptor().full_name(), name);
}
