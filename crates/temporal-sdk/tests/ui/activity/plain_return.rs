use temporal_sdk::activity;

#[activity]
async fn count(words: Vec<String>) -> usize {
    words.len()
}

fn main() {}
