//! Child workflows and other workflows.

use std::cell::{Cell, RefCell};
use temporal_integration_tests::history::{EventType, count, essential};
use temporal_integration_tests::run;
use temporal_sdk::client::definition::signal_named;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::client::protos::api::enums::v1::{ParentClosePolicy, WorkflowExecutionStatus};
use temporal_sdk::client::{Memo, SearchAttributes};
use temporal_sdk::workflow;
use temporal_sdk::workflow::ChildWorkflowOptions;

/// A child that ships what it is told to when it may.
#[derive(Default)]
pub(crate) struct Ship {
    may: Cell<bool>,
    notes: RefCell<Vec<String>>,
}

#[workflow]
impl Ship {
    #[run]
    async fn run(&self, ctx: &workflow::Context, goods: String) -> workflow::Result<String> {
        if goods == "contraband" {
            return Err(ApplicationError::new("not with us")
                .kind("Refused")
                .non_retryable()
                .into());
        }
        ctx.wait_condition(|| self.may.get()).await?;
        Ok(format!("shipped {goods} {}", self.notes.borrow().join(",")))
    }

    #[signal]
    fn note(&self, text: String) {
        self.notes.borrow_mut().push(text);
    }

    #[signal]
    fn go(&self) {
        self.may.set(true);
    }
}

#[workflow]
pub(crate) async fn ships(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let id = format!("{}-child", ctx.info().workflow_id);
    let child = ctx
        .start_child_workflow(Ship::run, "apples", ChildWorkflowOptions::new(&id))
        .await?;
    let ids = child.workflow_id() == id && !child.run_id().is_empty();
    child.signal(Ship::note, "fragile").await?;
    child.signal(Ship::go, ()).await?;
    let receipt = child.await?;
    Ok(vec![ids.to_string(), receipt])
}

