use temporal_sdk::{client::WorkflowHandle, workflow};

#[derive(Default)]
struct One;

#[workflow]
impl One {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }

    #[signal]
    fn poke(&self) {}
}

#[derive(Default)]
struct Other;

#[workflow]
impl Other {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

async fn talk(handle: WorkflowHandle<Other>) {
    let _ = handle.signal(One::poke, ()).await;
}

fn main() {}
