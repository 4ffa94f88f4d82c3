use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[run]
    async fn walk(&self) -> workflow::Result<()> {
        Ok(())
    }
}

fn main() {}
