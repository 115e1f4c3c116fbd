//! What Envoy hands over, in either form: the same configuration, or one message that says what is wrong.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::caller::testing::{environment, hashed};
use crate::config::Config;
use crate::policy::Policy;
use crate::wire::encode;

/// A configuration with every field there is.
fn everything() -> Json {
    json!({
        "mode": "observe",
        "backends": [
            {"name": "metrics", "kind": "cortex", "host": ["metrics.example.org", "*.metrics.example.org"], "path": "/m",
             "isolate": "header", "forward_authorization": true,
             "prefixes": {"prometheus": "/p", "legacy": "/l", "alertmanager": "/a"},
             "paths": [{"path": "/custom/{name}", "methods": ["GET", "POST"], "class": "admin", "tenants": "many"}]},
            {"name": "logs", "kind": "loki", "host": "logs.example.org"},
        ],
        "callers": [
            {"name": "users", "may": ["read", "rules"], "on_behalf_of": "team-*",
             "jwt": {"provider": "idp", "issuer": ["https://a", "https://b"], "namespace": "n",
                     "where": [{"claim": ["realm", "roles"], "in": "admin"}]},
             "tenants": {"union": [{"claim": "tenant"}, {"first": [{"claim": ["a", "b"], "prefix": "t:"}, "x", ["y", "z"]]}]}},
            {"name": "agents", "may": ["write"], "metadata": {"filter_state": "s", "where": []}, "tenants": ["central"],
             "impersonate": {"label": "imp", "header": {"X-Opt-In": "yes"}, "tenants": ["*"]}},
            {"name": "writers", "may": ["write"], "tenants": "own",
             "basic": {"key": {"env": "KEY"}, "realm": "here",
                       "users": [{"username": "u", "password": hashed("u", b"p"), "tenants": ["a", "b"]}]}},
        ],
        "write": {
            "metrics": {"tenant": [{"label": "ns", "remove": true}, {"header": "X-Team"}, "caller"], "on_absent": "drop",
                        "on_unmapped": {"tenant": "rest"}, "strict": true,
                        "calls": {"via": "cluster", "cluster": "c", "path": "/push", "authority": "h", "timeout": "5s",
                                  "retries": {"on": "reset", "max": 2}, "headers": ["x-custom"]}},
        },
        "limits": {"request_bytes": 1_048_576, "decoded_bytes": "8MiB", "series": 100, "tenants": "7", "calls_per_request": 3,
                   "calls_per_worker": 4, "held_bytes_per_worker": 4_294_967_295_u32, "answer_bytes": 5},
    })
}

/// The configuration as it is understood, in words, or what is wrong with it.
fn read(bytes: &[u8]) -> Result<String, String> {
    let config = Config::from_envoy(bytes).map_err(|error| error.to_string())?;
    let policy = Policy::compile(&config, &environment).map_err(|error| error.to_string())?;
    // Not the whole policy: its tables are maps in no order.
    Ok(format!("{config:?} {:?} {:?} {:?}", policy.callers, policy.limits, policy.tenancy_headers()))
}

#[test]
fn both_forms_are_the_same() {
    let config = everything();
    let direct = format!("{:?}", Config::from_json(config.clone()).unwrap());
    let forms = [
        config.to_string().into_bytes(),
        serde_json::to_vec_pretty(&config).unwrap(),
        format!("\r\n\t {config}\n").into_bytes(),
        encode::structure(&config),
    ];
    let understood: Vec<String> = forms.iter().map(|bytes| read(bytes).unwrap()).collect();
    assert!(understood[0].starts_with(&direct));
    assert!(understood.iter().all(|form| *form == understood[0]), "{understood:#?}");
}

