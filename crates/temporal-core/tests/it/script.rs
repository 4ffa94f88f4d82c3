//! A tiny workflow runtime: enough to write workflow code for tests as async functions.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use temporal_core::protos::api::common::v1::Payload;
use temporal_core::protos::api::failure::v1::failure::FailureInfo;
use temporal_core::protos::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporal_core::*;

pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What a workflow's main function ends with.
pub(crate) enum End {
    Complete(Option<Payload>),
    Fail(Failure),
    Cancel,
    ContinueAsNew(ContinueAsNew),
}

/// A workflow for tests.
#[derive(Clone)]
pub(crate) struct Script {
    main: Rc<dyn Fn(Ctx) -> Pin<Box<dyn Future<Output = End>>>>,
    update: Rc<dyn Fn(Ctx, UpdateReceived) -> Task>,
    query: Rc<dyn Fn(&Ctx, &QueryRequest) -> Result<Option<Payload>, Failure>>,
    local: Rc<dyn Fn(&ScheduleLocalActivity) -> Option<LocalActivityOutcome>>,
}

impl Script {
    pub(crate) fn new<F: Future<Output = End> + 'static>(main: impl Fn(Ctx) -> F + 'static) -> Self {
        Self {
            main: Rc::new(move |ctx| Box::pin(main(ctx))),
            update: Rc::new(|ctx, update| {
                Box::pin(async move {
                    ctx.run(|run| run.accept_update(&update.protocol_instance_id));
                    let result = Ok(update.arguments.first().cloned());
                    ctx.run(|run| run.complete_update(&update.protocol_instance_id, result));
                })
            }),
            query: Rc::new(|_, query| Ok(Some(json(&query.name)))),
            local: Rc::new(|_| Some(LocalActivityOutcome::Completed(Some(json("local"))))),
        }
    }

    pub(crate) fn update<F: Future<Output = ()> + 'static>(
        mut self,
        handler: impl Fn(Ctx, UpdateReceived) -> F + 'static,
    ) -> Self {
        self.update = Rc::new(move |ctx, update| Box::pin(handler(ctx, update)));
        self
    }

    pub(crate) fn query(
        mut self,
        handler: impl Fn(&Ctx, &QueryRequest) -> Result<Option<Payload>, Failure> + 'static,
    ) -> Self {
        self.query = Rc::new(handler);
        self
    }

    /// How the worker runs local activities: `None` lets one hang.
    pub(crate) fn local(
        mut self,
        handler: impl Fn(&ScheduleLocalActivity) -> Option<LocalActivityOutcome> + 'static,
    ) -> Self {
        self.local = Rc::new(handler);
        self
    }
}

#[derive(Default)]
struct Inbox {
    timers: BTreeMap<TimerSeq, ()>,
    activities: BTreeMap<ActivitySeq, Resolution>,
    locals: BTreeMap<LocalActivitySeq, Resolution>,
    child_starts: BTreeMap<ChildSeq, ChildStart>,
    children: BTreeMap<ChildSeq, Resolution>,
    signals_sent: BTreeMap<SignalExternalSeq, Result<(), Failure>>,
    cancels_sent: BTreeMap<CancelExternalSeq, Result<(), Failure>>,
    nexus_starts: BTreeMap<NexusSeq, Result<Option<String>, Failure>>,
    nexus: BTreeMap<NexusSeq, Resolution>,
    signals: BTreeMap<String, VecDeque<SignalReceived>>,
    cancelled: bool,
    settled: u64,
    seeds: Vec<u64>,
}

/// What workflow code sees.
#[derive(Clone)]
pub(crate) struct Ctx {
    run: Rc<RefCell<WorkflowRun>>,
    inbox: Rc<RefCell<Inbox>>,
    spawned: Rc<RefCell<Vec<Task>>>,
    /// Of the started event.
    pub(crate) arguments: Rc<RefCell<Vec<Payload>>>,
    /// Free for scripts.
    pub(crate) state: Rc<RefCell<Vec<String>>>,
    progress: Rc<Cell<u64>>,
}

struct Until<T, F: FnMut() -> Option<T>>(F);

impl<T, F: FnMut() -> Option<T> + Unpin> Future for Until<T, F> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        match (self.0)() {
            Some(value) => Poll::Ready(value),
            None => Poll::Pending,
        }
    }
}

macro_rules! wait {
    ($ctx:expr, $field:ident, $seq:expr) => {{
        let ctx = $ctx.clone();
        let seq = $seq;
        $ctx.until(move || ctx.inbox.borrow_mut().$field.remove(&seq))
    }};
}

impl Ctx {
    pub(crate) fn run<T>(&self, call: impl FnOnce(&mut WorkflowRun) -> T) -> T {
        call(&mut self.run.borrow_mut())
    }

