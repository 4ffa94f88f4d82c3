//! The table of failing: what each way of ending makes of the workflow.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use temporal_integration_tests::history::{EventType, essential};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::client::failure::{ApplicationError, ApplicationErrorCategory};
use temporal_sdk::client::protos::api::enums::v1::WorkflowExecutionStatus;
use temporal_sdk::workflow;

#[derive(Debug, thiserror::Error)]
#[error("the order is wrong")]
pub(crate) struct WrongOrder(#[source] std::num::ParseIntError);

#[workflow]
pub(crate) async fn fails(how: String) -> workflow::Result<String> {
    match how.as_str() {
        "application" => Err(ApplicationError::new("declined")
            .kind("Declined")
            .non_retryable()
            .details(&vec![1, 2])?
            .category(ApplicationErrorCategory::Benign)
            .into()),
        "std" => Ok("x".parse::<u32>().map_err(WrongOrder)?.to_string()),
        "anyhow" => Err(anyhow::Error::from("y".parse::<u32>().unwrap_err())
            .context("while reading")
            .into()),
        "text" => Err("just a text".into()),
        other => Ok(other.to_owned()),
    }
}

/// Any alias of a result serves, with any error.
type Outcome<T> = Result<T, WrongOrder>;

#[workflow]
pub(crate) async fn under_an_alias(number: String) -> Outcome<u32> {
    number.parse().map_err(WrongOrder)
}

#[test]
fn s47_s102_s103_what_a_workflow_fails_with() {
    run(async |env| {
        env.serve(env.worker().workflow::<fails>().workflow::<under_an_alias>(), async {
            let client = env.client();
            assert_eq!(
                client.execute_workflow(fails, "fine", env.options("fine")).await?,
                "fine"
            );
            for (how, kind, message, cause) in [
                ("application", "Declined", "declined", None),
                (
                    "std",
                    "WrongOrder",
                    "the order is wrong",
                    Some("invalid digit found in string"),
                ),
                (
                    "anyhow",
                    "Error",
                    "while reading",
                    Some("invalid digit found in string"),
                ),
                ("text", "", "just a text", None),
            ] {
                let handle = client.start_workflow(fails, how, env.options(how)).await?;
                let error = handle.result().await.unwrap_err();
                let failure = error.failure().expect("the workflow failed");
                let application = failure.as_application().expect("an application failure");
                assert_eq!(
                    (application.type_name(), application.message()),
                    (kind, message),
                    "{how}"
                );
                assert_eq!(application.cause().map(workflow::Failure::message), cause, "{how}");
                assert_eq!(application.is_non_retryable(), how == "application");
                assert_eq!(application.is_benign(), how == "application");
                if how == "application" {
                    assert_eq!(application.detail::<Vec<u32>>()?, [1, 2]);
                }
                assert_eq!(handle.describe().await?.status(), WorkflowExecutionStatus::Failed);
            }
            let fine = client
                .execute_workflow(under_an_alias, "7", env.options("alias"))
                .await?;
            assert_eq!(fine, 7);
            let error = client
                .execute_workflow(under_an_alias, "x", env.options("aliasx"))
                .await
                .unwrap_err();
            let failure = error.failure().expect("the workflow failed");
            assert_eq!(
                failure.as_application().map(ApplicationError::type_name),
                Some("WrongOrder")
            );
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn retried(ctx: &workflow::Context) -> workflow::Result<u32> {
    if ctx.info().attempt < 2 {
        return Err(ApplicationError::new("again").into());
    }
    Ok(ctx.info().attempt)
}

/// S66: the result is that of the run that the retry policy started.
#[test]
fn s66_s102_the_result_follows_retries() {
    run(async |env| {
        env.serve(env.worker().workflow::<retried>(), async {
            let policy = RetryPolicy::new().initial_interval(Duration::from_millis(10));
            let options = env.options("retried").retry_policy(policy);
            assert_eq!(env.client().execute_workflow(retried, (), options).await?, 2);
            Ok(())
        })
        .await
    });
}

/// What the failed task says.
async fn task_failure(env: &Env, id: &str) -> anyhow::Result<String> {
    let failed = env.failed_task(id).await?;
    let cause = failed.cause();
    Ok(format!("{cause:?} {}", failed.failure.unwrap_or_default().message))
}

/// Fails its task in some way until it is mended, in a static of the test.
macro_rules! mended {
    ($name:ident, $mended:ident, |$ctx:ident| $fail:expr) => {
        static $mended: AtomicBool = AtomicBool::new(false);

        #[workflow]
        pub(crate) async fn $name($ctx: &workflow::Context) -> workflow::Result<String> {
            $ctx.sleep(Duration::from_millis(10)).await?;
            if !$mended.load(Ordering::Relaxed) {
                $fail
            }
            Ok("mended".to_owned())
        }
    };
}

mended!(panics, PANICS_MENDED, |ctx| panic!("the workflow has a bug"));
mended!(returns_task_failure, TASK_FAILURE_MENDED, |ctx| {
    return Err(workflow::Error::task_failure("not now"));
});

/// What both are when they are mended, for their histories.
#[workflow]
pub(crate) async fn is_mended(ctx: &workflow::Context) -> workflow::Result<String> {
    ctx.sleep(Duration::from_millis(10)).await?;
    Ok("mended".to_owned())
}

/// S102, S105: the task fails, tells why in history, and is retried until the code is mended; then the workflow completes.
#[test]
fn s102_s105_a_panic_fails_the_task_until_mended() {
    run(async |env| {
        env.serve(env.worker().workflow::<panics>(), async {
            let options = env.options("panics").task_timeout(Duration::from_secs(5));
            let handle = env.client().start_workflow(panics, (), options).await?;
            let failure = task_failure(&env, &env.unrecorded_id("panics")).await?;
            assert!(failure.contains("the workflow has a bug"), "{failure}");
            assert_eq!(handle.describe().await?.status(), WorkflowExecutionStatus::Running);
            PANICS_MENDED.store(true, Ordering::Relaxed);
            assert_eq!(handle.result().await?, "mended");
            Ok(())
        })
        .await
    });
}

#[test]
fn s102_a_task_failure_that_code_returns() {
    run(async |env| {
        env.serve(env.worker().workflow::<returns_task_failure>(), async {
            let options = env.options("returns").task_timeout(Duration::from_secs(5));
            let handle = env.client().start_workflow(returns_task_failure, (), options).await?;
            let failure = task_failure(&env, &env.unrecorded_id("returns")).await?;
            assert!(failure.contains("not now"), "{failure}");
            TASK_FAILURE_MENDED.store(true, Ordering::Relaxed);
            assert_eq!(handle.result().await?, "mended");
            Ok(())
        })
        .await
    });
}

/// Has handlers that fail.
#[derive(Default)]
pub(crate) struct Handlers {
    done: Cell<bool>,
}

#[workflow]
impl Handlers {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(())
    }

    #[signal]
    fn done(&self) {
        self.done.set(true);
    }

    #[signal]
    fn bad_signal(&self) -> workflow::Result<()> {
        Err(ApplicationError::new("a bad signal").kind("Bad").into())
    }

    #[query]
    fn bad_query(&self) -> workflow::Result<String> {
        Err("no answer".into())
    }

    #[update]
    async fn bad_update(&self, ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.sleep(Duration::from_millis(10)).await?;
        Err(ApplicationError::new("a bad update").kind("Bad").into())
    }
}

/// S52, S53, S56: the error of an update and of a query goes to the caller; that of a signal fails the workflow.
#[test]
fn s52_s53_s56_handlers_that_fail() {
    run(async |env| {
        env.serve(env.worker().workflow::<Handlers>(), async {
            let handle = env
                .client()
                .start_workflow(Handlers::run, (), env.options("handlers"))
                .await?;
            let error = handle.query(Handlers::bad_query, ()).await.unwrap_err();
            assert!(error.to_string().contains("no answer"), "{error}");
            let error = handle.execute_update(Handlers::bad_update, ()).await.unwrap_err();
            let failure = crate::update_failure(error);
            assert_eq!(
                failure.as_application().map(ApplicationError::message),
                Some("a bad update")
            );
            assert_eq!(handle.describe().await?.status(), WorkflowExecutionStatus::Running);

            handle.signal(Handlers::bad_signal, ()).await?;
            let error = handle.result().await.unwrap_err();
            let failure = error.failure().expect("the workflow failed");
            assert_eq!(
                failure.as_application().map(ApplicationError::message),
                Some("a bad signal")
            );
            let events = essential(&env.events(&env.id("handlers")).await?);
            assert_eq!(events.last(), Some(&EventType::WorkflowExecutionFailed));
            Ok(())
        })
        .await
    });
}
