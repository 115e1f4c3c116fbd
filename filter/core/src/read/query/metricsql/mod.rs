//! MetricsQL, as `metricsql` 0.87 of VictoriaMetrics reads it.
//!
//! `WITH` templates are followed as far as names go, and never expanded. Every pair of braces and every name that is not
//! surely a template's gets the matchers, wherever it stands; what VictoriaMetrics makes of templates is put together
//! from these alone, and it only ever adds filters to a selector. So the one thing that must be right is when a
//! name without braces may stay as it is: [`Scope`] says when, and where it says nothing the name gets the matchers (and
//! VictoriaMetrics refuses what it cannot put together).

mod lexer;
mod scope;

pub(super) use self::lexer::lex;

use self::scope::{Meaning, Scope};
use super::Problem;
use super::names::{self, is_known_in_any_case};
use super::problem::{Refused, shown};
use super::walk::{Kind, MATCH_OPERATORS, Next, Place, Token, Walk};

const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "^", "==", "!=", "<=", ">=", "<", ">"];
const SET_OPERATORS: &[&str] = &["and", "or", "unless", "atan2", "if", "ifnot", "default"];
const OPERAND: &str = "an expression";

/// An open bracket, or what ends with the one around it.
enum Frame<'t> {
    /// `(` around expressions, or the arguments of a function.
    List,
    /// The arguments of an aggregation; its labels may follow, unless they came before.
    Aggregation { is_grouped: bool },
    /// The definitions of a `WITH`: what was in scope before it, and the one that is read.
    Definitions { outside: usize, name: &'t str, parameters: usize, before: usize },
    /// What a `WITH` is for: it goes on as far as an expression does.
    Body { outside: usize },
}

/// What is open, and which names are templates here.
#[derive(Default)]
struct State<'t> {
    open: Vec<Frame<'t>>,
    scope: Scope<'t>,
}

/// A whole query.
pub(super) fn query(walk: &mut Walk<'_>) -> Result<(), Refused> {
    walk.expression(operand, after)
}

/// A selector and nothing else.
pub(super) fn selector(walk: &mut Walk<'_>) -> Result<(), Refused> {
    match walk.word() {
        Some(word) if !is_number(word) => {
            let name = walk.next()?;
            metric(walk, &Scope::default(), name)
        }
        _ => braces(walk, &Scope::default()),
    }
}

/// What stands between operators, and the brackets and signs before it.
fn operand<'t>(walk: &mut Walk<'t>, state: &mut State<'t>) -> Result<Next, Refused> {
    if walk.take("+")? || walk.take("-")? {
        return Ok(Next::Operand);
    }
    if walk.is("(") {
        return push(walk, state, Frame::List);
    }
    if walk.is("{") {
        braces(walk, &state.scope)?;
    } else if let Some(word) = walk.word() {
        return name(walk, state, word);
    } else if !walk.take_kind(Kind::Number)? && !walk.take_kind(Kind::Quoted)? {
        return Err(walk.unexpected(OPERAND));
    }
    Ok(Next::After)
}

/// A word where an operand begins: a number, an aggregation, a call, a template, or a metric.
fn name<'t>(walk: &mut Walk<'t>, state: &mut State<'t>, word: &'t str) -> Result<Next, Refused> {
    let token = walk.next()?;
    if is_number(word) {
        return Ok(Next::After);
    }
    if is_known_in_any_case(names::METRICSQL_AGGREGATIONS, word) {
        let is_grouped = walk.is_one_of(&["by", "without"]);
        if is_grouped {
            walk.next()?;
            labels(walk, &state.scope)?;
        }
        if is_grouped || walk.is("(") {
            return push(walk, state, Frame::Aggregation { is_grouped });
        }
    } else if walk.is("(") {
        if word.eq_ignore_ascii_case("with") {
            let outside = state.scope.len();
            state.open.push(Frame::Definitions { outside, name: "", parameters: 0, before: outside });
            walk.check_depth(state.open.len())?;
            walk.next()?;
            return definition(walk, state);
        }
        if state.scope.meaning(word).is_some() || is_known_in_any_case(names::METRICSQL_FUNCTIONS, word) {
            return push(walk, state, Frame::List);
        }
        return Err(walk.error(token.start, Problem::Function(shown(word))));
    }
    metric(walk, &state.scope, token)?;
    Ok(Next::After)
}

