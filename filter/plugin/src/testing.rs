//! A host that is no host: it keeps a request, notes what is asked of it, and fails where it is told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use scopegate_core::exchange::Millis;
use scopegate_core::http::Reply;
use scopegate_core::report::{Metric, TableMetric};
use scopegate_core::table::Get;
use scopegate_core::wire::{put_len, put_varint};
use scopegate_core::write::fanout::Call;

use crate::host::{Failure, HeaderMap, Host, Level};

/// Everything that a host can fail to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    Headers,
    Set,
    Remove,
    Body,
    Replace,
    Attribute,
    Reply,
    Call,
    Get,
    Date,
    AnswerStatus,
    Nonce,
    AnswerHeaders,
    AnswerBody,
    Resume,
    ResponseHeaders,
    SetResponse,
    RemoveResponse,
    ResponseBody,
    ReplaceResponse,
    Trailers,
    RemoveTrailer,
}

impl Op {
    /// All but what is about trailers, which most requests have none of.
    pub(crate) const ALL: [Self; 20] = [
        Self::Headers,
        Self::Set,
        Self::Remove,
        Self::Body,
        Self::Replace,
        Self::Attribute,
        Self::Reply,
        Self::Call,
        Self::Get,
        Self::Date,
        Self::AnswerStatus,
        Self::Nonce,
        Self::AnswerHeaders,
        Self::AnswerBody,
        Self::Resume,
        Self::ResponseHeaders,
        Self::SetResponse,
        Self::RemoveResponse,
        Self::ResponseBody,
        Self::ReplaceResponse,
    ];
}

/// Headers: names and values.
type Pairs = Vec<(String, String)>;

/// The host of one request.
#[derive(Clone, Default)]
pub(crate) struct Fake(pub(crate) Rc<State>);

#[derive(Default)]
pub(crate) struct State {
    /// The request's headers as they stand now.
    pub(crate) headers: RefCell<Pairs>,
    /// What comes after its body, as it stands now.
    pub(crate) trailers: RefCell<Pairs>,
    /// The kept body as it stands now.
    pub(crate) body: RefCell<Vec<u8>>,
    /// By their path, joined by spaces.
    pub(crate) attributes: RefCell<BTreeMap<String, Vec<u8>>>,
    /// The request's own answer as it stands now: headers and what is kept of its body.
    pub(crate) response: RefCell<(Pairs, Vec<u8>)>,
    /// The answer at hand: headers and body.
    pub(crate) answer: RefCell<(Pairs, Vec<u8>)>,
    pub(crate) replies: RefCell<Vec<Reply>>,
    /// The calls by their tokens.
    pub(crate) calls: RefCell<Vec<(u32, Call)>>,
    pub(crate) logs: RefCell<Vec<(Level, String)>>,
    pub(crate) counts: RefCell<Vec<(Metric, u64)>>,
    /// The calls that belong to no request, by their tokens.
    pub(crate) gets: RefCell<Vec<(u32, Get)>>,
    pub(crate) told: RefCell<Vec<(String, TableMetric, u64)>>,
    pub(crate) tick_period: Cell<u32>,
    pub(crate) gauges: RefCell<Vec<(Metric, u64)>>,
    pub(crate) values: RefCell<Vec<(Metric, u64)>>,
    pub(crate) notes: RefCell<Vec<String>>,
    /// The status of the request's own answer; 0 where it cannot be read.
    pub(crate) response_status: Cell<u16>,
    pub(crate) now: Cell<Millis>,
    pub(crate) date: Cell<u64>,
    /// Fails this, every time or only at the given time, counted from 0, with this status.
    pub(crate) fails: Cell<Option<(Op, Option<usize>, u32)>>,
    /// Serves the headers as these bytes.
    pub(crate) raw_headers: RefCell<Option<Vec<u8>>>,
    /// How often each was asked for.
    pub(crate) asked: RefCell<BTreeMap<Op, usize>>,
}

impl Fake {
    fn ask(&self, op: Op) -> Result<(), Failure> {
        let mut asked = self.0.asked.borrow_mut();
        let times = asked.entry(op).or_default();
        let time = *times;
        *times += 1;
        match self.0.fails.get() {
            Some((failing, when, status)) if failing == op && when.is_none_or(|when| when == time) => {
                Err(Failure(status))
            }
            _ => Ok(()),
        }
    }
}