    pub(crate) fn until<T, F: FnMut() -> Option<T> + Unpin>(
        &self,
        mut ready: F,
    ) -> impl Future<Output = T> + use<T, F> {
        let progress = self.progress.clone();
        Until(move || {
            let value = ready();
            if value.is_some() {
                progress.set(progress.get() + 1);
            }
            value
        })
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.progress.set(self.progress.get() + 1);
        self.spawned.borrow_mut().push(Box::pin(task));
    }

    pub(crate) fn note(&self, text: &str) {
        self.progress.set(self.progress.get() + 1);
        self.state.borrow_mut().push(text.to_owned());
    }

    pub(crate) fn start_timer(&self, seconds: u64) -> TimerSeq {
        self.run(|run| {
            run.start_timer(StartTimer {
                duration: Duration::from_secs(seconds),
                user_metadata: None,
            })
        })
    }
    pub(crate) fn timer(&self, seq: TimerSeq) -> impl Future<Output = ()> + use<> {
        wait!(self, timers, seq)
    }
    pub(crate) fn sleep(&self, seconds: u64) -> impl Future<Output = ()> + use<> {
        let seq = self.start_timer(seconds);
        self.timer(seq)
    }
    pub(crate) fn start_activity(&self, name: &str) -> ActivitySeq {
        self.start_activity_with(name, CancellationType::TryCancel)
    }
    pub(crate) fn start_activity_with(&self, name: &str, cancellation_type: CancellationType) -> ActivitySeq {
        let command = ScheduleActivity {
            activity_type: name.into(),
            start_to_close_timeout: Some(Duration::from_secs(5)),
            cancellation_type,
            ..ScheduleActivity::default()
        };
        self.run(|run| run.schedule_activity(command))
    }
    pub(crate) fn activity_end(&self, seq: ActivitySeq) -> impl Future<Output = Resolution> + use<> {
        wait!(self, activities, seq)
    }
    pub(crate) fn activity(&self, name: &str) -> impl Future<Output = Resolution> + use<> {
        let seq = self.start_activity(name);
        self.activity_end(seq)
    }
    pub(crate) fn start_local(&self, name: &str, cancellation_type: CancellationType) -> LocalActivitySeq {
        let command = ScheduleLocalActivity {
            activity_type: name.into(),
            cancellation_type,
            ..ScheduleLocalActivity::default()
        };
        self.run(|run| run.schedule_local_activity(command))
    }
    pub(crate) fn local_end(&self, seq: LocalActivitySeq) -> impl Future<Output = Resolution> + use<> {
        wait!(self, locals, seq)
    }
    pub(crate) fn local(&self, name: &str) -> impl Future<Output = Resolution> + use<> {
        let seq = self.start_local(name, CancellationType::TryCancel);
        self.local_end(seq)
    }
    pub(crate) fn start_child(&self, workflow_type: &str, id: &str, cancellation_type: CancellationType) -> ChildSeq {
        let command = StartChild {
            workflow_type: workflow_type.into(),
            workflow_id: id.into(),
            cancellation_type,
            ..StartChild::default()
        };
        self.run(|run| run.start_child(command))
    }
    pub(crate) fn child_start(&self, seq: ChildSeq) -> impl Future<Output = ChildStart> + use<> {
        wait!(self, child_starts, seq)
    }
    pub(crate) fn child_end(&self, seq: ChildSeq) -> impl Future<Output = Resolution> + use<> {
        wait!(self, children, seq)
    }
    pub(crate) fn signal_external(
        &self,
        target: ExternalTarget,
        name: &str,
    ) -> (SignalExternalSeq, impl Future<Output = Result<(), Failure>> + use<>) {
        let command = SignalExternal {
            target,
            name: name.into(),
            arguments: Vec::new(),
            header: BTreeMap::new(),
        };
        let seq = self.run(|run| run.signal_external(command));
        (seq, wait!(self, signals_sent, seq))
    }
    pub(crate) fn cancel_external(&self, target: ExternalTarget) -> impl Future<Output = Result<(), Failure>> + use<> {
        let seq = self.run(|run| run.cancel_external(target, "enough"));
        wait!(self, cancels_sent, seq)
    }
    pub(crate) fn start_nexus(&self, operation: &str, cancellation_type: CancellationType) -> NexusSeq {
        let command = ScheduleNexus {
            endpoint: "endpoint".into(),
            service: "service".into(),
            operation: operation.into(),
            cancellation_type,
            ..ScheduleNexus::default()
        };
        self.run(|run| run.schedule_nexus(command))
    }
    pub(crate) fn nexus_start(&self, seq: NexusSeq) -> impl Future<Output = Result<Option<String>, Failure>> + use<> {
        wait!(self, nexus_starts, seq)
    }
    pub(crate) fn nexus_end(&self, seq: NexusSeq) -> impl Future<Output = Resolution> + use<> {
        wait!(self, nexus, seq)
    }
    pub(crate) fn signal(&self, name: &str) -> impl Future<Output = SignalReceived> + use<> {
        let (ctx, name) = (self.clone(), name.to_owned());
        self.until(move || ctx.inbox.borrow_mut().signals.get_mut(&name)?.pop_front())
    }
    pub(crate) fn cancelled(&self) -> impl Future<Output = ()> + use<> {
        let ctx = self.clone();
        self.until(move || ctx.inbox.borrow().cancelled.then_some(()))
    }
    /// Told of all that the task brought.
    pub(crate) async fn settled(&self) {
        if !self.run(WorkflowRun::tell_when_settled) {
            return;
        }
        let (ctx, before) = (self.clone(), self.inbox.borrow().settled);
        self.until(move || (ctx.inbox.borrow().settled > before).then_some(()))
            .await;
    }
    pub(crate) fn seeds(&self) -> Vec<u64> {
        self.inbox.borrow().seeds.clone()
    }
    pub(crate) fn side_effect(&self, make: impl FnOnce() -> Payload) -> Payload {
        let (seq, value) = self.run(WorkflowRun::side_effect);
        value.unwrap_or_else(|| {
            let value = make();
            self.run(|run| run.record_side_effect(seq, value.clone()));
            value
        })
    }
    pub(crate) fn mutable_side_effect(&self, id: &str, make: impl FnOnce() -> Payload) -> Payload {
        self.run(|run| run.mutable_side_effect(id)).unwrap_or_else(|| {
            let value = make();
            self.run(|run| run.record_mutable_side_effect(id, value.clone()));
            value
        })
    }
    pub(crate) fn patched(&self, id: &str) -> bool {
        self.run(|run| run.patched(id, false))
    }
}

