//! The macros, documented where users find them and where their examples compile.

/// Makes a function an activity.
///
/// The function's name becomes a unit struct that names the activity (`ctx.execute_activity(say_hello, ..)`,
/// `.activity(say_hello)`) and can still be called like the function. An `async fn` runs on tokio, a plain `fn` on the
/// worker's executor for blocking code.
///
/// The first parameter may be `ctx: &activity::Context`; the others are the inputs, owned, one payload each. It returns
/// `activity::Result<T>`, or a `Result` with any error that converts into `activity::Error`.
///
/// ```
/// use temporal_sdk::activity;
/// use temporal_testing::ActivityEnvironment;
///
/// #[activity(name = "greet")]
/// async fn say_hello(ctx: &activity::Context, name: String) -> activity::Result<String> {
///     Ok(format!("Hello, {name}! This is attempt {}.", ctx.info().attempt))
/// }
///
/// #[activity]
/// fn double(number: u32) -> Result<u32, std::num::TryFromIntError> {
///     u32::try_from(u64::from(number) * 2)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // As a worker calls it, with a context, and as any code calls a function.
/// let greeting = ActivityEnvironment::new().run(say_hello, "Ada").await;
/// assert!(greeting.is_ok_and(|greeting| greeting == "Hello, Ada! This is attempt 1."));
/// assert_eq!(double(21), Ok(42));
/// # }
/// ```
///
/// # Options
/// - `name = "…"`: the name it is registered under; by default the function's own.
/// - `dynamic`: it takes every call that no other registered activity takes, as `name: String, arguments: RawValues`.
///
/// # Inputs that may be missing
/// Inputs at the end that are an `Option` may be left out by callers that know the activity by its name, such as those of an older
/// release or in other languages, and are `None` then. That is how an input is added while calls are under way. The same holds for
/// workflows and all of their handlers; typed callers name every input.
///
/// ```
/// use temporal_sdk::{workflow, workflow::{ActivityOptions, activity_named}};
/// use temporal_sdk::{activity, args};
///
/// #[activity]
/// async fn resize(picture: String, pixels: u32, format: Option<String>) -> activity::Result<String> {
///     Ok(format!("{picture}-{pixels}.{}", format.unwrap_or_else(|| "png".to_owned())))
/// }
///
/// async fn both(ctx: &workflow::Context, options: ActivityOptions) -> workflow::Result<(String, String)> {
///     let jpeg = ("cat", 64_u32, "jpeg".to_owned());
///     Ok((
///         ctx.execute_activity(resize, jpeg, options.clone()).await?,
///         ctx.execute_activity(activity_named("resize"), args!["cat", 64], options).await?, // cat-64.png
///     ))
/// }
/// ```
#[doc(inline)]
pub use temporal_sdk_macros::activity;

/// Makes methods of a shared value activities, or declares activities whose code is elsewhere.
///
/// On an `impl` block: every method with `#[activity]` on it takes `&self` (or `self: Arc<Self>`) and is otherwise like a
/// function with [`macro@activity`]. `Payments::charge` names the activity; `payments.charge(..)` calls it, in the
/// module of the `impl` block. Register all of them with `.activities(Payments::new(..))`.
///
/// ```
/// use temporal_sdk::{activities, activity};
/// use temporal_testing::ActivityEnvironment;
///
/// struct Payments {
///     gateway: String,
/// }
///
/// #[activities]
/// impl Payments {
///     #[activity]
///     async fn charge(&self, ctx: &activity::Context, cents: u64) -> activity::Result<String> {
///         Ok(format!("{}: {cents} cents, attempt {}", self.gateway, ctx.info().attempt))
///     }
///
///     #[activity(name = "give-back")]
///     fn refund(&self, receipt: String) -> activity::Result<()> {
///         // … code that may block
///         Ok(())
///     }
/// }
///
/// # fn worker(client: &temporal_sdk::client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let payments = Payments { gateway: "acme".to_owned() };
/// let worker = temporal_sdk::Worker::builder(client, "payments").activities(payments).build()?;
/// # Ok(())
/// # }
/// ```
///
/// On a trait: the methods have no body, and the trait's name becomes a type that holds the markers only, for callers of
/// activities that other workers run, in whatever language:
///
/// ```
/// use temporal_sdk::{workflow, workflow::ActivityOptions};
/// use temporal_sdk::{activities, activity};
///
/// #[activities]
/// trait Payments {
///     #[activity]
///     async fn charge(cents: u64) -> String;
///     #[activity(name = "give-back")]
///     async fn refund(receipt: String);
/// }
///
/// async fn buy(ctx: &workflow::Context, options: ActivityOptions) -> workflow::Result<()> {
///     let receipt = ctx.execute_activity(Payments::charge, 500_u64, options.clone()).await?;
///     Ok(ctx.execute_activity(Payments::refund, receipt, options).await?)
/// }
/// ```
#[doc(inline)]
pub use temporal_sdk_macros::activities;

