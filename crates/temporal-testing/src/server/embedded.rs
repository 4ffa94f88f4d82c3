//! The embedded server as a value.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tonic::transport::{Channel, Endpoint};

use super::engine::{EngineConfig, Limits, Request, TimeMode};
use super::pipe::InProcessConnector;
use super::service::{Answer, Driver, Services, serve};
use super::visibility::AttributeType;

/// How long a shutdown waits for connections to end by themselves.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// A Temporal server inside this process.
///
/// It serves the gRPC API over in-memory pipes ([`channel`](Self::channel), [`connector`](Self::connector)) and, if asked to,
/// on TCP ([`bind`](Self::bind)). Hundreds may live in one process; each is a world of its own. Dropping it ends it, with
/// all its connections; [`shutdown`](Self::shutdown) lets running calls end first.
///
/// # Example
/// ```
/// use temporal_protos::api::workflowservice::v1::GetSystemInfoRequest;
/// use temporal_protos::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
/// use temporal_testing::server::EmbeddedServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = EmbeddedServer::builder().time_skipping().start();
/// let mut service = WorkflowServiceClient::new(server.channel());
/// service.get_system_info(GetSystemInfoRequest {}).await?;
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct EmbeddedServer {
    driver: Driver,
    tasks: Tasks,
}

/// What every connection task needs.
#[derive(Clone)]
pub(super) struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
    services: Services,
    phase: watch::Sender<Phase>,
}

/// How far the server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Connections end once their calls are answered.
    ShuttingDown,
    /// Connections end.
    Ended,
}

/// Options of an [`EmbeddedServer`].
#[derive(Clone, Debug)]
#[must_use]
pub struct EmbeddedServerBuilder {
    config: EngineConfig,
    unlock_while_waiting: bool,
}

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address can be reached from other machines, and the server asks nobody who they are.
    #[error(
        "{0} is not a loopback address; use bind_exposed (--expose on the command line) if others are to reach the server"
    )]
    NotLoopback(SocketAddr),
    /// The system refused.
    #[error("cannot listen: {0}; choose another port, or port 0 for any that is free")]
    Io(#[from] io::Error),
}

impl EmbeddedServerBuilder {
    /// Adds a namespace. Default: `default` alone, which stays.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !self.config.namespaces.contains(&name) {
            self.config.namespaces.push(name);
        }
        self
    }

    /// Adds a custom search attribute to every namespace.
    pub fn search_attribute(mut self, name: impl Into<String>, kind: AttributeType) -> Self {
        self.config.search_attributes.insert(name.into(), kind.to_proto());
        self
    }

    /// Lets time skip: it jumps to the next timer when nothing is running, while no lock holds it. One lock is held at the
    /// start, as test servers do; a client that waits for a result unlocks. Default: time is real.
    pub fn time_skipping(self) -> Self {
        self.time_skipping_from(1)
    }

    /// Lets time skip, with the given number of locks held at the start; with 0 time skips from the first moment.
    pub fn time_skipping_from(mut self, initial_locks: u32) -> Self {
        self.config.time = TimeMode::Skipping { initial_locks };
        self
    }

    /// Whether time skips.
    pub(crate) fn skips_time(&self) -> bool {
        matches!(self.config.time, TimeMode::Skipping { .. })
    }

    /// Lets time skip by itself while a call waits for the end of a run, as the clients of most SDKs do by locking and
    /// unlocking around such a call. With [`time_skipping`](Self::time_skipping). Default: only locks count.
    pub fn unlock_while_waiting(mut self) -> Self {
        self.unlock_while_waiting = true;
        self
    }

    /// Seeds run ids and request ids: the same seed and the same calls give the same ids. Default: drawn at random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// How long closed runs are kept. Default: 24 hours.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.config.retention = retention;
        self
    }

    /// What bounds requests and runs: sizes, counts, lengths. Default: [`Limits::default`], as on the real server.
    ///
    /// ```
    /// use temporal_testing::server::EmbeddedServer;
    /// use temporal_testing::server::engine::Limits;
    ///
    /// let mut limits = Limits::default();
    /// limits.history_events = 100;
    /// let _ = EmbeddedServer::builder().limits(limits);
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Starts the server on the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(self) -> EmbeddedServer {
        let driver = Driver::new(self.config, self.unlock_while_waiting);
        let tasks = Tasks {
            runtime: Handle::current(),
            tracker: TaskTracker::new(),
            services: Services::new(driver.clone()),
            phase: watch::Sender::new(Phase::Serving),
        };
        tasks.tracker.spawn_on(driver.run_timers(), &tasks.runtime);
        EmbeddedServer { driver, tasks }
    }
}

