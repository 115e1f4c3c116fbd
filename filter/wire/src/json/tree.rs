//! A whole text as a tree of values: for what is small, read seldom, and looked at in no order of its own, such as the
//! configuration. Bodies are walked in place instead.

use core::fmt;

use serde_json::{Map, Number, Value};

use super::{JsonKind, JsonProblem, JsonReader};

/// What is wrong with a text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub problem: JsonProblem,
    /// Where, counted from 1; columns are bytes.
    pub line: usize,
    /// Where in the line.
    pub column: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.problem, self.line, self.column)
    }
}

/// Reads a text. Of several members with one name the last counts. A number that is not written as a whole one (`7`, or
/// `7.0` as some writers do), or has more than 64 bits, is told from others but keeps no value: nobody here has a use for
/// it, and reading it costs the module 10 KB.
pub fn json_tree(text: &[u8]) -> Result<Value, JsonError> {
    let mut reader = JsonReader::new(text, 0);
    let result = match core::str::from_utf8(text) {
        Ok(_) => reader.value(0).and_then(|value| reader.end().map(|()| value)),
        Err(error) => {
            reader.at = error.valid_up_to();
            Err(JsonProblem::Utf8)
        }
    };
    result.map_err(|problem| {
        let before = text.get(..reader.at).unwrap_or(text);
        let lines = before.split(|byte| *byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        JsonError { problem, line: lines, column: column.saturating_add(1) }
    })
}

impl JsonReader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonProblem> {
        if depth > Self::MAX_DEPTH {
            return Err(JsonProblem::Depth);
        }
        let deeper = depth.saturating_add(1);
        let kind = self.peek()?;
        let start = self.at;
        Ok(match kind {
            JsonKind::Object => {
                self.advance(1);
                let (mut map, mut first) = (Map::new(), true);
                while self.more(b'}', &mut first)? {
                    let name = self.text()?;
                    self.colon()?;
                    map.insert(name, self.value(deeper)?);
                }
                Value::Object(map)
            }
            JsonKind::Array => {
                self.advance(1);
                let (mut list, mut first) = (Vec::new(), true);
                while self.more(b']', &mut first)? {
                    list.push(self.value(deeper)?);
                }
                Value::Array(list)
            }
            JsonKind::Text => Value::String(self.text()?),
            JsonKind::Number => {
                self.number()?;
                number(self.text.get(start..self.at).unwrap_or_default())
            }
            JsonKind::Bool => {
                self.word()?;
                Value::Bool(self.text.get(start) == Some(&b't'))
            }
            JsonKind::Null => {
                self.word()?;
                Value::Null
            }
        })
    }

    fn text(&mut self) -> Result<String, JsonProblem> {
        // Another type where a name belongs is no JSON.
        let text = self.string().map_err(|problem| match problem {
            JsonProblem::Type => JsonProblem::Syntax,
            other => other,
        })?;
        let text = text.decode().ok_or(JsonProblem::Text)?;
        String::from_utf8(text.into_owned()).map_err(|_| JsonProblem::Utf8)
    }
}

fn number(digits: &[u8]) -> Value {
    const FRACTION: f64 = 0.5;
    let text = core::str::from_utf8(digits).unwrap_or_default();
    let text = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    if let Ok(number) = text.parse::<u64>() {
        return Value::from(number);
    }
    match text.parse::<i64>() {
        // Minus zero is no whole number to other readers.
        Ok(number) if number != 0 => Value::from(number),
        _ => Number::from_f64(FRACTION).map_or(Value::Null, Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn error(text: &[u8]) -> String {
        json_tree(text).unwrap_err().to_string()
    }

    #[test]
    fn table() {
        assert_eq!(json_tree(b"[7.0, -7.00]"), Ok(json!([7, -7])));
        let text = br#" {"a": [1, -2, true, false, null, "x\u00e4\n"], "": {}, "a": 18446744073709551615} "#;
        assert_eq!(json_tree(text), Ok(json!({"a": u64::MAX, "": {}})));
        for fraction in ["1.5", "-0", "-0.0", "1e3", "1.0e0", "18446744073709551616", "1e999"] {
            let read = json_tree(fraction.as_bytes()).unwrap();
            assert!(read.is_number() && !read.is_u64() && !read.is_i64(), "{fraction}");
        }
        assert_eq!(error(b""), "it is no JSON at line 1 column 1");
        assert_eq!(error(b"{\n  \"a\": 1\n  \"b\": 2}"), "it is no JSON at line 3 column 3");
        assert_eq!(error(b"{} x"), "something follows the JSON value at line 1 column 4");
        assert_eq!(error(b"{\"a\": \"\xff\"}"), "it is not UTF-8 at line 1 column 8");
        assert_eq!(error(b"{1: 2}"), "it is no JSON at line 1 column 2");
        assert!(error(&b"[".repeat(100_000)).starts_with("it is nested too deeply"));
    }

    /// Whether they are the same but for the values of fractions.
    fn agree(ours: &Value, theirs: &Value) -> bool {
        match (ours, theirs) {
            (Value::Number(ours), Value::Number(theirs)) => {
                ours == theirs || theirs.is_f64() && (ours.is_f64() || ours.as_f64() == theirs.as_f64())
            }
            (Value::Array(ours), Value::Array(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(ours, theirs)| agree(ours, theirs))
            }
            (Value::Object(ours), Value::Object(theirs)) => {
                ours.keys().eq(theirs.keys()) && ours.values().zip(theirs.values()).all(|(a, b)| agree(a, b))
            }
            _ => ours == theirs,
        }
    }

    proptest! {
        #[test]
        fn as_serde_reads(text in r#"[\[\]{},:"\\ntrue0-9.eEa-z \n-]{0,40}"#) {
            match (json_tree(text.as_bytes()), serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert!(agree(&ours, &theirs), "{ours} {theirs}"),
                (Err(_), Err(_)) => {}
                (ours, theirs) => {
                    // A number out of range is no error here.
                    let range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
                    prop_assert!(range, "{text}: {ours:?} {theirs:?}");
                }
            }
        }

        #[test]
        fn what_serde_writes_is_read(names: Vec<String>, numbers: Vec<i64>, pretty: bool) {
            let value = json!({"names": names, "numbers": numbers, "flag": pretty});
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            prop_assert_eq!(json_tree(text.unwrap().as_bytes()), Ok(value));
        }
    }
}
