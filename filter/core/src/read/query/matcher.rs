//! Label matchers, and how they are written in all three languages.

use core::fmt;

use regex_lite::Regex;

/// A condition on a label that every series must meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    label: String,
    op: Op,
    value: String,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Equal,
    /// `=~`, anchored at both ends.
    Regex,
    /// `!=`, beside one that asks for a value.
    NotEqual,
}

/// Why there is no matcher of this label and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatcherProblem {
    /// The label is no name in the form of `[a-zA-Z_][a-zA-Z0-9_]*`, or it is `__name__`.
    Label,
    /// There is no value.
    NoValue,
    /// A value is empty, or the expression matches the empty string: it would select every series without the label.
    Empty,
    /// A value with control characters.
    Control,
    /// An expression that cannot be read.
    Expression,
}

impl Matcher {
    /// The label has this value.
    pub fn equal(label: &str, value: &str) -> Result<Self, MatcherProblem> {
        check_value(value)?;
        Self::new(label, Op::Equal, value.to_owned())
    }

    /// The label has not this value. It must stand beside a matcher that asks for one.
    pub fn not_equal(label: &str, value: &str) -> Result<Self, MatcherProblem> {
        check_value(value)?;
        Self::new(label, Op::NotEqual, value.to_owned())
    }

    /// The label has one of these values.
    pub fn any_of<'v>(
        label: &str,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Result<Self, MatcherProblem> {
        let mut values = values.into_iter();
        let first = values.next().ok_or(MatcherProblem::NoValue)?;
        let Some(second) = values.next() else { return Self::equal(label, first) };
        let mut pattern = String::new();
        for value in [first, second].into_iter().chain(values) {
            check_value(value)?;
            if !pattern.is_empty() {
                pattern.push('|');
            }
            push_quoted(&mut pattern, value);
        }
        Self::new(label, Op::Regex, pattern)
    }

    /// The label has a value like one of these, in which `*` stands for any run of characters.
    pub fn like<'v>(label: &str, values: impl IntoIterator<Item = &'v str>) -> Result<Self, MatcherProblem> {
        Self::new(label, Op::Regex, expression_like(values)?)
    }

    /// The whole value of the label matches an expression (RE2).
    pub fn regex(label: &str, pattern: &str) -> Result<Self, MatcherProblem> {
        check_value(pattern)?;
        let whole = Regex::new(&["^(?:", pattern, ")$"].concat()).map_err(|_| MatcherProblem::Expression)?;
        // Brackets that close each other only together with ours.
        Regex::new(pattern).map_err(|_| MatcherProblem::Expression)?;
        if whole.is_match("") {
            return Err(MatcherProblem::Empty);
        }
        Self::new(label, Op::Regex, pattern.to_owned())
    }

    /// The label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How it is compared.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The value or the expression, without any quotes.
    pub fn value(&self) -> &str {
        &self.value
    }

    fn new(label: &str, op: Op, value: String) -> Result<Self, MatcherProblem> {
        let is_first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
        let is_name = label.as_bytes().first().is_some_and(is_first)
            && label.bytes().all(|byte| is_first(&byte) || byte.is_ascii_digit());
        if !is_name || label == "__name__" {
            return Err(MatcherProblem::Label);
        }
        Ok(Self { label: label.to_owned(), op, value })
    }
}

/// An expression for whatever is like one of these, of which none is empty or has control characters. It never matches
/// the empty string.
pub fn expression_like<'v>(values: impl IntoIterator<Item = &'v str>) -> Result<String, MatcherProblem> {
    let mut pattern = String::new();
    for value in values {
        check_value(value)?;
        if !pattern.is_empty() {
            pattern.push('|');
        }
        if value.bytes().all(|byte| byte == b'*') {
            pattern.push_str(".+");
            continue;
        }
        for (at, piece) in value.split('*').enumerate() {
            if at > 0 {
                pattern.push_str(".*");
            }
            push_quoted(&mut pattern, piece);
        }
    }
    if pattern.is_empty() { Err(MatcherProblem::NoValue) } else { Ok(pattern) }
}

