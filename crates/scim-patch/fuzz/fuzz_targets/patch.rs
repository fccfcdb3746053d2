//! Any resource and any PatchOp message, a line each: an answer under both policies, and the laws.
#![no_main]

#[path = "../../tests/it/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::bytes(bytes));
