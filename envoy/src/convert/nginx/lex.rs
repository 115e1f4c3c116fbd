//! nginx' configuration as a tree of directives, each with its place.
//!
//! Specification: `src/core/ngx_conf_file.c`: words between blanks, in single or double quotes where they hold any; `\` takes
//! the next character as it is; a directive ends with `;` or has a block; `#` begins a comment where a word could begin.

use std::ops::Range;

use crate::document::{Data, Entry, Node};

/// A directive.
#[derive(Debug)]
pub(super) struct Directive {
    /// How it is called in paths: its words, as far as they tell it from others; a number where that is not enough.
    pub(super) path: String,
    pub(super) words: Vec<String>,
    span: Range<usize>,
    pub(super) block: Option<Vec<Directive>>,
}

impl Directive {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// A word behind the name.
    pub(super) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// What is in its block.
    pub(super) fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or(&[])
    }
}

/// Where a text is not what nginx reads, and why.
pub(super) type Wrong = (usize, &'static str);

/// More levels than any file has.
const MAX_DEPTH: usize = 16;

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Vec<Directive>, Wrong> {
    let mut lexer = Lexer { text, at: 0 };
    let mut directives = Vec::new();
    lexer.block("", 0, &mut directives)?;
    Ok(directives)
}

/// The places of the directives, by their paths.
pub(super) fn tree(directives: &[Directive], span: Range<usize>) -> Node {
    let entry = |directive: &Directive| {
        let name = directive.path.rsplit(SEPARATOR).next().unwrap_or_default().to_owned();
        Entry { name, span: directive.span.clone(), value: tree(directive.inner(), directive.span.clone()) }
    };
    Node { span, data: Data::Map(directives.iter().map(entry).collect()) }
}

/// Between the names of a path.
const SEPARATOR: &str = ".";

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

enum Token {
    Word(String, Range<usize>),
    Semicolon,
    Open,
    Close,
    End,
}

impl Lexer<'_> {
    fn block(&mut self, path: &str, depth: usize, out: &mut Vec<Directive>) -> Result<(), Wrong> {
        if depth > MAX_DEPTH {
            return Err((self.at, "nested too deep"));
        }
        let mut words: Vec<String> = Vec::new();
        let mut span = 0..0;
        loop {
            let start = self.at;
            match self.token()? {
                Token::Word(word, place) => {
                    if words.is_empty() {
                        span.start = place.start;
                    }
                    span.end = place.end;
                    words.push(word);
                }
                Token::Semicolon if words.is_empty() => return Err((start, "`;` without a directive")),
                Token::Semicolon => {
                    let path = named(path, &words, out);
                    out.push(Directive {
                        path,
                        words: std::mem::take(&mut words),
                        span: span.clone(),
                        block: None,
                    });
                }
                Token::Open if words.is_empty() => return Err((start, "`{` without a directive")),
                Token::Open => {
                    let path = named(path, &words, out);
                    let mut inner = Vec::new();
                    self.block(&path, depth + 1, &mut inner)?;
                    let words = std::mem::take(&mut words);
                    out.push(Directive { path, words, span: span.clone(), block: Some(inner) });
                }
                Token::Close | Token::End if !words.is_empty() => {
                    return Err((start, "a directive ends with `;`"));
                }
                Token::Close if depth == 0 => return Err((start, "`}` without its `{`")),
                Token::End if depth > 0 => return Err((start, "a block does not end")),
                Token::Close | Token::End => return Ok(()),
            }
        }
    }

    fn token(&mut self) -> Result<Token, Wrong> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                None => return Ok(Token::End),
                Some(byte) if byte.is_ascii_whitespace() => self.at += 1,
                Some(b'#') => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                Some(b';') => return Ok(self.sign(Token::Semicolon)),
                Some(b'{') => return Ok(self.sign(Token::Open)),
                Some(b'}') => return Ok(self.sign(Token::Close)),
                Some(quote @ (b'"' | b'\'')) => return self.quoted(char::from(*quote)),
                Some(_) => return Ok(self.bare()),
            }
        }
    }

    fn sign(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Wrong> {
        let start = self.at;
        let mut word = String::new();
        let mut characters = self.text.get(start + 1..).unwrap_or_default().char_indices();
        while let Some((at, c)) = characters.next() {
            if c == quote {
                self.at = start + 1 + at + 1;
                return Ok(Token::Word(word, start..self.at));
            }
            word.push(if c == '\\' { characters.next().map_or('\\', |(_, c)| c) } else { c });
        }
        Err((start, "a quote does not end"))
    }

    fn bare(&mut self) -> Token {
        let start = self.at;
        let mut word = String::new();
        let rest = self.text.get(start..).unwrap_or_default();
        let mut characters = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' => word.push(characters.next().map_or('\\', |(_, c)| c)),
                // `${name}` is a variable.
                '{' if word.ends_with('$') => {
                    word.push(c);
                    for (_, c) in characters.by_ref() {
                        word.push(c);
                        if c == '}' {
                            break;
                        }
                    }
                }
                ';' | '{' | '}' => {
                    end = at;
                    break;
                }
                c if c.is_ascii_whitespace() => {
                    end = at;
                    break;
                }
                c => word.push(c),
            }
        }
        self.at = start + end;
        Token::Word(word, start..self.at)
    }
}

/// The path of a directive that stands behind these.
fn named(above: &str, words: &[String], before: &[Directive]) -> String {
    let count = match words.first().map(String::as_str) {
        Some("location" | "map" | "upstream") => words.len(),
        Some("proxy_set_header" | "add_header") => 2,
        _ => 1,
    };
    let own = words
        .iter()
        .take(count)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
        .replace(['.', '[', ']'], "·");
    let path = if above.is_empty() { own } else { format!("{above}{SEPARATOR}{own}") };
    let again = format!("{path} (");
    let alike = before.iter().filter(|known| known.path == path || known.path.starts_with(&again)).count();
    if alike == 0 { path } else { format!("{again}{})", alike + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(directives: &[Directive]) -> String {
        let one = |one: &Directive| match &one.block {
            Some(inner) => format!("{}{{{}}}", one.words.join("|"), shown(inner)),
            None => format!("{};", one.words.join("|")),
        };
        directives.iter().map(one).collect()
    }

    #[test]
    fn table() {
        for (text, expected) in [
            ("", Ok("")),
            ("a b;c{d;}", Ok("a|b;c{d;}")),
            ("a 'b c' \"d;e\" f\\;g; # x {\n h;", Ok("a|b c|d;e|f;g;h;")),
            ("a ${b}c$d;", Ok("a|${b}c$d;")),
            ("location ~ \\.php$ { }", Ok("location|~|.php${}")),
            ("a", Err((1, "a directive ends with `;`"))),
            ("a {", Err((3, "a block does not end"))),
            ("}", Err((0, "`}` without its `{`"))),
            (";", Err((0, "`;` without a directive"))),
            ("a 'b", Err((2, "a quote does not end"))),
        ] {
            let read = read(text).map(|directives| shown(&directives));
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
        let deep = "a{".repeat(100);
        assert!(read(&deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(text in "[a-z$ {};\"'#\\\\\n\u{e9}]{0,60}") {
            if let Ok(directives) = read(&text) {
                let root = tree(&directives, 0..text.len());
                root.walk("", &mut |path, node| {
                    assert!(text.get(node.span.clone()).is_some(), "{path}");
                });
            }
        }
    }
}