/// The head of a definition, up to what it stands for; or the end of the definitions.
fn definition<'t>(walk: &mut Walk<'t>, state: &mut State<'t>) -> Result<Next, Refused> {
    let State { open, scope } = state;
    let Some(Frame::Definitions { outside, name, parameters, before }) = open.last_mut() else {
        return Err(walk.unexpected("an operator"));
    };
    if walk.take(")")? {
        let outside = *outside;
        open.pop();
        open.push(Frame::Body { outside });
        return Ok(Next::Operand);
    }
    *before = scope.len();
    *parameters = 0;
    *name = plain_name(walk, "a template or `)`")?;
    if walk.take("(")? {
        while !walk.take(")")? {
            scope.define(plain_name(walk, "a parameter or `)`")?, Meaning::Value);
            *parameters = parameters.saturating_add(1);
            if !walk.is(")") {
                walk.expect(",", "`,` or `)`")?;
            }
        }
    }
    walk.expect("=", "`=`")?;
    Ok(Next::Operand)
}

/// A name that reads the same wherever it stands: without escapes.
fn plain_name<'t>(walk: &mut Walk<'t>, expected: &'static str) -> Result<&'t str, Refused> {
    match walk.word() {
        Some(word) if !word.contains('\\') => walk.next().map(|_| word),
        _ => Err(walk.unexpected(expected)),
    }
}

/// What follows an operand.
fn after<'t>(walk: &mut Walk<'t>, state: &mut State<'t>) -> Result<Next, Refused> {
    let is_end = walk.token().kind == Kind::End;
    if is_end || walk.is(")") || walk.is(",") {
        while let Some(Frame::Body { outside }) = state.open.last() {
            state.scope.leave(*outside);
            state.open.pop();
        }
    }
    if is_end {
        return if state.open.is_empty() { Ok(Next::End) } else { Err(walk.unexpected("`)`")) };
    }
    if let Some(Frame::Definitions { name, parameters, before, .. }) = state.open.last()
        && (walk.is(")") || walk.is(","))
    {
        state.scope.leave(*before);
        state.scope.define(name, if *parameters == 0 { Meaning::Value } else { Meaning::Function });
        walk.take(",")?;
        return definition(walk, state);
    }
    if walk.is(")") {
        return close(walk, state);
    }
    if walk.is(",") && !state.open.is_empty() {
        walk.next()?;
        return Ok(if walk.is(")") { Next::After } else { Next::Operand });
    }
    if walk.is("[") {
        walk.open_brackets()?;
        if !walk.is(":") {
            duration(walk, &state.scope)?;
        }
        if walk.take(":")? && !walk.is("]") {
            duration(walk, &state.scope)?;
        }
        walk.close_brackets()?;
    } else if walk.take_word("offset")? {
        walk.take("-")?;
        duration_part(walk, &state.scope)?;
    } else if walk.take("@")? {
        return Ok(Next::Operand);
    } else if walk.take_word("keep_metric_names")? {
    } else if walk.is_operator(OPERATORS, SET_OPERATORS) {
        walk.next()?;
        matching(walk, &state.scope)?;
        return Ok(Next::Operand);
    } else {
        return Err(walk.unexpected("an operator"));
    }
    Ok(Next::After)
}

fn push<'t>(walk: &mut Walk<'t>, state: &mut State<'t>, frame: Frame<'t>) -> Result<Next, Refused> {
    state.open.push(frame);
    walk.check_depth(state.open.len())?;
    walk.expect("(", "`(`")?;
    Ok(if walk.is(")") { Next::After } else { Next::Operand })
}

fn close<'t>(walk: &mut Walk<'t>, state: &mut State<'t>) -> Result<Next, Refused> {
    let Some(frame) = state.open.pop() else { return Err(walk.unexpected("an operator")) };
    walk.next()?;
    if let Frame::Aggregation { is_grouped } = frame {
        if !is_grouped && (walk.take_word("by")? || walk.take_word("without")?) {
            labels(walk, &state.scope)?;
        }
        if walk.take_word("limit")? {
            walk.expect_kind(Kind::Number, "a number")?;
        }
    }
    Ok(Next::After)
}

/// A metric or a template, of which the name has passed.
fn metric(walk: &mut Walk<'_>, scope: &Scope<'_>, name: Token) -> Result<(), Refused> {
    if walk.is("{") {
        return braces(walk, scope);
    }
    // A template with parameters that is not called is a metric of its name.
    if scope.meaning(walk.text_of(name)) != Some(Meaning::Value) {
        walk.insert(name.end, Place::AfterName);
    }
    Ok(())
}

