//! Random operations, and what must hold whatever they are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use temporal_protos::api::enums::v1::{
    ParentClosePolicy, QueryRejectCondition, UpdateWorkflowExecutionLifecycleStage, WorkflowIdConflictPolicy,
};
use temporal_protos::api::nexus::v1::request::Variant as Request;
use temporal_protos::api::query::v1::WorkflowQuery;
use temporal_protos::api::workflow::v1::OnConflictOptions;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Start(u8),
    /// A start that uses the run there is and leaves its request id there.
    Attach(u8),
    Signal(u8),
    Cancel(u8),
    Terminate(u8),
    Reset(u8, u8),
    Update(u8),
    Query(u8),
    Poll,
    PollSticky,
    LosePoll,
    PollActivity,
    Complete(u8, Vec<Cmd>, bool),
    FailTask(u8),
    FinishActivity(u8, bool),
    Heartbeat(u8),
    PauseActivities(u8, bool),
    PollNexus,
    AnswerNexus(u8, NexusAnswer),
    Advance(u16),
}

#[derive(Clone, Copy, Debug)]
enum NexusAnswer {
    Result,
    Started,
    /// A workflow serves the operation.
    Workflow(u8),
    Refused,
    Troubled,
}

#[derive(Clone, Debug)]
enum Cmd {
    Timer(u8),
    CancelTimer(u8),
    Activity(u8),
    CancelActivity(u8),
    Marker,
    Child(u8),
    Signal(u8),
    Operation(u8),
    CancelOperation(u8),
    Complete,
    Fail,
    ContinueAsNew,
}

fn any_command() -> impl Strategy<Value = Cmd> {
    prop_oneof![
        3 => (0..4u8).prop_map(Cmd::Timer),
        1 => (0..4u8).prop_map(Cmd::CancelTimer),
        3 => (0..4u8).prop_map(Cmd::Activity),
        1 => (0..20u8).prop_map(Cmd::CancelActivity),
        1 => Just(Cmd::Marker),
        1 => (0..4u8).prop_map(Cmd::Child),
        1 => (0..4u8).prop_map(Cmd::Signal),
        2 => (0..8u8).prop_map(Cmd::Operation),
        1 => (0..20u8).prop_map(Cmd::CancelOperation),
        1 => Just(Cmd::Complete),
        1 => Just(Cmd::Fail),
        1 => Just(Cmd::ContinueAsNew),
    ]
}

