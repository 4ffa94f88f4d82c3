//! Values by which workflows are found.

use crate::data::payload_with_encoding;
use bytes::Bytes;
use prost_types::Timestamp;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use temporal_protos::api::common::v1 as proto;
use temporal_protos::api::common::v1::Payload;

/// The name and type of a search attribute.
///
/// ```
/// use temporal_client::{SearchAttributeKey, SearchAttributes};
///
/// const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
/// const AMOUNT: SearchAttributeKey<i64> = SearchAttributeKey::int("Amount");
///
/// let attributes = SearchAttributes::new().with(&CUSTOMER, "c-17".to_owned()).with(&AMOUNT, 42);
/// assert_eq!(attributes.get(&CUSTOMER).as_deref(), Some("c-17"));
/// assert_eq!(attributes.get(&AMOUNT), Some(42));
/// ```
///
/// Filters of lists compare them: [`visibility`](crate::visibility).
pub struct SearchAttributeKey<T> {
    name: &'static str,
    kind: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for SearchAttributeKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SearchAttributeKey<T> {}

impl<T> fmt::Debug for SearchAttributeKey<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.kind)
    }
}

/// The same text for ever.
fn kept(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = names.get(name.as_str()) {
        return name;
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.insert(name);
    name
}

impl<T> SearchAttributeKey<T> {
    const fn of(name: &'static str, kind: &'static str) -> Self {
        Self {
            name,
            kind,
            value: PhantomData,
        }
    }

    /// A key of the same type with a name known only now: `SearchAttributeKey::int("").with_name(name)`. The name is kept
    /// as long as the program runs, once, however often it is given.
    #[must_use]
    pub fn with_name(self, name: impl Into<Cow<'static, str>>) -> Self {
        let name = match name.into() {
            Cow::Borrowed(name) => name,
            Cow::Owned(name) => kept(name),
        };
        Self { name, ..self }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its name and the name of its type on the server, as [`Client::add_search_attributes`] takes them.
    ///
    /// [`Client::add_search_attributes`]: crate::Client::add_search_attributes
    #[must_use]
    pub const fn declaration(&self) -> (&'static str, &'static str) {
        (self.name, self.kind)
    }

    /// The name of its type on the server, such as `Keyword`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.kind
    }
}

impl<T: super::search_attribute_set::OwnKind> SearchAttributeKey<T> {
    /// A key of the type's own kind, which is `Keyword` for a `String`: for generated code.
    #[doc(hidden)]
    #[must_use]
    pub const fn own(name: &'static str) -> Self {
        Self::of(name, T::KIND)
    }
}

impl SearchAttributeKey<String> {
    /// A `Keyword`: found by its whole value.
    #[must_use]
    pub const fn keyword(name: &'static str) -> Self {
        Self::of(name, "Keyword")
    }

    /// A `Text`: found by the words in it.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self::of(name, "Text")
    }
}

impl SearchAttributeKey<i64> {
    /// An `Int`.
    #[must_use]
    pub const fn int(name: &'static str) -> Self {
        Self::of(name, "Int")
    }
}

impl SearchAttributeKey<f64> {
    /// A `Double`.
    #[must_use]
    pub const fn double(name: &'static str) -> Self {
        Self::of(name, "Double")
    }
}

impl SearchAttributeKey<bool> {
    /// A `Bool`.
    #[must_use]
    pub const fn bool(name: &'static str) -> Self {
        Self::of(name, "Bool")
    }
}

impl SearchAttributeKey<SystemTime> {
    /// A `Datetime`.
    #[must_use]
    pub const fn datetime(name: &'static str) -> Self {
        Self::of(name, "Datetime")
    }
}

impl SearchAttributeKey<Vec<String>> {
    /// A `KeywordList`: found by each of its values.
    #[must_use]
    pub const fn keyword_list(name: &'static str) -> Self {
        Self::of(name, "KeywordList")
    }
}

mod sealed {
    use serde_json::Value;

    pub trait Sealed: Sized {
        fn to_json(&self) -> Value;
        fn from_json(value: &Value) -> Option<Self>;
    }
}

use sealed::Sealed;

/// A type that a search attribute can have: `String`, `i64`, `f64`, `bool`, `SystemTime`, `Vec<String>`.
pub trait SearchAttributeValue: Sealed {}
impl<T: Sealed> SearchAttributeValue for T {}

use serde_json::Value;

