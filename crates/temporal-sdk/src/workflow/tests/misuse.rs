//! Misuse that answers clearly: borrows held across an await, contexts kept beyond their run.
#![allow(clippy::await_holding_refcell_ref, reason = "that is the mistake")]

use crate::workflow;
use crate::workflow::sync::Watch;
use crate::workflow::tests::server::{Server, payload, text};
use crate::workflow::{ChildWorkflowOptions, Context, JoinHandle, ScopeHandle, Sleep};
use std::cell::{Cell, RefCell};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Holds a borrow while handlers run.
#[derive(Default)]
struct Holding {
    log: RefCell<Vec<String>>,
}

#[workflow]
impl Holding {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<usize> {
        let held = self.log.borrow_mut();
        ctx.sleep(MINUTE).await?;
        Ok(held.len())
    }

    #[signal]
    fn note(&self, line: String) {
        self.log.borrow_mut().push(line);
    }

    #[signal]
    async fn note_later(&self, ctx: &Context, line: String) -> workflow::Result<()> {
        ctx.sleep(Duration::ZERO).detach();
        self.log.borrow_mut().push(line);
        Ok(())
    }

    #[update]
    fn amend(&self, line: String) {
        self.log.borrow_mut().push(line);
    }

    #[update]
    fn checked(&self) {}

    #[validator(checked)]
    fn check(&self) -> workflow::Result<()> {
        match self.log.borrow().len() {
            0 => Ok(()),
            _ => Err("not empty".into()),
        }
    }

    #[query]
    fn lines(&self) -> usize {
        self.log.borrow().len()
    }
}

fn says(message: &str, code: &str) {
    let expected = format!(
        ", in {code} of workflow \"Holding\": other code of the workflow holds a borrow of this `RefCell` across an await"
    );
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains("misuse.rs:"), "{message}");
}

#[test]
fn a_borrow_held_across_an_await_is_explained_to_the_handler_that_needs_it() {
    let mut server = Server::start::<Holding>(vec![]);
    server.task();
    says(&server.query("lines", &()).error_message, "query \"lines\"");
    server.signal("note", &"x".to_owned());
    says(&server.failing_task(), "the handler of signal \"note\"");
    let mut server = Server::start::<Holding>(vec![]);
    server.task();
    server.signal("note_later", &"x".to_owned());
    says(&server.failing_task(), "the handler of signal \"note_later\"");
    let mut server = Server::start::<Holding>(vec![]);
    server.task();
    server.update("u1", "amend", &"x".to_owned());
    says(&server.failing_task(), "the handler of update \"amend\"");
    let mut server = Server::start::<Holding>(vec![]);
    server.task();
    server.update("u1", "checked", &());
    let answers = server.task().answers();
    assert!(answers[0].starts_with("reject u1: "), "{answers:?}");
    says(&answers[0], "the validator of update \"checked\"");
}

