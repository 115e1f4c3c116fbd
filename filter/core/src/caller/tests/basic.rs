//! Users with passwords.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::super::testing::{KEY, Known, hashed, metadata};
use super::{Around, callers, compile, who};
use crate::caller::{Caller, password_hash, recognise};
use crate::config::Config;
use crate::http::Headers;
use crate::policy::Policy;
use crate::report::Refusal;

/// Two entries, the first of them with a user whose password is being replaced.
fn entries() -> Vec<Json> {
    let key = json!({"env": "KEY"});
    vec![
        json!({"name": "writers", "tenants": ["own"], "basic": {"key": key, "realm": "first", "users": [
            {"username": "old", "password": [hashed("old", b"one"), hashed("old", b"two")], "tenants": ["b", "a"]},
            {"username": "plain", "password": hashed("plain", b"pass:word")},
            {"username": "empty", "password": hashed("empty", b"")},
            {"username": "bytes", "password": hashed("bytes", b"\xff\x00")},
            {"username": "m\u{fc}ller", "password": hashed("m\u{fc}ller", "gr\u{fc}n".as_bytes())},
        ]}}),
        json!({"name": "readers", "tenants": ["all"], "basic": {"key": key, "users": [
            {"username": "reader", "password": hashed("reader", b"r")},
            {"username": "plain", "password": hashed("plain", b"shadowed")},
        ]}}),
    ]
}

fn basic(credentials: &[u8]) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(credentials)).into_bytes()
}

#[test]
fn credentials() {
    let callers = callers(&entries());
    let cases: &[(&str, &[u8], &str)] = &[
        ("right", b"plain:pass:word", "writers: own"),
        ("with tenants of its own", b"old:one", "writers: a|b"),
        ("the next password", b"old:two", "writers: a|b"),
        ("neither", b"old:three", "bad_credential"),
        ("both", b"old:onetwo", "bad_credential"),
        ("empty, where it is", b"empty:", "writers: own"),
        ("empty, where it is not", b"plain:", "bad_credential"),
        ("something, where it is empty", b"empty:x", "bad_credential"),
        ("no text", b"bytes:\xff\x00", "writers: own"),
        ("no text, another", b"bytes:\xff\x01", "bad_credential"),
        ("beyond ASCII", "m\u{fc}ller:gr\u{fc}n".as_bytes(), "writers: own"),
        ("a little more", b"plain:pass:word ", "bad_credential"),
        ("in other letters", b"plain:PASS:word", "bad_credential"),
        ("another's", b"plain:one", "bad_credential"),
        ("the hash itself", b"plain:hmac-sha256:", "bad_credential"),
        ("a user of the next entry", b"reader:r", "readers: all"),
        ("a user of the next entry, wrong", b"reader:x", "bad_credential"),
        ("a user of both: the first decides", b"plain:shadowed", "bad_credential"),
        ("an unknown user", b"nobody:one", "no_caller"),
        ("a user in other letters", b"OLD:one", "no_caller"),
        ("a user and a little more", b"old :one", "no_caller"),
        ("no user", b":one", "no_caller"),
        ("a user that is no text", b"\xff:one", "no_caller"),
        ("a zero", b"old\0:one", "no_caller"),
        // Where one name ends and its password starts, another's may not.
        ("a name that takes from the password", b"plain:pass", "bad_credential"),
        ("no colon", b"old", "bad_credential"),
        ("nothing", b"", "bad_credential"),
    ];
    for (what, credentials, expected) in cases {
        assert_eq!(who(&callers, &[&basic(credentials)], &Known::default()), *expected, "{what}");
    }
}

