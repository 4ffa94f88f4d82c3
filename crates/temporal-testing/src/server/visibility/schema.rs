//! Which search attributes exist and what they hold.

use std::collections::BTreeMap;
use std::str::FromStr;

use temporal_protos::api::enums::v1::IndexedValueType;

/// The type of a search attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeType {
    /// Text that is matched word by word.
    Text,
    /// A string that is matched as a whole.
    Keyword,
    /// A whole number.
    Int,
    /// A floating-point number.
    Double,
    /// True or false.
    Bool,
    /// A point in time.
    Datetime,
    /// A set of keywords.
    KeywordList,
}

impl AttributeType {
    /// The type's name: `Keyword`, `Text`, `Int`, `Double`, `Bool`, `Datetime` or `KeywordList`.
    pub const fn name(self) -> &'static str {
        match self {
            AttributeType::Text => "Text",
            AttributeType::Keyword => "Keyword",
            AttributeType::Int => "Int",
            AttributeType::Double => "Double",
            AttributeType::Bool => "Bool",
            AttributeType::Datetime => "Datetime",
            AttributeType::KeywordList => "KeywordList",
        }
    }

    /// The type's number in the API.
    pub const fn to_proto(self) -> IndexedValueType {
        match self {
            AttributeType::Text => IndexedValueType::Text,
            AttributeType::Keyword => IndexedValueType::Keyword,
            AttributeType::Int => IndexedValueType::Int,
            AttributeType::Double => IndexedValueType::Double,
            AttributeType::Bool => IndexedValueType::Bool,
            AttributeType::Datetime => IndexedValueType::Datetime,
            AttributeType::KeywordList => IndexedValueType::KeywordList,
        }
    }

    /// The type with a number of the API; `None` for unspecified and unknown numbers.
    pub fn from_proto(number: i32) -> Option<Self> {
        match IndexedValueType::try_from(number).ok()? {
            IndexedValueType::Unspecified => None,
            IndexedValueType::Text => Some(AttributeType::Text),
            IndexedValueType::Keyword => Some(AttributeType::Keyword),
            IndexedValueType::Int => Some(AttributeType::Int),
            IndexedValueType::Double => Some(AttributeType::Double),
            IndexedValueType::Bool => Some(AttributeType::Bool),
            IndexedValueType::Datetime => Some(AttributeType::Datetime),
            IndexedValueType::KeywordList => Some(AttributeType::KeywordList),
        }
    }
}

/// A type name that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown search attribute type {0:?}: use Keyword, Text, Int, Double, Bool, Datetime or KeywordList")]
pub struct UnknownAttributeType(String);

impl FromStr for AttributeType {
    type Err = UnknownAttributeType;

    /// Reads a type by name, in any case; `keyword_list` is taken for `KeywordList`.
    fn from_str(name: &str) -> Result<Self, UnknownAttributeType> {
        let plain = name.replace(['_', '-'], "");
        [
            AttributeType::Text,
            AttributeType::Keyword,
            AttributeType::Int,
            AttributeType::Double,
            AttributeType::Bool,
            AttributeType::Datetime,
            AttributeType::KeywordList,
        ]
        .into_iter()
        .find(|kind| kind.name().eq_ignore_ascii_case(&plain))
        .ok_or_else(|| UnknownAttributeType(name.to_owned()))
    }
}

/// The attributes a query may name.
pub trait Schema {
    /// The type of an attribute; `None` when there is none of this name. Names are case-sensitive.
    fn attribute_type(&self, name: &str) -> Option<AttributeType>;
}

/// The attributes every namespace has, and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemSchema;

impl Schema for SystemSchema {
    fn attribute_type(&self, name: &str) -> Option<AttributeType> {
        let known = SYSTEM.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        // Schedules are workflows too, and known to queries by their own id.
        known.or_else(|| (name == "ScheduleId").then_some(AttributeType::Keyword))
    }
}

/// Custom attributes, beside those every namespace has.
impl Schema for BTreeMap<String, AttributeType> {
    fn attribute_type(&self, name: &str) -> Option<AttributeType> {
        self.get(name).copied().or_else(|| SystemSchema.attribute_type(name))
    }
}

/// The attributes every namespace has, by name.
pub fn system_attributes() -> &'static [(&'static str, AttributeType)] {
    SYSTEM
}

const SYSTEM: &[(&str, AttributeType)] = &[
    ("BatcherNamespace", AttributeType::Keyword),
    ("BatcherUser", AttributeType::Keyword),
    ("BinaryChecksums", AttributeType::KeywordList),
    ("BuildIds", AttributeType::KeywordList),
    ("CloseTime", AttributeType::Datetime),
    ("ExecutionDuration", AttributeType::Int),
    ("ExecutionStatus", AttributeType::Keyword),
    ("ExecutionTime", AttributeType::Datetime),
    ("HistoryLength", AttributeType::Int),
    ("HistorySizeBytes", AttributeType::Int),
    ("ParentRunId", AttributeType::Keyword),
    ("ParentWorkflowId", AttributeType::Keyword),
    ("RootRunId", AttributeType::Keyword),
    ("RootWorkflowId", AttributeType::Keyword),
    ("RunId", AttributeType::Keyword),
    ("StartTime", AttributeType::Datetime),
    ("StateTransitionCount", AttributeType::Int),
    ("TaskQueue", AttributeType::Keyword),
    ("TemporalChangeVersion", AttributeType::KeywordList),
    ("TemporalExternalPayloadCount", AttributeType::Int),
    ("TemporalExternalPayloadSizeBytes", AttributeType::Int),
    ("TemporalNamespaceDivision", AttributeType::Keyword),
    ("TemporalPauseInfo", AttributeType::KeywordList),
    ("TemporalReportedProblems", AttributeType::KeywordList),
    ("TemporalSchedulePaused", AttributeType::Bool),
    ("TemporalScheduledById", AttributeType::Keyword),
    ("TemporalScheduledStartTime", AttributeType::Datetime),
    ("TemporalUsedWorkerDeploymentVersions", AttributeType::KeywordList),
    ("TemporalWorkerDeployment", AttributeType::Keyword),
    ("TemporalWorkerDeploymentVersion", AttributeType::Keyword),
    ("TemporalWorkflowVersioningBehavior", AttributeType::Keyword),
    ("WorkflowId", AttributeType::Keyword),
    ("WorkflowType", AttributeType::Keyword),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_by_name_as_the_cli_takes_them() {
        assert_eq!("Keyword".parse(), Ok(AttributeType::Keyword));
        assert_eq!("keyword_list".parse(), Ok(AttributeType::KeywordList));
        assert_eq!("DATETIME".parse(), Ok(AttributeType::Datetime));
        let error = "Date".parse::<AttributeType>().unwrap_err().to_string();
        assert!(error.contains("\"Date\"") && error.contains("KeywordList"), "{error}");
    }

    #[test]
    fn custom_attributes_stand_beside_the_systems_own() {
        let schema = BTreeMap::from([("Customer".to_owned(), AttributeType::Keyword)]);
        assert_eq!(schema.attribute_type("Customer"), Some(AttributeType::Keyword));
        assert_eq!(schema.attribute_type("StartTime"), Some(AttributeType::Datetime));
        assert_eq!(schema.attribute_type("customer"), None);
    }

    #[test]
    fn numbers_round_trip() {
        for (_, kind) in SYSTEM {
            assert_eq!(AttributeType::from_proto(kind.to_proto() as i32), Some(*kind));
        }
        assert_eq!(AttributeType::from_proto(0), None);
        assert_eq!(AttributeType::from_proto(99), None);
    }
}
