//! An environment for tests of workflows.

use std::borrow::Borrow;
use std::future::Future;
use std::time::{Duration, SystemTime};

use temporal_client::{Client, ClientOptions, ConnectError, EnvironmentError, RpcError};
use temporal_protos::api::nexus::v1 as nexus;
use temporal_protos::api::operatorservice::v1::CreateNexusEndpointRequest;
use temporal_protos::api::testservice::v1::SleepRequest;
use temporal_protos::prost_types;
use temporal_sdk::worker::{ReplayReport, Replayer};

use super::{DevServer, DevServerError, DevServerOptions};
use crate::server::engine::Request;
use crate::server::{EmbeddedServer, EmbeddedServerBuilder};

/// A server and a client of it, for one test.
///
/// The embedded server is in this process: nothing is downloaded, no port is taken, and hundreds of environments run side by
/// side. While time skips, a test that waits for a workflow which sleeps for a day is done in milliseconds.
///
/// ```
/// use std::time::Duration;
/// use temporal_testing::WorkflowEnvironment;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let env = WorkflowEnvironment::start_time_skipping().await?;
/// let before = env.current_time();
/// env.sleep(Duration::from_secs(24 * 3600)).await;
/// assert!(env.current_time() >= before + Duration::from_secs(24 * 3600));
/// # Ok(())
/// # }
/// ```
///
/// # Mocks
/// An activity is mocked by a closure that the worker is given in its place ([`activity::mock`]): it has the name and the
/// types of the activity, so that a mock that takes or gives anything else does not compile.
/// ```
/// use std::time::Duration;
/// use temporal_client::WorkflowOptions;
/// use temporal_sdk::worker::Replayer;
/// use temporal_sdk::workflow::ActivityOptions;
/// use temporal_sdk::{Worker, activity, workflow};
/// use temporal_testing::WorkflowEnvironment;
///
/// #[activity]
/// async fn charge(order: u32) -> activity::Result<String> {
///     unreachable!("no payments in tests")
/// }
///
/// #[workflow]
/// async fn buy(ctx: &workflow::Context, order: u32) -> workflow::Result<String> {
///     let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
///     Ok(ctx.execute_activity(charge, order, options).await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let env = WorkflowEnvironment::start_time_skipping().await?;
/// let mocked = activity::mock(charge, |order| async move { Ok(format!("receipt of {order}")) });
/// let worker = Worker::builder(env.client(), "shop").workflow::<buy>().activity(mocked).build()?;
/// let options = WorkflowOptions::new("order-17", "shop");
/// let receipt = worker.run_until(env.client().execute_workflow(buy, 17_u32, options)).await??;
/// assert_eq!(receipt, "receipt of 17");
/// env.assert_replays(&Replayer::builder().workflow::<buy>().build()?).await;
/// # Ok(())
/// # }
/// ```
/// ```compile_fail
/// # use temporal_sdk::activity;
/// # #[activity]
/// # async fn charge(order: u32) -> activity::Result<String> { unreachable!("no payments in tests") }
/// // The activity gives a `String`.
/// let mocked = activity::mock(charge, |order: u32| async move { Ok(order) });
/// ```
///
/// [`activity::mock`]: temporal_sdk::activity::mock
pub struct WorkflowEnvironment {
    client: Client,
    server: Server,
}

enum Server {
    Embedded {
        server: EmbeddedServer,
        skips: bool,
    },
    Dev(DevServer),
    /// Somebody else's.
    Other,
}

