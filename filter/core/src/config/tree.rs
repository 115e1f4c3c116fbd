//! From a tree of JSON values to types, with the path of the field in every error.
//!
//! It does what `serde_path_to_error` does around `serde_json`, in a single deserializer: every type is
//! compiled once and not twice, which halves what the configuration adds to the module.

use core::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::ConfigError;

/// Reads a `T` out of a tree.
pub(super) fn read<'de, T: Deserialize<'de>>(value: Value) -> Result<T, ConfigError> {
    T::deserialize(Tree { value, at: &Path::Root })
        .map_err(|error| ConfigError::new(error.path.unwrap_or_default(), error.message))
}

/// Where a value stands.
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// An error that learns its path from the innermost value it passes.
#[derive(Debug)]
struct Error {
    path: Option<String>,
    message: String,
}

impl Error {
    fn at(mut self, path: &Path<'_>) -> Self {
        self.path.get_or_insert_with(|| path.to_string());
        self
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: None, message: message.to_string() }
    }

    /// What was found is named by its kind only: it may be a secret in the wrong place.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) => "a number",
            Unexpected::Signed(_) => "a negative number",
            Unexpected::Float(_) => "a fraction, or a number too large",
            Unexpected::Str(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "a list",
            Unexpected::Map => "an object",
            _ => "something else",
        };
        Self::custom(format_args!("expected {expected}, found {found}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

/// A value and where it stands.
struct Tree<'p> {
    value: Value,
    at: &'p Path<'p>,
}

impl<'de> Deserializer<'de> for Tree<'_> {
    type Error = Error;

    #[inline(never)]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.at;
        let result = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items { rest: items.into_iter().enumerate(), at }),
            Value::Object(fields) => visitor.visit_map(Fields { rest: fields.into_iter(), read: None, at }),
        };
        result.map_err(|error| error.at(at))
    }

    #[inline(never)]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    #[inline(never)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    #[inline(never)]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let at = self.at;
        let variant = match self.value {
            Value::String(name) => Variant { name, value: None, at },
            Value::Object(fields) if fields.len() == 1 => match fields.into_iter().next() {
                Some((name, value)) => Variant { name, value: Some(value), at },
                None => return Err(Error::custom("an empty object").at(at)),
            },
            value => {
                let found = kind(&value);
                return Err(Error::invalid_type(found, &"a string or an object with one field").at(at));
            }
        };
        visitor.visit_enum(variant).map_err(|error| error.at(at))
    }

    // A type that knows what it wants is offered nothing else: a struct is no list of its fields.

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    #[inline(never)]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.at;
        let result = match self.value {
            Value::Object(fields) => visitor.visit_map(Fields { rest: fields.into_iter(), read: None, at }),
            value => Err(Error::invalid_type(kind(&value), &visitor)),
        };
        result.map_err(|error| error.at(at))
    }

    #[inline(never)]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.at;
        let result = match self.value {
            Value::Array(items) => visitor.visit_seq(Items { rest: items.into_iter().enumerate(), at }),
            value => Err(Error::invalid_type(kind(&value), &visitor)),
        };
        result.map_err(|error| error.at(at))
    }

    #[inline(never)]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match self.value {
            Value::Bool(value) => visitor.visit_bool(value),
            value => Err(Error::invalid_type(kind(&value), &visitor)),
        };
        result.map_err(|error| error.at(self.at))
    }

    #[inline(never)]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match self.value {
            Value::String(text) => visitor.visit_string(text),
            value => Err(Error::invalid_type(kind(&value), &visitor)),
        };
        result.map_err(|error| error.at(self.at))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

fn kind(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(_) => Unexpected::Unsigned(0),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

/// The items of a list.
struct Items<'p> {
    rest: core::iter::Enumerate<std::vec::IntoIter<Value>>,
    at: &'p Path<'p>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    #[inline(never)]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.rest.next() else { return Ok(None) };
        let at = Path::Index(self.at, index);
        seed.deserialize(Tree { value, at: &at }).map(Some).map_err(|error| error.at(&at))
    }
}

/// The fields of an object.
struct Fields<'p> {
    rest: <Map<String, Value> as IntoIterator>::IntoIter,
    /// The field whose key was read last.
    read: Option<(String, Value)>,
    at: &'p Path<'p>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    #[inline(never)]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        let name: StrDeserializer<'_, Error> = key.as_str().into_deserializer();
        let result = seed.deserialize(name).map_err(|error| error.at(&Path::Key(self.at, &key)));
        self.read = Some((key, value));
        result.map(Some)
    }

    #[inline(never)]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let (key, value) = self.read.take().ok_or_else(|| Error::custom("a value without a key"))?;
        let at = Path::Key(self.at, &key);
        seed.deserialize(Tree { value, at: &at }).map_err(|error| error.at(&at))
    }
}

/// One variant of an enum: its name alone, or its name with a value.
struct Variant<'p> {
    name: String,
    value: Option<Value>,
    at: &'p Path<'p>,
}

impl<'de, 'p> EnumAccess<'de> for Variant<'p> {
    type Error = Error;
    type Variant = Content<'p>;

    #[inline(never)]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'p>), Error> {
        let name: StrDeserializer<'_, Error> = self.name.as_str().into_deserializer();
        let variant = seed.deserialize(name)?;
        Ok((variant, Content { name: self.name, value: self.value, at: self.at }))
    }
}

/// What a variant holds.
struct Content<'p> {
    name: String,
    value: Option<Value>,
    at: &'p Path<'p>,
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(_) => {
                Err(Error::custom(format_args!("`{}` takes no value: write it as a string", self.name)))
            }
        }
    }

    #[inline(never)]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let value = self.value.ok_or_else(|| {
            Error::custom(format_args!("`{0}` takes a value: write it as {{{0}: …}}", self.name))
        })?;
        let at = Path::Key(self.at, &self.name);
        seed.deserialize(Tree { value, at: &at }).map_err(|error| error.at(&at))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Err(Error::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Err(Error::invalid_type(Unexpected::StructVariant, &visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Fallback, Text};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn error<T: for<'de> Deserialize<'de> + fmt::Debug>(value: Value) -> String {
        read::<T>(value).unwrap_err().to_string()
    }

    #[test]
    fn errors_say_where() {
        type Deep = BTreeMap<String, Vec<Option<Text>>>;
        type Choices = Vec<Fallback>;
        assert!(read::<Deep>(json!({"a": ["x", null]})).is_ok());
        assert!(error::<Deep>(json!({"a": ["x", 7]})).starts_with("a[1]: expected a string, found a number"));
        assert!(error::<Deep>(json!({"a": 7})).starts_with("a: expected a sequence, found a number"));
        assert!(error::<Deep>(json!(7)).starts_with("expected a map, found a number"));
        assert!(read::<Choices>(json!(["drop", {"tenant": "x"}])).is_ok());
        assert_eq!(
            error::<Choices>(json!([{"tenant": 7.5}])).split(',').next(),
            Some("[0].tenant: expected a string")
        );
        assert!(
            error::<Choices>(json!(["lose"])).starts_with("[0]: unknown variant `lose`, expected one of")
        );
        assert!(error::<Choices>(json!(["tenant"])).starts_with("[0]: `tenant` takes a value"));
        assert!(error::<Choices>(json!([{"drop": 1}])).starts_with("[0]: `drop` takes no value"));
        assert!(error::<Choices>(json!([{}])).starts_with("[0]: expected a string or an object"));
    }
}
