//! An enum: the name of a variant, or an object with that name and what the variant holds.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Error, Fields, Result, Variant};

use crate::attributes;

pub(crate) fn derive(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    let case = attributes::read(&input.attrs, &["rename_all"])?.rename_all;
    if data.variants.is_empty() || data.variants.len() > 64 {
        return Err(Error::new_spanned(&input.ident, "`Shape` takes 1 to 64 variants"));
    }
    let mut names = Vec::new();
    let mut blanks = Vec::new();
    let mut lines = Vec::new();
    let mut holding = 0_u64;
    for (index, variant) in data.variants.iter().enumerate() {
        let (ident, said) = (&variant.ident, attributes::read(&variant.attrs, &["rename"])?);
        let written = ident.to_string();
        names.push(said.rename.unwrap_or_else(|| case.map_or(written.clone(), |case| case.apply(&written))));
        if holds(variant)? {
            holding |= 1 << index;
            blanks.push(quote!(Self::#ident(crate::config::Shape::blank())));
            lines.push(quote! {
                #index => {
                    let mut held = crate::config::Shape::blank();
                    crate::config::Shape::read(&mut held, &content)?;
                    *self = Self::#ident(held);
                }
            });
        } else {
            blanks.push(quote!(Self::#ident));
            lines.push(quote!(#index => *self = Self::#ident,));
        }
    }
    let (ident, blank) = (&input.ident, blanks.first());
    let bound = if holding == 0 { quote!(_) } else { quote!(content) };
    Ok(quote! {
        impl crate::config::Shape for #ident {
            fn blank() -> Self {
                #blank
            }

            fn read(&mut self, node: &crate::config::Node<'_>) -> crate::config::ReadResult {
                let (index, #bound) = node.variant(&[#(#names),*], #holding)?;
                match index {
                    #(#lines)*
                    _ => {}
                }
                ::core::result::Result::Ok(())
            }
        }
    })
}

/// Whether a variant holds a value.
fn holds(variant: &Variant) -> Result<bool> {
    match &variant.fields {
        Fields::Unit => Ok(false),
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(true),
        _ => Err(Error::new_spanned(variant, "`Shape` takes variants that hold nothing or one value")),
    }
}
