//! TLS options.

use super::ConnectError;
use std::fmt;
use tonic::transport::Endpoint;

/// How to speak TLS with the server.
///
/// The default trusts the system's roots and shows no certificate of its own.
///
/// ```no_run
/// use temporal_client::{ClientOptions, Tls};
///
/// # fn main() -> std::io::Result<()> {
/// let tls = Tls::new().client_certificate(std::fs::read("client.pem")?, std::fs::read("client.key")?);
/// let options = ClientOptions::new("https://my-namespace.a1b2c.tmprl.cloud:7233").tls(tls);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Tls {
    roots: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Vec<u8>)>,
    domain: Option<String>,
}

impl Tls {
    /// The system's roots, no client certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificates (PEM) in place of the system's.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Shows this certificate (PEM) with its key (PEM).
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.client = Some((certificate.into(), key.into()));
        self
    }

    /// The name that the server's certificate must bear, where it is not the address's host.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    #[cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))]
    pub(super) fn apply(&self, endpoint: Endpoint) -> Result<Endpoint, ConnectError> {
        use tonic::transport::{Certificate, ClientTlsConfig, Identity};
        let mut config = ClientTlsConfig::new();
        config = match &self.roots {
            Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
            None => config.with_native_roots(),
        };
        if let Some((certificate, key)) = &self.client {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        if let Some(domain) = &self.domain {
            config = config.domain_name(domain.clone());
        }
        endpoint.tls_config(config).map_err(|error| ConnectError::InvalidTls {
            reason: super::error::root_message(&error),
        })
    }

    #[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc")))]
    pub(super) fn apply(&self, _: Endpoint) -> Result<Endpoint, ConnectError> {
        Err(ConnectError::InvalidTls {
            reason: "this build has no TLS: enable the feature tls-ring or tls-aws-lc of temporal-client".to_owned(),
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tls")
            .field("own_roots", &self.roots.is_some())
            .field("client_certificate", &self.client.is_some())
            .field("domain", &self.domain)
            .finish()
    }
}
