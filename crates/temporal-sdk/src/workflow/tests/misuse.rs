//! Misuse that answers clearly: borrows held across an await, contexts kept beyond their run.
#![allow(clippy::await_holding_refcell_ref, reason = "that is the mistake")]

use crate::workflow;
use crate::workflow::Context;
use crate::workflow::tests::server::Server;
use std::cell::RefCell;
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
}

thread_local! {
    static KEPT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Uses the context of the run before it.
#[workflow]
async fn keeping(ctx: &Context) -> workflow::Result<()> {
    if let Some(kept) = KEPT.take() {
        kept.sleep(MINUTE).await?;
    }
    KEPT.set(Some(ctx.clone()));
    Ok(())
}

#[test]
fn a_context_that_outlives_its_run_says_so() {
    // The run ends, and the replay that checks it meets its context.
    let mut server = Server::start::<keeping>(vec![]);
    let message = server.failing_task();
    assert!(
        message.starts_with("sleep was called on a context of workflow keeping (id "),
        "{message}"
    );
    assert!(message.contains("after that run ended: a context lives"), "{message}");
}
