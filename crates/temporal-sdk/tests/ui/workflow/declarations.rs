use temporal_sdk::workflow;

#[workflow]
trait WithoutRun {
    #[signal]
    fn approve();
}

#[workflow]
trait WithCode {
    #[run]
    async fn run(order: u32) -> u32 {
        order
    }
}

#[workflow]
trait WithUnknown {
    #[run]
    async fn run(order: u32) -> u32;

    fn other();
}

fn main() {}
