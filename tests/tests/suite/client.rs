//! What a client does with workflows besides messages.

use std::cell::Cell;
use std::time::Duration;
use temporal_integration_tests::history::{EventType, types};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::protos::api::enums::v1::{
    WorkflowExecutionStatus, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use temporal_sdk::client::{QueryOptions, StartWorkflowError, WorkflowError};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::workflow;

/// Waits until it is told to end.
#[derive(Default)]
pub(crate) struct Waiter {
    ended: Cell<bool>,
}

#[workflow]
impl Waiter {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.wait_condition(|| self.ended.get()).await?;
        Ok("ended".to_owned())
    }

    #[signal]
    fn end(&self) {
        self.ended.set(true);
    }

    #[query]
    fn memo_of(&self, ctx: &workflow::Context, key: String) -> workflow::Result<Option<String>> {
        Ok(ctx.memo::<String>(&key)?)
    }
}

#[workflow]
pub(crate) async fn sum(ctx: &workflow::Context, a: i64, b: i64, c: Option<i64>) -> workflow::Result<i64> {
    let _ = ctx;
    Ok(a + b + c.unwrap_or(100))
}

fn worker(env: &Env) -> WorkerBuilder {
    env.worker().workflow::<Waiter>().workflow::<sum>()
}

#[test]
fn s6_several_arguments_and_missing_trailing_ones() {
    run(async |env| {
        env.serve(worker(&env), async {
            let client = env.client();
            let all = client
                .execute_workflow(sum, (1, 2, Some(3)), env.options("all"))
                .await?;
            assert_eq!(all, 6);
            let named = workflow::named::<i64>("sum");
            let some = client
                .execute_workflow(named, temporal_sdk::args![1, 2], env.options("some"))
                .await?;
            assert_eq!(some, 103);
            Ok(())
        })
        .await
    });
}

/// S7: cancelled, the workflow ends as cancelled, and the result says so.
#[test]
fn s7_cancel() {
    run(async |env| {
        env.serve(worker(&env), async {
            let handle = env
                .client()
                .start_workflow(Waiter::run, (), env.options("cancel"))
                .await?;
            handle.cancel().await?;
            let error = handle.result().await.unwrap_err();
            assert!(error.is_cancelled(), "{error}");
            assert_eq!(handle.describe().await?.status(), WorkflowExecutionStatus::Canceled);
            Ok(())
        })
        .await
    });
}

/// S7: terminated, with a reason.
#[test]
fn s7_terminate() {
    run(async |env| {
        let handle = env
            .client()
            .start_workflow(Waiter::run, (), env.options("terminate"))
            .await?;
        handle.terminate("no longer wanted").await?;
        let error = handle.result().await.unwrap_err();
        assert!(error.to_string().contains("terminated"), "{error}");
        assert_eq!(handle.describe().await?.status(), WorkflowExecutionStatus::Terminated);
        Ok(())
    });
}

/// S7, P14, P18: what describe tells of a run that waits for its delayed start.
#[test]
fn s7_p14_describe_and_start_delay() {
    run(async |env| {
        let options = env.options("delayed").start_delay(Duration::from_secs(3600));
        let handle = env.client().start_workflow(Waiter::run, (), options).await?;
        let description = handle.describe().await?;
        assert_eq!(description.status(), WorkflowExecutionStatus::Running);
        assert_eq!(description.workflow_type(), "Waiter");
        assert_eq!(description.task_queue(), env.task_queue());
        assert_eq!(description.id(), env.id("delayed"));
        assert_eq!(
            types(&env.events(&env.id("delayed")).await?),
            [EventType::WorkflowExecutionStarted]
        );
        handle.terminate("done with it").await?;
        Ok(())
    });
}

#[test]
fn p18_memo() {
    run(async |env| {
        env.serve(worker(&env), async {
            let options = env.options("memo").memo("customer", "Ada");
            let handle = env.client().start_workflow(Waiter::run, (), options).await?;
            assert_eq!(handle.query(Waiter::memo_of, "customer").await?.as_deref(), Some("Ada"));
            assert_eq!(handle.query(Waiter::memo_of, "other").await?, None);
            let description = handle.describe().await?;
            assert_eq!(description.memo().get::<String>("customer")?.as_deref(), Some("Ada"));
            handle.signal(Waiter::end, ()).await?;
            handle.result().await?;
            Ok(())
        })
        .await
    });
}

