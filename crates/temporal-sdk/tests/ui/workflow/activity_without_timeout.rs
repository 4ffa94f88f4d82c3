use temporal_sdk::workflow::{ActivityOptions, LocalActivityOptions};

fn main() {
    let _ = ActivityOptions::default();
    let _ = LocalActivityOptions::default();
}
