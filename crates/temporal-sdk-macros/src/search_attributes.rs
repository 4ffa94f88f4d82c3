//! `#[derive(SearchAttributeSet)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use std::collections::HashMap;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Expr, Field, Fields, Ident, Lit, LitStr, Type};

/// Keys as associated constants, the trait, and the conversion.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    derive(item).unwrap_or_else(syn::Error::into_compile_error)
}

fn derive(item: TokenStream) -> syn::Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let attributes = read(&item)?;
    let ident = &item.ident;
    let (impl_generics, ty_generics, where_clause) = item.generics.split_for_impl();
    let keys = attributes.iter().map(FieldKey::key);
    let listed = attributes.iter().map(FieldKey::listed);
    let put = |unset: bool| {
        let put = attributes.iter().map(move |attribute| attribute.put(unset));
        quote!(#(#put)*)
    };
    let (values, changes) = (put(false), put(true));
    let fields = attributes.iter().map(FieldKey::read);
    Ok(quote! {
        #[allow(non_upper_case_globals)]
        impl #impl_generics #ident #ty_generics #where_clause {
            #(#keys)*
        }

        impl #impl_generics ::temporal_sdk::client::SearchAttributeSet for #ident #ty_generics #where_clause {
            const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[#(#listed),*];

            fn to_search_attributes(&self) -> ::temporal_sdk::client::SearchAttributes {
                let mut __attributes = ::temporal_sdk::client::SearchAttributes::new();
                #values
                __attributes
            }

            fn to_changes(&self) -> ::temporal_sdk::client::SearchAttributes {
                let mut __attributes = ::temporal_sdk::client::SearchAttributes::new();
                #changes
                __attributes
            }

            fn from_search_attributes(
                __attributes: &::temporal_sdk::client::SearchAttributes,
            ) -> ::core::result::Result<Self, ::temporal_sdk::client::SearchAttributeError> {
                ::core::result::Result::Ok(Self { #(#fields),* })
            }
        }

        impl #impl_generics ::core::convert::From<#ident #ty_generics> for ::temporal_sdk::client::SearchAttributes
        #where_clause
        {
            fn from(attributes: #ident #ty_generics) -> Self {
                ::temporal_sdk::client::SearchAttributeSet::to_search_attributes(&attributes)
            }
        }
    })
}

/// A field.
struct FieldKey<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    field: &'a Field,
    name: LitStr,
    text: bool,
}

fn read(item: &DeriveInput) -> syn::Result<Vec<FieldKey<'_>>> {
    const STRUCT: &str = "search attributes have names: derive this on a struct with named fields";
    let Data::Struct(data) = &item.data else {
        return Err(syn::Error::new_spanned(&item.ident, STRUCT));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(syn::Error::new_spanned(&item.ident, STRUCT));
    };
    let mut names = HashMap::new();
    let mut attributes = Vec::new();
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let mut attribute = FieldKey {
            ident,
            ty: &field.ty,
            field,
            name: LitStr::new(&pascal_case(ident), ident.span()),
            text: false,
        };
        attribute.options()?;
        if names.insert(attribute.name.value(), ()).is_some() {
            let message = format!("there is a search attribute \"{}\" already", attribute.name.value());
            return Err(syn::Error::new(attribute.name.span(), message));
        }
        attributes.push(attribute);
    }
    Ok(attributes)
}

impl FieldKey<'_> {
    fn options(&mut self) -> syn::Result<()> {
        let own = |attribute: &&Attribute| attribute.path().is_ident("search_attribute");
        for attribute in self.field.attrs.iter().filter(own) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("text") {
                    self.text = true;
                    return Ok(());
                }
                if meta.path.is_ident("name") {
                    return match meta.value()?.parse::<Expr>()? {
                        Expr::Lit(syn::ExprLit {
                            lit: Lit::Str(name), ..
                        }) if !name.value().is_empty() => {
                            self.name = name;
                            Ok(())
                        }
                        other => Err(syn::Error::new_spanned(
                            other,
                            "write the name as a text: `name = \"CustomerId\"`",
                        )),
                    };
                }
                Err(meta.error("unknown option: `#[search_attribute]` takes `name = \"…\"` and `text`"))
            })?;
        }
        Ok(())
    }

    /// The type of the value, which a field of another type has not.
    fn value(&self) -> TokenStream {
        let ty = self.ty;
        quote_spanned!(ty.span()=> <#ty as ::temporal_sdk::client::SearchAttributeField>::Value)
    }

    fn key(&self) -> TokenStream {
        let (ident, name, value) = (self.ident, &self.name, self.value());
        let visibility = &self.field.vis;
        let make = if self.text {
            quote_spanned!(self.ty.span()=> text)
        } else {
            quote_spanned!(self.ty.span()=> own)
        };
        let line = format!("The key of the search attribute `{}`.", name.value());
        quote_spanned! {self.ty.span()=>
            #[doc = #line]
            #visibility const #ident: ::temporal_sdk::client::SearchAttributeKey<#value> =
                ::temporal_sdk::client::SearchAttributeKey::#make(#name);
        }
    }

    fn listed(&self) -> TokenStream {
        let (name, value) = (&self.name, self.value());
        if self.text {
            return quote!((#name, "Text"));
        }
        quote!((#name, <#value as ::temporal_sdk::client::OwnKind>::KIND))
    }

    fn put(&self, unset: bool) -> TokenStream {
        let (ident, ty) = (self.ident, self.ty);
        quote! {
            <#ty as ::temporal_sdk::client::SearchAttributeField>::put(
                &self.#ident,
                &Self::#ident,
                #unset,
                &mut __attributes,
            );
        }
    }

    fn read(&self) -> TokenStream {
        let (ident, ty) = (self.ident, self.ty);
        quote! {
            #ident: <#ty as ::temporal_sdk::client::SearchAttributeField>::read(&Self::#ident, __attributes)?
        }
    }
}

/// `customer_id` as `CustomerId`.
fn pascal_case(ident: &Ident) -> String {
    let name = ident.to_string();
    let words = name.strip_prefix("r#").unwrap_or(&name).split('_');
    words
        .filter_map(|word| {
            let mut letters = word.chars();
            let first = letters.next()?;
            Some(first.to_uppercase().chain(letters).collect::<String>())
        })
        .collect()
}
