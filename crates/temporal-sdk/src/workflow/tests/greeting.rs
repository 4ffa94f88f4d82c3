use crate::workflow;
use crate::workflow::ActivityOptions;
use crate::workflow::tests::server::{Server, payload, text};
use std::cell::{Cell, RefCell};
use std::time::Duration;

#[derive(Default)]
struct Greeting {
    greeting: RefCell<String>,
    updated: Cell<bool>,
    complete: Cell<bool>,
}

#[derive(Debug, thiserror::Error)]
#[error("the greeting is empty")]
struct EmptyGreeting;

#[workflow]
impl Greeting {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        loop {
            let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
            let greeting = ctx
                .execute_activity(workflow::activity_named::<String>("greet"), name.clone(), options)
                .await?;
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
        self.greeting.replace(salutation);
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
}

#[test]
fn the_whole_way() {
    let mut server = Server::start::<Greeting>(vec![payload(&"Temporal")]);
    assert_eq!(server.task().summary(), ["schedule activity greet 1"]);
    server.complete_activity("1", &"Hello, Temporal!");
    assert!(server.task().summary().is_empty());
    let answer = server.query("current_greeting", &());
    assert_eq!(text(answer.answer.as_ref()), "\"Hello, Temporal!\"");
    server.update("u1", "set_and_get_greeting", &"");
    assert_eq!(server.task().answers(), ["reject u1: the greeting is empty"]);
    server.update("u2", "set_and_get_greeting", &"Hi!");
    assert_eq!(
        server.task().answers(),
        ["accept u2", "complete u2: \"Hello, Temporal!\""]
    );
    server.signal("update_salutation", &"Aloha");
    assert_eq!(server.task().summary(), ["schedule activity greet 2"]);
    server.evict();
    server.complete_activity("2", &"Aloha, Temporal!");
    server.signal("complete", &());
    assert_eq!(server.task().summary(), ["complete \"Aloha, Temporal!\""]);
    let answer = server.query("current_greeting", &());
    assert_eq!(text(answer.answer.as_ref()), "\"Aloha, Temporal!\"");
    server.replay().unwrap();
}
