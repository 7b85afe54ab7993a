#![no_main]

#[path = "../checks/pass.rs"]
mod pass;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pass::check(bytes));
