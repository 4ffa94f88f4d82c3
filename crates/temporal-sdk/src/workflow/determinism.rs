//! What makes code that changes, or draws lots, the same in every replay.

use crate::workflow::context::Context;
use crate::workflow::misuse;
use crate::workflow::random::Random;
use std::ops::RangeInclusive;

impl Context {
    /// Whether the code behind the patch `id` runs: yes in new runs, in old ones only if they ran it before.
    #[must_use]
    pub fn patched(&self, id: &str) -> bool {
        self.is_patched("patched", id)
    }

    /// `call` names what workflow code called, for the message when it may not.
    fn is_patched(&self, call: &str, id: &str) -> bool {
        self.run().command(call, |core| core.patched(id, false)).unwrap_or(true)
    }

    /// Says that no run from before the patch `id` exists any more: the old code and its condition are gone.
    pub fn deprecate_patch(&self, id: &str) {
        let _ = self.run().command("deprecate_patch", |core| core.patched(id, true));
    }

    /// Which version of a piece of code runs, where one patch after another changed it: the highest of `versions` in new
    /// runs, in old ones the one that they ran before, and 0 in runs from before version 1.
    ///
    /// The versions begin at 1. While runs from before it may exist, allow 0; raise the lowest version once no older runs
    /// exist: meeting one then fails the workflow task. Version `n` of `id` is recorded as the patch `id/vn`.
    ///
    /// ```
    /// # use temporal_sdk::workflow;
    /// # fn example(ctx: &workflow::Context) {
    /// match ctx.version("packing", 0..=2) {
    ///     0 => { /* as it was at first */ }
    ///     1 => { /* with labels */ }
    ///     _ => { /* with labels and a checklist */ }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn version(&self, id: &str, versions: RangeInclusive<u32>) -> u32 {
        let (lowest, highest) = (*versions.start(), *versions.end());
        // Older ones are asked for too: a run that met one has to be told so.
        let version = (1..=highest)
            .rev()
            .find(|version| self.is_patched("version", &format!("{id}/v{version}")))
            .unwrap_or(0);
        if version < lowest {
            misuse::raise(&format!(
                "{} took version {version} of \"{id}\", but the code has only {lowest} to {highest}: bring that version back, or reset or end the run",
                self.run().described()
            ));
        }
        version
    }

    /// The run's own random numbers, the same in every replay: a `rand::Rng`. Like the UUIDs they are refused to code that may
    /// only look, such as queries.
    #[must_use]
    pub fn random(&self) -> Random {
        let _ = self.run().may_act("random");
        Random::of(self.run())
    }

    /// A random UUID of the run's own, the same in every replay: an idempotency key for what its activities call.
    ///
    /// ```
    /// # use temporal_sdk::workflow::{self, ActivityOptions, activity_named};
    /// # async fn pay(ctx: &workflow::Context, options: ActivityOptions) -> workflow::Result<()> {
    /// // Each attempt of the activity gets the same key.
    /// let key = ctx.uuid4().to_string();
    /// ctx.execute_activity(activity_named::<()>("charge"), key, options).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn uuid4(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        let _ = self.run().may_act("uuid4");
        self.run().random.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A UUID of the run's own that sorts by the workflow's clock, the same in every replay: an id for what is stored in that
    /// order, `format!("order-{}", ctx.uuid7())`.
    #[must_use]
    pub fn uuid7(&self) -> uuid::Uuid {
        let mut bytes = [0; 10];
        let _ = self.run().may_act("uuid7");
        self.run().random.fill(&mut bytes);
        let millis = u64::try_from(self.run().core().now().as_millis()).unwrap_or(u64::MAX);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}
