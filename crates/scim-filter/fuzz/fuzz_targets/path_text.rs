//! Any text as a PATCH path and as an attribute path.
#![no_main]

#[path = "../../tests/it/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|text: &str| laws::path_text(text));
