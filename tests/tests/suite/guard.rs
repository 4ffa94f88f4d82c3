//! The determinism guard: calls that workflow code must not make fail its task, and the ways out.

use crate::rows_workflows::failed_task;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use temporal_integration_tests::history::EventType;
use temporal_integration_tests::{Env, run};
use temporal_sdk::workflow::{self, Context};

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

/// S89.
#[test]
fn s89_network_files_and_processes_are_refused() {
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
fn s120_s122_clock_randomness_threads_and_environment_are_refused() {
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
