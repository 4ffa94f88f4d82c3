//! Waiting for several futures, in a deterministic order.

use parking_lot::Mutex;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Waits for all of a tuple's futures: [`join!`](crate::workflow::join!).
pub fn join<T: Joinable>(futures: T) -> Join<T> {
    Join(futures.into_parts())
}

/// A tuple of futures that [`join`] takes.
pub trait Joinable {
    /// What they give.
    type Output;
    /// The futures and what they gave so far.
    #[doc(hidden)]
    type Parts;
    #[doc(hidden)]
    fn into_parts(self) -> Self::Parts;
    #[doc(hidden)]
    fn poll_parts(parts: &mut Self::Parts, context: &mut Context<'_>) -> Poll<Self::Output>;
}

/// Waits for all of a tuple's futures: [`join`].
#[must_use = "futures do nothing unless awaited"]
pub struct Join<T: Joinable>(T::Parts);

impl<T: Joinable> Unpin for Join<T> {}

impl<T: Joinable> Future for Join<T> {
    type Output = T::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T::Output> {
        T::poll_parts(&mut self.get_mut().0, context)
    }
}

impl<T: Joinable> fmt::Debug for Join<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Join").finish_non_exhaustive()
    }
}

/// A future, or what it gave.
#[doc(hidden)]
#[derive(Debug)]
pub enum Part<F: Future> {
    Waiting(Pin<Box<F>>),
    Done(Option<F::Output>),
}

impl<F: Future> Part<F> {
    fn new(future: F) -> Self {
        Self::Waiting(Box::pin(future))
    }

    fn is_done(&mut self, context: &mut Context<'_>) -> bool {
        if let Self::Waiting(future) = self {
            match future.as_mut().poll(context) {
                Poll::Pending => return false,
                Poll::Ready(value) => *self = Self::Done(Some(value)),
            }
        }
        true
    }

    fn take(&mut self) -> Option<F::Output> {
        match self {
            Self::Waiting(_) => None,
            Self::Done(value) => value.take(),
        }
    }
}

macro_rules! joinable {
    ($($future:ident $part:ident),+) => {
        impl<$($future: Future),+> Joinable for ($($future,)+) {
            type Output = ($($future::Output,)+);
            type Parts = ($(Part<$future>,)+);

            fn into_parts(self) -> Self::Parts {
                let ($($part,)+) = self;
                ($(Part::new($part),)+)
            }

            fn poll_parts(parts: &mut Self::Parts, context: &mut Context<'_>) -> Poll<Self::Output> {
                let ($($part,)+) = parts;
                let mut done = true;
                $(done &= $part.is_done(context);)+
                if !done {
                    return Poll::Pending;
                }
                match ($($part.take(),)+) {
                    ($(Some($part),)+) => Poll::Ready(($($part,)+)),
                    // It was polled again after its end.
                    _ => Poll::Pending,
                }
            }
        }
    };
}

joinable!(A a);
joinable!(A a, B b);
joinable!(A a, B b, C c);
joinable!(A a, B b, C c, D d);
joinable!(A a, B b, C c, D d, E e);
joinable!(A a, B b, C c, D d, E e, F f);
joinable!(A a, B b, C c, D d, E e, F f, G g);
joinable!(A a, B b, C c, D d, E e, F f, G g, H h);
joinable!(A a, B b, C c, D d, E e, F f, G g, H h, I i);
joinable!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j);
joinable!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k);
joinable!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);

/// Waits for all futures and gives what they gave, in their order. They are polled in their order too.
pub fn join_all<I>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let set = Set::new(futures);
    let outputs = set.futures.iter().map(|_| None).collect();
    JoinAll { set, outputs }
}

/// Gives what the futures give, as they end. Of those that end together, the first in their order comes first.
pub fn as_completed<I>(futures: I) -> AsCompleted<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    AsCompleted { set: Set::new(futures) }
}

