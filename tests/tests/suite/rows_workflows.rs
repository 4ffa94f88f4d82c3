//! Workflows: handlers added while running and handlers left behind, the stack trace, interceptors, what fails what,
//! and what tasks coordinate with.

use crate::data::Reverse;
use crate::{MINUTE, quick, quick_local};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporal_integration_tests::env::captured;
use temporal_integration_tests::history::{Attributes, EventType};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::data::{DataConverter, encoding_of};
use temporal_sdk::client::definition::{Untyped, query_named, signal_named, update_named};
use temporal_sdk::client::failure::DefaultFailureConverter;
use temporal_sdk::client::interceptor::{self, ClientInterceptor, Intercepted};
use temporal_sdk::client::protos::api::common::v1::{Header, Payload};
use temporal_sdk::client::protos::api::workflowservice::v1::StartWorkflowExecutionRequest;
use temporal_sdk::client::workflow::WorkflowHistory;
use temporal_sdk::client::{Client, ClientOptions};
use temporal_sdk::worker::{Replayer, WorkerBuilder};
use temporal_sdk::workflow::{ChildWorkflowOptions, Context, LocalBoxFuture, Outgoing, sync};
use temporal_sdk::{activity, workflow};

// ---- handlers left behind

#[derive(Default)]
pub(crate) struct LeavesHandlers {
    heard: Cell<u32>,
}

#[workflow]
impl LeavesHandlers {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        ctx.wait_condition(|| self.heard.get() == 2).await?;
        Ok(())
    }

    #[signal]
    async fn left_with_warning_p6(&self, ctx: &Context) {
        self.heard.set(self.heard.get() + 1);
        let _ = ctx.sleep(MINUTE * 60).await;
    }

    #[signal(unfinished_policy = abandon)]
    async fn left_in_silence_p6(&self, ctx: &Context) {
        self.heard.set(self.heard.get() + 1);
        let _ = ctx.sleep(MINUTE * 60).await;
    }
}

#[test]
fn p6_a_warning_names_the_handlers_that_are_not_finished() {
    run(async |env| {
        env.serve(env.worker().workflow::<LeavesHandlers>(), async {
            let handle = env
                .client()
                .start_workflow(LeavesHandlers::run, (), env.options("leaves"))
                .await?;
            handle.signal(LeavesHandlers::left_in_silence_p6, ()).await?;
            handle.signal(LeavesHandlers::left_with_warning_p6, ()).await?;
            handle.result().await?;
            let warnings = captured(|line| line.contains("of signal") && line.contains("left_with_warning_p6"));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("all_handlers_finished"), "{warnings:?}");
            assert!(captured(|line| line.contains("left_in_silence_p6")).is_empty());
            Ok(())
        })
        .await
    });
}

// ---- handlers added while running

#[workflow]
pub(crate) async fn adds_handlers(ctx: &Context) -> workflow::Result<Vec<String>> {
    let heard: Rc<RefCell<Vec<String>>> = Rc::default();
    let (added, counted, any) = (Rc::clone(&heard), Rc::clone(&heard), Rc::clone(&heard));
    ctx.on_signal("added", move |_, text: String| {
        added.borrow_mut().push(text);
        Ok(())
    });
    ctx.on_query("count", move |_, _: Option<String>| Ok(counted.borrow().len()));
    ctx.on_update("add_up", |ctx: Context, number: u32| async move {
        ctx.sleep(Duration::from_millis(10)).await?;
        Ok(number + 1)
    });
    ctx.on_any_signal(move |_, name, values| {
        any.borrow_mut()
            .push(format!("{name} with {}", values.get::<String>(0)?));
        Ok(())
    });
    ctx.wait_condition(|| heard.borrow().len() == 3).await?;
    ctx.remove_signal_handler("added");
    let told = heard.borrow().clone();
    Ok(told)
}

