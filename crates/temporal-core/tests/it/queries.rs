//! Queries.

use crate::builder::HistoryBuilder;
use crate::check::{completion, sticky_task, tasks_of, whole_task, work};
use crate::script::{End, Instance, Script, failure, json};
use temporal_core::protos::api::enums::v1::QueryResultType;
use temporal_core::protos::api::query::v1::WorkflowQueryResult;
use temporal_core::*;

fn sleeper() -> Script {
    Script::new(|ctx| async move {
        ctx.note("begun");
        ctx.sleep(60).await;
        ctx.note("slept");
        End::Complete(None)
    })
    .query(|ctx, query| match query.name.as_str() {
        "state" => Ok(Some(json(&ctx.state.borrow().join(" ")))),
        "misuse" => {
            assert_eq!(ctx.start_timer(1), TimerSeq(0));
            Ok(Some(json("fine")))
        }
        _ => Err(failure("no such query")),
    })
}

fn query(id: QueryId, name: &str) -> QueryRequest {
    QueryRequest {
        id,
        name: name.into(),
        arguments: Vec::new(),
        header: Default::default(),
    }
}

fn query_task(previous: i64, name: &str) -> WorkflowTask {
    WorkflowTask {
        previous_started_event_id: previous,
        queries: vec![query(QueryId::Direct, name)],
        ..WorkflowTask::default()
    }
}

fn answer(outcome: Outcome) -> WorkflowQueryResult {
    match outcome {
        Outcome::Query(QueryId::Direct, answer) => answer,
        other => panic!("expected an answer, got {other:?}"),
    }
}

fn history() -> HistoryBuilder {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("1");
    h
}

#[test]
fn on_a_cached_run() {
    let mut h = history();
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&sleeper(), whole_task(&h.events, &tasks[0])).unwrap();
    let commands = completion(work(&mut instance).unwrap()).commands.len();
    assert_eq!(commands, 1);
    for _ in 0..2 {
        instance.handle_task(query_task(3, "state")).unwrap();
        let answer = answer(work(&mut instance).unwrap());
        assert_eq!(answer.result_type(), QueryResultType::Answered);
        assert_eq!(answer.answer.unwrap().payloads, [json("begun")]);
    }
    // The run goes on as if nothing had been.
    h.timer_fired(5);
    h.open_task();
    instance
        .handle_task(sticky_task(&h.events, &tasks_of(&h.events)[1]))
        .unwrap();
    let commands = completion(work(&mut instance).unwrap()).commands;
    assert_eq!(crate::check::summary(&commands[0]), "complete");
}

#[test]
fn on_an_evicted_run_that_then_goes_on() {
    let mut h = history();
    let task = WorkflowTask {
        events: h.events.clone(),
        ..query_task(3, "state")
    };
    let mut instance = Instance::new(&sleeper(), task).unwrap();
    assert_eq!(
        answer(work(&mut instance).unwrap()).answer.unwrap().payloads,
        [json("begun")]
    );
    // The sticky queue ships WorkflowTaskCompleted and TimerStarted again.
    h.timer_fired(5);
    h.open_task();
    instance
        .handle_task(sticky_task(&h.events, &tasks_of(&h.events)[1]))
        .unwrap();
    let commands = completion(work(&mut instance).unwrap()).commands;
    assert_eq!(crate::check::summary(&commands[0]), "complete");
}

#[test]
fn on_a_closed_run() {
    let mut h = history();
    h.timer_fired(5);
    h.full_task();
    h.completed();
    let task = WorkflowTask {
        events: h.events.clone(),
        ..query_task(8, "state")
    };
    let mut instance = Instance::new(&sleeper(), task).unwrap();
    assert_eq!(
        answer(work(&mut instance).unwrap()).answer.unwrap().payloads,
        [json("begun slept")]
    );
}

#[test]
fn ride_on_a_task_and_come_last() {
    let mut h = history();
    h.timer_fired(5);
    h.open_task();
    let mut task = whole_task(&h.events, &tasks_of(&h.events)[1]);
    task.queries = vec![
        query(QueryId::Attached("a".into()), "state"),
        query(QueryId::Attached("b".into()), "unknown"),
    ];
    let mut instance = Instance::new(&sleeper(), task).unwrap();
    let done = completion(work(&mut instance).unwrap());
    assert_eq!(
        done.query_results["a"].answer.as_ref().unwrap().payloads,
        [json("begun slept")]
    );
    assert_eq!(done.query_results["b"].result_type(), QueryResultType::Failed);
    assert_eq!(done.query_results["b"].error_message, "no such query");
    assert_eq!(instance.jobs, ["Initialize", "Run", "TimerFired", "Query", "Query"]);
    assert_eq!(done.commands.len(), 1);
}

#[test]
fn a_query_that_commands_fails() {
    let h = history();
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&sleeper(), whole_task(&h.events, &tasks[0])).unwrap();
    let _ = work(&mut instance).unwrap();
    instance.handle_task(query_task(3, "misuse")).unwrap();
    let answer = answer(work(&mut instance).unwrap());
    assert_eq!(answer.result_type(), QueryResultType::Failed);
    assert!(answer.error_message.contains("start_timer"), "{}", answer.error_message);
}
