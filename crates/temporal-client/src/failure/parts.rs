//! What every kind of failure has.

use super::Failure;
use crate::data::{
    CompositeConverter, ConversionError, ErasedValue, FromPayload, PayloadConverter, PayloadConverterExt as _,
    ToPayload,
};
use std::fmt;
use std::sync::{Arc, LazyLock};
use temporal_protos::api::common::v1::{Payload, Payloads};

/// The parts of a failure, boxed so that errors stay small.
#[derive(Clone, Default)]
pub(crate) struct Parts<I> {
    pub(crate) message: String,
    pub(crate) stack_trace: String,
    /// The SDK that made it; empty for one made here that was not sent yet.
    pub(crate) source: String,
    pub(crate) cause: Option<Failure>,
    pub(crate) converter: Option<Arc<dyn PayloadConverter>>,
    /// The values of details that were added here, by their places among the details.
    pub(crate) values: Vec<(usize, Arc<dyn ErasedValue + Send + Sync>)>,
    pub(crate) info: I,
}

impl<I: Default> Parts<I> {
    pub(crate) fn new(message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            message: message.into(),
            ..Self::default()
        })
    }
}

impl<I: fmt::Debug> fmt::Debug for Parts<I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Parts")
            .field("message", &self.message)
            .field("info", &self.info)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

static DEFAULT: LazyLock<Arc<dyn PayloadConverter>> = LazyLock::new(|| Arc::new(CompositeConverter::default()));

/// Details that came with a failure, or go with it.
pub(crate) fn decode_detail<T: FromPayload>(
    details: Option<&Payloads>,
    converter: Option<&Arc<dyn PayloadConverter>>,
    index: usize,
) -> Result<T, ConversionError> {
    let payload = details.and_then(|details| details.payloads.get(index)).cloned();
    let payload = payload.ok_or_else(|| {
        ConversionError::new(format!("the failure has no detail number {index}, counted from 0")).wanted::<T>()
    })?;
    converter.unwrap_or(&DEFAULT).decode(payload)
}

/// Adds a detail: as the default converter has it for now, and the value for the converter that it is sent with.
pub(crate) fn add_detail<T: ToPayload + Clone + Send + Sync>(
    details: &mut Option<Payloads>,
    values: &mut Vec<(usize, Arc<dyn ErasedValue + Send + Sync>)>,
    value: &T,
) -> Result<(), ConversionError> {
    let payload: Payload = DEFAULT.encode(value)?;
    let details = &mut details.get_or_insert_default().payloads;
    values.push((details.len(), Arc::new(value.clone())));
    details.push(payload);
    Ok(())
}

/// The details as this converter has them.
pub(crate) fn sent_details<I>(details: &mut Option<Payloads>, parts: &Parts<I>, converter: &Arc<dyn PayloadConverter>) {
    let Some(details) = details else { return };
    for (place, value) in &parts.values {
        let Some(detail) = details.payloads.get_mut(*place) else {
            continue;
        };
        match converter.to_payload(&**value) {
            Ok(payload) => *detail = payload,
            Err(error) => {
                tracing::warn!(%error, "the payload converter takes a failure's detail not: it is sent as by the default one");
            }
        }
    }
}

/// Methods and impls that every kind of failure has.
macro_rules! failure_kind {
    ($name:ident, $info:ty, $variant:ident) => {
        impl $name {
            /// What went wrong.
            #[must_use]
            pub fn message(&self) -> &str {
                &self.0.message
            }

            /// Where it went wrong, in the form of the language it went wrong in; often empty.
            #[must_use]
            pub fn stack_trace(&self) -> &str {
                &self.0.stack_trace
            }

            /// The name of the SDK or server that reported it; empty when made here and not sent yet.
            #[must_use]
            pub fn reported_by(&self) -> &str {
                &self.0.source
            }

            /// What caused it.
            #[must_use]
            pub fn cause(&self) -> Option<&$crate::failure::Failure> {
                self.0.cause.as_ref()
            }

            pub(crate) fn from_parts(parts: Box<$crate::failure::parts::Parts<$info>>) -> Self {
                Self(parts)
            }

            pub(crate) fn parts(&self) -> &$crate::failure::parts::Parts<$info> {
                &self.0
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                self.0.cause.as_ref().map($crate::failure::Failure::as_error)
            }
        }

        impl From<$name> for $crate::failure::Failure {
            fn from(error: $name) -> Self {
                Self::$variant(error)
            }
        }
    };
}

pub(crate) use failure_kind;
