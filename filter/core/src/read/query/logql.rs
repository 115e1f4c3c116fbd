//! LogQL, as `pkg/logql/syntax` of Loki 3.8 reads it.
//!
//! A brace opens a selector wherever it stands outside of strings and comments, of which Loki has three kinds: `#`, `//`
//! and `/* */`. Quotes are `"` and backquotes; what Loki makes of `'` and of characters that no token has (names of one
//! character) is refused.

use super::Problem;
use super::names::{self, is_known_in_any_case};
use super::number::number;
use super::problem::{Refused, shown};
use super::quoted::{comment, quoted};
use super::walk::{Kind, MATCH_OPERATORS, Next, Place, Token, Walk, symbol};

const PAIRS: &[&str] = &["|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<="];
const SINGLES: &str = "|{}[](),=<>+-*/%^";
const UNITS: &[&str] = &[
    "ns", "us", "µs", "μs", "ms", "s", "m", "h", "d", "w", "y", "b", "kb", "kib", "mb", "mib", "gb", "gib",
    "tb", "tib", "pb", "pib",
];
const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "^", "==", "<=", ">=", "<", ">"];
const SET_OPERATORS: &[&str] = &["and", "unless"];
const COMPARISONS: &[&str] = &["=", "!=", "=~", "!~", "==", ">=", "<=", ">", "<"];
const LINE_FILTERS: &[&str] = &["|=", "|~", "|>", "!=", "!~", "!>"];
/// Words that end a list of labels.
const NO_LABELS: &[&str] = &["or", "and", "unless", "offset"];

const OPERAND: &str = "a selector, a function or a number";
const FLAG: &str = "`--strict` or `--keep-empty`";

/// An open bracket.
enum Frame {
    /// `(` around an expression.
    Group,
    /// The arguments of a function.
    Call,
    /// The arguments of an aggregation; its labels may follow, unless they came before.
    Aggregation { is_grouped: bool },
}

/// A whole query.
pub(super) fn query(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expression(operand, after)
}

/// The matchers of streams in braces.
pub(super) fn selector(walk: &mut Walk<'_>) -> Result<(), Refused> {
    let opening = walk.token();
    walk.expect("{", "a selector")?;
    if walk.take("}")? {
        walk.insert(opening.end, Place::Alone);
        return Ok(());
    }
    walk.insert(walk.token().start, Place::BeforeOthers);
    loop {
        walk.expect_kind(Kind::Word, "a label or `}`")?;
        if !walk.is_operator(MATCH_OPERATORS, &[]) {
            return Err(walk.unexpected("an operator such as `=`"));
        }
        walk.next()?;
        walk.expect_kind(Kind::Quoted, "a string")?;
        if walk.take("}")? {
            return Ok(());
        }
        walk.expect(",", "`,` or `}`")?;
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
        selector(walk)?;
    } else if let Some(word) = walk.word() {
        return call(walk, open, word);
    } else if !walk.take_kind(Kind::Number)? && !walk.take_kind(Kind::Quoted)? {
        return Err(walk.unexpected(OPERAND));
    }
    Ok(Next::After)
}

/// A function or an aggregation: there are no other words where an operand begins.
fn call(walk: &mut Walk<'_>, open: &mut Vec<Frame>, word: &str) -> Result<Next, Refused> {
    let token = walk.next()?;
    if is_known_in_any_case(names::LOGQL_AGGREGATIONS, word) {
        let is_grouped = walk.is_one_of(&["by", "without"]);
        if is_grouped {
            walk.next()?;
            labels(walk)?;
        }
        return push(walk, open, Frame::Aggregation { is_grouped });
    }
    if is_known_in_any_case(names::LOGQL_FUNCTIONS, word) {
        return push(walk, open, Frame::Call);
    }
    if walk.is("(") {
        return Err(walk.error(token.start, Problem::Function(shown(word))));
    }
    let found = shown(word);
    Err(walk.error(token.start, Problem::Unexpected { found, expected: OPERAND }))
}