/// S76–S79: a typed child: started, signalled, awaited.
#[test]
fn s76_s77_s78_s79_a_child_workflow() {
    run(async |env| {
        env.serve(env.worker().workflow::<Ship>().workflow::<ships>(), async {
            let seen = env.client().execute_workflow(ships, (), env.options("ships")).await?;
            assert_eq!(seen, ["true", "shipped apples fragile"]);
            let events = essential(&env.events(&env.id("ships")).await?);
            assert_eq!(events[1], EventType::StartChildWorkflowExecutionInitiated);
            assert_eq!(events[2], EventType::ChildWorkflowExecutionStarted);
            assert!(
                events.contains(&EventType::ChildWorkflowExecutionCompleted),
                "{events:?}"
            );
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn doubled(ctx: &workflow::Context, number: i64) -> workflow::Result<i64> {
    let _ = ctx.info();
    Ok(number * 2)
}

#[workflow]
pub(crate) async fn executes_children(ctx: &workflow::Context) -> workflow::Result<i64> {
    // Without an id, the child gets one of the run's own.
    let typed = ctx
        .execute_child_workflow(doubled, 2, ChildWorkflowOptions::default())
        .await?;
    let named = workflow::named::<i64>("doubled");
    let named = ctx
        .execute_child_workflow(named, typed, ChildWorkflowOptions::default())
        .await?;
    Ok(named)
}

#[test]
fn s76_s77_s80_children_in_one_call_typed_and_by_name() {
    run(async |env| {
        env.serve(
            env.worker().workflow::<doubled>().workflow::<executes_children>(),
            async {
                let result = env
                    .client()
                    .execute_workflow(executes_children, (), env.options("both"))
                    .await?;
                assert_eq!(result, 8);
                Ok(())
            },
        )
        .await
    });
}

#[workflow]
pub(crate) async fn refused_child(ctx: &workflow::Context) -> workflow::Result<String> {
    let id = format!("{}-child", ctx.info().workflow_id);
    let failure = ctx
        .execute_child_workflow(Ship::run, "contraband", ChildWorkflowOptions::new(&id))
        .await
        .unwrap_err();
    let child = failure.as_child_workflow().expect("a child's failure");
    let cause = failure.as_application().expect("an application failure");
    assert_eq!(child.workflow_id(), id);
    Ok(format!(
        "{} {} {}",
        child.workflow_type(),
        cause.type_name(),
        cause.message()
    ))
}

/// In which namespace its child failed; on the way it changes nothing of its memo and search attributes.
#[workflow]
pub(crate) async fn knows_where(ctx: &workflow::Context) -> workflow::Result<String> {
    ctx.upsert_memo(Memo::new());
    ctx.upsert_search_attributes(SearchAttributes::new());
    let options = ChildWorkflowOptions::default().namespace(ctx.info().namespace.clone());
    for options in [ChildWorkflowOptions::default(), options] {
        let result = ctx.execute_child_workflow(Ship::run, "contraband", options).await;
        let Some(namespace) = result
            .as_ref()
            .err()
            .and_then(|failure| Some(failure.as_child_workflow()?.namespace()))
        else {
            return Ok("the child did not fail".to_owned());
        };
        if namespace != ctx.info().namespace {
            return Ok(format!("it failed in {namespace:?}"));
        }
    }
    Ok("as it should".to_owned())
}

/// S104, P7: a failure says in which namespace; an empty change is none.
#[test]
fn s104_p7_a_child_fails_in_a_namespace() {
    run(async |env| {
        let worker = env.worker().workflow::<Ship>().workflow::<knows_where>();
        env.serve(worker, async {
            let seen = env
                .client()
                .execute_workflow(knows_where, (), env.options("where"))
                .await?;
            assert_eq!(seen, "as it should");
            let events = env.events(&env.unrecorded_id("where")).await?;
            assert_eq!(count(&events, EventType::WorkflowTaskFailed), 0);
            assert_eq!(count(&events, EventType::WorkflowPropertiesModified), 0);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn passes_on_failure(ctx: &workflow::Context) -> workflow::Result<()> {
    ctx.execute_child_workflow(Ship::run, "contraband", ChildWorkflowOptions::default())
        .await?;
    Ok(())
}

#[test]
fn s104_a_failing_child() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<Ship>()
            .workflow::<refused_child>()
            .workflow::<passes_on_failure>();
        env.serve(worker, async {
            let seen = env
                .client()
                .execute_workflow(refused_child, (), env.options("refused"))
                .await?;
            assert_eq!(seen, "Ship Refused not with us");
            let error = env
                .client()
                .execute_workflow(passes_on_failure, (), env.options("passes"))
                .await
                .unwrap_err();
            let failure = error.failure().expect("the workflow failed");
            assert!(failure.as_child_workflow().is_some(), "{failure}");
            assert_eq!(
                failure.as_application().map(ApplicationError::type_name),
                Some("Refused")
            );
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn id_is_taken(ctx: &workflow::Context) -> workflow::Result<String> {
    let id = format!("{}-child", ctx.info().workflow_id);
    let first = ctx
        .start_child_workflow(Ship::run, "a", ChildWorkflowOptions::new(&id))
        .await?;
    let second = ctx
        .start_child_workflow(Ship::run, "b", ChildWorkflowOptions::new(&id))
        .await;
    first.signal(Ship::go, ()).await?;
    first.await?;
    Ok(second.map(|_| String::new()).unwrap_err().to_string())
}

#[test]
fn s78_an_id_that_is_taken() {
    run(async |env| {
        env.serve(env.worker().workflow::<Ship>().workflow::<id_is_taken>(), async {
            let seen = env
                .client()
                .execute_workflow(id_is_taken, (), env.options("taken"))
                .await?;
            assert!(seen.contains("AlreadyStarted"), "{seen}");
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn leaves_child(ctx: &workflow::Context, id: String) -> workflow::Result<()> {
    let options = ChildWorkflowOptions::new(&id).parent_close_policy(ParentClosePolicy::Abandon);
    ctx.start_child_workflow(Ship::run, "left", options).await?.detach();
    Ok(())
}

/// S96: the parent that only started it ends; the child goes on.
#[test]
fn s96_a_child_that_outlives_its_parent() {
    run(async |env| {
        env.serve(env.worker().workflow::<Ship>().workflow::<leaves_child>(), async {
            let child = env.id("left");
            env.client()
                .execute_workflow(leaves_child, child.as_str(), env.options("leaves"))
                .await?;
            let handle = env.client().workflow_handle::<Ship>(&child);
            assert_eq!(handle.describe().await?.status(), WorkflowExecutionStatus::Running);
            handle.signal(Ship::go, ()).await?;
            assert_eq!(handle.result().await?, "shipped left ");
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn steers_others(
    ctx: &workflow::Context,
    id: String,
    cancelled: String,
) -> workflow::Result<Vec<String>> {
    let ship = ctx.external_workflow::<Ship>(&id);
    ship.signal(Ship::note, "from outside").await?;
    ship.signal(signal_named("note"), "by name").await?;
    ship.signal(Ship::go, ()).await?;
    ctx.external_workflow::<Ship>(&cancelled).cancel().await?;
    let nobody = ctx.external_workflow::<Ship>(format!("{id}-nobody"));
    let signal = nobody.signal(Ship::go, ()).await.unwrap_err().to_string();
    let cancel = nobody.cancel().await.unwrap_err().to_string();
    Ok(vec![signal, cancel])
}

#[test]
fn s106_s107_s108_s109_other_workflows() {
    run(async |env| {
        env.serve(env.worker().workflow::<Ship>().workflow::<steers_others>(), async {
            let client = env.client();
            let ship = client.start_workflow(Ship::run, "x", env.options("ship")).await?;
            let other = client.start_workflow(Ship::run, "y", env.options("other")).await?;
            let input = (env.id("ship"), env.id("other"));
            let errors = client
                .execute_workflow(steers_others, input, env.options("steers"))
                .await?;
            assert_eq!(ship.result().await?, "shipped x from outside,by name");
            assert!(other.result().await.unwrap_err().is_cancelled());
            for error in errors {
                assert!(error.contains("NotFound"), "{error}");
            }
            let events = env.events(&env.id("steers")).await?;
            assert_eq!(count(&events, EventType::ExternalWorkflowExecutionSignaled), 3);
            assert_eq!(count(&events, EventType::SignalExternalWorkflowExecutionFailed), 1);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn tells_family(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let info = ctx.info();
    let of = |relative: &Option<Box<workflow::Relative>>| {
        relative
            .as_ref()
            .map(|relative| relative.workflow_id.clone())
            .unwrap_or_default()
    };
    Ok(vec![
        of(&info.parent),
        of(&info.root),
        info.workflow_type.clone(),
        info.attempt.to_string(),
    ])
}

#[workflow]
pub(crate) async fn asks_child(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    Ok(ctx
        .execute_child_workflow(tells_family, (), ChildWorkflowOptions::default())
        .await?)
}

#[test]
fn s99_a_child_knows_its_family() {
    run(async |env| {
        env.serve(
            env.worker().workflow::<tells_family>().workflow::<asks_child>(),
            async {
                let seen = env
                    .client()
                    .execute_workflow(asks_child, (), env.options("asks"))
                    .await?;
                let id = env.id("asks");
                assert_eq!(seen, [id.as_str(), id.as_str(), "tells_family", "1"]);
                Ok(())
            },
        )
        .await
    });
}
