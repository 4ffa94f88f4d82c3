//! What the operators of a server do, as far as programs do it too.

use crate::client::Client;
use crate::connection::{Call, RpcError};
use temporal_protos::api::enums::v1::IndexedValueType;
use temporal_protos::api::operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest};

/// Search attributes that a namespace does not take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddSearchAttributesError {
    /// The namespace has one of this name with another type.
    #[error(
        "the namespace has a search attribute \"{name}\" of type {found}, not {wanted}: give it another name, or remove the one that is there"
    )]
    OtherType {
        /// Its name.
        name: String,
        /// The type it has.
        found: &'static str,
        /// The type it was to have.
        wanted: String,
    },
    /// There is no such type.
    #[error("\"{kind}\" is no type of search attributes: take the name and type of a `SearchAttributeKey`")]
    NoSuchType {
        /// What was given as type.
        kind: String,
    },
    /// The server refused it, or could not be reached.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl Client {
    /// Adds search attributes to the client's namespace, those that it does not have yet: their names and types, as a
    /// [`SearchAttributeKey`](crate::SearchAttributeKey) or a [`SearchAttributeSet`](crate::SearchAttributeSet) tells them.
    ///
    /// A server may need a moment until it takes them. On a server that many use, its operators do this instead.
    ///
    /// ```no_run
    /// use temporal_client::SearchAttributeKey;
    ///
    /// const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
    /// const AMOUNT: SearchAttributeKey<i64> = SearchAttributeKey::int("Amount");
    ///
    /// # async fn example(client: temporal_client::Client) -> anyhow::Result<()> {
    /// client.add_search_attributes([CUSTOMER.declaration(), AMOUNT.declaration()]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AddSearchAttributesError::OtherType`] when the namespace has one of the names with another type.
    pub fn add_search_attributes<'a>(
        &self,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Call<(), AddSearchAttributesError> {
        let wanted: Vec<_> = attributes
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .collect();
        let client = self.clone();
        Call::new(move |options| async move {
            let namespace = client.namespace().to_owned();
            let list = ListSearchAttributesRequest {
                namespace: namespace.clone(),
            };
            let known = client.call(list).options(options.clone()).await?.custom_attributes;
            let mut add = AddSearchAttributesRequest {
                namespace,
                ..AddSearchAttributesRequest::default()
            };
            for (name, kind) in wanted {
                let Some(typed) = KINDS.iter().find(|(of, _)| *of == kind) else {
                    return Err(AddSearchAttributesError::NoSuchType { kind });
                };
                match known.get(&name) {
                    Some(found) if *found == i32::from(typed.1) => {}
                    Some(found) => {
                        let found = KINDS.iter().find(|(_, of)| i32::from(*of) == *found);
                        return Err(AddSearchAttributesError::OtherType {
                            name,
                            found: found.map_or("unknown", |(of, _)| *of),
                            wanted: kind,
                        });
                    }
                    None => {
                        add.search_attributes.insert(name, typed.1.into());
                    }
                }
            }
            if !add.search_attributes.is_empty() {
                client.call(add).options(options).await?;
            }
            Ok(())
        })
    }
}

const KINDS: [(&str, IndexedValueType); 7] = [
    ("Text", IndexedValueType::Text),
    ("Keyword", IndexedValueType::Keyword),
    ("Int", IndexedValueType::Int),
    ("Double", IndexedValueType::Double),
    ("Bool", IndexedValueType::Bool),
    ("Datetime", IndexedValueType::Datetime),
    ("KeywordList", IndexedValueType::KeywordList),
];
