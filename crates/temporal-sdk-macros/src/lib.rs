//! Procedural macros of the Temporal SDK.
//!
//! Use them through `temporal_sdk`.

mod activity;
mod names;
mod search_attributes;
mod workflow;

use proc_macro::TokenStream;

/// Makes a function an activity.
///
/// The function's name becomes a unit struct that names the activity (`ctx.execute_activity(say_hello, ..)`,
/// `.activity(say_hello)`) and can still be called like the function. An `async fn` runs on tokio, a plain `fn` on the
/// worker's executor for blocking code.
///
/// The first parameter may be `ctx: &activity::Context`; the others are the inputs, owned, one payload each. It returns
/// `activity::Result<T>`, or a `Result` with any error that converts into `activity::Error`.
///
/// # Options
/// - `name = "…"`: the name it is registered under; by default the function's own.
/// - `dynamic`: it takes every call that no other registered activity takes, as `name: String, arguments: RawValues`.
///
/// ```ignore
/// #[activity(name = "greet")]
/// async fn say_hello(ctx: &activity::Context, name: String) -> activity::Result<String> {
///     Ok(format!("Hello, {name}! This is attempt {}.", ctx.info().attempt))
/// }
/// ```
#[proc_macro_attribute]
pub fn activity(arguments: TokenStream, item: TokenStream) -> TokenStream {
    activity::expand_activity(arguments.into(), item.into()).into()
}

/// Makes methods of a shared value activities, or declares activities whose code is elsewhere.
///
/// On an `impl` block: every method with `#[activity]` on it takes `&self` (or `self: Arc<Self>`) and is otherwise like a
/// function with [`macro@activity`]. `Payments::charge` names the activity; `payments.charge(..)` calls it, in the
/// module of the `impl` block. Register all of them with `.activities(Payments::new(..))`.
///
/// On a trait: the methods have no body, and the trait's name becomes a type that holds the markers only
/// (`PaymentActivities::charge`), for callers of activities that other workers run.
///
/// ```ignore
/// #[activities]
/// impl Payments {
///     #[activity]
///     async fn charge(&self, ctx: &activity::Context, order: Order) -> activity::Result<Receipt> {
///         Ok(self.gateway.charge(order, ctx.info().attempt).await?)
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn activities(arguments: TokenStream, item: TokenStream) -> TokenStream {
    activity::expand_activities(arguments.into(), item.into()).into()
}

/// Makes a type, or a function, a workflow; or declares one whose code is elsewhere.
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
/// `#[workflow] async fn my_workflow(ctx: &workflow::Context, input: Input) -> workflow::Result<Output>` makes a workflow
/// without handlers. Its name is the workflow's type, for `.workflow::<my_workflow>()` and `start_workflow(my_workflow, ..)`.
///
/// # A declaration
/// On a trait whose methods have no code and no `self`, for callers of a workflow that another program runs:
/// `#[workflow] trait Payments { #[run] async fn run(order: Order) -> Receipt; #[signal] fn approve(); }`.
///
/// # Shared handlers
/// `#[workflow(handlers)]` on a trait makes its methods with `#[signal]`, `#[query]`, `#[update]` and `#[validator]`, which
/// have their code there, handlers of every workflow that lists the trait. Methods without an attribute are the trait's own:
/// what the handlers need of a workflow, it provides through them.
///
/// ```ignore
/// #[workflow(handlers)]
/// trait Approvable {
///     fn approved(&self) -> &Cell<bool>;
///
///     #[signal]
///     fn approve(&self) {
///         self.approved().set(true);
///     }
/// }
///
/// impl Approvable for Payment {
///     fn approved(&self) -> &Cell<bool> {
///         &self.approved
///     }
/// }
///
/// #[workflow(handlers(Approvable))]
/// impl Payment { .. }
///
/// handle.signal(Payment::approve, ()).await?;
/// ```
/// Handlers call each other as methods; from other code, call a method without an attribute that both use.
#[proc_macro_attribute]
pub fn workflow(arguments: TokenStream, item: TokenStream) -> TokenStream {
    workflow::expand_workflow(arguments.into(), item.into()).into()
}

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
/// ```ignore
/// #[derive(SearchAttributeSet)]
/// struct OrderAttributes {
///     customer_id: String,
///     amount: i64,
///     #[search_attribute(text)]
///     note: Option<String>,
/// }
///
/// let options = WorkflowOptions::new("order-1", "orders").search_attributes(attributes);
/// ctx.upsert_search_attributes(attributes.to_changes());
/// let attributes = OrderAttributes::from_search_attributes(&ctx.search_attributes())?;
/// ```
#[proc_macro_derive(SearchAttributeSet, attributes(search_attribute))]
pub fn search_attribute_set(item: TokenStream) -> TokenStream {
    search_attributes::expand(item.into()).into()
}

/// Declares a Nexus service: its operations, typed, for workflows that call them.
///
/// The trait's functions have no code; each takes one value or none. The trait's name becomes a type that holds the
/// operations: `Payments::charge` names one for `ctx.execute_nexus_operation(Payments::charge, order, options)`.
///
/// # Options
/// - `#[nexus_service(name = "…")]`: the service's name; by default the trait's own.
/// - `#[operation(name = "…")]` on a function: the operation's name; by default the function's own.
///
/// ```ignore
/// #[nexus_service(name = "payments")]
/// trait Payments {
///     /// Charges a customer.
///     fn charge(order: Order) -> Receipt;
///     #[operation(name = "refund-all")]
///     fn refund_all();
/// }
/// ```
#[proc_macro_attribute]
pub fn nexus_service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    workflow::expand_nexus_service(arguments.into(), item.into()).into()
}
