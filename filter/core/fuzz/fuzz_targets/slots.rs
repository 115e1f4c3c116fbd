//! Any bytes as what the workers share: read as pages of the ledger and as a list of failing tenants, or as nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::write::failing::Failing;
use scopegate_core::write::ledger::Page;

fuzz_target!(|input: (u64, &[u8])| {
    let (now, bytes) = input;
    let page = Page::decode(bytes, now);
    let written = page.encode(usize::MAX);
    assert!(written.len() <= bytes.len());
    assert!(Page::decode(&written, now).encode(usize::MAX) == written);
    let list = Failing::decode(bytes);
    assert_eq!(Failing::decode(&list.encode()), list);
});
