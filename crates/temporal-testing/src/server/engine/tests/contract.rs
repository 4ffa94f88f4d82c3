//! What the design asks of runs, one phrase a test, where no other test shows it.

use temporal_protos::api::common::v1::{Memo, RetryPolicy, SearchAttributes};
use temporal_protos::api::enums::v1::{RetryState, UpdateWorkflowExecutionLifecycleStage as Stage};
use temporal_protos::api::namespace::v1 as ns;
use temporal_protos::api::sdk::v1::UserMetadata;

use super::updates::{accept, protocol, respond, update_request};
use super::*;

fn json(text: &str) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), b"json/plain"[..].into())].into(),
        data: text.as_bytes().to_vec().into(),
        ..Payload::default()
    }
}

fn register(t: &mut Harness, name: &str) {
    let request = wf::RegisterNamespaceRequest {
        namespace: name.to_owned(),
        workflow_execution_retention_period: Some(to_proto(seconds(24 * 3_600))),
        ..wf::RegisterNamespaceRequest::default()
    };
    t.ask(rpc::RegisterNamespace, request).unwrap();
}

#[test]
fn tokens_are_good_in_their_own_namespace_only() {
    let mut t = Harness::new();
    register(&mut t, "other");
    t.start("wf");
    let task = t.poll();
    let text = "Operation requested with a token from a different namespace.";
    let refused = |status: Status| assert_eq!((status.code, status.message.as_str()), (Code::InvalidArgument, text));
    refused(
        t.complete_with(&task, vec![], |request| request.namespace = "other".to_owned())
            .unwrap_err(),
    );
    let failed = wf::RespondWorkflowTaskFailedRequest {
        namespace: "other".to_owned(),
        task_token: task.task_token.clone(),
        ..wf::RespondWorkflowTaskFailedRequest::default()
    };
    refused(t.ask(rpc::RespondWorkflowTaskFailed, failed).unwrap_err());
    t.complete(&task, vec![activity("1")]);
    let task = t.poll_activity();
    let completed = wf::RespondActivityTaskCompletedRequest {
        namespace: "other".to_owned(),
        task_token: task.task_token.clone(),
        ..wf::RespondActivityTaskCompletedRequest::default()
    };
    refused(t.ask(rpc::RespondActivityTaskCompleted, completed).unwrap_err());
    let heartbeat = wf::RecordActivityTaskHeartbeatRequest {
        namespace: "other".to_owned(),
        task_token: task.task_token.clone(),
        ..wf::RecordActivityTaskHeartbeatRequest::default()
    };
    refused(t.ask(rpc::RecordActivityTaskHeartbeat, heartbeat.clone()).unwrap_err());
    let nowhere = wf::RecordActivityTaskHeartbeatRequest {
        namespace: "nowhere".to_owned(),
        ..heartbeat
    };
    let status = t.ask(rpc::RecordActivityTaskHeartbeat, nowhere).unwrap_err();
    assert_eq!(status.code, Code::NotFound, "{}", status.message);
    t.finish_activity(&task);
}

#[test]
fn a_parent_hears_of_a_child_whose_namespace_is_deleted() {
    let mut t = Harness::new();
    register(&mut t, "other");
    let attributes = c::StartChildWorkflowExecutionCommandAttributes {
        namespace: "other".to_owned(),
        workflow_id: "child".to_owned(),
        workflow_type: Some(WorkflowType { name: "C".to_owned() }),
        ..c::StartChildWorkflowExecutionCommandAttributes::default()
    };
    let child = command(
        CommandType::StartChildWorkflowExecution,
        CommandAttributes::StartChildWorkflowExecutionCommandAttributes(attributes),
    );
    t.begun("wf", vec![child]);
    assert!(
        t.history("wf")
            .ends_with("6:ChildWorkflowExecutionStarted 7:WftScheduled")
    );
    let request = temporal_protos::api::operatorservice::v1::DeleteNamespaceRequest {
        namespace: "other".to_owned(),
        ..Default::default()
    };
    t.ask(rpc::DeleteNamespace, request).unwrap();
    assert!(
        t.history("wf")
            .ends_with("7:WftScheduled 8:ChildWorkflowExecutionTerminated"),
        "{}",
        t.history("wf")
    );
}