#[test]
fn the_header_as_it_is_written() {
    let callers = callers(&entries());
    let right = STANDARD.encode(b"old:one");
    let url_safe = STANDARD.encode(b"bytes:\xff\x00").replace('/', "_");
    let cases: Vec<(&str, String, &str)> = vec![
        ("lower case", format!("basic {right}"), "writers: a|b"),
        ("any case", format!("bASIC {right}"), "writers: a|b"),
        ("more space", format!("Basic   {right} "), "writers: a|b"),
        ("no base64", "Basic ***".to_owned(), "bad_credential"),
        ("base64 for URLs", format!("Basic {url_safe}"), "bad_credential"),
        ("no padding", "Basic b2xkOm9uZQ".to_owned(), "bad_credential"),
        ("padding in between", format!("Basic {right}{right}="), "bad_credential"),
        ("a space in between", "Basic b2xk Om9uZQ==".to_owned(), "bad_credential"),
        ("bits that nobody reads", "Basic b2xkOm9uZR==".to_owned(), "bad_credential"),
        ("a comma", format!("Basic {right},Basic {right}"), "bad_credential"),
        ("the scheme alone", "Basic ".to_owned(), "bad_credential"),
        ("the scheme alone, without a space", "Basic".to_owned(), "no_caller"),
        ("no scheme", right.clone(), "no_caller"),
        ("another scheme", format!("Digest {right}"), "no_caller"),
        ("a scheme that only begins so", format!("Basics {right}"), "no_caller"),
        ("empty", String::new(), "no_caller"),
    ];
    for (what, header, expected) in cases {
        assert_eq!(who(&callers, &[header.as_bytes()], &Known::default()), expected, "{what}");
    }
    let right = basic(b"old:one");
    assert_eq!(who(&callers, &[&right, &right], &Known::default()), "repeated_header");
    assert_eq!(who(&callers, &[b"", &right], &Known::default()), "repeated_header");
    assert_eq!(who(&callers, &[], &Known::default()), "no_caller");
}

/// Bad credentials are final; a stranger's may be meant for someone else, such as the filter that left a session.
#[test]
fn what_comes_after() {
    let mut list = entries();
    list.push(json!({"name": "session", "metadata": {"namespace": "authz"}, "tenants": ["s"]}));
    let callers = callers(&list);
    let mut known = Known::default();
    known.set("metadata", &metadata(&json!({"authz": {}})));
    for (credentials, expected) in [
        (&b"old:three"[..], "bad_credential"),
        (b"old", "bad_credential"),
        (b"reader:x", "bad_credential"),
        (b"nobody:one", "session: s"),
    ] {
        assert_eq!(who(&callers, &[&basic(credentials)], &known), expected, "{}", credentials.escape_ascii());
    }
    assert_eq!(who(&callers, &[], &known), "session: s");
}

#[test]
fn a_bad_credential_is_challenged_by_its_own_realm() {
    let callers = callers(&entries());
    for (credentials, realm) in [("old:x", "first"), ("reader:x", "scopegate"), ("no colon", "first")] {
        let header = basic(credentials.as_bytes());
        let headers = Headers::new(vec![(b"authorization", &header)]);
        let refusal = recognise(&callers, &headers, &Known::default(), &[], &mut Around::default().lookup())
            .unwrap_err();
        assert_eq!(refusal, Refusal::BadCredential { challenge: format!("Basic realm=\"{realm}\"") });
    }
}

/// A hash is bound to its key, its user and its password, wherever one ends and the next begins.
#[test]
fn hashes_are_all_different() {
    let hash = |key: &[u8], user: &str, password: &[u8]| password_hash(key, user, password).unwrap();
    let all = [
        hash(KEY, "u", b"p"),
        hash(KEY, "up", b""),
        hash(KEY, "", b"up"),
        hash(KEY, "u", b"q"),
        hash(KEY, "v", b"p"),
        hash(b"another key, also long enough", "u", b"p"),
    ];
    for (position, hash) in all.iter().enumerate() {
        assert!(hash.starts_with("hmac-sha256:") && hash.len() == 12 + 43, "{hash}");
        assert!(all[..position].iter().all(|other| other != hash));
    }
    // As another implementation of HMAC-SHA256 makes it: hashes in use stay good.
    assert_eq!(all[0], "hmac-sha256:3p_4MrcEXM1tCJ_dq2zoy96WpTMqeSLjOFfX0DFB1B0");
    for short in [&b""[..], b"fifteen bytes.."] {
        assert!(password_hash(short, "u", b"p").is_err());
    }
}

