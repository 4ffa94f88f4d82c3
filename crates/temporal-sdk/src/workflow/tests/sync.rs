//! Coordination inside a workflow: fair, cancel-safe, and the same in every replay.

use crate::workflow;
use crate::workflow::Context;
use crate::workflow::sync::{Mutex, Notify, Semaphore, TrySendError, WaitGroup, Watch, channel, unbounded};
use crate::workflow::tests::server::{Server, payload};
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Polls a future once, as no executor would again.
fn once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(Waker::noop()))
}

#[test]
fn a_semaphore_serves_in_the_order_of_asking() {
    let semaphore = Semaphore::new(2);
    let first = semaphore.try_acquire().unwrap();
    let mut many = pin!(semaphore.acquire_many(2));
    assert!(once(many.as_mut()).is_pending());
    // One is free, but somebody waits.
    assert!(semaphore.try_acquire().is_none());
    let mut one = pin!(semaphore.acquire());
    assert!(once(one.as_mut()).is_pending());
    drop(first);
    let Poll::Ready(both) = once(many.as_mut()) else {
        panic!("two are free")
    };
    assert!(once(one.as_mut()).is_pending());
    drop(both);
    assert!(once(one.as_mut()).is_ready());
}

#[test]
fn a_dropped_waiter_gives_up_its_place_and_loses_no_permit() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut many = Box::pin(semaphore.acquire_many(2));
    let mut one = Box::pin(semaphore.acquire());
    assert!(once(many.as_mut()).is_pending());
    assert!(once(one.as_mut()).is_pending());
    drop(held);
    // Whoever is first wants more than there is: once it goes, the next is served.
    drop(many);
    assert!(once(one.as_mut()).is_ready());
    // Served, but dropped before it was polled.
    let held = semaphore.try_acquire();
    assert!(held.is_some());
    let mut waiting = Box::pin(semaphore.acquire());
    assert!(once(waiting.as_mut()).is_pending());
    drop(held);
    assert_eq!(semaphore.available_permits(), 0);
    drop(waiting);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_mutex_is_held_across_awaits() {
    let mutex = Mutex::new(1);
    let mut held = mutex.try_lock().unwrap();
    assert!(mutex.try_lock().is_none());
    let mut waiting = pin!(mutex.lock());
    assert!(once(waiting.as_mut()).is_pending());
    *held += 1;
    drop(held);
    let Poll::Ready(held) = once(waiting.as_mut()) else {
        panic!("it is free")
    };
    assert_eq!(*held, 2);
}

#[test]
fn a_notification_is_stored_and_passed_on() {
    let notify = Notify::new();
    notify.notify_one();
    assert!(once(pin!(notify.notified())).is_ready());
    let mut first = Box::pin(notify.notified());
    let mut second = Box::pin(notify.notified());
    assert!(once(first.as_mut()).is_pending());
    assert!(once(second.as_mut()).is_pending());
    notify.notify_one();
    drop(first);
    assert!(once(second.as_mut()).is_ready());
}

#[test]
fn a_notification_for_all_goes_no_further() {
    let notify = Notify::new();
    let mut waiting = Box::pin(notify.notified());
    assert!(once(waiting.as_mut()).is_pending());
    notify.notify_waiters();
    drop(waiting);
    assert!(once(pin!(notify.notified())).is_pending());
}

#[test]
fn a_channel_has_its_room_and_its_end() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    let other = sender.clone();
    let mut sending = Box::pin(async move { other.send(3).await });
    assert!(once(sending.as_mut()).is_pending());
    assert_eq!(once(pin!(receiver.recv())), Poll::Ready(Some(1)));
    assert_eq!(once(sending.as_mut()), Poll::Ready(Ok(())));
    drop(sending);
    drop(sender);
    assert_eq!(once(pin!(receiver.recv())), Poll::Ready(Some(3)));
    assert_eq!(once(pin!(receiver.recv())), Poll::Ready(None));
    let (sender, receiver) = unbounded();
    sender.try_send(1).unwrap();
    drop(receiver);
    assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    let (sender, receiver) = channel(1);
    sender.try_send(1).unwrap();
    let mut sending = pin!(sender.send(2));
    assert!(once(sending.as_mut()).is_pending());
    drop(receiver);
    assert!(matches!(once(sending.as_mut()), Poll::Ready(Err(error)) if error.0 == 2));
}

