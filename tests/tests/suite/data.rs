//! Values on their way: client, server, worker and back.

use crate::quick;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use temporal_integration_tests::history::Attributes;
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::client::data::{
    CodecError, CompositeConverter, ConversionError, DataConverter, EncodingConverter, ErasedSlot, ErasedValue,
    JsonConverter, PayloadCodec, PayloadConverter, Proto, ProtoBinaryConverter, RawValue, encoding_of,
};
use temporal_sdk::client::failure::{DefaultFailureConverter, Failure, FailureConverter};
use temporal_sdk::client::protos::api::common::v1::{Payload, WorkflowExecution};
use temporal_sdk::client::protos::api::failure::v1::Failure as FailureMessage;
use temporal_sdk::{activity, workflow};

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Colour {
    Red,
    Green,
}

/// A struct that has grown: what older callers do not send has a default.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Order<T> {
    id: uuid::Uuid,
    colours: Vec<Colour>,
    tags: BTreeSet<String>,
    prices: BTreeMap<String, T>,
    #[serde(default)]
    note: Option<String>,
}

fn order() -> Order<u64> {
    Order {
        id: uuid::Uuid::from_u128(7),
        colours: vec![Colour::Red, Colour::Green],
        tags: BTreeSet::from(["a".to_owned(), "b".to_owned()]),
        prices: BTreeMap::from([("apple".to_owned(), 3)]),
        note: None,
    }
}

#[activity]
async fn same_order(order: Order<u64>) -> activity::Result<Order<u64>> {
    Ok(order)
}

#[workflow]
pub(crate) async fn passes_order(ctx: &workflow::Context, order: Order<u64>) -> workflow::Result<Order<u64>> {
    Ok(ctx.execute_activity(same_order, order, quick()).await?)
}

/// The payloads a workflow was started with, as the server has them.
async fn input(env: &Env, suffix: &str) -> anyhow::Result<Vec<Payload>> {
    let events = env.events(&env.id(suffix)).await?;
    match events.first().and_then(|event| event.attributes.clone()) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
            Ok(started.input.unwrap_or_default().payloads)
        }
        other => anyhow::bail!("the first event is {other:?}"),
    }
}

