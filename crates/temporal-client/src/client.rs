//! The client.

use crate::connection::{Call, ClientOptions, ConnectError, Connection, GrpcService, Rpc, RpcError};
use crate::data::DataConverter;
use crate::eager::{EagerRegistration, EagerSlot};
use http::Uri;
use std::sync::Arc;
#[cfg(feature = "stubs")]
use temporal_protos::api::operatorservice::v1::operator_service_client::OperatorServiceClient;
#[cfg(feature = "stubs")]
use temporal_protos::api::testservice::v1::test_service_client::TestServiceClient;
use temporal_protos::api::workflowservice::v1::get_system_info_response::Capabilities;
#[cfg(feature = "stubs")]
use temporal_protos::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use temporal_protos::health::v1::HealthCheckRequest;
use temporal_protos::health::v1::health_check_response::ServingStatus;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

/// A client of one namespace of a Temporal server. Cloning is cheap, and clones share the connection.
///
/// Nothing needs closing: the connection ends with the last clone. A client does not survive a `fork`: make one in the
/// new process.
///
/// ```no_run
/// use temporal_client::Client;
///
/// # async fn example() -> anyhow::Result<()> {
/// let client = Client::connect("http://localhost:7233").await?;
/// let orders = client.with_namespace("orders");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
    options: Arc<ClientOptions>,
}

impl Client {
    /// Connects to a server: an address such as `http://localhost:7233`, or [`ClientOptions`].
    ///
    /// Unless the options say `lazy`, the server has answered when this returns.
    ///
    /// # Errors
    /// When there is no server at the address, within the connect timeout (10 s by default), or it refuses.
    pub async fn connect(options: impl Into<ClientOptions>) -> Result<Self, ConnectError> {
        Self::connect_with(options.into()).await
    }

    /// Connects with options.
    ///
    /// # Errors
    /// When there is no server at the address, within the connect timeout (10 s by default), or it refuses.
    pub async fn connect_with(options: ClientOptions) -> Result<Self, ConnectError> {
        let connection = Connection::connect(&options).await?;
        Ok(Self::new(connection, options))
    }

    /// Connects through a connector that makes the byte streams, for a server in this process or another transport.
    ///
    /// # Errors
    /// When the connector fails, or the server refuses.
    pub async fn connect_with_connector<C>(options: ClientOptions, connector: C) -> Result<Self, ConnectError>
    where
        C: Service<Uri> + Send + 'static,
        C::Response: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        C::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
        C::Future: Send,
    {
        let connection = Connection::connect_with_connector(&options, connector).await?;
        Ok(Self::new(connection, options))
    }

    /// A client on a connection that exists. Address, TLS and what else belongs to connecting is not read from the
    /// options.
    #[must_use]
    pub fn new(connection: Connection, options: ClientOptions) -> Self {
        Self {
            connection,
            options: Arc::new(options),
        }
    }

    /// A client of another namespace on the same connection.
    #[must_use]
    pub fn with_namespace(&self, namespace: impl Into<String>) -> Self {
        let options = ClientOptions::clone(&self.options).namespace(namespace);
        Self::new(self.connection.clone(), options)
    }

    /// The same client with another data converter.
    #[must_use]
    pub fn with_data_converter(&self, converter: DataConverter) -> Self {
        let options = ClientOptions::clone(&self.options).data_converter(converter);
        Self::new(self.connection.clone(), options)
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.options.namespace
    }

    /// Who is calling, as histories record it.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.options.identity
    }

    /// How values become payloads.
    #[must_use]
    pub fn data_converter(&self) -> &DataConverter {
        &self.options.data_converter
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What the server can do; `None` for a lazy connection.
    #[must_use]
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.connection.capabilities()
    }

    /// Another API key from now on, for every client on this connection.
    ///
    /// # Errors
    /// When it cannot be sent as a header.
    pub fn set_api_key(&self, key: Option<&str>) -> Result<(), ConnectError> {
        self.connection.set_api_key(key)
    }

    /// Offers a worker of this process to workflows that are started with
    /// [`eager_start`](crate::WorkflowOptions::eager_start) by a client of the same connection and namespace. For workers.
    ///
    /// `reserve` gives room for one workflow task of the task queue, when there is some.
    pub fn register_eager_worker(
        &self,
        task_queue: impl Into<String>,
        reserve: impl Fn() -> Option<EagerSlot> + Send + Sync + 'static,
    ) -> EagerRegistration {
        self.connection
            .eager_workers()
            .register(self.namespace(), task_queue.into(), reserve)
    }

    /// Calls any RPC, by its request message.
    ///
    /// ```no_run
    /// # use temporal_client::{Client, protos::api::workflowservice::v1::GetClusterInfoRequest};
    /// # async fn example(client: Client) -> anyhow::Result<()> {
    /// let cluster = client.call(GetClusterInfoRequest {}).await?;
    /// println!("server {}", cluster.server_version);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<R: Rpc>(&self, request: R) -> Call<R::Response, RpcError> {
        let (connection, options) = (self.connection.clone(), Arc::clone(&self.options));
        Call::new(move |call| async move { connection.call(request, Some(&options.namespace), call).await })
    }

    /// The transport, for the generated stubs of any service.
    #[must_use]
    pub fn grpc_service(&self) -> GrpcService {
        self.connection.service(Some(self.namespace()))
    }

    /// The generated stub of the workflow service, without retries or time limits.
    ///
    /// Needs the feature `stubs`.
    #[cfg(feature = "stubs")]
    #[must_use]
    pub fn workflow_service(&self) -> WorkflowServiceClient<GrpcService> {
        WorkflowServiceClient::new(self.grpc_service()).max_decoding_message_size(usize::MAX)
    }

    /// The generated stub of the operator service, without retries or time limits.
    ///
    /// Needs the feature `stubs`.
    #[cfg(feature = "stubs")]
    #[must_use]
    pub fn operator_service(&self) -> OperatorServiceClient<GrpcService> {
        OperatorServiceClient::new(self.grpc_service())
    }

    /// The generated stub of the test service, which only test servers have.
    ///
    /// Needs the feature `stubs`.
    #[cfg(feature = "stubs")]
    #[must_use]
    pub fn test_service(&self) -> TestServiceClient<GrpcService> {
        TestServiceClient::new(self.grpc_service())
    }

    /// Whether the server says that it serves.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn check_health(&self) -> Result<bool, RpcError> {
        let service = "temporal.api.workflowservice.v1.WorkflowService".to_owned();
        let answer = self.call(HealthCheckRequest { service }).await?;
        Ok(answer.status() == ServingStatus::Serving)
    }
}
