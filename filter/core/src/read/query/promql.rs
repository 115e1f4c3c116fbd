//! PromQL, as `promql/parser` of Prometheus 3.14 reads it.

use super::Problem;
use super::names::{self, is_known};
use super::number::number;
use super::problem::{Refused, shown};
use super::quoted::{comment, quoted};
use super::walk::{Kind, MATCH_OPERATORS, Next, Place, Token, Walk, symbol};

const PAIRS: &[&str] = &["==", "!=", "=~", "!~", "<=", "</", ">=", ">/"];
const SINGLES: &str = "{}[](),=<>+-*/%^@";
const UNITS: &[&str] = &["ms", "s", "m", "h", "d", "w", "y"];
const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "^", "==", "!=", "<=", ">=", "<", ">", "</", ">/"];
const SET_OPERATORS: &[&str] = &["and", "or", "unless", "atan2"];
/// Keywords that are no metric, wherever they stand.
const RESERVED: &[&str] = &["on", "ignoring", "group_left", "group_right", "bool", "atan2"];

const OPERAND: &str = "an expression";

/// An open bracket.
enum Frame {
    /// `(` around an expression.
    Group,
    /// The arguments of a function.
    Call,
    /// The arguments of an aggregation; its labels may follow, unless they came before.
    Aggregation { is_grouped: bool },
    /// The arguments of `info()`, of which the second is a selector of other series.
    Info { is_selected: bool },
}

/// A whole query.
pub(super) fn query(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expression(operand, after)
}

/// A selector and nothing else.
pub(super) fn selector(walk: &mut Walk<'_>) -> Result<(), Refused> {
    match walk.word() {
        Some(word) if !is_reserved(word) && !is_number(word) => {
            let name = walk.next()?;
            metric(walk, name)
        }
        _ => braces(walk).map(drop),
    }
}

