//! What children are started with, what becomes of them when their parent ends, and how they are cancelled.

use crate::MINUTE;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_integration_tests::history::EventType::{
    ChildWorkflowExecutionCanceled, ExternalWorkflowExecutionCancelRequested,
    RequestCancelExternalWorkflowExecutionInitiated,
};
use temporal_integration_tests::history::count;
use temporal_integration_tests::run;
use temporal_sdk::client::definition::WorkflowRef as _;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::protos::api::enums::v1::WorkflowExecutionStatus;
use temporal_sdk::client::{Memo, Priority, RetryPolicy, SearchAttributeKey, SearchAttributes};
use temporal_sdk::workflow;
use temporal_sdk::workflow::{
    CancellationType, ChildWorkflowOptions, Context, ParentClosePolicy, WorkflowIdReusePolicy,
};

const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("SuiteKeyword");

/// Fails at first, and tells then what it was started with.
#[workflow]
pub(crate) async fn tells(ctx: &Context) -> workflow::Result<Vec<String>> {
    let info = ctx.info();
    if info.attempt == 1 {
        return Err(ApplicationError::new("once more").into());
    }
    let seconds = |limit: Option<Duration>| limit.unwrap_or_default().as_secs().to_string();
    Ok(vec![
        info.attempt.to_string(),
        ctx.memo::<String>("note")?.unwrap_or_default(),
        ctx.search_attributes().get(&KEYWORD).unwrap_or_default(),
        seconds(info.execution_timeout),
        seconds(info.run_timeout),
        seconds(Some(info.task_timeout)),
        (info.priority == Priority::new(2)).to_string(),
    ])
}

fn child_id(ctx: &Context) -> String {
    format!("{}-child", ctx.info().workflow_id)
}

/// Starts a child with every option, and another one of the same id.
#[workflow]
pub(crate) async fn asks(ctx: &Context) -> workflow::Result<Vec<String>> {
    let options = ChildWorkflowOptions::new(child_id(ctx))
        .memo(Memo::new().with("note", "a child"))
        .search_attributes(SearchAttributes::new().with(&KEYWORD, "red".to_owned()))
        .execution_timeout(MINUTE * 10)
        .run_timeout(MINUTE * 5)
        .task_timeout(Duration::from_secs(7))
        .retry_policy(RetryPolicy::new().initial_interval(Duration::from_millis(10)))
        .priority(Priority::new(2));
    let mut told = ctx.execute_child_workflow(tells, (), options.clone()).await?;
    let refused = options.clone().id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate);
    let refused = ctx.execute_child_workflow(tells, (), refused).await;
    let again = options.id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate);
    told.push(refused.map(|_| ()).unwrap_err().to_string());
    told.extend(ctx.execute_child_workflow(tells, (), again).await?.into_iter().take(1));
    Ok(told)
}

/// S77, S99, P16, P17, P18: a child has what its options say.
#[test]
fn s77_s99_p16_p17_p18_options_of_a_child() {
    run(async |env| {
        env.serve(env.worker().workflow::<tells>().workflow::<asks>(), async {
            let options = env.options("asks");
            let told = env.client().execute_workflow(asks, (), options).await?;
            assert_eq!(told[..7], ["2", "a child", "red", "600", "300", "7", "true"]);
            assert!(told[7].contains("AlreadyStarted"), "{}", told[7]);
            assert_eq!(told[8], "2");
            Ok(())
        })
        .await
    });
}

// ---- the end of the parent, and cron

/// Runs on a schedule, and tells its parent what it has counted.
#[workflow]
pub(crate) async fn adds_to_the_last(ctx: &Context) -> workflow::Result<u32> {
    let count = ctx.last_result::<u32>()?.unwrap_or(0) + 1;
    if count == 2 {
        let parent = ctx.info().parent.clone().map(|parent| parent.workflow_id);
        let parent = ctx.external_workflow::<WaitsForCounts>(parent.unwrap_or_default());
        parent.signal(WaitsForCounts::counted, count).await?;
        ctx.wait_condition(|| false).await?;
    }
    Ok(count)
}

/// Starts a child that it leaves behind, and waits until that has counted, if it counts.
#[derive(Default)]
pub(crate) struct WaitsForCounts {
    counted: Cell<u32>,
}

#[workflow]
impl WaitsForCounts {
    #[run]
    async fn run(&self, ctx: &Context, cron: bool) -> workflow::Result<u32> {
        let options = ChildWorkflowOptions::new(child_id(ctx));
        if cron {
            let options = options
                .cron_schedule("@every 1s")
                .parent_close_policy(ParentClosePolicy::Terminate);
            ctx.start_child_workflow(adds_to_the_last, (), options).await?.detach();
            ctx.wait_condition(|| self.counted.get() > 0).await?;
        } else {
            let options = options.parent_close_policy(ParentClosePolicy::RequestCancel);
            ctx.start_child_workflow(Lingers::run, (), options).await?.detach();
        }
        Ok(self.counted.get())
    }

    #[signal]
    fn counted(&self, count: u32) {
        self.counted.set(count);
    }
}

/// S79, S93, P34: on a schedule, and terminated or cancelled with its parent.
#[test]
fn s79_s93_p34_children_when_their_parent_ends() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<adds_to_the_last>()
            .workflow::<WaitsForCounts>()
            .workflow::<Lingers>();
        env.serve(worker, async {
            let client = env.client();
            let cases = [
                (true, 2, WorkflowExecutionStatus::Terminated),
                (false, 0, WorkflowExecutionStatus::Canceled),
            ];
            for (cron, counted, status) in cases {
                let suffix = format!("cron-{cron}");
                let result = client
                    .execute_workflow(WaitsForCounts::run, cron, env.options(&suffix))
                    .await?;
                assert_eq!(result, counted, "{suffix}");
                let child = client.workflow_handle::<Lingers>(env.unrecorded_id(&format!("{suffix}-child")));
                if !cron {
                    child.signal(Lingers::release, ()).await?;
                }
                let end = child.result().await;
                assert!(end.is_err(), "{suffix}");
                assert_eq!(child.describe().await?.status(), status, "{suffix}");
            }
            Ok(())
        })
        .await
    });
}

