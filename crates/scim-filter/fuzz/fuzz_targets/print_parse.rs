//! Any tree, built from the bytes: its printed text parses to the same tree.
#![no_main]

#[path = "../../tests/it/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::print_parse(bytes));
