//! Code around clients, workflows and activities.

use crate::{quick, quick_local, update_failure};
use futures_util::future::BoxFuture;
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporal_integration_tests::history::{Event, EventType};
use temporal_integration_tests::{look_until, run};
use temporal_sdk::client::data::PayloadConverterExt as _;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::interceptor::{ClientInterceptor, Intercepted, Next};
use temporal_sdk::client::protos::api::common::v1::Payload;
use temporal_sdk::client::protos::api::workflowservice::v1::{
    QueryWorkflowRequest, SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
};
use temporal_sdk::client::{Client, QueryError};
use temporal_sdk::workflow::{ChildWorkflowOptions, LocalBoxFuture, Outgoing, OutgoingOptions};
use temporal_sdk::{activity, workflow};

/// What interceptors saw, in order, each once: a replay shows the same again.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: impl Into<String>) {
        let (mut seen, what) = (self.0.lock().unwrap(), what.into());
        if !seen.contains(&what) {
            seen.push(what);
        }
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Notes each request, and sends a header with each start.
struct AroundClient(Seen);

impl ClientInterceptor for AroundClient {
    fn start_workflow<'a>(
        &'a self,
        mut request: StartWorkflowExecutionRequest,
        next: Next<'a>,
    ) -> Intercepted<'a, StartWorkflowExecutionRequest> {
        self.0.note("start");
        let tenant = next.client().data_converter().payload_converter().encode(&"acme");
        let header = request.header.get_or_insert_default();
        header.fields.insert("tenant".to_owned(), tenant.unwrap());
        next.run(request)
    }

    fn signal_workflow<'a>(
        &'a self,
        request: SignalWorkflowExecutionRequest,
        next: Next<'a>,
    ) -> Intercepted<'a, SignalWorkflowExecutionRequest> {
        self.0.note(format!("signal {}", request.signal_name));
        next.run(request)
    }

    fn query_workflow<'a>(
        &'a self,
        request: QueryWorkflowRequest,
        next: Next<'a>,
    ) -> Intercepted<'a, QueryWorkflowRequest> {
        self.0.note("query");
        next.run(request)
    }

    fn start_update<'a>(
        &'a self,
        request: UpdateWorkflowExecutionRequest,
        next: Next<'a>,
    ) -> Intercepted<'a, UpdateWorkflowExecutionRequest> {
        self.0.note("update");
        next.run(request)
    }
}

/// Notes each call, refuses what is forbidden, and passes the header on.
pub(crate) struct AroundWorkflows {
    pub(crate) name: &'static str,
    pub(crate) seen: Seen,
}

impl AroundWorkflows {
    fn note(&self, what: &str, name: &str) {
        self.seen.note(format!("{} {what} {name}", self.name));
    }
}

impl workflow::Interceptor for AroundWorkflows {
    fn execute<'a>(
        &'a self,
        call: workflow::Call,
        next: workflow::Next<'a, Payload>,
    ) -> LocalBoxFuture<'a, workflow::Result<Payload>> {
        self.note("execute", call.name());
        Box::pin(async move {
            let result = next.run(call).await;
            self.note("executed", "");
            result
        })
    }

    fn signal<'a>(
        &'a self,
        call: workflow::Call,
        next: workflow::Next<'a, ()>,
    ) -> LocalBoxFuture<'a, workflow::Result<()>> {
        self.note("signal", call.name());
        next.run(call)
    }

    fn update<'a>(
        &'a self,
        call: workflow::Call,
        next: workflow::Next<'a, Payload>,
    ) -> LocalBoxFuture<'a, workflow::Result<Payload>> {
        self.note("update", call.name());
        next.run(call)
    }

    fn validate_update(&self, call: &mut workflow::Call) -> workflow::Result<()> {
        if call.argument::<String>(0)? == "forbidden" {
            return Err(ApplicationError::new("not in here").kind("Forbidden").into());
        }
        Ok(())
    }

    fn query(&self, call: &mut workflow::Call) -> workflow::Result<()> {
        self.note("query", call.name());
        if call.name() == "secret" {
            return Err("nobody asks for that".into());
        }
        Ok(())
    }

    fn outgoing(&self, ctx: &workflow::Context, call: &mut Outgoing<'_>) {
        self.note(&format!("{:?}", call.kind), call.name);
        if let Some(tenant) = ctx.info().headers().get("tenant") {
            call.headers.insert("tenant".to_owned(), tenant.clone());
        }
    }
}

