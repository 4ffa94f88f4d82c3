use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[query]
    async fn greeting(&self) -> String {
        String::new()
    }
}

fn main() {}
