//! The parts of rows that their other tests leave out: updates left behind and known, handlers taken away, the stack trace for
//! tools, all that an activity knows, draws in a replay, histories that get long, and arguments left out.

use crate::{MINUTE, quick, update_failure};
use rand::{Rng as _, RngExt as _};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use temporal_integration_tests::env::captured;
use temporal_integration_tests::history::{Attributes, Event, EventType};
use temporal_integration_tests::run;
use temporal_sdk::client::data::Proto;
use temporal_sdk::client::definition::{query_named, signal_named, update_named};
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::protos::api::sdk::v1::EnhancedStackTrace;
use temporal_sdk::client::{ActivityTarget, Priority, RetryPolicy, UpdateOptions, UpdateWaitStage};
use temporal_sdk::workflow::{Context, LocalActivityOptions, SuggestContinueAsNewReason};
use temporal_sdk::{activities, activity, args, workflow};

// ---- updates left behind

/// Ends while two updates are handled.
#[derive(Default)]
pub(crate) struct LeavesUpdates {
    begun: Cell<u32>,
}

#[workflow]
impl LeavesUpdates {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<bool> {
        ctx.wait_condition(|| self.begun.get() == 2).await?;
        Ok(ctx.all_handlers_finished())
    }

    #[update]
    async fn update_left_with_warning_p6(&self, ctx: &Context) {
        self.begun.set(self.begun.get() + 1);
        let _ = ctx.sleep(MINUTE * 60).await;
    }

    #[update(unfinished_policy = abandon)]
    async fn update_left_in_silence_p6(&self, ctx: &Context) {
        self.begun.set(self.begun.get() + 1);
        let _ = ctx.sleep(MINUTE * 60).await;
    }
}

/// P6: of the updates that are not at their end one is named by a warning, the other was given up by its policy; both callers
/// learn of it.
#[test]
fn p6_a_warning_names_the_updates_that_are_not_finished() {
    run(async |env| {
        env.serve(env.worker().workflow::<LeavesUpdates>(), async {
            let handle = env
                .client()
                .start_workflow(LeavesUpdates::run, (), env.options("updates"))
                .await?;
            let accepted = || UpdateOptions::new(UpdateWaitStage::Accepted);
            let silent = handle
                .start_update(LeavesUpdates::update_left_in_silence_p6, (), accepted())
                .await?;
            let warned = handle
                .start_update(LeavesUpdates::update_left_with_warning_p6, (), accepted())
                .await?;
            assert!(!handle.result().await?, "handlers run until the end");
            for update in [silent, warned] {
                assert!(update.result().await.is_err());
            }
            let warnings = captured(|line| line.contains("update_left_with_warning_p6"));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("the handler of update"), "{warnings:?}");
            assert!(warnings[0].contains("all_handlers_finished"), "{warnings:?}");
            let silent = captured(|line| line.contains("update_left_in_silence_p6"));
            assert!(silent.is_empty(), "{silent:?}");
            Ok(())
        })
        .await
    });
}

// ---- which update it is

fn served(ctx: &Context) -> String {
    ctx.current_update()
        .map_or("none".to_owned(), |update| format!("{} {}", update.name, update.id))
}

/// Tells which update it serves.
#[derive(Default)]
pub(crate) struct KnowsItsUpdate {
    done: Cell<bool>,
}

#[workflow]
impl KnowsItsUpdate {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<String> {
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(served(ctx))
    }

    #[update]
    async fn tell(&self, ctx: &Context, last: bool) -> workflow::Result<Vec<String>> {
        let first = served(ctx);
        ctx.sleep(Duration::from_millis(10)).await?;
        let inner = ctx.clone();
        let spawned = ctx.spawn(async move { served(&inner) }).await;
        self.done.set(last);
        Ok(vec![first, served(ctx), spawned])
    }

    #[validator(tell)]
    fn check(&self, ctx: &Context, last: &bool) -> Result<(), ApplicationError> {
        match last {
            true => Ok(()),
            false => Err(ApplicationError::new(format!("refused: {}", served(ctx)))),
        }
    }
}

