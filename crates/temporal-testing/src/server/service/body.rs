//! A response body that knows whether it was sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use temporal_protos::bytes::Bytes;

use super::driver::Call;

/// Ends a [`Call`] as delivered once everything of its answer was taken by the connection, as abandoned if it was not.
pub(super) struct Delivery {
    body: tonic::body::Body,
    call: Option<Call>,
}

impl Delivery {
    pub(super) fn new(body: tonic::body::Body, call: Call) -> Self {
        Delivery { body, call: Some(call) }
    }
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let end = match &frame {
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) => false,
            None => true,
        };
        if end && let Some(call) = self.call.take() {
            call.delivered();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
