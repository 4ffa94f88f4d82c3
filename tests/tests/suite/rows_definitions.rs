//! One small test for each row about definitions, names and scopes that larger tests show only beside other things.

use crate::{MINUTE, quick};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;
use temporal_integration_tests::history::{Attributes, essential};
use temporal_integration_tests::{Env, run, server};
use temporal_sdk::client::{WorkflowHandle, WorkflowOptions};
use temporal_sdk::{Worker, activities, activity, workflow};
use temporal_testing::WorkflowEnvironment;

// ---- names

/// Its messages are called otherwise than its methods.
#[derive(Default)]
pub(crate) struct Nicknamed {
    said: RefCell<Vec<String>>,
}

#[workflow]
impl Nicknamed {
    #[run]
    async fn run(&self, ctx: &workflow::Context, words: usize) -> workflow::Result<Vec<String>> {
        ctx.wait_condition(|| self.said.borrow().len() == words).await?;
        Ok(self.said.take())
    }

    #[signal(name = "say-it")]
    fn say(&self, word: String) {
        self.said.borrow_mut().push(word);
    }

    #[update(name = "spell-it")]
    fn spell(&self, word: String) -> usize {
        let letters = word.len();
        self.said.borrow_mut().push(word);
        letters
    }
}

async fn nicknamed(env: &Env, words: usize) -> anyhow::Result<WorkflowHandle<Nicknamed>> {
    let options = env.options("named");
    Ok(env.client().start_workflow(Nicknamed::run, words, options).await?)
}

/// S50: the marker sends the signal's own name, and so does who knows only that; nobody handles the method's.
#[test]
fn s50_a_signal_under_another_name() {
    run(async |env| {
        env.serve(env.worker().workflow::<Nicknamed>(), async {
            let handle = nicknamed(&env, 2).await?;
            handle.signal(workflow::signal_named("say"), "lost".to_owned()).await?;
            handle.signal(Nicknamed::say, "typed").await?;
            handle
                .signal(workflow::signal_named("say-it"), "by name".to_owned())
                .await?;
            assert_eq!(handle.result().await?, ["typed", "by name"]);
            let events = env.events(handle.id()).await?;
            let names: Vec<String> = events
                .into_iter()
                .filter_map(|event| match event.attributes {
                    Some(Attributes::WorkflowExecutionSignaledEventAttributes(signal)) => Some(signal.signal_name),
                    _ => None,
                })
                .collect();
            assert_eq!(names, ["say", "say-it", "say-it"]);
            Ok(())
        })
        .await
    });
}

/// S57: likewise for an update; the method's name is rejected.
#[test]
fn s57_an_update_under_another_name() {
    run(async |env| {
        env.serve(env.worker().workflow::<Nicknamed>(), async {
            let handle = nicknamed(&env, 2).await?;
            let by_method = workflow::update_named::<usize>("spell");
            let rejected = handle.execute_update(by_method, "lost".to_owned()).await.unwrap_err();
            let rejected = crate::update_failure(rejected).to_string();
            assert!(
                rejected.contains("spell") && rejected.contains("spell-it"),
                "{rejected}"
            );
            assert_eq!(handle.execute_update(Nicknamed::spell, "typed").await?, 5);
            let by_name = workflow::update_named::<usize>("spell-it");
            assert_eq!(handle.execute_update(by_name, "by name".to_owned()).await?, 7);
            assert_eq!(handle.result().await?, ["typed", "by name"]);
            let events = env.events(handle.id()).await?;
            let names: Vec<String> = events
                .into_iter()
                .filter_map(|event| match event.attributes? {
                    Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(update) => {
                        Some(update.accepted_request?.input?.name)
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(names, ["spell-it", "spell-it"]);
            Ok(())
        })
        .await
    });
}

/// S62: the two that the constructor of options takes are those that the server has, and the handle knows its id.
#[test]
fn s62_the_id_and_the_task_queue_of_the_options() {
    run(async |env| {
        let (id, queue) = (env.unrecorded_id("placed"), env.task_queue());
        let options = WorkflowOptions::new(&id, queue);
        let handle = env.client().start_workflow(Nicknamed::run, 0_usize, options).await?;
        assert_eq!(handle.id(), id);
        let description = handle.describe().await?;
        assert_eq!((description.id(), description.task_queue()), (id.as_str(), queue));
        handle.terminate("seen").await?;
        Ok(())
    });
}

// ---- calls

#[activity]
async fn doubled(number: u32) -> activity::Result<u32> {
    Ok(number * 2)
}

/// Calls an activity in one step or in two.
#[workflow]
pub(crate) async fn calls_in_one_or_two(ctx: &workflow::Context, in_one: bool) -> workflow::Result<u32> {
    if in_one {
        return Ok(ctx.execute_activity(doubled, 21_u32, quick()).await?);
    }
    let started = ctx.start_activity(doubled, 21_u32, quick());
    Ok(started.await?)
}

/// S71: starting and awaiting in one call is the same as in two, to the event.
#[test]
fn s71_start_and_await_in_one_call() {
    run(async |env| {
        env.serve(
            env.worker().workflow::<calls_in_one_or_two>().activity(doubled),
            async {
                let mut histories = Vec::new();
                for (name, in_one) in [("one", true), ("two", false)] {
                    let options = env.options(name);
                    assert_eq!(
                        env.client()
                            .execute_workflow(calls_in_one_or_two, in_one, options)
                            .await?,
                        42
                    );
                    histories.push(essential(&env.events(&env.id(name)).await?));
                }
                assert_eq!(histories[0], histories[1]);
                Ok(())
            },
        )
        .await
    });
}

/// S110: an environment for tests on a server that runs already.
#[test]
fn s110_an_environment_on_the_server() {
    run(async |env| {
        let tests = WorkflowEnvironment::connect(server::address().await?).await?;
        assert!(!tests.supports_time_skipping() && tests.embedded_server().is_none());
        let worker = Worker::builder(tests.client(), env.task_queue())
            .workflow::<calls_in_one_or_two>()
            .activity(doubled)
            .build()?;
        let options = env.options("tested");
        let called = worker.run_until(tests.client().execute_workflow(calls_in_one_or_two, true, options));
        assert_eq!(called.await??, 42);
        Ok(())
    });
}

/// What callers know of activities whose code is elsewhere.
#[activities]
trait Words {
    #[activity]
    async fn upper(text: String) -> String;
    #[activity(name = "word-count")]
    async fn count(text: String, longer_than: usize) -> usize;
}

#[activity(name = "upper")]
async fn upper_case(text: String) -> activity::Result<String> {
    Ok(text.to_uppercase())
}

#[activity(name = "word-count")]
fn count_words(text: String, longer_than: usize) -> activity::Result<usize> {
    Ok(text.split_whitespace().filter(|word| word.len() > longer_than).count())
}

#[workflow]
pub(crate) async fn counts_words(ctx: &workflow::Context, text: String) -> workflow::Result<(String, usize)> {
    let upper = ctx.execute_activity(Words::upper, text.clone(), quick()).await?;
    let count = ctx.execute_activity(Words::count, (text, 3_usize), quick()).await?;
    Ok((upper, count))
}

/// O18: activities are called by a trait that declares them, typed, under their names.
#[test]
fn o18_activities_by_their_declaration() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<counts_words>()
            .activity(upper_case)
            .activity(count_words);
        env.serve(worker, async {
            let options = env.options("words");
            let (upper, count) = env
                .client()
                .execute_workflow(counts_words, "not even four words", options)
                .await?;
            assert_eq!((upper.as_str(), count), ("NOT EVEN FOUR WORDS", 3));
            Ok(())
        })
        .await
    });
}

