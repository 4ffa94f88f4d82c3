//! Data conversion, by the numbers of the feature table.
#![allow(clippy::unwrap_used, reason = "tests may")]

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use temporal_client::data::*;
use temporal_client::failure::{ApplicationError, DefaultFailureConverter, Failure, FailureConverter};
use temporal_client::protos::api::common::v1::{Memo, Payload, WorkflowExecution};
use temporal_client::protos::api::failure::v1::Failure as FailureMessage;
use temporal_client::protos::prost::Message as _;

fn converter() -> CompositeConverter {
    CompositeConverter::default()
}

fn payload(encoding: &str, data: impl Into<Bytes>) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), Bytes::copy_from_slice(encoding.as_bytes()))].into(),
        data: data.into(),
        ..Payload::default()
    }
}

/// A value becomes this payload, and the payload the value.
#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(value: T, encoding: &str, data: &[u8]) {
    let payload = converter().encode(&value).unwrap();
    assert_eq!(encoding_of(&payload), encoding);
    assert_eq!(payload.data, data, "{}", String::from_utf8_lossy(&payload.data));
    assert_eq!(converter().decode::<T>(payload).unwrap(), value);
}

#[track_caller]
fn check_error<T: DeserializeOwned + Debug + 'static>(payload: Payload, parts: &[&str]) {
    let error = converter().decode::<T>(payload).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn s17_none_and_unit_are_binary_null() {
    check((), "binary/null", b"");
    check(None::<u32>, "binary/null", b"");
    check(None::<Vec<u8>>, "binary/null", b"");
    check(Some(5), "json/plain", b"5");
    assert_eq!(converter().decode::<Option<Option<u32>>>(null_payload()).unwrap(), None);
    assert_eq!(
        converter().decode::<serde_json::Value>(null_payload()).unwrap(),
        serde_json::Value::Null
    );

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(Option<u32>);
    assert_eq!(converter().decode::<Wrapped>(null_payload()).unwrap(), Wrapped(None));
    check_error::<u32>(null_payload(), &["u32 as binary/null"]);
    check_error::<Vec<u32>>(null_payload(), &["expected a sequence"]);
}

#[test]
fn s17_json_null_is_nothing_too() {
    let null = || payload("json/plain", "null");
    converter().decode::<()>(null()).unwrap();
    assert_eq!(converter().decode::<Option<u32>>(null()).unwrap(), None);
    assert_eq!(converter().decode::<Option<Vec<u8>>>(null()).unwrap(), None);
}

#[test]
fn s18_bytes_are_binary_plain() {
    check(vec![1_u8, 2, 255], "binary/plain", &[1, 2, 255]);
    check(Bytes::from_static(b"abc"), "binary/plain", b"abc");
    check(b"abc".to_vec().into_boxed_slice(), "binary/plain", b"abc");
    check(Some(b"abc".to_vec()), "binary/plain", b"abc");
    check(Some(Bytes::from_static(b"abc")), "binary/plain", b"abc");
    check(Some(b"abc".to_vec().into_boxed_slice()), "binary/plain", b"abc");
    check(Vec::<u8>::new(), "binary/plain", b"");
    check(vec![1_u16, 2], "json/plain", b"[1,2]");
    check_error::<String>(
        payload("binary/plain", "abc"),
        &["String as binary/plain", "receive them as Vec<u8>"],
    );
}

#[test]
fn s18_bytes_are_not_copied() {
    let bytes = Bytes::from(vec![7; 100]);
    let payload = converter().encode(&bytes).unwrap();
    assert_eq!(payload.data.as_ptr(), bytes.as_ptr());
    assert_eq!(converter().decode::<Bytes>(payload).unwrap().as_ptr(), bytes.as_ptr());
}

fn execution() -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: "w".into(),
        run_id: "r".into(),
    }
}

