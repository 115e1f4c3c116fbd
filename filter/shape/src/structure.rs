//! A struct: an object with these fields and no others.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataStruct, DeriveInput, Error, Field, Fields, Ident, Result, Type};

use crate::attributes::{self, Fill, Said};

/// One field.
struct Member<'i> {
    ident: &'i Ident,
    name: String,
    said: Said,
    is_option: bool,
}

impl<'i> Member<'i> {
    fn of(field: &'i Field) -> Result<Self> {
        let said = attributes::read(&field.attrs, &["default", "rename"])?;
        let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "a field has no name"))?;
        let name = said.rename.clone().unwrap_or_else(|| ident.to_string());
        Ok(Self { ident, name, said, is_option: is_option(&field.ty) })
    }

    fn blank(&self) -> TokenStream {
        let ident = self.ident;
        let default = self.said.default.as_ref().map(Fill::expression);
        let value = default.unwrap_or_else(|| quote!(crate::config::Shape::blank()));
        quote!(#ident: #value)
    }
}

pub(crate) fn derive(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let said = attributes::read(&input.attrs, &["deny_unknown_fields", "default"])?;
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(input, "`Shape` needs named fields"));
    };
    if !said.is_strict {
        return Err(Error::new_spanned(&input.ident, "`Shape` needs #[serde(deny_unknown_fields)]"));
    }
    let members = fields.named.iter().map(Member::of).collect::<Result<Vec<_>>>()?;
    if members.len() > 64 {
        return Err(Error::new_spanned(&input.ident, "`Shape` takes no more than 64 fields"));
    }
    let required = members.iter().enumerate().fold(0_u64, |mask, (index, member)| {
        let is_required = said.default.is_none() && member.said.default.is_none() && !member.is_option;
        mask | u64::from(is_required) << index
    });
    let blanks = members.iter().map(Member::blank);
    let default = said.default.as_ref().map(Fill::expression);
    let blank = default.unwrap_or_else(|| quote!(Self { #(#blanks),* }));
    let (ident, names) = (&input.ident, members.iter().map(|member| &member.name));
    let lines = members.iter().enumerate().map(
        |(index, Member { ident, .. })| quote!(#index => crate::config::Shape::read(&mut self.#ident, field)),
    );
    Ok(quote! {
        impl crate::config::Shape for #ident {
            fn blank() -> Self {
                #blank
            }

            fn read(&mut self, node: &crate::config::Node<'_>) -> crate::config::ReadResult {
                *self = crate::config::Shape::blank();
                node.fields(&[#(#names),*], #required, &mut |index, field| match index {
                    #(#lines,)*
                    _ => ::core::result::Result::Ok(()),
                })
            }
        }
    })
}

/// By its name, as serde does.
fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}
