//! Changing code under running workflows.

use std::cell::Cell;
use temporal_integration_tests::history::{EventType, count};
use temporal_integration_tests::run;
use temporal_sdk::workflow;

/// The code in its three ages, under one name.
mod before {
    use super::*;

    #[derive(Default)]
    pub(super) struct Changing {
        go: Cell<bool>,
    }

    #[workflow(name = "Changing")]
    impl Changing {
        #[run]
        async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
            ctx.wait_condition(|| self.go.get()).await?;
            Ok("before".to_owned())
        }

        #[signal]
        fn go(&self) {
            self.go.set(true);
        }
    }
}

pub(crate) mod patched {
    use super::*;

    #[derive(Default)]
    pub(crate) struct Changing {
        go: Cell<bool>,
    }

    #[workflow(name = "Changing")]
    impl Changing {
        #[run]
        async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
            let version = if ctx.patched("v2") { "patched" } else { "before" };
            ctx.wait_condition(|| self.go.get()).await?;
            // Asked again, the answer is the same.
            Ok(format!("{version} {}", ctx.patched("v2")))
        }

        #[signal]
        fn go(&self) {
            self.go.set(true);
        }
    }
}

pub(crate) mod deprecated {
    use super::*;

    #[derive(Default)]
    pub(crate) struct Changing {
        go: Cell<bool>,
    }

    #[workflow(name = "Changing")]
    impl Changing {
        #[run]
        async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
            ctx.deprecate_patch("v2");
            ctx.wait_condition(|| self.go.get()).await?;
            Ok("deprecated".to_owned())
        }

        #[signal]
        fn go(&self) {
            self.go.set(true);
        }
    }
}

/// P59: a run that began before the patch goes on without it, a new one has it, and a run with the marker goes on when the
/// patch is deprecated.
#[test]
fn p59_patches_through_three_ages_of_code() {
    run(async |env| {
        let client = env.client();
        let done = |event: &history::Event| event.event_type() == EventType::WorkflowTaskCompleted;
        use temporal_integration_tests::history;

        let old_id = env.id("old");
        let new_id = env.id("new");
        let options = |id: &str| temporal_sdk::client::WorkflowOptions::new(id, env.task_queue());

        let old = env
            .serve(env.worker().workflow::<before::Changing>(), async {
                let handle = client
                    .start_workflow(before::Changing::run, (), options(&old_id))
                    .await?;
                env.wait_for_event(&old_id, done).await?;
                Ok(handle)
            })
            .await?;

        let new = env
            .serve(env.worker().workflow::<patched::Changing>(), async {
                let handle = client
                    .start_workflow(patched::Changing::run, (), options(&new_id))
                    .await?;
                env.wait_for_event(&new_id, done).await?;
                old.signal(before::Changing::go, ()).await?;
                assert_eq!(old.result().await?, "before false");
                Ok(handle)
            })
            .await?;

        env.serve(env.worker().workflow::<deprecated::Changing>(), async {
            new.signal(patched::Changing::go, ()).await?;
            assert_eq!(new.result().await?, "deprecated");
            let id = env.id("newest");
            let newest = client
                .start_workflow(deprecated::Changing::run, (), options(&id))
                .await?;
            newest.signal(deprecated::Changing::go, ()).await?;
            assert_eq!(newest.result().await?, "deprecated");
            assert_eq!(count(&env.events(&id).await?, EventType::MarkerRecorded), 1);
            Ok(())
        })
        .await?;

        let events = env.events(&old_id).await?;
        assert_eq!(count(&events, EventType::MarkerRecorded), 0);
        let events = env.events(&new_id).await?;
        assert_eq!(count(&events, EventType::MarkerRecorded), 1);
        assert_eq!(count(&events, EventType::UpsertWorkflowSearchAttributes), 1);
        Ok(())
    });
}
