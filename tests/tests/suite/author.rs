//! What workflow authors have beyond the rest: shared handlers, declarations, recorded values, typed attributes.

use crate::MINUTE;
use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};
use temporal_integration_tests::history::{self, EventType, count};
use temporal_integration_tests::{look_until, run};
use temporal_sdk::client::protos::api::enums::v1::WorkflowTaskFailedCause;
use temporal_sdk::client::protos::api::history::v1::history_event::Attributes;
use temporal_sdk::client::{
    AddSearchAttributesError, Memo, RetryPolicy, SearchAttributeKey, SearchAttributes, WorkflowExecutionStatus,
    visibility,
};
use temporal_sdk::workflow::{ChildWorkflowOptions, ContinueAsNewOptions, ContinueAsNewVersioningBehavior};
use temporal_sdk::{SearchAttributeSet, activity, workflow};

/// Can be approved.
#[workflow(handlers)]
trait Approvable {
    /// Who approved it.
    fn approvals(&self) -> &RefCell<Vec<String>>;

    /// Approves it.
    #[signal]
    fn approve(&self, by: String) {
        self.approvals().borrow_mut().push(by);
    }

    #[query]
    fn approved_by(&self) -> Vec<String> {
        self.approvals().borrow().clone()
    }

    /// Takes the last approval back.
    #[update]
    async fn withdraw(&self, ctx: &workflow::Context, by: String) -> workflow::Result<usize> {
        ctx.wait_condition(|| self.approvals().borrow().contains(&by)).await?;
        self.approvals().borrow_mut().retain(|name| *name != by);
        Ok(self.approvals().borrow().len())
    }

    #[validator(withdraw)]
    fn check_withdraw(&self, by: &String) -> Result<(), &'static str> {
        if by.is_empty() {
            Err("say who withdraws")
        } else {
            Ok(())
        }
    }
}

#[derive(Default)]
pub(crate) struct Payment {
    approvals: RefCell<Vec<String>>,
}

impl Approvable for Payment {
    fn approvals(&self) -> &RefCell<Vec<String>> {
        &self.approvals
    }
}

#[workflow(handlers(Approvable))]
impl Payment {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<usize> {
        ctx.wait_condition(|| self.approvals.borrow().len() == 2).await?;
        Ok(self.approvals.borrow().len())
    }
}

#[derive(Default)]
pub(crate) struct Holiday {
    approvals: RefCell<Vec<String>>,
    days: Cell<u32>,
}

impl Approvable for Holiday {
    fn approvals(&self) -> &RefCell<Vec<String>> {
        &self.approvals
    }
}

#[workflow(handlers(Approvable))]
impl Holiday {
    #[run]
    async fn run(&self, ctx: &workflow::Context, days: u32) -> workflow::Result<String> {
        self.days.set(days);
        ctx.wait_condition(|| !self.approvals.borrow().is_empty()).await?;
        Ok(format!("{days} days by {}", self.approvals.borrow().join(" ")))
    }

    #[query]
    fn days(&self) -> u32 {
        self.days.get()
    }
}

/// S48: two workflows have the signals, queries and updates of one trait, each on its own state.
#[test]
fn s48_handlers_are_shared_by_workflows() {
    run(async |env| {
        let worker = env.worker().workflow::<Payment>().workflow::<Holiday>();
        env.serve(worker, async {
            let payment = env
                .client()
                .start_workflow(Payment::run, (), env.options("payment"))
                .await?;
            let holiday = env
                .client()
                .start_workflow(Holiday::run, 5_u32, env.options("holiday"))
                .await?;
            payment.signal(Payment::approve, "ann").await?;
            assert_eq!(payment.query(Payment::approved_by, ()).await?, ["ann"]);
            assert_eq!(holiday.query(Holiday::approved_by, ()).await?, Vec::<String>::new());
            assert_eq!(holiday.query(Holiday::days, ()).await?, 5);
            let rejected = payment.execute_update(Payment::withdraw, "").await.unwrap_err();
            assert_eq!(crate::update_failure(rejected).to_string(), "say who withdraws");
            assert_eq!(payment.execute_update(Payment::withdraw, "ann").await?, 0);
            for by in ["bob", "cid"] {
                payment.signal(Payment::approve, by).await?;
            }
            holiday.signal(Holiday::approve, "dot").await?;
            assert_eq!(payment.result().await?, 2);
            assert_eq!(holiday.result().await?, "5 days by dot");
            Ok(())
        })
        .await
    });
}

