use std::error::Error;
use temporal_sdk::activity;

#[activity]
async fn charge() -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[activity]
async fn refund() -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(())
}

fn main() {}
