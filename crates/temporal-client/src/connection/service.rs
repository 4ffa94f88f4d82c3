//! The channel with the client's metadata on it.

use http::{HeaderMap, HeaderValue, Request, Response};
use parking_lot::RwLock;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tower::Service;

/// The transport under every call: adds the client's name, its namespace, API key and metadata to each request that does
/// not bring its own.
///
/// The generated stubs take it: `WorkflowServiceClient::new(client.grpc_service())`.
#[derive(Debug, Clone)]
pub struct GrpcService {
    pub(super) channel: Channel,
    pub(super) headers: Arc<RwLock<Arc<HeaderMap>>>,
    pub(super) namespace: Option<HeaderValue>,
}

impl Service<Request<Body>> for GrpcService {
    type Response = Response<Body>;
    type Error = Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::poll_ready(&mut self.channel, context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let common = Arc::clone(&self.headers.read());
        let headers = request.headers_mut();
        for (name, value) in &*common {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        if let Some(namespace) = &self.namespace {
            headers.entry("temporal-namespace").or_insert_with(|| namespace.clone());
        }
        self.channel.call(request)
    }
}
