use temporal_sdk::activity;

#[activity(dynamic)]
async fn any(name: String) -> activity::Result<String> {
    Ok(name)
}

fn main() {}
