//! Logging in workflows.

use std::time::Duration;
use temporal_integration_tests::{env::captured, run};
use temporal_sdk::workflow;

#[workflow]
pub(crate) async fn logs(ctx: &workflow::Context) -> workflow::Result<()> {
    let id = ctx.info().workflow_id.clone();
    tracing::info!(target: "suite", "{id} before");
    ctx.sleep(Duration::from_millis(20)).await?;
    tracing::info!(target: "suite", "{id} between");
    ctx.sleep(Duration::from_millis(20)).await?;
    tracing::info!(target: "suite", "{id} after");
    Ok(())
}

/// S100: with a cache of 0 every task replays the run from its start; each line is logged once all the same.
#[test]
fn s100_each_line_is_logged_once() {
    run(async |env| {
        env.serve(env.worker().workflow::<logs>().max_cached_workflows(0), async {
            env.client().execute_workflow(logs, (), env.options("logs")).await?;
            let id = env.id("logs");
            let lines = captured(|line| line.starts_with(&id));
            assert_eq!(lines, ["before", "between", "after"].map(|word| format!("{id} {word}")));
            Ok(())
        })
        .await
    });
}
