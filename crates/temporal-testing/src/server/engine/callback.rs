//! Completion callbacks: whoever started a run is told how it ended.
//!
//! The one address that is served is the one that this server itself hands out with Nexus operations: the end of the run
//! that a handler started for an operation is the end of the operation. It is told in the same breath as the run ends.

use temporal_protos::api::common::v1::{Callback, Link, callback, link};
use temporal_protos::api::enums::v1::{CallbackState, EventType, RetryState};
use temporal_protos::api::failure::v1::{
    ApplicationFailureInfo, CanceledFailureInfo, Failure, TerminatedFailureInfo, TimeoutFailureInfo,
    failure::FailureInfo,
};
use temporal_protos::api::workflow::v1 as w;
use uuid::Uuid;

use super::core::Engine;
use super::events::Attributes;
use super::nexus::Ending;
use super::nexus_rpc::{CALLBACK_TOKEN, CALLBACK_URL};
use super::run::Run;
use super::state::{CompletionCallback, Record, RunKey};
use super::status::Status;
use super::time::Time;

/// The longest address of a callback, in bytes.
const URL_LENGTH: usize = 1_000;
/// The most bytes of a callback's headers, names and values.
const HEADER_BYTES: usize = 8_192;
/// The header in which a handler says what it calls the operation.
const OPERATION_TOKEN: &str = "nexus-operation-token";

/// Says which operation a callback is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallbackToken {
    pub(super) run_id: Uuid,
    pub(super) scheduled_event_id: i64,
    pub(super) request_id: String,
}

impl CallbackToken {
    pub(super) fn to_text(&self) -> String {
        format!("{}/{}/{}", self.run_id, self.scheduled_event_id, self.request_id)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        Some(CallbackToken {
            run_id: Uuid::try_parse(parts.next()?).ok()?,
            scheduled_event_id: parts.next()?.parse().ok()?,
            request_id: parts.next()?.to_owned(),
        })
    }
}

/// What there is to tell of a closed run.
struct News {
    ending: Ending,
    started_at: Time,
    link: Link,
}

/// Refuses callbacks that are not served, and writes the names of their headers small.
pub(super) fn check_callbacks(callbacks: &mut [Callback]) -> Result<(), Status> {
    for callback in callbacks {
        let Some(callback::Variant::Nexus(nexus)) = &mut callback.variant else {
            let kind = callback.variant.as_ref().map_or("<nil>", |_| "other than Nexus");
            return Err(Status::unimplemented(format!("unknown callback variant: {kind}")));
        };
        check_url(&nexus.url)?;
        let bytes: usize = nexus.header.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > HEADER_BYTES {
            let text = format!("invalid header: header size longer than max allowed size of {HEADER_BYTES}");
            return Err(Status::invalid_argument(text));
        }
        nexus.header = std::mem::take(&mut nexus.header)
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
    }
    Ok(())
}

fn check_url(url: &str) -> Result<(), Status> {
    if url == CALLBACK_URL {
        return Ok(());
    }
    let text = if url.len() > URL_LENGTH {
        format!("invalid url: url length longer than max length allowed of {URL_LENGTH}")
    } else {
        match url.split_once("://") {
            Some(("http" | "https", rest)) if rest.is_empty() || rest.starts_with('/') => {
                "invalid url: missing host".to_owned()
            }
            Some(("http" | "https", _)) => {
                format!("invalid url: url does not match any configured callback address: {url}")
            }
            _ => format!("invalid url: unknown scheme: {url}"),
        }
    };
    Err(Status::invalid_argument(text))
}

/// The links of a request without those that its callbacks carry.
pub(super) fn links_beside(callbacks: &[Callback], links: Vec<Link>) -> Vec<Link> {
    let carried = |link: &Link| callbacks.iter().any(|callback| callback.links.contains(link));
    links.into_iter().filter(|link| !carried(link)).collect()
}

impl Engine {
    /// Tells whoever waits for the end of a closed run, unless its work goes on in another run. A cron schedule's next run is
    /// other work.
    pub(super) fn tell_callbacks(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        if run.callbacks.is_empty() || run.reset_to.is_some() {
            return;
        }
        let Some(news) = self.news(run) else { return };
        let callbacks: Vec<Callback> = run.callbacks.iter().map(|it| it.callback.clone()).collect();
        for (index, callback) in callbacks.into_iter().enumerate() {
            let failure = self.tell_callback(&callback, &news).err();
            let at = self.shared.now;
            self.turn(key, |turn| turn.record(Record::CallbackTold { index, at, failure }));
        }
    }

