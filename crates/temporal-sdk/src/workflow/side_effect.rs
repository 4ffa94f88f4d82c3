//! Values from outside the workflow, recorded once.

use crate::workflow::context::Context;
use crate::workflow::error::Error;
use crate::workflow::guard::unrestricted;
use crate::workflow::misuse;
use crate::workflow::run::{Phase, Run};
use temporal_client::data::{ConversionError, FromPayload, PayloadConverterExt as _, ToPayload};
use temporal_core::{SideEffectSeq, WorkflowRun};
use temporal_protos::api::common::v1::Payload;

impl Context {
    /// A value that is not the workflow's to compute, such as a setting of the process: made once, recorded in history, and
    /// the same in every replay. Cheaper than an activity, for what cannot fail and does not block.
    ///
    /// The closure runs at once. It can run again when the workflow task that it ran in fails, so what it does besides
    /// making the value is not done exactly once. It cannot act on the workflow, only look at it.
    ///
    /// ```
    /// # use temporal_sdk::workflow;
    /// # fn example(ctx: &workflow::Context) {
    /// let region: String = ctx.side_effect(|| std::env::var("REGION").unwrap_or_default());
    /// # }
    /// ```
    ///
    /// Other SDKs know the marker behind it as a side effect. Adding, removing or reordering side effects changes the
    /// workflow like any other command: put it behind [`patched`](Self::patched).
    pub fn side_effect<T: ToPayload + FromPayload>(&self, make: impl FnOnce() -> T) -> T {
        let run = self.run();
        let begun = run.command("side_effect", WorkflowRun::side_effect);
        let (seq, recorded) = begun.unwrap_or((SideEffectSeq(0), None));
        let value = recorded.map_or_else(|| self.make(run, seq, make), Ok);
        self.read_back(value)
    }

    /// A value from outside that may change while the workflow runs, such as a setting: asked for again at each call, recorded in
    /// history only when it is another one than at the last call with this id, and the same in every replay.
    ///
    /// Values are compared as they are recorded: encoded. Otherwise it is like [`side_effect`](Self::side_effect). The id tells
    /// the values of a workflow apart; a change of it changes the workflow.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use temporal_sdk::workflow;
    /// # fn setting() -> u64 { 60 }
    /// # async fn example(ctx: &workflow::Context) -> workflow::Result<()> {
    /// for _ in 0..100 {
    ///     let seconds = ctx.mutable_side_effect("poll-interval", || setting());
    ///     ctx.sleep(Duration::from_secs(seconds)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn mutable_side_effect<T: ToPayload + FromPayload>(&self, id: &str, make: impl FnOnce() -> T) -> T {
        let run = self.run();
        let known = run.command("mutable_side_effect", |core| core.mutable_side_effect(id));
        let value = match known.flatten() {
            Some(known) => Ok(known),
            None => self.made(make).inspect(|payload| {
                let _ = run.command("mutable_side_effect", |core| {
                    core.record_mutable_side_effect(id, payload.clone());
                });
            }),
        };
        self.read_back(value)
    }

    fn make<T: ToPayload>(
        &self,
        run: &Run,
        seq: SideEffectSeq,
        make: impl FnOnce() -> T,
    ) -> Result<Payload, ConversionError> {
        let payload = self.made(make)?;
        let _ = run.command("side_effect", |core| core.record_side_effect(seq, payload.clone()));
        Ok(payload)
    }

    fn made<T: ToPayload>(&self, make: impl FnOnce() -> T) -> Result<Payload, ConversionError> {
        let value = {
            let run = self.run();
            // What made values while the run goes away keeps to the phase of that.
            let _phase = (run.phase() == Phase::Open).then(|| run.in_phase(Phase::SideEffect));
            unrestricted(make)
        };
        self.payload_converter().encode(&value)
    }

    fn read_back<T: FromPayload>(&self, value: Result<Payload, ConversionError>) -> T {
        match value.and_then(|payload| self.payload_converter().decode(payload)) {
            Ok(value) => value,
            Err(error) => {
                let text = format!(
                    "the value of a side effect of {} cannot be recorded and read back: {error}",
                    self.run().described()
                );
                misuse::raise_error(Error::unconvertible(text, error))
            }
        }
    }
}