fn any_answer() -> impl Strategy<Value = NexusAnswer> {
    prop_oneof![
        Just(NexusAnswer::Result),
        Just(NexusAnswer::Started),
        (0..4u8).prop_map(NexusAnswer::Workflow),
        Just(NexusAnswer::Refused),
        Just(NexusAnswer::Troubled),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    let commands = prop::collection::vec(any_command(), 0..4);
    prop_oneof![
        4 => (0..4u8).prop_map(Op::Start),
        2 => (0..4u8).prop_map(Op::Attach),
        3 => (0..4u8).prop_map(Op::Signal),
        1 => (0..4u8).prop_map(Op::Cancel),
        1 => (0..4u8).prop_map(Op::Terminate),
        1 => (0..4u8, 0..20u8).prop_map(|(id, at)| Op::Reset(id, at)),
        2 => (0..4u8).prop_map(Op::Update),
        1 => (0..4u8).prop_map(Op::Query),
        6 => Just(Op::Poll),
        3 => Just(Op::PollSticky),
        1 => Just(Op::LosePoll),
        4 => Just(Op::PollActivity),
        8 => (0..8u8, commands, any::<bool>()).prop_map(|(at, commands, sticky)| Op::Complete(at, commands, sticky)),
        1 => (0..8u8).prop_map(Op::FailTask),
        4 => (0..8u8, any::<bool>()).prop_map(|(at, ok)| Op::FinishActivity(at, ok)),
        1 => (0..8u8).prop_map(Op::Heartbeat),
        1 => (0..4u8, any::<bool>()).prop_map(|(id, pause)| Op::PauseActivities(id, pause)),
        4 => Just(Op::PollNexus),
        4 => (0..8u8, any_answer()).prop_map(|(at, answer)| Op::AnswerNexus(at, answer)),
        3 => (0..12_000u16).prop_map(Op::Advance),
    ]
}

fn name(id: u8) -> String {
    format!("wf-{id}")
}

/// A harness, the tasks that workers hold, and every history that was ever shown complete.
struct World {
    t: Harness,
    tasks: Vec<Task>,
    activities: Vec<ActivityTask>,
    requests: Vec<nexus::NexusTask>,
    runs: BTreeSet<(String, String)>,
    log: Vec<String>,
}

impl World {
    fn new(skipping: bool) -> Self {
        let mut t = if skipping { Harness::skipping(0) } else { Harness::new() };
        t.create_endpoint(nexus::worker_spec(nexus::ENDPOINT, nexus::NEXUS))
            .unwrap();
        World {
            t,
            tasks: Vec::new(),
            activities: Vec::new(),
            requests: Vec::new(),
            runs: BTreeSet::new(),
            log: Vec::new(),
        }
    }

    fn command(cmd: &Cmd) -> Command {
        match cmd {
            Cmd::Timer(id) => start_timer(&format!("t{id}"), seconds(u64::from(*id) * 3 + 1)),
            Cmd::CancelTimer(id) => cancel_timer(&format!("t{id}")),
            Cmd::Activity(id) => activity(&format!("a{id}")),
            Cmd::CancelActivity(id) => cancel_activity(i64::from(*id)),
            Cmd::Marker => marker("m"),
            Cmd::Child(id) => {
                let attributes = c::StartChildWorkflowExecutionCommandAttributes {
                    workflow_id: name(*id),
                    workflow_type: Some(WorkflowType { name: "C".to_owned() }),
                    parent_close_policy: ParentClosePolicy::RequestCancel as i32,
                    ..c::StartChildWorkflowExecutionCommandAttributes::default()
                };
                command(
                    CommandType::StartChildWorkflowExecution,
                    CommandAttributes::StartChildWorkflowExecutionCommandAttributes(attributes),
                )
            }
            Cmd::Signal(id) => {
                let attributes = c::SignalExternalWorkflowExecutionCommandAttributes {
                    execution: Some(execution(&name(*id))),
                    signal_name: "s".to_owned(),
                    ..c::SignalExternalWorkflowExecutionCommandAttributes::default()
                };
                command(
                    CommandType::SignalExternalWorkflowExecution,
                    CommandAttributes::SignalExternalWorkflowExecutionCommandAttributes(attributes),
                )
            }
            Cmd::Operation(timeout) => nexus::operation_with(|it| {
                let timeout = seconds(u64::from(*timeout));
                it.schedule_to_close_timeout = (!timeout.is_zero()).then(|| to_proto(timeout));
            }),
            Cmd::CancelOperation(id) => nexus::cancel_operation(i64::from(*id)),
            Cmd::Complete => complete_workflow(),
            Cmd::Fail => fail_workflow(application_failure("no")),
            Cmd::ContinueAsNew => command(
                CommandType::ContinueAsNewWorkflowExecution,
                CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(Default::default()),
            ),
        }
    }

    fn take<T>(from: &mut Vec<T>, at: u8) -> Option<T> {
        if from.is_empty() {
            None
        } else {
            Some(from.remove(usize::from(at) % from.len()))
        }
    }

    fn poll(&mut self, queue: TaskQueue) {
        let call = self.t.send_poll(queue);
        match self.t.take(rpc::PollWorkflowTaskQueue, call) {
            Some(task) => self.take_task(task.unwrap()),
            None => self.t.engine.cancel_call(self.t.now, call),
        }
    }

    /// A worker has a task, whose events follow each other up to the one that starts it.
    fn take_task(&mut self, task: Task) {
        let events = &task.history.as_ref().unwrap().events;
        let ids: Vec<i64> = events.iter().map(|event| event.event_id).collect();
        let follow = ids.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        assert!(follow, "{}", short(events));
        if task.query.is_none() {
            assert_eq!(ids.last(), Some(&task.started_event_id), "{}", short(events));
        }
        self.tasks.push(task);
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Start(id) => {
                let started = self.t.start_with(&name(*id), |_| {});
                self.log.push(format!("{started:?}"));
            }
            Op::Attach(id) => {
                let attached = self.t.start_with(&name(*id), |request| {
                    request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting as i32;
                    request.on_conflict_options = Some(OnConflictOptions {
                        attach_request_id: true,
                        ..OnConflictOptions::default()
                    });
                });
                self.log.push(format!("{attached:?}"));
            }
            Op::Signal(id) => {
                let _ = self.t.signal_request(&name(*id), "s", "");
            }
            Op::Cancel(id) => {
                let request = wf::RequestCancelWorkflowExecutionRequest {
                    namespace: "default".to_owned(),
                    workflow_execution: Some(execution(&name(*id))),
                    ..wf::RequestCancelWorkflowExecutionRequest::default()
                };
                let _ = self.t.ask(rpc::RequestCancelWorkflowExecution, request);
            }
            Op::Terminate(id) => {
                let _ = self.t.terminate(&name(*id));
            }
            Op::Reset(id, at) => {
                let request = wf::ResetWorkflowExecutionRequest {
                    namespace: "default".to_owned(),
                    workflow_execution: Some(execution(&name(*id))),
                    workflow_task_finish_event_id: i64::from(*at),
                    request_id: format!("reset-{}", self.t.calls),
                    ..wf::ResetWorkflowExecutionRequest::default()
                };
                let reset = self.t.ask(rpc::ResetWorkflowExecution, request);
                self.log.push(format!("{reset:?}"));
            }
            Op::Update(id) => {
                let update = format!("u{}", self.t.calls);
                let stage = UpdateWorkflowExecutionLifecycleStage::Completed;
                self.t.send(
                    rpc::UpdateWorkflowExecution,
                    updates::update_request(&name(*id), &update, stage),
                );
            }
            Op::Query(id) => {
                let request = wf::QueryWorkflowRequest {
                    namespace: "default".to_owned(),
                    execution: Some(execution(&name(*id))),
                    query: Some(WorkflowQuery {
                        query_type: "q".to_owned(),
                        ..WorkflowQuery::default()
                    }),
                    query_reject_condition: QueryRejectCondition::NotOpen as i32,
                };
                let deadline = Some(self.t.now + seconds(30));
                self.t.send_until::<rpc::QueryWorkflow>(request, deadline);
            }
            Op::Poll => self.poll(queue(QUEUE)),
            Op::PollSticky => self.poll(sticky_queue()),
            Op::LosePoll => {
                let call = self.t.send_poll(queue(QUEUE));
                self.t.answers.remove(&call);
                self.t.engine.cancel_call(self.t.now, call);
            }
            Op::PollActivity => {
                let call = self.t.send_activity_poll();
                match self.t.take(rpc::PollActivityTaskQueue, call) {
                    Some(task) => self.activities.push(task.unwrap()),
                    None => self.t.engine.cancel_call(self.t.now, call),
                }
            }
            Op::Complete(at, commands, sticky) => self.complete(*at, commands, *sticky),
            Op::FailTask(at) => {
                if let Some(task) = Self::take(&mut self.tasks, *at) {
                    let request = wf::RespondWorkflowTaskFailedRequest {
                        task_token: task.task_token,
                        ..Default::default()
                    };
                    let _ = self.t.ask(rpc::RespondWorkflowTaskFailed, request);
                }
            }
            Op::FinishActivity(at, ok) => self.finish_activity(*at, *ok),
            Op::Heartbeat(at) => {
                if let Some(task) = self.activities.get(usize::from(*at)) {
                    let request = wf::RecordActivityTaskHeartbeatRequest {
                        task_token: task.task_token.clone(),
                        ..Default::default()
                    };
                    let _ = self.t.ask(rpc::RecordActivityTaskHeartbeat, request);
                }
            }
            Op::PauseActivities(id, pause) => self.pause(*id, *pause),
            Op::PollNexus => {
                let call = self.t.send_nexus_poll();
                match self.t.take(rpc::PollNexusTaskQueue, call) {
                    Some(task) => self.requests.push(task.unwrap()),
                    None => self.t.engine.cancel_call(self.t.now, call),
                }
            }
            Op::AnswerNexus(at, answer) => self.answer_nexus(*at, *answer),
            Op::Advance(millis) => self.t.advance(Duration::from_millis(u64::from(*millis))),
        }
        self.t.collect();
    }

    fn complete(&mut self, at: u8, commands: &[Cmd], sticky: bool) {
        let Some(task) = Self::take(&mut self.tasks, at) else {
            return;
        };
        if let Some(query) = &task.query {
            let request = wf::RespondQueryTaskCompletedRequest {
                task_token: task.task_token.clone(),
                completed_type: 1,
                query_result: query.query_args.clone(),
                ..wf::RespondQueryTaskCompletedRequest::default()
            };
            let _ = self.t.ask(rpc::RespondQueryTaskCompleted, request);
            return;
        }
        let messages: Vec<_> = task
            .messages
            .iter()
            .flat_map(|message| {
                [
                    updates::accept(&message.protocol_instance_id),
                    updates::respond(&message.protocol_instance_id),
                ]
            })
            .collect();
        let commands = commands.iter().map(Self::command).collect();
        let done = self.t.complete_with(&task, commands, |request| {
            request.messages = messages;
            request.return_new_workflow_task = sticky;
            if sticky {
                request.sticky_attributes = Some(StickyExecutionAttributes {
                    worker_task_queue: Some(sticky_queue()),
                    schedule_to_start_timeout: Some(to_proto(seconds(5))),
                });
            }
        });
        self.log
            .push(format!("{:?}", done.as_ref().map_err(|status| status.message.clone())));
        if let Ok(response) = done {
            if let Some(task) = response.workflow_task {
                self.take_task(task);
            }
            self.activities.extend(response.activity_tasks);
        }
    }

    fn finish_activity(&mut self, at: u8, ok: bool) {
        let Some(task) = Self::take(&mut self.activities, at) else {
            return;
        };
        if ok {
            let request = wf::RespondActivityTaskCompletedRequest {
                task_token: task.task_token,
                ..Default::default()
            };
            let _ = self.t.ask(rpc::RespondActivityTaskCompleted, request);
        } else {
            let request = wf::RespondActivityTaskFailedRequest {
                task_token: task.task_token,
                failure: Some(application_failure("no")),
                ..wf::RespondActivityTaskFailedRequest::default()
            };
            let _ = self.t.ask(rpc::RespondActivityTaskFailed, request);
        }
    }

    fn answer_nexus(&mut self, at: u8, answer: NexusAnswer) {
        let Some(task) = Self::take(&mut self.requests, at) else {
            return;
        };
        let _ = match answer {
            NexusAnswer::Result => self.t.answer_nexus(&task, Some(nexus::sync("out"))),
            NexusAnswer::Started => self.t.answer_nexus(&task, Some(nexus::started("tok"))),
            NexusAnswer::Workflow(id) => {
                if let Some(Request::StartOperation(start)) = task.request.clone().unwrap().variant {
                    let started = self.t.start_with(&name(id), |request| {
                        request.completion_callbacks = vec![callbacks::callback(start)];
                    });
                    self.log.push(format!("{started:?}"));
                }
                self.t.answer_nexus(&task, Some(nexus::started("tok")))
            }
            NexusAnswer::Refused => self.t.fail_nexus(&task, "BAD_REQUEST"),
            NexusAnswer::Troubled => self.t.fail_nexus(&task, "INTERNAL"),
        };
    }

    fn pause(&mut self, id: u8, pause: bool) {
        if pause {
            let request = wf::PauseActivityRequest {
                namespace: "default".to_owned(),
                execution: Some(execution(&name(id))),
                activity: Some(wf::pause_activity_request::Activity::Type("A".to_owned())),
                ..wf::PauseActivityRequest::default()
            };
            let _ = self.t.ask(rpc::PauseActivity, request);
        } else {
            let request = wf::UnpauseActivityRequest {
                namespace: "default".to_owned(),
                execution: Some(execution(&name(id))),
                activity: Some(wf::unpause_activity_request::Activity::UnpauseAll(true)),
                ..wf::UnpauseActivityRequest::default()
            };
            let _ = self.t.ask(rpc::UnpauseActivity, request);
        }
    }

    fn histories(&mut self) -> BTreeMap<(String, String), Vec<HistoryEvent>> {
        let request = wf::ListWorkflowExecutionsRequest {
            namespace: "default".to_owned(),
            ..Default::default()
        };
        let listed = self.t.ask(rpc::ListWorkflowExecutions, request).unwrap().executions;
        for info in listed {
            let run = info.execution.unwrap();
            self.runs.insert((run.workflow_id, run.run_id));
        }
        let runs: Vec<_> = self.runs.iter().cloned().collect();
        runs.into_iter()
            .map(|(workflow_id, run_id)| {
                let run = WorkflowExecution {
                    workflow_id: workflow_id.clone(),
                    run_id: run_id.clone(),
                };
                ((workflow_id, run_id), self.t.events_of(run))
            })
            .collect()
    }

    fn check(&mut self) {
        for ((workflow_id, run_id), events) in self.histories() {
            check_history(&events);
            let run = WorkflowExecution { workflow_id, run_id };
            let request = wf::DescribeWorkflowExecutionRequest {
                namespace: "default".to_owned(),
                execution: Some(run),
            };
            let described = self.t.ask(rpc::DescribeWorkflowExecution, request).unwrap();
            check_pending(&events, &described);
        }
    }
}

