//! Runs a program with random things happening to it, and checks what it left.

use crate::BATCH;
use crate::activities::MINUTE;
use crate::program::{Done, Program, Start};
use crate::random::Random;
use crate::step::Step;
use anyhow::{Context as _, anyhow, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use temporal_integration_tests::history::{Attributes, Event, EventType};
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::enums::v1::{TimeoutType, WorkflowTaskFailedCause};
use temporal_protos::api::workflowservice::v1::{ResetStickyTaskQueueRequest, ResetWorkflowExecutionRequest};
use temporal_sdk::client::{
    Client, Code, QueryError, UpdateWaitStage, UpdateWithStartError, WorkflowHandle, WorkflowHistory, WorkflowOptions,
};
use temporal_sdk::worker::Replayer;

/// How long a program may take, in real time.
const DEADLINE: Duration = Duration::from_secs(180);

/// How long a workflow task of a patient program may take: shorter than its long local activities. The worker keeps it alive
/// after four fifths: what is left is for a machine that is busy.
const SHORT: Duration = Duration::from_secs(5);

/// Programs are patient in one batch of so many, so that the others need not wait for them.
const PATIENT_BATCHES: u64 = 8;

/// How a program is started.
#[derive(Debug, Clone)]
enum Beginning {
    Plain,
    Signal(Step),
    Update(Step),
}

impl Beginning {
    fn random(random: &mut Random) -> Self {
        match random.below(8) {
            0 => Self::Signal(Step::random(random, 1)),
            1 => Self::Update(Step::random(random, 1)),
            _ => Self::Plain,
        }
    }
}

/// Something that happens to a program.
#[derive(Debug, Clone)]
enum Action {
    Bump,
    Step(Step),
    Update(Step),
    Query,
    Cancel,
    ResetSticky,
}

impl Action {
    fn random(random: &mut Random) -> Self {
        match random.below(20) {
            0..=6 => Self::Bump,
            7..=9 => Self::Step(Step::random(random, 1)),
            10..=13 => Self::Update(Step::random(random, 1)),
            14..=16 => Self::Query,
            17 => Self::Cancel,
            _ => Self::ResetSticky,
        }
    }
}

/// What the driver of a program is at.
#[derive(Default)]
struct Doing(Mutex<String>);

impl Doing {
    fn set(&self, what: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What programs did.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) completed: u64,
    pub(crate) runs: u64,
    /// How many events of each type there are, by its name.
    pub(crate) events: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.runs += other.runs;
        for (name, count) in &other.events {
            *self.events.entry(name).or_default() += count;
        }
    }

    pub(crate) fn of(&self, kind: EventType) -> u64 {
        self.events.get(kind.as_str_name()).copied().unwrap_or_default()
    }
}

/// A program on its task queue.
pub(crate) struct Seed<'a> {
    pub(crate) seed: u64,
    pub(crate) client: &'a Client,
    pub(crate) replayer: &'a Replayer,
    pub(crate) task_queue: &'a str,
}