/// A workflow that callers know by its declaration only.
#[workflow(name = "Parcel")]
trait DeclaredParcel {
    #[run]
    async fn run(to: String) -> String;
    #[signal]
    fn pack(what: String);
    #[query]
    fn packed() -> usize;
    #[update(name = "seal")]
    fn close_it(seal: u32) -> u32;
}

/// The code behind the declaration.
#[derive(Default)]
pub(crate) struct Parcel {
    content: RefCell<Vec<String>>,
    seal: Cell<Option<u32>>,
}

#[workflow]
impl Parcel {
    #[run]
    async fn run(&self, ctx: &workflow::Context, to: String) -> workflow::Result<String> {
        ctx.wait_condition(|| self.seal.get().is_some()).await?;
        Ok(format!("{} to {to}", self.content.borrow().join(" ")))
    }

    #[signal]
    fn pack(&self, what: String) {
        if what == "seal" {
            self.seal.set(Some(0));
            return;
        }
        self.content.borrow_mut().push(what);
    }

    #[query]
    fn packed(&self) -> usize {
        self.content.borrow().len()
    }

    #[update]
    fn seal(&self, seal: u32) -> u32 {
        self.seal.set(Some(seal));
        seal + 1
    }
}

/// Uses the declaration for a child and for another workflow.
#[workflow]
pub(crate) async fn packs(ctx: &workflow::Context, other: String) -> workflow::Result<String> {
    let options = ChildWorkflowOptions::new(format!("{}-child", ctx.info().workflow_id));
    let child = ctx.start_child_workflow(DeclaredParcel::run, "berlin", options).await?;
    child.signal(DeclaredParcel::pack, "books").await?;
    child.signal(DeclaredParcel::pack, "seal").await?;
    ctx.external_workflow::<DeclaredParcel>(other)
        .signal(DeclaredParcel::pack, "pens")
        .await?;
    Ok(child.await?)
}

/// S61, S77: a declaration without code serves clients (start, signal, query, update) and workflows (child, external).
#[test]
fn s48_a_declaration_serves_every_caller() {
    run(async |env| {
        let worker = env.worker().workflow::<Parcel>().workflow::<packs>();
        env.serve(worker, async {
            let options = env.options("parcel");
            let parcel = env
                .client()
                .start_workflow(DeclaredParcel::run, "rome", options)
                .await?;
            parcel.signal(DeclaredParcel::pack, "shoes").await?;
            assert_eq!(parcel.query(DeclaredParcel::packed, ()).await?, 1);
            let answer = env
                .client()
                .execute_workflow(packs, parcel.id().to_owned(), env.options("packs"))
                .await?;
            assert_eq!(answer, "books to berlin");
            assert_eq!(parcel.execute_update(DeclaredParcel::close_it, 7_u32).await?, 8);
            assert_eq!(parcel.result().await?, "shoes pens to rome");
            Ok(())
        })
        .await
    });
}

/// By what the orders of the test are found.
#[derive(Debug, Clone, PartialEq, SearchAttributeSet)]
struct OrderAttributes {
    suite_keyword: String,
    #[search_attribute(name = "SuiteInt")]
    amount: Option<i64>,
}

#[workflow]
pub(crate) async fn indexed(ctx: &workflow::Context) -> workflow::Result<String> {
    let mut order = OrderAttributes::from_search_attributes(&ctx.search_attributes())?;
    let before = order.amount;
    order.suite_keyword.push_str("-done");
    order.amount = None;
    ctx.upsert_search_attributes(order.to_changes());
    Ok(format!("{before:?}"))
}

