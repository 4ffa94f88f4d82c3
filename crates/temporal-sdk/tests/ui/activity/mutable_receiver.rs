use temporal_sdk::{activities, activity};

struct Payments;

#[activities]
impl Payments {
    #[activity]
    async fn charge(&mut self, order: u32) -> activity::Result<u32> {
        Ok(order)
    }
}

fn main() {}
