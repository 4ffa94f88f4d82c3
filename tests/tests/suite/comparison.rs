//! The embedded server against a real one: the same scenario gives the same histories, event by event and attribute by attribute.
//!
//! Both run with the same workflow ids and task queues, so that attributes compare as they are; ids, times and sizes compare
//! by their structure ([`normal`]). A scenario is either an ordinary workflow of the suite ([`ordinary`]), or a worker and a
//! client by hand ([`hand`]), where every answer and refusal of the server is compared as well. All runs of all workflows
//! that a scenario names are compared.

mod activities_by_hand;
mod chains_by_hand;
mod children_by_hand;
mod hand;
mod normal;
mod ordinary;
mod tasks_by_hand;
mod updates_by_hand;

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use normal::{Normal, differences};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use temporal_client::connection::RpcError;
use temporal_integration_tests::history::{self, EventType, to_json};
use temporal_integration_tests::server::{Kind, address_of};
use temporal_integration_tests::{Env, run_within};
use temporal_protos::json::JsonMessage;
use temporal_sdk::client::{Client, WorkflowOptions};

/// What is tried: the part of the workflows' ids that tells it, and how many scenarios run at a time. What differs is played
/// again, with less going on: on a busy machine the real server loses a task now and then, which is then late.
const TRIES: [(&str, usize); 4] = [("", 10), ("-again", 4), ("-once-more", 2), ("-at-last", 1)];

/// How long a scenario may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done to a server.
type Act = for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, anyhow::Result<()>>;

/// Names a scenario, as a part of its workflows' ids, and what it does.
type Scenario = (&'static str, Act);

/// What cannot agree, as (scenario, kind of event or answer, part of the attribute's path), with the reason.
const EXCEPTIONS: &[(&str, &str, &str, &str)] = &[
    (
        "sleeps",
        "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
        ".data",
        "the workflow returns how long it slept",
    ),
    (
        "last-task-answers-a-query",
        "workflow task",
        ".queries",
        "the ids of queries are the server's",
    ),
    (
        "nexus",
        "EVENT_TYPE_WORKFLOW_TASK_STARTED",
        ".historySizeBytes",
        "the start of a workflow that serves an operation holds a token, which is longer on the real server",
    ),
];

/// Where a scenario plays: on one server, under its own ids.
struct Stage<'a> {
    env: &'a Env,
    name: &'static str,
    /// The ids of a scenario that is played again are others.
    round: &'static str,
    also: Mutex<Vec<String>>,
    noted: Mutex<Vec<(String, Value)>>,
}

impl Stage<'_> {
    /// The id of the scenario's workflow.
    fn id(&self) -> String {
        self.env.unrecorded_id(&format!("{}{}", self.name, self.round))
    }

    fn options(&self) -> WorkflowOptions {
        self.env.unrecorded_options(&format!("{}{}", self.name, self.round))
    }

    /// The id of another workflow, whose histories are compared as well; the scenario's own with an empty suffix.
    fn also(&self, suffix: &str) -> String {
        if suffix.is_empty() {
            return self.id();
        }
        let id = format!("{}-{suffix}", self.id());
        let mut also = self.also.lock().unwrap_or_else(PoisonError::into_inner);
        if !also.contains(&id) {
            also.push(id.clone());
        }
        id
    }

    fn push(&self, what: String, value: Value) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push((what, value));
    }

    /// Notes what a server answered, to be compared.
    fn note<M: JsonMessage>(&self, what: &str, message: &M) {
        let json = temporal_protos::json::to_json(message).map(|json| serde_json::from_str(&json));
        self.push(what.to_owned(), json.unwrap().unwrap());
    }

    fn note_error(&self, what: &str, error: &RpcError) {
        let text = format!("{:?} {}", error.code(), error.message());
        self.push(format!("{what} refused"), text.into());
    }

    /// Waits for the end of the workflow's first task.
    async fn first_task(&self) -> anyhow::Result<()> {
        self.until(EventType::WorkflowTaskCompleted, 1).await
    }

    /// Waits until the workflow's newest run has so many events of a type.
    async fn until(&self, kind: EventType, times: usize) -> anyhow::Result<()> {
        self.until_in(&self.id(), kind, times).await
    }

    async fn until_in(&self, id: &str, kind: EventType, times: usize) -> anyhow::Result<()> {
        self.env.until(id, kind, times).await.map(drop)
    }

    /// All that is compared: what was noted, and the histories, each with a name.
    async fn seen(&self) -> anyhow::Result<Vec<(String, Vec<(String, Value)>)>> {
        let mut ids = vec![self.id()];
        ids.extend(self.also.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let mut normal = Normal::default();
        let mut seen = Vec::new();
        for id in ids {
            for (number, run) in runs(self.env.client(), &id).await?.into_iter().enumerate() {
                let events = run.into_iter().map(|event| normal.value(event));
                let events = events.map(|event| (kind_of(&event), event)).collect();
                let name = id.strip_prefix(self.env.task_queue()).unwrap_or(&id);
                seen.push((format!("{}, run {}", name.trim_start_matches('-'), number + 1), events));
            }
        }
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let noted = noted.into_iter().map(|(what, value)| (what, normal.value(value)));
        seen.push((format!("{}, answers", self.name), noted.collect()));
        Ok(seen)
    }
}