/// P8: handlers for signals (also those that came before there was one), queries and updates, and for any name.
#[test]
fn p8_handlers_added_while_running() {
    run(async |env| {
        let client = env.client();
        client.start_workflow(adds_handlers, (), env.options("adds")).await?;
        let handle = client.workflow_handle::<Untyped<Vec<String>>>(env.id("adds"));
        handle.signal(signal_named("added"), "early").await?;
        env.serve(env.worker().workflow::<adds_handlers>(), async {
            // An update in the run's first task would come before its code adds the handler.
            env.wait_for_event(&env.id("adds"), |event| {
                event.event_type() == EventType::WorkflowTaskCompleted
            })
            .await?;
            handle.signal(signal_named("unheard_of"), "this").await?;
            let summed = handle.execute_update(update_named::<u32>("add_up"), 4).await?;
            assert_eq!(summed, 5);
            assert_eq!(handle.query(query_named::<usize>("count"), ()).await?, 2);
            handle.signal(signal_named("added"), "late").await?;
            assert_eq!(handle.result().await?, ["early", "unheard_of with this", "late"]);
            Ok(())
        })
        .await
    });
}

// ---- the stack trace

#[workflow]
pub(crate) async fn waits_in_many_places(ctx: &Context) -> workflow::Result<()> {
    let inner = ctx.clone();
    let _task = ctx.spawn(async move { inner.wait_condition(|| false).await });
    ctx.execute_activity(activity::named::<()>("nobody_has_this"), (), quick())
        .await?;
    Ok(())
}

/// P12: each task, what it waits for, and where that was started.
#[test]
fn p12_the_stack_trace_query() {
    run(async |env| {
        env.serve(env.worker().workflow::<waits_in_many_places>(), async {
            let handle = env
                .client()
                .start_workflow(waits_in_many_places, (), env.options("places"))
                .await?;
            env.wait_for_event(&env.id("places"), |event| {
                event.event_type() == EventType::ActivityTaskScheduled
            })
            .await?;
            let trace = handle.query(query_named::<String>("__stack_trace"), ()).await?;
            let waits: Vec<&str> = trace.lines().filter(|line| line.contains("waits for")).collect();
            assert_eq!(waits.len(), 2, "{trace}");
            assert!(waits.iter().all(|line| line.contains("rows_workflows.rs:")), "{trace}");
            assert!(trace.contains("waits for activity 1,"), "{trace}");
            assert!(trace.contains("condition"), "{trace}");
            handle.cancel().await?;
            assert!(handle.result().await.unwrap_err().is_cancelled());
            Ok(())
        })
        .await
    });
}

// ---- interceptors, and headers that travel

/// Puts the tenant into the headers of what it starts.
struct StartsForTenant;

impl ClientInterceptor for StartsForTenant {
    fn start_workflow<'a>(
        &'a self,
        mut request: StartWorkflowExecutionRequest,
        next: interceptor::Next<'a>,
    ) -> Intercepted<'a, StartWorkflowExecutionRequest> {
        let tenant = Payload {
            metadata: [("encoding".to_owned(), "json/plain".into())].into(),
            data: "\"blue\"".into(),
            ..Payload::default()
        };
        let header = request.header.get_or_insert_with(Header::default);
        header.fields.insert("tenant".to_owned(), tenant);
        next.run(request)
    }
}

/// Passes the tenant on, and notes what comes in.
#[derive(Clone, Default)]
struct PassesTenantOn(Arc<Mutex<Vec<String>>>);

impl PassesTenantOn {
    fn note(&self, what: &str, call: &workflow::Call) {
        let mut noted = self.0.lock().unwrap();
        noted.push(format!("{what} {}", call.name()));
    }
}

