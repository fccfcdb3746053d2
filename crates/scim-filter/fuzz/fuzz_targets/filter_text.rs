//! Any text as a filter: an answer in every mode, and what was accepted prints and parses.
#![no_main]

#[path = "../../tests/it/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|text: &str| laws::filter_text(text));
