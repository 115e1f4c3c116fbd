//! HTTP methods and sets of them.

use core::fmt;

use crate::config::Shape;

/// A method that a route can take. Methods outside this list are taken by none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum Method {
    /// GET.
    Get = 1,
    /// HEAD. The backends serve it on few paths, so GET does not imply it.
    Head = 1 << 1,
    /// POST.
    Post = 1 << 2,
    /// PUT.
    Put = 1 << 3,
    /// PATCH.
    Patch = 1 << 4,
    /// DELETE.
    Delete = 1 << 5,
    /// OPTIONS.
    Options = 1 << 6,
}

impl Method {
    /// All of them, in the order an `Allow` header lists them.
    const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// The method named by `text`. Methods are case-sensitive (RFC 9110, 9.1).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// The method as it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// A set of methods; displays as the value of an `Allow` header: `GET, POST`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods(u8);

impl Methods {
    /// Every method there is.
    pub(super) const ALL: Self = Self::of(&Method::ALL);

    /// The set of `methods`.
    pub const fn of(mut methods: &[Method]) -> Self {
        let mut bits = 0;
        while let [method, rest @ ..] = methods {
            bits |= *method as u8;
            methods = rest;
        }
        Self(bits)
    }

    /// Whether `method` is in the set.
    pub const fn contains(self, method: Method) -> bool {
        self.0 & method as u8 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its methods, in the order of `Allow`.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |method| self.contains(*method))
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, method) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn parses_exactly() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
            assert_eq!(Method::parse(&method.as_str().to_lowercase()), None);
        }
        for text in ["", "Get", "GET ", " GET", "TRACE", "CONNECT", "PROPFIND", "GET\0"] {
            assert_eq!(Method::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn displays_as_an_allow_header() {
        assert_eq!(Methods::of(&[Method::Post, Method::Get]).to_string(), "GET, POST");
        assert_eq!(Methods::of(&[Method::Delete]).to_string(), "DELETE");
        assert_eq!(Methods::default().to_string(), "");
        assert_eq!(Methods::ALL.to_string(), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }

    #[test]
    fn reads_the_names_of_the_configuration() {
        let read = |names: &[&str]| config::read::<Vec<Method>>(&names.into());
        assert_eq!(read(&["GET", "DELETE"]).unwrap(), [Method::Get, Method::Delete]);
        let error = read(&["get"]).unwrap_err().to_string();
        assert!(error.contains("expected one of `GET`, `HEAD`"), "{error}");
    }
}
