//! What leaves a workflow, as payloads.

use crate::workflow::context::Context;
use crate::workflow::error::Error;
use crate::workflow::misuse;
use std::collections::BTreeMap;
use temporal_client::Memo;
use temporal_client::data::{ConversionError, PayloadConverterExt as _, ToPayload};
use temporal_client::definition::EncodeParams;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::sdk::v1::UserMetadata;

impl Context {
    pub(crate) fn encode<P: EncodeParams>(&self, values: &P::Values, what: impl FnOnce() -> String) -> Vec<Payload> {
        match P::encode(values, &**self.payload_converter()) {
            Ok(payloads) => payloads,
            Err(error) => self.cannot_send(&format!("the input of {}", what()), error),
        }
    }

    pub(crate) fn encode_memo(&self, memo: &Memo, whose: impl FnOnce() -> String) -> BTreeMap<String, Payload> {
        match memo.to_message(&**self.payload_converter()) {
            Ok(message) => message.fields,
            Err(error) => self.cannot_send(&format!("the memo of {}", whose()), error),
        }
    }

    /// What a method or a handler gave.
    pub(crate) fn encode_result<T: ToPayload>(&self, value: &T) -> Result<Payload, Error> {
        let encoded = self.payload_converter().encode(value);
        encoded.map_err(|error| self.unsendable(&format!("a result ({})", std::any::type_name::<T>()), error))
    }

    fn cannot_send(&self, what: &str, error: ConversionError) -> ! {
        misuse::raise_error(self.unsendable(what, error))
    }

    fn unsendable(&self, what: &str, error: ConversionError) -> Error {
        let text = format!(
            "{what} cannot be sent: {error}; {} has to give a value that its worker's data converter takes",
            self.run().described()
        );
        Error::unconvertible(text, error)
    }

    pub(crate) fn metadata(&self, summary: Option<&String>, details: Option<&String>) -> Option<UserMetadata> {
        if summary.is_none() && details.is_none() {
            return None;
        }
        let encode = |text: Option<&String>| text.and_then(|text| self.payload_converter().encode(text).ok());
        Some(UserMetadata {
            summary: encode(summary),
            details: encode(details),
        })
    }
}
