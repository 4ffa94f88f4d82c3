//! What several kinds of options have in common.

mod memo;
mod priority;
mod retry_policy;
mod search_attribute_set;
mod search_attributes;
mod time;

pub use memo::{Memo, StoredMemo};
pub use priority::Priority;
pub use retry_policy::RetryPolicy;
#[doc(hidden)]
pub use search_attribute_set::{OwnKind, SearchAttributeField};
pub use search_attribute_set::{SearchAttributeError, SearchAttributeSet};
pub use search_attributes::{SearchAttributeKey, SearchAttributeValue, SearchAttributes};

pub(crate) use time::{proto_duration, system_time};