/// Uses all of them.
#[derive(Default)]
struct Coordinated {
    log: Rc<RefCell<Vec<String>>>,
}

#[workflow]
impl Coordinated {
    #[run]
    async fn run(&self, ctx: &Context, tasks: u64) -> workflow::Result<Vec<String>> {
        let turn = Rc::new(Mutex::new(()));
        let group = WaitGroup::new();
        let (sender, mut receiver) = unbounded();
        for number in 1..=tasks {
            let (ctx, turn, member, sender) = (ctx.clone(), Rc::clone(&turn), group.member(), sender.clone());
            let context = ctx.clone();
            ctx.spawn(async move {
                let _member = member;
                let _turn = turn.lock().await;
                let slept = context.sleep(Duration::from_secs(number)).await;
                let _ = sender.try_send(format!("{number} {}", slept.is_ok()));
            })
            .detach();
        }
        drop(sender);
        group.wait().await;
        while let Some(line) = receiver.recv().await {
            self.log.borrow_mut().push(line);
        }
        Ok(self.log.take())
    }
}

#[test]
fn tasks_take_turns() {
    let mut server = Server::start::<Coordinated>(vec![payload(&3)]);
    for number in 1..=3 {
        assert_eq!(server.task().summary(), [format!("start timer {number} of {number}s")]);
        server.evict();
        server.fire_timer(&number.to_string());
    }
    assert_eq!(server.task().summary(), ["complete [\"1 true\",\"2 true\",\"3 true\"]"]);
    server.replay().unwrap();
}

/// Tasks that watch one value, and each its own.
#[derive(Default)]
struct Watching {
    level: Watch<u32>,
    log: Rc<RefCell<Vec<String>>>,
    looks: Rc<Cell<u32>>,
}

#[workflow]
impl Watching {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<(Vec<String>, u32)> {
        for wanted in [2, 1, 2] {
            let (context, level) = (ctx.clone(), self.level.clone());
            let (log, looks) = (Rc::clone(&self.log), Rc::clone(&self.looks));
            ctx.spawn(async move {
                let reached = context.wait_for(&level, |level| {
                    looks.set(looks.get() + 1);
                    *level >= wanted
                });
                let line = format!("{wanted} {}", reached.await.is_ok());
                log.borrow_mut().push(line);
            })
            .detach();
        }
        ctx.wait_for(&self.level, |level| *level == 9).await.unwrap_err();
        Ok((self.log.take(), self.looks.get()))
    }

    #[signal]
    fn rise(&self, levels: Vec<u32>) {
        for level in levels {
            self.level.set(level);
        }
    }

    #[signal]
    fn nothing(&self) {}
}

#[test]
fn a_watched_value_has_those_look_who_wait_for_it() {
    let mut server = Server::start::<Watching>(vec![]);
    assert!(server.task().commands.is_empty());
    // Three looks so far.
    server.signal("nothing", &());
    assert!(server.task().commands.is_empty());
    server.evict();
    server.signal("rise", &vec![1]);
    assert!(server.task().commands.is_empty());
    // Six. Nine is there only in passing: nobody sees it.
    server.signal("rise", &vec![9, 0]);
    assert!(server.task().commands.is_empty());
    // Eight.
    server.signal("rise", &vec![3]);
    assert!(server.task().commands.is_empty());
    server.cancel();
    assert_eq!(
        server.task().summary(),
        ["complete [[\"1 true\",\"2 true\",\"2 true\"],10]"]
    );
    server.replay().unwrap();
}
