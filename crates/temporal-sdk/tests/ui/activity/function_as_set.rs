use temporal_sdk::activity;
use temporal_sdk::client::Client;
use temporal_sdk::worker::Worker;

#[activity]
async fn charge() -> activity::Result<()> {
    Ok(())
}

fn worker(client: &Client) {
    let _ = Worker::builder(client, "payments").activities(charge);
}

fn main() {}
