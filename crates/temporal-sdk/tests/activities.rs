//! What `#[activity]` and `#[activities]` make.
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]

use std::borrow::Cow;
use std::sync::Arc;
use temporal_sdk::activity as activity_macro;
use temporal_sdk::activity::{self, Activities as _, Activity, ActivityRef, Definition, Info};
use temporal_sdk::client::data::{CompositeConverter, PayloadConverterExt as _, ToPayload};
use temporal_sdk::client::protos::api::common::v1::Payload;
use temporal_sdk::{RawValues, activities};

#[activity_macro]
fn say_hello(name: String) -> activity::Result<String> {
    Ok(format!("Hello, {name}!"))
}

/// Docs.
#[activity_macro(name = "compose")]
pub async fn compose_greeting(ctx: &activity::Context, greeting: String, mut name: String) -> activity::Result<String> {
    name.push('!');
    Ok(format!("{greeting}, {name} ({})", ctx.info().attempt))
}

#[activity_macro]
async fn nothing() {}

#[activity_macro]
fn count(ctx: &activity::Context, words: Vec<String>) -> Result<usize, std::num::ParseIntError> {
    let _ = ctx;
    Ok(words.len())
}

#[activity_macro(dynamic)]
async fn any(name: String, arguments: RawValues) -> activity::Result<String> {
    Ok(format!("{name} of {}", arguments.get::<u32>(0)?))
}

struct Payments<S> {
    gateway: S,
}

trait Gateway: Send + Sync + 'static {
    fn name(&self) -> &str;
}

struct Acme;

impl Gateway for Acme {
    fn name(&self) -> &str {
        "acme"
    }
}

#[activities]
impl<S: Gateway> Payments<S> {
    fn new(gateway: S) -> Self {
        Self { gateway }
    }

    /// Charges.
    #[activity]
    async fn charge(&self, ctx: &activity::Context, order: u32) -> activity::Result<String> {
        Ok(format!("{} {order} {}", self.gateway.name(), ctx.info().attempt))
    }

    #[activity(name = "refund-it")]
    fn refund(self: Arc<Self>, order: u32, cents: u32) -> activity::Result<String> {
        Ok(format!("{} {order} -{cents}", self.gateway.name()))
    }

    #[activity(dynamic)]
    fn others(&self, name: String, arguments: RawValues) -> activity::Result<usize> {
        Ok(name.len() + arguments.len())
    }
}

/// Of another worker.
#[activities]
trait Shipping {
    #[activity]
    async fn ship(&self, order: u32) -> String;
    #[activity(name = "track-it")]
    fn track(number: String, carrier: Option<String>);
}

fn payload<T: ToPayload>(value: T) -> Payload {
    CompositeConverter::default().encode(&value).unwrap()
}

async fn run(definition: &Definition, payloads: Vec<Payload>) -> activity::Result<String> {
    let mut info = Info::default();
    info.activity_type = "called".into();
    let (ctx, _) = activity::Context::builder(info).build();
    let payload = definition.run(ctx, payloads).await?;
    Ok(String::from_utf8_lossy(&payload.data).into_owned())
}

#[tokio::test]
async fn a_function_stays_callable_and_becomes_an_activity() {
    assert_eq!(say_hello("you".into()).unwrap(), "Hello, you!");
    assert_eq!(say_hello.name(), "say_hello");
    assert_eq!(compose_greeting.name(), "compose");
    let (ctx, _) = activity::Context::builder(Info::default()).build();
    assert_eq!(
        compose_greeting(&ctx, "Hi".into(), "you".into()).await.unwrap(),
        "Hi, you! (1)"
    );
    assert!(say_hello.is_blocking() && !compose_greeting.is_blocking());
    assert_eq!(
        run(&Definition::new(say_hello), vec![payload("me")]).await.unwrap(),
        "\"Hello, me!\""
    );
    assert_eq!(
        run(&Definition::new(compose_greeting), vec![payload("Hi"), payload("me")])
            .await
            .unwrap(),
        "\"Hi, me! (1)\""
    );
    assert_eq!(run(&Definition::new(nothing), vec![]).await.unwrap(), "");
    assert_eq!(
        run(&Definition::new(count), vec![payload(["a", "b"])]).await.unwrap(),
        "2"
    );
    assert_eq!(
        run(&Definition::new(any), vec![payload(7)]).await.unwrap(),
        "\"called of 7\""
    );
}

#[tokio::test]
async fn methods_share_a_value_and_keep_both_call_forms() {
    assert_eq!(Payments::<Acme>::charge.name(), "charge");
    assert_eq!(Payments::<Acme>::refund.name(), "refund-it");
    let payments = Arc::new(Payments::new(Acme));
    let (ctx, _) = activity::Context::builder(Info::default()).build();
    assert_eq!(payments.charge(&ctx, 7).await.unwrap(), "acme 7 1");
    assert_eq!(Arc::clone(&payments).refund(7, 5).unwrap(), "acme 7 -5");
    let definitions = Payments::definitions(payments);
    let names: Vec<_> = definitions.iter().map(Definition::name).collect();
    assert_eq!(names, ["charge", "refund-it", ""]);
    assert_eq!(run(&definitions[0], vec![payload(7)]).await.unwrap(), "\"acme 7 1\"");
    assert_eq!(
        run(&definitions[1], vec![payload(7), payload(5)]).await.unwrap(),
        "\"acme 7 -5\""
    );
    assert_eq!(run(&definitions[2], vec![payload(7), payload(5)]).await.unwrap(), "8");
    assert!(definitions[2].is_dynamic() && definitions[2].is_blocking());
}

