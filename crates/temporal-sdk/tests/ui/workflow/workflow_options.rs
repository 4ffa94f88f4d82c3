use temporal_sdk::workflow;

#[derive(Default)]
struct Greeting;

#[workflow(title = "Hello")]
impl Greeting {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

#[workflow]
struct OnAStruct;

struct Borrowing<'a>(&'a str);

#[workflow]
impl<'a> Borrowing<'a> {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

fn main() {}
