use temporal_sdk::{client::WorkflowHandle, workflow};

#[derive(Default)]
struct Greeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[signal]
    fn salute(&self, _salutation: String) {}

    #[query]
    fn count(&self, _from: u32) -> u32 {
        1
    }

    #[update]
    fn replace(&self, greeting: String, _times: u32) -> String {
        greeting
    }
}

async fn talk(handle: WorkflowHandle<Greeting>) {
    let _ = handle.signal(Greeting::salute, 7).await;
    let _ = handle.query(Greeting::count, "first").await;
    let _ = handle.execute_update(Greeting::replace, "one only").await;
    let _: u32 = handle.execute_update(Greeting::replace, ("a", 1_u32)).await.unwrap();
}

fn main() {}
