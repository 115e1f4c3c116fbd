//! Any query in any language: it is refused at a place within it, or only matchers were added, and rewriting it again finds
//! the same selectors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::read::query::{Language, Matcher, Options, Rewritten, rewrite, rewrite_selector};

fuzz_target!(|input: (u8, bool, String)| {
    let (language, experimental, text) = input;
    let language = match language % 3 {
        0 => Language::PromQl,
        1 => Language::MetricsQl,
        _ => Language::LogQl,
    };
    let options = Options { experimental, ..Options::default() };
    let matchers = [Matcher::equal("t", "a\"\\b").unwrap(), Matcher::any_of("u", ["c", "d.e"]).unwrap()];
    for rewrite in [rewrite, rewrite_selector] {
        match rewrite(language, &text, &matchers, &options) {
            Ok(rewritten) => {
                assert_eq!(original(&rewritten), text);
                let again = rewrite(language, &rewritten.text, &matchers, &options).expect("read once");
                assert_eq!(again.inserted.len(), rewritten.inserted.len());
            }
            Err(error) => assert!(text.is_char_boundary(error.at)),
        }
    }
});

/// The query without what was put in.
fn original(rewritten: &Rewritten) -> String {
    let mut text = rewritten.text.clone();
    for range in rewritten.inserted.iter().rev() {
        text.replace_range(range.clone(), "");
    }
    text
}