impl Seed<'_> {
    /// Runs it to its end and checks it.
    pub(crate) async fn run(&self) -> anyhow::Result<Counts> {
        let mut random = Random::new(self.seed);
        let mut runs = vec![Step::program(&mut random)];
        while random.once_in(5) {
            runs.push(Step::program(&mut random));
        }
        let count = random.below(8);
        let actions: Vec<_> = (0..count)
            .map(|_| (random.below(4), Action::random(&mut random)))
            .collect();
        let beginning = Beginning::random(&mut random);
        let start = Start {
            seed: self.seed,
            runs,
            patient: self.among_patient() && random.once_in(2),
            settles: random.once_in(2),
            ..Start::default()
        };
        let id = format!("p-{}", self.seed);
        let handle = self.begin(&id, start, beginning).await?;
        let first = handle.run_id().unwrap_or_default().to_owned();
        let doing = Doing::default();
        let lives = tokio::time::timeout(DEADLINE, self.live(&handle, actions, &doing)).await;
        let seen = match lives {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => return self.fails(&id, "", error).await,
            Err(_) => return self.fails(&id, "", anyhow!("it does not end; {}", doing.get())).await,
        };
        let (result, seen) = seen;
        let mut counts = self.check(&id, &first, &mut random, &result, &seen).await?;
        counts.completed += u64::from(result.is_some());
        if random.once_in(8) {
            counts.add(&self.again(&handle, &first, &mut random, &doing).await?);
        }
        Ok(counts)
    }

    /// Whether it is in a batch that has patient programs.
    fn among_patient(&self) -> bool {
        (self.seed / BATCH).is_multiple_of(PATIENT_BATCHES)
    }

    /// Resets its first run to one of its tasks, lets it go on to its end from there, and checks what came of it.
    async fn again(
        &self,
        handle: &WorkflowHandle<Program>,
        run_id: &str,
        random: &mut Random,
        doing: &Doing,
    ) -> anyhow::Result<Counts> {
        let id = handle.id();
        let history = self.client.workflow_handle::<Program>(id).with_run_id(run_id);
        let events = history.fetch_history().await?.events;
        let completed = events
            .iter()
            .filter(|event| event.event_type() == EventType::WorkflowTaskCompleted);
        let points: Vec<i64> = completed.map(|event| event.event_id).collect();
        let point = points[usize::try_from(random.below(points.len() as u64))?];
        if leaves_children(&events, point) {
            return Ok(Counts::default());
        }
        let request = ResetWorkflowExecutionRequest {
            namespace: self.client.namespace().to_owned(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: id.to_owned(),
                run_id: run_id.to_owned(),
            }),
            reason: "again".to_owned(),
            workflow_task_finish_event_id: point,
            request_id: format!("{id}-{point}"),
            ..ResetWorkflowExecutionRequest::default()
        };
        let run_id = match self.client.call(request).await {
            Ok(reset) => reset.run_id,
            // The task was written when it completed, as one with an update and nothing else is: no run begins within it.
            Err(error) if error.to_string().contains("must be at the boundary") => return Ok(Counts::default()),
            Err(error) => return Err(error).with_context(|| format!("reset of {id} to event {point}")),
        };
        let handle = self.client.workflow_handle::<Program>(id).with_run_id(&run_id);
        let lives = tokio::time::timeout(DEADLINE, self.live(&handle, Vec::new(), doing)).await;
        let (result, seen) = match lives {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => return self.fails(id, "", error).await,
            Err(_) => {
                let error = anyhow!("reset to event {point}, it does not end; {}", doing.get());
                return self.fails(id, "", error).await;
            }
        };
        self.check(id, &run_id, random, &result, &seen).await
    }

    async fn begin(&self, id: &str, start: Start, beginning: Beginning) -> anyhow::Result<WorkflowHandle<Program>> {
        // A machine under load is not what is looked for.
        let timeout = if start.patient { SHORT } else { MINUTE };
        let options = WorkflowOptions::new(id, self.task_queue).task_timeout(timeout);
        Ok(match beginning {
            Beginning::Plain => self.client.start_workflow(Program::run, start, options).await?,
            Beginning::Signal(step) => {
                let started = self
                    .client
                    .signal_with_start(Program::run, start, options, Program::step, step);
                started.await?
            }
            Beginning::Update(step) => {
                let stage = UpdateWaitStage::Accepted;
                let started =
                    self.client
                        .start_update_with_start(Program::run, start, options, Program::change, step, stage);
                match started.await {
                    Ok((handle, _)) => handle,
                    // Its validator refused the update.
                    Err(UpdateWithStartError::Update(_)) => {
                        let description = self.client.workflow_handle::<Program>(id).describe().await?;
                        self.client.workflow_handle(id).with_run_id(description.run_id())
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }

    /// Lets things happen to it and waits for its end. Gives its result, if it has one, and what queries saw meanwhile.
    async fn live(
        &self,
        handle: &WorkflowHandle<Program>,
        actions: Vec<(u64, Action)>,
        doing: &Doing,
    ) -> anyhow::Result<(Option<Done>, Vec<Done>)> {
        // Without the run's id, so that what continues it is meant, too.
        let newest = self.client.workflow_handle::<Program>(handle.id());
        let drive = async {
            let mut seen = Vec::new();
            for (pause, action) in actions {
                // Not to wait for something, but to be early or late with it.
                tokio::time::sleep(Duration::from_millis(pause * pause * 2)).await;
                doing.set(format!("its driver is at {action:?}"));
                self.act(&newest, action, &mut seen).await?;
            }
            // It has ended, unless this arrives. A run that continues as new in the task that brings the signal may
            // have decided before it saw it, so that the next run needs another.
            let mut pause = Duration::from_millis(500);
            while newest.signal(Program::finish, ()).await.is_ok() {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            doing.set("its driver is done".to_owned());
            anyhow::Ok(seen)
        };
        let (result, seen) = tokio::join!(handle.result(), drive);
        Ok((result.ok(), seen?))
    }

    /// The program may have ended, so that nothing but a query has to succeed.
    async fn act(&self, handle: &WorkflowHandle<Program>, action: Action, seen: &mut Vec<Done>) -> anyhow::Result<()> {
        match action {
            Action::Bump => drop(handle.signal(Program::bump, ()).await),
            Action::Step(step) => drop(handle.signal(Program::step, step).await),
            Action::Update(step) => {
                drop(
                    handle
                        .start_update(Program::change, step, UpdateWaitStage::Accepted)
                        .await,
                );
            }
            Action::Query => loop {
                match handle.query(Program::log, ()).await {
                    // Its first task, before which nothing can be asked, may have to be tried again on a busy machine.
                    Err(QueryError::Rpc(late)) if late.code() == Code::DeadlineExceeded && self.among_patient() => {}
                    answer => {
                        seen.push(answer.context("a query")?);
                        break;
                    }
                }
            },
            Action::Cancel => drop(handle.cancel().await),
            Action::ResetSticky => {
                let request = ResetStickyTaskQueueRequest {
                    namespace: self.client.namespace().to_owned(),
                    execution: Some(WorkflowExecution {
                        workflow_id: handle.id().to_owned(),
                        run_id: String::new(),
                    }),
                };
                drop(self.client.call(request).await);
            }
        }
        Ok(())
    }

    /// Checks its runs, and those of its children.
    async fn check(
        &self,
        id: &str,
        first: &str,
        random: &mut Random,
        result: &Option<Done>,
        seen: &[Done],
    ) -> anyhow::Result<Counts> {
        let mut counts = Counts::default();
        let mut open = vec![(id.to_owned(), first.to_owned())];
        let mut known = BTreeSet::new();
        while let Some((id, run_id)) = open.pop() {
            if !known.insert(run_id.clone()) {
                continue;
            }
            let handle = self.client.workflow_handle::<Program>(&id).with_run_id(&run_id);
            let history = handle
                .fetch_history()
                .await
                .with_context(|| format!("the history of {id}"))?;
            counts.runs += 1;
            let patient = is_patient(&history);
            for event in &history.events {
                *counts.events.entry(event.event_type().as_str_name()).or_default() += 1;
                if let Err(error) = good(event, patient) {
                    return self.fails(&id, &run_id, error).await;
                }
                open.extend(follow(event, &id));
            }
            if let Err(error) = self.replays(&history, random).await {
                return self.fails(&id, &run_id, error).await;
            }
            let seen: Vec<&Done> = seen.iter().filter(|done| done.run_id == run_id).collect();
            let result = result.as_ref().filter(|done| done.run_id == run_id);
            if (result.is_some() || !seen.is_empty())
                && let Err(error) = same(&handle, result, &seen).await
            {
                return self.fails(&id, &run_id, error).await;
            }
        }
        Ok(counts)
    }

    /// Whether the history replays, whole and cut off somewhere.
    async fn replays(&self, history: &WorkflowHistory, random: &mut Random) -> anyhow::Result<()> {
        let whole = self.replayer.replay(history.clone()).await;
        whole.context("the history does not replay")?;
        let started = history
            .events
            .iter()
            .filter(|event| event.event_type() == EventType::WorkflowTaskStarted);
        let cuts: Vec<i64> = started.map(|event| event.event_id).collect();
        if cuts.is_empty() {
            return Ok(());
        }
        let cut = usize::try_from(cuts[usize::try_from(random.below(cuts.len() as u64))?])?;
        let mut part = history.clone();
        part.events.truncate(cut);
        let part = self.replayer.replay(part).await;
        part.with_context(|| format!("the history up to event {cut} does not replay"))
    }

    /// Writes the newest run's history, or this run's, to a file that the error names.
    async fn fails<T>(&self, id: &str, run_id: &str, error: anyhow::Error) -> anyhow::Result<T> {
        let mut handle = self.client.workflow_handle::<Program>(id);
        if !run_id.is_empty() {
            handle = handle.with_run_id(run_id);
        }
        let history = handle.fetch_history().await;
        let history = history.with_context(|| format!("seed {}: {error:#}", self.seed))?;
        let json = history.to_json()?;
        let events: Vec<_> = history
            .events
            .iter()
            .map(|event| format!("  {} {}", event.event_id, event.event_type().as_str_name()))
            .collect();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("program-{}.json", self.seed));
        std::fs::write(&file, &json)?;
        let (seed, file) = (self.seed, file.display());
        let report = format!(
            "seed {seed}, workflow {id} on {}: again with\n  PROGRAM_SEED={seed} cargo test -p temporal-integration-tests --test programs\nits history, {file}, replays with\n  PROGRAM_HISTORY={file} cargo test -p temporal-integration-tests --test programs\n{}",
            self.task_queue,
            events.join("\n")
        );
        bail!("{error:#}\n{report}")
    }
}

/// Whether the tasks of a run are so short that a machine under load does not get every one done.
fn is_patient(history: &WorkflowHistory) -> bool {
    let timeout = history.events.first().and_then(|event| match &event.attributes {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started.workflow_task_timeout,
        _ => None,
    });
    timeout.is_some_and(|timeout| Duration::try_from(timeout).is_ok_and(|timeout| timeout <= SHORT))
}

/// An event that is not to be in a history of a program.
fn good(event: &Event, patient: bool) -> anyhow::Result<()> {
    match &event.attributes {
        Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) => {
            // Something came while the program ended: the task is tried again with it.
            let usual = [
                WorkflowTaskFailedCause::UnhandledCommand,
                // A child is ended with its parent.
                WorkflowTaskFailedCause::ForceCloseCommand,
                // Where a run was reset.
                WorkflowTaskFailedCause::ResetWorkflow,
            ];
            // A child was started under the id of a running one, which was cancelled later in the same task: no server takes that.
            let clash = "Start and RequestCancel for child workflow is not allowed in same workflow task";
            let clashes = failed.failure.as_ref().is_some_and(|it| it.message.contains(clash));
            ensure!(
                clashes || usual.contains(&failed.cause()),
                "event {}: a workflow task failed: {:?} {:?}",
                event.event_id,
                failed.cause(),
                failed.failure
            );
        }
        Some(Attributes::WorkflowTaskTimedOutEventAttributes(timed_out))
            if timed_out.timeout_type() == TimeoutType::StartToClose && !patient =>
        {
            bail!("event {}: a workflow task timed out", event.event_id);
        }
        _ => {}
    }
    Ok(())
}

/// Whether a run ended before children that it had at this point. What became of them since then was told to nobody, so
/// that a run reset to the point may wait for them forever.
fn leaves_children(events: &[Event], point: i64) -> bool {
    let mut open = BTreeSet::new();
    for event in events {
        let ended = match &event.attributes {
            Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(_)) if event.event_id < point => {
                open.insert(event.event_id);
                continue;
            }
            Some(Attributes::StartChildWorkflowExecutionFailedEventAttributes(child)) => child.initiated_event_id,
            Some(Attributes::ChildWorkflowExecutionCompletedEventAttributes(child)) => child.initiated_event_id,
            Some(Attributes::ChildWorkflowExecutionFailedEventAttributes(child)) => child.initiated_event_id,
            Some(Attributes::ChildWorkflowExecutionCanceledEventAttributes(child)) => child.initiated_event_id,
            Some(Attributes::ChildWorkflowExecutionTerminatedEventAttributes(child)) => child.initiated_event_id,
            _ => continue,
        };
        open.remove(&ended);
    }
    !open.is_empty()
}

/// The run that an event leads to.
fn follow(event: &Event, id: &str) -> Option<(String, String)> {
    match event.attributes.as_ref()? {
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(next) => {
            Some((id.to_owned(), next.new_execution_run_id.clone()))
        }
        Attributes::ChildWorkflowExecutionStartedEventAttributes(started) => {
            let child = started.workflow_execution.clone()?;
            Some((child.workflow_id, child.run_id))
        }
        _ => None,
    }
}

/// Whether a replay by the worker tells the same as the result and as earlier queries.
async fn same(handle: &WorkflowHandle<Program>, result: Option<&Done>, seen: &[&Done]) -> anyhow::Result<()> {
    let end = handle.query(Program::log, ()).await.context("a query at its end")?;
    if let Some(result) = result {
        ensure!(*result == end, "it ended with {result:?}, and its replay with {end:?}");
    }
    for early in seen {
        ensure!(
            end.log.starts_with(&early.log),
            "it was once at {:?}, and is at its end at {:?}",
            early.log,
            end.log
        );
    }
    Ok(())
}