fn kind_of(event: &Value) -> String {
    event
        .get("eventType")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The histories of all runs of a workflow as JSON, the first one first; none for a workflow that does not exist.
async fn runs(client: &Client, id: &str) -> anyhow::Result<Vec<Vec<Value>>> {
    let mut runs = Vec::new();
    for events in history::chain(client, id).await? {
        anyhow::ensure!(
            events.windows(2).all(|pair| pair[0].task_id < pair[1].task_id),
            "task ids rise: {events:?}"
        );
        let history: Value = serde_json::from_str(&to_json(events)?)?;
        runs.push(history["events"].as_array().cloned().unwrap_or_default());
    }
    Ok(runs)
}

/// What one scenario shows, or why it did not come to its end.
type Seen = Result<Vec<(String, Vec<(String, Value)>)>, String>;

async fn play(env: &Env, (name, act): &'static Scenario, round: &'static str) -> Seen {
    let stage = Stage {
        env,
        name,
        round,
        also: Mutex::default(),
        noted: Mutex::default(),
    };
    let played = tokio::time::timeout(PATIENCE, act(&stage)).await;
    let error = match played {
        Ok(Ok(())) => return stage.seen().await.map_err(|error| format!("{error:?}")),
        Ok(Err(error)) => format!("{error:?}"),
        Err(_) => "it hangs".to_owned(),
    };
    let histories = stage.seen().await.map(|seen| names(&seen)).unwrap_or_default();
    Err(format!("{error}\n{histories}"))
}

/// What there is, without what it holds.
fn names(seen: &[(String, Vec<(String, Value)>)]) -> String {
    let lines = seen.iter().map(|(name, parts)| {
        let kinds: Vec<&str> = parts
            .iter()
            .map(|(kind, _)| kind.trim_start_matches("EVENT_TYPE_"))
            .collect();
        format!("    {name}: {}", kinds.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What each scenario shows on a server.
async fn seen_on(
    env: &Env,
    kind: Kind,
    all: &[&'static Scenario],
    (round, at_once): (&'static str, usize),
) -> anyhow::Result<Vec<Seen>> {
    let client = Client::connect(address_of(kind).await?.as_str()).await?;
    let env = env.with_client(client);
    env.serve(ordinary::worker(&env), async {
        let all = futures_util::stream::iter(all).map(|scenario| play(&env, scenario, round));
        Ok(all.buffered(at_once).collect().await)
    })
    .await
}

/// Tells how what two servers show differs.
fn compare(scenario: &str, dev: &Seen, embedded: &Seen, report: &mut Vec<String>) {
    let (dev, embedded) = match (dev, embedded) {
        (Ok(dev), Ok(embedded)) => (dev, embedded),
        (dev, embedded) => {
            for (server, seen) in [("dev", dev), ("embedded", embedded)] {
                if let Err(error) = seen {
                    report.push(format!("{scenario} on {server}: {error}"));
                }
            }
            return;
        }
    };
    let (a, b) = (names(dev), names(embedded));
    if a != b {
        report.push(format!("{scenario}: dev\n{a}\n  embedded\n{b}"));
        return;
    }
    for ((name, dev), (_, embedded)) in dev.iter().zip(embedded) {
        for (number, ((kind, a), (_, b))) in dev.iter().zip(embedded).enumerate() {
            let mut found = Vec::new();
            differences("", a, b, &mut found);
            let excepted = |path: &str| {
                let here = |(of, in_kind, end, _): &&(&str, &str, &str, &str)| {
                    *of == scenario && in_kind == kind && path.contains(end)
                };
                EXCEPTIONS.iter().any(|exception| here(&exception))
            };
            found.retain(|(path, _)| !excepted(path));
            report.extend(
                found
                    .into_iter()
                    .map(|(path, both)| format!("{name}, {} {kind}{path}: {both}", number + 1)),
            );
        }
    }
}

/// The scenarios in which the servers differ, each with how.
async fn differing(
    env: &Env,
    all: &[&'static Scenario],
    round: (&'static str, usize),
) -> anyhow::Result<Vec<(&'static Scenario, Vec<String>)>> {
    let both = futures_util::future::try_join(
        seen_on(env, Kind::Dev, all, round),
        seen_on(env, Kind::Embedded, all, round),
    );
    let (dev, embedded) = both.await?;
    let mut differing = Vec::new();
    for ((scenario, dev), embedded) in all.iter().zip(&dev).zip(&embedded) {
        let mut report = Vec::new();
        compare(scenario.0, dev, embedded, &mut report);
        if !report.is_empty() {
            differing.push((*scenario, report));
        }
    }
    Ok(differing)
}

/// Plays scenarios on both servers; those whose names hold `COMPARE` when it is set.
fn both_write_the_same(scenarios: &[&'static [Scenario]]) {
    let wanted = std::env::var("COMPARE").unwrap_or_default();
    let all = scenarios.iter().copied().flatten();
    let mut left: Vec<_> = all.filter(|(name, _)| name.contains(&wanted)).collect();
    // Each try has its patience, and more than one scenario after another.
    run_within(Duration::from_secs(300), async |env| {
        let mut report = Vec::new();
        for round in TRIES {
            let found = differing(&env, &left, round).await?;
            (left, report) = found.into_iter().unzip();
            if left.is_empty() {
                break;
            }
        }
        let report = report.concat();
        assert!(
            report.is_empty(),
            "{} differences:\n{}",
            report.len(),
            report.join("\n")
        );
        Ok(())
    });
}

/// S179: each scenario on both servers.
#[test]
fn s179_both_servers_write_the_same_for_ordinary_workflows() {
    both_write_the_same(&[ordinary::SCENARIOS]);
}

#[test]
fn s179_both_servers_write_the_same_for_tasks_and_activities() {
    both_write_the_same(&[tasks_by_hand::SCENARIOS, activities_by_hand::SCENARIOS]);
}

#[test]
fn s179_both_servers_write_the_same_for_updates() {
    both_write_the_same(&[updates_by_hand::SCENARIOS]);
}

#[test]
fn s179_both_servers_write_the_same_for_children_and_chains() {
    both_write_the_same(&[children_by_hand::SCENARIOS, chains_by_hand::SCENARIOS]);
}