/// A run with the code on it, as a worker's cache holds it.
pub(crate) struct Instance {
    script: Script,
    ctx: Ctx,
    tasks: Vec<Task>,
    main: Option<Task>,
    hanging: Vec<(LocalActivitySeq, Box<ScheduleLocalActivity>)>,
    /// Jobs as they came, in short, with what the core said about replaying.
    pub(crate) jobs: Vec<String>,
}

impl Instance {
    pub(crate) fn new(script: &Script, task: WorkflowTask) -> Result<Self, RunError> {
        let options = RunOptions {
            sdk_name: "test-sdk".into(),
            sdk_version: "1".into(),
        };
        let run = WorkflowRun::new(options, task)?;
        let ctx = Ctx {
            run: Rc::new(RefCell::new(run)),
            inbox: Rc::default(),
            spawned: Rc::default(),
            arguments: Rc::default(),
            state: Rc::default(),
            progress: Rc::default(),
        };
        Ok(Self {
            script: script.clone(),
            ctx,
            tasks: Vec::new(),
            main: None,
            hanging: Vec::new(),
            jobs: Vec::new(),
        })
    }

    pub(crate) fn handle_task(&mut self, task: WorkflowTask) -> Result<(), RunError> {
        self.ctx.run(|run| run.handle_task(task))
    }

    pub(crate) fn state(&self) -> Vec<String> {
        self.ctx.state.borrow().clone()
    }

    /// Works a task off, pages from `pages`.
    pub(crate) fn work(
        &mut self,
        pages: &mut dyn FnMut() -> Option<Vec<protos::api::history::v1::HistoryEvent>>,
    ) -> Result<Outcome, RunError> {
        loop {
            let next = self.ctx.run(WorkflowRun::next_job)?;
            match next {
                Next::Job(job) => {
                    self.apply(job);
                    self.poll();
                }
                Next::NeedsHistory => {
                    let page = pages();
                    let more = page.is_some();
                    self.ctx
                        .run(|run| run.handle_history_page(page.unwrap_or_default(), more));
                }
                Next::Done if self.run_local_activities() => {}
                Next::Done => break,
            }
        }
        self.ctx.run(WorkflowRun::finish_task)
    }