/// Futures of which only the woken ones are polled, in their order.
struct Set<F> {
    futures: Vec<Option<(Pin<Box<F>>, Waker)>>,
    pending: usize,
    woken: Arc<Woken>,
}

/// Which futures of a set were woken.
struct Woken {
    bits: Vec<AtomicU64>,
    outer: Mutex<Option<Waker>>,
}

struct Member {
    index: usize,
    woken: Arc<Woken>,
}

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.bits[self.index / 64].fetch_or(1 << (self.index % 64), Ordering::AcqRel);
        let outer = self.woken.outer.lock().clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl<F: Future> Set<F> {
    fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let futures: Vec<F> = futures.into_iter().collect();
        let woken = Arc::new(Woken {
            bits: (0..futures.len().div_ceil(64))
                .map(|word| AtomicU64::new(first_bits(futures.len() - word * 64)))
                .collect(),
            outer: Mutex::new(None),
        });
        let futures: Vec<_> = futures
            .into_iter()
            .enumerate()
            .map(|(index, future)| {
                let member = Member {
                    index,
                    woken: Arc::clone(&woken),
                };
                Some((Box::pin(future), Waker::from(Arc::new(member))))
            })
            .collect();
        Self {
            pending: futures.len(),
            futures,
            woken,
        }
    }

    /// Remembers whom to wake.
    fn watch(&self, context: &Context<'_>) {
        let mut outer = self.woken.outer.lock();
        if !outer.as_ref().is_some_and(|outer| outer.will_wake(context.waker())) {
            *outer = Some(context.waker().clone());
        }
    }

    /// Polls woken futures in their order, up to the first that ends.
    fn next_done(&mut self) -> Option<(usize, F::Output)> {
        for word in 0..self.woken.bits.len() {
            let mut bits = self.woken.bits[word].load(Ordering::Acquire);
            while bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                self.woken.bits[word].fetch_and(!(1 << bit), Ordering::AcqRel);
                let index = word * 64 + bit;
                if let Some(slot) = self.futures.get_mut(index)
                    && let Some((future, waker)) = slot
                    && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker))
                {
                    *slot = None;
                    self.pending -= 1;
                    return Some((index, output));
                }
                bits &= !(1 << bit);
            }
        }
        None
    }
}

fn first_bits(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// Waits for all futures: [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
    set: Set<F>,
    outputs: Vec<Option<F::Output>>,
}

impl<F: Future> Unpin for JoinAll<F> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.set.watch(context);
        while let Some((index, output)) = this.set.next_done() {
            this.outputs[index] = Some(output);
        }
        if this.set.pending > 0 {
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut this.outputs).into_iter().flatten().collect())
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JoinAll")
            .field("pending", &self.set.pending)
            .finish_non_exhaustive()
    }
}

/// What futures give, as they end: [`as_completed`].
pub struct AsCompleted<F> {
    set: Set<F>,
}

impl<F: Future> AsCompleted<F> {
    /// What the next future gives that ends; `None` when all have ended.
    pub async fn next(&mut self) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            self.set.watch(context);
            match self.set.next_done() {
                Some((_, output)) => Poll::Ready(Some(output)),
                None if self.set.pending == 0 => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// How many futures have not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.set.pending
    }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AsCompleted")
            .field("pending", &self.set.pending)
            .finish_non_exhaustive()
    }
}

/// Waits for all of these futures and gives what they gave, as a tuple. They are polled in the order written.
///
/// ```
/// # use std::time::Duration;
/// # use temporal_sdk::workflow;
/// # async fn example(ctx: &workflow::Context) -> workflow::Result<()> {
/// let (a, b) = workflow::join!(ctx.sleep(Duration::from_secs(1)), async { 2 });
/// a?;
/// assert_eq!(b, 2);
/// # Ok(())
/// # }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! join {
    ($($future:expr),+ $(,)?) => {
        $crate::workflow::join(($($future,)+)).await
    };
}