/// S21–S23, S25, S26, S28–S30: structs with collections, enums, UUIDs, generics; an older caller leaves the new field out.
#[test]
fn s21_s22_s23_s25_s26_s28_s29_s30_structs() {
    run(async |env| {
        env.serve(env.worker().workflow::<passes_order>().activity(same_order), async {
            let client = env.client();
            let back = client
                .execute_workflow(passes_order, order(), env.options("typed"))
                .await?;
            assert_eq!(back, order());
            let sent = input(&env, "typed").await?;
            assert_eq!(encoding_of(&sent[0]), "json/plain");

            let mut old = serde_json::to_value(order())?;
            old.as_object_mut().expect("an object").remove("note");
            let named = workflow::named::<Order<u64>>("passes_order");
            assert_eq!(client.execute_workflow(named, old, env.options("old")).await?, order());
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn passes_parts(
    bytes: Bytes,
    nothing: Option<String>,
    message: Proto<WorkflowExecution>,
) -> workflow::Result<(usize, Option<String>, String)> {
    Ok((bytes.len(), nothing, message.into_inner().workflow_id))
}

#[workflow]
pub(crate) async fn gives_bytes() -> workflow::Result<Vec<u8>> {
    Ok(vec![0, 1, 255])
}

#[workflow]
pub(crate) async fn gives_message(id: String) -> workflow::Result<Proto<WorkflowExecution>> {
    Ok(Proto(WorkflowExecution {
        workflow_id: id,
        run_id: "r".to_owned(),
    }))
}

#[workflow]
pub(crate) async fn gives_nothing() -> workflow::Result<()> {
    Ok(())
}

/// S17–S20: null, bytes and protobuf messages, each under its encoding; binary protobuf of others is read.
#[test]
fn s17_s18_s19_s20_encodings() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<passes_parts>()
            .workflow::<gives_bytes>()
            .workflow::<gives_message>()
            .workflow::<gives_nothing>();
        env.serve(worker, async {
            let client = env.client();
            let message = WorkflowExecution {
                workflow_id: "w".to_owned(),
                run_id: "r".to_owned(),
            };
            let parts = (Bytes::from_static(&[1, 2, 3]), None, Proto(message.clone()));
            let seen = client
                .execute_workflow(passes_parts, parts, env.options("parts"))
                .await?;
            assert_eq!(seen, (3, None, "w".to_owned()));
            let sent = input(&env, "parts").await?;
            let encodings: Vec<_> = sent.iter().map(encoding_of).collect();
            assert_eq!(encodings, ["binary/plain", "binary/null", "json/protobuf"]);

            let binary = CompositeConverter::default().with_first(ProtoBinaryConverter);
            let other = client.with_data_converter(DataConverter::default().with_payload_converter(binary));
            let parts = (Bytes::new(), Some("text".to_owned()), Proto(message));
            let seen = other
                .execute_workflow(passes_parts, parts, env.options("binary"))
                .await?;
            assert_eq!(seen, (0, Some("text".to_owned()), "w".to_owned()));
            let sent = input(&env, "binary").await?;
            assert_eq!(encoding_of(&sent[2]), "binary/protobuf");

            assert_eq!(
                client.execute_workflow(gives_bytes, (), env.options("bytes")).await?,
                [0, 1, 255]
            );
            let message = client
                .execute_workflow(gives_message, "m", env.options("message"))
                .await?;
            assert_eq!(message.0.workflow_id, "m");
            client
                .execute_workflow(gives_nothing, (), env.options("nothing"))
                .await?;
            Ok(())
        })
        .await
    });
}

/// Turns every payload's bytes around, as an encryption would.
pub(crate) struct Reverse;

impl PayloadCodec for Reverse {
    fn encode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        let sealed = payloads.into_iter().map(|payload| Payload {
            metadata: [("encoding".to_owned(), Bytes::from_static(b"binary/reversed"))].into(),
            data: payload.encode_to_vec().into_iter().rev().collect::<Vec<u8>>().into(),
            ..Default::default()
        });
        let sealed = Ok(sealed.collect());
        async move { sealed }.boxed()
    }

    fn decode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        let open = payloads.into_iter().map(|payload| {
            if encoding_of(&payload) != "binary/reversed" {
                return Ok(payload);
            }
            let bytes: Vec<u8> = payload.data.iter().rev().copied().collect();
            Payload::decode(&*bytes).map_err(|error| CodecError::new("not reversed").caused_by(error))
        });
        let open: Result<Vec<_>, _> = open.collect();
        async move { open }.boxed()
    }
}

#[activity]
async fn fails_secretly(secret: String) -> activity::Result<String> {
    Err(temporal_sdk::client::failure::ApplicationError::new(secret)
        .non_retryable()
        .details(&"hidden detail")?
        .into())
}

#[derive(Default)]
pub(crate) struct Secret {
    heard: std::cell::RefCell<Option<String>>,
}

#[workflow]
impl Secret {
    #[run]
    async fn run(&self, ctx: &workflow::Context, secret: String) -> workflow::Result<String> {
        ctx.wait_condition(|| self.heard.borrow().is_some()).await?;
        let failure = ctx.execute_activity(fails_secretly, secret, quick()).await.unwrap_err();
        let application = failure.as_application().expect("an application failure");
        let detail: String = application.detail()?;
        Ok(format!(
            "{} {detail} {}",
            application.message(),
            self.heard.borrow().clone().unwrap_or_default()
        ))
    }

    #[signal]
    fn hear(&self, text: String) {
        self.heard.replace(Some(text));
    }

    #[query]
    fn heard(&self) -> Option<String> {
        self.heard.borrow().clone()
    }

    #[update]
    fn repeat(&self, text: String) -> String {
        text
    }
}