impl workflow::Interceptor for PassesTenantOn {
    fn execute<'a>(
        &'a self,
        call: workflow::Call,
        next: workflow::Next<'a, Payload>,
    ) -> LocalBoxFuture<'a, workflow::Result<Payload>> {
        self.note("run", &call);
        next.run(call)
    }

    fn signal<'a>(
        &'a self,
        call: workflow::Call,
        next: workflow::Next<'a, ()>,
    ) -> LocalBoxFuture<'a, workflow::Result<()>> {
        self.note("signal", &call);
        next.run(call)
    }

    fn update<'a>(
        &'a self,
        mut call: workflow::Call,
        next: workflow::Next<'a, Payload>,
    ) -> LocalBoxFuture<'a, workflow::Result<Payload>> {
        self.note("update", &call);
        call.arguments_mut()[0].data = "7".into();
        next.run(call)
    }

    fn validate_update(&self, call: &mut workflow::Call) -> workflow::Result<()> {
        if call.argument::<u32>(0)? > 100 {
            return Err(workflow::ApplicationError::new("the interceptor refuses it").into());
        }
        Ok(())
    }

    fn query(&self, call: &mut workflow::Call) -> workflow::Result<()> {
        self.note("query", call);
        Ok(())
    }

    fn outgoing(&self, ctx: &Context, call: &mut Outgoing<'_>) {
        if let Some(tenant) = ctx.info().headers().get("tenant") {
            call.headers.insert("tenant".to_owned(), tenant.clone());
        }
    }
}

fn tenant_of(headers: &BTreeMap<String, Payload>) -> String {
    headers.get("tenant").map_or_else(
        || "nobody".to_owned(),
        |tenant| String::from_utf8_lossy(&tenant.data).trim_matches('"').to_owned(),
    )
}

#[activity]
async fn works_for(ctx: &activity::Context) -> activity::Result<String> {
    Ok(tenant_of(ctx.headers()))
}

#[workflow]
pub(crate) async fn child_works_for(ctx: &Context) -> workflow::Result<String> {
    Ok(tenant_of(ctx.info().headers()))
}

#[derive(Default)]
pub(crate) struct WorksForTenant {
    sum: Cell<u32>,
    done: Cell<bool>,
}

#[workflow]
impl WorksForTenant {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<Vec<String>> {
        let activity = ctx.execute_activity(works_for, (), quick()).await?;
        let local = ctx.execute_local_activity(works_for, (), quick_local()).await?;
        let options = ChildWorkflowOptions::new(format!("{}child", ctx.info().workflow_id));
        let child = ctx.execute_child_workflow(child_works_for, (), options).await?;
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(vec![activity, local, child])
    }

    #[signal]
    fn done(&self) {
        self.done.set(true);
    }

    #[update]
    fn add(&self, number: u32) -> u32 {
        self.sum.set(self.sum.get() + number);
        self.sum.get()
    }

    #[query]
    fn sum(&self) -> u32 {
        self.sum.get()
    }
}

/// A client of the same server with an interceptor, and maybe a codec.
async fn intercepting(env: &Env, converter: DataConverter) -> anyhow::Result<Env> {
    let options = ClientOptions::new(env.client().connection().address())
        .interceptor(StartsForTenant)
        .data_converter(converter);
    Ok(env.with_client(Client::connect(options).await?))
}

fn tenants(env: &Env, interceptor: PassesTenantOn) -> WorkerBuilder {
    env.worker()
        .workflow::<WorksForTenant>()
        .workflow::<child_works_for>()
        .activity(works_for)
        .workflow_interceptor(interceptor)
}

/// The header of the start, as the server has it.
async fn stored_header(env: &Env, id: &str) -> anyhow::Result<Payload> {
    let events = env.events(id).await?;
    match events.first().and_then(|event| event.attributes.clone()) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
            Ok(started.header.unwrap_or_default().fields["tenant"].clone())
        }
        other => anyhow::bail!("the first event is {other:?}"),
    }
}

