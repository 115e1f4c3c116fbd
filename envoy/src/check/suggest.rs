//! What a misspelt name was meant to be.

/// The accepted name that is meant, where one is near enough. The core says "unknown field", the field, and the accepted
/// ones, all of them between backticks.
pub(crate) fn meant(message: &str) -> Option<&str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let found = quoted.next().filter(|_| message.starts_with("unknown "))?;
    quoted
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn names() {
        for (message, expected) in [
            ("unknown field `tenats`, expected one of `name`, `tenants`, `may`", Some("tenants")),
            ("unknown field `claimn`, expected `claim`", Some("claim")),
            ("unknown variant `cortx`, expected one of `cortex`, `mimir`", Some("cortex")),
            ("unknown field `zzz`, expected one of `name`, `may`", None),
            ("expected a string, found a number", None),
        ] {
            assert_eq!(meant(message), expected, "{message}");
        }
    }
}
