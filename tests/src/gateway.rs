//! A gateway between clients and the server, which loses or refuses single calls.

use crate::server;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tonic::body::Body;
use tonic::client::GrpcService as _;
use tonic::transport::{Channel, Endpoint, Error};
use tonic::{Code, Status};

/// What becomes of a call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It does not reach the server, and nobody answers.
    Lost,
    /// The gateway answers in the server's place.
    Refused(Code),
}

/// Passes calls on to the server, but for those that a test named.
#[derive(Debug)]
pub struct Gateway {
    address: String,
    calls: Calls,
    serving: AbortHandle,
}

#[derive(Debug, Clone)]
struct Calls {
    faults: Arc<Mutex<HashMap<(String, usize), Fault>>>,
    begun: Arc<Mutex<HashMap<String, usize>>>,
    /// How many calls of each RPC the server has answered.
    answered: watch::Sender<HashMap<String, usize>>,
}

impl Gateway {
    /// Opens a gateway to the suite's server.
    ///
    /// # Errors
    /// When the server cannot be started, or there is no port.
    pub async fn open() -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(server::address().await?)?.connect_lazy();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let calls = Calls {
            faults: Arc::default(),
            begun: Arc::default(),
            answered: watch::Sender::default(),
        };
        let serving = tokio::spawn(serve(listener, channel, calls.clone())).abort_handle();
        Ok(Self {
            address,
            calls,
            serving,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Loses one call of an RPC, such as `RecordActivityTaskHeartbeat`: the `nth`, counted from 1.
    #[must_use]
    pub fn lose(self, rpc: &str, nth: usize) -> Self {
        self.fault(rpc, nth, Fault::Lost)
    }

    /// Refuses one call of an RPC: the `nth`, counted from 1.
    #[must_use]
    pub fn refuse(self, rpc: &str, nth: usize, code: Code) -> Self {
        self.fault(rpc, nth, Fault::Refused(code))
    }

    fn fault(self, rpc: &str, nth: usize, fault: Fault) -> Self {
        let mut faults = self.calls.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.insert((rpc.to_owned(), nth), fault);
        drop(faults);
        self
    }

    /// Waits until the server has answered so many calls of an RPC.
    pub async fn answered(&self, rpc: &str, count: usize) {
        let mut answered = self.calls.answered.subscribe();
        let enough = |answered: &HashMap<String, usize>| answered.get(rpc).is_some_and(|seen| *seen >= count);
        // The sender lives as long as the gateway.
        let _ = answered.wait_for(enough).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, channel: Channel, calls: Calls) {
    while let Ok((stream, _)) = listener.accept().await {
        let (channel, calls) = (channel.clone(), calls.clone());
        let service = service_fn(move |request| calls.clone().call(channel.clone(), request));
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    }
}

impl Calls {
    async fn call(self, mut channel: Channel, request: Request<Incoming>) -> Result<Response<Body>, Error> {
        let rpc = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        match self.begin(&rpc) {
            Some(Fault::Lost) => std::future::pending().await,
            Some(Fault::Refused(code)) => {
                return Ok(Status::new(code, "the gateway does not let it through").into_http());
            }
            None => {}
        }
        poll_fn(|context| channel.poll_ready(context)).await?;
        let response = channel.call(request.map(Body::new)).await?;
        self.answered
            .send_modify(|answered| *answered.entry(rpc).or_default() += 1);
        Ok(response)
    }

    /// Counts the call, and tells what is to become of it.
    fn begin(&self, rpc: &str) -> Option<Fault> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let number = begun.entry(rpc.to_owned()).or_default();
        *number += 1;
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.get(&(rpc.to_owned(), *number)).copied()
    }
}
