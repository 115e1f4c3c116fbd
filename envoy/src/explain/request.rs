//! A request as curl would send it.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use scopegate_core::http::{Headers, encode};

/// What curl calls the same.
#[derive(Args, Default)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestArguments {
    /// The method; by default GET, or POST where there are data
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    /// A header, `NAME: VALUE`
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// A form; `@FILE` for what a file holds, without its line ends
    #[arg(short = 'd', long = "data", visible_alias = "data-ascii", value_name = "DATA")]
    data: Vec<String>,
    /// A form's argument `NAME=VALUE`, whose value is escaped
    #[arg(long, value_name = "DATA")]
    data_urlencode: Vec<String>,
    /// A body; `@FILE` for the bytes of a file, as they are
    #[arg(long, value_name = "DATA", conflicts_with_all = ["data", "data_urlencode"])]
    data_binary: Option<String>,
    /// Puts the data into the URL
    #[arg(short = 'G', long)]
    get: bool,
    /// A user and a password, `NAME:PASSWORD`
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
}

/// A request, as it reaches the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Its headers, names in lower case, pseudo-headers first.
    pub(crate) head: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request of this method to a URL, without further headers.
    pub(crate) fn new(method: &str, url: &str, body: Vec<u8>) -> Result<Self> {
        ensure!(
            !method.is_empty() && method.bytes().all(|b| b.is_ascii_graphic()),
            "`{method}` is no method"
        );
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        ensure!(matches!(scheme, "http" | "https"), "`{url}` is no URL of http or https");
        let rest = rest.split('#').next().unwrap_or_default();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        ensure!(
            url.bytes().all(|byte| byte > b' ' && byte != 0x7f),
            "a URL has no spaces: escape them as %20"
        );
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let pseudo = [(":authority", authority), (":method", method), (":path", &path), (":scheme", scheme)];
        let head = pseudo.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        Ok(Self { head: head.into(), body })
    }

    /// Adds a header, or sets what stands for it in HTTP/2.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        let name = name.to_ascii_lowercase();
        if name == "host" {
            self.set(":authority", value);
        } else {
            self.head.push((name, value.to_vec()));
        }
    }

    /// Leaves a header with exactly this value.
    pub(crate) fn set(&mut self, name: &str, value: &[u8]) {
        match self.head.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.head.push((name.to_owned(), value.to_vec())),
        }
    }

    /// Its headers as the core takes them.
    pub(crate) fn headers(&self) -> Headers<'_> {
        Headers::new(self.head.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect())
    }

    /// The header as text, where it is there once.
    pub(crate) fn text(&self, name: &str) -> String {
        let value = self.head.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    }
}

impl RequestArguments {
    /// The request to a URL.
    pub(crate) fn request(&self, url: &str) -> Result<Request> {
        let form = self.form()?;
        let (mut url, mut body) = (url.to_owned(), None);
        match (form, &self.data_binary) {
            (Some(form), _) if self.get => {
                url = url.split('#').next().unwrap_or_default().to_owned();
                url.push(if url.contains('?') { '&' } else { '?' });
                url.push_str(core::str::from_utf8(&form).context("data that go into a URL are text")?);
            }
            (Some(form), _) => body = Some(form),
            (None, Some(data)) => body = Some(content(data)?),
            (None, None) => {}
        }
        let method = self.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
        let has_body = body.is_some();
        let mut request = Request::new(method, &url, body.unwrap_or_default())?;
        let mut defaults = vec![("accept", b"*/*".to_vec())];
        if has_body {
            defaults.push(("content-length", request.body.len().to_string().into_bytes()));
            defaults.push(("content-type", b"application/x-www-form-urlencoded".to_vec()));
        }
        if let Some(user) = &self.user {
            ensure!(user.contains(':'), "--user: give the password too, NAME:PASSWORD");
            defaults.push(("authorization", format!("Basic {}", STANDARD.encode(user)).into_bytes()));
        }
        for header in &self.headers {
            let Some((name, value)) = header.split_once(':') else {
                bail!("-H: `{header}` is no header: give `NAME: VALUE`");
            };
            let name = name.trim().to_ascii_lowercase();
            ensure!(!name.is_empty(), "-H: `{header}` has no name");
            defaults.retain(|(known, _)| *known != name);
            // Like curl: without a value it takes the default away.
            if !value.trim().is_empty() {
                request.add(&name, value.trim().as_bytes());
            }
        }
        request.head.extend(defaults.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Ok(request)
    }

    /// What `--data` and `--data-urlencode` make together.
    fn form(&self) -> Result<Option<Vec<u8>>> {
        let mut pieces = Vec::new();
        for data in &self.data {
            let mut piece = content(data)?;
            if data.starts_with('@') {
                piece.retain(|byte| !b"\r\n\0".contains(byte));
            }
            pieces.push(piece);
        }
        for data in &self.data_urlencode {
            let (name, value) = data.split_once('=').unwrap_or(("", data));
            let mut piece = if name.is_empty() { String::new() } else { format!("{name}=") };
            encode(&mut piece, value.as_bytes());
            pieces.push(piece.into_bytes());
        }
        Ok((!pieces.is_empty()).then(|| pieces.join(&b'&')))
    }
}

/// The text itself, or what the file holds that `@FILE` names.
pub(crate) fn content(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix('@') {
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {file}")),
        None => Ok(text.as_bytes().to_vec()),
    }
}
