//! A registry, by OCI's distribution specification: blobs, then the manifest that names them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::challenge::{Challenge, parse};
use super::credentials::{Credentials, PASSWORD, USERNAME};
use super::reference::Reference;
use crate::package::Blob;

/// How long one call may take. A module is about a megabyte.
const TIMEOUT: Duration = Duration::from_secs(120);
/// What is read of an answer at most, in bytes.
const ANSWER: u64 = 64 << 10;

/// A registry that one repository is pushed to.
pub(super) struct Registry {
    agent: Agent,
    /// `https://registry.example.org`
    base: String,
    repository: String,
    plain: bool,
    credentials: Credentials,
    /// What it let us in with.
    authorization: Option<String>,
}

/// What was sent, and how it was answered.
struct Answer {
    response: Response<Body>,
    url: String,
}

impl Registry {
    pub(super) fn new(reference: &Reference, credentials: Credentials, plain: bool) -> Self {
        let roots = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Whoever is led elsewhere must not take the credentials along.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("scopegate/", env!("CARGO_PKG_VERSION")))
            .tls_config(roots)
            .build();
        let host =
            if reference.registry == "docker.io" { "registry-1.docker.io" } else { &reference.registry };
        Self {
            agent: Agent::new_with_config(config),
            base: format!("{}://{host}", if plain { "http" } else { "https" }),
            repository: reference.repository.clone(),
            plain,
            credentials,
            authorization: None,
        }
    }

    /// Uploads a blob, unless it is there; whether it had to.
    pub(super) fn put_blob(&mut self, blob: &Blob) -> Result<bool> {
        let url = format!("{}/v2/{}/blobs/{}", self.base, self.repository, blob.digest);
        let there = self.call(&Method::HEAD, &url, "", None)?;
        // Where blobs lie elsewhere, one that is there leads to it.
        if there.response.status().is_success() || there.response.status().is_redirection() {
            return Ok(false);
        }
        let url = format!("{}/v2/{}/blobs/uploads/", self.base, self.repository);
        let begun = self.call(&Method::POST, &url, "", Some(&[]))?.expect(202, "begin an upload")?;
        let location = begun.response.headers().get("location").and_then(|value| value.to_str().ok());
        let location = self.absolute(location.context("the registry does not say where to upload")?)?;
        let mark = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{mark}digest={}", blob.digest);
        self.call(&Method::PUT, &url, "application/octet-stream", Some(&blob.bytes))?
            .expect(201, "upload a blob")?;
        Ok(true)
    }

    /// Uploads the manifest under a tag.
    pub(super) fn put_manifest(&mut self, manifest: &Blob, tag: &str) -> Result<()> {
        let url = format!("{}/v2/{}/manifests/{tag}", self.base, self.repository);
        let answer = self
            .call(&Method::PUT, &url, &manifest.media_type, Some(&manifest.bytes))?
            .expect(201, "upload the manifest")?;
        let said =
            answer.response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        if let Some(said) = said {
            ensure!(
                said == manifest.digest,
                "the registry took it for {said}, and it is {}",
                manifest.digest
            );
        }
        Ok(())
    }

    /// One call; where the registry asks who we are, a second one that says so.
    fn call(&mut self, method: &Method, url: &str, media_type: &str, body: Option<&[u8]>) -> Result<Answer> {
        let answer = self.send(method, url, media_type, body)?;
        if answer.status() != 401 || !self.is_ours(url) {
            return Ok(answer);
        }
        let headers = answer.response.headers().get_all("www-authenticate");
        let challenge = parse(headers.iter().filter_map(|value| value.to_str().ok()));
        let challenge =
            challenge.context("the registry asks for credentials of a kind that is not known here")?;
        self.authorization = self.authorize(&challenge)?;
        let answer = self.send(method, url, media_type, body)?;
        if answer.status() == 401 {
            let what = if self.credentials.are_there() {
                "it does not take these credentials"
            } else {
                "it asks who you are"
            };
            bail!(
                "{}: {what}: log in with `docker login` or `podman login`, or set {USERNAME} and {PASSWORD}{}",
                self.base,
                answer.reason()
            );
        }
        Ok(answer)
    }

    fn send(&self, method: &Method, url: &str, media_type: &str, body: Option<&[u8]>) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(url);
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        if let Some(authorization) = self.authorization.as_deref().filter(|_| self.is_ours(url)) {
            request = request.header("authorization", authorization);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body)?),
            None => self.agent.run(request.body(())?),
        };
        let response = response.with_context(|| {
            let advice = if self.plain { "" } else { " (a registry without TLS needs --plain-http)" };
            format!("cannot reach {}{advice}", self.base)
        })?;
        Ok(Answer { response, url: url.to_owned() })
    }

    /// What to say after a challenge: a password to the registry itself, or what a token's place gives for it.
    fn authorize(&self, challenge: &Challenge) -> Result<Option<String>> {
        let Challenge::Bearer { realm, service } = challenge else { return Ok(self.credentials.basic()) };
        let is_safe = realm.starts_with("https://") || (self.plain && realm.starts_with("http://"));
        ensure!(is_safe, "the registry sends for a token to {realm:?}, which is not encrypted");
        let scope = format!("repository:{}:pull,push", self.repository);
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(service) = service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", &scope);
        let response = if let Credentials::Refresh { token } = &self.credentials {
            query.append_pair("client_id", "scopegate");
            query.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token);
            let request = Request::post(realm).header("content-type", "application/x-www-form-urlencoded");
            self.agent.run(request.body(query.finish())?)
        } else {
            let mark = if realm.contains('?') { '&' } else { '?' };
            let mut request = Request::get(format!("{realm}{mark}{}", query.finish()));
            if let Some(basic) = self.credentials.basic() {
                request = request.header("authorization", basic);
            }
            self.agent.run(request.body(())?)
        };
        let response =
            response.with_context(|| format!("cannot reach {realm}, where the registry gives tokens"))?;
        let answer = Answer { response, url: realm.clone() }.expect(200, "get a token")?;
        let value: Value = serde_json::from_str(&answer.text()).context("the token is no JSON")?;
        let token = ["token", "access_token"].iter().find_map(|name| value[name].as_str());
        Ok(Some(format!("Bearer {}", token.context("there is no token in the answer")?)))
    }

    /// Whether a URL is the registry's own, and not where it leads to.
    fn is_ours(&self, url: &str) -> bool {
        url.strip_prefix(&self.base).is_some_and(|path| path.starts_with('/'))
    }

    /// A `Location` as a whole URL.
    fn absolute(&self, location: &str) -> Result<String> {
        if location.starts_with('/') {
            return Ok(format!("{}{location}", self.base));
        }
        let is_safe = location.starts_with("https://") || (self.plain && location.starts_with("http://"));
        ensure!(
            is_safe,
            "the registry leads the upload to {location:?}, which is not encrypted: its own address is set wrong (behind a \
             proxy it must know that it is reached over https)"
        );
        Ok(location.to_owned())
    }
}

