use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&mut self) -> workflow::Result<()> {
        Ok(())
    }

    #[signal]
    fn by_value(self) {}

    #[query]
    fn boxed(self: Box<Self>) -> u32 {
        1
    }

    #[update]
    fn nothing() {}

    #[init]
    fn new(&self) -> Self {
        Self
    }
}

fn main() {}
