//! When and how fast calls are tried again.

use rand::RngExt as _;
use std::time::Duration;
use tonic::{Code, Status};

/// How calls are tried again that failed for a passing reason.
///
/// That is one of the codes `Unavailable`, `ResourceExhausted`, `Internal`, `Unknown`, `Aborted` and `DataLoss`, or a broken
/// connection. Calls that change something carry a request id, by which the server recognises a second try.
///
/// ```
/// use std::time::Duration;
/// use temporal_client::{ClientOptions, RetryOptions};
///
/// let retry = RetryOptions::new().maximum_attempts(3).maximum_elapsed(Duration::from_secs(5));
/// let options = ClientOptions::default().retry(retry);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryOptions {
    pub(super) initial_interval: Duration,
    pub(super) multiplier: f64,
    pub(super) maximum_interval: Duration,
    pub(super) jitter: f64,
    pub(super) maximum_attempts: u32,
    pub(super) maximum_elapsed: Option<Duration>,
    pub(super) timeouts: bool,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_millis(100),
            multiplier: 1.7,
            maximum_interval: Duration::from_secs(5),
            jitter: 0.2,
            maximum_attempts: 10,
            maximum_elapsed: Some(Duration::from_secs(20)),
            timeouts: false,
        }
    }
}

impl RetryOptions {
    /// Ten attempts within 20 s, after 100 ms and then 1.7 times longer each, 5 s at most, give or take a fifth.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One attempt only.
    #[must_use]
    pub fn none() -> Self {
        Self::default().maximum_attempts(1)
    }

    /// Attempts without end, up to 10 s apart: for what waits for something anyway.
    #[must_use]
    pub fn forever() -> Self {
        Self {
            initial_interval: Duration::from_millis(200),
            multiplier: 2.0,
            maximum_interval: Duration::from_secs(10),
            maximum_attempts: 0,
            maximum_elapsed: None,
            ..Self::default()
        }
    }

    /// The pause before the second attempt.
    #[must_use]
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.initial_interval = interval;
        self
    }

    /// How much longer each pause is than the one before.
    #[must_use]
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier.max(1.0);
        self
    }

    /// The longest pause.
    #[must_use]
    pub fn maximum_interval(mut self, interval: Duration) -> Self {
        self.maximum_interval = interval;
        self
    }

    /// The part of a pause, 0 to 1, that is random, either way.
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter.clamp(0.0, 1.0);
        self
    }

    /// The most attempts, the first one counted; 0 for no limit.
    #[must_use]
    pub fn maximum_attempts(mut self, attempts: u32) -> Self {
        self.maximum_attempts = attempts;
        self
    }

    /// The time after which no further attempt starts; `None` for no limit.
    #[must_use]
    pub fn maximum_elapsed(mut self, elapsed: impl Into<Option<Duration>>) -> Self {
        self.maximum_elapsed = elapsed.into();
        self
    }

    /// Whether an attempt without an answer in time (`DeadlineExceeded`) is followed by another; it is not by default. For
    /// calls that may safely reach the server twice.
    #[must_use]
    pub fn timeouts(mut self, retried: bool) -> Self {
        self.timeouts = retried;
        self
    }

    /// The pause before another attempt; `None` when there is to be none.
    pub(super) fn pause(&self, attempts: u32, elapsed: Duration, status: &Status, random: f64) -> Option<Duration> {
        let passes = is_transient(status) || self.timeouts && status.code() == Code::DeadlineExceeded;
        if self.maximum_attempts != 0 && attempts >= self.maximum_attempts || !passes {
            return None;
        }
        // A server that asks for less gets a longer rest.
        let first = match status.code() {
            Code::ResourceExhausted => self.initial_interval.max(Duration::from_secs(1)),
            _ => self.initial_interval,
        };
        let power = self
            .multiplier
            .powi(i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX));
        let longest = self.maximum_interval.max(first).as_secs_f64();
        let pause = (first.as_secs_f64() * power).min(longest);
        let pause = Duration::from_secs_f64(pause * (1.0 + self.jitter * (2.0 * random - 1.0)));
        match self.maximum_elapsed {
            Some(most) if elapsed + pause > most => None,
            _ => Some(pause),
        }
    }
}

pub(super) fn random() -> f64 {
    rand::rng().random()
}

/// Whether the same call may succeed a moment later.
fn is_transient(status: &Status) -> bool {
    match status.code() {
        Code::ResourceExhausted => !status.message().starts_with("grpc: received message larger than max"),
        Code::Unavailable | Code::Internal | Code::Unknown | Code::Aborted | Code::DataLoss => true,
        // Not the server's word: the connection broke under the call.
        Code::Cancelled => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::RetryOptions;
    use std::time::Duration;
    use tonic::Status;

    fn pauses(options: RetryOptions, status: Status) -> Vec<u64> {
        let mut elapsed = Duration::ZERO;
        let mut pauses = Vec::new();
        while let Some(pause) = options.pause(u32::try_from(pauses.len()).unwrap() + 1, elapsed, &status, 0.5) {
            elapsed += pause;
            pauses.push(u64::try_from(pause.as_millis()).unwrap());
            if pauses.len() == 20 {
                break;
            }
        }
        pauses
    }

    #[test]
    fn grows_to_the_limit_and_ends() {
        let options = RetryOptions::new()
            .multiplier(2.0)
            .maximum_interval(Duration::from_millis(500));
        assert_eq!(
            pauses(options, Status::unavailable("")),
            [100, 200, 400, 500, 500, 500, 500, 500, 500]
        );
        let short = options.maximum_elapsed(Duration::from_secs(1));
        assert_eq!(pauses(short, Status::unavailable("")), [100, 200, 400]);
        assert_eq!(pauses(RetryOptions::forever(), Status::unavailable("")).len(), 20);
    }

    #[test]
    fn tries_only_passing_troubles_again() {
        assert!(pauses(RetryOptions::new(), Status::not_found("")).is_empty());
        assert!(pauses(RetryOptions::new(), Status::cancelled("")).is_empty());
        assert!(pauses(RetryOptions::none(), Status::unavailable("")).is_empty());
        let too_large = Status::resource_exhausted("grpc: received message larger than max (5 vs. 4)");
        assert!(pauses(RetryOptions::new(), too_large).is_empty());
        assert_eq!(
            pauses(RetryOptions::new(), Status::resource_exhausted("")).first(),
            Some(&1000)
        );
    }

    #[test]
    fn tries_again_after_timeouts_where_that_is_safe() {
        let late = || Status::deadline_exceeded("");
        assert!(pauses(RetryOptions::forever(), late()).is_empty());
        let safe = RetryOptions::new().timeouts(true).maximum_attempts(3);
        assert_eq!(pauses(safe, late()).len(), 2);
        assert!(pauses(safe, Status::not_found("")).is_empty());
    }

    #[test]
    fn jitter_stays_within_its_part() {
        let options = RetryOptions::new().jitter(0.5);
        let status = Status::unavailable("");
        let pause = |random| options.pause(1, Duration::ZERO, &status, random).unwrap().as_millis();
        assert_eq!((pause(0.0), pause(1.0)), (50, 150));
    }
}
