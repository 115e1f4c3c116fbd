//! One answer for many: what the sender is told about all parts of its request.
//!
//! A sender knows three things to do: go on, drop the batch, or send it again. So the worst part decides, and
//! what can be made good by sending again goes before what cannot: a failure upstream, then a gateway that is
//! set up wrongly, then a rate limit, then a refusal. Sending a sample again is harmless.

use core::fmt::Write as _;

use super::answers::AnswerRules;
use super::rejected::Rejected;
use super::written::Written;
use crate::http::Reply;
use crate::report::Excerpt;
use crate::sorted;
use crate::tenant::TenantId;

/// The answer to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status; `None` where no answer came, or it broke off.
    pub status: Option<u16>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// The beginning of the body.
    pub message: Vec<u8>,
    /// What it says that was written.
    pub written: Written,
}

/// The answer for one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartAnswer {
    /// The part's tenant.
    pub tenant: TenantId,
    /// How many samples it has.
    pub samples: u32,
    /// What its upstream said.
    pub answer: Answer,
    /// What it counts as.
    pub judged: Judged,
    /// It was settled by an earlier attempt of the same request, and was not sent again.
    pub before: bool,
    /// Whether it was tried to send the part.
    pub sent: bool,
    /// Whether the sender may know of the tenant.
    pub named: bool,
    /// How many series it has.
    pub series: u32,
    /// Its print for the [ledger](super::ledger); 0 where nothing is remembered.
    pub print: u64,
}

/// What an answer counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// As what it is.
    AsIs,
    /// A refusal of samples that nobody misses: a success.
    Soft,
    /// Rate limited, and dropped as configured: a success.
    RateLimited,
    /// A failure of a tenant that has failed for too long: a refusal.
    GivenUp,
}

/// What became of all parts.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One answer a part, in the order they came.
    pub answers: Vec<PartAnswer>,
    /// The series that were not sent at all.
    pub rejected: Rejected,
}

/// What an answer asks the sender to do, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Success,
    Refused,
    RateLimited,
    Misconfigured,
    Failed,
}

impl Answer {
    /// How many bytes of an upstream's message are worth keeping.
    pub const MESSAGE_BYTES: usize = 512;
    /// How many bytes of a success are, where it may say what was rejected.
    pub const SUCCESS_BYTES: usize = 4096;

    /// An answer with this status that came some time ago, and the beginning of its message.
    pub fn remembered(status: u16, message: Vec<u8>) -> Self {
        Self { status: Some(status), retry_after: None, message, written: Written::Untold }
    }

    /// No answer came, for this reason.
    pub fn failed(reason: &str) -> Self {
        Self {
            status: None,
            retry_after: None,
            message: reason.as_bytes().to_vec(),
            written: Written::Untold,
        }
    }

    /// Whether the part was accepted.
    pub(super) fn is_success(&self) -> bool {
        self.severity() == Severity::Success
    }

    fn severity(&self) -> Severity {
        match self.status {
            Some(200..=299) if self.written == Written::Missing => Severity::Misconfigured,
            Some(200..=299) => Severity::Success,
            Some(429) => Severity::RateLimited,
            // No answer of a backend, or one for which the sender would drop its data although only an operator can
            // mend what is wrong here.
            Some(100..=399 | 401 | 403 | 404 | 405) => Severity::Misconfigured,
            // Some proxies answer 408 where they mean that they gave up waiting.
            Some(status @ 400..=499) if status != 408 => Severity::Refused,
            _ => Severity::Failed,
        }
    }
}

impl PartAnswer {
    /// An answer that came just now and counts as what it is.
    pub fn new(tenant: TenantId, answer: Answer) -> Self {
        Self {
            tenant,
            answer,
            judged: Judged::AsIs,
            before: false,
            sent: true,
            named: true,
            series: 0,
            samples: 0,
            print: 0,
        }
    }

    fn severity(&self) -> Severity {
        match self.judged {
            Judged::AsIs => self.answer.severity(),
            Judged::Soft | Judged::RateLimited => Severity::Success,
            Judged::GivenUp => Severity::Refused,
        }
    }

    /// Whether sending the part again would make it good.
    pub fn asks_again(&self) -> bool {
        self.severity() > Severity::Refused
    }

    /// Whether the backend has taken the part, or never will: sending it again changes nothing.
    pub fn is_settled(&self) -> bool {
        match self.judged {
            Judged::AsIs => !self.asks_again(),
            Judged::Soft => true,
            Judged::RateLimited | Judged::GivenUp => false,
        }
    }