/// Notes the header of each call and each heartbeat, and makes the attempt another one.
struct AroundActivities(Seen);

impl activity::Interceptor for AroundActivities {
    fn execute<'a>(
        &'a self,
        call: activity::Call,
        next: activity::Next<'a>,
    ) -> BoxFuture<'a, activity::Result<Payload>> {
        Box::pin(async move {
            let ctx = call.context();
            let tenant = ctx.headers().get("tenant").cloned().ok_or("no header")?;
            let tenant: String = ctx.payload_converter().decode(tenant)?;
            self.0.note(format!("{} of {tenant}", ctx.info().activity_type));
            next.run(call).await
        })
    }

    fn info(&self, mut info: activity::Info) -> activity::Info {
        info.attempt += 41;
        info
    }

    fn heartbeat(&self, info: &activity::Info, details: Vec<Payload>) -> Option<Vec<Payload>> {
        self.0
            .note(format!("heartbeat of {}, {}", info.activity_type, details.len()));
        None
    }
}

#[activity]
async fn attempt_of(ctx: &activity::Context, step: String) -> activity::Result<String> {
    ctx.heartbeat("half-way");
    Ok(format!("{step} {}", ctx.info().attempt))
}

#[derive(Default)]
pub(crate) struct Vault {
    entries: RefCell<Vec<String>>,
    closed: Cell<bool>,
}

#[workflow]
impl Vault {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
        ctx.wait_condition(|| self.closed.get()).await?;
        let far = ctx.execute_activity(attempt_of, "far", quick()).await?;
        let near = ctx.execute_local_activity(attempt_of, "near", quick_local()).await?;
        self.entries.borrow_mut().extend([far, near]);
        Ok(self.entries.take())
    }

    #[signal]
    fn close(&self) {
        self.closed.set(true);
    }

    #[query]
    fn secret(&self) -> usize {
        self.entries.borrow().len()
    }

    #[update]
    fn put(&self, entry: String) -> usize {
        self.entries.borrow_mut().push(entry);
        self.entries.borrow().len()
    }
}

/// P44, P45, P46: what they see, change and refuse; the first given is the outermost, and headers get from the client
/// to the activities.
#[test]
fn p44_p45_p46_interceptors_see_in_order_refuse_and_change() {
    run(async |env| {
        let (clients, workflows, activities) = (Seen::default(), Seen::default(), Seen::default());
        let options = env
            .client()
            .options()
            .clone()
            .interceptor(AroundClient(clients.clone()));
        let env = env.with_client(Client::new(env.client().connection().clone(), options));
        let around = |name| AroundWorkflows {
            name,
            seen: workflows.clone(),
        };
        let worker = env
            .worker()
            .workflow::<Vault>()
            .activity(attempt_of)
            .workflow_interceptor(around("outer"))
            .workflow_interceptor(around("inner"))
            .activity_interceptor(AroundActivities(activities.clone()));
        env.serve(worker, async {
            let vault = env
                .client()
                .start_workflow(Vault::run, (), env.options("vault"))
                .await?;
            assert_eq!(vault.execute_update(Vault::put, "gold").await?, 1);
            let refused = vault.execute_update(Vault::put, "forbidden").await.unwrap_err();
            assert_eq!(
                update_failure(refused).as_application().unwrap().type_name(),
                "Forbidden"
            );
            let refused = vault.query(Vault::secret, ()).await.unwrap_err();
            assert!(matches!(refused, QueryError::Failed { .. }), "{refused}");
            vault.signal(Vault::close, ()).await?;
            assert_eq!(vault.result().await?, ["gold", "far 42", "near 42"]);
            Ok(())
        })
        .await?;

        assert_eq!(clients.all(), ["start", "update", "query", "signal close"]);
        let calls = [
            "execute Vault",
            "update put",
            "query secret",
            "signal close",
            "Activity attempt_of",
            "LocalActivity attempt_of",
            "executed ",
        ];
        let seen = workflows.all();
        for call in calls {
            // The outer one sees what comes in first and what comes back last; it refuses the query alone.
            let place = |name: &str| seen.iter().position(|line| *line == format!("{name} {call}"));
            let (outer, inner) = (place("outer"), place("inner"));
            match call {
                "query secret" => assert!(outer.is_some() && inner.is_none(), "{call}: {seen:?}"),
                "executed " => assert!(inner.is_some() && inner < outer, "{call}: {seen:?}"),
                _ => assert!(outer.is_some() && outer < inner, "{call}: {seen:?}"),
            }
        }
        let seen = activities.all();
        assert!(seen.contains(&"attempt_of of acme".to_owned()), "{seen:?}");
        assert!(seen.contains(&"heartbeat of attempt_of, 1".to_owned()), "{seen:?}");
        Ok(())
    });
}

