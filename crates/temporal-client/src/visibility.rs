//! Filters of lists, typed: by which workflows are found and counted.
//!
//! A filter compares what the server knows of every workflow ([`workflow_type`], [`status`], [`start_time`], …) or a
//! search attribute ([`SearchAttributeKey`]) with values of the right type. It writes the query that the server reads,
//! with every name and value quoted, and goes wherever such a query is taken. (Servers on SQL databases, as of 1.32, do not
//! find a text that has a double quotation mark, a backslash or a line break in it, however it is written.)
//!
//! ```no_run
//! use std::time::{Duration, SystemTime};
//! use temporal_client::{SearchAttributeKey, WorkflowExecutionStatus, visibility};
//!
//! const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
//! const AMOUNT: SearchAttributeKey<i64> = SearchAttributeKey::int("Amount");
//!
//! # async fn example(client: temporal_client::Client) -> anyhow::Result<()> {
//! let yesterday = SystemTime::now() - Duration::from_secs(86_400);
//! let filter = visibility::status()
//!     .eq(WorkflowExecutionStatus::Failed)
//!     .and(visibility::start_time().gt(yesterday))
//!     .and(CUSTOMER.eq("O'Neill").or(AMOUNT.ge(10_000)));
//! let failed = client.count_workflows(&filter).await?.count;
//! let list = client.list_workflows(filter);
//! # Ok(())
//! # }
//! ```

use crate::SearchAttributeKey;
use crate::workflow::WorkflowExecutionStatus;
use prost_types::Timestamp;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

/// Which workflows a list is to have: the text of a query.
///
/// `Display` and `String::from` give the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    text: String,
    /// Whether it consists of parts of which one is enough.
    alternatives: bool,
}

impl Filter {
    fn of(text: String) -> Self {
        Self {
            text,
            alternatives: false,
        }
    }

    /// A part of the language that this module does not write, as it is: `Filter::raw("GROUP BY ExecutionStatus")` alone,
    /// or a comparison among others.
    pub fn raw(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            alternatives: true,
        }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::of(format!("{} AND {}", self.as_part(), other.as_part()))
    }

    /// One of them, or both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            text: format!("{} OR {}", self.text, other.text),
            alternatives: true,
        }
    }

    fn as_part(&self) -> Cow<'_, str> {
        if self.alternatives {
            format!("({})", self.text).into()
        } else {
            self.text.as_str().into()
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.text
    }
}

impl From<&Filter> for String {
    fn from(filter: &Filter) -> Self {
        filter.text.clone()
    }
}

/// What the server knows of every workflow, to compare with values of type `T`.
pub struct Field<T> {
    name: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $function:ident: $value:ty = $name:literal;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub const fn $function() -> Field<$value> {
            Field {
                name: $name,
                value: PhantomData,
            }
        }
    )*};
}

fields! {
    /// The workflow's id.
    workflow_id: String = "WorkflowId";
    /// The run's id.
    run_id: String = "RunId";
    /// The workflow's type.
    workflow_type: String = "WorkflowType";
    /// The task queue that it was started on.
    task_queue: String = "TaskQueue";
    /// Whether it runs, or how it ended.
    status: WorkflowExecutionStatus = "ExecutionStatus";
    /// When it was started.
    start_time: SystemTime = "StartTime";
    /// When it began to run: later than its start if that was delayed.
    execution_time: SystemTime = "ExecutionTime";
    /// When it ended; null while it runs.
    close_time: SystemTime = "CloseTime";
    /// How long it ran; null while it runs.
    execution_duration: Duration = "ExecutionDuration";
    /// How many events its history has; null while it runs.
    history_length: i64 = "HistoryLength";
    /// The id of its parent; null without one.
    parent_workflow_id: String = "ParentWorkflowId";
    /// The id of the workflow that is its parent's parent's … parent, itself without one.
    root_workflow_id: String = "RootWorkflowId";
}

