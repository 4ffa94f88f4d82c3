//! Runs that are reset to an earlier workflow task.

use crate::cancellation_table::handled;
use std::cell::Cell;
use temporal_integration_tests::history::{Attributes, Event, EventType};
use temporal_integration_tests::run;
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::workflowservice::v1::ResetWorkflowExecutionRequest;
use temporal_sdk::client::Client;
use temporal_sdk::workflow;
use temporal_sdk::workflow::{ChildWorkflowOptions, Context};

#[derive(Default)]
pub(crate) struct Counter {
    count: Cell<u32>,
    done: Cell<bool>,
}

#[workflow]
impl Counter {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<u32> {
        ctx.wait_condition(|| self.done.get()).await?;
        Ok(self.count.get())
    }

    #[update]
    fn add(&self, number: u32) -> u32 {
        self.count.set(self.count.get() + number);
        self.count.get()
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }
}

#[workflow]
pub(crate) async fn has_a_child(ctx: &Context, child_id: String) -> workflow::Result<u32> {
    let child = ctx
        .start_child_workflow(Counter::run, (), ChildWorkflowOptions::new(child_id))
        .await?;
    Ok(child.await?)
}

/// The request that resets a workflow to the workflow task of this event.
fn reset(client: &Client, id: &str, event_id: i64) -> ResetWorkflowExecutionRequest {
    ResetWorkflowExecutionRequest {
        namespace: client.namespace().to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: id.to_owned(),
            run_id: String::new(),
        }),
        reason: "again".to_owned(),
        workflow_task_finish_event_id: event_id,
        request_id: id.to_owned(),
        ..ResetWorkflowExecutionRequest::default()
    }
}

/// The workflow tasks that were completed.
fn completed(events: &[Event]) -> Vec<i64> {
    events
        .iter()
        .filter(|event| event.event_type() == EventType::WorkflowTaskCompleted)
        .map(|event| event.event_id)
        .collect()
}

/// S79: what became of a child after the task that its parent is reset to is told again.
#[test]
fn s79_a_reset_run_is_told_again_what_became_of_its_child() {
    run(async |env| {
        env.serve(env.worker().workflow::<has_a_child>().workflow::<Counter>(), async {
            let client = env.client();
            let child = env.id("child");
            let handle = client
                .start_workflow(has_a_child, child.as_str(), env.options("parent"))
                .await?;
            handled(&env, handle.id(), EventType::ChildWorkflowExecutionStarted).await?;
            let child = client.workflow_handle::<Counter>(child);
            child.execute_update(Counter::add, 5_u32).await?;
            child.signal(Counter::finish, ()).await?;
            assert_eq!(handle.result().await?, 5);
            let tasks = completed(&env.events(handle.id()).await?);
            client.call(reset(client, handle.id(), tasks[1])).await?;
            let again = client.workflow_handle::<has_a_child>(handle.id());
            assert_eq!(again.result().await?, 5);
            Ok(())
        })
        .await
    });
}

/// S56: what came after the task that a run is reset to is told again, each update once: by an event, and its acceptance has no
/// request then.
#[test]
fn s56_a_reset_run_is_told_updates_and_signals_again() {
    run(async |env| {
        env.serve(env.worker().workflow::<Counter>(), async {
            let client = env.client();
            let handle = client.start_workflow(Counter::run, (), env.options("counter")).await?;
            // The first task is over once this is answered.
            assert_eq!(handle.execute_update(Counter::add, 3_u32).await?, 3);
            assert_eq!(handle.execute_update(Counter::add, 4_u32).await?, 7);
            handle.signal(Counter::finish, ()).await?;
            assert_eq!(handle.result().await?, 7);
            let tasks = completed(&env.events(handle.id()).await?);
            client.call(reset(client, handle.id(), tasks[0])).await?;
            let again = client.workflow_handle::<Counter>(handle.id());
            assert_eq!(again.result().await?, 7);
            let events = env.events(handle.id()).await?;
            let mut requests = Vec::new();
            for event in &events {
                match &event.attributes {
                    Some(Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(admitted)) => {
                        requests.push(("admitted", admitted.request.is_some()));
                    }
                    Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                        requests.push(("accepted", accepted.accepted_request.is_some()));
                    }
                    _ => {}
                }
            }
            let (admitted, accepted) = (("admitted", true), ("accepted", false));
            assert_eq!(requests, [admitted, admitted, accepted, accepted]);
            Ok(())
        })
        .await
    });
}