impl Sealed for String {
    fn to_json(&self) -> Value {
        Value::from(self.as_str())
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Sealed for i64 {
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

impl Sealed for f64 {
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

impl Sealed for bool {
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Sealed for SystemTime {
    fn to_json(&self) -> Value {
        Value::from(Timestamp::from(*self).to_string())
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_str()?.parse::<Timestamp>().ok()?.try_into().ok()
    }
}

impl Sealed for Vec<String> {
    fn to_json(&self) -> Value {
        Value::from(self.as_slice())
    }
    fn from_json(value: &Value) -> Option<Self> {
        let Value::Array(values) = value else {
            return value.as_str().map(|one| vec![one.to_owned()]);
        };
        values.iter().map(String::from_json).collect()
    }
}

/// Values by which a workflow is found, by their keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchAttributes(BTreeMap<String, Payload>);

const TYPE: &str = "type";

impl SearchAttributes {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this value.
    #[must_use]
    pub fn with<T: SearchAttributeValue>(mut self, key: &SearchAttributeKey<T>, value: T) -> Self {
        self.set(key, value);
        self
    }

    /// Sets a value.
    pub fn set<T: SearchAttributeValue>(&mut self, key: &SearchAttributeKey<T>, value: T) {
        self.put(key, payload_with_encoding("json/plain", value.to_json().to_string()));
    }

    /// Removes a value where this is an update of what a workflow has.
    pub fn unset<T>(&mut self, key: &SearchAttributeKey<T>) {
        self.put(key, crate::data::null_payload());
    }

    fn put<T>(&mut self, key: &SearchAttributeKey<T>, mut payload: Payload) {
        let kind = Bytes::from_static(key.kind.as_bytes());
        payload.metadata.insert(TYPE.to_owned(), kind);
        self.0.insert(key.name.to_owned(), payload);
    }

    /// The value of a key; `None` when it is not set, or to a value of another type.
    #[must_use]
    pub fn get<T: SearchAttributeValue>(&self, key: &SearchAttributeKey<T>) -> Option<T> {
        let payload = self.0.get(key.name)?;
        let value: Value = serde_json::from_slice(&payload.data).ok()?;
        match &value {
            // Some servers wrap a single value in a list.
            Value::Array(values) if values.len() == 1 => T::from_json(&value).or_else(|| T::from_json(&values[0])),
            _ => T::from_json(&value),
        }
    }

    /// The names that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The payloads, by name.
    #[must_use]
    pub fn payloads(&self) -> &BTreeMap<String, Payload> {
        &self.0
    }

    /// These with changes on top.
    #[must_use]
    pub fn updated_by(mut self, changes: &Self) -> Self {
        for (name, payload) in &changes.0 {
            match crate::data::encoding_of(payload) {
                "binary/null" => drop(self.0.remove(name)),
                _ => drop(self.0.insert(name.clone(), payload.clone())),
            }
        }
        self
    }
}

impl From<proto::SearchAttributes> for SearchAttributes {
    fn from(attributes: proto::SearchAttributes) -> Self {
        Self(attributes.indexed_fields)
    }
}

impl From<SearchAttributes> for proto::SearchAttributes {
    fn from(attributes: SearchAttributes) -> Self {
        Self {
            indexed_fields: attributes.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SearchAttributeKey, SearchAttributes};
    use std::time::{Duration, SystemTime};

    #[test]
    fn each_type_there_and_back() {
        let (text, list) = (SearchAttributeKey::text("T"), SearchAttributeKey::keyword_list("L"));
        let (double, time) = (SearchAttributeKey::double("D"), SearchAttributeKey::datetime("W"));
        let flag = SearchAttributeKey::bool("").with_name("B".to_owned());
        let when = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let attributes = SearchAttributes::new()
            .with(&text, "a b".to_owned())
            .with(&list, vec!["x".to_owned(), "y".to_owned()])
            .with(&double, 1.5)
            .with(&time, when)
            .with(&flag, true);
        assert_eq!(attributes.get(&text).as_deref(), Some("a b"));
        assert_eq!(attributes.get(&list).unwrap(), ["x", "y"]);
        assert_eq!(attributes.get(&double), Some(1.5));
        assert_eq!(attributes.get(&time), Some(when));
        assert_eq!(attributes.get(&flag), Some(true));
        let payload = &attributes.payloads()["W"];
        assert_eq!(payload.data, "\"2023-11-14T22:13:20.123Z\"");
        assert_eq!(payload.metadata["type"], "Datetime");
    }

    #[test]
    fn a_constant_is_borrowed_from_as_long_as_one_likes() {
        const KEY: SearchAttributeKey<i64> = SearchAttributeKey::int("Constant");
        let (name, key) = (KEY.name(), &KEY);
        assert_eq!((name, key.declaration()), ("Constant", ("Constant", "Int")));
        let named = |name: &str| KEY.with_name(name.to_owned()).name();
        assert_eq!(named("Own").as_ptr(), named("Own").as_ptr());
    }

    #[test]
    fn changes_set_and_unset() {
        let (kept, gone) = (SearchAttributeKey::int("Kept"), SearchAttributeKey::int("Gone"));
        let mut changes = SearchAttributes::new().with(&kept, 2);
        changes.unset(&gone);
        let after = SearchAttributes::new()
            .with(&kept, 1)
            .with(&gone, 1)
            .updated_by(&changes);
        assert_eq!((after.get(&kept), after.get(&gone)), (Some(2), None));
    }

    #[test]
    fn another_type_is_not_there() {
        let attributes = SearchAttributes::new().with(&SearchAttributeKey::keyword("K"), "x".to_owned());
        assert_eq!(attributes.get(&SearchAttributeKey::int("K")), None);
    }
}
