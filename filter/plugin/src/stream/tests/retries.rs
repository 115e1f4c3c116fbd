//! A request that comes again, whatever the host fails to do meanwhile: its parts are sent once more, or they were settled.

use std::cell::Cell;
use std::rc::Rc;

use scopegate_core::exchange::{Alone, Process, SlotFailure, Stored, prepare};

use super::{CONFIG, Flow, Op, Request, Stream, answer, statuses};
use crate::shared::{Shared, configure};
use crate::testing::Fake;

/// The slots of a process, of which one operation fails: the one at this position, or all from there on.
#[derive(Default)]
struct Slots {
    inner: Alone,
    asked: Cell<usize>,
    fails: Cell<Option<(usize, bool, Option<SlotFailure>)>>,
}

impl Slots {
    fn ask(&self) -> Result<(), SlotFailure> {
        let at = self.asked.get();
        self.asked.set(at + 1);
        match self.fails.get() {
            Some((from, all, Some(failure))) if at == from || (all && at > from) => Err(failure),
            _ => Ok(()),
        }
    }
}

impl Process for Slots {
    fn make(&self, slot: &str, value: &[u8]) -> Result<(), SlotFailure> {
        self.inner.make(slot, value)
    }

    fn load(&self, slot: &str) -> Result<Stored, SlotFailure> {
        self.ask()?;
        self.inner.load(slot)
    }

    fn swap(&self, slot: &str, value: &[u8], version: u32) -> Result<(), SlotFailure> {
        self.ask()?;
        self.inner.swap(slot, value, version)
    }
}

fn shared(process: Rc<dyn Process>) -> Rc<Shared> {
    let config = CONFIG.replace("\"calls_per_request\": 2, ", "");
    let shared = Shared::new(process);
    assert!(shared.take(configure(config.as_bytes(), &|_| None).unwrap()));
    prepare(&*shared.worker.borrow().process, shared.policy.get().unwrap()).unwrap();
    Rc::new(shared)
}

const TENANTS: [&str; 3] = ["own", "cluster-1", "cluster-2"];

/// Sends the request and answers each call, that of `cluster-2` with `status`. The tenants that were called.
fn attempt(shared: &Rc<Shared>, status: &str, prepare: impl Fn(&Fake)) -> (Vec<String>, u16) {
    let request = Request::impersonating(&TENANTS);
    let host = request.host();
    prepare(&host);
    let mut stream = Stream::new(host.clone(), Rc::clone(shared));
    let size = request.body.len();
    stream.request_headers(false);
    assert_eq!(stream.request_body(size, true), Flow::Pause);
    let calls: Vec<_> =
        host.0.calls.borrow().iter().map(|(token, call)| (*token, call.tenant.to_string())).collect();
    for (token, tenant) in &calls {
        answer(&mut stream, *token, if tenant == "cluster-2" { status } else { "200" }, &[], b"");
    }
    let statuses = statuses(&host);
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    (calls.into_iter().map(|(_, tenant)| tenant).collect(), statuses[0])
}

#[test]
fn only_what_failed_is_sent_again() {
    let shared = shared(Rc::new(Alone::default()));
    assert_eq!(attempt(&shared, "503", |_| {}), (TENANTS.map(str::to_owned).to_vec(), 503));
    assert_eq!(attempt(&shared, "503", |_| {}), (vec!["cluster-2".to_owned()], 503));
    assert_eq!(attempt(&shared, "200", |_| {}), (vec!["cluster-2".to_owned()], 200));
    assert_eq!(attempt(&shared, "200", |_| {}).0.len(), 3);
}

/// The body is read twice; where that fails, or gives another length, all is sent again.
#[test]
fn the_body_is_gone() {
    let gone = |host: &Fake| host.0.fails.set(Some((Op::Body, Some(1), 1)));
    let shared = shared(Rc::new(Alone::default()));
    assert_eq!(attempt(&shared, "503", gone).1, 503);
    assert_eq!(attempt(&shared, "503", |_| {}).0.len(), 3);
    assert_eq!(attempt(&shared, "200", |_| {}).0.len(), 1);
}

/// Calls that cannot be made at all fail while they are made.
#[test]
fn no_call_can_be_made() {
    let shared = shared(Rc::new(Alone::default()));
    let host = Request::impersonating(&TENANTS).host();
    host.0.fails.set(Some((Op::Call, Some(2), 10)));
    let mut stream = Stream::new(host.clone(), Rc::clone(&shared));
    stream.request_headers(false);
    stream.request_body(host.0.body.borrow().len(), true);
    answer(&mut stream, 1_000, "200", &[], b"");
    answer(&mut stream, 993, "200", &[], b"");
    assert_eq!(statuses(&host), [503]);
    assert_eq!(attempt(&shared, "200", |_| {}), (vec!["cluster-2".to_owned()], 200));
}

#[test]
fn any_slot_may_fail_at_any_time() {
    let mut tried = 0;
    for failure in [SlotFailure::Absent, SlotFailure::Changed, SlotFailure::Host] {
        for all in [false, true] {
            for at in 0..60 {
                let slots = Rc::new(Slots::default());
                let shared = shared(Rc::<Slots>::clone(&slots));
                slots.fails.set(Some((at, all, Some(failure))));
                let what = format!("{failure:?} at {at}, {all}");
                // Whatever is remembered: who failed is sent again, and the answers are what they are.
                for (status, expected) in [("503", 503), ("500", 503), ("200", 200)] {
                    let (sent, answered) = attempt(&shared, status, |_| {});
                    assert_eq!(answered, expected, "{what}");
                    assert!(sent.contains(&"cluster-2".to_owned()), "{what}");
                }
                // All is well now; what could not be forgotten was accepted.
                let (sent, answered) = attempt(&shared, "200", |_| {});
                assert!(
                    answered == 200 && (sent.len() == 3 || sent.is_empty() || sent == ["cluster-2"]),
                    "{what}: {sent:?}"
                );
                tried += usize::from(slots.asked.get() > at);
            }
        }
    }
    assert!(tried > 100, "{tried}");
}