thread_local! {
    static KEPT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Uses the context of the run before it.
#[workflow]
async fn keeping(ctx: &Context, what: String) -> workflow::Result<()> {
    if let Some(kept) = KEPT.take() {
        match what.as_str() {
            "sleep" => kept.sleep(MINUTE).await?,
            "spawn" => kept.spawn(async {}).await,
            "wait_condition" => kept.wait_condition(|| false).await?,
            "wait_for" => kept.wait_for(&Watch::new(1), |number| *number == 2).await?,
            "random" => drop(kept.random()),
            _ => kept.on_signal("line", |_, _: String| workflow::Ok(())),
        }
    }
    KEPT.set(Some(ctx.clone()));
    Ok(())
}

#[test]
fn a_context_that_outlives_its_run_says_so() {
    for what in ["sleep", "spawn", "wait_condition", "wait_for", "random", "on_signal"] {
        // The run ends, and the replay that checks it meets its context.
        let mut server = Server::start::<keeping>(vec![payload(&what)]);
        let message = server.failing_task();
        assert!(
            message.starts_with(&format!("{what} was called on a context of workflow keeping (id ")),
            "{message}"
        );
        assert!(message.contains("after that run ended: a context lives"), "{message}");
        KEPT.take();
    }
}

/// Acts where it may only look.
#[derive(Default)]
struct Acting {
    scope: RefCell<Option<(Context, ScopeHandle)>>,
    sleep: RefCell<Option<Sleep>>,
    task: RefCell<Option<JoinHandle<()>>>,
    done: Cell<bool>,
}

impl Acting {
    fn act(&self, ctx: &Context, what: &str) {
        match what {
            "spawn" => ctx.spawn(async {}).detach(),
            "random" => drop(ctx.random()),
            "uuid4" => drop(ctx.uuid4()),
            "uuid7" => drop(ctx.uuid7()),
            "start_child_workflow" => {
                drop(ctx.start_child_workflow(workflow::named::<()>("child"), (), ChildWorkflowOptions::default()));
            }
            "set_current_details" => ctx.set_current_details("changed"),
            "on_signal" => ctx.on_signal("act", |_, (): ()| workflow::Ok(())),
            "on_query" => ctx.on_query("acts", |_, (): ()| workflow::Ok(())),
            "on_update" => ctx.on_update("checked", async |_, (): ()| workflow::Ok(())),
            "on_any_signal" => ctx.on_any_signal(|_, _, _| workflow::Ok(())),
            "remove_signal_handler" => ctx.remove_signal_handler("added"),
            "remove_query_handler" => ctx.remove_query_handler("added"),
            "remove_update_handler" => ctx.remove_update_handler("added"),
            "cancel of a scope" => {
                if let Some((_, handle)) = &*self.scope.borrow() {
                    handle.cancel();
                }
            }
            _ => {
                drop(self.sleep.take());
                drop(self.task.take());
            }
        }
    }
}

#[workflow]
impl Acting {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<(u64, String)> {
        let (scope, handle) = ctx.child();
        let context = scope.clone();
        *self.sleep.borrow_mut() = Some(scope.sleep(MINUTE));
        *self.task.borrow_mut() = Some(ctx.spawn(async move {
            let _ = context.sleep(2 * MINUTE).await;
        }));
        *self.scope.borrow_mut() = Some((scope, handle));
        ctx.set_current_details("as it was");
        ctx.on_signal("added", |_, (): ()| Err("the added handler is there".into()));
        ctx.wait_condition(|| self.done.get()).await?;
        Ok((ctx.random().next_u64(), ctx.current_details()))
    }

    #[query]
    fn acts(&self, ctx: &Context, what: String) {
        self.act(ctx, &what);
    }

    #[update]
    fn checked(&self, _what: String) {}

    #[validator(checked)]
    fn check(&self, ctx: &Context, what: &str) -> workflow::Result<()> {
        self.act(ctx, what);
        Ok(())
    }

    #[signal]
    fn make(&self, ctx: &Context, what: String) {
        ctx.side_effect(|| self.act(ctx, &what));
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }

    #[query]
    fn is_cancelled(&self) -> bool {
        self.scope
            .borrow()
            .as_ref()
            .is_some_and(|(scope, _)| scope.is_cancelled())
    }
}

const ACTS: [&str; 15] = [
    "spawn",
    "random",
    "uuid4",
    "uuid7",
    "start_child_workflow",
    "set_current_details",
    "on_signal",
    "on_query",
    "on_update",
    "on_any_signal",
    "remove_signal_handler",
    "remove_query_handler",
    "remove_update_handler",
    "cancel of a scope",
    "cancellation by dropping a handle",
];

#[test]
fn code_that_may_only_look_changes_nothing_and_is_told_what_to_do() {
    let expected = {
        let mut server = Server::start::<Acting>(vec![]);
        server.task();
        server.signal("finish", &());
        server.task().summary()
    };
    for what in ACTS {
        let mut server = Server::start::<Acting>(vec![]);
        server.task();
        let answer = server.query("acts", &what).error_message;
        assert_eq!(
            answer,
            format!(
                "{what} was called while workflow Acting (id workflow) answered a query: a query may only read state; do it in a signal or an update"
            )
        );
        server.update("u1", "checked", &what);
        assert_eq!(
            server.task().answers(),
            [format!(
                "reject u1: {what} was called while workflow Acting (id workflow) validated an update: a validator may only read state; do it in the update's handler"
            )]
        );
        assert_eq!(text(server.query("is_cancelled", &()).answer.as_ref()), "false");
        // A replay knows nothing of either.
        server.signal("finish", &());
        assert_eq!(server.task().summary(), expected, "{what}");
        let mut server = Server::start::<Acting>(vec![]);
        server.task();
        server.signal("make", &what);
        assert_eq!(
            server.failing_task(),
            format!(
                "{what} was called in a side effect of workflow Acting (id workflow): its closure only makes a value; do it before or after"
            )
        );
    }
}

/// Adds a handler of a name that it cannot have.
#[workflow]
async fn naming(ctx: &Context, (kind, name): (String, String)) -> workflow::Result<()> {
    match kind.as_str() {
        "on_signal" => ctx.on_signal(name, |_, (): ()| workflow::Ok(())),
        "on_query" => ctx.on_query(name, |_, (): ()| workflow::Ok(())),
        _ => ctx.on_update(name, async |_, (): ()| workflow::Ok(())),
    }
    Ok(())
}

#[test]
fn names_that_a_handler_cannot_have_are_refused() {
    for kind in ["on_signal", "on_query", "on_update"] {
        for (name, why) in [
            ("", "a name cannot be empty; `on_any_signal`, "),
            ("__stack_trace", "this name belongs to Temporal: choose another"),
            ("__temporal_x", "names that begin with `__temporal_` belong to Temporal"),
        ] {
            let message = Server::start::<naming>(vec![payload(&(kind, name))]).failing_task();
            let expected =
                format!("{kind} was called by workflow naming (id workflow) with the name \"{name}\": {why}");
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}
