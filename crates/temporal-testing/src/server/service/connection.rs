//! One HTTP/2 connection.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::dispatch::Services;

/// Windows wide enough that a large history does not wait for the peer's acknowledgements.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
/// A worker holds one stream open for each of its polls.
const MAX_STREAMS: u32 = 10_000;
/// Pollers that are cancelled all at once are no attack.
const MAX_RESETS: usize = 20_000;

/// Serves a connection until its peer closes it, or until `shutdown` ends and its last call was answered.
pub(in crate::server) async fn serve<T>(io: T, services: Services, shutdown: impl Future<Output = ()>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let reply = services.call(request);
        async move { Ok::<_, Infallible>(reply.await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESETS)
        // It counts over the life of a connection: a client whose calls fail must not lose all others with them.
        .max_local_error_reset_streams(None)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
