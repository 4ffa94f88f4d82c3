use temporal_sdk::workflow::ActivityOptions;

fn main() {
    let _ = ActivityOptions::default();
}
