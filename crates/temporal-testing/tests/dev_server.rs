//! The dev server starts, listens, and is gone after its shutdown; what is no dev server is told apart.

use std::net::TcpStream;
use temporal_testing::environment::{DevServer, DevServerError, DevServerOptions};

#[tokio::test]
async fn a_program_that_is_missing_is_named_with_the_remedy() {
    let error = DevServer::start(&DevServerOptions::new().binary("/nonexistent/temporal"))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/nonexistent/temporal"), "{text}");
}

#[tokio::test]
async fn a_program_that_ends_early_is_quoted() {
    let error = DevServer::start(&DevServerOptions::new().binary("/bin/echo"))
        .await
        .unwrap_err();
    assert!(matches!(error, DevServerError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("start-dev"), "{error}");
}

#[tokio::test]
async fn it_listens_until_it_is_shut_down() {
    if std::env::var_os("TEMPORAL_CLI").is_none() {
        let strict = std::env::var_os("TEMPORAL_TEST_STRICT").is_some_and(|strict| strict == "1");
        assert!(
            !strict,
            "cannot be skipped, since TEMPORAL_TEST_STRICT is 1: TEMPORAL_CLI names no temporal program"
        );
        eprintln!("skipped: TEMPORAL_CLI names no temporal program");
        return;
    }
    let server = DevServer::start(&DevServerOptions::new()).await.unwrap();
    let port = server.port();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    server.shutdown().await;
    TcpStream::connect(("127.0.0.1", port)).unwrap_err();
}
