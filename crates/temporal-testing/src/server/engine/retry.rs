//! Whether and when something that failed is tried again.

use std::time::Duration;

use temporal_protos::api::common::v1::RetryPolicy;
use temporal_protos::api::enums::v1::{RetryState, TimeoutType};
use temporal_protos::api::failure::v1::{Failure, failure::FailureInfo};

use super::time::{Time, duration, to_proto};

/// The interval before the second attempt, if the policy has none.
const INITIAL_INTERVAL: Duration = Duration::from_secs(1);
const COEFFICIENT: f64 = 2.0;
/// The longest interval, in initial ones, if the policy has none.
const MAXIMUM_FACTOR: u32 = 100;

/// The policy with its gaps filled in.
pub(super) fn filled(policy: Option<&RetryPolicy>) -> RetryPolicy {
    let mut policy = policy.cloned().unwrap_or_default();
    if duration(policy.initial_interval.as_ref()).is_zero() {
        policy.initial_interval = Some(to_proto(INITIAL_INTERVAL));
    }
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = COEFFICIENT;
    }
    if duration(policy.maximum_interval.as_ref()).is_zero() {
        let initial = duration(policy.initial_interval.as_ref());
        policy.maximum_interval = Some(to_proto(initial.saturating_mul(MAXIMUM_FACTOR)));
    }
    policy
}

/// How long to wait before the attempt after `attempt`, or why there is none.
pub(super) fn delay(
    policy: Option<&RetryPolicy>,
    attempt: i32,
    failure: Option<&Failure>,
    now: Time,
    expires_at: Option<Time>,
) -> Result<Duration, RetryState> {
    let Some(policy) = policy else {
        return Err(RetryState::RetryPolicyNotSet);
    };
    if !failure.is_none_or(|failure| is_retryable(failure, &policy.non_retryable_error_types)) {
        return Err(RetryState::NonRetryableFailure);
    }
    if policy.maximum_attempts > 0 && attempt >= policy.maximum_attempts {
        return Err(RetryState::MaximumAttemptsReached);
    }
    let wait = asked_delay(failure).unwrap_or_else(|| interval(policy, attempt));
    if expires_at.is_some_and(|expires| now + wait > expires) {
        return Err(RetryState::Timeout);
    }
    Ok(wait)
}

/// The delay that the failure itself asks for.
fn asked_delay(failure: Option<&Failure>) -> Option<Duration> {
    match failure?.failure_info.as_ref()? {
        FailureInfo::ApplicationFailureInfo(info) => info.next_retry_delay.as_ref().map(|delay| duration(Some(delay))),
        _ => None,
    }
}

fn interval(policy: &RetryPolicy, attempt: i32) -> Duration {
    let initial = duration(policy.initial_interval.as_ref());
    let coefficient = if policy.backoff_coefficient >= 1.0 {
        policy.backoff_coefficient
    } else {
        1.0
    };
    let grown = initial.as_secs_f64() * coefficient.powi(attempt.saturating_sub(1));
    let maximum = duration(policy.maximum_interval.as_ref());
    let longest = if maximum.is_zero() {
        Duration::from_secs(100 * 365 * 86_400)
    } else {
        maximum
    };
    Duration::try_from_secs_f64(grown).map_or(longest, |wait| wait.min(longest))
}

fn is_retryable(failure: &Failure, non_retryable: &[String]) -> bool {
    let listed = |name: &str| non_retryable.iter().any(|it| it == name);
    match &failure.failure_info {
        Some(FailureInfo::TerminatedFailureInfo(_) | FailureInfo::CanceledFailureInfo(_)) => false,
        Some(FailureInfo::TimeoutFailureInfo(info)) => match TimeoutType::try_from(info.timeout_type) {
            Ok(TimeoutType::StartToClose) => !listed("TemporalTimeout:StartToClose"),
            Ok(TimeoutType::Heartbeat) => !listed("TemporalTimeout:Heartbeat"),
            Ok(TimeoutType::Unspecified | TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose) | Err(_) => {
                false
            }
        },
        Some(FailureInfo::ServerFailureInfo(info)) => !info.non_retryable,
        Some(FailureInfo::ApplicationFailureInfo(info)) => !info.non_retryable && !listed(&info.r#type),
        Some(
            FailureInfo::ResetWorkflowFailureInfo(_)
            | FailureInfo::ActivityFailureInfo(_)
            | FailureInfo::ChildWorkflowExecutionFailureInfo(_)
            | FailureInfo::NexusOperationExecutionFailureInfo(_)
            | FailureInfo::NexusHandlerFailureInfo(_),
        )
        | None => true,
    }
}

#[cfg(test)]
mod tests {
    use temporal_protos::api::failure::v1::ApplicationFailureInfo;

    use super::*;

    fn application(info: ApplicationFailureInfo) -> Failure {
        Failure {
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Failure::default()
        }
    }

    #[test]
    fn intervals_grow_to_the_maximum_and_end_with_the_attempts() {
        let policy = filled(Some(&RetryPolicy {
            maximum_attempts: 9,
            ..RetryPolicy::default()
        }));
        let wait = |attempt| delay(Some(&policy), attempt, None, Time::default(), None);
        assert_eq!(wait(1), Ok(Duration::from_secs(1)));
        assert_eq!(wait(4), Ok(Duration::from_secs(8)));
        assert_eq!(wait(8), Ok(Duration::from_secs(100)));
        assert_eq!(wait(9), Err(RetryState::MaximumAttemptsReached));
        let soon = Some(Time::default() + Duration::from_millis(500));
        assert_eq!(
            delay(Some(&policy), 1, None, Time::default(), soon),
            Err(RetryState::Timeout)
        );
        assert_eq!(
            delay(None, 1, None, Time::default(), None),
            Err(RetryState::RetryPolicyNotSet)
        );
    }

    #[test]
    fn a_failure_can_forbid_the_retry_or_say_when() {
        let policy = filled(Some(&RetryPolicy {
            non_retryable_error_types: vec!["Bad".into()],
            ..RetryPolicy::default()
        }));
        let wait = |failure: &Failure| delay(Some(&policy), 1, Some(failure), Time::default(), None);
        let bad = application(ApplicationFailureInfo {
            r#type: "Bad".into(),
            ..ApplicationFailureInfo::default()
        });
        assert_eq!(wait(&bad), Err(RetryState::NonRetryableFailure));
        let flagged = application(ApplicationFailureInfo {
            non_retryable: true,
            ..ApplicationFailureInfo::default()
        });
        assert_eq!(wait(&flagged), Err(RetryState::NonRetryableFailure));
        let later = ApplicationFailureInfo {
            next_retry_delay: Some(to_proto(Duration::from_secs(77))),
            ..ApplicationFailureInfo::default()
        };
        assert_eq!(wait(&application(later)), Ok(Duration::from_secs(77)));
    }
}
