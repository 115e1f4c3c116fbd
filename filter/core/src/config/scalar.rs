//! Strings, numbers, sizes and times, as they survive YAML and `google.protobuf.Struct`.
//!
//! A Struct has only doubles, and Envoy's YAML turns what looks like a number or a boolean into one
//! (`no` → false, `007` → 7) and what does not fit a double into a string (`5000000000` → "5000000000").
//! So numbers are taken from strings too, and where a name belongs anything but a string is an error.

use core::fmt;
use core::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

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

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            // What was found is not shown: it may be a password.
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Text, E> {
                Err(quote_it("a boolean"))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Text, E> {
                Err(quote_it("a number"))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Text, E> {
                Err(quote_it("a number"))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Text, E> {
                Err(quote_it("a number"))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Text, E> {
                Err(quote_it("null"))
            }
        }
        deserializer.deserialize_any(Name)
    }
}

fn quote_it<E: de::Error>(found: &str) -> E {
    E::custom(format_args!(
        "expected a string, found {found}: quote it, since YAML reads it as something else"
    ))
}

/// One string, or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<Text>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Text(text.to_owned())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(OneOrMany(names))
            }
        }
        deserializer.deserialize_any(Names)
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

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number(deserializer, "a whole number up to 4294967295", &[("", 1)]).map(Self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const UNITS: &[(&str, u64)] =
            &[("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        number(deserializer, "a number of bytes such as \"512KiB\" or \"8MiB\", less than 4GiB", UNITS)
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
        number(
            deserializer,
            "a time with its unit, such as \"500ms\", \"30s\" or \"2m\", of at most 1193h",
            UNITS,
        )
        .map(Self)
    }
}

/// Reads a number with one of the `units`; a number without a unit is taken only where `""` is one.
fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    units: &'static [(&'static str, u64)],
) -> Result<u32, D::Error> {
    struct Number {
        expected: &'static str,
        units: &'static [(&'static str, u64)],
    }
    impl Number {
        fn scale<E: de::Error>(&self, number: u64, unit: &str) -> Result<u32, E> {
            self.units
                .iter()
                .find(|(name, _)| *name == unit)
                .and_then(|(_, factor)| number.checked_mul(*factor))
                .and_then(|scaled| u32::try_from(scaled).ok())
                .ok_or_else(|| {
                    E::custom(format_args!("expected {}, found \"{number}{unit}\"", self.expected))
                })
        }
    }
    impl Visitor<'_> for Number {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u32, E> {
            self.scale(number, "")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u32, E> {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let parsed = text
                .split_at_checked(digits)
                .and_then(|(number, unit)| Some((number.parse().ok()?, unit.trim())));
            match parsed {
                Some((number, unit)) => self.scale(number, unit),
                None => Err(E::custom(format_args!("expected {}, found \"{text}\"", self.expected))),
            }
        }
    }
    deserializer.deserialize_any(Number { expected, units })
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
            let fits = |(factor, unit): (u32, &'static str)| {
                let is_whole = self.0 != 0 && self.0.is_multiple_of(factor);
                self.0.checked_div(factor).filter(|_| is_whole).map(|count| (count, unit))
            };
            let (count, unit) = units.into_iter().find_map(fits).unwrap_or((self.0, "s"));
            serializer.collect_str(&format_args!("{count}{unit}"))
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
    use serde_json::json;

    #[test]
    fn numbers_with_units() {
        let size = |json| ByteSize::deserialize(&json).map(|size| size.0);
        assert_eq!(size(json!(7)).unwrap(), 7);
        assert_eq!(size(json!("7")).unwrap(), 7);
        assert_eq!(size(json!("8MiB")).unwrap(), 8 << 20);
        assert_eq!(size(json!("8 KiB")).unwrap(), 8 << 10);
        for wrong in [json!("8MB"), json!("4GiB"), json!("-1"), json!(-1), json!(1.5), json!(""), json!(true)]
        {
            let error = size(wrong.clone()).unwrap_err().to_string();
            assert!(error.contains("a number of bytes"), "{wrong}: {error}");
        }
        let time = |json| Millis::deserialize(&json).map(|time| time.0);
        assert_eq!(time(json!("500ms")).unwrap(), 500);
        assert_eq!(time(json!("2m")).unwrap(), 120_000);
        assert!(time(json!(30)).unwrap_err().to_string().contains("with its unit"));
        assert_eq!(Count::deserialize(&json!("5000000")).unwrap(), Count(5_000_000));
        assert!(Count::deserialize(&json!("5000000000")).is_err());
    }

    #[test]
    fn a_name_must_be_quoted() {
        for wrong in [json!(7), json!(1.5), json!(false), json!(null)] {
            let error = Text::deserialize(&wrong).unwrap_err().to_string();
            assert!(error.contains("quote it"), "{wrong}: {error}");
        }
        assert_eq!(OneOrMany::deserialize(&json!("a")).unwrap().0, vec![Text("a".into())]);
        assert_eq!(OneOrMany::deserialize(&json!(["a", "b"])).unwrap().0.len(), 2);
    }
}
