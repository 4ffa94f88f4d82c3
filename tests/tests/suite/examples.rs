//! The examples of the SDK: each run as a user runs it where its program is built, and each called on the suite's server.

use crate::MINUTE;
use std::path::{Path, PathBuf};
use temporal_integration_tests::env::missing;
use temporal_integration_tests::{run, run_within, server};
use temporal_testing::WorkflowEnvironment;
use tokio::process::Command;

fn crate_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/temporal-sdk")
}

/// The names of the examples.
fn examples() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(crate_folder().join("examples"))
        .expect("the SDK has examples")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            path.extension()
                .is_some_and(|extension| extension == "rs")
                .then_some(name)
        })
        .collect();
    names.sort();
    names
}

/// The folder of the built examples, beside the test's own.
fn built() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|binary| Some(binary.parent()?.parent()?.join("examples")))
        .expect("a test binary is in target/<profile>/deps")
}

/// What each prints somewhere.
const PRINTS: &[(&str, &str)] = &[
    ("async_completion", "paid, approved by Grace"),
    ("cancellation", "the workflow was cancelled"),
    ("child_workflows", "goes with the tram"),
    ("continue_as_new", "billed:"),
    ("dynamic", "Thumbnail: sharpen cat.png at 64 px"),
    ("greeting", "the workflow ends with"),
    ("hello_world", "Hello, Temporal!"),
    ("interceptors", "stored at acme/invoice-17"),
    ("local_activities", "Ada pays 13.05"),
    ("message_passing", "Rue de Rivoli 1"),
    ("mutex", "shop is done"),
    ("polling", "vm-1 is up"),
    ("saga", "KL 1234 is sold out"),
    ("search_attributes", "their-order-1 was 1500 cents"),
    ("sync_activities", "[1229, 2262, 3245]"),
    ("updatable_timer", "Grace"),
];

/// Runs the built program of an example, on the server at an address or on its own embedded one.
async fn run_program(name: &str, address: Option<&str>) -> anyhow::Result<Option<String>> {
    let program = built().join(name).with_extension(std::env::consts::EXE_EXTENSION);
    if !program.exists() {
        return Ok(None);
    }
    let mut command = Command::new(program);
    match address {
        Some(address) => command.env("TEMPORAL_ADDRESS", address.trim_start_matches("http://")),
        None => command.env_remove("TEMPORAL_ADDRESS"),
    };
    let output = command.kill_on_drop(true).output().await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} failed: {text}{complaint}");
    Ok(Some(text))
}

#[track_caller]
fn assert_prints(name: &str, text: &str) {
    let expected = PRINTS.iter().find(|(example, _)| *example == name);
    let (_, expected) = expected.unwrap_or_else(|| panic!("say in PRINTS what {name} prints"));
    assert!(text.contains(expected), "{name} printed {text}");
}

/// What to do when the programs are not built.
const BUILD: &str = "is not built: cargo build -p temporal-sdk --examples";

/// S179: every example against the server of the suite. `cargo xtask ci` builds them; elsewhere those that are not there are
/// skipped, see [`missing`].
#[test]
fn s179_each_example_runs() {
    // One after the other, some of which wait for timers.
    run_within(MINUTE * 5, async |env| {
        let address = server::address().await?;
        for name in examples() {
            match run_program(&name, Some(&address)).await? {
                Some(text) => assert_prints(&name, &text),
                None => missing(env.test(), &format!("{name} {BUILD}")),
            }
        }
        Ok(())
    });
}

/// S179: a few of the programs as they are, with no server and no argument: those that skip time among them.
#[test]
fn s179_examples_run_without_a_server() {
    run_within(MINUTE * 3, async |env| {
        for name in ["hello_world", "continue_as_new", "polling", "updatable_timer"] {
            match run_program(name, None).await? {
                Some(text) => assert_prints(name, &text),
                None => missing(env.test(), &format!("{name} {BUILD}")),
            }
        }
        Ok(())
    });
}

/// Runs an example's code, in this process, on the suite's server.
fn on_the_server(check: impl AsyncFnOnce(&WorkflowEnvironment) -> anyhow::Result<()>) {
    run(async |env| check(&WorkflowEnvironment::from_client(env.watched().client().clone())).await);
}