/// What stands between operators, and the brackets and signs before it.
fn operand(walk: &mut Walk<'_>, open: &mut Vec<Frame>) -> Result<Next, Refused> {
    if walk.take("+")? || walk.take("-")? {
        return Ok(Next::Operand);
    }
    if walk.is("(") {
        return push(walk, open, Frame::Group);
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
    if is_reserved(word) {
        return Err(walk.unexpected(OPERAND));
    }
    let token = walk.next()?;
    if is_number(word) {
        return Ok(Next::After);
    }
    if names::is_known_in_any_case(names::PROMQL_AGGREGATIONS, word) {
        let is_grouped = walk.is_one_of(&["by", "without"]);
        if is_grouped || walk.is("(") {
            if names::is_known_in_any_case(names::PROMQL_EXPERIMENTAL_AGGREGATIONS, word) {
                walk.experimental(token)?;
            }
            if is_grouped {
                walk.next()?;
                labels(walk)?;
            }
            return push(walk, open, Frame::Aggregation { is_grouped });
        }
    } else if walk.is("(") {
        if is_known(names::PROMQL_EXPERIMENTAL, word) {
            walk.experimental(token)?;
        } else if !is_known(names::PROMQL_FUNCTIONS, word) {
            return Err(walk.error(token.start, Problem::Function(shown(word))));
        }
        if word == "info" {
            return push(walk, open, Frame::Info { is_selected: false });
        }
        push(walk, open, Frame::Call)?;
        return Ok(if walk.is(")") { Next::After } else { Next::Operand });
    }
    metric(walk, token)?;
    Ok(Next::After)
}

/// What follows an operand.
fn after(walk: &mut Walk<'_>, open: &mut Vec<Frame>) -> Result<Next, Refused> {
    let token = walk.token();
    if token.kind == Kind::End {
        return if open.is_empty() { Ok(Next::End) } else { Err(walk.unexpected("`)`")) };
    }
    if walk.is(")") {
        return close(walk, open);
    }
    if walk.is(",") {
        match open.last_mut() {
            Some(Frame::Call | Frame::Aggregation { .. }) => {}
            Some(Frame::Info { is_selected: is_selected @ false }) => {
                *is_selected = true;
                walk.next()?;
                let start = walk.token().start;
                if !braces(walk)? {
                    return Err(walk.error(start, Problem::Info));
                }
                return if walk.is(")") { Ok(Next::After) } else { Err(walk.unexpected("`)`")) };
            }
            _ => return Err(walk.unexpected("an operator")),
        }
        walk.next()?;
        return Ok(Next::Operand);
    }
    if walk.is("[") {
        walk.open_brackets()?;
        duration(walk, true)?;
        if walk.take(":")? && !walk.is("]") {
            duration(walk, true)?;
        }
        walk.close_brackets()?;
    } else if walk.take_word("offset")? {
        duration(walk, false)?;
    } else if walk.take("@")? {
        time(walk)?;
    } else if walk.is_one_of(&["anchored", "smoothed"]) {
        walk.experimental(token)?;
        walk.next()?;
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
    Ok(Next::Operand)
}

fn close(walk: &mut Walk<'_>, open: &mut Vec<Frame>) -> Result<Next, Refused> {
    match open.pop() {
        None => return Err(walk.unexpected("an operator")),
        Some(Frame::Info { is_selected: false }) => {
            return Err(walk.error(walk.token().start, Problem::Info));
        }
        Some(Frame::Aggregation { is_grouped: false }) => {
            walk.next()?;
            if walk.take_word("by")? || walk.take_word("without")? {
                labels(walk)?;
            }
        }
        Some(_) => drop(walk.next()?),
    }
    Ok(Next::After)
}

/// A metric, of which the name has passed.
fn metric(walk: &mut Walk<'_>, name: Token) -> Result<(), Refused> {
    if walk.is("{") {
        return braces(walk).map(drop);
    }
    walk.insert(name.end, Place::AfterName);
    Ok(())
}

/// Matchers in braces. Says whether one of them names a label that series must have.
fn braces(walk: &mut Walk<'_>) -> Result<bool, Refused> {
    let opening = walk.token();
    walk.expect("{", "a selector")?;
    if walk.take("}")? {
        walk.insert(opening.end, Place::Alone);
        return Ok(false);
    }
    walk.insert(walk.token().start, Place::BeforeOthers);
    let mut is_naming = false;
    loop {
        let label = walk.word();
        let is_name = label.is_some_and(|word| !word.contains(':'));
        if !is_name && walk.token().kind != Kind::Quoted {
            return Err(walk.unexpected("a label or `}`"));
        }
        walk.next()?;
        let operator = walk.token();
        if walk.is_operator(MATCH_OPERATORS, &[]) {
            walk.next()?;
            let value = walk.token();
            walk.expect_kind(Kind::Quoted, "a string")?;
            is_naming |= label.is_some_and(|label| label != "__name__")
                && match (walk.text_of(operator), walk.text_of(value)) {
                    ("=", value) => value.len() > 2,
                    ("=~", value) => value.get(1..3) == Some(".+") && value.len() == 4,
                    _ => false,
                };
        } else if is_name {
            return Err(walk.unexpected("an operator such as `=`"));
        }
        if walk.take("}")? {
            return Ok(is_naming);
        }
        walk.expect(",", "`,` or `}`")?;
        if walk.take("}")? {
            return Ok(is_naming);
        }
    }
}

/// What stands between an operator and its right side.
fn matching(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.take_word("bool")?;
    if walk.take_word("on")? || walk.take_word("ignoring")? {
        labels(walk)?;
        if (walk.take_word("group_left")? || walk.take_word("group_right")?) && walk.is("(") {
            labels(walk)?;
        }
    }
    while walk.is_one_of(&["fill", "fill_left", "fill_right"]) {
        let fill = walk.next()?;
        if !walk.is("(") {
            // A metric of this name.
            walk.back_to(fill);
            break;
        }
        walk.experimental(fill)?;
        walk.next()?;
        literal(walk)?;
        walk.expect(")", "`)`")?;
    }
    Ok(())
}

/// Labels in parentheses.
fn labels(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expect("(", "`(`")?;
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

/// What follows `@`.
fn time(walk: &mut Walk<'_>) -> Result<(), Refused> {
    if walk.take_word("start")? || walk.take_word("end")? {
        walk.expect("(", "`(`")?;
        return walk.expect(")", "`)`");
    }
    literal(walk)
}

/// A number with or without a sign.
fn literal(walk: &mut Walk<'_>) -> Result<(), Refused> {
    if !walk.take("-")? {
        walk.take("+")?;
    }
    if walk.word().is_some_and(is_number) {
        return walk.next().map(drop);
    }
    walk.expect_kind(Kind::Number, "a number")
}

/// A duration: a number, or an expression of such. Within brackets the `whole` expression is one, after `offset` it ends
/// with its first operand; if Prometheus reads on there, it is only numbers.
fn duration(walk: &mut Walk<'_>, whole: bool) -> Result<(), Refused> {
    let mut depth = 0_usize;
    loop {
        let token = walk.token();
        if walk.take("+")? || walk.take("-")? {
            continue;
        }
        if walk.is("(") || walk.is_one_of(&["max_of", "min_of"]) {
            walk.experimental(token)?;
            depth = depth.saturating_add(1);
            walk.check_depth(depth)?;
            walk.take_kind(Kind::Word)?;
            walk.expect("(", "`(`")?;
            continue;
        }
        if walk.is_one_of(&["step", "range"]) {
            walk.experimental(token)?;
            walk.next()?;
            walk.expect("(", "`(`")?;
            walk.expect(")", "`)`")?;
        } else {
            walk.expect_kind(Kind::Number, "a duration")?;
        }
        while depth > 0 && walk.take(")")? {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 && !whole {
            return Ok(());
        }
        let token = walk.token();
        if walk.is_operator(&["+", "-", "*", "/", "%", "^"], &[]) {
            walk.experimental(token)?;
            walk.next()?;
        } else if depth > 0 {
            walk.expect(",", "an operator or `)`")?;
        } else {
            return Ok(());
        }
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|known| known.eq_ignore_ascii_case(word))
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
        match rest.bytes().next() {
            Some(b' ' | b'\t' | b'\n' | b'\r') => start = start.saturating_add(1),
            Some(b'#') => start = start.saturating_add(comment(rest, start)?),
            Some(b'"' | b'\'' | b'`') => return Ok(token(Kind::Quoted, quoted(rest, start)?)),
            Some(b':') if in_brackets => return symbol(rest, start, &[], ":"),
            Some(byte) if is_name_byte(byte, in_brackets) && !byte.is_ascii_digit() => {
                let end = rest.bytes().position(|byte| !is_name_byte(byte, in_brackets));
                return Ok(token(Kind::Word, end.unwrap_or(rest.len())));
            }
            Some(byte) if byte.is_ascii_digit() || starts_fraction(rest) => {
                return Ok(token(Kind::Number, number(rest, start, UNITS, |known, unit| known == unit)?));
            }
            _ => return symbol(rest, start, PAIRS, SINGLES),
        }
    }
}

fn is_name_byte(byte: u8, in_brackets: bool) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':' && !in_brackets
}

/// Whether a dot and a digit begin a number.
pub(super) fn starts_fraction(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|after| after.starts_with(|digit: char| digit.is_ascii_digit()))
}
