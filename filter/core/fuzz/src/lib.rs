//! What the targets have in common: a caller, its request, and an own reading of protobuf that shares nothing with the
//! core's, to judge what the core wrote.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use scopegate_core::caller::Attributes;
use scopegate_core::config::Config;
use scopegate_core::exchange::{Changes, Exchange, Step, Worker};
use scopegate_core::http::Headers;
use scopegate_core::policy::Policy;

/// A session, and a route to a cluster.
pub struct Session;

impl Attributes for Session {
    fn get(&self, path: &[&str]) -> Option<Vec<u8>> {
        match path {
            // `filter_metadata: {n: {}}`
            ["metadata"] => Some(vec![0x0a, 0x05, 0x0a, 0x01, b'n', 0x12, 0x00]),
            ["xds", "route_metadata"] => None,
            _ => Some(b"cluster".to_vec()),
        }
    }
}

thread_local! {
    static POLICIES: RefCell<HashMap<String, Rc<Policy>>> = RefCell::default();
}

/// A configuration that compiles, which happens once for each name: it takes longer than most requests.
pub fn policy(name: &str, config: impl FnOnce() -> serde_json::Value) -> Rc<Policy> {
    POLICIES.with_borrow_mut(|policies| {
        let compile = || Policy::compile(&Config::from_json(config()).unwrap(), &|_| None).unwrap();
        Rc::clone(policies.entry(name.to_owned()).or_insert_with(|| Rc::new(compile())))
    })
}

/// What becomes of a POST with this body. Its head must lead to the body.
pub fn post(policy: &Rc<Policy>, headers: &[(&str, &str)], body: Vec<u8>) -> Step {
    let mut all = vec![(":method", "POST")];
    all.extend(headers);
    let headers = Headers::new(all.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
    let (mut exchange, mut worker) = (Exchange::new(Rc::clone(policy)), Worker::default());
    assert!(matches!(exchange.head(&mut worker, &headers, false, &Session, 0), Step::Buffer));
    exchange.body(&mut worker, Ok(body), 0)
}

/// The one tenant that a request is sent on with.
pub fn tenant_of(changes: &Changes) -> &str {
    let tenants: Vec<_> = changes.headers.set.iter().filter(|(name, _)| name == "x-scope-orgid").collect();
    match tenants.as_slice() {
        [(_, tenant)] => tenant,
        _ => panic!("{tenants:?}"),
    }
}

/// A snappy block.
pub fn compress(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

/// What is in a snappy block, which the core wrote.
pub fn decompress(block: &[u8]) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(block).unwrap()
}

/// A field of a protobuf message.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a message with their numbers; `None` where it is none.
pub fn fields(mut message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)?),
            1 => message.split_off(..8).map(|_| Field::Fixed)?,
            2 => {
                let len = usize::try_from(varint(&mut message)?).ok()?;
                Field::Bytes(message.split_off(..len)?)
            }
            5 => message.split_off(..4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        fields.push((tag >> 3, field));
    }
    Some(fields)
}

/// The contents of all fields with this number.
pub fn contents(message: &[u8], number: u64) -> Vec<&[u8]> {
    let bytes = |(at, field)| match field {
        Field::Bytes(bytes) if at == number => Some(bytes),
        _ => None,
    };
    fields(message).expect("a message").into_iter().filter_map(bytes).collect()
}

/// The numbers of a repeated field, packed or not.
pub fn numbers(message: &[u8], number: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for (at, field) in fields(message).expect("a message") {
        match field {
            Field::Number(value) if at == number => numbers.push(value),
            Field::Bytes(mut packed) if at == number => {
                while !packed.is_empty() {
                    numbers.push(varint(&mut packed).expect("a number"));
                }
            }
            _ => {}
        }
    }
    numbers
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
