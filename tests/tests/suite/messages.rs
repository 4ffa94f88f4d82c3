//! Signals, queries and updates.

use crate::quick;
use std::cell::{Cell, RefCell};
use temporal_integration_tests::history::{EventType, count, types};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::definition::{query_named, signal_named, update_named};
use temporal_sdk::client::{UpdateOptions, UpdateWaitStage};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::{activity, workflow};

#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct GreetingInfo {
    salutation: String,
    name: String,
}

#[derive(Debug, thiserror::Error)]
#[error("a greeting needs a text")]
struct EmptyGreeting;

#[activity]
async fn create_greeting(info: GreetingInfo) -> activity::Result<String> {
    Ok(format!("{}, {}!", info.salutation, info.name))
}

#[derive(Default)]
pub(crate) struct GreetingWorkflow {
    info: RefCell<GreetingInfo>,
    greeting: RefCell<String>,
    updated: Cell<bool>,
    complete: Cell<bool>,
}

#[workflow]
impl GreetingWorkflow {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        {
            let mut info = self.info.borrow_mut();
            info.name = name;
            if info.salutation.is_empty() {
                info.salutation = "Hello".to_owned();
            }
        }
        loop {
            let info = self.info.borrow().clone();
            let greeting = ctx.execute_activity(create_greeting, info, quick()).await?;
            self.greeting.replace(greeting);
            ctx.wait_condition(|| self.updated.take() || self.complete.get())
                .await?;
            if self.complete.get() {
                return Ok(self.greeting.borrow().clone());
            }
        }
    }

    #[signal]
    fn update_salutation(&self, salutation: String) {
        self.info.borrow_mut().salutation = salutation;
        self.updated.set(true);
    }

    #[signal(name = "complete")]
    async fn complete_with_greeting(&self, _ctx: &workflow::Context) {
        self.complete.set(true);
    }

    #[query]
    fn current_greeting(&self) -> String {
        self.greeting.borrow().clone()
    }

    #[update]
    fn set_and_get_greeting(&self, greeting: String) -> String {
        self.greeting.replace(greeting)
    }

    #[validator(set_and_get_greeting)]
    fn check(&self, greeting: &String) -> Result<(), EmptyGreeting> {
        if greeting.is_empty() {
            Err(EmptyGreeting)
        } else {
            Ok(())
        }
    }

    #[update(name = "salute")]
    async fn salute_through_activity(&self, ctx: &workflow::Context, salutation: String) -> workflow::Result<String> {
        self.info.borrow_mut().salutation = salutation;
        let info = self.info.borrow().clone();
        let greeting = ctx.execute_activity(create_greeting, info, quick()).await?;
        self.greeting.replace(greeting.clone());
        Ok(greeting)
    }
}

/// Registers the activity of this module, for other modules' workers.
pub(crate) fn activities(builder: WorkerBuilder) -> WorkerBuilder {
    builder.activity(create_greeting)
}

fn worker(env: &Env) -> WorkerBuilder {
    env.worker()
        .workflow::<GreetingWorkflow>()
        .workflow::<Ledger>()
        .workflow::<Patient>()
        .activity(create_greeting)
}

/// S7, S49, S50, S52, S53, S56, S57, S63–S66: the greeting workflow as the documentation steers it.
#[test]
fn s7_s49_s53_s56_s63_s64_s65_greeting_as_in_the_documentation() {
    run(async |env| {
        env.serve(worker(&env), async {
            let handle = env
                .client()
                .start_workflow(GreetingWorkflow::run, "world", env.options("g"))
                .await?;
            env.wait_for_event(&env.id("g"), |event| {
                event.event_type() == EventType::ActivityTaskCompleted
            })
            .await?;
            let now = handle.query(GreetingWorkflow::current_greeting, ()).await?;
            assert_eq!(now, "Hello, world!");

            handle.signal(GreetingWorkflow::update_salutation, "Aloha").await?;
            env.until(handle.id(), EventType::ActivityTaskCompleted, 2).await?;
            let now = handle.query(GreetingWorkflow::current_greeting, ()).await?;
            assert_eq!(now, "Aloha, world!");
            let saluted = handle
                .execute_update(GreetingWorkflow::salute_through_activity, "Howdy")
                .await?;
            assert_eq!(saluted, "Howdy, world!");
            let old = handle
                .execute_update(GreetingWorkflow::set_and_get_greeting, "Hi")
                .await?;
            assert_eq!(old, "Howdy, world!");
            assert_eq!(handle.query(GreetingWorkflow::current_greeting, ()).await?, "Hi");

            handle.signal(GreetingWorkflow::complete_with_greeting, ()).await?;
            assert_eq!(handle.result().await?, "Hi");
            Ok(())
        })
        .await
    });
}