/// B8: search attributes as a struct, at the start, in the workflow and in its description.
#[test]
fn b8_a_struct_of_search_attributes() {
    run(async |env| {
        env.serve(env.worker().workflow::<indexed>(), async {
            let order = OrderAttributes {
                suite_keyword: env.unrecorded_id("order"),
                amount: Some(7),
            };
            let options = env.options("indexed").search_attributes(order.clone());
            let handle = env.client().start_workflow(indexed, (), options).await?;
            assert_eq!(handle.result().await?, "Some(7)");
            let description = handle.describe().await?;
            let after = OrderAttributes::from_search_attributes(description.search_attributes())?;
            assert_eq!(after.suite_keyword, format!("{}-done", order.suite_keyword));
            assert_eq!(after.amount, None);
            assert_eq!(
                OrderAttributes::ATTRIBUTES,
                [("SuiteKeyword", "Keyword"), ("SuiteInt", "Int")]
            );
            assert_eq!(OrderAttributes::amount.name(), "SuiteInt");
            Ok(())
        })
        .await
    });
}

thread_local! {
    static READINGS: Cell<u32> = const { Cell::new(0) };
}

/// Reads the world twice, with a query between.
#[derive(Default)]
pub(crate) struct Readings {
    first: Cell<u32>,
    go: Cell<bool>,
}

#[workflow]
impl Readings {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<(u32, u32)> {
        let read = || READINGS.with(|made| made.replace(made.get() + 1) + 1);
        self.first.set(ctx.side_effect(read));
        ctx.wait_condition(|| self.go.get()).await?;
        Ok((self.first.get(), ctx.side_effect(read)))
    }

    #[signal]
    fn go(&self) {
        self.go.set(true);
    }

    #[query]
    fn first(&self) -> u32 {
        self.first.get()
    }
}

/// O14: a side effect's value is made once; a worker without a cache reads it from history for every task and query.
#[test]
fn o14_a_side_effect_is_recorded_once() {
    run(async |env| {
        let worker = env.worker().workflow::<Readings>().max_cached_workflows(0);
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(Readings::run, (), env.options("readings"))
                .await?;
            let first = handle.query(Readings::first, ()).await?;
            assert_eq!(handle.query(Readings::first, ()).await?, first);
            handle.signal(Readings::go, ()).await?;
            assert_eq!(
                handle.result().await?,
                (first, handle.query(Readings::first, ()).await? + 1)
            );
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, EventType::MarkerRecorded), 2);
            Ok(())
        })
        .await
    });
}

