//! A walk over the tokens of a query, and what is put in on the way.

use core::fmt::Write as _;

use super::problem::{Refused, shown};
use super::{Matcher, Options, Problem, QueryError, Rewritten};

/// A piece of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The first byte.
    pub(super) start: usize,
    /// The byte after the last.
    pub(super) end: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing more.
    End,
    /// A name or keyword.
    Word,
    /// A number, duration or size.
    Number,
    /// A string with its quotes.
    Quoted,
    /// One or two characters; a single one is followed by 0.
    Symbol([u8; 2]),
}

/// Finds the token that begins at a byte or after it. The flag says whether the walk is between `[` and `]`.
pub(super) type Lexer = fn(&str, usize, bool) -> Result<Token, (usize, Problem)>;

/// Between a label and its value, in all three languages.
pub(super) const MATCH_OPERATORS: &[&str] = &["=", "!=", "=~", "!~"];

/// How a walk over an expression goes on.
pub(super) enum Next {
    /// Something stands here that has a value, perhaps after signs and brackets.
    Operand,
    /// Something had a value, and an operator, a comma or a bracket follows.
    After,
    /// The expression is whole.
    End,
}

/// A step of a walk over an expression: the state is what is open.
pub(super) type Part<'t, S> = fn(&mut Walk<'t>, &mut S) -> Result<Next, Refused>;

/// The token to look at, what came before it, and what is to be put in.
pub(super) struct Walk<'t> {
    text: &'t str,
    options: &'t Options,
    lex: Lexer,
    token: Token,
    /// Between `[` and `]`, where some languages cut their tokens differently.
    in_brackets: bool,
    edits: Vec<Edit>,
}

#[derive(Clone, Copy)]
struct Edit {
    at: usize,
    place: Place,
}

/// Where matchers are put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// After a name without braces.
    AfterName,
    /// In braces without anything.
    Alone,
    /// Before the first matcher of others.
    BeforeOthers,
    /// The same, right after a word.
    AfterWord,
}

impl<'t> Walk<'t> {
    /// Looks at the first token.
    pub(super) fn new(text: &'t str, options: &'t Options, lex: Lexer) -> Result<Self, Refused> {
        if text.len() > options.max_bytes {
            let problem = Problem::TooLong { limit: options.max_bytes };
            return Err(Box::new(QueryError { at: options.max_bytes, line: 1, column: 1, problem }));
        }
        // Loki refuses it everywhere, the others outside of strings.
        if let Some(at) = text.find('\0') {
            return Err(Box::new(QueryError::new(text, at, Problem::Character('\0'))));
        }
        let nothing = Token { kind: Kind::End, start: 0, end: 0 };
        let mut walk = Self { text, options, lex, token: nothing, in_brackets: false, edits: Vec::new() };
        walk.next()?;
        Ok(walk)
    }

    /// Walks over a whole expression, from operand to operand.
    pub(super) fn expression<S: Default>(
        &mut self,
        operand: Part<'t, S>,
        after: Part<'t, S>,
    ) -> Result<(), Refused> {
        let mut state = S::default();
        let mut next = Next::Operand;
        loop {
            next = match next {
                Next::Operand => operand(self, &mut state)?,
                Next::After => after(self, &mut state)?,
                Next::End => return Ok(()),
            };
        }
    }

    /// The token to look at.
    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// The text of a token.
    pub(super) fn text_of(&self, token: Token) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    /// Goes to the next token and returns the one before.
    pub(super) fn next(&mut self) -> Result<Token, Refused> {
        let passed = self.token;
        self.token = (self.lex)(self.text, passed.end, self.in_brackets)
            .map_err(|(at, problem)| self.error(at, problem))?;
        Ok(passed)
    }

    /// Goes back to a token, to read on from there.
    pub(super) fn back_to(&mut self, token: Token) {
        self.token = token;
    }

    /// Whether the token is this symbol.
    #[inline]
    pub(super) fn is(&self, symbol: &str) -> bool {
        self.token.kind == symbol_kind(symbol)
    }

    /// Whether the token is one of these symbols or keywords.
    pub(super) fn is_operator(&self, symbols: &[&str], keywords: &[&str]) -> bool {
        match self.token.kind {
            Kind::Symbol(_) => symbols.iter().any(|symbol| self.is(symbol)),
            Kind::Word => self.is_one_of(keywords),
            _ => false,
        }
    }

    /// Goes on if the token is this symbol.
    pub(super) fn take(&mut self, symbol: &str) -> Result<bool, Refused> {
        let is_it = self.is(symbol);
        if is_it {
            self.next()?;
        }
        Ok(is_it)
    }

    /// Goes on if the token is of this kind.
    pub(super) fn take_kind(&mut self, kind: Kind) -> Result<bool, Refused> {
        let is_it = self.token.kind == kind;
        if is_it {
            self.next()?;
        }
        Ok(is_it)
    }

