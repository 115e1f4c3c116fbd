//! What holds for every table and every path.

use proptest::prelude::*;

use super::Method::{Get, Post};
use super::table::Answer;
use super::testing::{admin, describe, router, with};
use super::{Class, Kind, Methods, Operation, Prefixes, Router, Tenancy, Unclassified, compile};
use crate::config;

const KINDS: [Kind; 6] =
    [Kind::Cortex, Kind::Mimir, Kind::Loki, Kind::Tempo, Kind::Prometheus, Kind::VictoriaMetrics];

/// Every row of a kind's table, with its captures and its subtree filled in.
fn rows(kind: Kind) -> Vec<(String, Answer)> {
    let fill = |path: &str| {
        let parts = path.split('/').map(|part| match part {
            "*" => "below/here",
            part if part.starts_with('{') => "some.name",
            part => part,
        });
        parts.collect::<Vec<_>>().join("/")
    };
    let rows = compile::table(kind, &Prefixes::default()).unwrap();
    rows.into_iter().map(|row| (fill(&row.path), row.answer)).collect()
}

/// Decodes until nothing changes any more.
fn decoded(path: &str) -> Vec<u8> {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let mut once = Vec::new();
        let mut rest = bytes.as_slice();
        while let [first, more @ ..] = rest {
            let pair = more.get(..2).and_then(|pair| core::str::from_utf8(pair).ok());
            let byte =
                pair.filter(|pair| !pair.starts_with('+')).and_then(|pair| u8::from_str_radix(pair, 16).ok());
            if let (b'%', Some(byte)) = (first, byte) {
                once.push(byte);
                rest = &more[2..];
            } else {
                once.push(*first);
                rest = more;
            }
        }
        if once == bytes {
            return once;
        }
        bytes = once;
    }
}

#[test]
fn every_row_says_what_it_says() {
    for kind in KINDS {
        let router = router(kind);
        for (path, answer) in rows(kind) {
            match answer {
                Answer::Closed => {
                    assert_eq!(router.classify("GET", &path), Err(Unclassified::Closed), "{path}");
                }
                Answer::Open(methods, operation) => {
                    assert!(!methods.is_empty(), "{path}");
                    assert_ne!(operation.class, Class::Admin, "{path}");
                    for method in methods.iter() {
                        assert_eq!(router.classify(method.as_str(), &path), Ok(operation), "{path}");
                    }
                }
            }
        }
    }
}

#[test]
fn no_row_stands_twice() {
    for kind in KINDS {
        let rows = compile::table(kind, &Prefixes::default()).unwrap();
        for (position, row) in rows.iter().enumerate() {
            for other in &rows[..position] {
                let both = row.answer.methods().intersection(other.answer.methods());
                assert!(row.pattern != other.pattern || both.is_empty(), "{kind:?} {}", row.path);
            }
        }
    }
}

#[test]
fn a_write_is_a_post_for_one_tenant() {
    for kind in KINDS {
        for (path, answer) in rows(kind) {
            if let Answer::Open(methods, operation) = answer
                && operation.class == Class::Write
            {
                assert_eq!((methods, operation.tenancy), (Methods::of(&[Post]), Tenancy::One), "{path}");
            }
        }
    }
}

#[test]
fn names_match_the_configuration() {
    for kind in KINDS {
        assert_eq!(config::read::<Kind>(&kind.as_str().into()).unwrap(), kind);
    }
    for class in [Class::Write, Class::Read, Class::Rules, Class::Alerts, Class::Admin] {
        assert_eq!(config::read::<Class>(&class.as_str().into()).unwrap(), class);
    }
    for tenancy in [Tenancy::One, Tenancy::Many] {
        assert_eq!(config::read::<Tenancy>(&tenancy.as_str().into()).unwrap(), tenancy);
    }
}

fn opens(router: &Router, path: &str) -> bool {
    Methods::ALL.iter().any(|method| router.classify(method.as_str(), path).is_ok())
}

/// Every open row of every kind.
fn open_rows() -> Vec<(Kind, String, Methods, Operation)> {
    let open = |kind| {
        rows(kind).into_iter().filter_map(move |(path, answer)| match answer {
            Answer::Open(methods, operation) => Some((kind, path, methods, operation)),
            Answer::Closed => None,
        })
    };
    KINDS.into_iter().flat_map(open).collect()
}

