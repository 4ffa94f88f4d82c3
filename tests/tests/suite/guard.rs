//! The determinism guard: calls that workflow code must not make fail its task, and the ways out.

use crate::rows_workflows::failed_task;
use std::cell::Cell;
use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};
use temporal_integration_tests::history::EventType;
use temporal_integration_tests::{Env, run};
use temporal_sdk::worker::{ReplayError, Replayer, WorkerBuilder};
use temporal_sdk::workflow::{self, Context, Restricted, Restrictions, WorkflowDefinition};

/// What a library may do that a workflow calls.
fn library_call(what: &str) -> String {
    match what {
        "read a file" => std::fs::read_to_string("/etc/hostname").unwrap_or_default(),
        "look at a file" => std::fs::metadata("/etc/hostname").is_ok().to_string(),
        "list a folder" => std::fs::read_dir("/").is_ok().to_string(),
        "connect" => TcpStream::connect("127.0.0.1:1").is_ok().to_string(),
        "listen" => TcpListener::bind("127.0.0.1:0").is_ok().to_string(),
        "start a process" => Command::new("true").status().is_ok().to_string(),
        "ask the clock" => format!("{:?}", SystemTime::now()),
        "measure" => format!("{:?}", Instant::now()),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(1));
            String::new()
        }
        "draw" => uuid::Uuid::new_v4().to_string(),
        "start a thread" => std::thread::spawn(|| 7).join().is_ok().to_string(),
        "read a variable" => std::env::var("HOME").unwrap_or_default(),
        "ask where it is" => std::env::current_dir().is_ok().to_string(),
        "ask for the process" => std::process::id().to_string(),
        other => format!("{other} is nothing"),
    }
}

#[temporal_sdk::workflow]
pub(crate) async fn calls(ctx: &Context, what: String) -> workflow::Result<String> {
    ctx.sleep(Duration::from_millis(1)).await?;
    Ok(library_call(&what))
}

/// The message of the workflow task that fails because the workflow did this.
async fn refused(env: &Env, what: &str) -> anyhow::Result<String> {
    let name = what.replace(' ', "-");
    let handle = env
        .client()
        .start_workflow(calls, what, env.unrecorded_options(&name))
        .await?;
    let events = env
        .wait_for_event(&env.unrecorded_id(&name), |event| {
            event.event_type() == EventType::WorkflowTaskFailed
        })
        .await?;
    handle.terminate("seen").await?;
    Ok(failed_task(&events).unwrap_or_default())
}

/// That each fails the task with a message that names the call, the workflow, who called and what to do.
async fn all_refused(env: &Env, cases: &[(&str, &str, &str)]) -> anyhow::Result<()> {
    env.serve(env.worker().workflow::<calls>(), async {
        for (what, call, remedy) in cases {
            let message = refused(env, what).await?;
            let begin = format!(
                "[TMPRL1100] workflow \"calls\" (id {}) called {call}",
                env.unrecorded_id(&what.replace(' ', "-"))
            );
            assert!(message.starts_with(&begin), "{what}: {message}");
            assert!(message.contains(remedy), "{what}: {message}");
            let caller = "library_call at tests/suite/guard.rs:";
            assert!(message.contains(caller), "{what}: {message}");
        }
        Ok(())
    })
    .await
}

/// Without any option.
#[test]
fn s89_s119_o5_o6_network_files_and_processes_are_refused() {
    run(async |env| {
        let cases = [
            ("read a file", "open(\"/etc/hostname\")", "do it in an activity"),
            ("look at a file", "statx(\"/etc/hostname\")", "do it in an activity"),
            ("list a folder", "opendir(\"/\")", "do it in an activity"),
            ("connect", "socket", "do it in an activity"),
            ("listen", "socket", "do it in an activity"),
            ("start a process", "posix_spawn(\"true\")", "do it in an activity"),
        ];
        all_refused(&env, &cases).await
    });
}