fn fail_activity(t: &mut Harness, task: ActivityTask, failure: Failure, details: Option<Payloads>) {
    let request = wf::RespondActivityTaskFailedRequest {
        task_token: task.task_token,
        failure: Some(failure),
        last_heartbeat_details: details,
        ..wf::RespondActivityTaskFailedRequest::default()
    };
    t.ask(rpc::RespondActivityTaskFailed, request).unwrap();
}

#[test]
fn the_execution_timeout_bounds_all_runs_of_a_chain() {
    let mut t = Harness::new();
    t.start_with("wf", |request| {
        request.workflow_execution_timeout = Some(to_proto(Duration::from_millis(2_500)));
        request.retry_policy = Some(RetryPolicy::default());
    })
    .unwrap();
    let mut runs = 0;
    loop {
        let task = t.poll();
        runs += 1;
        t.complete(&task, vec![fail_workflow(application_failure("no"))]);
        let closing = t.history_of("wf", &task.workflow_execution.clone().unwrap().run_id);
        assert!(closing.ends_with("5:WorkflowExecutionFailed"));
        let events = t.events_of(task.workflow_execution.unwrap());
        let Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) = events[4].attributes.clone() else {
            panic!()
        };
        if failed.new_execution_run_id.is_empty() {
            assert_eq!(
                failed.retry_state(),
                RetryState::Timeout,
                "the next would come after two seconds more"
            );
            break;
        }
        t.advance(seconds(1));
    }
    assert_eq!(runs, 2);
}

#[test]
fn a_retry_takes_the_delay_and_the_word_of_the_failure() {
    let mut t = Harness::new();
    let policy = |it: &mut c::ScheduleActivityTaskCommandAttributes| {
        it.retry_policy = Some(RetryPolicy {
            non_retryable_error_types: vec!["Fatal".to_owned()],
            ..RetryPolicy::default()
        });
    };
    t.begun("wf", vec![activity_with("1", policy)]);
    let failure = |kind: &str, delay: Option<Duration>| Failure {
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: kind.to_owned(),
            next_retry_delay: delay.map(to_proto),
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    };
    let task = t.poll_activity();
    fail_activity(&mut t, task, failure("Soft", Some(seconds(30))), Some(payloads("half")));
    let call = t.send_activity_poll();
    t.advance(seconds(29));
    assert!(
        !t.answers.contains_key(&call),
        "not after one second, as the policy has it"
    );
    t.advance(seconds(1));
    let task = t.take(rpc::PollActivityTaskQueue, call).unwrap().unwrap();
    assert_eq!(
        (task.attempt, task.heartbeat_details.clone()),
        (2, Some(payloads("half")))
    );
    fail_activity(&mut t, task, failure("Fatal", None), None);
    let Attributes::ActivityTaskFailedEventAttributes(failed) = t.attributes("wf", 7) else {
        panic!()
    };
    assert_eq!(failed.retry_state(), RetryState::NonRetryableFailure);
}

#[test]
fn signals_and_cancel_requests_cross_namespaces() {
    let mut t = Harness::new();
    register(&mut t, "other");
    let start = |request: &mut wf::StartWorkflowExecutionRequest| request.namespace = "other".to_owned();
    let run_id = t.start_with("there", start).unwrap().run_id;
    let signal = c::SignalExternalWorkflowExecutionCommandAttributes {
        namespace: "other".to_owned(),
        execution: Some(execution("there")),
        signal_name: "s".to_owned(),
        ..c::SignalExternalWorkflowExecutionCommandAttributes::default()
    };
    let cancel = c::RequestCancelExternalWorkflowExecutionCommandAttributes {
        namespace: "other".to_owned(),
        workflow_id: "there".to_owned(),
        run_id,
        ..c::RequestCancelExternalWorkflowExecutionCommandAttributes::default()
    };
    let commands = vec![
        command(
            CommandType::SignalExternalWorkflowExecution,
            CommandAttributes::SignalExternalWorkflowExecutionCommandAttributes(signal),
        ),
        command(
            CommandType::RequestCancelExternalWorkflowExecution,
            CommandAttributes::RequestCancelExternalWorkflowExecutionCommandAttributes(cancel),
        ),
    ];
    t.begun("here", commands);
    let request = wf::GetWorkflowExecutionHistoryRequest {
        namespace: "other".to_owned(),
        execution: Some(execution("there")),
        ..wf::GetWorkflowExecutionHistoryRequest::default()
    };
    let there = t.ask(rpc::GetWorkflowExecutionHistory, request).unwrap();
    assert_eq!(
        short(&there.history.unwrap().events),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WorkflowExecutionSignaled 4:WorkflowExecutionCancelRequested"
    );
    let here = t.history("here");
    assert!(here.contains("ExternalWorkflowExecutionSignaled"), "{here}");
    assert!(here.contains("ExternalWorkflowExecutionCancelRequested"), "{here}");
}