/// Which scheduled, started or initiated event an event closes.
fn closes(attributes: &Attributes) -> Option<i64> {
    Some(match attributes {
        Attributes::ActivityTaskCompletedEventAttributes(it) => it.scheduled_event_id,
        Attributes::ActivityTaskFailedEventAttributes(it) => it.scheduled_event_id,
        Attributes::ActivityTaskTimedOutEventAttributes(it) => it.scheduled_event_id,
        Attributes::ActivityTaskCanceledEventAttributes(it) => it.scheduled_event_id,
        Attributes::TimerFiredEventAttributes(it) => it.started_event_id,
        Attributes::TimerCanceledEventAttributes(it) => it.started_event_id,
        Attributes::WorkflowTaskCompletedEventAttributes(it) => it.scheduled_event_id,
        Attributes::WorkflowTaskFailedEventAttributes(it) => it.scheduled_event_id,
        Attributes::WorkflowTaskTimedOutEventAttributes(it) => it.scheduled_event_id,
        Attributes::ChildWorkflowExecutionCompletedEventAttributes(it) => it.initiated_event_id,
        Attributes::ChildWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
        Attributes::ChildWorkflowExecutionCanceledEventAttributes(it) => it.initiated_event_id,
        Attributes::ChildWorkflowExecutionTimedOutEventAttributes(it) => it.initiated_event_id,
        Attributes::ChildWorkflowExecutionTerminatedEventAttributes(it) => it.initiated_event_id,
        Attributes::StartChildWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
        Attributes::ExternalWorkflowExecutionSignaledEventAttributes(it) => it.initiated_event_id,
        Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
        Attributes::WorkflowExecutionUpdateCompletedEventAttributes(it) => it.accepted_event_id,
        Attributes::NexusOperationCompletedEventAttributes(it) => it.scheduled_event_id,
        Attributes::NexusOperationFailedEventAttributes(it) => it.scheduled_event_id,
        Attributes::NexusOperationCanceledEventAttributes(it) => it.scheduled_event_id,
        Attributes::NexusOperationTimedOutEventAttributes(it) => it.scheduled_event_id,
        Attributes::NexusOperationCancelRequestCompletedEventAttributes(it) => it.requested_event_id,
        Attributes::NexusOperationCancelRequestFailedEventAttributes(it) => it.requested_event_id,
        _ => return None,
    })
}

