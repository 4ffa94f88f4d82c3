use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[update]
    fn change(&self, _to: String) {}

    #[validator(chnage)]
    fn check(&self, _to: &str) -> workflow::Result<()> {
        Ok(())
    }

    #[validator]
    fn check_what(&self, _to: &str) -> workflow::Result<()> {
        Ok(())
    }

    #[validator(change)]
    fn check_owned(&self, _to: String) -> workflow::Result<()> {
        Ok(())
    }

    #[validator(change)]
    fn check_more(&self, _to: &str, _more: &u32) -> workflow::Result<()> {
        Ok(())
    }

    #[validator(change)]
    async fn check_later(&self, _to: &str) -> workflow::Result<()> {
        Ok(())
    }
}

fn main() {}