/// P5: the validator, the handler and its tasks know the update, the run method does not.
#[test]
fn p5_validators_and_handlers_know_their_update() {
    run(async |env| {
        env.serve(env.worker().workflow::<KnowsItsUpdate>(), async {
            let handle = env
                .client()
                .start_workflow(KnowsItsUpdate::run, (), env.options("knows"))
                .await?;
            let options = |id: &str| UpdateOptions::new(UpdateWaitStage::Completed).id(id);
            let refused = match handle
                .start_update(KnowsItsUpdate::tell, false, options("refused"))
                .await
            {
                Ok(update) => update.result().await.unwrap_err(),
                Err(error) => error,
            };
            let refused = update_failure(refused).to_string();
            assert!(refused.contains("refused: tell refused"), "{refused}");
            let taken = handle
                .start_update(KnowsItsUpdate::tell, true, options("taken"))
                .await?;
            assert_eq!(taken.result().await?, ["tell taken"; 3]);
            assert_eq!(handle.result().await?, "none");
            Ok(())
        })
        .await
    });
}

// ---- handlers taken away

/// Adds handlers when it begins, and takes them away and adds them when it is told to.
#[derive(Default)]
pub(crate) struct Rearranges {
    lines: Rc<RefCell<Vec<String>>>,
    done: Cell<bool>,
}

impl Rearranges {
    fn listen(&self, ctx: &Context) {
        let lines = Rc::clone(&self.lines);
        ctx.on_signal("line", move |_, line: String| {
            lines.borrow_mut().push(line);
            Ok(())
        });
    }
}

#[workflow]
impl Rearranges {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<Vec<String>> {
        self.listen(ctx);
        let lines = Rc::clone(&self.lines);
        ctx.on_any_signal(move |_, name, values| {
            lines
                .borrow_mut()
                .push(format!("{} of any {name}", values.get::<String>(0)?));
            Ok(())
        });
        ctx.on_query("asked", |_, text: String| Ok(format!("asked {text}")));
        ctx.on_any_query(|_, name, values| Ok(format!("any {name} {}", values.get::<String>(0)?)));
        ctx.on_update("asked", |_, text: String| async move { Ok(format!("asked {text}")) });
        ctx.on_any_update(|ctx: Context, name, values| async move {
            ctx.sleep(Duration::from_millis(10)).await?;
            Ok(format!("any {name} {}", values.get::<String>(0)?))
        });
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(self.lines.take())
    }

    #[update]
    fn rearrange(&self, ctx: &Context, how: String) {
        match how.as_str() {
            "without names" => {
                ctx.remove_signal_handler("line");
                ctx.remove_query_handler("asked");
                ctx.remove_update_handler("asked");
            }
            "without any" => {
                ctx.remove_signal_handler("");
                ctx.remove_query_handler("");
                ctx.remove_update_handler("");
            }
            "listen again" => self.listen(ctx),
            _ => self.done.set(true),
        }
    }
}

/// P8: handlers of any name take what has no handler of its own, also after that was taken away; once they are taken away too,
/// queries and updates are refused, and signals wait for a new handler.
#[test]
fn p8_handlers_of_any_name_and_handlers_taken_away() {
    run(async |env| {
        env.serve(env.worker().workflow::<Rearranges>(), async {
            let handle = env
                .client()
                .start_workflow(Rearranges::run, (), env.options("rearranges"))
                .await?;
            env.wait_for_event(&env.id("rearranges"), |event| {
                event.event_type() == EventType::WorkflowTaskCompleted
            })
            .await?;
            let query = async |name: &'static str| handle.query(query_named::<String>(name), "x").await;
            let update = async |name: &'static str| handle.execute_update(update_named::<String>(name), "x").await;
            let signal = async |name: &'static str, line: &'static str| handle.signal(signal_named(name), line).await;

            for (name, answer) in [("asked", "asked x"), ("other", "any other x")] {
                assert_eq!(query(name).await?, answer);
                assert_eq!(update(name).await?, answer);
            }
            signal("line", "1").await?;
            signal("odd", "2").await?;
            handle.execute_update(Rearranges::rearrange, "without names").await?;
            assert_eq!(query("asked").await?, "any asked x");
            assert_eq!(update("asked").await?, "any asked x");
            signal("line", "3").await?;
            handle.execute_update(Rearranges::rearrange, "without any").await?;
            let refused = query("asked").await.unwrap_err().to_string();
            assert!(refused.contains("\"asked\""), "{refused}");
            let refused = update_failure(update("asked").await.unwrap_err()).to_string();
            assert!(refused.contains("\"asked\""), "{refused}");
            signal("line", "4").await?;
            signal("odd", "5").await?;
            handle.execute_update(Rearranges::rearrange, "listen again").await?;
            signal("line", "6").await?;
            handle.execute_update(Rearranges::rearrange, "finish").await?;
            assert_eq!(handle.result().await?, ["1", "2 of any odd", "3 of any line", "4", "6"]);
            Ok(())
        })
        .await
    });
}

