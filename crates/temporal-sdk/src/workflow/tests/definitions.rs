//! What a workflow can consist of: names, init, dynamic parts, generic types, functions, declarations, added handlers.

use crate::workflow;
use crate::workflow::registry::WorkflowRegistry;
use crate::workflow::tests::server::{Server, payload, text};
use crate::workflow::{
    Call, Context, ContinueAsNewOptions, Interceptor, LocalBoxFuture, Next, Outgoing, RawValues, WorkflowDefinition,
    WorkflowRef, activity_named,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use temporal_protos::api::command::v1::command::Attributes as Asked;
use temporal_protos::api::common::v1::Payload;

/// Waits for something to be told.
///
/// Second paragraph.
struct Init {
    name: String,
    run_id: String,
}

#[workflow(name = "with-init")]
impl Init {
    #[init]
    fn new(ctx: &Context, name: String, times: Option<u32>) -> Self {
        Self {
            name: name.repeat(times.unwrap_or(1) as usize),
            run_id: ctx.info().run_id.clone(),
        }
    }

    #[run]
    async fn run(&self, name: String, times: Option<u32>) -> workflow::Result<String> {
        Ok(format!("{} {name} {times:?} {}", self.name, self.run_id))
    }
}

#[test]
fn init_makes_the_instance_of_the_input_and_trailing_options_may_be_missing() {
    assert_eq!(Init::NAME, "with-init");
    let mut server = Server::start::<Init>(vec![payload(&"ab".to_owned()), payload(&2)]);
    assert_eq!(server.task().summary(), ["complete \"abab ab Some(2) run\""]);
    let mut server = Server::start::<Init>(vec![payload(&"ab".to_owned())]);
    assert_eq!(server.task().summary(), ["complete \"ab ab None run\""]);
    let message = Server::start::<Init>(vec![payload(&7)]).failing_task();
    assert!(
        message.contains("give its `#[init]` and its run method the parameters"),
        "{message}"
    );
}

/// Takes everything.
#[derive(Default)]
struct Dynamic {
    log: RefCell<Vec<String>>,
    done: Cell<bool>,
}

#[workflow(dynamic)]
impl Dynamic {
    #[run]
    async fn run(&self, ctx: &Context, name: String, arguments: RawValues) -> workflow::Result<String> {
        ctx.wait_condition(|| self.done.get()).await?;
        let first: String = arguments.get(0)?;
        Ok(format!("{name}({first}) {}", self.log.borrow().join(" ")))
    }

    #[signal]
    fn done(&self) {
        self.done.set(true);
    }

    #[signal(dynamic)]
    fn any_signal(&self, name: String, arguments: RawValues) {
        let value: u32 = arguments.get(0).unwrap_or_default();
        self.log.borrow_mut().push(format!("{name}={value}"));
    }

    #[query(dynamic)]
    fn any_query(&self, name: String, _arguments: RawValues) -> String {
        format!("{name}?")
    }

    #[update(dynamic)]
    async fn any_update(&self, name: String, arguments: RawValues) -> workflow::Result<usize> {
        self.log.borrow_mut().push(name);
        Ok(arguments.len())
    }
}

#[test]
fn dynamic_parts_take_what_no_other_takes() {
    let mut server = Server::start_type::<Dynamic>("Whatever", vec![payload(&"x".to_owned())]);
    server.signal("temperature", &20);
    server.update("u1", "change", &1);
    assert_eq!(server.task().answers(), ["accept u1", "complete u1: 1"]);
    assert_eq!(text(server.query("how", &()).answer.as_ref()), "\"how?\"");
    server.signal("done", &());
    assert_eq!(
        server.task().summary(),
        ["complete \"Whatever(x) temperature=20 change\""]
    );
}

/// One workflow for each type.
#[derive(Default)]
struct Generic<T> {
    value: RefCell<Option<T>>,
}

#[workflow]
impl<T: Serialize + DeserializeOwned + Default + 'static> Generic<T> {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<T> {
        ctx.wait_condition(|| self.value.borrow().is_some()).await?;
        self.value.take().ok_or_else(|| "no value".into())
    }

    #[signal]
    fn set(&self, value: T) {
        self.value.replace(Some(value));
    }
}

#[test]
fn a_generic_workflow() {
    let mut server = Server::start::<Generic<Vec<u32>>>(vec![]);
    server.signal("set", &vec![1, 2]);
    assert_eq!(server.task().summary(), ["complete [1,2]"]);
    let _ = Generic::<String>::set;
}

