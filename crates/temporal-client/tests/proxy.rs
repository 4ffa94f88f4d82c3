//! Connecting through an HTTP proxy.
#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "support/fake.rs"]
mod fake;

use fake::{Answer, Fake};
use temporal_client::{Client, ClientOptions, ConnectError, HttpProxy};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A proxy behind which there is but one server; its address, and the requests for tunnels.
async fn proxy(answer: &'static str) -> (String, mpsc::UnboundedReceiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_ascii_lowercase());
            }
            sender.send(lines).unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            tokio::spawn(Fake::new(|_| Answer::Message(Vec::new())).serve(stream));
        }
    });
    (address, requests)
}

#[tokio::test]
async fn p49_a_tunnel_through_a_proxy() {
    let (address, mut requests) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
    let proxy = HttpProxy::new(address).basic_auth("user", "password");
    assert!(!format!("{proxy:?}").contains("password"));
    let client = Client::connect(ClientOptions::new("http://nowhere.invalid:7233").http_proxy(proxy))
        .await
        .unwrap();
    client.check_health().await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request[0], "connect nowhere.invalid:7233 http/1.1");
    assert!(
        request.contains(&"proxy-authorization: basic dxnlcjpwyxnzd29yza==".to_owned()),
        "{request:?}"
    );
}

#[tokio::test]
async fn p49_a_proxy_that_refuses_is_a_clear_error() {
    let (address, _requests) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let options = ClientOptions::new("http://nowhere.invalid:7233").http_proxy(HttpProxy::new(address));
    let error = Client::connect(options).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("proxy authorization required"), "{error}");
    let options = ClientOptions::default().http_proxy(HttpProxy::new("socks5://localhost:1"));
    let error = Client::connect(options).await.unwrap_err();
    assert!(error.to_string().contains("the proxy's scheme must be http"), "{error}");
}