/// Groups of filters in braces, with `or` between them. Each gets the matchers.
fn braces(walk: &mut Walk<'_>, scope: &Scope<'_>) -> Result<(), Refused> {
    let opening = walk.token();
    walk.expect("{", "a selector")?;
    if walk.take("}")? {
        walk.insert(opening.end, Place::Alone);
        return Ok(());
    }
    walk.insert(walk.token().start, Place::BeforeOthers);
    loop {
        filter(walk, scope)?;
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

/// A label with its value, the name of a metric in quotes, or a template of filters.
fn filter(walk: &mut Walk<'_>, scope: &Scope<'_>) -> Result<(), Refused> {
    let label = walk.token();
    if !walk.take_kind(Kind::Word)? && !walk.take_kind(Kind::Quoted)? {
        return Err(walk.unexpected("a label or `}`"));
    }
    if walk.is_operator(MATCH_OPERATORS, &[]) {
        walk.next()?;
        return string(walk, scope);
    }
    let is_end = walk.is(",") || walk.is("}") || walk.is_word("or");
    match label.kind {
        Kind::Quoted if is_end => Ok(()),
        _ if is_end && scope.meaning(walk.text_of(label)).is_some() => Ok(()),
        _ if is_end => Err(walk.error(label.start, Problem::Template)),
        _ => Err(walk.unexpected("an operator such as `=`")),
    }
}

/// Strings, and templates of strings, with `+` between them.
fn string(walk: &mut Walk<'_>, scope: &Scope<'_>) -> Result<(), Refused> {
    loop {
        if is_template(walk, scope) {
            walk.next()?;
        } else {
            walk.expect_kind(Kind::Quoted, "a string")?;
        }
        if !walk.take("+")? {
            return Ok(());
        }
    }
}

/// What stands between an operator and its right side.
fn matching(walk: &mut Walk<'_>, scope: &Scope<'_>) -> Result<(), Refused> {
    walk.take_word("bool")?;
    if !walk.take_word("on")? && !walk.take_word("ignoring")? {
        return Ok(());
    }
    labels(walk, scope)?;
    if !walk.take_word("group_left")? && !walk.take_word("group_right")? {
        return Ok(());
    }
    if walk.is("(") {
        labels(walk, scope)?;
    }
    if walk.take_word("prefix")? {
        // Not `+`: what follows may be the right side with its sign.
        walk.expect_kind(Kind::Quoted, "a string")?;
    }
    Ok(())
}

/// Labels in parentheses, or `*`.
fn labels(walk: &mut Walk<'_>, scope: &Scope<'_>) -> Result<(), Refused> {
    walk.expect("(", "`(`")?;
    if walk.take("*")? {
        return walk.expect(")", "`)`");
    }
    while !walk.take(")")? {
        let label = walk.token();
        // It would have to be names alone, and has got matchers.
        if scope.meaning(walk.text_of(label)) == Some(Meaning::Value) {
            return Err(walk.error(label.start, Problem::LabelTemplate));
        }
        if !walk.take_kind(Kind::Word)? && !walk.take_kind(Kind::Quoted)? {
            return Err(walk.unexpected("a label or `)`"));
        }
        if !walk.is(")") {
            walk.expect(",", "`,` or `)`")?;
        }
    }
    Ok(())
}

/// A duration in brackets, such as `1h`, `5i`, `300`, `1h-5m`, or a template of one.
fn duration(walk: &mut Walk<'_>, scope: &Scope<'_>) -> Result<(), Refused> {
    duration_part(walk, scope)?;
    while walk.take("-")? {
        walk.expect_kind(Kind::Number, "a duration")?;
    }
    Ok(())
}

fn duration_part(walk: &mut Walk<'_>, scope: &Scope<'_>) -> Result<(), Refused> {
    // A colon would end the duration, and the name.
    if is_template(walk, scope) && walk.word().is_some_and(|word| !word.contains(':')) {
        return walk.next().map(drop);
    }
    walk.expect_kind(Kind::Number, "a duration")
}

/// Whether the token is a template's name.
fn is_template(walk: &Walk<'_>, scope: &Scope<'_>) -> bool {
    walk.word().is_some_and(|word| scope.meaning(word).is_some())
}

fn is_number(word: &str) -> bool {
    word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("nan")
}
