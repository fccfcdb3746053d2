//! Any text as a filter: it is parsed or refused in each mode, and an accepted filter parses from its printed text.
#![no_main]

#[path = "../../tests/it/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|text: &str| laws::filter_text(text));