    fn news(&self, run: &Run) -> Option<News> {
        let closing = run.history.event(run.close_event_id)?.attributes?;
        let failed = |message: &str, info| {
            Ending::Failed(Failure {
                message: message.to_owned(),
                failure_info: Some(info),
                ..Failure::default()
            })
        };
        let retried = RetryState::InProgress as i32;
        let ending = match closing {
            Attributes::WorkflowExecutionFailedEventAttributes(it) if it.retry_state == retried => return None,
            Attributes::WorkflowExecutionTimedOutEventAttributes(it) if it.retry_state == retried => return None,
            Attributes::WorkflowExecutionCompletedEventAttributes(it) => {
                Ending::Completed(it.result.and_then(|result| result.payloads.into_iter().next()))
            }
            Attributes::WorkflowExecutionFailedEventAttributes(it) => Ending::Failed(it.failure.unwrap_or_default()),
            Attributes::WorkflowExecutionCanceledEventAttributes(it) => Ending::Canceled(Failure {
                message: "operation canceled".to_owned(),
                failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo {
                    details: it.details,
                    ..CanceledFailureInfo::default()
                })),
                ..Failure::default()
            }),
            Attributes::WorkflowExecutionTerminatedEventAttributes(_) => failed(
                "operation terminated",
                FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo::default()),
            ),
            Attributes::WorkflowExecutionTimedOutEventAttributes(_) => failed(
                "operation exceeded internal timeout",
                FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo::default()),
            ),
            _ => return None,
        };
        let reference = link::workflow_event::Reference::EventRef(link::workflow_event::EventReference {
            event_id: 1,
            event_type: EventType::WorkflowExecutionStarted as i32,
        });
        let link = self.shared.event_link(run, reference);
        Some(News {
            ending,
            started_at: run.start_time,
            link,
        })
    }

    fn tell_callback(&mut self, callback: &Callback, news: &News) -> Result<(), Box<Failure>> {
        let Some(callback::Variant::Nexus(nexus)) = &callback.variant else {
            return Err(refused("BAD_REQUEST", "invalid callback"));
        };
        let token = nexus
            .header
            .get(CALLBACK_TOKEN)
            .and_then(|text| CallbackToken::parse(text));
        let token = token.ok_or_else(|| refused("BAD_REQUEST", "invalid callback token"))?;
        let key = self.operation_run(&token)?;
        let called = nexus.header.get(OPERATION_TOKEN).cloned().unwrap_or_default();
        self.turn(key, |turn| {
            let id = token.scheduled_event_id;
            // Its time travels in whole seconds on the real server.
            let started_at = Time::from_millis(news.started_at.as_millis().div_euclid(1_000) * 1_000);
            turn.nexus_started_unsaid(id, called, started_at, vec![news.link.clone()]);
            turn.nexus_over(id, news.ending.clone(), Vec::new());
        });
        Ok(())
    }

    /// The run whose operation a callback is for: the one that scheduled it, or the one it was reset to.
    fn operation_run(&self, token: &CallbackToken) -> Result<RunKey, Box<Failure>> {
        let Some(key) = self.shared.index.by_run_id(token.run_id) else {
            return Err(refused("NOT_FOUND", "workflow not found"));
        };
        let scheduled = self.runs.get(&key);
        let current = scheduled.and_then(|run| self.shared.index.current(run.namespace, &run.workflow_id));
        let mut refusal = "workflow execution already completed".to_owned();
        for key in [Some(key), current].into_iter().flatten() {
            let Some(run) = self.runs.get(&key).filter(|run| run.is_open()) else {
                continue;
            };
            let id = token.scheduled_event_id;
            if run.nexus.get(&id).is_some_and(|it| it.request_id == token.request_id) {
                return Ok(key);
            }
            refusal = format!("stale reference: state machine not found: nexusoperations.Operation:{id}");
        }
        Err(refused("NOT_FOUND", &refusal))
    }
}

/// A callback that was not taken, for good.
fn refused(kind: &str, message: &str) -> Box<Failure> {
    Box::new(Failure {
        message: format!("handler error ({kind}): {message}"),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            non_retryable: true,
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    })
}

/// What a description says of a callback.
pub(super) fn callback_info(it: &CompletionCallback) -> w::CallbackInfo {
    let state = match &it.told {
        None => CallbackState::Standby,
        Some((_, None)) => CallbackState::Succeeded,
        Some((_, Some(_))) => CallbackState::Failed,
    };
    let closed = w::callback_info::trigger::Variant::WorkflowClosed(w::callback_info::WorkflowClosed {});
    w::CallbackInfo {
        callback: Some(it.callback.clone()),
        trigger: Some(w::callback_info::Trigger { variant: Some(closed) }),
        registration_time: Some(it.registered_at.to_proto()),
        state: state as i32,
        attempt: i32::from(it.told.is_some()),
        last_attempt_complete_time: it.told.as_ref().map(|(at, _)| at.to_proto()),
        last_attempt_failure: it.told.as_ref().and_then(|(_, failure)| failure.as_deref().cloned()),
        ..w::CallbackInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back_and_garbage_is_none() {
        let token = CallbackToken {
            run_id: Uuid::from_u128(7),
            scheduled_event_id: 5,
            request_id: "a/b".to_owned(),
        };
        assert_eq!(CallbackToken::parse(&token.to_text()), Some(token));
        for garbage in ["", "x", "x/5/r", "00000000-0000-0000-0000-000000000007/x/r"] {
            assert_eq!(CallbackToken::parse(garbage), None, "{garbage}");
        }
    }
}
