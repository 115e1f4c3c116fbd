//! Against a stand-in that answers as real registries do, each with a way of its own to be asked for credentials.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::package::Blob;

/// A request as it arrived.
#[derive(Clone, Debug)]
struct Seen {
    /// Method and path.
    line: String,
    authorization: Option<String>,
    content_type: Option<String>,
    body: Vec<u8>,
}

/// Status, headers, body.
type Reply = (u16, Vec<(&'static str, String)>, String);

/// Serves `answer` on a port of its own; what came is kept.
struct StandIn {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl StandIn {
    fn start(answer: impl Fn(&str, &Seen) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (own, kept) = (address.clone(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = receive(&stream) else { continue };
                let (status, headers, body) = answer(&own, &request);
                kept.lock().expect("unpoisoned").push(request);
                let mut text =
                    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    let _ = write!(text, "{name}: {value}\r\n");
                }
                let _ = (&stream).write_all(format!("{text}\r\n{body}").as_bytes());
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("unpoisoned").clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

fn receive(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut lines = reader.by_ref().lines().map_while(Result::ok);
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: BTreeMap<String, String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let get = |name: &str| headers.get(name).cloned();
    Some(Seen { line, authorization: get("authorization"), content_type: get("content-type"), body })
}

/// What a registry answers to someone whom it lets in.
fn let_in(own: &str, request: &Seen) -> Reply {
    let (method, path) = request.line.split_once(' ').expect("two words");
    match method {
        "HEAD" if path.ends_with("there") => (200, vec![], String::new()),
        "HEAD" => (404, vec![], String::new()),
        "POST" => (202, vec![("location", format!("http://{own}/upload?state=x"))], String::new()),
        _ => (201, vec![], String::new()),
    }
}

fn packaged() -> Packaged {
    let config = Blob::new("application/vnd.oci.image.config.v1+json", b"{}".to_vec());
    let layer = Blob::new("application/x", b"layer".to_vec());
    let manifest = Blob::new("application/vnd.oci.image.manifest.v1+json", b"manifest".to_vec());
    Packaged { manifest, blobs: vec![config, layer], annotations: json!({VERSION: "1.2.3"}) }
}

fn password() -> Credentials {
    Credentials::Password { username: "user".to_owned(), password: "secret".to_owned() }
}

fn push_to(stand_in: &StandIn, credentials: Credentials) -> Result<String> {
    let reference: Reference = format!("{}/team/scopegate", stand_in.address).parse()?;
    push(&mut Registry::new(&reference, credentials, true), &reference, &packaged())
}

#[test]
fn blobs_go_before_the_manifest() -> Result<()> {
    let stand_in = StandIn::start(let_in);
    let pushed = push_to(&stand_in, Credentials::Anonymous)?;
    let [config, layer, manifest] =
        [&packaged().blobs[0], &packaged().blobs[1], &packaged().manifest].map(|blob| blob.digest.clone());
    assert_eq!(pushed, format!("{}/team/scopegate:1.2.3@{manifest}", stand_in.address));
    assert_eq!(
        stand_in.lines(),
        [
            format!("HEAD /v2/team/scopegate/blobs/{config}"),
            "POST /v2/team/scopegate/blobs/uploads/".to_owned(),
            format!("PUT /upload?state=x&digest={config}"),
            format!("HEAD /v2/team/scopegate/blobs/{layer}"),
            "POST /v2/team/scopegate/blobs/uploads/".to_owned(),
            format!("PUT /upload?state=x&digest={layer}"),
            "PUT /v2/team/scopegate/manifests/1.2.3".to_owned(),
        ]
    );
    let seen = stand_in.seen();
    assert_eq!(seen[5].body, b"layer");
    assert_eq!(seen[6].body, b"manifest");
    assert_eq!(seen[6].content_type.as_deref(), Some("application/vnd.oci.image.manifest.v1+json"));
    assert!(seen.iter().all(|seen| seen.authorization.is_none()));
    Ok(())
}

#[test]
fn what_is_there_is_not_sent_again() -> Result<()> {
    let stand_in = StandIn::start(|own, request| {
        let there = request.line.starts_with("HEAD");
        if there {
            (307, vec![("location", "http://elsewhere.invalid/".to_owned())], String::new())
        } else {
            let_in(own, request)
        }
    });
    push_to(&stand_in, Credentials::Anonymous)?;
    assert_eq!(stand_in.lines().len(), 3);
    Ok(())
}

#[test]
fn whoever_is_asked_says_who_they_are() -> Result<()> {
    const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";
    // The credentials, how the registry asks, what it wants to hear, and what the place of tokens was told.
    let refresh = || Credentials::Refresh { token: "r&r".to_owned() };
    let cases = [
        (password(), "Basic realm=\"x\"", BASIC, vec![]),
        (
            password(),
            "Bearer realm=\"http://OWN/token\",service=\"s s\"",
            "Bearer t",
            vec![format!(
                "GET /token?service=s+s&scope=repository%3Ateam%2Fscopegate%3Apull%2Cpush {BASIC} "
            )],
        ),
        (
            Credentials::Anonymous,
            "Bearer realm=\"http://OWN/token?a=b\"",
            "Bearer t",
            vec!["GET /token?a=b&scope=repository%3Ateam%2Fscopegate%3Apull%2Cpush - ".to_owned()],
        ),
        (
            refresh(),
            "Bearer realm=\"http://OWN/token\"",
            "Bearer t",
            vec![
                "POST /token - scope=repository%3Ateam%2Fscopegate%3Apull%2Cpush&client_id=scopegate\
                 &grant_type=refresh_token&refresh_token=r%26r"
                    .to_owned(),
            ],
        ),
    ];
    for (credentials, challenge, wanted, tokens) in cases {
        let stand_in = StandIn::start(move |own, request| {
            if request.line.contains(" /token") {
                return (200, vec![], json!({"access_token": "t"}).to_string());
            }
            if request.authorization.as_deref() != Some(wanted) {
                return (401, vec![("www-authenticate", challenge.replace("OWN", own))], String::new());
            }
            let_in(own, request)
        });
        push_to(&stand_in, credentials)?;
        let asked: Vec<String> = stand_in
            .seen()
            .into_iter()
            .filter(|seen| seen.line.contains("/token"))
            .map(|seen| {
                let body = String::from_utf8_lossy(&seen.body).into_owned();
                format!("{} {} {body}", seen.line, seen.authorization.as_deref().unwrap_or("-"))
            })
            .collect();
        assert_eq!(asked, tokens, "{challenge}");
    }
    Ok(())
}

/// Storage that a registry leads to learns nothing of the credentials.
#[test]
fn credentials_stay_with_the_registry() -> Result<()> {
    let storage = StandIn::start(|_, _| (201, vec![], String::new()));
    let elsewhere = storage.address.clone();
    let stand_in = StandIn::start(move |own, request| {
        if request.authorization.is_none() {
            return (401, vec![("www-authenticate", "Basic realm=\"x\"".to_owned())], String::new());
        }
        if request.line.starts_with("POST") {
            return (202, vec![("location", format!("http://{elsewhere}/up"))], String::new());
        }
        let_in(own, request)
    });
    push_to(&stand_in, password())?;
    assert_eq!(storage.seen().len(), 2);
    assert!(storage.seen().iter().all(|seen| seen.authorization.is_none()));
    assert!(stand_in.seen().iter().skip(1).all(|seen| seen.authorization.is_some()));
    Ok(())
}

#[test]
fn refusals_say_what_to_do() {
    let own_words = json!({"errors": [{"code": "DENIED", "message": "quota\nreached"}]}).to_string();
    let basic = "Basic realm=\"x\"";
    let cases = [
        (401, basic, Credentials::Anonymous, "it asks who you are: log in with `docker login`"),
        (401, basic, password(), "it does not take these credentials: log in"),
        (401, "Negotiate", password(), "asks for credentials of a kind that is not known here"),
        (
            401,
            "Bearer realm=\"ftp://x/\"",
            password(),
            "sends for a token to \"ftp://x/\", which is not encrypted",
        ),
        (403, "", password(), "403: these credentials may not push here (DENIED: quota\\nreached)"),
        (404, "", password(), "there is no such repository"),
        (405, "", password(), "it takes no pushes"),
        (307, "", password(), "name the registry by its own address"),
        (502, "", password(), "try again, and look at its log"),
    ];
    for (status, challenge, credentials, expected) in cases {
        let own_words = own_words.clone();
        let stand_in = StandIn::start(move |own, request| {
            if request.line.starts_with("HEAD") && status != 401 {
                return let_in(own, request);
            }
            (status, vec![("www-authenticate", challenge.to_owned())], own_words.clone())
        });
        let error = format!("{:#}", push_to(&stand_in, credentials).expect_err(expected));
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn without_a_listener_or_tls_there_is_advice() {
    let stand_in = StandIn::start(let_in);
    let reference: Reference = format!("{}/a:1", stand_in.address).parse().expect("a reference");
    let mut registry = Registry::new(&reference, Credentials::Anonymous, false);
    let error = format!("{:#}", push(&mut registry, &reference, &packaged()).expect_err("no TLS there"));
    assert!(error.contains("cannot reach https://127.0.0.1"), "{error}");
    assert!(error.contains("needs --plain-http"), "{error}");
}

#[test]
fn a_registry_that_takes_it_for_something_else_is_told_on() {
    let stand_in = StandIn::start(|own, request| {
        if request.line.contains("/manifests/") {
            return (201, vec![("docker-content-digest", "sha256:0".to_owned())], String::new());
        }
        let_in(own, request)
    });
    let error = format!("{:#}", push_to(&stand_in, Credentials::Anonymous).expect_err("another digest"));
    assert!(error.contains("the registry took it for sha256:0"), "{error}");
}
