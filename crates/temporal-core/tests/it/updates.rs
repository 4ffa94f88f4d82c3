//! Updates.

use crate::builder::HistoryBuilder;
use crate::check::{check, completion, message, nondeterminism, replay, sticky_task, tasks_of, whole_task, work};
use crate::script::{End, Instance, Script, failure};
use temporal_core::protos::api::update::v1::{Acceptance, Rejection, Response};
use temporal_core::protos::prost::Message as _;
use temporal_core::*;

/// Runs until the signal `end`; updates echo their argument.
fn echo() -> Script {
    Script::new(|ctx| async move {
        ctx.signal("end").await;
        End::Complete(None)
    })
}

const ANSWERS: [&str; 2] = ["message u/request/accept", "message u/request/complete"];

#[test]
fn accepted_and_completed_in_one_task() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.full_task();
    let accepted = h.update_accepted("u", 5);
    h.update_completed("u", accepted);
    h.signaled("end");
    h.full_task();
    h.completed();
    let runs = check(&h, &echo(), &[&[], &ANSWERS, &["complete"]]);
    let body = |index: usize| runs[1].messages[index].body.as_ref().unwrap();
    assert_eq!(
        body(0).type_url,
        "type.googleapis.com/temporal.api.update.v1.Acceptance"
    );
    let acceptance = Acceptance::decode(body(0).value.as_slice()).unwrap();
    assert_eq!(acceptance.accepted_request_message_id, "u/request");
    assert_eq!(acceptance.accepted_request_sequencing_event_id, 5);
    assert_eq!(acceptance.accepted_request.unwrap().input.unwrap().name, "update");
    let response = Response::decode(body(1).value.as_slice()).unwrap();
    assert_eq!(response.meta.unwrap().update_id, "u");
    assert!(
        runs[1]
            .messages
            .iter()
            .all(|message| message.protocol_instance_id == "u")
    );
}

#[test]
fn completed_in_a_later_task() {
    let script = echo().update(|ctx, update| async move {
        ctx.run(|run| run.accept_update(&update.protocol_instance_id));
        ctx.sleep(1).await;
        ctx.run(|run| run.complete_update(&update.protocol_instance_id, Err(failure("no"))));
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.full_task();
    let accepted = h.update_accepted("u", 5);
    let timer = h.timer_started("1");
    h.timer_fired(timer);
    h.full_task();
    h.update_completed("u", accepted);
    h.signaled("end");
    h.full_task();
    h.completed();
    check(
        &h,
        &script,
        &[&[], &[ANSWERS[0], "timer 1 1s"], &[ANSWERS[1]], &["complete"]],
    );
}

#[test]
fn comes_at_its_sequencing_event() {
    // signal 5, update behind 6, signal 7: all in one task.
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.signaled("one");
    h.task_scheduled();
    h.signaled("two");
    h.task_started();
    h.task_completed();
    let accepted = h.update_accepted("u", 6);
    h.update_completed("u", accepted);
    check(&h, &echo(), &[&[], &ANSWERS]);
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&echo(), whole_task(&h.events, &tasks[1])).unwrap();
    let _ = work(&mut instance).unwrap();
    assert_eq!(instance.jobs, ["Initialize", "Run", "Signal", "Update", "Signal"]);
}

#[test]
fn in_the_first_task_comes_before_the_main_function() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    let accepted = h.update_accepted("u", 2);
    h.update_completed("u", accepted);
    h.timer_started("1");
    let script = Script::new(|ctx| async move {
        ctx.sleep(1).await;
        End::Complete(None)
    });
    check(&h, &script, &[&[ANSWERS[0], ANSWERS[1], "timer 1 1s"]]);
}

#[test]
fn validator_runs_only_live() {
    let script = echo().update(|ctx, update| async move {
        ctx.note(if update.run_validator {
            "validated"
        } else {
            "accepted before"
        });
        ctx.run(|run| run.accept_update(&update.protocol_instance_id));
    });
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.full_task();
    h.update_accepted("u", 5);
    h.signaled("x");
    h.open_task();
    let tasks = tasks_of(&h.events);
    let mut live = Instance::new(&script, whole_task(&h.events, &tasks[1])).unwrap();
    let _ = work(&mut live).unwrap();
    assert_eq!(live.state(), ["validated"]);
    let mut later = Instance::new(&script, whole_task(&h.events, &tasks[2])).unwrap();
    let _ = work(&mut later).unwrap();
    assert_eq!(later.state(), ["accepted before"]);
}