/// S12, P44, P45, P46: what a client's interceptor puts into the headers reaches the workflow, its activities, its children;
/// each kind of message passes the workflow's interceptor.
#[test]
fn s12_p44_p45_p46_interceptors_and_headers_that_travel() {
    run(async |env| {
        let env = intercepting(&env, DataConverter::default()).await?;
        let interceptor = PassesTenantOn::default();
        let noted = Arc::clone(&interceptor.0);
        env.serve(tenants(&env, interceptor), async {
            let handle = env
                .client()
                .start_workflow(WorksForTenant::run, (), env.options("tenant"))
                .await?;
            let _ = env.id("tenantchild");
            assert_eq!(handle.execute_update(WorksForTenant::add, 1_u32).await?, 7);
            let refused = handle.execute_update(WorksForTenant::add, 101_u32).await.unwrap_err();
            let refused = crate::update_failure(refused);
            assert!(refused.to_string().contains("the interceptor refuses it"), "{refused}");
            assert_eq!(handle.query(WorksForTenant::sum, ()).await?, 7);
            handle.signal(WorksForTenant::done, ()).await?;
            assert_eq!(handle.result().await?, ["blue", "blue", "blue"]);
            assert_eq!(stored_header(&env, handle.id()).await?.data, "\"blue\"");
            let noted = noted.lock().unwrap().clone();
            for call in [
                "run WorksForTenant",
                "run child_works_for",
                "signal done",
                "update add",
                "query sum",
            ] {
                assert!(noted.iter().any(|noted| noted == call), "{call}: {noted:?}");
            }
            Ok(())
        })
        .await
    });
}

fn sealed() -> DataConverter {
    DataConverter::default().with_codec(Reverse)
}

/// P75: a replayer with the conversion of the history's client replays it, says how far it is, and one without does not. Headers pass
/// the codec by.
#[test]
fn p75_a_replayer_with_progress_and_its_own_conversion() {
    run(async |env| {
        let env = intercepting(&env, sealed()).await?;
        env.serve(tenants(&env, PassesTenantOn::default()), async {
            let handle = env
                .client()
                .start_workflow(WorksForTenant::run, (), env.unrecorded_options("sealed"))
                .await?;
            handle.signal(WorksForTenant::done, ()).await?;
            assert_eq!(handle.result().await?, ["blue", "blue", "blue"]);
            let stored = stored_header(&env, handle.id()).await?;
            assert_eq!(encoding_of(&stored), "json/plain");

            let events = env.events(handle.id()).await?;
            let histories = || {
                let history = WorkflowHistory::new(events.clone()).with_workflow_id(handle.id());
                futures_util::stream::iter([history.clone(), history])
            };
            let replayer = || Replayer::builder().workflow::<WorksForTenant>();
            let progress = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&progress);
            let report = replayer()
                .data_converter(sealed())
                .build()?
                .replay_all(histories())
                .on_progress(move |progress| seen.lock().unwrap().push((progress.replayed, progress.failed)))
                .await;
            assert!(report.is_ok(), "{report}");
            assert_eq!(progress.lock().unwrap().last(), Some(&(2, 0)));
            let report = replayer().build()?.replay_all(histories()).await;
            assert_eq!(report.failures.len(), 2, "{report}");
            Ok(())
        })
        .await
    });
}

// ---- what fails what

#[derive(Debug, thiserror::Error)]
#[error("a mistake of ours")]
struct Mistake;

#[workflow(fail_workflow_on(panic))]
pub(crate) async fn panics_for_good(_ctx: &Context) -> workflow::Result<()> {
    panic!("for good")
}

#[workflow]
pub(crate) async fn panics_softly(_ctx: &Context) -> workflow::Result<()> {
    panic!("softly")
}

static MENDED: AtomicBool = AtomicBool::new(false);

#[workflow(fail_task_on(Mistake))]
pub(crate) async fn mistaken(_ctx: &Context) -> workflow::Result<String> {
    if MENDED.load(Ordering::SeqCst) {
        return Ok("mended".to_owned());
    }
    Err(Mistake.into())
}

/// Any error of one type fails the task, if the worker says so.
#[workflow]
pub(crate) async fn mistaken_softly(_ctx: &Context) -> workflow::Result<String> {
    if MENDED.load(Ordering::SeqCst) {
        return Ok("mended".to_owned());
    }
    Err(Mistake.into())
}

