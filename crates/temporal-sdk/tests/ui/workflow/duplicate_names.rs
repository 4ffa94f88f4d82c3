use temporal_sdk::{workflow, workflow::RawValues};

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[signal]
    fn poke(&self) {}

    #[signal(name = "poke")]
    fn poke_again(&self) {}

    #[query(dynamic)]
    fn any(&self, _name: String, _arguments: RawValues) -> u32 {
        1
    }

    #[query(dynamic)]
    fn any_other(&self, _name: String, _arguments: RawValues) -> u32 {
        1
    }
}

fn main() {}
