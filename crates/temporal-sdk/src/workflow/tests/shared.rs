//! Handlers that several workflows share through a trait.

use crate::workflow;
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::tests::server::{Server, text};
use crate::workflow::{Context, RegisterWorkflowError, WorkflowDefinition};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Can be approved.
#[workflow(handlers)]
trait Approvable {
    type Note: Clone + Default + PartialEq + serde::Serialize + serde::de::DeserializeOwned + 'static;

    fn approved(&self) -> &Cell<bool>;
    fn notes(&self) -> &RefCell<Vec<Self::Note>>;

    /// How many notes there are: no handler.
    fn count(&self) -> usize {
        self.notes().borrow().len()
    }

    /// Approves it.
    #[signal]
    fn approve(&self) {
        self.approved().set(true);
    }

    #[query(name = "approved?")]
    fn is_approved(&self) -> bool {
        self.approved().get()
    }

    #[update]
    async fn note(self: Rc<Self>, ctx: &Context, note: Self::Note) -> workflow::Result<usize> {
        ctx.sleep(Duration::from_secs(1)).await?;
        self.notes().borrow_mut().push(note);
        self.approve();
        Ok(self.count())
    }

    #[validator(note)]
    fn check(&self, note: &Self::Note) -> Result<(), &'static str> {
        if *note == Self::Note::default() {
            return Err("the note is empty");
        }
        Ok(())
    }
}

#[derive(Default)]
struct Payment {
    approved: Cell<bool>,
    notes: RefCell<Vec<String>>,
}

impl Approvable for Payment {
    type Note = String;

    fn approved(&self) -> &Cell<bool> {
        &self.approved
    }

    fn notes(&self) -> &RefCell<Vec<String>> {
        &self.notes
    }
}

#[workflow(handlers(Approvable))]
impl Payment {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<String> {
        ctx.wait_condition(|| self.approved.get()).await?;
        ctx.wait_condition(|| ctx.all_handlers_finished()).await?;
        Ok(self.notes.borrow().join(" "))
    }
}

/// Has an `approve` of its own.
#[derive(Default)]
struct Refund {
    approved: Cell<bool>,
    notes: RefCell<Vec<u32>>,
}

impl Approvable for Refund {
    type Note = u32;

    fn approved(&self) -> &Cell<bool> {
        &self.approved
    }

    fn notes(&self) -> &RefCell<Vec<u32>> {
        &self.notes
    }
}

#[workflow(handlers(Approvable))]
impl Refund {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<Vec<u32>> {
        ctx.wait_condition(|| self.approved.get()).await?;
        Ok(self.notes.take())
    }

    #[signal]
    fn approve(&self, by: u32) {
        self.notes.borrow_mut().push(by);
        self.approved.set(true);
    }
}

#[test]
fn a_workflow_has_the_handlers_of_the_trait() {
    assert_eq!(Payment::is_approved.name(), "approved?");
    let _: workflow::UpdateMarker<Payment, workflow::One<String>, usize> = Payment::note;
    let _: workflow::UpdateMarker<Refund, workflow::One<u32>, usize> = Refund::note;
    let mut server = Server::start::<Payment>(vec![]);
    server.update("u1", "note", &"hello".to_owned());
    assert_eq!(server.task().answers(), ["accept u1"]);
    assert_eq!(text(server.query("approved?", &()).answer.as_ref()), "false");
    server.evict();
    server.fire_timer("1");
    let done = server.task();
    assert_eq!(done.answers(), ["complete u1: 1"]);
    assert_eq!(done.summary().last().unwrap(), "complete \"hello\"");
}

#[test]
fn the_validator_is_shared_too() {
    let mut server = Server::start::<Payment>(vec![]);
    server.update("u1", "note", &"".to_owned());
    assert_eq!(server.task().answers(), ["reject u1: the note is empty"]);
    let metadata = text(server.query("__temporal_workflow_metadata", &()).answer.as_ref());
    assert!(metadata.contains("Approves it."), "{metadata}");
}

#[test]
fn the_workflows_own_handler_goes_before_a_shared_one() {
    let _: workflow::SignalMarker<Refund, workflow::One<u32>> = Refund::approve;
    let mut server = Server::start::<Refund>(vec![]);
    server.signal("approve", &7);
    assert_eq!(server.task().summary(), ["complete [7]"]);
}

/// Has a signal of the same name as another trait.
#[workflow(handlers)]
trait Acceptable {
    #[signal(name = "approve")]
    fn accept(&self) {}
}

#[derive(Default)]
struct Both(Payment);

impl Acceptable for Both {}

impl Approvable for Both {
    type Note = String;

    fn approved(&self) -> &Cell<bool> {
        &self.0.approved
    }

    fn notes(&self) -> &RefCell<Vec<String>> {
        &self.0.notes
    }
}

#[workflow(handlers(Approvable, Acceptable))]
impl Both {
    #[run]
    async fn run(&self) -> workflow::Result<()> {
        Ok(())
    }
}

#[test]
fn two_traits_cannot_give_the_same_handler() {
    let error = WorkflowRegistry::default().register::<Both>().unwrap_err();
    assert!(matches!(error, RegisterWorkflowError::SharedTwice { .. }));
    let said = error.to_string();
    assert!(
        said.starts_with(
            "the workflow type \"Both\" gets the signal \"approve\" from `Approvable` and from `Acceptable`: give"
        ),
        "{said}"
    );
    assert_eq!(Both::NAME, "Both");
}
