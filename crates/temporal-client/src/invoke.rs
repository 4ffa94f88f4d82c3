//! Calls whose payloads pass through the codec.

use crate::client::Client;
use crate::connection::{CallOptions, Rpc, RpcError};
use crate::data::CodecError;
use temporal_protos::payloads::VisitPayloads;

/// A call that failed, before it became the error of an operation.
#[derive(Debug)]
pub(crate) enum InvokeError {
    Codec(CodecError),
    Rpc(RpcError),
}

impl From<CodecError> for InvokeError {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

impl From<RpcError> for InvokeError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl Client {
    pub(crate) async fn invoke<R>(&self, mut request: R, options: CallOptions) -> Result<R::Response, InvokeError>
    where
        R: Rpc + VisitPayloads,
        R::Response: VisitPayloads,
    {
        let converter = self.data_converter();
        converter.encode_message(&mut request).await?;
        let mut response = self.connection().call(request, Some(self.namespace()), options).await?;
        converter.decode_message(&mut response).await?;
        Ok(response)
    }
}
