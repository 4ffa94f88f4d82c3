//! What tasks of one workflow coordinate with: [`Mutex`], [`Semaphore`], [`Notify`], [`channel`], [`WaitGroup`],
//! [`Watch`].
//!
//! They work on one thread, serve in the order of asking, and are cancel-safe: dropping a future that waits gives its place
//! up and loses nothing. Unlike those of other libraries they never change the order in which they wake, which histories
//! depend on.

mod channel;
mod mutex;
mod notify;
mod semaphore;
mod wait_group;
mod waiters;
mod watch;

pub use channel::{Receiver, SendError, Sender, TrySendError, channel, unbounded};
pub use mutex::{Mutex, MutexGuard};
pub use notify::{Notified, Notify};
pub use semaphore::{Acquire, Permit, Semaphore};
pub use wait_group::{WaitGroup, WaitGroupMember};
pub use watch::{WaitFor, Watch};
