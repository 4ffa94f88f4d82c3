//! Continuing as new.

use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_integration_tests::history::{self, Attributes, EventType};
use temporal_integration_tests::run;
use temporal_sdk::client::{Memo, RetryPolicy};
use temporal_sdk::workflow;

#[workflow]
pub(crate) async fn counts_down(ctx: &workflow::Context, number: u32, runs: u32) -> workflow::Result<u32> {
    if number > 0 {
        return Err(ctx.continue_as_new(temporal_sdk::args![number - 1, runs + 1]));
    }
    Ok(runs)
}

/// S66, S98: the result is the last run's.
#[test]
fn s98_the_result_follows_the_runs() {
    run(async |env| {
        env.serve(env.worker().workflow::<counts_down>(), async {
            let handle = env
                .client()
                .start_workflow(counts_down, (2_u32, 1_u32), env.options("down"))
                .await?;
            assert_eq!(handle.result().await?, 3);
            let first = history::fetch(env.client(), &env.id("down"), handle.run_id().unwrap_or_default()).await?;
            let Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(next)) =
                first.last().and_then(|event| event.attributes.clone())
            else {
                panic!("the first run did not continue as new");
            };
            assert_eq!(next.workflow_type.map(|kind| kind.name).as_deref(), Some("counts_down"));
            let alone = handle.follow_runs(false).result().await.unwrap_err();
            assert!(alone.to_string().contains("continued as new"), "{alone}");
            Ok(())
        })
        .await
    });
}

/// Keeps its memo over runs.
#[derive(Default)]
pub(crate) struct Carries {
    again: Cell<bool>,
}

#[workflow]
impl Carries {
    #[run]
    async fn run(&self, ctx: &workflow::Context, number: u32) -> workflow::Result<Vec<String>> {
        if number == 0 {
            ctx.upsert_memo(Memo::new().with("run", "first"));
            ctx.wait_condition(|| self.again.get()).await?;
            return Err(ctx.continue_as_new(1));
        }
        let memo = |key: &str| ctx.memo::<String>(key).map(Option::unwrap_or_default);
        Ok(vec![
            memo("customer")?,
            memo("run")?,
            ctx.info().continued_run_id.is_some().to_string(),
            (ctx.info().first_execution_run_id != ctx.info().run_id).to_string(),
            (ctx.history_length() > 0).to_string(),
            ctx.is_continue_as_new_suggested().to_string(),
        ])
    }

    #[signal]
    fn again(&self) {
        self.again.set(true);
    }
}

/// S98, S99, P18, P32: memo and identity over runs.
#[test]
fn s98_s99_p18_p32_what_a_new_run_knows() {
    run(async |env| {
        env.serve(env.worker().workflow::<Carries>(), async {
            let options = env.options("carries").memo("customer", "Ada");
            let handle = env.client().start_workflow(Carries::run, 0_u32, options).await?;
            env.wait_for_event(&env.id("carries"), |event| {
                event.event_type() == EventType::WorkflowPropertiesModified
            })
            .await?;
            handle.signal(Carries::again, ()).await?;
            assert_eq!(
                handle.result().await?,
                ["Ada", "first", "true", "true", "true", "false"]
            );
            Ok(())
        })
        .await
    });
}

/// Continues once without any options, and tells what it was started with then.
#[workflow]
pub(crate) async fn continues_as_it_is(
    ctx: &workflow::Context,
    again: bool,
) -> workflow::Result<(bool, u64, u64, String)> {
    if again {
        return Err(ctx.continue_as_new(false));
    }
    let info = ctx.info();
    let policy = format!("{:?}", info.retry_policy);
    Ok((
        policy.contains("maximum_attempts: 5"),
        info.run_timeout.unwrap_or_default().as_secs(),
        info.task_timeout.as_secs(),
        info.cron_schedule.clone().unwrap_or_default(),
    ))
}

/// S98: retry policy and timeouts are taken over, the cron schedule is not.
#[test]
fn s98_what_a_new_run_takes_over() {
    run(async |env| {
        env.serve(env.worker().workflow::<continues_as_it_is>(), async {
            let options = |suffix: &str| {
                env.options(suffix)
                    .retry_policy(RetryPolicy::new().maximum_attempts(5))
                    .run_timeout(Duration::from_secs(70))
                    .task_timeout(Duration::from_secs(7))
            };
            let client = env.client();
            let seen = client
                .execute_workflow(continues_as_it_is, true, options("same"))
                .await?;
            assert_eq!(seen, (true, 70, 7, String::new()));
            let cron = options("cron").cron_schedule("@every 1s");
            let seen = client.execute_workflow(continues_as_it_is, true, cron).await?;
            assert_eq!(seen, (true, 70, 7, String::new()));
            Ok(())
        })
        .await
    });
}

/// Ends its first run by a signal, and hands over what it was told.
#[derive(Default)]
pub(crate) struct Drains {
    done: Cell<bool>,
    lines: RefCell<Vec<String>>,
}

#[workflow]
impl Drains {
    #[run]
    async fn run(&self, ctx: &workflow::Context, lines: Vec<String>) -> workflow::Result<Vec<String>> {
        if !lines.is_empty() {
            return Ok(lines);
        }
        ctx.wait_condition(|| self.done.get()).await?;
        ctx.messages_delivered().await;
        Err(ctx.continue_as_new(self.lines.take()))
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }

    #[signal]
    fn line(&self, line: String) {
        self.lines.borrow_mut().push(line);
    }
}

/// S98: signals behind the event that makes a run continue as new reach the next run.
#[test]
fn s98_no_signal_is_lost_between_runs() {
    run(async |env| {
        let worker = || env.worker().workflow::<Drains>().max_cached_workflows(0);
        let options = env.options("drains");
        let handle = env
            .client()
            .start_workflow(Drains::run, Vec::<String>::new(), options)
            .await?;
        env.serve(worker(), async {
            env.wait_for_event(&env.id("drains"), |event| {
                event.event_type() == EventType::WorkflowTaskCompleted
            })
            .await?;
            Ok(())
        })
        .await?;
        // Nobody works: these come with one task.
        handle.signal(Drains::line, "first").await?;
        handle.signal(Drains::finish, ()).await?;
        handle.signal(Drains::line, "second").await?;
        env.serve(worker(), async {
            assert_eq!(handle.result().await?, ["first", "second"]);
            Ok(())
        })
        .await
    });
}
