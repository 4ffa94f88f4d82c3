//! Typed client of a Temporal server: connection, handles, data conversion.
//!
//! Connect a [`Client`], start workflows with it, and talk to them through [`WorkflowHandle`]s. Workflows are named by their
//! run methods (`SayHello::run`), where the `temporal-sdk` macros declare them, or by
//! [`workflow_named`](definition::workflow_named); arguments and results are typed either way.
//!
//! ```no_run
//! use temporal_client::definition::{query_named, signal_named, update_named, workflow_named};
//! use temporal_client::{Client, WorkflowOptions};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let client = Client::connect("http://localhost:7233").await?;
//! let cart = workflow_named::<u32>("Cart");
//! let handle = client.start_workflow(cart, "customer-4", WorkflowOptions::new("cart-17", "carts")).await?;
//! handle.signal(signal_named("add"), "a book").await?;
//! let items: u32 = handle.query(query_named("items"), ()).await?;
//! let price: f64 = handle.execute_update(update_named("check_out"), items).await?;
//! let order: u32 = handle.result().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | subject |
//! |---|---|
//! | [`connection`] | addresses, TLS, metadata, time limits and retries of calls; any RPC by its message |
//! | [`workflow`] | starts, handles, results, signals, queries, updates, descriptions, lists, histories |
//! | [`data`] | values to payloads: encodings, codecs |
//! | [`failure`] | failures as Rust errors |
//! | [`definition`] | what callers know of workflows and activities |
//! | [`visibility`] | typed filters of lists |
//! | [`interceptor`] | what sees and changes the client's requests |
//!
//! # Cargo features
//! `tls-ring` (default) and `tls-aws-lc` bring TLS, with one cryptography or the other.

pub mod connection;
pub mod data;
pub mod definition;
pub mod failure;
pub mod interceptor;
pub mod visibility;
pub mod workflow;

mod activity;
mod client;
mod common;
mod eager;
mod operator;

pub use activity::{ActivityHandle, ActivityHandleError, ActivityTarget};
pub use client::Client;
pub use common::{
    Memo, Priority, RetryPolicy, SearchAttributeError, SearchAttributeKey, SearchAttributeSet, SearchAttributeValue,
    SearchAttributes, StoredMemo,
};
#[doc(hidden)]
pub use common::{OwnKind, SearchAttributeField};
pub use connection::{
    Call, CallOptions, ClientOptions, Code, ConnectError, Connection, EnvironmentError, HttpProxy, KeepAlive,
    RetryOptions, Rpc, RpcError, Tls,
};
pub use data::DataConverter;
pub use eager::{EagerRegistration, EagerSlot};
pub use operator::AddSearchAttributesError;
pub use temporal_protos as protos;
pub use workflow::{
    HistoryError, ListWorkflowsError, QueryError, QueryOptions, QueryRejectCondition, SignalError, StartWorkflowError,
    UpdateError, UpdateHandle, UpdateOptions, UpdateWaitStage, UpdateWithStartError, WorkflowDescription,
    WorkflowError, WorkflowExecution, WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowOperationError, WorkflowOptions,
};
