use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

fn main() {}
