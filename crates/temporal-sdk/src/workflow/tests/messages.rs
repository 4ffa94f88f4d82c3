//! Signals and updates that come when nobody can take them yet, or any more.

use crate::workflow;
use crate::workflow::tests::server::{Server, payload};
use crate::workflow::{Call, Context, Interceptor, LocalBoxFuture, Next};
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt as _};

const MINUTE: Duration = Duration::from_secs(60);

/// Adds its update handlers when it runs.
#[workflow]
async fn taking(ctx: &Context, ends_at_once: bool) -> workflow::Result<u32> {
    ctx.sleep(MINUTE).detach();
    let sum = Rc::new(Cell::new(0));
    let kept = Rc::clone(&sum);
    let check = |_: &Context, number: &u32| match number {
        0 => Err("nothing to add".into()),
        _ => workflow::Ok(()),
    };
    ctx.on_validated_update("add", check, move |_, number: u32| {
        kept.set(kept.get() + number);
        let sum = kept.get();
        async move { workflow::Ok(sum) }
    });
    let look = |_: &Context, name: &str, _: &workflow::RawValues| match name {
        "echo" => workflow::Ok(()),
        _ => Err(format!("there is no {name}").into()),
    };
    ctx.on_any_validated_update(look, async |_, name, values| {
        let value: u32 = values.get(0)?;
        workflow::Ok(format!("{name} {value}"))
    });
    if !ends_at_once {
        ctx.wait_condition(|| sum.get() > 10).await?;
    }
    Ok(sum.get())
}

#[test]
fn an_update_that_comes_with_the_start_reaches_the_handler_that_run_adds() {
    let mut server = Server::start::<taking>(vec![payload(&false)]);
    for (id, name, number) in [
        ("u1", "add", 2),
        ("u2", "add", 0),
        ("u3", "echo", 7),
        ("u4", "shout", 7),
    ] {
        server.update(id, name, &number);
    }
    let done = server.task();
    assert_eq!(
        done.answers(),
        [
            "reject u2: nothing to add",
            "reject u4: there is no shout",
            "accept u1",
            "complete u1: 2",
            "accept u3",
            "complete u3: \"echo 7\"",
        ]
    );
    // What history holds of it replays in the same order.
    server.evict();
    server.update("u5", "add", &9);
    assert_eq!(server.task().summary().last().unwrap(), "complete 11");
    server.replay().unwrap();
}

#[test]
fn a_run_that_ends_at_once_answers_what_came_with_its_start() {
    let mut server = Server::start::<taking>(vec![payload(&true)]);
    server.update("u1", "add", &2);
    let done = server.task();
    assert_eq!(done.answers(), ["accept u1", "complete u1: 2"]);
    server.replay().unwrap();
}

/// Has no handler of what comes.
#[workflow]
async fn refusing(ctx: &Context) -> workflow::Result<()> {
    Ok(ctx.sleep(MINUTE).await?)
}

#[test]
fn an_update_that_comes_with_the_start_and_that_nobody_takes_is_rejected() {
    let mut server = Server::start::<refusing>(vec![]);
    server.update("u1", "add", &2);
    assert_eq!(
        server.task().answers(),
        ["reject u1: workflow \"refusing\" has no update handler \"add\"; it has: none"]
    );
    server.update("u2", "add", &2);
    assert_eq!(
        server.task().answers(),
        ["reject u2: workflow \"refusing\" has no update handler \"add\"; it has: none"]
    );
}

/// Takes handlers away while a signal is on its way through an interceptor.
struct Slow;

impl Interceptor for Slow {
    fn signal<'a>(&'a self, call: Call, next: Next<'a, ()>) -> LocalBoxFuture<'a, workflow::Result<()>> {
        Box::pin(async move {
            call.context().sleep(MINUTE).await?;
            next.run(call).await
        })
    }
}

#[workflow]
async fn changing(ctx: &Context) -> workflow::Result<Vec<String>> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let add = || {
        let kept = Rc::clone(&lines);
        ctx.on_signal("line", move |_, line: String| {
            kept.borrow_mut().push(line);
            workflow::Ok(())
        });
    };
    add();
    ctx.sleep(MINUTE).await?;
    ctx.remove_signal_handler("line");
    ctx.sleep(MINUTE).await?;
    add();
    ctx.wait_condition(|| !lines.borrow().is_empty()).await?;
    Ok(lines.take())
}

#[test]
fn a_signal_whose_handler_goes_while_it_is_intercepted_is_kept() {
    let mut server = Server::intercepted::<changing>("changing", vec![], vec![Arc::new(Slow)]);
    server.task();
    server.signal("line", &"a".to_owned());
    server.task();
    // The handler goes, and the signal comes through to nobody.
    server.fire_timer("1");
    server.task();
    server.fire_timer("2");
    server.task();
    // The handler is back, and the signal goes through the interceptor again.
    server.fire_timer("3");
    server.task();
    server.fire_timer("4");
    assert_eq!(server.task().summary(), ["complete [\"a\"]"]);
    server.replay().unwrap();
}

/// Ends with the first signal.
#[derive(Default)]
struct Ending {
    done: Cell<bool>,
}

#[workflow]
impl Ending {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        Ok(ctx.wait_condition(|| self.done.get()).await?)
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }

    #[signal]
    fn line(&self, _line: String) {}
}

/// Keeps the warnings of its thread.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                write!(self.0, "{}={value:?} ", field.name()).unwrap();
            }
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

#[test]
fn signals_that_a_run_ends_without_are_warned_of_once() {
    let warnings = Warnings::default();
    let subscriber = tracing_subscriber::registry().with(warnings.clone());
    let _default = tracing::subscriber::set_default(subscriber);
    let mut server = Server::start::<Ending>(vec![]);
    server.task();
    server.signal("line", &"in time".to_owned());
    server.signal("finish", &());
    server.signal("line", &"late".to_owned());
    server.signal("line", &"later".to_owned());
    // The replay that checks the task is not live.
    server.check_replay = false;
    assert_eq!(server.task().summary(), ["complete null"]);
    server.replay().unwrap();
    let lost: Vec<_> = warnings.0.lock().unwrap().clone();
    let lost: Vec<_> = lost
        .iter()
        .filter(|line| line.contains("are lost to its code"))
        .collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(
        lost[0].contains("workflow Ending (id workflow) ended while signals of the same workflow task"),
        "{lost:?}"
    );
    assert!(lost[0].contains("signals=\"line\""), "{lost:?}");
}

/// Ends with the first signal, and takes what came with it.
#[derive(Default)]
struct Draining {
    done: Cell<bool>,
    lines: RefCell<Vec<String>>,
}

#[workflow]
impl Draining {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        ctx.wait_condition(|| self.done.get()).await?;
        ctx.messages_delivered().await;
        Err(ctx.continue_as_new(self.lines.take()))
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }

    #[signal]
    fn line(&self, line: String) {
        self.lines.borrow_mut().push(line);
    }
}

#[test]
fn a_run_that_waits_for_what_its_task_brings_loses_nothing() {
    let mut server = Server::start::<Draining>(vec![]);
    server.task();
    server.signal("line", &"first".to_owned());
    server.signal("finish", &());
    server.signal("line", &"second".to_owned());
    server.signal("line", &"third".to_owned());
    assert_eq!(
        server.task().summary(),
        ["continue as new [\"first\",\"second\",\"third\"]"]
    );
    server.replay().unwrap();
}
