use temporal_sdk::workflow;

struct OtherType;

#[workflow]
impl OtherType {
    #[init]
    fn new(_name: String) -> Self {
        Self
    }

    #[run]
    async fn run(&self, _number: u32) -> workflow::Result<()> {
        Ok(())
    }
}

struct TakesMore;

#[workflow]
impl TakesMore {
    #[init]
    fn new(_ctx: &workflow::Context, _name: std::string::String, _times: u32) -> Self {
        Self
    }

    #[run]
    async fn run(&self, _name: String) -> workflow::Result<()> {
        Ok(())
    }
}

struct Fails;

#[workflow]
impl Fails {
    #[init]
    fn new(_name: String) -> workflow::Result<Self> {
        Ok(Self)
    }

    #[run]
    async fn run(&self, _name: String) -> workflow::Result<()> {
        Ok(())
    }
}

struct TakesLess;

#[workflow]
impl TakesLess {
    #[init]
    fn new(_ctx: &workflow::Context) -> Self {
        Self
    }

    #[run]
    async fn run(&self, _name: String) -> workflow::Result<()> {
        Ok(())
    }
}

fn main() {}
