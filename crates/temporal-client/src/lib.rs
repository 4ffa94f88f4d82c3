//! Typed client of a Temporal server: connection, handles, data conversion.

pub mod connection;
pub mod data;
pub mod definition;
pub mod failure;

mod client;

pub use client::Client;
pub use connection::{
    Call, CallOptions, ClientOptions, Code, ConnectError, Connection, EnvironmentError, KeepAlive, RetryOptions, Rpc,
    RpcError, Tls,
};
pub use data::DataConverter;
pub use temporal_protos as protos;
