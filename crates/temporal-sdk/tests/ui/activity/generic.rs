use temporal_sdk::activity;

#[activity]
async fn echo<T: Send>(value: T) -> activity::Result<T> {
    Ok(value)
}

fn main() {}
