use temporal_sdk::workflow;

#[workflow]
async fn biased(ctx: &workflow::Context) -> workflow::Result<()> {
    workflow::select! {
        biased;
        _ = ctx.wait_condition(|| false) => {}
    }
    Ok(())
}

#[workflow]
async fn otherwise(ctx: &workflow::Context) -> workflow::Result<()> {
    workflow::select! {
        _ = ctx.wait_condition(|| false), if false => {}
        else => {}
    }
    Ok(())
}

#[workflow]
async fn no_future(ctx: &workflow::Context) -> workflow::Result<()> {
    workflow::select! {
        _ => {}
    }
    Ok(())
}

#[workflow]
async fn nothing() -> workflow::Result<()> {
    workflow::select! {}
    Ok(())
}

fn main() {}
