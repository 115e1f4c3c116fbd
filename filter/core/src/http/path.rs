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

/// The host of an `:authority`, without its port. What is no host and port, such as `a@b` or `a,b`, two readers take for
/// two hosts: it has none, and is empty.
pub fn host_name(authority: &str) -> &str {
    let (host, port) = if authority.starts_with('[') {
        // An IPv6 address in brackets.
        let end = authority.find(']').map_or(0, |end| end.saturating_add(1));
        authority.split_at_checked(end).unwrap_or_default()
    } else {
        authority.split_at_checked(authority.find(':').unwrap_or(authority.len())).unwrap_or_default()
    };
    let in_brackets = |byte: u8| matches!(byte, b'[' | b']' | b':' | b'%') && host.starts_with('[');
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') || in_brackets(byte);
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if is_port && host.bytes().all(plain) { host } else { "" }
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
        for (authority, expected) in [
            ("a.org", "a.org"),
            ("a.org:80", "a.org"),
            ("[::1]:80", "[::1]"),
            ("[::1", ""),
            ("", ""),
            ("A_b-c.org.:", "A_b-c.org."),
            ("[fe80::1%25eth0]", "[fe80::1%25eth0]"),
            ("a.org:80@b.org", ""),
            ("a@b.org", ""),
            ("a@b.org:80", ""),
            ("a.org,b.org", ""),
            ("a.org:x", ""),
            ("a.org:80:80", ""),
            ("[::1]x", ""),
            ("[::1]@b.org", ""),
            ("a%2eorg", ""),
            ("a.org/b.org", ""),
            ("é.org", ""),
        ] {
            assert_eq!(host_name(authority), expected);
        }
    }
}
