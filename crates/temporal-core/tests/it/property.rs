//! Random workflows against a little server that makes random histories of them: whatever comes out replays, and gives
//! the same commands after every eviction.

use crate::builder::HistoryBuilder;
use crate::check::{TaskOf, completion, message, replay, sticky_task, summary, whole_task, work};
use crate::script::{Ctx, End, Instance, Script, failure, json};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use temporal_core::protos::api::command::v1::Command;
use temporal_core::protos::api::command::v1::command::Attributes as Cmd;
use temporal_core::protos::api::protocol::v1::Message;
use temporal_core::*;

/// A step of a coroutine.
#[derive(Debug, Clone)]
enum Op {
    Sleep,
    Activity,
    Local,
    Child,
    Nexus,
    SignalOther,
    CancelOther,
    Signal,
    Patch(u8),
    Memo,
    Attributes,
    /// Wait for what else the task brings, and tell of it.
    Settle,
    /// Start it, wait for a signal if `late`, cancel it, wait for its end.
    CancelTimer {
        late: bool,
    },
    CancelActivity(CancellationType, bool),
    CancelLocal(CancellationType, bool),
    CancelChild(CancellationType, bool),
    CancelNexus(CancellationType, bool),
}

fn cancellation() -> impl Strategy<Value = CancellationType> {
    prop_oneof![
        Just(CancellationType::TryCancel),
        Just(CancellationType::WaitCancellationCompleted),
        Just(CancellationType::Abandon),
        Just(CancellationType::WaitCancellationRequested),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Sleep),
        Just(Op::Activity),
        Just(Op::Local),
        Just(Op::Child),
        Just(Op::Nexus),
        Just(Op::SignalOther),
        Just(Op::CancelOther),
        Just(Op::Signal),
        (0..3_u8).prop_map(Op::Patch),
        Just(Op::Memo),
        Just(Op::Attributes),
        Just(Op::Settle),
        any::<bool>().prop_map(|late| Op::CancelTimer { late }),
        (cancellation(), any::<bool>()).prop_map(|(kind, late)| Op::CancelActivity(kind, late)),
        (cancellation(), any::<bool>()).prop_map(|(kind, late)| Op::CancelLocal(kind, late)),
        (cancellation(), any::<bool>()).prop_map(|(kind, late)| Op::CancelChild(kind, late)),
        (cancellation(), any::<bool>()).prop_map(|(kind, late)| Op::CancelNexus(kind, late)),
    ]
}

async fn perform(ctx: Ctx, id: String, op: Op) {
    let other = || ExternalTarget::Workflow {
        namespace: String::new(),
        workflow_id: "other".into(),
        run_id: String::new(),
    };
    let wait = |late: bool| {
        let signal = late.then(|| ctx.signal("s"));
        async move {
            if let Some(signal) = signal {
                signal.await;
            }
        }
    };
    match op {
        Op::Sleep => ctx.sleep(1).await,
        Op::Activity => drop(ctx.activity(&id).await),
        Op::Local => drop(ctx.local(&id).await),
        Op::Child => {
            let seq = ctx.start_child("Kid", &id, CancellationType::TryCancel);
            if let ChildStart::Started { .. } = ctx.child_start(seq).await {
                ctx.child_end(seq).await;
            }
        }
        Op::Nexus => {
            let seq = ctx.start_nexus(&id, CancellationType::TryCancel);
            if ctx.nexus_start(seq).await.is_ok() {
                ctx.nexus_end(seq).await;
            }
        }
        Op::SignalOther => drop(ctx.signal_external(other(), &id).1.await),
        Op::CancelOther => drop(ctx.cancel_external(other()).await),
        Op::Signal => drop(ctx.signal("s").await),
        Op::Patch(patch) => {
            ctx.patched(&format!("p{patch}"));
        }
        Op::Memo => ctx.run(|run| run.upsert_memo([(id, json("value"))].into())),
        Op::Attributes => ctx.run(|run| run.upsert_search_attributes([(id, json("value"))].into())),
        Op::Settle => {
            ctx.settled().await;
            ctx.run(|run| run.upsert_memo([(id, json("settled"))].into()));
        }
        Op::CancelTimer { late } => {
            let timer = ctx.start_timer(1000);
            wait(late).await;
            ctx.run(|run| run.cancel_timer(timer));
        }
        Op::CancelActivity(kind, late) => {
            let seq = ctx.start_activity_with(&id, kind);
            wait(late).await;
            ctx.run(|run| run.cancel_activity(seq));
            ctx.activity_end(seq).await;
        }
        Op::CancelLocal(kind, late) => {
            let seq = ctx.start_local(&id, kind);
            wait(late).await;
            ctx.run(|run| run.cancel_local_activity(seq));
            ctx.local_end(seq).await;
        }
        Op::CancelChild(kind, late) => {
            let seq = ctx.start_child("Kid", &id, kind);
            wait(late).await;
            ctx.run(|run| run.cancel_child(seq, "enough"));
            if let ChildStart::Started { .. } = ctx.child_start(seq).await {
                ctx.child_end(seq).await;
            }
        }
        Op::CancelNexus(kind, late) => {
            let seq = ctx.start_nexus(&id, kind);
            wait(late).await;
            ctx.run(|run| run.cancel_nexus(seq));
            if ctx.nexus_start(seq).await.is_ok() {
                ctx.nexus_end(seq).await;
            }
        }
    }
}

