//! What backends say that they wrote: the counts in the answers of remote write 2.0.
//!
//! A sender of 2.0 reads them on every answer: a success without any counts as a failure there, since it may come from a
//! backend that took the message for one of 1.0, found nothing in it, and lost it. So does a part's answer here.
//!
//! Specification: <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#required-written-response-headers>.

use super::outcome::{Answer, Outcome};
use crate::http::{Headers, Reply};

/// `X-Prometheus-Remote-Write-Samples-Written` and its like.
const HEADERS: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// What one answer says about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// Nothing.
    #[default]
    Untold,
    /// So many samples, histograms and exemplars. A count that is not there, or no number, is 0.
    Counts([u64; 3]),
    /// Nothing, though it is a success of a protocol that must tell.
    Missing,
}

impl Written {
    /// What the headers of an answer say.
    pub fn of(headers: &Headers<'_>) -> Self {
        let values = HEADERS.map(|name| headers.first(name));
        if values.iter().all(Option::is_none) {
            return Self::Untold;
        }
        let number = |value: &[u8]| core::str::from_utf8(value).ok()?.trim().parse().ok();
        Self::Counts(values.map(|value| value.and_then(number).unwrap_or(0)))
    }
}

/// The answer to a part of version 2.0, as a sender of 2.0 would take it.
pub(super) fn must_tell(answer: Answer) -> Answer {
    const WORDS: &str = "it accepted the part without telling what it wrote: it may know remote write 1.0 only, \
                         and have lost it (write.BACKEND.remote_write.versions)";
    if matches!(answer.status, Some(200..=299)) && answer.written == Written::Untold {
        return Answer { written: Written::Missing, message: WORDS.as_bytes().to_vec(), ..answer };
    }
    answer
}

/// The combined answer in the form of version 2.0: with the counts of all parts, whatever became of the others.
pub(super) fn reply(outcome: &Outcome, limit: u32) -> Reply {
    let mut sums = [0_u64; 3];
    for part in &outcome.answers {
        if let Written::Counts(counts) = part.answer.written {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum = sum.saturating_add(count);
            }
        }
    }
    let mut reply = outcome.reply(limit);
    if reply.status == 200 {
        reply.status = 204;
    }
    reply.headers.extend(HEADERS.into_iter().zip(sums).map(|(name, sum)| (name, sum.to_string())));
    reply
}

#[cfg(test)]
mod tests {
    use super::super::outcome::PartAnswer;
    use super::super::rejected::Rejected;
    use super::super::route::Reason;
    use super::*;
    use crate::tenant::TenantId;

    #[test]
    fn headers_are_read_as_the_sender_reads_them() {
        let read = |pairs: &[(&str, &str)]| {
            Written::of(&Headers::new(pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect()))
        };
        assert_eq!(read(&[("x-other", "1")]), Written::Untold);
        assert_eq!(read(&[(HEADERS[0], "7")]), Written::Counts([7, 0, 0]));
        assert_eq!(
            read(&[(HEADERS[0], "many"), (HEADERS[2], " 3 "), (HEADERS[1], "-1")]),
            Written::Counts([0, 0, 3])
        );
    }

    #[test]
    fn counts_are_summed_and_a_success_must_tell() {
        let counts = |samples| Written::Counts([samples, 1, 0]);
        let cases: &[(&[(u16, Written)], bool, u16, [u64; 3])] = &[
            (&[(204, counts(2)), (204, counts(3))], false, 204, [5, 2, 0]),
            (&[(200, counts(2)), (204, counts(3))], false, 204, [5, 2, 0]),
            (&[(202, counts(2)), (202, counts(3))], false, 202, [5, 2, 0]),
            (&[(204, counts(2)), (400, counts(3))], false, 400, [5, 2, 0]),
            (&[(204, counts(2)), (400, Written::Untold)], false, 400, [2, 1, 0]),
            (&[(204, counts(2)), (500, Written::Untold)], false, 503, [2, 1, 0]),
            (&[(204, counts(2)), (429, counts(0))], false, 429, [2, 2, 0]),
            (&[(204, counts(2))], true, 400, [2, 1, 0]),
            (&[(204, counts(2)), (200, Written::Untold)], false, 502, [2, 1, 0]),
            (&[(204, counts(2)), (204, Written::Untold), (500, Written::Untold)], false, 503, [2, 1, 0]),
            // What it says itself is passed on: the sender knows what it sent.
            (&[(204, Written::Counts([0; 3]))], false, 204, [0; 3]),
            (&[(204, Written::Counts([u64::MAX; 3])), (204, counts(2))], false, 204, [u64::MAX; 3]),
            (&[], false, 204, [0; 3]),
            (&[], true, 400, [0; 3]),
        ];
        for (answers, rejected, status, sums) in cases {
            let tenant = TenantId::new("t").unwrap();
            let answers: Vec<_> = answers
                .iter()
                .map(|(status, written)| {
                    let answer = must_tell(Answer {
                        status: Some(*status),
                        retry_after: None,
                        message: Vec::new(),
                        written: *written,
                    });
                    PartAnswer::new(tenant.clone(), answer)
                })
                .collect();
            let mut series = Rejected::default();
            if *rejected {
                series.reject(Reason::Unmapped, || "up".to_owned());
            }
            let outcome = Outcome { answers, rejected: series };
            let reply = reply(&outcome, 4096);
            let what = format!("{:?}", outcome.answers);
            assert_eq!(reply.status, *status, "{what}");
            for (name, sum) in HEADERS.iter().zip(sums) {
                assert!(reply.headers.contains(&(name, sum.to_string())), "{what}: {reply:?}");
            }
            let body = String::from_utf8(reply.body).unwrap();
            assert_eq!(
                body.contains("without telling what it wrote"),
                body.contains("tenant t: 20"),
                "{body}"
            );
        }
    }
}