// ---- the stack trace for tools

/// P12: the same as `__stack_trace`, as a message of the API.
#[test]
fn p12_the_enhanced_stack_trace_query() {
    use crate::rows_workflows::waits_in_many_places;
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
            let query = query_named::<Proto<EnhancedStackTrace>>("__enhanced_stack_trace");
            let Proto(trace) = handle.query(query, ()).await?;
            assert_eq!(trace.sdk.unwrap_or_default().name, "temporal-rust");
            let locations: Vec<_> = trace.stacks.iter().flat_map(|stack| &stack.locations).collect();
            assert_eq!(locations.len(), 2, "{locations:?}");
            for what in ["waits for activity 1", "condition"] {
                let of_it = locations.iter().find(|location| location.function_name.contains(what));
                let Some(location) = of_it else {
                    panic!("{what}: {locations:?}");
                };
                assert!(location.file_path.ends_with("rows_workflows.rs"), "{location:?}");
                assert!(location.line > 100 && location.column > 0, "{location:?}");
            }
            handle.cancel().await?;
            assert!(handle.result().await.unwrap_err().is_cancelled());
            Ok(())
        })
        .await
    });
}

// ---- what an activity knows

/// Keeps what its activities know.
#[derive(Default)]
struct Keeper(Mutex<Vec<activity::Info>>);

#[activities]
impl Keeper {
    /// Fails at first.
    #[activity]
    async fn keeps_all(&self, ctx: &activity::Context) -> activity::Result<u32> {
        let info = ctx.info().clone();
        if !info.is_local {
            // Only the token of an attempt that runs is heard.
            let attempt = ActivityTarget::TaskToken(info.task_token.clone());
            ctx.client().activity_handle(attempt).heartbeat(&"by its token").await?;
        }
        let attempt = info.attempt;
        self.0.lock().unwrap().push(info);
        match attempt {
            1 => Err(ApplicationError::new("once more").into()),
            _ => Ok(attempt),
        }
    }
}

const PAUSE: Duration = Duration::from_millis(30);

fn again() -> RetryPolicy {
    RetryPolicy::new()
        .initial_interval(PAUSE)
        .backoff_coefficient(1.5)
        .maximum_attempts(7)
}

#[workflow]
pub(crate) async fn has_all_known(ctx: &Context) -> workflow::Result<()> {
    let options = quick()
        .with_schedule_to_close_timeout(MINUTE * 3)
        .heartbeat_timeout(MINUTE / 2)
        .retry_policy(again())
        .activity_id("known")
        .priority(Priority::new(2).fairness_key("tenant").fairness_weight(2.5));
    ctx.execute_activity(Keeper::keeps_all, (), options).await?;
    let options = LocalActivityOptions::start_to_close_timeout(MINUTE)
        .with_schedule_to_close_timeout(MINUTE * 3)
        .retry_policy(again())
        .activity_id("known here");
    ctx.execute_local_activity(Keeper::keeps_all, (), options).await?;
    Ok(())
}

fn time_of(events: &[Event], kind: EventType) -> SystemTime {
    let event = events.iter().find(|event| event.event_type() == kind);
    let time = event.and_then(|event| event.event_time).unwrap_or_default();
    SystemTime::try_from(time).unwrap()
}