impl Answer {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// That it is as it should be; else words for what to do.
    fn expect(self, wanted: u16, what: &str) -> Result<Self> {
        let status = self.status();
        // Some answer 200 or 204 where the specification has another success.
        if status == wanted || self.response.status().is_success() {
            return Ok(self);
        }
        let advice = match status {
            401 => "these credentials are not taken: log in anew",
            403 => "these credentials may not push here",
            404 => {
                "there is no such repository, or you may not see it: some registries want it to be made first"
            }
            405 => "it takes no pushes: is it a mirror?",
            413 => "something before the registry takes no bodies of this size",
            429 => "too many requests: try again later",
            300..=399 => "it leads elsewhere: name the registry by its own address",
            500..=599 => "the registry or something before it failed: try again, and look at its log",
            _ => "see its own words",
        };
        let place = self.place().to_owned();
        bail!("cannot {what} at {place}: {status}: {advice}{}", self.reason())
    }

    /// Where it was sent, without arguments, which may be secret.
    fn place(&self) -> &str {
        self.url.split('?').next().unwrap_or(&self.url)
    }

    /// The registry's own words, if there are any.
    fn reason(self) -> String {
        let text = self.text();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let error = &value["errors"][0];
        let words: Vec<&str> =
            [&error["code"], &error["message"]].into_iter().filter_map(Value::as_str).collect();
        if words.is_empty() { String::new() } else { format!(" ({})", words.join(": ").escape_debug()) }
    }

    fn text(mut self) -> String {
        self.response
            .body_mut()
            .with_config()
            .limit(ANSWER)
            .lossy_utf8(true)
            .read_to_string()
            .unwrap_or_default()
    }
}
