//! Code that does not give its thread back, or waits for another.

use crate::MINUTE;
use crate::rows_workflows::failed_task;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;
use temporal_integration_tests::history::{EventType, count};
use temporal_integration_tests::run;
use temporal_integration_tests::server::RUNTIME;
use temporal_sdk::client::definition::signal_named;
use temporal_sdk::workflow;
use temporal_sdk::workflow::Context;
use tokio::sync::Notify;

/// Whether the code that blocks has done so, and whether it may go on.
static BLOCKED: AtomicBool = AtomicBool::new(false);
static MAY_GO_ON: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// Blocks its thread, the first time, until the test has seen what came of it.
fn block_once() {
    if !BLOCKED.swap(true, Ordering::SeqCst) {
        // The mistake itself, of which another guard is not to speak.
        workflow::unrestricted(|| {
            let (may_go_on, told) = &MAY_GO_ON;
            let blocked = may_go_on.lock().unwrap();
            drop(told.wait_timeout_while(blocked, MINUTE, |may_go_on| !*may_go_on));
        });
    }
}

fn unblock() {
    let (may_go_on, told) = &MAY_GO_ON;
    *may_go_on.lock().unwrap() = true;
    told.notify_all();
}

#[workflow]
pub(crate) async fn blocks(ctx: &Context) -> workflow::Result<()> {
    block_once();
    ctx.sleep(Duration::from_millis(10)).await?;
    Ok(())
}

#[workflow]
pub(crate) async fn other_one(ctx: &Context) -> workflow::Result<()> {
    ctx.sleep(Duration::from_millis(10)).await?;
    Ok(())
}

/// P72: the task of code that blocks fails and says so, and other workflows of the same thread go on.
#[test]
fn p72_deadlock_detection() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<blocks>()
            .workflow::<other_one>()
            .workflow_threads(1)
            .deadlock_timeout(Duration::from_millis(400));
        env.serve(worker, async {
            let client = env.client();
            let handle = client
                .start_workflow(blocks, (), env.unrecorded_options("blocks"))
                .await?;
            let id = env.unrecorded_id("blocks");
            let events = env
                .wait_for_event(&id, |event| event.event_type() == EventType::WorkflowTaskFailed)
                .await?;
            let message = failed_task(&events).unwrap_or_default();
            assert!(message.contains("TMPRL1101"), "{message}");
            client.execute_workflow(other_one, (), env.options("other")).await?;
            unblock();
            handle.result().await?;
            Ok(())
        })
        .await
    });
}

/// What the thread waits for, and tells.
static THREAD: (Notify, Notify) = (Notify::const_new(), Notify::const_new());

/// Woken by a thread, as by any executor but the workflow's own.
fn from_a_thread() -> tokio::sync::oneshot::Receiver<u32> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let (may_wake, woken) = &THREAD;
    let wake = async move {
        // Not while the workflow's code runs, which would be too early to wake it.
        may_wake.notified().await;
        let _ = sender.send(1);
        woken.notify_one();
    };
    // Starting the task is refused too, in another way.
    drop(workflow::unrestricted(|| RUNTIME.spawn(wake)));
    receiver
}

#[workflow]
pub(crate) async fn waits_for_thread(_ctx: &Context) -> workflow::Result<u32> {
    Ok(from_a_thread().await.unwrap_or_default())
}

/// S87: what is woken by a thread, or an executor, of its own fails the workflow's task.
#[test]
fn s87_threads_and_executors_are_refused() {
    run(async |env| {
        env.serve(env.worker().workflow::<waits_for_thread>(), async {
            let handle = env
                .client()
                .start_workflow(waits_for_thread, (), env.unrecorded_options("thread"))
                .await?;
            let id = env.unrecorded_id("thread");
            env.until(&id, EventType::WorkflowTaskCompleted, 1).await?;
            let (may_wake, woken) = &THREAD;
            may_wake.notify_one();
            woken.notified().await;
            // It is found at the next task.
            handle.signal(signal_named("anything"), ()).await?;
            let events = env
                .wait_for_event(&id, |event| event.event_type() == EventType::WorkflowTaskFailed)
                .await?;
            let message = failed_task(&events).unwrap_or_default();
            assert!(message.contains("TMPRL1100"), "{message}");
            assert_eq!(count(&events, EventType::WorkflowExecutionCompleted), 0);
            handle.terminate("seen").await?;
            Ok(())
        })
        .await
    });
}
