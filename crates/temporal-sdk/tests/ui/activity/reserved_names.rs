use temporal_sdk::activity;

#[activity(name = "__temporal_charge")]
async fn charge() -> activity::Result<()> {
    Ok(())
}

#[activity(name = "")]
async fn refund() -> activity::Result<()> {
    Ok(())
}

fn main() {}