/// S149: every field of what an activity, and a local one, knows, at its first and its second attempt.
#[test]
fn s149_all_that_an_activity_knows() {
    run(async |env| {
        let keeper = Arc::new(Keeper::default());
        let worker = env.worker().workflow::<has_all_known>().activities(Arc::clone(&keeper));
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(has_all_known, (), env.options("known"))
                .await?;
            handle.result().await?;
            let events = env.events(handle.id()).await?;
            let infos = keeper.0.lock().unwrap().clone();
            assert_eq!(infos.len(), 4, "{infos:?}");
            let namespace = env.client().namespace().to_owned();
            let mut expected = activity::Info::default();
            expected.activity_id = "known".to_owned();
            expected.activity_type = "keeps_all".to_owned();
            expected.namespace.clone_from(&namespace);
            expected.task_queue = env.task_queue().to_owned();
            expected.workflow_id = Some(handle.id().to_owned());
            expected.workflow_run_id = handle.run_id().map(str::to_owned);
            expected.workflow_type = Some("has_all_known".to_owned());
            expected.workflow_namespace = Some(namespace);
            expected.schedule_to_close_timeout = Some(MINUTE * 3);
            expected.start_to_close_timeout = Some(MINUTE);
            expected.heartbeat_timeout = Some(MINUTE / 2);
            // The server writes down the longest interval: a hundred times the first one.
            expected.retry_policy = Some(again().maximum_interval(PAUSE * 100));
            expected.priority = Priority::new(2).fairness_key("tenant").fairness_weight(2.5);
            expected.scheduled_time = time_of(&events, EventType::ActivityTaskScheduled);

            let (first, second) = (&infos[0], &infos[1]);
            expected.task_token.clone_from(&first.task_token);
            expected.current_attempt_scheduled_time = expected.scheduled_time;
            expected.started_time = first.started_time;
            assert_eq!(*first, expected);
            assert!(first.started_time >= first.scheduled_time, "{first:?}");

            expected.attempt = 2;
            expected.task_token.clone_from(&second.task_token);
            assert_ne!(first.task_token, second.task_token);
            expected.current_attempt_scheduled_time = second.current_attempt_scheduled_time;
            expected.started_time = time_of(&events, EventType::ActivityTaskStarted);
            assert_eq!(*second, expected);
            let scheduled = second.current_attempt_scheduled_time;
            assert!(scheduled >= first.started_time + PAUSE, "{first:?} {second:?}");
            assert!(scheduled <= second.started_time, "{second:?}");

            // A local one: known to its worker alone.
            expected.activity_id = "known here".to_owned();
            expected.is_local = true;
            expected.task_token = bytes::Bytes::new();
            expected.heartbeat_timeout = None;
            expected.retry_policy = Some(again());
            expected.priority = Priority::default();
            expected.scheduled_time = infos[2].scheduled_time;
            for (attempt, info) in (1..).zip(&infos[2..]) {
                expected.attempt = attempt;
                expected.current_attempt_scheduled_time = info.current_attempt_scheduled_time;
                expected.started_time = info.started_time;
                assert_eq!(*info, expected);
                assert!(info.scheduled_time <= info.started_time, "{info:?}");
            }
            assert!(
                infos[3].started_time >= infos[2].started_time + PAUSE,
                "{:?}",
                &infos[2..]
            );
            Ok(())
        })
        .await
    });
}

// ---- draws

/// How often the code below drew.
static DRAWN: AtomicU32 = AtomicU32::new(0);

fn throw(random: &mut impl rand::Rng) -> u32 {
    random.random_range(1..=1_000_000)
}

/// One of each kind.
fn draw(ctx: &Context) -> Vec<String> {
    DRAWN.fetch_add(1, Ordering::SeqCst);
    let mut random = ctx.random();
    let mut bytes = [0; 5];
    random.fill_bytes(&mut bytes);
    vec![
        throw(&mut random).to_string(),
        rand::Rng::next_u64(&mut random).to_string(),
        rand::Rng::next_u32(&mut random).to_string(),
        format!("{bytes:?}"),
        ctx.uuid4().to_string(),
        ctx.uuid7().to_string(),
    ]
}