/// Which started event an event names, with the event that it must follow.
fn names_start(attributes: &Attributes) -> Option<i64> {
    let id = match attributes {
        Attributes::ActivityTaskCompletedEventAttributes(it) => it.started_event_id,
        Attributes::ActivityTaskFailedEventAttributes(it) => it.started_event_id,
        Attributes::ActivityTaskTimedOutEventAttributes(it) => it.started_event_id,
        Attributes::WorkflowTaskCompletedEventAttributes(it) => it.started_event_id,
        Attributes::WorkflowTaskFailedEventAttributes(it) => it.started_event_id,
        Attributes::ChildWorkflowExecutionCompletedEventAttributes(it) => it.started_event_id,
        _ => 0,
    };
    (id != 0).then_some(id)
}

fn check_history(events: &[HistoryEvent]) {
    let mut closed = BTreeSet::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(
            event.event_id,
            index as i64 + 1,
            "ids are contiguous: {}",
            short(events)
        );
        let attributes = event.attributes.as_ref().unwrap();
        if let Some(opened) = closes(attributes) {
            assert!(opened > 0 && opened < event.event_id, "{}", short(events));
            assert!(
                closed.insert(opened),
                "event {opened} is closed twice: {}",
                short(events)
            );
        }
        if let Some(start) = names_start(attributes) {
            assert!(start < event.event_id, "{}", short(events));
            let kind = EventType::try_from(events[start as usize - 1].event_type).unwrap();
            assert!(
                kind.as_str_name().ends_with("STARTED"),
                "event {start} of {}",
                short(events)
            );
        }
        let ends_run = matches!(
            attributes,
            Attributes::WorkflowExecutionCompletedEventAttributes(_)
                | Attributes::WorkflowExecutionFailedEventAttributes(_)
                | Attributes::WorkflowExecutionTerminatedEventAttributes(_)
                | Attributes::WorkflowExecutionContinuedAsNewEventAttributes(_)
                | Attributes::WorkflowExecutionTimedOutEventAttributes(_)
        );
        assert!(
            !ends_run || index + 1 == events.len(),
            "nothing follows the end: {}",
            short(events)
        );
    }
}

