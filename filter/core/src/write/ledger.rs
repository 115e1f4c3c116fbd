//! The ledger: which parts of a request are settled, for when its sender sends it again.
//!
//! A request is known by a strong hash of everything that decides what is sent ([`Key`]), and each of its parts by a
//! print of its tenant and its body: where a part has changed meanwhile, though the request has not, because a table
//! leads elsewhere now, it is another part, and is sent. An entry says how each settled part was answered. Entries
//! live in pages, which the host keeps; each is bounded in bytes, in entries and in time, and forgetting one costs no more
//! than sending again what was sent before.

use core::hash::BuildHasher as _;

use foldhash::quality::FixedState;
use sha2::{Digest as _, Sha256};

use super::fanout::Target;
use crate::tenant::TenantId;
use crate::wire::{put_varint, varint, varint_len};

/// How many pages there are.
pub const PAGES: u8 = 64;
/// The most requests on one page.
pub const MAX_REQUESTS: usize = 64;
/// The longest message that is remembered of a refusal, in bytes.
const MAX_MESSAGE: usize = 200;

/// What a request is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u8; 16]);

/// A quick hash of a request's body. It tells which page a request is on, and most that are on none; what it finds is
/// believed only with the [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quick(u64);

/// A quick hash of a part: its tenant and its body. It need only tell the parts of one request from each other.
pub type Print = u64;

/// A part that need not be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which part.
    pub print: Print,
    /// The status it was answered with.
    pub status: u16,
    /// Whether that counts as a success, though it is a refusal.
    pub soft: bool,
    /// How many samples, histograms and exemplars its backend said that it wrote.
    pub written: [u64; 3],
    /// The beginning of what its backend said: of a refusal the first line, of a success anything, since OTLP tells there
    /// what it rejected.
    pub message: Vec<u8>,
}

/// Headers of a call that differ from one attempt to the next and decide nothing.
const VOLATILE: &[&str] = &["user-agent", "x-request-id", "traceparent", "tracestate", "b3"];

/// The same in every worker.
fn quick(purpose: u64, parts: &[&[u8]]) -> u64 {
    FixedState::with_seed(purpose).hash_one(parts)
}

/// The print of a part.
pub fn print(tenant: &TenantId, body: &[u8]) -> Print {
    quick(1, &[tenant.as_str().as_bytes(), body])
}

/// The version of a configuration: a hash of its bytes.
pub fn version(configuration: &[u8]) -> [u8; 16] {
    first(Sha256::digest(configuration))
}

fn first(digest: impl IntoIterator<Item = u8>) -> [u8; 16] {
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(digest) {
        *to = from;
    }
    half
}

impl Quick {
    /// The quick hash of a body.
    pub fn new(body: &[u8]) -> Self {
        Self(quick(2, &[body]))
    }

    /// The page that such a request is on.
    pub fn page(self) -> u8 {
        self.0.to_le_bytes()[0].checked_rem(PAGES).unwrap_or_default()
    }
}

impl Key {
    /// The key of a request: the configuration it came under, who sent it (`who`: the caller's name and its own
    /// tenants), where its parts go and how, and its body as it came.
    pub fn new(version: &[u8; 16], who: &[&str], target: &Target, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(version);
        for text in who {
            add(text.as_bytes());
        }
        add(target.cluster.as_bytes());
        for (name, value) in &target.headers {
            if !VOLATILE.contains(&name.as_str()) {
                add(name.as_bytes());
                add(value.as_bytes());
            }
        }
        add(body);
        Self(first(hash.finalize()))
    }
}

/// The requests on one page, the one that was noted last at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    quick: Quick,
    key: Key,
    /// When it is forgotten.
    until: u64,
    parts: Vec<Settled>,
}

impl Page {
    /// Reads what [`encode`](Self::encode) wrote, without what is over; nothing where it is anything else.
    pub fn decode(mut bytes: &[u8], now: u64) -> Self {
        let mut page = Self::default();
        while !bytes.is_empty() {
            let Some(entry) = Entry::decode(&mut bytes) else { return Self::default() };
            if entry.until > now {
                page.0.push(entry);
            }
        }
        page
    }

