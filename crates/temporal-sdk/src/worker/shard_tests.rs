use super::{Shards, Step};
use crate::workflow;
use crate::workflow::host::HostEnvironment;
use crate::workflow::registry::WorkflowRegistry;
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use temporal_client::DataConverter;
use temporal_client::protos::api::common::v1::WorkflowType;
use temporal_client::protos::api::history::v1::history_event::Attributes;
use temporal_client::protos::api::history::v1::*;
use temporal_core::{Completion, Outcome, WorkflowTask};

/// Sleeps for a second, then ends.
#[derive(Default)]
struct Sleeps;

#[workflow]
impl Sleeps {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        ctx.sleep(Duration::from_secs(1)).await?;
        Ok(())
    }
}

/// Where runs block their threads, by run id: each says that it is there, and waits.
static GATES: Mutex<BTreeMap<String, (mpsc::Sender<()>, mpsc::Receiver<()>)>> = Mutex::new(BTreeMap::new());

/// Makes a gate for a run: tells when the run has come to it, and opens it.
fn gate(run_id: &str) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (come, has_come) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    GATES.lock().insert(run_id.to_owned(), (come, gate));
    (has_come, open)
}

/// Blocks its thread at its gate.
#[derive(Default)]
struct Blocks;

#[workflow]
impl Blocks {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        let gate = GATES.lock().remove(&ctx.info().run_id);
        if let Some((come, gate)) = gate {
            let _ = come.send(());
            let _ = gate.recv();
        }
        Ok(())
    }
}

fn shards(threads: usize, capacity: usize) -> Shards {
    let mut workflows = WorkflowRegistry::default();
    workflows.register::<Sleeps>().unwrap();
    workflows.register::<Blocks>().unwrap();
    let environment = HostEnvironment {
        workflows,
        converter: DataConverter::default(),
        namespace: "default".into(),
        task_queue: "queue".into(),
        detect_foreign_wakes: true,
        restrictions: Default::default(),
        broken: Default::default(),
        interceptors: Vec::new(),
        failures: Default::default(),
    };
    Shards::start(&Arc::new(environment), threads, capacity).unwrap()
}

fn event(event_id: i64, attributes: Attributes) -> HistoryEvent {
    HistoryEvent {
        event_id,
        event_time: Some(prost_types::Timestamp {
            seconds: 1_700_000_000 + event_id,
            nanos: 0,
        }),
        attributes: Some(attributes),
        ..Default::default()
    }
}

fn scheduled(event_id: i64) -> HistoryEvent {
    event(
        event_id,
        Attributes::WorkflowTaskScheduledEventAttributes(Default::default()),
    )
}

fn started(event_id: i64) -> HistoryEvent {
    let attributes = WorkflowTaskStartedEventAttributes {
        scheduled_event_id: event_id - 1,
        ..Default::default()
    };
    event(event_id, Attributes::WorkflowTaskStartedEventAttributes(attributes))
}

fn first_task(run_id: &str, workflow_type: &str) -> WorkflowTask {
    let started_run = WorkflowExecutionStartedEventAttributes {
        workflow_type: Some(WorkflowType {
            name: workflow_type.into(),
        }),
        original_execution_run_id: run_id.into(),
        ..Default::default()
    };
    WorkflowTask {
        workflow_id: "workflow".into(),
        run_id: run_id.into(),
        workflow_type: workflow_type.into(),
        attempt: 1,
        started_event_id: 3,
        events: vec![
            event(1, Attributes::WorkflowExecutionStartedEventAttributes(started_run)),
            scheduled(2),
            started(3),
        ],
        ..Default::default()
    }
}