/// S122: of all classes, on behalf of the workflow, by any crate.
#[test]
fn s120_s122_b4_clock_randomness_threads_and_environment_are_refused() {
    run(async |env| {
        let cases = [
            ("ask the clock", "clock_gettime", "take the time from ctx.now()"),
            ("measure", "clock_gettime", "take the time from ctx.now()"),
            ("sleep", "clock_nanosleep", "wait with ctx.sleep(..)"),
            ("draw", "getrandom", "draw from ctx.random(), ctx.uuid4()"),
            ("start a thread", "pthread_create", "run tasks with ctx.spawn(..)"),
            (
                "read a variable",
                "getenv(\"HOME\")",
                "record it with ctx.side_effect(..)",
            ),
            ("ask where it is", "getcwd", "record it with ctx.side_effect(..)"),
            ("ask for the process", "getpid", "do it in an activity"),
        ];
        all_refused(&env, &cases).await
    });
}

/// Runs the workflow to its end, and its history through a replayer of the same restrictions.
async fn passes<W>(env: &Env, worker: WorkerBuilder, replayer: Replayer, what: &str) -> anyhow::Result<()>
where
    W: WorkflowDefinition + 'static,
{
    let id = format!("{}-{}", W::NAME, what.replace(' ', "-"));
    env.serve(worker, async {
        let handle = env
            .client()
            .start_workflow(
                workflow::named::<serde_json::Value>(W::NAME),
                what.to_owned(),
                env.unrecorded_options(&id),
            )
            .await?;
        handle.result().await?;
        let events = env.events(&env.unrecorded_id(&id)).await?;
        assert_eq!(failed_task(&events), None);
        replayer.replay(handle.fetch_history().await?).await?;
        Ok(())
    })
    .await
}

#[temporal_sdk::workflow(allow(clock))]
pub(crate) async fn may_ask_the_clock(_ctx: &Context, _what: String) -> workflow::Result<()> {
    let _ = (SystemTime::now(), library_call("measure"));
    Ok(())
}

#[temporal_sdk::workflow(sandboxed = false)]
pub(crate) async fn may_do_anything(_ctx: &Context, what: String) -> workflow::Result<()> {
    std::thread::yield_now();
    library_call(&what);
    Ok(())
}

#[temporal_sdk::workflow]
pub(crate) async fn has_a_free_block(ctx: &Context, what: String) -> workflow::Result<()> {
    workflow::unrestricted(|| library_call(&what));
    let _: String = ctx.side_effect(|| library_call(&what));
    Ok(())
}

/// S125, S127, S128: where it is used, for a block, for a workflow.
#[test]
fn s125_s127_s128_ways_out_in_the_code() {
    run(async |env| {
        let worker = || env.worker().workflow::<may_ask_the_clock>();
        let replayer = || Replayer::builder().workflow::<may_ask_the_clock>();
        passes::<may_ask_the_clock>(&env, worker(), replayer().build()?, "measure").await?;
        for what in ["measure", "read a file", "start a thread"] {
            let replayer = Replayer::builder().workflow::<may_do_anything>().build()?;
            passes::<may_do_anything>(&env, env.worker().workflow::<may_do_anything>(), replayer, what).await?;
            let replayer = Replayer::builder().workflow::<has_a_free_block>().build()?;
            passes::<has_a_free_block>(&env, env.worker().workflow::<has_a_free_block>(), replayer, what).await?;
        }
        Ok(())
    });
}

/// S126, S129, S131, S132: a worker lets through a class, some code, or everything; and refuses no more than it is told to.
#[test]
fn s126_s129_s131_s132_ways_out_for_a_worker() {
    run(async |env| {
        let worker = |restrictions: &Restrictions| env.worker().workflow::<calls>().restrictions(restrictions.clone());
        let replayer = |restrictions: &Restrictions| {
            let replayer = Replayer::builder().workflow::<calls>();
            replayer.restrictions(restrictions.clone()).build()
        };
        let only_clock = Restrictions::none().refuse(Restricted::Clock);
        let and_threads = only_clock.clone() | Restrictions::none().refuse(Restricted::Threads);
        let here = Restrictions::default().pass_through("suite::guard");
        for (restrictions, passing, refusing) in [
            (
                Restrictions::default().allow(Restricted::Environment),
                "read a variable",
                "read a file",
            ),
            (only_clock, "start a thread", "measure"),
            (and_threads, "read a file", "start a thread"),
            (here, "draw", ""),
        ] {
            passes::<calls>(&env, worker(&restrictions), replayer(&restrictions)?, passing).await?;
            if !refusing.is_empty() {
                let message = env.serve(worker(&restrictions), refused(&env, refusing)).await?;
                assert!(message.starts_with("[TMPRL1100]"), "{message}");
            }
        }
        let replayer = Replayer::builder().workflow::<calls>().unsandboxed().build()?;
        passes::<calls>(&env, env.worker().workflow::<calls>().unsandboxed(), replayer, "sleep").await
    });
}

