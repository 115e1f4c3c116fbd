//! From a tree of JSON values to types, with the path of the field in every error.
//!
//! A type says how it is read by implementing [`Shape`], mostly by `#[derive(Shape)]` with serde's attributes. Everything
//! that can be is done here once for all types, and not again in each of them: the configuration has some thirty.

use std::collections::BTreeMap;

pub use scopegate_shape::Shape;
use serde_json::Value;

use super::ConfigError;

/// Whether something could be read.
pub type ReadResult = Result<(), ConfigError>;

/// A type that is read from the configuration.
pub trait Shape: Sized {
    /// What stands in its place until it is read. Nobody sees it, since what is not read is an error.
    fn blank() -> Self;

    /// Becomes what `node` says. After an error its value means nothing.
    fn read(&mut self, node: &Node<'_>) -> ReadResult;
}

/// Reads a `T` out of a tree.
pub fn read<T: Shape>(value: &Value) -> Result<T, ConfigError> {
    let mut shape = T::blank();
    shape.read(&Node { value, place: Place::Root })?;
    Ok(shape)
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Node<'n> {
    value: &'n Value,
    place: Place<'n>,
}

#[derive(Clone, Copy, Debug)]
enum Place<'n> {
    Root,
    Key(&'n Node<'n>, &'n str),
    Index(&'n Node<'n>, usize),
}

impl<'n> Node<'n> {
    /// The value.
    pub fn value(&self) -> &'n Value {
        self.value
    }

    /// An error at this place.
    pub fn error(&self, message: &str) -> ConfigError {
        let mut path = String::new();
        self.write_path(&mut path);
        ConfigError { path, message: message.to_owned() }
    }

    fn write_path(&self, out: &mut String) {
        match self.place {
            Place::Root => {}
            Place::Key(parent, key) => {
                parent.write_path(out);
                if !matches!(parent.place, Place::Root) {
                    out.push('.');
                }
                out.push_str(key);
            }
            Place::Index(parent, index) => {
                parent.write_path(out);
                out.push('[');
                out.push_str(&index.to_string());
                out.push(']');
            }
        }
    }

    /// That something else than `what` stands here. What was found is named by its kind only: it may be a secret in the
    /// wrong place.
    pub fn expected(&self, what: &str) -> ConfigError {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(number) if number.is_u64() => "a number",
            Value::Number(number) if number.is_i64() => "a negative number",
            Value::Number(_) => "a fraction, or a number too large",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error(&["expected ", what, ", found ", found].concat())
    }

