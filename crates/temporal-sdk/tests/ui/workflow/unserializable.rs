use temporal_sdk::workflow;

struct Opaque;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self, _input: Opaque) -> workflow::Result<Opaque> {
        Ok(Opaque)
    }
}

fn main() {}
