//! Workflows, handlers and activities that take what no other takes.

use crate::quick;
use std::cell::{Cell, RefCell};
use temporal_integration_tests::run;
use temporal_sdk::client::definition::{query_named, signal_named, update_named};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::{RawValues, activity, args, workflow};

#[activity(dynamic)]
fn any_activity(name: String, args: RawValues) -> activity::Result<String> {
    Ok(format!("{name} {} {}", args.len(), args.get::<String>(0)?))
}

/// Registers the activity of this module, for other modules' workers.
pub(crate) fn activities(builder: WorkerBuilder) -> WorkerBuilder {
    builder.activity(any_activity)
}

#[derive(Default)]
pub(crate) struct AnyWorkflow {
    seen: RefCell<Vec<String>>,
    done: Cell<bool>,
}

#[workflow(dynamic)]
impl AnyWorkflow {
    #[run]
    async fn run(&self, ctx: &workflow::Context, args: RawValues) -> workflow::Result<Vec<String>> {
        self.seen
            .borrow_mut()
            .push(format!("{} {}", ctx.info().workflow_type, args.get::<i64>(1)?));
        let named = activity::named::<String>("whatever");
        let answer = ctx.execute_activity(named, args!["x", 2], quick()).await?;
        self.seen.borrow_mut().push(answer);
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(self.seen.borrow().clone())
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }

    #[signal(dynamic)]
    fn any_signal(&self, name: String, args: RawValues) {
        self.seen.borrow_mut().push(format!("{name} {}", args.len()));
    }

    #[query(dynamic)]
    fn any_query(&self, name: String, args: RawValues) -> workflow::Result<String> {
        Ok(format!("{name}: {}", args.get::<String>(0)?))
    }

    #[update(dynamic)]
    fn any_update(&self, name: String, args: RawValues) -> workflow::Result<usize> {
        self.seen.borrow_mut().push(name);
        Ok(args.len())
    }
}

#[test]
fn s45_s51_s55_s58_s138_dynamic() {
    run(async |env| {
        env.serve(env.worker().workflow::<AnyWorkflow>().activity(any_activity), async {
            let named = workflow::named::<Vec<String>>("NeverHeardOf");
            let handle = env
                .client()
                .start_workflow(named, args!["a", 7], env.options("any"))
                .await?;
            handle.signal(signal_named("shout"), args![1, 2, 3]).await?;
            let count = handle
                .execute_update(update_named::<usize>("change"), args!["a", "b"])
                .await?;
            assert_eq!(count, 2);
            assert_eq!(handle.query(query_named::<String>("ask"), "you").await?, "ask: you");
            handle.signal(signal_named("finish"), ()).await?;
            let mut seen = handle.result().await?;
            seen.sort();
            assert_eq!(seen, ["NeverHeardOf 7", "change", "shout 3", "whatever 2 x"]);
            Ok(())
        })
        .await
    });
}

/// P1: the constructor gets the arguments.
pub(crate) struct Constructed {
    name: String,
}

#[workflow]
impl Constructed {
    #[init]
    fn new(ctx: &workflow::Context, name: String) -> Self {
        Self {
            name: format!("{name} of {}", ctx.info().workflow_type),
        }
    }

    #[run]
    async fn run(&self, name: String) -> workflow::Result<String> {
        Ok(format!("{name}, {}", self.name))
    }

    #[query]
    fn name(&self) -> String {
        self.name.clone()
    }
}

#[test]
fn p1_a_constructor_with_the_arguments() {
    run(async |env| {
        env.serve(env.worker().workflow::<Constructed>(), async {
            let handle = env
                .client()
                .start_workflow(Constructed::run, "Ada", env.options("init"))
                .await?;
            assert_eq!(handle.result().await?, "Ada, Ada of Constructed");
            assert_eq!(handle.query(Constructed::name, ()).await?, "Ada of Constructed");
            Ok(())
        })
        .await
    });
}
