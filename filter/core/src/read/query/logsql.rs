//! `LogsQL`, as `VictoriaLogs` 1.52 reads it: the filter that narrows a query from outside, and what no filter narrows.
//!
//! The backend puts a filter that comes as an argument before a query and before each of its subqueries, and ANDs
//! several of them. So the query itself stays as it is. One pipe looks past every filter: `stream_context` shows the
//! neighbours of a line in its stream, whoever's they are, since a field need not be one of the stream.

use super::problem::{Problem, QueryError};

const STREAM_CONTEXT: &[u8] = b"stream_context";

/// Whether a query is narrowed by filters from outside. The name of the pipe is looked for wherever it stands, in strings
/// too: nothing is told apart here that the backend could tell apart otherwise.
pub fn check(text: &str) -> Result<(), QueryError> {
    let found = text.as_bytes().windows(STREAM_CONTEXT.len());
    match found.into_iter().position(|piece| piece.eq_ignore_ascii_case(STREAM_CONTEXT)) {
        Some(at) => Err(QueryError::new(text, at, Problem::StreamContext)),
        None => Ok(()),
    }
}

/// The filter for what has one of these values in a field; `None` where there is no value.
pub fn filter(field: &str, values: &[&str]) -> Option<String> {
    let mut filter = String::new();
    quote(&mut filter, field);
    let (first, others) = values.split_first()?;
    if others.is_empty() {
        filter.push_str(":=");
        quote(&mut filter, first);
        return Some(filter);
    }
    filter.push_str(":in(");
    for value in values {
        if !filter.ends_with('(') {
            filter.push(',');
        }
        quote(&mut filter, value);
    }
    filter.push(')');
    Some(filter)
}

/// The filter for what has a value in a field of which the whole matches an expression (RE2), but not this value.
pub fn filter_like(field: &str, expression: &str, but: Option<&str>) -> String {
    let mut filter = String::new();
    quote(&mut filter, field);
    filter.push_str(":~");
    quote(&mut filter, &["^(?:", expression, ")$"].concat());
    if let Some(but) = but {
        filter.push_str(" !");
        quote(&mut filter, field);
        filter.push_str(":=");
        quote(&mut filter, but);
    }
    filter
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            ("tenant", &["a"], Some(r#""tenant":="a""#)),
            ("tenant", &["a", "b.c", "*"], Some(r#""tenant":in("a","b.c","*")"#)),
            ("resource_attr:tenant", &["a"], Some(r#""resource_attr:tenant":="a""#)),
            ("tenant", &[r#"a" or "b\"#], Some(r#""tenant":="a\" or \"b\\""#)),
            ("tenant", &["("], Some(r#""tenant":="(""#)),
            ("tenant", &["(", "b"], Some(r#""tenant":in("(","b")"#)),
            ("tenant", &[], None),
        ];
        for (field, values, expected) in cases {
            assert_eq!(filter(field, values).as_deref(), *expected, "{values:?}");
        }
        assert_eq!(filter_like("tenant", r"a\..*|.+", None), r#""tenant":~"^(?:a\\..*|.+)$""#);
        assert_eq!(filter_like("t", ".+", Some("x")), r#""t":~"^(?:.+)$" !"t":="x""#);
    }

    #[test]
    fn what_no_filter_narrows() {
        for (query, expected) in [
            ("*", None),
            ("", None),
            ("stream context | stats by (_stream) count()", None),
            ("* | stream_context after 1", Some((1, 5))),
            ("*\n| Stream_Context before 1 after 1", Some((2, 3))),
            ("ü in(* | STREAM_CONTEXT after 1)", Some((1, 10))),
            ("_msg:\"stream_context\"", Some((1, 7))),
        ] {
            let place = check(query).err().map(|error| (error.line, error.column));
            assert_eq!(place, expected, "{query}");
        }
    }
}
