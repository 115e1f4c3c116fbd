//! What is wrong with a file: where, why, and what to do. Printed as compilers do.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// It does not work, or tenants are not kept apart.
    Error,
    /// It works, and somebody will be sorry.
    Warning,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// The field, such as `callers[1].jwt.issuer`; empty where it is the whole.
    pub(crate) path: String,
    /// The bytes of the text that it is about.
    pub(crate) span: Range<usize>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
    /// What else is known of it.
    pub(crate) note: Option<String>,
}

impl Finding {
    /// Without help.
    pub(crate) fn new(
        severity: Severity,
        path: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self { severity, path: path.to_owned(), span, message: message.into(), help: None, note: None }
    }

    /// With help.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With a note.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The line and the column, both from 1.
    pub(crate) fn position(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// As it is shown; with colours, which are taken off where nobody sees them.
    pub(crate) fn render(&self, file: &str, text: &str) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let label = if self.path.is_empty() { "here" } else { &self.path };
        let mut group = level.primary_title(self.message.as_str()).element(
            Snippet::source(text)
                .path(file)
                .annotation(AnnotationKind::Primary.span(self.span.clone()).label(label)),
        );
        if let Some(note) = &self.note {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::styled().decor_style(DecorStyle::Ascii).render(&[group])
    }
}
