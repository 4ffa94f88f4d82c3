//! Activities made of a closure: mocks, and activities without a function of their own.

use super::{Activity, ActivityRef, Context, Result, Values};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use temporal_client::data::{FromPayload, ToPayload};
use temporal_client::definition::{DecodeParams, One};

/// A stand-in for an activity: other code under the same name, with the same types.
///
/// ```
/// use temporal_sdk::activity;
///
/// #[activity]
/// async fn charge(order: u32) -> activity::Result<String> {
///     activity::Result::Err("no payments in tests".into())
/// }
///
/// let mocked = activity::mock(charge, |order| async move { Ok(format!("receipt of {order}")) });
/// ```
/// The closure takes what the activity takes: nothing, the one input, or a tuple. [`Context::current`] gives the context.
/// Register it as `.activity(mocked)` instead of the real one.
pub fn mock<A, F, R>(activity: A, code: F) -> Mock<A, F>
where
    A: ActivityRef + Send + Sync + 'static,
    A::Params: DecodeParams,
    A::Output: ToPayload + Send,
    F: Fn(Values<A>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<A::Output>> + Send,
{
    Mock { activity, code }
}

/// What [`mock`] gives.
pub struct Mock<A, F> {
    activity: A,
    code: F,
}

impl<A: ActivityRef, F> fmt::Debug for Mock<A, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Mock({:?})", self.activity.name())
    }
}

impl<A: ActivityRef, F> ActivityRef for Mock<A, F> {
    type Params = A::Params;
    type Output = A::Output;
    fn name(&self) -> Cow<'_, str> {
        self.activity.name()
    }
}

impl<A, F, R> Activity for Mock<A, F>
where
    A: ActivityRef + Send + Sync + 'static,
    A::Params: DecodeParams,
    A::Output: ToPayload + Send,
    F: Fn(Values<A>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<A::Output>> + Send,
{
    fn execute(&self, _: &Context, input: Values<Self>) -> impl Future<Output = Result<A::Output>> + Send {
        (self.code)(input)
    }
}

/// An activity of this name whose code is a closure of one input.
///
/// ```
/// use temporal_sdk::activity;
///
/// let double = activity::from_fn("double", |number: u32| async move { Ok(number * 2) });
/// ```
pub fn from_fn<I, O, F, R>(name: impl Into<Cow<'static, str>>, code: F) -> FromFn<I, O, F>
where
    I: FromPayload,
    O: ToPayload + Send,
    F: Fn(I) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O>> + Send,
{
    FromFn {
        name: name.into(),
        code,
        types: PhantomData,
    }
}

/// What [`from_fn`] gives.
pub struct FromFn<I, O, F> {
    name: Cow<'static, str>,
    code: F,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O, F> fmt::Debug for FromFn<I, O, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FromFn({:?})", self.name)
    }
}

impl<I: 'static, O: 'static, F> ActivityRef for FromFn<I, O, F> {
    type Params = One<I>;
    type Output = O;
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }
}

impl<I, O, F, R> Activity for FromFn<I, O, F>
where
    I: FromPayload,
    O: ToPayload + Send,
    F: Fn(I) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O>> + Send,
{
    fn execute(&self, _: &Context, input: I) -> impl Future<Output = Result<O>> + Send {
        (self.code)(input)
    }
}
