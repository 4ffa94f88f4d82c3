//! A connection and the calls on it.

use super::address;
use super::codec::SharedCodec;
use super::error::root_message;
use super::options::{bearer, header};
use super::retry::random;
use super::{CallOptions, ClientOptions, ConnectError, GrpcService, HttpProxy, RetryOptions, Rpc, RpcError, Tls};
use crate::eager::EagerWorkers;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use parking_lot::RwLock;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use temporal_protos::api::workflowservice::v1::get_system_info_response::Capabilities;
use temporal_protos::api::workflowservice::v1::{GetSystemInfoRequest, GetSystemInfoResponse};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tower::{Service, ServiceExt as _};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Messages up to the size that servers take.
const MAXIMUM_MESSAGE: usize = 128 * 1024 * 1024;

/// A connection to a server, shared by the clients of all its namespaces. Cloning is cheap.
///
/// It reconnects by itself.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    channel: Channel,
    address: String,
    headers: Arc<RwLock<Arc<HeaderMap>>>,
    rpc_timeout: Duration,
    retry: RetryOptions,
    system_info: OnceLock<GetSystemInfoResponse>,
    eager_workers: Arc<EagerWorkers>,
}

impl Connection {
    pub(crate) async fn connect(options: &ClientOptions) -> Result<Self, ConnectError> {
        let endpoint = endpoint(options)?;
        let tunnel = options.http_proxy.as_ref().map(HttpProxy::connector).transpose()?;
        if options.lazy {
            return Self::new(
                options,
                match tunnel {
                    Some(tunnel) => endpoint.connect_with_connector_lazy(tunnel),
                    None => endpoint.connect_lazy(),
                },
            );
        }
        let connect = async {
            let channel = match tunnel {
                Some(tunnel) => endpoint.connect_with_connector(tunnel).await,
                None => endpoint.connect().await,
            };
            let channel = channel.map_err(|source| unreachable(options, source.into()))?;
            Self::new(options, channel)?.greet(options.connect_timeout).await
        };
        Self::in_time(options, connect).await
    }

    pub(crate) async fn connect_with_connector<C>(options: &ClientOptions, connector: C) -> Result<Self, ConnectError>
    where
        C: Service<Uri> + Send + 'static,
        C::Response: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        C::Error: Into<BoxError> + Send,
        C::Future: Send,
    {
        let endpoint = endpoint(options)?;
        let connector = connector.map_response(TokioIo::new).map_err(Into::<BoxError>::into);
        if options.lazy {
            return Self::new(options, endpoint.connect_with_connector_lazy(connector));
        }
        let connect = async {
            let channel = endpoint.connect_with_connector(connector).await;
            let channel = channel.map_err(|source| unreachable(options, source.into()))?;
            Self::new(options, channel)?.greet(options.connect_timeout).await
        };
        Self::in_time(options, connect).await
    }

