//! MetricsQL, as `metricsql` 0.87 of VictoriaMetrics reads it.
//!
//! `WITH` templates are refused: what a name in them stands for is decided by scopes, and a name taken for a template where
//! VictoriaMetrics sees a metric would select everything. So a word without an operator in braces, a word for a duration
//! and a word in a string are refused too, since only templates give them a meaning.

use super::Problem;
use super::names::{self, is_known_in_any_case};
use super::number::number;
use super::problem::{Refused, shown};
use super::promql::starts_fraction;
use super::quoted::{comment, quoted};
use super::walk::{Kind, Place, Token, Walk, symbol};

const PAIRS: &[&str] = &["==", "!=", "=~", "!~", "<=", ">="];
const SINGLES: &str = "{}[](),=<>+-*/%^@";
const UNITS: &[&str] = &[
    "ms", "s", "m", "h", "d", "w", "y", "i", "k", "kb", "ki", "kib", "mb", "mi", "mib", "g", "gb", "gi",
    "gib", "t", "tb", "ti", "tib",
];
const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "^", "==", "!=", "<=", ">=", "<", ">"];
const SET_OPERATORS: &[&str] = &["and", "or", "unless", "atan2", "if", "ifnot", "default"];
const MATCH_OPERATORS: &[&str] = &["=", "!=", "=~", "!~"];
/// What Grafana leaves where nothing replaces it. VictoriaMetrics reads them as durations.
const INTERVALS: &[&str] = &["$__interval", "$__rate_interval"];

const OPERAND: &str = "an expression";

/// An open bracket.
enum Frame {
    /// `(` around expressions, or the arguments of a function.
    List,
    /// The arguments of an aggregation; its labels may follow, unless they came before.
    Aggregation { is_grouped: bool },
}

/// How a walk goes on.
enum Next {
    Operand,
    After,
    End,
}

/// A whole query.
pub(super) fn query(walk: &mut Walk<'_>) -> Result<(), Refused> {
    let mut open = Vec::new();
    let mut next = Next::Operand;
    loop {
        next = match next {
            Next::Operand => operand(walk, &mut open)?,
            Next::After => after(walk, &mut open)?,
            Next::End => return Ok(()),
        };
    }
}

/// A selector and nothing else.
pub(super) fn selector(walk: &mut Walk<'_>) -> Result<(), Refused> {
    match walk.word() {
        Some(word) if !is_number(word) => {
            let name = walk.next()?;
            metric(walk, name)
        }
        _ => braces(walk),
    }
}

/// What stands between operators, and the brackets and signs before it.
fn operand(walk: &mut Walk<'_>, open: &mut Vec<Frame>) -> Result<Next, Refused> {
    if walk.take("+")? || walk.take("-")? {
        return Ok(Next::Operand);
    }
    if walk.is("(") {
        return push(walk, open, Frame::List);
    }
    if walk.is("{") {
        braces(walk)?;
    } else if let Some(word) = walk.word() {
        return name(walk, open, word);
    } else if !walk.take_kind(Kind::Number)? && !walk.take_kind(Kind::Quoted)? {
        return Err(walk.unexpected(OPERAND));
    }
    Ok(Next::After)
}

/// A word where an operand begins: a number, an aggregation, a call, or a metric.
fn name(walk: &mut Walk<'_>, open: &mut Vec<Frame>, word: &str) -> Result<Next, Refused> {
    let token = walk.next()?;
    if is_number(word) {
        return Ok(Next::After);
    }
    if is_known_in_any_case(names::METRICSQL_AGGREGATIONS, word) {
        let is_grouped = walk.is_one_of(&["by", "without"]);
        if is_grouped {
            walk.next()?;
            labels(walk)?;
        }
        if is_grouped || walk.is("(") {
            return push(walk, open, Frame::Aggregation { is_grouped });
        }
    } else if walk.is("(") {
        if is_known_in_any_case(names::METRICSQL_FUNCTIONS, word) {
            return push(walk, open, Frame::List);
        }
        let is_template = word.eq_ignore_ascii_case("with");
        let problem = if is_template { Problem::Template } else { Problem::Function(shown(word)) };
        return Err(walk.error(token.start, problem));
    }
    metric(walk, token)?;
    Ok(Next::After)
}

