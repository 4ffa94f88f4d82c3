//! Replaying histories: fresh ones, altered ones, and those that earlier versions recorded.

use crate::kept::{Replayers, kept};
use crate::quick;
use temporal_integration_tests::history::to_json;
use temporal_integration_tests::run;
use temporal_sdk::client::WorkflowHistory;
use temporal_sdk::worker::{Replayer, ReplayerBuilder};
use temporal_sdk::{activity, workflow};

#[activity]
async fn step(name: String) -> activity::Result<String> {
    Ok(name)
}

mod original {
    use super::*;

    #[workflow(name = "Steps")]
    pub(super) async fn steps(ctx: &workflow::Context) -> workflow::Result<String> {
        let a = ctx.execute_activity(step, "a", quick()).await?;
        ctx.sleep(std::time::Duration::from_millis(10)).await?;
        Ok(a)
    }
}

mod altered {
    use super::*;

    #[workflow(name = "Steps")]
    pub(super) async fn steps(ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.sleep(std::time::Duration::from_millis(10)).await?;
        Ok(ctx.execute_activity(step, "a", quick()).await?)
    }
}

/// S168, S169: the code that wrote a history replays it, in the server's and in the files' form; other code does not.
#[test]
fn s168_s169_a_history_replays_with_its_own_code_only() {
    run(async |env| {
        let id = env.unrecorded_id("steps");
        env.serve(env.worker().workflow::<original::steps>().activity(step), async {
            let result = env
                .client()
                .execute_workflow(original::steps, (), env.unrecorded_options("steps"))
                .await?;
            assert_eq!(result, "a");
            Ok(())
        })
        .await?;
        let history = env
            .client()
            .workflow_handle::<original::steps>(&id)
            .fetch_history()
            .await?;
        let own = Replayer::builder().workflow::<original::steps>().build()?;
        own.replay(history.clone()).await?;

        let json = to_json(env.events(&id).await?)?;
        own.replay(WorkflowHistory::from_json(&json)?).await?;
        // As tctl and older tools spelled it.
        let old = json.replace("EVENT_TYPE_WORKFLOW_TASK_SCHEDULED", "WorkflowTaskScheduled");
        assert_ne!(old, json);
        own.replay(WorkflowHistory::from_json(&old)?).await?;

        let other = Replayer::builder().workflow::<altered::steps>().build()?;
        let error = other.replay(history.clone()).await.unwrap_err();
        let text = format!("{error} {error:?}").to_lowercase();
        assert!(text.contains("timer") && text.contains("step"), "{text}");

        let unknown = Replayer::builder().workflow::<crate::hello::SayHello>().build()?;
        let error = unknown.replay(history).await.unwrap_err();
        assert!(error.to_string().contains("Steps"), "{error}");
        Ok(())
    });
}

