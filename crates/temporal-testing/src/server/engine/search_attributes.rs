//! Which search attributes callers may set, and whether values fit them.

use std::collections::BTreeMap;

use temporal_protos::api::common::v1::SearchAttributes;

use super::super::visibility::{AttributeType, Schema, SystemSchema, Value};
use super::status::Status;

/// Of the system's attributes, those a caller may set.
const SETTABLE: &[&str] = &[
    "BatcherNamespace",
    "BatcherUser",
    "BinaryChecksums",
    "BuildIds",
    "TemporalChangeVersion",
    "TemporalNamespaceDivision",
    "TemporalPauseInfo",
    "TemporalReportedProblems",
    "TemporalScheduledById",
    "TemporalScheduledStartTime",
    "TemporalSchedulePaused",
];

/// Whether every namespace has an attribute of this name.
pub(super) fn is_system(name: &str) -> bool {
    SystemSchema.attribute_type(name).is_some()
}

/// Checks the attributes of a start or an upsert and writes their type into the payloads.
pub(super) fn check(
    namespace: &str,
    custom: &BTreeMap<String, AttributeType>,
    attributes: &mut SearchAttributes,
) -> Result<(), Status> {
    for (name, payload) in &mut attributes.indexed_fields {
        let kind = match SystemSchema.attribute_type(name) {
            Some(kind) if SETTABLE.contains(&name.as_str()) => kind,
            Some(_) => {
                return Err(Status::invalid_argument(format!(
                    "{name} attribute can't be set in SearchAttributes"
                )));
            }
            None => *custom.get(name).ok_or_else(|| {
                let text = format!("Namespace {namespace} has no mapping defined for search attribute {name}");
                Status::invalid_argument(text)
            })?,
        };
        Value::from_payload(name, kind, payload).map_err(|error| Status::invalid_argument(error.to_string()))?;
        payload
            .metadata
            .insert("type".to_owned(), kind.name().as_bytes().into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use temporal_protos::api::common::v1::Payload;

    use super::*;

    fn checked(name: &str, json: &'static str) -> Result<SearchAttributes, String> {
        let custom = [
            ("Key".to_owned(), AttributeType::Keyword),
            ("When".to_owned(), AttributeType::Datetime),
        ]
        .into();
        let payload = Payload {
            metadata: [("encoding".to_owned(), b"json/plain"[..].into())].into(),
            data: json.as_bytes().into(),
            ..Payload::default()
        };
        let mut attributes = SearchAttributes {
            indexed_fields: [(name.to_owned(), payload)].into(),
        };
        check("default", &custom, &mut attributes)
            .map(|()| attributes)
            .map_err(|status| status.message)
    }

    #[test]
    fn values_must_fit_and_get_their_type() {
        let good = checked("Key", r#""a""#).unwrap();
        assert_eq!(&good.indexed_fields["Key"].metadata["type"][..], b"Keyword");
        assert!(checked("When", r#""2026-01-01T00:00:00Z""#).is_ok());
        assert_eq!(
            checked("Key", "1").unwrap_err(),
            "invalid value for search attribute Key of type Keyword: 1"
        );
        assert_eq!(
            checked("Nope", "1").unwrap_err(),
            "Namespace default has no mapping defined for search attribute Nope"
        );
        assert_eq!(
            checked("RunId", r#""a""#).unwrap_err(),
            "RunId attribute can't be set in SearchAttributes"
        );
    }
}