fn map(pairs: &[(String, String)]) -> HeaderMap {
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    HeaderMap::serialize(&pairs)
}

/// As Envoy does it: of several values only the first is replaced.
fn set(headers: &mut Pairs, name: &str, value: &str) {
    match headers.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => headers.push((name.to_owned(), value.to_owned())),
    }
}

/// Replaces the first `size` bytes.
fn replace(kept: &mut Vec<u8>, size: usize, body: &[u8]) {
    let rest = kept.get(size..).unwrap_or_default().to_vec();
    *kept = [body, &rest].concat();
}

impl Host for Fake {
    fn now(&self) -> Millis {
        self.0.now.get()
    }

    fn wall_seconds(&self) -> Result<u64, Failure> {
        self.ask(Op::Date)?;
        Ok(self.0.date.get())
    }

    fn random(&self) -> u64 {
        std::ptr::from_ref(&*self.0) as u64
    }

    fn nonce(&self) -> Result<[u8; 16], Failure> {
        self.ask(Op::Nonce)?;
        Ok([u8::try_from(self.0.asked.borrow()[&Op::Nonce]).unwrap(); 16])
    }

    fn set_tick_period(&self, period_ms: u32) -> Result<(), Failure> {
        self.0.tick_period.set(period_ms);
        Ok(())
    }

    fn request_headers(&self) -> Result<HeaderMap, Failure> {
        self.ask(Op::Headers)?;
        Ok(match &*self.0.raw_headers.borrow() {
            Some(bytes) => HeaderMap::new(bytes.clone()),
            None => map(&self.0.headers.borrow()),
        })
    }

    fn set_request_header(&self, name: &str, value: &str) -> Result<(), Failure> {
        self.ask(Op::Set)?;
        set(&mut self.0.headers.borrow_mut(), name, value);
        Ok(())
    }

    fn remove_request_header(&self, name: &str) -> Result<(), Failure> {
        self.ask(Op::Remove)?;
        self.0.headers.borrow_mut().retain(|(known, _)| known != name);
        Ok(())
    }

    fn request_trailers(&self) -> Result<HeaderMap, Failure> {
        self.ask(Op::Trailers)?;
        Ok(map(&self.0.trailers.borrow()))
    }

    fn remove_request_trailer(&self, name: &str) -> Result<(), Failure> {
        self.ask(Op::RemoveTrailer)?;
        self.0.trailers.borrow_mut().retain(|(known, _)| known != name);
        Ok(())
    }

    fn request_body(&self, size: usize) -> Result<Vec<u8>, Failure> {
        self.ask(Op::Body)?;
        Ok(self.0.body.borrow().iter().copied().take(size).collect())
    }

    fn replace_request_body(&self, size: usize, body: &[u8]) -> Result<(), Failure> {
        self.ask(Op::Replace)?;
        replace(&mut self.0.body.borrow_mut(), size, body);
        Ok(())
    }

    fn resume_request(&self) -> Result<(), Failure> {
        self.ask(Op::Resume)
    }

    fn response_headers(&self) -> Result<HeaderMap, Failure> {
        self.ask(Op::ResponseHeaders)?;
        Ok(map(&self.0.response.borrow().0))
    }

    fn set_response_header(&self, name: &str, value: &str) -> Result<(), Failure> {
        self.ask(Op::SetResponse)?;
        set(&mut self.0.response.borrow_mut().0, name, value);
        Ok(())
    }

    fn remove_response_header(&self, name: &str) -> Result<(), Failure> {
        self.ask(Op::RemoveResponse)?;
        self.0.response.borrow_mut().0.retain(|(known, _)| known != name);
        Ok(())
    }

    fn response_body(&self, size: usize) -> Result<Vec<u8>, Failure> {
        self.ask(Op::ResponseBody)?;
        Ok(self.0.response.borrow().1.iter().copied().take(size).collect())
    }

