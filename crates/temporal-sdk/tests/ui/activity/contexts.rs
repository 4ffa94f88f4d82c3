use temporal_sdk::activity;

#[activity]
async fn owned(_ctx: activity::Context, _name: String) -> activity::Result<()> {
    Ok(())
}

#[activity]
async fn of_workflows(_ctx: &temporal_sdk::workflow::Context) -> activity::Result<()> {
    Ok(())
}

fn main() {}