mod sealed {
    pub trait Sealed {
        /// What it is compared with.
        type Value;

        /// The value in the language of queries.
        fn literal(value: &Self::Value) -> String;
    }
}

use sealed::Sealed;

/// A type whose values filters compare. A `Vec<String>`, of a `KeywordList`, is compared with one `String` that is in it.
pub trait Comparable: Sealed {}
impl<T: Sealed> Comparable for T {}

macro_rules! comparable {
    ($($value:ty => |$it:ident: $compared:ty| $literal:expr;)*) => {$(
        impl Sealed for $value {
            type Value = $compared;

            fn literal($it: &$compared) -> String {
                $literal
            }
        }
    )*};
}

comparable! {
    String => |it: String| quoted(it);
    Vec<String> => |it: String| quoted(it);
    i64 => |it: i64| it.to_string();
    f64 => |it: f64| format!("{it:?}");
    bool => |it: bool| it.to_string();
    SystemTime => |it: SystemTime| quoted(&Timestamp::from(*it).to_string());
    Duration => |it: Duration| it.as_nanos().to_string();
    WorkflowExecutionStatus => |it: WorkflowExecutionStatus| quoted(status_name(*it));
}

/// A text between quotation marks, with those in it, and backslashes, escaped.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// The name that queries have for it.
fn status_name(status: WorkflowExecutionStatus) -> &'static str {
    match status {
        WorkflowExecutionStatus::Unspecified => "Unspecified",
        WorkflowExecutionStatus::Running => "Running",
        WorkflowExecutionStatus::Completed => "Completed",
        WorkflowExecutionStatus::Failed => "Failed",
        WorkflowExecutionStatus::Canceled => "Canceled",
        WorkflowExecutionStatus::Terminated => "Terminated",
        WorkflowExecutionStatus::ContinuedAsNew => "ContinuedAsNew",
        WorkflowExecutionStatus::TimedOut => "TimedOut",
        WorkflowExecutionStatus::Paused => "Paused",
    }
}

fn listed<T: Comparable>(values: impl IntoIterator<Item = impl Into<T::Value>>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| T::literal(&value.into())).collect();
    values.join(", ")
}

impl<T> Field<T> {
    fn written(&self) -> String {
        self.name.to_owned()
    }
}

impl<T> SearchAttributeKey<T> {
    /// Its name between back-ticks: it may be a word of the language.
    fn written(&self) -> String {
        format!("`{}`", self.name().replace('`', ""))
    }
}

