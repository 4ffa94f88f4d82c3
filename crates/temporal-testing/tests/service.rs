//! The gRPC surface of the embedded server: paths, statuses, limits, connections.
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]

use std::time::Duration;

use temporal_protos::api::common::v1::{Payload, Payloads};
use temporal_protos::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use temporal_protos::api::workflowservice::v1::{
    GetSystemInfoRequest, PollWorkflowTaskQueueRequest, StartWorkflowExecutionRequest,
};
use temporal_protos::health::v1::HealthCheckRequest;
use temporal_protos::health::v1::health_check_response::ServingStatus;
use temporal_protos::health::v1::health_client::HealthClient;
use temporal_testing::server::{BindError, EmbeddedServer};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// Calls an RPC by its path with an empty request.
async fn call(channel: Channel, path: &str) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let path = path.parse().map_err(|_| Status::unknown("no path"))?;
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let mut request = Request::new(());
    request.set_timeout(Duration::from_secs(5));
    grpc.unary(request, path, codec).await.map(|_| ())
}

fn connect(address: std::net::SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

/// The RPCs of the API's three services, by path, out of the .proto files.
fn rpc_paths() -> Vec<String> {
    let files = [
        (
            "workflowservice",
            include_str!("../../../protos/temporal/api/workflowservice/v1/service.proto"),
        ),
        (
            "operatorservice",
            include_str!("../../../protos/temporal/api/operatorservice/v1/service.proto"),
        ),
        (
            "testservice",
            include_str!("../../../protos/temporal/api/testservice/v1/service.proto"),
        ),
    ];
    let mut paths = Vec::new();
    for (package, text) in files {
        let mut service = "";
        for line in text.lines() {
            let mut words = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty());
            match words.next() {
                Some("service") => service = words.next().unwrap(),
                Some("rpc") => paths.push(format!(
                    "/temporal.api.{package}.v1.{service}/{}",
                    words.next().unwrap()
                )),
                _ => {}
            }
        }
    }
    paths
}

#[tokio::test]
async fn every_rpc_of_the_api_is_answered_and_what_is_not_served_is_named() {
    let server = EmbeddedServer::builder().time_skipping().start();
    let paths = rpc_paths();
    assert!(paths.len() > 130, "{} RPCs", paths.len());
    for path in paths {
        let name = path.rsplit('/').next().unwrap();
        match call(server.channel(), &path).await {
            Ok(()) => {}
            Err(status) if status.code() == Code::Unimplemented => {
                assert!(status.message().contains(name), "{path}: {status}");
            }
            Err(status) => {
                let wrong = [Code::DeadlineExceeded, Code::Internal, Code::Unknown, Code::Unavailable];
                assert!(!wrong.contains(&status.code()), "{path}: {status}");
            }
        }
    }
}

#[tokio::test]
async fn unknown_paths_are_unimplemented() {
    let server = EmbeddedServer::builder().start();
    for path in [
        "/temporal.api.workflowservice.v1.WorkflowService/Nope",
        "/a.B/C",
        "/",
        "/x",
    ] {
        let status = call(server.channel(), path).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status}");
    }
}