/// Seals payloads, and what failures say.
pub(crate) fn sealing() -> DataConverter {
    let failures = DefaultFailureConverter::new().encode_common_attributes(true);
    DataConverter::default()
        .with_codec(Reverse)
        .with_failure_converter(failures)
}

/// S13–S15: nothing readable reaches the server, in any direction.
#[test]
fn s13_s14_s15_a_codec_seals_everything() {
    run(async |env| {
        let env = env.with_client(env.client().with_data_converter(sealing()));
        env.serve(env.worker().workflow::<Secret>().activity(fails_secretly), async {
            let handle = env
                .client()
                .start_workflow(Secret::run, "s3cret", env.options("codec"))
                .await?;
            assert_eq!(handle.execute_update(Secret::repeat, "s3cret").await?, "s3cret");
            handle.signal(Secret::hear, "s3cret").await?;
            assert_eq!(handle.query(Secret::heard, ()).await?.as_deref(), Some("s3cret"));
            assert_eq!(handle.result().await?, "s3cret hidden detail s3cret");
            for event in env.events(&env.id("codec")).await? {
                let wire = event.encode_to_vec();
                let readable = wire.windows(6).any(|bytes| bytes == b"s3cret" || bytes == b"hidden");
                assert!(!readable, "{:?}", event.event_type());
            }
            Ok(())
        })
        .await
    });
}

/// Names every failure after itself.
struct Stamp(DefaultFailureConverter);

impl FailureConverter for Stamp {
    fn to_failure(
        &self,
        error: &(dyn std::error::Error + 'static),
        type_name: Option<&str>,
        converter: &Arc<dyn PayloadConverter>,
    ) -> FailureMessage {
        let mut failure = self.0.to_failure(error, type_name, converter);
        failure.source = "stamped".to_owned();
        failure
    }

    fn from_failure(&self, failure: FailureMessage, converter: &Arc<dyn PayloadConverter>) -> Failure {
        self.0.from_failure(failure, converter)
    }
}

#[workflow]
pub(crate) async fn fails_plainly() -> workflow::Result<()> {
    Err("plainly".into())
}

#[test]
fn s16_an_own_failure_converter() {
    run(async |env| {
        let converter = DataConverter::default().with_failure_converter(Stamp(DefaultFailureConverter::new()));
        let env = env.with_client(env.client().with_data_converter(converter));
        env.serve(env.worker().workflow::<fails_plainly>(), async {
            let error = env
                .client()
                .execute_workflow(fails_plainly, (), env.options("stamp"))
                .await
                .unwrap_err();
            assert_eq!(error.failure().as_ref().map(Failure::message), Some("plainly"));
            let events = env.events(&env.id("stamp")).await?;
            let Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) =
                events.last().and_then(|event| event.attributes.clone())
            else {
                anyhow::bail!("the workflow did not fail");
            };
            assert_eq!(failed.failure.unwrap_or_default().source, "stamped");
            Ok(())
        })
        .await
    });
}

/// `text/ip-address`: an own encoding for a type of the standard library.
struct IpAddress;

impl EncodingConverter for IpAddress {
    fn encoding(&self) -> &'static str {
        "text/ip-address"
    }

    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
        Ok(value.as_any().downcast_ref::<IpAddr>().map(|address| Payload {
            metadata: [("encoding".to_owned(), Bytes::from_static(b"text/ip-address"))].into(),
            data: address.to_string().into(),
            ..Default::default()
        }))
    }

    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        let text = String::from_utf8_lossy(&payload.data);
        let address: IpAddr = text
            .parse()
            .map_err(|_| ConversionError::new(format!("{text} is no address")))?;
        slot.put(address)
            .map_err(|_| ConversionError::new("expected an IpAddr").of_type(slot.type_name()))
    }
}

#[workflow]
pub(crate) async fn passes_addresses(address: IpAddr, listed: Vec<IpAddr>) -> workflow::Result<IpAddr> {
    Ok(listed.first().copied().unwrap_or(address))
}