    /// Goes on after this symbol, which must be there.
    pub(super) fn expect(&mut self, symbol: &str, expected: &'static str) -> Result<(), Refused> {
        if self.take(symbol)? { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Goes on after a token of this kind, which must be there.
    pub(super) fn expect_kind(&mut self, kind: Kind, expected: &'static str) -> Result<(), Refused> {
        if self.take_kind(kind)? { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// The text of the token if it is a word.
    pub(super) fn word(&self) -> Option<&'t str> {
        (self.token.kind == Kind::Word).then(|| self.text_of(self.token))
    }

    /// Whether the token is this keyword, in any case.
    pub(super) fn is_word(&self, keyword: &str) -> bool {
        self.word().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    /// Whether the token is one of these keywords, in any case.
    pub(super) fn is_one_of(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is_word(keyword))
    }

    /// Goes on if the token is this keyword, in any case.
    pub(super) fn take_word(&mut self, keyword: &str) -> Result<bool, Refused> {
        let is_it = self.is_word(keyword);
        if is_it {
            self.next()?;
        }
        Ok(is_it)
    }

    /// Goes on from `[` to what is in it.
    pub(super) fn open_brackets(&mut self) -> Result<(), Refused> {
        self.in_brackets = true;
        self.next().map(drop)
    }

    /// Goes on after `]`, which must be there.
    pub(super) fn close_brackets(&mut self) -> Result<(), Refused> {
        self.in_brackets = false;
        self.expect("]", "`]`")
    }

    /// What is experimental passes only when it is switched on.
    pub(super) fn experimental(&self, token: Token) -> Result<(), Refused> {
        if self.options.experimental {
            return Ok(());
        }
        Err(self.error(token.start, Problem::Experimental(shown(self.text_of(token)))))
    }

    /// Whether that many brackets may be open, of which the last is the token.
    pub(super) fn check_depth(&self, depth: usize) -> Result<(), Refused> {
        let limit = self.options.max_depth;
        if depth <= limit { Ok(()) } else { Err(self.error(self.token.start, Problem::TooDeep { limit })) }
    }

    /// The token is not what can stand here.
    #[expect(clippy::unnecessary_box_returns, reason = "a refusal is on its way through many functions")]
    pub(super) fn unexpected(&self, expected: &'static str) -> Refused {
        let found = shown(self.text_of(self.token));
        self.error(self.token.start, Problem::Unexpected { found, expected })
    }

    /// A problem at a byte of the query.
    #[expect(clippy::unnecessary_box_returns, reason = "a refusal is on its way through many functions")]
    pub(super) fn error(&self, at: usize, problem: Problem) -> Refused {
        Box::new(QueryError::new(self.text, at, problem))
    }

    /// Notes that matchers go in at a byte. Places are noted in order.
    pub(super) fn insert(&mut self, at: usize, place: Place) {
        self.edits.push(Edit { at, place });
    }

    /// Writes the query with the matchers in it, once it was walked to its end.
    pub(super) fn finish(self, matchers: &[Matcher]) -> Result<Rewritten, Refused> {
        if self.token.kind != Kind::End {
            return Err(self.unexpected("the end"));
        }
        let mut written = String::new();
        for matcher in matchers {
            written.push_str(if written.is_empty() { "" } else { "," });
            let _ = write!(written, "{matcher}");
        }
        if written.is_empty() {
            return Err(self.error(0, Problem::NoMatchers));
        }
        let limit = self.options.max_rewritten_bytes;
        let each = written.len().saturating_add(2);
        let size = self.text.len().saturating_add(each.saturating_mul(self.edits.len()));
        if size > limit {
            return Err(self.error(self.text.len(), Problem::Outgrown { limit }));
        }
        let mut text = String::with_capacity(size);
        let mut inserted = Vec::with_capacity(self.edits.len());
        let mut copied = 0;
        for Edit { at, place } in self.edits {
            text.push_str(self.text.get(copied..at).unwrap_or(""));
            copied = at;
            let start = text.len();
            match place {
                Place::AfterName => {
                    text.push('{');
                    text.push_str(&written);
                    text.push('}');
                }
                Place::Alone => text.push_str(&written),
                Place::BeforeOthers | Place::AfterWord => {
                    if place == Place::AfterWord {
                        text.push(' ');
                    }
                    text.push_str(&written);
                    text.push(',');
                }
            }
            inserted.push(start..text.len());
        }
        text.push_str(self.text.get(copied..).unwrap_or(""));
        Ok(Rewritten { text, inserted })
    }
}

/// The kind of a symbol of one or two ASCII characters.
pub(super) const fn symbol_kind(symbol: &str) -> Kind {
    match symbol.as_bytes() {
        [first, second] => Kind::Symbol([*first, *second]),
        [first] => Kind::Symbol([*first, 0]),
        _ => Kind::End,
    }
}

/// The symbol at a byte: one of the `pairs` of characters, or a single one.
pub(super) fn symbol(
    rest: &str,
    start: usize,
    pairs: &[&str],
    singles: &str,
) -> Result<Token, (usize, Problem)> {
    let (kind, length) = match rest.as_bytes() {
        // What a pair ends with.
        [first, second @ (b'=' | b'~' | b'>' | b'/'), ..]
            if pairs.iter().any(|pair| pair.as_bytes() == [*first, *second]) =>
        {
            (Kind::Symbol([*first, *second]), 2)
        }
        [first, ..] if singles.as_bytes().contains(first) => (Kind::Symbol([*first, 0]), 1),
        [] => (Kind::End, 0),
        _ => return Err((start, Problem::Character(rest.chars().next().unwrap_or_default()))),
    };
    Ok(Token { kind, start, end: start.saturating_add(length) })
}
