use std::time::Duration;
use temporal_sdk::{activity, workflow, workflow::ActivityOptions};

#[activity]
fn say_hello(name: String) -> activity::Result<String> {
    Ok(name)
}

#[derive(Default)]
struct SayHello;

#[workflow]
impl SayHello {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
        let _ = ctx.execute_activity(say_hello, name.len(), options.clone()).await?;
        let _: u32 = ctx.execute_activity(say_hello, name, options).await?;
        Ok(String::new())
    }
}

fn main() {}