#[activity]
async fn keeps(drawn: Vec<String>) -> activity::Result<usize> {
    Ok(drawn.len())
}

/// Draws before a timer and after it. What it drew first is the activities' input.
#[workflow]
pub(crate) async fn draws_again(ctx: &Context) -> workflow::Result<(Vec<String>, Vec<String>)> {
    let first = draw(ctx);
    ctx.execute_activity(keeps, first.clone(), quick()).await?;
    ctx.sleep(Duration::from_millis(10)).await?;
    let second = draw(ctx);
    ctx.execute_activity(keeps, second.clone(), quick()).await?;
    Ok((first, second))
}

/// P57: without a cache each task draws again all that was drawn before it: the result, which the last task gives, is what the
/// first ones wrote into the history.
#[test]
fn p57_a_replay_draws_the_same() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<draws_again>()
            .activity(keeps)
            .max_cached_workflows(0);
        env.serve(worker, async {
            let (first, second) = env
                .client()
                .execute_workflow(draws_again, (), env.options("draws"))
                .await?;
            let events = env.events(&env.id("draws")).await?;
            let recorded = events.into_iter().filter_map(|event| match event.attributes? {
                Attributes::ActivityTaskScheduledEventAttributes(it) => it.input?.payloads.into_iter().next(),
                _ => None,
            });
            let recorded: Vec<Vec<String>> = recorded
                .map(|input| serde_json::from_slice(&input.data))
                .collect::<Result<_, _>>()?;
            assert_eq!(recorded, [first.clone(), second.clone()]);
            assert!(first.iter().zip(&second).all(|(first, second)| first != second));
            // Before the first activity, after it, and after the timer; then twice, for the end.
            assert!(DRAWN.load(Ordering::SeqCst) >= 6, "{DRAWN:?}");
            Ok(())
        })
        .await
    });
}

// ---- long histories

/// What a run knows of its history.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Length {
    events: u32,
    bytes: u64,
    suggested: bool,
    too_large: bool,
}

impl Length {
    fn of(ctx: &Context) -> Self {
        let reasons = ctx.continue_as_new_reasons();
        Self {
            events: ctx.history_length(),
            bytes: ctx.history_size(),
            suggested: ctx.is_continue_as_new_suggested(),
            too_large: reasons.contains(&SuggestContinueAsNewReason::HistorySizeTooLarge),
        }
    }
}

/// Takes large signals until the server suggests a new run, and goes on as one.
#[derive(Default)]
struct Outgrows {
    taken: Cell<u32>,
}

#[workflow]
impl Outgrows {
    #[run]
    async fn run(&self, ctx: &Context, mut lengths: Vec<Length>) -> workflow::Result<Vec<Length>> {
        lengths.push(Length::of(ctx));
        if lengths.len() > 1 {
            return Ok(lengths);
        }
        for number in 1..=3 {
            ctx.wait_condition(|| self.taken.get() == number).await?;
            lengths.push(Length::of(ctx));
        }
        Err(ctx.continue_as_new(lengths))
    }

    #[signal]
    fn take(&self, _text: String) {
        self.taken.set(self.taken.get() + 1);
    }

    #[query]
    fn taken(&self) -> u32 {
        self.taken.get()
    }
}

