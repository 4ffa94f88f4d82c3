use temporal_sdk::{activities, activity};

#[activities]
trait Payments {
    #[activity]
    async fn charge(order: u32) -> activity::Result<u32>;
}

fn main() {}