fn push_quoted(pattern: &mut String, text: &str) {
    for character in text.chars() {
        if "\\.+*?()|[]{}^$".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
}

fn check_value(value: &str) -> Result<(), MatcherProblem> {
    if value.is_empty() {
        return Err(MatcherProblem::Empty);
    }
    if value.chars().any(char::is_control) {
        return Err(MatcherProblem::Control);
    }
    Ok(())
}

impl fmt::Display for Matcher {
    /// `label="value"`, as all three languages read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)?;
        f.write_str(match self.op {
            Op::Equal => "=\"",
            Op::Regex => "=~\"",
            Op::NotEqual => "!=\"",
        })?;
        let mut rest = self.value.as_str();
        while let Some(at) = rest.find(['"', '\\']) {
            let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            f.write_str(plain)?;
            f.write_str("\\")?;
            let (special, after) = from.split_at_checked(1).unwrap_or((from, ""));
            f.write_str(special)?;
            rest = after;
        }
        f.write_str(rest)?;
        f.write_str("\"")
    }
}

impl core::error::Error for MatcherProblem {}

impl fmt::Display for MatcherProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Label => {
                "the label must be a name of letters, digits and underscores, and must not be __name__"
            }
            Self::NoValue => "there is no value",
            Self::Empty => "an empty value would select every series without the label",
            Self::Control => "a value has control characters",
            Self::Expression => "the expression cannot be read",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let cases: &[(&str, &[&str], Result<&str, MatcherProblem>)] = &[
            ("tenant", &["a"], Ok(r#"tenant="a""#)),
            ("tenant", &[r#"a"b\c"#], Ok(r#"tenant="a\"b\\c""#)),
            ("tenant", &["a.b"], Ok(r#"tenant="a.b""#)),
            ("tenant", &["a", "b.c"], Ok(r#"tenant=~"a|b\\.c""#)),
            ("tenant", &[".*", "x|y", "(z)"], Ok(r#"tenant=~"\\.\\*|x\\|y|\\(z\\)""#)),
            ("tenant", &["ü", "\u{2028}"], Ok("tenant=~\"ü|\u{2028}\"")),
            ("tenant", &[], Err(MatcherProblem::NoValue)),
            ("tenant", &[""], Err(MatcherProblem::Empty)),
            ("tenant", &["a", ""], Err(MatcherProblem::Empty)),
            ("tenant", &["a\nb"], Err(MatcherProblem::Control)),
            ("tenant", &["a", "\0"], Err(MatcherProblem::Control)),
            ("", &["a"], Err(MatcherProblem::Label)),
            ("1", &["a"], Err(MatcherProblem::Label)),
            ("a.b", &["a"], Err(MatcherProblem::Label)),
            ("a=\"\",b", &["a"], Err(MatcherProblem::Label)),
            ("ü", &["a"], Err(MatcherProblem::Label)),
            ("__name__", &["a"], Err(MatcherProblem::Label)),
        ];
        for (label, values, expected) in cases {
            let made = Matcher::any_of(label, values.iter().copied()).map(|matcher| matcher.to_string());
            assert_eq!(made.as_deref().map_err(|problem| *problem), *expected, "{label} {values:?}");
        }
    }

    #[test]
    fn values_like_these() {
        let cases: &[(&[&str], Result<&str, MatcherProblem>)] = &[
            (&["team-*"], Ok(r#"tenant=~"team-.*""#)),
            (&["*"], Ok(r#"tenant=~".+""#)),
            (&["**"], Ok(r#"tenant=~".+""#)),
            (&["a", "b.*-x"], Ok(r#"tenant=~"a|b\\..*-x""#)),
            (&["*'(*"], Ok(r#"tenant=~".*'\\(.*""#)),
            (&[], Err(MatcherProblem::NoValue)),
            (&["a", ""], Err(MatcherProblem::Empty)),
        ];
        for (values, expected) in cases {
            let made = Matcher::like("tenant", values.iter().copied()).map(|matcher| matcher.to_string());
            assert_eq!(made.as_deref().map_err(|problem| *problem), *expected, "{values:?}");
        }
    }

    #[test]
    fn expressions() {
        let cases: &[(&str, Result<&str, MatcherProblem>)] = &[
            ("team-.+", Ok(r#"tenant=~"team-.+""#)),
            (r"a\.b", Ok(r#"tenant=~"a\\.b""#)),
            ("", Err(MatcherProblem::Empty)),
            (".*", Err(MatcherProblem::Empty)),
            ("a|", Err(MatcherProblem::Empty)),
            ("a|()", Err(MatcherProblem::Empty)),
            ("(", Err(MatcherProblem::Expression)),
            ("a)|(.*", Err(MatcherProblem::Expression)),
        ];
        for (pattern, expected) in cases {
            let made = Matcher::regex("tenant", pattern).map(|matcher| matcher.to_string());
            assert_eq!(made.as_deref().map_err(|problem| *problem), *expected, "{pattern}");
        }
    }
}
