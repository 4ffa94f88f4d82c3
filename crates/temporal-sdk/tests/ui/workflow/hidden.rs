mod inner {
    use temporal_sdk::workflow;

    #[derive(Default)]
    pub struct Good;

    #[workflow]
    impl Good {
        #[run]
        async fn run(&self) -> workflow::Result<()> {
            Ok(())
        }

        #[signal]
        fn stop(&self) {}
    }
}

fn main() {
    inner::Good.stop();
}