#[test]
fn s19_protobuf_is_json_protobuf() {
    check(
        Proto(execution()),
        "json/protobuf",
        br#"{"workflowId":"w","runId":"r"}"#,
    );
    check(
        Some(Proto(execution())),
        "json/protobuf",
        br#"{"workflowId":"w","runId":"r"}"#,
    );
    check(None::<Proto<WorkflowExecution>>, "binary/null", b"");
    let payload = converter().encode(&Proto(execution())).unwrap();
    assert_eq!(
        payload.metadata["messageType"],
        "temporal.api.common.v1.WorkflowExecution"
    );
}

#[test]
fn s20_binary_protobuf_is_read() {
    let binary = payload("binary/protobuf", execution().encode_to_vec());
    let message: Proto<WorkflowExecution> = converter().decode(binary.clone()).unwrap();
    assert_eq!(message.into_inner(), execution());
    let message: Option<Proto<WorkflowExecution>> = converter().decode(binary.clone()).unwrap();
    assert_eq!(message.unwrap().workflow_id, "w");
    check_error::<String>(binary, &["String as binary/protobuf", "receive it as a Proto<M>"]);
    check_error::<Proto<WorkflowExecution>>(payload("json/protobuf", r#"{"workflowId":1}"#), &["workflowId"]);
    check_error::<Proto<WorkflowExecution>>(payload("binary/protobuf", &b"\xff"[..]), &["WorkflowExecution"]);
}

#[test]
fn s19_s20_own_messages() {
    #[derive(Clone, PartialEq, temporal_client::protos::prost::Message)]
    #[prost(prost_path = "temporal_client::protos::prost")]
    struct Order {
        #[prost(string, tag = "1")]
        id: String,
    }
    impl ProtoMessage for Order {
        const FULL_NAME: &'static str = "shop.v1.Order";
    }
    let order = Order { id: "17".into() };
    let payload = converter().encode(&Proto(order.clone())).unwrap();
    assert_eq!(encoding_of(&payload), "binary/protobuf");
    assert_eq!(payload.metadata["messageType"], "shop.v1.Order");
    assert_eq!(payload.data, order.encode_to_vec());
    assert_eq!(converter().decode::<Proto<Order>>(payload).unwrap().0, order);
}

#[test]
fn s19_a_message_inside_a_value_is_a_piece_of_its_json() {
    check(
        vec![Proto(execution())],
        "json/plain",
        br#"[{"runId":"r","workflowId":"w"}]"#,
    );
}

#[test]
fn s21_everything_else_is_json() {
    check("text".to_owned(), "json/plain", b"\"text\"");
    check(42_i64, "json/plain", b"42");
    check(1.5, "json/plain", b"1.5");
    check(true, "json/plain", b"true");
    check(vec![Some(1), None], "json/plain", b"[1,null]");
    check((1, "a".to_owned()), "json/plain", b"[1,\"a\"]");
    check(u64::MAX, "json/plain", b"18446744073709551615");
    check(serde_json::json!({"a": [1]}), "json/plain", br#"{"a":[1]}"#);
    // A value that is JSON null but neither `()` nor `None`.
    assert_eq!(
        converter()
            .encode(&serde_json::Value::Null)
            .map(|it| encoding_of(&it).to_owned())
            .unwrap(),
        "binary/null"
    );
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    price: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    lines: Vec<Line>,
    #[serde(default)]
    note: Option<String>,
}

fn order() -> Order {
    Order {
        id: 1,
        lines: vec![Line {
            sku: "a".into(),
            price: 2.5,
        }],
        note: None,
    }
}

#[test]
fn s22_structs() {
    check(
        order(),
        "json/plain",
        br#"{"id":1,"lines":[{"sku":"a","price":2.5}],"note":null}"#,
    );
}

#[test]
fn s22_errors_name_the_type_and_the_field() {
    let json = r#"{"id":1,"lines":[{"sku":"a","price":1},{"sku":"b","price":"dear"}]}"#;
    check_error::<Order>(
        payload("json/plain", json),
        &[
            "Order as json/plain",
            "field lines[1].price",
            "invalid type: string \"dear\", expected f64",
        ],
    );
    let error = converter().decode::<Order>(payload("json/plain", json)).unwrap_err();
    assert_eq!(error.path(), Some("lines[1].price"));
    assert_eq!(error.encoding(), Some("json/plain"));
    assert!(error.type_name().unwrap().ends_with("Order"));
    check_error::<Order>(payload("json/plain", "{"), &["EOF"]);
    check_error::<Order>(payload("json/plain", "{}"), &["missing field `id`"]);
}

#[test]
fn s23_collections() {
    check(BTreeSet::from([2, 1]), "json/plain", b"[1,2]");
    check(HashSet::from(["a".to_owned()]), "json/plain", b"[\"a\"]");
    check(BTreeMap::from([(1, "x".to_owned())]), "json/plain", br#"{"1":"x"}"#);
    check(
        HashMap::from([("k".to_owned(), vec![1])]),
        "json/plain",
        br#"{"k":[1]}"#,
    );
}

#[test]
fn s24_values_are_validated_where_they_are_decoded() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "u32")]
    struct Even(u32);
    impl TryFrom<u32> for Even {
        type Error = String;
        fn try_from(value: u32) -> Result<Self, String> {
            if value.is_multiple_of(2) {
                Ok(Self(value))
            } else {
                Err(format!("{value} is odd"))
            }
        }
    }
    assert_eq!(converter().decode::<Even>(payload("json/plain", "2")).unwrap().0, 2);
    check_error::<Even>(payload("json/plain", "3"), &["Even as json/plain", "3 is odd"]);
    check_error::<Vec<Even>>(payload("json/plain", "[2,3]"), &["field [1]", "3 is odd"]);
}

#[test]
fn s25_enums() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Color {
        DarkRed,
    }
    check(Color::DarkRed, "json/plain", b"\"dark_red\"");
}