/// Sends a header with whatever the workflow calls, notes what arrives with one, and changes what it may.
pub(crate) struct Passing(pub(crate) Seen);

impl Passing {
    fn arrived(&self, what: &str, call: &workflow::Call) {
        let tenant = call.headers().get("tenant").map(|tenant| tenant.data.clone());
        let name = call.name();
        self.0.note(format!(
            "{what} {name} {}",
            String::from_utf8_lossy(&tenant.unwrap_or_default())
        ));
    }
}

impl workflow::Interceptor for Passing {
    fn execute<'a>(
        &'a self,
        call: workflow::Call,
        next: workflow::Next<'a, Payload>,
    ) -> LocalBoxFuture<'a, workflow::Result<Payload>> {
        self.arrived("execute", &call);
        next.run(call)
    }

    fn signal<'a>(
        &'a self,
        call: workflow::Call,
        next: workflow::Next<'a, ()>,
    ) -> LocalBoxFuture<'a, workflow::Result<()>> {
        self.arrived("signal", &call);
        next.run(call)
    }

    fn validate_update(&self, call: &mut workflow::Call) -> workflow::Result<()> {
        let converter = call.context().payload_converter();
        let longer = converter.encode(&format!("{} checked", call.argument::<String>(0)?))?;
        call.arguments_mut()[0] = longer;
        Ok(())
    }

    fn query_answered(&self, call: &workflow::Call, answer: workflow::Result<Payload>) -> workflow::Result<Payload> {
        let text: String = call.context().payload_converter().decode(answer?)?;
        Ok(call.context().payload_converter().encode(&format!("{text}!"))?)
    }

    fn outgoing(&self, ctx: &workflow::Context, call: &mut Outgoing<'_>) {
        self.0.note(format!("{:?} {}", call.kind, call.name));
        let tenant = ctx.payload_converter().encode(&"acme").expect("a text has a payload");
        call.headers.insert("tenant".to_owned(), tenant);
        if let OutgoingOptions::Activity(options) = &mut call.options {
            **options = options.clone().with_start_to_close_timeout(Duration::from_secs(17));
        }
    }
}

impl activity::Interceptor for Passing {
    fn execute<'a>(
        &'a self,
        call: activity::Call,
        next: activity::Next<'a>,
    ) -> BoxFuture<'a, activity::Result<Payload>> {
        let tenant = call.context().headers().get("tenant").map(|tenant| tenant.data.clone());
        let name = &call.context().info().activity_type;
        self.0.note(format!(
            "run {name} {}",
            String::from_utf8_lossy(&tenant.unwrap_or_default())
        ));
        next.run(call)
    }
}

#[activity]
async fn time_allowed(ctx: &activity::Context) -> activity::Result<Option<Duration>> {
    Ok(ctx.info().start_to_close_timeout)
}

/// Called by another workflow in every way there is.
#[derive(Default)]
pub(crate) struct Called {
    pokes: Cell<u32>,
}

