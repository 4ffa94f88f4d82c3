//! The filter language of `ListWorkflowExecutions` and its kin, apart from what it filters.
//!
//! [`Query::parse`] checks a query against a [`Schema`] (which attributes exist, and their types); [`Query::matches`]
//! evaluates it over anything that is [`Attributes`]. Messages are those of the real server.

mod compile;
mod filter;
mod lexer;
mod literal;
mod page;
mod parser;
mod schema;
mod value;

pub use self::filter::{Attributes, Query};
pub(crate) use self::literal::parse_units;
pub use self::literal::{parse_datetime, parse_duration};
pub use self::page::{PageToken, Position, page};
pub use self::schema::{AttributeType, Schema, SystemSchema, system_attributes};
pub use self::value::{Value, ValueError};

/// Why a query is refused; the text is what the real server answers with `INVALID_ARGUMENT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid query: {0}")]
pub struct QueryError(pub(crate) String);

impl QueryError {
    fn unsupported(what: impl std::fmt::Display) -> Self {
        QueryError(format!("operation is not supported: {what}"))
    }

    fn expression(what: impl std::fmt::Display) -> Self {
        QueryError(format!("invalid expression: {what}"))
    }

    fn unknown_attribute(name: &str) -> Self {
        QueryError(format!("invalid search attribute: {name}"))
    }
}
