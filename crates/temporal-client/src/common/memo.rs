//! Notes on a workflow, shown in lists but not searchable.

use crate::data::{ConversionError, ErasedValue, FromPayload, PayloadConverter, PayloadConverterExt as _, ToPayload};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use temporal_protos::api::common::v1 as proto;
use temporal_protos::api::common::v1::Payload;

/// Notes to put on a workflow: any values, by key.
///
/// ```
/// let memo = temporal_client::Memo::new().with("customer", "c-4").with("items", vec![1, 2]);
/// ```
#[derive(Clone, Default)]
pub struct Memo(BTreeMap<String, Arc<dyn ErasedValue + Send + Sync>>);

impl Memo {
    /// No notes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more note, in place of the one with the same key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl ToPayload + Send + Sync) -> Self {
        self.0.insert(key.into(), Arc::new(value));
        self
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The notes as a message.
    ///
    /// # Errors
    /// When a value cannot be converted.
    pub fn to_message(&self, converter: &dyn PayloadConverter) -> Result<proto::Memo, ConversionError> {
        let field = |(key, value): (&String, &Arc<dyn ErasedValue + Send + Sync>)| {
            Ok((key.clone(), converter.to_payload(&**value)?))
        };
        let fields = self.0.iter().map(field).collect::<Result<_, ConversionError>>()?;
        Ok(proto::Memo { fields })
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// The notes that are on a workflow.
#[derive(Clone)]
pub struct StoredMemo {
    fields: BTreeMap<String, Payload>,
    converter: Arc<dyn PayloadConverter>,
}

impl StoredMemo {
    /// Notes received, after the codec.
    #[must_use]
    pub fn new(memo: Option<proto::Memo>, converter: Arc<dyn PayloadConverter>) -> Self {
        Self {
            fields: memo.unwrap_or_default().fields,
            converter,
        }
    }

    /// The note with this key; `None` when there is none.
    ///
    /// # Errors
    /// When it does not hold a `T`.
    pub fn get<T: FromPayload>(&self, key: &str) -> Result<Option<T>, ConversionError> {
        let payload = self.fields.get(key).cloned();
        payload.map(|payload| self.converter.decode(payload)).transpose()
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// The payloads.
    #[must_use]
    pub fn payloads(&self) -> &BTreeMap<String, Payload> {
        &self.fields
    }
}

impl fmt::Debug for StoredMemo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.fields.keys()).finish()
    }
}