/// The task after the timer fired.
fn second_task(run_id: &str) -> WorkflowTask {
    let completed = WorkflowTaskCompletedEventAttributes {
        scheduled_event_id: 2,
        started_event_id: 3,
        ..Default::default()
    };
    let timer = TimerStartedEventAttributes {
        timer_id: "1".into(),
        start_to_fire_timeout: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let fired = TimerFiredEventAttributes {
        timer_id: "1".into(),
        started_event_id: 5,
    };
    WorkflowTask {
        previous_started_event_id: 3,
        started_event_id: 8,
        events: vec![
            event(4, Attributes::WorkflowTaskCompletedEventAttributes(completed)),
            event(5, Attributes::TimerStartedEventAttributes(timer)),
            event(6, Attributes::TimerFiredEventAttributes(fired)),
            scheduled(7),
            started(8),
        ],
        ..first_task(run_id, "Sleeps")
    }
}

fn completion(step: Step) -> Completion {
    match step {
        Step::Finished { outcome, .. } => match *outcome {
            Outcome::Completed(completion) => completion,
            other => panic!("expected a completion, got {other:?}"),
        },
        other => panic!("expected the end of the task, got {other:?}"),
    }
}

#[tokio::test]
async fn a_kept_run_goes_on_and_an_ended_one_is_gone() {
    let shards = shards(1, 10);
    let mut lease = shards.run("a");
    assert_eq!(
        completion(lease.begin(first_task("a", "Sleeps")).await).commands.len(),
        1
    );
    lease.keep();

    let mut lease = shards.run("a");
    assert!(completion(lease.begin(second_task("a")).await).closes_workflow);
    drop(lease);

    // Not kept: the whole history is wanted, and works.
    let mut lease = shards.run("a");
    assert!(matches!(lease.begin(second_task("a")).await, Step::WholeHistory));
    let mut whole = second_task("a");
    whole.events.splice(0..0, first_task("a", "Sleeps").events);
    assert!(completion(lease.begin(whole).await).closes_workflow);
}

#[tokio::test]
async fn a_full_cache_gives_up_the_oldest_run() {
    let shards = shards(1, 1);
    for run_id in ["a", "b"] {
        let mut lease = shards.run(run_id);
        completion(lease.begin(first_task(run_id, "Sleeps")).await);
        lease.keep();
    }
    assert!(matches!(
        shards.run("a").begin(second_task("a")).await,
        Step::WholeHistory
    ));
    assert!(completion(shards.run("b").begin(second_task("b")).await).closes_workflow);
}

#[tokio::test]
async fn tasks_of_one_run_take_turns() {
    let shards = shards(2, 10);
    let mut first = shards.run("a");
    completion(first.begin(first_task("a", "Sleeps")).await);

    let mut second = shards.run("a");
    let mut waiting = std::pin::pin!(second.begin(second_task("a")));
    assert!(waiting.as_mut().now_or_never().is_none());
    // The shard has answered another run since, so it has seen the second task, and made it wait.
    for run_id in ["b", "c", "d", "e"] {
        completion(shards.run(run_id).begin(first_task(run_id, "Sleeps")).await);
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    first.keep();
    assert!(completion(waiting.await).closes_workflow);
}

#[tokio::test]
async fn a_history_in_pages_is_asked_for() {
    let shards = shards(1, 10);
    let mut lease = shards.run("a");
    let mut task = first_task("a", "Sleeps");
    let rest = task.events.split_off(1);
    task.more_events = true;
    assert!(matches!(lease.begin(task).await, Step::NextPage));
    assert_eq!(completion(lease.page(rest, false).await).commands.len(), 1);
}

#[tokio::test]
async fn p72_code_that_keeps_its_thread_fails_its_task_and_the_shard_goes_on() {
    let shards = shards(1, 10);
    let (_, open) = gate("blocked");
    let mut blocked = shards.run("blocked");
    let mut bystander = shards.run("bystander");
    let begun = blocked.begin(first_task("blocked", "Blocks"));
    let looked_after = async {
        while !shards.is_blocked("blocked") {
            shards.give_up_blocked(Duration::from_millis(20)).unwrap();
            tokio::task::yield_now().await;
        }
    };
    let other = bystander.begin(first_task("bystander", "Sleeps"));
    let (step, (), other) = tokio::join!(begun, looked_after, other);
    let Step::Failed(failure) = step else {
        panic!("{step:?}")
    };
    assert!(
        failure.failure.message.contains("TMPRL1101"),
        "{}",
        failure.failure.message
    );
    assert!(matches!(other, Step::ThreadLost), "{other:?}");

    // The shard works, with another thread, and knows that the run is still blocked.
    drop((blocked, bystander));
    completion(shards.run("bystander").begin(first_task("bystander", "Sleeps")).await);
    assert!(shards.is_blocked("blocked"));
    open.send(()).unwrap();
    while shards.is_blocked("blocked") {
        tokio::task::yield_now().await;
    }
}

/// The thread of a run that blocked goes on with the tasks that it was given, once it has it back: the first one is to blame
/// all the same.
#[tokio::test]
async fn the_run_for_which_a_thread_was_given_up_is_to_blame() {
    let shards = shards(1, 10);
    let (first_come, open_first) = gate("first");
    let (second_come, open_second) = gate("second");
    let (mut first, mut second) = (shards.run("first"), shards.run("second"));
    let mut blocked = std::pin::pin!(first.begin(first_task("first", "Blocks")));
    let mut behind = std::pin::pin!(second.begin(first_task("second", "Blocks")));
    assert!(blocked.as_mut().now_or_never().is_none());
    assert!(behind.as_mut().now_or_never().is_none());
    first_come.recv().unwrap();
    while !shards.is_blocked("first") {
        shards.give_up_blocked(Duration::from_millis(20)).unwrap();
    }
    open_first.send(()).unwrap();
    second_come.recv().unwrap();
    // The second is where the first was, in a thread that was given up.
    assert!(matches!(behind.await, Step::ThreadLost));
    assert!(!matches!(blocked.await, Step::ThreadLost));
    open_second.send(()).unwrap();
}
