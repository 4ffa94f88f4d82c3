//! Names under which workflows, handlers and activities are registered.

use syn::LitStr;

/// Refuses the names that are Temporal's own.
pub(crate) fn refuse_reserved(name: &LitStr) -> syn::Result<()> {
    let message = match &*name.value() {
        taken @ ("__stack_trace" | "__enhanced_stack_trace") => {
            format!("`{taken}` belongs to Temporal: choose another name")
        }
        taken if taken.starts_with("__temporal_") => {
            "names that begin with `__temporal_` belong to Temporal: choose another".to_owned()
        }
        _ => return Ok(()),
    };
    Err(syn::Error::new(name.span(), message))
}
