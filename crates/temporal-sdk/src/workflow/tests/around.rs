//! What is around workflow code changes nothing that it is not meant to: interceptors, registration, policies of failing.

use crate::workflow;
use crate::workflow::failure_policy::FailurePolicy;
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::tests::server::{Server, payload};
use crate::workflow::{Call, Context, Interceptor, LocalBoxFuture, Next, RawValues, WaitError};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use temporal_protos::api::common::v1::Payload;

const MINUTE: Duration = Duration::from_secs(60);

/// Intercepts all and changes nothing.
struct Transparent;

impl Interceptor for Transparent {}

/// Writes down the order in which its code runs.
#[derive(Default)]
struct Ordering {
    log: Rc<RefCell<Vec<String>>>,
}

#[workflow]
impl Ordering {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<Vec<String>> {
        let log = Rc::clone(&self.log);
        ctx.spawn(async move { log.borrow_mut().push("the task".into()) })
            .detach();
        let log = Rc::clone(&self.log);
        ctx.on_signal("kept", move |_, ()| {
            log.borrow_mut().push("the kept signal".into());
            workflow::Ok(())
        });
        self.log.borrow_mut().push("the run method".into());
        ctx.sleep(MINUTE).await?;
        Ok(self.log.take())
    }

    #[signal]
    async fn later(&self) {
        self.log.borrow_mut().push("the async signal".into());
    }

    #[signal]
    fn now(&self) {
        self.log.borrow_mut().push("the signal".into());
    }

    #[update]
    fn amend(&self) -> usize {
        self.log.borrow_mut().push("the update".into());
        self.log.borrow().len()
    }
}

#[test]
fn interceptors_that_do_nothing_change_no_order() {
    let start = |interceptors| Server::intercepted::<Ordering>("Ordering", vec![], interceptors);
    let play = |mut server: Server| {
        for signal in ["kept", "later", "now"] {
            server.signal(signal, &());
        }
        assert_eq!(server.task().summary(), ["start timer 1 of 60s"]);
        server.update("u1", "amend", &());
        server.signal("later", &());
        let answers = server.task().answers();
        server.fire_timer("1");
        let summary = server.task().summary();
        server.replay().unwrap();
        (answers, summary)
    };
    let expected = play(start(vec![]));
    assert!(
        expected.1[0].contains("\"the kept signal\",\"the run method\""),
        "{expected:?}"
    );
    assert_eq!(play(start(vec![Arc::new(Transparent)])), expected);
    assert_eq!(
        play(start(vec![Arc::new(Transparent), Arc::new(Transparent)])),
        expected
    );
}

/// Old callers send a number where the workflow takes a text by now.
struct Upgrading;

impl Upgrading {
    fn upgrade(call: &mut Call) {
        if let Ok(number) = call.argument::<u32>(0) {
            call.arguments_mut()[0] = payload(&number.to_string());
        }
    }
}

impl Interceptor for Upgrading {
    fn update<'a>(&'a self, mut call: Call, next: Next<'a, Payload>) -> LocalBoxFuture<'a, workflow::Result<Payload>> {
        Self::upgrade(&mut call);
        next.run(call)
    }

    fn validate_update(&self, call: &mut Call) -> workflow::Result<()> {
        Self::upgrade(call);
        Ok(())
    }
}

#[derive(Default)]
struct Named {
    name: RefCell<String>,
}

#[workflow]
impl Named {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<String> {
        ctx.wait_condition(|| !self.name.borrow().is_empty()).await?;
        Ok(self.name.take())
    }

    #[update]
    fn rename(&self, name: String) -> String {
        self.name.replace(name)
    }

    #[validator(rename)]
    fn is_short(&self, name: &str) -> workflow::Result<()> {
        if name.len() < 5 { Ok(()) } else { Err("too long".into()) }
    }
}

#[test]
fn interceptors_change_the_arguments_of_updates_before_they_are_read() {
    let mut server = Server::intercepted::<Named>("Named", vec![], vec![Arc::new(Upgrading)]);
    server.update("u1", "rename", &12_345);
    server.update("u2", "rename", &1_234);
    let done = server.task();
    assert_eq!(
        done.answers(),
        ["reject u1: too long", "accept u2", "complete u2: \"\""]
    );
    assert_eq!(done.summary().last().unwrap(), "complete \"1234\"");
    server.replay().unwrap();
    // Without it the number is none of a text.
    let mut server = Server::start::<Named>(vec![]);
    server.update("u1", "rename", &1_234);
    let answers = server.task().answers();
    assert!(answers[0].starts_with("reject u1: "), "{answers:?}");
}

/// Takes any workflow type.
#[workflow(dynamic)]
async fn anything(_: &Context, arguments: RawValues) -> workflow::Result<usize> {
    Ok(arguments.len())
}

#[test]
fn a_dynamic_workflow_under_a_name_takes_that_alone() {
    let mut registry = WorkflowRegistry::default();
    registry.register_named::<anything>("Billing".into()).unwrap();
    assert!(registry.find("Billing").is_some());
    assert!(registry.find("Shipping").is_none());
    registry.register::<anything>().unwrap();
    assert!(registry.find("Shipping").is_some());
    assert_eq!(registry.names().collect::<Vec<_>>(), ["Billing"]);
}

#[workflow]
async fn waits(ctx: &Context) -> workflow::Result<()> {
    ctx.wait_condition(|| false).timeout(MINUTE).await?;
    Ok(())
}

#[test]
fn ends_of_waits_fail_the_task_where_that_is_said() {
    let mut failures = FailurePolicy::default();
    failures.fail_task_on::<WaitError>();
    let mut server = Server::with_failures::<waits>(vec![], failures);
    server.task();
    server.fire_timer("1");
    assert!(server.failing_task().contains("did not happen within 60s"));
}

/// Gives what JSON has no keys for.
#[workflow]
async fn pairs(_: &Context) -> workflow::Result<BTreeMap<(u8, u8), u8>> {
    Ok([((1, 2), 3)].into())
}

#[test]
fn a_result_that_cannot_be_sent_says_whose_it_is() {
    let mut server = Server::start::<pairs>(vec![]);
    let message = server.failing_task();
    assert!(message.starts_with("a result (alloc::"), "{message}");
    assert!(message.contains("<(u8, u8), u8>) cannot be sent: "), "{message}");
    assert!(
        message.contains("workflow pairs (id workflow) has to give a value"),
        "{message}"
    );
}
