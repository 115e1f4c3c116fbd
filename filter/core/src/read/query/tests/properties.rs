//! What holds for every text: it is refused, or only the matchers were added and no brace is without them.

use proptest::prelude::*;

use super::*;

/// Pieces of queries of all languages, and what hostile ones are made of.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "up", "sum", "rate", "by", "without", "offset", "on", "ignoring", "group_left", "bool", "and", "or", "unless", "inf", "NaN",
    "start", "step", "fill", "limitk", "info", "default", "if", "keep_metric_names", "limit", "prefix", "with", "label_set",
    "json", "logfmt", "unwrap", "line_format", "label_format", "drop", "ip", "vector", "count_over_time", "label_replace",
    "{", "}", "(", ")", "[", "]", ",", "=", "==", "!=", "=~", "!~", "|=", "|~", "|>", "!>", "|", "<", ">", "+", "-", "*", "/",
    "^", "%", "@", ":", ".", ";", "\\", "\"", "'", "`", "#", "//", "/*", "*/", "$__interval", " ", " ", " ", "\n", "\r",
    "\t", "\u{a0}", "ü", "1", "0x1", "1e", "5m", "5i", "1Ki", "a=\"b\"", "{a=\"b\"}", "\"x\"", "`{`", "'}'", "[5m]",
    "[5m:1m]", "(x)", "t=\"b\"", "{t=\"b\"}", "x.y", "a:b", "\\{", "\\x7b", "# {\n", "--strict", "\"a\" or",
    "WITH (", "x", "x = ", "f(x) = ", "{x}", "x{", "f(", "), ",
];

fn queries() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(proptest::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat()),
        proptest::collection::vec(proptest::sample::select(PIECES), 0..16)
            .prop_map(|pieces| pieces.join(" ")),
        any::<String>(),
    ]
}

/// Whether a brace that opens outside of strings and comments is without the matcher, as an own and simpler reading of the
/// text has it.
fn has_unguarded_brace(language: Language, text: &str) -> bool {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let line = rest.find('\n').unwrap_or(rest.len());
        let is_logql = language == Language::LogQl;
        let skipped = match first {
            '#' => line,
            '/' if is_logql && rest.starts_with("//") => line,
            '/' if is_logql && rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |at| at + 4),
            '`' => rest[1..].find('`').map_or(rest.len(), |at| at + 2),
            '"' | '\'' => {
                let mut is_escaped = false;
                let end = rest[1..].find(|character| {
                    let is_end = character == first && !is_escaped;
                    is_escaped = character == '\\' && !is_escaped;
                    is_end
                });
                end.map_or(rest.len(), |at| at + 2)
            }
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '{' => {
                let mut inside = &rest[1..];
                loop {
                    inside = inside.trim_start();
                    let Some(comment) = inside.strip_prefix(['#', '/']) else { break };
                    let end = if comment.starts_with('*') {
                        comment.find("*/").map(|at| at + 2)
                    } else {
                        comment.find('\n')
                    };
                    inside = &comment[end.unwrap_or(comment.len())..];
                }
                if !inside.starts_with(r#"t="a""#) {
                    return true;
                }
                1
            }
            _ => first.len_utf8(),
        };
        rest = &rest[skipped..];
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn only_matchers_are_added_and_no_brace_is_without(text in queries()) {
        for language in [Language::PromQl, Language::MetricsQl, Language::LogQl] {
            for options in [Options::default(), experimental()] {
                let Ok(rewritten) = rewrite(language, &text, &tenant(), &options) else { continue };
                prop_assert_eq!(original(&rewritten), text.as_str());
                prop_assert!(!has_unguarded_brace(language, &rewritten.text), "{:?} {}", language, rewritten.text);
                // What was put in reads as it was meant, and nothing is missing a second time.
                let again = rewrite(language, &rewritten.text, &tenant(), &options);
                let again = again.map(|again| again.inserted.len());
                prop_assert_eq!(again, Ok(rewritten.inserted.len()));
            }
        }
    }

    #[test]
    fn values_and_positions_stay_within_bounds(text in queries(), value in "[^\\p{Cc}]{1,20}") {
        let matchers = [Matcher::equal("t", &value).unwrap(), Matcher::any_of("u", [&*value, "x"]).unwrap()];
        for language in [Language::PromQl, Language::MetricsQl, Language::LogQl] {
            match rewrite(language, &text, &matchers, &Options::default()) {
                // Twice, so that what was put in is read as well. Go's readers do not take U+FFFD.
                Ok(rewritten) => if !value.contains('\u{fffd}') {
                    let again = rewrite(language, &rewritten.text, &matchers, &Options::default());
                    prop_assert_eq!(again.map(|again| again.inserted.len()), Ok(rewritten.inserted.len()));
                },
                Err(error) => prop_assert!(text.is_char_boundary(error.at)),
            }
        }
    }
}
