//! Proxies on the way to the server.

use super::ConnectError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use std::fmt;

/// An HTTP proxy that opens tunnels by `CONNECT`.
///
/// ```
/// use temporal_client::{ClientOptions, HttpProxy};
///
/// let proxy = HttpProxy::new("http://proxy.example.com:3128").basic_auth("user", "password");
/// let options = ClientOptions::new("https://temporal.example.com:7233").http_proxy(proxy);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpProxy {
    address: String,
    credentials: Option<(String, String)>,
}

impl HttpProxy {
    /// The proxy at this address: `http://host:port`, or `host:port`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            credentials: None,
        }
    }

    /// Who asks for the tunnel.
    #[must_use]
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    pub(super) fn connector(&self) -> Result<Tunnel<HttpConnector>, ConnectError> {
        let invalid = |reason: &str| ConnectError::InvalidAddress {
            address: self.address.clone(),
            reason: format!("the proxy's {reason}"),
        };
        let full = match self.address.contains("://") {
            true => self.address.clone(),
            false => format!("http://{}", self.address),
        };
        let uri: Uri = full.parse().map_err(|_| invalid("address is no URI"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(invalid("scheme must be http"));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let tunnel = Tunnel::new(uri, connector);
        let Some((user, password)) = &self.credentials else {
            return Ok(tunnel);
        };
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let basic = HeaderValue::from_str(&basic).map_err(|_| invalid("credentials cannot be sent"))?;
        Ok(tunnel.with_auth(basic))
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpProxy")
            .field("address", &self.address)
            .field("basic_auth", &self.credentials.is_some())
            .finish()
    }
}