    /// Hands over the items of a list.
    pub fn items(&self, read: &mut dyn FnMut(&Node<'_>) -> ReadResult) -> ReadResult {
        let Value::Array(items) = self.value else { return Err(self.expected("a list")) };
        let nodes = items.iter().enumerate();
        nodes
            .map(|(index, value)| Node { value, place: Place::Index(self, index) })
            .try_for_each(|node| read(&node))
    }

    /// Hands over the entries of an object whose names are free.
    pub fn entries(&self, read: &mut dyn FnMut(&str, &Node<'_>) -> ReadResult) -> ReadResult {
        let Value::Object(entries) = self.value else { return Err(self.expected("an object")) };
        entries.iter().try_for_each(|(key, value)| read(key, &Node { value, place: Place::Key(self, key) }))
    }

    /// Hands over the fields of an object with their index in `names`. Each bit of `required`, from the lowest, stands
    /// for a field that must be there.
    pub fn fields(
        &self,
        names: &[&str],
        required: u64,
        read: &mut dyn FnMut(usize, &Node<'_>) -> ReadResult,
    ) -> ReadResult {
        let mut missing = required;
        self.entries(&mut |key, field| {
            let index = index_of(key, names).ok_or_else(|| field.unknown("field", key, names))?;
            missing &= !bit(index);
            read(index, field)
        })?;
        match names.get(missing.trailing_zeros() as usize) {
            Some(name) if missing != 0 => Err(self.error(&["missing field `", name, "`"].concat())),
            _ => Ok(()),
        }
    }

    /// Which of the variants called `names` stands here, and what it holds. Each bit of `holding` stands for a variant
    /// that holds something.
    pub fn variant(&'n self, names: &[&str], holding: u64) -> Result<(usize, Node<'n>), ConfigError> {
        let (name, content) = match self.value {
            Value::String(name) => (name, None),
            Value::Object(fields) if fields.len() == 1 => match fields.iter().next() {
                Some((name, value)) => (name, Some(value)),
                None => return Err(self.expected("a string")),
            },
            _ if holding == 0 => return Err(self.expected("a string")),
            _ => return Err(self.expected("a string or an object with one field")),
        };
        let index = index_of(name, names).ok_or_else(|| self.unknown("variant", name, names))?;
        match (content, holding & bit(index) != 0) {
            (None, false) => Ok((index, *self)),
            (Some(value), true) => Ok((index, Node { value, place: Place::Key(self, name) })),
            (Some(_), false) => {
                Err(self.error(&["`", name, "` takes no value: write it as a string"].concat()))
            }
            (None, true) => {
                Err(self.error(&["`", name, "` takes a value: write it as {", name, ": …}"].concat()))
            }
        }
    }

    /// That no field or variant (`what`) has this name.
    fn unknown(&self, what: &str, name: &str, names: &[&str]) -> ConfigError {
        let mut message = ["unknown ", what, " `", name, "`, expected "].concat();
        if names.len() > 2 {
            message.push_str("one of ");
        }
        for (index, known) in names.iter().enumerate() {
            message.push_str(match (index, names.len()) {
                (0, _) => "`",
                (_, 2) => "` or `",
                _ => "`, `",
            });
            message.push_str(known);
        }
        message.push('`');
        self.error(&message)
    }
}

fn index_of(name: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|known| *known == name)
}

fn bit(index: usize) -> u64 {
    u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or_default()
}

impl Shape for bool {
    fn blank() -> Self {
        false
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        *self = node.value.as_bool().ok_or_else(|| node.expected("a boolean"))?;
        Ok(())
    }
}

impl Shape for String {
    fn blank() -> Self {
        Self::new()
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        node.value.as_str().ok_or_else(|| node.expected("a string"))?.clone_into(self);
        Ok(())
    }
}

/// What is null is absent.
impl<T: Shape> Shape for Option<T> {
    fn blank() -> Self {
        None
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        *self = None;
        if node.value.is_null() { Ok(()) } else { self.insert(T::blank()).read(node) }
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn blank() -> Self {
        Self::new()
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        self.clear();
        node.items(&mut |node| {
            let mut item = T::blank();
            item.read(node)?;
            self.push(item);
            Ok(())
        })
    }
}

impl<T: Shape> Shape for BTreeMap<String, T> {
    fn blank() -> Self {
        Self::new()
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        self.clear();
        node.entries(&mut |key, node| {
            let mut value = T::blank();
            value.read(node)?;
            self.insert(key.to_owned(), value);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use core::fmt;

    use super::*;
    use crate::config::{Fallback, Text};
    use serde_json::json;

    fn error<T: Shape + fmt::Debug>(value: &Value) -> String {
        read::<T>(value).unwrap_err().to_string()
    }

    #[derive(Debug, Default, PartialEq, Shape)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        most: Vec<String>,
        #[serde(rename = "in")]
        within: Option<bool>,
    }

    #[derive(Debug, PartialEq, Shape)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default)]
        flag: bool,
        #[serde(default = "two")]
        inner: Inner,
        maybe: Option<Inner>,
    }

    fn two() -> Inner {
        Inner { most: vec!["a".into(), "b".into()], within: Some(true) }
    }

    #[derive(Debug, PartialEq, Shape)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        OneWay,
        #[serde(rename = "2")]
        Another(Inner),
    }

    #[test]
    fn what_is_absent_is_as_the_type_says() {
        let outer = |inner, maybe| Outer { name: "n".into(), flag: false, inner, maybe };
        let cases = [
            (json!({"name": "n"}), outer(two(), None)),
            (json!({"name": "n", "maybe": null}), outer(two(), None)),
            // What is there is read anew: the default of the field around it is not what it starts from.
            (json!({"name": "n", "inner": {}, "maybe": {}}), outer(Inner::default(), Some(Inner::default()))),
            (
                json!({"name": "n", "inner": {"most": ["c"], "in": false}}),
                outer(Inner { most: vec!["c".into()], within: Some(false) }, None),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(read::<Outer>(&value), Ok(expected), "{value}");
        }
        assert_eq!(read::<Choice>(&json!("one_way")), Ok(Choice::OneWay));
        assert_eq!(read::<Choice>(&json!({"2": {}})), Ok(Choice::Another(Inner::default())));
    }

    #[test]
    fn errors_say_where() {
        type Deep = BTreeMap<String, Vec<Option<Text>>>;
        type Choices = Vec<Fallback>;
        assert!(read::<Deep>(&json!({"a": ["x", null]})).is_ok());
        assert!(read::<Choices>(&json!(["drop", {"tenant": "x"}])).is_ok());
        let cases = [
            (error::<Deep>(&json!({"a": ["x", 7]})), "a[1]: expected a string, found a number: quote it"),
            (error::<Deep>(&json!({"a": 7})), "a: expected a list, found a number"),
            (error::<Deep>(&json!(7)), "expected an object, found a number"),
            (
                error::<Choices>(&json!([{"tenant": 7.5}])),
                "[0].tenant: expected a string, found a number: quote it",
            ),
            (
                error::<Choices>(&json!(["lose"])),
                "[0]: unknown variant `lose`, expected one of `reject_series`, `drop`, `tenant`",
            ),
            (error::<Choices>(&json!(["tenant"])), "[0]: `tenant` takes a value: write it as {tenant: …}"),
            (error::<Choices>(&json!([{"drop": 1}])), "[0]: `drop` takes no value: write it as a string"),
            (
                error::<Choices>(&json!([{}])),
                "[0]: expected a string or an object with one field, found an object",
            ),
            (
                error::<Choices>(&json!([7])),
                "[0]: expected a string or an object with one field, found a number",
            ),
            (error::<Outer>(&json!({})), "missing field `name`"),
            (error::<Outer>(&json!({"name": null})), "name: expected a string, found null"),
            (error::<Outer>(&json!({"name": "n", "flag": null})), "flag: expected a boolean, found null"),
            (error::<Outer>(&json!(["n"])), "expected an object, found a list"),
            (
                error::<Outer>(&json!({"name": "n", "inner": {"within": true}})),
                "inner.within: unknown field `within`, expected `most` or `in`",
            ),
            (
                error::<Outer>(&json!({"nam": "n"})),
                "nam: unknown field `nam`, expected one of `name`, `flag`, `inner`, `maybe`",
            ),
            (error::<Choice>(&json!({"2": {"in": -1}})), "2.in: expected a boolean, found a negative number"),
            (error::<Choice>(&json!("OneWay")), "unknown variant `OneWay`, expected `one_way` or `2`"),
        ];
        for (error, expected) in cases {
            assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
        }
    }
}