#[test]
fn memo_search_attributes_and_metadata_are_kept() {
    let mut t = Harness::new();
    t.start_with("wf", |request| {
        request.memo = Some(Memo {
            fields: [("stays".to_owned(), json("1")), ("goes".to_owned(), json("2"))].into(),
        });
        request.user_metadata = Some(UserMetadata {
            summary: Some(json("\"of the run\"")),
            details: None,
        });
    })
    .unwrap();
    let gone = Payload {
        metadata: [("encoding".to_owned(), b"binary/null"[..].into())].into(),
        ..Payload::default()
    };
    let modify = c::ModifyWorkflowPropertiesCommandAttributes {
        upserted_memo: Some(Memo {
            fields: [("goes".to_owned(), gone), ("comes".to_owned(), json("3"))].into(),
        }),
    };
    let upsert = c::UpsertWorkflowSearchAttributesCommandAttributes {
        search_attributes: Some(SearchAttributes {
            indexed_fields: [("TemporalChangeVersion".to_owned(), json("[\"patch-1\"]"))].into(),
        }),
    };
    let mut timer = start_timer("t", seconds(1));
    let summary = UserMetadata {
        summary: Some(json("\"of the timer\"")),
        details: None,
    };
    timer.user_metadata = Some(summary.clone());
    let task = t.poll();
    t.complete(
        &task,
        vec![
            command(
                CommandType::ModifyWorkflowProperties,
                CommandAttributes::ModifyWorkflowPropertiesCommandAttributes(modify),
            ),
            command(
                CommandType::UpsertWorkflowSearchAttributes,
                CommandAttributes::UpsertWorkflowSearchAttributesCommandAttributes(upsert),
            ),
            marker("m"),
            timer,
        ],
    );
    assert!(
        t.history("wf")
            .ends_with("5:WorkflowPropertiesModified 6:UpsertWorkflowSearchAttributes 7:MarkerRecorded 8:TimerStarted")
    );
    assert_eq!(t.events("wf")[7].user_metadata, Some(summary));
    let described = t.describe("wf");
    let info = described.workflow_execution_info.unwrap();
    let memo: Vec<String> = info.memo.unwrap().fields.into_keys().collect();
    assert_eq!(memo, ["comes", "stays"]);
    let attributes = info.search_attributes.unwrap().indexed_fields;
    assert_eq!(&attributes["TemporalChangeVersion"].data[..], b"[\"patch-1\"]");
    let metadata = described.execution_config.unwrap().user_metadata.unwrap();
    assert_eq!(metadata.summary, Some(json("\"of the run\"")));
    let request = wf::CountWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: "TemporalChangeVersion = 'patch-1'".to_owned(),
    };
    assert_eq!(t.ask(rpc::CountWorkflowExecutions, request).unwrap().count, 1);
}

#[test]
fn a_query_sees_the_signals_before_it() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.signal("wf", "before");
    let request = wf::QueryWorkflowRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
        query: Some(temporal_protos::api::query::v1::WorkflowQuery {
            query_type: "q".to_owned(),
            ..Default::default()
        }),
        ..wf::QueryWorkflowRequest::default()
    };
    t.send(rpc::QueryWorkflow, request);
    let task = t.poll();
    assert_eq!(task.queries.len(), 1);
    assert!(short(&task.history.unwrap().events).contains("WorkflowExecutionSignaled"));
}