    /// The series that are lost by the judgement, and the word for why.
    pub fn dropped(&self) -> Option<(u32, &'static str)> {
        match self.judged {
            Judged::AsIs | Judged::Soft => None,
            Judged::RateLimited => Some((self.series, "rate_limited")),
            Judged::GivenUp => Some((self.series, "given_up")),
        }
    }

    /// The tenant as the sender may see it.
    pub(super) fn who(&self) -> &str {
        if self.named { self.tenant.as_str() } else { "(not this caller's)" }
    }
}

impl Outcome {
    /// Judges every answer as the backend's options say.
    pub fn judge(&mut self, rules: &AnswerRules) {
        self.answers.iter_mut().for_each(|part| rules.judge(part));
    }

    /// Whether the sender is asked to send the request again.
    pub fn asks_again(&self) -> bool {
        self.answers.iter().any(PartAnswer::asks_again)
    }

    /// The outcome in a line, for a header: `TENANT=STATUS` for each tenant, the worst first, in at most `limit`
    /// bytes; `…` stands for tenants that found no room, or that the sender may not know of.
    pub fn summary(&self, limit: usize) -> String {
        const REST: &str = ", …";
        let mut line = String::new();
        let mut left_out = false;
        for part in sorted(self.answers.iter()) {
            if !part.named {
                left_out = true;
                continue;
            }
            let status = part.answer.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            let how = match part.judged {
                Judged::AsIs if part.before => ";before",
                Judged::AsIs => "",
                Judged::Soft => ";soft",
                Judged::RateLimited => ";dropped",
                Judged::GivenUp => ";given-up",
            };
            let comma = if line.is_empty() { "" } else { ", " };
            let word = format!("{comma}{}={status}{how}", part.tenant);
            if line.len().saturating_add(word.len()).saturating_add(REST.len()) > limit {
                left_out = true;
                break;
            }
            line.push_str(&word);
        }
        if left_out {
            line.push_str(if line.is_empty() { "…" } else { REST });
        }
        line
    }

    /// The combined answer for remote write 1.0, with at most `limit` bytes of explanation.
    pub fn reply(&self, limit: u32) -> Reply {
        let refused = self.rejected.any_rejected().then_some(Severity::Refused);
        let worst = self.answers.iter().map(PartAnswer::severity).chain(refused).max();
        let all =
            |status| !self.answers.is_empty() && self.answers.iter().all(|p| p.answer.status == Some(status));
        let (status, details) = match worst {
            None | Some(Severity::Success) if all(202) => (202, "split"),
            None | Some(Severity::Success) => (200, "split"),
            Some(Severity::Refused) if all(415) && refused.is_none() => (415, "split_refused"),
            Some(Severity::Refused) => (400, "split_refused"),
            Some(Severity::RateLimited) => (429, "split_rate_limited"),
            Some(Severity::Misconfigured) => (502, "split_misconfigured"),
            Some(Severity::Failed) => (503, "split_failed"),
        };
        let mut headers = Vec::new();
        if matches!(worst, Some(Severity::RateLimited | Severity::Misconfigured | Severity::Failed))
            && let Some(seconds) = self.failed().filter_map(|part| part.answer.retry_after).max()
        {
            headers.push(("retry-after", seconds.to_string()));
        }
        let body = if status < 300 { Vec::new() } else { self.explain(limit as usize).into_bytes() };
        if !body.is_empty() {
            headers.push(("content-type", "text/plain; charset=utf-8".to_owned()));
        }
        Reply { status, headers, body, details }
    }

    fn failed(&self) -> impl Iterator<Item = &PartAnswer> {
        self.answers.iter().filter(|part| part.severity() != Severity::Success)
    }

    /// Which tenants and which series it is about, the worst first.
    fn explain(&self, limit: usize) -> String {
        let failed = sorted(self.failed());
        let mut text = String::from("scopegate:");
        if !failed.is_empty() {
            let _ = write!(
                text,
                " {} of {} tenants did not accept their part.",
                failed.len(),
                self.answers.len()
            );
        }
        if self.rejected.any_rejected() {
            let _ = write!(text, " {} series were not written.", self.rejected.total());
        }
        text.push('\n');
        for part in &failed {
            let (tenant, message) = (part.who(), first_line(&part.answer.message));
            let given_up = if part.judged == Judged::GivenUp { "given up: " } else { "" };
            let line = match part.answer.status {
                Some(status) => format!("tenant {tenant}: {given_up}{status} {message}\n"),
                None => format!("tenant {tenant}: {given_up}no answer: {message}\n"),
            };
            if !append(&mut text, &line, limit) {
                return text;
            }
        }
        for example in self.rejected.examples() {
            if !append(&mut text, &format!("series {example}\n"), limit) {
                return text;
            }
        }
        let shown = u32::try_from(self.rejected.examples().len()).unwrap_or(u32::MAX);
        if self.rejected.total() > shown {
            append(&mut text, "…\n", limit);
        }
        text
    }
}

