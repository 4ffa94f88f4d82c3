use temporal_sdk::activities;

struct Payments;

#[activities]
impl Payments {
    async fn charge(&self, order: u32) -> u32 {
        order
    }
}

fn main() {}
