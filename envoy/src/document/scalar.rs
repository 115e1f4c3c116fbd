//! What Envoy takes a plain scalar for: yaml-cpp's booleans, whole numbers of 32 bits, else text.
//!
//! Reference: Envoy's `source/common/protobuf/yaml_utility.cc`.

use serde_json::Value;

/// The value of a scalar without quotes.
pub(super) fn plain(text: &str) -> Value {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    if let Some(value) = boolean(text) {
        return Value::Bool(value);
    }
    match integer(text) {
        Some(number) if i32::try_from(number).is_ok() => Value::from(number),
        Some(number) => Value::String(number.to_string()),
        None => Value::String(text.to_owned()),
    }
}

/// All in lower case, all in upper case, or with one capital at the beginning.
fn boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let capital = |(first, rest): (char, &str)| first.is_ascii_uppercase() && lower.ends_with(rest);
    let is_flexible = text == lower
        || text == text.to_ascii_uppercase()
        || text.chars().next().zip(text.get(1..)).is_some_and(capital);
    match lower.as_str() {
        _ if !is_flexible => None,
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// As a C++ stream reads it: decimal, `0x` for hexadecimal, `0` for octal.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (digits.get(2..)?, 16),
        [b'0', _, ..] => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok()?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars() {
        for (text, expected) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("N", json!(false)),
            ("yEs", json!("yEs")),
            ("0", json!(0)),
            ("-7", json!(-7)),
            ("010", json!(8)),
            ("08", json!("08")),
            ("0x1F", json!(31)),
            ("2147483648", json!("2147483648")),
            ("1.0", json!("1.0")),
            ("1e3", json!("1e3")),
            ("60s", json!("60s")),
            ("~", json!(null)),
            ("--1", json!("--1")),
            ("0x", json!("0x")),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }
}