/// What follows an operand.
fn after(walk: &mut Walk<'_>, open: &mut Vec<Frame>) -> Result<Next, Refused> {
    if walk.token().kind == Kind::End {
        return if open.is_empty() { Ok(Next::End) } else { Err(walk.unexpected("`)`")) };
    }
    if walk.is(")") {
        return close(walk, open);
    }
    if walk.is(",") && !open.is_empty() {
        walk.next()?;
        return Ok(if walk.is(")") { Next::After } else { Next::Operand });
    }
    if walk.is("[") {
        walk.open_brackets()?;
        if !walk.is(":") {
            duration(walk)?;
        }
        if walk.take(":")? && !walk.is("]") {
            duration(walk)?;
        }
        walk.close_brackets()?;
    } else if walk.take_word("offset")? {
        walk.take("-")?;
        walk.expect_kind(Kind::Number, "a duration")?;
    } else if walk.take("@")? {
        return Ok(Next::Operand);
    } else if walk.take_word("keep_metric_names")? {
    } else if walk.is_operator(OPERATORS, SET_OPERATORS) {
        walk.next()?;
        matching(walk)?;
        return Ok(Next::Operand);
    } else {
        return Err(walk.unexpected("an operator"));
    }
    Ok(Next::After)
}

fn push(walk: &mut Walk<'_>, open: &mut Vec<Frame>, frame: Frame) -> Result<Next, Refused> {
    open.push(frame);
    walk.check_depth(open.len())?;
    walk.expect("(", "`(`")?;
    Ok(if walk.is(")") { Next::After } else { Next::Operand })
}

fn close(walk: &mut Walk<'_>, open: &mut Vec<Frame>) -> Result<Next, Refused> {
    let Some(frame) = open.pop() else { return Err(walk.unexpected("an operator")) };
    walk.next()?;
    if let Frame::Aggregation { is_grouped } = frame {
        if !is_grouped && (walk.take_word("by")? || walk.take_word("without")?) {
            labels(walk)?;
        }
        if walk.take_word("limit")? {
            walk.expect_kind(Kind::Number, "a number")?;
        }
    }
    Ok(Next::After)
}

/// A metric, of which the name has passed.
fn metric(walk: &mut Walk<'_>, name: Token) -> Result<(), Refused> {
    if walk.is("{") {
        return braces(walk);
    }
    walk.insert(name.end, Place::AfterName);
    Ok(())
}

/// Groups of filters in braces, with `or` between them. Each gets the matchers.
fn braces(walk: &mut Walk<'_>) -> Result<(), Refused> {
    let opening = walk.token();
    walk.expect("{", "a selector")?;
    if walk.take("}")? {
        walk.insert(opening.end, Place::Alone);
        return Ok(());
    }
    walk.insert(walk.token().start, Place::BeforeOthers);
    loop {
        filter(walk)?;
        if walk.is_word("or") {
            let or = walk.next()?;
            let start = walk.token().start;
            let place = if or.end == start { Place::AfterWord } else { Place::BeforeOthers };
            walk.insert(start, place);
            continue;
        }
        if walk.take("}")? {
            return Ok(());
        }
        walk.expect(",", "`,`, `or` or `}`")?;
        if walk.take("}")? {
            return Ok(());
        }
    }
}

/// A label with its value, or the name of a metric in quotes.
fn filter(walk: &mut Walk<'_>) -> Result<(), Refused> {
    let label = walk.token();
    if !walk.take_kind(Kind::Word)? && !walk.take_kind(Kind::Quoted)? {
        return Err(walk.unexpected("a label or `}`"));
    }
    if walk.is_operator(MATCH_OPERATORS, &[]) {
        walk.next()?;
        return string(walk);
    }
    let is_end = walk.is(",") || walk.is("}") || walk.is_word("or");
    match label.kind {
        Kind::Quoted if is_end => Ok(()),
        _ if is_end => Err(walk.error(label.start, Problem::Template)),
        _ => Err(walk.unexpected("an operator such as `=`")),
    }
}

/// Strings with `+` between them.
fn string(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expect_kind(Kind::Quoted, "a string")?;
    while walk.take("+")? {
        walk.expect_kind(Kind::Quoted, "a string")?;
    }
    Ok(())
}

