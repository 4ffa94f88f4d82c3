//! The calls of the time-skipping test service.

use std::time::Duration;

use temporal_protos::api::testservice::v1 as test;

use super::calls::{Call, CallId, Waiting};
use super::core::Engine;
use super::rpc::Response;
use super::status::{Code, Status};
use super::time::{Time, duration};
use super::timers::{Pull, Timer};

/// What a sleeping call does when it wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    Sleep,
    SleepUntil,
    /// It gave a lock back for the time of its sleep and takes it again.
    UnlockWithSleep,
}

impl Engine {
    fn skipping_clock(&mut self, rpc: &str) -> Result<&mut super::clock::Clock, Status> {
        if !self.shared.clock.can_skip() {
            let text = format!("{rpc} is not served: this server does not skip time, start it with time skipping");
            return Err(Status::unimplemented(text));
        }
        Ok(&mut self.shared.clock)
    }

    pub(super) fn lock_time_skipping(
        &mut self,
        _: test::LockTimeSkippingRequest,
    ) -> Result<test::LockTimeSkippingResponse, Status> {
        self.skipping_clock("LockTimeSkipping")?.lock();
        Ok(test::LockTimeSkippingResponse {})
    }

    pub(super) fn unlock_time_skipping(
        &mut self,
        _: test::UnlockTimeSkippingRequest,
    ) -> Result<test::UnlockTimeSkippingResponse, Status> {
        self.unlock("UnlockTimeSkipping")?;
        Ok(test::UnlockTimeSkippingResponse {})
    }

    fn unlock(&mut self, rpc: &str) -> Result<(), Status> {
        if self.skipping_clock(rpc)?.unlock() {
            return Ok(());
        }
        let text = "time skipping is not locked: an unlock needs a lock before it";
        Err(Status::new(Code::FailedPrecondition, text))
    }

    pub(super) fn sleep(&mut self, call: Call, request: test::SleepRequest) -> Result<(), Status> {
        self.skipping_clock("Sleep")?;
        let due = self.shared.now + duration(request.duration.as_ref());
        self.sleep_until_due(call, due, Wake::Sleep);
        Ok(())
    }

    pub(super) fn sleep_until(&mut self, call: Call, request: test::SleepUntilRequest) -> Result<(), Status> {
        self.skipping_clock("SleepUntil")?;
        let timestamp = request
            .timestamp
            .ok_or_else(|| Status::invalid_argument("Timestamp is not set on request."))?;
        self.sleep_until_due(call, Time::from_proto(&timestamp), Wake::SleepUntil);
        Ok(())
    }

    pub(super) fn unlock_time_skipping_with_sleep(
        &mut self,
        call: Call,
        request: test::SleepRequest,
    ) -> Result<(), Status> {
        let wait: Duration = duration(request.duration.as_ref());
        self.unlock("UnlockTimeSkippingWithSleep")?;
        let due = self.shared.now + wait;
        self.sleep_until_due(call, due, Wake::UnlockWithSleep);
        Ok(())
    }

    fn sleep_until_due(&mut self, call: Call, due: Time, wake: Wake) {
        self.shared.calls.park(call.id, Waiting::Sleep(wake), call.deadline);
        self.shared.timers.set(Timer::Sleep(call.id), due, Pull::Awaited);
    }

    /// A sleeping call's time has come.
    pub(super) fn wake_sleeper(&mut self, call: CallId) {
        let Some(Waiting::Sleep(wake)) = self.shared.calls.unpark(call) else {
            return;
        };
        self.sleep_over(wake);
        let response = test::SleepResponse {};
        let answer = match wake {
            Wake::Sleep => Response::Sleep(response),
            Wake::SleepUntil => Response::SleepUntil(response),
            Wake::UnlockWithSleep => Response::UnlockTimeSkippingWithSleep(response),
        };
        self.shared.calls.answer(call, Ok(answer));
    }

    /// A call sleeps no more: the lock it gave back for that time is taken again.
    pub(super) fn sleep_over(&mut self, wake: Wake) {
        if wake == Wake::UnlockWithSleep {
            self.shared.clock.lock();
        }
    }

    pub(super) fn get_current_time(&mut self, (): ()) -> Result<test::GetCurrentTimeResponse, Status> {
        Ok(test::GetCurrentTimeResponse {
            time: Some(self.shared.now.to_proto()),
        })
    }
}
