use std::collections::HashMap;
use std::time::{Duration, SystemTime};
use temporal_sdk::workflow;

#[workflow]
async fn does_what_it_must_not(ctx: &workflow::Context, prices: HashMap<String, u32>) -> workflow::Result<()> {
    let _ = SystemTime::now();
    std::thread::sleep(Duration::from_secs(1));
    let _ = std::env::var("HOME");
    println!("{:?}", std::fs::read("/etc/hostname"));
    for (name, _) in &prices {
        ctx.set_current_details(name.clone());
    }
    Ok(())
}

#[derive(Default)]
struct Allowed;

#[workflow(allow(clock))]
impl Allowed {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        let _ = SystemTime::now();
        self.help();
        let _ = workflow::unrestricted(|| std::env::var("HOME"));
        Ok(())
    }

    fn help(&self) {
        std::thread::spawn(|| {});
    }
}

#[workflow(sandboxed = false)]
async fn unwatched() -> workflow::Result<()> {
    std::thread::yield_now();
    Ok(())
}

#[workflow(allow(time))]
async fn allows_the_unknown() -> workflow::Result<()> {
    Ok(())
}

#[workflow(allow(clock))]
trait Declared {
    #[run]
    async fn run();
}

fn main() {}
