//! Polls that end as tasks are handed to them: no task is lost.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Start(u8),
    Signal(u8),
    Query(u8),
    Poll(bool),
    /// A poll that says when its caller gives up.
    PollFor(bool, u16),
    /// The caller of a poll goes away, whether its task is on the way or not.
    Leave(u8),
    Complete(u8, bool),
    Fail(u8),
    ShutDown,
    Advance(u16),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6u8).prop_map(Op::Start),
        4 => (0..6u8).prop_map(Op::Signal),
        1 => (0..6u8).prop_map(Op::Query),
        6 => any::<bool>().prop_map(Op::Poll),
        3 => (any::<bool>(), 2_000..4_000u16).prop_map(|(sticky, millis)| Op::PollFor(sticky, millis)),
        6 => any::<u8>().prop_map(Op::Leave),
        5 => (any::<u8>(), any::<bool>()).prop_map(|(at, sticky)| Op::Complete(at, sticky)),
        1 => any::<u8>().prop_map(Op::Fail),
        1 => Just(Op::ShutDown),
        3 => (0..3_000u16).prop_map(Op::Advance),
    ]
}

/// Pollers that come and go around one engine.
struct Crowd {
    t: Harness,
    /// Polls nobody went away from, with the task once it came.
    polls: Vec<(CallId, Option<Task>)>,
}

impl Crowd {
    fn new() -> Self {
        Crowd {
            t: Harness::new(),
            polls: Vec::new(),
        }
    }

    fn poll(&mut self, sticky: bool, patience: Option<Duration>) {
        let request = wf::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(if sticky { sticky_queue() } else { queue(QUEUE) }),
            identity: "worker".to_owned(),
            ..wf::PollWorkflowTaskQueueRequest::default()
        };
        let deadline = patience.map(|patience| self.t.now + patience);
        let call = self.t.send_until::<rpc::PollWorkflowTaskQueue>(request, deadline);
        self.polls.push((call, None));
    }

    /// Takes what came for the polls; those that ended empty are over.
    fn collect(&mut self) {
        let answers = &mut self.t.answers;
        self.polls.retain_mut(|(call, task)| {
            let Some(answer) = answers.remove(call) else {
                return true;
            };
            let answered = rpc::PollWorkflowTaskQueue::response(answer.unwrap()).unwrap();
            *task = Some(answered);
            task.as_ref().is_some_and(|task| !task.task_token.is_empty())
        });
    }

    fn take(&mut self, at: u8) -> Option<Task> {
        let with_task: Vec<usize> = (0..self.polls.len()).filter(|n| self.polls[*n].1.is_some()).collect();
        let at = with_task.get(usize::from(at).checked_rem(with_task.len())?)?;
        self.polls.remove(*at).1
    }

    fn complete(&mut self, task: Task, sticky: bool) {
        if task.query.is_some() {
            let request = wf::RespondQueryTaskCompletedRequest {
                namespace: "default".to_owned(),
                task_token: task.task_token,
                completed_type: 1,
                ..wf::RespondQueryTaskCompletedRequest::default()
            };
            let _ = self.t.ask(rpc::RespondQueryTaskCompleted, request);
        } else {
            // It may be over by now.
            let _ = self.t.complete_with(&task, vec![], |request| {
                request.sticky_attributes = sticky.then(|| StickyExecutionAttributes {
                    worker_task_queue: Some(sticky_queue()),
                    schedule_to_start_timeout: Some(to_proto(seconds(2))),
                });
            });
        }
    }

    fn run(&mut self, op: &Op) {
        let name = |id: &u8| format!("wf-{id}");
        match op {
            Op::Start(id) => {
                // Tasks must not come back because they time out.
                let long = |request: &mut wf::StartWorkflowExecutionRequest| {
                    request.workflow_task_timeout = Some(to_proto(seconds(120)));
                };
                let _ = self.t.start_with(&name(id), long);
            }
            Op::Signal(id) => {
                let _ = self.t.signal_request(&name(id), "s", "");
            }
            Op::Query(id) => {
                let request = wf::QueryWorkflowRequest {
                    namespace: "default".to_owned(),
                    execution: Some(execution(&name(id))),
                    query: Some(temporal_protos::api::query::v1::WorkflowQuery {
                        query_type: "q".to_owned(),
                        ..Default::default()
                    }),
                    ..wf::QueryWorkflowRequest::default()
                };
                let deadline = Some(self.t.now + seconds(3));
                self.t.send_until::<rpc::QueryWorkflow>(request, deadline);
            }
            Op::Poll(sticky) => self.poll(*sticky, None),
            Op::PollFor(sticky, millis) => self.poll(*sticky, Some(Duration::from_millis(u64::from(*millis)))),
            Op::Leave(at) => {
                if let Some(at) = usize::from(*at).checked_rem(self.polls.len()) {
                    let (call, _) = self.polls.remove(at);
                    self.t.answers.remove(&call);
                    self.t.engine.cancel_call(self.t.now, call);
                    self.t.collect();
                }
            }
            Op::Complete(at, sticky) => {
                if let Some(task) = self.take(*at) {
                    self.complete(task, *sticky);
                }
            }
            Op::Fail(at) => {
                if let Some(task) = self.take(*at).filter(|task| task.query.is_none()) {
                    let request = wf::RespondWorkflowTaskFailedRequest {
                        task_token: task.task_token,
                        ..wf::RespondWorkflowTaskFailedRequest::default()
                    };
                    let _ = self.t.ask(rpc::RespondWorkflowTaskFailed, request);
                }
            }
            Op::ShutDown => {
                let request = wf::ShutdownWorkerRequest {
                    namespace: "default".to_owned(),
                    sticky_task_queue: STICKY.to_owned(),
                    ..wf::ShutdownWorkerRequest::default()
                };
                self.t.ask(rpc::ShutdownWorker, request).unwrap();
            }
            Op::Advance(millis) => self.t.advance(Duration::from_millis(u64::from(*millis))),
        }
        self.collect();
    }

    /// One patient worker takes all there is; nothing may be left.
    fn drain(&mut self) {
        for _ in 0..12 {
            for _ in 0..20 {
                self.poll(false, None);
                self.collect();
                while let Some(task) = self.take(0) {
                    self.complete(task, false);
                    self.collect();
                }
            }
            // Sticky tasks and queries move on meanwhile.
            self.t.advance(Duration::from_millis(500));
            self.collect();
        }
        for id in 0..6 {
            let name = format!("wf-{id}");
            let request = wf::DescribeWorkflowExecutionRequest {
                namespace: "default".to_owned(),
                execution: Some(execution(&name)),
            };
            if let Ok(described) = self.t.ask(rpc::DescribeWorkflowExecution, request) {
                let history = self.t.history(&name);
                assert_eq!(described.pending_workflow_task, None, "{name}: {history}");
                assert!(history.ends_with("WftCompleted"), "{name}: {history}");
            }
        }
    }
}

