//! Procedural macros of the Temporal SDK.
//!
//! Use them through `temporal_sdk`, where each is documented with examples that compile.

mod activity;
mod names;
mod search_attributes;
mod workflow;

use proc_macro::TokenStream;

/// Use it as `temporal_sdk::activity`.
#[proc_macro_attribute]
pub fn activity(arguments: TokenStream, item: TokenStream) -> TokenStream {
    activity::expand_activity(arguments.into(), item.into()).into()
}

/// Use it as `temporal_sdk::activities`.
#[proc_macro_attribute]
pub fn activities(arguments: TokenStream, item: TokenStream) -> TokenStream {
    activity::expand_activities(arguments.into(), item.into()).into()
}

/// Use it as `temporal_sdk::workflow`.
#[proc_macro_attribute]
pub fn workflow(arguments: TokenStream, item: TokenStream) -> TokenStream {
    workflow::expand_workflow(arguments.into(), item.into()).into()
}

/// Use it as `temporal_sdk::SearchAttributeSet`.
#[proc_macro_derive(SearchAttributeSet, attributes(search_attribute))]
pub fn search_attribute_set(item: TokenStream) -> TokenStream {
    search_attributes::expand(item.into()).into()
}

/// Use it as `temporal_sdk::nexus_service`.
#[proc_macro_attribute]
pub fn nexus_service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    workflow::expand_nexus_service(arguments.into(), item.into()).into()
}
