//! What `#[derive(Shape)]` names by `crate::config`, so that files of our own are read as configurations are.

pub(crate) use scopegate_core::config::{Node, ReadResult, Shape};
