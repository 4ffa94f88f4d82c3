//! How workflows and activities are retried by the server.

use super::proto_duration;
use std::time::Duration;
use temporal_protos::api::common::v1 as proto;

/// How the server retries a workflow or activity that fails.
///
/// ```
/// use std::time::Duration;
/// use temporal_client::RetryPolicy;
///
/// let policy = RetryPolicy::new()
///     .initial_interval(Duration::from_secs(2))
///     .maximum_attempts(5)
///     .non_retryable_error_type("Declined");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    initial_interval: Duration,
    backoff_coefficient: f64,
    maximum_interval: Option<Duration>,
    maximum_attempts: u32,
    non_retryable_error_types: Vec<String>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 0,
            non_retryable_error_types: Vec::new(),
        }
    }
}

impl RetryPolicy {
    /// Retries without end, after 1 s and then twice as long each time, 100 s at most.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No retries: one attempt.
    #[must_use]
    pub fn none() -> Self {
        Self::default().maximum_attempts(1)
    }

    /// The time between the first failure and the second attempt, 1 s by default.
    #[must_use]
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.initial_interval = interval;
        self
    }

    /// How much longer each interval is than the one before, 2.0 by default; 1.0 keeps it the same.
    #[must_use]
    pub fn backoff_coefficient(mut self, coefficient: f64) -> Self {
        self.backoff_coefficient = coefficient;
        self
    }

    /// The longest interval, 100 times the initial one by default.
    #[must_use]
    pub fn maximum_interval(mut self, interval: Duration) -> Self {
        self.maximum_interval = Some(interval);
        self
    }

    /// The most attempts, the first one counted; 0, the default, for no limit.
    #[must_use]
    pub fn maximum_attempts(mut self, attempts: u32) -> Self {
        self.maximum_attempts = attempts;
        self
    }

    /// One more type of application error that is not retried.
    #[must_use]
    pub fn non_retryable_error_type(mut self, kind: impl Into<String>) -> Self {
        self.non_retryable_error_types.push(kind.into());
        self
    }

    /// More types of application errors that are not retried.
    #[must_use]
    pub fn non_retryable_error_types<T: Into<String>>(mut self, kinds: impl IntoIterator<Item = T>) -> Self {
        self.non_retryable_error_types.extend(kinds.into_iter().map(Into::into));
        self
    }
}

impl From<&RetryPolicy> for proto::RetryPolicy {
    fn from(policy: &RetryPolicy) -> Self {
        Self {
            initial_interval: Some(proto_duration(policy.initial_interval)),
            backoff_coefficient: policy.backoff_coefficient,
            maximum_interval: policy.maximum_interval.map(proto_duration),
            maximum_attempts: i32::try_from(policy.maximum_attempts).unwrap_or(i32::MAX),
            non_retryable_error_types: policy.non_retryable_error_types.clone(),
        }
    }
}

impl From<&proto::RetryPolicy> for RetryPolicy {
    fn from(policy: &proto::RetryPolicy) -> Self {
        let interval = |duration: Option<prost_types::Duration>| duration.and_then(|duration| duration.try_into().ok());
        let default = Self::default();
        Self {
            initial_interval: interval(policy.initial_interval).unwrap_or(default.initial_interval),
            backoff_coefficient: match policy.backoff_coefficient {
                0.0 => default.backoff_coefficient,
                coefficient => coefficient,
            },
            maximum_interval: interval(policy.maximum_interval),
            maximum_attempts: u32::try_from(policy.maximum_attempts).unwrap_or_default(),
            non_retryable_error_types: policy.non_retryable_error_types.clone(),
        }
    }
}
