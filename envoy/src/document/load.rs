//! From the events of a YAML parser to a tree.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{Data, Entry, Node};

/// A file that cannot be read.
pub(crate) struct Malformed {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) problem: Problem,
}

/// Why it cannot be read, and where.
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) span: Range<usize>,
}

/// Deeper than any configuration goes.
const MAX_DEPTH: usize = 128;
/// More than any configuration has, aliases counted as often as they are used.
const MAX_NODES: usize = 1_000_000;

/// The one document of a text. Several are a list where each is an object of Kubernetes, and else an error: Envoy reads the
/// first and is silent about the rest.
pub(super) fn document(text: &str) -> Result<Node, Problem> {
    let offsets: Vec<usize> =
        text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len())).collect();
    let mut loader =
        Loader { parser: Parser::new_from_str(text), offsets, anchors: HashMap::new(), nodes: 0 };
    let mut found: Vec<Node> = Vec::new();
    loop {
        let (event, span) = loader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(..) if found.last().is_some_and(|last| !is_kubernetes(last)) => {
                return Err(loader.problem("a second document: give each a file of its own", span));
            }
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd | Event::Nothing => {}
            event => found.push(loader.node(event, span, 0)?),
        }
    }
    match found.len() {
        0 => Err(Problem { message: "the file is empty".to_owned(), span: 0..0 }),
        1 => Ok(found.remove(0)),
        _ => Ok(Node { span: 0..text.len(), data: Data::List(found) }),
    }
}

/// Whether it is an object of Kubernetes.
fn is_kubernetes(node: &Node) -> bool {
    node.get("apiVersion").is_some() && node.get("kind").is_some()
}

struct Loader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// The byte at which each character starts.
    offsets: Vec<usize>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'t> Loader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Problem> {
        match self.parser.next() {
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.malformed(&error)),
        }
    }

    fn malformed(&self, error: &ScanError) -> Problem {
        let at = self.byte(error.marker().index());
        Problem { message: error.info().to_owned(), span: at..at }
    }

    fn byte(&self, character: usize) -> usize {
        self.offsets.get(character).or(self.offsets.last()).copied().unwrap_or_default()
    }

    fn range(&self, span: Span) -> Range<usize> {
        // A block's beginning takes no bytes; one is pointed at.
        let (start, end) = (span.start.index(), span.end.index());
        self.byte(start)..self.byte(end.max(start + 1))
    }

    fn problem(&self, message: &str, span: Span) -> Problem {
        Problem { message: message.to_owned(), span: self.range(span) }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Problem> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(self.problem("nested too deep, or too large", span));
        }
        let range = self.range(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let data = Data::Scalar { text: text.into_owned(), is_plain };
                Ok(self.keep(anchor, Node { span: range, data }))
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                Ok(self.keep(anchor, Node { span: range, data: Data::List(items) }))
            }
            Event::MappingStart(anchor, _) => {
                let entries = self.entries(depth)?;
                Ok(self.keep(anchor, Node { span: range, data: Data::Map(entries) }))
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| self.problem("an alias to nothing", span))?;
                node.walk("", &mut |_, _| self.nodes += 1);
                Ok(Node { span: range, data: node.data })
            }
            _ => Err(self.problem("something is missing here", span)),
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let Event::Scalar(name, ..) = event else {
                return Err(self.problem("a field's name is text", span));
            };
            let name = name.into_owned();
            if entries.iter().any(|entry| entry.name == name) {
                return Err(self.problem(&format!("`{name}` is here a second time"), span));
            }
            let range = self.range(span);
            let (event, span) = self.next()?;
            entries.push(Entry { name, span: range, value: self.node(event, span, depth + 1)? });
        }
    }

    fn keep(&mut self, anchor: usize, node: Node) -> Node {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        node
    }
}
