//! What the reader takes, what it refuses, and that it agrees with another one.

use core::fmt::Write as _;

use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn whole(text: &[u8]) -> Result<(), JsonProblem> {
    let mut reader = JsonReader::new(text, 0);
    reader.skip()?;
    reader.end()
}

#[test]
fn table() {
    use JsonProblem::{Depth, EmptyName, Syntax, Text, Trailing};
    let cases: &[(&str, Result<(), JsonProblem>)] = &[
        (r#" { "a" : [ 1 , -0.5e+3, true , false, null, "x\u00e4\ud83d\ude00\n" ] } "#, Ok(())),
        ("[]", Ok(())),
        ("{}", Ok(())),
        ("0", Ok(())),
        ("", Err(Syntax)),
        ("[", Err(Syntax)),
        ("[1,]", Err(Syntax)),
        ("[,1]", Err(Syntax)),
        ("{\"a\":1,}", Err(Syntax)),
        ("{\"a\" 1}", Err(Syntax)),
        ("{a:1}", Err(Syntax)),
        ("{1:1}", Err(Syntax)),
        ("[1 2]", Err(Syntax)),
        ("[1}", Err(Syntax)),
        ("01", Err(Trailing)),
        ("1.", Err(Syntax)),
        (".5", Err(Syntax)),
        ("+1", Err(Syntax)),
        ("-", Err(Syntax)),
        ("1e", Err(Syntax)),
        ("tru", Err(Syntax)),
        ("NaN", Err(Syntax)),
        ("{} {}", Err(Trailing)),
        ("[1] // comment", Err(Trailing)),
        ("\"a", Err(Syntax)),
        ("\"\t\"", Err(Text)),
        (r#""\x""#, Err(Text)),
        (r#""\u12""#, Err(Text)),
        (r#""\ud800""#, Err(Text)),
        (r#""\ud800\u0041""#, Err(Text)),
        (r#""\udc00\ud800""#, Err(Text)),
        (r#"{"":1}"#, Err(EmptyName)),
        (r#"[{"a":{"":1}}]"#, Err(EmptyName)),
    ];
    for (text, expected) in cases {
        assert_eq!(whole(text.as_bytes()), *expected, "{text}");
    }
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(whole(nested(JsonReader::MAX_DEPTH + 1).as_bytes()), Ok(()));
    assert_eq!(whole(nested(JsonReader::MAX_DEPTH + 2).as_bytes()), Err(Depth));
}

#[test]
fn members_elements_and_counts() {
    let text = br#"{"a":[1,"x"],"\u0062":{"spans":[1,{"spans":[{}]}],"other":[1,2]}}"#;
    let mut reader = JsonReader::new(text, 0);
    let mut first = true;
    reader.object().unwrap();
    assert_eq!(&*reader.name(&mut first).unwrap().unwrap().decode().unwrap(), b"a");
    reader.array().unwrap();
    let mut first_element = true;
    assert_eq!(reader.element(&mut first_element), Ok(true));
    assert_eq!(reader.string(), Err(JsonProblem::Type));
    assert_eq!(reader.skip(), Ok((6, 7)));
    assert_eq!(reader.element(&mut first_element), Ok(true));
    assert_eq!(&*reader.string().unwrap().decode().unwrap(), b"x");
    assert_eq!(reader.element(&mut first_element), Ok(false));
    let name = reader.name(&mut first).unwrap().unwrap();
    assert!(name.is_escaped());
    assert_eq!(&*name.decode().unwrap(), b"b");
    let mut count = 0;
    reader.skip_counting(&["spans"], &mut count).unwrap();
    assert_eq!(count, 3);
    assert_eq!(reader.name(&mut first), Ok(None));
    assert_eq!(reader.end(), Ok(()));
}

/// JSON as it may come: well-formed values with odd strings.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map("[^\0]+", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_walk_without_panic(text: Vec<u8>) {
        let _ = whole(&text);
    }

    #[test]
    fn what_serde_writes_is_read(value in json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        prop_assert_eq!(whole(text.unwrap().as_bytes()), Ok(()));
    }

    #[test]
    fn what_is_read_serde_reads_too(text in r#"[\[\]{},:"\\ntrue0-9.eEa-z \n]{0,40}"#) {
        if whole(text.as_bytes()).is_ok() {
            // Numbers out of range are for the backend to judge.
            let read = serde_json::from_str::<Value>(&text);
            prop_assert!(read.is_ok() || read.unwrap_err().to_string().contains("out of range"), "{}", text);
        }
    }

    #[test]
    fn strings_say_what_serde_reads(text: String, escape in prop::collection::vec(any::<bool>(), 0..20)) {
        let mut written = String::from('"');
        for (c, escape) in text.chars().zip(escape.into_iter().chain(std::iter::repeat(false))) {
            if escape || c < ' ' || c == '"' || c == '\\' {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(written, "\\u{unit:04x}");
                }
            } else {
                written.push(c);
            }
        }
        written.push('"');
        let mut reader = JsonReader::new(written.as_bytes(), 0);
        let read = reader.string().unwrap();
        prop_assert_eq!(&*read.decode().unwrap(), text.as_bytes());
    }
}
