//! What goes beyond the least that a Temporal SDK offers.

use crate::{MINUTE, doors, quick, quick_local};
use futures_util::TryStreamExt as _;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_integration_tests::history::{Attributes, EventType};
use temporal_integration_tests::{look_until, run};
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::{Priority, RetryPolicy, SearchAttributeKey, SearchAttributes};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::{activity, workflow};

// ---- update with start

#[derive(Default)]
pub(crate) struct Basket {
    items: RefCell<Vec<String>>,
    closed: Cell<bool>,
}

#[workflow]
impl Basket {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
        ctx.wait_condition(|| self.closed.get()).await?;
        Ok(self.items.borrow().clone())
    }

    #[update]
    fn add(&self, item: String) -> usize {
        self.items.borrow_mut().push(item);
        self.items.borrow().len()
    }

    #[signal]
    fn close(&self) {
        self.closed.set(true);
    }
}

#[test]
fn p2_update_with_start() {
    run(async |env| {
        env.serve(env.worker().workflow::<Basket>(), async {
            use temporal_sdk::client::protos::api::enums::v1::WorkflowIdConflictPolicy;
            let client = env.client();
            for (item, count) in [("a", 1), ("b", 2)] {
                let options = env
                    .options("basket")
                    .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
                let counted = client
                    .execute_update_with_start(Basket::run, (), options, Basket::add, item)
                    .await?;
                assert_eq!(counted, count);
            }
            let handle = client.workflow_handle::<Basket>(env.id("basket"));
            handle.signal(Basket::close, ()).await?;
            assert_eq!(handle.result().await?, ["a", "b"]);
            Ok(())
        })
        .await
    });
}

// ---- search attributes

fn keyword() -> SearchAttributeKey<String> {
    SearchAttributeKey::keyword("SuiteKeyword")
}

fn int() -> SearchAttributeKey<i64> {
    SearchAttributeKey::int("SuiteInt")
}

#[workflow]
pub(crate) async fn attributed(ctx: &workflow::Context) -> workflow::Result<(Option<String>, Option<i64>)> {
    let before = ctx.search_attributes().get(&keyword());
    ctx.upsert_search_attributes(SearchAttributes::new().with(&int(), 7));
    ctx.sleep(Duration::from_millis(10)).await?;
    Ok((before, ctx.search_attributes().get(&int())))
}

/// P17, P19: typed search attributes, from the start and from the workflow; found by a list and counted.
#[test]
fn p17_p19_search_attributes_list_and_count() {
    run(async |env| {
        env.serve(env.worker().workflow::<attributed>(), async {
            let client = env.client();
            let value = env.task_queue().to_owned();
            let options = env
                .options("attributed")
                .search_attributes(SearchAttributes::new().with(&keyword(), value.clone()));
            let handle = client.start_workflow(attributed, (), options).await?;
            assert_eq!(handle.result().await?, (Some(value.clone()), Some(7)));
            let description = handle.describe().await?;
            assert_eq!(description.search_attributes().get(&int()), Some(7));

            // A real server's list comes a moment later.
            let query = format!("SuiteKeyword = '{value}' AND SuiteInt = 7");
            let found = look_until(async || {
                let found: Vec<_> = client.list_workflows(&query).try_collect().await?;
                anyhow::Ok(Some(found).filter(|found| !found.is_empty()))
            })
            .await?;
            assert_eq!(
                found
                    .iter()
                    .map(temporal_sdk::client::WorkflowExecution::id)
                    .collect::<Vec<_>>(),
                [env.id("attributed")]
            );
            assert_eq!(client.count_workflows(&query).await?.count, 1);
            Ok(())
        })
        .await
    });
}

// ---- what a run knows

#[workflow]
pub(crate) async fn knows_failure(ctx: &workflow::Context) -> workflow::Result<(Option<String>, u32)> {
    let last = ctx.last_failure().map(|failure| failure.message().to_owned());
    if ctx.info().attempt < 2 {
        return Err(ApplicationError::new("the first attempt fails").into());
    }
    Ok((last, ctx.info().priority.key.unwrap_or_default()))
}

