//! Which search attributes exist, and whether values fit them.

use std::collections::BTreeMap;

use serde_json::Value;
use temporal_protos::api::common::v1::{Payload, SearchAttributes};
use temporal_protos::api::enums::v1::IndexedValueType as Kind;

use super::status::Status;

/// The attributes that every namespace has.
pub(super) const SYSTEM: &[(&str, Kind)] = &[
    ("BatcherNamespace", Kind::Keyword),
    ("BatcherUser", Kind::Keyword),
    ("BinaryChecksums", Kind::KeywordList),
    ("BuildIds", Kind::KeywordList),
    ("CloseTime", Kind::Datetime),
    ("ExecutionDuration", Kind::Int),
    ("ExecutionStatus", Kind::Keyword),
    ("ExecutionTime", Kind::Datetime),
    ("HistoryLength", Kind::Int),
    ("HistorySizeBytes", Kind::Int),
    ("ParentRunId", Kind::Keyword),
    ("ParentWorkflowId", Kind::Keyword),
    ("RootRunId", Kind::Keyword),
    ("RootWorkflowId", Kind::Keyword),
    ("RunId", Kind::Keyword),
    ("StartTime", Kind::Datetime),
    ("StateTransitionCount", Kind::Int),
    ("TaskQueue", Kind::Keyword),
    ("TemporalChangeVersion", Kind::KeywordList),
    ("TemporalExternalPayloadCount", Kind::Int),
    ("TemporalExternalPayloadSizeBytes", Kind::Int),
    ("TemporalNamespaceDivision", Kind::Keyword),
    ("TemporalPauseInfo", Kind::KeywordList),
    ("TemporalReportedProblems", Kind::KeywordList),
    ("TemporalScheduledById", Kind::Keyword),
    ("TemporalScheduledStartTime", Kind::Datetime),
    ("TemporalSchedulePaused", Kind::Bool),
    ("TemporalUsedWorkerDeploymentVersions", Kind::KeywordList),
    ("TemporalWorkerDeployment", Kind::Keyword),
    ("TemporalWorkerDeploymentVersion", Kind::Keyword),
    ("TemporalWorkflowVersioningBehavior", Kind::Keyword),
    ("WorkflowId", Kind::Keyword),
    ("WorkflowType", Kind::Keyword),
];

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

/// The type of a system attribute.
pub(super) fn system(name: &str) -> Option<Kind> {
    SYSTEM.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The name of a type as payload metadata and messages spell it.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified => "Unspecified",
        Kind::Text => "Text",
        Kind::Keyword => "Keyword",
        Kind::Int => "Int",
        Kind::Double => "Double",
        Kind::Bool => "Bool",
        Kind::Datetime => "Datetime",
        Kind::KeywordList => "KeywordList",
    }
}

/// Checks the attributes of a start or an upsert and writes their type into the payloads.
pub(super) fn check(
    namespace: &str,
    custom: &BTreeMap<String, Kind>,
    attributes: &mut SearchAttributes,
) -> Result<(), Status> {
    for (name, payload) in &mut attributes.indexed_fields {
        let kind = match system(name) {
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
        check_value(name, kind, payload)?;
        payload
            .metadata
            .insert("type".to_owned(), kind_name(kind).as_bytes().into());
    }
    Ok(())
}

fn check_value(name: &str, kind: Kind, payload: &Payload) -> Result<(), Status> {
    let null = payload
        .metadata
        .get("encoding")
        .is_some_and(|encoding| &encoding[..] == b"binary/null");
    if null || payload.data.is_empty() {
        return Ok(());
    }
    let Ok(value) = serde_json::from_slice::<Value>(&payload.data) else {
        let text = String::from_utf8_lossy(&payload.data).into_owned();
        return Err(bad_value(name, kind, &text));
    };
    if fits(kind, &value) {
        Ok(())
    } else {
        Err(bad_value(name, kind, &show(&value)))
    }
}

fn bad_value(name: &str, kind: Kind, value: &str) -> Status {
    let kind = kind_name(kind);
    Status::invalid_argument(format!(
        "invalid value for search attribute {name} of type {kind}: {value}"
    ))
}

/// Whether a value has the type; null and a list of at most one value do too.
fn fits(kind: Kind, value: &Value) -> bool {
    match (kind, value) {
        (_, Value::Null) => true,
        (Kind::KeywordList, Value::Array(values)) => values.iter().all(Value::is_string),
        (Kind::KeywordList, value) => value.is_string(),
        (_, Value::Array(values)) => match values.as_slice() {
            [] => true,
            [value] => fits(kind, value),
            _ => false,
        },
        (Kind::Text | Kind::Keyword, value) => value.is_string(),
        (Kind::Int, value) => value.is_i64(),
        (Kind::Double, value) => value.is_number(),
        (Kind::Bool, value) => value.is_boolean(),
        (Kind::Datetime, Value::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
        (Kind::Datetime | Kind::Unspecified, _) => false,
    }
}

/// A value as the real server prints it.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, json: &'static str) -> SearchAttributes {
        let payload = Payload {
            data: json.as_bytes().into(),
            ..Payload::default()
        };
        SearchAttributes {
            indexed_fields: [(name.to_owned(), payload)].into(),
        }
    }

    fn checked(name: &str, json: &'static str) -> Result<SearchAttributes, String> {
        let custom = [("Key".to_owned(), Kind::Keyword), ("When".to_owned(), Kind::Datetime)].into();
        let mut attributes = one(name, json);
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
            checked("Key", r#"["a","b"]"#).unwrap_err(),
            "invalid value for search attribute Key of type Keyword: [a b]"
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