fn picky() -> Script {
    echo().update(|ctx, update| async move {
        ctx.run(|run| {
            if update.update_id == "bad" {
                run.reject_update(&update.protocol_instance_id, failure("bad"));
            } else {
                run.accept_update(&update.protocol_instance_id);
                run.complete_update(&update.protocol_instance_id, Ok(None));
            }
        });
    })
}

/// A rejected update leaves no trace: the server forgets the speculative task and ships the same events again.
#[test]
fn rejected_and_forgotten() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.timer_started("1");
    let script = Script::new(|ctx| async move {
        ctx.sleep(60).await;
        End::Complete(None)
    })
    .update(|ctx, update| async move {
        ctx.run(|run| run.reject_update(&update.protocol_instance_id, failure("bad")));
    });
    let first = tasks_of(&h.events);
    let mut instance = Instance::new(&script, whole_task(&h.events, &first[0])).unwrap();
    let _ = work(&mut instance).unwrap();
    for _ in 0..3 {
        let mut speculative = h.clone();
        speculative.open_task();
        let mut task = sticky_task(&speculative.events, &tasks_of(&speculative.events)[1]);
        task.messages = vec![message("bad", 6)];
        instance.handle_task(task).unwrap();
        let done = completion(work(&mut instance).unwrap());
        assert_eq!((done.commands.len(), done.messages.len()), (0, 1));
        let body = done.messages[0].body.as_ref().unwrap();
        assert_eq!(body.type_url, "type.googleapis.com/temporal.api.update.v1.Rejection");
        let rejection = Rejection::decode(body.value.as_slice()).unwrap();
        assert_eq!(rejection.failure.unwrap().message, "bad");
        assert_eq!(rejection.rejected_request_message_id, "bad/request");
    }
    // A query task still finds the run.
    instance
        .handle_task(WorkflowTask {
            previous_started_event_id: 3,
            ..WorkflowTask::default()
        })
        .unwrap();
    let _ = work(&mut instance).unwrap();
    h.timer_fired(5);
    h.full_task();
    h.completed();
    let tasks = tasks_of(&h.events);
    instance.handle_task(sticky_task(&h.events, &tasks[1])).unwrap();
    let done = completion(work(&mut instance).unwrap());
    assert_eq!(done.commands.len(), 1);
    replay(&h.events, &script).unwrap();
}

/// A rejected update in a task that the server keeps.
#[test]
fn rejected_in_a_task_that_stays() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.full_task();
    h.signaled("end");
    h.full_task();
    h.completed();
    let tasks = tasks_of(&h.events);
    let mut instance = Instance::new(&picky(), whole_task(&h.events, &tasks[0])).unwrap();
    let _ = work(&mut instance).unwrap();
    let task = WorkflowTask {
        messages: vec![message("bad", 5)],
        ..sticky_task(&h.events, &tasks[1])
    };
    instance.handle_task(task).unwrap();
    assert_eq!(completion(work(&mut instance).unwrap()).messages.len(), 1);
    instance.handle_task(sticky_task(&h.events, &tasks[2])).unwrap();
    assert_eq!(completion(work(&mut instance).unwrap()).commands.len(), 1);
    replay(&h.events, &picky()).unwrap();
}

#[test]
fn admitted_by_an_event() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.update_admitted("u");
    h.full_task();
    let accepted = h.update_accepted("u", 5);
    h.update_completed("u", accepted);
    let event = &mut h.events[accepted as usize - 1];
    let Some(protos::api::history::v1::history_event::Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(a)) =
        &mut event.attributes
    else {
        panic!()
    };
    a.accepted_request = None;
    check(&h, &echo(), &[&[], &ANSWERS]);
}

#[test]
fn answers_count_in_the_task_that_closes_the_run() {
    // The main function ends at the signal; the update behind it is answered in front of the closing command.
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.signaled("end");
    h.full_task();
    let accepted = h.update_accepted("u", 6);
    h.update_completed("u", accepted);
    h.completed();
    check(&h, &echo(), &[&[], &[ANSWERS[0], ANSWERS[1], "complete"]]);
}

#[test]
fn nondeterminism_of_updates() {
    let mut h = HistoryBuilder::new();
    h.full_task();
    h.full_task();
    h.update_accepted("u", 5);
    let never = echo().update(|_, _| async {});
    let error = nondeterminism(&h, &never);
    assert_eq!(
        (error.found.as_str(), error.expected.as_str()),
        ("WorkflowExecutionUpdateAccepted(update \"u\")", "nothing")
    );

    let mut h = HistoryBuilder::new();
    h.full_task();
    h.full_task();
    h.update_accepted("u", 5);
    h.timer_started("1");
    let error = nondeterminism(&h, &echo());
    assert_eq!(
        (error.event_id, error.expected.as_str()),
        (9, "CompleteUpdate(update \"u\")")
    );
}
