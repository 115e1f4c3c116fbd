//! Strings, numbers, sizes and times, as they survive YAML and `google.protobuf.Struct`.
//!
//! A Struct has only doubles, and Envoy's YAML turns what looks like a number or a boolean into one
//! (`no` → false, `007` → 7) and what does not fit a double into a string (`5000000000` → "5000000000").
//! So numbers are taken from strings too, and where a name belongs anything but a string is an error.

use core::fmt;
use core::ops::Deref;

use serde_json::Value;

use super::ConfigError;
use super::shape::{Node, ReadResult, Shape};

/// A name: a string, and never what YAML made of an unquoted one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub String);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Shape for Text {
    fn blank() -> Self {
        Self(String::new())
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        // What was found is not shown: it may be a password.
        let found = match node.value() {
            Value::String(text) => {
                self.0.clone_from(text);
                return Ok(());
            }
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Null => "null",
            _ => return Err(node.expected("a string")),
        };
        let quote_it = ": quote it, since YAML reads it as something else";
        Err(node.error(&["expected a string, found ", found, quote_it].concat()))
    }
}

/// One string, or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<Text>);

impl Shape for OneOrMany {
    fn blank() -> Self {
        Self(Vec::new())
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        match node.value() {
            Value::String(text) => self.0 = vec![Text(text.clone())],
            Value::Array(_) => self.0.read(node)?,
            _ => return Err(node.expected("a string or a list of strings")),
        }
        Ok(())
    }
}

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u32);

/// A number of bytes: `1048576`, `"512KiB"`, `"8MiB"`, `"1GiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u32);

/// A time in milliseconds: `"500ms"`, `"30s"`, `"2m"`, `"1h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Millis(pub u32);

/// Units and what they count.
type Units = &'static [(&'static str, u64)];

impl Shape for Count {
    fn blank() -> Self {
        Self(0)
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        self.0 = number(node, "a whole number up to 4294967295", &[("", 1)])?;
        Ok(())
    }
}

impl Shape for ByteSize {
    fn blank() -> Self {
        Self(0)
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        const UNITS: Units = &[("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        self.0 = number(node, "a number of bytes such as \"512KiB\" or \"8MiB\", less than 4GiB", UNITS)?;
        Ok(())
    }
}

impl Shape for Millis {
    fn blank() -> Self {
        Self(0)
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        const UNITS: Units = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
        let expected = "a time with its unit, such as \"500ms\", \"30s\" or \"2m\", of at most 1193h";
        self.0 = number(node, expected, UNITS)?;
        Ok(())
    }
}

/// Reads a number with one of the `units`; a number without a unit is taken only where `""` is one.
fn number(node: &Node<'_>, expected: &str, units: Units) -> Result<u32, ConfigError> {
    let (number, unit, text) = match node.value() {
        Value::Number(number) => match number.as_u64() {
            Some(value) => (Some(value), "", number.to_string()),
            None => return Err(node.expected(expected)),
        },
        Value::String(text) => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
            (number.parse().ok(), unit.trim(), text.clone())
        }
        _ => return Err(node.expected(expected)),
    };
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let scaled = number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    scaled
        .and_then(|scaled| u32::try_from(scaled).ok())
        .ok_or_else(|| node.error(&["expected ", expected, ", found \"", &text, "\""].concat()))
}

#[cfg(feature = "schema")]
mod schema {
    use super::{ByteSize, Count, Millis, OneOrMany, Text};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::{Serialize, Serializer};
    use std::borrow::Cow;

    impl Serialize for Count {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u32(self.0)
        }
    }

    /// As people write it: the largest unit that fits.
    impl Serialize for ByteSize {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let unit = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
                .into_iter()
                .find(|(bits, _)| self.0 != 0 && self.0.trailing_zeros() >= *bits);
            match unit {
                Some((bits, unit)) => serializer.collect_str(&format_args!("{}{unit}", self.0 >> bits)),
                None => serializer.serialize_u32(self.0),
            }
        }
    }

    /// As people write it: the largest unit that fits.
    impl Serialize for Millis {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
            let unit = units.into_iter().find(|(factor, _)| self.0 != 0 && self.0.is_multiple_of(*factor));
            let (factor, unit) = unit.unwrap_or((1, "s"));
            let number = self.0.checked_div(factor).unwrap_or(self.0);
            serializer.collect_str(&format_args!("{number}{unit}"))
        }
    }

    macro_rules! schema {
        ($type:ty, $name:literal, $schema:tt) => {
            impl JsonSchema for $type {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    $name.into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        };
    }

    schema!(Text, "string", { "type": "string" });
    schema!(OneOrMany, "string or list of strings", {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    });
    schema!(Count, "number", { "type": "integer", "minimum": 0 });
    schema!(ByteSize, "bytes", {
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)?$"}]
    });
    schema!(Millis, "time", { "type": "string", "pattern": "^[0-9]+ *(ms|s|m|h)$" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use serde_json::json;

    #[test]
    fn numbers_with_units() {
        let size = |json| read::<ByteSize>(&json).map(|size| size.0);
        assert_eq!(size(json!(7)).unwrap(), 7);
        assert_eq!(size(json!("7")).unwrap(), 7);
        assert_eq!(size(json!("8MiB")).unwrap(), 8 << 20);
        assert_eq!(size(json!("8 KiB")).unwrap(), 8 << 10);
        for wrong in [json!("8MB"), json!("4GiB"), json!("-1"), json!(-1), json!(1.5), json!(""), json!(true)]
        {
            let error = size(wrong.clone()).unwrap_err().to_string();
            assert!(error.contains("a number of bytes"), "{wrong}: {error}");
        }
        let time = |json| read::<Millis>(&json).map(|time| time.0);
        assert_eq!(time(json!("500ms")).unwrap(), 500);
        assert_eq!(time(json!("2m")).unwrap(), 120_000);
        assert!(time(json!(30)).unwrap_err().to_string().contains("with its unit"));
        assert_eq!(read::<Count>(&json!("5000000")).unwrap(), Count(5_000_000));
        assert!(read::<Count>(&json!("5000000000")).is_err());
    }

    #[test]
    fn a_name_must_be_quoted() {
        for wrong in [json!(7), json!(1.5), json!(false), json!(null)] {
            let error = read::<Text>(&wrong).unwrap_err().to_string();
            assert!(error.contains("quote it"), "{wrong}: {error}");
        }
        assert_eq!(read::<OneOrMany>(&json!("a")).unwrap().0, vec![Text("a".into())]);
        assert_eq!(read::<OneOrMany>(&json!(["a", "b"])).unwrap().0.len(), 2);
    }
}