/// What is wrong is told in the same words, whichever form it has.
#[test]
fn both_forms_have_the_same_errors() {
    let with = |pointer: &str, value: Json| {
        let mut config = everything();
        *config.pointer_mut(pointer).unwrap() = value;
        config
    };
    let cases = [
        (
            with("/mode", json!("on")),
            "mode: unknown variant `on`, expected one of `enforce`, `observe`, `enforce_for`",
        ),
        (with("/backends/1/name", json!(7)), "backends[1].name: expected a string, found a number: quote it"),
        (
            with("/backends/1/name", json!(1.5)),
            "backends[1].name: expected a string, found a number: quote it",
        ),
        (with("/backends/1/name", json!(false)), "backends[1].name: expected a string, found a boolean"),
        (with("/backends/1/name", json!(null)), "backends[1].name: expected a string, found null: quote it"),
        (
            with("/backends/0/prefixes", json!({"x": "/y"})),
            "backends[0].prefixes.x: unknown field `x`, expected one of",
        ),
        (
            with("/callers/1/impersonate", json!({"label": "a", "tenants": "b", "c": 1})),
            "callers[1].impersonate.c: unknown",
        ),
        (with("/callers/0/tenants", json!({})), "callers[0].tenants: give exactly one of `claim`"),
        (with("/callers", json!({})), "callers: expected a list, found an object"),
        (
            with("/write/metrics/calls/timeout", json!(5)),
            "write.metrics.calls.timeout: expected a time with its unit",
        ),
        (
            with("/limits/series", json!(1.5)),
            "limits.series: expected a whole number up to 4294967295, found a fraction",
        ),
        (
            with("/limits/series", json!(-1)),
            "limits.series: expected a whole number up to 4294967295, found a negative number",
        ),
        (with("/limits/series", json!(1e300)), "limits.series: expected a whole number"),
        (
            with("/limits/series", json!(4_294_967_296_u64)),
            "limits.series: expected a whole number up to 4294967295",
        ),
        (
            with("/limits/series", json!(true)),
            "limits.series: expected a whole number up to 4294967295, found a boolean",
        ),
        (with("/limits/series", json!(0)), "limits.series: 0 would refuse every request"),
    ];
    for (config, expected) in cases {
        let text = read(config.to_string().as_bytes()).unwrap_err();
        assert!(text.starts_with(expected), "\n got: {text}\nwant: {expected}");
        assert_eq!(read(&encode::structure(&config)).unwrap_err(), text);
    }
}

/// A Struct has doubles only. What is no whole number does not become one.
#[test]
fn numbers_are_doubles() {
    // A `Value` with this double at `limits.series`, in a configuration that is complete otherwise.
    let with = |number: f64| {
        let mut config = everything();
        config["limits"] = json!({});
        let mut bytes = encode::structure(&config);
        let value = [&[0x11][..], &number.to_le_bytes()].concat();
        let limits = encode::map([("series", value)].into_iter());
        let as_value = [&[0x2a, u8::try_from(limits.len()).unwrap()][..], &limits].concat();
        // The last of several entries wins.
        bytes.extend(encode::map([("limits", as_value)].into_iter()));
        Config::from_envoy(&bytes).map(|config| config.limits.series.0).map_err(|error| error.to_string())
    };
    for (number, expected) in [(1.0, 1), (50_000.0, 50_000), (4_294_967_295.0, u32::MAX), (-0.0, 0)] {
        assert_eq!(with(number), Ok(expected), "{number}");
    }
    for number in
        [0.5, -1.0, 4_294_967_296.0, 9_007_199_254_740_993.0, 1e300, f64::NAN, f64::INFINITY, f64::MIN]
    {
        let error = with(number).unwrap_err();
        assert!(
            error.starts_with("limits.series: ") && error.contains("a whole number"),
            "{number}: {error}"
        );
    }
}

