use temporal_sdk::activity;

#[activity(nmae = "greet")]
async fn greet(name: String) -> activity::Result<String> {
    Ok(name)
}

fn main() {}