/// What the description calls pending is what history leaves open. Closings held back while a task runs are not in history
/// yet, so fewer may be pending, never more.
fn check_pending(events: &[HistoryEvent], described: &wf::DescribeWorkflowExecutionResponse) {
    let closed: BTreeSet<i64> = events
        .iter()
        .filter_map(|event| closes(event.attributes.as_ref().unwrap()))
        .collect();
    let open = |kind: EventType| {
        let of_kind = events.iter().filter(|event| event.event_type == kind as i32);
        of_kind.filter(|event| !closed.contains(&event.event_id)).count()
    };
    let info = described.workflow_execution_info.as_ref().unwrap();
    if info.status != 1 {
        assert!(described.pending_activities.is_empty() && described.pending_workflow_task.is_none());
        return;
    }
    let running = described
        .pending_workflow_task
        .as_ref()
        .is_some_and(|task| task.state == 2);
    let (activities, children, operations) = (
        open(EventType::ActivityTaskScheduled),
        open(EventType::StartChildWorkflowExecutionInitiated),
        open(EventType::NexusOperationScheduled),
    );
    if running {
        assert!(described.pending_activities.len() <= activities);
        assert!(described.pending_children.len() <= children);
        assert!(described.pending_nexus_operations.len() <= operations);
    } else {
        assert_eq!(described.pending_activities.len(), activities, "{}", short(events));
        assert_eq!(described.pending_children.len(), children, "{}", short(events));
        assert_eq!(
            described.pending_nexus_operations.len(),
            operations,
            "{}",
            short(events)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn histories_hold_together(ops in prop::collection::vec(any_op(), 1..80), skipping in any::<bool>()) {
        let mut world = World::new(skipping);
        for op in &ops {
            world.run(op);
            world.check();
        }
        for id in 0..4 {
            let _ = world.t.terminate(&name(id));
        }
        world.tasks.clear();
        world.poll(queue(QUEUE));
        prop_assert!(world.tasks.iter().all(|task| task.query.is_some()), "a closed run has no task but for queries");
        let call = world.t.send_activity_poll();
        prop_assert!(!world.t.answers.contains_key(&call), "no activity of a closed run");
        let call = world.t.send_nexus_poll();
        prop_assert!(!world.t.answers.contains_key(&call), "no request of a closed run");
    }

    #[test]
    fn the_same_calls_give_the_same_histories(ops in prop::collection::vec(any_op(), 1..60)) {
        let run = |ops: &[Op]| {
            let mut world = World::new(true);
            for op in ops {
                world.run(op);
            }
            let histories = world.histories();
            (world.log, histories)
        };
        let (first, second) = (run(&ops), run(&ops));
        prop_assert_eq!(first, second);
    }
}
