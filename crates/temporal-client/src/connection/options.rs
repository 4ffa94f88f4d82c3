//! Options of a client.

use super::{ConnectError, HttpProxy, RetryOptions, Tls};
use crate::data::DataConverter;
use crate::interceptor::ClientInterceptor;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How to connect, and who is calling.
///
/// ```
/// use std::time::Duration;
/// use temporal_client::ClientOptions;
///
/// let options = ClientOptions::new("http://localhost:7233")
///     .namespace("orders")
///     .identity("order-service")
///     .metadata("x-team", "payments")
///     .connect_timeout(Duration::from_secs(3));
/// ```
#[derive(Clone)]
pub struct ClientOptions {
    pub(crate) address: String,
    pub(crate) namespace: String,
    pub(crate) identity: String,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) api_key: Option<String>,
    pub(crate) tls: Option<Tls>,
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) connect_timeout: Duration,
    pub(crate) rpc_timeout: Duration,
    pub(crate) retry: RetryOptions,
    pub(crate) data_converter: DataConverter,
    pub(crate) lazy: bool,
    pub(super) http_proxy: Option<HttpProxy>,
    interceptors: Vec<Arc<dyn ClientInterceptor>>,
}

/// Pings that find a dead connection: every so often, given up when unanswered for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// The time between pings, 30 s by default.
    pub interval: Duration,
    /// How long to wait for an answer, 15 s by default.
    pub timeout: Duration,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(15),
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self::new("http://localhost:7233")
    }
}

impl From<&str> for ClientOptions {
    fn from(address: &str) -> Self {
        Self::new(address)
    }
}

impl From<String> for ClientOptions {
    fn from(address: String) -> Self {
        Self::new(address)
    }
}

impl ClientOptions {
    /// Options for the server at this address: `http://host:port`, or `https://host:port` for TLS.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            namespace: "default".to_owned(),
            identity: default_identity(),
            metadata: Vec::new(),
            api_key: None,
            tls: None,
            keep_alive: Some(KeepAlive::default()),
            connect_timeout: Duration::from_secs(10),
            rpc_timeout: Duration::from_secs(30),
            retry: RetryOptions::default(),
            data_converter: DataConverter::default(),
            lazy: false,
            http_proxy: None,
            interceptors: Vec::new(),
        }
    }

    /// Another address.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// The namespace, `default` by default.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Who is calling, as histories record it; the process id and host name by default.
    #[must_use]
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// One more header, sent with every call.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// An API key, sent with every call as a bearer token. An address without a scheme then means `https`.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// TLS options. An address without a scheme then means `https`.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Keep-alive pings, on by default; `None` turns them off.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.keep_alive = keep_alive.into();
        self
    }

    /// How long connecting may take, the first call included; 10 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one attempt of a call may take, 30 s by default. Calls that wait for something have a time of their own.
    #[must_use]
    pub fn rpc_timeout(mut self, timeout: Duration) -> Self {
        self.rpc_timeout = timeout;
        self
    }

    /// How failed calls are tried again.
    #[must_use]
    pub fn retry(mut self, retry: RetryOptions) -> Self {
        self.retry = retry;
        self
    }

    /// How values become payloads.
    #[must_use]
    pub fn data_converter(mut self, converter: DataConverter) -> Self {
        self.data_converter = converter;
        self
    }

    /// Connects at the first call, not at once; then no server need be there yet. Off by default.
    #[must_use]
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// A proxy to go through; none by default, whatever the environment says.
    #[must_use]
    pub fn http_proxy(mut self, proxy: HttpProxy) -> Self {
        self.http_proxy = Some(proxy);
        self
    }

    /// One more interceptor, inside of those added before.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl ClientInterceptor) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    pub(crate) fn interceptors(&self) -> &[Arc<dyn ClientInterceptor>] {
        &self.interceptors
    }

    pub(super) fn headers(&self) -> Result<HeaderMap, ConnectError> {
        let mut headers = HeaderMap::new();
        headers.insert("client-name", HeaderValue::from_static("temporal-rust"));
        headers.insert("client-version", HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
        // Without it the server hides, from who waits for a result, that another run follows a retried or cron run.
        headers.insert("supported-features", HeaderValue::from_static("follows-next-run-id"));
        if let Some(key) = &self.api_key {
            headers.insert(http::header::AUTHORIZATION, bearer(key)?);
        }
        for (key, value) in &self.metadata {
            let (key, value) = header(key, value)?;
            headers.insert(key, value);
        }
        Ok(headers)
    }
}

pub(super) fn header(key: &str, value: &str) -> Result<(HeaderName, HeaderValue), ConnectError> {
    let invalid = |_| ConnectError::InvalidMetadata { key: key.to_owned() };
    let name: HeaderName = key.parse().map_err(|_| invalid(()))?;
    let value = HeaderValue::from_str(value).map_err(|_| invalid(()))?;
    Ok((name, value))
}

pub(super) fn bearer(key: &str) -> Result<HeaderValue, ConnectError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ConnectError::InvalidMetadata {
        key: "authorization".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// `pid@host`.
fn default_identity() -> String {
    let file = |path| std::fs::read_to_string(path).ok();
    let variable = |name| std::env::var(name).ok();
    let host = variable("HOSTNAME")
        .or_else(|| file("/proc/sys/kernel/hostname"))
        .or_else(|| variable("COMPUTERNAME"))
        .or_else(|| file("/etc/hostname"))
        .unwrap_or_else(|| "localhost".to_owned());
    format!("{}@{}", std::process::id(), host.trim())
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientOptions")
            .field("address", &self.address)
            .field("namespace", &self.namespace)
            .field("identity", &self.identity)
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}