/// A subscriber that asks the clock for every line.
static LOG: LazyLock<tracing::Dispatch> =
    LazyLock::new(|| tracing_subscriber::fmt().with_writer(std::io::sink).finish().into());

#[temporal_sdk::workflow]
pub(crate) async fn logs_and_fails(ctx: &Context, what: String) -> workflow::Result<()> {
    tracing::dispatcher::with_default(&LOG, || {
        tracing::info!("a line about {what}");
        let _span = tracing::info_span!("a span").entered();
    });
    let mut seeded = HashMap::new();
    seeded.insert(what.clone(), 1);
    // It looks whether to keep a backtrace.
    let error = anyhow::anyhow!("an error of {what}");
    ctx.set_current_details(format!("{error:?} {}", seeded.len()));
    Ok(())
}

/// S124: logging, maps that seed themselves, and errors with backtraces.
#[test]
fn s124_what_is_let_through_by_default() {
    run(async |env| {
        LazyLock::force(&LOG);
        let replayer = Replayer::builder().workflow::<logs_and_fails>().build()?;
        let worker = env.worker().workflow::<logs_and_fails>();
        passes::<logs_and_fails>(&env, worker, replayer, "this").await?;
        // Code under a subscriber is not logging.
        let replayer = Replayer::builder().workflow::<calls_under_a_subscriber>().build()?;
        let worker = env.worker().workflow::<calls_under_a_subscriber>().unsandboxed();
        let passed = passes::<calls_under_a_subscriber>(&env, worker, replayer, "measure").await;
        let message = passed.unwrap_err().to_string();
        assert!(message.contains("called clock_gettime"), "{message}");
        Ok(())
    });
}

#[temporal_sdk::workflow]
pub(crate) async fn calls_under_a_subscriber(_ctx: &Context, what: String) -> workflow::Result<()> {
    tracing::dispatcher::with_default(&LOG, || library_call(&what));
    Ok(())
}

#[derive(Default)]
pub(crate) struct Watched {
    done: Cell<bool>,
}

#[temporal_sdk::workflow]
impl Watched {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        Ok(ctx.wait_condition(|| self.done.get()).await?)
    }

    #[query]
    fn ask(&self, what: String) -> String {
        library_call(&what)
    }

    #[update]
    fn change(&self, what: String) -> String {
        what
    }

    #[validator(change)]
    fn check(&self, what: &str) -> workflow::Result<()> {
        library_call(what);
        Ok(())
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }
}

/// S122: a query that breaks the guard fails alone; handlers and validators are watched.
#[test]
fn s122_queries_and_validators_are_watched() {
    run(async |env| {
        env.serve(env.worker().workflow::<Watched>(), async {
            let handle = env
                .client()
                .start_workflow(Watched::run, (), env.unrecorded_options("watched"))
                .await?;
            let error = handle.query(Watched::ask, "measure").await.unwrap_err();
            assert!(error.to_string().contains("called clock_gettime"), "{error}");
            assert_eq!(handle.query(Watched::ask, "this").await?, "this is nothing");
            let update = handle.execute_update(Watched::change, "read a variable");
            let id = env.unrecorded_id("watched");
            let seen = env.wait_for_event(&id, |event| event.event_type() == EventType::WorkflowTaskFailed);
            let events = tokio::select! {
                events = seen => events?,
                changed = update => anyhow::bail!("it was changed: {changed:?}"),
            };
            let message = failed_task(&events).unwrap_or_default();
            assert!(message.contains("called getenv(\"HOME\")"), "{message}");
            handle.terminate("seen").await?;
            Ok(())
        })
        .await
    });
}