/// B8: what is found by a typed filter, whatever its values hold; and that registering what is there is no mistake.
#[test]
fn b8_typed_filters_of_lists() {
    const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("SuiteKeyword");
    const INT: SearchAttributeKey<i64> = SearchAttributeKey::int("SuiteInt");
    run(async |env| {
        let client = env.client();
        client
            .add_search_attributes([KEYWORD.declaration(), INT.declaration()])
            .await?;
        let other = client.add_search_attributes([("SuiteInt", "Bool")]).await;
        assert!(
            matches!(other, Err(AddSearchAttributesError::OtherType { found: "Int", .. })),
            "{other:?}"
        );
        let value = |number: i64| format!("{}'s 'no. {number}' % `", env.task_queue());
        let before = SystemTime::now() - MINUTE * 60;
        for number in 1..=3 {
            let attributes = SearchAttributes::new().with(&KEYWORD, value(number)).with(&INT, number);
            let options = env
                .unrecorded_options(&format!("found{number}"))
                .search_attributes(attributes);
            client
                .start_workflow(workflow::named::<()>("Nobody"), (), options)
                .await?;
        }
        let ours = visibility::task_queue().eq(env.task_queue());
        look_until(async || {
            let counted = client.count_workflows(&ours).await?;
            anyhow::Ok((counted.count >= 3).then_some(()))
        })
        .await?;
        let counts = [
            (KEYWORD.eq(value(2)), 1),
            (KEYWORD.ne(value(2)), 2),
            (KEYWORD.is_in([value(1), value(3)]), 2),
            (KEYWORD.is_not_in([value(1), value(3)]), 1),
            (KEYWORD.starts_with(format!("{}'s 'no", env.task_queue())), 3),
            (KEYWORD.does_not_start_with(env.task_queue()), 0),
            (INT.between(2, 3), 2),
            (INT.lt(2).or(INT.gt(2)), 2),
            (INT.is_null(), 0),
            (INT.is_not_null().and(INT.le(1).or(INT.ge(3))), 2),
            (visibility::status().eq(WorkflowExecutionStatus::Running), 3),
            (
                visibility::status().is_in([WorkflowExecutionStatus::Failed, WorkflowExecutionStatus::TimedOut]),
                0,
            ),
            (visibility::start_time().gt(before), 3),
            (visibility::execution_time().gt(before), 3),
            (visibility::close_time().is_null(), 3),
            (visibility::history_length().is_null(), 3),
            (visibility::execution_duration().gt(MINUTE), 0),
            (visibility::workflow_type().eq("Nobody"), 3),
            (visibility::run_id().eq("none"), 0),
            (visibility::parent_workflow_id().is_null(), 3),
            (visibility::root_workflow_id().eq(env.unrecorded_id("found1")), 1),
        ];
        for (filter, count) in counts {
            let filter = ours.clone().and(filter);
            assert_eq!(client.count_workflows(&filter).await?.count, count, "{filter}");
        }
        let one = visibility::workflow_id().eq(env.unrecorded_id("found2"));
        let found: Vec<_> = client.list_workflows(one).try_collect().await?;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].search_attributes().get(&KEYWORD), Some(value(2)));
        assert_eq!(found[0].id(), env.unrecorded_id("found2"));
        Ok(())
    });
}

/// Gives more than a namespace takes in one place.
#[workflow]
async fn gives_too_much() -> workflow::Result<String> {
    Ok("x".repeat(3_000_000))
}

/// P68: a result over the namespace's limit fails the task and says so, and the workflow lives on.
#[test]
fn p68_a_result_that_is_too_large() {
    run(async |env| {
        env.serve(env.worker().workflow::<gives_too_much>(), async {
            let handle = env
                .client()
                .start_workflow(gives_too_much, (), env.unrecorded_options("big"))
                .await?;
            let failed = env.failed_task(handle.id()).await?;
            assert_eq!(failed.cause(), WorkflowTaskFailedCause::PayloadsTooLarge);
            let message = failed.failure.unwrap_or_default().message;
            let id = handle.id();
            let start = format!("[TMPRL1103] the result of workflow \"gives_too_much\" ({id}) has 30000");
            assert!(message.starts_with(&start), "{message}");
            assert!(message.contains("keep large values elsewhere"), "{message}");
            handle.terminate("told").await?;
            Ok(())
        })
        .await
    });
}

/// A handler that needs what the run method holds.
#[derive(Default)]
struct Holds {
    log: RefCell<Vec<String>>,
}

#[workflow]
impl Holds {
    #[run]
    #[expect(clippy::await_holding_refcell_ref, reason = "that is the mistake")]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        let held = self.log.borrow_mut();
        ctx.wait_condition(|| !held.is_empty()).await?;
        Ok(())
    }

    #[query]
    fn lines(&self) -> usize {
        self.log.borrow().len()
    }
}

/// S54: a query that meets a borrow held across an await is told where, whose, and what to write instead.
#[test]
fn s54_a_borrow_across_an_await_is_explained() {
    run(async |env| {
        env.serve(env.worker().workflow::<Holds>(), async {
            let handle = env
                .client()
                .start_workflow(Holds::run, (), env.unrecorded_options("holds"))
                .await?;
            let error = handle.query(Holds::lines, ()).await.unwrap_err();
            let message = format!("{error:?}");
            assert!(
                message.contains("in query \\\"lines\\\" of workflow \\\"Holds\\\""),
                "{message}"
            );
            assert!(message.contains("end the borrow before the await"), "{message}");
            handle.terminate("told").await?;
            Ok(())
        })
        .await
    });
}

