//! `google.protobuf.Struct`, `Value` and `ListValue`, read in place.
//!
//! Envoy hands over verified JWT payloads, session metadata and the filter's own configuration in
//! this form. As in every protobuf decoder the last of several values wins.

use super::fields::{Fields, Malformed, Value};

/// One `google.protobuf.Value`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Datum<'a> {
    /// `null_value`, and also a `Value` in which no kind is set.
    Null,
    /// `bool_value`.
    Bool(bool),
    /// `number_value`: JSON numbers are doubles here.
    Number(f64),
    /// `string_value`.
    Text(&'a str),
    /// `list_value`.
    List(List<'a>),
    /// `struct_value`.
    Structure(Structure<'a>),
}

/// One `google.protobuf.Struct`: a map without order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Structure<'a>(&'a [u8]);

/// One `google.protobuf.ListValue`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct List<'a>(&'a [u8]);

impl<'a> Structure<'a> {
    /// A view of the serialized message; it is checked as it is read.
    pub fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The fields, in no particular order.
    pub fn entries(self) -> impl Iterator<Item = Result<(&'a str, Datum<'a>), Malformed>> {
        values(self.0, 1).map(|entry| {
            let (key, value) = map_entry(entry?)?;
            Ok((key, datum(value)?))
        })
    }

    /// The field called `key`, or `None`.
    pub fn get(self, key: &str) -> Result<Option<Datum<'a>>, Malformed> {
        let mut found = None;
        for entry in values(self.0, 1) {
            let (name, value) = map_entry(entry?)?;
            if name == key {
                found = Some(value);
            }
        }
        found.map(datum).transpose()
    }
}

impl<'a> List<'a> {
    /// The elements in order.
    pub fn items(self) -> impl Iterator<Item = Result<Datum<'a>, Malformed>> {
        values(self.0, 1).map(|value| datum(value?))
    }
}

/// The values of the length-delimited field `number`; other fields are passed over.
fn values(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::new(message).filter_map(move |field| match field {
        Ok(field) if field.number == number => Some(field.value.bytes()),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// Key and value bytes of one entry of a `map<string, message>`.
pub(super) fn map_entry(entry: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut key, mut value): (&str, &[u8]) = ("", &[]);
    for field in Fields::new(entry) {
        let field = field?;
        match field.number {
            1 => key = field.value.text()?,
            2 => value = field.value.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn datum(message: &[u8]) -> Result<Datum<'_>, Malformed> {
    let mut datum = Datum::Null;
    for field in Fields::new(message) {
        let field = field?;
        datum = match (field.number, field.value) {
            (1, Value::Varint(_)) => Datum::Null,
            (2, Value::Fixed64(bits)) => Datum::Number(f64::from_bits(bits)),
            (3, value @ Value::Bytes(_)) => Datum::Text(value.text()?),
            (4, Value::Varint(value)) => Datum::Bool(value != 0),
            (5, Value::Bytes(bytes)) => Datum::Structure(Structure(bytes)),
            (6, Value::Bytes(bytes)) => Datum::List(List(bytes)),
            (1..=6, _) => return Err(Malformed::Unexpected),
            _ => datum,
        };
    }
    Ok(datum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use serde_json::json;

    #[test]
    fn every_kind_is_read_with_its_type() {
        let message = encode::structure(&json!({
            "null": null, "yes": true, "number": 7, "text": "é", "list": ["a", null], "deep": {"er": "x"},
        }));
        let view = Structure::new(&message);
        assert_eq!(view.get("null"), Ok(Some(Datum::Null)));
        assert_eq!(view.get("yes"), Ok(Some(Datum::Bool(true))));
        assert_eq!(view.get("number"), Ok(Some(Datum::Number(7.0))));
        assert_eq!(view.get("text"), Ok(Some(Datum::Text("é"))));
        assert_eq!(view.get("absent"), Ok(None));
        let Ok(Some(Datum::List(list))) = view.get("list") else { panic!("no list") };
        assert_eq!(list.items().collect::<Result<Vec<_>, _>>(), Ok(vec![Datum::Text("a"), Datum::Null]));
        let Ok(Some(Datum::Structure(deep))) = view.get("deep") else { panic!("no struct") };
        assert_eq!(deep.get("er"), Ok(Some(Datum::Text("x"))));
    }

    #[test]
    fn the_last_of_two_entries_wins() {
        let mut message = encode::structure(&json!({"tenant": "first"}));
        message.extend(encode::structure(&json!({"tenant": "second"})));
        assert_eq!(Structure::new(&message).get("tenant"), Ok(Some(Datum::Text("second"))));
    }
}