#[tokio::test]
async fn health_is_serving() {
    let server = EmbeddedServer::builder().start();
    let mut health = HealthClient::new(server.channel());
    let ask = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = health
        .check(ask("temporal.api.workflowservice.v1.WorkflowService"))
        .await
        .unwrap();
    assert_eq!(answer.get_ref().status(), ServingStatus::Serving);
    assert_eq!(health.check(ask("nope")).await.unwrap_err().code(), Code::NotFound);
    let mut watch = health.watch(ask("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn a_request_above_4_mib_is_refused_like_on_the_real_server() {
    let server = EmbeddedServer::builder().start();
    let mut service = WorkflowServiceClient::new(server.channel());
    let payload = Payload {
        data: vec![b'x'; 5 << 20].into(),
        ..Payload::default()
    };
    let request = StartWorkflowExecutionRequest {
        namespace: "default".into(),
        input: Some(Payloads {
            payloads: vec![payload],
        }),
        ..Default::default()
    };
    let status = service.start_workflow_execution(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("larger than max 4194304"), "{status}");
}

#[tokio::test]
async fn it_listens_on_loopback_only_unless_told_otherwise() {
    let server = EmbeddedServer::builder().start();
    let error = server.bind("0.0.0.0:0").await.unwrap_err();
    assert!(matches!(error, BindError::NotLoopback(_)), "{error}");
    let address = server.bind("127.0.0.1:0").await.unwrap();
    let error = server.bind(address).await.unwrap_err();
    assert!(matches!(error, BindError::Io(_)), "{error}");
    let mut service = WorkflowServiceClient::new(connect(address));
    service.get_system_info(GetSystemInfoRequest {}).await.ok();
    let both = server.bind("localhost:0").await.unwrap();
    assert!(both.ip().is_loopback());
}

#[tokio::test]
async fn what_is_no_grpc_does_not_disturb_the_server() {
    use tokio::io::AsyncWriteExt;
    let server = EmbeddedServer::builder().start();
    let address = server.bind("127.0.0.1:0").await.unwrap();
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"",
        &[0xff; 4096],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.ok();
    }
    let mut health = HealthClient::new(
        Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect_lazy(),
    );
    health.check(HealthCheckRequest::default()).await.unwrap();
}

#[tokio::test]
async fn shutdown_answers_what_waits_and_refuses_what_comes() {
    let server = EmbeddedServer::builder().start();
    let channel = server.channel();
    let connector = server.connector();
    let mut health = HealthClient::new(channel.clone());
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap();
    let mut service = WorkflowServiceClient::new(channel);
    let poll = tokio::spawn(async move {
        let task_queue = Some(temporal_protos::api::taskqueue::v1::TaskQueue {
            name: "q".into(),
            ..Default::default()
        });
        let request = PollWorkflowTaskQueueRequest {
            namespace: "default".into(),
            task_queue,
            ..Default::default()
        };
        service.poll_workflow_task_queue(request).await
    });
    tokio::task::yield_now().await;
    server.shutdown().await;
    poll.await.unwrap().unwrap_err();
    assert!(watch.message().await.is_err() || watch.message().await.is_ok_and(|message| message.is_none()));
    assert!(connector.connect().is_err());
}

#[tokio::test]
async fn hundreds_of_servers_live_side_by_side() {
    let servers: Vec<_> = (0..300)
        .map(|_| EmbeddedServer::builder().time_skipping().start())
        .collect();
    let asks = servers.iter().map(|server| {
        let mut health = HealthClient::new(server.channel());
        async move { health.check(HealthCheckRequest::default()).await }
    });
    for answer in futures_util::future::join_all(asks).await {
        assert_eq!(answer.unwrap().get_ref().status(), ServingStatus::Serving);
    }
}

#[tokio::test]
async fn a_dropped_server_closes_its_connections() {
    let server = EmbeddedServer::builder().start();
    let mut health = HealthClient::new(server.channel());
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap();
    drop(server);
    // The stream ends, with or without an error, instead of waiting for ever; a last word may come before.
    let rest = async {
        while let Ok(Some(word)) = watch.message().await {
            assert_eq!(word.status(), ServingStatus::NotServing);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), rest).await.unwrap();
}

#[tokio::test]
async fn a_health_watch_is_told_of_the_shutdown_and_does_not_hold_it_up() {
    let server = EmbeddedServer::builder().start();
    let mut watch = HealthClient::new(server.channel())
        .watch(HealthCheckRequest { service: String::new() })
        .await
        .unwrap()
        .into_inner();
    let status = |answer: temporal_protos::health::v1::HealthCheckResponse| answer.status();
    assert_eq!(watch.message().await.unwrap().map(status), Some(ServingStatus::Serving));
    let began = std::time::Instant::now();
    let (last, ()) = tokio::join!(watch.message(), server.shutdown());
    assert_eq!(last.unwrap().map(status), Some(ServingStatus::NotServing));
    assert!(began.elapsed() < Duration::from_millis(450), "{:?}", began.elapsed());
}

#[tokio::test]
async fn limits_can_be_changed() {
    let mut limits = temporal_testing::server::engine::Limits::default();
    limits.message_bytes = 1_000;
    let server = EmbeddedServer::builder().limits(limits).start();
    let request = StartWorkflowExecutionRequest {
        workflow_id: "x".repeat(2_000),
        ..StartWorkflowExecutionRequest::default()
    };
    let refused = WorkflowServiceClient::new(server.channel())
        .start_workflow_execution(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.message(), "grpc: received message larger than max 1000");
}