#[test]
fn a_generic_workflow_has_a_name_for_each_type() {
    let mut workflows = WorkflowRegistry::default();
    workflows.register::<Generic<u32>>().unwrap();
    let twice = workflows.register::<Generic<String>>().unwrap_err().to_string();
    assert!(twice.contains("workflow_named"), "{twice}");
    workflows.register_named::<Generic<String>>("Texts".into()).unwrap();
    workflows.register_named::<Generic<String>>("Texts".into()).unwrap_err();
    assert_eq!(workflows.names().collect::<Vec<_>>(), ["Generic", "Texts"]);
    assert_eq!(workflows.find("Texts").unwrap().name, "Texts");
    let run = Generic::<String>::run.with_name("Texts");
    assert_eq!(run.clone().name(), "Texts");
}

/// Continues as another workflow type.
#[workflow]
async fn becomes_another(ctx: &Context, other_name: bool) -> workflow::Result<u32> {
    let options = ContinueAsNewOptions::new().task_queue("elsewhere");
    if other_name {
        return Err(ctx.continue_as_new_to(add_up.with_name("Sum"), (1_u32, 2_u32), options));
    }
    Err(ctx.continue_as_new_to(add_up, (1_u32, 2_u32), options))
}

#[test]
fn continuing_as_another_workflow_is_typed() {
    for (other_name, expected) in [(false, "add_up"), (true, "Sum")] {
        let mut server = Server::start::<becomes_another>(vec![payload(&other_name)]);
        let done = server.task();
        let Some(Asked::ContinueAsNewWorkflowExecutionCommandAttributes(next)) = &done.commands[0].attributes else {
            panic!("{:?}", done.commands)
        };
        assert_eq!(next.workflow_type.as_ref().unwrap().name, expected);
        assert_eq!(next.task_queue.as_ref().unwrap().name, "elsewhere");
        assert_eq!(text(next.input.as_ref()), "1, 2");
    }
}

/// A workflow that is a function.
#[workflow]
async fn add_up(ctx: &Context, a: u32, b: u32) -> anyhow::Result<u32> {
    ctx.sleep(Duration::from_secs(1)).await?;
    a.checked_add(b).ok_or_else(|| anyhow::anyhow!("too much"))
}

#[test]
fn a_function_is_a_workflow() {
    assert_eq!(add_up.name(), "add_up");
    let mut server = Server::start::<add_up>(vec![payload(&1), payload(&2)]);
    server.task();
    server.fire_timer("1");
    assert_eq!(server.task().summary(), ["complete 3"]);
}

/// Declared only: its code is elsewhere.
#[workflow(name = "payments")]
trait Payments {
    /// Pays.
    #[run]
    async fn run(order: u32) -> String;
    #[signal]
    fn approve();
    #[query(name = "state")]
    fn current_state() -> String;
    #[update]
    fn change(to: u32, why: Option<String>) -> anyhow::Result<u32>;
}

#[test]
fn a_declaration_gives_the_markers() {
    assert_eq!(Payments::NAME, "payments");
    assert_eq!(Payments::run.name(), "payments");
    assert_eq!(Payments::approve.name(), "approve");
    assert_eq!(Payments::current_state.name(), "state");
    let change: workflow::UpdateMarker<Payments, workflow::Many<(u32, Option<String>)>, u32> = Payments::change;
    assert_eq!(change.name(), "change");
}

/// Adds its handlers while it runs.
#[derive(Default)]
struct Adding;

#[workflow]
impl Adding {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<Vec<String>> {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (lines, later, asked, changed) = (Rc::clone(&log), Rc::clone(&log), Rc::clone(&log), Rc::clone(&log));
        ctx.on_signal("line", move |_, line: String| {
            lines.borrow_mut().push(line);
            workflow::Ok(())
        });
        ctx.on_query("lines", move |_, (): ()| Ok(asked.borrow().len()));
        ctx.on_update("change", move |ctx, line: String| {
            let changed = Rc::clone(&changed);
            async move {
                ctx.sleep(Duration::from_secs(1)).await?;
                let id = ctx.current_update().map(|update| update.id.clone()).unwrap_or_default();
                changed.borrow_mut().push(format!("{line} by {id}"));
                Ok(changed.borrow().len())
            }
        });
        let check = |_: &Context, line: &String| match line.as_str() {
            "" => Err("an empty line".into()),
            _ => workflow::Ok(()),
        };
        ctx.on_validated_update(
            "check",
            check,
            |_, line: String| async move { workflow::Ok(line.len()) },
        );
        ctx.wait_condition(|| log.borrow().len() == 2).await?;
        ctx.on_any_signal(move |_, name, _| {
            later.borrow_mut().push(name);
            workflow::Ok(())
        });
        ctx.wait_condition(|| log.borrow().len() == 4).await?;
        Ok(log.take())
    }
}