/// P13: the id of a running workflow is taken, unless the options say otherwise.
#[test]
fn p13_an_id_that_is_taken() {
    run(async |env| {
        let client = env.client();
        let first = client.start_workflow(Waiter::run, (), env.options("taken")).await?;
        let error = client
            .start_workflow(Waiter::run, (), env.options("taken"))
            .await
            .unwrap_err();
        assert!(matches!(error, StartWorkflowError::AlreadyStarted { .. }), "{error:?}");

        let options = env
            .options("taken")
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
        let same = client.start_workflow(Waiter::run, (), options).await?;
        assert_eq!(same.run_id(), first.run_id());

        let options = env
            .options("taken")
            .id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting);
        let next = client.start_workflow(Waiter::run, (), options).await?;
        assert_ne!(next.run_id(), first.run_id());
        next.terminate("").await?;

        let options = env
            .options("taken")
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate);
        let error = client.start_workflow(Waiter::run, (), options).await.unwrap_err();
        assert!(matches!(error, StartWorkflowError::AlreadyStarted { .. }), "{error:?}");
        Ok(())
    });
}

/// P20: a history as it grows, up to the end.
#[test]
fn p20_history_as_it_grows() {
    use futures_util::TryStreamExt as _;
    run(async |env| {
        env.serve(worker(&env), async {
            let handle = env
                .client()
                .start_workflow(Waiter::run, (), env.options("growing"))
                .await?;
            let mut events = handle.follow_history_events();
            let mut seen = Vec::new();
            while let Some(event) = events.try_next().await? {
                seen.push(event.event_type());
                if event.event_type() == EventType::WorkflowTaskCompleted && seen.len() == 4 {
                    handle.signal(Waiter::end, ()).await?;
                }
            }
            assert_eq!(seen.last(), Some(&EventType::WorkflowExecutionCompleted), "{seen:?}");
            assert!(seen.contains(&EventType::WorkflowExecutionSignaled), "{seen:?}");
            assert_eq!(seen, types(&env.events(&env.id("growing")).await?));
            Ok(())
        })
        .await
    });
}

/// S66: without a workflow of that id, the error says so.
#[test]
fn s66_a_workflow_that_does_not_exist() {
    run(async |env| {
        let handle = env.client().workflow_handle::<Waiter>(env.id("nowhere"));
        let error = handle.result().await.unwrap_err();
        assert!(matches!(error, WorkflowError::NotFound(_)), "{error:?}");
        assert!(error.to_string().contains("not found"), "{error}");
        let error = handle.signal(Waiter::end, ()).await.unwrap_err();
        assert!(error.to_string().contains("not found"), "{error}");
        Ok(())
    });
}

/// S11: another namespace over the same connection.
#[test]
fn s11_another_namespace_on_the_same_connection() {
    run(async |env| {
        let elsewhere = env.client().with_namespace("no-such-namespace");
        assert_eq!(elsewhere.namespace(), "no-such-namespace");
        let error = elsewhere
            .start_workflow(Waiter::run, (), env.options("elsewhere"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no-such-namespace"), "{error}");
        assert_eq!(env.client().namespace(), "default");
        Ok(())
    });
}

/// P83: a query of a closed workflow is refused when the caller wants that.
#[test]
fn p83_query_reject_condition() {
    run(async |env| {
        env.serve(worker(&env), async {
            use temporal_sdk::client::protos::api::enums::v1::QueryRejectCondition;
            let handle = env
                .client()
                .start_workflow(Waiter::run, (), env.options("reject"))
                .await?;
            handle.signal(Waiter::end, ()).await?;
            handle.result().await?;
            let options = QueryOptions::new().reject_condition(QueryRejectCondition::NotOpen);
            let error = handle.query_with(Waiter::memo_of, "x", options).await.unwrap_err();
            assert!(error.to_string().contains("reject"), "{error}");
            Ok(())
        })
        .await
    });
}
