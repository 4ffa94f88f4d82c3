use temporal_sdk::workflow;

#[workflow(handlers)]
trait WithRun {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

#[workflow(handlers)]
trait WithoutCode {
    #[signal]
    fn approve(&self);
}

#[workflow(handlers)]
trait Nothing {
    fn approved(&self) -> bool;
}

#[workflow(handlers)]
trait Generic<T> {
    #[query]
    fn state(&self) -> u32 {
        1
    }
}

#[workflow(handlers)]
trait Shared {
    fn approved(&self) -> bool;

    #[query]
    fn is_approved(&self) -> bool {
        self.approved()
    }
}

#[derive(Default)]
struct NotImplemented;

#[workflow(handlers(Shared))]
impl NotImplemented {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct NoTrait;

#[workflow(handlers)]
impl NoTrait {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

#[workflow(handlers(Shared))]
async fn function() -> workflow::Result<()> {
    Ok(())
}

#[workflow]
trait WithoutHandlers {
    #[signal]
    fn approve(&self) {}
}

fn main() {}