impl EmbeddedServer {
    /// Options for a server.
    pub fn builder() -> EmbeddedServerBuilder {
        // A server started twice must not give two runs the same id.
        let config = EngineConfig {
            seed: uuid::Uuid::new_v4().as_u64_pair().0,
            ..EngineConfig::default()
        };
        EmbeddedServerBuilder {
            config,
            unlock_while_waiting: false,
        }
    }

    /// A gRPC channel to this server, over an in-memory pipe.
    #[must_use]
    pub fn channel(&self) -> Channel {
        Endpoint::from_static("http://embedded.invalid").connect_with_connector_lazy(self.connector())
    }

    /// Makes connections to this server for `Endpoint::connect_with_connector`; the address is ignored.
    #[must_use]
    pub fn connector(&self) -> InProcessConnector {
        InProcessConnector {
            tasks: self.tasks.clone(),
        }
    }

    /// Listens on a TCP address of this machine's own; port 0 takes any that is free. Returns the address taken.
    ///
    /// # Errors
    /// When the address is not a loopback address, or the system refuses.
    pub async fn bind(&self, address: impl ToSocketAddrs) -> Result<SocketAddr, BindError> {
        for address in tokio::net::lookup_host(&address).await? {
            if !address.ip().is_loopback() {
                return Err(BindError::NotLoopback(address));
            }
        }
        Ok(self.serve_tcp(TcpListener::bind(address).await?)?)
    }

    /// Listens on a TCP address, whoever can reach it. The server asks nobody who they are: anyone who connects may do
    /// anything.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn bind_exposed(&self, address: impl ToSocketAddrs) -> Result<SocketAddr, BindError> {
        Ok(self.serve_tcp(TcpListener::bind(address).await?)?)
    }

    /// Serves the connections of a listener until the server ends. Returns the listener's address.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn serve_tcp(&self, listener: TcpListener) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        let tasks = self.tasks.clone();
        let accept = async move {
            let mut ending = tasks.phase.subscribe();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = ending.wait_for(|phase| *phase > Phase::Serving) => return,
                };
                match accepted {
                    Ok((stream, _)) => {
                        // Without it answers wait for acknowledgements; a socket that refuses still works.
                        let _ = stream.set_nodelay(true);
                        tasks.spawn(stream);
                    }
                    Err(error) => {
                        // Mostly: no file handles left. Others may be given back soon.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        };
        self.tasks.tracker.spawn_on(accept, &self.tasks.runtime);
        Ok(address)
    }

    /// The server's time now: virtual when time skips.
    #[must_use]
    pub fn current_time(&self) -> SystemTime {
        self.driver.current_time()
    }

    /// While the returned value lives, nobody's waiting makes time skip
    /// ([`unlock_while_waiting`](EmbeddedServerBuilder::unlock_while_waiting)).
    pub(crate) fn hold_time(&self) -> HeldTime<'_> {
        self.driver.hold_time();
        HeldTime(&self.driver)
    }

    /// Calls the engine without a connection.
    pub(crate) async fn call(&self, request: Request) -> Answer {
        let mut call = self.driver.call(request, None);
        let answer = call.answer().await;
        call.delivered();
        answer
    }

    /// Ends the server: waiting calls are answered with UNAVAILABLE, connections end once their answers are sent.
    pub async fn shutdown(self) {
        self.driver.close();
        self.tasks.phase.send_replace(Phase::ShuttingDown);
        self.tasks.tracker.close();
        if tokio::time::timeout(SHUTDOWN_GRACE, self.tasks.tracker.wait())
            .await
            .is_err()
        {
            tracing::debug!("some connections did not end by themselves");
        }
        // Dropping ends the rest.
    }
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        self.driver.close();
        self.tasks.phase.send_replace(Phase::Ended);
    }
}

/// Keeps time from skipping for those who wait.
pub(crate) struct HeldTime<'s>(&'s Driver);

impl Drop for HeldTime<'_> {
    fn drop(&mut self) {
        self.0.release_time();
    }
}

impl Tasks {
    pub(super) fn is_serving(&self) -> bool {
        *self.phase.borrow() == Phase::Serving
    }

    pub(super) fn spawn<T>(&self, io: T)
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (mut shutting_down, mut ended) = (self.phase.subscribe(), self.phase.subscribe());
        let connection = serve(io, self.services.clone(), async move {
            // An error means that the server is gone, which is an end too.
            let _ = shutting_down.wait_for(|phase| *phase > Phase::Serving).await;
        });
        let task = async move {
            tokio::select! {
                () = connection => {}
                _ = ended.wait_for(|phase| *phase == Phase::Ended) => {}
            }
        };
        self.tracker.spawn_on(task, &self.runtime);
    }
}
