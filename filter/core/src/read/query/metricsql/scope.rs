//! Which names are templates at a place of a query.
//!
//! The rules are those of `expandWithExpr`: of several definitions the last counts; one sees those before it, not itself
//! and not those after it; parameters are seen in their own definition alone; what a `WITH` defines is seen up to the end
//! of the expression that it is for. What is passed to a template is expanded where it stands, so a name never
//! means another thing for standing in an argument. Names are compared byte by byte; one with escapes is found by
//! `metricsql`, perhaps, and never here.

/// The definitions that are in scope, the innermost last.
#[derive(Default)]
pub(super) struct Scope<'t>(Vec<(&'t str, Meaning)>);

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A template without parameters, or a parameter: the name by itself is what it was defined as.
    Value,
    /// A template with parameters: the name by itself is a metric.
    Function,
}

impl<'t> Scope<'t> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Only the first so many are left.
    pub(super) fn leave(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub(super) fn define(&mut self, name: &'t str, meaning: Meaning) {
        self.0.push((name, meaning));
    }

    /// What a name stands for here, where a template has it.
    pub(super) fn meaning(&self, name: &str) -> Option<Meaning> {
        self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
    }
}
