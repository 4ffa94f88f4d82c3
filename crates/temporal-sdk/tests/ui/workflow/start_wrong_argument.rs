use temporal_sdk::{client::Client, client::WorkflowOptions, workflow};

#[derive(Default)]
struct SayHello;

#[workflow]
impl SayHello {
    #[run]
    async fn run(&self, name: String) -> workflow::Result<String> {
        Ok(name)
    }
}

async fn start(client: Client) {
    let options = WorkflowOptions::new("id", "queue");
    let _ = client.start_workflow(SayHello::run, 7, options).await;
}

fn main() {}