    async fn in_time(
        options: &ClientOptions,
        connect: impl Future<Output = Result<Self, ConnectError>>,
    ) -> Result<Self, ConnectError> {
        match tokio::time::timeout(options.connect_timeout, connect).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Timeout {
                address: options.address.clone(),
                timeout: options.connect_timeout,
            }),
        }
    }

    fn new(options: &ClientOptions, channel: Channel) -> Result<Self, ConnectError> {
        Ok(Self {
            inner: Arc::new(Inner {
                channel,
                address: options.address.clone(),
                headers: Arc::new(RwLock::new(Arc::new(options.headers()?))),
                rpc_timeout: options.rpc_timeout,
                retry: options.retry,
                system_info: OnceLock::new(),
                eager_workers: Arc::default(),
            }),
        })
    }

    /// Asks the server what it is, which shows that it is one.
    async fn greet(self, connect_timeout: Duration) -> Result<Self, ConnectError> {
        // Given up early enough to tell the reason, which a timeout of the whole would not.
        let retry = self.inner.retry.maximum_elapsed(connect_timeout / 2);
        let call = CallOptions::new().retry(retry);
        let info = self.call(GetSystemInfoRequest::default(), None, call).await;
        let info = match info {
            Ok(info) => info,
            // A server that does not tell has no capabilities.
            Err(error) if error.code() == Code::Unimplemented => GetSystemInfoResponse::default(),
            Err(source) => {
                let address = self.inner.address.clone();
                return Err(ConnectError::Refused { address, source });
            }
        };
        let _ = self.inner.system_info.set(info);
        Ok(self)
    }

    /// The server's address, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// How long one attempt of a call may take, unless the call says otherwise.
    #[must_use]
    pub fn rpc_timeout(&self) -> Duration {
        self.inner.rpc_timeout
    }

    /// What the server can do; `None` for a lazy connection.
    #[must_use]
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.inner.system_info.get()?.capabilities.as_ref()
    }

    /// The server's version; `None` for a lazy connection.
    #[must_use]
    pub fn server_version(&self) -> Option<&str> {
        Some(self.inner.system_info.get()?.server_version.as_str())
    }

    /// Another API key from now on; `None` sends none any more.
    ///
    /// # Errors
    /// When it cannot be sent as a header.
    pub fn set_api_key(&self, key: Option<&str>) -> Result<(), ConnectError> {
        let value = key.map(bearer).transpose()?;
        self.change_headers(|headers| match value {
            Some(value) => drop(headers.insert(http::header::AUTHORIZATION, value)),
            None => drop(headers.remove(http::header::AUTHORIZATION)),
        });
        Ok(())
    }

    /// Another value of a header from now on, sent with every call.
    ///
    /// # Errors
    /// When it cannot be sent as a header.
    pub fn set_metadata(&self, key: &str, value: &str) -> Result<(), ConnectError> {
        let (key, value) = header(key, value)?;
        self.change_headers(|headers| drop(headers.insert(key, value)));
        Ok(())
    }

    fn change_headers(&self, change: impl FnOnce(&mut HeaderMap)) {
        let mut shared = self.inner.headers.write();
        let mut headers = HeaderMap::clone(&shared);
        change(&mut headers);
        *shared = Arc::new(headers);
    }

    /// The workers of this process that take first tasks.
    pub(crate) fn eager_workers(&self) -> &Arc<EagerWorkers> {
        &self.inner.eager_workers
    }

    /// The transport, for a namespace.
    pub(crate) fn service(&self, namespace: Option<&str>) -> GrpcService {
        GrpcService {
            channel: self.inner.channel.clone(),
            headers: Arc::clone(&self.inner.headers),
            namespace: namespace.and_then(|namespace| HeaderValue::from_str(namespace).ok()),
        }
    }

    /// Makes a call, trying again as the options say.
    pub(crate) async fn call<R: Rpc>(
        &self,
        request: R,
        namespace: Option<&str>,
        options: CallOptions,
    ) -> Result<R::Response, RpcError> {
        let error = |status| RpcError::new(R::NAME, status);
        if let Some(key) = &options.invalid {
            return Err(error(Status::invalid_argument(format!(
                "the metadata {key:?} cannot be sent"
            ))));
        }
        let retry = options.retry.unwrap_or(self.inner.retry);
        let resource: Option<MetadataValue<Ascii>> = request.resource_id().and_then(|id| id.parse().ok());
        let request = Arc::new(request);
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            let mut message = Request::new(Arc::clone(&request));
            let metadata = message.metadata_mut();
            for (key, value) in &options.metadata {
                metadata.insert(key.clone(), value.clone());
            }
            if let Some(resource) = &resource {
                metadata.insert("temporal-resource-id", resource.clone());
            }
            let timeout = options.timeout.unwrap_or(self.inner.rpc_timeout);
            let status = match self.attempt::<R>(message, namespace, timeout).await {
                Ok(response) => return Ok(response),
                Err(status) => status,
            };
            attempts += 1;
            let Some(pause) = retry.pause(attempts, started.elapsed(), &status, random()) else {
                return Err(error(status));
            };
            tracing::debug!(
                rpc = R::NAME,
                code = ?status.code(),
                message = status.message(),
                attempts,
                ?pause,
                "call failed, trying again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt<R: Rpc>(
        &self,
        mut message: Request<Arc<R>>,
        namespace: Option<&str>,
        timeout: Duration,
    ) -> Result<R::Response, Status> {
        message.set_timeout(timeout);
        let mut grpc = Grpc::new(self.service(namespace)).max_decoding_message_size(MAXIMUM_MESSAGE);
        let call = async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            let codec = SharedCodec::<R, R::Response>::default();
            grpc.unary(message, PathAndQuery::from_static(R::PATH), codec).await
        };
        let started = Instant::now();
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            // The channel watches the time too, and calls it a cancellation.
            Ok(Err(status)) if status.code() != Code::Cancelled || started.elapsed() < timeout => return Err(status),
            Ok(Err(_)) | Err(_) => {}
        }
        let address = &self.inner.address;
        Err(Status::deadline_exceeded(format!(
            "no answer from {address} within {timeout:?}"
        )))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("address", &self.inner.address)
            .finish_non_exhaustive()
    }
}

fn endpoint(options: &ClientOptions) -> Result<Endpoint, ConnectError> {
    let uri = address::parse(options)?;
    let secure = uri.scheme_str() == Some("https");
    let mut endpoint = Endpoint::from(uri)
        .tcp_nodelay(true)
        .connect_timeout(options.connect_timeout);
    if let Some(keep_alive) = options.keep_alive {
        endpoint = endpoint
            .http2_keep_alive_interval(keep_alive.interval)
            .keep_alive_timeout(keep_alive.timeout)
            .keep_alive_while_idle(true);
    }
    match &options.tls {
        Some(tls) => tls.apply(endpoint),
        None if secure => Tls::default().apply(endpoint),
        None => Ok(endpoint),
    }
}

fn unreachable(options: &ClientOptions, source: BoxError) -> ConnectError {
    let mut cause = root_message(&*source);
    // What rustls says of an answer that is no TLS at all.
    if cause.contains("InvalidContentType") {
        cause = format!("{cause}: the server does not speak TLS; write http://, and set no TLS options");
    }
    ConnectError::Unreachable {
        address: options.address.clone(),
        cause,
        source,
    }
}