/// P16, P34: the last run's failure, and the priority.
#[test]
fn p16_p34_last_failure_and_priority() {
    run(async |env| {
        env.serve(env.worker().workflow::<knows_failure>(), async {
            let policy = RetryPolicy::new().initial_interval(Duration::from_millis(10));
            let options = env.options("knows").retry_policy(policy).priority(Priority::new(2));
            let (last, priority) = env.client().execute_workflow(knows_failure, (), options).await?;
            assert_eq!(last.as_deref(), Some("the first attempt fails"));
            assert_eq!(priority, 2);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn says_why(ctx: &workflow::Context) -> workflow::Result<String> {
    let error = ctx.sleep(MINUTE * 60).await.unwrap_err();
    let _ = error;
    Ok(ctx.cancellation_reason().unwrap_or_default())
}

#[test]
fn p60_the_reason_of_a_cancellation() {
    run(async |env| {
        env.serve(env.worker().workflow::<says_why>(), async {
            let handle = env.client().start_workflow(says_why, (), env.options("why")).await?;
            let id = env.id("why");
            env.wait_for_event(&id, |event| event.event_type() == EventType::TimerStarted)
                .await?;
            handle.cancel_with_reason("it rains").await?;
            assert_eq!(handle.result().await?, "it rains");
            Ok(())
        })
        .await
    });
}

#[activity]
async fn after(millis: u64) -> activity::Result<u64> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(millis)
}

/// Registers the activity of this module, for other modules' workers.
pub(crate) fn activities(builder: WorkerBuilder) -> WorkerBuilder {
    builder.activity(after)
}

#[workflow]
pub(crate) async fn by_finish(ctx: &workflow::Context) -> workflow::Result<Vec<u64>> {
    let all = [800_u64, 400, 10].map(|millis| ctx.execute_activity(after, millis, quick()));
    let mut completed = workflow::as_completed(all);
    let mut order = Vec::new();
    while let Some(result) = completed.next().await {
        order.push(result?);
    }
    Ok(order)
}

/// Stands for [`after`], and ends when the test says so.
#[activity(name = "after")]
async fn after_the_door(ctx: &activity::Context, number: u64) -> activity::Result<u64> {
    let run = ctx.info().workflow_run_id.clone().unwrap_or_default();
    doors::opened(&format!("{run}-{number}")).await;
    Ok(number)
}

#[test]
fn p58_waiting_for_many_in_the_order_they_finish() {
    run(async |env| {
        env.serve(env.worker().workflow::<by_finish>().activity(after_the_door), async {
            let handle = env
                .client()
                .start_workflow(by_finish, (), env.options("finish"))
                .await?;
            for (ended, number) in (1..).zip([10, 400, 800]) {
                doors::open(format!("{}-{number}", handle.run_id().unwrap_or_default()));
                env.until(handle.id(), EventType::ActivityTaskCompleted, ended).await?;
            }
            assert_eq!(handle.result().await?, [10, 400, 800]);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn summarised(ctx: &workflow::Context) -> workflow::Result<()> {
    ctx.execute_activity(after, 1_u64, quick().summary("a short activity"))
        .await?;
    let timer = workflow::TimerOptions::new(Duration::from_millis(10)).summary("a short timer");
    ctx.start_timer(timer).await?;
    Ok(())
}

#[workflow]
pub(crate) async fn summarised_locally(ctx: &workflow::Context) -> workflow::Result<()> {
    let options = quick_local().summary("a local activity");
    ctx.execute_local_activity(after, 1_u64, options).await?;
    Ok(())
}

/// P11: the marker of a local activity has its summary.
#[test]
fn p11_summary_of_a_local_activity() {
    run(async |env| {
        env.serve(env.worker().workflow::<summarised_locally>().activity(after), async {
            env.client()
                .execute_workflow(summarised_locally, (), env.options("local"))
                .await?;
            let events = env.events(&env.unrecorded_id("local")).await?;
            let marker = events
                .iter()
                .find(|event| event.event_type() == EventType::MarkerRecorded);
            let summary = marker.and_then(|event| event.user_metadata.clone()?.summary);
            assert_eq!(summary.unwrap_or_default().data, "\"a local activity\"");
            Ok(())
        })
        .await
    });
}

/// P11: summaries of the workflow, of activities and of timers.
#[test]
fn p11_summaries() {
    run(async |env| {
        env.serve(env.worker().workflow::<summarised>().activity(after), async {
            let options = env
                .options("summary")
                .static_summary("a workflow")
                .static_details("with details");
            let handle = env.client().start_workflow(summarised, (), options).await?;
            handle.result().await?;
            let description = handle.describe().await?;
            assert_eq!(description.static_summary()?.as_deref(), Some("a workflow"));
            assert_eq!(description.static_details()?.as_deref(), Some("with details"));
            let summaries: Vec<String> = env
                .events(&env.id("summary"))
                .await?
                .into_iter()
                .filter(|event| {
                    matches!(
                        event.attributes,
                        Some(
                            Attributes::ActivityTaskScheduledEventAttributes(_)
                                | Attributes::TimerStartedEventAttributes(_)
                        )
                    )
                })
                .filter_map(|event| event.user_metadata?.summary)
                .map(|payload| String::from_utf8_lossy(&payload.data).into_owned())
                .collect();
            assert_eq!(summaries, ["\"a short activity\"", "\"a short timer\""]);
            Ok(())
        })
        .await
    });
}

/// A workflow that describes itself.
#[derive(Default)]
pub(crate) struct Described {
    done: Cell<bool>,
}

#[workflow]
impl Described {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        ctx.set_current_details("half way");
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(())
    }

    #[signal(description = "ends it")]
    fn done(&self) {
        self.done.set(true);
    }

    /// Whether it is done.
    #[query]
    fn is_done(&self) -> bool {
        self.done.get()
    }
}

/// P9, P10: what user interfaces ask a workflow.
#[test]
fn p9_p10_descriptions_and_current_details() {
    run(async |env| {
        env.serve(env.worker().workflow::<Described>(), async {
            use temporal_sdk::client::data::Proto;
            use temporal_sdk::client::definition::query_named;
            use temporal_sdk::client::protos::api::sdk::v1::WorkflowMetadata;
            let handle = env
                .client()
                .start_workflow(Described::run, (), env.options("described"))
                .await?;
            let metadata = query_named::<Proto<WorkflowMetadata>>("__temporal_workflow_metadata");
            let metadata = handle.query(metadata, ()).await?.into_inner();
            assert_eq!(metadata.current_details, "half way");
            let definition = metadata.definition.unwrap_or_default();
            assert_eq!(definition.r#type, "Described");
            let described: Vec<(&str, &str)> = definition
                .signal_definitions
                .iter()
                .chain(&definition.query_definitions)
                .map(|handler| (handler.name.as_str(), handler.description.as_str()))
                .collect();
            assert!(described.contains(&("done", "ends it")), "{described:?}");
            assert!(described.contains(&("is_done", "Whether it is done.")), "{described:?}");
            handle.signal(Described::done, ()).await?;
            handle.result().await?;
            Ok(())
        })
        .await
    });
}