macro_rules! comparisons {
    ($type:ident) => {
        impl<T: Comparable> $type<T> {
            fn compare(&self, operator: &str, value: impl Into<T::Value>) -> Filter {
                Filter::of(format!(
                    "{} {operator} {}",
                    self.written(),
                    T::literal(&value.into())
                ))
            }

            /// It is this value. Of a `Text`: it has these words; of a `KeywordList`: this is among its values.
            #[must_use]
            pub fn eq(&self, value: impl Into<T::Value>) -> Filter {
                self.compare("=", value)
            }

            /// It is another value.
            #[must_use]
            pub fn ne(&self, value: impl Into<T::Value>) -> Filter {
                self.compare("!=", value)
            }

            /// It is less.
            #[must_use]
            pub fn lt(&self, value: impl Into<T::Value>) -> Filter {
                self.compare("<", value)
            }

            /// It is less, or this value.
            #[must_use]
            pub fn le(&self, value: impl Into<T::Value>) -> Filter {
                self.compare("<=", value)
            }

            /// It is greater.
            #[must_use]
            pub fn gt(&self, value: impl Into<T::Value>) -> Filter {
                self.compare(">", value)
            }

            /// It is greater, or this value.
            #[must_use]
            pub fn ge(&self, value: impl Into<T::Value>) -> Filter {
                self.compare(">=", value)
            }

            /// It is one of these, or between them.
            #[must_use]
            pub fn between(&self, least: impl Into<T::Value>, most: impl Into<T::Value>) -> Filter {
                let (least, most) = (T::literal(&least.into()), T::literal(&most.into()));
                Filter::of(format!("{} BETWEEN {least} AND {most}", self.written()))
            }

            /// It is one of these. The server refuses an empty list.
            #[must_use]
            pub fn is_in(&self, values: impl IntoIterator<Item = impl Into<T::Value>>) -> Filter {
                Filter::of(format!("{} IN ({})", self.written(), listed::<T>(values)))
            }

            /// It is none of these. The server refuses an empty list.
            #[must_use]
            pub fn is_not_in(&self, values: impl IntoIterator<Item = impl Into<T::Value>>) -> Filter {
                Filter::of(format!("{} NOT IN ({})", self.written(), listed::<T>(values)))
            }

            /// It is not set.
            #[must_use]
            pub fn is_null(&self) -> Filter {
                Filter::of(format!("{} IS NULL", self.written()))
            }

            /// It is set.
            #[must_use]
            pub fn is_not_null(&self) -> Filter {
                Filter::of(format!("{} IS NOT NULL", self.written()))
            }
        }

        impl $type<String> {
            /// It begins with this text. Not for a `Text`.
            #[must_use]
            pub fn starts_with(&self, prefix: impl Into<String>) -> Filter {
                self.compare("STARTS_WITH", prefix)
            }

            /// It begins with another text. Not for a `Text`.
            #[must_use]
            pub fn does_not_start_with(&self, prefix: impl Into<String>) -> Filter {
                self.compare("NOT STARTS_WITH", prefix)
            }
        }
    };
}

comparisons!(Field);
comparisons!(SearchAttributeKey);

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("Customer");

    #[test]
    fn values_are_written_as_their_type_asks() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(
            start_time().le(at).to_string(),
            "StartTime <= '2023-11-14T22:13:20.123Z'"
        );
        assert_eq!(
            status().eq(WorkflowExecutionStatus::TimedOut).to_string(),
            "ExecutionStatus = 'TimedOut'"
        );
        assert_eq!(
            SearchAttributeKey::double("D").between(-1.5, 2.0).to_string(),
            "`D` BETWEEN -1.5 AND 2.0"
        );
        assert_eq!(SearchAttributeKey::bool("B").ne(true).to_string(), "`B` != true");
        assert_eq!(
            SearchAttributeKey::keyword_list("L").is_in(["a", "b"]).to_string(),
            "`L` IN ('a', 'b')"
        );
        assert_eq!(
            execution_duration().gt(Duration::from_secs(1)).to_string(),
            "ExecutionDuration > 1000000000"
        );
    }

    #[test]
    fn no_text_ends_its_quotation() {
        assert_eq!(CUSTOMER.eq(r"O'Neill\").to_string(), r"`Customer` = 'O\'Neill\\'");
        assert_eq!(
            CUSTOMER.eq("' OR WorkflowId != '").to_string(),
            r"`Customer` = '\' OR WorkflowId != \''"
        );
        let named = CUSTOMER.with_name("a` = 1 OR `b".to_owned());
        assert_eq!(named.is_null().to_string(), "`a = 1 OR b` IS NULL");
    }

    #[test]
    fn alternatives_stay_together() {
        let (a, b, c) = (CUSTOMER.eq("a"), CUSTOMER.eq("b"), workflow_type().starts_with("c"));
        let both = c.and(a.or(b));
        assert_eq!(
            String::from(&both),
            "WorkflowType STARTS_WITH 'c' AND (`Customer` = 'a' OR `Customer` = 'b')"
        );
        assert_eq!(
            both.and(Filter::raw("x = 1")).to_string(),
            "WorkflowType STARTS_WITH 'c' AND (`Customer` = 'a' OR `Customer` = 'b') AND (x = 1)"
        );
    }
}
