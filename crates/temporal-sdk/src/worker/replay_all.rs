//! Replaying many histories.

use super::{ReplayError, Replayer};
use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use temporal_client::protos::api::history::v1::history_event::Attributes;
use temporal_client::workflow::WorkflowHistory;

/// What [`Replayer::replay_all`] takes from its stream: a history, or a `Result` of one.
pub trait ReplayItem: Send {
    /// The history, or why there is none.
    ///
    /// # Errors
    /// When there is none.
    fn into_history(self) -> Result<WorkflowHistory, Box<dyn std::error::Error + Send + Sync>>;
}

impl ReplayItem for WorkflowHistory {
    fn into_history(self) -> Result<WorkflowHistory, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self)
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>> + Send> ReplayItem for Result<WorkflowHistory, E> {
    fn into_history(self) -> Result<WorkflowHistory, Box<dyn std::error::Error + Send + Sync>> {
        self.map_err(Into::into)
    }
}

/// Replays many histories when it is awaited: see [`Replayer::replay_all`].
#[must_use = "nothing is replayed until it is awaited"]
pub struct ReplayAll<S> {
    replayer: Replayer,
    threads: usize,
    histories: S,
    progress: Box<dyn FnMut(&ReplayProgress) + Send>,
}

impl<S> fmt::Debug for ReplayAll<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReplayAll")
            .field("replayer", &self.replayer)
            .finish_non_exhaustive()
    }
}

impl<S> ReplayAll<S> {
    pub(super) fn new(replayer: Replayer, threads: usize, histories: S) -> Self {
        Self {
            replayer,
            threads,
            histories,
            progress: Box::new(|_| {}),
        }
    }

    /// Calls this after each history.
    pub fn on_progress(mut self, progress: impl FnMut(&ReplayProgress) + Send + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }
}

/// How far a [`ReplayAll`] is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayProgress {
    /// How many histories were replayed, with or without success.
    pub replayed: usize,
    /// How many of them failed.
    pub failed: usize,
}

impl fmt::Display for ReplayProgress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} histories replayed, {} failed",
            self.replayed, self.failed
        )
    }
}

/// A history that was not replayed with success.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReplayFailure {
    /// The workflow's id; empty if it is not known.
    pub workflow_id: String,
    /// The run's id; empty if it is not known.
    pub run_id: String,
    /// The workflow's type; empty if it is not known.
    pub workflow_type: String,
    /// Why.
    pub error: ReplayError,
}

impl fmt::Display for ReplayFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workflow_id,
            run_id,
            workflow_type,
            error,
        } = self;
        write!(formatter, "{workflow_type} \"{workflow_id}\" (run {run_id}): {error}")
    }
}

/// What came of a [`ReplayAll`].
#[derive(Debug, Default, thiserror::Error)]
#[non_exhaustive]
#[error("{}", self.summary())]
pub struct ReplayReport {
    /// How many histories were replayed, with or without success.
    pub replayed: usize,
    /// Those that failed, in the order of their failing.
    pub failures: Vec<ReplayFailure>,
    /// Errors of the stream of histories, which then had no history to replay.
    pub stream_errors: Vec<Box<dyn std::error::Error + Send + Sync>>,
}

impl ReplayReport {
    /// Whether all histories were got and replayed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty() && self.stream_errors.is_empty()
    }

    /// An error if not all histories were got and replayed.
    ///
    /// # Errors
    /// The report itself.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }

    fn summary(&self) -> String {
        use fmt::Write as _;
        let mut text = format!("{} histories replayed, {} failed", self.replayed, self.failures.len());
        if !self.stream_errors.is_empty() {
            let _ = write!(text, ", {} could not be fetched", self.stream_errors.len());
        }
        for failure in &self.failures {
            let _ = write!(text, "\n  {failure}");
        }
        for error in &self.stream_errors {
            let _ = write!(text, "\n  not fetched: {error}");
        }
        text
    }
}

enum Ended {
    Replayed,
    Failed(Box<ReplayFailure>),
    NotFetched(Box<dyn std::error::Error + Send + Sync>),
}

impl<S> IntoFuture for ReplayAll<S>
where
    S: Stream<Item: ReplayItem> + Send + 'static,
{
    type Output = ReplayReport;
    type IntoFuture = BoxFuture<'static, ReplayReport>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run(self))
    }
}

async fn run<S: Stream<Item: ReplayItem> + Send>(all: ReplayAll<S>) -> ReplayReport {
    let ReplayAll {
        replayer,
        threads,
        histories,
        mut progress,
    } = all;
    let replays = histories.map(|item| {
        let replayer = replayer.clone();
        async move { one(&replayer, item).await }
    });
    let mut replays = std::pin::pin!(replays.buffer_unordered(threads));
    let mut report = ReplayReport::default();
    while let Some(ended) = replays.next().await {
        match ended {
            Ended::NotFetched(error) => {
                report.stream_errors.push(error);
                continue;
            }
            Ended::Replayed => {}
            Ended::Failed(failure) => report.failures.push(*failure),
        }
        report.replayed += 1;
        progress(&ReplayProgress {
            replayed: report.replayed,
            failed: report.failures.len(),
        });
    }
    report
}

async fn one(replayer: &Replayer, item: impl ReplayItem) -> Ended {
    let history = match item.into_history() {
        Ok(history) => history,
        Err(error) => return Ended::NotFetched(error),
    };
    let workflow_id = history.workflow_id.clone();
    let run_id = history.run_id().unwrap_or_default().to_owned();
    let workflow_type = workflow_type(&history);
    match replayer.replay(history).await {
        Ok(()) => Ended::Replayed,
        Err(error) => Ended::Failed(Box::new(ReplayFailure {
            workflow_id,
            run_id,
            workflow_type,
            error,
        })),
    }
}

fn workflow_type(history: &WorkflowHistory) -> String {
    match history.events.first().and_then(|event| event.attributes.as_ref()) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
            started.workflow_type.clone().unwrap_or_default().name
        }
        _ => String::new(),
    }
}
