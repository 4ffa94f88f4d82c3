//! Steps that wait for each other: what the tasks and handlers of a program share.

use crate::program::{Program, Running, counted, start};
use crate::step::Step;
use std::fmt;
use std::rc::Rc;
use temporal_sdk::workflow;
use temporal_sdk::workflow::Context;
use temporal_sdk::workflow::sync::{Mutex, Notify, Receiver, Semaphore, Sender, WaitGroup, Watch, channel, unbounded};

/// What a program's tasks and handlers share.
pub(crate) struct Shared {
    pub(crate) total: Mutex<u32>,
    permits: Semaphore,
    notify: Notify,
    sender: Sender<u32>,
    receiver: Mutex<Receiver<u32>>,
    watch: Watch<u32>,
}

impl Default for Shared {
    fn default() -> Self {
        let (sender, receiver) = channel(2);
        Self {
            total: Mutex::default(),
            permits: Semaphore::new(3),
            notify: Notify::new(),
            sender,
            receiver: Mutex::new(receiver),
            watch: Watch::default(),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// What nobody received.
    pub(crate) fn left(&self) -> Vec<u32> {
        let mut left = Vec::new();
        if let Some(mut receiver) = self.receiver.try_lock() {
            while let Some(value) = receiver.try_recv() {
                left.push(value);
            }
        }
        left
    }

    /// Takes over what an earlier run left.
    pub(crate) fn carry_over(&self, total: u32, left: Vec<u32>) {
        // A handler of a signal that came with the start may be at it already.
        if let Some(mut own) = self.total.try_lock() {
            *own = own.wrapping_add(total);
        }
        for value in left {
            let _ = self.sender.try_send(value);
        }
    }
}

/// Waits for the future, unless nothing more comes from outside, or the scope is cancelled: steps may wait for each other
/// in circles.
async fn patiently<T>(ctx: &Context, program: &Program, future: impl Future<Output = T>) -> Option<T> {
    workflow::select! {
        value = future => Some(value),
        _ = ctx.wait_condition(|| program.finished.get()) => None,
    }
}

/// What is noted of those that gave up waiting.
const GAVE_UP: u32 = 998;

pub(crate) async fn coordinated(ctx: &Context, program: &Rc<Program>, step: Step) -> workflow::Result<u32> {
    let shared = &program.shared;
    Ok(match step {
        Step::Notify(all) => {
            if all {
                shared.notify.notify_waiters();
            } else {
                shared.notify.notify_one();
            }
            1
        }
        Step::Notified => {
            let notified = patiently(ctx, program, shared.notify.notified()).await;
            program.note(30, u32::from(notified.is_some()))
        }
        Step::Send(value) => {
            let sent = patiently(ctx, program, shared.sender.send(u32::from(value))).await;
            program.note(31, u32::from(sent.is_some()))
        }
        Step::Receive => {
            let received = patiently(ctx, program, async { shared.receiver.lock().await.recv().await }).await;
            program.note(32, received.flatten().unwrap_or(GAVE_UP))
        }
        Step::Set(value) => {
            shared.watch.set(u32::from(value));
            1
        }
        Step::Reached(value) => {
            let reached = ctx.wait_for(&shared.watch, |now| *now >= u32::from(value));
            let reached = patiently(ctx, program, reached).await;
            program.note(38, reached.map_or(GAVE_UP, |reached| u32::from(reached.is_ok())))
        }
        Step::Locked(step) => {
            let Some(mut total) = patiently(ctx, program, shared.total.lock()).await else {
                return Ok(program.note(33, GAVE_UP));
            };
            let value = counted(start(ctx, program, *step).await);
            *total = total.wrapping_mul(3).wrapping_add(value);
            program.note(33, *total % 900)
        }
        Step::Permitted(permits, step) => {
            let Some(_permit) = patiently(ctx, program, shared.permits.acquire_many(usize::from(permits))).await else {
                return Ok(program.note(34, GAVE_UP));
            };
            start(ctx, program, *step).await?
        }
        Step::Group(steps) => {
            let group = WaitGroup::new();
            for step in steps {
                let (member, running) = (group.member(), start(ctx, program, step));
                let task = ctx.spawn(async move {
                    let _ = running.await;
                    drop(member);
                });
                task.detach();
            }
            let all = patiently(ctx, program, group.wait()).await;
            program.note(35, u32::from(all.is_some()))
        }
        Step::Piped(room, wanted, steps) => {
            let steps = steps.into_iter().map(|step| start(ctx, program, step)).collect();
            let total = piped(ctx, program, room, wanted, steps).await;
            program.note(36, total % 900)
        }
        Step::Handlers => {
            let finished = ctx
                .wait_condition(|| program.finished.get() || ctx.all_handlers_finished())
                .await;
            program.note(37, u32::from(finished.is_ok()))
        }
        _ => 0,
    })
}

/// Takes so many values out of a channel, then gives it up; the tasks that send know how they fared.
async fn piped(ctx: &Context, program: &Program, room: u8, wanted: u8, steps: Vec<Running>) -> u32 {
    let (sender, mut receiver) = match room {
        0 => unbounded(),
        room => channel(usize::from(room)),
    };
    let tasks: Vec<_> = steps
        .into_iter()
        .map(|running| {
            let sender = sender.clone();
            ctx.spawn(async move {
                let value = counted(running.await);
                sender.send(value).await.is_ok()
            })
        })
        .collect();
    drop(sender);
    let mut total: u32 = 0;
    for _ in 0..wanted {
        match patiently(ctx, program, receiver.recv()).await {
            Some(Some(value)) => total = total.wrapping_mul(3).wrapping_add(value),
            _ => break,
        }
    }
    drop(receiver);
    for task in tasks {
        total = total.wrapping_mul(2).wrapping_add(u32::from(task.await));
    }
    total
}
