use std::error::Error;
use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self, _ctx: &temporal_sdk::activity::Context) -> workflow::Result<()> {
        Ok(())
    }

    #[signal]
    fn count(&self) -> u32 {
        1
    }

    #[signal]
    async fn count_later(&self) -> workflow::Result<u32> {
        Ok(1)
    }

    #[signal]
    fn may_fail(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[update]
    fn change(&self, _to: String) {}

    #[validator(change)]
    fn is_right(&self, _to: &str) -> bool {
        true
    }
}

#[workflow]
async fn boxed() -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[workflow]
async fn boxed_well() -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(())
}

fn main() {}