// ---- scopes and threads

/// What a scope's end reaches: what was started in it, but neither its outer scope nor what is shielded.
#[workflow]
pub(crate) async fn scopes(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let short = Duration::from_millis(10);
    let (inner, handle) = ctx.child();
    let innermost = inner.child().0;
    let (within, deeper, shielded) = (
        inner.sleep(MINUTE * 60),
        innermost.sleep(MINUTE * 60),
        inner.shielded().sleep(short),
    );
    let outside = ctx.sleep(short);
    handle.cancel();
    let late = inner.sleep(MINUTE * 60);
    let limited = ctx.timeout(short, ctx.sleep(MINUTE * 60)).await;
    Ok(vec![
        format!("within {}", within.await.is_ok()),
        format!("deeper {}", deeper.await.is_ok()),
        format!("late {}", late.await.is_ok()),
        format!("shielded {}", shielded.await.is_ok()),
        format!("outside {}", outside.await.is_ok()),
        format!("limited {}", limited.is_err_and(|error| error.is_timeout())),
    ])
}

/// O10: scopes within scopes, shields and time limits.
#[test]
fn o10_scopes_shields_and_time_limits() {
    run(async |env| {
        env.serve(env.worker().workflow::<scopes>(), async {
            let options = env.options("scopes");
            let seen = env.client().execute_workflow(scopes, (), options).await?;
            assert_eq!(
                seen,
                [
                    "within false",
                    "deeper false",
                    "late false",
                    "shielded true",
                    "outside true",
                    "limited true"
                ]
            );
            Ok(())
        })
        .await
    });
}

/// On which threads the workflows of each task queue ran.
static THREADS: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

/// Notes the thread it is called on.
fn note_thread(queue: &str) -> String {
    let thread = format!("{:?}", std::thread::current().id());
    THREADS.lock().unwrap().insert((queue.to_owned(), thread.clone()));
    thread
}

/// Notes its thread before and after it waited; whether it is the same.
#[workflow]
pub(crate) async fn notes_its_thread(ctx: &workflow::Context) -> workflow::Result<bool> {
    let queue = &ctx.info().task_queue;
    let before = note_thread(queue);
    ctx.sleep(Duration::from_millis(1)).await?;
    Ok(note_thread(queue) == before)
}

/// O11, B5: the workflows of one worker run on several threads, each on one; a cached run stays on its own.
#[test]
fn o11_b5_workflows_run_on_several_threads() {
    run(async |env| {
        let worker = env.worker().workflow::<notes_its_thread>().workflow_threads(4);
        env.serve(worker, async {
            let mut handles = Vec::new();
            for number in 0..32 {
                let options = match number {
                    0 => env.options("first"),
                    _ => env.unrecorded_options(&number.to_string()),
                };
                handles.push(env.client().start_workflow(notes_its_thread, (), options).await?);
            }
            for handle in handles {
                assert!(handle.result().await?, "{} changed its thread", handle.id());
            }
            let ours = |(queue, _): &&(String, String)| queue == env.task_queue();
            let threads = THREADS.lock().unwrap().iter().filter(ours).count();
            assert!((2..=4).contains(&threads), "{threads} threads");
            Ok(())
        })
        .await
    });
}
