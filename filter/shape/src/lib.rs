//! `#[derive(Shape)]`: how a type of the configuration is read, for `scopegate_core::config::Shape`.
//!
//! It reads the attributes of serde, since the schema is made from the same, and knows of them only what the
//! configuration uses; anything else does not compile. What it writes is small, since every worker of Envoy compiles it:
//! a table of names, and one line for each field. The walking, the checks and the errors are in `config/shape.rs`,
//! once for all types.
#![forbid(unsafe_code)]

mod attributes;
mod enumeration;
mod structure;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, Error, parse_macro_input};

/// Implements `Shape` for a struct with named fields, or an enum whose variants hold nothing or one value.
///
/// | attribute | on | meaning |
/// |---|---|---|
/// | `deny_unknown_fields` | struct | always needed: no other way of reading is offered, and the schema must say so |
/// | `default` | struct, field | what is not there is as in `Default` |
/// | `default = "path"` | field | what is not there is what this function gives |
/// | `rename = "name"` | field, variant | its name in the configuration |
/// | `rename_all = "…"` | enum | `lowercase`, `UPPERCASE` or `snake_case` |
///
/// A field that is an `Option` need not be there, and may be null.
#[proc_macro_derive(Shape, attributes(serde))]
pub fn shape(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let result = match &input.data {
        Data::Struct(data) => structure::derive(&input, data),
        Data::Enum(data) => enumeration::derive(&input, data),
        Data::Union(_) => Err(Error::new_spanned(&input, "a union has no shape")),
    };
    result.unwrap_or_else(Error::into_compile_error).into()
}
