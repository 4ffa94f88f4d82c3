//! gRPC: options, connecting, metadata, retries.

mod address;
mod call;
mod channel;
mod codec;
mod environment;
mod error;
mod options;
mod proxy;
mod retry;
mod rpc;
mod rpcs;
mod service;
mod tls;

pub use call::{Call, CallOptions};
pub use channel::Connection;
pub use environment::EnvironmentError;
pub use error::{Code, ConnectError, RpcError};
pub use options::{ClientOptions, KeepAlive};
pub use proxy::HttpProxy;
pub use retry::RetryOptions;
pub use rpc::Rpc;
pub use service::GrpcService;
pub use tls::Tls;