#[activity]
fn twice() -> activity::Result<()> {
    Ok(())
}

/// S37: a name registered twice fails the build of the worker, and is named.
#[test]
fn s37_a_name_is_registered_once() {
    run(async |env| {
        let workflows = env.worker().workflow::<Holds>().workflow::<Holds>().build();
        assert!(
            workflows
                .unwrap_err()
                .to_string()
                .starts_with("the workflow type \"Holds\" is registered twice: give one of them another name")
        );
        let activities = env.worker().activity(twice).activity(twice).build();
        assert!(
            activities
                .unwrap_err()
                .to_string()
                .starts_with("the activity \"twice\" is registered twice: give one of them another name")
        );
        Ok(())
    });
}

#[activity]
fn third_time(ctx: &activity::Context) -> activity::Result<u32> {
    match ctx.info().attempt {
        3 => Ok(3),
        attempt => Err(format!("attempt {attempt}").into()),
    }
}

#[workflow]
pub(crate) async fn tries_locally(ctx: &workflow::Context) -> workflow::Result<u32> {
    let policy = RetryPolicy::default().initial_interval(Duration::from_millis(1));
    Ok(ctx
        .execute_local_activity(third_time, (), crate::quick_local().retry_policy(policy))
        .await?)
}

/// S72: the marker of a local activity that was retried within the task tells the attempt that succeeded.
#[test]
fn s72_a_local_activitys_marker_tells_its_attempt() {
    run(async |env| {
        let worker = env.worker().workflow::<tries_locally>().activity(third_time);
        env.serve(worker, async {
            let options = env.options("local");
            let handle = env.client().start_workflow(tries_locally, (), options).await?;
            assert_eq!(handle.result().await?, 3);
            let events = env.events(handle.id()).await?;
            let marker = events.iter().find_map(|event| match event.attributes.as_ref()? {
                Attributes::MarkerRecordedEventAttributes(marker) => Some(marker),
                _ => None,
            });
            let data = marker.and_then(|marker| marker.details["data"].payloads.first());
            let data: serde_json::Value = serde_json::from_slice(&data.context("a marker")?.data)?;
            assert_eq!(data["attempt"], 3, "{data}");
            Ok(())
        })
        .await
    });
}

/// Signals and cancels a workflow that is not there.
#[workflow]
pub(crate) async fn writes_to_nobody(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let nobody = ctx.external_workflow::<Payment>("nobody-at-all");
    let signalled = nobody.signal(Payment::approve, "ann").await.unwrap_err();
    let cancelled = nobody.cancel().await.unwrap_err();
    Ok(vec![signalled.to_string(), cancelled.to_string()])
}

/// S108, S109: an error of a signal or cancellation that found no workflow says which one, in words.
#[test]
fn s108_s109_external_errors_are_clear() {
    run(async |env| {
        env.serve(env.worker().workflow::<writes_to_nobody>(), async {
            let options = env.options("nobody");
            let told = env.client().execute_workflow(writes_to_nobody, (), options).await?;
            let why = "no workflow with the id \"nobody-at-all\" is running: it ended, or was never started";
            assert_eq!(
                told,
                [
                    format!("ExternalWorkflowExecutionNotFound: the signal could not be delivered: {why}"),
                    format!("ExternalWorkflowExecutionNotFound: the workflow could not be asked to cancel: {why}")
                ]
            );
            Ok(())
        })
        .await
    });
}

