//! The pieces of HTTP that events and actions are made of.

mod accept;
mod headers;
mod path;
mod query;

pub use accept::prefers_html;
pub use headers::{Edits, Headers, Repeated};
pub use path::{host_name, split_query, under_prefix};
pub use query::{Argument, add_argument, arguments, encode, has_argument, without_arguments};

/// An answer given by the filter itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Headers besides those that Envoy adds, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// One word for Envoy's access log (`%RESPONSE_CODE_DETAILS%`).
    pub details: &'static str,
}
