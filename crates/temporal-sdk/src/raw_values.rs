//! Arguments of dynamic handlers.

use std::fmt;
use std::sync::Arc;
use temporal_client::data::{ConversionError, FromPayload, PayloadConverter, PayloadConverterExt as _};
use temporal_client::protos::api::common::v1::Payload;

/// The arguments of a call whose types are found out while it runs, by a dynamic workflow, activity or handler.
#[derive(Clone)]
pub struct RawValues {
    payloads: Vec<Payload>,
    converter: Arc<dyn PayloadConverter>,
}

impl RawValues {
    /// The values of these payloads, read with this converter.
    pub fn new(payloads: Vec<Payload>, converter: Arc<dyn PayloadConverter>) -> Self {
        Self { payloads, converter }
    }

    /// How many arguments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payloads.len()
    }

    /// Whether there is no argument.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// The argument at this place, counted from 0.
    ///
    /// # Errors
    /// When there is no such argument, or it does not hold a `T`.
    pub fn get<T: FromPayload>(&self, index: usize) -> Result<T, ConversionError> {
        let Some(payload) = self.payloads.get(index) else {
            return Err(ConversionError::new(format!(
                "there is no argument at index {index}: the call came with {}",
                self.payloads.len()
            )));
        };
        self.converter.decode(payload.clone())
    }

    /// The arguments as they are.
    #[must_use]
    pub fn payloads(&self) -> &[Payload] {
        &self.payloads
    }

    /// The arguments as they are, by move.
    #[must_use]
    pub fn into_payloads(self) -> Vec<Payload> {
        self.payloads
    }
}

impl fmt::Debug for RawValues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RawValues({} arguments)", self.payloads.len())
    }
}