/// Every workflow of the suite whose histories are kept, but for those of [`others`](crate::kept::others).
pub(crate) fn suite() -> ReplayerBuilder {
    use crate::{
        activities, activity_panics, author, beyond, cancellation, cancellation_table, child_options, children, client,
        continue_as_new, cross_language, data, dynamic, failing, heartbeats, hello, local_activities, logging,
        messages, nexus_caller, nexus_workflows, options_given, ordering, rare_events, reach, resets, rows_activities,
        rows_clients, rows_definitions, rows_more, rows_workflows, threads, timers_conditions, told, trouble,
        worker_lifecycle,
    };
    Replayer::builder()
        .workflow::<hello::SayHello>()
        .workflow::<hello::say_hello_flow>()
        .workflow::<hello::renamed>()
        .workflow::<logging::logs>()
        .workflow::<messages::GreetingWorkflow>()
        .workflow::<messages::Ledger>()
        .workflow::<messages::Patient>()
        .workflow::<author::Payment>()
        .workflow::<author::Holiday>()
        .workflow::<author::Parcel>()
        .workflow::<author::packs>()
        .workflow::<author::indexed>()
        .workflow::<author::Readings>()
        .workflow::<author::tries_locally>()
        .workflow::<author::writes_to_nobody>()
        .workflow::<author::continues_otherwise>()
        .workflow::<beyond::Basket>()
        .workflow::<beyond::attributed>()
        .workflow::<beyond::knows_failure>()
        .workflow::<beyond::says_why>()
        .workflow::<beyond::by_finish>()
        .workflow::<beyond::summarised>()
        .workflow::<beyond::Described>()
        .workflow::<client::Waiter>()
        .workflow::<client::sum>()
        .workflow::<activities::all_kinds>()
        .workflow::<activities::retries>()
        .workflow::<activities::failures>()
        .workflow::<activities::impatient>()
        .workflow::<activities::timeouts>()
        .workflow::<activities::ask_info>()
        .workflow::<activities::call_thread>()
        .workflow::<activities::Signalled>()
        .workflow::<activities::CancelsActivity>()
        .workflow::<activities::waits_for_completion>()
        .workflow::<local_activities::doubles>()
        .workflow::<local_activities::local_retries>()
        .workflow::<local_activities::backs_off_by_timer>()
        .workflow::<local_activities::outlasts_its_task>()
        .workflow::<local_activities::many_at_once>()
        .workflow::<timers_conditions::sleeps>()
        .workflow::<timers_conditions::Waits>()
        .workflow::<timers_conditions::concurrent>()
        .workflow::<timers_conditions::Draws>()
        .workflow::<timers_conditions::no_timers>()
        .workflow::<cancellation::cancelled_in_sleep>()
        .workflow::<cancellation::cleans_up>()
        .workflow::<cancellation::Stubborn>()
        .workflow::<cancellation::Ends>()
        .workflow::<cancellation::does_not_wait>()
        .workflow::<cancellation::cancels_at_once>()
        .workflow::<cancellation::detaches>()
        .workflow::<cancellation_table::CancellationTable>()
        .workflow::<cancellation_table::TableChild>()
        .workflow::<children::Ship>()
        .workflow::<children::ships>()
        .workflow::<children::doubled>()
        .workflow::<children::executes_children>()
        .workflow::<children::refused_child>()
        .workflow::<children::passes_on_failure>()
        .workflow::<children::id_is_taken>()
        .workflow::<children::leaves_child>()
        .workflow::<children::steers_others>()
        .workflow::<children::tells_family>()
        .workflow::<children::asks_child>()
        .workflow::<continue_as_new::counts_down>()
        .workflow::<continue_as_new::Carries>()
        .workflow::<cross_language::CrossGreeting>()
        .workflow::<cross_language::rust_calls_python>()
        .workflow::<data::passes_order>()
        .workflow::<data::passes_parts>()
        .workflow::<data::gives_bytes>()
        .workflow::<data::gives_message>()
        .workflow::<data::gives_nothing>()
        .workflow::<data::fails_plainly>()
        .workflow::<data::sends_percent>()
        .workflow::<data::passes_raw>()
        .workflow::<dynamic::Constructed>()
        .workflow::<failing::fails>()
        .workflow::<failing::under_an_alias>()
        .workflow::<failing::retried>()
        .workflow::<failing::Handlers>()
        .workflow::<ordering::Order>()
        .workflow::<ordering::Turnstile>()
        .workflow::<trouble::Ticks>()
        .workflow::<trouble::Survivor>()
        .workflow::<trouble::hangs_in_child>()
        .workflow::<trouble::weighs_badly>()
        .workflow::<trouble::on_first>()
        .workflow::<trouble::on_second>()
        .workflow::<worker_lifecycle::calls_one>()
        .workflow::<worker_lifecycle::measures>()
        .workflow::<worker_lifecycle::watches>()
        .workflow::<worker_lifecycle::many_steps>()
        .workflow::<rows_activities::asks_thread_name>()
        .workflow::<rows_activities::calls_blocking>()
        .workflow::<rows_activities::calls_intercepted>()
        .workflow::<rows_activities::here_and_there>()
        .workflow::<rows_activities::several_here>()
        .workflow::<rows_activities::has_beats>()
        .workflow::<rows_activities::stops>()
        .workflow::<rows_clients::counts>()
        .workflow::<rows_clients::goes_on_otherwise>()
        .workflow::<rows_clients::otherwise>()
        .workflow::<rows_workflows::LeavesHandlers>()
        .workflow::<rows_workflows::adds_handlers>()
        .workflow::<rows_workflows::waits_in_many_places>()
        .workflow::<rows_workflows::WorksForTenant>()
        .workflow::<rows_workflows::child_works_for>()
        .workflow::<rows_workflows::panics_for_good>()
        .workflow::<rows_workflows::fails_secretly_p65>()
        .workflow::<threads::other_one>()
        .workflow::<rows_workflows::coordinates>()
        .workflow::<continue_as_new::Drains>()
        .workflow::<local_activities::outlasts_its_run>()
        .workflow::<beyond::summarised_locally>()
        .workflow::<child_options::tells>()
        .workflow::<child_options::asks>()
        .workflow::<child_options::adds_to_the_last>()
        .workflow::<child_options::WaitsForCounts>()
        .workflow::<child_options::Lingers>()
        .workflow::<child_options::cancels_a_child>()
        .workflow::<child_options::has_generic_children>()
        .workflow::<reach::limited>()
        .workflow::<reach::nested>()
        .workflow::<reach::CleansUp>()
        .workflow::<reach::cancels_locally>()
        .workflow::<reach::cancels_locally_as>()
        .workflow::<reach::endless>()
        .workflow::<reach::CancelsUnseen>()
        .workflow::<told::counts_runs>()
        .workflow::<told::Tells>()
        .workflow::<told::Target>()
        .workflow::<told::steers_a_run>()
        .workflow::<told::Looks>()
        .workflow::<told::waits_in_its_own_ways>()
        .workflow::<nexus_caller::charges>()
        .workflow::<resets::Counter>()
        .workflow::<resets::has_a_child>()
        .workflow::<author::Knowing>()
        .workflow::<children::knows_where>()
        .workflow::<continue_as_new::continues_as_it_is>()
        .workflow::<cross_language::rust_calls_python_nexus>()
        .workflow_named::<failing::is_mended>("panics")
        .workflow_named::<failing::is_mended>("returns_task_failure")
        .workflow::<activity_panics::hears_of_it>()
        .workflow::<heartbeats::stops_it>()
        .workflow::<local_activities::leaves>()
        .workflow::<local_activities::abandons>()
        .workflow::<heartbeats::hears_a_lot>()
        .workflow::<heartbeats::hears_of_leaving>()
        .workflow::<heartbeats::stops_helper>()
        .workflow::<heartbeats::waits_in_vain>()
        .workflow::<local_activities::calls_business>()
        .workflow::<local_activities::calls_nobody>()
        .workflow::<nexus_workflows::calls_every_way>()
        .workflow::<nexus_workflows::cancels_by_type>()
        .workflow::<nexus_workflows::Shipment>()
        .workflow::<ordering::Switchboard>()
        .workflow::<rare_events::Idles>()
        .workflow::<rare_events::LosesOperations>()
        .workflow::<rare_events::outlives_its_children>()
        .workflow::<rare_events::sleeps_in>()
        .workflow::<rows_activities::asks_locally>()
        .workflow::<rows_workflows::VersionedAfter>()
        .workflow::<rows_workflows::notes_replaying>()
        .workflow::<trouble::mended::flow>()
        .workflow::<rows_definitions::Nicknamed>()
        .workflow::<rows_definitions::calls_in_one_or_two>()
        .workflow::<rows_definitions::counts_words>()
        .workflow::<rows_definitions::scopes>()
        .workflow::<rows_definitions::notes_its_thread>()
        .workflow::<options_given::gives_an_activity_all>()
        .workflow::<options_given::gives_a_local_activity_all>()
        .workflow::<options_given::gives_a_child_all>()
        .workflow::<options_given::gives_an_operation_all>()
        .workflow::<options_given::gives_a_timer_all>()
        .workflow::<rows_more::LeavesUpdates>()
        .workflow::<rows_more::KnowsItsUpdate>()
        .workflow::<rows_more::Rearranges>()
        .workflow::<rows_more::has_all_known>()
        .workflow::<rows_more::draws_again>()
        .workflow::<rows_more::TakesPairs>()
}

/// S170: every history that any version of the suite recorded replays with the code of today. `RECORD_HISTORIES=1` with the
/// other tests records those of this version.
#[test]
fn s170_all_recorded_histories() {
    run(async |_env| {
        let kept = kept()?;
        let replayers = Replayers::new()?;
        let (mut failed, mut histories) = (Vec::new(), Vec::new());
        for history in &kept {
            let of = replayers.of(history);
            for replayer in &of {
                if let Err(error) = replayer.replay(history.history()?).await {
                    failed.push(format!("{history}: {error}"));
                }
            }
            if replayers.is_suites(&of) {
                histories.push(history.history()?);
            }
        }
        assert!(
            failed.is_empty(),
            "{} of {} histories:\n{}",
            failed.len(),
            kept.len(),
            failed.join("\n")
        );
        let number = histories.len();
        let report = suite().build()?.replay_all(futures_util::stream::iter(histories)).await;
        assert!(report.is_ok(), "{report}");
        assert_eq!(report.replayed, number);
        Ok(())
    });
}