    /// Runs what can be run; whether an outcome was handed in. What hangs is asked again in the next task.
    fn run_local_activities(&mut self) -> bool {
        let mut handed = false;
        let mut hanging = Vec::new();
        for (seq, command) in std::mem::take(&mut self.hanging) {
            self.run_local_activity(seq, command, &mut hanging, &mut handed);
        }
        while let Some(request) = self.ctx.run(WorkflowRun::next_local_activity) {
            match request {
                LocalActivityRequest::Run(seq, command) => {
                    self.run_local_activity(seq, command, &mut hanging, &mut handed);
                }
                LocalActivityRequest::Cancel(seq) => {
                    hanging.retain(|(hanging, _)| *hanging != seq);
                    let failure = Failure {
                        message: "stopped".into(),
                        failure_info: Some(FailureInfo::CanceledFailureInfo(Default::default())),
                        ..Failure::default()
                    };
                    handed = true;
                    self.ctx
                        .run(|run| run.handle_local_activity(seq, LocalActivityOutcome::Cancelled(failure)));
                }
            }
        }
        self.hanging = hanging;
        handed
    }

    fn run_local_activity(
        &mut self,
        seq: LocalActivitySeq,
        command: Box<ScheduleLocalActivity>,
        hanging: &mut Vec<(LocalActivitySeq, Box<ScheduleLocalActivity>)>,
        handed: &mut bool,
    ) {
        match (self.script.local)(&command) {
            Some(outcome) => {
                *handed = true;
                self.ctx.run(|run| run.handle_local_activity(seq, outcome));
            }
            None => hanging.push((seq, command)),
        }
    }

    fn apply(&mut self, job: Job) {
        let short = format!("{job:?}");
        let name: String = short.chars().take_while(|c| c.is_alphanumeric()).collect();
        self.jobs.push(name);
        let mut inbox = self.ctx.inbox.borrow_mut();
        match job {
            Job::Initialize(initialize) => {
                *self.ctx.arguments.borrow_mut() = initialize.arguments;
                inbox.seeds.push(initialize.random_seed);
                drop(inbox);
                let (ctx, main) = (self.ctx.clone(), (self.script.main)(self.ctx.clone()));
                self.main = Some(Box::pin(async move {
                    let end = main.await;
                    ctx.run(|run| match end {
                        End::Complete(result) => run.complete(result),
                        End::Fail(failure) => run.fail(failure),
                        End::Cancel => run.cancel(),
                        End::ContinueAsNew(next) => run.continue_as_new(next),
                    });
                }));
            }
            Job::Run => self.tasks.extend(self.main.take()),
            Job::Signal(signal) => inbox.signals.entry(signal.name.clone()).or_default().push_back(signal),
            Job::Update(update) => {
                drop(inbox);
                self.tasks.push((self.script.update)(self.ctx.clone(), *update));
            }
            Job::Query(query) => {
                drop(inbox);
                let answer = (self.script.query)(&self.ctx, &query);
                self.ctx.run(|run| run.answer_query(&query.id, answer));
            }
            Job::CancelRequested { .. } => inbox.cancelled = true,
            Job::Settled => inbox.settled += 1,
            Job::TimerFired(seq) => drop(inbox.timers.insert(seq, ())),
            Job::ActivityResolved(seq, resolution) => drop(inbox.activities.insert(seq, resolution)),
            Job::LocalActivityResolved(seq, resolution) => drop(inbox.locals.insert(seq, resolution)),
            Job::ChildStarted(seq, start) => drop(inbox.child_starts.insert(seq, start)),
            Job::ChildResolved(seq, resolution) => drop(inbox.children.insert(seq, resolution)),
            Job::SignalExternalResolved(seq, result) => drop(inbox.signals_sent.insert(seq, result)),
            Job::CancelExternalResolved(seq, result) => drop(inbox.cancels_sent.insert(seq, result)),
            Job::NexusStarted(seq, result) => drop(inbox.nexus_starts.insert(seq, result)),
            Job::NexusResolved(seq, resolution) => drop(inbox.nexus.insert(seq, resolution)),
            Job::RandomSeedUpdated(seed) => inbox.seeds.push(seed),
        }
    }

    /// Polls every task until nothing moves.
    fn poll(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let before = self.ctx.progress.get();
            let mut tasks = std::mem::take(&mut self.tasks);
            tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
            self.tasks = tasks;
            self.tasks.append(&mut self.ctx.spawned.borrow_mut());
            if self.ctx.progress.get() == before {
                break;
            }
        }
    }
}

/// A `json/plain` string.
pub(crate) fn json(text: &str) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: format!("{text:?}").into(),
        ..Payload::default()
    }
}

/// An application failure.
pub(crate) fn failure(message: &str) -> Failure {
    Failure {
        message: message.into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default())),
        ..Failure::default()
    }
}

/// What workflow code ends with after an operation.
pub(crate) fn end(resolution: Resolution) -> End {
    match resolution {
        Resolution::Completed(result) => End::Complete(result),
        Resolution::Failed(failure) => End::Fail(failure),
        Resolution::Cancelled(_) => End::Cancel,
        Resolution::Backoff { .. } => End::Fail(failure("back-off")),
    }
}
