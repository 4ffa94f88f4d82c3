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
        match value.and_then(|payload| self.payload_converter().decode(payload)) {
            Ok(value) => value,
            Err(error) => {
                let text = format!(
                    "the value of a side effect of {} cannot be recorded and read back: {error}",
                    run.described()
                );
                misuse::raise_error(Error::unconvertible(text, error))
            }
        }
    }

    fn make<T: ToPayload>(
        &self,
        run: &Run,
        seq: SideEffectSeq,
        make: impl FnOnce() -> T,
    ) -> Result<Payload, ConversionError> {
        let value = {
            // What made values while the run goes away keeps to the phase of that.
            let _phase = (run.phase() == Phase::Open).then(|| run.in_phase(Phase::SideEffect));
            unrestricted(make)
        };
        let payload = self.payload_converter().encode(&value)?;
        let _ = run.command("side_effect", |core| core.record_side_effect(seq, payload.clone()));
        Ok(payload)
    }
}