/// P64: panics that fail the workflow, and errors that fail its task; said by the workflow, and by the worker.
#[test]
fn p64_what_fails_the_workflow_and_what_its_task() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<panics_for_good>()
            .workflow::<panics_softly>()
            .fail_workflow_on_panic();
        env.serve(worker, async {
            let client = env.client();
            let error = client
                .execute_workflow(panics_for_good, (), env.options("hard"))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("for good"), "{error}");
            let error = client
                .execute_workflow(panics_softly, (), env.unrecorded_options("soft"))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("softly"), "{error}");
            Ok(())
        })
        .await?;
        let worker = env
            .worker()
            .workflow::<mistaken>()
            .workflow::<mistaken_softly>()
            .fail_workflow_task_on::<Mistake>();
        env.serve(worker, async {
            let client = env.client();
            let first = client
                .start_workflow(mistaken, (), env.unrecorded_options("first"))
                .await?;
            let second = client
                .start_workflow(mistaken_softly, (), env.unrecorded_options("second"))
                .await?;
            for suffix in ["first", "second"] {
                let id = env.unrecorded_id(suffix);
                env.wait_for_event(&id, |event| event.event_type() == EventType::WorkflowTaskFailed)
                    .await?;
            }
            MENDED.store(true, Ordering::SeqCst);
            assert_eq!(first.result().await?, "mended");
            assert_eq!(second.result().await?, "mended");
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn fails_secretly_p65(_ctx: &Context) -> workflow::Result<()> {
    Err(workflow::ApplicationError::new("the secret of row 65").into())
}

/// P65: the message is among what a codec would seal, and the client reads it all the same.
#[test]
fn p65_encoded_failure_attributes() {
    run(async |env| {
        let failures = DefaultFailureConverter::new().encode_common_attributes(true);
        let converter = DataConverter::default().with_failure_converter(failures);
        let env = env.with_client(env.client().with_data_converter(converter));
        env.serve(env.worker().workflow::<fails_secretly_p65>(), async {
            let error = env
                .client()
                .execute_workflow(fails_secretly_p65, (), env.options("secret"))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("the secret of row 65"), "{error}");
            let events = env.events(&env.id("secret")).await?;
            let failure = match events.last().and_then(|event| event.attributes.clone()) {
                Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) => failed.failure.unwrap_or_default(),
                other => anyhow::bail!("the last event is {other:?}"),
            };
            assert_eq!(failure.message, "Encoded failure");
            let encoded = failure.encoded_attributes.unwrap_or_default();
            let encoded = String::from_utf8_lossy(&encoded.data).into_owned();
            assert!(encoded.contains("the secret of row 65"), "{encoded}");
            Ok(())
        })
        .await
    });
}

/// Why the first failed task of this history failed.
pub(crate) fn failed_task(events: &[temporal_integration_tests::history::Event]) -> Option<String> {
    events.iter().find_map(|event| match event.attributes.clone()? {
        Attributes::WorkflowTaskFailedEventAttributes(failed) => Some(failed.failure?.message),
        _ => None,
    })
}

// ---- whether it replays

static REPLAYED: Mutex<Vec<(String, &str, bool)>> = Mutex::new(Vec::new());

fn note_replaying(ctx: &Context, place: &'static str) {
    let id = ctx.info().workflow_id.clone();
    REPLAYED.lock().unwrap().push((id, place, ctx.is_replaying()));
}

#[workflow]
pub(crate) async fn notes_replaying(ctx: &Context) -> workflow::Result<()> {
    note_replaying(ctx, "before");
    ctx.sleep(Duration::from_millis(20)).await?;
    note_replaying(ctx, "after");
    Ok(())
}

/// P84: nothing is cached, so that the second task replays the first.
#[test]
fn p84_whether_a_workflow_replays() {
    run(async |env| {
        let worker = env.worker().workflow::<notes_replaying>().max_cached_workflows(0);
        env.serve(worker, async {
            env.client()
                .execute_workflow(notes_replaying, (), env.options("replays"))
                .await?;
            let mut noted = REPLAYED.lock().unwrap().clone();
            noted.retain(|(id, ..)| *id == env.id("replays"));
            let noted: Vec<_> = noted.iter().map(|(_, place, again)| (*place, *again)).collect();
            assert_eq!(noted[..3], [("before", false), ("before", true), ("after", false)]);
            Ok(())
        })
        .await
    });
}

// ---- what tasks coordinate with

