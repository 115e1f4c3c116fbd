//! Whether decisions take effect, and for whom.

use serde_json::Value;

use super::shape::{Node, ReadResult, Shape};

/// Whether decisions take effect. Who is observed is kept from nothing: it reaches every tenant that it names, as if there
/// were no gateway. The page [Rollout](rollout.md) says how to go from one to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Requests are rewritten, split or refused.
    #[default]
    Enforce,
    /// Every request goes on exactly as it came. What would have been done is decided all the same,
    /// compared with the request's own `X-Scope-OrgID`, counted and logged. Protects nothing.
    Observe,
    /// As `enforce` for this share of the callers, such as `"25%"`, and as `observe` for the others. Who belongs to
    /// the share is decided by the caller's entry and user (where it has none, its tenants), so that it is the same for
    /// all requests of a caller, in every worker and every gateway; a larger share only adds callers.
    EnforceFor(Percent),
}

/// A share, such as `"25%"` or `"0.5%"`, in hundredths of a percent: at most 10 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u16);

impl Percent {
    /// All of it.
    pub const WHOLE: Self = Self(100 * 100);

    /// Reads digits, up to two more after a dot, and the sign.
    fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?.trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
            return None;
        }
        let tenths = if fraction.len() == 1 { 10 } else { 1 };
        let hundredths = fraction.parse::<u16>().ok()?.checked_mul(tenths)?;
        let all = whole.parse::<u16>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
        Some(Self(all)).filter(|share| *share <= Self::WHOLE)
    }
}

impl core::fmt::Display for Percent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, fraction) => write!(f, "{whole}.{fraction:02}%"),
        }
    }
}

impl Shape for Percent {
    fn blank() -> Self {
        Self(0)
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        const EXPECTED: &str = "a share with its sign, such as \"25%\" or \"0.5%\", of at most 100%";
        let Value::String(text) = node.value() else { return Err(node.expected(EXPECTED)) };
        *self = Self::parse(text)
            .ok_or_else(|| node.error(&["expected ", EXPECTED, ", found \"", text, "\""].concat()))?;
        Ok(())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "percent".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+([.][0-9]{1,2})? *%$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use serde_json::{Value as Json, json};

    #[test]
    fn modes() {
        let share = |hundredths| Some(Mode::EnforceFor(Percent(hundredths)));
        let cases: &[(Json, Option<Mode>)] = &[
            (json!("enforce"), Some(Mode::Enforce)),
            (json!("observe"), Some(Mode::Observe)),
            (json!({"enforce_for": "25%"}), share(2_500)),
            (json!({"enforce_for": "0%"}), share(0)),
            (json!({"enforce_for": "100%"}), share(10_000)),
            (json!({"enforce_for": "100.00%"}), share(10_000)),
            (json!({"enforce_for": "0.5%"}), share(50)),
            (json!({"enforce_for": "0.05%"}), share(5)),
            (json!({"enforce_for": "12.34 %"}), share(1_234)),
            (json!({"enforce_for": "007%"}), share(700)),
            (json!({"enforce_for": "100.01%"}), None),
            (json!({"enforce_for": "655.36%"}), None),
            (json!({"enforce_for": "65561%"}), None),
            (json!({"enforce_for": "1.234%"}), None),
            (json!({"enforce_for": ".5%"}), None),
            (json!({"enforce_for": "5.%"}), None),
            (json!({"enforce_for": "+5%"}), None),
            (json!({"enforce_for": "-5%"}), None),
            (json!({"enforce_for": "٥%"}), None),
            (json!({"enforce_for": "%"}), None),
            (json!({"enforce_for": ""}), None),
            (json!({"enforce_for": "25"}), None),
            (json!({"enforce_for": 25}), None),
            (json!({"enforce_for": 0.25}), None),
            (json!({"enforce_for": "5%", "observe": "5%"}), None),
            (json!({"observe": "5%"}), None),
            (json!("25%"), None),
            (json!("Enforce"), None),
            (json!(true), None),
        ];
        for (json, expected) in cases {
            assert_eq!(read::<Mode>(json).ok(), *expected, "{json}");
        }
        let error = read::<Mode>(&json!({"enforce_for": 25})).unwrap_err().to_string();
        assert!(error.contains("a share with its sign"), "{error}");
    }

    #[test]
    fn shares_read_as_they_are_written() {
        for hundredths in 0..=10_000 {
            let share = Percent(hundredths);
            assert_eq!(Percent::parse(&share.to_string()), Some(share), "{share}");
        }
    }
}
