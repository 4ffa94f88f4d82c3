//! Nexus endpoints: made, changed, found, deleted.

use temporal_protos::api::enums::v1::TaskQueueType;
use temporal_protos::api::nexus::v1 as nexus;
use temporal_protos::api::nexus::v1::start_operation_response::Variant as Start;
use temporal_protos::api::operatorservice::v1 as op;

use super::nexus::{ENDPOINT, operation, sync, worker_spec};
use super::*;

const REGEX: &str = r#"endpoint name must match the regex: "^[a-zA-Z][a-zA-Z0-9\\-]*[a-zA-Z0-9]$""#;

fn external_spec(name: &str, url: &str) -> nexus::EndpointSpec {
    let external = nexus::endpoint_target::External { url: url.to_owned() };
    nexus::EndpointSpec {
        name: name.to_owned(),
        target: Some(nexus::EndpointTarget {
            variant: Some(nexus::endpoint_target::Variant::External(external)),
        }),
        ..nexus::EndpointSpec::default()
    }
}

impl Harness {
    fn update_endpoint(
        &mut self,
        id: &str,
        version: i64,
        spec: nexus::EndpointSpec,
    ) -> Result<nexus::Endpoint, Status> {
        let request = op::UpdateNexusEndpointRequest {
            id: id.to_owned(),
            version,
            spec: Some(spec),
        };
        let response = self.ask(rpc::UpdateNexusEndpoint, request)?;
        Ok(response.endpoint.unwrap())
    }

    fn delete_endpoint(&mut self, id: &str, version: i64) -> Result<(), Status> {
        let id = id.to_owned();
        self.ask(rpc::DeleteNexusEndpoint, op::DeleteNexusEndpointRequest { id, version })
            .map(|_| ())
    }

    fn list_endpoints(&mut self, change: impl FnOnce(&mut op::ListNexusEndpointsRequest)) -> (Vec<String>, Vec<u8>) {
        let mut request = op::ListNexusEndpointsRequest::default();
        change(&mut request);
        let page = self.ask(rpc::ListNexusEndpoints, request).unwrap();
        let names = page.endpoints.into_iter().map(|it| it.spec.unwrap().name);
        (names.collect(), page.next_page_token.to_vec())
    }

    fn workflow_to(&mut self, id: &str, endpoint: &str) {
        let endpoint = endpoint.to_owned();
        let command = super::nexus::operation_with(|it| it.endpoint = endpoint);
        self.begun(id, vec![command]);
    }
}

#[test]
fn an_endpoint_is_made_once_and_changed_by_its_version() {
    let mut t = Harness::new();
    let made = t.create_endpoint(worker_spec("first", "q1")).unwrap();
    assert_eq!((made.version, made.last_modified_time), (1, None));
    assert_eq!(made.url_prefix, format!("/nexus/endpoints/{}/services", made.id));
    assert_eq!(made.spec, Some(worker_spec("first", "q1")));
    let twice = t.create_endpoint(worker_spec("first", "q1")).unwrap_err();
    assert_eq!(twice.code, Code::AlreadyExists);
    assert_eq!(
        twice.message,
        "error creating Nexus endpoint. Endpoint with name first already registered"
    );

    let stale = t.update_endpoint(&made.id, 7, worker_spec("first", "q2")).unwrap_err();
    assert_eq!(stale.code, Code::FailedPrecondition);
    assert_eq!(stale.message, "nexus endpoint version mismatch. received: 7 expected 1");
    let changed = t.update_endpoint(&made.id, 1, worker_spec("renamed", "q2")).unwrap();
    assert_eq!(changed.version, 2);
    assert!(changed.last_modified_time.is_some());
    let request = op::GetNexusEndpointRequest { id: made.id.clone() };
    let found = t.ask(rpc::GetNexusEndpoint, request).unwrap().endpoint;
    assert_eq!(found, Some(changed));
    t.create_endpoint(worker_spec("first", "q1")).unwrap();
    let taken = t.update_endpoint(&made.id, 2, worker_spec("first", "q2"));
    assert_eq!(taken.unwrap_err().code, Code::AlreadyExists);

    assert_eq!(
        t.delete_endpoint(&made.id, 0).unwrap_err().message,
        "endpoint version is non-positive"
    );
    t.delete_endpoint(&made.id, 2).unwrap();
    let gone = t.delete_endpoint(&made.id, 2).unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
    assert_eq!(
        t.update_endpoint(&made.id, 2, worker_spec("x1", "q")).unwrap_err().code,
        Code::NotFound
    );
    let request = op::GetNexusEndpointRequest { id: made.id };
    assert_eq!(t.ask(rpc::GetNexusEndpoint, request).unwrap_err().code, Code::NotFound);
}

#[test]
fn specs_that_make_no_sense_are_refused() {
    let mut t = Harness::new();
    let mut other = worker_spec("ok-3", "q");
    other.target = Some(nexus::EndpointTarget {
        variant: Some(nexus::endpoint_target::Variant::Worker(
            nexus::endpoint_target::Worker {
                namespace: "nons".to_owned(),
                task_queue: "q".to_owned(),
            },
        )),
    });
    for (spec, message) in [
        (
            nexus::EndpointSpec::default(),
            "endpoint name not set, empty target variant".to_owned(),
        ),
        (worker_spec("a", "q"), REGEX.to_owned()),
        (worker_spec("a_b", "q"), REGEX.to_owned()),
        (
            worker_spec(&"x".repeat(201), "q"),
            "endpoint name exceeds length limit of 200".to_owned(),
        ),
        (
            worker_spec("ok-1", ""),
            "invalid target task queue: \"taskQueue is not set\"".to_owned(),
        ),
        (
            other,
            "could not verify namespace referenced by target exists: Namespace nons is not found.".to_owned(),
        ),
        (external_spec("ok-4", ""), "empty target URL".to_owned()),
        (
            external_spec("ok-5", "ftp://x"),
            "invalid target URL scheme: \"ftp\", expected http or https".to_owned(),
        ),
    ] {
        assert_eq!(t.create_endpoint(spec).unwrap_err().message, message);
    }
}

