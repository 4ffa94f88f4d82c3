//! Values of search attributes, and their payloads.

use std::fmt::Write as _;

use serde_json::Value as Json;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::bytes::Bytes;

use super::literal::parse_datetime;
use super::schema::AttributeType;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Matched word by word.
    Text(String),
    /// Matched as a whole.
    Keyword(String),
    /// A whole number. Also `ExecutionStatus`, by its number in the API, and `ExecutionDuration`, in nanoseconds.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Nanoseconds since the Unix epoch.
    Datetime(i64),
    /// A set of keywords.
    KeywordList(Vec<String>),
}

/// A payload that does not hold what its attribute's type says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value for search attribute {name} of type {}: {shown}", kind.name())]
pub struct ValueError {
    name: String,
    kind: AttributeType,
    shown: String,
}

impl Value {
    /// Reads the payload of the attribute `name`; `None` when it holds nothing (null, an empty list), which unsets the attribute.
    ///
    /// # Errors
    /// When the payload is not JSON or holds another type; the message is the real server's.
    pub fn from_payload(name: &str, kind: AttributeType, payload: &Payload) -> Result<Option<Value>, ValueError> {
        let error = |shown: String| ValueError {
            name: name.to_owned(),
            kind,
            shown,
        };
        let encoding = payload.metadata.get("encoding").map(|encoding| &encoding[..]);
        match encoding {
            Some(b"binary/null") => return Ok(None),
            Some(b"binary/plain") => return Err(error(show_bytes(&payload.data))),
            Some(b"json/plain") => {}
            _ => return Err(error(show_payload(payload))),
        }
        let json: Json = serde_json::from_slice(&payload.data).map_err(|_| error(show_payload(payload)))?;
        let read = match &json {
            Json::Null => return Ok(None),
            Json::Array(items) if items.is_empty() => return Ok(None),
            Json::Array(items) if kind == AttributeType::KeywordList => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().map(Value::KeywordList)
            }
            Json::Array(items) if items.len() == 1 => scalar(kind, &items[0]),
            json => scalar(kind, json),
        };
        read.map(Some).ok_or_else(|| error(show_json(&json)))
    }

    /// The payload the server answers with: JSON, with the type in its metadata.
    pub fn to_payload(&self) -> Payload {
        let (kind, json) = match self {
            Value::Text(text) => (AttributeType::Text, Json::from(text.as_str())),
            Value::Keyword(text) => (AttributeType::Keyword, Json::from(text.as_str())),
            Value::Int(number) => (AttributeType::Int, Json::from(*number)),
            Value::Double(number) => (AttributeType::Double, Json::from(*number)),
            Value::Bool(value) => (AttributeType::Bool, Json::from(*value)),
            Value::Datetime(nanos) => {
                let time = jiff::Timestamp::from_nanosecond(i128::from(*nanos)).unwrap_or_default();
                (AttributeType::Datetime, Json::from(time.to_string()))
            }
            Value::KeywordList(items) => (AttributeType::KeywordList, Json::from(items.as_slice())),
        };
        Payload {
            metadata: [
                ("encoding".to_owned(), Bytes::from_static(b"json/plain")),
                ("type".to_owned(), Bytes::from_static(kind.name().as_bytes())),
            ]
            .into(),
            data: json.to_string().into(),
            ..Payload::default()
        }
    }
}

fn scalar(kind: AttributeType, json: &Json) -> Option<Value> {
    match kind {
        AttributeType::Text => json.as_str().map(|text| Value::Text(text.to_owned())),
        AttributeType::Keyword => json.as_str().map(|text| Value::Keyword(text.to_owned())),
        AttributeType::Int => json.as_i64().map(Value::Int),
        AttributeType::Double => json.as_f64().map(Value::Double),
        AttributeType::Bool => json.as_bool().map(Value::Bool),
        AttributeType::Datetime => json.as_str().and_then(parse_datetime).map(Value::Datetime),
        AttributeType::KeywordList => None,
    }
}

