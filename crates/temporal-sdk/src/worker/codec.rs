//! The payload codec, applied to whole messages.

use crate::panic;
use futures_util::future::try_join_all;
use temporal_client::DataConverter;
use temporal_client::data::{CodecError, PayloadCodec};
use temporal_client::protos::api::common::v1::Payload;
use temporal_client::protos::payloads::{Group, VisitPayloads, collect_groups, replace_groups};

/// Applies the codec to every payload of a message that is to be sent.
pub(super) async fn encode(
    converter: &DataConverter,
    message: &mut (dyn VisitPayloads + Send),
) -> Result<(), CodecError> {
    apply(converter, message, Direction::Encode).await
}

/// Takes the codec off every payload of a message received.
pub(super) async fn decode(
    converter: &DataConverter,
    message: &mut (dyn VisitPayloads + Send),
) -> Result<(), CodecError> {
    apply(converter, message, Direction::Decode).await
}

#[derive(Clone, Copy)]
enum Direction {
    Encode,
    Decode,
}

async fn apply(
    converter: &DataConverter,
    message: &mut (dyn VisitPayloads + Send),
    direction: Direction,
) -> Result<(), CodecError> {
    let Some(codec) = converter.codec() else {
        return Ok(());
    };
    let groups = collect_groups(message);
    let changed = try_join_all(groups.into_iter().map(|group| one(&**codec, group, direction))).await?;
    replace_groups(message, changed).map_err(|error| {
        CodecError::new("the codec gave more or fewer payloads than it was given, for a place that has room for one")
            .caused_by(error)
    })
}

async fn one(codec: &dyn PayloadCodec, group: Group, direction: Direction) -> Result<Group, CodecError> {
    let payloads: Vec<Payload> = match group {
        Group::One(payload) => vec![payload],
        Group::Many(payloads) if payloads.is_empty() => return Ok(Group::Many(payloads)),
        Group::Many(payloads) => payloads,
    };
    let changed = async {
        match direction {
            Direction::Encode => codec.encode(payloads).await,
            Direction::Decode => codec.decode(payloads).await,
        }
    };
    match panic::caught(changed).await {
        Ok(changed) => changed.map(Group::Many),
        Err(panic) => Err(CodecError::new(format!("it panicked: {panic}"))),
    }
}