#[workflow]
impl Called {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        ctx.wait_condition(|| self.pokes.get() == 2).await?;
        ctx.sleep(Duration::from_secs(3600)).await?;
        Ok(())
    }

    #[signal]
    fn poke_child(&self) {
        self.pokes.update(|pokes| pokes + 1);
    }

    #[signal]
    fn poke_other(&self) {
        self.pokes.update(|pokes| pokes + 1);
    }
}

#[derive(Default)]
pub(crate) struct Calling {
    over: Cell<bool>,
}

#[workflow]
impl Calling {
    #[run]
    async fn run(&self, ctx: &workflow::Context, round: u32) -> workflow::Result<Option<Duration>> {
        let allowed = ctx.execute_activity(time_allowed, (), quick()).await?;
        if round > 0 {
            ctx.wait_condition(|| self.over.get()).await?;
            return Ok(allowed);
        }
        ctx.execute_local_activity(time_allowed, (), quick_local()).await?;
        let id = format!("{}-called", ctx.info().workflow_id);
        let child = ctx
            .start_child_workflow(Called::run, (), ChildWorkflowOptions::new(id.clone()))
            .await?;
        child.signal(Called::poke_child, ()).await?;
        let other = ctx.external_workflow::<Called>(id);
        other.signal(Called::poke_other, ()).await?;
        other.cancel().await?;
        assert!(child.await.unwrap_err().is_cancelled());
        Err(ctx.continue_as_new(round + 1))
    }

    #[query]
    fn greeting(&self) -> String {
        "hello".to_owned()
    }

    #[update]
    fn end(&self, with: String) -> String {
        self.over.set(true);
        with
    }

    #[validator(end)]
    fn check_end(&self, with: &String) -> Result<(), ApplicationError> {
        if with.ends_with(" checked") {
            Ok(())
        } else {
            Err(ApplicationError::new("nobody checked it"))
        }
    }
}

/// P45, P46: headers go with every call that a workflow makes; options, a validator's arguments and a query's answer can be
/// changed.
#[test]
fn p45_p46_interceptors_pass_headers_on_with_every_call() {
    run(async |env| {
        let seen = Seen::default();
        let worker = env
            .worker()
            .workflow::<Calling>()
            .workflow::<Called>()
            .activity(time_allowed)
            .workflow_interceptor(Passing(seen.clone()))
            .activity_interceptor(Passing(seen.clone()));
        env.serve(worker, async {
            let calling = env
                .client()
                .start_workflow(Calling::run, 0_u32, env.options("calling"))
                .await?;
            let first = calling.run_id().unwrap_or_default().to_owned();
            let continued = |event: &Event| event.event_type() == EventType::WorkflowExecutionContinuedAsNew;
            let _ = env.wait_for_event(calling.id(), continued).await;
            let calling = env.client().workflow_handle::<Calling>(calling.id());
            look_until(async || {
                let described = calling.describe().await?;
                anyhow::Ok((described.run_id() != first).then_some(()))
            })
            .await?;
            assert_eq!(calling.query(Calling::greeting, ()).await?, "hello!");
            assert_eq!(calling.execute_update(Calling::end, "now").await?, "now");
            assert_eq!(calling.result().await?, Some(Duration::from_secs(17)));
            Ok(())
        })
        .await?;
        let seen = seen.all();
        let called = format!("{}-called", env.id("calling"));
        assert_eq!(called, env.id("calling-called"));
        for line in [
            "execute Calling ",
            "Activity time_allowed",
            "run time_allowed \"acme\"",
            "LocalActivity time_allowed",
            "ChildWorkflow Called",
            "execute Called \"acme\"",
            "Signal poke_child",
            "signal poke_child \"acme\"",
            "Signal poke_other",
            "signal poke_other \"acme\"",
            format!("CancelExternal {called}").as_str(),
            "ContinueAsNew Calling",
            "execute Calling \"acme\"",
        ] {
            assert!(seen.iter().any(|seen| seen == line), "{line}: {seen:?}");
        }
        Ok(())
    });
}