/// Makes a type, or a function, a workflow; or declares one whose code is elsewhere.
///
/// `use temporal_sdk::workflow;` brings it and the module of the same name; `use temporal_sdk::workflow::{self}` would bring
/// the module alone.
///
/// On an `impl` block, attributes say what its methods are:
///
/// | attribute | method |
/// |---|---|
/// | `#[run]` | the workflow itself: `async`, exactly one |
/// | `#[signal]` | takes a message; sync or `async` |
/// | `#[query]` | answers from the workflow's state, at once |
/// | `#[update]` | takes a message and answers; sync or `async` |
/// | `#[validator(my_update)]` | rejects an update before it is recorded: takes its inputs by reference |
/// | `#[init]` | makes the instance of the workflow's inputs; without it, `Default` does |
///
/// Each takes `&self` (or `self: Rc<Self>`), then `ctx: &workflow::Context` if wanted, then its inputs, owned, one payload
/// each. `MyWorkflow::my_signal` names the signal for callers, typed; `self.my_signal(..)` calls the method.
///
/// ```
/// use std::cell::Cell;
/// use temporal_sdk::client::WorkflowOptions;
/// use temporal_sdk::{Worker, workflow};
/// use temporal_testing::WorkflowEnvironment;
///
/// struct Auction {
///     highest: Cell<u64>,
///     closed: Cell<bool>,
/// }
///
/// #[workflow(name = "auction")]
/// impl Auction {
///     #[init]
///     fn new(_ctx: &workflow::Context, reserve: u64) -> Self {
///         Self { highest: Cell::new(reserve), closed: Cell::default() }
///     }
///
///     #[run]
///     async fn run(&self, ctx: &workflow::Context, _reserve: u64) -> workflow::Result<u64> {
///         ctx.wait_condition(|| self.closed.get()).await?;
///         Ok(self.highest.get())
///     }
///
///     #[signal]
///     fn close(&self) {
///         self.closed.set(true);
///     }
///
///     #[query]
///     fn highest(&self) -> u64 {
///         self.highest.get()
///     }
///
///     /// Gives the bid that it is above.
///     #[update]
///     fn bid(&self, cents: u64) -> u64 {
///         self.highest.replace(cents)
///     }
///
///     #[validator(bid)]
///     fn is_higher(&self, cents: &u64) -> Result<(), &'static str> {
///         if *cents > self.highest.get() { Ok(()) } else { Err("bid more") }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let env = WorkflowEnvironment::start_time_skipping().await?;
/// let client = env.client();
/// let worker = Worker::builder(client, "auctions").workflow::<Auction>().build()?;
/// let sold = worker.run_until(async {
///     let options = WorkflowOptions::new("vase", "auctions");
///     let auction = client.start_workflow(Auction::run, 100_u64, options).await?;
///     assert_eq!(auction.execute_update(Auction::bid, 150_u64).await?, 100);
///     assert!(auction.execute_update(Auction::bid, 120_u64).await.is_err());
///     assert_eq!(auction.query(Auction::highest, ()).await?, 150);
///     auction.signal(Auction::close, ()).await?;
///     anyhow::Ok(auction.result().await?)
/// });
/// assert_eq!(sold.await??, 150);
/// # Ok(())
/// # }
/// ```
///
/// # Options
/// - `#[workflow(name = "…")]`: the workflow type; by default the type's own name. Likewise `#[signal(name = "…")]` etc.
/// - `#[workflow(dynamic)]`: takes every workflow type that the worker has no other workflow for, its arguments as
///   `RawValues`. `#[signal(dynamic)]`, `#[query(dynamic)]` and `#[update(dynamic)]` take `name: String, arguments: RawValues`.
/// - `#[workflow(fail_task_on(MyError))]`: errors of these types fail the workflow task, not the workflow.
///   `#[workflow(fail_workflow_on(OtherError, panic, nondeterminism))]`: these fail the workflow, not the task. Both go before
///   what the worker says.
/// - `#[workflow(handlers(Pausable, Approvable))]`: has the handlers of these traits too, which it implements.
/// - `#[workflow(allow(clock))]`: the determinism guard lets calls of these classes through, at compile time and at run time:
///   `clock`, `randomness`, `threads`, `files`, `sockets`, `environment`, `processes`, and `order` (loops over hash maps).
///   `#[workflow(sandboxed = false)]`: the guard does not watch the workflow at all.
/// - `#[signal(unfinished_policy = abandon)]`, and for updates: no warning when the workflow ends while it runs.
/// - `#[query(description = "…")]` etc.: shown in the workflow's metadata; by default the first paragraph of the
///   documentation.
///
/// # What it refuses
/// Calls in the workflow's own code that a replay may find different, where the usual names tell them: `SystemTime::now`,
/// `rand::random`, `tokio::spawn`, `std::env::var`, `std::fs::read` and their like, and `for` loops over a `HashMap` or a
/// `HashSet`. The error says what to use instead.
///
/// # A function
/// A workflow without handlers. Its name is the workflow's type, for `.workflow::<my_workflow>()` and
/// `start_workflow(my_workflow, ..)`.
///
/// ```
/// use std::time::Duration;
/// use temporal_sdk::workflow;
///
/// #[workflow]
/// async fn trial(ctx: &workflow::Context, customer: String) -> workflow::Result<String> {
///     ctx.sleep(Duration::from_secs(30 * 24 * 3600)).await?;
///     Ok(format!("{customer} has tried it for a month"))
/// }
/// ```
///
/// # A declaration
/// On a trait whose methods have no code and no `self`, for callers of a workflow that another program runs: clients, and
/// workflows that start it as a child or signal it. The trait's name becomes a type that holds the markers.
///
/// ```
/// use temporal_sdk::client::{Client, WorkflowOptions};
/// use temporal_sdk::{workflow, workflow::ChildWorkflowOptions};
///
/// #[workflow(name = "payment")]
/// trait Payment {
///     #[run]
///     async fn run(order: String) -> String;
///     #[signal]
///     fn approve(by: String);
///     #[query]
///     fn is_approved() -> bool;
///     #[update]
///     fn set_tip(cents: u64) -> u64;
/// }
///
/// async fn pay(client: &Client) -> anyhow::Result<String> {
///     let payment = client.start_workflow(Payment::run, "order-7", WorkflowOptions::new("payment-7", "payments")).await?;
///     payment.signal(Payment::approve, "Grace").await?;
///     Ok(payment.result().await?)
/// }
///
/// async fn pay_from_a_workflow(ctx: &workflow::Context) -> workflow::Result<String> {
///     let payment = ctx.start_child_workflow(Payment::run, "order-8", ChildWorkflowOptions::new("payment-8")).await?;
///     payment.signal(Payment::approve, "Grace").await?;
///     Ok(payment.await?)
/// }
/// ```
///
/// # Shared handlers
/// `#[workflow(handlers)]` on a trait makes its methods with `#[signal]`, `#[query]`, `#[update]` and `#[validator]`, which
/// have their code there, handlers of every workflow that lists the trait. Methods without an attribute are the trait's own:
/// what the handlers need of a workflow, it provides through them.
///
/// ```
/// use std::cell::Cell;
/// use temporal_sdk::client::WorkflowHandle;
/// use temporal_sdk::workflow;
///
/// #[workflow(handlers)]
/// trait Approvable {
///     fn approved(&self) -> &Cell<bool>;
///
///     #[signal]
///     fn approve(&self) {
///         self.approved().set(true);
///     }
///
///     #[query]
///     fn is_approved(&self) -> bool {
///         self.approved().get()
///     }
/// }
///
/// #[derive(Default)]
/// struct Payment {
///     approved: Cell<bool>,
/// }
///
/// impl Approvable for Payment {
///     fn approved(&self) -> &Cell<bool> {
///         &self.approved
///     }
/// }
///
/// #[workflow(handlers(Approvable))]
/// impl Payment {
///     #[run]
///     async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
///         Ok(ctx.wait_condition(|| self.approved.get()).await?)
///     }
/// }
///
/// async fn approve(payment: &WorkflowHandle<Payment>) -> anyhow::Result<bool> {
///     payment.signal(Payment::approve, ()).await?;
///     Ok(payment.query(Payment::is_approved, ()).await?)
/// }
/// ```
/// Handlers call each other as methods; from other code, call a method without an attribute that both use.
///
/// # Generic types
/// A generic workflow is registered with a name for each type it is used with:
/// [`WorkerBuilder::workflow_named`](crate::worker::WorkerBuilder::workflow_named).
#[doc(inline)]
pub use temporal_sdk_macros::workflow;

