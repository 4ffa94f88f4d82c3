//! Connecting, where no server is needed.
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::time::{Duration, Instant};
use temporal_client::{Client, ClientOptions, Code, ConnectError, RetryOptions};
use tokio::net::TcpListener;

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn no_server_is_a_clear_error_that_names_the_address() {
    let address = nobody().await;
    let started = Instant::now();
    let error = Client::connect(address.as_str()).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&address) && text.contains("refused") && text.contains("start-dev"),
        "{text}"
    );
}

#[tokio::test]
async fn a_silent_server_is_a_clear_error_within_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let options = ClientOptions::new(&address).connect_timeout(Duration::from_millis(200));
    let error = Client::connect(options).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn p50_lazy_connections_fail_at_the_first_call() {
    let address = nobody().await;
    let retry = RetryOptions::new()
        .maximum_attempts(2)
        .initial_interval(Duration::from_millis(1));
    let options = ClientOptions::new(&address).lazy(true).retry(retry);
    let client = Client::connect(options).await.unwrap();
    assert!(client.capabilities().is_none());
    let error = client.check_health().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.rpc(), "Check");
}

#[tokio::test]
async fn mistakes_in_options_are_errors() {
    let error = Client::connect(ClientOptions::default().metadata("bad key", "x").lazy(true))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ConnectError::InvalidMetadata { key } if key == "bad key"),
        "{error:?}"
    );
    let client = Client::connect(ClientOptions::default().lazy(true)).await.unwrap();
    client.set_api_key(Some("new")).unwrap();
    client.set_api_key(None).unwrap();
    assert!(client.set_api_key(Some("line\nbreak")).is_err());
}