/// Two workers on one queue, each of which knows one of two workflow types.
struct Strangers {
    t: Harness,
    /// Each worker's poll, and the tasks that it has.
    workers: [(CallId, Vec<Task>); 2],
}

const KNOWN: [&str; 2] = ["A", "B"];

impl Strangers {
    fn poll(t: &mut Harness, worker: usize) -> CallId {
        let request = wf::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue(QUEUE)),
            identity: "one host".to_owned(),
            worker_instance_key: KNOWN[worker].to_owned(),
            ..wf::PollWorkflowTaskQueueRequest::default()
        };
        t.send(rpc::PollWorkflowTaskQueue, request)
    }

    fn collect(&mut self) {
        for worker in 0..2 {
            let (call, tasks) = &mut self.workers[worker];
            if let Some(got) = self.t.take(rpc::PollWorkflowTaskQueue, *call) {
                tasks.push(got.unwrap());
                // It polls on before it answers.
                *call = Self::poll(&mut self.t, worker);
            }
        }
    }

    /// The one task that a worker has, with its type and attempt.
    fn task(&mut self, worker: usize) -> (String, i32, Task) {
        assert!(!self.workers[worker].1.is_empty(), "worker {worker} has a task");
        let task = self.workers[worker].1.remove(0);
        (task.workflow_type.clone().unwrap().name, task.attempt, task)
    }
}

#[test]
fn workers_with_different_code_do_not_swap_their_tasks_for_ever() {
    let mut t = Harness::new();
    let workers = [0, 1].map(|worker| (Strangers::poll(&mut t, worker), Vec::new()));
    let mut s = Strangers { t, workers };
    // The longest wait has the one that does not know it.
    for kind in ["B", "A"] {
        let of_kind = |request: &mut wf::StartWorkflowExecutionRequest| {
            request.workflow_type = Some(WorkflowType { name: kind.to_owned() });
        };
        s.t.start_with(kind, of_kind).unwrap();
    }
    s.collect();
    for worker in 0..2 {
        let (kind, attempt, task) = s.task(worker);
        assert_eq!((kind.as_str(), attempt), (KNOWN[1 - worker], 1));
        s.t.fail(&task);
        s.collect();
    }
    for (worker, known) in KNOWN.into_iter().enumerate() {
        let (kind, attempt, task) = s.task(worker);
        assert_eq!((kind.as_str(), attempt), (known, 2));
        s.t.complete(&task, vec![complete_workflow()]);
    }
}

#[test]
fn an_activity_that_failed_goes_to_another_worker() {
    let mut t = Harness::new();
    t.begun("wf", vec![activity("1")]);
    let poll = |t: &mut Harness, identity: &str| {
        let request = wf::PollActivityTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue(QUEUE)),
            identity: identity.to_owned(),
            ..wf::PollActivityTaskQueueRequest::default()
        };
        t.send(rpc::PollActivityTaskQueue, request)
    };
    let first = poll(&mut t, "a");
    let task = t.take(rpc::PollActivityTaskQueue, first).unwrap().unwrap();
    let again = poll(&mut t, "a");
    let other = poll(&mut t, "b");
    let failed = wf::RespondActivityTaskFailedRequest {
        task_token: task.task_token,
        failure: Some(application_failure("unknown type")),
        ..wf::RespondActivityTaskFailedRequest::default()
    };
    t.ask(rpc::RespondActivityTaskFailed, failed).unwrap();
    t.advance(seconds(1));
    assert!(t.take(rpc::PollActivityTaskQueue, again).is_none());
    assert_eq!(t.take(rpc::PollActivityTaskQueue, other).unwrap().unwrap().attempt, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_task_is_lost_when_its_poller_leaves(ops in prop::collection::vec(any_op(), 1..120)) {
        let mut crowd = Crowd::new();
        for op in &ops {
            crowd.run(op);
        }
        crowd.drain();
    }
}
