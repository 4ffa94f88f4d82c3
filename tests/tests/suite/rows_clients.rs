//! Clients: how they connect, what is set for them and for one call, eager starts, and lists that are replayed.

use crate::{MINUTE, quick};
use std::time::Duration;
use temporal_integration_tests::history::{Attributes, Event, EventType};
use temporal_integration_tests::{look_until, run};
use temporal_sdk::client::protos::api::operatorservice::v1::ListSearchAttributesRequest;
use temporal_sdk::client::protos::api::taskqueue::v1::TaskQueue;
use temporal_sdk::client::protos::api::workflowservice::v1::{GetSystemInfoRequest, PollActivityTaskQueueRequest};
use temporal_sdk::client::{Client, ClientOptions, Memo, RetryOptions, SearchAttributeKey, SearchAttributes};
use temporal_sdk::worker::Replayer;
use temporal_sdk::workflow::{Context, ContinueAsNewOptions};
use temporal_sdk::{activity, workflow};
use tokio::process::Command;

#[activity]
async fn next(number: u32) -> activity::Result<u32> {
    Ok(number + 1)
}

#[workflow]
pub(crate) async fn counts(ctx: &Context, number: u32) -> workflow::Result<u32> {
    Ok(ctx.execute_activity(next, number, quick()).await?)
}

// ---- settings

/// Set in the process that the test below starts.
const CHILD: &str = "SUITE_P47_WORKFLOW";

/// P47: another process connects by what its environment and a file say, a variable going before the file.
#[test]
fn p47_settings_from_the_environment_and_a_file() {
    run(async |env| {
        if let Ok(id) = std::env::var(CHILD) {
            let client = Client::connect(ClientOptions::from_env()?).await?;
            assert_eq!(client.namespace(), "default");
            let started = workflow::named::<u32>("counts");
            let options = temporal_sdk::client::WorkflowOptions::new(id, "nobody's");
            client.start_workflow(started, 1, options).await?;
            return Ok(());
        }
        let id = env.unrecorded_id("child");
        let file = std::env::temp_dir().join(format!("{id}.toml"));
        let address = env.client().connection().address();
        let text = format!("[profile.suite]\naddress = \"{address}\"\nnamespace = \"not this one\"\n");
        std::fs::write(&file, text)?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--exact", env.test()])
            .env(CHILD, &id)
            // It takes part on this server, and starts none.
            .env("TEMPORAL_TEST_SERVER", address)
            .env("TEMPORAL_CONFIG_FILE", &file)
            .env("TEMPORAL_PROFILE", "suite")
            .env("TEMPORAL_NAMESPACE", "default")
            .env_remove("TEMPORAL_ADDRESS")
            .output()
            .await?;
        std::fs::remove_file(&file)?;
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        let handle = env.client().workflow_handle::<counts>(id);
        assert_eq!(handle.describe().await?.workflow_type(), "counts");
        handle.terminate("seen").await?;
        Ok(())
    });
}

/// P48: headers and an API key that change while the client lives, and options of one call: servers take such calls. (What of
/// it goes over the wire, the client's own test of P48 sees.)
#[test]
fn p48_keys_metadata_and_options_of_a_call() {
    run(async |env| {
        let options = ClientOptions::new(env.client().connection().address())
            .metadata("x-team", "suite")
            .api_key("first");
        let client = Client::connect(options).await?;
        client.set_api_key(Some("second"))?;
        client.connection().set_metadata("x-team", "another")?;
        client.call(GetSystemInfoRequest::default()).await?;

        let bad = client.call(GetSystemInfoRequest::default()).metadata("not a key", "x");
        assert_eq!(bad.await.unwrap_err().code(), tonic::Code::InvalidArgument);

        // Nothing comes from this queue, which a poll would wait a minute for.
        let poll = PollActivityTaskQueueRequest {
            namespace: client.namespace().to_owned(),
            task_queue: Some(TaskQueue {
                name: format!("{}-nothing", env.task_queue()),
                ..TaskQueue::default()
            }),
            ..PollActivityTaskQueueRequest::default()
        };
        let poll = client
            .call(poll)
            .timeout(Duration::from_secs(3))
            .retry(RetryOptions::none());
        match tokio::time::timeout(MINUTE / 3, poll).await? {
            // A server that knows the time limit answers just before it.
            Ok(task) => assert!(task.task_token.is_empty()),
            Err(error) => assert_eq!(error.code(), tonic::Code::DeadlineExceeded, "{error}"),
        }
        Ok(())
    });
}

#[test]
fn p50_a_lazy_client_connects_at_its_first_call() {
    run(async |env| {
        // The port is taken, and nothing listens on it.
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let nobody = socket.local_addr()?;
        let options = ClientOptions::new(format!("http://{nobody}")).retry(RetryOptions::none());
        let client = Client::connect(options.lazy(true)).await?;
        let error = client.call(GetSystemInfoRequest::default()).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::Unavailable, "{error}");

        let options = ClientOptions::new(env.client().connection().address()).lazy(true);
        let client = Client::connect(options).await?;
        assert!(client.capabilities().is_none());
        env.with_client(client.clone())
            .serve(env.worker().workflow::<counts>().activity(next), async {
                let counted = client.execute_workflow(counts, 1_u32, env.options("lazy")).await?;
                assert_eq!(counted, 2);
                Ok(())
            })
            .await
    });
}

