use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run(name = "Hello")]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[signal(nmae = "poke")]
    fn poke(&self) {}

    #[query(name = "__temporal_mine")]
    fn mine(&self) -> u32 {
        1
    }

    #[update(name = "")]
    fn nameless(&self) {}

    #[signal]
    #[update]
    fn both(&self) {}

    #[update(validator = check)]
    fn checked(&self) {}
}

fn main() {}
