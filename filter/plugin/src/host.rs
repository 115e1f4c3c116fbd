//! What the filter asks of its host. Everything may fail, and nothing here panics.

use scopegate_core::exchange::Millis;
use scopegate_core::http::{Headers, Reply};
use scopegate_core::report::{Metric, TableMetric};
use scopegate_core::table::Get;
use scopegate_core::write::fanout::Call;

/// A host call that did not work, by the number of its status in the proxy-wasm ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(pub u32);

impl Failure {
    /// There is no such thing.
    pub const NOT_FOUND: Self = Self(1);
    /// Somebody else was quicker.
    pub const CAS_MISMATCH: Self = Self(8);
    /// What the host gave could not be read.
    pub const PARSE: Self = Self(4);
}

/// How loud a line in the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What an operator may want to know.
    Info,
    /// What an operator should know.
    Warn,
    /// What an operator must know.
    Error,
}

/// The host of a filter, as one request sees it, and as a worker does between requests.
pub trait Host {
    /// The time, on a clock that does not go back.
    fn now(&self) -> Millis;
    /// The date, in seconds since 1970.
    fn wall_seconds(&self) -> Result<u64, Failure>;
    /// A number that nobody else has.
    fn random(&self) -> u64;
    /// Random bytes that nobody else has and nobody can foretell.
    fn nonce(&self) -> Result<[u8; 16], Failure>;
    /// Asks for a tick every so many milliseconds; 0 is never.
    fn set_tick_period(&self, period_ms: u32) -> Result<(), Failure>;
    /// The request's headers.
    fn request_headers(&self) -> Result<HeaderMap, Failure>;
    /// Leaves the request with exactly one value of a header that it has at most once.
    fn set_request_header(&self, name: &str, value: &str) -> Result<(), Failure>;
    /// Removes every value of a header of the request.
    fn remove_request_header(&self, name: &str) -> Result<(), Failure>;
    /// What came after the request's body.
    fn request_trailers(&self) -> Result<HeaderMap, Failure>;
    /// Removes every value of a trailer of the request.
    fn remove_request_trailer(&self, name: &str) -> Result<(), Failure>;
    /// The first `size` bytes of the request's kept body.
    fn request_body(&self, size: usize) -> Result<Vec<u8>, Failure>;
    /// Replaces the `size` bytes of the request's kept body.
    fn replace_request_body(&self, size: usize, body: &[u8]) -> Result<(), Failure>;
    /// Lets a request that is held go on.
    fn resume_request(&self) -> Result<(), Failure>;
    /// The headers of the request's own answer, once that begins.
    fn response_headers(&self) -> Result<HeaderMap, Failure>;
    /// Leaves the answer with exactly one value of a header that it has at most once.
    fn set_response_header(&self, name: &str, value: &str) -> Result<(), Failure>;
    /// Removes every value of a header of the answer.
    fn remove_response_header(&self, name: &str) -> Result<(), Failure>;
    /// The first `size` bytes of what is kept of the answer's body.
    fn response_body(&self, size: usize) -> Result<Vec<u8>, Failure>;
    /// Replaces the `size` bytes that are kept of the answer's body.
    fn replace_response_body(&self, size: usize, body: &[u8]) -> Result<(), Failure>;
    /// An attribute; see <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>.
    fn attribute(&self, path: &[&str]) -> Result<Vec<u8>, Failure>;
    /// Answers the request.
    fn reply(&self, reply: &Reply) -> Result<(), Failure>;
    /// Makes a call; gives the token by which its answer comes.
    fn call(&self, call: &Call) -> Result<u32, Failure>;
    /// Makes a call that belongs to no request; gives the token by which its answer comes.
    fn get(&self, get: &Get) -> Result<u32, Failure>;
    /// The status of the answer at hand: of a good one mostly all that is wanted, and for less than all headers.
    fn answer_status(&self) -> Result<u16, Failure>;
    /// The headers of the answer at hand.
    fn answer_headers(&self) -> Result<HeaderMap, Failure>;
    /// The first `size` bytes of the body of the answer at hand.
    fn answer_body(&self, size: usize) -> Result<Vec<u8>, Failure>;
    /// The status of the request's own answer, once that begins.
    fn response_status(&self) -> Result<u16, Failure>;
    /// Leaves a line about the request for the access log. One that cannot be left is lost.
    fn note(&self, line: &str);
    /// Writes a line to the host's log.
    fn log(&self, level: Level, line: &str);
    /// Adds to a counter. Its number is the [`Tally`](scopegate_core::report::Tally)'s.
    fn count(&self, number: usize, metric: &Metric, by: u64);
    /// Sets a gauge of a table, or adds to a counter.
    fn tell_table(&self, table: &str, metric: TableMetric, value: u64);
    /// Sets a gauge.
    fn set(&self, metric: Metric, value: u64);
    /// Adds a value to a histogram, whose number is the tally's as well.
    fn record(&self, number: usize, metric: &Metric, value: u64);
}

/// A map of headers as the host serializes it: the number of pairs, the lengths of every name and value,
/// then each name and value with a zero after it; numbers are 32 bits, little endian.
#[derive(Clone, Debug, Default)]
pub struct HeaderMap(Vec<u8>);

impl HeaderMap {
    /// A serialized map.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Serializes headers for the host. Lengths beyond 32 bits do not exist in a 32-bit module.
    pub fn serialize(pairs: &[(&str, &str)]) -> Self {
        let mut out = Vec::new();
        let number = |out: &mut Vec<u8>, len: usize| {
            out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        };
        number(&mut out, pairs.len());
        for (name, value) in pairs {
            number(&mut out, name.len());
            number(&mut out, value.len());
        }
        for (name, value) in pairs {
            for text in [name, value] {
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
        }
        Self(out)
    }

    /// The map as it goes to the host.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The headers in it.
    pub fn headers(&self) -> Result<Headers<'_>, Failure> {
        if self.0.is_empty() {
            return Ok(Headers::default());
        }
        parse(&self.0).map(Headers::new).ok_or(Failure::PARSE)
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut lengths = bytes;
    let count = usize::try_from(number(&mut lengths)?).ok()?;
    let mut data = lengths.get(count.checked_mul(8)?..)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_len, value_len) = (number(&mut lengths)?, number(&mut lengths)?);
        pairs.push((text(&mut data, name_len)?, text(&mut data, value_len)?));
    }
    Some(pairs)
}

fn number(input: &mut &[u8]) -> Option<u32> {
    let (number, rest) = input.split_first_chunk::<4>()?;
    *input = rest;
    Some(u32::from_le_bytes(*number))
}

fn text<'a>(input: &mut &'a [u8], len: u32) -> Option<&'a [u8]> {
    let (text, rest) = input.split_at_checked(usize::try_from(len).ok()?)?;
    *input = rest.split_first()?.1;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_and_never_trusted() {
        let map = HeaderMap::serialize(&[(":path", "/"), ("empty", ""), ("a", "b")]);
        let pairs: Vec<_> = map.headers().unwrap().iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        assert_eq!(pairs[0], (b":path".to_vec(), b"/".to_vec()));
        assert_eq!(pairs[1], (b"empty".to_vec(), b"".to_vec()));
        assert_eq!(pairs.len(), 3);
        assert_eq!(HeaderMap::default().headers().unwrap().iter().count(), 0);
        for cut in 1..map.0.len() {
            assert!(HeaderMap::new(map.0[..cut].to_vec()).headers().is_err(), "{cut}");
        }
        assert!(HeaderMap::new(vec![0xff; 16]).headers().is_err());
    }
}