#[test]
fn declarations_give_markers_only() {
    fn output<A: ActivityRef<Output = O>, O>(activity: A, name: &str) {
        assert_eq!(activity.name(), name);
    }
    output::<_, String>(Shipping::ship, "ship");
    output::<_, ()>(Shipping::track, "track-it");
}

#[tokio::test]
async fn input_that_does_not_decode_names_activity_argument_and_type() {
    let error = run(&Definition::new(compose_greeting), vec![payload("Hi"), payload(7)])
        .await
        .unwrap_err();
    let message = error.to_string();
    for part in ["\"called\"", "argument 2", "String"] {
        assert!(message.contains(part), "{message}");
    }
    let error = run(&Definition::new(compose_greeting), vec![payload("Hi")])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("argument 2"), "{error}");
}

#[tokio::test]
async fn a_panic_of_blocking_code_is_a_failure_with_its_place() {
    #[activity_macro]
    fn broken() -> activity::Result<()> {
        panic!("out of {}", "luck")
    }
    let error = run(&Definition::new(broken), vec![]).await.unwrap_err();
    let error = error
        .downcast_ref::<temporal_sdk::client::failure::ApplicationError>()
        .unwrap();
    assert_eq!(error.type_name(), "Panic");
    assert!(
        error
            .message()
            .contains("out of luck (at crates/temporal-sdk/tests/activities.rs:"),
        "{error}"
    );
}

#[tokio::test]
async fn mocks_and_closures_run_under_a_name() {
    let mock = activity::mock(compose_greeting, |(greeting, name)| async move {
        Ok(format!(
            "{greeting} {name} {}",
            activity::Context::current().info().attempt
        ))
    });
    assert_eq!(mock.name(), "compose");
    let closure = activity::from_fn("double", |number: u32| async move { Ok(number * 2) });
    assert_eq!(run(&Definition::new(closure), vec![payload(4)]).await.unwrap(), "8");
    let marker = activity::mock(Payments::<Acme>::charge, |order| async move { Ok(order.to_string()) });
    assert_eq!(run(&Definition::new(marker), vec![payload(4)]).await.unwrap(), "\"4\"");
}

#[test]
fn a_type_by_hand_is_an_activity() {
    struct Greet;
    impl ActivityRef for Greet {
        type Params = activity::One<String>;
        type Output = String;
        fn name(&self) -> Cow<'_, str> {
            "greet".into()
        }
    }
    impl Activity for Greet {
        async fn execute(&self, ctx: &activity::Context, name: String) -> activity::Result<String> {
            ctx.heartbeat(("greeting", 1));
            ctx.heartbeat(temporal_sdk::args!["greeting", 1]);
            Ok(name)
        }
    }
    assert_eq!(Definition::new(Greet).name(), "greet");
}

/// Notes what it sees, under its own mark.
struct Noting(&'static str, Arc<std::sync::Mutex<Vec<String>>>);

impl activity::Interceptor for Noting {
    fn execute<'a>(
        &'a self,
        mut call: activity::Call,
        next: activity::Next<'a>,
    ) -> futures_util::future::BoxFuture<'a, activity::Result<Payload>> {
        Box::pin(async move {
            let argument: String = call.argument(0)?;
            self.1.lock().unwrap().push(format!("{} before {argument}", self.0));
            call.arguments_mut()[0] = payload(format!("{argument}{}", self.0));
            let result = next.run(call).await;
            self.1.lock().unwrap().push(format!("{} after", self.0));
            result
        })
    }

    fn info(&self, mut info: Info) -> Info {
        info.activity_type.push_str(self.0);
        info
    }

    fn heartbeat(&self, _: &Info, details: Vec<Payload>) -> Option<Vec<Payload>> {
        self.1.lock().unwrap().push(format!("{} heartbeat", self.0));
        (self.0 != "outer").then_some(details)
    }
}

#[tokio::test]
async fn p46_interceptors_stand_around_an_activity() {
    #[activity_macro]
    async fn beats(ctx: &activity::Context, name: String) -> activity::Result<String> {
        ctx.heartbeat("alive");
        Ok(format!("{} {name}", ctx.info().activity_type))
    }
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let interceptors: Vec<Arc<dyn activity::Interceptor>> = vec![
        Arc::new(Noting("outer", Arc::clone(&seen))),
        Arc::new(Noting("inner", Arc::clone(&seen))),
    ];
    let sent = Arc::clone(&seen);
    let (ctx, _) = activity::Context::builder(Info::default())
        .interceptors(interceptors)
        .on_heartbeat(move |_| sent.lock().unwrap().push("sent".into()))
        .build();
    let result = ctx.execute(&Definition::new(beats), vec![payload("x")]).await.unwrap();
    assert_eq!(result.data, "\"unknowninnerouter xouterinner\"");
    let expected = [
        "outer before x",
        "inner before xouter",
        "inner heartbeat",
        "outer heartbeat",
        "inner after",
        "outer after",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}