// ---- cancellation types

/// Ends, once it is cancelled, when it is released.
#[derive(Default)]
pub(crate) struct Lingers {
    released: Cell<bool>,
}

#[workflow]
impl Lingers {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        let cancelled = ctx.cancelled().await;
        ctx.shielded().wait_condition(|| self.released.get()).await?;
        Err(cancelled.into())
    }

    #[signal]
    fn release(&self) {
        self.released.set(true);
    }
}

/// Cancels a child, and waits for its end as the type says.
#[workflow]
pub(crate) async fn cancels_a_child(ctx: &Context, kind: String) -> workflow::Result<bool> {
    let types = [
        ("TryCancel", CancellationType::TryCancel),
        ("Abandon", CancellationType::Abandon),
        ("Requested", CancellationType::WaitCancellationRequested),
        ("Completed", CancellationType::WaitCancellationCompleted),
    ];
    let kind = types.into_iter().find(|(name, _)| *name == kind).map(|(_, kind)| kind);
    let options = ChildWorkflowOptions::new(child_id(ctx))
        .cancellation_type(kind.unwrap_or_default())
        .parent_close_policy(ParentClosePolicy::Abandon);
    let child = ctx.start_child_workflow(Lingers::run, (), options).await?;
    if kind == Some(CancellationType::WaitCancellationCompleted) {
        child.signal(Lingers::release, ()).await?;
    }
    child.cancel_with_reason("enough");
    Ok(child.await.is_err_and(|failure| failure.is_cancelled()))
}

/// S79, S93: each type by what the parent's history has at its end: the request, its delivery, the child's end.
#[test]
fn s79_s93_cancellation_types_of_children() {
    run(async |env| {
        let worker = env.worker().workflow::<Lingers>().workflow::<cancels_a_child>();
        env.serve(worker, async {
            let client = env.client();
            let cases = [
                ("TryCancel", [1, 0, 0]),
                ("Abandon", [0, 0, 0]),
                ("Requested", [1, 1, 0]),
                ("Completed", [1, 1, 1]),
            ];
            for (kind, expected) in cases {
                let options = env.options(kind);
                assert!(client.execute_workflow(cancels_a_child, kind, options).await?, "{kind}");
                let events = env.events(&env.unrecorded_id(kind)).await?;
                let found = [
                    RequestCancelExternalWorkflowExecutionInitiated,
                    ExternalWorkflowExecutionCancelRequested,
                    ChildWorkflowExecutionCanceled,
                ]
                .map(|event| count(&events, event));
                assert_eq!(found, expected, "{kind}");
                let child = client.workflow_handle::<Lingers>(env.unrecorded_id(&format!("{kind}-child")));
                if kind != "Completed" {
                    child.terminate("the test is over").await?;
                }
            }
            Ok(())
        })
        .await
    });
}

// ---- generic workflows

/// Collects values of a type.
#[derive(Default)]
struct Collects<T> {
    values: RefCell<Vec<T>>,
}

#[workflow]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Default + 'static> Collects<T> {
    #[run]
    async fn run(&self, ctx: &Context, wanted: usize) -> workflow::Result<Vec<T>> {
        ctx.wait_condition(|| self.values.borrow().len() >= wanted).await?;
        Ok(self.values.take())
    }

    #[signal]
    fn add(&self, value: T) {
        self.values.borrow_mut().push(value);
    }
}

/// Has a child of each type.
#[workflow]
pub(crate) async fn has_generic_children(ctx: &Context) -> workflow::Result<(Vec<u64>, Vec<String>)> {
    let numbers = Collects::<u64>::run.with_name("CollectsNumbers");
    let numbers = ctx
        .start_child_workflow(numbers, 1_usize, ChildWorkflowOptions::default())
        .await?;
    let texts = Collects::<String>::run.with_name("CollectsTexts");
    let texts = ctx
        .start_child_workflow(texts, 1_usize, ChildWorkflowOptions::default())
        .await?;
    numbers.signal(Collects::<u64>::add, 7_u64).await?;
    texts.signal(Collects::<String>::add, "seven").await?;
    Ok((numbers.await?, texts.await?))
}

/// S76: a generic workflow under a name for each type, started by a client and as a child.
#[test]
fn s76_generic_workflows() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow_named::<Collects<u64>>("CollectsNumbers")
            .workflow_named::<Collects<String>>("CollectsTexts")
            .workflow::<has_generic_children>();
        env.serve(worker, async {
            let client = env.client();
            let numbers = Collects::<u64>::run.with_name("CollectsNumbers");
            let handle = client
                .start_workflow(numbers, 2_usize, env.unrecorded_options("numbers"))
                .await?;
            handle.signal(Collects::<u64>::add, 1_u64).await?;
            handle.signal(Collects::<u64>::add, 2_u64).await?;
            assert_eq!(handle.result().await?, [1, 2]);
            assert_eq!(handle.describe().await?.workflow_type(), "CollectsNumbers");
            let both = client
                .execute_workflow(has_generic_children, (), env.options("children"))
                .await?;
            assert_eq!(both, (vec![7], vec!["seven".to_owned()]));
            Ok(())
        })
        .await
    });
}
