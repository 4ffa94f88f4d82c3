use temporal_sdk::activity;

struct Payments;

impl Payments {
    #[activity]
    async fn charge(&self, order: u32) -> activity::Result<u32> {
        Ok(order)
    }
}

fn main() {}