#[test]
fn what_is_refused_at_load() {
    let good = hashed("u", b"p");
    let with = |user: Json, more: Json| {
        let mut basic = json!({"key": {"env": "KEY"}, "users": [user]});
        for (key, value) in more.as_object().unwrap() {
            basic[key] = value.clone();
        }
        compile(json!({"basic": basic, "tenants": ["a"]})).map(|_| ()).unwrap_err()
    };
    let user = |password: Json| json!({"username": "u", "password": password});
    let cases = [
        (user(json!("hunter2")), json!({}), "callers[0].basic.users[0].password[0]: this is no keyed hash"),
        (
            user(json!([good, "hmac-sha256:AAAA"])),
            json!({}),
            "callers[0].basic.users[0].password[1]: this is no keyed hash",
        ),
        (
            user(json!(good.replace("sha256", "sha1"))),
            json!({}),
            "callers[0].basic.users[0].password[0]: this is no",
        ),
        (user(json!([])), json!({}), "callers[0].basic.users[0].password: give at least one keyed hash"),
        (
            json!({"username": "", "password": good}),
            json!({}),
            "callers[0].basic.users[0].username: a user name is not empty",
        ),
        (
            json!({"username": "u", "password": good, "tenants": {"claim": "x"}}),
            json!({}),
            "callers[0].basic.users[0].tenants: users have no claims",
        ),
        (user(json!(good)), json!({"realm": "a\"b"}), "callers[0].basic.realm: a realm is printable ASCII"),
        (user(json!(good)), json!({"realm": "a\r\nb"}), "callers[0].basic.realm: a realm is printable ASCII"),
        (user(json!(good)), json!({"users": []}), "callers[0].basic.users: list at least one user"),
        (
            user(json!(good)),
            json!({"users": [user(json!(good)), user(json!(good))]}),
            "callers[0].basic.users[1].username: this user is listed twice",
        ),
        (
            user(json!(good)),
            json!({"key": {"env": "NONE"}}),
            "callers[0].basic.key.env: the environment variable NONE",
        ),
    ];
    for (user, more, expected) in cases {
        let error = with(user, more);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let error = compile(json!({
        "basic": {"key": {"env": "KEY"}, "users": [user(json!(good))]}, "tenants": {"claim": "x"},
    }));
    assert!(error.unwrap_err().starts_with("callers[0].tenants: users have no claims"));
    let no_tenants = compile(json!({"basic": {"key": {"env": "KEY"}, "users": [user(json!(good))]}}));
    assert!(no_tenants.unwrap_err().starts_with("callers[0].tenants: missing"));
}

#[test]
fn nothing_secret_is_ever_shown() {
    let mut callers = entries();
    for caller in &mut callers {
        caller["may"] = json!(["read"]);
    }
    let config = json!({"backends": [{"name": "m", "kind": "cortex"}], "callers": callers});
    let config = Config::from_json(config).unwrap();
    let policy = Policy::compile(&config, &super::environment).unwrap();
    let one: &Caller = &policy.callers[0];
    for shown in [format!("{policy:?}"), format!("{policy:#?}"), format!("{one:?}")] {
        assert!(shown.contains("Basic"), "{shown}");
        for secret in ["hmac-sha256", &hashed("old", b"one")[12..], "pass:word", "shadowed", "sixteen bytes"]
        {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        // Neither does the key show as numbers.
        let numbers = format!("{:?}", &KEY[..4]);
        assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
    }
}

/// A secret that stands where the name of a variable, or a hash, belongs is not told to the log.
#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    let user = |password: Json| json!({"username": "u", "password": password});
    for basic in [
        json!({"key": "hunter2hunter2hunter2", "users": [user(json!(hashed("u", b"p")))]}),
        json!({"key": {"env": "KEY"}, "users": [user(json!(20_251_231))]}),
        json!({"key": {"env": "KEY"}, "users": ["hunter2"]}),
        json!({"key": {"env": "KEY"}, "users": "hunter2"}),
    ] {
        let caller = json!({"name": "c", "basic": basic, "tenants": ["a"], "may": ["read"]});
        let config = json!({"backends": [{"name": "m", "kind": "cortex"}], "callers": [caller]});
        let config =
            Config::from_json(config).and_then(|config| Policy::compile(&config, &super::environment));
        let error = config.map(|_| ()).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && !error.contains("20251231"), "{error}");
    }
}