    /// The page as bytes, at most `limit`: the newest entries that find room.
    pub fn encode(&self, limit: usize) -> Vec<u8> {
        let mut room = limit;
        let newest = self.0.iter().rev().take(MAX_REQUESTS);
        let mut kept: Vec<&Entry> = newest
            .take_while(|entry| {
                let left = room.checked_sub(entry.len());
                room = left.unwrap_or_default();
                left.is_some()
            })
            .collect();
        kept.reverse();
        let mut out = Vec::with_capacity(limit.saturating_sub(room));
        for entry in kept {
            entry.encode(&mut out);
        }
        out
    }

    /// Whether a request with this body may be here.
    pub fn may_have(&self, quick: Quick) -> bool {
        self.0.iter().any(|entry| entry.quick == quick)
    }

    /// The settled parts of a request; empty where it is not here.
    pub fn find(&self, key: Key) -> &[Settled] {
        self.0.iter().find(|entry| entry.key == key).map_or(&[], |entry| &entry.parts)
    }

    /// Adds settled parts to those of a request, and remembers them until `until`. Gives the bytes that they take.
    pub fn settle(&mut self, quick: Quick, key: Key, parts: &[Settled], until: u64) -> usize {
        let known = self.0.iter().position(|entry| entry.key == key).map(|at| self.0.remove(at).parts);
        let mut all = known.unwrap_or_default();
        for part in parts {
            if all.iter().all(|known| known.print != part.print) {
                all.push(part.clone());
            }
        }
        let entry = Entry { quick, key, until, parts: all };
        let len = entry.len();
        self.0.push(entry);
        len
    }

    /// Forgets a request; whether it was here.
    pub fn forget(&mut self, key: Key) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.key != key);
        self.0.len() != before
    }
}

impl Settled {
    /// A part with this print that was answered like this.
    pub fn new(print: Print, status: u16, soft: bool, written: [u64; 3], message: &[u8]) -> Self {
        let line = match status {
            200..=299 => message,
            _ => message.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default(),
        };
        Self { print, status, soft, written, message: line.get(..MAX_MESSAGE).unwrap_or(line).to_vec() }
    }

    fn len(&self) -> usize {
        let written = self.written.iter().map(|count| varint_len(*count)).fold(0, usize::saturating_add);
        self.message.len().saturating_add(8 + 2 + 1 + 1).saturating_add(written)
    }
}

impl Entry {
    const HEAD: usize = 8 + 16 + 8 + 2;

    fn len(&self) -> usize {
        self.parts.iter().map(Settled::len).fold(Self::HEAD, usize::saturating_add)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let parts = u16::try_from(self.parts.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&self.quick.0.to_le_bytes());
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.until.to_le_bytes());
        out.extend_from_slice(&parts.to_le_bytes());
        for part in self.parts.iter().take(usize::from(parts)) {
            out.extend_from_slice(&part.print.to_le_bytes());
            out.extend_from_slice(&part.status.to_le_bytes());
            out.push(u8::from(part.soft));
            part.written.iter().for_each(|count| put_varint(out, *count));
            let message = part.message.get(..MAX_MESSAGE).unwrap_or(&part.message);
            out.push(u8::try_from(message.len()).unwrap_or_default());
            out.extend_from_slice(message);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let quick = Quick(u64::from_le_bytes(take(bytes)?));
        let key = Key(take(bytes)?);
        let until = u64::from_le_bytes(take(bytes)?);
        let count = u16::from_le_bytes(take(bytes)?);
        let mut parts = Vec::new();
        for _ in 0..count {
            let print = u64::from_le_bytes(take(bytes)?);
            let status = u16::from_le_bytes(take(bytes)?);
            let [soft] = take(bytes)?;
            let mut written = [0; 3];
            for count in &mut written {
                *count = varint(bytes).ok()?;
            }
            let [len] = take(bytes)?;
            let (message, rest) = bytes.split_at_checked(usize::from(len))?;
            *bytes = rest;
            parts.push(Settled { print, status, soft: soft != 0, written, message: message.to_vec() });
        }
        Some(Self { quick, key, until, parts })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
