//! TLS: own roots, client certificates, another name.
//!
//! The certificates in `tests/tls` are valid for a hundred years, for nothing but these tests: an authority whose key was
//! thrown away, a server `temporal.test` and a client.
#![allow(clippy::unwrap_used, reason = "tests may")]
#![cfg(feature = "tls-ring")]

#[path = "support/fake.rs"]
mod fake;

use fake::{Answer, Fake};
use std::path::Path;
use std::sync::Arc;
use temporal_client::{Client, ClientOptions, ConnectError, Tls};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)).unwrap()
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&file(name)).unwrap()
}

/// A server that wants to see a client's certificate; its port.
async fn server() -> u16 {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(&file("server.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate("server.pem")], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    Fake::new(|_| Answer::Message(Vec::new())).serve(stream).await;
                }
            });
        }
    });
    port
}

fn tls() -> Tls {
    Tls::new().root_certificates(file("ca.pem")).domain("temporal.test")
}

fn with_certificate(tls: Tls) -> Tls {
    tls.client_certificate(file("client.pem"), file("client.key"))
}

async fn connect(tls: Tls) -> Result<Client, ConnectError> {
    let port = server().await;
    Client::connect(ClientOptions::new(format!("https://127.0.0.1:{port}")).tls(tls)).await
}

#[tokio::test]
async fn s3_p51_own_roots_client_certificate_and_domain() {
    let client = connect(with_certificate(tls())).await.unwrap();
    client.check_health().await.unwrap();
}

#[tokio::test]
async fn s3_what_does_not_fit_is_a_clear_error() {
    let error = connect(tls()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("https://127.0.0.1:"), "{text}");
    let error = connect(with_certificate(tls().domain("other.test"))).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("certificate not valid for name"), "{error}");
    let error = connect(with_certificate(Tls::new().domain("temporal.test")))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let error = connect(tls().client_certificate("no pem", "no pem")).await.unwrap_err();
    assert!(matches!(error, ConnectError::InvalidTls { .. }), "{error:?}");
}

#[tokio::test]
async fn s3_a_server_without_tls_is_a_clear_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        Fake::new(|_| Answer::Message(Vec::new())).serve(stream).await;
    });
    let error = Client::connect(ClientOptions::new(address).tls(tls()))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("does not speak TLS; write http://"), "{text}");
}
