//! Queries.

use temporal_protos::api::enums::v1::{QueryRejectCondition, QueryResultType};
use temporal_protos::api::query::v1::{WorkflowQuery, WorkflowQueryResult};

use super::*;

impl Harness {
    fn query(&mut self, id: &str) -> CallId {
        self.query_with(id, QueryRejectCondition::None)
    }

    fn query_with(&mut self, id: &str, condition: QueryRejectCondition) -> CallId {
        let request = wf::QueryWorkflowRequest {
            namespace: "default".to_owned(),
            execution: Some(execution(id)),
            query: Some(WorkflowQuery {
                query_type: "q".to_owned(),
                ..WorkflowQuery::default()
            }),
            query_reject_condition: condition as i32,
        };
        self.send(rpc::QueryWorkflow, request)
    }

    fn queried(&mut self, call: CallId) -> Option<Result<Option<Payloads>, Status>> {
        self.take(rpc::QueryWorkflow, call)
            .map(|answer| answer.map(|response| response.query_result))
    }

    fn answer_query(&mut self, task: &Task, text: &str) {
        let request = wf::RespondQueryTaskCompletedRequest {
            task_token: task.task_token.clone(),
            completed_type: QueryResultType::Answered as i32,
            query_result: Some(payloads(text)),
            ..wf::RespondQueryTaskCompletedRequest::default()
        };
        self.ask(rpc::RespondQueryTaskCompleted, request).unwrap();
    }
}

fn answered(text: &str) -> WorkflowQueryResult {
    WorkflowQueryResult {
        result_type: QueryResultType::Answered as i32,
        answer: Some(payloads(text)),
        ..WorkflowQueryResult::default()
    }
}

#[test]
fn an_idle_run_is_asked_by_a_task_of_its_own() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let before = t.history("wf");
    let call = t.query("wf");
    let task = t.poll();
    assert_eq!(task.query.as_ref().unwrap().query_type, "q");
    assert_eq!(
        (task.started_event_id, task.history.as_ref().unwrap().events.len()),
        (0, 4)
    );
    t.answer_query(&task, "yes");
    assert_eq!(t.queried(call).unwrap().unwrap(), Some(payloads("yes")));
    assert_eq!(t.history("wf"), before);
}

#[test]
fn a_scheduled_task_takes_queries_along_and_a_running_one_is_waited_for() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.signal("wf", "s");
    let along = t.query("wf");
    let task = t.poll();
    assert!(task.query.is_none());
    let (id, _) = task.queries.first_key_value().unwrap();
    let late = t.query("wf");
    t.complete_with(&task, vec![], |request| {
        request.query_results = [(id.clone(), answered("along"))].into();
    })
    .unwrap();
    assert_eq!(t.queried(along).unwrap().unwrap(), Some(payloads("along")));
    assert!(t.queried(late).is_none());
    let task = t.poll();
    t.answer_query(&task, "late");
    assert_eq!(t.queried(late).unwrap().unwrap(), Some(payloads("late")));
}

#[test]
fn a_query_waits_for_the_first_task() {
    let mut t = Harness::new();
    t.start("wf");
    let call = t.query("wf");
    let task = t.poll();
    assert!(task.query.is_none());
    let (id, _) = task.queries.first_key_value().expect("it rides along");
    let id = id.clone();
    t.complete_with(&task, vec![], |request| {
        request.query_results = [(id, answered("first"))].into();
    })
    .unwrap();
    assert_eq!(t.queried(call).unwrap().unwrap(), Some(payloads("first")));
}

#[test]
fn a_failed_query_says_why() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.query("wf");
    let task = t.poll();
    let request = wf::RespondQueryTaskCompletedRequest {
        task_token: task.task_token.clone(),
        completed_type: QueryResultType::Failed as i32,
        error_message: "unknown query".to_owned(),
        ..wf::RespondQueryTaskCompletedRequest::default()
    };
    t.ask(rpc::RespondQueryTaskCompleted, request).unwrap();
    let status = t.queried(call).unwrap().unwrap_err();
    assert_eq!(
        (status.code, status.message.as_str()),
        (Code::InvalidArgument, "unknown query")
    );
    assert!(status.details[0].type_url.ends_with("QueryFailedFailure"));
}

#[test]
fn a_closed_run_answers_unless_the_condition_forbids_it() {
    let mut t = Harness::new();
    t.begun("wf", vec![complete_workflow()]);
    let call = t.query("wf");
    let task = t.poll();
    t.answer_query(&task, "closed");
    assert_eq!(t.queried(call).unwrap().unwrap(), Some(payloads("closed")));
    let call = t.query_with("wf", QueryRejectCondition::NotOpen);
    let rejected = t.take(rpc::QueryWorkflow, call).unwrap().unwrap();
    assert_eq!(rejected.query_rejected.unwrap().status, 2);
    let call = t.query_with("wf", QueryRejectCondition::NotCompletedCleanly);
    assert!(t.queried(call).is_none());
}

#[test]
fn a_query_leaves_a_sticky_queue_that_does_not_take_it() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    let waiting = t.send_poll(sticky_queue());
    t.complete_sticky(&task, vec![]);
    let call = t.query("wf");
    let task = t.polled(waiting);
    assert!(task.history.as_ref().unwrap().events.is_empty());
    t.answer_query(&task, "sticky");
    assert!(t.queried(call).is_some());
    let call = t.query("wf");
    assert!(!t.has_task());
    t.advance(seconds(10));
    let task = t.poll();
    assert_eq!(task.history.as_ref().unwrap().events.len(), 4);
    t.answer_query(&task, "normal");
    assert!(t.queried(call).is_some());
}

#[test]
fn a_query_whose_caller_gave_up_is_gone() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.query("wf");
    t.engine.cancel_call(t.now, call);
    assert!(!t.has_task());
}

#[test]
fn a_task_that_ends_the_run_answers_its_queries() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.signal("wf", "s");
    let call = t.query("wf");
    let task = t.poll();
    let (id, _) = task.queries.first_key_value().unwrap();
    let results = [(id.clone(), answered("last"))].into();
    t.complete_with(&task, vec![complete_workflow()], |request| {
        request.query_results = results;
    })
    .unwrap();
    assert_eq!(t.queried(call).unwrap().unwrap(), Some(payloads("last")));
    assert!(!t.has_task());
}

#[test]
fn a_query_whose_worker_says_nothing_goes_to_another() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.query("wf");
    let lost = t.poll();
    t.advance(seconds(9));
    assert!(!t.has_task());
    t.advance(seconds(1));
    let task = t.poll();
    assert_eq!(task.query, lost.query);
    t.answer_query(&task, "mine");
    assert_eq!(t.queried(call).unwrap().unwrap(), Some(payloads("mine")));
}

#[test]
fn a_slow_answer_to_a_query_is_taken_while_it_waits_for_another_worker() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.query("wf");
    let slow = t.poll();
    t.advance(seconds(15));
    t.answer_query(&slow, "slow");
    assert_eq!(t.queried(call).unwrap().unwrap(), Some(payloads("slow")));
    assert!(!t.has_task());
}
