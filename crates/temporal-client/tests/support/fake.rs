//! A server that answers what a test tells it to, over any stream.
#![allow(dead_code, reason = "not every test file uses everything")]

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use temporal_client::protos::prost::Message;
use temporal_client::{Client, ClientOptions};
use temporal_client::{Code, ConnectError};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

/// A call as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) rpc: String,
    pub(crate) headers: HeaderMap,
    pub(crate) message: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn decode<M: Message + Default>(&self) -> M {
        M::decode(&*self.message).unwrap()
    }
}

/// What to answer.
pub(crate) enum Answer {
    Message(Vec<u8>),
    Error(Code, &'static str),
    /// Nothing, ever.
    Silence,
}

impl Answer {
    pub(crate) fn message<M: Message>(message: &M) -> Self {
        Self::Message(message.encode_to_vec())
    }
}

type Respond = dyn Fn(&Received) -> Answer + Send + Sync;

/// Answers with what the function says; what arrived can be asked for.
#[derive(Clone)]
pub(crate) struct Fake {
    respond: Arc<Respond>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Fake {
    /// Greets clients, and answers every other call so.
    pub(crate) fn new(respond: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let greeting = move |call: &Received| match call.rpc.as_str() {
            "GetSystemInfo" => Answer::Error(Code::Unimplemented, "an old server"),
            _ => respond(call),
        };
        Self {
            respond: Arc::new(greeting),
            received: Arc::default(),
        }
    }

    /// Refuses every call so.
    pub(crate) fn refusing(code: Code, message: &'static str) -> Self {
        Self {
            respond: Arc::new(move |_| Answer::Error(code, message)),
            received: Arc::default(),
        }
    }

    /// A client of it, in memory.
    pub(crate) async fn client(&self, options: ClientOptions) -> Result<Client, ConnectError> {
        let fake = self.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let (near, far) = tokio::io::duplex(64 * 1024);
            tokio::spawn(fake.clone().serve(far));
            async move { Ok::<DuplexStream, std::io::Error>(near) }
        });
        Client::connect_with_connector(options, connector).await
    }

    pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let service = service_fn(move |request| {
            let fake = self.clone();
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    }

    /// The calls of one RPC.
    pub(crate) fn received(&self, rpc: &str) -> Vec<Received> {
        let received = self.received.lock().unwrap();
        received.iter().filter(|call| call.rpc == rpc).cloned().collect()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let received = Received {
            rpc: head.uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
            headers: head.headers,
            message: body.slice(5..),
        };
        let answer = (self.respond)(&received);
        self.received.lock().unwrap().push(received);
        let response = Response::builder().header("content-type", "application/grpc");
        match answer {
            Answer::Message(message) => {
                let mut frame = BytesMut::new();
                frame.put_u8(0);
                frame.put_u32(u32::try_from(message.len()).unwrap());
                frame.put_slice(&message);
                response
                    .header("grpc-status", "0")
                    .body(Full::new(frame.freeze()))
                    .unwrap()
            }
            Answer::Error(code, message) => response
                .header("grpc-status", i32::from(code).to_string())
                .header("grpc-message", message)
                .body(Full::default())
                .unwrap(),
            Answer::Silence => std::future::pending().await,
        }
    }
}
