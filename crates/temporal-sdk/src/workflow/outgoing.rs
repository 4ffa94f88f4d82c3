//! What leaves a workflow, as payloads.

use crate::workflow::context::Context;
use crate::workflow::error::Error;
use crate::workflow::misuse;
use std::collections::BTreeMap;
use temporal_client::Memo;
use temporal_client::data::{ConversionError, PayloadConverterExt as _};
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

    fn cannot_send(&self, what: &str, error: ConversionError) -> ! {
        let text = format!(
            "{what} cannot be sent: {error}; {} has to give a value that its worker's data converter takes",
            self.run().described()
        );
        misuse::raise_error(Error::unconvertible(text, error))
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