/// Writes addresses in a way of its own, and JSON over several lines.
pub(crate) fn of_addresses() -> DataConverter {
    let indented = JsonConverter::default().with_serializer(|value, out| {
        let mut serializer = serde_json::Serializer::pretty(out);
        erased_serde::serialize(value, &mut serializer)
    });
    let converter = CompositeConverter::default().with_first(IpAddress).with(indented);
    DataConverter::default().with_payload_converter(converter)
}

/// S32–S36: an own encoding first, and JSON written in an own way, deep inside too.
#[test]
fn s32_s33_s34_s35_s36_own_encodings() {
    run(async |env| {
        let env = env.with_client(env.client().with_data_converter(of_addresses()));
        env.serve(env.worker().workflow::<passes_addresses>(), async {
            let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1]));
            let options = env.options("ip");
            let back = env
                .client()
                .execute_workflow(passes_addresses, (a, vec![b]), options)
                .await?;
            assert_eq!(back, b);
            let events = env.events(&env.id("ip")).await?;
            let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) =
                events.first().and_then(|event| event.attributes.clone())
            else {
                anyhow::bail!("the first event is another");
            };
            let sent = started.input.unwrap_or_default().payloads;
            assert_eq!(encoding_of(&sent[0]), "text/ip-address");
            assert_eq!(sent[0].data, "127.0.0.1");
            assert_eq!(encoding_of(&sent[1]), "json/plain");
            assert_eq!(sent[1].data, "[\n  \"10.0.0.1\"\n]");
            Ok(())
        })
        .await
    });
}

/// A value that is checked where it is decoded.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u8")]
struct Percent(u8);

impl TryFrom<u8> for Percent {
    type Error = String;

    fn try_from(value: u8) -> Result<Self, String> {
        if value > 100 {
            Err(format!("{value} % is more than all"))
        } else {
            Ok(Self(value))
        }
    }
}

#[activity]
async fn takes_percent(percent: Percent) -> activity::Result<u8> {
    Ok(percent.0)
}

#[workflow]
pub(crate) async fn sends_percent(ctx: &workflow::Context, percent: u8) -> workflow::Result<u8> {
    let options = quick().retry_policy(RetryPolicy::new().maximum_attempts(1));
    Ok(ctx
        .execute_activity(activity::named::<u8>("takes_percent"), percent, options)
        .await?)
}

#[test]
fn s24_p70_values_are_validated_where_they_are_decoded() {
    run(async |env| {
        env.serve(
            env.worker().workflow::<sends_percent>().activity(takes_percent),
            async {
                assert_eq!(
                    env.client()
                        .execute_workflow(sends_percent, 100, env.options("fine"))
                        .await?,
                    100
                );
                let error = env
                    .client()
                    .execute_workflow(sends_percent, 101, env.options("bad"))
                    .await
                    .unwrap_err();
                let failure = error.failure().expect("the workflow failed");
                let message = failure.root_cause().message();
                assert!(message.contains("101 % is more than all"), "{message}");
                Ok(())
            },
        )
        .await
    });
}

#[workflow]
pub(crate) async fn passes_raw(raw: RawValue) -> workflow::Result<RawValue> {
    Ok(raw)
}

/// S33: a raw value passes by every encoding.
#[test]
fn s33_raw_values_pass_unchanged() {
    run(async |env| {
        env.serve(env.worker().workflow::<passes_raw>(), async {
            let payload = Payload {
                metadata: [("encoding".to_owned(), Bytes::from_static(b"own/encoding"))].into(),
                data: Bytes::from_static(b"\x00\x01"),
                ..Default::default()
            };
            let raw = RawValue(payload.clone());
            let back = env
                .client()
                .execute_workflow(passes_raw, raw, env.options("raw"))
                .await?;
            assert_eq!(back.0.data, payload.data);
            assert_eq!(encoding_of(&back.0), "own/encoding");
            Ok(())
        })
        .await
    });
}