/// The worst first, then by tenant.
fn sorted<'a>(parts: impl Iterator<Item = &'a PartAnswer>) -> Vec<&'a PartAnswer> {
    sorted::by(parts.collect(), |a, b| b.severity().cmp(&a.severity()).then_with(|| a.tenant.cmp(&b.tenant)))
}

/// Appends `line` where there is room, else a mark that something is missing.
fn append(text: &mut String, line: &str, limit: usize) -> bool {
    let fits = text.len().saturating_add(line.len()) <= limit;
    text.push_str(if fits { line } else { "…\n" });
    fits
}

fn first_line(message: &[u8]) -> Excerpt<'_> {
    let line = message.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    Excerpt::new(line, 256)
}

#[cfg(test)]
mod tests {
    use super::super::route::Reason;
    use super::*;

    fn outcome(statuses: &[(u16, Option<u32>)], rejected: bool) -> Reply {
        let answers = (0..).zip(statuses).map(|(n, (status, retry_after))| {
            let answer = Answer {
                status: (*status > 0).then_some(*status),
                retry_after: *retry_after,
                message: format!("said {status}\nsecond line").into_bytes(),
                written: Written::Untold,
            };
            PartAnswer::new(TenantId::new(&format!("t{n}")).unwrap(), answer)
        });
        let mut series = Rejected::default();
        if rejected {
            series.reject(Reason::Unmapped, || "up{job=\"x\"}".to_owned());
        }
        Outcome { answers: answers.collect(), rejected: series }.reply(4096)
    }

    #[test]
    fn the_worst_that_can_be_made_good_decides() {
        let cases: &[(&[u16], bool, u16)] = &[
            (&[200, 200], false, 200),
            (&[200, 204], false, 200),
            (&[202, 202], false, 202),
            (&[200, 202], false, 200),
            (&[200, 400], false, 400),
            (&[200, 413], false, 400),
            (&[415, 415], false, 415),
            (&[200, 415], false, 400),
            (&[400, 429], false, 429),
            (&[429, 500], false, 503),
            (&[400, 599], false, 503),
            (&[200, 0], false, 503),
            (&[200, 408], false, 503),
            (&[200, 401], false, 502),
            (&[200, 403], false, 502),
            (&[200, 404], false, 502),
            (&[200, 405], false, 502),
            (&[200, 302], false, 502),
            (&[429, 404], false, 502),
            (&[404, 500], false, 503),
            (&[200], true, 400),
            (&[415], true, 400),
            (&[429], true, 429),
            (&[500], true, 503),
            (&[], true, 400),
            (&[], false, 200),
        ];
        for (statuses, rejected, expected) in cases {
            let statuses: Vec<_> = statuses.iter().map(|status| (*status, None)).collect();
            assert_eq!(outcome(&statuses, *rejected).status, *expected, "{statuses:?} {rejected}");
        }
    }

    #[test]
    fn the_longest_wait_is_passed_on() {
        let reply = outcome(&[(429, Some(3)), (429, Some(30)), (200, Some(99)), (429, None)], false);
        assert!(reply.headers.contains(&("retry-after", "30".to_owned())), "{reply:?}");
        assert!(outcome(&[(400, Some(3))], false).headers.iter().all(|(name, _)| *name != "retry-after"));
    }

    #[test]
    fn the_explanation_names_tenants_and_series_and_is_bounded() {
        let reply = outcome(&[(200, None), (400, None), (500, None)], true);
        assert_eq!(
            String::from_utf8(reply.body).unwrap(),
            "scopegate: 2 of 3 tenants did not accept their part. 1 series were not written.\n\
             tenant t2: 500 said 500\n\
             tenant t1: 400 said 400\n\
             series up{job=\"x\"}: the label leads to no tenant\n"
        );
        let many: Vec<_> = (0..500).map(|_| (500, None)).collect();
        let reply = outcome(&many, false);
        assert!(reply.body.len() <= 4096 + 8 && reply.body.ends_with("…\n".as_bytes()));
    }
}