#[test]
fn s26_uuid() {
    let id = uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    check(id, "json/plain", b"\"01234567-89ab-cdef-0123-456789abcdef\"");
}

#[test]
fn s28_structs_grow_by_defaults() {
    let old: Order = converter()
        .decode(payload("json/plain", r#"{"id":1,"lines":[]}"#))
        .unwrap();
    assert_eq!(old.note, None);
    let newer = r#"{"id":1,"lines":[],"note":"n","added_later":5}"#;
    assert_eq!(
        converter()
            .decode::<Order>(payload("json/plain", newer))
            .unwrap()
            .note
            .unwrap(),
        "n"
    );
}

#[test]
fn s29_s30_types_drive_the_conversion() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either<A, B> {
        Left(A),
        Right(B),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Id(u32);
    check(Either::<Order, String>::Right("x".into()), "json/plain", b"\"x\"");
    check(Either::<u32, String>::Left(1), "json/plain", b"1");
    check(Id(5), "json/plain", b"5");
    check(
        BTreeMap::from([("a".to_owned(), Some(Id(1)))]),
        "json/plain",
        br#"{"a":1}"#,
    );
}

#[test]
fn raw_values_are_passed_as_they_are() {
    let odd = payload("binary/odd", "x");
    assert_eq!(converter().encode(&RawValue(odd.clone())).unwrap(), odd);
    assert_eq!(converter().decode::<RawValue>(odd.clone()).unwrap().0, odd);
    let error = converter().encode(&vec![RawValue(odd)]).unwrap_err();
    assert!(error.to_string().contains("whole argument"), "{error}");
}

#[test]
fn s32_s33_encodings_are_tried_in_order() {
    assert_eq!(
        converter().encodings().collect::<Vec<_>>(),
        [
            "binary/null",
            "binary/plain",
            "json/protobuf",
            "binary/protobuf",
            "json/plain"
        ]
    );
    let only_json = CompositeConverter::empty().with(JsonConverter::default());
    assert_eq!(only_json.encode(&None::<u32>).unwrap().data, "null");
    assert_eq!(only_json.encode(&vec![1_u8]).unwrap().data, "[1]");
    let only_bytes = CompositeConverter::empty().with(BytesConverter);
    let error = only_bytes.encode(&1).unwrap_err().to_string();
    assert!(error.contains("i32: no encoding takes it"), "{error}");
    let error = only_bytes
        .decode::<u32>(payload("json/plain", "1"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("unknown encoding") && error.contains("binary/plain"),
        "{error}"
    );
    let error = converter().decode::<u32>(Payload::default()).unwrap_err().to_string();
    assert!(error.contains("does not name its encoding"), "{error}");
    let binary_first = CompositeConverter::empty()
        .with(ProtoBinaryConverter)
        .with(ProtoJsonConverter);
    assert_eq!(
        encoding_of(&binary_first.encode(&Proto(execution())).unwrap()),
        "binary/protobuf"
    );
}

/// Addresses as text.
struct IpAddress;

impl EncodingConverter for IpAddress {
    fn encoding(&self) -> &str {
        "text/ipv4-address"
    }
    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
        let address = value.as_any().downcast_ref::<IpAddr>();
        Ok(address.map(|address| payload(self.encoding(), address.to_string())))
    }
    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        let text = String::from_utf8_lossy(&payload.data);
        let address: IpAddr = text
            .parse()
            .map_err(|_| ConversionError::new(format!("{text:?} is no address")))?;
        slot.put(address)
            .map_err(|_| ConversionError::new("expected an IpAddr").of_type(slot.type_name()))
    }
}

#[test]
fn s34_own_encoding_of_an_own_type() {
    let converter = converter().with_first(IpAddress);
    let address = IpAddr::from([10, 0, 0, 1]);
    let sent = converter.encode(&address).unwrap();
    assert_eq!(
        (encoding_of(&sent), &*sent.data),
        ("text/ipv4-address", &b"10.0.0.1"[..])
    );
    assert_eq!(converter.decode::<IpAddr>(sent.clone()).unwrap(), address);
    assert_eq!(encoding_of(&converter.encode(&1).unwrap()), "json/plain");
    let error = converter.decode::<u32>(sent).unwrap_err();
    assert_eq!(error.to_string(), "u32: expected an IpAddr");
    assert_eq!(
        CompositeConverter::empty()
            .with(IpAddress)
            .with(IpAddress)
            .encodings()
            .count(),
        1
    );
}

#[test]
fn s35_s36_the_json_step_alone_nested_too() {
    /// JSON that knows not-a-number, however deep it stands.
    struct Nan;
    impl serde_json::ser::Formatter for Nan {
        fn write_null<W: std::io::Write + ?Sized>(&mut self, writer: &mut W) -> std::io::Result<()> {
            writer.write_all(b"\"NaN\"")
        }
    }
    let json = JsonConverter::default()
        .with_serializer(|value, out| {
            let mut serializer = serde_json::Serializer::with_formatter(out, Nan);
            erased_serde::serialize(value, &mut serializer)
        })
        .with_deserializer(|json, slot| {
            let text = String::from_utf8_lossy(json).replace("\"NaN\"", "null");
            let mut deserializer = serde_json::Deserializer::from_str(&text);
            slot.deserialize(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut deserializer))
        });
    let converter = converter().with(json);
    let value = BTreeMap::from([("a".to_owned(), vec![Some(1.0), Some(f64::NAN)])]);
    let sent = converter.encode(&value).unwrap();
    assert_eq!(sent.data, r#"{"a":[1.0,"NaN"]}"#);
    let back: BTreeMap<String, Vec<Option<f64>>> = converter.decode(sent).unwrap();
    assert_eq!(back["a"], [Some(1.0), None]);
    assert_eq!(encoding_of(&converter.encode(&()).unwrap()), "binary/null");
}

/// Reverses bytes, and counts its calls.
#[derive(Default)]
struct Reverse(Arc<AtomicUsize>);

impl PayloadCodec for Reverse {
    fn encode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let sealed = payloads.into_iter().map(|inner| {
            let mut bytes = inner.encode_to_vec();
            bytes.reverse();
            payload("binary/reversed", bytes)
        });
        let sealed = sealed.collect();
        async { Ok(sealed) }.boxed()
    }
    fn decode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        let open = payloads.into_iter().map(|outer| {
            if encoding_of(&outer) != "binary/reversed" {
                return Err(CodecError::new("not reversed"));
            }
            let bytes: Vec<u8> = outer.data.iter().rev().copied().collect();
            Payload::decode(&*bytes).map_err(|error| CodecError::new("damaged").caused_by(error))
        });
        let open = open.collect();
        async { open }.boxed()
    }
}

