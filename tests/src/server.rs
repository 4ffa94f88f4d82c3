//! Which server the suite runs on.
//!
//! `TEMPORAL_TEST_SERVER` is `embedded` (the default) for the one in `temporal-testing`, `dev` for a real Temporal dev server
//! (the `temporal` program on `PATH` or in `TEMPORAL_CLI`), either started once for a test process, or an address such as
//! `http://localhost:7233` of a server that has the search attributes [`SEARCH_ATTRIBUTES`].

use anyhow::Context as _;
use std::sync::LazyLock;
use temporal_testing::environment::{DevServer, DevServerOptions};
use temporal_testing::server::EmbeddedServer;
use temporal_testing::server::visibility::AttributeType;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

/// The custom search attributes that tests use, with their types as the `temporal` program names them.
pub const SEARCH_ATTRIBUTES: [(&str, &str); 5] = [
    ("SuiteKeyword", "Keyword"),
    ("SuiteInt", "Int"),
    // Of the example, which would otherwise add them itself.
    ("Customer", "Keyword"),
    ("Stage", "Keyword"),
    ("Cents", "Int"),
];

/// The kinds of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The embedded server of `temporal-testing`.
    Embedded,
    /// A real Temporal dev server.
    Dev,
    /// A server that somebody else started.
    External,
}

/// The runtime of every test of the process, and of the server they share.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a tokio runtime can be built")
});

static DEV: OnceCell<DevServer> = OnceCell::const_new();
static EMBEDDED: OnceCell<(EmbeddedServer, String)> = OnceCell::const_new();

/// The kind that `TEMPORAL_TEST_SERVER` asks for.
///
/// # Panics
/// When it holds something else than `dev`, `embedded` or an address.
#[must_use]
pub fn kind() -> Kind {
    match std::env::var("TEMPORAL_TEST_SERVER").as_deref() {
        Err(_) | Ok("" | "embedded") => Kind::Embedded,
        Ok("dev") => Kind::Dev,
        Ok(address) if address.contains("://") => Kind::External,
        Ok(other) => panic!("TEMPORAL_TEST_SERVER is {other:?}: say `embedded`, `dev`, or an address with http://"),
    }
}

/// Where the shared server listens.
///
/// # Errors
/// When it cannot be started.
pub async fn address() -> anyhow::Result<String> {
    address_of(kind()).await
}

/// Where the shared server of a kind listens.
///
/// # Errors
/// When it cannot be started.
pub async fn address_of(kind: Kind) -> anyhow::Result<String> {
    match kind {
        Kind::Dev => Ok(DEV.get_or_try_init(|| start_dev(dev_options())).await?.address()),
        Kind::External => Ok(std::env::var("TEMPORAL_TEST_SERVER")?),
        Kind::Embedded => Ok(EMBEDDED.get_or_try_init(start_embedded).await?.1.clone()),
    }
}

/// A dev server's options, with what the suite needs.
#[must_use]
pub fn dev_options() -> DevServerOptions {
    let options = SEARCH_ATTRIBUTES
        .iter()
        .fold(DevServerOptions::new(), |options, (name, kind)| {
            options.search_attribute(*name, *kind)
        });
    // What the server does not offer by default: pausing runs, skipping their time, and ending the polls of workers that end:
    // a poll that is broken off may swallow the first task of the next worker.
    [
        "frontend.WorkflowPauseEnabled",
        "frontend.WorkflowTimeSkippingEnabled",
        "frontend.enableCancelWorkerPollsOnShutdown",
    ]
    .iter()
    .fold(options, |options, feature| {
        options
            .argument("--dynamic-config-value")
            .argument(format!("{feature}=true"))
    })
}

/// Starts an embedded server on the suite's runtime. It listens, so that other processes take part.
async fn start_embedded() -> anyhow::Result<(EmbeddedServer, String)> {
    let start = async {
        let server = SEARCH_ATTRIBUTES
            .iter()
            .fold(EmbeddedServer::builder(), |builder, (name, kind)| {
                let kind = if *kind == "Int" {
                    AttributeType::Int
                } else {
                    AttributeType::Keyword
                };
                builder.search_attribute(*name, kind)
            })
            .start();
        let address = server.bind("127.0.0.1:0").await?;
        anyhow::Ok((server, format!("http://{address}")))
    };
    RUNTIME.spawn(start).await?
}

/// Starts a dev server on the suite's runtime, which outlives the test that comes first.
async fn start_dev(options: DevServerOptions) -> anyhow::Result<DevServer> {
    RUNTIME
        .spawn(async move { DevServer::start(&options).await })
        .await?
        .context("the suite needs a Temporal dev server")
}

/// Starts a dev server for one test alone.
///
/// # Errors
/// When it cannot be started.
pub async fn own_dev_server(options: DevServerOptions) -> anyhow::Result<DevServer> {
    start_dev(options).await
}