/// Includes an example and tests what it returns.
macro_rules! example {
    ($name:ident, $test:ident, $file:literal, $result:ident => $check:expr) => {
        #[path = $file]
        #[allow(dead_code, reason = "the test calls what `main` calls")]
        pub(crate) mod $name;

        #[test]
        fn $test() {
            on_the_server(async |env| {
                let $result = $name::example(env).await?;
                $check;
                Ok(())
            });
        }
    };
}

example!(async_completion, s156_example_async_completion, "../../../crates/temporal-sdk/examples/async_completion.rs", result => {
    assert_eq!(result, ["lunch: paid, approved by Grace", "flight: refused, take the train"]);
});
example!(cancellation, s95_example_cancellation, "../../../crates/temporal-sdk/examples/cancellation.rs", error => {
    assert!(error.is_cancelled(), "{error}");
});
example!(child_workflows, s76_example_child_workflows, "../../../crates/temporal-sdk/examples/child_workflows.rs", shipped => {
    assert_eq!(shipped.len(), 2);
    assert!(shipped[1].ends_with("-parcel-2 goes with the tram"), "{shipped:?}");
});
example!(continue_as_new, s98_example_continue_as_new, "../../../crates/temporal-sdk/examples/continue_as_new.rs", subscription => {
    assert_eq!((subscription.runs, subscription.billed), (3, 2_500), "{subscription:?}");
});
example!(dynamic, s45_example_dynamic, "../../../crates/temporal-sdk/examples/dynamic.rs", result => {
    assert_eq!(result, "Thumbnail: sharpen cat.png at 64 px");
});
example!(greeting, s49_s53_s56_example_greeting, "../../../crates/temporal-sdk/examples/greeting.rs", greeting => {
    assert_eq!(greeting, "Hi there!");
});
example!(hello_world, s42_example_hello_world, "../../../crates/temporal-sdk/examples/hello_world.rs", greeting => {
    assert_eq!(greeting, "Hello, Temporal!");
});
example!(interceptors, p45_example_interceptors, "../../../crates/temporal-sdk/examples/interceptors.rs", result => {
    assert_eq!(result, "stored at acme/invoice-17");
});
example!(local_activities, s72_example_local_activities, "../../../crates/temporal-sdk/examples/local_activities.rs", result => {
    assert_eq!(result, "Ada pays 13.05");
});
example!(message_passing, s56_example_message_passing, "../../../crates/temporal-sdk/examples/message_passing.rs", receipt => {
    assert_eq!(receipt.items.get("pen"), Some(&3));
    assert_eq!(receipt.items.get("notebook"), Some(&10));
    assert_eq!(receipt.address, "Rue de Rivoli 1");
});
example!(mutex, s107_example_mutex, "../../../crates/temporal-sdk/examples/mutex.rs", log => {
    // Whichever asked first, they do not overlap.
    assert_eq!(log.len(), 4);
    for deployment in log.chunks(2) {
        assert_eq!(deployment[0].replace("begins", "is done"), deployment[1]);
    }
});
example!(polling, s150_example_polling, "../../../crates/temporal-sdk/examples/polling.rs", result => {
    assert_eq!(result, "vm-1 is up, it has a certificate for vm-1.example.com");
});
example!(saga, s91_example_saga, "../../../crates/temporal-sdk/examples/saga.rs", outcomes => {
    let [booked, undone] = outcomes;
    assert!(matches!(booked, saga::Outcome::Booked(bookings) if bookings.len() == 3));
    let compensations = ["cancelled trip-7/Hotel Rex", "cancelled trip-7/a small car"];
    assert_eq!(undone, saga::Outcome::Undone {
        because: "KL 1234 is sold out".to_owned(),
        compensations: compensations.map(str::to_owned).to_vec(),
    });
});
example!(search_attributes, p17_example_search_attributes, "../../../crates/temporal-sdk/examples/search_attributes.rs", found => {
    assert_eq!(found, ["their-order-1 was 1500 cents", "their-order-3 was 700 cents"]);
});
example!(sync_activities, s135_example_sync_activities, "../../../crates/temporal-sdk/examples/sync_activities.rs", found => {
    assert_eq!(found, [1_229, 2_262, 3_245]);
});
example!(updatable_timer, s83_example_updatable_timer, "../../../crates/temporal-sdk/examples/updatable_timer.rs", best => {
    let best = best.expect("there were bids");
    assert_eq!((best.bidder.as_str(), best.euros), ("Grace", 120));
});