/// Four tasks: at most two at a time between the semaphore's gates, one at a time in the mutex, told of by a channel.
#[workflow]
pub(crate) async fn coordinates(ctx: &Context) -> workflow::Result<(Vec<u32>, u32, u32)> {
    let gate = Rc::new(sync::Semaphore::new(2));
    let sum = Rc::new(sync::Mutex::new(0));
    let begin = sync::Notify::new();
    let (sender, mut receiver) = sync::channel(1);
    let (now, most): (Rc<Cell<u32>>, Rc<Cell<u32>>) = Default::default();
    let group = sync::WaitGroup::new();
    let mut tasks = Vec::new();
    for number in 1..=4_u32 {
        let (ctx, member, sender, begin) = (ctx.clone(), group.member(), sender.clone(), begin.notified());
        let (gate, sum, now, most) = (Rc::clone(&gate), Rc::clone(&sum), Rc::clone(&now), Rc::clone(&most));
        tasks.push(ctx.clone().spawn(async move {
            begin.await;
            let permit = gate.acquire().await;
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            let _ = ctx.sleep(Duration::from_millis(10)).await;
            *sum.lock().await += number;
            now.set(now.get() - 1);
            drop(permit);
            let _ = sender.send(number).await;
            drop(member);
        }));
    }
    drop(sender);
    // Waiting begins when a task runs.
    ctx.sleep(Duration::from_millis(10)).await?;
    begin.notify_waiters();
    let mut order = Vec::new();
    while let Some(number) = receiver.recv().await {
        order.push(number);
    }
    group.wait().await;
    let sum = *sum.lock().await;
    Ok((order, sum, most.get()))
}

/// O12: fair, and the same in every replay: with a cache of 0 each task replays all.
#[test]
fn o12_mutex_semaphore_notify_channel_and_wait_group() {
    run(async |env| {
        let worker = env.worker().workflow::<coordinates>().max_cached_workflows(0);
        env.serve(worker, async {
            let (order, sum, most) = env
                .client()
                .execute_workflow(coordinates, (), env.options("coordinates"))
                .await?;
            assert_eq!((order, sum, most), (vec![1, 2, 3, 4], 10, 2));
            Ok(())
        })
        .await
    });
}

// ---- versions

#[derive(Default)]
pub(crate) struct VersionedBefore {
    go_on: Cell<bool>,
}

#[workflow(name = "Versioned")]
impl VersionedBefore {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<(u32, u32)> {
        let first = ctx.version("step", 0..=1);
        ctx.wait_condition(|| self.go_on.get()).await?;
        Ok((first, ctx.version("step", 0..=1)))
    }

    #[signal]
    fn go_on(&self) {
        self.go_on.set(true);
    }
}

#[derive(Default)]
pub(crate) struct VersionedAfter {
    go_on: Cell<bool>,
}

#[workflow(name = "Versioned")]
impl VersionedAfter {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<(u32, u32)> {
        let first = ctx.version("step", 0..=2);
        ctx.wait_condition(|| self.go_on.get()).await?;
        Ok((first, ctx.version("step", 0..=2)))
    }

    #[signal]
    fn go_on(&self) {
        self.go_on.set(true);
    }
}

/// O13: a run keeps the version that it began with when newer code goes on with it; a new run takes the newest.
#[test]
fn o13_numbered_versions() {
    run(async |env| {
        let before = env.worker().workflow::<VersionedBefore>().max_cached_workflows(0);
        let old = env.serve(before, async {
            let options = env.options("old");
            let handle = env.client().start_workflow(VersionedBefore::run, (), options).await?;
            env.wait_for_event(handle.id(), |event| {
                event.event_type() == EventType::WorkflowTaskCompleted
            })
            .await?;
            Ok(handle)
        });
        let old = old.await?;
        env.serve(env.worker().workflow::<VersionedAfter>(), async {
            old.signal(VersionedBefore::go_on, ()).await?;
            assert_eq!(old.result().await?, (1, 1));
            let options = env.options("new");
            let new = env.client().start_workflow(VersionedAfter::run, (), options).await?;
            new.signal(VersionedAfter::go_on, ()).await?;
            assert_eq!(new.result().await?, (2, 2));
            Ok(())
        })
        .await
    });
}
