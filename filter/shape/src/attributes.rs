//! What `#[serde(…)]` says about a type, a field or a variant.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Attribute, Error, LitStr, Path, Result};

/// Everything that may be said; each place takes a part of it.
#[derive(Default)]
pub(crate) struct Said {
    /// `deny_unknown_fields`
    pub(crate) is_strict: bool,
    /// `default`, with or without a function.
    pub(crate) default: Option<Fill>,
    /// `rename`
    pub(crate) rename: Option<String>,
    /// `rename_all`
    pub(crate) rename_all: Option<Case>,
}

/// Where the value of what is not there comes from.
pub(crate) enum Fill {
    Trait,
    Function(Path),
}

impl Fill {
    /// The expression.
    pub(crate) fn expression(&self) -> TokenStream {
        match self {
            Self::Trait => quote!(::core::default::Default::default()),
            Self::Function(path) => quote!(#path()),
        }
    }
}

/// How the names of variants are written.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    Lower,
    Upper,
    Snake,
}

impl Case {
    fn named(name: &LitStr) -> Result<Self> {
        match name.value().as_str() {
            "lowercase" => Ok(Self::Lower),
            "UPPERCASE" => Ok(Self::Upper),
            "snake_case" => Ok(Self::Snake),
            _ => Err(Error::new_spanned(name, "expected `lowercase`, `UPPERCASE` or `snake_case`")),
        }
    }

    /// The name of a variant, which is written in `PascalCase`.
    pub(crate) fn apply(self, variant: &str) -> String {
        match self {
            Self::Lower => variant.to_ascii_lowercase(),
            Self::Upper => variant.to_ascii_uppercase(),
            Self::Snake => {
                let mut name = String::new();
                for letter in variant.chars() {
                    if letter.is_ascii_uppercase() && !name.is_empty() {
                        name.push('_');
                    }
                    name.push(letter.to_ascii_lowercase());
                }
                name
            }
        }
    }
}

/// Reads the attributes; `allowed` are those that this place takes.
pub(crate) fn read(attributes: &[Attribute], allowed: &[&str]) -> Result<Said> {
    let mut said = Said::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.to_token_stream().to_string();
            if !allowed.contains(&name.as_str()) {
                return Err(meta.error(format!("`Shape` knows here only {}", allowed.join(", "))));
            }
            match name.as_str() {
                "deny_unknown_fields" => said.is_strict = true,
                "default" if meta.input.peek(syn::Token![=]) => {
                    let function: LitStr = meta.value()?.parse()?;
                    said.default = Some(Fill::Function(function.parse()?));
                }
                "default" => said.default = Some(Fill::Trait),
                "rename" => said.rename = Some(meta.value()?.parse::<LitStr>()?.value()),
                _ => said.rename_all = Some(Case::named(&meta.value()?.parse()?)?),
            }
            Ok(())
        })?;
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variants() {
        for (case, expected) in
            [(Case::Lower, "otlplogs"), (Case::Upper, "OTLPLOGS"), (Case::Snake, "otlp_logs")]
        {
            assert_eq!(case.apply("OtlpLogs"), expected);
        }
    }

    #[test]
    fn what_a_place_does_not_know_is_an_error() {
        let field: syn::Field =
            syn::parse_quote!(#[serde(default = "path::to", rename = "in")] values: Vec<u8>);
        let said = read(&field.attrs, &["default", "rename"]).unwrap_or_default();
        assert_eq!(said.rename.as_deref(), Some("in"));
        assert!(matches!(said.default, Some(Fill::Function(path)) if path.segments.len() == 2));
        let problem = |field: &syn::Field| match read(&field.attrs, &["default", "rename"]) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            problem(&syn::parse_quote!(#[serde(flatten)] a: u8)),
            "`Shape` knows here only default, rename"
        );
        assert_ne!(problem(&syn::parse_quote!(#[serde(rename)] a: u8)), "");
        assert_eq!(problem(&syn::parse_quote!(#[doc = "x"] a: u8)), "");
    }
}
