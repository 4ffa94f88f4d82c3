//! A checked query, and what it matches.

use std::cmp::Ordering;

use super::QueryError;
use super::compile::compile;
use super::schema::Schema;
use super::value::Value;

/// What a query is evaluated over: one run, one schedule, one activity.
pub trait Attributes {
    /// The value of an attribute; `None` when it is not set.
    ///
    /// `ExecutionStatus` is an [`Value::Int`], the status's number in the API; `ExecutionDuration` is one too, in nanoseconds.
    fn attribute(&self, name: &str) -> Option<Value>;
}

/// A checked query.
#[derive(Clone, Debug)]
pub struct Query {
    pub(super) filter: Option<Filter>,
    pub(super) group_by: bool,
    pub(super) names_division: bool,
}

/// A condition on attributes; `name` is the attribute in each.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Equal { name: String, value: Value },
    Less { name: String, value: Value, or_equal: bool },
    Greater { name: String, value: Value, or_equal: bool },
    Between { name: String, from: Value, to: Value },
    In { name: String, values: Vec<Value> },
    StartsWith { name: String, prefix: String },
    IsNull(String),
}

impl Query {
    /// Reads a query and checks it; an empty one matches everything.
    ///
    /// # Errors
    /// When the query is malformed, names an unknown attribute, or asks for what the server does not support; with the real
    /// server's message.
    pub fn parse(text: &str, schema: &dyn Schema) -> Result<Query, QueryError> {
        compile(text, schema)
    }

    /// Whether the query matches. Internal workflows, which have a `TemporalNamespaceDivision`, only match queries that name it.
    pub fn matches(&self, row: &dyn Attributes) -> bool {
        if !self.names_division && row.attribute("TemporalNamespaceDivision").is_some() {
            return false;
        }
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.evaluate(row) == Some(true))
    }

    /// Whether a count is asked for by `ExecutionStatus`, the only grouping there is.
    pub fn groups_by_status(&self) -> bool {
        self.group_by
    }
}

impl Filter {
    /// `None` is SQL's unknown: the attribute is not set.
    fn evaluate(&self, row: &dyn Attributes) -> Option<bool> {
        match self {
            Filter::And(parts) => fold(parts, row, false),
            Filter::Or(parts) => fold(parts, row, true),
            Filter::Not(inner) => inner.evaluate(row).map(|value| !value),
            Filter::IsNull(name) => Some(row.attribute(name).is_none()),
            Filter::Equal { name, value } => match row.attribute(name) {
                Some(found) => Some(equal(&found, value)),
                // Words and lists live in an index of their own: what is not in there is not equal.
                None => matches!(value, Value::Text(_) | Value::KeywordList(_)).then_some(false),
            },
            Filter::Less { name, value, or_equal } => {
                let order = order(&row.attribute(name)?, value);
                Some(order == Some(Ordering::Less) || (*or_equal && order == Some(Ordering::Equal)))
            }
            Filter::Greater { name, value, or_equal } => {
                let order = order(&row.attribute(name)?, value);
                Some(order == Some(Ordering::Greater) || (*or_equal && order == Some(Ordering::Equal)))
            }
            Filter::Between { name, from, to } => {
                let found = row.attribute(name)?;
                let at_least = order(&found, from).is_some_and(Ordering::is_ge);
                Some(at_least && order(&found, to).is_some_and(Ordering::is_le))
            }
            Filter::In { name, values } => match row.attribute(name) {
                Some(found) => Some(values.iter().any(|value| equal(&found, value))),
                None => values
                    .iter()
                    .any(|value| matches!(value, Value::KeywordList(_)))
                    .then_some(false),
            },
            Filter::StartsWith { name, prefix } => match row.attribute(name)? {
                Value::Keyword(found) => Some(found.starts_with(prefix.as_str())),
                _ => Some(false),
            },
        }
    }
}

fn fold(parts: &[Filter], row: &dyn Attributes, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for part in parts {
        match part.evaluate(row) {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

/// `found` is the run's value, `asked` the query's: a list in the query is one keyword to find in the run's list.
fn equal(found: &Value, asked: &Value) -> bool {
    match (found, asked) {
        (Value::Text(found), Value::Text(asked)) => has_words(found, asked),
        (Value::KeywordList(found), Value::KeywordList(asked)) => asked.iter().all(|word| found.contains(word)),
        _ => order(found, asked) == Some(Ordering::Equal),
    }
}

fn order(found: &Value, asked: &Value) -> Option<Ordering> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "comparing a whole number with a fraction, as SQL does"
    )]
    match (found, asked) {
        (Value::Keyword(found), Value::Keyword(asked)) => Some(found.cmp(asked)),
        (Value::Int(found), Value::Int(asked)) | (Value::Datetime(found), Value::Datetime(asked)) => {
            Some(found.cmp(asked))
        }
        (Value::Int(found), Value::Double(asked)) => (*found as f64).partial_cmp(asked),
        (Value::Double(found), Value::Int(asked)) => found.partial_cmp(&(*asked as f64)),
        (Value::Double(found), Value::Double(asked)) => found.partial_cmp(asked),
        (Value::Bool(found), Value::Bool(asked)) => Some(found.cmp(asked)),
        _ => None,
    }
}

/// Whether one of the blank-separated parts of `asked` occurs in `found` as whole words in a row, in any case.
fn has_words(found: &str, asked: &str) -> bool {
    let found = words(found);
    asked.split_whitespace().map(words).any(|part| {
        !part.is_empty() && part.len() <= found.len() && found.windows(part.len()).any(|window| window == part)
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
