//! A call that is about to be made.

use super::RetryOptions;
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};

/// Options of a single call, in place of the client's.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<RetryOptions>,
    pub(super) metadata: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
    pub(super) invalid: Option<String>,
}

impl CallOptions {
    /// The client's own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long one attempt may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How it is tried again.
    #[must_use]
    pub fn retry(mut self, retry: RetryOptions) -> Self {
        self.retry = Some(retry);
        self
    }

    /// One more header. One that cannot be sent makes the call fail as an invalid argument.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        match (key.parse(), value.parse()) {
            (Ok(key), Ok(value)) => self.metadata.push((key, value)),
            _ => self.invalid = Some(key.to_owned()),
        }
        self
    }

    /// These, with a default for calls that wait at the server for something to happen.
    pub(crate) fn or_long_poll(mut self) -> Self {
        self.timeout.get_or_insert(LONG_POLL);
        self.retry.get_or_insert_with(RetryOptions::forever);
        self
    }
}

/// How long a call may wait at the server before it is made anew.
pub(crate) const LONG_POLL: Duration = Duration::from_secs(70);

/// A call that is made when it is awaited.
///
/// Its input is converted already, so it is `Send` whatever the input is. Options for this call alone are set before
/// awaiting it:
///
/// ```no_run
/// # use std::time::Duration;
/// # use temporal_client::{Client, protos::api::workflowservice::v1::GetSystemInfoRequest};
/// # async fn example(client: Client) -> anyhow::Result<()> {
/// let call = client.call(GetSystemInfoRequest::default());
/// let info = call.timeout(Duration::from_secs(3)).metadata("x-trace", "42").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until it is awaited"]
pub struct Call<T, E> {
    options: CallOptions,
    state: State<T, E>,
}

type Start<T, E> = Box<dyn FnOnce(CallOptions) -> BoxFuture<'static, Result<T, E>> + Send>;

enum State<T, E> {
    New(Start<T, E>),
    Running(BoxFuture<'static, Result<T, E>>),
    Done,
}

impl<T, E> Call<T, E> {
    pub(crate) fn new<F>(start: impl FnOnce(CallOptions) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self {
            options: CallOptions::default(),
            state: State::New(Box::new(|options| Box::pin(start(options)))),
        }
    }

    /// With these options.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// How long one attempt may take. For a limit on the whole, `tokio::time::timeout` is the tool.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.timeout(timeout);
        self
    }

    /// How it is tried again.
    pub fn retry(mut self, retry: RetryOptions) -> Self {
        self.options = self.options.retry(retry);
        self
    }

    /// One more header.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        self.options = self.options.metadata(key, value);
        self
    }
}

impl<T, E> Future for Call<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::New(_) = this.state
            && let State::New(start) = std::mem::replace(&mut this.state, State::Done)
        {
            this.state = State::Running(start(std::mem::take(&mut this.options)));
        }
        match &mut this.state {
            State::Running(future) => {
                let result = std::task::ready!(future.as_mut().poll(context));
                this.state = State::Done;
                Poll::Ready(result)
            }
            // Polled after its end, which is a mistake of the caller's that must not be undefined.
            State::New(_) | State::Done => Poll::Pending,
        }
    }
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