/// Continues once, with other options, and tells them.
#[workflow]
pub(crate) async fn continues_otherwise(ctx: &workflow::Context, round: u32) -> workflow::Result<Vec<String>> {
    if round == 0 {
        let options = ContinueAsNewOptions::new()
            .run_timeout(MINUTE)
            .task_timeout(Duration::from_secs(7))
            .retry_policy(RetryPolicy::new().maximum_attempts(3))
            .backoff_start_interval(Duration::from_secs(1))
            .memo(Memo::new().with("from", "the first run"))
            .search_attributes(SearchAttributes::new().with(&OrderAttributes::amount, 17))
            .initial_versioning_behavior(ContinueAsNewVersioningBehavior::AutoUpgrade);
        return Err(ctx.continue_as_new_with(1, options));
    }
    let info = ctx.info();
    Ok(vec![
        format!("{:?}", info.run_timeout),
        format!("{:?}", info.task_timeout),
        format!("{:?}", info.retry_policy)
            .contains("maximum_attempts: 3")
            .to_string(),
        ctx.memo::<String>("from")?.unwrap_or_default(),
        format!("{:?}", ctx.search_attributes().get(&OrderAttributes::amount)),
    ])
}

/// P33: timeouts, retry policy, pause, memo, search attributes and versioning of the next run.
#[test]
fn p33_options_of_continue_as_new() {
    run(async |env| {
        env.serve(env.worker().workflow::<continues_otherwise>(), async {
            let options = env.options("otherwise");
            let handle = env.client().start_workflow(continues_otherwise, 0_u32, options).await?;
            assert_eq!(
                handle.result().await?,
                ["Some(60s)", "7s", "true", "the first run", "Some(17)"]
            );
            let events = history::fetch(env.client(), handle.id(), handle.run_id().unwrap_or_default()).await?;
            let Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(next)) =
                events.last().and_then(|event| event.attributes.clone())
            else {
                panic!("the first run did not continue as new")
            };
            assert_eq!(next.backoff_start_interval.map(|pause| pause.seconds), Some(1));
            Ok(())
        })
        .await
    });
}

thread_local! {
    /// How often the start of `Knowing` ran for the first time, and in replay.
    static BEGUN: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// Knows when it replays, and when it may only look.
#[derive(Default)]
pub(crate) struct Knowing {
    begun: Cell<(u32, u32)>,
    go: Cell<bool>,
}

#[workflow]
impl Knowing {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<bool> {
        let (first, replayed) = BEGUN.get();
        // Nothing of this reaches a command: it may differ.
        let begun = match ctx.is_replaying() {
            false => (first + 1, replayed),
            true => (first, replayed + 1),
        };
        BEGUN.set(begun);
        self.begun.set(begun);
        ctx.wait_condition(|| self.go.get()).await?;
        Ok(ctx.is_read_only())
    }

    #[query]
    fn knows(&self, ctx: &workflow::Context) -> (bool, (u32, u32)) {
        (ctx.is_read_only(), self.begun.get())
    }

    #[update]
    fn go(&self, ctx: &workflow::Context) -> bool {
        self.go.set(true);
        ctx.is_read_only()
    }

    #[validator(go)]
    fn check(&self, ctx: &workflow::Context) -> Result<(), &'static str> {
        if ctx.is_read_only() {
            Ok(())
        } else {
            Err("a validator only looks")
        }
    }
}

/// P84: whether code replays, and whether it may only look.
#[test]
fn p84_a_workflow_knows_whether_it_replays() {
    run(async |env| {
        let worker = env.worker().workflow::<Knowing>().max_cached_workflows(0);
        env.serve(worker, async {
            let options = env.options("knowing");
            let handle = env.client().start_workflow(Knowing::run, (), options).await?;
            env.wait_for_event(handle.id(), |event| {
                event.event_type() == EventType::WorkflowTaskCompleted
            })
            .await?;
            assert_eq!(handle.query(Knowing::knows, ()).await?, (true, (1, 1)));
            assert_eq!(handle.query(Knowing::knows, ()).await?, (true, (1, 2)));
            assert!(!handle.execute_update(Knowing::go, ()).await?);
            assert!(!handle.result().await?);
            Ok(())
        })
        .await
    });
}