static DRAWN: AtomicBool = AtomicBool::new(false);

#[temporal_sdk::workflow]
pub(crate) async fn draws_once_a_process(_ctx: &Context, _what: String) -> workflow::Result<()> {
    if !DRAWN.swap(true, Ordering::SeqCst) {
        library_call("draw");
    }
    Ok(())
}

#[temporal_sdk::workflow]
pub(crate) async fn measures_and_panics(_ctx: &Context, _what: String) -> workflow::Result<()> {
    library_call("measure");
    panic!("number {}", 7);
}

/// S120: what is called once a process or a thread is told at each attempt; and a panic stays that panic.
#[test]
fn s120_each_attempt_fails_and_panics_are_told() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<draws_once_a_process>()
            .workflow::<measures_and_panics>();
        env.serve(worker.unsandboxed(), async {
            let handle = env
                .client()
                .start_workflow(draws_once_a_process, "", env.unrecorded_options("draws"))
                .await?;
            handle.result().await?;
            let history = handle.fetch_history().await?;
            DRAWN.store(false, Ordering::SeqCst);
            let replayer = Replayer::builder().workflow::<draws_once_a_process>().build()?;
            for _ in 0..2 {
                match replayer.replay(history.clone()).await {
                    Err(ReplayError::TaskFailed { message }) if message.contains("called getrandom") => {}
                    other => panic!("{other:?}"),
                }
            }
            Ok(())
        })
        .await?;
        let worker = env.worker().workflow::<measures_and_panics>().fail_workflow_on_panic();
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(measures_and_panics, "", env.unrecorded_options("panics"))
                .await?;
            let events = env
                .wait_for_event(&env.unrecorded_id("panics"), |event| {
                    event.event_type() == EventType::WorkflowTaskFailed
                })
                .await?;
            let message = failed_task(&events).unwrap_or_default();
            assert!(
                message.starts_with("workflow code panicked: number 7 (at "),
                "{message}"
            );
            assert!(message.contains("before that: [TMPRL1100]"), "{message}");
            handle.terminate("seen").await?;
            Ok(())
        })
        .await
    });
}

static COUNTED: AtomicU32 = AtomicU32::new(0);

/// All that the guard does not see, as docs/guide/determinism.md says.
fn unseen(what: &str) -> usize {
    match what {
        "a global" => COUNTED.fetch_add(1, Ordering::SeqCst) as usize,
        "all variables" => std::env::vars().count(),
        "arguments" => std::env::args().count(),
        "an address" => std::ptr::from_ref(&what).addr(),
        "the order of a map" => {
            let map: HashMap<_, _> = (0..100).map(|key| (key, key)).collect();
            map.into_keys().next().unwrap_or_default()
        }
        "a generator that has its seed" => usize::from(fastest_random() > 0),
        other => panic!("{other}"),
    }
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(workflow::unrestricted(|| uuid::Uuid::new_v4().as_u128() as u64 | 1));
}

/// As generators of a thread do it: the seed is the system's, the rest is computed.
fn fastest_random() -> u64 {
    let next = STATE.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    STATE.replace(next)
}

#[temporal_sdk::workflow]
pub(crate) async fn is_not_noticed(_ctx: &Context, what: String) -> workflow::Result<()> {
    unseen(&what);
    Ok(())
}

/// S133: the limits that the guide tells are the limits.
#[test]
fn s133_limits() {
    run(async |env| {
        for what in [
            "a global",
            "all variables",
            "arguments",
            "an address",
            "the order of a map",
            "a generator that has its seed",
        ] {
            let replayer = Replayer::builder().workflow::<is_not_noticed>().build()?;
            let worker = env.worker().workflow::<is_not_noticed>();
            passes::<is_not_noticed>(&env, worker, replayer, what).await?;
        }
        Ok(())
    });
}
