//! What goes wrong between client and server.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;
use temporal_protos::any::{self, TypeUrl};
use temporal_protos::api::common::v1::GrpcStatus;
use temporal_protos::prost::Message;
pub use tonic::Code;
use tonic::Status;

/// A server that cannot be connected to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not one.
    #[error("the server address {address:?} is not usable: {reason}; write it like http://localhost:7233")]
    InvalidAddress {
        /// The address given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS options are not usable.
    #[error("the TLS options are not usable: {reason}")]
    InvalidTls {
        /// What is wrong with them.
        reason: String,
    },
    /// A metadata key or value, or the API key, cannot be a header.
    #[error("the metadata {key:?} cannot be sent: use a lower-case name and visible ASCII characters")]
    InvalidMetadata {
        /// Its key.
        key: String,
    },
    /// Nobody answered in time.
    #[error("no Temporal server answered at {address} within {timeout:?}: is one running, and is the address right?")]
    Timeout {
        /// The server's address.
        address: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// No connection came about.
    #[error(
        "no connection to a Temporal server at {address} ({cause}): is one running, and is the address right? \
         `temporal server start-dev` starts one"
    )]
    Unreachable {
        /// The server's address.
        address: String,
        /// The innermost cause, and where it is known what to do about it, that.
        cause: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is a server, and it refused the first call.
    #[error("the server at {address} refused the connection: {source}")]
    Refused {
        /// The server's address.
        address: String,
        /// What it answered.
        source: RpcError,
    },
}

/// A call to the server that failed.
pub struct RpcError(Box<Parts>);

struct Parts {
    rpc: &'static str,
    status: Status,
    details: OnceLock<GrpcStatus>,
}

impl RpcError {
    /// An error of the RPC with this name: for interceptors that answer in the server's place.
    #[must_use]
    pub fn new(rpc: &'static str, status: Status) -> Self {
        Self(Box::new(Parts {
            rpc,
            status,
            details: OnceLock::new(),
        }))
    }

    /// The name of the RPC, such as `StartWorkflowExecution`.
    #[must_use]
    pub fn rpc(&self) -> &'static str {
        self.0.rpc
    }

    /// The gRPC status code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.status.code()
    }

    /// What the server says.
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.status.message()
    }

    /// The whole gRPC status.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.0.status
    }

    /// The status with its typed details, as the server sent it.
    #[must_use]
    pub fn details(&self) -> &GrpcStatus {
        let Parts { status, details, .. } = &*self.0;
        details.get_or_init(|| GrpcStatus::decode(status.details()).unwrap_or_default())
    }

    /// The detail of one type, such as [`NotFoundFailure`](temporal_protos::api::errordetails::v1::NotFoundFailure).
    #[must_use]
    pub fn typed_detail<M: TypeUrl>(&self) -> Option<M> {
        self.details()
            .details
            .iter()
            .find_map(|detail| any::unpack(detail).ok())
    }

    /// Whether what was asked for is not there, or not any more.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Code::NotFound
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} failed: {:?}", self.0.rpc, self.code())?;
        if !self.message().is_empty() {
            write!(formatter, ": {}", self.message())?;
        }
        // What broke a connection stands at the end of the chain, under layers that say only that something did.
        match std::error::Error::source(&self.0.status) {
            Some(source) => write!(formatter, " ({})", root_message(source)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for RpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RpcError")
            .field("rpc", &self.0.rpc)
            .field("code", &self.code())
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for RpcError {}

/// The innermost cause's message.
pub(super) fn root_message(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