/// S59, S60: what the validator refuses leaves no event.
#[test]
fn s59_s60_a_validator_rejects_without_an_event() {
    run(async |env| {
        env.serve(worker(&env), async {
            let id = env.id("rejected");
            let handle = env
                .client()
                .start_workflow(GreetingWorkflow::run, "w", env.options("rejected"))
                .await?;
            env.wait_for_event(&id, |event| event.event_type() == EventType::ActivityTaskCompleted)
                .await?;
            let error = handle
                .execute_update(GreetingWorkflow::set_and_get_greeting, "")
                .await
                .unwrap_err();
            let failure = crate::update_failure(error);
            let application = failure.as_application().expect("an application failure");
            assert_eq!(application.message(), "a greeting needs a text");
            assert_eq!(application.type_name(), "EmptyGreeting");
            handle.signal(GreetingWorkflow::complete_with_greeting, ()).await?;
            handle.result().await?;
            let events = env.events(&id).await?;
            assert_eq!(
                count(&events, EventType::WorkflowExecutionUpdateAccepted),
                0,
                "{:?}",
                types(&events)
            );
            Ok(())
        })
        .await
    });
}

/// S9 for messages: by name, with any serializable input.
#[test]
fn s9_s63_s65_messages_by_name() {
    run(async |env| {
        env.serve(worker(&env), async {
            let id = env.id("named");
            env.client()
                .start_workflow(GreetingWorkflow::run, "w", env.options("named"))
                .await?;
            let handle = env
                .client()
                .workflow_handle::<temporal_sdk::client::definition::Untyped<String>>(&id);
            env.until(&id, EventType::WorkflowTaskCompleted, 2).await?;
            let old = handle
                .execute_update(update_named::<String>("set_and_get_greeting"), "named")
                .await?;
            assert_eq!(old, "Hello, w!");
            let now = handle.query(query_named::<String>("current_greeting"), ()).await?;
            assert_eq!(now, "named");
            handle.signal(signal_named("complete"), ()).await?;
            handle.result().await?;
            Ok(())
        })
        .await
    });
}

/// Keeps the order in which everything arrives.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: RefCell<Vec<String>>,
    closed: Cell<bool>,
}

#[workflow]
impl Ledger {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
        self.entries.borrow_mut().push("run".to_owned());
        ctx.wait_condition(|| self.closed.get() && ctx.all_handlers_finished())
            .await?;
        Ok(self.entries.borrow().clone())
    }

    #[signal]
    fn enter(&self, entry: String) {
        self.entries.borrow_mut().push(entry);
    }

    #[signal]
    fn close(&self) {
        self.closed.set(true);
    }

    #[query]
    fn entries(&self) -> Vec<String> {
        self.entries.borrow().clone()
    }

    #[update]
    fn enter_and_count(&self, ctx: &workflow::Context, entry: String) -> usize {
        let update = ctx.current_update().expect("an update handler serves an update");
        self.entries.borrow_mut().push(format!("{entry} ({})", update.name));
        self.entries.borrow().len()
    }
}

