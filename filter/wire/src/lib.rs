//! The protobuf wire format and JSON, read in place.
//!
//! Nothing here builds an object: a [`Fields`] walk hands out slices of the message it was given.
//! It is as strict as the encoding specification's canonical form and stricter than the decoders
//! behind the gateway, since what they would read and we would not is a way around us: tags must be
//! minimal and below 2^32, groups and unknown wire types are errors, lengths stay inside the message.
//!
//! Specifications: <https://protobuf.dev/programming-guides/encoding/>, <https://www.rfc-editor.org/rfc/rfc8259>.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

pub mod encode;
mod envoy;
mod fields;
mod json;
mod plain;
pub mod snappy;
mod structure;

pub use envoy::metadata_namespace;
pub use fields::{Field, Fields, Malformed, Value, put_len, put_varint, varint, varint_len};
pub use json::{JsonError, JsonKind, JsonProblem, JsonReader, JsonText, json_tree};
pub use plain::{Plain, PlainLabels, Wanted, is_ascii};
pub use structure::{Datum, List, Structure};
