use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[query(name = "__stack_trace")]
    fn trace(&self) -> u32 {
        1
    }

    #[query]
    fn __enhanced_stack_trace(&self) -> u32 {
        1
    }

    #[signal(name = "__temporal_poke")]
    fn poke(&self) {}

    #[update(name = "")]
    fn change(&self) {}
}

fn main() {}