/// Makes a struct a set of search attributes: typed keys, and conversion from and into `SearchAttributes`.
///
/// Each field is one: a `String` (`Keyword`), an `i64` (`Int`), an `f64` (`Double`), a `bool` (`Bool`), a `SystemTime`
/// (`Datetime`), a `Vec<String>` (`KeywordList`), or an `Option` of these. Its name is the field's in `PascalCase`:
/// `customer_id` is `CustomerId`. `Order::customer_id` is its `SearchAttributeKey`.
///
/// # Options
/// - `#[search_attribute(name = "…")]`: another name.
/// - `#[search_attribute(text)]`: a `String` that is found by the words in it (`Text`).
///
/// ```
/// use temporal_sdk::client::{Client, WorkflowOptions};
/// use temporal_sdk::{SearchAttributeSet, workflow};
///
/// #[derive(SearchAttributeSet)]
/// struct OrderAttributes {
///     customer_id: String,
///     #[search_attribute(name = "Cents")]
///     amount: i64,
///     #[search_attribute(text)]
///     note: Option<String>,
/// }
///
/// #[workflow]
/// async fn order(ctx: &workflow::Context) -> workflow::Result<i64> {
///     let mut attributes = OrderAttributes::from_search_attributes(&ctx.search_attributes())?;
///     attributes.note = Some("is packed".to_owned());
///     ctx.upsert_search_attributes(attributes.to_changes());
///     Ok(attributes.amount)
/// }
///
/// async fn use_it(client: &Client) -> anyhow::Result<u64> {
///     client.add_search_attributes(OrderAttributes::ATTRIBUTES.iter().copied()).await?;
///     let attributes = OrderAttributes { customer_id: "c-17".to_owned(), amount: 500, note: None };
///     let options = WorkflowOptions::new("order-1", "orders").search_attributes(attributes);
///     client.start_workflow(order, (), options).await?;
///
///     // The keys make typed filters.
///     let large = OrderAttributes::customer_id.eq("c-17").and(OrderAttributes::amount.ge(500));
///     Ok(client.count_workflows(large).await?.count)
/// }
///
/// assert_eq!(OrderAttributes::customer_id.name(), "CustomerId");
/// assert_eq!(OrderAttributes::ATTRIBUTES[1..], [("Cents", "Int"), ("Note", "Text")]);
/// ```
#[doc(inline)]
pub use temporal_sdk_macros::SearchAttributeSet;

/// Declares a Nexus service: its operations, typed, for workflows that call them.
///
/// The trait's functions have no code; each takes one value or none. The trait's name becomes a type that holds the
/// operations: `Payments::charge` names one for `ctx.execute_nexus_operation(Payments::charge, order, options)`.
///
/// # Options
/// - `#[nexus_service(name = "…")]`: the service's name; by default the trait's own.
/// - `#[operation(name = "…")]` on a function: the operation's name; by default the function's own.
///
/// ```
/// use temporal_sdk::workflow::NexusOperationOptions;
/// use temporal_sdk::{nexus_service, workflow};
///
/// #[nexus_service(name = "payments")]
/// trait Payments {
///     /// Charges so many cents.
///     fn charge(cents: u64) -> String;
///     #[operation(name = "refund-all")]
///     fn refund_all();
/// }
///
/// async fn pay(ctx: &workflow::Context) -> workflow::Result<String> {
///     let options = NexusOperationOptions::new("payments-endpoint");
///     Ok(ctx.execute_nexus_operation(Payments::charge, 500_u64, options).await?)
/// }
/// ```
#[doc(inline)]
pub use temporal_sdk_macros::nexus_service;
