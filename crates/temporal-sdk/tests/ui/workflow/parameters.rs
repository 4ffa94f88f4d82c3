use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self, ctx: workflow::Context) -> workflow::Result<()> {
        Ok(())
    }

    #[signal]
    fn borrowed(&self, name: &str) {}

    #[signal]
    fn borrowed_later(&self, ctx: &workflow::Context, names: &[String]) {}

    #[signal]
    fn exclusive(&self, ctx: &mut workflow::Context) {}

    #[update]
    fn generic<T>(&self, value: T) {}

    #[update]
    fn opaque(&self, value: impl Into<String>) {}

    #[signal(dynamic)]
    fn any(&self, name: String) {}
}

fn main() {}