/// Runs every coroutine, and completes when all are done.
fn script(program: Vec<Vec<Op>>, task: Rc<Cell<usize>>) -> Script {
    let program = Rc::new(program);
    Script::new(move |ctx| {
        let program = program.clone();
        async move {
            let total = program.len();
            for (number, ops) in program.iter().cloned().enumerate() {
                let inner = ctx.clone();
                ctx.spawn(async move {
                    for (step, op) in ops.into_iter().enumerate() {
                        perform(inner.clone(), format!("{number}-{step}"), op).await;
                    }
                    inner.note("done");
                });
            }
            let inner = ctx.clone();
            ctx.until(move || (inner.state.borrow().len() == total).then_some(()))
                .await;
            End::Complete(None)
        }
    })
    .update(|ctx, update| async move {
        let id = update.protocol_instance_id.clone();
        if id.starts_with("bad") {
            ctx.run(|run| run.reject_update(&id, failure("bad")));
            return;
        }
        ctx.run(|run| run.accept_update(&id));
        ctx.sleep(1).await;
        ctx.run(|run| run.complete_update(&id, Ok(None)));
    })
    // Some local activities hang until a later task.
    .local(move |command| {
        let weight: usize = command.activity_type.bytes().map(usize::from).sum();
        (task.get() >= weight % 4).then(|| match weight % 3 {
            0 => LocalActivityOutcome::Failed {
                failure: failure("no"),
                backoff: None,
            },
            _ => LocalActivityOutcome::Completed(None),
        })
    })
}

/// What may happen next at the server.
#[derive(Debug, Clone, Copy)]
enum Pending {
    Activity(i64),
    ActivityCancelled(i64),
    Timer(i64),
    ChildStart(i64),
    Child(i64),
    ChildCancelled(i64),
    Signal(i64),
    Cancel(i64),
    NexusStart(i64),
    Nexus(i64),
    NexusCancelled(i64),
    NexusCancelDelivered(i64),
}

struct Server {
    history: HistoryBuilder,
    pending: Vec<Pending>,
    timers: Vec<(String, i64)>,
    children: Vec<(String, i64)>,
    choices: VecDeque<u8>,
    updates: u32,
    closed: bool,
}

impl Server {
    fn choose(&mut self, from: usize) -> usize {
        usize::from(self.choices.pop_front().unwrap_or(0)) % from.max(1)
    }

    /// Turns commands into events.
    fn record(&mut self, completion: &Completion) {
        self.history.task_completed();
        for command in &completion.commands {
            self.record_command(command, &completion.messages);
        }
    }