#[test]
fn what_is_no_configuration() {
    let neither = "the configuration is neither a JSON object nor a google.protobuf.Struct: ";
    let none = "there is no configuration: give the filter a `configuration` (Struct or StringValue)";
    let cases: &[(&[u8], &str)] = &[
        (b"", none),
        (b" \r\n\t", none),
        (b"\x0a", none),
        (b"{", "the configuration is not valid JSON: "),
        (b"{} x", "the configuration is not valid JSON: "),
        (b"{'mode': 1}", "the configuration is not valid JSON: "),
        (b"{\"mode\": \"\xff\"}", "the configuration is not valid JSON: "),
        (b"{}", "missing field `backends`"),
        (b"mode: enforce\nbackends: []\n", neither),
        (b"[]", neither),
        (b"null", neither),
        (b"\"text\"", neither),
        (b"\xef\xbb\xbf{}", neither),
        (b"\xff\xff\xff\xff", neither),
        (b"\x0a\x05\x0a\x01a", neither),
        (b"\x0a\x03\x0a\x01\xff", neither),
        (b"\x0a\x05\x0a\x01a\x12\x09", neither),
        // Entries without anything in them are entries.
        (b"\x0a\x00", "unknown field ``, expected one of"),
        (b"\x0a\x03\x0a\x01a", "a: unknown field `a`, expected one of"),
    ];
    for (bytes, expected) in cases {
        let error = read(bytes).unwrap_err();
        assert!(error.starts_with(expected), "{}:\n got: {error}\nwant: {expected}", bytes.escape_ascii());
        assert!(!error.contains('\n'), "{error}");
    }
}

/// Nesting ends somewhere, and reading it does not end the filter.
#[test]
fn depth_is_bounded() {
    let nested = |depth: usize, list: bool| {
        (0..depth)
            .fold(json!("x"), |inner, _| if list { json!([inner]) } else { json!({ "union": [inner] }) })
    };
    let read = |tenants: &Json, as_struct: bool| {
        let mut config = everything();
        config["callers"][0]["tenants"] = tenants.clone();
        read(&if as_struct { encode::structure(&config) } else { config.to_string().into_bytes() })
    };
    for (depth, list) in [(25, true), (12, false)] {
        assert_eq!(read(&nested(depth, list), true), read(&nested(depth, list), false), "{depth}");
        assert!(read(&nested(depth, list), true).is_ok(), "{depth}");
    }
    for (depth, list) in [(33, true), (100, true), (60, false)] {
        let error = read(&nested(depth, list), true).unwrap_err();
        assert!(error.starts_with("the configuration is neither a JSON object nor"), "{error}");
    }
    // Far deeper than any stack.
    let mut deep = vec![0, 0x08];
    while deep.len() < 100_000 {
        // A list value with one element, written backwards to be quick.
        for number in [1_u8, 6] {
            let mut header = Vec::new();
            crate::wire::put_len(&mut header, u32::from(number), deep.len());
            deep.extend(header.into_iter().rev());
        }
    }
    deep.reverse();
    let bytes = encode::map([("backends", deep)].into_iter());
    assert!(refused(&bytes).starts_with("the configuration is neither"), "a deep Struct");
    let text = format!("{{\"backends\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(text.as_bytes()).starts_with("the configuration is not valid JSON: it is nested too"));
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).unwrap_err()
}

/// The first entry of a Struct begins with a line feed and its own length, and 123 is `{`.
#[test]
fn a_struct_is_not_taken_for_json() {
    for length in 60..200 {
        let mut bytes = encode::map([("mode", encode::value(&json!("x".repeat(length))))].into_iter());
        let entry = usize::from(bytes[1]);
        bytes.extend(encode::structure(&everything()));
        assert!(read(&bytes).is_ok(), "a first entry of {entry} bytes");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        prop_assert!(!read(&bytes).unwrap_err().is_empty());
    }

    /// A byte of a good configuration, changed: read or refused, in either form.
    #[test]
    fn damaged_configurations(at: prop::sample::Index, byte: u8, as_struct: bool) {
        let config = everything();
        let mut bytes = if as_struct { encode::structure(&config) } else { config.to_string().into_bytes() };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Err(error) = read(&bytes) {
            prop_assert!(!error.is_empty());
        }
    }
}
