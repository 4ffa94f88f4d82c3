//! What the stack trace tells of each kind of wait.

use crate::workflow;
use crate::workflow::sync::{self, Mutex, Notify, Semaphore, WaitGroup, Watch};
use crate::workflow::tests::server::{Server, payload, text};
use crate::workflow::{Context, NexusOperation, NexusOperationOptions, TimerOptions};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Waits for something, at one line each.
#[workflow]
async fn waits_for(ctx: &Context, what: String) -> workflow::Result<()> {
    const CHARGE: NexusOperation<u32, String> = NexusOperation::new("payments", "charge");
    let (sender, mut receiver) = sync::channel::<u32>(0);
    match what.as_str() {
        "join" => ctx.spawn(std::future::pending::<()>()).await,
        "cancelled" => drop(ctx.cancelled().await),
        "notified" => Notify::new().notified().await,
        "acquire" => drop(Semaphore::new(0).acquire().await),
        "send" => drop(sender.send(1).await),
        "recv" => drop(receiver.recv().await),
        "lock" => {
            let mutex = Mutex::new(());
            let _held = mutex.lock().await;
            drop(mutex.lock().await);
        }
        "group" => {
            let group = WaitGroup::new();
            let _member = group.member();
            group.wait().await;
        }
        "watch" => drop(ctx.wait_for(&Watch::new(1), |value| *value > 1).await),
        "nexus" => drop(
            ctx.execute_nexus_operation(CHARGE, 1_u32, NexusOperationOptions::new("endpoint"))
                .await,
        ),
        "condition" => {
            let limit = TimerOptions::new(MINUTE).summary("the limit");
            let _ = ctx.wait_condition(|| false).timeout(limit).await;
        }
        "timeout" => drop(ctx.timeout(MINUTE, Notify::new().notified()).await),
        other => panic!("no case {other}"),
    }
    Ok(())
}

#[test]
fn every_wait_is_told_with_its_place() {
    let cases: [(&str, &[&str]); 12] = [
        ("join", &["a task"]),
        ("cancelled", &["a cancellation"]),
        ("notified", &["a notification"]),
        ("acquire", &["a permit"]),
        ("send", &["room in a channel"]),
        ("recv", &["a value of a channel"]),
        ("lock", &["a lock"]),
        ("group", &["a wait group"]),
        ("watch", &["a watched value"]),
        ("nexus", &["the start of Nexus operation 1"]),
        ("condition", &["a condition", "timer 1"]),
        ("timeout", &["timer 1", "a notification"]),
    ];
    for (case, expected) in cases {
        let mut server = Server::start::<waits_for>(vec![payload(&case.to_owned())]);
        server.task();
        let trace = text(server.query("__stack_trace", &()).answer.as_ref());
        let trace: String = serde_json::from_str(&trace).unwrap();
        let place = format!(", started at {}:", file!());
        let waits: Vec<&str> = trace
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with("    "))
            .map(|line| line.split_once(&place).unwrap_or_else(|| panic!("{case}: {trace}")).0)
            .collect();
        let expected: Vec<String> = expected.iter().map(|what| format!("    waits for {what}")).collect();
        assert_eq!(waits, expected, "{case}: {trace}");
    }
}

/// Waits for a notification first, and then for a condition.
#[workflow]
async fn waits_in_turn(ctx: &Context) -> workflow::Result<()> {
    let notify = Notify::new();
    let (context, notifier) = (ctx.clone(), notify.clone());
    let waker = ctx.spawn(async move {
        context.sleep(MINUTE).await?;
        notifier.notify_one();
        workflow::Ok(())
    });
    notify.notified().await;
    waker.await?;
    ctx.wait_condition(|| false).await?;
    Ok(())
}

#[test]
fn a_wait_that_is_over_is_told_no_more() {
    let mut server = Server::start::<waits_in_turn>(vec![]);
    server.task();
    let trace = |server: &mut Server| text(server.query("__stack_trace", &()).answer.as_ref());
    assert!(trace(&mut server).contains("a notification"));
    server.fire_timer("1");
    server.task();
    let after = trace(&mut server);
    assert!(
        !after.contains("a notification") && after.contains("a condition"),
        "{after}"
    );
}
