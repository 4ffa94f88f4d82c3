//! Code around activities that panics: interceptors, converters, codecs, and errors that cannot say what they are.

use crate::{quick, quick_local};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::client::data::{CodecError, DataConverter, PayloadCodec, PayloadConverter};
use temporal_sdk::client::failure::{DefaultFailureConverter, Failure, FailureConverter};
use temporal_sdk::client::protos::api::common::v1::Payload;
use temporal_sdk::client::protos::api::failure::v1::Failure as FailureMessage;
use temporal_sdk::{activity, workflow};

/// An error that cannot say what it is.
#[derive(Debug)]
struct Speechless;

impl fmt::Display for Speechless {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

impl Error for Speechless {}

#[activity]
async fn speechless() -> activity::Result<String> {
    Err(Speechless.into())
}

#[activity]
async fn watched() -> activity::Result<String> {
    Ok("unseen".to_owned())
}

#[activity]
async fn explosive() -> activity::Result<String> {
    Ok("bang".to_owned())
}

#[activity]
async fn fails() -> activity::Result<String> {
    Err("as ever".into())
}

struct PanicsAtInfo;

impl activity::Interceptor for PanicsAtInfo {
    fn info(&self, info: activity::Info) -> activity::Info {
        assert_ne!(info.activity_type, "watched", "not this one");
        info
    }
}

struct PanicsAtExplosives;

impl PayloadCodec for PanicsAtExplosives {
    fn encode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        for payload in &payloads {
            assert_ne!(payload.data, "\"bang\"", "not this one");
        }
        ready(Ok(payloads)).boxed()
    }

    fn decode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
        ready(Ok(payloads)).boxed()
    }
}

struct PanicsAtFailures;

impl FailureConverter for PanicsAtFailures {
    fn to_failure(&self, _: &(dyn Error + 'static), _: Option<&str>, _: &Arc<dyn PayloadConverter>) -> FailureMessage {
        panic!("none at all")
    }

    fn from_failure(&self, failure: FailureMessage, payload_converter: &Arc<dyn PayloadConverter>) -> Failure {
        DefaultFailureConverter::new().from_failure(failure, payload_converter)
    }
}

/// The type and the message of the activity's failure.
#[workflow]
pub(crate) async fn hears_of_it(
    ctx: &workflow::Context,
    name: String,
    local: bool,
) -> workflow::Result<(String, String)> {
    let named = activity::named::<String>(name);
    let once = RetryPolicy::new().maximum_attempts(1);
    let failure = if local {
        ctx.execute_local_activity(named, (), quick_local().retry_policy(once))
            .await
    } else {
        ctx.execute_activity(named, (), quick().retry_policy(once)).await
    };
    let failure = failure.unwrap_err();
    let application = failure.as_application().expect("an application failure");
    Ok((application.type_name().to_owned(), application.message().to_owned()))
}

/// Runs the activity, and checks its failure: the worker goes on.
async fn check(env: &Env, name: &str, local: bool, kind: &str, part: &str) -> anyhow::Result<()> {
    let options = env.options(&format!("{name}{local}"));
    let told = env.client().execute_workflow(hears_of_it, (name, local), options);
    let (told, message) = told.await?;
    assert_eq!(told, kind, "{name}: {message}");
    assert!(message.contains(part), "{name}: {message}");
    Ok(())
}

async fn serve(env: &Env, body: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let worker = env
        .worker()
        .workflow::<hears_of_it>()
        .activity(speechless)
        .activity(watched)
        .activity(explosive)
        .activity(fails)
        .activity_interceptor(PanicsAtInfo);
    env.serve(worker, body).await
}

/// The activity fails, its workflow learns why, and the worker goes on.
#[test]
fn code_around_an_activity_that_panics_fails_the_activity() {
    run(async |env| {
        serve(&env, async {
            for local in [false, true] {
                check(&env, "speechless", local, "Panic", "no words").await?;
                check(&env, "watched", local, "Panic", "not this one").await?;
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn a_codec_that_panics_fails_the_activity() {
    run(async |env| {
        let converter = DataConverter::default().with_codec(PanicsAtExplosives);
        let env = env.with_client(env.client().with_data_converter(converter));
        serve(&env, async {
            check(&env, "explosive", false, "CodecError", "it panicked: assertion").await
        })
        .await
    });
}

#[test]
fn a_failure_converter_that_panics_fails_the_activity() {
    run(async |env| {
        let converter = DataConverter::default().with_failure_converter(PanicsAtFailures);
        let env = env.with_client(env.client().with_data_converter(converter));
        serve(&env, async {
            for local in [false, true] {
                check(&env, "fails", local, "Panic", "and the failure converter too").await?;
            }
            Ok(())
        })
        .await
    });
}