/// A floating-point number as messages of the server show it: the shortest digits; beneath 10^-4 and from 10^6 with an
/// exponent of at least two digits.
pub(super) fn show_float(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn show_json(json: &Json) -> String {
    match json {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.as_f64().map_or_else(|| number.to_string(), show_float),
        Json::String(text) => text.clone(),
        Json::Array(items) => format!("[{}]", items.iter().map(show_json).collect::<Vec<_>>().join(" ")),
        Json::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{name}:{}", show_json(value)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

fn show_bytes(bytes: &[u8]) -> String {
    let numbers: Vec<_> = bytes.iter().take(32).map(ToString::to_string).collect();
    format!("[{}]", numbers.join(" "))
}

/// The payload in protobuf's text format, cut short.
fn show_payload(payload: &Payload) -> String {
    let mut fields = Vec::new();
    for (name, value) in &payload.metadata {
        fields.push(format!(
            "metadata:{{key:{name:?}  value:{:?}}}",
            String::from_utf8_lossy(value)
        ));
    }
    if !payload.data.is_empty() {
        let mut data = String::new();
        for byte in payload.data.iter().take(64) {
            match byte {
                b'"' | b'\\' => {
                    data.push('\\');
                    data.push(char::from(*byte));
                }
                b' '..=b'~' => data.push(char::from(*byte)),
                _ => {
                    let _ = write!(data, "\\x{byte:02x}");
                }
            }
        }
        fields.push(format!("data:\"{data}\""));
    }
    format!("value from <{}>", fields.join("  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(json: &str) -> Payload {
        Payload {
            metadata: [("encoding".to_owned(), Bytes::from_static(b"json/plain"))].into(),
            data: json.to_owned().into(),
            ..Payload::default()
        }
    }

    fn refused(kind: AttributeType, json: &str) -> String {
        Value::from_payload("A", kind, &payload(json)).unwrap_err().to_string()
    }

    #[test]
    fn values_of_each_type_round_trip() {
        for (kind, json, value) in [
            (AttributeType::Keyword, r#""x""#, Value::Keyword("x".into())),
            (AttributeType::Text, r#""x y""#, Value::Text("x y".into())),
            (AttributeType::Int, "5", Value::Int(5)),
            (AttributeType::Double, "1.5", Value::Double(1.5)),
            (AttributeType::Bool, "true", Value::Bool(true)),
            (
                AttributeType::Datetime,
                r#""1970-01-01T00:00:01Z""#,
                Value::Datetime(1_000_000_000),
            ),
            (
                AttributeType::KeywordList,
                r#"["a","b"]"#,
                Value::KeywordList(vec!["a".into(), "b".into()]),
            ),
        ] {
            let read = Value::from_payload("A", kind, &payload(json)).unwrap().unwrap();
            assert_eq!(read, value);
            let written = read.to_payload();
            assert_eq!(written.data, json.as_bytes());
            assert_eq!(&written.metadata["type"][..], kind.name().as_bytes());
        }
    }

    #[test]
    fn nothing_unsets_and_a_list_of_one_is_a_value() {
        for json in ["null", "[]"] {
            assert_eq!(
                Value::from_payload("A", AttributeType::Keyword, &payload(json)),
                Ok(None)
            );
        }
        assert_eq!(
            Value::from_payload("A", AttributeType::Keyword, &payload(r#"["a"]"#)),
            Ok(Some(Value::Keyword("a".into())))
        );
    }

    #[test]
    fn wrong_values_are_refused_in_the_servers_words() {
        let words = "invalid value for search attribute A of type";
        for (kind, json, shown) in [
            (AttributeType::Keyword, "5", "Keyword: 5"),
            (AttributeType::Keyword, r#"["a","b"]"#, "Keyword: [a b]"),
            (AttributeType::Keyword, r#"{"a":1}"#, "Keyword: map[a:1]"),
            (AttributeType::Int, "5.5", "Int: 5.5"),
            (AttributeType::Int, "5.0", "Int: 5"),
            (AttributeType::Int, "99999999999999999999", "Int: 1e+20"),
            (AttributeType::Datetime, r#""2026-01-02""#, "Datetime: 2026-01-02"),
            (AttributeType::KeywordList, r#""a""#, "KeywordList: a"),
            (AttributeType::KeywordList, "[1]", "KeywordList: [1]"),
            (
                AttributeType::Keyword,
                "",
                r#"Keyword: value from <metadata:{key:"encoding"  value:"json/plain"}>"#,
            ),
        ] {
            assert_eq!(refused(kind, json), format!("{words} {shown}"));
        }
    }
}
