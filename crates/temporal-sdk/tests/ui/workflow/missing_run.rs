use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

fn main() {}