#[tokio::test]
async fn s13_s14_s15_a_codec_reaches_every_payload() {
    let calls = Arc::new(AtomicUsize::new(0));
    let converter = DataConverter::default().with_codec(Reverse(Arc::clone(&calls)));
    let plain = converter.payload_converter().encode(&"secret").unwrap();
    let coded = converter.encode_payloads(vec![plain.clone()]).await.unwrap();
    assert_eq!(encoding_of(&coded[0]), "binary/reversed");
    assert_eq!(
        converter.decode_payloads(coded).await.unwrap(),
        std::slice::from_ref(&plain)
    );
    assert!(converter.encode_payloads(Vec::new()).await.unwrap().is_empty());
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    let mut memo = Memo {
        fields: [("a".to_owned(), plain.clone()), ("b".to_owned(), plain.clone())].into(),
    };
    converter.encode_message(&mut memo).await.unwrap();
    assert!(
        memo.fields
            .values()
            .all(|field| encoding_of(field) == "binary/reversed")
    );
    converter.decode_message(&mut memo).await.unwrap();
    assert!(memo.fields.values().all(|field| *field == plain));

    let error = ApplicationError::new("no").details(&"detail").unwrap();
    let failure = converter.error_to_failure(&error, None);
    let coded = converter.encode_failure(failure.clone()).await.unwrap();
    assert_ne!(coded, failure);
    assert_eq!(converter.decode_failure(coded).await.unwrap(), failure);
    let error = converter.decode_failure(failure).await.unwrap_err();
    assert_eq!(error.to_string(), "not reversed");
}

