//! Connections inside the process.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tower::Service;

use super::embedded::Tasks;

/// How much of a pipe's content waits unread.
const PIPE_BYTES: usize = 1 << 20;

/// The client's end of a connection to an [`EmbeddedServer`](super::EmbeddedServer), for tokio and for hyper alike.
#[derive(Debug)]
pub struct Pipe(DuplexStream);

/// Makes in-memory connections to an [`EmbeddedServer`](super::EmbeddedServer): a service for
/// `Endpoint::connect_with_connector` and `Client::connect_with_connector`.
#[derive(Clone)]
pub struct InProcessConnector {
    pub(super) tasks: Tasks,
}

impl InProcessConnector {
    /// One connection.
    ///
    /// # Errors
    /// When the server has ended.
    pub fn connect(&self) -> io::Result<Pipe> {
        if !self.tasks.is_serving() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "the embedded server has ended",
            ));
        }
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        self.tasks.spawn(far);
        Ok(Pipe(near))
    }
}

impl Service<Uri> for InProcessConnector {
    type Response = Pipe;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Pipe>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(std::future::ready(self.connect()))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl hyper::rt::Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut TokioIo::new(&mut self.0)).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
