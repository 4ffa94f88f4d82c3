//! Reading histories.

use temporal_protos::api::enums::v1::HistoryEventFilterType;

use super::*;

fn request(id: &str) -> wf::GetWorkflowExecutionHistoryRequest {
    wf::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: Some(execution(id)),
        ..wf::GetWorkflowExecutionHistoryRequest::default()
    }
}

#[test]
fn pages_are_whole_transactions() {
    let mut t = Harness::new();
    t.begun("wf", vec![marker("a"), marker("b")]);
    let first = wf::GetWorkflowExecutionHistoryRequest {
        maximum_page_size: 1,
        ..request("wf")
    };
    let mut page = t.ask(rpc::GetWorkflowExecutionHistory, first.clone()).unwrap();
    let mut sizes = Vec::new();
    loop {
        sizes.push(page.history.unwrap().events.len());
        if page.next_page_token.is_empty() {
            break;
        }
        let next = wf::GetWorkflowExecutionHistoryRequest {
            next_page_token: page.next_page_token,
            ..first.clone()
        };
        page = t.ask(rpc::GetWorkflowExecutionHistory, next).unwrap();
    }
    assert_eq!(sizes, [2, 1, 3]);
}

#[test]
fn a_reader_waits_for_news() {
    let mut t = Harness::new();
    t.start("wf");
    let waiting = wf::GetWorkflowExecutionHistoryRequest {
        wait_new_event: true,
        ..request("wf")
    };
    let first = t.ask(rpc::GetWorkflowExecutionHistory, waiting.clone()).unwrap();
    assert_eq!(first.history.unwrap().events.len(), 2);
    let next = wf::GetWorkflowExecutionHistoryRequest {
        next_page_token: first.next_page_token,
        ..waiting.clone()
    };
    let call = t.send(rpc::GetWorkflowExecutionHistory, next.clone());
    t.advance(seconds(20));
    let empty = t.take(rpc::GetWorkflowExecutionHistory, call).unwrap().unwrap();
    assert!(empty.history.unwrap().events.is_empty());
    let next = wf::GetWorkflowExecutionHistoryRequest {
        next_page_token: empty.next_page_token,
        ..waiting.clone()
    };
    let call = t.send(rpc::GetWorkflowExecutionHistory, next);
    let task = t.poll();
    let news = t.take(rpc::GetWorkflowExecutionHistory, call).unwrap().unwrap();
    assert_eq!(short(&news.history.unwrap().events), "3:WftStarted");
    let next = wf::GetWorkflowExecutionHistoryRequest {
        next_page_token: news.next_page_token,
        ..waiting
    };
    let call = t.send(rpc::GetWorkflowExecutionHistory, next);
    t.complete(&task, vec![complete_workflow()]);
    let last = t.take(rpc::GetWorkflowExecutionHistory, call).unwrap().unwrap();
    assert_eq!(
        short(&last.history.unwrap().events),
        "4:WftCompleted 5:WorkflowExecutionCompleted"
    );
    assert!(last.next_page_token.is_empty());
}

#[test]
fn the_closing_event_alone_can_be_waited_for() {
    let mut t = Harness::new();
    t.start("wf");
    let close = wf::GetWorkflowExecutionHistoryRequest {
        history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
        ..request("wf")
    };
    let now = t.ask(rpc::GetWorkflowExecutionHistory, close.clone()).unwrap();
    assert!(now.history.unwrap().events.is_empty());
    let waiting = wf::GetWorkflowExecutionHistoryRequest {
        wait_new_event: true,
        ..close
    };
    let call = t.send(rpc::GetWorkflowExecutionHistory, waiting.clone());
    t.signal("wf", "s");
    assert!(!t.answers.contains_key(&call));
    t.advance(seconds(20));
    let empty = t.take(rpc::GetWorkflowExecutionHistory, call).unwrap().unwrap();
    let next = wf::GetWorkflowExecutionHistoryRequest {
        next_page_token: empty.next_page_token,
        ..waiting
    };
    let call = t.send(rpc::GetWorkflowExecutionHistory, next);
    t.terminate("wf").unwrap();
    let closed = t.take(rpc::GetWorkflowExecutionHistory, call).unwrap().unwrap();
    assert_eq!(short(&closed.history.unwrap().events), "4:WorkflowExecutionTerminated");
}

#[test]
fn a_history_reads_backwards() {
    let mut t = Harness::new();
    t.begun("wf", vec![marker("a")]);
    let mut request = wf::GetWorkflowExecutionHistoryReverseRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        maximum_page_size: 1,
        ..wf::GetWorkflowExecutionHistoryReverseRequest::default()
    };
    let mut ids = Vec::new();
    loop {
        let page = t.ask(rpc::GetWorkflowExecutionHistoryReverse, request.clone()).unwrap();
        ids.extend(page.history.unwrap().events.iter().map(|event| event.event_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.next_page_token = page.next_page_token;
    }
    assert_eq!(ids, [5, 4, 3, 2, 1]);
}
