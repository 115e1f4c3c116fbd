//! Any bytes as the proof of a session: what can be read is written again as it came, and proves nothing without the key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::session::{KeyRing, Proof};

fuzz_target!(|input: (&[u8], &[u8], &str, &str, u64)| {
    let (value, keys, method, path, now) = input;
    // Whatever keys are, they are read, or refused with words.
    let _ = KeyRing::parse(keys).map_err(|words| assert!(!words.is_empty()));
    let ring = KeyRing::parse(b"k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let Ok(proof) = Proof::parse(value) else { return };
    assert!(proof.verify(ring.find(proof.key), method, path, now, u32::MAX).is_err(), "a proof was guessed");
    // The same says the same, signed: but for the key and the MAC it is what came.
    let signed = proof.claim.sign(&ring, method, path).unwrap();
    let again = Proof::parse(signed.as_bytes()).unwrap();
    assert_eq!(again.claim, proof.claim);
    assert_eq!(again.verify(ring.find(again.key), method, path, proof.claim.time, 0), Ok(()));
    let [came, ours] = [value, signed.as_bytes()].map(|text| core::str::from_utf8(text).unwrap());
    let fields = |text: &str, names: [&str; 5]| {
        let all = text.split(',').filter(|field| names.iter().any(|name| field.starts_with(name)));
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    let names = ["attribute=", "agent=", "time=", "nonce=", "body="];
    assert_eq!(fields(came, names), fields(ours, names));
});