/// What follows an operand.
fn after(walk: &mut Walk<'_>, open: &mut Vec<Frame>) -> Result<Next, Refused> {
    if walk.token().kind == Kind::End {
        return if open.is_empty() { Ok(Next::End) } else { Err(walk.unexpected("`)`")) };
    }
    if walk.is(")") {
        return close(walk, open);
    }
    if walk.is(",") && matches!(open.last(), Some(Frame::Call | Frame::Aggregation { .. })) {
        walk.next()?;
        return Ok(Next::Operand);
    }
    if walk.is("[") {
        walk.open_brackets()?;
        walk.expect_kind(Kind::Number, "a duration")?;
        walk.close_brackets()?;
    } else if walk.take_word("offset")? {
        walk.take("-")?;
        walk.expect_kind(Kind::Number, "a duration")?;
    } else if walk.take("|")? {
        stage(walk)?;
    } else if walk.is_operator(LINE_FILTERS, &["or"]) {
        let is_operator = walk.is("!=") || walk.is_word("or");
        walk.next()?;
        if !line(walk)? {
            if !is_operator {
                return Err(walk.unexpected("a string"));
            }
            matching(walk)?;
            return Ok(Next::Operand);
        }
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
    let Some(frame) = open.pop() else { return Err(walk.unexpected("an operator")) };
    walk.next()?;
    let may_group = matches!(frame, Frame::Aggregation { is_grouped: false });
    if may_group && (walk.take_word("by")? || walk.take_word("without")?) {
        labels(walk)?;
    }
    Ok(Next::After)
}

/// What lines have: a string or `ip("…")`. Says whether there was one.
fn line(walk: &mut Walk<'_>) -> Result<bool, Refused> {
    if walk.take_word("ip")? {
        walk.expect("(", "`(`")?;
        walk.expect_kind(Kind::Quoted, "a string")?;
        walk.expect(")", "`)`")?;
        return Ok(true);
    }
    walk.take_kind(Kind::Quoted)
}

/// A stage of a pipeline, of which the `|` has passed.
fn stage(walk: &mut Walk<'_>) -> Result<(), Refused> {
    if walk.take_word("json")? {
        return extractions(walk);
    }
    if walk.take_word("logfmt")? {
        while walk.take("-")? {
            walk.expect("-", FLAG)?;
            if walk.take_word("keep")? {
                walk.expect("-", FLAG)?;
            }
            if !walk.take_word("strict")? && !walk.take_word("empty")? {
                return Err(walk.unexpected(FLAG));
            }
        }
        return extractions(walk);
    }
    if walk.take_word("regexp")? || walk.take_word("pattern")? || walk.take_word("line_format")? {
        return walk.expect_kind(Kind::Quoted, "a string");
    }
    if walk.take_word("unpack")? || walk.take_word("decolorize")? {
        return Ok(());
    }
    if walk.take_word("label_format")? {
        loop {
            walk.expect_kind(Kind::Word, "a label")?;
            walk.expect("=", "`=`")?;
            if !walk.take_kind(Kind::Word)? {
                walk.expect_kind(Kind::Quoted, "a label or a string")?;
            }
            if !walk.take(",")? {
                return Ok(());
            }
        }
    }
    if walk.take_word("drop")? || walk.take_word("keep")? {
        loop {
            walk.expect_kind(Kind::Word, "a label")?;
            if walk.is_operator(MATCH_OPERATORS, &[]) {
                walk.next()?;
                walk.expect_kind(Kind::Quoted, "a string")?;
            }
            if !walk.take(",")? {
                return Ok(());
            }
        }
    }
    if walk.take_word("unwrap")? {
        walk.expect_kind(Kind::Word, "a label")?;
        if walk.take("(")? {
            walk.expect_kind(Kind::Word, "a label")?;
            walk.expect(")", "`)`")?;
        }
        return Ok(());
    }
    label_filter(walk)
}

/// Labels with or without the expressions that find them, or none at all.
fn extractions(walk: &mut Walk<'_>) -> Result<(), Refused> {
    if !is_label(walk) {
        return Ok(());
    }
    loop {
        walk.expect_kind(Kind::Word, "a label")?;
        if walk.take("=")? {
            walk.expect_kind(Kind::Quoted, "a string")?;
        }
        if !walk.take(",")? {
            return Ok(());
        }
    }
}

/// Comparisons of labels in parentheses and with `and`, `or`, `,` or nothing between them.
fn label_filter(walk: &mut Walk<'_>) -> Result<(), Refused> {
    let mut depth = 0_usize;
    loop {
        while walk.is("(") {
            depth = depth.saturating_add(1);
            walk.check_depth(depth)?;
            walk.next()?;
        }
        comparison(walk)?;
        while depth > 0 && walk.take(")")? {
            depth = depth.saturating_sub(1);
        }
        let joint = walk.token();
        let is_joint = walk.is(",") || walk.is_one_of(&["and", "or"]);
        if is_joint {
            walk.next()?;
        }
        if is_label(walk) || walk.is("(") {
            continue;
        }
        if depth > 0 {
            return Err(walk.unexpected("a label or `)`"));
        }
        if is_joint {
            walk.back_to(joint);
        }
        return Ok(());
    }
}

fn comparison(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expect_kind(Kind::Word, "a label or a stage of a pipeline")?;
    if !walk.is_operator(COMPARISONS, &[]) {
        return Err(walk.unexpected("an operator such as `=`"));
    }
    walk.next()?;
    if line(walk)? {
        return Ok(());
    }
    if !walk.take("-")? {
        walk.take("+")?;
    }
    walk.expect_kind(Kind::Number, "a string or a number")
}

fn is_label(walk: &Walk<'_>) -> bool {
    walk.token().kind == Kind::Word && !walk.is_one_of(NO_LABELS)
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
    Ok(())
}

/// Labels in parentheses.
fn labels(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expect("(", "`(`")?;
    if walk.take(")")? {
        return Ok(());
    }
    loop {
        walk.expect_kind(Kind::Word, "a label or `)`")?;
        if walk.take(")")? {
            return Ok(());
        }
        walk.expect(",", "`,` or `)`")?;
    }
}

/// The token at a byte or after it.
pub(super) fn lex(text: &str, from: usize, _: bool) -> Result<Token, (usize, Problem)> {
    let mut start = from;
    loop {
        let rest = text.get(start..).unwrap_or("");
        let token = |kind, length: usize| Token { kind, start, end: start.saturating_add(length) };
        match rest.as_bytes() {
            [b' ' | b'\t' | b'\n' | b'\r', ..] => start = start.saturating_add(1),
            [b'#', ..] | [b'/', b'/', ..] => start = start.saturating_add(comment(rest, start)?),
            [b'/', b'*', inner @ ..] => {
                let end = inner.windows(2).position(|pair| pair == b"*/");
                let end = end.ok_or((start, Problem::Unterminated))?;
                start = start.saturating_add(end).saturating_add(4);
            }
            [b'"' | b'`', ..] => return Ok(token(Kind::Quoted, quoted(rest, start)?)),
            [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => {
                let end = rest.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_');
                return Ok(token(Kind::Word, end.unwrap_or(rest.len())));
            }
            [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => {
                return Ok(token(Kind::Number, number(rest, start, UNITS, str::eq_ignore_ascii_case)?));
            }
            _ => return symbol(rest, start, PAIRS, SINGLES),
        }
    }
}