#[test]
fn another_spelling_never_classifies() {
    for (kind, path, ..) in open_rows() {
        let router = router(kind);
        assert!(opens(&router, &path), "{path}");
        for other in [
            format!("/{path}"),
            format!("//{path}"),
            format!("{path}//"),
            format!("{path}/."),
            format!("{path}/.."),
            format!("{path}/../x"),
            format!(".{path}"),
            format!("/.{path}"),
            format!("/x/..{path}"),
            format!("/%2e{path}"),
            format!("http://host{path}"),
            path.replacen('/', "%2F", 1),
            path.replacen('/', "\\", 1),
            format!("{path}?"),
            format!("{path}#"),
            format!("{path};a"),
            format!("{path}%00"),
            format!("{path}%20/"),
        ] {
            assert!(!opens(&router, &other), "{other}");
        }
        let slash = format!("{path}/");
        let is_row = rows(kind).iter().any(|(row, _)| *row == slash);
        assert!(is_row || !opens(&router, &slash), "{slash}");
    }
}

#[test]
fn no_character_of_a_row_can_be_escaped() {
    for (kind, path, ..) in open_rows() {
        let router = router(kind);
        for (at, letter) in path.bytes().enumerate() {
            // An escaped slash between two names that may hold one makes one name of both.
            if letter == b'/' && path.contains("some.name") {
                continue;
            }
            for escaped in [format!("%{letter:02X}"), format!("%{letter:02x}"), format!("%25{letter:02X}")] {
                let other = format!("{}{escaped}{}", &path[..at], &path[at + 1..]);
                assert!(!opens(&router, &other), "{other}");
            }
        }
    }
}

#[test]
fn methods_are_case_sensitive() {
    for (kind, path, ..) in open_rows() {
        for method in Methods::ALL.iter() {
            assert!(router(kind).classify(&method.as_str().to_lowercase(), &path).is_err(), "{path}");
        }
    }
}

#[test]
fn what_is_closed_opens_only_by_name() {
    for kind in KINDS {
        let closed = router(kind);
        for (path, _) in rows(kind).iter().filter(|(_, answer)| *answer == Answer::Closed) {
            assert!(!opens(&closed, path), "{path}");
            for method in Methods::ALL.iter() {
                assert_eq!(closed.classify(method.as_str(), path), Err(Unclassified::Closed), "{path}");
                let opened = with(kind, &[admin(path, &[method])]).unwrap();
                assert_eq!(describe(opened.classify(method.as_str(), path)), "admin other one", "{path}");
            }
        }
    }
}

/// Pieces that are dangerous, and pieces that the tables know.
fn piece() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "/",
        "//",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "%2F",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%25",
        "%252F",
        "%c3%a9",
        ";",
        "#",
        "?",
        " ",
        "api",
        "v1",
        "prometheus",
        "/api/v1/push",
        "/loki/api/v1/query",
        "rules",
        "/alertmanager/",
        "label",
        "values",
        "é",
        "%",
        "%zz",
        "*",
        "{x}",
        "%79",
        "diff",
        "metrics",
        "-",
    ];
    prop_oneof![prop::sample::select(PIECES).prop_map(str::to_owned), "[ -~]{0,3}", "\\PC{0,3}"]
}

fn pieces(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..most).prop_map(|pieces| pieces.concat())
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(&KINDS[..])
}

fn open_row() -> impl Strategy<Value = (Kind, String, Methods, Operation)> {
    prop::sample::select(open_rows())
}

fn row_with_names() -> impl Strategy<Value = (Kind, String, Methods, Operation)> {
    let rows = open_rows().into_iter().filter(|(_, path, ..)| path.contains("some.name"));
    prop::sample::select(rows.collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn never_panics(kind in any_kind(), method in "\\PC{0,8}", path in ".{0,80}") {
        let _ = describe(router(kind).classify(&method, &path));
    }

    #[test]
    fn what_classifies_hides_nothing(kind in any_kind(), text in pieces(8), row in open_row()) {
        let router = with(kind, &[admin("/custom/*", &[Get]), admin("/x/{name%2F}", &[Get])]).unwrap();
        let (_, row, ..) = row;
        for path in [
            text.clone(),
            format!("/custom/{text}"),
            format!("/x/{text}"),
            format!("{row}/{text}"),
            row.replacen("some.name", &text, 1),
            row.replacen("below/here", &text, 1),
        ] {
            if opens(&router, &path) {
                let decoded = decoded(&path);
                let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
                prop_assert!(!segments.any(|part| part == b"." || part == b".."), "{path}");
                prop_assert!(!decoded.iter().any(u8::is_ascii_control), "{path}");
                prop_assert!(!path.contains("//") && path.starts_with('/') && path.is_ascii(), "{path}");
            }
        }
    }

    #[test]
    fn no_name_changes_what_is_asked((kind, row, methods, operation) in row_with_names(), name in pieces(4)) {
        // One segment, however strange.
        let path = row.replacen("some.name", &name.replace('/', ""), 1);
        for method in methods.iter() {
            if let Ok(found) = router(kind).classify(method.as_str(), &path) {
                prop_assert_eq!(found, operation, "{}", path);
            }
        }
    }
}