/// P52: whether the server serves, and calls that no method is made for, of each service.
#[test]
fn p52_health_and_the_raw_services() {
    run(async |env| {
        let client = env.client();
        assert!(client.check_health().await?);
        let info = client.call(GetSystemInfoRequest::default()).await?;
        assert!(info.capabilities.is_some());
        let attributes = ListSearchAttributesRequest {
            namespace: client.namespace().to_owned(),
        };
        let attributes = client.call(attributes).await?;
        assert!(
            attributes.custom_attributes.contains_key("SuiteKeyword"),
            "{attributes:?}"
        );
        Ok(())
    });
}

// ---- starts

/// P15: the first task comes with the answer to the start, and a worker of this client takes it.
#[test]
fn p15_an_eager_start() {
    run(async |env| {
        env.serve(env.worker().workflow::<counts>().activity(next), async {
            for (suffix, eager) in [("plain", false), ("eager", true)] {
                let options = env.options(suffix).eager_start(eager);
                assert_eq!(env.client().execute_workflow(counts, 1_u32, options).await?, 2);
                let events = env.events(&env.id(suffix)).await?;
                let accepted = match events.first().and_then(|event| event.attributes.as_ref()) {
                    Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
                        started.eager_execution_accepted
                    }
                    other => anyhow::bail!("the first event is {other:?}"),
                };
                assert_eq!(accepted, eager, "{suffix}");
            }
            Ok(())
        })
        .await
    });
}

// ---- continuing as new, otherwise

#[workflow]
pub(crate) async fn goes_on_otherwise(ctx: &Context) -> workflow::Result<String> {
    let options = ContinueAsNewOptions::new()
        .workflow_type("otherwise")
        .memo(Memo::new().with("from", "before"))
        .run_timeout(MINUTE * 7)
        .backoff_start_interval(Duration::from_secs(1));
    Err(ctx.continue_as_new_with("an input", options))
}

#[workflow]
pub(crate) async fn otherwise(ctx: &Context, input: String) -> workflow::Result<String> {
    let from: Option<String> = ctx.memo("from")?;
    Ok(format!("{input}, from {}", from.unwrap_or_default()))
}

/// P33: another type, other notes, a time limit, and a wait before it begins.
#[test]
fn p33_options_of_continue_as_new() {
    run(async |env| {
        let worker = env.worker().workflow::<goes_on_otherwise>().workflow::<otherwise>();
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(goes_on_otherwise, (), env.options("on"))
                .await?;
            assert_eq!(handle.result().await?, "an input, from before");
            let events = env.events(&env.id("on")).await?;
            let started = match events.first().and_then(|event| event.attributes.clone()) {
                Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started,
                other => anyhow::bail!("the first event is {other:?}"),
            };
            assert_eq!(started.workflow_type.unwrap_or_default().name, "otherwise");
            assert_eq!(started.workflow_run_timeout.map(|timeout| timeout.seconds), Some(420));
            let first = time_of(&events, EventType::WorkflowExecutionStarted);
            let task = time_of(&events, EventType::WorkflowTaskScheduled);
            assert!(task > first, "{first} {task}");
            Ok(())
        })
        .await
    });
}

/// When the first event of the type came, in seconds.
fn time_of(events: &[Event], kind: EventType) -> i64 {
    let event = events.iter().find(|event| event.event_type() == kind);
    event.and_then(|event| event.event_time).unwrap_or_default().seconds
}

// ---- lists

/// S171: the histories of what a list finds go into the replayer as they come.
#[test]
fn s171_histories_of_a_list_into_the_replayer() {
    run(async |env| {
        env.serve(env.worker().workflow::<counts>().activity(next), async {
            let client = env.client();
            let value = env.task_queue();
            for number in 1..=3_u32 {
                let attributes =
                    SearchAttributes::new().with(&SearchAttributeKey::keyword("SuiteKeyword"), value.to_owned());
                let options = env.options(&number.to_string()).search_attributes(attributes);
                assert_eq!(client.execute_workflow(counts, number, options).await?, number + 1);
            }
            let query = format!("SuiteKeyword = '{value}' AND ExecutionStatus = 'Completed'");
            // A real server's list comes a moment later.
            look_until(async || {
                let counted = client.count_workflows(&query).await?;
                anyhow::Ok((counted.count >= 3).then_some(()))
            })
            .await?;
            let replayer = Replayer::builder().workflow::<counts>().build()?;
            let report = replayer.replay_all(client.list_workflows(&query).histories()).await;
            assert!(report.is_ok(), "{report}");
            assert_eq!(report.replayed, 3);
            Ok(())
        })
        .await
    });
}
