//! Applies any PatchOp message to any resource under both policies, and checks the laws.
//!
//! The input is one line with the resource, and the message after it.
#![no_main]

#[path = "../../tests/it/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::bytes(bytes));
