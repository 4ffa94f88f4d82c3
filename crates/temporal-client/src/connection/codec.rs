//! Messages to gRPC frames: requests are shared by the attempts, not copied for each.

use std::marker::PhantomData;
use std::sync::Arc;
use temporal_protos::prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

pub(super) struct SharedCodec<Q, A>(PhantomData<fn(Q) -> A>);

impl<Q, A> Default for SharedCodec<Q, A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Q: Message + 'static, A: Message + Default + 'static> Codec for SharedCodec<Q, A> {
    type Encode = Arc<Q>;
    type Decode = A;
    type Encoder = SharedEncoder<Q>;
    type Decoder = MessageDecoder<A>;

    fn encoder(&mut self) -> SharedEncoder<Q> {
        SharedEncoder(PhantomData)
    }

    fn decoder(&mut self) -> MessageDecoder<A> {
        MessageDecoder(PhantomData)
    }
}

pub(super) struct SharedEncoder<Q>(PhantomData<fn(Q)>);

impl<Q: Message> Encoder for SharedEncoder<Q> {
    type Item = Arc<Q>;
    type Error = Status;

    fn encode(&mut self, message: Arc<Q>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message
            .encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

pub(super) struct MessageDecoder<A>(PhantomData<fn() -> A>);

impl<A: Message + Default> Decoder for MessageDecoder<A> {
    type Item = A;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<A>, Status> {
        A::decode(buffer)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