#[test]
fn an_update_of_a_known_id_gives_the_same_outcome_even_when_the_run_is_closed() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let request = || update_request("wf", "u1", Stage::Completed);
    let first = t.send(rpc::UpdateWorkflowExecution, request());
    let second = t.send(rpc::UpdateWorkflowExecution, request());
    let task = t.poll();
    assert_eq!(task.messages.len(), 1, "it goes out once");
    let messages = vec![accept("u1"), respond("u1")];
    let commands = vec![
        protocol(&messages[0].id),
        protocol(&messages[1].id),
        complete_workflow(),
    ];
    t.complete_with(&task, commands, |request| request.messages = messages)
        .unwrap();
    let outcomes: Vec<_> = [first, second]
        .into_iter()
        .map(|call| t.take(rpc::UpdateWorkflowExecution, call).unwrap().unwrap().outcome)
        .collect();
    let later = t.ask(rpc::UpdateWorkflowExecution, request()).unwrap().outcome;
    assert!(later.is_some());
    assert_eq!(outcomes, [later.clone(), later]);
    let unknown = t.ask(
        rpc::UpdateWorkflowExecution,
        update_request("wf", "u2", Stage::Completed),
    );
    assert_eq!(unknown.unwrap_err().code, Code::NotFound);
}

#[test]
fn cron_and_start_delay_follow_the_skipping_clock() {
    let mut t = Harness::skipping(0);
    t.start_with("cron", |request| request.cron_schedule = "0 0 1 1 *".to_owned())
        .unwrap();
    t.settle();
    let task = t.poll();
    let year_begins = Time::from_proto(&task.scheduled_time.unwrap());
    assert_eq!(year_begins.as_millis() % 86_400_000, 0);
    assert!(year_begins > START + seconds(86_400) && t.now == START);
    t.terminate("cron").unwrap();
    t.start_with("delayed", |request| {
        request.workflow_start_delay = Some(to_proto(seconds(1_000_000)));
    })
    .unwrap();
    t.settle();
    assert_eq!(t.history("delayed"), "1:WorkflowExecutionStarted 2:WftScheduled");
}

#[test]
fn a_namespace_is_updated_and_its_retention_kept() {
    let mut t = Harness::new();
    register(&mut t, "other");
    let update = wf::UpdateNamespaceRequest {
        namespace: "other".to_owned(),
        update_info: Some(ns::UpdateNamespaceInfo {
            description: "of tests".to_owned(),
            ..ns::UpdateNamespaceInfo::default()
        }),
        config: Some(ns::NamespaceConfig {
            workflow_execution_retention_ttl: Some(to_proto(seconds(3_600))),
            ..ns::NamespaceConfig::default()
        }),
        ..wf::UpdateNamespaceRequest::default()
    };
    t.ask(rpc::UpdateNamespace, update).unwrap();
    let request = wf::DescribeNamespaceRequest {
        namespace: "other".to_owned(),
        ..wf::DescribeNamespaceRequest::default()
    };
    let described = t.ask(rpc::DescribeNamespace, request).unwrap();
    assert_eq!(described.namespace_info.unwrap().description, "of tests");
    assert_eq!(
        described.config.unwrap().workflow_execution_retention_ttl,
        Some(to_proto(seconds(3_600)))
    );
    let cluster = t.ask(rpc::GetClusterInfo, wf::GetClusterInfoRequest {}).unwrap();
    assert!(!cluster.server_version.is_empty() && !cluster.cluster_id.is_empty());
    t.start_with("there", |request| request.namespace = "other".to_owned())
        .unwrap();
    let request = wf::TerminateWorkflowExecutionRequest {
        namespace: "other".to_owned(),
        workflow_execution: Some(execution("there")),
        ..wf::TerminateWorkflowExecutionRequest::default()
    };
    t.ask(rpc::TerminateWorkflowExecution, request).unwrap();
    assert_eq!(t.engine.runs.len(), 1);
    t.advance(seconds(3_600));
    assert!(t.engine.runs.is_empty(), "swept");
}

#[test]
fn what_is_not_served_is_named() {
    let mut t = Harness::new();
    let refused = t.start_with("wf", |request| {
        request.versioning_override = Some(temporal_protos::api::workflow::v1::VersioningOverride::default());
    });
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (Code::Unimplemented, "worker versioning is not served")
    );
}