#[test]
fn handlers_are_added_while_the_workflow_runs_and_signals_wait_for_them() {
    let mut server = Server::start::<Adding>(vec![]);
    server.signal("line", &"early".to_owned());
    server.signal("other", &());
    server.task();
    assert_eq!(text(server.query("lines", &()).answer.as_ref()), "1");
    let metadata = text(server.query("__temporal_workflow_metadata", &()).answer.as_ref());
    assert!(
        metadata.contains("\"updateDefinitions\":[{\"name\":\"change\"},{\"name\":\"check\"}]"),
        "{metadata}"
    );
    server.update("u0", "check", &String::new());
    assert_eq!(server.task().answers(), ["reject u0: an empty line"]);
    server.update("u1", "change", &"changed".to_owned());
    assert_eq!(server.task().answers(), ["accept u1"]);
    server.evict();
    server.fire_timer("1");
    assert_eq!(server.task().answers(), ["complete u1: 2"]);
    server.signal("last", &());
    assert_eq!(
        server.task().summary(),
        ["complete [\"early\",\"changed by u1\",\"other\",\"last\"]"]
    );
}

/// Describes its parts.
#[derive(Default)]
struct Described;

/// Says what it is.
#[workflow]
impl Described {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        ctx.set_current_details("**waiting**");
        std::future::pending::<()>().await;
        Ok(())
    }

    /// Pokes the workflow,
    /// hard.
    ///
    /// Not shown.
    #[signal]
    fn poke(&self) {}

    #[query(description = "How it goes.")]
    fn state(&self) -> u32 {
        1
    }

    #[query(dynamic)]
    fn any(&self, _name: String, _arguments: RawValues) -> u32 {
        2
    }
}

#[test]
fn metadata_describes_the_workflow() {
    let mut server = Server::start::<Described>(vec![]);
    server.task();
    let metadata = text(server.query("__temporal_workflow_metadata", &()).answer.as_ref());
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(
        metadata,
        serde_json::json!({
            "definition": {
                "type": "Described",
                "queryDefinitions": [
                    {"name": "__enhanced_stack_trace", "description": "Tells tools what each task of the workflow waits for."},
                    {"name": "__stack_trace", "description": "Tells what each task of the workflow waits for."},
                    {"name": "__temporal_workflow_metadata", "description": "Tells what the workflow consists of."},
                    {"name": "state", "description": "How it goes."},
                    {"name": ""},
                ],
                "signalDefinitions": [{"name": "poke", "description": "Pokes the workflow, hard."}],
                "updateDefinitions": [],
            },
            "currentDetails": "**waiting**",
        })
    );
}

