//! The embedded Temporal server as a program.
//!
//! `temporal-embedded-server --port 7233` serves until SIGINT or SIGTERM. It also takes the arguments with which the SDKs
//! start the Temporal CLI's dev server (`server start-dev …`) and the Java test server (`PORT --enable-time-skipping`).

mod arguments;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use temporal_testing::server::{BindError, EmbeddedServer};

use self::arguments::{Arguments, Settings};

fn main() -> ExitCode {
    let settings = match Arguments::parse().settings() {
        Ok(settings) => settings,
        Err(error) => error.exit(),
    };
    let level = settings.log_level.as_str();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(level)
        .init();
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last words; nobody is left to tell if stderr is closed.
            let _ = writeln!(io::stderr(), "temporal-embedded-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<(), BindError> {
    // The engine works under one lock: more threads than this would wait for each other.
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().min(4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), BindError> {
    let stopped = stop_signal()?;
    let mut builder = EmbeddedServer::builder();
    for namespace in settings.namespaces {
        builder = builder.namespace(namespace);
    }
    for (name, kind) in settings.search_attributes {
        builder = builder.search_attribute(name, kind);
    }
    if let Some(locks) = settings.time_skipping {
        builder = builder.time_skipping_from(locks);
    }
    let server = builder.start();
    let address = (settings.ip.as_str(), settings.port);
    let address = if settings.expose {
        server.bind_exposed(address).await?
    } else {
        server.bind(address).await?
    };
    // Flushed, so that whoever started us can read the port at once.
    let mut stdout = io::stdout();
    writeln!(stdout, "Temporal server listening on {address}")?;
    stdout.flush()?;
    stopped.await;
    tracing::info!("shutting down");
    server.shutdown().await;
    Ok(())
}

/// Ends at SIGINT or SIGTERM. The handlers are in place once this returns.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends at Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler the system ends the process by itself.
        let _ = tokio::signal::ctrl_c().await;
    })
}
