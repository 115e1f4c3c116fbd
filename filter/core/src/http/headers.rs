//! Request headers as they came, and changes to them.

/// The headers of a request, pseudo-headers (`:path`) among them. Names are in lower case, as Envoy keeps
/// them; values are bytes, since what is not UTF-8 reaches a filter too.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a>(Vec<(&'a [u8], &'a [u8])>);

/// A header that may stand once only stands several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

impl<'a> Headers<'a> {
    /// Headers in the order they came.
    pub fn new(pairs: Vec<(&'a [u8], &'a [u8])>) -> Self {
        Self(pairs)
    }

    /// All values of the header `name`, in order.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.0.iter().filter(move |(key, _)| *key == name.as_bytes()).map(|(_, value)| *value)
    }

    /// The first value of the header `name`.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The value of a header that may stand once.
    pub fn only(&self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(value) }
    }

    /// The value of a pseudo-header, as text; empty where it is absent or not UTF-8, which nothing matches.
    pub fn pseudo(&self, name: &str) -> &'a str {
        self.first(name).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.0.iter().copied()
    }
}

/// Changes to the request's headers: first the removals, then what is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Headers of which every value goes.
    pub remove: Vec<String>,
    /// Headers that have exactly this value afterwards. Such a header stands at most once before.
    pub set: Vec<(String, String)>,
}

impl Edits {
    /// Removes every value of `name`, where there is one.
    pub fn remove(&mut self, headers: &Headers<'_>, name: &str) {
        if headers.first(name).is_some() {
            self.remove.push(name.to_owned());
        }
    }

    /// Leaves `name` with exactly `value`. Hosts replace only the first of several values, so those go first.
    pub fn set(&mut self, headers: &Headers<'_>, name: &str, value: &str) {
        if headers.only(name).is_err() {
            self.remove.push(name.to_owned());
        }
        self.set.push((name.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_values_are_bytes() {
        let headers = Headers::new(vec![(b":path", b"/\xff"), (b"a", b"1"), (b"ab", b""), (b"a", b"2")]);
        assert_eq!(headers.all("a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(
            (headers.first("a"), headers.first("A"), headers.first("")),
            (Some(&b"1"[..]), None, None)
        );
        assert_eq!(
            (headers.only("a"), headers.only("ab"), headers.only("b")),
            (Err(Repeated), Ok(Some(&b""[..])), Ok(None))
        );
        assert_eq!((headers.pseudo(":path"), headers.pseudo(":method"), headers.pseudo("a")), ("", "", "1"));
    }

    #[test]
    fn edits_leave_one_value_or_none() {
        let headers = Headers::new(vec![(b"once", b"1"), (b"twice", b"1"), (b"twice", b"2")]);
        let mut edits = Edits::default();
        for name in ["once", "twice", "never"] {
            edits.remove(&headers, name);
        }
        assert_eq!(edits.remove, ["once", "twice"]);
        let mut edits = Edits::default();
        for name in ["once", "twice", "never"] {
            edits.set(&headers, name, "x");
        }
        // Hosts replace only the first of several.
        assert_eq!(edits.remove, ["twice"]);
        assert_eq!(edits.set.len(), 3);
    }
}