/// Why an environment did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The client did not reach the server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The dev server did not start.
    #[error(transparent)]
    DevServer(#[from] DevServerError),
    /// An environment variable cannot be read.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}

impl WorkflowEnvironment {
    /// Starts an embedded server that skips time while a result is awaited: [`execute_workflow`](Client::execute_workflow)
    /// of a workflow that sleeps for a day returns at once. Between such waits time runs as everywhere, and
    /// [`sleep`](Self::sleep) skips by hand.
    ///
    /// # Errors
    /// When the client does not reach it, which does not happen on a working system.
    pub async fn start_time_skipping() -> Result<Self, StartError> {
        Self::start_embedded(EmbeddedServer::builder().time_skipping()).await
    }

    /// Starts an embedded server in real time.
    ///
    /// # Errors
    /// When the client does not reach it, which does not happen on a working system.
    pub async fn start_local() -> Result<Self, StartError> {
        Self::start_embedded(EmbeddedServer::builder()).await
    }

    /// Starts an embedded server with options: namespaces, search attributes, time skipping.
    ///
    /// # Errors
    /// When the client does not reach it, which does not happen on a working system.
    pub async fn start_embedded(builder: EmbeddedServerBuilder) -> Result<Self, StartError> {
        let skips = builder.skips_time();
        let server = builder.unlock_while_waiting().start();
        let options = ClientOptions::new("http://embedded.invalid");
        let client = Client::connect_with_connector(options, server.connector()).await?;
        Ok(WorkflowEnvironment {
            client,
            server: Server::Embedded { server, skips },
        })
    }

    /// Starts the real Temporal dev server, in real time: a program that is installed, on a free port of the loopback
    /// interface. It ends with this environment.
    ///
    /// ```no_run
    /// use temporal_testing::WorkflowEnvironment;
    /// use temporal_testing::environment::DevServerOptions;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = DevServerOptions::new().binary("/usr/local/bin/temporal");
    /// let env = WorkflowEnvironment::start_dev_server(options).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the `temporal` program is missing or does not start.
    pub async fn start_dev_server(options: impl Borrow<DevServerOptions>) -> Result<Self, StartError> {
        let options = options.borrow();
        let server = DevServer::start(options).await?;
        let options = ClientOptions::new(server.address()).namespace(options.namespace_name());
        Ok(WorkflowEnvironment {
            client: Client::connect(options).await?,
            server: Server::Dev(server),
        })
    }

    /// Uses the server that the environment variables name (`TEMPORAL_ADDRESS` and its siblings,
    /// [`ClientOptions::from_env`]); without `TEMPORAL_ADDRESS` starts an embedded one that skips time. What examples do.
    ///
    /// # Errors
    /// When a variable cannot be read, or there is no server at the address.
    pub async fn from_env() -> Result<Self, StartError> {
        if std::env::var_os("TEMPORAL_ADDRESS").is_none_or(|address| address.is_empty()) {
            return Self::start_time_skipping().await;
        }
        Self::connect(ClientOptions::from_env()?).await
    }

    /// Uses a server that runs already: an address such as `http://localhost:7233`, or [`ClientOptions`].
    ///
    /// # Errors
    /// When there is no server at the address.
    pub async fn connect(options: impl Into<ClientOptions>) -> Result<Self, StartError> {
        Ok(Self::from_client(Client::connect(options.into()).await?))
    }

    /// Uses the server of a client.
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        WorkflowEnvironment {
            client,
            server: Server::Other,
        }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The embedded server, if that is what runs.
    #[must_use]
    pub fn embedded_server(&self) -> Option<&EmbeddedServer> {
        match &self.server {
            Server::Embedded { server, .. } => Some(server),
            Server::Dev(_) | Server::Other => None,
        }
    }

    /// Whether time is skipped while a result is awaited.
    #[must_use]
    pub fn supports_time_skipping(&self) -> bool {
        matches!(self.server, Server::Embedded { skips: true, .. })
    }

    /// The server's time now; this machine's own where the server does not skip time.
    #[must_use]
    pub fn current_time(&self) -> SystemTime {
        match &self.server {
            Server::Embedded { server, .. } => server.current_time(),
            Server::Dev(_) | Server::Other => SystemTime::now(),
        }
    }

    /// Sleeps for a time of the server: at once where it skips time, unless work that is running holds time. What is due
    /// in the meantime happens. Sleeps in real time where it does not skip.
    pub async fn sleep(&self, duration: Duration) {
        if let Server::Embedded { server, skips: true } = &self.server {
            let duration = prost_types::Duration {
                seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
            };
            let request = Request::UnlockTimeSkippingWithSleep(SleepRequest {
                duration: Some(duration),
            });
            if let Err(status) = server.call(request).await {
                // The server lives as long as this environment does.
                tracing::error!(?status, "the embedded server does not sleep");
            }
        } else {
            tokio::time::sleep(duration).await;
        }
    }

    /// Runs a future during which waiting for a result skips no time. Does nothing where time is not skipped anyway.
    ///
    /// ```
    /// use std::time::Duration;
    /// use temporal_client::WorkflowOptions;
    /// use temporal_sdk::workflow;
    /// use temporal_testing::WorkflowEnvironment;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let env = WorkflowEnvironment::start_time_skipping().await?;
    /// let options = WorkflowOptions::new("wf", "tq").run_timeout(Duration::from_secs(24 * 3600));
    /// let handle = env.client().start_workflow(workflow::named::<()>("Waits"), (), options).await?;
    /// let soon = tokio::time::timeout(Duration::from_millis(20), handle.result());
    /// assert!(env.auto_time_skipping_disabled(soon).await.is_err(), "its day is not over");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn auto_time_skipping_disabled<F: Future>(&self, future: F) -> F::Output {
        let _held = self.embedded_server().map(EmbeddedServer::hold_time);
        future.await
    }

    /// Makes a Nexus endpoint that leads to a task queue of the client's namespace: workflows that call this endpoint reach the
    /// Nexus handlers of the workers there. It lasts as long as its server does.
    ///
    /// ```
    /// use temporal_testing::WorkflowEnvironment;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let env = WorkflowEnvironment::start_time_skipping().await?;
    /// env.create_nexus_endpoint("payments", "payments-queue").await?;
    /// assert!(env.create_nexus_endpoint("payments", "another-queue").await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the server refuses: the name is taken (also one of another namespace's), or is not letters, digits and hyphens, at
    /// least two, from a letter to a letter or digit.
    pub async fn create_nexus_endpoint(
        &self,
        name: impl Into<String>,
        task_queue: impl Into<String>,
    ) -> Result<(), RpcError> {
        let worker = nexus::endpoint_target::Worker {
            namespace: self.client.namespace().to_owned(),
            task_queue: task_queue.into(),
        };
        let spec = nexus::EndpointSpec {
            name: name.into(),
            target: Some(nexus::EndpointTarget {
                variant: Some(nexus::endpoint_target::Variant::Worker(worker)),
            }),
            ..nexus::EndpointSpec::default()
        };
        self.client
            .call(CreateNexusEndpointRequest { spec: Some(spec) })
            .await?;
        Ok(())
    }

    /// Replays everything that ran in the client's namespace, with the workflows of a replayer: shows that what tests did
    /// can be replayed, which waiting workers need not notice.
    ///
    /// # Errors
    /// When a history does not replay or cannot be fetched; the report says which, and why.
    pub async fn replay(&self, replayer: &Replayer) -> Result<ReplayReport, ReplayReport> {
        let report = replayer.replay_all(self.client.list_workflows("").histories()).await;
        if report.is_ok() { Ok(report) } else { Err(report) }
    }

    /// Replays everything that ran, as [`replay`](Self::replay) does, at the end of a test.
    ///
    /// # Panics
    /// When a history does not replay, or when there is none.
    pub async fn assert_replays(&self, replayer: &Replayer) {
        match self.replay(replayer).await {
            Ok(report) => assert!(report.replayed > 0, "nothing ran, so nothing was replayed"),
            Err(report) => panic!("{report}"),
        }
    }

    /// Ends the server, if this environment started it; connections end once their calls are answered.
    pub async fn shutdown(self) {
        match self.server {
            Server::Embedded { server, .. } => {
                drop(self.client);
                server.shutdown().await;
            }
            Server::Dev(server) => server.shutdown().await,
            Server::Other => {}
        }
    }
}
