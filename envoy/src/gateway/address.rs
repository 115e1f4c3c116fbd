//! URLs of servers, and addresses to listen on.

use std::net::{IpAddr, SocketAddr};

use super::{Name, Problem};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Whether it is an IP address, for which nobody need be asked.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Who a certificate must be for.
    pub(crate) fn name(&self) -> Name {
        match self.ip() {
            Some(_) => Name::Address(self.host.clone()),
            None => Name::Dns(self.host.clone()),
        }
    }
}

/// One or several servers that are called alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) is_https: bool,
    pub(crate) endpoints: Vec<Endpoint>,
    /// The path without a slash at its end, so empty where there is none.
    pub(crate) path: String,
    /// What follows the first `//`, to the path: the `Host`.
    pub(crate) authority: String,
}

impl Origin {
    /// Reads URLs, which stand at `path`. They have one scheme and one path.
    pub(crate) fn parse<'u>(urls: impl IntoIterator<Item = &'u str>, path: &str) -> Result<Self, Problem> {
        let mut origin: Option<Self> = None;
        for url in urls {
            let one = Self::one(url)
                .map_err(|problem| Problem::error(path, format!("{problem}: `{}`", without_secret(url))))?;
            match &mut origin {
                None => origin = Some(one),
                Some(first) if first.is_https == one.is_https && first.path == one.path => {
                    first.endpoints.extend(one.endpoints);
                }
                Some(_) => {
                    return Err(Problem::error(path, "several URLs have one scheme and one path"));
                }
            }
        }
        origin.ok_or_else(|| Problem::error(path, "there is no URL"))
    }

    fn one(url: &str) -> Result<Self, &'static str> {
        let (is_https, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err("a URL begins with `http://` or `https://`"),
        };
        if rest.contains(['?', '#']) {
            return Err("a URL of a server has no query and no fragment");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("a URL holds no credentials: give a `credential`");
        }
        let path = path.trim_end_matches('/');
        let has_dots = path.split('/').any(|segment| segment == "." || segment == "..");
        if has_dots
            || path.contains("//")
            || path.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'%')
        {
            return Err("the path is not canonical");
        }
        let (host, port) = host_and_port(authority)?;
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        let endpoint = Endpoint { host, port };
        Ok(Self {
            is_https,
            endpoints: vec![endpoint],
            path: path.to_owned(),
            authority: authority.to_owned(),
        })
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("an IPv6 address stands in brackets")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "in brackets stands an IPv6 address")?;
            (
                host,
                rest.strip_prefix(':')
                    .or(rest.is_empty().then_some(""))
                    .ok_or("no port follows the address")?,
            )
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_name) || (port.contains(':')) {
        return Err("the host is a name, an IPv4 address, or an IPv6 address in brackets");
    }
    let port = match port {
        "" => None,
        port => Some(port.parse().ok().filter(|port| *port != 0).ok_or("the port is a number up to 65535")?),
    };
    Ok((host.to_owned(), port))
}

/// A URL that may be shown.
fn without_secret(url: &str) -> String {
    let Some((before, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{before}://…@{host}{path}"),
        None => url.to_owned(),
    }
}

/// Reads an address to listen on, which stands at `path`.
pub(crate) fn listening(text: &str, path: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| {
        let message = format!("expected an IP address with a port, found `{text}`");
        Problem::error(path, message).help("such as \"0.0.0.0:8080\" or \"[::]:8080\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let endpoint = |host: &str, port| Endpoint { host: host.to_owned(), port };
        for (url, is_https, expected, path, authority) in [
            ("http://distributor", false, endpoint("distributor", 80), "", "distributor"),
            ("http://distributor:9009/", false, endpoint("distributor", 9009), "", "distributor:9009"),
            ("https://a.example.org", true, endpoint("a.example.org", 443), "", "a.example.org"),
            ("https://a/cortex/", true, endpoint("a", 443), "/cortex", "a"),
            ("http://[::1]:9009", false, endpoint("::1", 9009), "", "[::1]:9009"),
            ("http://[fd00::7]", false, endpoint("fd00::7", 80), "", "[fd00::7]"),
            ("http://10.0.0.7:80/a/b", false, endpoint("10.0.0.7", 80), "/a/b", "10.0.0.7:80"),
        ] {
            let origin = Origin::parse([url], "url").unwrap();
            let authority = authority.to_owned();
            let expected = Origin { is_https, endpoints: vec![expected], path: path.to_owned(), authority };
            assert_eq!(origin, expected, "{url}");
        }
        for (url, problem) in [
            ("distributor:9009", "begins with `http://`"),
            ("ftp://a", "begins with `http://`"),
            ("http://", "the host is"),
            ("http://a:0", "the port is"),
            ("http://a:99999", "the port is"),
            ("http://::1", "the host is"),
            ("http://[::1", "brackets"),
            ("http://[a]:80", "brackets"),
            ("http://[::1]80", "no port"),
            ("http://a/?b", "no query"),
            ("http://a//b", "not canonical"),
            ("http://a/%2e", "not canonical"),
            ("http://a/b/../c", "not canonical"),
            ("http://me:secret@a/x", "no credentials: give a `credential`: `http://…@a/x`"),
        ] {
            let found = Origin::parse([url], "url").unwrap_err().message;
            assert!(found.contains(problem) && !found.contains("secret"), "{url}: {found}");
        }
    }

    #[test]
    fn several_urls() {
        let origin = Origin::parse(["http://a:1/x", "http://b:2/x"], "url").unwrap();
        assert_eq!(origin.endpoints.len(), 2);
        assert!(Origin::parse(["http://a/x", "http://b/y"], "url").is_err());
        assert!(Origin::parse(["http://a", "https://b"], "url").is_err());
        assert!(Origin::parse([], "url").is_err());
    }
}
