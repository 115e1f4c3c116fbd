//! Tables: what becomes of every construct of the languages, and what is refused.

mod logql;
mod metricsql;
mod promql;
mod properties;

use super::*;

/// The matcher of all tables: `t="a"`.
fn tenant() -> Vec<Matcher> {
    vec![Matcher::equal("t", "a").unwrap()]
}

fn experimental() -> Options {
    Options { experimental: true, ..Options::default() }
}

/// The query without what was put in.
fn original(rewritten: &Rewritten) -> String {
    let mut text = rewritten.text.clone();
    for range in rewritten.inserted.iter().rev() {
        text.replace_range(range.clone(), "");
    }
    text
}

/// Each query, without the marks, becomes what it is with them: `«»` stands for `{t="a"}`, `«,»` for `t="a",` and `«.»` for
/// `t="a"`, and `«_»` for ` t="a",`. Nothing else changes.
fn check_rewritten(language: Language, options: &Options, cases: &[&str]) {
    for case in cases {
        let text = with_marks(case, [""; 4]);
        let rewritten = rewrite(language, &text, &tenant(), options);
        let rewritten = rewritten.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            rewritten.text,
            with_marks(case, [r#"{t="a"}"#, r#"t="a","#, r#"t="a""#, r#" t="a","#]),
            "{text}"
        );
        assert_eq!(original(&rewritten), text);
        // Twice is as good as once.
        let again = rewrite(language, &rewritten.text, &tenant(), options).unwrap();
        assert_eq!(again.inserted.len(), rewritten.inserted.len(), "{text}");
    }
}

fn with_marks(case: &str, [after_name, before_others, alone, after_word]: [&str; 4]) -> String {
    let case = case.replace("«»", after_name).replace("«,»", before_others);
    case.replace("«.»", alone).replace("«_»", after_word)
}

/// Each query is refused at a position, as line and column, for a reason.
fn check_refused(language: Language, options: &Options, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let error = rewrite(language, text, &tenant(), options).map(|rewritten| rewritten.text);
        let error = error.expect_err(text).to_string();
        assert_eq!(error.replace("parse error: ", ""), *expected, "{text}");
    }
}

#[test]
fn limits() {
    let options = Options { max_bytes: 40, max_rewritten_bytes: 60, max_depth: 3, ..Options::default() };
    let cases = [
        ("(((up)))", None),
        ("((((up))))", Some("1:4: parse error: more than 3 brackets are open at once")),
        ("sum(sum(sum(sum(up))))", Some("1:16: parse error: more than 3 brackets are open at once")),
        (
            "up+up+up+up+up+up+up",
            Some("1:21: parse error: the query has more than 60 bytes with the tenant's matchers in it"),
        ),
        (
            "up                                        ",
            Some("1:1: parse error: the query has more than 40 bytes"),
        ),
    ];
    for (text, expected) in cases {
        let error = rewrite(Language::PromQl, text, &tenant(), &options).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected, "{text}");
    }
}

#[test]
fn without_matchers_nothing_goes_on() {
    let error = rewrite(Language::PromQl, "up", &[], &Options::default()).unwrap_err();
    assert_eq!(error.problem, Problem::NoMatchers);
    let error = rewrite(Language::PromQl, "1", &[], &Options::default()).unwrap_err();
    assert_eq!(error.problem, Problem::NoMatchers);
}

#[test]
fn positions_are_of_bytes_lines_and_characters() {
    let error = rewrite(Language::PromQl, "# ü\nup{ü}", &tenant(), &Options::default()).unwrap_err();
    assert_eq!((error.at, error.line, error.column), (8, 2, 4));
}

#[test]
fn several_matchers_stand_together() {
    let matchers = [Matcher::any_of("t", ["a", "b.c"]).unwrap(), Matcher::equal("u", "x\"y").unwrap()];
    let rewritten = rewrite(Language::PromQl, "up / up{}", &matchers, &Options::default()).unwrap();
    let both = r#"t=~"a|b\\.c",u="x\"y""#;
    assert_eq!(rewritten.text, format!("up{{{both}}} / up{{{both}}}"));
    let marked: Vec<_> = rewritten.inserted.iter().map(|range| &rewritten.text[range.clone()]).collect();
    assert_eq!(marked, [&format!("{{{both}}}"), both]);
}