#[test]
fn s13_the_payload_converter_is_replaceable() {
    let converter = DataConverter::default().with_payload_converter(CompositeConverter::empty().with(BytesConverter));
    assert!(converter.payload_converter().encode(&1).is_err());
    assert!(converter.codec().is_none());
}

#[test]
fn s16_the_failure_converter_is_replaceable() {
    struct Polite;
    impl FailureConverter for Polite {
        fn to_failure(
            &self,
            error: &(dyn std::error::Error + 'static),
            type_name: Option<&str>,
            payload_converter: &Arc<dyn PayloadConverter>,
        ) -> FailureMessage {
            let mut failure = DefaultFailureConverter::new().to_failure(error, type_name, payload_converter);
            failure.message = format!("sorry: {}", failure.message);
            failure
        }
        fn from_failure(&self, failure: FailureMessage, payload_converter: &Arc<dyn PayloadConverter>) -> Failure {
            DefaultFailureConverter::new().from_failure(failure, payload_converter)
        }
    }
    let converter = DataConverter::default().with_failure_converter(Polite);
    let failure = converter.error_to_failure(&ApplicationError::new("broken"), None);
    assert_eq!(failure.message, "sorry: broken");
    assert_eq!(converter.failure_to_error(failure).message(), "sorry: broken");
}

proptest::proptest! {
    #[test]
    fn s21_any_json_there_and_back(text: String, number: i64, list: Vec<(bool, Option<u8>)>, map: BTreeMap<String, f32>) {
        let value = (text, number, list, map);
        let payload = converter().encode(&value).unwrap();
        proptest::prop_assert_eq!(converter().decode::<(String, i64, Vec<(bool, Option<u8>)>, BTreeMap<String, f32>)>(payload).unwrap(), value);
    }

    #[test]
    fn damaged_payloads_are_errors_not_panics(encoding in "(json/plain|json/protobuf|binary/protobuf|binary/plain|binary/null|x)", data: Vec<u8>) {
        let broken = payload(&encoding, data);
        let _ = converter().decode::<Order>(broken.clone());
        let _ = converter().decode::<Proto<WorkflowExecution>>(broken.clone());
        let _ = converter().decode::<Option<Vec<u8>>>(broken);
    }
}