/// Notes what comes in, and marks what goes out.
struct Noting(&'static str);

impl Interceptor for Noting {
    fn execute<'a>(&'a self, mut call: Call, next: Next<'a, Payload>) -> LocalBoxFuture<'a, workflow::Result<Payload>> {
        Box::pin(async move {
            let name: String = call.argument(0)?;
            call.arguments_mut()[0] = payload(&format!("{name}{}", self.0));
            next.run(call).await
        })
    }

    fn signal<'a>(&'a self, mut call: Call, next: Next<'a, ()>) -> LocalBoxFuture<'a, workflow::Result<()>> {
        Box::pin(async move {
            let value: String = call.argument(0)?;
            call.arguments_mut()[0] = payload(&format!("{value}{}", self.0));
            next.run(call).await
        })
    }

    fn update<'a>(&'a self, call: Call, next: Next<'a, Payload>) -> LocalBoxFuture<'a, workflow::Result<Payload>> {
        Box::pin(async move {
            let text: String = RawValues::new(
                vec![next.run(call).await?],
                Arc::new(temporal_client::data::CompositeConverter::default()),
            )
            .get(0)?;
            Ok(payload(&format!("{text}{}", self.0)))
        })
    }

    fn validate_update(&self, call: &mut Call) -> workflow::Result<()> {
        match call.argument::<String>(0)?.as_str() {
            "forbidden" => Err("forbidden by the interceptor".into()),
            _ => Ok(()),
        }
    }

    fn query(&self, call: &mut Call) -> workflow::Result<()> {
        if call.name() == "secret" {
            Err("no".into())
        } else {
            Ok(())
        }
    }

    fn outgoing(&self, _: &Context, call: &mut Outgoing<'_>) {
        let before = call
            .headers
            .get("path")
            .map(|header| String::from_utf8_lossy(&header.data).into_owned());
        let path = format!("{}{}", before.unwrap_or_default(), self.0);
        call.headers.insert(
            "path".to_owned(),
            Payload {
                data: path.into(),
                ..Payload::default()
            },
        );
    }
}

#[derive(Default)]
struct Intercepted {
    said: RefCell<String>,
}

#[workflow]
impl Intercepted {
    #[run]
    async fn run(&self, ctx: &Context, name: String) -> workflow::Result<String> {
        let options = workflow::ActivityOptions::start_to_close_timeout(Duration::from_secs(1));
        ctx.start_activity(activity_named::<()>("act"), 1, options).detach();
        ctx.wait_condition(|| !self.said.borrow().is_empty()).await?;
        Ok(format!("{name} {}", self.said.borrow()))
    }

    #[signal]
    fn say(&self, what: String) {
        self.said.replace(what);
    }

    #[update]
    fn echo(&self, what: String) -> String {
        what
    }

    #[query]
    fn secret(&self) -> u32 {
        1
    }
}

#[test]
fn interceptors_go_around_everything() {
    let interceptors: Vec<Arc<dyn Interceptor>> = vec![Arc::new(Noting("+")), Arc::new(Noting("-"))];
    let mut server = Server::intercepted::<Intercepted>("Intercepted", vec![payload(&"n".to_owned())], interceptors);
    let done = server.task();
    match done.commands[0].attributes.as_ref().unwrap() {
        Asked::ScheduleActivityTaskCommandAttributes(attributes) => {
            assert_eq!(attributes.header.as_ref().unwrap().fields["path"].data, "+-");
        }
        other => panic!("not an activity: {other:?}"),
    }
    server.update("u1", "echo", &"hi".to_owned());
    server.update("u2", "echo", &"forbidden".to_owned());
    assert_eq!(
        server.task().answers(),
        [
            "reject u2: forbidden by the interceptor",
            "accept u1",
            "complete u1: \"hi-+\""
        ]
    );
    assert_eq!(server.query("secret", &()).error_message, "no");
    server.signal("say", &"x".to_owned());
    assert_eq!(server.task().summary(), ["complete \"n+- x+-\""]);
}

/// Waits for several things.
#[derive(Default)]
struct Waiting;

#[workflow]
impl Waiting {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        let context = ctx.clone();
        ctx.spawn(async move { context.wait_condition(|| false).await })
            .detach();
        let _kept = ctx.sleep(Duration::from_secs(5));
        let options = workflow::ActivityOptions::start_to_close_timeout(Duration::from_secs(1));
        ctx.execute_activity(activity_named::<()>("act"), 1, options).await?;
        Ok(())
    }
}

#[test]
fn the_stack_trace_tells_what_each_task_waits_for() {
    let mut server = Server::start::<Waiting>(vec![]);
    server.task();
    let trace = text(server.query("__stack_trace", &()).answer.as_ref());
    let trace: String = serde_json::from_str(&trace).unwrap();
    let place = format!(" at {}", file!());
    let lines: Vec<_> = trace.lines().map(|line| line.split(&place).next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "the run method",
            "    waits for activity 1, started",
            "the task spawned",
            "    waits for a condition, started",
            "not awaited yet",
            "    timer 1, started",
        ],
        "{trace}"
    );
    let enhanced = server.query("__enhanced_stack_trace", &()).answer.unwrap();
    let enhanced = &enhanced.payloads[0];
    assert_eq!(
        enhanced.metadata["messageType"],
        "temporal.api.sdk.v1.EnhancedStackTrace"
    );
    let enhanced: serde_json::Value = serde_json::from_slice(&enhanced.data).unwrap();
    let first = &enhanced["stacks"][0]["locations"][0];
    assert_eq!(first["functionName"], "the run method waits for activity 1");
    assert_eq!(first["filePath"], file!());
    assert_eq!(enhanced["stacks"].as_array().unwrap().len(), 3);
}
