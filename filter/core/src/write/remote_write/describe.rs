//! A series in words, for answers.

use crate::report::Excerpt;

/// A series with these labels in the notation of queries, cut short.
pub(super) fn describe<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    const SHOWN: usize = 8;
    let mut metric = String::new();
    let mut rest = Vec::new();
    let mut more = false;
    for (name, value) in labels {
        if name == b"__name__" {
            metric = Excerpt::new(value, 80).to_string();
        } else if rest.len() < SHOWN {
            rest.push(format!("{}=\"{}\"", Excerpt::new(name, 40), Excerpt::new(value, 40)));
        } else {
            more = true;
        }
    }
    if more {
        rest.push("…".to_owned());
    }
    format!("{metric}{{{}}}", rest.join(", "))
}
