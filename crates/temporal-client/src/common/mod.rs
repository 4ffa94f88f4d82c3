//! What several kinds of options have in common.

mod memo;
mod priority;
mod retry_policy;
mod search_attributes;
mod time;

pub use memo::{Memo, StoredMemo};
pub use priority::Priority;
pub use retry_policy::RetryPolicy;
pub use search_attributes::{SearchAttributeKey, SearchAttributeValue, SearchAttributes};

pub(crate) use time::{proto_duration, system_time};