    fn record_command(&mut self, command: &Command, messages: &[Message]) {
        let h = &mut self.history;
        match command.attributes.as_ref().unwrap() {
            Cmd::ScheduleActivityTaskCommandAttributes(a) => {
                let id = h.activity_scheduled(&a.activity_id, &a.activity_type.as_ref().unwrap().name);
                self.pending.push(Pending::Activity(id));
            }
            Cmd::RequestCancelActivityTaskCommandAttributes(a) => {
                h.activity_cancel_requested(a.scheduled_event_id);
                let pending = self
                    .pending
                    .iter_mut()
                    .find(|pending| matches!(pending, Pending::Activity(id) if *id == a.scheduled_event_id));
                *pending.expect("the activity is pending") = Pending::ActivityCancelled(a.scheduled_event_id);
            }
            Cmd::StartTimerCommandAttributes(a) => {
                let id = h.timer_started(&a.timer_id);
                self.timers.push((a.timer_id.clone(), id));
                self.pending.push(Pending::Timer(id));
            }
            Cmd::CancelTimerCommandAttributes(a) => {
                h.timer_canceled(&a.timer_id);
                let started = self.timers.iter().find(|(id, _)| *id == a.timer_id).unwrap().1;
                let before = self.pending.len();
                self.pending
                    .retain(|pending| !matches!(pending, Pending::Timer(id) if *id == started));
                assert_eq!(before, self.pending.len() + 1, "the timer is pending");
            }
            Cmd::StartChildWorkflowExecutionCommandAttributes(a) => {
                let id = h.child_initiated(&a.workflow_id, &a.workflow_type.as_ref().unwrap().name);
                self.children.push((a.workflow_id.clone(), id));
                self.pending.push(Pending::ChildStart(id));
            }
            Cmd::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => {
                let id = h.cancel_external_initiated(&a.workflow_id);
                self.pending.push(Pending::Cancel(id));
                if let Some((_, child)) = self.children.iter().find(|(name, _)| *name == a.workflow_id) {
                    for pending in &mut self.pending {
                        if matches!(pending, Pending::Child(id) if id == child) {
                            *pending = Pending::ChildCancelled(*child);
                        }
                    }
                }
            }
            Cmd::SignalExternalWorkflowExecutionCommandAttributes(a) => {
                let id = h.signal_external_initiated("other", &a.signal_name);
                self.pending.push(Pending::Signal(id));
            }
            Cmd::ScheduleNexusOperationCommandAttributes(a) => {
                let id = h.nexus_scheduled(&a.operation);
                self.pending.push(Pending::NexusStart(id));
            }
            Cmd::RequestCancelNexusOperationCommandAttributes(a) => {
                h.nexus_cancel_requested(a.scheduled_event_id);
                for pending in &mut self.pending {
                    if matches!(pending, Pending::NexusStart(id) | Pending::Nexus(id) if *id == a.scheduled_event_id) {
                        *pending = Pending::NexusCancelled(a.scheduled_event_id);
                    }
                }
                self.pending.push(Pending::NexusCancelDelivered(a.scheduled_event_id));
            }
            Cmd::RecordMarkerCommandAttributes(a) => {
                use protos::api::history::v1::{MarkerRecordedEventAttributes, history_event::Attributes};
                h.event(Attributes::MarkerRecordedEventAttributes(
                    MarkerRecordedEventAttributes {
                        marker_name: a.marker_name.clone(),
                        details: a.details.clone(),
                        failure: a.failure.clone(),
                        ..Default::default()
                    },
                ));
            }
            Cmd::UpsertWorkflowSearchAttributesCommandAttributes(a) => {
                let key = a
                    .search_attributes
                    .as_ref()
                    .unwrap()
                    .indexed_fields
                    .keys()
                    .next()
                    .unwrap();
                h.search_attributes_upserted(key);
            }
            Cmd::ModifyWorkflowPropertiesCommandAttributes(a) => {
                let key = a.upserted_memo.as_ref().unwrap().fields.keys().next().unwrap();
                h.memo_upserted(key);
            }
            Cmd::ProtocolMessageCommandAttributes(a) => {
                let message = messages.iter().find(|message| message.id == a.message_id).unwrap();
                let id = &message.protocol_instance_id;
                if a.message_id.ends_with("/accept") {
                    use protos::prost::Message as _;
                    let value = message.body.as_ref().unwrap().value.as_slice();
                    let acceptance = protos::api::update::v1::Acceptance::decode(value).unwrap();
                    h.update_accepted(id, acceptance.accepted_request_sequencing_event_id);
                } else {
                    h.update_completed(id, 0);
                }
            }
            Cmd::CompleteWorkflowExecutionCommandAttributes(_) => {
                h.completed();
                self.closed = true;
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Lets one pending thing happen.
    fn happen(&mut self) {
        if self.pending.is_empty() {
            self.history.signaled("s");
            return;
        }
        let index = self.choose(self.pending.len());
        let coin = self.choose(2) == 0;
        let h = &mut self.history;
        match self.pending.remove(index) {
            Pending::Activity(id) if coin => {
                h.activity_completed(id, "done");
            }
            Pending::Activity(id) => {
                h.activity_failed(id, failure("no"));
            }
            Pending::ActivityCancelled(id) if coin => {
                h.activity_canceled(id);
            }
            Pending::ActivityCancelled(id) => {
                h.activity_completed(id, "done");
            }
            Pending::Timer(id) => {
                h.timer_fired(id);
            }
            Pending::ChildStart(id) => {
                h.child_started(id);
                self.pending.push(Pending::Child(id));
            }
            Pending::Child(id) => {
                h.child_completed(id, "done");
            }
            Pending::ChildCancelled(id) => {
                h.child_canceled(id);
            }
            Pending::Signal(id) if coin => {
                h.signal_external_done(id);
            }
            Pending::Signal(id) => {
                h.signal_external_failed(id);
            }
            Pending::Cancel(id) if coin => {
                h.cancel_external_done(id);
            }
            Pending::Cancel(id) => {
                h.cancel_external_failed(id);
            }
            Pending::NexusStart(id) if coin => {
                h.nexus_started(id, "token");
                self.pending.push(Pending::Nexus(id));
            }
            Pending::NexusStart(id) | Pending::Nexus(id) => {
                h.nexus_completed(id);
            }
            Pending::NexusCancelDelivered(id) => {
                h.nexus_cancel_delivered(id);
            }
            Pending::NexusCancelled(id) if coin => {
                h.nexus_canceled(id);
            }
            Pending::NexusCancelled(id) => {
                h.nexus_completed(id);
            }
        }
    }

    /// The next task: things happen, tasks fail, updates come.
    fn next_task(&mut self, previous: i64, forced: bool) -> TaskOf {
        for _ in 0..self.choose(3) + usize::from(!forced) {
            self.happen();
        }
        match self.choose(8) {
            0 => {
                self.history.failed_task();
            }
            1 => {
                self.history.timed_out_task();
            }
            _ => {}
        }
        let scheduled = self.history.task_scheduled();
        if self.choose(4) == 0 {
            self.history.signaled("s");
        }
        let mut messages = Vec::new();
        for _ in 0..self.choose(6).saturating_sub(3) {
            self.updates += 1;
            let kind = if self.choose(3) == 0 { "bad" } else { "good" };
            messages.push(message(&format!("{kind}-{}", self.updates), scheduled));
        }
        let started = self.history.task_started();
        TaskOf {
            started,
            previous,
            messages,
        }
    }
}

fn scenario(program: Vec<Vec<Op>>, choices: Vec<u8>) {
    let clock = Rc::new(Cell::new(0));
    let script = script(program, clock.clone());
    let mut server = Server {
        history: HistoryBuilder::new(),
        pending: Vec::new(),
        timers: Vec::new(),
        children: Vec::new(),
        choices: choices.into(),
        updates: 0,
        closed: false,
    };
    let mut tasks: Vec<(TaskOf, Vec<Command>)> = Vec::new();
    let mut instance: Option<Instance> = None;
    let mut forced = true;
    while !server.closed && tasks.len() < 40 {
        clock.set(tasks.len());
        let previous = tasks.last().map_or(0, |(task, _)| task.started);
        let checkpoint = server.history.events.len();
        // A speculative task: nothing but an update that is rejected. The server forgets it if it can.
        if let Some(instance) = instance.as_mut().filter(|_| !forced && server.choose(4) == 1) {
            let mut speculative = server.history.clone();
            let scheduled = speculative.task_scheduled();
            let started = speculative.task_started();
            let task = TaskOf {
                started,
                previous,
                messages: vec![message("bad-speculative", scheduled)],
            };
            instance.handle_task(sticky_task(&speculative.events, &task)).unwrap();
            let done = completion(work(instance).unwrap());
            assert!(done.commands.is_empty() && done.messages.len() == 1);
            if done.force_create_new_workflow_task {
                server.history = speculative;
                server.record(&done);
                tasks.push((task, done.commands));
                forced = true;
            }
            continue;
        }
        let task = server.next_task(previous, forced);
        assert!(checkpoint < server.history.events.len());
        let events = &server.history.events;
        match &mut instance {
            None => instance = Some(Instance::new(&script, whole_task(events, &task)).unwrap()),
            Some(instance) => instance.handle_task(sticky_task(events, &task)).unwrap(),
        }
        let done = completion(work(instance.as_mut().unwrap()).unwrap());
        forced = done.force_create_new_workflow_task;
        server.record(&done);
        tasks.push((task, done.commands));
    }
    let events = &server.history.events;
    replay(events, &script).unwrap();
    for (index, (task, commands)) in tasks.iter().enumerate() {
        clock.set(index);
        let mut evicted = Instance::new(&script, whole_task(events, task)).unwrap();
        let again = completion(work(&mut evicted).unwrap()).commands;
        let (found, expected): (Vec<_>, Vec<_>) = (
            again.iter().map(summary).collect(),
            commands.iter().map(summary).collect(),
        );
        assert_eq!(found, expected, "task {index} after an eviction");
        assert_eq!(again, *commands);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_replays(
        program in prop::collection::vec(prop::collection::vec(op(), 0..5), 1..4),
        choices in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        scenario(program, choices);
    }
}