    fn replace_response_body(&self, size: usize, body: &[u8]) -> Result<(), Failure> {
        self.ask(Op::ReplaceResponse)?;
        replace(&mut self.0.response.borrow_mut().1, size, body);
        Ok(())
    }

    fn attribute(&self, path: &[&str]) -> Result<Vec<u8>, Failure> {
        self.ask(Op::Attribute)?;
        self.0.attributes.borrow().get(&path.join(" ")).cloned().ok_or(Failure::NOT_FOUND)
    }

    fn reply(&self, reply: &Reply) -> Result<(), Failure> {
        self.ask(Op::Reply)?;
        self.0.replies.borrow_mut().push(reply.clone());
        Ok(())
    }

    /// Tokens are the host's own affair: here they are large and go down.
    fn call(&self, call: &Call) -> Result<u32, Failure> {
        self.ask(Op::Call)?;
        let mut calls = self.0.calls.borrow_mut();
        let token = 1_000 - u32::try_from(calls.len()).unwrap() * 7;
        calls.push((token, call.clone()));
        Ok(token)
    }

    fn get(&self, get: &Get) -> Result<u32, Failure> {
        self.ask(Op::Get)?;
        let mut gets = self.0.gets.borrow_mut();
        let token = 5_000 - u32::try_from(gets.len()).unwrap() * 3;
        gets.push((token, get.clone()));
        Ok(token)
    }

    fn answer_status(&self) -> Result<u16, Failure> {
        self.ask(Op::AnswerStatus)?;
        let answer = self.0.answer.borrow();
        let (_, status) = answer.0.iter().find(|(name, _)| name == ":status").ok_or(Failure::NOT_FOUND)?;
        status.parse().map_err(|_| Failure::PARSE)
    }

    fn answer_headers(&self) -> Result<HeaderMap, Failure> {
        self.ask(Op::AnswerHeaders)?;
        Ok(map(&self.0.answer.borrow().0))
    }

    fn answer_body(&self, size: usize) -> Result<Vec<u8>, Failure> {
        self.ask(Op::AnswerBody)?;
        Ok(self.0.answer.borrow().1.iter().copied().take(size).collect())
    }

    fn response_status(&self) -> Result<u16, Failure> {
        match self.0.response_status.get() {
            0 => Err(Failure(1)),
            status => Ok(status),
        }
    }

    fn note(&self, line: &str) {
        assert!(self.0.replies.borrow().is_empty(), "a note after the answer may come too late");
        self.0.notes.borrow_mut().push(line.to_owned());
    }

    fn log(&self, level: Level, line: &str) {
        self.0.logs.borrow_mut().push((level, line.to_owned()));
    }

    fn count(&self, _: usize, metric: &Metric, by: u64) {
        self.0.counts.borrow_mut().push((metric.clone(), by));
    }

    fn tell_table(&self, table: &str, metric: TableMetric, value: u64) {
        self.0.told.borrow_mut().push((table.to_owned(), metric, value));
    }

    fn set(&self, metric: Metric, value: u64) {
        self.0.gauges.borrow_mut().push((metric, value));
    }

    fn record(&self, _: usize, metric: &Metric, value: u64) {
        self.0.values.borrow_mut().push((metric.clone(), value));
    }
}

/// A remote-write body with one series for each value of the label `imp`; `-` is a series without it.
pub(crate) fn body(tenants: &[&str]) -> Vec<u8> {
    let mut message = Vec::new();
    let put = |out: &mut Vec<u8>, number: u32, content: &[u8]| {
        put_len(out, number, content.len());
        out.extend_from_slice(content);
    };
    for tenant in tenants {
        let mut series = Vec::new();
        for (name, value) in [("__name__", "up"), ("imp", *tenant)] {
            if value == "-" {
                continue;
            }

            let mut label = Vec::new();
            put(&mut label, 1, name.as_bytes());
            put(&mut label, 2, value.as_bytes());
            put(&mut series, 1, &label);
        }
        put(&mut message, 1, &series);
    }
    // A snappy block of literals only.
    let mut block = Vec::new();
    put_varint(&mut block, message.len() as u64);
    for literal in message.chunks(60) {
        block.push(u8::try_from(literal.len() - 1).unwrap() << 2);
        block.extend_from_slice(literal);
    }
    block
}
