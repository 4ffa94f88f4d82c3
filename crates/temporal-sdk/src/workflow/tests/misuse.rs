//! Misuse that answers clearly: borrows held across an await, contexts kept beyond their run.
#![allow(clippy::await_holding_refcell_ref, reason = "that is the mistake")]

use crate::workflow;
use crate::workflow::sync::{Notify, Permit, Semaphore, Sender, WaitGroup, WaitGroupMember, Watch, unbounded};
use crate::workflow::tests::server::{Server, payload, text};
use crate::workflow::{
    ActivityOptions, ChildWorkflowOptions, Context, JoinHandle, LocalActivityOptions, NexusOperation,
    NexusOperationOptions, ScopeHandle, Sleep, activity_named, signal_named,
};
use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_client::{Memo, SearchAttributeKey, SearchAttributes};

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
    made: Cell<u32>,
    done: Cell<bool>,
}

impl Acting {
    /// The value of a side effect that must not be made.
    fn counted(&self, what: &str) -> String {
        self.made.set(self.made.get() + 1);
        what.to_owned()
    }

    fn act(&self, ctx: &Context, what: &str) {
        match what {
            "spawn" => ctx.spawn(async {}).detach(),
            "random" => drop(ctx.random()),
            "uuid4" => drop(ctx.uuid4()),
            "uuid7" => drop(ctx.uuid7()),
            "start_child_workflow" => {
                drop(ctx.start_child_workflow(workflow::named::<()>("child"), (), ChildWorkflowOptions::default()));
            }
            "start_activity" => {
                let options = ActivityOptions::start_to_close_timeout(MINUTE);
                drop(ctx.start_activity(activity_named::<()>("any"), (), options));
            }
            "start_local_activity" => {
                let options = LocalActivityOptions::start_to_close_timeout(MINUTE);
                drop(ctx.start_local_activity(activity_named::<()>("any"), (), options));
            }
            "start_nexus_operation" => {
                let operation = NexusOperation::<u32, u32>::new("service", "operation");
                drop(ctx.start_nexus_operation(operation, 1_u32, NexusOperationOptions::new("endpoint")));
            }
            "signal of another workflow" => {
                drop(ctx.external_workflow::<Self>("other").signal(signal_named("any"), ()));
            }
            "cancel of another workflow" => drop(ctx.external_workflow::<Self>("other").cancel()),
            "sleep" => drop(ctx.sleep(MINUTE)),
            "upsert_memo" => ctx.upsert_memo(Memo::new().with("note", "changed")),
            "upsert_search_attributes" => {
                let keyword = SearchAttributeKey::<String>::keyword("Keyword");
                ctx.upsert_search_attributes(SearchAttributes::new().with(&keyword, "changed".to_owned()));
            }
            "patched" => assert!(ctx.patched("patch"), "it is called"),
            "deprecate_patch" => ctx.deprecate_patch("patch"),
            "version" => assert_eq!(ctx.version("part", 0..=2), 2),
            "side_effect" => drop(ctx.side_effect(|| self.counted("side_effect"))),
            "mutable_side_effect" => drop(ctx.mutable_side_effect("id", || self.counted("mutable_side_effect"))),
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
    async fn run(&self, ctx: &Context) -> workflow::Result<(u64, String, u32)> {
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
        Ok((ctx.random().next_u64(), ctx.current_details(), self.made.get()))
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

const ACTS: [&str; 28] = [
    "start_activity",
    "start_local_activity",
    "start_nexus_operation",
    "signal of another workflow",
    "cancel of another workflow",
    "sleep",
    "upsert_memo",
    "upsert_search_attributes",
    "patched",
    "deprecate_patch",
    "version",
    "side_effect",
    "mutable_side_effect",
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

/// Has tasks that wait for each other, and queries that meddle.
#[derive(Default)]
struct Meddling {
    notify: Notify,
    watch: Watch<u32>,
    sender: RefCell<Option<Sender<u32>>>,
    permits: RefCell<Option<Permit>>,
    member: RefCell<Option<WaitGroupMember>>,
    scope: RefCell<Option<ScopeHandle>>,
}

#[workflow]
impl Meddling {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        let (semaphore, group, (sender, mut receiver)) = (Semaphore::new(1), WaitGroup::new(), unbounded());
        *self.permits.borrow_mut() = Some(semaphore.acquire().await);
        *self.member.borrow_mut() = Some(group.member());
        *self.sender.borrow_mut() = Some(sender);
        *self.scope.borrow_mut() = Some(ctx.child().1);
        let (_, watched, received, _permit, ()) = workflow::join!(
            self.notify.notified(),
            ctx.wait_for(&self.watch, |value| *value == 1),
            receiver.recv(),
            semaphore.acquire(),
            group.wait(),
        );
        assert_eq!(received, None);
        Ok(watched?)
    }

    #[query]
    fn meddle(&self, what: String) -> bool {
        struct CancelsWhenDropped<'a>(&'a ScopeHandle);
        impl Drop for CancelsWhenDropped<'_> {
            fn drop(&mut self) {
                self.0.cancel();
            }
        }
        let sender = self.sender.borrow();
        match what.as_str() {
            "Notify::notify_one" => self.notify.notify_one(),
            "Notify::notify_waiters" => self.notify.notify_waiters(),
            "change of a Watch" => self.watch.set(1),
            "Sender::try_send" => {
                let sent = sender.as_ref().map(|sender| sender.try_send(1));
                assert!(sent.is_some_and(|sent| sent.is_ok()));
            }
            "drop of a permit or a lock" => drop(self.permits.take()),
            "drop of the last member of a WaitGroup" => drop(self.member.take()),
            "panics" => {
                let scope = self.scope.borrow();
                let _guard = scope.as_ref().map(CancelsWhenDropped);
                panic!("while it holds what cancels");
            }
            // What nobody waits for is its own.
            _ => {
                let (sender, mut receiver) = unbounded();
                return sender.try_send(()).is_ok() && receiver.try_recv().is_some();
            }
        }
        false
    }

    #[signal]
    fn let_go(&self) {
        self.notify.notify_one();
        self.watch.set(1);
        drop(self.sender.take());
        drop(self.permits.take());
        drop(self.member.take());
    }
}

#[test]
fn a_query_that_wakes_a_task_says_so() {
    for what in [
        "Notify::notify_one",
        "Notify::notify_waiters",
        "change of a Watch",
        "Sender::try_send",
        "drop of a permit or a lock",
        "drop of the last member of a WaitGroup",
    ] {
        let mut server = Server::start::<Meddling>(vec![]);
        assert!(server.task().commands.is_empty());
        let message = server.query("meddle", &what).error_message;
        let expected = format!("{what} was called while workflow Meddling (id");
        assert!(message.starts_with(&expected), "{message}");
        assert!(server.task().commands.is_empty());
    }
    let mut server = Server::start::<Meddling>(vec![]);
    assert!(server.task().commands.is_empty());
    assert_eq!(text(server.query("meddle", &"nothing").answer.as_ref()), "true");
    // What unwinds may clean up.
    let message = server.query("meddle", &"panics").error_message;
    assert!(message.contains("while it holds what cancels"), "{message}");
    server.signal("let_go", &());
    assert_eq!(server.task().summary(), ["complete null"]);
    server.replay().unwrap();
}

#[test]
fn a_context_of_another_run_says_so() {
    // The first run waits, and its context is kept.
    let mut first = Server::start::<lending>(vec![]);
    assert_eq!(first.task().summary(), ["start timer 1 of 60s"]);
    let mut second = Server::start::<keeping>(vec![payload(&"sleep")]);
    let message = second.failing_task();
    assert!(
        message.starts_with("sleep was called on a context of workflow lending (id "),
        "{message}"
    );
    assert!(message.contains("by code of something else"), "{message}");
    first.fire_timer("1");
    assert_eq!(first.task().summary(), ["complete null"]);
    KEPT.take();
}

/// Keeps its context while it waits; the one of the run, not of a replay that checks it.
#[workflow]
async fn lending(ctx: &Context) -> workflow::Result<()> {
    KEPT.set(Some(KEPT.take().unwrap_or_else(|| ctx.clone())));
    ctx.sleep(MINUTE).await?;
    Ok(())
}

/// What a library does that expects a runtime of tokio.
fn library_call() {
    tokio::spawn(async {});
}

#[workflow]
async fn needs_a_runtime() -> workflow::Result<()> {
    library_call();
    Ok(())
}

#[test]
fn what_needs_tokio_is_told_what_to_use() {
    let message = Server::start::<needs_a_runtime>(vec![]).failing_task();
    assert!(
        message.starts_with("workflow code panicked: there is no reactor running"),
        "{message}"
    );
    assert!(
        message.contains("ctx.spawn(..)") && message.contains("activity"),
        "{message}"
    );
}

#[workflow]
async fn selects(ctx: &Context, open: bool) -> workflow::Result<String> {
    Ok(workflow::select! {
        _ = ctx.sleep(MINUTE), if open => "slept",
        _ = std::future::ready(()), if open => "ready",
    }
    .to_owned())
}

#[test]
fn a_select_without_branches_does_not_wait_for_ever() {
    let mut server = Server::start::<selects>(vec![payload(&true)]);
    let summary = server.task().summary();
    assert!(summary.contains(&"complete \"ready\"".to_owned()), "{summary:?}");
    let message = Server::start::<selects>(vec![payload(&false)]).failing_task();
    assert!(
        message.starts_with("each branch of a workflow::select! is left out"),
        "{message}"
    );
}
