//! When a local activity is tried again.

use std::time::Duration;
use temporal_client::protos::api::common::v1::RetryPolicy;
use temporal_client::protos::api::failure::v1::Failure;
use temporal_client::protos::api::failure::v1::failure::FailureInfo;

/// The pause before the next attempt after this one failed; `None` when there is none.
pub(super) fn next_retry(policy: Option<&RetryPolicy>, attempt: u32, failure: &Failure) -> Option<Duration> {
    let default = RetryPolicy::default();
    let policy = policy.unwrap_or(&default);
    let maximum = u32::try_from(policy.maximum_attempts).unwrap_or(0);
    if maximum != 0 && attempt >= maximum {
        return None;
    }
    if let Some(FailureInfo::ApplicationFailureInfo(info)) = &failure.failure_info {
        if info.non_retryable || policy.non_retryable_error_types.contains(&info.r#type) {
            return None;
        }
        if let Some(delay) = info.next_retry_delay.and_then(|delay| delay.try_into().ok()) {
            return Some(delay);
        }
    }
    Some(backoff(policy, attempt))
}

fn backoff(policy: &RetryPolicy, attempt: u32) -> Duration {
    let duration = |value: Option<prost_types::Duration>| -> Option<Duration> {
        value
            .and_then(|value| value.try_into().ok())
            .filter(|value: &Duration| !value.is_zero())
    };
    let initial = duration(policy.initial_interval).unwrap_or(Duration::from_secs(1));
    let maximum = duration(policy.maximum_interval).unwrap_or(initial.saturating_mul(100));
    let coefficient = match policy.backoff_coefficient {
        coefficient if coefficient >= 1.0 => coefficient,
        _ => 2.0,
    };
    let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let pause = initial.as_secs_f64() * coefficient.powi(power);
    if pause.is_finite() && pause < maximum.as_secs_f64() {
        Duration::from_secs_f64(pause)
    } else {
        maximum
    }
}

#[cfg(test)]
mod tests {
    use super::next_retry;
    use std::time::Duration;
    use temporal_client::protos::api::common::v1::RetryPolicy;
    use temporal_client::protos::api::failure::v1::failure::FailureInfo;
    use temporal_client::protos::api::failure::v1::{ApplicationFailureInfo, Failure};

    fn failure(info: ApplicationFailureInfo) -> Failure {
        Failure {
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        }
    }

    #[test]
    fn defaults_are_the_servers() {
        let pause = |attempt| next_retry(None, attempt, &Failure::default()).unwrap().as_secs();
        assert_eq!([1, 2, 3, 4, 7, 8, 1000].map(pause), [1, 2, 4, 8, 64, 100, 100]);
    }

    #[test]
    fn policy_decides() {
        let policy = RetryPolicy {
            initial_interval: Some(prost_types::Duration {
                seconds: 0,
                nanos: 10_000_000,
            }),
            backoff_coefficient: 1.0,
            maximum_attempts: 3,
            non_retryable_error_types: vec!["Declined".into()],
            ..Default::default()
        };
        let retry = |attempt, info| next_retry(Some(&policy), attempt, &failure(info));
        let plain = ApplicationFailureInfo::default();
        assert_eq!(retry(2, plain.clone()), Some(Duration::from_millis(10)));
        assert_eq!(retry(3, plain.clone()), None);
        let declined = ApplicationFailureInfo {
            r#type: "Declined".into(),
            ..plain.clone()
        };
        assert_eq!(retry(1, declined), None);
        let fatal = ApplicationFailureInfo {
            non_retryable: true,
            ..plain.clone()
        };
        assert_eq!(retry(1, fatal), None);
        let later = ApplicationFailureInfo {
            next_retry_delay: Some(prost_types::Duration { seconds: 7, nanos: 0 }),
            ..plain
        };
        assert_eq!(retry(1, later), Some(Duration::from_secs(7)));
    }
}
