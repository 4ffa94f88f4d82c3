//! Lists and counts.

use temporal_protos::api::common::v1::SearchAttributes;
use temporal_protos::api::operatorservice::v1 as op;

use super::*;

fn list(t: &mut Harness, query: &str) -> Vec<String> {
    let request = wf::ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: query.to_owned(),
        page_size: 2,
        ..wf::ListWorkflowExecutionsRequest::default()
    };
    let mut ids = Vec::new();
    let mut next_page_token = Default::default();
    loop {
        let page = t
            .ask(
                rpc::ListWorkflowExecutions,
                wf::ListWorkflowExecutionsRequest {
                    next_page_token,
                    ..request.clone()
                },
            )
            .unwrap();
        assert!(page.executions.len() <= 2);
        ids.extend(
            page.executions
                .into_iter()
                .map(|info| info.execution.unwrap().workflow_id),
        );
        if page.next_page_token.is_empty() {
            return ids;
        }
        next_page_token = page.next_page_token;
    }
}

#[test]
fn runs_are_listed_open_ones_first_newest_first() {
    let mut t = Harness::new();
    for id in ["a", "b", "c"] {
        t.begun(id, vec![complete_workflow()]);
        t.advance(seconds(1));
    }
    t.start("d");
    t.advance(seconds(1));
    t.start("e");
    assert_eq!(list(&mut t, ""), ["e", "d", "c", "b", "a"]);
    assert_eq!(
        list(&mut t, "ExecutionStatus = 'Completed' AND WorkflowId > 'a'"),
        ["c", "b"]
    );
    t.terminate("d").unwrap();
    assert_eq!(list(&mut t, ""), ["e", "d", "c", "b", "a"]);
    let request = wf::CountWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: "GROUP BY ExecutionStatus".to_owned(),
    };
    let count = t.ask(rpc::CountWorkflowExecutions, request).unwrap();
    let groups: Vec<i64> = count.groups.iter().map(|group| group.count).collect();
    assert_eq!((count.count, groups), (5, vec![1, 3, 1]));
}

#[test]
fn custom_attributes_are_registered_set_and_found() {
    let mut t = Harness::new();
    let attributes = || {
        let payload = Payload {
            metadata: [("encoding".to_owned(), b"json/plain"[..].into())].into(),
            data: b"\"gold\""[..].into(),
            ..Payload::default()
        };
        Some(SearchAttributes {
            indexed_fields: [("Tier".to_owned(), payload)].into(),
        })
    };
    let refused = t
        .start_with("wf", |request| request.search_attributes = attributes())
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Namespace default has no mapping defined for search attribute Tier"
    );
    let request = op::AddSearchAttributesRequest {
        namespace: "default".to_owned(),
        search_attributes: [("Tier".to_owned(), 2)].into(),
    };
    t.ask(rpc::AddSearchAttributes, request).unwrap();
    t.start_with("wf", |request| request.search_attributes = attributes())
        .unwrap();
    t.start("plain");
    assert_eq!(list(&mut t, "Tier = 'gold'"), ["wf"]);
    let request = wf::ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: "Foo = 1".to_owned(),
        ..wf::ListWorkflowExecutionsRequest::default()
    };
    let refused = t.ask(rpc::ListWorkflowExecutions, request).unwrap_err();
    assert_eq!(refused.message, "invalid query: invalid search attribute: Foo");
}

#[test]
fn a_deleted_run_is_gone() {
    let mut t = Harness::new();
    t.start("wf");
    let request = wf::DeleteWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(execution("wf")),
    };
    t.ask(rpc::DeleteWorkflowExecution, request).unwrap();
    assert!(list(&mut t, "").is_empty());
    assert!(!t.has_task());
    t.start("wf");
}