/// P3: the signal is handled before `run` begins.
#[test]
fn p3_signal_with_start() {
    run(async |env| {
        env.serve(worker(&env), async {
            let handle = env
                .client()
                .signal_with_start(Ledger::run, (), env.options("sws"), Ledger::enter, "first")
                .await?;
            env.client()
                .signal_with_start(Ledger::run, (), env.options("sws"), Ledger::enter, "second")
                .await?;
            handle.signal(Ledger::close, ()).await?;
            let entries = handle.result().await?;
            assert_eq!(entries.first().map(String::as_str), Some("first"), "{entries:?}");
            assert_eq!(entries.iter().filter(|entry| *entry == "run").count(), 1);
            assert!(entries.contains(&"second".to_owned()), "{entries:?}");
            Ok(())
        })
        .await
    });
}

/// S54: a query sees the signals that were sent before it.
#[test]
fn s53_s54_queries_see_what_was_signalled_before() {
    run(async |env| {
        env.serve(worker(&env), async {
            let handle = env
                .client()
                .start_workflow(Ledger::run, (), env.options("ledger"))
                .await?;
            for number in 0..5 {
                handle.signal(Ledger::enter, number.to_string()).await?;
                let entries = handle.query(Ledger::entries, ()).await?;
                assert!(entries.contains(&number.to_string()), "{entries:?}");
            }
            handle.signal(Ledger::close, ()).await?;
            let result = handle.result().await?;
            // A closed workflow is asked as well.
            assert_eq!(handle.query(Ledger::entries, ()).await?, result);
            Ok(())
        })
        .await
    });
}

/// P4, P5: started updates are handles; the same id is the same update.
#[test]
fn p4_p5_update_wait_stages_and_handles() {
    run(async |env| {
        env.serve(worker(&env), async {
            let handle = env
                .client()
                .start_workflow(Ledger::run, (), env.options("stages"))
                .await?;
            let options = UpdateOptions::new(UpdateWaitStage::Accepted).id("the-update");
            let accepted = handle.start_update(Ledger::enter_and_count, "a", options).await?;
            assert_eq!(accepted.id(), "the-update");
            let count = accepted.result().await?;
            let again = handle.update_handle::<usize>("the-update");
            assert_eq!(again.result().await?, count);
            let options = UpdateOptions::new(UpdateWaitStage::Completed).id("the-update");
            let same = handle.start_update(Ledger::enter_and_count, "b", options).await?;
            assert_eq!(same.result().await?, count);
            handle.signal(Ledger::close, ()).await?;
            let entries = handle.result().await?;
            let updates: Vec<&String> = entries
                .iter()
                .filter(|entry| entry.contains("enter_and_count"))
                .collect();
            assert_eq!(updates, ["a (enter_and_count)"]);
            Ok(())
        })
        .await
    });
}

/// Has an update that waits for a signal.
#[derive(Default)]
pub(crate) struct Patient {
    released: Cell<bool>,
    done: Cell<bool>,
}

#[workflow]
impl Patient {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<bool> {
        ctx.wait_condition(|| self.done.get()).await?;
        ctx.wait_condition(|| ctx.all_handlers_finished()).await?;
        Ok(ctx.all_handlers_finished())
    }

    #[signal]
    fn release(&self) {
        self.released.set(true);
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }

    #[update]
    async fn wait_for_release(&self, ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.wait_condition(|| self.released.get()).await?;
        Ok("released".to_owned())
    }
}

/// P7: a workflow waits for its handlers.
#[test]
fn p7_all_handlers_finished() {
    run(async |env| {
        env.serve(worker(&env), async {
            let handle = env
                .client()
                .start_workflow(Patient::run, (), env.options("patient"))
                .await?;
            let options = UpdateOptions::new(UpdateWaitStage::Accepted);
            let update = handle.start_update(Patient::wait_for_release, (), options).await?;
            handle.signal(Patient::finish, ()).await?;
            handle.signal(Patient::release, ()).await?;
            assert_eq!(update.result().await?, "released");
            assert!(handle.result().await?);
            Ok(())
        })
        .await
    });
}
