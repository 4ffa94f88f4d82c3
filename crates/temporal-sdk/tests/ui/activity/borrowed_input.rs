use temporal_sdk::activity;

#[activity]
async fn greet(name: &str) -> activity::Result<String> {
    Ok(name.to_owned())
}

fn main() {}
