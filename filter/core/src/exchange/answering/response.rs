//! The answer to a request about rules, alerts or silences: held until it is whole, and narrowed.

use std::rc::Rc;

use super::super::tell;
use super::super::{Exchange, Millis, Phase, Step, Worker, parse_number};
use super::{Answering, Stage};
use crate::http::{Edits, Headers, Reply};
use crate::read::answer::Narrowed;
use crate::report::{Decision, Refusal};
use crate::write::Encoding;

/// What an answer says of its body that is no longer so, or that invites others to keep it.
const NOT_SAID: &[&str] = &[
    "content-encoding",
    "transfer-encoding",
    "etag",
    "last-modified",
    "expires",
    "age",
    "accept-ranges",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
];

/// What every narrowed answer says to those who would keep it for others.
const NO_STORE: &str = "no-store";

impl Exchange {
    /// Whether the answer to a request that went on must be looked into: its head by [`Self::answer_head`], then its body by
    /// [`Self::answer_progress`] and [`Self::answer_body`].
    pub fn wants_answer(&self) -> bool {
        matches!(&self.phase, Phase::Answering(answering) if answering.wants_answer())
    }

    /// The head of an answer has arrived: it goes on (`Continue`), or is held and its body wanted (`Buffer`), or another
    /// takes its place (`Reply`).
    pub fn answer_head(
        &mut self,
        worker: &mut Worker,
        headers: &Headers<'_>,
        end_of_stream: bool,
        now: Millis,
    ) -> Step {
        let Some(mut answering) = self.take_answering() else { return self.as_before() };
        let status: Option<u16> = headers.pseudo(":status").parse().ok();
        if let Stage::WentOn(tracked) = &mut answering.stage
            && let Some(tracked) = tracked.take()
        {
            tracked.answered(&self.policy, worker, status, now);
        }
        let limit = self.policy.limits.response_bytes.0;
        let announced = headers.first("content-length").and_then(parse_number).unwrap_or(0);
        let encoding = match (status, encoding(headers)) {
            (Some(200), Ok(_)) if announced > u64::from(limit) => Err(Refusal::AnswerTooLarge { limit }),
            (Some(200), encoding) => encoding,
            // Words about what went wrong, and about nobody's rules.
            (Some(204 | 300..), _) => {
                self.note(worker, &answering, Decision::Forwarded);
                return self.go_on(Edits::default(), None, None);
            }
            _ => Err(Refusal::Answer { what: "its status is none that such an answer has" }),
        };
        match encoding {
            Err(refusal) => self.refuse_answer(worker, &answering, &refusal, now),
            Ok(encoding) => {
                let mut edits = Edits::default();
                for name in NOT_SAID {
                    edits.remove(headers, name);
                }
                edits.set(headers, "cache-control", NO_STORE);
                let media = headers.pseudo("content-type").to_owned();
                answering.stage = Stage::Kept { encoding, edits, media };
                self.phase = Phase::Answering(answering);
                if end_of_stream { self.answer_body(worker, Ok(Vec::new()), now) } else { Step::Buffer }
            }
        }
    }

    /// More of an answer's body has arrived: `size` bytes are kept by now.
    pub fn answer_progress(&mut self, worker: &mut Worker, size: usize, now: Millis) -> Step {
        let limit = self.policy.limits.response_bytes.0;
        match self.take_answering() {
            Some(answering) if size > limit as usize => {
                self.refuse_answer(worker, &answering, &Refusal::AnswerTooLarge { limit }, now)
            }
            Some(answering) => {
                self.phase = Phase::Answering(answering);
                Step::Buffer
            }
            None => self.as_before(),
        }
    }

    /// The whole body of an answer has arrived, or could not be read: what goes on in its place. A new body is never larger
    /// than the one that came, since the host may have no room for that: a larger one is an answer of its own.
    pub fn answer_body(
        &mut self,
        worker: &mut Worker,
        body: Result<Vec<u8>, &'static str>,
        now: Millis,
    ) -> Step {
        let Some(mut answering) = self.take_answering() else { return self.as_before() };
        let limit = self.policy.limits.response_bytes.0;
        let what = answering.what;
        let stage = core::mem::replace(&mut answering.stage, Stage::Request);
        let Stage::Kept { encoding, mut edits, media } = stage else {
            let refusal = Refusal::Host { what: "an answer has no head" };
            return self.refuse_answer(worker, &answering, &refusal, now);
        };
        let narrowed = body.map_err(|what| Refusal::Host { what }).and_then(|body| {
            let decoded = encoding.decode(&body, limit).map_err(|refusal| match refusal {
                Refusal::DecodedTooLarge { limit } => Refusal::AnswerTooLarge { limit },
                _ => Refusal::Answer { what: "it does not decompress" },
            })?;
            let narrowed = match answering.narrow(what, &decoded)? {
                Narrowed::AsItCame => decoded.into_owned(),
                Narrowed::Changed(body) => body,
                Narrowed::Foreign => return Err(Refusal::NotOwn),
            };
            Ok((body.len(), narrowed))
        });
        match narrowed {
            Ok((came, body)) if body.len() <= came => {
                self.note(worker, &answering, Decision::Forwarded);
                edits.set.push(("content-length".to_owned(), body.len().to_string()));
                self.go_on(edits, Some(body), None)
            }
            Ok((_, body)) => {
                self.note(worker, &answering, Decision::Forwarded);
                let headers = vec![("content-type", media), ("cache-control", NO_STORE.to_owned())];
                self.answer(Reply { status: 200, headers, body, details: "narrowed" })
            }
            Err(refusal) => self.refuse_answer(worker, &answering, &refusal, now),
        }
    }

    fn note(&self, worker: &mut Worker, answering: &Answering, decision: Decision) {
        tell::note_whole(&self.policy, worker, answering.asked, &answering.tenants(), decision);
    }

    /// What went on was answered, and the answer does not go on.
    fn refuse_answer(
        &mut self,
        worker: &mut Worker,
        answering: &Answering,
        refusal: &Refusal,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        self.note(worker, answering, Decision::Refused(refusal.reason()));
        let reply = tell::refuse_answer(&policy, worker, answering.asked, refusal, now);
        self.answer(reply)
    }

    fn take_answering(&mut self) -> Option<Box<Answering>> {
        match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Answering(answering) if answering.wants_answer() => Some(answering),
            other => {
                self.phase = other;
                None
            }
        }
    }
}

/// How an answer is compressed, although nobody asked for that.
fn encoding(headers: &Headers<'_>) -> Result<Encoding, Refusal> {
    let unknown = || Refusal::Answer { what: "it is compressed in a way that the gateway does not know" };
    match headers.only("content-encoding").map_err(|_| unknown())? {
        None | Some(b"identity") => Ok(Encoding::Identity),
        Some(b"gzip" | b"x-gzip") => Ok(Encoding::Gzip),
        Some(_) => Err(unknown()),
    }
}