#[test]
fn endpoints_are_listed_in_pages_and_found_by_name() {
    let mut t = Harness::new();
    for number in 0..5 {
        t.create_endpoint(worker_spec(&format!("e{number}"), "q")).unwrap();
    }
    let mut names = Vec::new();
    let mut token = Vec::new();
    loop {
        let (page, next) = t.list_endpoints(|it| {
            it.page_size = 2;
            it.next_page_token = token.into();
        });
        names.extend(page);
        token = next;
        if token.is_empty() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["e0", "e1", "e2", "e3", "e4"]);
    assert_eq!(t.list_endpoints(|it| it.name = "e3".to_owned()).0, ["e3"]);
    assert!(t.list_endpoints(|it| it.name = "none".to_owned()).0.is_empty());
    for (page_size, message) in [
        (-1, "page_size is negative"),
        (1_001, "page_size exceeds limit of 1000"),
    ] {
        let request = op::ListNexusEndpointsRequest {
            page_size,
            ..op::ListNexusEndpointsRequest::default()
        };
        assert_eq!(t.ask(rpc::ListNexusEndpoints, request).unwrap_err().message, message);
    }
}

#[test]
fn operations_of_an_endpoint_that_is_gone_or_outside_fail() {
    let mut t = Harness::new();
    let cause = |t: &mut Harness, id: &str| {
        let Attributes::NexusOperationFailedEventAttributes(it) = t.attributes(id, 6) else {
            panic!("{}", t.history(id))
        };
        it.failure.unwrap().cause.unwrap().message
    };
    t.create_endpoint(external_spec("outside", "http://localhost:1/x"))
        .unwrap();
    t.workflow_to("out", "outside");
    assert_eq!(
        cause(&mut t, "out"),
        "this server does not call external Nexus endpoints: http://localhost:1/x"
    );
    t.terminate("out").unwrap();

    let endpoint = t.create_endpoint(worker_spec(ENDPOINT, "nexus-queue")).unwrap();
    t.begun("gone", vec![operation()]);
    t.delete_endpoint(&endpoint.id, 1).unwrap();
    t.advance(seconds(10));
    assert_eq!(cause(&mut t, "gone"), "endpoint not registered");
    t.terminate("gone").unwrap();

    // One of the same name takes its place.
    let endpoint = t.create_endpoint(worker_spec(ENDPOINT, "elsewhere")).unwrap();
    t.begun("wf", vec![operation()]);
    t.delete_endpoint(&endpoint.id, 1).unwrap();
    t.create_endpoint(worker_spec(ENDPOINT, "nexus-queue")).unwrap();
    t.advance(seconds(10));
    let start: Start = sync("served");
    t.serve(start);
    assert!(t.history("wf").ends_with("6:NexusOperationCompleted 7:WftScheduled"));
}

#[test]
fn an_endpoint_may_lead_to_another_namespace() {
    let mut t = Harness::with(EngineConfig {
        namespaces: vec!["default".to_owned(), "other".to_owned()],
        ..EngineConfig::default()
    });
    let mut spec = worker_spec(ENDPOINT, "there");
    spec.target = Some(nexus::EndpointTarget {
        variant: Some(nexus::endpoint_target::Variant::Worker(
            nexus::endpoint_target::Worker {
                namespace: "other".to_owned(),
                task_queue: "there".to_owned(),
            },
        )),
    });
    t.create_endpoint(spec).unwrap();
    t.calling(vec![operation()]);
    let poll = wf::PollNexusTaskQueueRequest {
        namespace: "other".to_owned(),
        task_queue: Some(queue("there")),
        ..wf::PollNexusTaskQueueRequest::default()
    };
    let call = t.send(rpc::PollNexusTaskQueue, poll);
    let task = t.take(rpc::PollNexusTaskQueue, call).unwrap().unwrap();
    t.answer_nexus(&task, Some(sync("from there"))).unwrap();
    assert!(t.history("wf").ends_with("6:NexusOperationCompleted 7:WftScheduled"));
}

#[test]
fn a_task_queue_tells_of_its_nexus_pollers_and_requests() {
    let mut t = Harness::new();
    t.calling(vec![operation(), operation()]);
    let task = t.poll_nexus();
    let request = |kind: TaskQueueType| wf::DescribeTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(queue("nexus-queue")),
        task_queue_type: kind as i32,
        report_stats: true,
        ..wf::DescribeTaskQueueRequest::default()
    };
    let nexus = t.ask(rpc::DescribeTaskQueue, request(TaskQueueType::Nexus)).unwrap();
    assert_eq!(nexus.pollers[0].identity, "handler");
    assert_eq!(nexus.stats.unwrap().approximate_backlog_count, 1);
    let workflow = t.ask(rpc::DescribeTaskQueue, request(TaskQueueType::Workflow)).unwrap();
    assert!(workflow.pollers.is_empty());
    t.answer_nexus(&task, Some(sync("out"))).unwrap();
}