/// What stands between an operator and its right side.
fn matching(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.take_word("bool")?;
    if !walk.take_word("on")? && !walk.take_word("ignoring")? {
        return Ok(());
    }
    labels(walk)?;
    if !walk.take_word("group_left")? && !walk.take_word("group_right")? {
        return Ok(());
    }
    if walk.is("(") {
        labels(walk)?;
    }
    if walk.take_word("prefix")? {
        // Not `+`: what follows may be the right side with its sign.
        walk.expect_kind(Kind::Quoted, "a string")?;
    }
    Ok(())
}

/// Labels in parentheses, or `*`.
fn labels(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expect("(", "`(`")?;
    if walk.take("*")? {
        return walk.expect(")", "`)`");
    }
    while !walk.take(")")? {
        if !walk.take_kind(Kind::Word)? && !walk.take_kind(Kind::Quoted)? {
            return Err(walk.unexpected("a label or `)`"));
        }
        if !walk.is(")") {
            walk.expect(",", "`,` or `)`")?;
        }
    }
    Ok(())
}

/// A duration in brackets, such as `1h`, `5i`, `300` or `1h-5m`.
fn duration(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expect_kind(Kind::Number, "a duration")?;
    while walk.take("-")? {
        walk.expect_kind(Kind::Number, "a duration")?;
    }
    Ok(())
}

fn is_number(word: &str) -> bool {
    word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("nan")
}

/// The token at a byte or after it.
pub(super) fn lex(text: &str, from: usize, in_brackets: bool) -> Result<Token, (usize, Problem)> {
    let mut start = from;
    loop {
        let rest = text.get(start..).unwrap_or("");
        let token = |kind, length: usize| Token { kind, start, end: start.saturating_add(length) };
        let Some(first) = rest.chars().next() else { return symbol(rest, start, &[], "") };
        match first {
            ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' => start = start.saturating_add(1),
            '#' => start = start.saturating_add(comment(rest, start)?),
            '"' | '\'' | '`' => {
                let length = quoted(rest, start)?;
                // Here a backslash before a backquote goes on with the string, which then is no string.
                if first == '`' && rest.get(..length).is_some_and(|string| string.ends_with("\\`")) {
                    return Err((start, Problem::Escape));
                }
                return Ok(token(Kind::Quoted, length));
            }
            '$' => {
                let length =
                    rest.bytes().skip(1).take_while(|byte| is_name_byte(*byte)).count().saturating_add(1);
                return match rest.get(..length) {
                    Some(interval) if INTERVALS.contains(&interval) => Ok(token(Kind::Number, length)),
                    _ => Err((start, Problem::Character('$'))),
                };
            }
            ':' if in_brackets => return symbol(rest, start, &[], ":"),
            '_' | ':' | '\\' => return Ok(token(Kind::Word, word(rest, start, in_brackets)?)),
            _ if first.is_alphabetic() => return Ok(token(Kind::Word, word(rest, start, in_brackets)?)),
            _ if first.is_ascii_digit() || starts_fraction(rest) => {
                return Ok(token(Kind::Number, number(rest, start, UNITS, str::eq_ignore_ascii_case)?));
            }
            _ => return symbol(rest, start, PAIRS, SINGLES),
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the name at the beginning of `rest`, in which a backslash makes any printable character a part of it, as
/// `\xNN` and `\uNNNN` do. Newer and older versions differ in what else it makes, so that is refused.
fn word(rest: &str, start: usize, in_brackets: bool) -> Result<usize, (usize, Problem)> {
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        let is_part = match character {
            '\\' => {
                let digits = match characters.next() {
                    Some((_, 'x' | 'X')) => 2,
                    Some((_, 'u' | 'U')) => 4,
                    Some((_, escaped)) if !escaped.is_control() => 0,
                    _ => return Err((start.saturating_add(at), Problem::Escape)),
                };
                if !(0..digits).all(|_| characters.next().is_some_and(|(_, digit)| digit.is_ascii_hexdigit()))
                {
                    return Err((start.saturating_add(at), Problem::Escape));
                }
                true
            }
            ':' => !in_brackets,
            '_' | '.' => true,
            _ => character.is_alphabetic() || character.is_ascii_digit(),
        };
        if !is_part {
            return Ok(at);
        }
    }
    Ok(rest.len())
}