/// P32: the history's length and size grow, up to where the server suggests a new run, and says why; that begins with little.
#[test]
fn p32_a_history_that_grows_until_a_new_run_is_suggested() {
    run(async |env| {
        env.serve(env.worker().workflow::<Outgrows>(), async {
            let handle = env
                .client()
                .start_workflow(Outgrows::run, vec![], env.unrecorded_options("outgrows"))
                .await?;
            for number in 1..=3 {
                handle.signal(Outgrows::take, "x".repeat(1_500_000)).await?;
                // Its answer comes after the task of the signal.
                assert_eq!(handle.query(Outgrows::taken, ()).await?, number);
            }
            let lengths: Vec<Length> = handle.result().await?;
            assert_eq!(lengths.len(), 5, "{lengths:?}");
            assert!(lengths[0].events > 0 && lengths[0].bytes > 0, "{lengths:?}");
            for pair in lengths[..4].windows(2) {
                assert!(pair[1].events > pair[0].events, "{lengths:?}");
                assert!(pair[1].bytes > pair[0].bytes + 1_500_000, "{lengths:?}");
            }
            let suggested: Vec<bool> = lengths.iter().map(|length| length.suggested).collect();
            assert_eq!(suggested, [false, false, false, true, false], "{lengths:?}");
            let too_large: Vec<bool> = lengths.iter().map(|length| length.too_large).collect();
            assert_eq!(too_large, suggested, "{lengths:?}");
            assert!(lengths[4].bytes < 100_000, "{lengths:?}");
            Ok(())
        })
        .await
    });
}

// ---- arguments left out

fn pair(first: &str, second: Option<u32>) -> String {
    format!("{first} {second:?}")
}

#[activity]
async fn pairs(first: String, second: Option<u32>) -> activity::Result<String> {
    Ok(pair(&first, second))
}

/// Its constructor and each of its handlers have a second parameter that a caller can leave out.
pub(crate) struct TakesPairs {
    made: String,
    heard: RefCell<Vec<String>>,
}

#[workflow]
impl TakesPairs {
    #[init]
    fn new(_ctx: &Context, first: String, second: Option<u32>) -> Self {
        Self {
            made: pair(&first, second),
            heard: RefCell::default(),
        }
    }

    #[run]
    async fn run(&self, ctx: &Context, first: String, second: Option<u32>) -> workflow::Result<Vec<String>> {
        ctx.wait_condition(|| self.heard.borrow().len() == 4).await?;
        let mut told = vec![self.made.clone(), pair(&first, second)];
        told.extend(self.heard.take());
        for arguments in [args!["activity"], args!["activity", 1]] {
            let by_name = activity::named::<String>("pairs");
            told.push(ctx.execute_activity(by_name, arguments, quick()).await?);
        }
        Ok(told)
    }

    #[signal]
    fn hear(&self, first: String, second: Option<u32>) {
        self.heard.borrow_mut().push(pair(&first, second));
    }

    #[update]
    fn set(&self, first: String, second: Option<u32>) -> String {
        self.heard.borrow_mut().push(pair(&first, second));
        pair(&first, second)
    }

    #[query]
    fn ask(&self, first: String, second: Option<u32>) -> String {
        pair(&first, second)
    }
}

/// S6: who calls by name can leave out trailing parameters that are optional: of the constructor and the run method, of signals,
/// updates, queries and activities.
#[test]
fn s6_trailing_arguments_left_out_everywhere() {
    run(async |env| {
        let worker = env.worker().workflow::<TakesPairs>().activity(pairs);
        env.serve(worker, async {
            for (suffix, arguments, made) in [
                ("short", args!["run"], "run None"),
                ("long", args!["run", 1], "run Some(1)"),
            ] {
                let by_name = workflow::named::<Vec<String>>("TakesPairs");
                let handle = env
                    .client()
                    .start_workflow(by_name, arguments, env.options(suffix))
                    .await?;
                handle.signal(signal_named("hear"), args!["signal"]).await?;
                handle.signal(signal_named("hear"), args!["signal", 2]).await?;
                let ask = || query_named::<String>("ask");
                assert_eq!(handle.query(ask(), args!["query"]).await?, "query None");
                assert_eq!(handle.query(ask(), args!["query", 3]).await?, "query Some(3)");
                let set = || update_named::<String>("set");
                assert_eq!(handle.execute_update(set(), args!["update"]).await?, "update None");
                assert_eq!(
                    handle.execute_update(set(), args!["update", 4]).await?,
                    "update Some(4)"
                );
                let expected = [
                    made,
                    made,
                    "signal None",
                    "signal Some(2)",
                    "update None",
                    "update Some(4)",
                    "activity None",
                    "activity Some(1)",
                ];
                assert_eq!(handle.result().await?, expected);
            }
            Ok(())
        })
        .await
    });
}
