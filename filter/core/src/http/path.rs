//! Hosts and paths, taken apart without changing a byte.

/// `:path` without its query, and the query with its `?`.
pub fn split_query(target: &str) -> (&str, &str) {
    target.find('?').and_then(|at| target.split_at_checked(at)).unwrap_or((target, ""))
}

/// The rest of `path` below `prefix`, starting with `/`; `None` where it is not below it. The prefix `/`
/// and the empty one leave the path as it is.
pub fn under_prefix<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))
}

/// The host of an `:authority`, without its port.
pub fn host_name(authority: &str) -> &str {
    if authority.starts_with('[') {
        // An IPv6 address in brackets.
        return authority.find(']').and_then(|end| authority.get(..=end)).unwrap_or(authority);
    }
    authority.split_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        for (target, expected) in [
            ("/a", ("/a", "")),
            ("/a?b=c?d", ("/a", "?b=c?d")),
            ("/a#b?c", ("/a#b", "?c")),
            ("?", ("", "?")),
            ("", ("", "")),
        ] {
            assert_eq!(split_query(target), expected);
        }
        for (path, prefix, expected) in [
            ("/a/b", "/a", Some("/b")),
            ("/a/b", "/a/", Some("/b")),
            ("/ab", "/a", None),
            ("/a", "/a", None),
            ("/a/", "/a", Some("/")),
            ("/x", "", Some("/x")),
            ("/x", "/", Some("/x")),
        ] {
            assert_eq!(under_prefix(path, prefix), expected, "{path} {prefix}");
        }
        for (authority, expected) in
            [("a.org", "a.org"), ("a.org:80", "a.org"), ("[::1]:80", "[::1]"), ("[::1", "[::1"), ("", "")]
        {
            assert_eq!(host_name(authority), expected);
        }
    }
}
