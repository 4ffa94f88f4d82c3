//! A struct of search attributes.

use super::search_attributes::{SearchAttributeKey, SearchAttributeValue, SearchAttributes};
use std::time::SystemTime;

/// A struct whose fields are search attributes: `#[derive(SearchAttributeSet)]` of `temporal-sdk` implements it.
///
/// It converts into [`SearchAttributes`] wherever those are taken.
pub trait SearchAttributeSet: Sized {
    /// Names and types on the server (such as `Keyword`) of all fields, in order: for registering them.
    const ATTRIBUTES: &'static [(&'static str, &'static str)];

    /// The values to start a workflow with: fields that are `None` are left out.
    #[must_use]
    fn to_search_attributes(&self) -> SearchAttributes;

    /// The values to upsert: fields that are `None` are removed from the workflow.
    #[must_use]
    fn to_changes(&self) -> SearchAttributes;

    /// The values that a workflow has.
    ///
    /// # Errors
    /// When one that is no `Option` is not set, or a value has another type.
    fn from_search_attributes(attributes: &SearchAttributes) -> Result<Self, SearchAttributeError>;
}

/// Search attributes that do not fit a struct of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchAttributeError {
    /// One is not set.
    #[error("the search attribute \"{name}\" ({kind}) is not set: set it at the start, or make its field an `Option`")]
    Missing {
        /// Its name.
        name: String,
        /// The type it is to have on the server.
        kind: &'static str,
    },
    /// One is set to a value of another type.
    #[error(
        "the search attribute \"{name}\" does not hold a value of type {kind}: give its field the type that it is registered with"
    )]
    Type {
        /// Its name.
        name: String,
        /// The type it is to have on the server.
        kind: &'static str,
    },
}

/// The type of a field: for generated code.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a search attribute",
    note = "write `String`, `i64`, `f64`, `bool`, `SystemTime`, `Vec<String>`, or an `Option` of these"
)]
pub trait SearchAttributeField: Sized {
    type Value: SearchAttributeValue;

    fn put(&self, key: &SearchAttributeKey<Self::Value>, unset: bool, attributes: &mut SearchAttributes);

    fn read(key: &SearchAttributeKey<Self::Value>, attributes: &SearchAttributes)
    -> Result<Self, SearchAttributeError>;
}

/// The key of the type's own kind: for generated code.
#[doc(hidden)]
pub trait OwnKind: SearchAttributeValue {
    const KIND: &'static str;
}

fn lookup<T: SearchAttributeValue>(
    key: &SearchAttributeKey<T>,
    attributes: &SearchAttributes,
) -> Result<Option<T>, SearchAttributeError> {
    match attributes.get(key) {
        None if attributes.payloads().contains_key(key.name()) => Err(SearchAttributeError::Type {
            name: key.name().to_owned(),
            kind: key.type_name(),
        }),
        value => Ok(value),
    }
}

macro_rules! field {
    ($($value:ty => $kind:literal),*) => {
        $(
            impl OwnKind for $value {
                const KIND: &'static str = $kind;
            }

            impl SearchAttributeField for $value {
                type Value = Self;

                fn put(&self, key: &SearchAttributeKey<Self>, _: bool, attributes: &mut SearchAttributes) {
                    attributes.set(key, self.clone());
                }

                fn read(
                    key: &SearchAttributeKey<Self>,
                    attributes: &SearchAttributes,
                ) -> Result<Self, SearchAttributeError> {
                    lookup(key, attributes)?.ok_or_else(|| SearchAttributeError::Missing {
                        name: key.name().to_owned(),
                        kind: key.type_name(),
                    })
                }
            }

            impl SearchAttributeField for Option<$value> {
                type Value = $value;

                fn put(&self, key: &SearchAttributeKey<$value>, unset: bool, attributes: &mut SearchAttributes) {
                    match self {
                        Some(value) => attributes.set(key, value.clone()),
                        None if unset => attributes.unset(key),
                        None => {}
                    }
                }

                fn read(
                    key: &SearchAttributeKey<$value>,
                    attributes: &SearchAttributes,
                ) -> Result<Self, SearchAttributeError> {
                    lookup(key, attributes)
                }
            }
        )*
    };
}

field!(
    String => "Keyword",
    i64 => "Int",
    f64 => "Double",
    bool => "Bool",
    SystemTime => "Datetime",
    Vec<String> => "KeywordList"
);

#[cfg(test)]
mod tests {
    use super::{SearchAttributeError, SearchAttributeField};
    use crate::{SearchAttributeKey, SearchAttributes};

    #[test]
    fn an_option_may_be_missing_but_not_of_another_type() {
        let (text, number) = (SearchAttributeKey::keyword("A"), SearchAttributeKey::int("A"));
        let none = SearchAttributes::new();
        assert_eq!(Option::<i64>::read(&number, &none), Ok(None));
        let missing = i64::read(&number, &none).unwrap_err();
        assert!(matches!(missing, SearchAttributeError::Missing { .. }), "{missing}");
        let other = none.with(&text, "x".to_owned());
        let mismatch = Option::<i64>::read(&number, &other).unwrap_err();
        assert_eq!(
            mismatch.to_string(),
            "the search attribute \"A\" does not hold a value of type Int: give its field the type that it is registered with"
        );
    }

    #[test]
    fn none_is_left_out_or_removed() {
        let key = SearchAttributeKey::int("A");
        let (mut started, mut changed) = (SearchAttributes::new(), SearchAttributes::new());
        None::<i64>.put(&key, false, &mut started);
        None::<i64>.put(&key, true, &mut changed);
        assert!(started.is_empty());
        assert!(started.with(&key, 1).updated_by(&changed).is_empty());
    }
}
